//! Events inline, without a pull: applied where nothing is missing before them.

use super::*;

impl Engine {
    /// Events inline: usable only where nothing is missing before them, else a notification.
    pub(super) fn pushed(&mut self, text: &str) {
        match protocol::push(text) {
            Ok(push) if self.usable(&push) && !self.crowds(&push) => self.take_push(push),
            Ok(_) => self.push_missed(),
            Err(error) => {
                self.log("debug", &format!("a push that cannot be read: {error}"));
                self.push_missed();
            }
        }
    }

    /// What was pushed is pulled; what is pushed before that has come, or waits behind it already,
    /// does not follow it.
    pub(in crate::core) fn push_missed(&mut self) {
        self.drop_pushes();
        self.pull.whole = false;
        self.pull.began_linked = false;
        self.ask_pull(0);
    }

    /// A mailbox has overflowed: what was pushed before that, and is still on its way, is of before.
    /// Only what comes over a new channel follows.
    pub(in crate::core) fn forget_pushes(&mut self) {
        if self.config.scope == Scope::Mailbox && self.link.ready {
            self.drop_pushes();
            self.unlink();
            self.link.retry = 0;
        }
    }

    fn usable(&mut self, push: &Push) -> bool {
        if self.pull.running || !self.may_request() {
            return false;
        }
        match (self.config.scope, &push.prev) {
            (Scope::Account, Some(prev)) => {
                let queued = self.last_push().map(|part| part.batch.cursor.clone());
                let cursor = queued.unwrap_or_else(|| self.db.meta.cursor.clone());
                cursor.as_deref() == Some(prev) || Fault::CursorIsNotCompared.on()
            }
            (Scope::Mailbox, None) => self.pull.whole || Fault::PushedPastAGap.on(),
            _ => false,
        }
    }

    fn crowds(&self, push: &Push) -> bool {
        let events = push.batch.events.iter();
        self.too_many(events.filter_map(|e| e.event.as_ref().map(Event::conversation)))
    }

    fn take_push(&mut self, push: Push) {
        let Push { prev, batch } = push;
        // A burst is few commits: what waits for its turn grows.
        if let Some(last) = self.waiting_push()
            && last.batch.events.len() + batch.events.len() <= MAX_MERGED
        {
            last.batch.events.extend(batch.events);
            last.batch.cursor = batch.cursor;
            return;
        }
        let feed = match self.config.scope {
            Scope::Mailbox => Feed::Mailbox,
            _ => Feed::Account,
        };
        self.push(Job::Batch {
            parts: vec![Part {
                feed,
                asked: prev,
                batch,
            }],
            pushed: true,
        });
    }

    /// A push is committed.
    pub(in crate::core) fn push_applied(&mut self, parts: &[Part]) {
        let deliveries = deliveries(parts);
        if !deliveries.is_empty() && self.may_request() {
            let pushed = true;
            let call = Request::Acknowledge { deliveries, pushed };
            self.request(call, Asked::Ack { pushed });
        }
    }

    pub(in crate::core) fn pull_failed(&mut self, error: Error) {
        self.pull.running = false;
        self.pull.again = false;
        self.pull.whole = false;
        self.pull.ended = self.now.mono;
        self.pull.failures += 1;
        let (base, cap) = if error.retryable() { RETRY } else { SLOW_RETRY };
        let wait = self.backoff(self.pull.failures - 1, base, cap);
        self.pull.not_before = self.now.mono + wait;
        if let Some(after) = error.retry_after
            && !Fault::RetryAfterIsIgnored.on()
        {
            self.pull.obey = self.pull.obey.max(self.now.mono + after);
        }
        self.pull.want = Some(self.now.mono);
        self.pull.about = About::All;
        for call in self.pull.take_calls() {
            self.reject(call, &error);
        }
        self.pull.down |= error.is_no_answer();
        self.failure_event(&error);
        self.pull.error = Some(error);
        self.shown.status = true;
    }
}
