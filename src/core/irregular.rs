//! What was not as it has to be, and what was done about it (R14, "One bad item"): of each answer that
//! had such, one event `irregular`.

use std::rc::Rc;

use super::error::shorten;
use super::json;

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

/// The first of them.
#[derive(Clone, Debug, PartialEq)]
struct First {
    conversation: Option<Rc<str>>,
    id: Option<String>,
    reason: &'static str,
    done: Done,
}

/// The irregular items of one answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Irregular {
    count: u64,
    first: Option<First>,
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
        self.count += 1;
        self.first.get_or_insert_with(|| First {
            conversation: conversation.cloned(),
            id: id.map(|id| shorten(id.to_owned())),
            reason,
            done,
        });
    }

    /// And these.
    pub fn append(&mut self, others: &Irregular) {
        self.count += others.count;
        if self.first.is_none() {
            self.first.clone_from(&others.first);
        }
    }

    /// The event's `detail`, where there is something to tell.
    pub fn detail(&self, place: &str) -> Option<String> {
        let first = self.first.as_ref()?;
        let text = |out: &mut String, name: &str, text: Option<&str>| {
            json::field(out, name);
            match text {
                Some(text) => json::string(out, text),
                None => out.push_str("null"),
            }
        };
        let mut out = String::from("{");
        text(&mut out, "where", Some(place));
        text(&mut out, "conversation", first.conversation.as_deref());
        json::field(&mut out, "count");
        json::number(&mut out, self.count);
        json::field(&mut out, "first");
        out.push('{');
        text(&mut out, "id", first.id.as_deref());
        text(&mut out, "reason", Some(first.reason));
        text(&mut out, "done", Some(first.done.name()));
        out.push_str("}}");
        Some(out)
    }
}
