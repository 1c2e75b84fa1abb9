//! Own messages and read marks that the sync has not brought yet (R8).

use std::rc::Rc;

use super::conversation::parse_message;
use super::form::{LEFT, LOCAL, MARK, pair, read_pair, read_texts, seal, unseal, write_texts};
use crate::core::codec::Corrupt;
use crate::core::error::Error;
use crate::core::json;
use crate::core::node::{Node, missing};
use crate::core::storage::Value;
use crate::core::types::Message;

/// Where an own message stands on its way (R8). "sending" is the engine's: it is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalState {
    /// to be sent
    Queued,
    /// the server has it, the sync has not brought it yet
    Sent,
    /// the server refused it for good
    Failed,
}

/// Names an own message: its conversation and `clientId`. What is said of one names it so: where it
/// stands may be another's place by then.
pub type Name = (Rc<str>, String);

/// An own message that has left the outbox (R8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// which
    pub name: Name,
    /// the server has it; else it was discarded
    pub delivered: bool,
}

/// An own message that the sync has not brought yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// its place among all own messages, in the order written; never given again
    pub order: u64,
    /// where to
    pub conversation: Rc<str>,
    /// its name across retries
    pub client_id: String,
    /// JSON text
    pub body: Box<str>,
    /// ms since the epoch, this device's clock
    pub created_at: u64,
    /// where it stands on its way
    pub state: LocalState,
    /// how often it was tried
    pub attempts: u32,
    /// how often in a row no answer came in time
    pub silences: u32,
    /// how often the server failed over it (5xx)
    pub faults: u32,
    /// since the first of those the server has taken another message of this account
    pub overtaken: bool,
    /// the sync may have passed it since it was first tried: see [`Local::is_lost`]
    pub lost: bool,
    /// the newest position known when it was written
    pub after: Option<u64>,
    /// the server's answer; none where that could not be read
    pub message: Option<Rc<Message>>,
    /// why it failed, or why it is still on its way
    pub error: Option<Error>,
}

impl Local {
    /// One that was just written. `after`: the newest position known; `created_at`: ms since the epoch. It gets its
    /// place when it is stored.
    pub fn written(
        (conversation, client_id): Name,
        body: Box<str>,
        after: Option<u64>,
        created_at: u64,
    ) -> Self {
        Local {
            order: u64::MAX,
            conversation,
            client_id,
            body,
            created_at,
            state: LocalState::Queued,
            attempts: 0,
            silences: 0,
            faults: 0,
            overtaken: false,
            lost: false,
            after,
            message: None,
            error: None,
        }
    }

    /// The name by which it is spoken of.
    pub fn name(&self) -> Name {
        (self.conversation.clone(), self.client_id.clone())
    }

    /// Whether it is to be sent; a lost one, to hear once more what the server said of it.
    pub fn waits(&self) -> bool {
        self.state == LocalState::Queued || self.is_lost()
    }

    /// The server has it, what it said of it could not be read, and the sync may have passed it: the
    /// server is asked once more.
    pub fn is_lost(&self) -> bool {
        self.state == LocalState::Sent && self.lost
    }

    /// The server may have it, and nothing is known of what it made of it: an overflow may pass it.
    pub fn may_be_passed(&self) -> bool {
        let is_there = self.state == LocalState::Sent || self.attempts > 0;
        is_there && self.message.is_none()
    }

    /// As it is written again where the database that it was in is gone: the next sync may pass it.
    pub fn over_a_lost_database(&self) -> Self {
        Local {
            lost: self.lost || self.may_be_passed(),
            ..self.clone()
        }
    }

    /// Whether this is its name.
    pub fn is(&self, (conversation, client_id): &Name) -> bool {
        self.conversation == *conversation && self.client_id == *client_id
    }

    /// The key of its item in every list.
    pub fn key(&self) -> String {
        format!("c:{}", self.client_id)
    }

    /// Whether an app sees no difference: what else there is is not shown.
    pub fn looks_like(&self, other: &Local) -> bool {
        self.client_id == other.client_id
            && self.conversation == other.conversation
            && self.state == other.state
            && self.created_at == other.created_at
            && self.attempts == other.attempts
            && self.body == other.body
            && self.message == other.message
            && self.error == other.error
    }
}

/// A record of `Table::Outbox`.
#[derive(Debug, PartialEq, Eq)]
pub enum OutboxRecord {
    /// an own message
    Local(Local),
    /// a read mark
    Mark(Rc<str>, u64),
    /// own messages that have left the outbox in one commit, the number of their record first
    Left(u64, Vec<Left>),
}

/// The bytes of an own message.
pub fn write_local(local: &Local) -> Value {
    let mut text = String::new();
    text.push('{');
    json::field(&mut text, "order");
    json::number(&mut text, local.order);
    json::field(&mut text, "conversation");
    json::string(&mut text, &local.conversation);
    json::field(&mut text, "clientId");
    json::string(&mut text, &local.client_id);
    json::field(&mut text, "body");
    text.push_str(&local.body);
    json::field(&mut text, "createdAt");
    json::number(&mut text, local.created_at);
    json::field(&mut text, "state");
    text.push_str(match local.state {
        LocalState::Queued => "\"queued\"",
        LocalState::Sent => "\"sent\"",
        LocalState::Failed => "\"failed\"",
    });
    for (name, count) in [
        ("attempts", local.attempts),
        ("silences", local.silences),
        ("faults", local.faults),
    ] {
        json::field(&mut text, name);
        json::number(&mut text, u64::from(count));
    }
    for (name, flag) in [("overtaken", local.overtaken), ("lost", local.lost)] {
        json::field(&mut text, name);
        json::flag(&mut text, flag);
    }
    if let Some(after) = local.after {
        json::field(&mut text, "after");
        json::number(&mut text, after);
    }
    if let Some(message) = &local.message {
        json::field(&mut text, "message");
        json::stored_message(&mut text, message);
    }
    if let Some(error) = &local.error {
        json::field(&mut text, "error");
        json::error(&mut text, Some(error));
    }
    text.push('}');
    seal(LOCAL, &text)
}

/// The bytes of a read mark.
pub fn write_mark(conversation: &str, seq: u64) -> Value {
    seal(MARK, &pair(conversation, seq))
}

/// The bytes of own messages that have left the outbox in one commit.
pub fn write_left(number: u64, left: &[Left]) -> Value {
    let number = number.to_string();
    let mut texts = vec![&*number];
    for left in left {
        let how = if left.delivered { "d" } else { "" };
        texts.extend([&*left.name.0, &*left.name.1, how]);
    }
    write_texts(LEFT, texts.into_iter())
}

fn read_left(text: &str) -> Result<OutboxRecord, Corrupt> {
    let texts = read_texts(text)?;
    let (number, names) = texts.split_first().ok_or(Corrupt)?;
    let number = number.parse().map_err(|_| Corrupt)?;
    let left = |name: &[Rc<str>]| match name {
        [conversation, client_id, how] => Ok(Left {
            name: (conversation.clone(), client_id.to_string()),
            delivered: !how.is_empty(),
        }),
        _ => Err(Corrupt),
    };
    let left: Result<_, _> = names.chunks(3).map(left).collect();
    Ok(OutboxRecord::Left(number, left?))
}

/// Reads a record of `Table::Outbox`.
pub fn read_outbox(bytes: &[u8]) -> Result<OutboxRecord, Corrupt> {
    match unseal(bytes)? {
        (LOCAL, text) => parse_local(text)
            .map(OutboxRecord::Local)
            .map_err(|_| Corrupt),
        (MARK, text) => read_pair(text).map(|(id, seq)| OutboxRecord::Mark(id, seq)),
        (LEFT, text) => read_left(text),
        _ => Err(Corrupt),
    }
}

fn parse_local(text: &str) -> Result<Local, Error> {
    let node = Node::stored(text)?;
    // A record from before they were counted does not say it.
    let count = |name: &str| -> Result<u32, Error> {
        let count = node.optional_whole(name)?.unwrap_or(0);
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    };
    Ok(Local {
        order: node.whole("order")?,
        conversation: node.text("conversation")?.into(),
        client_id: node.text("clientId")?.to_owned(),
        body: match node.get("body") {
            Some(Node::Raw(body) | Node::Deep(body)) => (*body).into(),
            _ => return Err(missing("body", "there")),
        },
        created_at: node.whole("createdAt")?,
        state: match node.text("state")? {
            "queued" => LocalState::Queued,
            "sent" => LocalState::Sent,
            "failed" => LocalState::Failed,
            _ => return Err(missing("state", "queued, sent or failed")),
        },
        attempts: count("attempts")?,
        silences: count("silences")?,
        faults: count("faults")?,
        overtaken: node.is_set("overtaken"),
        lost: node.is_set("lost"),
        after: node.optional_whole("after")?,
        message: node.some("message").map(parse_message).transpose()?,
        error: node.some("error").map(Error::from_json),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::records::{MetaRecord, read_meta, write_next};

    #[test]
    fn an_own_message_survives_storage() {
        let local = Local {
            order: 7,
            conversation: "c".into(),
            client_id: "k\"".into(),
            body: r#"{"text":"é"}"#.into(),
            created_at: 5,
            state: LocalState::Failed,
            attempts: 7,
            silences: 2,
            faults: 4,
            overtaken: true,
            lost: true,
            after: Some(u64::MAX),
            message: None,
            error: Some(Error::from_status(422, "no", None)),
        };
        match read_outbox(&write_local(&local)).unwrap() {
            OutboxRecord::Local(back) => assert_eq!(back, local),
            _ => panic!("another record"),
        }
    }

    #[test]
    fn names_that_have_left_survive_storage() {
        let left = |client_id: &str, delivered| Left {
            name: ("c\"".into(), client_id.to_owned()),
            delivered,
        };
        let both = vec![left("a", true), left("", false)];
        for some in [both, Vec::new()] {
            match read_outbox(&write_left(u64::MAX, &some)).unwrap() {
                OutboxRecord::Left(number, back) => assert_eq!((number, back), (u64::MAX, some)),
                _ => panic!("another record"),
            }
        }
        match read_meta(&write_next(u64::MAX)).unwrap() {
            MetaRecord::Next(next) => assert_eq!(next, u64::MAX),
            _ => panic!("another record"),
        }
    }
}
