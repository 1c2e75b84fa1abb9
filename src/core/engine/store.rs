//! What the store is asked, one thing at a time, and what follows from its answers.

use std::rc::Rc;

use super::Engine;
use super::wishes::{read_wishes_and_stamp, wishes_and_stamp};
use crate::core::error::Error;
use crate::core::fault::Fault;
use crate::core::io::Effect;
use crate::core::jobs::{Job, Outcome, Own};
use crate::core::map::{Map, Set};
use crate::core::reads::{Loading, ReadOp};
use crate::core::records;
use crate::core::run::{Context, run};
use crate::core::standing::Phase;
use crate::core::storage::{Answer, Durability, Read, StoreError, Table, Why, Write};
use crate::core::timeline::Timeline;
use crate::core::tx::{Stop, Tx};

impl Engine {
    /// What is stored was read, or could not be. A failure ends the client only at its start, when it has nothing yet
    /// to show.
    fn on_load_read(&mut self, loading: Loading, result: Result<Vec<Answer>, StoreError>) {
        // There are records, and none of them can be read. That is the store's fault and not theirs: none is dropped.
        let result = match result {
            Ok(tables) if nothing_readable(&tables) => Err(StoreError::Failed(
                "nothing that is stored can be read".into(),
            )),
            result => result,
        };
        match result {
            Ok(tables) => self.on_loaded(loading, tables),
            Err(error) if self.standing.phase == Phase::Loading && error != StoreError::Lost => {
                self.stop(false, Some(error.shown()));
            }
            Err(error) => {
                self.reads.load_later(self.now.mono);
                self.on_store_error(error);
            }
        }
    }

    pub(super) fn on_read(&mut self, op: u64, result: Result<Vec<Answer>, StoreError>) {
        let Some(asked) = self.reads.end(op) else {
            // It was let go of: the client has lost its turn, or its database, since.
            return;
        };
        match (asked, result) {
            (ReadOp::Load(loading), result) => self.on_load_read(loading, result),
            (ReadOp::Fence(naps), Ok(answers)) => {
                let answer = answers.into_iter().next().unwrap_or_default();
                match self.fence.on_answer(&mut self.standing, &answer, naps) {
                    // The fence is good: what waited for it may be asked for.
                    Ok(()) if !self.standing.unsure => {
                        self.follow.on_missed_nothing();
                        self.timelines.wake();
                    }
                    Ok(()) => {}
                    Err(error) => self.on_store_error(error),
                }
            }
            (ReadOp::Fence(_), Err(error)) => {
                self.fence.on_failed(self.now.mono);
                self.on_store_error(error);
            }
            (ReadOp::Since, Ok(answers)) => {
                let (wishes, stamp) = read_wishes_and_stamp(answers);
                match stamp == self.db.stamp() || Fault::StampIsNotCompared.on() {
                    true => self.on_nothing_since(wishes),
                    false => self.load(),
                }
            }
            (ReadOp::Since, Err(error)) => {
                self.reads.load_later(self.now.mono);
                self.on_store_error(error);
            }
            (ReadOp::Replaced, Ok(answers)) => {
                let (wishes, stamp) = read_wishes_and_stamp(answers);
                self.on_replaced(wishes, stamp);
            }
            (ReadOp::Replaced, Err(error)) => {
                self.fence.on_failed(self.now.mono);
                self.on_store_error(error);
            }
            (ReadOp::Wishes, Ok(answers)) => {
                let (wishes, stamp) = read_wishes_and_stamp(answers);
                self.on_wishes_read(wishes, stamp);
            }
            (ReadOp::Wishes, Err(error)) => {
                self.on_not_granted(&error.shown());
                self.on_store_error(error);
            }
            (ReadOp::Blocks(ids), Ok(answers)) => {
                let lost = self.db.take_blocks(&ids, answers);
                self.lose_blocks(lost);
            }
            (ReadOp::Blocks(_), Err(error)) => {
                // What waits for blocks of a lost database does not fail: it runs on the one in its place.
                if error != StoreError::Lost {
                    self.fail_reads(&error.shown());
                }
                self.on_store_error(error);
            }
        }
    }

    /// A job could not read the blocks that it needs.
    fn fail_reads(&mut self, error: &Error) {
        // The app is not told of missed messages that cannot be read now. Lists show them once they can be read.
        self.missed.forget();
        // The first job fails only where it needs blocks: a timeline may have wanted these.
        if self.jobs.is_reading()
            && let Some(job) = self.jobs.pop()
        {
            self.on_job_failed(job, error);
        }
        let (parts, mut cx) = self.split();
        parts.timelines.on_reads_failed(&mut cx, error);
    }

    /// Nothing of what is held of it is shown or built upon any more, whatever is stored.
    pub(super) fn forget_held(&mut self, conversation: &Rc<str>) {
        self.db.forget(conversation);
        let (parts, mut cx) = self.split();
        parts.timelines.clear(&mut cx, conversation);
    }

    /// Carries out what the store can do now. Answers whether something was done at once.
    pub(super) fn step_store(&mut self) -> bool {
        let now = self.now.mono;
        if self.store_is_busy() || self.standing.phase != Phase::Ready {
            return false;
        }
        if let Some(at) = self.reads.load_at() {
            if at <= now {
                self.load();
            }
            return false;
        }
        if let Some(at) = self.fence.ask_at(&self.standing) {
            if at <= now {
                let naps = self.fence.naps();
                self.ask_store(ReadOp::Fence(naps), vec![Read::Epoch]);
            }
            return false;
        }
        if let Some(at) = self.fence.looks_at() {
            if at <= now {
                self.ask_store(ReadOp::Replaced, wishes_and_stamp());
            }
            return false;
        }
        if self.outbox.wishes.are_due(now) {
            self.store_wishes();
            return false;
        }
        // What is corrupt is dropped before anything is read: its blocks would be read again for ever.
        let corrupt = matches!(self.jobs.first(), Some(Job::Corrupt { .. }));
        if self.reads.has_wanted() && !corrupt {
            return self.read_wanted();
        }
        if self.wishes_at().is_some_and(|at| at <= now) {
            self.read_wishes();
            return false;
        }
        let lost = self.fence.is_lost() && !Fault::LostIsWrittenTo.on();
        let may_write = self.standing.promoted && !lost;
        if !may_write || now < self.restoring.ready_at() {
            return false;
        }
        for job in self.mending.take_due(now) {
            self.jobs.push(job);
        }
        match self.jobs.pop() {
            None => false,
            Some(Job::End { wipe }) => {
                self.stop(wipe, None);
                false
            }
            Some(job) => self.run_job(job),
        }
    }

    pub(super) fn ask_store(&mut self, asked: ReadOp, reads: Vec<Read>) {
        debug_assert!(!self.store_is_busy(), "one thing at a time");
        let op = self.out.number();
        self.reads.begin(op, asked);
        self.out.effect(Effect::Read { op, reads });
    }

    /// Reads the blocks that are wanted. Answers whether there are none.
    fn read_wanted(&mut self) -> bool {
        let ids = self.reads.wanted();
        let reads = self.db.block_reads(&ids);
        let none = reads.is_empty();
        match none {
            true => self.reads.want_nothing(),
            false => self.ask_store(ReadOp::Blocks(ids), reads),
        }
        none
    }

    // ------------------------------------------------------------ a job's transaction

    /// Runs it, and commits what it comes to. Answers whether something was done at once.
    fn run_job(&mut self, job: Job) -> bool {
        match self.transact(&job) {
            Ok(outcome) => self.commit(job, outcome),
            Err(Stop::Need) => {
                self.jobs.reads(job);
                true
            }
            Err(Stop::Void) => {
                self.on_job_void(job);
                true
            }
        }
    }

    /// What a job changes, before it is committed. Blocks that it lacks are wanted.
    fn transact(&mut self, job: &Job) -> Result<Outcome, Stop> {
        // Only an eviction asks what is shown.
        let shown = match job {
            Job::Evict { .. } => self.needed_from(),
            _ => Map::new(),
        };
        let resting = self.doubts.resting(self.now.mono);
        let attended = match job {
            Job::Batch { parts, .. } if parts.iter().any(|p| p.batch.lacks()) => {
                let mut attended = self.timelines.attended();
                let needs = self.follow.audience.needs(self.now.mono);
                attended.add_all(needs.map(|(id, _)| id.clone()));
                attended
            }
            _ => Set::new(),
        };
        let mut tx = Tx::new(&self.db, &self.config.limits);
        tx.resting = resting;
        tx.news.shown = self.is_on_screen();
        tx.attended = attended;
        let context = Context {
            policy: self.config.overflow,
            fetches: self.timelines.fetches(),
            list: self.sync.list(),
            shown: &shown,
        };
        let run = run(job, &mut tx, &context);
        let events = match run.and_then(|events| tx.complete().map(|()| events)) {
            Ok(events) => events,
            Err(Stop::Need) => {
                self.reads.want(tx.missing());
                return Err(Stop::Need);
            }
            Err(stop) => return Err(stop),
        };
        let shown = self.timelines.iter();
        let shown = shown.filter(|t| tx.commit.touches(t.conversation()));
        let shown: Vec<&Timeline> = shown.collect();
        for m in shown.into_iter().flat_map(Timeline::messages) {
            tx.keep_newer(m);
        }
        let commit = tx.commit;
        Ok(Outcome {
            commit,
            events,
            delta: None,
        })
    }

    /// Has the store write what a job comes to. Answers whether the job is over at once: it writes nothing, or it has
    /// failed because nobody can say whether it was written before.
    fn commit(&mut self, job: Job, mut outcome: Outcome) -> bool {
        let epoch = self.fence.epoch();
        let limits = &self.config.limits;
        let mut writes = outcome.commit.encode(&self.db, epoch, limits);
        let uncertain = self.uncertain.take_of(job.call());
        if writes.is_empty() {
            self.on_commit(job, outcome);
            return true;
        }
        if let Some(error) = uncertain {
            self.on_job_failed(job, &error);
            return true;
        }
        outcome.delta = self.delta_of(&outcome.commit, &writes);
        let durability = job.durability();
        let op = self.out.number();
        self.jobs.commits(job, op, Box::new(outcome));
        if Fault::CursorBeforeMessages.on() {
            self.commit_cursor(&mut writes, durability);
        }
        self.out.effect(Effect::Commit {
            op,
            writes,
            durability,
        });
        if Fault::ShownBeforeItsCommit.on() {
            self.on_committed(op, Ok(()));
        }
        Fault::ShownBeforeItsCommit.on()
    }

    /// [`Fault::CursorBeforeMessages`]
    fn commit_cursor(&mut self, writes: &mut Vec<Write>, durability: Durability) {
        let of_meta = |write: &Write| {
            matches!(
                write,
                Write::Put {
                    table: Table::Meta,
                    ..
                }
            )
        };
        let (ahead, rest) = std::mem::take(writes).into_iter().partition(of_meta);
        *writes = rest;
        let op = self.out.number();
        self.out.effect(Effect::Commit {
            op,
            writes: ahead,
            durability,
        });
    }

    pub(super) fn on_committed(&mut self, op: u64, result: Result<(), StoreError>) {
        let Some(outcome) = self.jobs.committed(op) else {
            // It was let go of: the client has lost its turn, or its database, since.
            return;
        };
        let (now, limits) = (self.now.mono, self.config.limits);
        let front = self.jobs.first();
        let evicting = matches!(front, Some(Job::Evict { .. }));
        let restoring = matches!(front, Some(Job::Restore { .. }));
        match result {
            Ok(()) => {
                self.uncertain.on_commit();
                // An eviction says nothing of the disk yet: the job that needs the room finds out.
                if !evicting {
                    self.disk.on_commit();
                    self.out.told_full &= !outcome.commit.puts_blocks();
                }
                self.first_is_done(outcome);
            }
            Err(_) if Fault::FailedCommitCounts.on() => self.first_is_done(outcome),
            // That a conversation was opened is not worth an eviction.
            Err(StoreError::Quota) if matches!(front, Some(Job::Opened { .. })) => {
                self.jobs.pop();
            }
            // There is not even room to evict: another eviction would fail in the same way, for ever.
            Err(StoreError::Quota) if evicting => {
                self.jobs.pop();
                self.on_eviction_failed();
            }
            Err(error @ StoreError::Quota) => {
                match self.disk.make(now, self.db.messages(), &limits) {
                    Some(count) => self.jobs.make_room(count),
                    None => self.fail_first(error),
                }
            }
            Err(error @ StoreError::Uncertain(_)) if restoring => self.on_restore_uncertain(&error),
            Err(error @ StoreError::Uncertain(_)) if !Fault::DoubtIsFailure.on() => {
                self.disk.forget();
                self.on_uncertain(&error);
            }
            // The job stays: what its app wants is written to the database that takes the lost one's place.
            Err(error @ StoreError::Lost) => {
                self.disk.forget();
                self.on_store_error(error);
            }
            // Another client writes now, and does what somebody waits for here (R15).
            Err(error @ StoreError::Fenced) => {
                self.disk.give_up(now, &limits);
                self.on_store_error(error);
            }
            Err(error) => self.fail_first(error),
        }
    }

    /// The first job could not be committed.
    fn fail_first(&mut self, error: StoreError) {
        self.disk.give_up(self.now.mono, &self.config.limits);
        match self.jobs.pop() {
            Some(job) => self.on_job_failed(job, &error.shown()),
            None => debug_assert!(false, "what is committed is the first job's"),
        }
        self.on_store_error(error);
    }

    /// Nothing is left to evict: the job that needed the room fails, unless it was let go of meanwhile. A job that has
    /// not been tried yet does not fail for it.
    pub(super) fn on_eviction_failed(&mut self) {
        self.disk.give_up(self.now.mono, &self.config.limits);
        if let Some(job) = self.jobs.take_needy() {
            let error = StoreError::Quota;
            self.on_job_failed(job, &error.shown());
            self.on_store_error(error);
        }
    }

    /// A commit may be applied or not. The database is read again, as after a promotion, and the job runs once more:
    /// where it was applied that changes nothing (R10). A job of which that is so twice in a row fails.
    fn on_uncertain(&mut self, error: &StoreError) {
        let silent = error.is_silence();
        let error = error.shown();
        self.out.log("warn", &error.message);
        let again = self.uncertain.add();
        // A discard that was applied finds no message the second time, as if there had never been one. It fails as
        // uncertain instead.
        let discards = matches!(self.jobs.first(), Some(Job::Own(Own::Discard { .. })));
        let failed = (again || discards).then(|| self.jobs.pop()).flatten();
        if silent {
            let waits = match failed {
                Some(_) => None,
                None => self.jobs.first().and_then(Job::call),
            };
            self.uncertain.set_waiting(waits, &error);
            self.fail_waiting();
        }
        debug_assert!(self.fence.is_held(), "only the writer commits (R9)");
        self.let_go();
        // After `let_go`: no request that the failure leads to leaves before the database was read.
        if let Some(job) = failed {
            self.on_job_failed(job, &error);
        }
        match again {
            true => self.reads.load_later(self.now.mono),
            false => self.load(),
        }
    }

    /// The same, of the commit of what was kept over a lost database. That is in memory alone, so the job is tried
    /// until it is written, over whatever is stored then.
    fn on_restore_uncertain(&mut self, error: &StoreError) {
        let error = error.shown();
        self.out.log("warn", &error.message);
        self.disk.forget();
        let restore = self.jobs.pop();
        self.let_go();
        self.reads.load_later(self.now.mono);
        if let Some(restore) = restore {
            self.on_not_restored(restore, &error);
        }
    }

    /// The store is silent. Whoever waits behind what it was asked is answered with that, and does not wait for the
    /// store as long once more (R14). Nothing of theirs was begun.
    fn fail_waiting(&mut self) {
        let error = StoreError::Failed(Why::Silence).shown();
        let spared = self.uncertain.waiting();
        let waits = |job: &Job| job.call().is_some_and(|call| Some(call) != spared);
        // The first job may wait for its blocks: it fails with the others.
        self.jobs.stop_reading();
        for job in self.jobs.take(waits) {
            self.on_job_failed(job, &error);
        }
        for call in self.sync.take_calls() {
            self.out.reject(call, &error);
        }
        let (parts, mut cx) = self.split();
        parts.outbox.fail_wishes(&mut cx, &error);
        parts.timelines.on_silence(&mut cx, &error);
    }

    fn first_is_done(&mut self, outcome: Outcome) {
        match self.jobs.pop() {
            Some(job) => self.on_commit(job, outcome),
            None => debug_assert!(false, "what was committed is the first job's"),
        }
    }

    /// It is committed, or changes nothing: now it is shown (R9).
    fn on_commit(&mut self, job: Job, outcome: Outcome) {
        if let Some(delta) = outcome.delta {
            self.out.effect(Effect::Tell(delta));
        }
        let changes = self.db.apply(outcome.commit);
        self.show(&job, &changes, &outcome.events);
        self.on_job_done(job, changes);
        let (messages, most) = (self.db.messages(), self.config.max_messages);
        let evicting = self.jobs.iter().any(|job| matches!(job, Job::Evict { .. }))
            || self.follow.audience.is_assumed(self.now.mono);
        if let Some(count) = self.disk.excess(messages, most, evicting) {
            self.jobs.push(Job::Evict { count });
        }
    }

    /// Blocks in memory are let go of only while nobody waits for one: what was read for a job or a window stays until
    /// it has been used, however much it is.
    pub(super) fn shrink_cache(&mut self) {
        let waits = self.jobs.is_reading() || self.timelines.wait_for_blocks();
        if !waits && self.missed.next().is_none() {
            self.db.shrink_cache(self.config.limits.cached_bytes);
        }
    }

    /// What the store said by itself, or of an operation.
    pub(super) fn on_store_error(&mut self, error: StoreError) {
        match error {
            StoreError::Lost => self.on_database_lost(),
            // The client follows, goes on showing, and may write again later. Only another client's word ends it.
            StoreError::Fenced => {
                self.demote();
                self.follow.on_another_client();
                if self.standing.phase != Phase::Closed {
                    self.out.effect(Effect::Fenced);
                }
            }
            StoreError::Closed | StoreError::Newer => {
                let error = error.shown();
                self.stop(false, Some(error));
            }
            StoreError::Quota => {
                if !std::mem::replace(&mut self.out.told_full, true) {
                    self.out.storage_event(
                        "quota",
                        "the disk is full: nothing of the last change was applied",
                    );
                }
            }
            StoreError::Failed(_) | StoreError::Uncertain(_) if error.is_silence() => {
                // The database, which would tell what came of an uncertain commit, is silent as well.
                if let Some((call, error)) = self.uncertain.take()
                    && let Some(job) = self.jobs.take_call(call)
                {
                    self.on_job_failed(job, &error);
                }
                self.fail_waiting();
            }
            StoreError::Refused(_) | StoreError::Failed(_) | StoreError::Uncertain(_) => {}
        }
    }
}

/// Whether there are records and not one of them could be read. Own messages and wishes alone do not count: they are
/// not dropped by going on, and a first message that is written offline may be all that is stored.
fn nothing_readable(answers: &[Answer]) -> bool {
    let answers = records::LOADED.iter().zip(answers);
    let own = |table: &Table| matches!(table, Table::Outbox | Table::Wishes);
    answers.clone().all(|(_, answer)| answer.values.is_empty())
        && answers
            .filter(|(table, _)| !own(table))
            .any(|(_, answer)| !answer.unreadable.is_empty())
}
