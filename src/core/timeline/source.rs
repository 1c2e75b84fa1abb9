//! What is held of a conversation, as its window reads it.

use std::rc::Rc;

use super::goal::Found;
use super::window::{Run, Window};
use super::work::Needs;
use crate::core::records::Held;
use crate::core::tx::Committed;
use crate::core::types::{Direction, Message};

/// At most so many messages of a range, from that end.
pub(super) type Wanted = (Option<(u64, u64)>, usize, Direction);

/// The committed history, seen through a window: a copy that is shown is not replaced by an older one (R3).
pub(super) struct Source<'a> {
    db: &'a Committed,
    conversation: &'a Rc<str>,
    window: &'a Window,
    pub held: Rc<Held>,
}

impl<'a> Source<'a> {
    pub fn new(db: &'a Committed, conversation: &'a Rc<str>, window: &'a Window) -> Source<'a> {
        Source {
            db,
            conversation,
            window,
            held: db.held(conversation),
        }
    }

    /// Up to `limit` messages of `[lo, hi]`, ascending: the newest ones (`Older`) or the oldest ones.
    pub fn read_messages(
        &self,
        range: (u64, u64),
        limit: usize,
        direction: Direction,
    ) -> Needs<Vec<Rc<Message>>> {
        let mut messages = self
            .db
            .read_messages(self.conversation, range, limit, direction)?;
        self.window.keep_newer(&mut messages);
        Ok(messages)
    }

    /// Several ranges: what they lack is read at once, and not one after another. `None`: nothing.
    pub fn read_all<const N: usize>(&self, ranges: [Wanted; N]) -> Needs<[Vec<Rc<Message>>; N]> {
        let mut missing = Vec::new();
        let found = ranges.map(|(range, limit, direction)| {
            let range = range.filter(|(lo, hi)| lo <= hi)?;
            let found = self.read_messages(range, limit, direction);
            found.map_err(|blocks| missing.extend(blocks)).ok()
        });
        match missing.is_empty() {
            true => Ok(found.map(Option::unwrap_or_default)),
            false => Err(missing),
        }
    }

    /// The newest (`Older`) or oldest (`Newer`) messages of `[lo, hi]`, as a run: nothing is missing
    /// between them.
    pub fn run_at_edge(&self, range: (u64, u64), want: usize, direction: Direction) -> Needs<Run> {
        let messages = self.read_messages(range, want, direction)?;
        Ok(self.run_of(range, messages))
    }

    /// The newest that is held, as a run; `None`: there is none.
    pub fn newest(&self, want: usize) -> Needs<Option<Run>> {
        let Some(hi) = self.held.segments.last().map(|s| s.hi) else {
            return Ok(None);
        };
        let (lo, hi, _) = reach(&self.held, hi);
        let run = self.run_at_edge((lo, hi), want, Direction::Older)?;
        Ok(Some(run).filter(|run| !run.messages().is_empty()))
    }

    /// These messages of a range, as a run.
    pub fn run_of(&self, range: (u64, u64), messages: Vec<Rc<Message>>) -> Run {
        Run::of(&self.held, range, messages)
    }

    /// Whether a message is held at this very position.
    pub fn has(&self, seq: u64) -> Needs<bool> {
        let at = self.read_messages((seq, seq), 1, Direction::Newer)?;
        Ok(!at.is_empty())
    }

    /// The first message at or after a time, where what is held proves it: times need not rise with
    /// positions, so that only what is held from the start of all does. `None`: it proves nothing. It looks in
    /// so many `blocks`, at `most` messages.
    pub fn proven_at(&self, ms: u64, blocks: usize, most: usize) -> Needs<Option<Found>> {
        let held = &self.held;
        let Some(first) = held.segments.containing(0) else {
            return Ok(None);
        };
        if !first.start || !first.fresh() {
            return Ok(None);
        }
        let ends = held.blocks.partition_point(|b| b.hi <= first.hi);
        let all = ends <= blocks;
        let hi = match held.blocks.get(ends.min(blocks).wrapping_sub(1)) {
            Some(last) if !all => last.hi,
            _ => first.hi,
        };
        let found = self.read_messages((0, hi), most, Direction::Newer)?;
        let found = found.iter().find(|m| m.created_at >= ms);
        let nothing = all && first.live;
        Ok(match found {
            Some(m) => Some(Found::At(m.seq.0)),
            None => nothing.then_some(Found::Nothing),
        })
    }

    /// The first of these blocks that knows a time, or the last of them, and its newest time; 0: none.
    fn time_of_one(
        &self,
        blocks: impl Iterator<Item = usize>,
        range: impl Fn(usize) -> (u64, u64),
        most: usize,
    ) -> Needs<(usize, u64)> {
        let mut last = (0, 0);
        for at in blocks {
            last = (at, self.newest_time(range(at), most)?);
            if last.1 != 0 {
                break;
            }
        }
        Ok(last)
    }

    /// Position of the first message at or after a time, where nobody can be asked: by bisection, as if times rose
    /// with positions. A message without its time says nothing. `any`: the oldest that is held will do, though an
    /// older one may be missing before it.
    pub fn guessed_at(&self, ms: u64, most: usize, any: bool) -> Needs<Option<u64>> {
        let held = &self.held;
        let mut oldest = None;
        for s in held.segments.iter().rev() {
            let first = held.blocks.partition_point(|b| b.lo < s.lo);
            let last = held.blocks.partition_point(|b| b.lo <= s.hi);
            let blocks = held.blocks.get(first..last).unwrap_or_default();
            let range = |at: usize| (blocks[at].lo, blocks[at].hi);
            // The first block that ends at or after the time: all before it is before the time.
            let (mut a, mut b) = (0, blocks.len());
            while a < b {
                let mid = (a + b) / 2;
                let (at, time) = self.time_of_one((a..=mid).rev(), range, most)?;
                match time >= ms {
                    true => b = at,
                    false => a = mid + 1,
                }
            }
            if a == blocks.len() {
                continue;
            }
            let inside = self.read_messages(range(a), most, Direction::Newer)?;
            let Some(at) = inside.iter().position(|m| m.created_at >= ms) else {
                continue;
            };
            // It is the first one where there is none before it, or one that is of before the time.
            let mut first = held.segments.containing(s.lo).is_some_and(|s| s.start);
            first |= inside[..at].iter().any(|m| m.created_at > 0);
            for before in (0..a).rev() {
                first = first || self.newest_time(range(before), most)? > 0;
            }
            if first {
                return Ok(Some(inside[at].seq.0));
            }
            oldest = Some(inside[at].seq.0);
        }
        Ok(oldest.filter(|_| any))
    }

    /// When the newest message of a block was written whose time is known; 0: that of none is.
    fn newest_time(&self, block: (u64, u64), most: usize) -> Needs<u64> {
        let messages = self.read_messages(block, most, Direction::Older)?;
        let mut times = messages.iter().rev().map(|m| m.created_at);
        Ok(times.find(|time| *time > 0).unwrap_or(0))
    }
}

/// How far one gets from a position without a gap, over segments that touch each other, fresh or not;
/// and whether that is the newest end.
pub(super) fn reach(held: &Held, seq: u64) -> (u64, u64, bool) {
    let lo = held.segments.reach_lo(seq).unwrap_or(seq);
    let hi = held.segments.reach_hi(seq).unwrap_or(seq);
    let live = held.segments.containing(hi).is_some_and(|s| s.live);
    (lo, hi, live)
}

/// Whether the server has said that nothing is older than this position.
pub(super) fn starts(held: &Held, lo: u64) -> bool {
    held.segments.containing(lo).is_some_and(|s| s.start)
}
