//! A batch and its events (R1–R4, R8, R10).

use super::{Result, Stop, Tx};
use crate::core::events::Event;
use crate::core::fault::Fault;
use crate::core::map::Set;
use crate::core::options::OverflowPolicy;
use crate::core::types::Overflow;
use crate::core::wire::batch::{FeedBatch, Parsed};
use std::rc::Rc;

impl Tx<'_> {
    /// A batch (R1, R2, R3, R4, R7, R9): `Void` if its request's cursor is not the applied one any
    /// more. `whole`: nothing before it is missing; else, pushed into a mailbox's client, it counts
    /// only where each new message follows the live end, and is `Void` otherwise. Answers its events without
    /// the deliveries that were applied before (R10), for the journals of what was asked for before them
    /// (R7, R11).
    pub fn batch(
        &mut self,
        part: &FeedBatch,
        policy: OverflowPolicy,
        whole: bool,
    ) -> Result<Vec<Event>> {
        if self.db.cursor(&part.feed) != part.asked.as_deref() && !Fault::CursorIsNotCompared.on() {
            return Err(Stop::Void);
        }
        if self.db.meta().account.is_none() && part.batch.account.is_some() {
            self.meta().account.clone_from(&part.batch.account);
        }
        let begun = self.db.meta().begun;
        let first = part.feed.is_first(part.asked.as_deref(), begun);
        self.begin_news(first, part.batch.overflow.is_some());
        let (events, doubts) = self.unapplied(part);
        if !Fault::OverflowAfterEvents.on() {
            self.overflow(part, &events, policy);
        }
        for event in &events {
            let done = event.apply(self, whole);
            self.step(done)?;
            self.clear_suspicion(event.conversation());
        }
        if Fault::OverflowAfterEvents.on() {
            self.overflow(part, &events, policy);
        }
        self.begin();
        // A conversation that the account has left has no cursor of its own any more.
        let left = part.feed.conversation().is_some();
        let left = left && matches!(events.last(), Some(Event::Removed(_)));
        let cursor = part.batch.cursor.as_deref().filter(|_| !left);
        self.move_cursor(&part.feed, cursor);
        self.commit.changes.events += events.len();
        self.commit.changes.irregular.append(&part.batch.irregular);
        // After the events: what they have made is in doubt as well.
        let since = part.asked.as_deref().unwrap_or_default();
        for named in &doubts {
            self.doubt(named.as_ref(), since);
        }
        self.doubt_clashes(since);
        Ok(events)
    }

    /// The first sign-in, also of a server that does not call it an overflow, or of an account without
    /// conversations: the list is owed.
    pub fn begin(&mut self) {
        if !self.db.meta().begun {
            let meta = self.meta();
            meta.begun = true;
            meta.owed = true;
            self.commit.cursors_cleared = true;
        }
    }

    /// The events of a batch without the deliveries that were applied before (R10), and the
    /// conversations of those that had to be left out. What is there counts as applied.
    fn unapplied(&mut self, part: &FeedBatch) -> (Vec<Event>, Vec<Option<Rc<str>>>) {
        let batch = &part.batch;
        let mut events = Vec::with_capacity(batch.events.len());
        let mut doubts = Vec::new();
        for envelope in &batch.events {
            let delivery = envelope.delivery.as_ref();
            if delivery.is_some_and(|delivery| self.is_repeated(delivery)) {
                continue;
            }
            match &envelope.parsed {
                Parsed::Event(event) => events.push(event.clone()),
                Parsed::Unknown(_) => {}
                Parsed::LeftOut(named) => doubts.push(named.clone()),
            }
        }
        (events, doubts)
    }

    /// Whether a delivery was applied before (R10); from now on it is.
    fn is_repeated(&mut self, delivery: &Rc<str>) -> bool {
        if self.db.is_delivered(delivery) {
            self.commit.repeated.add(delivery.clone());
            return true;
        }
        !Fault::DeliveriesAreForgotten.on() && !self.commit.deliveries.add(delivery.clone())
    }

    /// R4, before the events of the same batch.
    fn overflow(&mut self, part: &FeedBatch, events: &[Event], policy: OverflowPolicy) {
        // Where nothing was applied before, what is held is of another time, or another scope.
        let first = part
            .feed
            .is_first(part.asked.as_deref(), self.db.meta().begun);
        let of = part.feed.conversation();
        let implied = match of {
            Some(id) if self.db.meta().begun => Overflow::Of(vec![id.clone()]),
            _ => Overflow::All,
        };
        let said = match (of, &part.batch.overflow) {
            // It is about the one conversation, however it is put.
            (Some(_), Some(_)) => Some(&implied),
            (_, said) => said.as_ref(),
        };
        let overflow = match said {
            Some(overflow) => overflow,
            None if first && self.db.stores_history() => &implied,
            None => return,
        };
        let concerned: Vec<Rc<str>> = match overflow {
            Overflow::All => self.db.with_history().into_keys().collect(),
            Overflow::Of(ids) => ids.clone(),
        };
        // Without a cursor nobody can say what has changed since: it is fetched again.
        let since = part.asked.clone().unwrap_or_default();
        for id in &concerned {
            if Fault::OutboxGoesWithTheOverflow.on() {
                self.locals().iter().for_each(|l| self.drop_local(l, true));
            }
            match policy {
                OverflowPolicy::Clear => self.clear(id),
                OverflowPolicy::Keep => self.keep(id, &since),
            }
        }
        match overflow {
            Overflow::All => self.lose_sight(None),
            Overflow::Of(ids) => ids.iter().for_each(|id| self.lose_sight(Some(id))),
        }
        let mut stated = Set::new();
        stated.add_all(events.iter().filter_map(|event| match event {
            Event::Conversation(patch) if patch.is_whole() => Some(patch.id.clone()),
            _ => None,
        }));
        let owed = match overflow {
            Overflow::All => true,
            Overflow::Of(ids) => !ids.iter().all(|id| stated.contains(id)),
        };
        if owed && !Fault::ListIsNotOwed.on() {
            self.meta().owed = true;
            self.meta().suspects.clear();
        }
        let changes = &mut self.commit.changes;
        match (&mut changes.overflow, overflow) {
            (Some(Overflow::All), _) => {}
            (Some(Overflow::Of(ids)), Overflow::Of(more)) => ids.extend(more.iter().cloned()),
            (known, _) => *known = Some(overflow.clone()),
        }
    }

    fn clear_suspicion(&mut self, id: &Rc<str>) {
        let meta = self.commit.meta.as_ref().unwrap_or(self.db.meta());
        let suspects = &meta.suspects;
        // In order, as `list_page` has left them.
        if let Ok(i) = suspects.binary_search_by(|s| (**s).cmp(id)) {
            self.meta().suspects.remove(i);
        }
    }
}
