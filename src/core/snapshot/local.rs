//! Own messages that the sync has not brought.

use std::rc::Rc;

use crate::core::json;
use crate::core::outbox::Outbox;
use crate::core::records::{Local, LocalState};
use crate::core::tx::Committed;

/// An own message that the sync has not brought, and whether its request is under way.
pub(in crate::core) type LocalItem = (Rc<Local>, bool);

/// The own messages of one conversation, or of all, in the order written.
pub(in crate::core) fn locals(
    db: &Committed,
    outbox: &Outbox,
    conversation: Option<&str>,
) -> Vec<LocalItem> {
    let own = outbox.view(db, conversation).into_iter();
    // What the server has taken is "sent", whatever is still heard of it.
    let sending = |l: &Local| l.state == LocalState::Queued && outbox.is_sending(l);
    own.map(|l| (l.clone(), sending(&l))).collect()
}

pub(super) fn write_local(out: &mut String, local: &Local, sending: bool) {
    out.push('{');
    json::field(out, "kind");
    out.push_str("\"local\"");
    json::field(out, "key");
    json::string(out, &local.key());
    json::field(out, "clientId");
    json::string(out, &local.client_id);
    json::field(out, "conversation");
    json::string(out, &local.conversation);
    json::field(out, "state");
    out.push_str(match local.state {
        LocalState::Queued if sending => "\"sending\"",
        LocalState::Queued => "\"queued\"",
        LocalState::Sent => "\"sent\"",
        LocalState::Failed => "\"failed\"",
    });
    json::field(out, "message");
    match &local.message {
        Some(m) => json::message(out, m),
        None => out.push_str("null"),
    }
    json::field(out, "body");
    out.push_str(&local.body);
    json::field(out, "createdAt");
    json::number(out, local.created_at);
    json::field(out, "attempts");
    json::number(out, u64::from(local.attempts));
    json::field(out, "error");
    json::error(out, local.error.as_ref());
    out.push('}');
}
