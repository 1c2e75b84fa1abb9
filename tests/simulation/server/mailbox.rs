//! The mailbox: deliveries, their acknowledgements, and what it lets go.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Forced, Server};
use crate::simulation::rng::Rng;

/// What the mailbox has let go: too much was not acknowledged. It is said with each answer until its
/// receipt, a delivery of its own, is acknowledged.
pub(super) struct Dropped {
    pub(super) receipt: String,
    /// None: of all conversations
    pub(super) conversations: Option<Vec<String>>,
    /// what of theirs is before this place of the log
    pub(super) upto: usize,
}

/// Deliveries that a client has applied.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// places in the log, sorted
    places: Vec<usize>,
    /// receipts, and whatever else has a name
    others: BTreeSet<String>,
}

impl Applied {
    pub fn new<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        let mut applied = Applied::default();
        for name in names {
            match place_of(name) {
                Some(place) => applied.places.push(place),
                None => _ = applied.others.insert(name.clone()),
            }
        }
        applied.places.sort_unstable();
        applied
    }

    pub fn has(&self, name: &str) -> bool {
        match place_of(name) {
            Some(place) => self.has_place(place),
            None => self.others.contains(name),
        }
    }

    pub(super) fn has_place(&self, place: usize) -> bool {
        self.places.binary_search(&place).is_ok()
    }

    pub fn len(&self) -> usize {
        self.places.len() + self.others.len()
    }
}

/// The place of the log that has this name.
fn place_of(name: &str) -> Option<usize> {
    let place: usize = name.strip_prefix('d')?.parse().ok()?;
    (delivery(place) == name).then_some(place)
}

/// The mailbox's name for what is at this place of the log.
pub(super) fn delivery(place: usize) -> String {
    format!("d{place}")
}

impl Server {
    pub(super) fn is_dropped(&self, place: usize) -> bool {
        self.dropped.as_ref().is_some_and(|dropped| {
            let of = self.log[place].conversation();
            let concerned = match &dropped.conversations {
                None => true,
                Some(ids) => of.is_some_and(|of| ids.iter().any(|id| id == of)),
            };
            concerned && place < dropped.upto && !self.acknowledged.contains(&place)
        })
    }

    /// The mailbox lets go of what it has not delivered: of these conversations, or of all.
    pub(super) fn drop_deliveries(&mut self, conversations: Option<Vec<String>>) {
        if self.dropped.is_some() {
            return;
        }
        self.receipts += 1;
        self.moved += 1;
        self.dropped = Some(Dropped {
            receipt: format!("o{}", self.receipts),
            conversations,
            upto: self.position(),
        });
    }

    /// Places in the log that are to be delivered, from `from` on.
    pub(super) fn deliverable(&self, from: usize) -> Vec<usize> {
        (from..self.log.len())
            .filter(|place| !self.acknowledged.contains(place) && !self.is_dropped(*place))
            .collect()
    }

    /// Whether the account has acknowledged everything.
    pub fn mailbox_is_empty(&self) -> bool {
        self.dropped.is_none() && self.deliverable(0).is_empty()
    }

    pub(super) fn delivery_of(&self, place: usize, rng: &mut Rng) -> Value {
        let mut event = self.event(&self.log[place], rng);
        event["delivery"] = json!(delivery(place));
        event
    }

    pub(super) fn mailbox(&mut self, limit: usize, forced: Option<Forced>, rng: &mut Rng) -> Value {
        let limit = limit.min(self.max_events).max(1);
        match forced {
            Some(Forced::All) => self.drop_deliveries(None),
            Some(Forced::Some(ids)) if !ids.is_empty() => self.drop_deliveries(Some(ids)),
            _ => {}
        }
        if self.deliverable(0).len() > self.overflow_after {
            self.dropped = None;
            self.drop_deliveries(None);
        }
        let mut events = Vec::new();
        if rng.chance(self.again) {
            // R10: the last ones are remembered. An acknowledgement may be long on its way.
            let remembered = self.mode.limits.deliveries / 2;
            let from = self.taken.len().saturating_sub(remembered);
            let mut old = self.taken[from..].to_vec();
            old.sort_unstable();
            let from = rng.below(old.len() as u64 + 1) as usize;
            let count = rng.between(1, 4) as usize;
            for place in old.into_iter().skip(from).take(count) {
                events.push(self.delivery_of(place, rng));
            }
        }
        let mut answer = json!({});
        if let Some(dropped) = &self.dropped {
            answer["overflow"] = match &dropped.conversations {
                None => json!("all"),
                Some(ids) => json!(ids),
            };
            events.push(json!({ "type": "overflow", "delivery": dropped.receipt }));
        }
        let places = self.deliverable(0);
        for place in places.iter().take(limit) {
            events.push(self.delivery_of(*place, rng));
        }
        answer["events"] = json!(events);
        answer["hasMore"] = json!(places.len() > limit);
        answer
    }

    pub(super) fn acknowledge(&mut self, deliveries: &[String]) {
        for name in deliveries {
            let place = name.strip_prefix('d').and_then(|place| place.parse().ok());
            if let Some(place) = place {
                let is_new = self.acknowledged.insert(place);
                self.taken.extend(is_new.then_some(place));
            } else if let Some(dropped) = self.dropped.as_ref().filter(|d| d.receipt == *name) {
                let gone: Vec<usize> = (0..dropped.upto)
                    .filter(|at| self.is_dropped(*at))
                    .collect();
                self.acknowledged.extend(gone);
                self.dropped = None;
            }
        }
        self.settle();
    }

    /// The user has signed out: whoever signs in next is a device of its own, to which nothing was to be
    /// delivered before.
    pub fn begin_mailbox_anew(&mut self) {
        self.acknowledged = (0..self.position()).collect();
        self.dropped = None;
        self.taken.clear();
        self.settle();
    }

    /// Counts what of each conversation is acknowledged from its beginning on.
    pub(super) fn settle(&mut self) {
        self.moved += 1;
        for (id, places) in &self.places {
            let settled = self.settled.entry(id.clone()).or_default();
            let more = places[*settled..].iter();
            *settled += more
                .take_while(|place| self.acknowledged.contains(place))
                .count();
        }
    }
}
