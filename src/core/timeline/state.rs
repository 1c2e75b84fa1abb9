//! A timeline: its window, what it wants, and what is shown of it.
//!
//! What it wants and cannot have at once it keeps: a window ([`Reload`]), pages ([`PageLoad`]). It goes on with them
//! whenever something has changed: a commit, a block that was read, the network that is back.

use std::rc::Rc;

use super::goal::{Goal, Missed, Reload};
use super::paging::{PageLoad, PerDirection, drop_call};
use super::rows::Rows;
use super::source::{Source, starts};
use super::trouble::Trouble;
use super::unseen::Unseen;
use super::window::{Gone, Run, Window};
use crate::core::command::{Call, Start};
use crate::core::error::Error;
use crate::core::fault::Fault;
use crate::core::map::Set;
use crate::core::purpose::Wants;
use crate::core::records::Held;
use crate::core::snapshot::{Loading, Row, View};
use crate::core::tx::Committed;
use crate::core::tx::ConversationDelta;
use crate::core::types::{Conversation, Direction, Message, Seq};

/// What a timeline asks for by itself: a kept segment's changes (R12), a gap's next page, a page
/// ahead of its use. One at a time.
#[derive(Debug, Default)]
pub(super) struct BackgroundFetch {
    /// something is to be asked for
    pub wanted: bool,
    pub fetch: Option<u64>,
    /// what was asked for last: it must have changed something
    pub asked: Option<Wants>,
    /// pages in a row that brought nothing, or ahead of a reader who does not move
    pub void: u32,
    /// messages shown when it was asked for
    pub count: usize,
}

impl BackgroundFetch {
    /// A fetch is over. `again`: what it asked for may be asked for again. Answers whether it was this one's.
    pub fn on_fetch_done(&mut self, fetch: u64, again: bool) -> bool {
        let own = self.fetch == Some(fetch);
        if own {
            self.fetch = None;
        }
        if own && again {
            self.asked = None;
        }
        own
    }
}

/// Where a timeline is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifecycle {
    /// in use
    Open,
    /// the last subscriber has gone
    Released,
    /// the last subscriber has gone, and the account has left the conversation meanwhile
    ReleasedRemoved,
    /// the account has left the conversation
    Removed,
    /// closed for good
    Closed,
}

/// How much it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub page: usize,
    /// items of a window, as the app says
    pub max: usize,
    /// items of a window at most, whatever the app says
    pub most: usize,
}

/// One timeline.
#[derive(Debug)]
pub(in crate::core) struct Timeline {
    pub(super) conversation: Rc<str>,
    pub(super) sizes: Sizes,
    pub(super) life: Lifecycle,
    pub(super) window: Window,
    /// something of the conversation is known: it has shown a window, or that there is nothing
    pub(super) opened: bool,
    /// all that it showed is gone from the server
    pub(super) emptied: bool,
    /// the window reaches the newest end and goes on with it
    pub(super) follow: bool,
    pub(super) reload: Option<Reload>,
    pub(super) loads: PerDirection<Option<PageLoad>>,
    pub(super) tend: BackgroundFetch,
    /// the page that is fetched ahead of its use
    pub(super) ahead: BackgroundFetch,
    /// a page ahead is wanted, once the network is idle
    pub(super) ahead_due: bool,
    pub(super) trouble: Trouble,
    pub(super) unseen: Unseen,
    /// the end at which it grew last
    pub(super) grown: Direction,
    /// the position that a jump went to. The window keeps it until the app says what is on screen, or loads a page
    pub(super) arrived: Option<u64>,
    pub(super) rows: Rows,
    /// what is shown of it may have changed
    pub(super) dirty: bool,
    /// it may go on
    pub(super) wake: bool,
    /// it goes on only once blocks have been read for it
    pub(super) waiting: bool,
    /// when something last went on that a call waits for
    pub(super) since: u64,
}

impl Timeline {
    pub(super) fn new(conversation: Rc<str>, start: Start, sizes: Sizes, now: u64) -> Self {
        Timeline {
            conversation,
            sizes,
            life: Lifecycle::Open,
            window: Window::default(),
            opened: false,
            emptied: false,
            follow: true,
            reload: Some(Reload::asked(start, sizes.page, Vec::new())),
            loads: PerDirection::default(),
            tend: BackgroundFetch::default(),
            ahead: BackgroundFetch::default(),
            ahead_due: false,
            trouble: Trouble::default(),
            unseen: Unseen::default(),
            grown: Direction::Newer,
            arrived: None,
            rows: Rows::default(),
            dirty: true,
            wake: true,
            waiting: false,
            since: now,
        }
    }

    // ------------------------------------------------------------ what is shown

    pub fn conversation(&self) -> &Rc<str> {
        &self.conversation
    }

    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &Rc<Message>> {
        self.window.messages()
    }

    pub(super) fn error(&self) -> Option<&Error> {
        self.trouble.error()
    }

    /// What is to be shown of it, as it was laid out.
    pub fn view(&self, held: &Held) -> View<'_> {
        View {
            rows: self.rows.list(),
            status: match self.life {
                Lifecycle::Removed => "removed",
                Lifecycle::Closed => "closed",
                _ if self.opened || !self.rows.list().is_empty() => "ready",
                _ => "opening",
            },
            anchor: self.rows.anchor(),
            first_index: self.rows.first_index(),
            has_older: self.has_older(held),
            has_newer: self.has_newer(held),
            loading: self.loading(),
            unseen: self.unseen.count(&self.window),
            error: self.error(),
        }
    }

    /// The oldest position that an open timeline shows (R13), or is about to show again: what covers
    /// its window must not go while the rest of it comes.
    pub fn needed_from(&self, held: &Held, state: Option<&Conversation>) -> Option<u64> {
        if self.life != Lifecycle::Open {
            return None;
        }
        let shown = self.window.oldest_held();
        let awaited = self.reload.as_ref();
        let awaited = awaited.and_then(|r| r.goal.needs_from(r.want, held, state));
        [shown, awaited].into_iter().flatten().min()
    }

    /// Whether the blocks that it begins with are being read. Until then it shows nothing: stored own messages would
    /// stand behind a gap for a moment. One that has just been written is shown at once.
    pub(super) fn is_reading(&self) -> bool {
        self.waiting && !self.opened && self.rows.list().is_empty()
    }

    /// Whether it goes on only once blocks have been read for it.
    pub fn waits_for_blocks(&self) -> bool {
        self.waiting
    }

    /// Whether it is shown.
    pub fn is_open(&self) -> bool {
        self.life == Lifecycle::Open
    }

    /// Whether it may be shown as it is. Not where it has no subscriber; and not while the blocks are being read that
    /// replace what has gone, or it would be blank for a moment.
    pub(super) fn may_be_shown(&self) -> bool {
        let used = !matches!(self.life, Lifecycle::Released | Lifecycle::ReleasedRemoved);
        let waits = self.opened && self.waiting && self.window.is_empty();
        let blank = waits && !self.rows.list().is_empty();
        used && !(blank && self.life == Lifecycle::Open && !Fault::WindowGoesBlank.on())
    }

    /// What `markRead()` takes.
    pub fn newest_on_screen(&self) -> Option<u64> {
        let visible = self.unseen.visible();
        visible
            .map(|(_, last)| last)
            .or_else(|| self.window.newest())
    }

    /// Whether it shows all there is, and that is nothing.
    pub fn is_empty(&self, held: &Held) -> bool {
        self.window.newest().is_none() && !self.has_newer(held)
    }

    /// Whether there may be messages at the newest end of which nothing is known.
    pub(super) fn gap_at_end(&self, held: &Held) -> bool {
        let Some(reload) = self.reload.as_ref().filter(|_| self.opened) else {
            return false;
        };
        let Some(last) = self.window.end(Direction::Newer) else {
            return true;
        };
        let latest = matches!(reload.goal, Goal::Latest { .. });
        latest && last.is_held() && self.has_newer(held)
    }

    /// The run at this end, where something is known of it.
    fn known_end(&self, side: Direction) -> Option<&Run> {
        let end = self.window.end(side);
        end.filter(|run| self.opened && run.is_held())
    }

    /// Whether there may be older messages: not where the server has said that there are none.
    pub(super) fn has_older(&self, held: &Held) -> bool {
        let first = self.known_end(Direction::Older);
        first.is_none_or(|first| first.lo() != 0 || !starts(held, 0))
    }

    /// Whether there may be newer messages than the window's newest.
    pub(super) fn has_newer(&self, held: &Held) -> bool {
        let last = self.known_end(Direction::Newer);
        last.is_none_or(|last| {
            let at_end = held.segments.containing(last.hi());
            !at_end.is_some_and(|s| s.live && s.hi == last.hi())
        })
    }

    fn loading(&self) -> Loading {
        let loads = |direction| self.loads.get(direction).is_some();
        Loading {
            older: loads(Direction::Older),
            newer: loads(Direction::Newer),
            jump: self.jumps(),
        }
    }

    // ------------------------------------------------------------ what it wants

    /// Whether somebody waits for a jump.
    pub(super) fn jumps(&self) -> bool {
        self.reload.as_ref().is_some_and(|r| !r.calls.is_empty())
    }

    /// What failed for want of a network may go on.
    pub(super) fn try_again(&mut self) {
        self.trouble.try_again();
        self.wake = true;
    }

    /// The app asks.
    pub(super) fn ask(&mut self, now: u64) {
        self.trouble.ask(now);
        self.wake = true;
        self.dirty = true;
    }

    /// What failed last.
    pub(super) fn fail(&mut self, error: Error, of_load: bool) {
        self.trouble.show(error, of_load);
        self.dirty = true;
    }

    /// The loads under way.
    pub(super) fn loads(&self) -> impl Iterator<Item = &PageLoad> {
        self.loads.iter().flatten()
    }

    /// Whether somebody waits for it.
    pub(super) fn is_waited_for(&self) -> bool {
        let called = self.loads().any(|load| !load.calls().is_empty());
        self.life == Lifecycle::Open && (!self.opened || called || self.jumps())
    }

    /// Until when it waits for what may say where it goes.
    pub(super) fn until(&self) -> Option<u64> {
        self.reload.as_ref().and_then(|reload| reload.goal.until())
    }

    /// What it has asked for.
    pub(super) fn fetches(&self) -> impl Iterator<Item = u64> {
        let loads = self.loads().filter_map(PageLoad::fetch);
        loads.chain(self.reload.iter().filter_map(|reload| reload.fetch))
    }

    /// Wants a page at this end, where nobody has asked for one.
    pub(super) fn want(&mut self, direction: Direction, count: usize) {
        let load = self.loads.get_mut(direction);
        if count > 0 && load.is_none() {
            *load = Some(PageLoad::of(count, Vec::new()));
        }
    }

    /// Takes what callers wait for.
    pub(super) fn take_calls(&mut self) -> Vec<Call> {
        let loads = self.loads.iter_mut().filter_map(Option::take);
        let mut calls: Vec<Call> = loads.flat_map(|mut load| load.take_calls()).collect();
        calls.extend(self.take_jumps());
        calls
    }

    /// Takes the calls of a jump: it goes on.
    pub(super) fn take_jumps(&mut self) -> Vec<Call> {
        let reload = self.reload.as_mut();
        let calls = reload.map(|reload| std::mem::take(&mut reload.calls));
        calls.unwrap_or_default()
    }

    /// Lets go of one call. Answers whether it was here. What a load asked for goes on; a jump that nobody
    /// wants any more moves nothing, where there is a list to stay with.
    pub(super) fn drop_call(&mut self, of: Call) -> bool {
        let loads = self.loads.iter_mut().flatten();
        let loaded = loads.fold(false, |any, load| any | load.drop_call(of));
        let jumped = match &mut self.reload {
            Some(reload) => drop_call(&mut reload.calls, of),
            None => false,
        };
        if jumped && !self.jumps() && !self.window.is_empty() {
            self.cancel_jump();
            self.wake = true;
        }
        self.dirty |= loaded | jumped;
        loaded | jumped
    }

    /// These are said to be on screen.
    pub(super) fn set_on_screen(&mut self, first: &str, last: &str) {
        if self.rows.set_on_screen(first, last) {
            // At once: another window may take the list's place before it is laid out again.
            self.update_visible_range();
            self.dirty = true;
        }
    }

    /// Where what is on screen is now: an own message there is at its place once the sync has
    /// brought it.
    pub(super) fn update_visible_range(&mut self) {
        if let Some(visible) = self.rows.on_screen() {
            self.arrived = None;
            self.unseen.see(visible, &self.window);
        }
    }

    /// Whether nothing grows from this end before the window is another.
    pub(super) fn blocked_by_reload(&self, direction: Direction) -> bool {
        let Some(reload) = &self.reload else {
            return false;
        };
        let edge = self.window.end(direction);
        // The goal puts the newest end in the window's place, whatever is held below it.
        let latest = matches!(reload.goal, Goal::Latest { .. });
        let replaced = direction == Direction::Newer && latest;
        replaced || edge.is_none_or(|run| !run.is_held())
    }

    /// Gives up a jump: the list stays where it is.
    pub(super) fn cancel_jump(&mut self) {
        self.reload = None;
        if !self.window.is_all_held() {
            self.clear();
        }
    }

    /// Its segments stayed over an overflow, and are not fresh (R4, `keep`): what it shows stays, and
    /// is revalidated; at the newest end there may be more.
    fn mark_not_fresh(&mut self) {
        self.follow &= self.unseen.is_at(self.window.newest());
        self.tend = BackgroundFetch::default();
        self.ahead = BackgroundFetch::default();
        self.wake = true;
        self.dirty = true;
    }

    /// Its segments went (R4): what it shows stays, until pages cover it again.
    pub(super) fn clear(&mut self) {
        self.let_segments_go();
        for load in self.loads.iter_mut().flatten() {
            load.forget_page();
        }
        self.tend = BackgroundFetch::default();
        self.ahead = BackgroundFetch::default();
        self.reload = Some(match self.reload.take() {
            // A jump that the app has asked for stays the goal.
            Some(asked) if asked.asked => asked.anew(),
            reload => Reload {
                calls: reload.map(|r| r.calls).unwrap_or_default(),
                ..self.recover()
            },
        });
        self.wake = true;
        self.dirty = true;
    }

    /// What it shows is not held any more.
    fn let_segments_go(&mut self) {
        let unsure: Vec<Seq> = self.rows.unsure().collect();
        self.window.let_segments_go(&unsure);
    }

    /// What it shows, if all of it is held: from where to where each run of it lies.
    pub(super) fn stretches(&self) -> impl Iterator<Item = (u64, u64)> {
        let stays = self.window.is_all_held();
        let runs = self.window.runs().iter().filter(move |_| stays);
        runs.map(|run| (run.lo(), run.hi()))
    }

    /// Whether some of them are held, as it is stored now, and not in memory.
    pub(super) fn lacks_blocks(&self, db: &Committed) -> bool {
        let id = &self.conversation;
        let held = db.held(id);
        let runs = self.window.runs().iter();
        let mut stretches = runs.filter_map(|run| run.still_held(&held));
        let lacks = |range| {
            db.read_messages(id, range, usize::MAX, Direction::Older)
                .is_err()
        };
        self.window.is_all_held() && stretches.any(lacks)
    }

    /// The database was read anew. `same`: nobody had written to it. `listed`: the account is in the
    /// conversation.
    pub(super) fn resume(&mut self, db: &Committed, same: bool, listed: bool) {
        self.dirty = true;
        self.wake = true;
        if listed {
            self.come_back();
        }
        if !same && self.life == Lifecycle::Open && !self.go_on_with(db) {
            self.clear();
        }
    }

    /// Goes on with what is stored now, where all that it shows is still held and was read. Answers whether it
    /// does: nothing of it moves then.
    fn go_on_with(&mut self, db: &Committed) -> bool {
        if self.stretches().next().is_none() {
            return false;
        }
        let held = db.held(&self.conversation);
        let read = |range| {
            let all = db.read_messages(&self.conversation, range, usize::MAX, Direction::Older);
            all.ok()
        };
        if !self.window.read_anew(&held, read) {
            return false;
        }
        self.unseen.forget(&self.window);
        self.tend = BackgroundFetch::default();
        self.ahead = BackgroundFetch::default();
        self.reload = self.reload.take().map(|reload| match reload.asked {
            true => reload.anew(),
            false => reload,
        });
        true
    }

    /// Wants what is on screen again; the latest, if it was at the end.
    fn recover(&self) -> Reload {
        let page = self.sizes.page;
        let ends = self.window.oldest().zip(self.window.newest());
        let Some((oldest, newest)) = ends else {
            return Reload::latest(page);
        };
        let (lo, hi) = self.unseen.visible().unwrap_or((oldest, newest));
        let seqs = self.messages().map(|m| m.seq.0);
        let shown: Vec<u64> = seqs.filter(|s| lo <= *s && *s <= hi).collect();
        if self.follow && hi >= newest || shown.is_empty() {
            let count = self.messages().filter(|m| m.seq.0 >= lo).count();
            return Reload::latest(count.max(page));
        }
        let mid = shown[shown.len() / 2];
        Reload::own(Goal::Range { lo, hi, mid }, shown.len() + 2 * page)
    }

    // ------------------------------------------------------------ its window

    /// What is held, as this window reads it.
    pub(super) fn source<'a>(&'a self, db: &'a Committed) -> Source<'a> {
        Source::new(db, &self.conversation, &self.window)
    }

    /// Puts a window in place of what was there, in one snapshot. Answers whose jumps that answers.
    pub(super) fn swap(&mut self, run: Run, follow: bool, near: Option<u64>) -> Vec<Call> {
        let calls = self.take_jumps();
        self.reload = None;
        let visible = self.unseen.visible();
        let reference = visible.map(|(first, _)| first);
        let reference = reference.or_else(|| self.window.newest());
        let grown = calls.is_empty() && reference.is_some_and(|seq| run.shows(seq));
        if !grown {
            self.rows.begin_anew(near);
            self.unseen.look_away();
            self.arrived = near;
        }
        // What was unseen before the swap is unseen after it, in the window or beyond it.
        let left: Vec<u64> = self.messages().map(|m| m.seq.0).collect();
        self.note(left);
        self.window.replace(run);
        self.emptied = false;
        self.unseen.forget(&self.window);
        self.tend = BackgroundFetch::default();
        self.ahead = BackgroundFetch::default();
        self.follow = follow;
        self.opened = true;
        self.trouble.went_well();
        self.dirty = true;
        calls
    }

    /// These messages are there, and not in the window.
    pub(super) fn note(&mut self, seqs: impl IntoIterator<Item = u64>) {
        self.unseen.note(seqs, self.sizes.most);
    }

    /// The window has grown at this end, or in between.
    pub(super) fn grew(&mut self, direction: Direction) {
        self.grown = direction;
        self.dirty = true;
        self.unseen.forget(&self.window);
        self.cut_far_end();
    }

    /// Past the most items the far end goes; nothing near what is on screen.
    fn cut_far_end(&mut self) {
        let excess = self.window.count().saturating_sub(self.sizes.max);
        if excess == 0 {
            return;
        }
        let older = |seq: u64| self.window.older_than(seq);
        let newer = |seq: u64| self.window.newer_than(seq);
        let page = self.sizes.page;
        let (above, below) = match (self.unseen.visible(), self.arrived, self.grown) {
            (Some((first, last)), ..) => (
                older(first).saturating_sub(page),
                newer(last).saturating_sub(page),
            ),
            // The app has not said what is on screen: the end that was loaded last stays.
            (None, Some(at), Direction::Older) => (0, newer(at)),
            (None, Some(at), Direction::Newer) => (older(at), 0),
            (None, None, Direction::Older) => (0, self.window.count()),
            (None, None, Direction::Newer) => (self.window.count(), 0),
        };
        let (first, second) = match below > above {
            true => ((Direction::Newer, below), (Direction::Older, above)),
            false => ((Direction::Older, above), (Direction::Newer, below)),
        };
        let cut = self.cut(first.0, excess, first.1);
        self.cut(second.0, excess - cut, second.1);
    }

    /// Lets go of what is too much at this end, but not of more than `may`.
    fn cut(&mut self, side: Direction, excess: usize, may: usize) -> usize {
        let count = excess.min(may);
        if count == 0 {
            return 0;
        }
        self.follow &= side == Direction::Older;
        let gone = self.window.cut(side, count);
        let cut = gone.len();
        self.note(gone);
        cut
    }

    // ------------------------------------------------------------ commits

    /// Shows what was committed to its conversation, which it still is in.
    pub(super) fn take(&mut self, change: &ConversationDelta, db: &Committed) {
        if change.cleared || change.cut || change.removed {
            self.clear();
        } else if change.kept {
            self.mark_not_fresh();
        }
        self.take_messages(change);
        let held = db.held(&self.conversation);
        self.window.fit(&held);
        if !self.window.lies_in(&held) {
            // The writer has evicted what is shown here, for it did not know that (R13); or it could not read it.
            match self.reload {
                None => self.clear(),
                Some(_) => self.let_segments_go(),
            }
        }
        if let Some(before) = change.trimmed {
            self.trim(before, &held);
        }
        for m in change.updated.iter().chain(&change.inserted) {
            self.dirty |= self.window.take_other(m, |m| db.holds(m));
        }
        self.find_since(change);
        // New messages that the window has no place for are counted: they are unseen.
        let came = change.inserted.iter().map(|m| m.seq.0);
        let came: Vec<u64> = came.filter(|seq| !self.window.shows(*seq)).collect();
        self.note(came);
    }

    /// New messages and newer versions, where this window has a place for them.
    fn take_messages(&mut self, change: &ConversationDelta) {
        self.window.take_messages(&change.inserted);
        self.unseen.forget(&self.window);
        // R5, R12: messages of a kept segment that the server does not have any more.
        if let Some(first) = change.gone.first() {
            let mut gone = Set::new();
            gone.add_all(change.gone.iter().copied());
            if self.window.remove(&gone) == Gone::All {
                // R4: the run stays until the goal replaces it.
                self.let_segments_go();
                let page = self.sizes.page;
                self.reload
                    .get_or_insert_with(|| Reload::own(Goal::around(*first), page));
            }
            self.unseen.remove(|seq| gone.contains(&seq));
        }
        // Updates come after new messages: one batch may bring a message and its update.
        self.take_versions(change);
    }

    /// There was nothing at the time that a jump went to. A message that has come since may be at that time.
    fn find_since(&mut self, change: &ConversationDelta) {
        if let Some(reload) = &mut self.reload
            && let Goal::Latest {
                instead: Some(Missed::Time(ms)),
            } = reload.goal
        {
            let later = change.inserted.iter().filter(|m| m.created_at >= ms);
            if let Some(seq) = later.map(|m| m.seq.0).min() {
                reload.goal = Goal::around(seq);
            }
        }
    }

    /// R3: newer versions of what it shows, or showed when it was let go.
    pub(super) fn take_versions(&mut self, change: &ConversationDelta) {
        if Fault::ShownCopyStays.on() {
            return;
        }
        for m in change.updated.iter().chain(&change.inserted) {
            self.window.take_version(m);
        }
    }

    fn trim(&mut self, before: u64, held: &Held) {
        self.unseen.remove(|seq| seq < before);
        self.window.trim(before, held);
        if self.window.is_empty() {
            self.emptied = true;
            let page = self.sizes.page;
            self.reload.get_or_insert_with(|| Reload::latest(page));
        }
    }

    /// The items that were there before.
    pub(super) fn shown(&self) -> &[Row] {
        self.rows.list()
    }
}
