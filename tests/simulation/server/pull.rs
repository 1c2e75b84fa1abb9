//! Pulls with the account's cursor, and with one for each conversation.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::conversation::Conversation;
use super::log::Entry;
use super::values::fields;
use super::{Forced, Server, cursor_in, cursor_text, position_in, position_of};
use crate::simulation::mode::Wide;
use crate::simulation::rng::Rng;

impl Server {
    pub(super) fn batch(
        &self,
        cursor: Option<&str>,
        limit: usize,
        forced: Option<Forced>,
        rng: &mut Rng,
    ) -> Value {
        let end = self.position();
        let limit = limit.min(self.max_events).max(1);
        let at = cursor.and_then(position_of).filter(|at| *at <= end);
        let from = at.filter(|at| end - at <= self.overflow_after);
        let (Some(from), false) = (from, matches!(forced, Some(Forced::All))) else {
            // Too far behind, or the first sign-in: some of the newest events may still be given.
            let from = end - rng.below(5).min((end - at.unwrap_or(0)) as u64) as usize;
            let to = end.min(from + limit);
            let events: Vec<Value> = self.log[from..to]
                .iter()
                .map(|e| self.event(e, rng))
                .collect();
            return json!({ "events": events, "cursor": cursor_text(to), "hasMore": to < end, "overflow": "all" });
        };
        let to = end.min(from + limit);
        let mut batch = json!({ "cursor": cursor_text(to), "hasMore": to < end });
        let mut skipped: Vec<String> = Vec::new();
        if let Some(Forced::Some(ids)) = forced {
            skipped = ids
                .into_iter()
                .filter(|id| self.conversations[id].member)
                .collect();
        }
        // Of the conversations that overflow, only what comes after `resume` is given.
        let resume = rng.between(from as u64, to as u64) as usize;
        let mut events = Vec::new();
        for (at, entry) in (from..).zip(&self.log[from..to]) {
            let left_out = at < resume
                && entry
                    .conversation()
                    .is_some_and(|id| skipped.iter().any(|s| s == id));
            if !left_out {
                events.push(self.event(entry, rng));
            }
        }
        if !skipped.is_empty() {
            if rng.chance(50) {
                events.extend(skipped.iter().map(|id| self.whole_state(id)));
            }
            batch["overflow"] = json!(skipped);
        }
        batch["events"] = json!(events);
        batch
    }

    /// The event that says all of a conversation's state.
    fn whole_state(&self, id: &str) -> Value {
        let conversation = &self.conversations[id];
        let fields = fields(conversation, &conversation.state(), None)
            .expect("a first state has all fields");
        json!({ "type": "conversation", "conversation": fields })
    }

    /// A device has gone: what it has named counts for nothing.
    pub fn forget_named(&mut self, device: usize) {
        self.named.remove(&device);
    }

    /// What the pieces of a pull have named before this one. Nothing of it is kept where it can be named
    /// again: then those begin anew. Where that would be too much for one request, it has to be kept.
    pub(super) fn named_before(&mut self, only: Option<&[String]>, rest: bool) -> BTreeSet<String> {
        let named_again: usize = self.conversations.keys().map(|id| 2 * id.len() + 6).sum();
        if named_again <= self.mode.largest / 3 {
            return BTreeSet::new();
        }
        let (named, ended) = self.named.entry(self.asking).or_default();
        if rest || only.is_none() {
            *ended = true;
            return named.clone();
        }
        if std::mem::take(ended) {
            named.clear();
        }
        named.extend(only.into_iter().flatten().cloned());
        BTreeSet::new()
    }

    /// The conversations that a pull asks for.
    fn asked_for<'s>(
        &'s self,
        cursors: &BTreeMap<&'s String, &String>,
        (only, rest, before): (Option<&'s [String]>, bool, &BTreeSet<String>),
    ) -> Vec<&'s String> {
        match only {
            Some(only) => {
                let named = |id: &&String| only.contains(*id);
                let rest = self.conversations.values().filter(|c| rest && c.member);
                let rest = rest.map(|c| &c.id).filter(|id| !cursors.contains_key(*id));
                let rest = rest.filter(|id| !before.contains(*id));
                only.iter().chain(rest.filter(|id| !named(id))).collect()
            }
            None => {
                let members = self.conversations.values().filter(|c| c.member);
                let asked: BTreeSet<&String> = members
                    .map(|c| &c.id)
                    .chain(cursors.keys().copied())
                    .collect();
                asked.into_iter().collect()
            }
        }
    }

    /// Why a conversation is not answered.
    fn unavailable(&self, rng: &mut Rng) -> Value {
        let mut error = json!({ "code": "unavailable", "message": "the simulation's" });
        if rng.chance(30) && self.failing.is_none() {
            error["retryAfter"] = json!(rng.between(1, 20) * 1000);
        }
        error
    }

    /// The answer to a pull with a cursor for each conversation.
    pub(super) fn batches(
        &self,
        cursors: &[(String, String)],
        limit: usize,
        (only, rest, before): (Option<&[String]>, bool, &BTreeSet<String>),
        forced: Option<Forced>,
        rng: &mut Rng,
    ) -> Value {
        let limit = limit.min(self.max_events).max(1);
        let cursors: BTreeMap<&String, &String> = cursors.iter().map(|(id, c)| (id, c)).collect();
        let mut ids = self.asked_for(&cursors, (only, rest, before));
        // In any order: none has to wait for another.
        for n in (1..ids.len()).rev() {
            ids.swap(n, rng.below(n as u64 + 1) as usize);
        }
        let mut answers = Map::new();
        let mut more = false;
        for id in ids {
            let cursor = cursors.get(id).map(|cursor| cursor.as_str());
            let Some(conversation) = self.conversations.get(id) else {
                continue;
            };
            let at = cursor.and_then(|cursor| position_in(cursor, id));
            let fails = self.failing.as_ref() == Some(id) || rng.chance(self.sick);
            let nothing =
                conversation.member && at.is_some_and(|at| self.next_of(id, at) == self.position());
            // What fails for ever is said with each answer: it would come last for ever.
            let said = self.failing.as_ref() == Some(id);
            if answers.len() >= self.max_batches && !said {
                more |= !nothing;
                continue;
            }
            if fails {
                answers.insert(id.clone(), json!({ "error": self.unavailable(rng) }));
                continue;
            }
            let overflows = match &forced {
                Some(Forced::All) => true,
                Some(Forced::Some(ids)) => ids.contains(id),
                None => false,
            };
            // Where few batches fit into an answer, they are of what has something new.
            let said = rng.chance(70) || self.mode.world != Wide::Small;
            if nothing && !overflows && said {
                continue;
            }
            let batch = if conversation.member {
                self.batch_of(conversation, at, limit, overflows, rng)
            } else if cursor.is_some() {
                json!({
                    "events": [{ "type": "removed", "conversation": id }],
                    "cursor": cursor_in(id, self.position()), "hasMore": false,
                })
            } else {
                json!({ "error": { "code": "forbidden", "message": "not a member", "status": 403 } })
            };
            answers.insert(id.clone(), batch);
        }
        let mut answer = json!({ "conversations": answers });
        if more || rng.chance(20) {
            answer["hasMore"] = json!(more);
        }
        answer
    }

    /// What one conversation's log says after its cursor. `at`: None where it has none that the
    /// server can place.
    fn batch_of(
        &self,
        conversation: &Conversation,
        at: Option<usize>,
        limit: usize,
        overflows: bool,
        rng: &mut Rng,
    ) -> Value {
        let id = &conversation.id;
        let places = &self.places[id];
        let after = |at: usize| &places[places.partition_point(|place| *place < at)..];
        let behind = at.map(|at| after(at).len());
        let overflows = overflows || behind.is_none_or(|behind| behind > self.overflow_after);
        let mut rest = after(at.unwrap_or(0));
        let mut events = Vec::new();
        if overflows {
            // Some of the newest may still be given; nothing of before the account came back.
            let entered = conversation.membership.last().map_or(0, |(at, _)| *at);
            let newest = rng.below(5).min(rest.len() as u64) as usize;
            rest = &rest[rest.len() - newest..];
            rest = &rest[rest.partition_point(|place| *place + 1 < entered)..];
            if rng.chance(50) {
                let fields = fields(conversation, &conversation.state(), None)
                    .expect("a first state has all fields");
                events.push(json!({ "type": "conversation", "conversation": fields }));
            }
        }
        let (given, left) = rest.split_at(rest.len().min(limit));
        for place in given {
            if rng.chance(3) {
                events.push(self.event(&Entry::Unknown, rng));
            }
            events.push(self.event(&self.log[*place], rng));
        }
        // A cursor may be anywhere before what is still to come.
        let from = given.last().map_or(at.unwrap_or(0), |place| place + 1);
        let to = match left.first() {
            Some(next) => rng.between(from as u64, *next as u64) as usize,
            None => self.position(),
        };
        let mut batch = json!({
            "events": events, "cursor": cursor_in(id, to), "hasMore": !left.is_empty(),
        });
        if overflows {
            batch["overflow"] = json!([id]);
        }
        batch
    }
}
