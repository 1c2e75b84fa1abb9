//! Wishes: what clients that do not write want done with their own messages and read marks (R15).

use super::Engine;
use crate::core::fault::Fault;
use crate::core::follow::{Signal, What};
use crate::core::io::{Effect, Now};
use crate::core::jobs::{Job, Own};
use crate::core::map::Map;
use crate::core::purpose::Purpose;
use crate::core::reads::ReadOp;
use crate::core::records::{self, MetaRecord, Stamp, Wish};
use crate::core::standing::Phase;
use crate::core::storage::{Answer, Key, Read, StoreError, Table};
use crate::core::tx::read_wishes;
use std::rc::Rc;

/// The reads for all that is wished for, and for the number of the newest commit.
pub(super) fn wishes_and_stamp() -> Vec<Read> {
    let (wishes, meta) = (Table::Wishes, Table::Meta);
    let key = records::stamp_key();
    let (lo, hi) = (key.clone(), key);
    vec![
        Read::All { table: wishes },
        Read::Keys { table: wishes },
        Read::Range {
            table: meta,
            lo,
            hi,
        },
    ]
}

/// What they are answered with. Wishes that cannot be read stay, and are told at the next start.
pub(super) fn read_wishes_and_stamp(answers: Vec<Answer>) -> (Map<Key, Rc<Wish>>, Stamp) {
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or_default();
    let (wishes, keys, stamp) = (next(), next(), next());
    let stamp = stamp.values.first().map(|value| records::read_meta(value));
    let stamp = match stamp {
        Some(Ok(MetaRecord::Stamp(stamp))) => stamp,
        _ => Stamp::default(),
    };
    (read_wishes(wishes, keys.values).0, stamp)
}

impl Engine {
    /// What is wished for is written, all of it in one transaction.
    pub(super) fn store_wishes(&mut self) {
        let op = self.out.number();
        let me = self.out.me;
        // The clock may have been set back since the newest wish. This one stands behind it all the same.
        let last = self.db.last_wish().map_or(0, |at| at.saturating_add(1));
        let now = Now {
            wall: self.now.wall.max(last),
            ..self.now
        };
        let writes = self.outbox.wishes.store(op, me, now);
        self.out.effect(Effect::Wish { op, writes });
    }

    pub(super) fn on_wished(&mut self, op: u64, result: Result<(), StoreError>) {
        let (parts, mut cx) = self.split();
        let doubtful = parts.outbox.wishes.is_doubtful();
        for (key, wish) in parts.outbox.on_wished(&mut cx, op, &result) {
            self.on_wish_stored(key, wish);
        }
        if let Err(error) = result {
            if doubtful && self.outbox.wishes.is_empty() {
                // An earlier try may have stored them, and nobody has been told of them.
                self.have_granted();
            }
            self.on_store_error(error);
        }
    }

    /// Has what is wished for read and taken up, by whoever writes.
    fn have_granted(&mut self) {
        if self.standing.promoted {
            self.reads.want_wishes();
        } else if self.standing.shares() {
            let (_, mut cx) = self.split();
            cx.ask(What::Grant, Purpose::Grant);
        }
    }

    fn on_wish_stored(&mut self, key: Key, wish: Wish) {
        let value = records::write_wish(&wish);
        self.db.add_wish(key.clone(), wish);
        self.out.told.outbox = true;
        self.out.told.all_own = true;
        if self.standing.shares() {
            let stamp = self.db.stamp();
            self.out.tell(&Signal::Wish { stamp, key, value });
        }
        self.have_granted();
    }

    /// Another client has stored a wish: it is shown, and the writer takes it up. Who knows of newer commits
    /// than that one reads whether they have taken it up; who reads what is stored may have begun before.
    pub(super) fn on_wish_told(&mut self, stamp: Stamp, key: Key, value: &[u8]) {
        let late = stamp < self.db.stamp() && !self.db.wishes().contains_key(&key);
        if Fault::GrantFromTheSignal.on()
            && self.standing.promoted
            && let Ok(wish) = records::read_wish(value)
        {
            self.db.add_wish(key, wish);
            return self.grant_wishes();
        }
        if self.standing.promoted || late || self.reads.is_loading() {
            return self.reads.want_wishes();
        }
        if let Ok(wish) = records::read_wish(value)
            && self.standing.phase == Phase::Ready
            && self.db.add_wish(key, wish)
        {
            self.out.told.outbox = true;
            self.out.told.all_own = true;
        }
    }

    /// What is wished for is read: what others say of it may be late.
    pub(super) fn read_wishes(&mut self) {
        self.ask_store(ReadOp::Wishes, wishes_and_stamp());
    }

    /// When wishes are to be read, by who may know of them.
    pub(super) fn wishes_at(&self) -> Option<u64> {
        let may = self.standing.promoted || self.standing.follows();
        self.reads.wishes_at().filter(|_| may)
    }

    /// They are read, as of the commit that is the newest then.
    pub(super) fn on_wishes_read(&mut self, wishes: Map<Key, Rc<Wish>>, stamp: Stamp) {
        if self.standing.promoted {
            // Another client has the account, and does not say so yet: what it took up is in a commit that is not here.
            if stamp.epoch > self.fence.epoch() {
                return self.on_store_error(StoreError::Fenced);
            }
            self.db.set_wishes(wishes);
            self.out.told.outbox = true;
            self.out.told.all_own = true;
            return self.grant_wishes();
        }
        // A wish that is not there any more was taken up by a commit. That one is to be here first.
        self.follow.hear_of(stamp);
        if stamp == self.db.stamp() {
            self.db.set_wishes(wishes);
            self.out.told.outbox = true;
            self.out.told.all_own = true;
        }
    }

    /// What is wished for is taken up, in order.
    pub(super) fn grant_wishes(&mut self) {
        let queued = |job: &Job| matches!(job, Job::Own(Own::Grant { .. }));
        let wishes = self.db.wishes();
        if wishes.is_empty() || self.jobs.iter().any(queued) {
            return;
        }
        let wishes = self.db.wished();
        self.jobs.push_own(Own::Grant { wishes });
    }
}
