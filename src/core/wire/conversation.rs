//! A conversation's state (docs/protocol.md, "Values"): what a server says of it, and what that changes.

use std::rc::Rc;

use super::item::{LeftOut, Repairs, about, app_json, id};
use super::message::{MESSAGE, message};
use crate::core::irregular::Odd;
use crate::core::node::Node;
use crate::core::node::Shape::{self, Fields, Plain, Raw};
use crate::core::types::{Conversation, MAX_EXACT, Message, Seq};

/// The fields that are read of a conversation.
pub const CONVERSATION: Shape = Fields(&[
    ("id", Plain),
    ("unread", Plain),
    ("lastSeq", Plain),
    ("readSeq", Plain),
    ("sort", Plain),
    ("lastMessage", MESSAGE),
    ("meta", Raw),
]);

/// What a server says of a conversation; a field that is `None` keeps its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// the conversation
    pub id: Rc<str>,
    unread: Option<u64>,
    /// newest message; `Some(None)`: it has none
    pub last_seq: Option<Option<Seq>>,
    /// newest message that was read; `Some(None)`: none was
    pub read_seq: Option<Option<Seq>>,
    sort: Option<f64>,
    last_message: Option<Option<Rc<Message>>>,
    pub(super) meta: Option<Box<str>>,
}

impl Patch {
    /// Whether it says all that the list's pages would (`meta` may be the app's to leave out).
    pub fn is_whole(&self) -> bool {
        let counts = self.unread.is_some() && self.sort.is_some();
        counts && self.last_seq.is_some() && self.read_seq.is_some() && self.last_message.is_some()
    }

    /// Applies it (R11).
    pub fn apply(&self, c: &mut Conversation) {
        if let Some(unread) = self.unread {
            c.unread = unread;
        }
        if let Some(seq) = self.last_seq {
            c.last_seq = seq;
        }
        if let Some(seq) = self.read_seq {
            c.read_seq = seq;
        }
        if let Some(sort) = self.sort {
            c.sort = sort;
        }
        if let Some(message) = &self.last_message {
            // R3: an older copy never takes the place of a newer one.
            let newer = match (&c.last_message, message) {
                (Some(held), Some(new)) => new.replaces(held),
                _ => true,
            };
            if newer {
                c.last_message = message.clone();
            }
        }
        if let Some(meta) = &self.meta {
            c.meta = meta.clone();
        }
    }
}

/// Reads a conversation's state. `of`: the conversation that its answer is about. What of it cannot be
/// read is as if absent.
pub fn patch(node: &Node, of: Option<&Rc<str>>) -> Result<(Patch, Repairs), LeftOut> {
    let mut repairs = Repairs::default();
    let named = id(node.get("id"), "id", &mut repairs);
    let id = about(named, of, "id", &mut repairs).map_err(|reason| LeftOut {
        conversation: of.cloned(),
        id: None,
        odd: Odd::new(reason, "id", node.get("id")),
    })?;
    let mut odd = |what, at: &str, is_fine: bool| {
        if !is_fine {
            repairs.note(what, at, node.get(at));
        }
    };
    let unread = node.some("unread");
    let count = unread.and_then(Node::as_whole);
    odd(
        "an unread that cannot be read",
        "unread",
        unread.is_some() == count.is_some(),
    );
    let sort = node.some("sort");
    let number = sort.and_then(Node::as_number);
    let number = number.filter(|number| number.is_finite());
    odd(
        "a sort that cannot be read",
        "sort",
        sort.is_some() == number.is_some(),
    );
    let mut seq = |field: &str| {
        let said = node.get(field)?;
        let seq = said.as_seq();
        odd(
            "a seq that cannot be read",
            field,
            *said == Node::Null || seq.is_some(),
        );
        (*said == Node::Null || seq.is_some()).then_some(seq)
    };
    let (last_seq, read_seq) = (seq("lastSeq"), seq("readSeq"));
    let meta = node.get("meta");
    let text = meta.and_then(app_json);
    odd(
        "a meta that cannot be read",
        "meta",
        meta.is_some() == text.is_some(),
    );
    let last_message = match node.get("lastMessage") {
        Some(Node::Null) => Some(None),
        Some(last) => match message(last, Some(&id), false) {
            Ok((message, others)) => {
                repairs.append("lastMessage", others);
                Some(Some(message))
            }
            Err(left_out) => {
                let why = Repairs::of(left_out.odd, "a lastMessage that cannot be read");
                repairs.append("lastMessage", why);
                None
            }
        },
        None => None,
    };
    let patch = Patch {
        id,
        unread: count.map(|n| n.min(MAX_EXACT)),
        last_seq,
        read_seq,
        sort: number,
        last_message,
        meta: text.map(Box::from),
    };
    Ok((patch, repairs))
}
