//! New messages of which a client has heard nothing: another one stored them while it slept, or what was said of them
//! was lost (R15). They are read, one conversation after another, and told.

use std::collections::VecDeque;
use std::rc::Rc;

use super::map::Set;
use super::tx::Committed;
use super::types::Message;

/// Messages that are remembered as told. Past so many all of them are forgotten: one may be told again.
const REMEMBERED: usize = 10_000;

/// A conversation, and from where to where the messages in it were missed.
pub(super) type Stretch = (Rc<str>, (u64, u64));

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Missed {
    stretches: VecDeque<Stretch>,
    /// Ids of what was told here, and perhaps by no batch yet: a page may be newer than the cursor, and what it has
    /// brought comes once more, as new.
    told: Set<String>,
}

impl Missed {
    /// What is stored was read, and is another state than what was known: what has come at the newest ends of what
    /// was held was missed.
    pub fn note(&mut self, was: &Committed, is: &Committed) {
        for (id, end) in was.live_ends() {
            let held = is.held(id);
            let now = held.segments.containing(end).map(|segment| segment.hi);
            if let (Some(hi), Some(lo)) = (now, end.checked_add(1))
                && hi >= lo
            {
                self.stretches.push_back((id.clone(), (lo, hi)));
            }
        }
    }

    /// The next one that is to be told.
    pub fn next(&self) -> Option<&Stretch> {
        self.stretches.front()
    }

    /// Those whose blocks are read together, at most so many.
    pub fn first_ones(&self, most: usize) -> impl Iterator<Item = &Stretch> {
        self.stretches.iter().take(most)
    }

    /// Those of the next one, to be told: none that was told already, where what was held has been fetched anew since.
    pub fn tell(&mut self, mut messages: Vec<Rc<Message>>) -> Vec<Rc<Message>> {
        self.stretches.pop_front();
        messages.retain(|m| !self.told.contains_key(&m.id));
        if self.told.len() + messages.len() > REMEMBERED {
            self.told = Set::default();
        }
        self.told.add_all(messages.iter().map(|m| m.id.clone()));
        messages
    }

    /// A commit has brought it as new: whether it has been told. It comes no more.
    pub fn was_told(&mut self, message: &Message) -> bool {
        self.told.remove(&message.id).is_some()
    }

    /// They cannot be read, or nobody listens.
    pub fn forget(&mut self) {
        self.stretches.clear();
    }
}
