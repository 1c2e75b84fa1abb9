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

mod answers;
mod dispatch;
mod follow;
mod handover;
mod inspection;
mod life;
mod news;
mod outcomes;
mod repairs;
mod sending;
mod serve;
mod showing;
mod store;
mod sync;
mod timelines;
mod wishes;

use super::backoff::Backoff;
use super::command::Command;
use super::cx::Cx;
use super::disk::Disk;
use super::doubt::Doubts;
use super::fence::Fence;
use super::follow::Follow;
use super::io::{Effect, Input, Now};
use super::jobs::{Job, JobQueue};
use super::map::Set;
use super::mending::Mending;
use super::missed::Missed;
use super::names::Names;
use super::options::Config;
use super::out::Out;
use super::outbox::Outbox;
use super::reads::Reads;
use super::snapshot::LastSnapshot;
use super::standing::{Phase, Standing};
use super::sync::Syncing;
use super::timeline::{Outlook, Timelines};
use super::tx::Committed;
use super::uncertain::Uncertain;

/// A timer that comes this many ms late says that the machine may have slept (R15).
const SLEPT: u64 = 2_000;

/// The parts. Each owns its state and its methods, and sees of the rest what [`Cx`] shows; only the
/// engine knows two of them.
pub(super) struct Parts<'a> {
    pub sync: &'a mut Syncing,
    pub outbox: &'a mut Outbox,
    pub timelines: &'a mut Timelines,
    pub doubts: &'a mut Doubts,
}

/// One client: its parts, what it has committed, and what is under way.
pub struct Engine {
    config: Config,
    now: Now,
    standing: Standing,
    fence: Fence,
    reads: Reads,
    db: Committed,
    sync: Syncing,
    outbox: Outbox,
    timelines: Timelines,
    doubts: Doubts,
    follow: Follow,
    missed: Missed,
    names: Names,
    out: Out,
    shown: LastSnapshot,
    listening: Set<String>,
    jobs: JobQueue,
    /// own messages and commands that come before the database is read
    early: Vec<Command>,
    disk: Disk,
    uncertain: Uncertain,
    /// what was kept over a lost database could not be written: no other job runs before it is
    restoring: Backoff,
    mending: Mending,
    /// wishes could not be read, or taken up
    granting: Backoff,
    due: Option<u64>,
}

impl Engine {
    /// A client that begins by reading its database. `seed`: of the jitter.
    pub fn new(config: Config, seed: u64) -> Self {
        let mut engine = Engine {
            now: Now::default(),
            standing: Standing::new(&config),
            fence: Fence::new(config.epoch),
            reads: Reads::default(),
            db: Committed::default(),
            sync: Syncing::default(),
            outbox: Outbox::default(),
            timelines: Timelines::default(),
            doubts: Doubts::default(),
            follow: Follow::default(),
            missed: Missed::default(),
            names: Names::default(),
            out: Out::new(seed),
            shown: LastSnapshot::default(),
            listening: Set::new(),
            jobs: JobQueue::default(),
            early: Vec::new(),
            disk: Disk::default(),
            uncertain: Uncertain::default(),
            restoring: Backoff::default(),
            mending: Mending::default(),
            granting: Backoff::default(),
            due: None,
            config,
        };
        engine.load();
        engine
    }

    /// Takes in one input.
    pub fn handle(&mut self, now: Now, input: Input) {
        if self.standing.phase == Phase::Closed {
            return;
        }
        let before = std::mem::replace(&mut self.now, now);
        if now.mono < before.mono {
            // A monotonic clock that goes back is a caller's mistake. No interval becomes negative by it.
            self.now.mono = before.mono;
        }
        let woke = self.notice_sleep(before);
        match input {
            Input::Command(command) => self.on_command(command),
            Input::Read { op, result } => self.on_read(op, result),
            Input::Committed { op, result } => self.on_committed(op, result),
            Input::Wished { op, result } => self.on_wished(op, result),
            Input::Heard(bytes) => self.on_heard(&bytes),
            Input::Answer { request, result } => self.on_answer(request, result),
            Input::Progress { request } => {
                let until = now.mono.saturating_add(self.config.request_timeout);
                self.out.requests.progressed(request, until);
            }
            Input::Notice { listen, notice } => self.on_notice(listen, notice),
            Input::Store(error) => self.on_store_error(error),
            Input::Reopened(detail) => self.out.storage_event("reopened", &detail),
            Input::PutRight(detail) => self.tell_put_right(&detail),
            Input::Promoted { epoch } => self.promote(epoch),
            Input::NotPromoted(error) => self.on_not_promoted(error),
            Input::Adopted { epoch } => self.fence.adopt(epoch),
            Input::Demoted => self.demote(),
            Input::Timer => {}
        }
        if woke && self.standing.phase == Phase::Ready {
            // After the input itself: it may be the answer to a request that waking gives up.
            self.on_wake();
        }
        self.drive();
    }

    /// The next effect to carry out.
    pub fn poll(&mut self) -> Option<Effect> {
        self.out.poll()
    }

    /// When to call [`Engine::handle`] with [`Input::Timer`], in monotonic ms.
    pub fn deadline(&self) -> Option<u64> {
        self.due
    }

    // ------------------------------------------------------------ small things

    /// The parts, and what each sees of the rest.
    pub(super) fn split(&mut self) -> (Parts<'_>, Cx<'_>) {
        let parts = Parts {
            sync: &mut self.sync,
            outbox: &mut self.outbox,
            timelines: &mut self.timelines,
            doubts: &mut self.doubts,
        };
        let cx = Cx {
            now: self.now,
            config: &self.config,
            db: &self.db,
            standing: &mut self.standing,
            jobs: &mut self.jobs,
            out: &mut self.out,
        };
        (parts, cx)
    }

    // ------------------------------------------------------------ driving

    /// Lets each part go on until none can, hands over what changed, and sets the deadline.
    fn drive(&mut self) {
        self.time_out();
        self.say_what_is_shown();
        let mut look = Outlook::default();
        loop {
            while self.step(&mut look) {}
            if !self.drive_follow() {
                break;
            }
        }
        if self.standing.phase == Phase::Closed {
            return;
        }
        self.shrink_cache();
        self.flush();
        self.due = self.next_due(&look);
    }

    /// Each part does what it can. `look`: how the sync stands after that. Answers whether a part that has been asked
    /// already may go on now.
    fn step(&mut self, look: &mut Outlook) -> bool {
        if self.standing.phase == Phase::Ready {
            self.drive_sync();
            self.drive_doubts();
            self.drive_outbox();
        }
        *look = self.outlook();
        if self.standing.phase == Phase::Ready && !self.is_evicting() {
            self.drive_timelines(look);
        }
        self.tell_missed();
        self.take_kept();
        self.step_store() || self.settle_timelines(look)
    }

    /// Whether a read or a commit is under way: the store is asked one thing at a time.
    fn store_is_busy(&self) -> bool {
        self.reads.is_busy() || self.jobs.is_committing() || self.outbox.wishes.is_storing()
    }

    /// Whether an eviction is being committed. Until it is done timelines do not go on: what they would show may be
    /// what is just going (R13).
    pub(super) fn is_evicting(&self) -> bool {
        self.store_is_busy() && matches!(self.jobs.first(), Some(Job::Evict { .. }))
    }

    fn next_due(&mut self, look: &Outlook) -> Option<u64> {
        if self.standing.phase != Phase::Ready || self.standing.frozen {
            return None;
        }
        let requests = self.out.requests.due();
        let rest = Some(self.restoring.ready_at()).filter(|at| *at > self.now.mono);
        // As `step_store` asks: what waits behind one of these is not due before it.
        let load = self.reads.load_at();
        let fence = self.fence.ask_at(&self.standing);
        let fence = fence.or(self.fence.looks_at());
        let wishes = self.outbox.wishes.tries_at().into_iter();
        let wishes = wishes.chain(self.wishes_at()).min();
        let store = load.or(fence).or(wishes);
        [
            requests,
            rest,
            self.mending.at().filter(|_| !self.store_is_busy()),
            store.filter(|_| !self.store_is_busy()),
            self.sync_due(),
            self.outbox_due(),
            self.outbox
                .wishes
                .due(self.now.mono, self.config.limits.settle),
            self.doubts_due(),
            self.timelines_due(look),
            self.follow_due(),
        ]
        .into_iter()
        .flatten()
        .min()
        // What this very input has made due is not late: it does not say that the machine slept.
        .map(|due| due.max(self.now.mono))
    }

    /// A timer that fires much too late, or a wall clock that leapt: the machine slept.
    fn notice_sleep(&mut self, before: Now) -> bool {
        const MUCH: u64 = 20_000;
        let late_by = self.due.map_or(0, |due| self.now.mono.saturating_sub(due));
        let late = late_by > MUCH;
        // One that is frozen has no timer that could be late.
        if late_by > SLEPT || self.standing.frozen {
            self.on_slept();
        }
        if late_by > SLEPT {
            self.doubt_fence();
        }
        let mono = self.now.mono - before.mono;
        let wall = self.now.wall.saturating_sub(before.wall);
        let leapt = before.wall > 0 && wall > mono.saturating_add(MUCH);
        let woke = (late || leapt) && self.standing.phase == Phase::Ready;
        if woke {
            self.doubt_fence();
        }
        woke
    }

    /// This client may have slept: nothing leaves before the store has been asked (R9).
    pub(super) fn doubt_fence(&mut self) {
        self.fence.doubt(&mut self.standing);
    }
}
