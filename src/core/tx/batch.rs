//! A batch and its events (R1–R4, R8, R10).

use super::*;

impl Tx<'_> {
    /// A batch (R1, R2, R3, R4, R7, R9): `Void` if its request's cursor is not the applied one any
    /// more. `whole`: nothing before it is missing; else, pushed into a mailbox's client, it counts
    /// only where each new message follows the live end, and is `Void` otherwise.
    pub fn batch(&mut self, part: &Part, policy: Policy, whole: bool) -> Result<()> {
        if self.db.cursor(&part.feed) != part.asked.as_deref() && !Fault::CursorIsNotCompared.on() {
            return Err(Stop::Void);
        }
        let events = self.news(&part.batch);
        if !Fault::OverflowAfterEvents.on() {
            self.overflow(part, &events, policy);
        }
        let touched: Vec<Rc<Message>> = events
            .iter()
            .filter_map(|event| match event {
                Event::Message { message, .. } | Event::Update(message) => Some(message.clone()),
                _ => None,
            })
            .collect();
        self.need(&touched)?;
        for event in &events {
            match event {
                Event::Message { message, prev } if !whole && !self.follows(message, *prev) => {
                    return Err(Stop::Void);
                }
                Event::Message { message, prev } => self.new_message(message, *prev)?,
                Event::Update(message) => {
                    if self.update(message)? {
                        self.commit.changes.updates.push(message.clone());
                    }
                }
                Event::Conversation(patch) => self.patch(patch),
                Event::Removed(id) => self.removed(id),
                Event::Trim {
                    conversation,
                    before,
                } => self.trim(conversation, before.0)?,
            }
            self.clear_suspicion(event.conversation());
        }
        if Fault::OverflowAfterEvents.on() {
            self.overflow(part, &events, policy);
        }
        self.begin();
        match &part.feed {
            Feed::Account => self.meta().cursor.clone_from(&part.batch.cursor),
            Feed::Conversation(id) => {
                // One that the account has left has none.
                let left = matches!(events.last(), Some(Event::Removed(_)));
                let cursor = part.batch.cursor.clone().filter(|_| !left);
                self.commit.cursors.insert(id.clone(), cursor);
            }
            Feed::Mailbox => {}
        }
        self.commit.changes.events.extend(events);
        Ok(())
    }

    /// The first sign-in, also of a server that does not call it an overflow, or of an account without
    /// conversations: the list is owed.
    pub fn begin(&mut self) {
        if !self.db.meta.begun {
            let meta = self.meta();
            meta.begun = true;
            meta.owed = true;
            self.commit.cursors_cleared = true;
        }
    }

    /// The events of a batch without the deliveries that were applied before (R10). What is left
    /// counts as applied.
    fn news(&mut self, batch: &Batch) -> Vec<Event> {
        let mut events = Vec::with_capacity(batch.events.len());
        for incoming in &batch.events {
            if let Some(name) = &incoming.delivery {
                if self.db.delivered.contains(name) {
                    continue;
                }
                if !Fault::DeliveriesAreForgotten.on() && !self.commit.deliveries.add(name.clone())
                {
                    continue;
                }
            }
            events.extend(incoming.event.clone());
        }
        events
    }

    /// Whether a message is the next one of its conversation, as far as anything is known of it.
    fn follows(&mut self, m: &Rc<Message>, prev: Prev) -> bool {
        let held = self.held(&m.conversation);
        match (held.segments.live(), prev) {
            (None, _) => true,
            (Some(live), Prev::At(prev)) => prev <= live.hi,
            (Some(live), Prev::Nothing) => live.start,
            (Some(_), Prev::Unknown) => false,
        }
    }

    /// R4, before the events of the same batch.
    fn overflow(&mut self, part: &Part, events: &[Event], policy: Policy) {
        // Where nothing was applied before, what is held is of another time, or another scope.
        let first = match part.feed {
            Feed::Mailbox => !self.db.meta.begun,
            _ => part.asked.is_none(),
        };
        let implied = match &part.feed {
            Feed::Conversation(id) if self.db.meta.begun => Overflow::Of(vec![id.clone()]),
            _ => Overflow::All,
        };
        let said = match (&part.feed, &part.batch.overflow) {
            // It is about the one conversation, however it is put.
            (Feed::Conversation(_), Some(_)) => Some(&implied),
            (_, said) => said.as_ref(),
        };
        let overflow = match said {
            Some(overflow) => overflow,
            None if first && !self.db.held.is_empty() => &implied,
            None => return,
        };
        let concerned: Vec<Rc<str>> = match overflow {
            Overflow::All => self.db.held.keys().cloned().collect(),
            Overflow::Of(ids) => ids.clone(),
        };
        // Without a cursor nobody can say what has changed since: it is fetched again.
        let since = part.asked.clone().unwrap_or_default();
        for id in &concerned {
            if Fault::OutboxGoesWithTheOverflow.on() {
                self.locals().iter().for_each(|l| self.drop_local(l.order));
            }
            match policy {
                Policy::Clear => self.clear(id),
                Policy::Keep => self.keep(id, &since),
            }
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

    /// R4, `keep`: its segments stay, true as of `since`.
    fn keep(&mut self, id: &Rc<str>, since: &str) {
        let held = self.held(id);
        held.segments.keep(since);
        held.last_known = None;
        self.change(id).kept = true;
    }

    /// R2.
    fn new_message(&mut self, m: &Rc<Message>, prev: Prev) -> Result<()> {
        let seq = m.seq.0;
        let held = self.held(&m.conversation);
        let newest_seen = held.seen.is_none_or(|seen| seq > seen);
        let after_state = held
            .last_known
            .is_some_and(|last| last.is_none_or(|last| seq > last));
        held.seen = held.seen.max(Some(seq));
        let kept = held.segments.kept(0, u64::MAX);
        let proven = newest_seen && after_state || Fault::UnprovenIsLive.on();
        let placed = held.segments.new_message(seq, prev, proven);
        if placed {
            self.swallow_kept(m, &kept)?;
            let before = self.change(&m.conversation).inserted.len();
            let synced = self.commit.changes.synced.len();
            self.hold(m)?;
            let own = self.commit.changes.synced.len() > synced;
            if self.change(&m.conversation).inserted.len() > before && !own {
                self.commit.changes.messages.push(m.clone());
            }
        }
        if Fault::UnreadIsCounted.on() {
            self.count_unread(m);
        }
        // A repetition can be of a newer version than what is held, shown or a `lastMessage`.
        self.newer_elsewhere(m);
        Ok(())
    }

    /// R3. Answers whether a copy was replaced.
    pub fn update(&mut self, m: &Rc<Message>) -> Result<bool> {
        let mut replaced = self.newer_elsewhere(m);
        // Every update is handed on: an open timeline may show a copy that is not held.
        self.change(&m.conversation).updated.push(m.clone());
        if let Some(held) = self.message_at(&m.conversation, m.seq.0)?
            && held.id == m.id
            && (held.version < m.version || Fault::OlderUpdateWins.on())
        {
            let id = m.conversation.clone();
            if let Some(b) = self.block_at(&id, m.seq.0) {
                let block = self.load(&(id, b.lo))?;
                if let Ok(i) = block.binary_search_by_key(&m.seq, |held| held.seq) {
                    block[i] = m.clone();
                }
            }
            replaced = true;
        }
        for local in self.locals() {
            if local
                .message
                .as_ref()
                .is_some_and(|sent| sent.id == m.id && sent.version < m.version)
            {
                self.put_local(Local {
                    message: Some(m.clone()),
                    ..Local::clone(&local)
                });
            }
        }
        Ok(replaced)
    }

    /// R3, of a `lastMessage`.
    pub(super) fn newer_elsewhere(&mut self, m: &Rc<Message>) -> bool {
        let Some(state) = self.state(&m.conversation) else {
            return false;
        };
        let older = state
            .last_message
            .as_ref()
            .is_some_and(|l| l.id == m.id && l.version < m.version);
        if older && !Fault::LastMessageStays.on() {
            let state = Conversation {
                last_message: Some(m.clone()),
                ..Conversation::clone(&state)
            };
            self.set_state(&m.conversation, Some(state));
        }
        older
    }

    /// R11: the conversation's state, mirrored.
    pub(super) fn patch(&mut self, patch: &Patch) {
        let mut state = match self.state(&patch.id) {
            Some(state) => Conversation::clone(&state),
            None => Conversation::new(patch.id.clone()),
        };
        let before = self.state(&patch.id);
        patch.apply(&mut state);
        if before.as_deref() != Some(&state) {
            self.set_state(&patch.id, Some(state));
        }
        if let Some(last) = patch.last_seq {
            let last = last.map(|seq| seq.0);
            let held = self.held(&patch.id);
            // A mailbox may deliver an older state after a newer one was read: what was seen stays.
            held.seen = held.seen.max(last);
            if held.last_known != Some(last) {
                held.last_known = Some(last);
            }
        }
    }

    pub(super) fn removed(&mut self, id: &Rc<str>) {
        self.clear(id);
        if self.state(id).is_some() {
            self.set_state(id, None);
        }
        self.commit.held.insert(id.clone(), Held::default());
        self.commit.cursors.insert(id.clone(), None);
        self.commit.marks.insert(id.clone(), None);
        self.commit.opened.insert(id.clone(), None);
        let change = self.change(id);
        change.removed = true;
        // What came before in the same batch is gone with it.
        change.inserted.clear();
        change.updated.clear();
        self.commit
            .changes
            .messages
            .retain(|m| m.conversation != *id);
        self.commit
            .changes
            .updates
            .retain(|m| m.conversation != *id);
        for local in self.locals() {
            if local.conversation != *id {
                continue;
            }
            match local.state {
                LocalState::Queued => self.put_local(Local {
                    state: LocalState::Failed,
                    error: Some(Error::new(
                        ErrorCode::Forbidden,
                        "the account has left this conversation",
                    )),
                    ..Local::clone(&local)
                }),
                LocalState::Sent => self.passed(&local),
                LocalState::Failed => {}
            }
        }
    }

    /// What was sent is gone with what was before it, or with its conversation. If an older batch, or
    /// the conversation's return, brings it all the same, it is known by its key.
    pub(super) fn passed(&mut self, local: &Local) {
        let sent = local.message.as_ref().map(|m| (local.key(), m.clone()));
        self.commit.changes.synced.extend(sent);
        self.drop_local(local.order);
    }

    fn trim(&mut self, id: &Rc<str>, before: u64) -> Result<()> {
        self.cut_below(id, before)?;
        self.held(id).segments.trim(before);
        let change = self.change(id);
        change.trimmed = change.trimmed.max(Some(before));
        change.inserted.retain(|m| m.seq.0 >= before);
        let stays = |m: &Rc<Message>| m.conversation != *id || m.seq.0 >= before;
        self.commit.changes.messages.retain(stays);
        self.commit.changes.updates.retain(stays);
        for local in self.locals() {
            let passed = local
                .message
                .as_ref()
                .is_some_and(|sent| sent.seq.0 < before);
            if local.conversation == *id && local.state == LocalState::Sent && passed {
                self.passed(&local);
            }
        }
        Ok(())
    }

    fn clear_suspicion(&mut self, id: &Rc<str>) {
        let suspects = self
            .commit
            .meta
            .as_ref()
            .map_or(&self.db.meta.suspects, |meta| &meta.suspects);
        // In order, as `list_page` has left them.
        if let Ok(i) = suspects.binary_search_by(|s| (**s).cmp(id)) {
            self.meta().suspects.remove(i);
        }
    }
}
