//! What many of these tests begin with: requests by their kind, and a list that is open.

use pullcord::core::net::{Error, ErrorCode, Request};
use serde_json::{Value, json};

use super::harness::Harness;

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
