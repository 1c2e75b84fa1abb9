//! What a client that follows has asked the writer for, and has no answer to yet.

use std::rc::Rc;

use super::signal::What;
use crate::core::map::Map;

/// ms after which an ask that the writer has begun is made again, by its name: the answer may be lost.
const STILL: u64 = 5_000;

/// ms after which an ask that the writer has not begun is made again, by its name: the ask may be lost.
const AGAIN: u64 = 1_000;

#[derive(Debug)]
struct Ask {
    what: What,
    /// begun: when the writer last said so; else: since when it has not begun
    at: u64,
    /// when it was last asked
    asked: u64,
    /// the writer has begun it
    begun: bool,
}

impl Ask {
    /// When it is asked again.
    fn due(&self) -> u64 {
        match self.begun {
            true => self.at.saturating_add(STILL),
            false => self.asked.saturating_add(AGAIN),
        }
    }
}

/// The asks under way, by their names.
#[derive(Debug, Default)]
pub(in crate::core) struct Asks(Map<u64, Ask>);

impl Asks {
    pub fn begin(&mut self, ask: u64, what: What, now: u64) {
        let begun = false;
        self.0.insert(
            ask,
            Ask {
                what,
                at: now,
                asked: now,
                begun,
            },
        );
    }

    pub fn contains(&self, ask: u64) -> bool {
        self.0.contains_key(&ask)
    }

    pub fn on_begun(&mut self, now: u64, ask: u64) {
        if let Some(ask) = self.0.get_mut(&ask) {
            ask.begun = true;
            ask.at = now;
        }
    }

    /// It is answered, or nobody waits for it any more.
    pub fn end(&mut self, ask: u64) -> Option<What> {
        self.0.remove(&ask).map(|ask| ask.what)
    }

    /// Those of which nothing was heard for a while: they are asked again, by their names.
    pub fn take_due(&mut self, now: u64) -> Vec<(u64, What)> {
        let mut due = Vec::new();
        for (name, ask) in self.0.iter_mut() {
            if ask.due() > now {
                continue;
            }
            if ask.begun {
                ask.at = now;
                ask.begun = false;
            }
            ask.asked = now;
            due.push((*name, ask.what.clone()));
        }
        due
    }

    /// When that is.
    pub fn due_at(&self) -> Option<u64> {
        self.0.values().map(Ask::due).min()
    }

    /// The conversations of which something is asked for.
    pub fn conversations(&self) -> impl Iterator<Item = &Rc<str>> {
        self.0.values().filter_map(|ask| match &ask.what {
            What::Fetch { conversation, .. } => Some(conversation),
            _ => None,
        })
    }

    /// Another client writes: all are asked again, by their names.
    pub fn begin_anew(&mut self, now: u64) -> Vec<(u64, What)> {
        for ask in self.0.values_mut() {
            ask.at = now;
            ask.asked = now;
            ask.begun = false;
        }
        let all = self.0.iter();
        all.map(|(name, ask)| (*name, ask.what.clone())).collect()
    }

    /// This client slept: the time during which it could hear nothing does not count.
    pub fn put_off(&mut self, now: u64) {
        for ask in self.0.values_mut() {
            ask.at = now;
            ask.asked = 0;
        }
    }

    /// Since when the writer has not begun something that it was asked for.
    pub fn waits_since(&self) -> Option<u64> {
        let waits = self.0.values().filter(|ask| !ask.begun);
        waits.map(|ask| ask.at).min()
    }
}
