//! Own messages and read marks: nothing stops them, and they stop nothing (docs/rules.md, R8 and R14).

pub mod answers;
pub mod discard;
pub mod failing;
pub mod marks;
pub mod store;

use pullcord::core::net::{Error, ErrorCode, Request};
use serde_json::{Value, json};

use crate::harness::{Harness, message};

impl Harness {
    /// Numbers of the requests under way that are such.
    pub fn requests(&self, which: impl Fn(&Request) -> bool) -> Vec<u64> {
        let asked = self.asked.iter().filter(|(_, call)| which(call));
        asked.map(|(request, _)| *request).collect()
    }
}

pub fn silence() -> Error {
    Error::new(ErrorCode::Timeout, "no answer")
}

pub fn names(client_id: &str) -> impl Fn(&Request) -> bool {
    move |call| matches!(call, Request::Send { client_id: id, .. } if id == client_id)
}

/// What is being sent, by `clientId`.
pub fn sending(b: &Harness) -> Vec<&str> {
    let named = |(_, call): &'_ (u64, Request)| matches!(call, Request::Send { .. });
    let sends = b.asked.iter().filter(|asked| named(asked));
    sends
        .map(|(_, call)| match call {
            Request::Send { client_id, .. } => &**client_id,
            _ => unreachable!("it is a send"),
        })
        .collect()
}

pub fn send_to(b: &mut Harness, conversation: &str, client_id: &str) -> u64 {
    let body = json!({"text": client_id}).to_string();
    b.call(json!({"op": "send", "conversation": conversation, "body": body, "clientId": client_id}))
}

/// The own echo of `clientId` at `seq`, after `prev`.
pub fn echo(client_id: &str, prev: u64, seq: u64) -> Value {
    let mut own = message(seq);
    own["clientId"] = json!(client_id);
    json!({"type": "message", "message": own, "prev": prev})
}
