//! A conversation's older history is gone.

use std::rc::Rc;

use crate::core::fault::Fault;
use crate::core::node::Node;
use crate::core::records::LocalState;
use crate::core::tx::{Listed, Replay, Stop, Tx};
use crate::core::types::{Message, Seq};
use crate::core::wire::item::{LeftOut, Repairs, conversation_of, event_left_out};

/// A trim.
#[derive(Clone, Debug, PartialEq)]
pub struct Trim {
    /// whose history
    pub conversation: Rc<str>,
    /// older than this
    pub before: Seq,
}

pub(super) fn parse(node: &Node, of: Option<&Rc<str>>) -> Result<(Trim, Repairs), LeftOut> {
    let (conversation, repairs) = conversation_of(node, of)?;
    let before = node.get("before").and_then(Node::as_seq);
    let before =
        before.ok_or_else(|| event_left_out(node, of, "a trim without position", "before"))?;
    let trim = Trim {
        conversation,
        before,
    };
    Ok((trim, repairs))
}

pub(super) fn conversation(trim: &Trim) -> &Rc<str> {
    &trim.conversation
}

pub(super) fn message(_: &Trim) -> Option<&Rc<Message>> {
    None
}

pub(super) fn apply(trim: &Trim, tx: &mut Tx, _: bool) -> Result<(), Stop> {
    let (id, before) = (&trim.conversation, trim.before.0);
    tx.cut_below(id, before)?;
    tx.held(id).segments.trim(before);
    tx.lose_sight(Some(id));
    tx.drop_news(id, before);
    let change = tx.change(id);
    change.trimmed = change.trimmed.max(Some(before));
    change.inserted.retain(|m| m.seq.0 >= before);
    let stays = |m: &Rc<Message>| m.conversation != *id || m.seq.0 >= before;
    tx.commit.changes.messages.retain(stays);
    tx.commit.changes.updates.retain(stays);
    for local in tx.locals_of(id) {
        let sent = local.message.as_ref();
        let passed = sent.is_some_and(|sent| sent.seq.0 < before);
        if local.state == LocalState::Sent && passed {
            tx.drop_sent_local(&local);
        }
    }
    Ok(())
}

/// The page begins there. What is committed after it, below it, is there again.
pub(super) fn replay_on_page(trim: &Trim, page: &mut Replay) {
    if Fault::TrimClipsNoPage.on() {
        return;
    }
    let before = trim.before.0;
    page.messages = page.messages.split_off(&before);
    let cover = &mut page.cover;
    if before > cover.lo {
        cover.lo = 0;
        cover.start = true;
    }
    if before > cover.hi {
        match cover.end {
            true => cover.hi = before - 1,
            false => page.is_gone = true,
        }
    }
}

/// What is held is cut off already.
pub(super) fn replay_on_changes(trim: &Trim, changed: &mut Listed) {
    *changed = changed.split_off(&trim.before.0);
}

/// It says nothing of a conversation's state.
pub(super) fn replay_on_list(_: &Trim, _: &mut Tx) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::events::Event;
    use crate::core::events::message::tests::{new, page};

    fn trim(before: u64) -> Event {
        Event::Trim(Trim {
            conversation: "c".into(),
            before: Seq(before),
        })
    }

    #[test]
    fn a_page_begins_where_history_was_trimmed() {
        // What is listed, from where to where, and whether the page is at the start.
        for (end, before, expected) in [
            (false, 5, Some((vec![5, 7, 9], (5, 9), false))),
            (false, 7, Some((vec![7, 9], (0, 9), true))),
            (false, 9, Some((vec![9], (0, 9), true))),
            (false, 10, None),
            (true, 11, Some((vec![], (0, 10), true))),
        ] {
            let mut page = page(&[5, 7, 9], end);
            trim(before).replay_on_page(&mut page);
            let cover = page.cover;
            let listed: Vec<u64> = page.messages.keys().copied().collect();
            let found = (listed, (cover.lo, cover.hi), cover.start);
            assert_eq!((!page.is_gone).then_some(found), expected, "{before}");
        }
    }

    #[test]
    fn what_comes_below_a_trim_is_there_again() {
        let mut page = page(&[5, 9], true);
        trim(20).replay_on_page(&mut page);
        new(3, 1).replay_on_page(&mut page);
        assert_eq!(page.messages.keys().collect::<Vec<_>>(), [&3]);
    }
}
