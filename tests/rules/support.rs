//! What many of these tests begin with: requests by their kind, and a list that is open.

use pullcord::core::net::{Error, ErrorCode, Request};
use serde_json::{Value, json};

use super::harness::{Harness, message};

pub fn is_pull(call: &Request) -> bool {
    matches!(call, Request::Pull { .. })
}

pub fn is_history(call: &Request) -> bool {
    matches!(call, Request::History { .. })
}

pub fn is_changes(call: &Request) -> bool {
    matches!(call, Request::Changes { .. })
}

pub fn is_list(call: &Request) -> bool {
    matches!(call, Request::Conversations { .. })
}

pub fn is_send(call: &Request) -> bool {
    matches!(call, Request::Send { .. })
}

pub fn is_edit(call: &Request) -> bool {
    matches!(call, Request::Edit { .. })
}

pub fn is_mark(call: &Request) -> bool {
    matches!(call, Request::MarkRead { .. })
}

pub fn is_ack(call: &Request) -> bool {
    matches!(call, Request::Acknowledge { .. })
}

/// A pull, whatever the scope.
pub fn is_any_pull(call: &Request) -> bool {
    matches!(
        call,
        Request::Pull { .. } | Request::PullConversations { .. } | Request::PullMailbox { .. }
    )
}

pub fn network() -> Error {
    Error::new(ErrorCode::Network, "no answer")
}

/// "c" open, its newest messages 7 8 9 shown, the cursor at "1".
pub fn opened() -> Harness {
    opened_with(json!({}))
}

/// The same, with these options.
pub fn opened_with(options: Value) -> Harness {
    let mut b = Harness::with(options);
    b.sign_in(9);
    b.open();
    b.answer_page(&[7, 8, 9], true, false);
    assert_eq!(b.shown(), "7 8 9");
    b
}

pub fn forbidden() -> Error {
    let mut error = Error::new(ErrorCode::Forbidden, "not yours");
    error.status = Some(403);
    error
}

/// A jump of the first list.
pub fn jump(b: &mut Harness, to: Value) -> u64 {
    b.call(json!({"op": "jump", "timeline": 1, "to": to}))
}

/// The server refuses, or fails: an answer of this status.
pub fn status(status: u16) -> Error {
    Error::from_status(status, "no", None)
}

/// The browser says whether there is a network.
pub fn set_online(b: &mut Harness, online: bool) {
    b.command(json!({"op": "network", "online": online}));
}

/// The key of the item that the first list's window was made for.
pub fn anchored(b: &Harness) -> &Value {
    &b.view()["anchor"]["key"]
}

/// A message of this time.
pub fn message_at(seq: u64, ms: u64) -> Value {
    let mut m = message(seq);
    m["createdAt"] = json!(ms);
    m
}

/// A pull that waits at the server.
pub fn is_waiting_pull(call: &Request) -> bool {
    matches!(call, Request::Pull { wait: Some(_), .. })
}

/// A batch, the last one of its chain.
pub fn batch(events: Value, cursor: &str) -> Value {
    json!({"events": events, "cursor": cursor, "hasMore": false})
}

/// A batch that has more behind it.
pub fn batch_with_more(events: Value, cursor: &str) -> Value {
    json!({"events": events, "cursor": cursor, "hasMore": true})
}
