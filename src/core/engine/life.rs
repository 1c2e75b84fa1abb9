//! The life of a client: reading what is stored, being the writer or not, ending.

use super::Engine;
use super::wishes::wishes_and_stamp;
use crate::core::command::Call;
use crate::core::error::{Error, ErrorCode};
use crate::core::fault::Fault;
use crate::core::follow::Signal;
use crate::core::io::Effect;
use crate::core::jobs::{Job, Own};
use crate::core::map::Map;
use crate::core::purpose::Purpose;
use crate::core::reads::{Loading, ReadOp};
use crate::core::records::{self, Stamp, Wish};
use crate::core::standing::Phase;
use crate::core::storage::{Answer, Key, Read, StoreError};
use crate::core::tx::{Committed, Lost, OwnRecords};
use std::rc::Rc;

/// Reads of the database in a row, at most, until the blocks of what is shown are found.
const LOADS: u32 = 3;

impl Engine {
    /// Reads what is stored, and the blocks of what is shown in the same transaction (R15): a list that went on with
    /// one of them alone would show for a moment what is not stored. What was asked of the store before is void.
    pub(super) fn load(&mut self) {
        let of = self.db.stamp();
        let reads = self.block_ranges(&self.db);
        self.load_with(Loading { of, again: 0 }, reads);
    }

    fn load_with(&mut self, loading: Loading, blocks: Vec<Read>) {
        let op = self.out.number();
        self.reads.begin(op, ReadOp::Load(loading));
        let mut reads = records::load();
        reads.extend(blocks);
        self.out.effect(Effect::Read { op, reads });
    }

    /// The reads for the blocks of what is shown, as this index places them.
    fn block_ranges(&self, db: &Committed) -> Vec<Read> {
        let stretches = self.timelines.stretches();
        stretches
            .map(|(id, range)| db.range_read(id, range))
            .collect()
    }

    pub(super) fn on_loaded(&mut self, loading: Loading, mut tables: Vec<Answer>) {
        let blocks = tables.split_off(records::LOADS.min(tables.len()));
        let (mut db, lost) = Committed::load(tables);
        db.begin(self.config.scope.name(), &lost, self.now.wall);
        if !Fault::LoadTakesNoBlocks.on() {
            db.take_ranges(blocks);
            // Commits that this client does not know have put them elsewhere. The index that was just read says where.
            let (of, again) = (db.stamp(), loading.again + 1);
            if of != loading.of && again < LOADS && self.timelines.lack_blocks(&db) {
                let blocks = self.block_ranges(&db);
                return self.load_with(Loading { of, again }, blocks);
            }
        }
        // Nobody has written meanwhile: what is shown is what is stored.
        let same = db.stamp() == self.db.stamp() && db.stamp().number > 0;
        if !same && self.standing.phase == Phase::Ready && self.listening.contains("messages") {
            self.missed.note(&self.db, &db);
        }
        self.db = db;
        self.go_on(same, &lost);
    }

    /// Nobody has written since what is known here: that is what is stored, beside these wishes.
    pub(super) fn on_nothing_since(&mut self, wishes: Map<Key, Rc<Wish>>) {
        self.db.set_wishes(wishes);
        self.go_on(true, &Lost::default());
    }

    /// Goes on with what is stored. `same`: nobody had written to it.
    fn go_on(&mut self, same: bool, lost: &Lost) {
        self.outbox.on_stored(&self.db);
        self.standing.promoted = self.fence.on_read();
        self.reads.want_nothing();
        self.follow.on_loaded(self.db.stamp());
        self.follow.say_shown_again();
        self.out.told.everything();
        let first = self.standing.phase == Phase::Loading;
        self.standing.phase = Phase::Ready;
        if first {
            if !self.db.wishes().is_empty() {
                self.follow.remind_soon(self.now.mono);
            }
            for command in std::mem::take(&mut self.early) {
                self.on_command(command);
            }
        } else {
            self.timelines.on_loaded(&self.db, same);
        }
        if self.standing.promoted {
            self.out.effect(Effect::Promoted);
            self.grant_wishes();
            if !first {
                self.follow.on_promoted(self.now.mono);
                self.outbox.set_sending(&[]);
                self.do_what_was_asked();
            }
        }
        self.tell_lost(lost);
        match (self.standing.promoted, first) {
            (true, true) => self.ask_pull(0),
            // On return one pull is enough: the channel makes it, if that is ready soon.
            (true, false) => self.reconnect(),
            (false, _) => {}
        }
    }

    /// R15: nothing is decided, asked or written before the read that begins here is answered; what was
    /// read before, or is being read, may be what another client has changed since. With many conversations it is
    /// most of the time that a move takes to read them all: one that knows what is stored asks whether it still is.
    pub(super) fn promote(&mut self, epoch: u64) {
        self.demote();
        if self.standing.phase == Phase::Closed {
            return;
        }
        self.fence.take(epoch);
        self.standing.holds = true;
        let knows = self.standing.phase == Phase::Ready && self.db.is_whole();
        if knows && self.reads.load_at().is_none() {
            let op = self.out.number();
            self.reads.begin(op, ReadOp::Since);
            let reads = wishes_and_stamp();
            self.out.effect(Effect::Read { op, reads });
        } else {
            self.load();
        }
    }

    /// Nobody writes, and nothing is asked, before the store takes this client's fence: then that is what is wrong
    /// (R15).
    pub(super) fn on_not_promoted(&mut self, error: StoreError) {
        let shown = error.shown();
        self.on_store_error(error);
        if self.fence.fail(shown.clone()) {
            self.out.told.status = true;
            self.out.failure_event(&shown);
        }
    }

    pub(super) fn demote(&mut self) {
        // Also while it reads the database again because of an uncertain commit: to the others it is the writer.
        if self.fence.is_held() {
            let last = self.stands();
            if self.standing.shares() {
                let epoch = self.fence.epoch();
                self.out.tell(&Signal::Gone { epoch });
            }
            let sure = !self.standing.unsure;
            self.follow.let_go(self.now.mono, last, sure);
            self.mending.let_go();
        }
        self.fence.let_go();
        self.standing.holds = false;
        let tried = self.let_go();
        self.hand_over(tried);
    }

    /// What was on its way is void, and nothing is decided before what is stored was read. Answers the call whose
    /// commit may be done or not.
    pub(super) fn let_go(&mut self) -> Option<Call> {
        self.standing.promoted = false;
        self.follow.say_shown_again();
        self.out.told.status = true;
        // The commit under way may be applied or not: who is promoted reads what came of it.
        let tried = self.jobs.forget_commit();
        if self.standing.phase != Phase::Ready {
            self.reads.forget_but_load();
            return tried;
        }
        self.reads.forget();
        self.close_channel();
        for request in self.out.requests.all() {
            // What was asked of the writer is asked again, or done by this client once it writes.
            if self.out.asks.contains(request) {
                continue;
            }
            let asked = self.out.abort_request(request);
            if let Some(Purpose::Change { call, .. }) = asked {
                self.out.reject(call, &gone_meanwhile().of_a_change());
            }
        }
        // A job that somebody waits for stays: the next writer does it, which may be this client. So does what was kept
        // over a lost database: it is nowhere else.
        self.jobs.stop_reading();
        self.jobs
            .retain(|job| job.is_waited_for() || matches!(job, Job::Restore { .. }));
        self.disk.forget();
        self.outbox.restart();
        self.restart_sync();
        self.discard_fetches(None);
        // What was on its way is queued again.
        self.out.told.everything();
        self.timelines.touch_all();
        tried
    }

    /// Ends the client: by the app, or because its storage is gone for good.
    pub(super) fn stop(&mut self, wipe: bool, error: Option<Error>) {
        if self.standing.phase == Phase::Closed {
            return;
        }
        self.out.effect(Effect::Unlisten);
        let closed = Error::new(ErrorCode::Closed, "the client is closed");
        self.reject_all(error.as_ref().unwrap_or(&closed));
        if let Some(error) = &error {
            self.out.error_event(error);
        }
        self.sync.on_end(error);
        self.standing.phase = Phase::Closed;
        for id in self.timelines.ids() {
            self.close_timeline(id);
        }
        self.out.told.status = true;
        self.due = None;
        self.flush();
        self.out.effect(Effect::Stopped { wipe });
    }

    /// Every call that waits for something, and the requests under way.
    pub(super) fn reject_all(&mut self, error: &Error) {
        for call in self.sync.take_calls() {
            self.out.reject(call, error);
        }
        for request in self.out.requests.all() {
            match self.out.abort_request(request) {
                Some(Purpose::Change { call, .. }) => {
                    self.out.reject(call, &error.clone().of_a_change());
                }
                Some(Purpose::Sync { call } | Purpose::Tell { call }) => {
                    self.out.reject(call, error);
                }
                _ => {}
            }
        }
        let wishers = self.outbox.wishes.take_calls();
        for call in self.outbox.changes.take_calls().into_iter().chain(wishers) {
            self.out.reject(call, error);
        }
        for job in std::mem::take(&mut self.jobs).into_iter() {
            if let Some(call) = job.call() {
                self.out.reject(call, error);
            }
        }
        for command in std::mem::take(&mut self.early) {
            if let Some(call) = command.call() {
                self.out.reject(call, error);
            }
        }
    }

    /// Close and wipe: what was accepted is stored first, then everything stops.
    pub(super) fn end(&mut self, wipe: bool) {
        if self.standing.phase == Phase::Loading || !self.standing.promoted || wipe {
            return self.stop(wipe, None);
        }
        if !self.store_is_busy() && self.jobs.is_empty() {
            return self.stop(false, None);
        }
        self.jobs.retain(|job| {
            let own = matches!(
                job,
                Job::Own(Own::Put { .. } | Own::Sent { .. } | Own::Failed { .. })
                    | Job::Restore { .. }
            );
            own || job.is_waited_for()
        });
        self.jobs.push(Job::End { wipe });
    }

    /// The database was deleted under the client: it begins anew. The own messages are kept.
    pub(super) fn on_database_lost(&mut self) {
        self.out.storage_event(
            "evicted",
            "the local database was deleted: what it held is fetched again",
        );
        let empty = Committed::empty(self.config.scope.name());
        for (key, wish) in self.db.wishes() {
            // Each client that knows of the wish stores it, as the same record.
            self.outbox.keep_wish(key.clone(), wish);
        }
        let newest = self.standing.phase == Phase::Ready && self.follow.is_newest(self.db.stamp());
        let own = std::mem::replace(&mut self.db, empty).into_own();
        self.jobs.stop_reading();
        self.jobs.forget_commit();
        self.reads.forget();
        // Deltas, answers and missed messages were of the lost database.
        self.missed.forget();
        self.follow.on_lost();
        self.fence.lose();
        // Jobs of own messages stay: the outbox waits for each of them.
        self.jobs
            .retain(|job| job.is_waited_for() || matches!(job, Job::Own(_) | Job::Restore { .. }));
        self.keep_own(own, newest);
        self.restart_sync();
        let (parts, mut cx) = self.split();
        parts.timelines.clear_all(&mut cx);
        self.out.told.everything();
        match self.standing.promoted {
            true => self.ask_pull(0),
            // Others may have written to the database that has taken its place.
            false if !Fault::LostIsNotReadAgain.on() => self.load(),
            false => {}
        }
    }

    /// The fence of this client is in the database that has taken the lost one's place, of which this is stored. Where
    /// it came late another client may have had the account meanwhile: what that one has written is read first.
    pub(super) fn on_replaced(&mut self, wishes: Map<Key, Rc<Wish>>, stamp: Stamp) {
        if stamp != self.db.stamp() && !Fault::ReplacedIsNotRead.on() {
            return self.promote(self.fence.epoch());
        }
        self.fence.settle();
        self.on_wishes_read(wishes, stamp);
    }

    /// The own messages and read marks of a database that is gone. `newest`: nothing is known to be newer.
    fn keep_own(&mut self, own: OwnRecords, newest: bool) {
        // The database before this one was lost as well, and what was kept over that is not written yet. It is all
        // there is.
        if matches!(self.jobs.first(), Some(Job::Restore { .. })) {
            return;
        }
        // Also while the writer reads the database again because of an uncertain commit.
        if self.fence.is_read() {
            self.outbox.show_again(&own.locals);
            return self.jobs.push_first(Job::Restore {
                left: own.left,
                next_order: own.next_order,
                locals: own.locals,
                marks: own.marks,
            });
        }
        // The writer may have gone, or have handed the account over just now. A client that may have missed something
        // keeps nothing: it would deliver what was discarded. So does one that waits: it hears of nothing.
        if newest && self.standing.shares() {
            self.outbox.show_again(&own.locals);
            self.outbox.wish_again(&own.locals, own.marks);
        }
    }
}

/// An edit or a recall that was on its way when another client took the account over.
fn gone_meanwhile() -> Error {
    Error::new(
        ErrorCode::Aborted,
        "this client had to let go of the account; whether the server did it is not known",
    )
}
