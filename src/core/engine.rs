//! The engine: takes `(now, input)`, leaves effects.
//!
//! One mutation, then drain: call [`Engine::handle`], carry out every effect that [`Engine::poll`]
//! gives until it gives none, and set one timer for [`Engine::deadline`]. Every effect that asks is
//! answered by exactly one input with its number, in any order.
//!
//! What changes the database is a [`Job`]. Jobs run one at a time, each in one transaction
//! ([`super::tx`]): read what it needs, compute, commit, and only then show (R9). So all that is
//! shown as synced is committed, and no two jobs see half of each other.
//!
//! ```text
//!  answers ──▶ jobs ──▶ Tx ──commit──▶ db ──▶ timelines, list, outbox ──▶ frame
//!                        └── Need: read blocks, run again
//! ```

mod jobs;

use std::collections::VecDeque;
use std::rc::Rc;

use super::command::{self, Call, Command, Config, Policy, TimelineId};
use super::db::{BlockId, Db};
use super::fault::Fault;
use super::frame::Shown;
use super::json;
use super::map::{Map, Set};
use super::net::{Error, ErrorCode, Notice, Request};
use super::outbox::Outbox;
use super::protocol::{Changed, Feed, ListPage, Overflow, Page, Part};
use super::records::{self, Local, LocalState};
use super::storage::{Durability, Read, StoreError, Value, Write};
use super::sync::{Link, List, Pull, Pulled};
use super::timeline::{Fetch, Timeline, Wants};
use super::tx::{Changes, Commit, Stop, Tx};
use super::types::Message;

pub(super) use jobs::Job;
use jobs::{Context, run, shown_from};

/// A moment, by two clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// ms, monotonic: for intervals
    pub mono: u64,
    /// ms since the epoch: for what is shown and stored
    pub wall: u64,
}

/// What the engine is told.
#[derive(Debug)]
pub enum Input {
    /// a command of the facade, JSON text
    Command(String),
    /// the answer to [`Effect::Read`]
    Read {
        /// its number
        op: u64,
        /// values of each read, in key order
        result: Result<Vec<Vec<Value>>, StoreError>,
    },
    /// the answer to [`Effect::Commit`]
    Committed {
        /// its number
        op: u64,
        /// all or nothing
        result: Result<(), StoreError>,
    },
    /// the answer to [`Effect::Request`]
    Answer {
        /// its number
        request: u64,
        /// the JSON text of protocol.md; empty for 204
        result: Result<String, Error>,
    },
    /// from the channel of [`Effect::Listen`]
    Notice {
        /// its number; of an older channel: ignored
        listen: u64,
        /// what it says
        notice: Notice,
    },
    /// the store says something by itself: lost, closed, fenced
    Store(StoreError),
    /// the store has reopened its handle after the browser closed it
    Reopened(String),
    /// the account's lock was got: from here on this client does the work
    Promoted,
    /// the timer fired; harmless at any time
    Timer,
}

/// What the engine wants done.
#[derive(Debug)]
pub enum Effect {
    /// read, in one snapshot
    Read {
        /// names the answer
        op: u64,
        /// what
        reads: Vec<Read>,
    },
    /// write, in one transaction
    Commit {
        /// names the answer
        op: u64,
        /// what, in this order
        writes: Vec<Write>,
        /// when it counts as done
        durability: Durability,
    },
    /// ask the backend
    Request {
        /// names the answer
        request: u64,
        /// what
        call: Request,
    },
    /// nobody waits for this request any more
    Abort {
        /// which
        request: u64,
    },
    /// open the notification channel; it replaces an older one
    Listen {
        /// names its notices
        listen: u64,
    },
    /// close the notification channel
    Unlisten,
    /// ask the token provider again before the next request
    ForgetToken,
    /// JSON text for the facade
    Frame(String),
    /// the client has ended: let go of lock, store and net
    Stopped {
        /// delete the database
        wipe: bool,
    },
}

/// Why jobs wait.
#[derive(Debug)]
enum Op {
    Load,
    Blocks(Vec<BlockId>),
    Commit(Box<Commit>),
}

/// Where the client is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// the database is being read
    Loading,
    /// at work, or waiting for the lock
    Ready,
    /// ended
    Closed,
}

/// What a request was for.
#[derive(Debug)]
pub(super) enum Asked {
    Pull(Pulled),
    Ack { pushed: bool },
    List { after: Option<String>, epoch: u64 },
    History { fetch: u64 },
    Send { order: u64, conversation: Rc<str> },
    Change { call: Call, conversation: Rc<str> },
    Mark { conversation: Rc<str>, seq: u64 },
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Pending {
    pub asked: Asked,
    pub until: u64,
}

/// Requests sent since the client was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub pull: u64,
    pub history: u64,
    pub changes: u64,
    pub send: u64,
    pub ack: u64,
    pub conversations: u64,
}

/// ms until what was kept over a lost database is written again, where that failed.
const RESTORE_AGAIN: u64 = 2_000;
/// How often a job makes room and tries again before it gives up.
const QUOTA_TRIES: u32 = 5;

/// See the module.
pub struct Engine {
    pub(super) config: Config,
    pub(super) now: Now,
    pub(super) phase: Phase,
    pub(super) promoted: bool,
    pub(super) online: bool,
    pub(super) hidden_since: Option<u64>,
    pub(super) frozen: bool,
    pub(super) needs_auth: bool,
    pub(super) db: Db,
    pub(super) pull: Pull,
    pub(super) list: List,
    pub(super) link: Link,
    pub(super) outbox: Outbox,
    pub(super) timelines: Map<TimelineId, Timeline>,
    pub(super) fetches: Map<u64, Fetch>,
    pub(super) requests: Map<u64, Pending>,
    pub(super) counts: Counts,
    /// when the last request left or was answered
    pub(super) idle_since: u64,
    pub(super) shown: Shown,
    pub(super) wanted: Set<BlockId>,
    pub(super) listening: Set<String>,
    /// the message's key where it is not "m:" + id: it was a local item first (R8)
    pub(super) own_keys: Map<(Rc<str>, String), Rc<str>>,
    /// `clientId`s that were delivered since the client was made
    pub(super) delivered: Set<(Rc<str>, String)>,
    jobs: VecDeque<Job>,
    /// own messages and commands that come before the database is read
    early: Vec<Command>,
    op: Option<(u64, Op)>,
    /// the first job waits for blocks
    job_waits: bool,
    /// no job before this
    rest_until: u64,
    quota_tries: u32,
    promoted_while_loading: bool,
    rng: u64,
    next: u64,
    due: Option<u64>,
    effects: VecDeque<Effect>,
}

impl Engine {
    /// A client that begins by reading its database. `seed`: of the jitter.
    pub fn new(config: Config, seed: u64) -> Self {
        let mut engine = Engine {
            now: Now::default(),
            phase: Phase::Loading,
            promoted: config.promoted,
            online: config.online,
            hidden_since: config.hidden.then_some(0),
            frozen: false,
            needs_auth: false,
            db: Db::default(),
            pull: Pull::default(),
            list: List::default(),
            link: Link::default(),
            outbox: Outbox::default(),
            timelines: Map::new(),
            fetches: Map::new(),
            requests: Map::new(),
            counts: Counts::default(),
            idle_since: 0,
            shown: Shown::default(),
            wanted: Set::new(),
            listening: Set::new(),
            own_keys: Map::new(),
            delivered: Set::new(),
            jobs: VecDeque::new(),
            early: Vec::new(),
            op: None,
            job_waits: false,
            rest_until: 0,
            quota_tries: 0,
            promoted_while_loading: false,
            rng: seed,
            next: 0,
            due: None,
            effects: VecDeque::new(),
            config,
        };
        engine.load();
        engine
    }

    /// Takes in one input.
    pub fn handle(&mut self, now: Now, input: Input) {
        if self.phase == Phase::Closed {
            return;
        }
        let before = std::mem::replace(&mut self.now, now);
        if now.mono < before.mono {
            // A monotonic clock that goes back is a caller's mistake; intervals stay intervals.
            self.now.mono = before.mono;
        }
        self.notice_sleep(before);
        match input {
            Input::Command(text) => match command::parse(&text) {
                Ok(command) => self.command(command),
                Err((Some(call), error)) => self.reject(call, &error),
                Err((None, error)) => self.log("error", &error.message),
            },
            Input::Read { op, result } => self.read(op, result),
            Input::Committed { op, result } => self.committed(op, result),
            Input::Answer { request, result } => self.answered(request, result),
            Input::Notice { listen, notice } => self.noticed(listen, notice),
            Input::Store(error) => self.store_failed(error),
            Input::Reopened(detail) => self.storage_event("reopened", &detail),
            Input::Promoted => self.promote(),
            Input::Timer => {}
        }
        self.drive();
    }

    /// The next effect to carry out.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call [`Engine::handle`] with [`Input::Timer`], in monotonic ms.
    pub fn deadline(&self) -> Option<u64> {
        self.due
    }

    // ------------------------------------------------------------ small things

    /// A number that was not given before.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Uniform in `[0, below)`: splitmix64, from the seed.
    pub(super) fn random(&mut self, below: u64) -> u64 {
        self.rng = self.rng.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.rng;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below.max(1)
    }

    /// Full jitter: up to `base * 2^failures` ms, at most `cap`.
    pub(super) fn backoff(&mut self, failures: u32, base: u64, cap: u64) -> u64 {
        let cap = if Fault::NoBackoff.on() { 1 } else { cap };
        let limit = base.saturating_mul(1 << failures.min(16)).min(cap);
        100 + self.random(limit)
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(super) fn request(&mut self, call: Request, asked: Asked) -> u64 {
        match &call {
            Request::Pull { .. }
            | Request::PullConversations { .. }
            | Request::PullMailbox { .. } => self.counts.pull += 1,
            Request::Acknowledge { .. } => self.counts.ack += 1,
            Request::Changes { .. } => self.counts.changes += 1,
            Request::Conversations { .. } => self.counts.conversations += 1,
            Request::History { .. } => self.counts.history += 1,
            Request::Send { .. } => self.counts.send += 1,
            Request::Edit { .. } | Request::Recall { .. } | Request::MarkRead { .. } => {}
        }
        let request = self.number();
        self.idle_since = self.now.mono;
        let wait = match &call {
            Request::Pull { wait, .. } => u64::from(wait.unwrap_or(0)),
            _ => 0,
        };
        let until = self.now.mono + self.config.request_timeout + wait;
        self.requests.insert(request, Pending { asked, until });
        self.effect(Effect::Request { request, call });
        request
    }

    pub(super) fn abort_request(&mut self, request: u64) {
        if self.requests.remove(&request).is_some() {
            self.effect(Effect::Abort { request });
        }
    }

    /// Whether requests may be sent now.
    pub(super) fn may_request(&self) -> bool {
        self.phase == Phase::Ready
            && self.promoted
            && self.online
            && !self.frozen
            && !self.needs_auth
    }

    /// Why no request may be sent now.
    pub(super) fn why_not(&self) -> Option<Error> {
        if self.needs_auth {
            return Some(Error::new(
                ErrorCode::Unauthorized,
                "the token was refused: sync() asks for another",
            ));
        }
        if !self.online || self.pull.net_down {
            return Some(Error::new(ErrorCode::Offline, "offline: nothing was sent"));
        }
        None
    }

    pub(super) fn push(&mut self, job: Job) {
        self.jobs.push_back(job);
    }

    /// Whether pushed events wait for their commit.
    pub(super) fn pushes(&self) -> bool {
        let pushed = |job: &Job| matches!(job, Job::Batch { pushed: true, .. });
        self.jobs.iter().any(pushed)
    }

    /// The pushed events whose transaction has not begun count as notifications.
    pub(super) fn drop_pushes(&mut self) {
        let mut begun = matches!(self.op, Some((_, Op::Commit(_))));
        self.jobs.retain(|job| {
            let committing = std::mem::take(&mut begun);
            committing || !matches!(job, Job::Batch { pushed: true, .. })
        });
    }

    /// The newest of the pushed events that wait for their commit.
    pub(super) fn last_push(&mut self) -> Option<&mut Part> {
        self.jobs.iter_mut().rev().find_map(|job| match job {
            Job::Batch {
                parts,
                pushed: true,
            } => parts.last_mut(),
            _ => None,
        })
    }

    /// The same, if it may still grow: its transaction has not begun.
    pub(super) fn waiting_push(&mut self) -> Option<&mut Part> {
        let begun = usize::from(matches!(self.op, Some((_, Op::Commit(_)))));
        match self.jobs.iter_mut().skip(begun).next_back() {
            Some(Job::Batch {
                parts,
                pushed: true,
            }) => parts.last_mut(),
            _ => None,
        }
    }

    pub(super) fn resolve(&mut self, call: Call, ok: &str) {
        let mut out = String::from("{\"call\":");
        json::number(&mut out, call);
        out.push_str(",\"ok\":");
        out.push_str(ok);
        out.push('}');
        self.shown.results.push(out);
    }

    pub(super) fn reject(&mut self, call: Call, error: &Error) {
        let mut out = String::from("{\"call\":");
        json::number(&mut out, call);
        out.push_str(",\"error\":");
        json::error(&mut out, Some(error));
        out.push('}');
        self.shown.results.push(out);
    }

    pub(super) fn log(&mut self, level: &str, message: &str) {
        let mut out = String::from("{");
        json::field(&mut out, "level");
        json::string(&mut out, level);
        json::field(&mut out, "message");
        json::string(&mut out, message);
        out.push('}');
        self.shown.logs.push(out);
    }

    pub(super) fn event(&mut self, kind: &str, detail: &str) {
        let mut out = String::from("{");
        json::field(&mut out, "type");
        json::string(&mut out, kind);
        json::field(&mut out, "detail");
        out.push_str(detail);
        out.push('}');
        self.shown.events.push(out);
    }

    pub(super) fn error_event(&mut self, error: &Error) {
        let mut detail = String::new();
        json::error(&mut detail, Some(error));
        self.event("error", &detail);
    }

    fn storage_event(&mut self, kind: &str, detail: &str) {
        let mut out = String::from("{");
        json::field(&mut out, "kind");
        json::string(&mut out, kind);
        json::field(&mut out, "detail");
        json::string(&mut out, detail);
        out.push('}');
        self.event("storage", &out);
    }

    // ------------------------------------------------------------ life

    fn load(&mut self) {
        let op = self.number();
        self.op = Some((op, Op::Load));
        self.effect(Effect::Read {
            op,
            reads: records::load(),
        });
    }

    fn loaded(&mut self, tables: Vec<Vec<Value>>) {
        let (mut db, corrupt) = Db::load(tables);
        if corrupt > 0 {
            let detail = format!("{corrupt} records did not check and are fetched again");
            self.storage_event("corrupt", &detail);
            // What is lost may be a conversation's state: the whole list is read once more.
            db.meta.owed = db.meta.begun;
        }
        let scope = self.config.scope.name();
        if db.meta.scope != scope {
            // Another scope's cursor means nothing here: a first sign-in.
            db.meta.cursor = None;
            db.meta.begun = false;
            db.meta.scope = scope.into();
        }
        self.renumber(db.outbox.keys().next_back().map_or(0, |last| last + 1));
        // Promoted, and nobody has written meanwhile: what is shown is what is stored.
        let same = db.meta == self.db.meta && db.held == self.db.held;
        self.db = db;
        self.wanted.clear();
        self.shown.everything();
        let first = self.phase == Phase::Loading;
        self.phase = Phase::Ready;
        if first {
            for command in std::mem::take(&mut self.early) {
                self.command(command);
            }
        } else {
            for t in self.timelines.values_mut() {
                t.resume(same);
            }
        }
        if std::mem::take(&mut self.promoted_while_loading) {
            self.promote();
        }
        if self.promoted {
            self.ask_pull(0);
        }
    }

    /// Own messages that wait to be stored were numbered by what the database held before: they go
    /// behind what it holds now, in the order written.
    fn renumber(&mut self, first: u64) {
        let behind = |local: &mut Rc<Local>| {
            let order = first + local.order;
            *local = Rc::new(Local {
                order,
                ..Local::clone(local)
            });
        };
        self.outbox.fresh.iter_mut().for_each(behind);
        for job in &mut self.jobs {
            if let Job::PutLocal { local, .. } = job {
                behind(local);
            }
        }
        self.outbox.next_order += first;
    }

    fn promote(&mut self) {
        match self.phase {
            // What is being read may be what another client is still writing: read it again.
            Phase::Loading => self.promoted_while_loading = true,
            Phase::Ready if !self.promoted => {
                self.promoted = true;
                self.shown.status = true;
                if self.op.is_some() {
                    // A block is being read; what it brings belongs to the state before.
                    self.op = None;
                }
                self.load();
            }
            _ => {}
        }
    }

    /// Ends the client: by the app, or because its storage is gone for good.
    pub(super) fn stop(&mut self, wipe: bool, error: Option<Error>) {
        if self.phase == Phase::Closed {
            return;
        }
        let requests: Vec<u64> = self.requests.keys().copied().collect();
        for request in requests {
            self.abort_request(request);
        }
        self.effect(Effect::Unlisten);
        let closed = Error::new(ErrorCode::Closed, "the client is closed");
        self.reject_all(error.as_ref().unwrap_or(&closed));
        if let Some(error) = &error {
            self.error_event(error);
        }
        self.pull.error = error;
        self.phase = Phase::Closed;
        let ids: Vec<TimelineId> = self.timelines.keys().copied().collect();
        for id in ids {
            self.close_timeline(id);
        }
        self.shown.status = true;
        self.due = None;
        self.flush();
        self.effect(Effect::Stopped { wipe });
    }

    /// Every call that waits for something.
    fn reject_all(&mut self, error: &Error) {
        for call in self.pull.take_calls() {
            self.reject(call, error);
        }
        let pending = std::mem::take(&mut self.requests);
        for Pending { asked, .. } in pending.into_values() {
            if let Asked::Change { call, .. } = asked {
                self.reject(call, error);
            }
        }
        for job in std::mem::take(&mut self.jobs) {
            if let Some(call) = job.call() {
                self.reject(call, error);
            }
        }
        for command in std::mem::take(&mut self.early) {
            if let Some(call) = command.call() {
                self.reject(call, error);
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Network { online, metered } => {
                self.config.metered = metered.unwrap_or(self.config.metered);
                return self.network(online);
            }
            Command::Visibility { hidden } => return self.visibility(hidden),
            Command::Freeze => return self.freeze(),
            Command::Resume => return self.resume(),
            Command::Close => return self.end(false),
            Command::Wipe => return self.end(true),
            Command::Abort { of } => return self.abort(of),
            Command::Listening { events } => {
                self.listening.clear();
                return self.listening.add_all(events);
            }
            _ => {}
        }
        if self.phase == Phase::Loading {
            self.early.push(command);
            return;
        }
        match command {
            Command::Open {
                timeline,
                conversation,
                start,
                page_size,
                max_items,
            } => {
                self.open(timeline, conversation.into(), start, page_size, max_items);
            }
            Command::Release { timeline } => self.release(timeline),
            Command::Attach { timeline } => self.attach(timeline),
            Command::CloseTimeline { timeline } => self.close_timeline(timeline),
            Command::Load {
                call,
                timeline,
                direction,
                limit,
            } => {
                self.load_page(call, timeline, direction, limit);
            }
            Command::Jump { call, timeline, to } => self.jump(call, timeline, to),
            Command::Visible {
                timeline,
                first,
                last,
            } => self.visible(timeline, &first, &last),
            Command::Send {
                call,
                conversation,
                body,
                client_id,
            } => {
                self.send(call, conversation.into(), body, client_id);
            }
            Command::Retry {
                call,
                conversation,
                client_id,
            } => self.push(Job::Retry {
                conversation,
                client_id,
                call,
            }),
            Command::Discard {
                call,
                conversation,
                client_id,
            } => self.push(Job::Discard {
                conversation,
                client_id,
                call,
            }),
            Command::Edit {
                call,
                conversation,
                message_id,
                body,
                client_id,
            } => {
                let conversation: Rc<str> = conversation.into();
                let request = Request::Edit {
                    conversation: conversation.to_string(),
                    message: message_id,
                    client_id,
                    body,
                };
                self.change_message(call, conversation, request);
            }
            Command::Recall {
                call,
                conversation,
                message_id,
            } => {
                let conversation: Rc<str> = conversation.into();
                let request = Request::Recall {
                    conversation: conversation.to_string(),
                    message: message_id,
                };
                self.change_message(call, conversation, request);
            }
            Command::MarkRead {
                call,
                conversation,
                seq,
                timeline,
            } => {
                self.mark_read(call, conversation.into(), seq, timeline);
            }
            Command::Sync { call } => self.sync(call),
            Command::Inspect { call, conversation } => self.inspect(call, conversation.as_deref()),
            // Those above.
            Command::Network { .. }
            | Command::Visibility { .. }
            | Command::Freeze
            | Command::Resume
            | Command::Close
            | Command::Wipe
            | Command::Abort { .. }
            | Command::Listening { .. } => {}
        }
    }

    /// Close and wipe: what was accepted is stored first, then everything stops.
    fn end(&mut self, wipe: bool) {
        if self.phase == Phase::Loading || !self.promoted || wipe {
            return self.stop(wipe, None);
        }
        if self.op.is_none() && self.jobs.is_empty() {
            return self.stop(false, None);
        }
        let mut committing = matches!(self.op, Some((_, Op::Commit(_))));
        self.jobs.retain(|job| {
            // The first job is the one that is being committed.
            std::mem::take(&mut committing)
                || matches!(job, Job::PutLocal { .. } | Job::Sent { .. })
                || job.call().is_some()
        });
        self.push(Job::End { wipe });
    }

    fn abort(&mut self, of: Call) {
        let aborted = Error::new(ErrorCode::Aborted, "aborted by its signal");
        let mut found = self.pull.drop_call(of);
        found |= self.abort_load(of);
        let request = self
            .requests
            .iter()
            .find(|(_, p)| matches!(p.asked, Asked::Change { call, .. } if call == of))
            .map(|(request, _)| *request);
        if let Some(request) = request {
            self.abort_request(request);
            found = true;
        }
        if found {
            self.reject(of, &aborted);
        }
    }

    // ------------------------------------------------------------ answers

    fn answered(&mut self, request: u64, result: Result<String, Error>) {
        let Some(Pending { asked, .. }) = self.requests.remove(&request) else {
            return;
        };
        self.idle_since = self.now.mono;
        match &result {
            Ok(_) => self.reached(),
            Err(error) => self.unreached(error),
        }
        match asked {
            Asked::Pull(asked) => self.pulled(request, &asked, result),
            Asked::Ack { pushed } => self.acknowledged(pushed, result),
            Asked::List { after, epoch } => self.listed(after, epoch, result),
            Asked::History { fetch } => self.fetched(fetch, result),
            Asked::Send {
                order,
                conversation,
            } => self.delivered(order, conversation, result),
            Asked::Change { call, conversation } => self.changed(call, conversation, result),
            Asked::Mark { conversation, seq } => self.marked(conversation, seq, result),
        }
    }

    /// Requests that nobody answers: the app's transport has no timeout of its own.
    fn time_out(&mut self) {
        let late: Vec<u64> = self
            .requests
            .iter()
            .filter(|(_, p)| p.until <= self.now.mono)
            .map(|(r, _)| *r)
            .collect();
        for request in late {
            self.effect(Effect::Abort { request });
            let error = Error::new(
                ErrorCode::Timeout,
                format!("no answer within {} ms", self.config.request_timeout),
            );
            self.answered(request, Err(error));
        }
    }

    // ------------------------------------------------------------ storage

    fn read(&mut self, op: u64, result: Result<Vec<Vec<Value>>, StoreError>) {
        if !matches!(&self.op, Some((at, Op::Load | Op::Blocks(_))) if *at == op) {
            return;
        }
        let Some((_, asked)) = self.op.take() else {
            return;
        };
        match (asked, result) {
            (Op::Load, Ok(tables)) => self.loaded(tables),
            (Op::Load, Err(error)) => {
                let error = error.shown();
                self.stop(false, Some(error));
            }
            (Op::Blocks(ids), Ok(answers)) => {
                self.db.shrink_cache();
                for id in &ids {
                    self.wanted.remove(id);
                }
                for conversation in self.db.take_blocks(&ids, answers) {
                    self.corrupt(conversation);
                }
            }
            (Op::Blocks(ids), Err(error)) => {
                for id in &ids {
                    self.wanted.remove(id);
                }
                self.fail_reads(&error.shown());
                self.store_failed(error);
            }
            (Op::Commit(_), _) => {}
        }
    }

    /// A block is missing or does not check: that conversation's segments are not what they say.
    fn corrupt(&mut self, conversation: Rc<str>) {
        if self.promoted {
            let detail =
                format!("a block of {conversation} did not check: its history is fetched again");
            self.storage_event("corrupt", &detail);
            self.jobs.push_front(Job::Corrupt { conversation });
        } else {
            // The one that works has changed it meanwhile, or will mend it; here it is just not shown.
            self.db.held.remove(&conversation);
            self.db.uncache_all(&conversation);
            self.cleared_in_memory(&conversation);
        }
    }

    /// A job could not read the blocks that it needs.
    fn fail_reads(&mut self, error: &Error) {
        // Not where only a timeline wanted them.
        if std::mem::take(&mut self.job_waits)
            && let Some(job) = self.jobs.pop_front()
        {
            self.job_failed(job, error);
        }
        self.fail_timeline_reads(error);
    }

    /// Carries out what the store can do now. Answers whether something was done at once.
    fn step_store(&mut self) -> bool {
        if self.op.is_some() || self.phase != Phase::Ready {
            return false;
        }
        // What is corrupt is dropped first: who wants its blocks would have them read again for ever.
        let corrupt = matches!(self.jobs.front(), Some(Job::Corrupt { .. }));
        if !self.wanted.is_empty() && !corrupt {
            let ids: Vec<BlockId> = self.wanted.keys().cloned().collect();
            let reads = self.db.block_reads(&ids);
            if reads.is_empty() {
                self.wanted.clear();
                return true;
            }
            let op = self.number();
            self.op = Some((op, Op::Blocks(ids)));
            self.effect(Effect::Read { op, reads });
            return false;
        }
        if !self.promoted || self.now.mono < self.rest_until {
            return false;
        }
        let Some(job) = self.jobs.pop_front() else {
            return false;
        };
        if let Job::End { wipe } = job {
            self.stop(wipe, None);
            return false;
        }
        self.job_waits = false;
        let durability = job.durability();
        let shown = shown_from(&self.timelines, &self.db);
        let mut tx = Tx::new(&mut self.db);
        let run = run(
            &job,
            &mut tx,
            &mut Context {
                policy: self.config.overflow,
                fetches: &self.fetches,
                list: &self.list,
                shown: &shown,
                delivered: &self.delivered,
            },
        );
        match run {
            Ok(()) => {
                let mut commit = tx.commit;
                let mut writes = commit.writes(&self.db);
                self.jobs.push_front(job);
                if writes.is_empty() {
                    self.commit_done(commit);
                    return true;
                }
                let op = self.number();
                self.op = Some((op, Op::Commit(Box::new(commit))));
                if Fault::CursorBeforeMessages.on() {
                    self.commit_cursor(&mut writes, durability);
                }
                self.effect(Effect::Commit {
                    op,
                    writes,
                    durability,
                });
                if Fault::ShownBeforeItsCommit.on() {
                    self.committed(op, Ok(()));
                    return true;
                }
                false
            }
            Err(Stop::Need(ids)) => {
                self.jobs.push_front(job);
                self.job_waits = true;
                self.wanted.add_all(ids);
                true
            }
            Err(Stop::Void) => {
                self.job_void(job);
                true
            }
        }
    }

    fn committed(&mut self, op: u64, result: Result<(), StoreError>) {
        if !matches!(&self.op, Some((at, Op::Commit(_))) if *at == op) {
            return;
        }
        let Some((_, Op::Commit(commit))) = self.op.take() else {
            return;
        };
        match result {
            Ok(()) => {
                self.quota_tries = 0;
                self.commit_done(*commit);
            }
            Err(_) if Fault::FailedCommitCounts.on() => self.commit_done(*commit),
            // Not even room to make room: another eviction would fail likewise, for ever.
            Err(StoreError::Quota) if matches!(self.jobs.front(), Some(Job::Evict { .. })) => {
                self.jobs.pop_front();
                self.no_room();
            }
            Err(StoreError::Quota) if self.quota_tries < QUOTA_TRIES => {
                self.quota_tries += 1;
                let count = (self.db.messages() / 10).max(256);
                self.jobs.push_front(Job::Evict { count });
            }
            Err(error) => {
                self.quota_tries = 0;
                if let Some(job) = self.jobs.pop_front() {
                    self.job_failed(job, &error.shown());
                }
                self.store_failed(error);
            }
        }
    }

    fn commit_done(&mut self, commit: Commit) {
        let Some(job) = self.jobs.pop_front() else {
            return;
        };
        let changes = commit.take_over(&mut self.db);
        self.show(&job, &changes);
        self.job_done(job, changes);
        if self.db.messages() > self.config.max_messages && !self.evicting() {
            let excess = self.db.messages() - self.config.max_messages;
            self.push(Job::Evict {
                count: excess + self.config.max_messages / 20,
            });
        }
        self.db.shrink_cache();
    }

    fn evicting(&self) -> bool {
        self.jobs.iter().any(|job| matches!(job, Job::Evict { .. }))
    }

    /// What the store said by itself, or of an operation.
    fn store_failed(&mut self, error: StoreError) {
        match error {
            StoreError::Lost => self.lost(),
            StoreError::Fenced => {
                let error = Error::new(
                    ErrorCode::Closed,
                    "another client has taken this account over",
                );
                self.stop(false, Some(error));
            }
            StoreError::Closed | StoreError::Newer => {
                let error = error.shown();
                self.stop(false, Some(error));
            }
            StoreError::Quota => {
                self.storage_event(
                    "quota",
                    "the disk is full: nothing of the last change was applied",
                );
            }
            StoreError::Refused(_) | StoreError::Failed(_) => {}
        }
    }

    /// The database was deleted under the client: it begins anew. The own messages are kept.
    fn lost(&mut self) {
        self.storage_event(
            "evicted",
            "the local database was deleted: what it held is fetched again",
        );
        let old = std::mem::take(&mut self.db);
        self.db.meta.scope = self.config.scope.name().into();
        self.wanted.clear();
        self.op = None;
        // What becomes of the own messages goes on: a lane waits for it.
        self.jobs.retain(|job| {
            matches!(
                job,
                Job::PutLocal { .. }
                    | Job::Attempt { .. }
                    | Job::Sent { .. }
                    | Job::Failed { .. }
                    | Job::MarkDone { .. }
            ) || job.call().is_some()
        });
        self.jobs.push_front(Job::Restore {
            locals: old.outbox.into_values().collect(),
            marks: old.marks.into_iter().collect(),
        });
        self.list.restart();
        self.discard_fetches(None);
        let conversations: Vec<Rc<str>> = self
            .timelines
            .values()
            .map(|t| t.conversation.clone())
            .collect();
        for conversation in conversations {
            self.cleared_in_memory(&conversation);
        }
        self.shown.everything();
        self.pull.restart();
        self.ask_pull(0);
    }

    // ------------------------------------------------------------ driving

    /// Everything that can go on, goes on.
    fn drive(&mut self) {
        self.time_out();
        loop {
            if self.phase == Phase::Ready {
                self.drive_sync();
                self.drive_outbox();
                if !self.is_evicting() {
                    self.drive_timelines();
                }
            }
            if !self.step_store() {
                break;
            }
        }
        if self.phase == Phase::Closed {
            return;
        }
        self.flush();
        self.due = self.next_due();
    }

    /// What a commit is just evicting must not be shown before it is gone.
    pub(super) fn is_evicting(&self) -> bool {
        self.op.is_some() && matches!(self.jobs.front(), Some(Job::Evict { .. }))
    }

    fn next_due(&self) -> Option<u64> {
        if self.phase != Phase::Ready || self.frozen {
            return None;
        }
        let requests = self.requests.values().map(|p| p.until).min();
        let rest = (self.rest_until > self.now.mono).then_some(self.rest_until);
        [
            requests,
            rest,
            self.sync_due(),
            self.outbox_due(),
            self.timelines_due(),
        ]
        .into_iter()
        .flatten()
        .min()
        // What became due by this very input is not late: nobody slept.
        .map(|due| due.max(self.now.mono))
    }

    /// A timer that fires much too late, or a wall clock that leapt: the machine slept.
    fn notice_sleep(&mut self, before: Now) {
        const MUCH: u64 = 20_000;
        let late = self
            .due
            .is_some_and(|due| self.now.mono > due.saturating_add(MUCH));
        let mono = self.now.mono - before.mono;
        let wall = self.now.wall.saturating_sub(before.wall);
        let leapt = before.wall > 0 && wall > mono.saturating_add(MUCH);
        if (late || leapt) && self.phase == Phase::Ready {
            self.woke();
        }
    }
}

impl Command {
    /// Who waits for it.
    fn call(&self) -> Option<Call> {
        match self {
            Command::Load { call, .. }
            | Command::Jump { call, .. }
            | Command::Send { call, .. }
            | Command::Retry { call, .. }
            | Command::Discard { call, .. }
            | Command::Edit { call, .. }
            | Command::Recall { call, .. }
            | Command::MarkRead { call, .. }
            | Command::Sync { call }
            | Command::Inspect { call, .. } => Some(*call),
            _ => None,
        }
    }
}
