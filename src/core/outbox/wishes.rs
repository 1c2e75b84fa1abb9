//! Wishes (R15): what a client that does not write wants done. It stores them itself, and then they are as
//! good as done; the writer takes them up with its next commit, in order, each once.
//!
//! ```text
//!  send, retry, discard, markRead ──▶ queue ──one transaction──▶ stored ──▶ told to the others
//!                                                                  │
//!                              the writer's commit has taken it up ▼ (a delta, or what is stored says so)
//! ```

use crate::core::backoff::Backoff;
use crate::core::command::Call;
use crate::core::io::Now;
use crate::core::records::{self, Wish};
use crate::core::storage::{Key, StoreError, Table, Write};

/// ms from one look at the clock to the next meanwhile: one that comes late tells that this client slept.
const LOOKS: u64 = 2_000;

/// One that is not stored.
#[derive(Debug)]
pub(super) struct Pending {
    pub wish: Wish,
    /// who waits for it
    pub call: Option<Call>,
    /// it was accepted before, and its database is gone: it is tried until it is stored
    pub kept: bool,
    /// given with its first try: a second one writes the same record
    pub key: Option<Key>,
    /// what its call is answered with
    pub answer: &'static str,
    /// nothing was heard of its first try, or of the commit of who wrote when it was asked for
    pub doubt: Option<StoreError>,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::core) struct Wishes {
    queue: Vec<Pending>,
    /// the first so many are on their way into the store, as this operation
    storing: Option<(u64, usize)>,
    /// since when the store was asked, and has not answered (monotonic ms)
    since: Option<u64>,
    /// that was not certain once
    again: bool,
    /// when those are tried again that nobody waits for
    rests: Backoff,
    /// of the last key
    last: (u64, u64),
}

impl Wishes {
    /// Whether any is on its way into the store.
    pub fn is_storing(&self) -> bool {
        self.storing.is_some()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether the store is to be asked: one that could not be stored, and that nobody waits for, waits for a while.
    pub fn are_due(&self, now: u64) -> bool {
        let waits = self.queue.iter().any(|pending| !pending.kept);
        waits || !self.queue.is_empty() && self.rests.ready_at() <= now
    }

    /// When it is.
    pub fn tries_at(&self) -> Option<u64> {
        (!self.queue.is_empty()).then(|| self.rests.ready_at())
    }

    /// When those who wait are answered, where the store says nothing for `settle` ms (R14).
    pub(super) fn settles_at(&self, settle: u64) -> Option<u64> {
        self.waits_since().map(|at| at.saturating_add(settle))
    }

    /// When the clock is looked at for that.
    pub fn due(&self, now: u64, settle: u64) -> Option<u64> {
        let since = self.waits_since()?;
        let looks = now.saturating_sub(since) / LOOKS + 1;
        Some(since.saturating_add((looks * LOOKS).min(settle)))
    }

    /// Since when somebody waits for a store that says nothing.
    fn waits_since(&self) -> Option<u64> {
        let waits = self.queue.iter().any(|pending| pending.call.is_some());
        self.since.filter(|_| waits && self.is_storing())
    }

    /// This client slept: the time during which it could hear nothing does not count.
    pub fn put_off(&mut self, now: u64) {
        self.since = self.since.map(|_| now);
    }

    /// Those that nobody has asked the store for yet, and that somebody waits for: they are not stored any more.
    pub(super) fn take_unasked(&mut self) -> Vec<Pending> {
        let asked = self.storing.map_or(0, |(_, count)| count);
        let asked = self.queue.split_off(asked.min(self.queue.len()));
        let waits = |pending: &Pending| pending.call.is_some() && pending.key.is_none();
        let (unasked, rest): (Vec<_>, Vec<_>) = asked.into_iter().partition(waits);
        self.queue.extend(rest);
        unasked
    }

    /// Nobody waits any more for those that the store was asked for. They may be stored all the same: then they are
    /// shown. Who has waited, and for what.
    pub(super) fn let_wait(&mut self) -> Vec<(Call, &Wish)> {
        let waits = self.queue.iter_mut();
        let waits = waits.filter_map(|pending| Some((pending.call.take()?, &pending.wish)));
        waits.collect()
    }

    /// Whether any may be stored, though nothing was heard of it.
    pub fn is_doubtful(&self) -> bool {
        self.queue.iter().any(|pending| pending.doubt.is_some())
    }

    /// Those that are not stored, but for messages: these are shown in any case.
    pub(super) fn unstored(&self) -> impl Iterator<Item = &Wish> {
        let wishes = self.queue.iter().map(|pending| &pending.wish);
        wishes.filter(|wish| !matches!(wish, Wish::Send(_)))
    }

    /// What is added from here on goes before what is there, but for what is on its way. See
    /// [`Wishes::end_before`].
    pub(super) fn begin_before(&mut self) -> Vec<Pending> {
        let storing = self.storing.map_or(0, |(_, count)| count);
        self.queue.split_off(storing.min(self.queue.len()))
    }

    /// These go behind what was added, and what this client has stored since `first` (by its key) as well.
    pub(super) fn end_before(&mut self, since: Vec<Pending>, first: Option<u64>, me: u64) {
        // One that may be stored has its key, and so its place.
        let all = self.queue.iter().chain(&since);
        let keyed = all.filter_map(|p| p.key.as_deref());
        let first = keyed.filter_map(records::wish_time).chain(first).min();
        if let Some(at) = first {
            for pending in &mut self.queue {
                self.last.1 += 1;
                let key = records::wish_key(at.saturating_sub(1), me, self.last.1);
                pending.key.get_or_insert(key);
            }
        }
        self.queue.extend(since);
    }

    /// One more, for this call.
    pub(super) fn add(&mut self, wish: Wish, call: Call, answer: &'static str) {
        self.queue.push(Pending {
            wish,
            call: Some(call),
            kept: false,
            key: None,
            answer,
            doubt: None,
        });
    }

    /// The commit that this call waited for when the account was lost may be done, whatever becomes of the wish.
    pub(super) fn was_tried(&mut self, tried: Option<Call>) {
        let tried = |pending: &&mut Pending| pending.call.is_some() && pending.call == tried;
        let what =
            "another client took the account over while this was written: it may be done, or not";
        for pending in self.queue.iter_mut().filter(tried) {
            pending.doubt = Some(StoreError::Uncertain(what.into()));
        }
    }

    /// What was stored is gone with its database: it is stored again. `key`: its own, if it was a wish.
    pub(super) fn keep(&mut self, wish: Wish, key: Option<Key>) {
        self.queue.push(Pending {
            wish,
            call: None,
            kept: true,
            key,
            answer: "",
            doubt: None,
        });
    }

    /// The writes of one transaction with all that wait. `me`: this client's name.
    pub fn store(&mut self, op: u64, me: u64, now: Now) -> Vec<Write> {
        self.since.get_or_insert(now.mono);
        let now = now.wall;
        self.storing = Some((op, self.queue.len()));
        let last = &mut self.last;
        let write = |pending: &mut Pending| {
            let key = pending.key.get_or_insert_with(|| {
                // The clock may go back: this client's stay in their order.
                *last = (last.0.max(now), last.1 + 1);
                records::wish_key(last.0, me, last.1)
            });
            Write::Put {
                table: Table::Wishes,
                key: key.clone(),
                value: records::write_wish(&pending.wish),
            }
        };
        self.queue.iter_mut().map(write).collect()
    }

    /// The store has answered. Those that this is about; none where they are written once more. `random`: any number.
    pub(super) fn on_stored(
        &mut self,
        op: u64,
        result: &Result<(), StoreError>,
        (now, random): (u64, u64),
    ) -> Vec<Pending> {
        let Some((_, count)) = self.storing.take_if(|(at, _)| *at == op) else {
            return Vec::new();
        };
        let again = match result {
            // The same once more: the same records are written.
            Err(StoreError::Uncertain(_)) => !std::mem::replace(&mut self.again, true),
            // In the database that has taken its place.
            Err(StoreError::Lost) => true,
            _ => false,
        };
        if !matches!(result, Err(StoreError::Uncertain(_))) {
            self.since = None;
        }
        let count = count.min(self.queue.len());
        if again {
            if let Err(error @ StoreError::Uncertain(_)) = result {
                let tried = self.queue.iter_mut().take(count);
                tried.for_each(|pending| pending.doubt = Some(error.clone()));
            }
            return Vec::new();
        }
        self.again = false;
        self.since = None;
        let since = self.queue.split_off(count);
        let over = std::mem::replace(&mut self.queue, since);
        let Err(error) = result else {
            self.rests.succeed();
            return over;
        };
        let (kept, over): (Vec<_>, _) = over.into_iter().partition(|pending| pending.kept);
        if !kept.is_empty() {
            self.rests
                .fail_unchanged(now, &error.shown(), random, false);
            self.queue.splice(..0, kept);
        }
        over
    }

    /// Nobody will store these: the client ends. Who waits for them.
    pub fn take_calls(&mut self) -> Vec<Call> {
        self.storing = None;
        let queue = std::mem::take(&mut self.queue).into_iter();
        queue.filter_map(|pending| pending.call).collect()
    }
}
