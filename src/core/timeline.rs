//! Timelines: one list on one screen, a window over a segment.
//!
//! ```text
//!  segment   [2 3 4 5 6 7 8 9 10 11]>
//!  window          [5 6 7 8 9]            runs: one
//!
//!  after an overflow, until pages cover it again, and with a new message behind it:
//!  window          [5 6 7 8 9]  ·gap·  [15]      runs: two, the first not held any more
//! ```
//!
//! A run is a stretch of a segment with nothing missing between its neighbours. Runs stand apart by a
//! gap item. What a timeline wants and cannot have at once (opening, a page, covering its window
//! again after an overflow) it keeps as a wish; [`Engine::drive_timelines`] goes on with each wish
//! whenever something changed: a commit, a block read, the network back.

mod commands;
mod driving;

use std::rc::Rc;

use super::command::{Call, Scope, Start, TimelineId};
use super::db::{BlockId, Direction};
use super::engine::{Asked, Engine, Job};
use super::fault::Fault;
use super::frame::Row;
use super::json;
use super::net::{Error, ErrorCode, Place, Request};
use super::protocol::{self, Event, Feed, Page};
use super::records::Held;
use super::segments::Segment;
use super::tx::{Change, Changes};
use super::types::{Message, Seq};

/// Backoff of what a timeline asks for by itself.
const RETRY: (u64, u64) = (1_000, 30_000);
/// Messages in the largest page that is asked for.
const MAX_PAGE: usize = 200;
/// Pages that covering a window again may take: more is a server going in a circle.
const MAX_PAGES: u32 = 50;
/// Items a window holds, and messages in a page, at most: what an app asks for is cut back to it.
const MAX_ITEMS: usize = 100_000;

/// A stretch with nothing missing.
#[derive(Debug)]
pub(super) struct Run {
    /// from here: its first message, or its segment's end if nothing older is held
    pub lo: u64,
    /// to here, likewise
    hi: u64,
    pub messages: Vec<Rc<Message>>,
    /// it lies in a segment; false: an overflow took that from under it
    pub held: bool,
}

/// What a reload must cover.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// the newest end
    Latest,
    /// what was on screen
    Range { lo: u64, hi: u64, mid: u64 },
    /// this position
    Around(u64),
    /// the first at or after this time
    At(u64),
    /// the first that the account has not read
    FirstUnread,
}

/// The wish to have a window (again): opening, jump, overflow.
#[derive(Debug)]
struct Reload {
    target: Target,
    /// the app has named the target: what is shown does not stand for it
    asked: bool,
    /// messages
    want: usize,
    fetch: Option<u64>,
    pages: u32,
    /// what a page that was asked for by a time begins with there; `Some(None)`: nothing
    found: Option<Option<u64>>,
    /// it is the latest because nothing was at or after this time
    since: Option<u64>,
    /// the position that a page was asked for around
    tried: Option<u64>,
    /// jumps that it answers
    calls: Vec<Call>,
}

/// What a timeline asks for by itself: a kept segment's changes (R12), a gap's next page, a page
/// ahead of its use. One at a time.
#[derive(Debug, Default)]
struct Tend {
    /// something is to be asked for
    wanted: bool,
    fetch: Option<u64>,
    /// what was asked for last: it must have changed something
    asked: Option<Wants>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// a page (R5)
    Page(Place),
    /// what changed in a kept segment since its cursor (R12)
    Changes { since: String, from: u64, to: u64 },
}

/// The wish for a page.
#[derive(Debug)]
struct Load {
    calls: Vec<Call>,
    limit: usize,
    added: usize,
    cache: bool,
    net: bool,
    fetch: Option<u64>,
    /// where the last page was asked for: the next must move
    asked: Option<u64>,
}

/// Where a timeline is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// in use
    Open,
    /// without subscribers
    Released,
    /// likewise, and the account has left the conversation meanwhile
    ReleasedRemoved,
    /// the account has left the conversation
    Removed,
    /// for good
    Closed,
}

/// A page on its way.
#[derive(Debug)]
pub(super) struct Fetch {
    pub conversation: Rc<str>,
    pub wants: Wants,
    /// events committed since it was asked for (R7)
    pub journal: Vec<Event>,
    /// an overflow or a removal came in between
    pub discarded: bool,
    request: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Timeline {
    pub conversation: Rc<str>,
    page_size: usize,
    max_items: usize,
    pub life: Life,
    pub runs: Vec<Run>,
    /// something is known
    pub opened: bool,
    /// the window reaches the newest end and goes on with it
    pub follow: bool,
    reload: Option<Reload>,
    older: Option<Load>,
    newer: Option<Load>,
    tend: Tend,
    /// likewise, of what nobody has asked for yet
    ahead: Tend,
    /// a page ahead is wanted, once the network is idle
    ahead_due: bool,
    pub error: Option<Error>,
    /// the keys of what is on screen
    on_screen: Option<(String, String)>,
    /// oldest and newest position on screen
    visible: Option<(u64, u64)>,
    /// newest position that was on screen
    seen: Option<u64>,
    /// messages newer than the window and than `seen`
    beyond: u64,
    grown: Direction,
    pub anchor: (Option<String>, u64),
    /// the position of the anchor's item, until its key is known
    pub anchor_at: Option<u64>,
    pub first_index: i64,
    /// as last shown
    pub rows: Vec<Row>,
    pub dirty: bool,
    wake: bool,
    waiting: bool,
    retry: u64,
    failures: u32,
    /// the server refused for good: not asked again by itself
    refused: bool,
}

impl Timeline {
    fn new(conversation: Rc<str>, start: Start, page_size: usize, max_items: usize) -> Self {
        Timeline {
            conversation,
            page_size,
            max_items,
            life: Life::Open,
            runs: Vec::new(),
            opened: false,
            follow: true,
            reload: Some(Reload::asked(start, page_size)),
            older: None,
            newer: None,
            tend: Tend::default(),
            ahead: Tend::default(),
            ahead_due: false,
            error: None,
            on_screen: None,
            visible: None,
            seen: None,
            beyond: 0,
            grown: Direction::Newer,
            anchor: (None, 0),
            anchor_at: None,
            first_index: 0,
            rows: Vec::new(),
            dirty: true,
            wake: true,
            waiting: false,
            retry: 0,
            failures: 0,
            refused: false,
        }
    }

    // ------------------------------------------------------------ what is shown

    fn messages(&self) -> impl DoubleEndedIterator<Item = &Rc<Message>> {
        self.runs.iter().flat_map(|run| &run.messages)
    }

    fn count(&self) -> usize {
        self.runs.iter().map(|run| run.messages.len()).sum()
    }

    fn newest(&self) -> Option<u64> {
        self.messages().next_back().map(|m| m.seq.0)
    }

    /// The oldest position that an open timeline shows (R13), or is about to show again: what covers
    /// its window must not go while the rest of it comes.
    pub fn needed_from(&self, held: &Held) -> Option<u64> {
        if self.life != Life::Open {
            return None;
        }
        let held_runs = self.runs.iter().filter(|run| run.held);
        let shown = held_runs
            .flat_map(|run| &run.messages)
            .next()
            .map(|m| m.seq.0);
        let awaited = self.reload.as_ref().and_then(|reload| match reload.target {
            Target::Latest => held.newest_from(reload.want),
            Target::Range { lo, .. } | Target::Around(lo) => Some(lo),
            Target::At(_) | Target::FirstUnread => None,
        });
        [shown, awaited].into_iter().flatten().min()
    }

    /// What it begins with is being read: until then nothing is known, and own messages that are
    /// stored do not stand after a gap for a moment. One just written is shown at once.
    pub fn is_reading(&self) -> bool {
        self.waiting && !self.opened && self.rows.is_empty()
    }

    /// What `markRead()` takes.
    pub fn newest_on_screen(&self) -> Option<u64> {
        self.visible.map(|(_, last)| last).or_else(|| self.newest())
    }

    /// At the newest end there may be messages that nothing is known of.
    pub fn gap_at_end(&self, held: &Held) -> bool {
        let Some(reload) = self.reload.as_ref().filter(|_| self.opened) else {
            return false;
        };
        let Some(last) = self.runs.last() else {
            return true;
        };
        matches!(reload.target, Target::Latest) && last.held && self.has_newer(held)
    }

    /// False only when the server has said that nothing is older.
    pub fn has_older(&self, held: &Held) -> bool {
        let Some(first) = self.runs.first().filter(|run| self.opened && run.held) else {
            return true;
        };
        let start = held.segments.containing(first.lo).is_some_and(|s| s.start);
        !(start && first.lo == 0)
    }

    /// False: the newest end is the conversation's newest message.
    pub fn has_newer(&self, held: &Held) -> bool {
        let Some(last) = self.runs.last().filter(|run| self.opened && run.held) else {
            return true;
        };
        let live = held
            .segments
            .containing(last.hi)
            .is_some_and(|s| s.live && s.hi == last.hi);
        !live
    }

    /// `loading` of the snapshot: older, newer, jump.
    pub fn loading(&self) -> [bool; 3] {
        let jump = self.reload.as_ref().is_some_and(|r| !r.calls.is_empty());
        [self.older.is_some(), self.newer.is_some(), jump]
    }

    /// `unseen` of the snapshot.
    pub fn unseen(&self) -> u64 {
        let Some(seen) = self.seen else { return 0 };
        let inside = self.messages().rev().take_while(|m| m.seq.0 > seen).count() as u64;
        inside + self.beyond
    }

    /// The position that keeps its number when items come and go elsewhere: the topmost on screen.
    pub fn fixed_point(&self) -> Option<u64> {
        self.visible.map(|(first, _)| first)
    }

    // ------------------------------------------------------------ wishes

    /// What failed for want of a network may go on.
    pub fn try_again(&mut self) {
        self.retry = 0;
        self.refused = false;
        self.wake = true;
    }

    /// Where what is on screen is now: an own message there is at its place once the sync has
    /// brought it.
    pub fn look(&mut self) {
        let Some((first, last)) = &self.on_screen else {
            return;
        };
        let at = |key: &str| self.rows.iter().position(|row| row.key() == key);
        let (Some(first), Some(last)) = (at(first), at(last)) else {
            return;
        };
        let (first, last) = (first.min(last), first.max(last));
        let lo = self.rows[first..].iter().find_map(Row::seq);
        let hi = self.rows[..=last].iter().rev().find_map(Row::seq);
        let (Some(lo), Some(hi)) = (lo, hi) else {
            return;
        };
        self.visible = Some((lo.min(hi), hi));
        self.seen = self.seen.max(Some(hi));
    }

    /// Looks whether it can go on.
    pub fn wake(&mut self) {
        self.wake = true;
    }

    fn blocked_by_reload(&self, direction: Direction) -> bool {
        let edge = match direction {
            Direction::Older => self.runs.first(),
            Direction::Newer => self.runs.last(),
        };
        // The newest end is about to be put in its place, whatever is held below it.
        let replaced = direction == Direction::Newer
            && matches!(&self.reload, Some(r) if matches!(r.target, Target::Latest));
        self.reload.is_some() && (replaced || edge.is_none_or(|run| !run.held))
    }

    /// All that it shows is held: what is reached goes on from there, and takes no one's place.
    fn stands(&self) -> bool {
        !self.runs.is_empty() && self.runs.iter().all(|run| run.held)
    }

    /// No jump any more: the list stays where it is.
    fn stay(&mut self) {
        self.reload = None;
        if !self.stands() {
            self.clear();
        }
    }

    /// Its segments stayed over an overflow, and are not fresh (R4, `keep`): what it shows stays, and
    /// is revalidated; at the newest end there may be more.
    fn stale(&mut self) {
        let newest = self.newest();
        let at_end = self.visible.is_none_or(|(_, last)| Some(last) >= newest);
        self.follow &= at_end;
        self.tend = Tend::default();
        self.ahead = Tend::default();
        self.wake = true;
        self.dirty = true;
    }

    /// Its segments went (R4): what it shows stays, until pages cover it again.
    fn clear(&mut self) {
        for run in &mut self.runs {
            run.held = false;
        }
        if Fault::WindowGoesBlank.on() {
            self.runs.clear();
        }
        for load in [&mut self.older, &mut self.newer].into_iter().flatten() {
            load.fetch = None;
            load.asked = None;
        }
        self.tend = Tend::default();
        self.ahead = Tend::default();
        self.reload = Some(match self.reload.take() {
            // What the app has asked for is still what it is to see.
            Some(asked) if asked.asked => Reload {
                // Something may have come since that was the latest for want of anything later.
                target: asked.since.map_or(asked.target, Target::At),
                fetch: None,
                pages: 0,
                found: None,
                since: None,
                tried: None,
                ..asked
            },
            reload => Reload {
                calls: reload.map(|r| r.calls).unwrap_or_default(),
                ..self.recover()
            },
        });
        self.wake = true;
        self.dirty = true;
    }

    /// The database was read anew. `same`: nobody had written to it.
    pub fn resume(&mut self, same: bool) {
        self.dirty = true;
        self.wake = true;
        if !same && self.life == Life::Open {
            self.clear();
        }
    }

    /// The wish for what is on screen; the latest, if it was at the end.
    fn recover(&self) -> Reload {
        let (Some(oldest), Some(newest)) = (self.messages().next().map(|m| m.seq.0), self.newest())
        else {
            return Reload::latest(self.page_size);
        };
        let (lo, hi) = self.visible.unwrap_or((oldest, newest));
        let shown: Vec<u64> = self
            .messages()
            .map(|m| m.seq.0)
            .filter(|s| lo <= *s && *s <= hi)
            .collect();
        if self.follow && hi >= newest || shown.is_empty() {
            let count = self.messages().filter(|m| m.seq.0 >= lo).count();
            return Reload::latest(count.max(self.page_size));
        }
        Reload {
            target: Target::Range {
                lo,
                hi,
                mid: shown[shown.len() / 2],
            },
            asked: false,
            want: shown.len() + 2 * self.page_size,
            fetch: None,
            pages: 0,
            found: None,
            since: None,
            tried: None,
            calls: Vec::new(),
        }
    }

    /// Puts a window in place of what was there, in one snapshot.
    fn swap(&mut self, run: Run, follow: bool, near: Option<u64>) -> Vec<Call> {
        let calls = self.reload.take().map(|r| r.calls).unwrap_or_default();
        let reference = self
            .visible
            .map(|(first, _)| first)
            .or_else(|| self.newest());
        let grown = calls.is_empty()
            && reference
                .is_some_and(|seq| run.messages.binary_search_by_key(&seq, |m| m.seq.0).is_ok());
        if !grown {
            self.anchor = (None, self.anchor.1 + 1);
            self.anchor_at = near;
            self.on_screen = None;
            self.visible = None;
        }
        // What was not seen before is not seen now, in the window or beyond it.
        let unseen = self.unseen();
        let inside = run
            .messages
            .iter()
            .filter(|m| self.seen.is_some_and(|seen| m.seq.0 > seen))
            .count() as u64;
        self.beyond = if follow {
            0
        } else {
            unseen.saturating_sub(inside)
        };
        self.runs = vec![run];
        self.tend = Tend::default();
        self.ahead = Tend::default();
        self.follow = follow;
        self.opened = true;
        self.error = None;
        self.retry = 0;
        self.failures = 0;
        self.dirty = true;
        calls
    }

    // ------------------------------------------------------------ growing

    /// Past `max_items` the far end goes; nothing near what is on screen.
    fn let_go(&mut self) {
        let mut excess = self.count().saturating_sub(self.max_items);
        if excess == 0 {
            return;
        }
        let (above, below) = match self.visible {
            Some((first, last)) => {
                let above = self.messages().take_while(|m| m.seq.0 < first).count();
                let below = self.messages().rev().take_while(|m| m.seq.0 > last).count();
                (
                    above.saturating_sub(self.page_size),
                    below.saturating_sub(self.page_size),
                )
            }
            None if self.grown == Direction::Older => (0, self.count()),
            None => (self.count(), 0),
        };
        if below > above {
            self.cut_newer(&mut excess, below);
            self.cut_older(&mut excess, above);
        } else {
            self.cut_older(&mut excess, above);
            self.cut_newer(&mut excess, below);
        }
    }

    fn cut_older(&mut self, excess: &mut usize, mut may: usize) {
        while *excess > 0 && may > 0 {
            let several = self.runs.len() > 1;
            let Some(run) = self.runs.first_mut() else {
                return;
            };
            let n = run.messages.len().min(*excess).min(may);
            run.messages.drain(..n);
            *excess -= n;
            may -= n;
            match run.messages.first() {
                Some(m) => run.lo = m.seq.0,
                None if several => _ = self.runs.remove(0),
                None => return,
            }
        }
    }

    fn cut_newer(&mut self, excess: &mut usize, mut may: usize) {
        while *excess > 0 && may > 0 {
            let seen = self.seen;
            let several = self.runs.len() > 1;
            let Some(run) = self.runs.last_mut() else {
                return;
            };
            let n = run.messages.len().min(*excess).min(may);
            let gone = run.messages.split_off(run.messages.len() - n);
            self.beyond += gone
                .iter()
                .filter(|m| seen.is_some_and(|seen| m.seq.0 > seen))
                .count() as u64;
            *excess -= n;
            may -= n;
            self.follow = false;
            match run.messages.last() {
                Some(m) => run.hi = m.seq.0,
                None if several => _ = self.runs.pop(),
                None => return,
            }
        }
    }

    // ------------------------------------------------------------ commits

    /// New messages and newer versions, where this window has a place for them.
    fn take_messages(&mut self, change: &Change) {
        for m in &change.inserted {
            let at = |run: &&mut Run| run.held && run.lo <= m.seq.0 && m.seq.0 <= run.hi;
            if let Some(run) = self.runs.iter_mut().find(at)
                && let Err(i) = run.messages.binary_search_by_key(&m.seq, |shown| shown.seq)
            {
                run.messages.insert(i, m.clone());
            }
        }
        // R5: kept, and not there any more.
        if let Some(first) = change.gone.first() {
            for run in &mut self.runs {
                run.messages.retain(|m| !change.gone.contains(&m.seq.0));
            }
            self.runs.retain(|run| !run.messages.is_empty());
            if self.runs.is_empty() && self.reload.is_none() {
                // Nothing of it is left: what is nearest.
                self.reload = Some(Reload {
                    target: Target::Around(*first),
                    ..Reload::latest(self.page_size)
                });
            }
        }
        // After that: one batch may bring a message and its update.
        self.take_versions(change);
    }

    /// R3: newer versions of what it shows, or showed when it was let go.
    fn take_versions(&mut self, change: &Change) {
        if Fault::ShownCopyStays.on() {
            return;
        }
        for m in change.updated.iter().chain(&change.inserted) {
            for run in &mut self.runs {
                if let Ok(i) = run.messages.binary_search_by_key(&m.seq, |shown| shown.seq) {
                    let shown = &mut run.messages[i];
                    if shown.id == m.id && shown.version < m.version {
                        *shown = m.clone();
                    }
                }
            }
        }
    }

    fn trim(&mut self, before: u64, held: &Held) {
        for run in &mut self.runs {
            run.messages.retain(|m| m.seq.0 >= before);
            if run.lo >= before {
                continue;
            }
            run.lo = run.messages.first().map_or(before, |m| m.seq.0);
            run.hi = run.hi.max(run.lo);
        }
        // What reaches down to the new beginning of all begins there.
        if let Some(run) = self.runs.first_mut().filter(|run| run.held)
            && held.segments.reach_lo(run.hi) == Some(0)
            && nothing_older(held, 0, run.lo)
        {
            run.lo = 0;
        }
        let live = held.segments.live().map(|s| s.hi);
        self.runs
            .retain(|run| !run.messages.is_empty() || (run.held && live == Some(run.hi)));
        if self.runs.is_empty() && self.reload.is_none() {
            self.reload = Some(Reload::latest(self.page_size));
        }
    }
}

impl Reload {
    fn latest(want: usize) -> Self {
        Reload {
            target: Target::Latest,
            asked: false,
            want,
            fetch: None,
            pages: 0,
            found: None,
            since: None,
            tried: None,
            calls: Vec::new(),
        }
    }

    /// What the app asks for, by `start` or `jump`.
    fn asked(to: Start, want: usize) -> Self {
        let target = match to {
            Start::Latest => Target::Latest,
            Start::Around(seq) => Target::Around(seq.0),
            Start::At(ms) => Target::At(ms),
            Start::FirstUnread => Target::FirstUnread,
        };
        Reload {
            target,
            asked: true,
            ..Reload::latest(want)
        }
    }
}

impl Load {
    /// Of so many messages.
    fn of(limit: usize, calls: Vec<Call>) -> Self {
        Load {
            calls,
            limit,
            added: 0,
            cache: false,
            net: false,
            fetch: None,
            asked: None,
        }
    }
}

/// Whether nothing is held from `lo` to below this position.
fn nothing_older(held: &Held, lo: u64, seq: u64) -> bool {
    let first = held.blocks.partition_point(|b| b.lo < lo);
    held.blocks.get(first).is_none_or(|b| b.lo >= seq)
}

/// Whether nothing is held from above this position to `hi`.
fn nothing_newer(held: &Held, hi: u64, seq: u64) -> bool {
    let after = held.blocks.partition_point(|b| b.hi <= hi);
    after
        .checked_sub(1)
        .is_none_or(|last| held.blocks[last].hi <= seq)
}
