//! Trouble that was asked for (`--allow-trouble`): lost and doubled notifications, delay, failed requests, messages that are not as they have to be. It is how
//! the demo and the tests show what the client makes of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::db::AccountId;
use crate::error::Error;

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Trouble {
    /// Share of notifications that are lost, 0 to 1.
    pub(crate) drop_notifications: f64,
    /// Share of notifications that are sent twice, 0 to 1.
    pub(crate) duplicate_notifications: f64,
    /// Share of requests that fail with 500 or 503, 0 to 1: half of them after they have been carried out.
    pub(crate) error_rate: f64,
    /// Before every answer and notification, in ms.
    pub(crate) delay_ms: u32,
    /// Share of answers in which one message is not as it has to be, 0 to 1.
    pub(crate) odd_items: f64,
}

impl Trouble {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let shares = [
            self.drop_notifications,
            self.duplicate_notifications,
            self.error_rate,
            self.odd_items,
        ];
        if shares.iter().any(|share| !(0.0..=1.0).contains(share)) || self.delay_ms > 60_000 {
            return Err(Error::invalid(
                "shares are from 0 to 1, the delay at most 60000 ms",
            ));
        }
        Ok(())
    }

    /// An error that the request shall meet, if any.
    pub(crate) fn error(&self) -> Option<Error> {
        if !happens(self.error_rate) {
            return None;
        }
        Some(if fastrand::bool() {
            let mut error = Error::unavailable("trouble was asked for");
            error.retry_after = fastrand::bool().then_some(1);
            error
        } else {
            Error::internal_quietly()
        })
    }

    /// The answer, or one with an odd message in it.
    pub(crate) fn answer(&self, json: &[u8]) -> Option<Vec<u8>> {
        if !happens(self.odd_items) {
            return None;
        }
        let mut answer: Value = serde_json::from_slice(json).ok()?;
        let mut count = 0;
        messages(&mut answer, &mut |_| count += 1);
        if count == 0 {
            return None;
        }
        let (chosen, mut at) = (fastrand::usize(..count), 0);
        messages(&mut answer, &mut |message| {
            if at == chosen {
                make_odd(message);
            }
            at += 1;
        });
        serde_json::to_vec(&answer).ok()
    }

    /// How often a notification is sent: 0, 1 or 2 times.
    pub(crate) fn copies(&self) -> usize {
        if happens(self.drop_notifications) {
            0
        } else {
            1 + usize::from(happens(self.duplicate_notifications))
        }
    }
}

/// Every message in an answer, wherever it stands.
fn messages(value: &mut Value, seen: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| messages(item, seen)),
        Value::Object(fields) if fields.contains_key("seq") && fields.contains_key("version") => {
            seen(fields);
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| messages(field, seen)),
        _ => {}
    }
}

/// Each in another way: what servers have been seen to send.
fn make_odd(message: &mut Map<String, Value>) {
    match fastrand::u8(..5) {
        0 => _ = message.remove("sender"),
        1 => _ = message.insert("createdAt".to_owned(), json!("yesterday")),
        2 => _ = message.insert("clientId".to_owned(), json!({ "no": "text" })),
        // It is there, and cannot be read (yet).
        3 => {
            message.insert("state".to_owned(), json!("encrypted"));
            message.remove("body");
        }
        _ => {
            let deep = (0..120).fold(Value::Null, |inner, _| json!([inner]));
            message.insert("body".to_owned(), deep);
        }
    }
}

fn happens(share: f64) -> bool {
    fastrand::f64() < share
}

/// For all accounts, and for single ones in place of that.
#[derive(Default)]
pub(crate) struct Troubles {
    set: Mutex<HashMap<Option<AccountId>, Trouble>>,
}

impl Troubles {
    pub(crate) fn of(&self, account: Option<AccountId>) -> Trouble {
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        set.get(&account)
            .or_else(|| set.get(&None))
            .copied()
            .unwrap_or_default()
    }

    /// For one account, or for all: then also for those that had their own.
    pub(crate) fn set(&self, account: Option<AccountId>, trouble: Trouble) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        if account.is_none() {
            set.clear();
        }
        set.insert(account, trouble);
    }
}
