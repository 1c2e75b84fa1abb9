//! What the app asks of timelines, the pages that come for them, and what commits do to them.

use super::*;

impl Engine {
    // ------------------------------------------------------------ commands

    pub(in crate::core) fn open(
        &mut self,
        id: TimelineId,
        conversation: Rc<str>,
        start: Start,
        page_size: Option<u32>,
        max_items: Option<u32>,
    ) {
        let page_size = page_size
            .unwrap_or(self.config.page_size)
            .clamp(1, MAX_PAGE as u32 * 5) as usize;
        let max_items = (max_items.unwrap_or(1000) as usize).clamp(page_size, MAX_ITEMS);
        let timeline = Timeline::new(conversation.clone(), start, page_size, max_items);
        self.timelines.insert(id, timeline);
        self.opened(conversation);
    }

    pub(super) fn opened(&mut self, conversation: Rc<str>) {
        let at = self.now.wall;
        if self.promoted {
            self.push(Job::Opened { conversation, at });
        }
    }

    /// The facade lets go when no method of it runs; what runs all the same would wait for ever.
    pub(in crate::core) fn release(&mut self, id: TimelineId) {
        let Some(mut t) = self.timelines.remove(&id) else {
            return;
        };
        if t.life == Life::Open {
            self.end_calls(
                &mut t,
                &Error::new(ErrorCode::Aborted, "the timeline was let go"),
            );
            t.life = Life::Released;
        }
        self.timelines.insert(id, t);
    }

    pub(in crate::core) fn attach(&mut self, id: TimelineId) {
        let Some(t) = self.timelines.get_mut(&id) else {
            return;
        };
        if t.life == Life::ReleasedRemoved {
            t.life = Life::Removed;
            t.reload = None;
            t.dirty = true;
        }
        if t.life != Life::Released {
            return;
        }
        t.life = Life::Open;
        t.refused = false;
        t.retry = 0;
        // What was committed meanwhile it has not followed: the same window, read again.
        t.clear();
        let conversation = t.conversation.clone();
        self.opened(conversation);
    }

    pub(in crate::core) fn close_timeline(&mut self, id: TimelineId) {
        let Some(mut t) = self.timelines.remove(&id) else {
            return;
        };
        self.end_calls(
            &mut t,
            &Error::new(ErrorCode::Closed, "the timeline is closed"),
        );
        t.life = Life::Closed;
        t.dirty = true;
        self.show_timeline(id, &mut t);
    }

    /// Ends what callers wait for.
    pub(super) fn end_calls(&mut self, t: &mut Timeline, error: &Error) {
        let loads = [t.older.take(), t.newer.take()]
            .into_iter()
            .flatten()
            .flat_map(|load| load.calls);
        let jumps = t
            .reload
            .iter_mut()
            .flat_map(|r| std::mem::take(&mut r.calls));
        let calls: Vec<Call> = loads.chain(jumps).collect();
        for call in calls {
            self.reject(call, error);
        }
    }

    pub(in crate::core) fn load_page(
        &mut self,
        call: Call,
        id: TimelineId,
        direction: Direction,
        limit: Option<u32>,
    ) {
        let Some(t) = self.timelines.get_mut(&id) else {
            return self.reject(
                call,
                &Error::new(ErrorCode::Closed, "the timeline is closed"),
            );
        };
        if t.life == Life::Removed {
            let error = Error::new(
                ErrorCode::Forbidden,
                "the account has left this conversation",
            );
            return self.reject(call, &error);
        }
        let limit = limit
            .map_or(t.page_size, |limit| limit as usize)
            .clamp(1, MAX_ITEMS);
        let load = match direction {
            Direction::Older => &mut t.older,
            Direction::Newer => &mut t.newer,
        };
        match load {
            Some(running) => running.calls.push(call),
            None => {
                *load = Some(Load::of(limit, vec![call]));
            }
        }
        if std::mem::take(&mut t.refused) {
            t.retry = 0;
        }
        t.error = None;
        t.wake = true;
        t.dirty = true;
    }

    pub(in crate::core) fn jump(&mut self, call: Call, id: TimelineId, to: Start) {
        let Some(mut t) = self.timelines.remove(&id) else {
            return self.reject(
                call,
                &Error::new(ErrorCode::Closed, "the timeline is closed"),
            );
        };
        if t.life == Life::Removed {
            self.reject(
                call,
                &Error::new(
                    ErrorCode::Forbidden,
                    "the account has left this conversation",
                ),
            );
        } else {
            self.end_calls(
                &mut t,
                &Error::new(ErrorCode::Aborted, "overtaken by a jump"),
            );
            t.reload = Some(Reload {
                calls: vec![call],
                ..Reload::asked(to, t.page_size)
            });
            t.error = None;
            t.refused = false;
            t.retry = 0;
            t.wake = true;
            t.dirty = true;
        }
        self.timelines.insert(id, t);
    }

    /// Lets go of one call of a load or a jump. Answers whether it was here. What a load asked for goes
    /// on; a jump that nobody wants any more moves nothing, where there is a list to stay with.
    pub(in crate::core) fn abort_load(&mut self, of: Call) -> bool {
        let mut found = false;
        for t in self.timelines.values_mut() {
            let drop = |calls: &mut Vec<Call>| {
                let before = calls.len();
                calls.retain(|call| *call != of);
                calls.len() < before
            };
            let loads = [&mut t.older, &mut t.newer].into_iter().flatten();
            let loaded = loads.fold(false, |any, load| any | drop(&mut load.calls));
            let jumped = t.reload.as_mut().is_some_and(|r| drop(&mut r.calls));
            let unwanted = t.reload.as_ref().is_some_and(|r| r.calls.is_empty());
            if jumped && unwanted && !t.runs.is_empty() {
                t.stay();
                t.wake = true;
            }
            t.dirty |= loaded | jumped;
            found |= loaded | jumped;
        }
        found
    }

    pub(in crate::core) fn visible(&mut self, id: TimelineId, first: &str, last: &str) {
        let Some(t) = self.timelines.get_mut(&id) else {
            return;
        };
        let known = |key: &str| t.rows.iter().any(|row| row.key() == key);
        if known(first) && known(last) {
            t.on_screen = Some((first.to_owned(), last.to_owned()));
            t.dirty = true;
        }
    }

    /// What is shown of this conversation beside its messages has changed.
    pub(in crate::core) fn touch_timelines(&mut self, conversation: &str) {
        for t in self
            .timelines
            .values_mut()
            .filter(|t| *t.conversation == *conversation)
        {
            t.dirty = true;
        }
    }

    pub(in crate::core) fn touch_all_timelines(&mut self) {
        for t in self.timelines.values_mut() {
            t.dirty = true;
        }
    }

    // ------------------------------------------------------------ pages

    /// Asks for a page or for changes, or shares what was asked for.
    pub(super) fn fetch(&mut self, conversation: &Rc<str>, wants: Wants, limit: usize) -> u64 {
        let same = |f: &Fetch| f.conversation == *conversation && f.wants == wants && !f.discarded;
        if let Some((id, _)) = self.fetches.iter().find(|(_, f)| same(f)) {
            return *id;
        }
        let fetch = self.number();
        let feed = match self.config.scope {
            Scope::Account => Feed::Account,
            Scope::Conversation => Feed::Conversation(conversation.clone()),
            Scope::Mailbox => Feed::Mailbox,
        };
        let cursor = self.db.cursor(&feed).map(str::to_owned);
        let limit = limit.min(MAX_PAGE * 5) as u32;
        let call = match &wants {
            Wants::Page(place) => Request::History {
                conversation: conversation.to_string(),
                limit,
                cursor,
                place: *place,
            },
            Wants::Changes { since, from, to } => Request::Changes {
                conversation: conversation.to_string(),
                since: since.clone(),
                cursor,
                from: Seq(*from),
                to: Seq(*to),
                limit,
            },
        };
        let request = self.request(call, Asked::History { fetch });
        self.fetches.insert(
            fetch,
            Fetch {
                conversation: conversation.clone(),
                wants,
                journal: Vec::new(),
                discarded: false,
                request,
            },
        );
        fetch
    }

    pub(in crate::core) fn fetched(&mut self, fetch: u64, result: Result<String, Error>) {
        let Some(f) = self.fetches.get(&fetch) else {
            return;
        };
        let job = match (&f.wants, result) {
            (Wants::Page(place), Ok(text)) => {
                protocol::page(&text, &f.conversation, *place).map(|page| Job::Page { fetch, page })
            }
            (Wants::Changes { from, to, .. }, Ok(text)) => {
                protocol::changes(&text, &f.conversation, *from, *to)
                    .map(|answer| Job::Changes { fetch, answer })
            }
            // R12: the log does not reach back so far.
            (Wants::Changes { .. }, Err(error)) if error.status == Some(410) => {
                Ok(Job::Gone { fetch })
            }
            (_, Err(error)) => Err(error),
        };
        match job {
            Ok(job) => self.push(job),
            Err(error) => self.fetch_done(fetch, Some(error)),
        }
    }

    /// A page that was asked for by a time is committed: whoever jumped there knows now where it is.
    pub(in crate::core) fn found(&mut self, fetch: u64, page: &Page) {
        for t in self.timelines.values_mut() {
            let Some(reload) = t.reload.as_mut().filter(|r| r.fetch == Some(fetch)) else {
                continue;
            };
            if let Target::At(ms) = reload.target {
                let first = page.messages.iter().find(|m| m.created_at >= ms);
                reload.found = Some(first.map(|m| m.seq.0));
            }
        }
    }

    /// An overflow or a removal discards what was asked for before (R7); whatever wanted it decides
    /// anew. `None`: of every conversation.
    pub(in crate::core) fn discard_fetches(&mut self, conversation: Option<&Rc<str>>) {
        if Fault::PageOutlivesTheOverflow.on() {
            return;
        }
        let about = |f: &Fetch| conversation.is_none_or(|id| f.conversation == *id);
        let ids: Vec<u64> = self
            .fetches
            .iter()
            .filter(|(_, f)| about(f))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            if let Some(f) = self.fetches.get_mut(&id) {
                f.discarded = true;
                let request = f.request;
                self.abort_request(request);
            }
            self.fetch_done(id, None);
        }
    }

    /// A page is committed, void, or could not be had.
    pub(in crate::core) fn fetch_done(&mut self, fetch: u64, error: Option<Error>) {
        let Some(done) = self.fetches.remove(&fetch) else {
            return;
        };
        let ids: Vec<TimelineId> = self.timelines.keys().copied().collect();
        for id in ids {
            let Some(mut t) = self.timelines.remove(&id) else {
                continue;
            };
            self.page_settled(&mut t, fetch, &done, error.as_ref());
            self.timelines.insert(id, t);
        }
    }

    pub(super) fn page_settled(
        &mut self,
        t: &mut Timeline,
        fetch: u64,
        done: &Fetch,
        error: Option<&Error>,
    ) {
        let tending = t.tend.fetch;
        if let Some(reload) = t.reload.as_mut().filter(|r| r.fetch == Some(fetch)) {
            reload.fetch = None;
            t.wake = true;
            if done.discarded || error.is_some() {
                reload.pages = 0;
                reload.tried = None;
            }
            // A trim that has passed the page left nothing of it: what there is now is asked for.
            let trimmed = |event: &Event| matches!(event, Event::Trim { .. });
            if done.journal.iter().any(trimmed) {
                reload.tried = None;
            }
            if let Some(error) = error {
                let calls = std::mem::take(&mut reload.calls);
                let jumped = !calls.is_empty();
                for call in calls {
                    self.reject(call, error);
                }
                if jumped {
                    self.jump_failed(t, error.clone());
                } else {
                    self.reload_failed(t, error.clone());
                }
            }
        }
        // A page ahead that could not be had is not asked for again: whoever comes there asks himself.
        for (tend, again) in [(&mut t.tend, error.is_some()), (&mut t.ahead, false)] {
            if tend.fetch == Some(fetch) {
                tend.fetch = None;
                t.wake = true;
                if done.discarded || again {
                    tend.asked = None;
                }
            }
        }
        if let Some(error) = error.filter(|_| tending == Some(fetch)) {
            // Nobody waits for it: it is tried again, and what is shown stays as it is.
            t.failures += 1;
            let wait = self
                .backoff(t.failures - 1, RETRY.0, RETRY.1)
                .max(error.retry_after.unwrap_or(0));
            t.retry = self.now.mono + wait;
            // Of a conversation that the account is in, nothing is final in syncing.
            t.refused = error.is_refusal() && !self.db.list.contains_key(&t.conversation);
        }
        for direction in [Direction::Older, Direction::Newer] {
            let load = match direction {
                Direction::Older => &mut t.older,
                Direction::Newer => &mut t.newer,
            };
            let Some(load) = load.as_mut().filter(|load| load.fetch == Some(fetch)) else {
                continue;
            };
            load.fetch = None;
            t.wake = true;
            match error {
                Some(error) => self.load_failed(t, direction, error.clone()),
                None if done.discarded => load.asked = None,
                None => load.net = true,
            }
        }
    }

    /// A jump has failed: the list stays where it is, if there is one.
    pub(super) fn jump_failed(&mut self, t: &mut Timeline, error: Error) {
        if t.runs.is_empty() {
            return self.reload_failed(t, error);
        }
        t.stay();
        t.error = Some(error);
        t.dirty = true;
    }

    pub(super) fn reload_failed(&mut self, t: &mut Timeline, error: Error) {
        t.opened = true;
        t.failures += 1;
        // A refusal is final until something else changes; the rest is tried again by itself.
        t.refused = error.is_refusal();
        let wait = self
            .backoff(t.failures - 1, RETRY.0, RETRY.1)
            .max(error.retry_after.unwrap_or(0));
        t.retry = self.now.mono + wait;
        t.error = Some(error);
        t.dirty = true;
    }

    pub(super) fn load_failed(&mut self, t: &mut Timeline, direction: Direction, error: Error) {
        let load = match direction {
            Direction::Older => t.older.take(),
            Direction::Newer => t.newer.take(),
        };
        let Some(load) = load else { return };
        if load.added > 0 {
            self.answer_load(&load, false);
        } else {
            for call in &load.calls {
                self.reject(*call, &error);
            }
        }
        t.error = Some(error);
        t.dirty = true;
    }

    pub(super) fn answer_load(&mut self, load: &Load, end: bool) {
        let mut ok = String::from("{\"added\":");
        json::number(&mut ok, load.added as u64);
        ok.push_str(",\"end\":");
        json::flag(&mut ok, end);
        ok.push_str(match (load.cache, load.net) {
            (true, true) => ",\"source\":\"both\"}",
            (false, true) => ",\"source\":\"network\"}",
            _ => ",\"source\":\"cache\"}",
        });
        for call in &load.calls {
            self.resolve(*call, &ok);
        }
    }

    // ------------------------------------------------------------ commits

    /// Shows what was committed.
    pub(in crate::core) fn refresh_timelines(&mut self, changes: &Changes) {
        let ids: Vec<TimelineId> = self.timelines.keys().copied().collect();
        for id in ids {
            let Some(mut t) = self.timelines.remove(&id) else {
                continue;
            };
            if changes.outbox {
                t.dirty = true;
            }
            if changes.list && t.refused && self.db.list.contains_key(&t.conversation) {
                t.refused = false;
                t.retry = 0;
                t.wake = true;
            }
            t.wake |= changes.list
                && matches!(&t.reload, Some(r) if matches!(r.target, Target::FirstUnread));
            let left = t.life == Life::Removed;
            if left && self.db.list.contains_key(&t.conversation) {
                // A conversation that comes back.
                t.life = Life::Open;
                t.clear();
            }
            let listed = self.db.list.contains_key(&t.conversation);
            if t.life == Life::ReleasedRemoved && listed {
                t.life = Life::Released;
            }
            if t.life == Life::Released
                && !listed
                && let Some(change) = changes.conversations.get(&t.conversation)
                && change.removed
            {
                t.life = Life::ReleasedRemoved;
            }
            if let Some(change) = changes.conversations.get(&t.conversation) {
                match t.life {
                    Life::Open => self.refresh(&mut t, change, changes),
                    _ => t.take_versions(change),
                }
            }
            self.timelines.insert(id, t);
        }
    }

    pub(super) fn refresh(&mut self, t: &mut Timeline, change: &Change, changes: &Changes) {
        t.wake = true;
        t.dirty = true;
        if change.removed && !self.db.list.contains_key(&t.conversation) {
            t.life = Life::Removed;
            let error = Error::new(
                ErrorCode::Forbidden,
                "the account has left this conversation",
            );
            self.end_calls(t, &error);
            t.reload = None;
            return;
        }
        if change.cleared || change.removed {
            t.clear();
        } else if change.kept {
            t.stale();
        }
        t.take_messages(change);
        if let Some(before) = change.trimmed {
            let held = self.db.held(&t.conversation);
            t.trim(before, &held);
        }
        if !t.follow {
            let newest = t.newest();
            let new = changes
                .messages
                .iter()
                .filter(|m| m.conversation == t.conversation);
            let above = new
                .filter(|m| newest.is_none_or(|newest| m.seq.0 > newest))
                .count();
            if t.seen.is_some() {
                t.beyond += above as u64;
            }
        }
    }

    /// Its segments are gone without a commit: they were not what they said.
    pub(in crate::core) fn cleared_in_memory(&mut self, conversation: &Rc<str>) {
        self.discard_fetches(Some(conversation));
        for t in self
            .timelines
            .values_mut()
            .filter(|t| t.conversation == *conversation)
        {
            if t.life == Life::Open {
                t.clear();
            }
        }
    }

    /// The database could not be read.
    pub(in crate::core) fn fail_timeline_reads(&mut self, error: &Error) {
        let ids: Vec<TimelineId> = self.timelines.keys().copied().collect();
        for id in ids {
            let Some(mut t) = self.timelines.remove(&id) else {
                continue;
            };
            if std::mem::take(&mut t.waiting) {
                self.load_failed(&mut t, Direction::Older, error.clone());
                self.load_failed(&mut t, Direction::Newer, error.clone());
                if t.reload.is_some() {
                    self.reload_failed(&mut t, error.clone());
                }
            }
            self.timelines.insert(id, t);
        }
    }
}
