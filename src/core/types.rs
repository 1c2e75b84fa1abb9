//! The values of the wire (docs/protocol.md, "Values").

use std::rc::Rc;

use serde::Deserialize;

use super::fault::Fault;

/// A message's position in its conversation: unique and strictly increasing in the server's order,
/// not dense. On the wire a JSON integer, or a string of decimal digits; to the app always a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// What has become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageState {
    /// as written
    Normal,
    /// changed since
    Edited,
    /// withdrawn: it keeps its place, its body is null
    Recalled,
    /// the server has it, and what it sent of it cannot be read: its place is kept, its body is null
    Unreadable,
}

/// Greatest whole number that JS, and every reader of JSON, keeps exact.
pub const MAX_EXACT: u64 = (1 << 53) - 1;

/// A message, as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// unique in its conversation
    pub id: String,
    /// where it belongs
    pub conversation: Rc<str>,
    /// its position
    pub seq: Seq,
    /// the account that wrote it
    pub sender: String,
    /// ms since the epoch, the server's clock
    pub created_at: u64,
    /// raised by every change; of two copies the higher is the newer
    pub version: u64,
    /// what has become of it
    pub state: MessageState,
    /// JSON text, untouched from the wire to the app; `null` once recalled, or unreadable
    pub body: Box<str>,
    /// the sender's own name for it; given to the sender's account only
    pub client_id: Option<String>,
    /// how much of it was put right when it was read; 0 of what came as it has to be
    pub repairs: u8,
}

#[cfg(test)]
impl Message {
    /// Some message of this conversation, for tests.
    pub(in crate::core) fn sample(conversation: &str, seq: u64) -> Message {
        Message {
            id: format!("m{seq}"),
            conversation: conversation.into(),
            seq: Seq(seq),
            sender: "ada".into(),
            created_at: 0,
            version: 1,
            state: MessageState::Normal,
            body: "null".into(),
            client_id: None,
            repairs: 0,
        }
    }
}

impl Message {
    /// The one order of two copies of a message (R3, R5, R7, R11, R12): the newer is the one of the
    /// higher version, and of equal versions the one in which less was put right.
    pub fn is_newer_than(&self, other: &Message) -> bool {
        let unlike = |m: &Message| (m.state == MessageState::Unreadable, m.repairs);
        match self.version == other.version {
            true => unlike(self) < unlike(other) && !Fault::RepairsAreNotCompared.on(),
            false => self.version > other.version || Fault::LastCopyWins.on(),
        }
    }

    /// Whether it says something else than a copy of which nothing was put right either: bodies that differ only in
    /// the order of what is in them are the same.
    pub fn says_else(&self, other: &Message) -> bool {
        let sum = |m: &Message| m.body.bytes().map(u64::from).sum::<u64>();
        let whole = |m: &Message| m.state != MessageState::Unreadable && m.repairs == 0;
        let alike = self.body.len() == other.body.len() && sum(self) == sum(other);
        whole(self) && whole(other) && !(alike && self.state == other.state)
    }

    /// Whether it takes the place of this copy: a newer one of the same message, or another message
    /// that was read later at the position.
    pub fn replaces(&self, held: &Message) -> bool {
        self.id != held.id || self.is_newer_than(held)
    }
}

/// A conversation's state, as the server has it; only mirrored (R11).
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    /// names it, in the account
    pub id: Rc<str>,
    /// how many messages the account has not read, by the server's count
    pub unread: u64,
    /// position of the newest message
    pub last_seq: Option<Seq>,
    /// newest position read by the account
    pub read_seq: Option<Seq>,
    /// greater is nearer the top
    pub sort: f64,
    /// the newest message
    pub last_message: Option<Rc<Message>>,
    /// the app's own JSON text
    pub meta: Box<str>,
}

impl Conversation {
    /// A conversation of which nothing was said yet.
    pub fn new(id: Rc<str>) -> Self {
        Conversation {
            id,
            unread: 0,
            last_seq: None,
            read_seq: None,
            sort: 0.0,
            last_message: None,
            meta: "null".into(),
        }
    }
}

/// Which way a timeline grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// towards the first message
    Older,
    /// towards the newest
    Newer,
}

/// What SyncGapOverflow concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// every conversation
    All,
    /// these
    Of(Vec<Rc<str>>),
}

/// What a batch is continuous with: whose cursor it moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feed {
    /// the account's
    Account,
    /// this conversation's
    Conversation(Rc<str>),
    /// nobody's: what is acknowledged does not come again
    Mailbox,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_copies_the_newer_is_the_higher_version_and_then_the_one_less_put_right() {
        let copy = |version, state, repairs| Message {
            version,
            state,
            repairs,
            ..Message::sample("c", 1)
        };
        use MessageState::{Normal, Unreadable};
        // Each is newer than all before it, and none than itself.
        let rising = [
            copy(1, Unreadable, 1),
            copy(1, Unreadable, 0),
            copy(1, Normal, 3),
            copy(1, Normal, 1),
            copy(1, Normal, 0),
            copy(2, Unreadable, 2),
            copy(2, Normal, 0),
        ];
        for (i, a) in rising.iter().enumerate() {
            for (j, b) in rising.iter().enumerate() {
                assert_eq!(a.is_newer_than(b), i > j, "{a:?} {b:?}");
            }
        }
    }
}
