//! One item of an answer, and its fields: put right, or left out (R14, "One bad item").

use std::rc::Rc;

use super::limits::{MAX_BODY, MAX_NAME};
use crate::core::irregular::{Done, Irregular};
use crate::core::node::Node;

/// What was put right of one item.
#[derive(Default)]
pub struct Repairs {
    pub(super) count: u8,
    first: Option<&'static str>,
    pub(super) unreadable: bool,
}

impl Repairs {
    /// One more thing was put right.
    pub fn note(&mut self, what: &'static str) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert(what);
    }

    /// Adds the repairs of something that is part of this item.
    pub(super) fn append(&mut self, others: &Repairs) {
        self.count = self.count.saturating_add(others.count);
        self.first = self.first.or(others.first);
        self.unreadable |= others.unreadable;
    }

    pub(super) fn tell(
        &self,
        irregular: &mut Irregular,
        conversation: Option<&Rc<str>>,
        id: Option<&str>,
    ) {
        if let Some(what) = self.first {
            let done = match self.unreadable {
                true => Done::Unreadable,
                false => Done::Repaired,
            };
            irregular.add(conversation, id, what, done);
        }
    }
}

/// A message, an event or a conversation that cannot be named or placed, so that nothing of it is applied
/// (docs/rules.md, "One bad item"). An event among them puts its conversation in doubt.
pub struct LeftOut {
    /// where it belongs, as far as that is known
    pub conversation: Option<Rc<str>>,
    /// its id, as far as that is known
    pub id: Option<String>,
    /// why, as the event `irregular` says it
    pub reason: &'static str,
}

impl LeftOut {
    pub(super) fn tell(&self, irregular: &mut Irregular) {
        let conversation = self.conversation.as_ref();
        irregular.add(conversation, self.id.as_deref(), self.reason, Done::LeftOut);
    }
}

/// Reads an id or a name. A number is read as its digits, and noted as a repair; `None`: it is none, or longer
/// than [`MAX_NAME`].
pub fn id<'n>(node: Option<&'n Node>, repairs: &mut Repairs) -> Option<&'n str> {
    let (text, odd) = match node? {
        Node::Text(text) => (&**text, None),
        Node::Torn(text) => (&**text, Some("half a surrogate pair in a name")),
        Node::Number(digits) => (*digits, Some("a number where an id is asked for")),
        _ => return None,
    };
    if text.len() > MAX_NAME {
        return None;
    }
    if let Some(odd) = odd {
        repairs.note(odd);
    }
    Some(text)
}

/// The app's own JSON text, if it may be handed on.
pub(super) fn app_json<'a>(node: &Node<'a>) -> Option<&'a str> {
    match node {
        Node::Raw(text) if text.len() <= MAX_BODY => Some(text),
        _ => None,
    }
}

/// The conversation that an item is about. `of`: the one that its answer is about.
pub(super) fn about(
    named: Option<&str>,
    of: Option<&Rc<str>>,
    repairs: &mut Repairs,
) -> Result<Rc<str>, &'static str> {
    match (of, named) {
        (Some(of), Some(named)) if **of != *named => Err("of another conversation than its answer"),
        (Some(of), Some(_)) => Ok(of.clone()),
        (Some(of), None) => {
            repairs.note("no conversation");
            Ok(of.clone())
        }
        (None, Some(named)) => Ok(Rc::from(named)),
        (None, None) => Err("no conversation"),
    }
}

/// The conversation that an event names plainly.
pub fn conversation_of(node: &Node, of: Option<&Rc<str>>) -> Result<(Rc<str>, Repairs), LeftOut> {
    let mut repairs = Repairs::default();
    let named = id(node.get("conversation"), &mut repairs);
    match about(named, of, &mut repairs) {
        Ok(conversation) => Ok((conversation, repairs)),
        Err(reason) => Err(event_left_out(node, of, reason)),
    }
}

/// An event that lacks something, with the conversation that it would be about.
pub fn event_left_out(node: &Node, of: Option<&Rc<str>>, reason: &'static str) -> LeftOut {
    let named = || {
        let message = node.get("message").and_then(|m| m.get("conversation"));
        let state = node.get("conversation").and_then(|c| c.get("id"));
        let plain = node.get("conversation");
        let mut named = [message, state, plain].into_iter();
        named.find_map(|named| id(named, &mut Repairs::default()))
    };
    LeftOut {
        conversation: of.cloned().or_else(|| named().map(Rc::from)),
        id: None,
        reason,
    }
}

/// The account that an answer names.
pub(super) fn account(wire: &Node) -> Option<Rc<str>> {
    id(wire.get("account"), &mut Repairs::default()).map(Rc::from)
}
