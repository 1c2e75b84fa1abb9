//! The owed conversation list on its way (R11), and the journals of whoever asked (R7, R11).

use super::*;

impl Engine {
    pub(in crate::core) fn listed(
        &mut self,
        after: Option<String>,
        epoch: u64,
        result: Result<String, Error>,
    ) {
        if epoch != self.list.epoch {
            // It began anew meanwhile; that the server asked to wait still holds.
            if let Some(after) = result.err().and_then(|error| error.retry_after) {
                self.list.obey = self.list.obey.max(self.now.mono + after);
                self.list.retry = self.list.retry.max(self.list.obey);
            }
            return;
        }
        match result.and_then(|text| protocol::list_page(&text, after.as_deref())) {
            Ok(page) => {
                let known = |patch: &Patch| self.list.named.contains(&patch.id);
                let circle = page.next.is_some() && page.conversations.iter().all(known);
                self.list.empty = if circle { self.list.empty + 1 } else { 0 };
                if self.list.empty > MAX_EMPTY {
                    let error = Error::new(
                        ErrorCode::Protocol,
                        "a conversation list without end that names nobody new",
                    );
                    return self.endless_list(error);
                }
                if self.too_many(page.conversations.iter().map(|patch| &patch.id)) {
                    return self.endless_list(too_many_conversations());
                }
                self.push(Job::List { page, epoch });
            }
            Err(error) => self.list_failed(error),
        }
    }

    /// A page of the list is committed.
    pub(in crate::core) fn list_applied(&mut self, page: ListPage) {
        self.list.asking = false;
        self.list.failures = 0;
        self.list
            .named
            .add_all(page.conversations.into_iter().map(|patch| patch.id));
        self.shown.status = true;
        self.timelines.values_mut().for_each(Timeline::wake);
        match page.next {
            Some(next) => self.list.after = Some(next),
            None => {
                self.list.restart();
                self.list.endless = 0;
                let calls = std::mem::take(&mut self.pull.listing);
                let undecided = self.undecided();
                if self.pull.caught_up && !undecided {
                    for call in calls {
                        self.resolve(call, "null");
                    }
                } else if undecided || !calls.is_empty() {
                    // What it leaves open, or the network failed since their pull: another one's turn.
                    self.pull.add_calls(calls);
                    self.ask_pull(0);
                }
            }
        }
    }

    /// It begins again, and the longer a server goes on so, the less often.
    fn endless_list(&mut self, error: Error) {
        self.list.failures = self.list.endless;
        self.list.endless += 1;
        self.list_failed(error);
    }

    pub(in crate::core) fn list_failed(&mut self, error: Error) {
        self.list.asking = false;
        self.list.failures += 1;
        let (base, cap) = if error.retryable() { RETRY } else { SLOW_RETRY };
        let wait = self.backoff(self.list.failures - 1, base, cap);
        let obey = self.now.mono + error.retry_after.unwrap_or(0);
        self.list.obey = self.list.obey.max(obey);
        self.list.retry = self.list.obey.max(self.now.mono + wait);
        // A `next` that the server does not take any more would be refused for ever.
        if !error.retryable() {
            self.list.restart();
        }
        self.timelines.values_mut().for_each(Timeline::wake);
        for call in std::mem::take(&mut self.pull.listing) {
            self.reject(call, &error);
        }
        self.failure_event(&error);
        self.pull.error = Some(error);
        self.shown.status = true;
    }

    /// Tells the app, unless it is the network, or a token of which it was told.
    pub(super) fn failure_event(&mut self, error: &Error) {
        let known = [
            ErrorCode::Network,
            ErrorCode::Timeout,
            ErrorCode::Unauthorized,
        ];
        if !known.contains(&error.code) {
            self.error_event(error);
        }
    }

    /// R7, R11: what is committed is kept for whoever asked before.
    pub(in crate::core) fn keep_journals(&mut self, events: &[Event]) {
        if self.list.begun {
            self.list.journal.extend(events.iter().cloned());
            if self.list.journal.len() > MAX_JOURNAL {
                self.list.restart();
            }
        }
        if Fault::NoJournal.on() {
            return;
        }
        for fetch in self.fetches.values_mut() {
            let about = |event: &&Event| *event.conversation() == fetch.conversation;
            fetch.journal.extend(events.iter().filter(about).cloned());
        }
        let long = |fetch: &&Fetch| fetch.journal.len() > MAX_JOURNAL;
        let long = self.fetches.values().filter(long);
        let late: Vec<Rc<str>> = long.map(|fetch| fetch.conversation.clone()).collect();
        for conversation in late {
            self.discard_fetches(Some(&conversation));
        }
    }

    /// An own edit or recall, answered while a page is on its way.
    pub(in crate::core) fn journal_update(&mut self, message: &Rc<Message>) {
        for fetch in self.fetches.values_mut() {
            if fetch.conversation == message.conversation {
                fetch.journal.push(Event::Update(message.clone()));
            }
        }
    }
}
