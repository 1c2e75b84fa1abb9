//! One item of an answer, and its fields: put right, or left out (R14, "One bad item").

use std::rc::Rc;

use super::limits::{MAX_BODY, MAX_NAME};
use crate::core::irregular::{Done, Irregular, Odd};
use crate::core::node::Node;

/// What was put right of one item.
#[derive(Default)]
pub struct Repairs {
    pub(super) count: u8,
    first: Option<Odd>,
    /// what is hardly meant, and counts as it came
    unlikely: Vec<Odd>,
    pub(super) unreadable: bool,
}

impl Repairs {
    /// One thing was put right, for what is wrong with this field.
    pub(super) fn of(mut odd: Odd, reason: &'static str) -> Repairs {
        odd.reason = reason;
        Repairs {
            count: 1,
            first: Some(odd),
            ..Repairs::default()
        }
    }

    /// One more thing was put right: the field of this name, where this stands.
    pub fn note(&mut self, what: &'static str, at: &str, value: Option<&Node>) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert_with(|| Odd::new(what, at, value));
    }

    /// The field of this name counts as it came, and is hardly meant so.
    #[inline(never)]
    pub(super) fn note_unlikely(&mut self, what: &'static str, at: &str, value: Option<&Node>) {
        self.unlikely.push(Odd::new(what, at, value));
    }

    /// What is told, now that it stands in the field of this name.
    fn put_within(&mut self, name: &str) {
        for odd in self.first.iter_mut().chain(&mut self.unlikely) {
            odd.put_within(name);
        }
    }

    /// Adds the repairs of something that is part of this item, as its field of this name.
    pub(super) fn append(&mut self, name: &str, mut others: Repairs) {
        others.put_within(name);
        self.count = self.count.saturating_add(others.count);
        self.unreadable |= others.unreadable;
        if self.first.is_none() {
            self.first = others.first;
        }
        self.unlikely.append(&mut others.unlikely);
    }

    pub(super) fn tell(
        &self,
        irregular: &mut Irregular,
        conversation: Option<&Rc<str>>,
        id: Option<&str>,
    ) {
        if let Some(odd) = &self.first {
            let done = match self.unreadable {
                true => Done::Unreadable,
                false => Done::Repaired,
            };
            irregular.add_odd(conversation, id, odd, done);
        }
        for odd in &self.unlikely {
            irregular.add_unlikely(conversation, id, odd);
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
    /// why
    pub odd: Odd,
}

impl LeftOut {
    pub(super) fn tell(&self, irregular: &mut Irregular) {
        let conversation = self.conversation.as_ref();
        irregular.add_odd(conversation, self.id.as_deref(), &self.odd, Done::LeftOut);
    }
}

/// What was read of the field of this name: what is wrong with it stands there.
pub fn within<T>(name: &str, read: Result<(T, Repairs), LeftOut>) -> Result<(T, Repairs), LeftOut> {
    match read {
        Ok((item, mut repairs)) => {
            repairs.put_within(name);
            Ok((item, repairs))
        }
        Err(mut left_out) => {
            left_out.odd.put_within(name);
            Err(left_out)
        }
    }
}

/// Reads an id or a name, which is the field `at`. A number is read as its digits, and noted as a repair; `None`:
/// it is none, or longer than [`MAX_NAME`].
pub fn id<'n>(node: Option<&'n Node>, at: &str, repairs: &mut Repairs) -> Option<&'n str> {
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
        repairs.note(odd, at, node);
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

/// The conversation that an item is about, which its field `at` names. `of`: the one that its answer is about.
pub(super) fn about(
    named: Option<&str>,
    of: Option<&Rc<str>>,
    at: &str,
    repairs: &mut Repairs,
) -> Result<Rc<str>, &'static str> {
    match (of, named) {
        (Some(of), Some(named)) if **of != *named => Err("of another conversation than its answer"),
        (Some(of), Some(_)) => Ok(of.clone()),
        (Some(of), None) => {
            repairs.note("no conversation", at, None);
            Ok(of.clone())
        }
        (None, Some(named)) => Ok(Rc::from(named)),
        (None, None) => Err("no conversation"),
    }
}

/// The conversation that an event names plainly. Such events take away: one that names it in a way that cannot be read
/// may mean another than its answer is about, and is left out.
pub fn conversation_of(node: &Node, of: Option<&Rc<str>>) -> Result<(Rc<str>, Repairs), LeftOut> {
    let mut repairs = Repairs::default();
    let field = node.get("conversation");
    let named = id(field, "conversation", &mut repairs);
    let unclear = named.is_none() && field.is_some_and(|field| !matches!(field, Node::Null));
    let of_answer = of.filter(|_| !unclear);
    match about(named, of_answer, "conversation", &mut repairs) {
        Ok(conversation) => Ok((conversation, repairs)),
        Err(reason) => Err(event_left_out(node, of, reason, "conversation")),
    }
}

/// An event that lacks something in its field `at`, with the conversation that it would be about.
pub fn event_left_out(
    node: &Node,
    of: Option<&Rc<str>>,
    reason: &'static str,
    at: &str,
) -> LeftOut {
    let named = || {
        let message = node.get("message").and_then(|m| m.get("conversation"));
        let state = node.get("conversation").and_then(|c| c.get("id"));
        let plain = node.get("conversation");
        let mut named = [message, state, plain].into_iter();
        named.find_map(|named| id(named, "", &mut Repairs::default()))
    };
    LeftOut {
        conversation: of.cloned().or_else(|| named().map(Rc::from)),
        id: None,
        odd: Odd::new(reason, at, node.get(at)),
    }
}

/// The account that an answer names.
pub(super) fn account(wire: &Node) -> Option<Rc<str>> {
    id(wire.get("account"), "account", &mut Repairs::default()).map(Rc::from)
}
