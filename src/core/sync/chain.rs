//! A pull and its `hasMore` chain: answers, acknowledgements, where it ends, and where it has none.

use super::*;

/// Finds that a chain comes back to cursors that it had, by one of its cursors at a time (Brent): one
/// kept for twice as long as the one before.
#[derive(Debug, Default)]
pub(super) struct Circle {
    kept: String,
    /// batches since it was kept, and after how many another is
    age: u32,
    term: u32,
}

impl Circle {
    /// Whether these cursors, where the chain goes on, are those kept.
    fn closes(&mut self, parts: &[Part]) -> bool {
        let mut cursors = String::new();
        for part in parts.iter().filter(|part| part.batch.has_more) {
            if let Feed::Conversation(id) = &part.feed {
                json::string(&mut cursors, id);
            }
            if let Some(cursor) = &part.batch.cursor {
                json::string(&mut cursors, cursor);
            }
        }
        if cursors.is_empty() {
            return false;
        }
        if cursors == self.kept {
            return true;
        }
        self.age += 1;
        if self.age > self.term {
            self.kept = cursors;
            self.age = 0;
            self.term = 2 * self.term + 1;
        }
        false
    }
}

impl Engine {
    pub(in crate::core) fn pulled(
        &mut self,
        request: u64,
        asked: &Pulled,
        result: Result<String, Error>,
    ) {
        if self.pull.waiting == Some(request) {
            self.pull.waiting = None;
            self.pull.running = true;
        }
        let answer = result.and_then(|text| match self.config.scope {
            Scope::Account => {
                let batch = protocol::batch(&text, asked.cursor.as_deref())?;
                let asked = asked.cursor.clone();
                let feed = Feed::Account;
                Ok(Answer {
                    parts: vec![Part { feed, asked, batch }],
                    ..Answer::default()
                })
            }
            Scope::Conversation => protocol::batches(&text, &asked.cursors),
            Scope::Mailbox => {
                let batch = protocol::mailbox(&text)?;
                let (feed, asked) = (Feed::Mailbox, None);
                Ok(Answer {
                    parts: vec![Part { feed, asked, batch }],
                    ..Answer::default()
                })
            }
        });
        match answer {
            Ok(answer) => self.answered_pull(asked, answer),
            Err(error) => self.pull_failed(error),
        }
    }

    fn answered_pull(&mut self, asked: &Pulled, answer: Answer) {
        let Answer {
            parts,
            failed,
            more,
        } = answer;
        let unknown: usize = parts.iter().map(|part| part.batch.unknown()).sum();
        if unknown > 0 {
            let message = format!("{unknown} events of unknown type were ignored");
            self.log("debug", &message);
        }
        // Events of unknown type are nothing that moves.
        let known = |part: &Part| part.batch.events.len() > part.batch.unknown();
        let nothing = !parts.iter().any(known);
        if nothing && let Some(since) = asked.waits {
            // A server that does not hold answers back is not asked in a loop.
            let soon = self.now.mono < since + self.config.poll_interval.min(WAIT) / 2;
            let pause = if soon {
                self.config.fallback_poll_interval
            } else {
                0
            };
            self.pull.impatient = self.now.mono + pause;
        }
        // A conversation's own chain is bounded by its cursor, which must move.
        let mut on: Vec<Rc<str>> = Vec::new();
        let mut has_more = more;
        for part in &parts {
            has_more |= part.batch.has_more;
            if let Feed::Conversation(id) = &part.feed {
                on.extend(part.batch.has_more.then(|| id.clone()));
            }
        }
        // What was asked for and did not fail is well again, also where there is nothing new in it.
        let mut only = Set::new();
        only.add_all(asked.only.iter().flatten());
        let asked_for = |id: &Rc<str>| asked.only.is_none() || only.contains(&id);
        let mut came = Set::new();
        came.add_all(parts.iter().filter_map(|part| match &part.feed {
            Feed::Conversation(id) => Some(id),
            _ => None,
        }));
        let mut fails = Set::new();
        fails.add_all(failed.iter().map(|(id, _)| id));
        self.pull
            .failing
            .retain(|id, _| !came.contains(&id) && (more || !asked_for(id)) || fails.contains(&id));
        if !more && self.config.scope == Scope::Conversation {
            self.pull.only = Some(on);
        }
        self.pull.more = has_more;
        // A mailbox's deliveries may all be known: they are counted after their commit.
        if nothing && has_more && self.config.scope != Scope::Mailbox {
            self.pull.empty += 1;
        }
        if self.pull.empty > self.patience(MAX_EMPTY) {
            return self.no_end("batches without end that bring nothing");
        }
        if self.pull.circle.closes(&parts) {
            return self.no_end("batches that have more, and come back to a cursor that was left");
        }
        let events = parts.iter().flat_map(|part| &part.batch.events);
        if self.too_many(events.filter_map(|e| e.event.as_ref().map(Event::conversation))) {
            return self.pull_failed(too_many_conversations());
        }
        let spared = self.pull.failing.values().any(|f| f.obey > self.now.mono);
        for (id, error) in failed {
            let refused = matches!(error.code, ErrorCode::Forbidden | ErrorCode::NotFound);
            let refused = refused && asked.only.is_some();
            if refused && !self.db.cursors.contains_key(&id) && !self.db.list.contains_key(&id) {
                // A notification has named what is not, or not any more, the account's.
                self.pull.failing.remove(&id);
                continue;
            }
            if refused && !spared {
                // Perhaps the account has left it: that is said where all are asked for.
                self.pull.only = None;
                self.pull.full = true;
                self.pull.more = true;
                continue;
            }
            self.conversation_failed(id, error);
        }
        if Fault::AcknowledgedBeforeItsCommit.on() {
            self.push_applied(&parts);
        }
        self.push(Job::Batch {
            parts,
            pushed: false,
        });
    }

    /// How much of what leads nowhere is taken: less each time.
    fn patience(&self, most: u32) -> u32 {
        most >> self.pull.endless.min(5)
    }

    /// The chain is given up. What of it was good has been good before: the longer a server goes on so,
    /// the less often it is asked.
    fn no_end(&mut self, what: &str) {
        self.pull.failures = self.pull.endless;
        self.pull.endless += 1;
        self.pull_failed(Error::new(ErrorCode::Protocol, what));
    }

    /// Whether there would be too many conversations with these.
    pub(super) fn too_many<'a>(&self, ids: impl Iterator<Item = &'a Rc<str>>) -> bool {
        let (list, held) = (&self.db.list, &self.db.held);
        let mut strange = Set::new();
        strange.add_all(ids.filter(|id| !list.contains_key(*id) && !held.contains_key(*id)));
        list.len().max(held.len()) + strange.len() > MAX_CONVERSATIONS
    }

    /// One conversation could not be pulled: it is backed off from, alone.
    fn conversation_failed(&mut self, id: Rc<str>, error: Error) {
        let (base, cap) = if error.retryable() { RETRY } else { SLOW_RETRY };
        let failures = self.pull.failing.get(&id).map_or(0, |f| f.failures);
        let wait = self.backoff(failures, base, cap);
        let obey = self.now.mono + error.retry_after.unwrap_or(0);
        self.failure_event(&error);
        let failing = Failing {
            error,
            failures: failures + 1,
            retry: obey.max(self.now.mono + wait),
            obey,
        };
        self.pull.failing.insert(id, failing);
    }

    /// Batches are committed.
    pub(in crate::core) fn applied(&mut self, parts: &[Part], changes: &Changes) {
        let events: usize = parts.iter().map(|part| part.batch.events.len()).sum();
        self.pull.applied += events as u64;
        self.shown.status = true;
        if changes.events.is_empty() && self.pull.more && self.config.scope == Scope::Mailbox {
            self.pull.empty += 1;
        } else if !changes.events.is_empty() {
            self.pull.empty = 0;
        }
        // What an overflow has cleared is news again, as often as the server likes.
        if changes.is_news() && changes.overflow.is_none() {
            self.pull.known = 0;
        } else if self.pull.more {
            self.pull.known += 1;
        }
        let deliveries = deliveries(parts);
        if deliveries.is_empty() {
            return self.go_on();
        }
        if !self.may_request() {
            // It comes again, and is acknowledged then (R10).
            self.pull.running = false;
            return self.ask_pull(0);
        }
        let pushed = false;
        let call = Request::Acknowledge { deliveries, pushed };
        self.request(call, Asked::Ack { pushed });
    }

    /// Deliveries are acknowledged, or not: then they come again.
    pub(in crate::core) fn acknowledged(&mut self, pushed: bool, result: Result<String, Error>) {
        match result {
            Ok(_) if pushed => {}
            Ok(_) => self.go_on(),
            Err(error) if pushed => {
                let message = format!("an acknowledgement was lost: {error}");
                self.log("debug", &message);
            }
            Err(error) => self.pull_failed(error),
        }
    }

    /// The chain goes on, or has ended. Only now, acknowledged where that is needed, has it not failed.
    fn go_on(&mut self) {
        self.pull.failures = 0;
        self.pull.error = None;
        if self.pull.more {
            if self.pull.known > self.patience(MAX_KNOWN) {
                self.no_end("batches without end that bring what is known");
            } else if self.may_request() {
                self.request_pull(None);
            } else {
                self.pull.running = false;
                self.ask_pull(0);
            }
            return;
        }
        // R11: what it proves to be gone goes before anybody hears that all is caught up.
        let whole = self.pull.full && self.pull.failing.is_empty();
        let suspects = !self.db.meta.owed && !self.db.meta.suspects.is_empty();
        let paid = whole && self.pull.after_list && suspects;
        let mut unnamed = std::mem::take(&mut self.pull.unnamed);
        unnamed.retain(|id| whole && !self.db.cursors.contains_key(id));
        if paid || !unnamed.is_empty() {
            return self.push(Job::Suspects { paid, unnamed });
        }
        self.end_chain();
    }

    /// All that the chain brings is committed.
    pub(in crate::core) fn end_chain(&mut self) {
        self.shown.status = true;
        self.timelines.values_mut().for_each(Timeline::wake);
        self.pull.running = false;
        self.pull.ended = self.now.mono;
        self.pull.not_before = 0;
        self.pull.endless = 0;
        let failing = self.pull.failing.values().next();
        self.pull.error = failing.map(|failing| failing.error.clone());
        self.pull.caught_up |= self.pull.full && self.pull.error.is_none();
        self.pull.whole = self.pull.began_linked && self.link.ready;
        self.pull.last_synced = Some(self.now.wall);
        let calls = std::mem::take(&mut self.pull.calls);
        if let Some(error) = self.pull.error.clone() {
            for call in calls {
                self.reject(call, &error);
            }
        } else if self.db.meta.owed && !Fault::CaughtUpWithoutTheList.on() {
            self.pull.listing.extend(calls);
        } else if self.undecided() {
            self.pull.later.extend(calls);
        } else {
            for call in calls {
                self.resolve(call, "null");
            }
        }
        self.pull.calls = std::mem::take(&mut self.pull.later);
        if std::mem::take(&mut self.pull.again) || !self.pull.calls.is_empty() {
            if !self.pull.calls.is_empty() {
                self.pull.about = About::All;
            }
            self.pull.want = Some(self.now.mono);
        }
    }
}
