//! Going on with what a timeline wants: a window, its newest end, a page.

use super::goal::Reload;
use super::paging::Next;
use super::plan::{Scene, Show, Step, plan};
use super::source::{reach, starts};
use super::state::Timeline;
use super::trouble::{circle, is_for_all};
use super::window::Run;
use super::work::{Needs, Work};
use crate::core::block::BlockId;
use crate::core::cx::Cx;
use crate::core::error::{Error, ErrorCode};
use crate::core::net::Place;
use crate::core::out::Out;
use crate::core::purpose::Wants;
use crate::core::segments::Segment;
use crate::core::tx::Committed;
use crate::core::types::{Direction, Seq};

/// How many times, for one input, a timeline goes on. Each time it may come to want something else.
const MAX_TURNS: usize = 4;

impl Timeline {
    /// Goes on with what the timeline wants. Answers the blocks that are to be read: those it needs before it can go
    /// on, and those that the next load will come to.
    pub(super) fn drive(&mut self, w: &mut Work) -> Vec<BlockId> {
        let mut wanted = Vec::new();
        self.dirty |= self.waiting && !self.opened;
        self.waiting = false;
        self.trouble.end_wait(w.cx.now.mono);
        // Going on may make it want something else, with which it goes on at once.
        for _ in 0..MAX_TURNS {
            self.wake = false;
            match self.go_on(w, &mut wanted) {
                Ok(()) => {
                    self.revalidate_or_fill_gap(w);
                    self.prefetch_older(w);
                }
                Err(missing) => {
                    wanted.extend(missing);
                    self.waiting = true;
                }
            }
            if !self.wake || self.waiting {
                break;
            }
        }
        wanted
    }

    /// `ahead`: collects the blocks that the next load will come to.
    fn go_on(&mut self, w: &mut Work, ahead: &mut Vec<BlockId>) -> Needs<()> {
        self.drive_reload(w)?;
        self.extend(w.cx.db)?;
        self.join_runs(w.cx.db)?;
        self.drive_load(w, Direction::Older, ahead)?;
        self.drive_load(w, Direction::Newer, ahead)
    }

    // ------------------------------------------------------------ a window

    /// Goes on with a window that is wanted.
    fn drive_reload(&mut self, w: &mut Work) -> Needs<()> {
        // Something is shown until what it wants comes.
        if self.emptied && self.reload.is_some() {
            if self.window.is_empty()
                && let Some(run) = self.source(w.cx.db).newest(self.sizes.page)?
            {
                self.show_newest(run);
            }
            self.emptied = false;
        }
        let (now, page) = (w.cx.now.mono, self.sizes.page);
        while let Some(reload) = &self.reload {
            let step = plan(&self.scene(w), reload);
            let Some(reload) = &mut self.reload else {
                break;
            };
            match step {
                Step::Read(blocks) => return Err(blocks),
                Step::Turn(goal) => reload.goal = goal,
                Step::GiveUp(goal) => {
                    reload.give_up(goal, page);
                    self.follow = true;
                }
                Step::Kept(run) => {
                    // From now on what is kept is what the timeline shows, unless a jump waits.
                    reload.asked &= !reload.calls.is_empty();
                    self.show_newest(run);
                }
                Step::Show(show) => self.replace(w.cx.out, show),
                Step::Stand => self.stand(w.cx.db),
                Step::Ask(place, limit) => {
                    self.request_reload(w, place, limit);
                    break;
                }
                Step::Wait => {
                    self.trouble.wait_for_others(now);
                    break;
                }
                Step::Behind => {
                    self.trouble.wait_for_others(now);
                    self.cannot_ask(w);
                    break;
                }
                Step::Rest => break,
            }
        }
        Ok(())
    }

    fn scene<'a>(&'a self, w: &'a Work) -> Scene<'a> {
        Scene {
            db: w.cx.db,
            conversation: &self.conversation,
            source: self.source(w.cx.db),
            limits: &w.cx.config.limits,
            look: w.look,
            now: w.cx.now.mono,
            page_size: self.sizes.page,
            asks: w.asks(),
            promoted: w.cx.standing.is_live(),
            blank: self.window.is_empty(),
            all_held: self.window.is_all_held(),
            newest: self.window.newest(),
        }
    }

    /// Puts a window in place of what was there.
    fn replace(&mut self, out: &mut Out, show: Show) {
        for call in self.swap(show.run, show.follow, show.near) {
            out.resolve(call, "null");
        }
        self.want(Direction::Older, show.older);
        self.want(Direction::Newer, show.newer);
    }

    /// What is shown is held: it goes on to the newest end.
    fn stand(&mut self, db: &Committed) {
        self.reload = None;
        self.trouble.went_well();
        self.dirty = true;
        // What was held may have been less than a screen.
        if self.has_older(&db.held(&self.conversation)) {
            let short = self.sizes.page.saturating_sub(self.window.count());
            self.want(Direction::Older, short);
        }
    }

    /// Where nothing is shown: the newest that is held.
    fn show_newest(&mut self, run: Run) {
        debug_assert!(self.window.is_empty(), "it takes nobody's place");
        self.window.put(Direction::Newer, run);
        self.unseen.forget(&self.window);
        self.opened = true;
        self.follow = true;
        self.rows.count_anew();
        self.dirty = true;
    }

    /// Whether nothing may be asked for now: then what was waited for has failed, or waits on.
    fn cannot_ask(&mut self, w: &mut Work) -> bool {
        let standing = &*w.cx.standing;
        let (promoted, now) = (standing.is_live(), w.cx.now.mono);
        let why_not = w.look.why_not.clone().filter(|_| promoted);
        if let Some(error) = why_not {
            self.reload_waits(w.cx.out, error);
            // It goes on when the server is reached again and its backoff is over, and not on a timer.
            self.trouble.end_wait(now);
            return true;
        }
        if !standing.may_ask() {
            // The client waits until another one has gone ("waiting"): it shows what is stored.
            self.dirty |= !self.opened;
            self.opened |= !promoted;
            return true;
        }
        // A jump is a person's: it does not wait out a `Retry-After`, nor a refusal.
        let why_not = self.trouble.why_not(now).filter(|_| self.jumps());
        if let Some(error) = why_not {
            self.reload_waits(w.cx.out, error);
            return true;
        }
        false
    }

    /// Asks for a page that a window lacks, as soon as that may be.
    fn request_reload(&mut self, w: &mut Work, place: Place, limit: usize) {
        if self.cannot_ask(w) {
            return;
        }
        let (now, limits) = (w.cx.now.mono, w.cx.config.limits);
        let Some(reload) = self.reload.as_mut().filter(|r| r.fetch.is_none()) else {
            return;
        };
        if self.trouble.is_refused() || self.trouble.waits(now) {
            return;
        }
        self.trouble.stop_waiting();
        if reload.pages > limits.pages {
            // The server goes round in a circle: it is asked slowly.
            reload.try_again();
            let error = Error::new(ErrorCode::Protocol, "pages without end that lead nowhere");
            return self.reload_failed(w.cx, error);
        }
        reload.asks(match place {
            Place::Around(seq) => Some(seq.0),
            _ => None,
        });
        let page = self.sizes.page;
        let limit = limit.clamp(page, limits.page.max(page));
        let wants = Wants::Page(place);
        reload.fetch = Some(w.fetches.ask(w.cx, &self.conversation, wants, limit));
        self.since = now;
        self.dirty |= self.trouble.is_over();
    }

    // ------------------------------------------------------------ its newest end

    /// Goes on with the newest end, as far as the window follows it.
    fn extend(&mut self, db: &Committed) -> Needs<()> {
        let held = db.held(&self.conversation);
        let loads = self.loads.get(Direction::Newer).is_some();
        // Pages may have brought the window to the newest end, or its segment may have become live.
        if !self.follow && !loads && self.reload.is_none() && !self.has_newer(&held) {
            self.follow = true;
            self.dirty = true;
        }
        // While a load goes towards the newest end nothing is skipped: it shows what lies between.
        if !self.follow || loads {
            return Ok(());
        }
        let last = self.window.end(Direction::Newer);
        if let Some(hi) = last.filter(|run| run.is_held()).map(Run::hi) {
            let Some(to) = held.segments.reach_hi(hi) else {
                self.clear();
                return Ok(());
            };
            if to > hi {
                self.extend_last(db, (hi + 1, to))?;
            }
            let live = held.segments.containing(to).is_some_and(|s| s.live);
            if !live && self.reload.is_none() && self.follow {
                self.extend_past_gap(db, to)?;
            }
        }
        self.extend_behind(db)
    }

    /// The segment of the newest run has more messages than the run.
    fn extend_last(&mut self, db: &Committed, (from, to): (u64, u64)) -> Needs<()> {
        // One more than the window holds says whether some lie between the run and these.
        let limit = self.sizes.max + 1;
        let source = self.source(db);
        let mut more = source.read_messages((from, to), limit, Direction::Older)?;
        let between = more.len() == limit;
        if between {
            more.remove(0);
        }
        if between && !self.unseen.is_at(self.window.newest()) {
            // More came than the window holds, and the reader is not at the end: the window stays where it is.
            self.follow = false;
            self.note(more.iter().map(|m| m.seq.0));
            return Ok(());
        }
        if between {
            let gone = self.window.skip_to(to, more);
            self.note(gone);
        } else {
            self.window.extend(to, more);
        }
        self.grew(Direction::Newer);
        Ok(())
    }

    /// The segment that the window follows ends at `to`, and is not live: it is not the newest end.
    fn extend_past_gap(&mut self, db: &Committed, to: u64) -> Needs<()> {
        let held = db.held(&self.conversation);
        if !self.unseen.is_at(self.window.newest()) {
            // The reader is not at the end: the window goes on when he comes there.
            self.follow = false;
            return Ok(());
        }
        match held.segments.live().map(|live| live.hi) {
            // R6: a page read later has become the newest end, and this does not reach it.
            Some(hi) if hi > to => {
                let (lo, hi, _) = reach(&held, hi);
                let source = self.source(db);
                let run = source.run_at_edge((lo, hi), self.sizes.page, Direction::Older)?;
                self.window.put(Direction::Newer, run);
                self.grew(Direction::Newer);
            }
            // The kept segment reaches beyond the live one: it is revalidated first.
            Some(_) => {}
            // R4, `keep`: nothing is known to be the newest end.
            None => {
                self.reload = Some(Reload::latest(self.sizes.page));
                self.wake = true;
            }
        }
        Ok(())
    }

    /// Segments behind the one shown, each after a gap: only while nothing is known to be live
    /// with what is shown.
    fn extend_behind(&mut self, db: &Committed) -> Needs<()> {
        let held = db.held(&self.conversation);
        while let Some(last) = self.window.end(Direction::Newer) {
            if self.reload.is_none() && last.is_held() {
                break;
            }
            let mut above = held.segments.iter().filter(|s| s.lo > last.hi());
            let Some(next) = above.next().map(|s| s.lo) else {
                break;
            };
            let (_, to, _) = reach(&held, next);
            let source = self.source(db);
            let run = source.run_at_edge((next, to), self.sizes.page, Direction::Older)?;
            if run.messages().is_empty() {
                break;
            }
            self.window.put(Direction::Newer, run);
            self.unseen.forget(&self.window);
            self.dirty = true;
        }
        Ok(())
    }

    /// Runs between which nothing is missing any more become one.
    fn join_runs(&mut self, db: &Committed) -> Needs<()> {
        // Runs whose segments an overflow has taken are replaced together, by the goal.
        if !self.window.is_all_held() {
            return Ok(());
        }
        let held = db.held(&self.conversation);
        let max = self.sizes.max;
        let mut at = 0;
        while at + 1 < self.window.runs().len() {
            let source = self.source(db);
            if self.window.joins(at, &held) {
                let between = match self.window.between(at) {
                    Some(between) => source.read_messages(between, max + 1, Direction::Older)?,
                    None => Vec::new(),
                };
                let gone = self.window.join(at, between, max);
                self.note(gone);
                self.grew(self.grown);
                continue;
            }
            at += 1;
            // What a page has brought of the gap belongs to the run above it.
            if let Some(filled) = self.window.unfilled(at, &held) {
                let more = source.read_messages(filled, max, Direction::Older)?;
                self.window.fill(at, &held, filled.0, more);
                self.grew(self.grown);
            }
        }
        Ok(())
    }

    // ------------------------------------------------------------ a page

    /// A load that waits for a window fails where nothing is on its way to one.
    fn fail_with_reload(&mut self, w: &mut Work, direction: Direction) {
        let idle = self.reload.as_ref().is_some_and(|r| r.fetch.is_none());
        let error = self.error().cloned().or_else(|| self.why_no_page(w));
        if let Some(error) = error.filter(|_| idle) {
            self.load_failed(w.cx.out, direction, error);
        }
    }

    fn drive_load(
        &mut self,
        w: &mut Work,
        direction: Direction,
        ahead: &mut Vec<BlockId>,
    ) -> Needs<()> {
        let db = w.cx.db;
        let held = db.held(&self.conversation);
        while let Some(load) = self.loads.get(direction) {
            let left = load.left();
            if self.blocked_by_reload(direction) {
                // A window is on its way, and there is nothing to grow from before it. If it fails, so does this load.
                self.fail_with_reload(w, direction);
                return Ok(());
            }
            let run = self.window.end(direction);
            let Some((lo, hi)) = run.map(|run| (run.lo(), run.hi())) else {
                // There is nothing to grow from, and no window is wanted.
                self.clear();
                return Ok(());
            };
            let edge = match direction {
                Direction::Older => lo,
                Direction::Newer => hi,
            };
            if held.segments.containing(edge).is_none() {
                self.clear();
                return Ok(());
            }
            let (from, to, live) = reach(&held, edge);
            let (end, rest, ended) = match direction {
                Direction::Older => (from, lo > from, starts(&held, from)),
                Direction::Newer => (to, hi < to, live),
            };
            if left > 0 && rest {
                self.grow(db, direction, end, left, ahead)?;
                self.since = w.cx.now.mono;
                continue;
            }
            if left == 0 || ended {
                self.load_done(w.cx.out, direction, ended && !rest);
                return Ok(());
            }
            if self.cross_gap(w, direction, left)? {
                continue;
            }
            self.load_from_network(w, direction, end, left);
            return Ok(());
        }
        Ok(())
    }

    /// Why a call cannot have a page now.
    fn why_no_page(&self, w: &Work) -> Option<Error> {
        let why_not = w.look.why_not.clone();
        let why_not = why_not.filter(|_| w.cx.standing.is_live());
        why_not.or_else(|| self.trouble.why_not(w.cx.now.mono))
    }

    /// A load has all that it can have. `end`: there is no more at this end.
    fn load_done(&mut self, out: &mut Out, direction: Direction, end: bool) {
        let Some(load) = self.loads.get_mut(direction).take() else {
            return debug_assert!(false, "there is a load");
        };
        self.dirty = true;
        if direction == Direction::Newer {
            // It has not come to the newest end, so the window does not follow that.
            self.follow = end;
        }
        if !load.calls().is_empty() {
            self.arrived = None;
        }
        if load.was_asked() {
            self.trouble.on_page();
        }
        let answer = load.answer(end);
        for call in load.calls() {
            out.resolve(*call, &answer);
        }
    }

    /// `end`: how far it gets with what is held.
    fn load_from_network(&mut self, w: &mut Work, direction: Direction, end: u64, left: usize) {
        let place = match direction {
            Direction::Older => Place::Before(Seq(end)),
            Direction::Newer => Place::After(Seq(end)),
        };
        if let Some(error) = self.why_no_page(w) {
            return self.load_failed(w.cx.out, direction, error);
        }
        let load = self.loads.get_mut(direction).as_mut();
        let Some(load) = load.filter(|load| load.fetch().is_none()) else {
            return;
        };
        if !w.cx.standing.may_ask() {
            return;
        }
        match load.next(end, w.cx.config.limits.void_pages) {
            Next::Circle => self.load_failed(w.cx.out, direction, circle()),
            Next::Enough => self.load_done(w.cx.out, direction, false),
            Next::Ask => {
                let limit = left.max(self.sizes.page);
                let wants = Wants::Page(place);
                let fetch = w.fetches.ask(w.cx, &self.conversation, wants, limit);
                load.asks(fetch, end);
                self.since = w.cx.now.mono;
                self.dirty = true;
            }
        }
    }

    /// Offline the window goes past a gap, to what is held beyond it. Answers whether it did.
    fn cross_gap(&mut self, w: &Work, direction: Direction, left: usize) -> Needs<bool> {
        if w.cx.standing.is_live() && w.look.why_not.is_none() {
            return Ok(false);
        }
        let source = self.source(w.cx.db);
        let held = &*source.held;
        let Some(edge) = self.window.end(direction) else {
            return Ok(false);
        };
        let filled = |s: &&Segment| held.blocks.iter().any(|b| s.contains(b.lo));
        let next = match direction {
            Direction::Older => {
                let (from, _, _) = reach(held, edge.lo());
                let mut below = held.segments.iter().rev().skip_while(|s| s.hi >= from);
                below.find(filled).map(|s| s.hi)
            }
            Direction::Newer => {
                let (_, to, _) = reach(held, edge.hi());
                let mut above = held.segments.iter().skip_while(|s| s.lo <= to);
                above.find(filled).map(|s| s.lo)
            }
        };
        let Some(next) = next else { return Ok(false) };
        let (from, to, _) = reach(held, next);
        let run = source.run_at_edge((from, to), left, direction)?;
        let added = run.messages().len();
        self.window.put(direction, run);
        if let Some(load) = self.loads.get_mut(direction) {
            load.crossed(added);
        }
        self.grew(direction);
        Ok(true)
    }

    /// Grows the window for a load by what is held, up to `end`.
    fn grow(
        &mut self,
        db: &Committed,
        direction: Direction,
        end: u64,
        limit: usize,
        ahead: &mut Vec<BlockId>,
    ) -> Needs<()> {
        let source = self.source(db);
        let beyond = self.window.beyond(direction, end);
        let more = source.read_messages(beyond, limit, direction)?;
        let held = source.held;
        if let Some(load) = self.loads.get_mut(direction) {
            load.grew(more.len());
        }
        self.window.grow(direction, &held, end, more);
        let rest = self.window.beyond(direction, end);
        ahead.extend(db.ahead(&self.conversation, rest, direction));
        self.ahead.void = 0;
        self.grew(direction);
        Ok(())
    }
}

impl Timeline {
    // ------------------------------------------------------------ what fails

    /// A window could not be had. A jump has failed: the list stays where it is, if there is one; else it
    /// is tried again.
    pub(super) fn reload_failed(&mut self, cx: &mut Cx, error: Error) {
        if !self.jumps() || self.window.is_empty() || is_for_all(&error) {
            self.trouble.put_off(cx, &self.conversation, &error);
        }
        self.reload_waits(cx.out, error);
    }

    /// A window could not be asked for. Jumps fail; the goal stays, and is gone on with when that is possible.
    pub(super) fn reload_waits(&mut self, out: &mut Out, error: Error) {
        let calls = self.take_jumps();
        for call in &calls {
            out.reject(*call, &error);
        }
        if !calls.is_empty() && !self.window.is_empty() {
            self.cancel_jump();
        }
        self.dirty |= !self.opened;
        self.opened = true;
        if !calls.is_empty() || self.trouble.is_another(&error) {
            self.fail(error, false);
        }
    }

    /// Answers the calls of a load with an error, also where a part of the page was had: the list shows
    /// it, and the next load goes on from there. Where nothing could be asked for, what is stored is the
    /// answer.
    pub(super) fn load_failed(&mut self, out: &mut Out, direction: Direction, error: Error) {
        let Some(load) = self.loads.get_mut(direction).take() else {
            return;
        };
        if load.has_some() && error.code == ErrorCode::Offline {
            let answer = load.answer(false);
            for call in load.calls() {
                out.resolve(*call, &answer);
            }
        } else {
            for call in load.calls() {
                out.reject(*call, &error);
            }
        }
        self.fail(error, true);
    }
}
