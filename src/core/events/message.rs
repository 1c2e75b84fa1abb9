//! A new message (R2).

use std::rc::Rc;

use crate::core::fault::Fault;
use crate::core::irregular::Odd;
use crate::core::node::Node;
use crate::core::records::{Local, LocalState};
use crate::core::segments::Prev;
use crate::core::tx::{Listed, Replay, Stop, Tx, newer};
use crate::core::types::{Conversation, Message};
use crate::core::wire::item::{LeftOut, Repairs, within};
use crate::core::wire::message::message as read_message;

/// A new message, and what is before it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMessage {
    /// the message
    pub message: Rc<Message>,
    /// what is before it
    pub prev: Prev,
}

pub(super) fn parse(node: &Node, of: Option<&Rc<str>>) -> Result<(NewMessage, Repairs), LeftOut> {
    let new = node.get("message").unwrap_or(&Node::Null);
    let (message, mut repairs) = within("message", read_message(new, of, false))?;
    let prev = match node.get("prev") {
        None => Prev::Unknown,
        Some(Node::Null) => Prev::Nothing,
        Some(prev) => match prev.as_seq() {
            Some(at) if at < message.seq => Prev::At(at.0),
            Some(_) => {
                repairs.note("a prev that is not before its message", "prev", Some(prev));
                Prev::Unknown
            }
            None => {
                repairs.note("a prev that cannot be read", "prev", Some(prev));
                Prev::Unknown
            }
        },
    };
    Ok((NewMessage { message, prev }, repairs))
}

pub(super) fn conversation(new: &NewMessage) -> &Rc<str> {
    &new.message.conversation
}

pub(super) fn message(new: &NewMessage) -> Option<&Rc<Message>> {
    Some(&new.message)
}

/// R2. Where it is not whole, it counts only where it follows the live end.
pub(super) fn apply(new: &NewMessage, tx: &mut Tx, whole: bool) -> Result<(), Stop> {
    let NewMessage { message: m, prev } = new;
    if !whole && !follows(m, *prev, tx) {
        return Err(Stop::Void);
    }
    let seq = m.seq.0;
    let marked = tx.is_marked(&m.conversation);
    let most = tx.limits().segments;
    let held = tx.held(&m.conversation);
    let newest_seen = held.seen.is_none_or(|seen| seq > seen);
    let after_state = held
        .last_known
        .is_some_and(|last| last.position() < Some(seq));
    held.seen = held.seen.max(Some(seq));
    let kept = held.segments.kept_within(0, u64::MAX);
    // What is committed later may come below it, and is no longer live then.
    let live = held.segments.live().filter(|live| live.hi < seq);
    let before = held.blocks.partition_point(|b| b.lo < seq);
    let before = before.checked_sub(1).map(|at| held.blocks[at].lo);
    let has_older = live.is_some_and(|live| before.is_some_and(|lo| live.contains(lo)));
    let has_older = has_older && *prev == Prev::Nothing;
    let proven = newest_seen && after_state && !marked || Fault::UnprovenIsLive.on();
    let placed = held.segments.add_message(seq, *prev, proven, most);
    if placed {
        tx.swallow_kept(m, &kept)?;
        let before = tx.change(&m.conversation).inserted.len();
        let synced = tx.commit.changes.synced.len();
        tx.insert_message(m)?;
        let own = tx.commit.changes.synced.len() > synced;
        if tx.change(&m.conversation).inserted.len() > before && !own {
            tx.commit.changes.messages.push(m.clone());
            tx.add_news(m);
        }
    }
    if has_older {
        let what = "null says that nothing is before the message, and there is: leave out what is not known";
        let odd = Odd::new(what, "prev", None);
        let irregular = &mut tx.commit.changes.irregular;
        irregular.add_unlikely(Some(&m.conversation), Some(&m.id), &odd);
    }
    own_seen(m, tx);
    if Fault::UnreadIsCounted.on() {
        count_unread(m, tx);
    }
    // A repetition can be of a newer version than what is held, shown or a `lastMessage`.
    tx.newer_elsewhere(m);
    Ok(())
}

/// It is the newest where the page was the end; within what the page covers it is one of its messages.
pub(super) fn replay_on_page(new: &NewMessage, page: &mut Replay) {
    let seq = new.message.seq.0;
    let cover = &mut page.cover;
    if seq > cover.hi && cover.end && !Fault::LiveWithoutReplay.on() {
        cover.hi = seq;
    }
    if cover.lo <= seq && seq <= cover.hi {
        newer(&mut page.messages, &new.message, true);
    }
}

pub(super) fn replay_on_changes(new: &NewMessage, changed: &mut Listed) {
    newer(changed, &new.message, true);
}

pub(super) fn replay_on_list(new: &NewMessage, tx: &mut Tx) {
    tx.newer_elsewhere(&new.message);
}

/// Whether a message is the next one of its conversation, as far as anything is known of it.
fn follows(m: &Rc<Message>, prev: Prev, tx: &mut Tx) -> bool {
    let held = tx.held(&m.conversation);
    match (held.segments.live(), prev) {
        (None, _) => true,
        (Some(live), Prev::At(prev)) => prev <= live.hi,
        (Some(live), Prev::Nothing) => live.start,
        (Some(_), Prev::Unknown) => false,
    }
}

/// An own message of which the server said what could not be read: here it is, also where nothing is
/// held of it.
fn own_seen(m: &Rc<Message>, tx: &mut Tx) {
    let Some(client_id) = m.client_id.as_ref() else {
        return;
    };
    let name = (m.conversation.clone(), client_id.to_string());
    let unread = |l: &Rc<Local>| l.state == LocalState::Sent && l.message.is_none();
    if let Some(local) = tx.local(&name).filter(unread) {
        tx.put_local(Local {
            lost: false,
            message: Some(m.clone()),
            ..Local::clone(&local)
        });
    }
}

/// [`Fault::UnreadIsCounted`]
fn count_unread(m: &Message, tx: &mut Tx) {
    let Some(state) = tx.state(&m.conversation) else {
        return;
    };
    let unread = state.unread + 1;
    let state = Conversation::clone(&state);
    let state = Conversation { unread, ..state };
    tx.set_state(&m.conversation, Some(state));
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::core::events::Event;
    use crate::core::segments::Cover;

    fn message(seq: u64, version: u64) -> Rc<Message> {
        Rc::new(Message {
            version,
            ..Message::sample("c", seq)
        })
    }

    pub(in crate::core::events) fn new(seq: u64, version: u64) -> Event {
        Event::Message(NewMessage {
            message: message(seq, version),
            prev: Prev::Unknown,
        })
    }

    /// A page of these, from the first to the last; `end`: nothing was newer.
    pub(in crate::core::events) fn page(seqs: &[u64], end: bool) -> Replay {
        let messages: Vec<Rc<Message>> = seqs.iter().map(|seq| message(*seq, 1)).collect();
        let cover = Cover {
            lo: seqs[0],
            hi: seqs[seqs.len() - 1],
            start: false,
            end,
        };
        Replay::new(&messages, cover)
    }

    #[test]
    fn what_came_after_a_page_was_asked_for_extends_it_at_the_newest_end_alone() {
        for (end, seq, listed, hi) in [
            (true, 12, vec![5, 9, 12], 12),
            (false, 12, vec![5, 9], 9),
            (true, 7, vec![5, 7, 9], 9),
            (true, 3, vec![5, 9], 9),
        ] {
            let mut page = page(&[5, 9], end);
            new(seq, 1).replay_on_page(&mut page);
            let found: Vec<u64> = page.messages.keys().copied().collect();
            assert_eq!((found, page.cover.hi), (listed, hi), "{seq}");
        }
    }

    #[test]
    fn an_update_replaces_what_is_listed_and_adds_nothing() {
        let mut page = page(&[5, 9], true);
        for (seq, version) in [(5, 3), (5, 2), (7, 2), (12, 2)] {
            Event::Update(message(seq, version)).replay_on_page(&mut page);
        }
        let found: Vec<(u64, u64)> = page
            .messages
            .values()
            .map(|m| (m.seq.0, m.version))
            .collect();
        assert_eq!((found, page.cover.hi), (vec![(5, 3), (9, 1)], 9));
    }
}
