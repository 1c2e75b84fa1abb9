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

use std::rc::Rc;

use super::command::{Call, Start, TimelineId};
use super::db::{BlockId, Direction};
use super::engine::{Asked, Engine, Job};
use super::frame::Row;
use super::json;
use super::net::{Error, ErrorCode, Place, Request};
use super::protocol::{self, Event};
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
    lo: u64,
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
}

/// The wish to have a window (again): opening, jump, overflow.
#[derive(Debug)]
struct Reload {
    target: Target,
    /// messages
    want: usize,
    fetch: Option<u64>,
    pages: u32,
    /// jumps that it answers
    calls: Vec<Call>,
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
    pub place: Place,
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
    fn new(conversation: Rc<str>, page_size: usize, max_items: usize) -> Self {
        Timeline {
            conversation,
            page_size,
            max_items,
            life: Life::Open,
            runs: Vec::new(),
            opened: false,
            follow: true,
            reload: Some(Reload::latest(page_size)),
            older: None,
            newer: None,
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

    /// The oldest position shown, of an open timeline (R13).
    pub fn oldest_shown(&self) -> Option<u64> {
        if self.life != Life::Open {
            return None;
        }
        self.runs
            .iter()
            .find(|run| run.held)
            .and_then(|run| run.messages.first())
            .map(|m| m.seq.0)
    }

    /// What `markRead()` takes.
    pub fn newest_on_screen(&self) -> Option<u64> {
        self.visible.map(|(_, last)| last).or_else(|| self.newest())
    }

    /// At the newest end there may be messages that nothing is known of.
    pub fn gap_at_end(&self, held: &Held) -> bool {
        let target = self.reload.as_ref().map(|r| r.target);
        let latest = self.opened && matches!(target, Some(Target::Latest));
        latest && self.runs.last().is_none_or(|run| run.held) && self.has_newer(held)
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

    /// Its segments went (R4): what it shows stays, until pages cover it again.
    fn clear(&mut self) {
        for run in &mut self.runs {
            run.held = false;
        }
        for load in [&mut self.older, &mut self.newer].into_iter().flatten() {
            load.fetch = None;
            load.asked = None;
        }
        let calls = self.reload.take().map(|r| r.calls).unwrap_or_default();
        self.reload = Some(Reload {
            calls,
            ..self.recover()
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
            want: shown.len() + 2 * self.page_size,
            fetch: None,
            pages: 0,
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
        // After that: one batch may bring a message and its update.
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
            && let Some(segment) = held.segments.containing(run.hi)
            && segment.start
            && nothing_older(held, segment, run.lo)
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
            want,
            fetch: None,
            pages: 0,
            calls: Vec::new(),
        }
    }
}

/// Whether a segment holds no message below this position.
fn nothing_older(held: &Held, segment: &Segment, seq: u64) -> bool {
    let first = held.blocks.partition_point(|b| b.lo < segment.lo);
    held.blocks.get(first).is_none_or(|b| b.lo >= seq)
}

/// Whether a segment holds no message above this position.
fn nothing_newer(held: &Held, segment: &Segment, seq: u64) -> bool {
    let after = held.blocks.partition_point(|b| b.hi <= segment.hi);
    after
        .checked_sub(1)
        .is_none_or(|last| held.blocks[last].hi <= seq)
}

impl Engine {
    // ------------------------------------------------------------ commands

    pub(super) fn open(
        &mut self,
        id: TimelineId,
        conversation: Rc<str>,
        Start::Latest: Start,
        page_size: Option<u32>,
        max_items: Option<u32>,
    ) {
        let page_size = page_size
            .unwrap_or(self.config.page_size)
            .clamp(1, MAX_PAGE as u32 * 5) as usize;
        let max_items = (max_items.unwrap_or(1000) as usize).clamp(page_size, MAX_ITEMS);
        let timeline = Timeline::new(conversation.clone(), page_size, max_items);
        self.timelines.insert(id, timeline);
        self.opened(conversation);
    }

    fn opened(&mut self, conversation: Rc<str>) {
        let at = self.now.wall;
        if self.promoted {
            self.push(Job::Opened { conversation, at });
        }
    }

    pub(super) fn release(&mut self, id: TimelineId) {
        let Some(t) = self.timelines.get_mut(&id) else {
            return;
        };
        if t.life == Life::Open {
            t.life = Life::Released;
        }
    }

    pub(super) fn attach(&mut self, id: TimelineId) {
        let Some(t) = self.timelines.get_mut(&id) else {
            return;
        };
        if t.life == Life::ReleasedRemoved {
            t.life = Life::Removed;
            t.reload = None;
            t.dirty = true;
        }
        if t.life != Life::Released {
            return;
        }
        t.life = Life::Open;
        t.refused = false;
        t.retry = 0;
        // What was committed meanwhile it has not followed: the same window, read again.
        t.clear();
        let conversation = t.conversation.clone();
        self.opened(conversation);
    }

    pub(super) fn close_timeline(&mut self, id: TimelineId) {
        let Some(mut t) = self.timelines.remove(&id) else {
            return;
        };
        self.end_calls(
            &mut t,
            &Error::new(ErrorCode::Closed, "the timeline is closed"),
        );
        t.life = Life::Closed;
        t.dirty = true;
        self.show_timeline(id, &mut t);
    }

    /// Ends what callers wait for.
    fn end_calls(&mut self, t: &mut Timeline, error: &Error) {
        let loads = [t.older.take(), t.newer.take()]
            .into_iter()
            .flatten()
            .flat_map(|load| load.calls);
        let jumps = t
            .reload
            .iter_mut()
            .flat_map(|r| std::mem::take(&mut r.calls));
        let calls: Vec<Call> = loads.chain(jumps).collect();
        for call in calls {
            self.reject(call, error);
        }
    }

    pub(super) fn load_page(
        &mut self,
        call: Call,
        id: TimelineId,
        direction: Direction,
        limit: Option<u32>,
    ) {
        let Some(t) = self.timelines.get_mut(&id) else {
            return self.reject(
                call,
                &Error::new(ErrorCode::Closed, "the timeline is closed"),
            );
        };
        if t.life == Life::Removed {
            let error = Error::new(
                ErrorCode::Forbidden,
                "the account has left this conversation",
            );
            return self.reject(call, &error);
        }
        let limit = limit
            .map_or(t.page_size, |limit| limit as usize)
            .clamp(1, MAX_ITEMS);
        let load = match direction {
            Direction::Older => &mut t.older,
            Direction::Newer => &mut t.newer,
        };
        match load {
            Some(running) => running.calls.push(call),
            None => {
                *load = Some(Load {
                    calls: vec![call],
                    limit,
                    added: 0,
                    cache: false,
                    net: false,
                    fetch: None,
                    asked: None,
                });
            }
        }
        if std::mem::take(&mut t.refused) {
            t.retry = 0;
        }
        t.error = None;
        t.wake = true;
        t.dirty = true;
    }

    pub(super) fn jump(&mut self, call: Call, id: TimelineId, Start::Latest: Start) {
        let Some(mut t) = self.timelines.remove(&id) else {
            return self.reject(
                call,
                &Error::new(ErrorCode::Closed, "the timeline is closed"),
            );
        };
        if t.life == Life::Removed {
            self.reject(
                call,
                &Error::new(
                    ErrorCode::Forbidden,
                    "the account has left this conversation",
                ),
            );
        } else {
            self.end_calls(
                &mut t,
                &Error::new(ErrorCode::Aborted, "overtaken by a jump"),
            );
            t.reload = Some(Reload {
                calls: vec![call],
                ..Reload::latest(t.page_size)
            });
            t.error = None;
            t.refused = false;
            t.retry = 0;
            t.wake = true;
            t.dirty = true;
        }
        self.timelines.insert(id, t);
    }

    /// Lets go of one call of a load or a jump. Answers whether it was here; what it asked for goes on.
    pub(super) fn abort_load(&mut self, of: Call) -> bool {
        let mut found = false;
        for t in self.timelines.values_mut() {
            let loads = [&mut t.older, &mut t.newer]
                .into_iter()
                .flatten()
                .map(|load| &mut load.calls);
            for calls in loads.chain(t.reload.iter_mut().map(|r| &mut r.calls)) {
                let before = calls.len();
                calls.retain(|call| *call != of);
                found |= calls.len() < before;
            }
            t.dirty |= found;
        }
        found
    }

    pub(super) fn visible(&mut self, id: TimelineId, first: &str, last: &str) {
        let Some(t) = self.timelines.get_mut(&id) else {
            return;
        };
        let known = |key: &str| t.rows.iter().any(|row| row.key() == key);
        if known(first) && known(last) {
            t.on_screen = Some((first.to_owned(), last.to_owned()));
            t.dirty = true;
        }
    }

    /// What is shown of this conversation beside its messages has changed.
    pub(super) fn touch_timelines(&mut self, conversation: &str) {
        for t in self
            .timelines
            .values_mut()
            .filter(|t| *t.conversation == *conversation)
        {
            t.dirty = true;
        }
    }

    pub(super) fn touch_all_timelines(&mut self) {
        for t in self.timelines.values_mut() {
            t.dirty = true;
        }
    }

    // ------------------------------------------------------------ pages

    /// Asks for a page, or shares one that was asked for.
    fn fetch(&mut self, conversation: &Rc<str>, place: Place, limit: usize) -> u64 {
        let same = |f: &Fetch| f.conversation == *conversation && f.place == place && !f.discarded;
        if let Some((id, _)) = self.fetches.iter().find(|(_, f)| same(f)) {
            return *id;
        }
        let fetch = self.number();
        let call = Request::History {
            conversation: conversation.to_string(),
            limit: limit.min(MAX_PAGE * 5) as u32,
            cursor: self.db.meta.cursor.clone(),
            place,
        };
        let request = self.request(call, Asked::History { fetch });
        self.fetches.insert(
            fetch,
            Fetch {
                conversation: conversation.clone(),
                place,
                journal: Vec::new(),
                discarded: false,
                request,
            },
        );
        fetch
    }

    pub(super) fn fetched(&mut self, fetch: u64, result: Result<String, Error>) {
        let Some(f) = self.fetches.get(&fetch) else {
            return;
        };
        match result.and_then(|text| protocol::page(&text, &f.conversation, f.place)) {
            Ok(page) => self.push(Job::Page { fetch, page }),
            Err(error) => self.fetch_done(fetch, Some(error)),
        }
    }

    /// An overflow or a removal discards what was asked for before (R7); whatever wanted it decides
    /// anew. `None`: of every conversation.
    pub(super) fn discard_fetches(&mut self, conversation: Option<&Rc<str>>) {
        let about = |f: &Fetch| conversation.is_none_or(|id| f.conversation == *id);
        let ids: Vec<u64> = self
            .fetches
            .iter()
            .filter(|(_, f)| about(f))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            if let Some(f) = self.fetches.get_mut(&id) {
                f.discarded = true;
                let request = f.request;
                self.abort_request(request);
            }
            self.fetch_done(id, None);
        }
    }

    /// A page is committed, void, or could not be had.
    pub(super) fn fetch_done(&mut self, fetch: u64, error: Option<Error>) {
        let Some(done) = self.fetches.remove(&fetch) else {
            return;
        };
        let ids: Vec<TimelineId> = self.timelines.keys().copied().collect();
        for id in ids {
            let Some(mut t) = self.timelines.remove(&id) else {
                continue;
            };
            self.page_settled(&mut t, fetch, &done, error.as_ref());
            self.timelines.insert(id, t);
        }
    }

    fn page_settled(&mut self, t: &mut Timeline, fetch: u64, done: &Fetch, error: Option<&Error>) {
        if let Some(reload) = t.reload.as_mut().filter(|r| r.fetch == Some(fetch)) {
            reload.fetch = None;
            t.wake = true;
            if done.discarded {
                reload.pages = 0;
            }
            if let Some(error) = error {
                let calls = std::mem::take(&mut reload.calls);
                for call in calls {
                    self.reject(call, error);
                }
                self.reload_failed(t, error.clone());
            }
        }
        for direction in [Direction::Older, Direction::Newer] {
            let load = match direction {
                Direction::Older => &mut t.older,
                Direction::Newer => &mut t.newer,
            };
            let Some(load) = load.as_mut().filter(|load| load.fetch == Some(fetch)) else {
                continue;
            };
            load.fetch = None;
            t.wake = true;
            match error {
                Some(error) => self.load_failed(t, direction, error.clone()),
                None if done.discarded => load.asked = None,
                None => load.net = true,
            }
        }
    }

    fn reload_failed(&mut self, t: &mut Timeline, error: Error) {
        t.opened = true;
        t.failures += 1;
        // A refusal is final until something else changes; the rest is tried again by itself.
        t.refused = !error.retryable() && error.code != ErrorCode::Protocol;
        let wait = self
            .backoff(t.failures - 1, RETRY.0, RETRY.1)
            .max(error.retry_after.unwrap_or(0));
        t.retry = self.now.mono + wait;
        t.error = Some(error);
        t.dirty = true;
    }

    fn load_failed(&mut self, t: &mut Timeline, direction: Direction, error: Error) {
        let load = match direction {
            Direction::Older => t.older.take(),
            Direction::Newer => t.newer.take(),
        };
        let Some(load) = load else { return };
        if load.added > 0 {
            self.answer_load(&load, false);
        } else {
            for call in &load.calls {
                self.reject(*call, &error);
            }
        }
        t.error = Some(error);
        t.dirty = true;
    }

    fn answer_load(&mut self, load: &Load, end: bool) {
        let mut ok = String::from("{\"added\":");
        json::number(&mut ok, load.added as u64);
        ok.push_str(",\"end\":");
        json::flag(&mut ok, end);
        ok.push_str(match (load.cache, load.net) {
            (true, true) => ",\"source\":\"both\"}",
            (false, true) => ",\"source\":\"network\"}",
            _ => ",\"source\":\"cache\"}",
        });
        for call in &load.calls {
            self.resolve(*call, &ok);
        }
    }

    // ------------------------------------------------------------ commits

    /// Shows what was committed.
    pub(super) fn refresh_timelines(&mut self, changes: &Changes) {
        let ids: Vec<TimelineId> = self.timelines.keys().copied().collect();
        for id in ids {
            let Some(mut t) = self.timelines.remove(&id) else {
                continue;
            };
            if changes.outbox {
                t.dirty = true;
            }
            if changes.list && t.refused && self.db.list.contains_key(&t.conversation) {
                t.refused = false;
                t.retry = 0;
                t.wake = true;
            }
            let left = t.life == Life::Removed;
            if left && self.db.list.contains_key(&t.conversation) {
                // A conversation that comes back.
                t.life = Life::Open;
                t.clear();
            }
            let listed = self.db.list.contains_key(&t.conversation);
            if t.life == Life::ReleasedRemoved && listed {
                t.life = Life::Released;
            }
            if t.life == Life::Released
                && !listed
                && let Some(change) = changes.conversations.get(&t.conversation)
                && change.removed
            {
                t.life = Life::ReleasedRemoved;
            }
            if let Some(change) = changes.conversations.get(&t.conversation)
                && matches!(t.life, Life::Open)
            {
                self.refresh(&mut t, change, changes);
            }
            self.timelines.insert(id, t);
        }
    }

    fn refresh(&mut self, t: &mut Timeline, change: &Change, changes: &Changes) {
        t.wake = true;
        t.dirty = true;
        if change.removed && !self.db.list.contains_key(&t.conversation) {
            t.life = Life::Removed;
            let error = Error::new(
                ErrorCode::Forbidden,
                "the account has left this conversation",
            );
            self.end_calls(t, &error);
            t.reload = None;
            return;
        }
        if change.cleared || change.removed {
            t.clear();
        }
        t.take_messages(change);
        if let Some(before) = change.trimmed {
            let held = self.db.held(&t.conversation);
            t.trim(before, &held);
        }
        if !t.follow {
            let newest = t.newest();
            let new = changes
                .messages
                .iter()
                .filter(|m| m.conversation == t.conversation);
            let above = new
                .filter(|m| newest.is_none_or(|newest| m.seq.0 > newest))
                .count();
            if t.seen.is_some() {
                t.beyond += above as u64;
            }
        }
    }

    /// Its segments are gone without a commit: they were not what they said.
    pub(super) fn cleared_in_memory(&mut self, conversation: &Rc<str>) {
        self.discard_fetches(Some(conversation));
        for t in self
            .timelines
            .values_mut()
            .filter(|t| t.conversation == *conversation)
        {
            if t.life == Life::Open {
                t.clear();
            }
        }
    }

    /// The database could not be read.
    pub(super) fn fail_timeline_reads(&mut self, error: &Error) {
        let ids: Vec<TimelineId> = self.timelines.keys().copied().collect();
        for id in ids {
            let Some(mut t) = self.timelines.remove(&id) else {
                continue;
            };
            if std::mem::take(&mut t.waiting) {
                self.load_failed(&mut t, Direction::Older, error.clone());
                self.load_failed(&mut t, Direction::Newer, error.clone());
                if t.reload.is_some() {
                    self.reload_failed(&mut t, error.clone());
                }
            }
            self.timelines.insert(id, t);
        }
    }

    // ------------------------------------------------------------ driving

    /// When something here is due.
    pub(super) fn timelines_due(&self) -> Option<u64> {
        if !self.may_request() || self.is_evicting() {
            return None;
        }
        let waits = |t: &&Timeline| {
            let idle = t.reload.as_ref().is_some_and(|r| r.fetch.is_none());
            t.life == Life::Open && idle && !t.refused && !t.waiting && t.retry > 0
        };
        self.timelines.values().filter(waits).map(|t| t.retry).min()
    }

    /// Every wish that can go on, goes on.
    pub(super) fn drive_timelines(&mut self) {
        let now = self.now.mono;
        let ids: Vec<TimelineId> = self.timelines.keys().copied().collect();
        for id in ids {
            let Some(mut t) = self.timelines.remove(&id) else {
                continue;
            };
            let read = t.waiting && self.wanted.is_empty();
            let due = t.retry > 0 && t.retry <= now && t.reload.is_some();
            if t.life == Life::Open && (t.wake || read || due) {
                t.wake = false;
                t.waiting = false;
                self.drive_timeline(&mut t);
            }
            self.timelines.insert(id, t);
        }
    }

    fn drive_timeline(&mut self, t: &mut Timeline) {
        let missing = self
            .drive_reload(t)
            .and_then(|()| self.extend(t))
            .and_then(|()| self.drive_load(t, Direction::Older))
            .and_then(|()| self.drive_load(t, Direction::Newer));
        if let Err(missing) = missing {
            self.wanted.add_all(missing);
            t.waiting = true;
        }
    }

    fn collect(
        &mut self,
        t: &Timeline,
        range: (u64, u64),
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Rc<Message>>, Vec<BlockId>> {
        self.db.collect(&t.conversation, range, limit, direction)
    }

    /// The newest messages of a segment, as a run.
    fn tail(&mut self, t: &Timeline, segment: &Segment, want: usize) -> Result<Run, Vec<BlockId>> {
        let messages = self.collect(t, (segment.lo, segment.hi), want, Direction::Older)?;
        let held = self.db.held(&t.conversation);
        let lo = match messages.first() {
            Some(m) if !nothing_older(&held, segment, m.seq.0) => m.seq.0,
            _ => segment.lo,
        };
        Ok(Run {
            lo,
            hi: segment.hi,
            messages,
            held: true,
        })
    }

    fn drive_reload(&mut self, t: &mut Timeline) -> Result<(), Vec<BlockId>> {
        let Some(reload) = &t.reload else {
            return Ok(());
        };
        let (target, want, pages) = (reload.target, reload.want, reload.pages);
        let held = self.db.held(&t.conversation);
        let place = match target {
            Target::Latest => match held.segments.live().cloned() {
                Some(live) => {
                    let run = self.tail(t, &live, want)?;
                    // R4: what is shown stays until its window is covered again, by as many pages
                    // as that takes.
                    let covered = run.messages.len() >= want || live.start || t.runs.is_empty();
                    if !covered && pages <= MAX_PAGES {
                        let more = want - run.messages.len();
                        return self.request_reload(t, Place::Before(Seq(live.lo)), more);
                    }
                    let short = t.page_size.saturating_sub(run.messages.len());
                    let calls = t.swap(run, true, None);
                    for call in calls {
                        self.resolve(call, "null");
                    }
                    if short > 0 && !live.start && t.older.is_none() {
                        t.older = Some(Load {
                            calls: Vec::new(),
                            limit: short,
                            added: 0,
                            cache: false,
                            net: false,
                            fetch: None,
                            asked: None,
                        });
                    }
                    return Ok(());
                }
                None => {
                    self.show_kept(t)?;
                    Place::Latest
                }
            },
            Target::Range { lo, hi, mid } => match held.segments.containing(mid).cloned() {
                Some(segment) => {
                    let older = segment.lo <= lo;
                    let newer = segment.live || segment.hi >= hi;
                    if older && newer {
                        return self.cover_range(t, &segment, (lo, hi), mid);
                    }
                    if older {
                        Place::After(Seq(segment.hi))
                    } else {
                        Place::Before(Seq(segment.lo))
                    }
                }
                // Also while that page is on its way: what is committed meanwhile proves nothing.
                None if pages == 0 || reload.fetch.is_some() => Place::Around(Seq(mid)),
                None => return self.give_up_range(t),
            },
        };
        if pages > MAX_PAGES {
            return self.give_up_range(t);
        }
        self.request_reload(t, place, want)
    }

    /// Asks for a page that a reload lacks, as soon as that may be.
    fn request_reload(
        &mut self,
        t: &mut Timeline,
        place: Place,
        limit: usize,
    ) -> Result<(), Vec<BlockId>> {
        if let Some(error) = self.why_not().filter(|_| self.promoted) {
            let changed = !t.opened || t.error.as_ref().map(|e| e.code) != Some(error.code);
            let calls = t
                .reload
                .as_mut()
                .map(|r| std::mem::take(&mut r.calls))
                .unwrap_or_default();
            for call in calls {
                self.reject(call, &error);
            }
            t.opened = true;
            t.dirty |= changed;
            t.error = Some(error);
            // Not on a timer: it goes on when the server is reached again, and its backoff is over.
            if t.retry <= self.now.mono {
                t.retry = 0;
            }
            return Ok(());
        }
        if !self.may_request() {
            // "waiting": what is stored is shown.
            t.dirty |= !t.opened;
            t.opened |= !self.promoted;
            return Ok(());
        }
        let busy = t.reload.as_ref().is_none_or(|r| r.fetch.is_some());
        if busy || t.refused || self.now.mono < t.retry {
            return Ok(());
        }
        t.retry = 0;
        let limit = limit.clamp(t.page_size, MAX_PAGE.max(t.page_size));
        let fetch = self.fetch(&t.conversation.clone(), place, limit);
        if let Some(reload) = &mut t.reload {
            reload.fetch = Some(fetch);
            reload.pages += 1;
        }
        if t.error.take().is_some() {
            t.dirty = true;
        }
        Ok(())
    }

    /// Without a live segment: what is kept, before a gap.
    fn show_kept(&mut self, t: &mut Timeline) -> Result<(), Vec<BlockId>> {
        if !t.runs.is_empty() {
            return Ok(());
        }
        let held = self.db.held(&t.conversation);
        let Some(segment) = held.segments.last().cloned() else {
            return Ok(());
        };
        let run = self.tail(t, &segment, t.page_size)?;
        if run.messages.is_empty() {
            return Ok(());
        }
        t.runs.push(run);
        t.opened = true;
        t.follow = true;
        t.anchor = (None, t.anchor.1 + 1);
        t.dirty = true;
        Ok(())
    }

    fn cover_range(
        &mut self,
        t: &mut Timeline,
        segment: &Segment,
        (lo, hi): (u64, u64),
        mid: u64,
    ) -> Result<(), Vec<BlockId>> {
        // A screen more on both sides, where it is held: so that scrolling finds something.
        let mut messages = self.collect(t, (lo, hi), MAX_ITEMS, Direction::Newer)?;
        let below = match lo.checked_sub(1).filter(|below| *below >= segment.lo) {
            Some(below) => self.collect(t, (segment.lo, below), t.page_size, Direction::Older)?,
            None => Vec::new(),
        };
        if let Some(above) = hi.checked_add(1).filter(|above| *above <= segment.hi) {
            messages.extend(self.collect(t, (above, segment.hi), t.page_size, Direction::Newer)?);
        }
        messages.splice(0..0, below);
        let held = self.db.held(&t.conversation);
        let run = Run {
            lo: match messages.first() {
                Some(m) if !nothing_older(&held, segment, m.seq.0) => m.seq.0,
                _ => segment.lo,
            },
            hi: match messages.last() {
                Some(m) if !nothing_newer(&held, segment, m.seq.0) => m.seq.0,
                _ => segment.hi,
            },
            messages,
            held: true,
        };
        let follow = segment.live && run.hi == segment.hi;
        let calls = t.swap(run, follow, Some(mid));
        for call in calls {
            self.resolve(call, "null");
        }
        Ok(())
    }

    /// What was on screen is not to be had any more: the latest.
    fn give_up_range(&mut self, t: &mut Timeline) -> Result<(), Vec<BlockId>> {
        if let Some(reload) = &mut t.reload {
            *reload = Reload {
                calls: std::mem::take(&mut reload.calls),
                ..Reload::latest(t.page_size)
            };
        }
        t.follow = true;
        self.drive_reload(t)
    }

    /// Goes on with the newest end, as far as the window follows it.
    fn extend(&mut self, t: &mut Timeline) -> Result<(), Vec<BlockId>> {
        // A load on its way to the newest end shows what lies between: nothing is skipped.
        if !t.follow || t.newer.is_some() {
            return Ok(());
        }
        let held = self.db.held(&t.conversation);
        if let Some(last) = t.runs.last().filter(|run| run.held) {
            match held.segments.containing(last.hi).cloned() {
                Some(segment) if segment.hi > last.hi => self.extend_last(t, &segment, last.hi)?,
                Some(_) => {}
                None => t.clear(),
            }
        }
        // Segments behind the one shown, each after a gap: only while nothing is known to be live
        // with what is shown.
        while let Some(from) = t.runs.last().map(|run| run.hi) {
            if t.reload.is_none() && t.runs.last().is_some_and(|run| run.held) {
                break;
            }
            let next = held.segments.iter().find(|s| s.lo > from).cloned();
            let Some(segment) = next else { break };
            let run = self.tail(t, &segment, t.page_size)?;
            if run.messages.is_empty() {
                break;
            }
            t.runs.push(run);
            t.dirty = true;
        }
        Ok(())
    }

    fn extend_last(
        &mut self,
        t: &mut Timeline,
        segment: &Segment,
        hi: u64,
    ) -> Result<(), Vec<BlockId>> {
        // One more than is shown says whether there are messages in between.
        let limit = t.max_items + 1;
        let mut more = self.collect(t, (hi + 1, segment.hi), limit, Direction::Older)?;
        let between = more.len() == limit;
        if between {
            more.remove(0);
        }
        let at_end = t
            .visible
            .is_none_or(|(_, last)| t.newest().is_none_or(|newest| last >= newest));
        let Some(run) = t.runs.last_mut() else {
            return Ok(());
        };
        if between && !at_end {
            // More came than the window holds, and the reader is elsewhere: he stays.
            t.follow = false;
            t.beyond += more
                .iter()
                .filter(|m| t.seen.is_some_and(|seen| m.seq.0 > seen))
                .count() as u64;
            return Ok(());
        }
        if between {
            run.lo = more.first().map_or(run.lo, |m| m.seq.0);
            run.messages.clear();
        }
        run.messages.extend(more);
        run.hi = segment.hi;
        t.grown = Direction::Newer;
        t.dirty = true;
        t.let_go();
        Ok(())
    }

    fn drive_load(&mut self, t: &mut Timeline, direction: Direction) -> Result<(), Vec<BlockId>> {
        loop {
            let load = match direction {
                Direction::Older => &t.older,
                Direction::Newer => &t.newer,
            };
            let Some(load) = load else { return Ok(()) };
            if t.blocked_by_reload(direction) {
                // Nothing to grow from, until there is; if that fails, so does this.
                if let Some(error) = t
                    .error
                    .clone()
                    .filter(|_| t.reload.as_ref().is_some_and(|r| r.fetch.is_none()))
                {
                    self.load_failed(t, direction, error);
                }
                return Ok(());
            }
            let (left, asked) = (load.limit.saturating_sub(load.added), load.asked);
            let held = self.db.held(&t.conversation);
            let run = match direction {
                Direction::Older => t.runs.first(),
                Direction::Newer => t.runs.last(),
            };
            let Some((lo, hi)) = run.map(|run| (run.lo, run.hi)) else {
                return Ok(());
            };
            let edge = if direction == Direction::Older {
                lo
            } else {
                hi
            };
            let Some(segment) = held.segments.containing(edge).cloned() else {
                t.clear();
                t.wake = true;
                return Ok(());
            };
            let (rest, ended) = match direction {
                Direction::Older => (lo > segment.lo, segment.start),
                Direction::Newer => (hi < segment.hi, segment.live),
            };
            if left > 0 && rest {
                let n = self.grow(t, direction, &segment, left)?;
                let load = match direction {
                    Direction::Older => &mut t.older,
                    Direction::Newer => &mut t.newer,
                };
                if let Some(load) = load {
                    load.added += n;
                    load.cache |= n > 0 && !load.net;
                }
                continue;
            }
            if left == 0 || ended {
                let load = match direction {
                    Direction::Older => t.older.take(),
                    Direction::Newer => t.newer.take(),
                };
                t.dirty = true;
                if direction == Direction::Newer {
                    // Short of the newest end the window does not go on with it.
                    t.follow = ended && !rest;
                    if t.follow {
                        t.beyond = 0;
                    }
                }
                if let Some(load) = load {
                    self.answer_load(&load, ended && !rest);
                }
                return Ok(());
            }
            return self.load_from_network(t, direction, &segment, left, asked);
        }
    }

    fn load_from_network(
        &mut self,
        t: &mut Timeline,
        direction: Direction,
        segment: &Segment,
        left: usize,
        asked: Option<u64>,
    ) -> Result<(), Vec<BlockId>> {
        let (at, place) = match direction {
            Direction::Older => (segment.lo, Place::Before(Seq(segment.lo))),
            Direction::Newer => (segment.hi, Place::After(Seq(segment.hi))),
        };
        if let Some(error) = self.why_not().filter(|_| self.promoted) {
            self.load_failed(t, direction, error);
            return Ok(());
        }
        let load = match direction {
            Direction::Older => &mut t.older,
            Direction::Newer => &mut t.newer,
        };
        if !self.may_request() || load.as_ref().is_none_or(|load| load.fetch.is_some()) {
            return Ok(());
        }
        if asked == Some(at) {
            let error = Error::new(
                ErrorCode::Protocol,
                "a page that moves nothing and claims more",
            );
            self.load_failed(t, direction, error);
            return Ok(());
        }
        let fetch = self.fetch(&t.conversation.clone(), place, left.max(t.page_size));
        let load = match direction {
            Direction::Older => &mut t.older,
            Direction::Newer => &mut t.newer,
        };
        if let Some(load) = load {
            load.fetch = Some(fetch);
            load.asked = Some(at);
        }
        t.dirty = true;
        Ok(())
    }

    /// Grows the window by what is held. Answers by how many messages.
    fn grow(
        &mut self,
        t: &mut Timeline,
        direction: Direction,
        segment: &Segment,
        limit: usize,
    ) -> Result<usize, Vec<BlockId>> {
        let (lo, hi) = match direction {
            Direction::Older => (
                segment.lo,
                t.runs.first().map_or(0, |run| run.lo.saturating_sub(1)),
            ),
            Direction::Newer => (
                t.runs.last().map_or(0, |run| run.hi.saturating_add(1)),
                segment.hi,
            ),
        };
        let more = self.collect(t, (lo, hi), limit, direction)?;
        let held = self.db.held(&t.conversation);
        let count = more.len();
        match direction {
            Direction::Older => {
                let Some(run) = t.runs.first_mut() else {
                    return Ok(0);
                };
                run.lo = match more.first() {
                    Some(m) if !nothing_older(&held, segment, m.seq.0) => m.seq.0,
                    _ => segment.lo,
                };
                run.messages.splice(0..0, more);
            }
            Direction::Newer => {
                let Some(run) = t.runs.last_mut() else {
                    return Ok(0);
                };
                run.hi = match more.last() {
                    Some(m) if !nothing_newer(&held, segment, m.seq.0) => m.seq.0,
                    _ => segment.hi,
                };
                let seen = more
                    .iter()
                    .filter(|m| t.seen.is_some_and(|seen| m.seq.0 > seen))
                    .count();
                t.beyond = t.beyond.saturating_sub(seen as u64);
                run.messages.extend(more);
            }
        }
        let rest = match direction {
            Direction::Older => (
                segment.lo,
                t.runs.first().map_or(0, |run| run.lo.saturating_sub(1)),
            ),
            Direction::Newer => (
                t.runs.last().map_or(0, |run| run.hi.saturating_add(1)),
                segment.hi,
            ),
        };
        let ahead = self.db.ahead(&t.conversation, rest, direction);
        self.wanted.add_all(ahead);
        t.grown = direction;
        t.dirty = true;
        t.let_go();
        Ok(count)
    }
}
