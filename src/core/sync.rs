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
//!   caught up (once the owed list is paid) ──▶ a pull that waits at the server (notify "long-poll")
//! ```
//!
//! The scopes differ in what a request names and what an answer brings: one batch for the account,
//! one for each conversation, or deliveries, which are acknowledged after their commit before the
//! chain goes on. All else is the same loop.
//!
//! Here is what makes a pull, and when. `chain` is one on its way; `push` what comes without; `list` and
//! `channel` are what stands beside.

mod chain;
mod channel;
mod list;
mod push;

use std::rc::Rc;

use super::command::{Call, Notify, Scope};
use super::engine::{Asked, Effect, Engine, Job};
use super::fault::Fault;
use super::json;
use super::map::{Map, Set};
use super::net::{Error, ErrorCode, Notice, Request};
use super::protocol::{self, Answer, Event, Feed, ListPage, Part, Patch, Push};
use super::timeline::{Fetch, Timeline};
use super::tx::Changes;
use super::types::Message;
use chain::Circle;

/// Backoff after a failed request: full jitter, from 1 s, at most 1 min.
const RETRY: (u64, u64) = (1_000, 60_000);
/// The same where the server refuses for good: slow, but on (DESIGN.md, "What makes a pull").
const SLOW_RETRY: (u64, u64) = (10_000, 300_000);
/// Batches in a row that have more and bring nothing: then the server is going in a circle.
const MAX_EMPTY: u32 = 50;
/// Batches in a row that have more and change nothing, for all that they bring is known (R10): as many
/// messages as a client holds, by 500.
const MAX_KNOWN: u32 = 2_000;
/// Conversations of an account: they are in memory, all of them.
const MAX_CONVERSATIONS: usize = 100_000;
/// Conversations that notifications have named since the last pull; more are all.
const MAX_NAMED: usize = 1_000;
/// Events in a journal: whoever has waited for longer asks anew.
const MAX_JOURNAL: usize = 100_000;
/// Conversations asked for at a time.
const LIST_LIMIT: u32 = 200;
/// ms after which a notification channel counts as one that works.
const LASTING: u64 = 10_000;
/// How much slower the timer is on a hidden page.
const HIDDEN_FACTOR: u64 = 4;
/// Events of pushes that are applied in one commit.
const MAX_MERGED: usize = 1_000;
/// ms that a waiting pull is held back at the server, at most: proxies end what is silent for longer.
const WAIT: u64 = 25_000;
/// ms after waking in which the answers come that the machine has slept through.
const HEARD_SOON: u64 = 5_000;
/// ms that a pull on return waits for the notification channel.
const READY_SOON: u64 = 1_000;
/// ms after which a hidden page's pull does not wait at the server any more.
const HIDDEN_LONG: u64 = 60_000;

/// What a pull was asked for with.
#[derive(Debug)]
pub(super) struct Pulled {
    /// the account's cursor
    cursor: Option<String>,
    /// the conversations' cursors
    cursors: Vec<(Rc<str>, String)>,
    /// just these
    only: Option<Vec<Rc<str>>>,
    /// since when it waits at the server
    waits: Option<u64>,
}

/// Which conversations a pull is about (scope "conversation").
#[derive(Debug, Default)]
enum About {
    #[default]
    Nothing,
    Some(Set<Rc<str>>),
    All,
}

impl About {
    /// And these; none: all.
    fn add(&mut self, conversations: Vec<String>) {
        match self {
            About::All => {}
            _ if conversations.is_empty() || conversations.len() > MAX_NAMED => *self = About::All,
            About::Some(ids) if ids.len() + conversations.len() > MAX_NAMED => *self = About::All,
            About::Some(ids) => ids.add_all(conversations.into_iter().map(Rc::from)),
            About::Nothing => {
                let mut ids = Set::new();
                ids.add_all(conversations.into_iter().map(Rc::from));
                *self = About::Some(ids);
            }
        }
    }
}

/// A conversation that failed alone (scope "conversation").
#[derive(Debug)]
struct Failing {
    error: Error,
    failures: u32,
    /// not before this
    retry: u64,
    /// not before this, whoever asks: `Retry-After`
    obey: u64,
}

/// The pull loop.
#[derive(Debug, Default)]
pub(super) struct Pull {
    /// when the next one is wanted
    want: Option<u64>,
    /// of what
    about: About,
    /// what the chain under way asks for next; `None`: all
    only: Option<Vec<Rc<str>>>,
    /// conversations that are backed off from
    failing: Map<Rc<str>, Failing>,
    /// the request that waits at the server, between two chains
    waiting: Option<u64>,
    /// no waiting before this: the server does not hold answers back
    impatient: u64,
    /// what is pushed now follows what was pulled: nothing is missing between (mailbox)
    whole: bool,
    /// the channel was up when the chain began
    began_linked: bool,
    /// the chain goes on
    more: bool,
    /// the chain is about all conversations
    full: bool,
    /// conversations that were listed before it, and have no cursor
    unnamed: Vec<Rc<str>>,
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
    /// batches in a row that have more and change nothing
    known: u32,
    circle: Circle,
    /// chains in a row that were given up for having no end
    endless: u32,
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

    /// These are answered by the next chain that begins.
    fn add_calls(&mut self, calls: Vec<Call>) {
        if self.running {
            self.later.extend(calls);
        } else {
            self.calls.extend(calls);
        }
    }

    /// The account has left it.
    pub fn forget(&mut self, conversation: &str) {
        self.failing.remove(conversation);
    }

    /// No backoff that only the client chose is waited out.
    fn forgive(&mut self) {
        self.not_before = 0;
        self.impatient = 0;
        for failing in self.failing.values_mut() {
            failing.retry = failing.obey;
        }
    }

    /// Lets go of one call. Answers whether it was here.
    pub fn drop_call(&mut self, call: Call) -> bool {
        let before = self.calls.len() + self.later.len() + self.listing.len();
        for calls in [&mut self.calls, &mut self.later, &mut self.listing] {
            calls.retain(|c| *c != call);
        }
        self.calls.len() + self.later.len() + self.listing.len() < before
    }

    /// Whether what is known of this conversation may be of before what the server has shown already.
    pub fn is_behind(&self, conversation: &str) -> bool {
        self.running || self.failures > 0 || self.failing.contains_key(conversation)
    }

    /// Whether a request waits at the server for something to come.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// The database is new.
    pub fn restart(&mut self) {
        self.running = false;
        self.only = None;
        self.whole = false;
        self.failing.clear();
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
    /// lists in a row that were given up for having no end
    endless: u32,
}

impl List {
    /// From the first page again.
    pub fn restart(&mut self) {
        *self = List {
            epoch: self.epoch + 1,
            retry: self.retry,
            obey: self.obey,
            failures: self.failures,
            endless: self.endless,
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
        self.ask_pull_of(delay, Vec::new());
    }

    /// Something may be new in these conversations; none: anywhere.
    fn ask_pull_of(&mut self, delay: u64, conversations: Vec<String>) {
        self.pull.about.add(conversations);
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
        self.pull.forgive();
        self.list.retry = self.list.obey;
        self.pull.add_calls(vec![call]);
        self.ask_pull(0);
    }

    /// R11: of some conversations only a pull begun after the list's last page says whether they are
    /// the account's: of those that the list lacked, and in scope "conversation" of those that have no
    /// cursor yet, because nothing but such a pull tells that they were left.
    pub(super) fn undecided(&self) -> bool {
        let unnamed = |id: &Rc<str>| !self.db.cursors.contains_key(id);
        let listed = self.config.scope == Scope::Conversation && self.db.meta.begun;
        !self.db.meta.suspects.is_empty() || listed && self.db.list.keys().any(unnamed)
    }

    fn interval(&self) -> u64 {
        let interval = if self.link.ready {
            self.config.poll_interval
        } else {
            self.config.fallback_poll_interval
        };
        let hidden = self.hidden_since.is_some();
        interval.saturating_mul(if hidden { HIDDEN_FACTOR } else { 1 })
    }

    /// When the next pull is to leave.
    fn pull_at(&self) -> u64 {
        // A pull that waits at the server is itself the timer.
        let timed = match self.pull.waiting {
            Some(_) => u64::MAX,
            None => self.pull.ended.saturating_add(self.interval()),
        };
        let again = self.pull.failing.values().map(|f| f.retry);
        let want = again
            .chain(self.pull.want)
            .min()
            .unwrap_or(timed)
            .min(timed);
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
        self.db.meta.owed && self.db.meta.begun && !self.list.asking
    }

    /// Whether the owed list is on its way, and nothing has gone wrong with it.
    pub(super) fn list_comes(&self) -> bool {
        self.db.meta.owed && self.list.failures == 0
    }

    /// When a pull is to wait at the server; `None`: not now.
    fn wait_at(&self) -> Option<u64> {
        let idle = !self.pull.running && self.pull.waiting.is_none() && self.pull.caught_up;
        let wanted = self.config.notify == Notify::LongPoll
            && self.config.scope == Scope::Account
            && idle
            && !self.hidden_long();
        let merged = self
            .pull
            .began
            .saturating_add(self.config.min_pull_interval);
        let spared = self.pull.not_before.max(self.pull.obey);
        wanted.then(|| merged.max(self.pull.impatient).max(spared))
    }

    /// When the page has been hidden for long.
    fn long_at(&self) -> Option<u64> {
        self.hidden_since
            .map(|since| since.saturating_add(HIDDEN_LONG))
    }

    fn hidden_long(&self) -> bool {
        self.long_at().is_some_and(|at| at <= self.now.mono)
    }

    fn link_wanted(&self) -> bool {
        self.config.notify == Notify::Socket && self.config.can_listen && self.may_request()
    }

    /// When something here is due.
    pub(super) fn sync_due(&self) -> Option<u64> {
        if !self.may_request() {
            return None;
        }
        // What was pushed is committed first: that goes on by itself.
        let idle = !self.pull.running && !self.pushes();
        let pull = idle.then(|| self.pull_at());
        let list = self.list_wanted().then_some(self.list.retry);
        let link = (self.link_wanted() && self.link.open.is_none()).then_some(self.link.retry);
        let long = self.long_at().filter(|_| self.pull.waiting.is_some());
        [pull, list, link, self.wait_at(), long]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn drive_sync(&mut self) {
        if !self.may_request() {
            self.unlink();
            return;
        }
        if self.link_wanted() && self.link.open.is_none() && self.now.mono >= self.link.retry {
            let listen = self.number();
            self.link.open = Some(listen);
            self.effect(Effect::Listen { listen });
        }
        if !self.pull.running && self.now.mono >= self.pull_at() && !self.pushes() {
            self.start_pull();
        }
        if self.pull.waiting.is_some() && self.hidden_long() {
            self.stop_waiting();
        }
        if self.wait_at().is_some_and(|at| self.now.mono >= at) {
            self.begin_chain();
            let wait = self.config.poll_interval.min(WAIT) as u32;
            self.pull.waiting = Some(self.request_pull(Some(wait)));
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
            let cursor = self.db.cursor(&Feed::Account).map(str::to_owned);
            let call = Request::Conversations {
                after: after.clone(),
                limit: LIST_LIMIT,
                cursor,
            };
            self.request(call, Asked::List { after, epoch });
        }
    }

    fn start_pull(&mut self) {
        let only = self.chosen();
        if only.as_ref().is_some_and(Vec::is_empty) {
            // All that is asked for is backed off from.
            self.pull.ended = self.now.mono;
            return;
        }
        self.stop_waiting();
        self.begin_chain();
        self.pull.full = only.is_none();
        self.pull.only = only;
        self.pull.running = true;
        self.shown.status = true;
        self.request_pull(None);
    }

    fn begin_chain(&mut self) {
        self.pull.again = false;
        self.pull.began = self.now.mono.max(1);
        self.pull.began_linked = self.link.ready;
        self.pull.applied = 0;
        self.pull.empty = 0;
        self.pull.known = 0;
        self.pull.circle = Circle::default();
        self.pull.full = true;
        self.pull.unnamed.clear();
        if self.config.scope == Scope::Conversation && self.db.meta.begun {
            let named = |id: &&Rc<str>| self.db.cursors.contains_key(*id);
            let unnamed = self.db.list.keys().filter(|id| !named(id));
            self.pull.unnamed = unnamed.cloned().collect();
        }
        self.pull.after_list = !self.db.meta.owed && !self.db.meta.suspects.is_empty();
    }

    /// The conversations that the next chain is about: those that somebody asked for, those whose
    /// backoff is over; `None`: all.
    fn chosen(&mut self) -> Option<Vec<Rc<str>>> {
        let now = self.now.mono;
        let timed = now >= self.pull.ended.saturating_add(self.interval());
        let mut about = About::Nothing;
        if timed || self.pull.want.is_some_and(|want| want <= now) {
            self.pull.want = None;
            about = std::mem::take(&mut self.pull.about);
        }
        if self.config.scope != Scope::Conversation {
            return None;
        }
        let rests = |id: &Rc<str>| self.pull.failing.get(id).is_some_and(|f| f.retry > now);
        let mut ids = match about {
            _ if timed => None,
            About::Some(ids) => Some(ids),
            // The backoff of one that failed is over. Among all: alone, one that the account has
            // left would be refused again, and not said to be left.
            About::Nothing | About::All => None,
        };
        if ids.is_none() && self.pull.failing.keys().any(rests) {
            // The others, without those that are not known yet: they come when all may be asked.
            let mut known = Set::new();
            known.add_all(self.db.cursors.keys().cloned());
            known.add_all(self.pull.failing.keys().cloned());
            ids = Some(known);
        }
        Some(ids?.into_keys().filter(|id| !rests(id)).collect())
    }

    /// The request that waits at the server is not waited for any more.
    fn stop_waiting(&mut self) {
        if let Some(request) = self.pull.waiting.take() {
            self.abort_request(request);
        }
    }

    fn request_pull(&mut self, wait: Option<u32>) -> u64 {
        let limit = self.config.pull_limit;
        let mut asked = Pulled {
            cursor: self.db.cursor(&Feed::Account).map(str::to_owned),
            cursors: Vec::new(),
            only: self.pull.only.clone(),
            waits: wait.map(|_| self.now.mono),
        };
        let call = match self.config.scope {
            Scope::Account => Request::Pull {
                cursor: asked.cursor.clone(),
                limit,
                wait,
            },
            Scope::Mailbox => Request::PullMailbox { limit },
            Scope::Conversation => {
                let ids: Vec<Rc<str>> = match &asked.only {
                    Some(only) => only.clone(),
                    None => self.db.cursors.keys().cloned().collect(),
                };
                for id in ids {
                    let feed = Feed::Conversation(id.clone());
                    let cursor = self.db.cursor(&feed).map(str::to_owned);
                    asked.cursors.extend(cursor.map(|cursor| (id, cursor)));
                }
                let named = |(id, cursor): &(Rc<str>, String)| (id.to_string(), cursor.clone());
                let only = asked.only.as_ref();
                Request::PullConversations {
                    cursors: asked.cursors.iter().map(named).collect(),
                    limit,
                    only: only.map(|ids| ids.iter().map(|id| id.to_string()).collect()),
                }
            }
        };
        self.request(call, Asked::Pull(asked))
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
        if hidden {
            self.hidden_since.get_or_insert(self.now.mono);
        } else if self.hidden_since.take().is_some() {
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
        // What was answered meanwhile is about to be heard: while it slept, nobody waited in vain.
        for pending in self.requests.values_mut() {
            pending.until = pending.until.max(self.now.mono + HEARD_SOON);
        }
        self.unlink();
        self.reconnect();
    }

    /// Begins again without waiting out a backoff; only a `Retry-After` is obeyed.
    fn reconnect(&mut self) {
        self.pull.forgive();
        self.link.retry = 0;
        self.list.retry = self.list.obey;
        // The channel makes a pull when it is ready: on return one is enough, if that is soon.
        let soon = self.link_wanted() && self.link.open.is_none();
        self.ask_pull(if soon { READY_SOON } else { 0 });
        self.try_again();
    }

    /// What failed for want of a network is tried again.
    fn try_again(&mut self) {
        self.outbox.try_again();
        for t in self.timelines.values_mut() {
            t.try_again();
        }
    }
}

fn too_many_conversations() -> Error {
    let most = format!("more than {MAX_CONVERSATIONS} conversations");
    Error::new(ErrorCode::Protocol, most)
}

/// The names of what a mailbox has delivered, also of what was known, or is of unknown type.
fn deliveries(parts: &[Part]) -> Vec<String> {
    let incoming = parts.iter().flat_map(|part| &part.batch.events);
    let named = incoming.filter_map(|event| event.delivery.as_ref());
    named.map(|name| name.to_string()).collect()
}
