//! The account's change log.

use serde_json::Value;

use super::mailbox::Applied;
use super::values::fields;
use super::{Server, UNTOLD};

/// One event of the account's log. Messages are rendered when they are asked for: as of the event,
/// or newer.
pub(super) enum Entry {
    Message {
        conversation: String,
        seq: u64,
        version: u64,
        prev: Option<Option<u64>>,
    },
    Update {
        conversation: String,
        seq: u64,
        version: u64,
    },
    State {
        conversation: String,
        fields: Value,
    },
    Removed {
        conversation: String,
    },
    Trim {
        conversation: String,
        before: u64,
    },
    /// of a type that the client does not know
    Unknown,
}

impl Entry {
    pub(super) fn conversation(&self) -> Option<&str> {
        match self {
            Entry::Message { conversation, .. }
            | Entry::Update { conversation, .. }
            | Entry::State { conversation, .. }
            | Entry::Removed { conversation }
            | Entry::Trim { conversation, .. } => Some(conversation),
            Entry::Unknown => None,
        }
    }
}

impl Server {
    /// The account's log as it is now.
    pub fn position(&self) -> usize {
        self.log.len()
    }

    /// Where the log will say what is now being committed.
    pub(super) fn next_position(&mut self, id: &str) -> usize {
        if self.conversation(id).member {
            self.position() + 1
        } else {
            UNTOLD
        }
    }

    pub(super) fn tell(&mut self, entry: Entry) {
        if let Some(id) = entry.conversation() {
            let places = self.places.entry(id.to_owned()).or_default();
            places.push(self.log.len());
        }
        self.log.push(entry);
        self.moved += 1;
    }

    /// Where a reader is that was told everything of a conversation up to `position`: nothing of it is
    /// in the log up to there.
    pub fn next_of(&self, id: &str, position: usize) -> usize {
        let places = self.places.get(id).map_or(&[][..], |places| places);
        let next = places.get(places.partition_point(|at| *at < position));
        next.copied().unwrap_or(self.position())
    }

    /// Conversations of which the log says something after `position`.
    pub fn moved_since(&self, position: usize) -> Vec<String> {
        let moved = self
            .places
            .iter()
            .filter(|(_, places)| places.last().is_some_and(|last| *last >= position));
        moved.map(|(id, _)| id.clone()).collect()
    }

    /// Where a reader is, as to one conversation, that has applied these deliveries.
    pub fn first_lacking(&self, id: &str, applied: &Applied) -> usize {
        let places = self.places.get(id).map_or(&[][..], |places| places);
        let settled = self.settled.get(id).copied().unwrap_or(0);
        let overflowed = self
            .dropped
            .as_ref()
            .is_some_and(|dropped| applied.has(&dropped.receipt));
        let lacking = places[settled..].iter().find(|at| {
            let settled = applied.has_place(**at) || self.acknowledged.contains(at);
            !(settled || overflowed && self.is_dropped(**at))
        });
        lacking.copied().unwrap_or(self.position())
    }

    /// Notes the state as it now is and, if `now`, puts into the log what the log does not say yet.
    pub(super) fn tell_state(&mut self, id: &str, now: bool) {
        let conversation = self
            .conversations
            .get(id)
            .expect("callers name conversations that exist");
        let state = conversation.state();
        // A list page may have shown what was not told: then all is told.
        let last = conversation.states.last();
        let told = last.filter(|(at, _)| *at != UNTOLD).map(|(_, s)| s);
        let fields = fields(conversation, &state, told);
        let known = conversation.states.last().map(|(_, s)| s) == Some(&state);
        let tell = now && conversation.member && fields.is_some();
        if tell {
            let fields = fields.expect("checked above");
            self.tell(Entry::State {
                conversation: id.to_owned(),
                fields,
            });
        }
        let position = if tell { self.position() } else { UNTOLD };
        if tell || !known {
            self.conversation(id).states.push((position, state));
        }
    }

    /// Puts into the log whatever it does not say yet.
    pub fn tell_everything(&mut self) {
        let ids: Vec<String> = self.conversations.keys().cloned().collect();
        for id in ids {
            self.tell_state(&id, true);
        }
    }

    /// Something that this client is too old to understand.
    pub fn unknown_event(&mut self) {
        self.tell(Entry::Unknown);
    }
}
