//! The account has left a conversation: its data is dropped.

use std::rc::Rc;

use crate::core::error::Error;
use crate::core::node::Node;
use crate::core::records::{Local, LocalState};
use crate::core::tx::{Listed, Replay, Stop, Tx};
use crate::core::types::Message;
use crate::core::wire::item::{LeftOut, Repairs, conversation_of};

pub(super) fn parse(node: &Node, of: Option<&Rc<str>>) -> Result<(Rc<str>, Repairs), LeftOut> {
    conversation_of(node, of)
}

pub(super) fn conversation(id: &Rc<str>) -> &Rc<str> {
    id
}

pub(super) fn message(_: &Rc<str>) -> Option<&Rc<Message>> {
    None
}

pub(super) fn apply(id: &Rc<str>, tx: &mut Tx, _: bool) -> Result<(), Stop> {
    remove(id, tx);
    Ok(())
}

/// Drops what is stored of it. Own messages stay where they were not sent: they have failed.
pub(super) fn remove(id: &Rc<str>, tx: &mut Tx) {
    tx.drop_conversation(id);
    let change = tx.change(id);
    change.removed = true;
    // What came before in the same batch is gone with it.
    change.inserted.clear();
    change.updated.clear();
    let changes = &mut tx.commit.changes;
    changes.messages.retain(|m| m.conversation != *id);
    changes.updates.retain(|m| m.conversation != *id);
    for local in tx.locals_of(id) {
        match local.state {
            LocalState::Queued => tx.put_local(Local {
                state: LocalState::Failed,
                error: Some(Error::left()),
                ..Local::clone(&local)
            }),
            LocalState::Sent => tx.drop_sent_local(&local),
            LocalState::Failed => {}
        }
    }
}

/// Whoever asked for a page is told of the removal itself.
pub(super) fn replay_on_page(_: &Rc<str>, _: &mut Replay) {}

/// Whoever asked what changed is told of the removal itself.
pub(super) fn replay_on_changes(_: &Rc<str>, _: &mut Listed) {}

pub(super) fn replay_on_list(id: &Rc<str>, tx: &mut Tx) {
    tx.set_state(id, None);
    tx.held(id).last_known = None;
}
