//! Staying up to date: the pull loop, the owed conversation list (R11), the notification channel, and
//! what wakes them.
//!
//! ```text
//!  notification, timer, reconnect, wake-up, visible, online, the app
//!      │ ask_pull
//!      ▼
//!   due? ──no──▶ timer (backoff, Retry-After, minPullInterval, spread)
//!      │ yes
//!      ▼
//!   pull ──▶ batch job ──hasMore──▶ pull …   one chain at a time; who asks during it makes one more
//!      │ not
//!      ▼
//!   caught up (once the owed list is paid)
//! ```

use std::rc::Rc;

use super::command::{Call, Notify};
use super::engine::{Asked, Effect, Engine, Job};
use super::map::Set;
use super::net::{Error, ErrorCode, Notice, Request};
use super::protocol::{self, Batch, Event, ListPage, Patch};
use super::timeline::Timeline;

/// Backoff after a failed request: full jitter, from 1 s, at most 1 min.
const RETRY: (u64, u64) = (1_000, 60_000);
/// The same where the server refuses for good: slow, but on (DESIGN.md, "What makes a pull").
const SLOW_RETRY: (u64, u64) = (10_000, 300_000);
/// Batches in a row that have more and bring nothing: then the server is going in a circle.
const MAX_EMPTY: u32 = 50;
/// Conversations asked for at a time.
const LIST_LIMIT: u32 = 200;
/// ms after which a notification channel counts as one that works.
const LASTING: u64 = 10_000;
/// How much slower the timer is on a hidden page.
const HIDDEN_FACTOR: u64 = 4;

/// The pull loop.
#[derive(Debug, Default)]
pub(super) struct Pull {
    /// when the next one is wanted
    want: Option<u64>,
    /// a chain is under way
    pub running: bool,
    /// somebody asked during it
    again: bool,
    /// this chain began after the list's last page (R11)
    after_list: bool,
    began: u64,
    ended: u64,
    /// not before this: backoff
    not_before: u64,
    /// not before this, whoever asks: `Retry-After`
    obey: u64,
    failures: u32,
    empty: u32,
    /// events applied in this chain
    pub applied: u64,
    /// `sync()` calls that this chain answers
    calls: Vec<Call>,
    /// those that came during it: the next one's
    later: Vec<Call>,
    /// those that wait for the list only
    listing: Vec<Call>,
    /// a chain has ended since connecting
    pub caught_up: bool,
    /// some request was answered since connecting
    pub connected: bool,
    /// the last request found no server
    pub net_down: bool,
    /// nor did a pull
    down: bool,
    /// ms since the epoch
    pub last_synced: Option<u64>,
    /// why the last one failed
    pub error: Option<Error>,
}

impl Pull {
    /// The `sync()` calls under way.
    pub fn take_calls(&mut self) -> Vec<Call> {
        let mut calls = std::mem::take(&mut self.calls);
        calls.append(&mut self.later);
        calls.append(&mut self.listing);
        calls
    }

    /// Lets go of one call. Answers whether it was here.
    pub fn drop_call(&mut self, call: Call) -> bool {
        let before = self.calls.len() + self.later.len() + self.listing.len();
        for calls in [&mut self.calls, &mut self.later, &mut self.listing] {
            calls.retain(|c| *c != call);
        }
        self.calls.len() + self.later.len() + self.listing.len() < before
    }

    /// The database is new.
    pub fn restart(&mut self) {
        self.running = false;
        self.again = false;
        self.after_list = false;
        self.caught_up = false;
        // What failed was the old database: nobody has to be spared.
        self.not_before = 0;
    }
}

/// The owed list on its way (R11).
#[derive(Debug, Default)]
pub(super) struct List {
    /// raised when it begins anew: pages of an earlier beginning are void
    pub epoch: u64,
    /// conversations that its pages have listed
    pub named: Set<Rc<str>>,
    /// events applied since it began
    pub journal: Vec<Event>,
    begun: bool,
    asking: bool,
    /// pages in a row that have a next one and name nobody new
    empty: u32,
    after: Option<String>,
    retry: u64,
    /// not before this, whoever asks: `Retry-After`
    obey: u64,
    failures: u32,
}

impl List {
    /// From the first page again.
    pub fn restart(&mut self) {
        *self = List {
            epoch: self.epoch + 1,
            retry: self.retry,
            obey: self.obey,
            failures: self.failures,
            ..List::default()
        };
    }
}

/// The notification channel.
#[derive(Debug, Default)]
pub(super) struct Link {
    open: Option<u64>,
    /// notifications come
    pub ready: bool,
    retry: u64,
    failures: u32,
    /// when it became ready
    since: u64,
}

impl Engine {
    // ------------------------------------------------------------ asking

    /// Something may be new.
    pub(super) fn ask_pull(&mut self, delay: u64) {
        if self.pull.running {
            self.pull.again = true;
            return;
        }
        let at = self.now.mono + delay;
        self.pull.want = Some(self.pull.want.map_or(at, |want| want.min(at)));
    }

    /// The batch was void: its request's cursor is not the applied one (R1).
    pub(super) fn pull_again(&mut self) {
        self.pull.running = false;
        self.ask_pull(0);
    }

    /// `sync()`: asks again for the token, and does not wait out a backoff that only the client chose.
    pub(super) fn sync(&mut self, call: Call) {
        if self.needs_auth {
            self.needs_auth = false;
            self.effect(Effect::ForgetToken);
            self.shown.status = true;
            // What the old token was refused.
            self.try_again();
        }
        if !self.promoted {
            // "waiting": done after the other client has gone.
            self.pull.calls.push(call);
            return;
        }
        if !self.online {
            return self.reject(
                call,
                &Error::new(ErrorCode::Offline, "offline: nothing was sent"),
            );
        }
        if self.now.mono < self.pull.obey {
            let mut error = self
                .pull
                .error
                .clone()
                .unwrap_or_else(|| Error::new(ErrorCode::Network, "the server asked to wait"));
            error.retry_after = Some(self.pull.obey - self.now.mono);
            return self.reject(call, &error);
        }
        self.pull.not_before = 0;
        self.list.retry = self.list.obey;
        if self.pull.running {
            self.pull.later.push(call);
        } else {
            self.pull.calls.push(call);
        }
        self.ask_pull(0);
    }

    fn interval(&self) -> u64 {
        let interval = if self.link.ready {
            self.config.poll_interval
        } else {
            self.config.fallback_poll_interval
        };
        interval.saturating_mul(if self.hidden { HIDDEN_FACTOR } else { 1 })
    }

    /// When the next pull is to leave.
    fn pull_at(&self) -> u64 {
        let timed = self.pull.ended.saturating_add(self.interval());
        let want = self.pull.want.map_or(timed, |want| want.min(timed));
        let merged = self
            .pull
            .began
            .saturating_add(self.config.min_pull_interval);
        let merged = if self.pull.began == 0 { 0 } else { merged };
        want.max(self.pull.not_before)
            .max(self.pull.obey)
            .max(merged)
    }

    fn list_wanted(&self) -> bool {
        self.db.meta.owed && self.db.meta.cursor.is_some() && !self.list.asking
    }

    fn link_wanted(&self) -> bool {
        self.config.notify == Notify::Socket && self.config.can_listen && self.may_request()
    }

    /// When something here is due.
    pub(super) fn sync_due(&self) -> Option<u64> {
        if !self.may_request() {
            return None;
        }
        let pull = (!self.pull.running).then(|| self.pull_at());
        let list = self.list_wanted().then_some(self.list.retry);
        let link = (self.link_wanted() && self.link.open.is_none()).then_some(self.link.retry);
        [pull, list, link].into_iter().flatten().min()
    }

    pub(super) fn drive_sync(&mut self) {
        if !self.may_request() {
            if self.link.open.is_some() {
                self.unlink();
            }
            return;
        }
        if self.link_wanted() && self.link.open.is_none() && self.now.mono >= self.link.retry {
            let listen = self.number();
            self.link.open = Some(listen);
            self.effect(Effect::Listen { listen });
        }
        if !self.pull.running && self.now.mono >= self.pull_at() {
            self.pull.running = true;
            self.pull.again = false;
            self.pull.want = None;
            self.pull.began = self.now.mono.max(1);
            self.pull.applied = 0;
            self.pull.empty = 0;
            self.pull.after_list = !self.db.meta.owed && !self.db.meta.suspects.is_empty();
            self.shown.status = true;
            self.request_pull();
        }
        if self.list_wanted() && self.now.mono >= self.list.retry {
            if !self.list.begun {
                self.list.begun = true;
                self.list.after = None;
                self.list.named.clear();
                self.list.journal.clear();
            }
            self.list.asking = true;
            let after = self.list.after.clone();
            let epoch = self.list.epoch;
            let cursor = self.db.meta.cursor.clone();
            let call = Request::Conversations {
                after: after.clone(),
                limit: LIST_LIMIT,
                cursor,
            };
            self.request(call, Asked::List { after, epoch });
        }
    }

    fn request_pull(&mut self) {
        let cursor = self.db.meta.cursor.clone();
        let call = Request::Pull {
            cursor: cursor.clone(),
            limit: self.config.pull_limit,
            wait: None,
        };
        self.request(call, Asked::Pull { cursor });
    }

    // ------------------------------------------------------------ batches

    pub(super) fn pulled(&mut self, cursor: Option<String>, result: Result<String, Error>) {
        match result.and_then(|text| protocol::batch(&text, cursor.as_deref())) {
            Ok(batch) => {
                if batch.unknown > 0 {
                    let message = format!("{} events of unknown type were ignored", batch.unknown);
                    self.log("debug", &message);
                }
                self.pull.empty = if batch.events.is_empty() && batch.has_more {
                    self.pull.empty + 1
                } else {
                    0
                };
                if self.pull.empty > MAX_EMPTY {
                    let error = Error::new(
                        ErrorCode::Protocol,
                        "batches without end that bring nothing",
                    );
                    return self.pull_failed(error);
                }
                self.push(Job::Batch {
                    batch: Rc::new(batch),
                    asked: cursor,
                });
            }
            Err(error) => self.pull_failed(error),
        }
    }

    /// A batch is committed.
    pub(super) fn applied(&mut self, batch: &Batch) {
        self.pull.applied += batch.events.len() as u64;
        self.pull.failures = 0;
        self.pull.error = None;
        self.shown.status = true;
        if batch.has_more {
            if self.may_request() {
                return self.request_pull();
            }
            self.pull.running = false;
            return self.ask_pull(0);
        }
        self.pull.running = false;
        self.pull.ended = self.now.mono;
        self.pull.not_before = 0;
        self.pull.caught_up = true;
        self.pull.last_synced = Some(self.now.wall);
        if self.pull.after_list && !self.db.meta.owed && !self.db.meta.suspects.is_empty() {
            self.push(Job::Suspects);
        }
        let calls = std::mem::take(&mut self.pull.calls);
        if self.db.meta.owed {
            self.pull.listing.extend(calls);
        } else {
            for call in calls {
                self.resolve(call, "null");
            }
        }
        self.pull.calls = std::mem::take(&mut self.pull.later);
        if std::mem::take(&mut self.pull.again) || !self.pull.calls.is_empty() {
            self.ask_pull(0);
        }
    }

    pub(super) fn pull_failed(&mut self, error: Error) {
        self.pull.running = false;
        self.pull.again = false;
        self.pull.ended = self.now.mono;
        self.pull.failures += 1;
        let (base, cap) = if error.retryable() { RETRY } else { SLOW_RETRY };
        let wait = self.backoff(self.pull.failures - 1, base, cap);
        self.pull.not_before = self.now.mono + wait;
        if let Some(after) = error.retry_after {
            self.pull.obey = self.pull.obey.max(self.now.mono + after);
        }
        self.pull.want = Some(self.now.mono);
        for call in self.pull.take_calls() {
            self.reject(call, &error);
        }
        self.pull.down |= error.is_no_answer();
        self.failure_event(&error);
        self.pull.error = Some(error);
        self.shown.status = true;
    }

    // ------------------------------------------------------------ the list

    pub(super) fn listed(
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
                    return self.list_failed(error);
                }
                self.push(Job::List { page, epoch });
            }
            Err(error) => self.list_failed(error),
        }
    }

    /// A page of the list is committed.
    pub(super) fn list_applied(&mut self, page: ListPage) {
        self.list.asking = false;
        self.list.failures = 0;
        self.list
            .named
            .add_all(page.conversations.into_iter().map(|patch| patch.id));
        self.shown.status = true;
        match page.next {
            Some(next) => self.list.after = Some(next),
            None => {
                self.list.restart();
                let calls = std::mem::take(&mut self.pull.listing);
                if self.pull.caught_up {
                    for call in calls {
                        self.resolve(call, "null");
                    }
                } else if !calls.is_empty() {
                    // The network failed since their pull: another one's turn.
                    self.pull.later.extend(calls);
                    self.ask_pull(0);
                }
                if !self.db.meta.suspects.is_empty() {
                    self.ask_pull(0);
                }
            }
        }
    }

    pub(super) fn list_failed(&mut self, error: Error) {
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
        for call in std::mem::take(&mut self.pull.listing) {
            self.reject(call, &error);
        }
        self.failure_event(&error);
        self.pull.error = Some(error);
        self.shown.status = true;
    }

    /// Tells the app, unless it is the network, or a token of which it was told.
    fn failure_event(&mut self, error: &Error) {
        let known = [
            ErrorCode::Network,
            ErrorCode::Timeout,
            ErrorCode::Unauthorized,
        ];
        if !known.contains(&error.code) {
            self.error_event(error);
        }
    }

    // ------------------------------------------------------------ the channel

    fn unlink(&mut self) {
        if self.link.open.take().is_some() {
            self.effect(Effect::Unlisten);
        }
        if std::mem::take(&mut self.link.ready) {
            self.shown.status = true;
        }
    }

    pub(super) fn noticed(&mut self, listen: u64, notice: Notice) {
        if self.link.open != Some(listen) {
            return;
        }
        match notice {
            Notice::Ready => {
                self.link.ready = true;
                self.link.since = self.now.mono;
                self.reached();
                // What came while the channel was down said nothing.
                self.ask_pull(0);
            }
            Notice::Push(_) => self.ask_pull(0),
            Notice::Notify { spread, .. } => {
                let delay = if spread == 0 {
                    0
                } else {
                    self.random(u64::from(spread))
                };
                self.ask_pull(delay);
            }
            Notice::Closed(error) => {
                self.link.open = None;
                // One that was up for a while begins anew; one that flaps is backed off from.
                let lasted = self.now.mono.saturating_sub(self.link.since) > LASTING;
                if std::mem::take(&mut self.link.ready) && lasted {
                    self.link.failures = 0;
                }
                self.link.failures += 1;
                let wait = self.backoff(self.link.failures - 1, RETRY.0, RETRY.1);
                let after = error.as_ref().and_then(|e| e.retry_after).unwrap_or(0);
                self.link.retry = self.now.mono + wait.max(after);
                if let Some(error) = error {
                    self.log(
                        "debug",
                        &format!("the notification channel is closed: {error}"),
                    );
                    if error.code == ErrorCode::Unauthorized {
                        self.unauthorized(error);
                    }
                }
            }
        }
    }

    // ------------------------------------------------------------ what the requests say

    /// Some request was answered: the server is there.
    pub(super) fn reached(&mut self) {
        if self.pull.net_down || !self.pull.connected {
            // Where only a send or a page failed, and pulls do not, it was not the network: what
            // failed waits out its backoff, or this would be a storm of requests.
            let back = self.pull.down || !self.pull.connected;
            self.pull.net_down = false;
            self.pull.down = false;
            self.pull.connected = true;
            self.shown.status = true;
            if back {
                self.try_again();
            } else {
                self.timelines.values_mut().for_each(Timeline::wake);
            }
        }
    }

    /// Some request failed.
    pub(super) fn unreached(&mut self, error: &Error) {
        match error.code {
            ErrorCode::Unauthorized => self.unauthorized(error.clone()),
            _ if error.is_no_answer() => {
                if !self.pull.net_down {
                    self.pull.net_down = true;
                    self.shown.status = true;
                    // Found out soon whether it was this request or the network.
                    self.ask_pull(0);
                }
                self.pull.caught_up = false;
            }
            _ if error.status.is_some() => self.reached(),
            _ => {}
        }
    }

    /// 401, after the net has asked the token provider once more: wait for the app.
    fn unauthorized(&mut self, error: Error) {
        if self.needs_auth {
            return;
        }
        self.needs_auth = true;
        self.effect(Effect::ForgetToken);
        for call in self.pull.take_calls() {
            self.reject(call, &error);
        }
        self.error_event(&error);
        self.pull.error = Some(error);
        self.pull.caught_up = false;
        self.shown.status = true;
    }

    // ------------------------------------------------------------ what the browser says

    pub(super) fn network(&mut self, online: bool) {
        if self.online == online {
            return;
        }
        self.online = online;
        self.shown.status = true;
        self.pull.net_down = false;
        self.pull.connected = false;
        self.pull.caught_up = false;
        if online {
            self.reconnect();
        } else {
            self.unlink();
            if self.promoted {
                let error = Error::new(ErrorCode::Offline, "offline: the pull did not end");
                for call in self.pull.take_calls() {
                    self.reject(call, &error);
                }
            }
        }
    }

    pub(super) fn visibility(&mut self, hidden: bool) {
        if std::mem::replace(&mut self.hidden, hidden) && !hidden {
            self.ask_pull(0);
        }
    }

    pub(super) fn freeze(&mut self) {
        self.frozen = true;
        self.unlink();
    }

    pub(super) fn resume(&mut self) {
        if std::mem::take(&mut self.frozen) {
            self.reconnect();
        }
    }

    /// The machine slept: what was connected may be dead without saying so.
    pub(super) fn woke(&mut self) {
        self.unlink();
        self.reconnect();
    }

    /// Begins again without waiting out a backoff; only a `Retry-After` is obeyed.
    fn reconnect(&mut self) {
        self.pull.not_before = 0;
        self.link.retry = 0;
        self.list.retry = self.list.obey;
        self.ask_pull(0);
        self.try_again();
    }

    /// What failed for want of a network is tried again.
    fn try_again(&mut self) {
        self.outbox.try_again();
        for t in self.timelines.values_mut() {
            t.try_again();
        }
    }

    // ------------------------------------------------------------ journals

    /// R7, R11: what is committed is kept for whoever asked before.
    pub(super) fn keep_journals(&mut self, batch: &Batch) {
        if self.list.begun {
            self.list.journal.extend(batch.events.iter().cloned());
        }
        for fetch in self.fetches.values_mut() {
            let about = |event: &&Event| *event.conversation() == fetch.conversation;
            fetch
                .journal
                .extend(batch.events.iter().filter(about).cloned());
        }
    }

    /// An own edit or recall, answered while a page is on its way.
    pub(super) fn journal_update(&mut self, message: &Rc<super::types::Message>) {
        for fetch in self.fetches.values_mut() {
            if fetch.conversation == message.conversation {
                fetch.journal.push(Event::Update(message.clone()));
            }
        }
    }
}
