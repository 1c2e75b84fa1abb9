//! A conversation's state (R11): the server's, mirrored.

use std::rc::Rc;

use crate::core::node::Node;
use crate::core::records::LastKnown;
use crate::core::tx::{Listed, Replay, Stop, Tx};
use crate::core::types::{Conversation, Message};
use crate::core::wire::conversation::{Patch, patch};
use crate::core::wire::item::{LeftOut, Repairs, within};

pub(super) fn parse(node: &Node, of: Option<&Rc<str>>) -> Result<(Patch, Repairs), LeftOut> {
    let state = node.get("conversation").unwrap_or(&Node::Null);
    within("conversation", patch(state, of))
}

pub(super) fn conversation(patch: &Patch) -> &Rc<str> {
    &patch.id
}

pub(super) fn message(_: &Patch) -> Option<&Rc<Message>> {
    None
}

pub(super) fn apply(patch: &Patch, tx: &mut Tx, _: bool) -> Result<(), Stop> {
    mirror(patch, tx);
    Ok(())
}

/// What a server says of a conversation is so (R11).
pub(super) fn mirror(patch: &Patch, tx: &mut Tx) {
    let before = tx.state(&patch.id);
    let mut state = match &before {
        Some(state) => Conversation::clone(state),
        None => Conversation::new(patch.id.clone()),
    };
    if patch.read_seq.is_some() {
        tx.commit.changes.read.add(patch.id.clone());
    }
    patch.apply(&mut state);
    tx.add_last(before.as_deref(), &state);
    if before.as_deref() != Some(&state) {
        tx.set_state(&patch.id, Some(state));
    }
    if let Some(last) = patch.last_seq {
        let last = last.map(|seq| seq.0);
        // Where nothing is held, it says all there is to know since an older doubt.
        if tx.held(&patch.id).segments.is_empty() && tx.is_marked(&patch.id) {
            tx.forget_doubts(&patch.id);
        }
        let held = tx.held(&patch.id);
        // A mailbox may deliver an older state after a newer one was read: what was seen stays.
        held.seen = held.seen.max(last);
        held.last_known = Some(LastKnown::of(last));
    }
}

/// It says nothing of a page.
pub(super) fn replay_on_page(_: &Patch, _: &mut Replay) {}

/// It says nothing of what changed in the history.
pub(super) fn replay_on_changes(_: &Patch, _: &mut Listed) {}

pub(super) fn replay_on_list(patch: &Patch, tx: &mut Tx) {
    mirror(patch, tx);
}
