//! An existing message's newest version (R3): edited, or recalled.

use std::rc::Rc;

use crate::core::irregular::{Done, Odd};
use crate::core::node::Node;
use crate::core::records::Local;
use crate::core::tx::{Listed, Replay, Stop, Tx, newer};
use crate::core::types::Message;
use crate::core::wire::item::{LeftOut, Repairs, within};
use crate::core::wire::message::message as read_message;

pub(super) fn parse(node: &Node, of: Option<&Rc<str>>) -> Result<(Rc<Message>, Repairs), LeftOut> {
    let newest = node.get("message").unwrap_or(&Node::Null);
    within("message", read_message(newest, of, true))
}

pub(super) fn conversation(newest: &Rc<Message>) -> &Rc<str> {
    &newest.conversation
}

pub(super) fn message(newest: &Rc<Message>) -> Option<&Rc<Message>> {
    Some(newest)
}

/// R3. It is told where a copy was replaced, of what is held, of a `lastMessage`, or of an own message.
pub(super) fn apply(m: &Rc<Message>, tx: &mut Tx, _: bool) -> Result<(), Stop> {
    let mut replaced = tx.newer_elsewhere(m);
    // Every update is handed on: an open timeline may show a copy that is not held.
    tx.change(&m.conversation).updated.push(m.clone());
    replaced |= tx.replace(m)?;
    for local in tx.locals_of(&m.conversation) {
        let sent = local.message.as_ref();
        if sent.is_some_and(|sent| sent.id == m.id && m.is_newer_than(sent)) {
            tx.put_local(Local {
                message: Some(m.clone()),
                ..Local::clone(&local)
            });
        }
    }
    if replaced {
        tx.commit.changes.updates.push(m.clone());
    } else {
        tell_same_version(m, tx)?;
    }
    Ok(())
}

/// An update changes something, and raises the version: of one that does not the app's log is told.
fn tell_same_version(m: &Rc<Message>, tx: &mut Tx) -> Result<(), Stop> {
    let here = match tx.message_at(&m.conversation, m.seq.0)? {
        Some(here) => here,
        None => match tx
            .state(&m.conversation)
            .and_then(|c| c.last_message.clone())
        {
            Some(last) => last,
            None => return Ok(()),
        },
    };
    if here.id == m.id && here.version == m.version && here.says_else(m) {
        let what = "an update with the version that is here already";
        let odd = Odd::with(what, "message.version", m.version);
        let irregular = &mut tx.commit.changes.irregular;
        irregular.add_odd(Some(&m.conversation), Some(&m.id), &odd, Done::LeftOut);
    }
    Ok(())
}

pub(super) fn replay_on_page(m: &Rc<Message>, page: &mut Replay) {
    newer(&mut page.messages, m, false);
}

pub(super) fn replay_on_changes(m: &Rc<Message>, changed: &mut Listed) {
    newer(changed, m, false);
}

pub(super) fn replay_on_list(m: &Rc<Message>, tx: &mut Tx) {
    tx.newer_elsewhere(m);
}
