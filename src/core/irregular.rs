//! What was not as it has to be, and what was done about it (R14, "One bad item"): of each answer that
//! had such, one event `irregular`. What can be read and is hardly meant, the
//! log alone is told.

use std::rc::Rc;

use super::error::shorten;
use super::json;
use super::node::Node;

/// What was done about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// it counts, and what could not be read of it has another value
    Repaired,
    /// it keeps its place, without a body
    Unreadable,
    /// it is as if it had not come
    LeftOut,
    /// its conversation is revalidated when it is shown
    Doubted,
    /// what was stored is fetched again
    Dropped,
    /// it stays where it is stored, and is tried again at the next start
    Kept,
}

impl Done {
    fn name(self) -> &'static str {
        match self {
            Done::Repaired => "repaired",
            Done::Unreadable => "unreadable",
            Done::LeftOut => "left-out",
            Done::Doubted => "doubted",
            Done::Dropped => "dropped",
            Done::Kept => "kept",
        }
    }
}

/// What is wrong with a field of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Odd {
    /// why, as the event `irregular` says it
    pub reason: &'static str,
    /// the field's place in its item: `message.seq`
    at: String,
    /// how its value begins; `None`: it is missing
    value: Option<String>,
}

impl Odd {
    /// `at`: the field's name. `value`: what stands there.
    #[inline(never)]
    pub fn new(reason: &'static str, at: &str, value: Option<&Node>) -> Odd {
        Odd {
            reason,
            at: at.to_owned(),
            value: value.map(Node::beginning),
        }
    }

    /// `value`: the number that stands there.
    pub fn with(reason: &'static str, at: &str, value: u64) -> Odd {
        let mut digits = String::new();
        json::number(&mut digits, value);
        Odd {
            value: Some(digits),
            ..Odd::new(reason, at, None)
        }
    }

    /// The same of the item that this one is part of, as its field of this name; "": the same item.
    #[inline(never)]
    pub fn put_within(&mut self, name: &str) {
        let dot = match name.is_empty() || self.at.is_empty() {
            true => "",
            false => ".",
        };
        self.at = [name, dot, &self.at].concat();
    }
}

/// The first of them.
#[derive(Clone, Debug, PartialEq)]
struct First {
    conversation: Option<Rc<str>>,
    id: Option<String>,
    odd: Odd,
    /// none: it is as it came
    done: Option<Done>,
}

/// The irregular items of one answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Irregular {
    count: u64,
    first: Option<First>,
    /// what is hardly meant, and counts all the same: the first of each reason
    unlikely: Vec<Rc<First>>,
}

impl Irregular {
    /// Whether all was as it has to be.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many items were not.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// One more item.
    pub fn add(
        &mut self,
        conversation: Option<&Rc<str>>,
        id: Option<&str>,
        reason: &'static str,
        done: Done,
    ) {
        self.add_odd(conversation, id, &Odd::new(reason, "", None), done);
    }

    /// One more item, and what is wrong with it.
    pub fn add_odd(
        &mut self,
        conversation: Option<&Rc<str>>,
        id: Option<&str>,
        odd: &Odd,
        done: Done,
    ) {
        self.count += 1;
        self.first
            .get_or_insert_with(|| First::of(conversation, id, odd, Some(done)));
    }

    /// An item that counts as it came, though this of it is hardly meant.
    #[inline(never)]
    pub fn add_unlikely(&mut self, conversation: Option<&Rc<str>>, id: Option<&str>, odd: &Odd) {
        if !self.has(odd) {
            let one = First::of(conversation, id, odd, None);
            self.unlikely.push(Rc::new(one));
        }
    }

    /// Of an element of this list, which was read with nothing added before.
    pub fn append_element(&mut self, list: &str, index: usize, mut element: Irregular) {
        if element.is_empty() && element.unlikely.is_empty() {
            return;
        }
        let mut name = [list, "["].concat();
        json::number(&mut name, index as u64);
        name.push(']');
        if let Some(first) = &mut element.first {
            first.odd.put_within(&name);
        }
        for one in &mut element.unlikely {
            Rc::make_mut(one).odd.put_within(&name);
        }
        self.append(&element);
    }

    /// And these.
    #[inline(never)]
    pub fn append(&mut self, others: &Irregular) {
        self.count += others.count;
        if self.first.is_none() {
            self.first.clone_from(&others.first);
        }
        for one in &others.unlikely {
            if !self.has(&one.odd) {
                self.unlikely.push(one.clone());
            }
        }
    }

    /// Whether another one that is hardly meant is told in its place.
    fn has(&self, odd: &Odd) -> bool {
        let known = |one: &Rc<First>| one.odd.reason == odd.reason;
        self.unlikely.iter().any(known)
    }

    /// The event's `detail`, where there is something to tell. `call`: what was answered, where the place does not say
    /// it.
    pub fn detail(&self, place: &str, call: Option<&str>) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(first.detail(place, call, self.count))
    }

    /// The same of each thing that is hardly meant.
    pub fn unlikely(&self, place: &str, call: Option<&str>) -> impl Iterator<Item = String> {
        self.unlikely
            .iter()
            .map(move |one| one.detail(place, call, 1))
    }
}

impl First {
    #[inline(never)]
    fn of(
        conversation: Option<&Rc<str>>,
        id: Option<&str>,
        odd: &Odd,
        done: Option<Done>,
    ) -> First {
        First {
            conversation: conversation.cloned(),
            id: id.map(|id| shorten(id.to_owned())),
            odd: odd.clone(),
            done,
        }
    }

    #[inline(never)]
    fn detail(&self, place: &str, call: Option<&str>, count: u64) -> String {
        let text = |out: &mut String, name: &str, text: Option<&str>| {
            json::field(out, name);
            match text {
                Some(text) => json::string(out, text),
                None => out.push_str("null"),
            }
        };
        let mut out = String::from("{");
        text(&mut out, "where", Some(place));
        if call.is_some() {
            text(&mut out, "call", call);
        }
        text(&mut out, "conversation", self.conversation.as_deref());
        json::field(&mut out, "count");
        json::number(&mut out, count);
        json::field(&mut out, "first");
        out.push('{');
        text(&mut out, "id", self.id.as_deref());
        text(&mut out, "reason", Some(self.odd.reason));
        if let Some(done) = self.done {
            text(&mut out, "done", Some(done.name()));
        }
        if !self.odd.at.is_empty() {
            text(&mut out, "at", Some(&self.odd.at));
            text(&mut out, "value", self.odd.value.as_deref());
        }
        out.push_str("}}");
        out
    }
}
