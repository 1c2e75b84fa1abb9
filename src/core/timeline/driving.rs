//! Going on with what timelines wish for: a window (again), its newest end, a page, a gap filled,
//! what is kept made fresh.

use super::*;

/// ms without a request before a page is fetched that nobody has asked for.
const IDLE: u64 = 500;
/// Times that a timeline goes on with what it wishes itself, for one input.
const MAX_TURNS: usize = 4;

impl Engine {
    // ------------------------------------------------------------ driving

    /// When something here is due.
    pub(in crate::core) fn timelines_due(&self) -> Option<u64> {
        if !self.may_request() || self.is_evicting() {
            return None;
        }
        let waits = |t: &&Timeline| {
            let idle = match &t.reload {
                Some(reload) => reload.fetch.is_none(),
                None => t.tend.wanted && t.tend.fetch.is_none(),
            };
            t.life == Life::Open && idle && !t.refused && !t.waiting && t.retry > 0
        };
        let retries = self.timelines.values().filter(waits).map(|t| t.retry);
        let ahead = |t: &&Timeline| t.life == Life::Open && !t.waiting && t.ahead_due;
        let ahead = self.is_idle() && self.timelines.values().any(|t| ahead(&t));
        let ahead = ahead.then_some(self.idle_since + IDLE);
        retries.chain(ahead).min()
    }

    /// Every wish that can go on, goes on.
    pub(in crate::core) fn drive_timelines(&mut self) {
        let now = self.now.mono;
        let ids: Vec<TimelineId> = self.timelines.keys().copied().collect();
        for id in ids {
            let Some(mut t) = self.timelines.remove(&id) else {
                continue;
            };
            let read = t.waiting && self.wanted.is_empty();
            let due = t.retry > 0 && t.retry <= now && (t.reload.is_some() || t.tend.wanted);
            let due = due || (t.ahead_due && self.is_idle() && self.idle_since + IDLE <= now);
            if t.life == Life::Open && (t.wake || read || due) {
                t.dirty |= t.waiting && !t.opened;
                t.waiting = false;
                // A wish that it makes by itself is gone on with at once.
                for _ in 0..MAX_TURNS {
                    t.wake = false;
                    self.drive_timeline(&mut t);
                    if !t.wake || t.waiting {
                        break;
                    }
                }
            }
            self.timelines.insert(id, t);
        }
    }

    pub(super) fn drive_timeline(&mut self, t: &mut Timeline) {
        let missing = self
            .drive_reload(t)
            .and_then(|()| self.extend(t))
            .and_then(|()| self.join_runs(t))
            .and_then(|()| self.drive_load(t, Direction::Older))
            .and_then(|()| self.drive_load(t, Direction::Newer));
        match missing {
            Err(missing) => {
                self.wanted.add_all(missing);
                t.waiting = true;
            }
            Ok(()) => {
                self.tend(t);
                self.look_ahead(t);
            }
        }
    }

    pub(super) fn collect(
        &mut self,
        t: &Timeline,
        range: (u64, u64),
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Rc<Message>>, Vec<BlockId>> {
        self.db.collect(&t.conversation, range, limit, direction)
    }

    /// The newest (`Older`) or oldest (`Newer`) messages of `[lo, hi]`, as a run: nothing is missing
    /// between them.
    pub(super) fn end_of(
        &mut self,
        t: &Timeline,
        range: (u64, u64),
        want: usize,
        direction: Direction,
    ) -> Result<Run, Vec<BlockId>> {
        let messages = self.collect(t, range, want, direction)?;
        Ok(self.run_of(t, range, messages))
    }

    /// The same, at the newest end.
    pub(super) fn tail(
        &mut self,
        t: &Timeline,
        range: (u64, u64),
        want: usize,
    ) -> Result<Run, Vec<BlockId>> {
        self.end_of(t, range, want, Direction::Older)
    }

    pub(super) fn drive_reload(&mut self, t: &mut Timeline) -> Result<(), Vec<BlockId>> {
        let Some(reload) = &t.reload else {
            return Ok(());
        };
        let (mut target, want, pages) = (reload.target, reload.want, reload.pages);
        let asked = reload.asked;
        if matches!(target, Target::FirstUnread) {
            // Looked up each time: its state may come, or change, while pages do. An owed list is
            // waited for as long as it comes: what is known is of before an overflow.
            let known = self.db.list.contains_key(&t.conversation);
            let waits = self.may_request() && self.list_comes() || !known && !self.db.meta.listed;
            if waits && self.why_not().is_none() {
                t.retry = 0;
                return Ok(());
            }
            target = match self.db.list.get(&t.conversation) {
                None if !self.db.meta.listed && self.promoted => target,
                Some(c) if c.unread > 0 => {
                    Target::Around(c.read_seq.map_or(0, |read| read.0.saturating_add(1)))
                }
                _ => Target::Latest,
            };
        }
        let busy = reload.fetch.is_some();
        // There was nothing from this time on; there may be now.
        if let Some(ms) = reload.since.filter(|_| matches!(target, Target::Latest))
            && let Some(seq) = self.cached_at(t, ms)?
        {
            if let Some(reload) = &mut t.reload {
                reload.since = None;
                reload.target = Target::Around(seq);
            }
            return self.drive_reload(t);
        }
        let held = self.db.held(&t.conversation);
        let place = match target {
            Target::Latest => match held.segments.live().cloned() {
                // What is shown is held: it goes on to the newest end, if need be after a gap.
                Some(_) if !asked && t.stands() => {
                    t.reload = None;
                    t.error = None;
                    t.failures = 0;
                    t.retry = 0;
                    t.dirty = true;
                    // What was held before was less than a screen, perhaps.
                    let short = t.page_size.saturating_sub(t.count());
                    if short > 0 && t.older.is_none() && t.has_older(&held) {
                        t.older = Some(Load::of(short, Vec::new()));
                    }
                    return Ok(());
                }
                Some(live) => {
                    let lo = held.segments.reach_lo(live.hi).unwrap_or(live.lo);
                    let start = held.segments.containing(lo).is_some_and(|s| s.start);
                    let run = self.tail(t, (lo, live.hi), want)?;
                    // R4: what is shown stays until its window is covered again, by as many pages
                    // as that takes.
                    let covered = run.messages.len() >= want || start || t.runs.is_empty();
                    // A page from a replica may end below what is shown: the sync brings the rest.
                    let ends_below = !asked && t.newest() > Some(live.hi);
                    if ends_below && self.pull.is_behind(&t.conversation) {
                        t.retry = 0;
                        self.cannot_ask(t);
                        return Ok(());
                    }
                    if !covered && pages <= MAX_PAGES {
                        let more = want - run.messages.len();
                        return self.request_reload(t, Place::Before(Seq(lo)), more);
                    }
                    let short = t.page_size.saturating_sub(run.messages.len());
                    self.replace(t, run, true, None);
                    if short > 0 && !start && t.older.is_none() {
                        t.older = Some(Load::of(short, Vec::new()));
                    }
                    return Ok(());
                }
                None => {
                    self.show_kept(t)?;
                    Place::Latest
                }
            },
            Target::Range { lo, hi, mid } => match held.segments.containing(mid) {
                Some(_) => {
                    let (from, to, live) = reach(&held, mid);
                    let older = from <= lo;
                    let newer = live || to >= hi;
                    if older && newer {
                        return self.cover_range(t, (from, to, live), (lo, hi), mid);
                    }
                    if older {
                        Place::After(Seq(to))
                    } else {
                        Place::Before(Seq(from))
                    }
                }
                // Also while that page is on its way: what is committed meanwhile proves nothing.
                None if pages == 0 || busy => Place::Around(Seq(mid)),
                None => return self.give_up(t),
            },
            Target::Around(seq) => match held.segments.containing(seq) {
                Some(_) => match next_after(&held, seq) {
                    Some(to) if self.may_request() && self.why_not().is_none() => {
                        Place::After(Seq(to))
                    }
                    _ => return self.cover_around(t, seq),
                },
                None if reload.tried != Some(seq) || busy => Place::Around(Seq(seq)),
                // It is newer than the newest.
                None => return self.give_up(t),
            },
            Target::At(ms) => match self.cached_at(t, ms)? {
                Some(seq) => {
                    if let Some(reload) = &mut t.reload {
                        reload.target = Target::Around(seq);
                    }
                    return self.drive_reload(t);
                }
                None => match reload.found {
                    Some(Some(seq)) => {
                        if let Some(reload) = &mut t.reload {
                            reload.target = Target::Around(seq);
                            reload.tried = None;
                        }
                        return self.drive_reload(t);
                    }
                    Some(None) => return self.give_up(t),
                    None => Place::At(ms),
                },
            },
            // It has been looked up above.
            Target::FirstUnread => Place::Latest,
        };
        if pages > MAX_PAGES {
            return self.give_up(t);
        }
        self.request_reload(t, place, want)
    }

    /// Puts a window in place of what was there.
    fn replace(&mut self, t: &mut Timeline, run: Run, follow: bool, near: Option<u64>) {
        for call in t.swap(run, follow, near) {
            self.resolve(call, "null");
        }
    }

    /// Whether nothing may be asked for now: then what was waited for has failed, or waits on.
    fn cannot_ask(&mut self, t: &mut Timeline) -> bool {
        if let Some(error) = self.why_not().filter(|_| self.promoted) {
            let changed = !t.opened || t.error.as_ref().map(|e| e.code) != Some(error.code);
            let calls = t
                .reload
                .as_mut()
                .map(|r| std::mem::take(&mut r.calls))
                .unwrap_or_default();
            let jumped = !calls.is_empty();
            for call in calls {
                self.reject(call, &error);
            }
            t.opened = true;
            if jumped && !t.runs.is_empty() {
                self.jump_failed(t, error);
                return true;
            }
            t.dirty |= changed;
            t.error = Some(error);
            // Not on a timer: it goes on when the server is reached again, and its backoff is over.
            if t.retry <= self.now.mono {
                t.retry = 0;
            }
            return true;
        }
        if !self.may_request() {
            // "waiting": what is stored is shown.
            t.dirty |= !t.opened;
            t.opened |= !self.promoted;
            return true;
        }
        false
    }

    /// Asks for a page that a reload lacks, as soon as that may be.
    pub(super) fn request_reload(
        &mut self,
        t: &mut Timeline,
        place: Place,
        limit: usize,
    ) -> Result<(), Vec<BlockId>> {
        if self.cannot_ask(t) {
            return Ok(());
        }
        let busy = t.reload.as_ref().is_none_or(|r| r.fetch.is_some());
        if busy || t.refused || self.now.mono < t.retry {
            return Ok(());
        }
        t.retry = 0;
        let limit = limit.clamp(t.page_size, MAX_PAGE.max(t.page_size));
        let fetch = self.fetch(&t.conversation.clone(), Wants::Page(place), limit);
        if let Some(reload) = &mut t.reload {
            reload.fetch = Some(fetch);
            reload.pages += 1;
            if let Place::Around(seq) = place {
                reload.tried = Some(seq.0);
            }
        }
        if t.error.take().is_some() {
            t.dirty = true;
        }
        Ok(())
    }

    /// Without a live segment: what is kept, before a gap.
    pub(super) fn show_kept(&mut self, t: &mut Timeline) -> Result<(), Vec<BlockId>> {
        if !t.runs.is_empty() {
            return Ok(());
        }
        let held = self.db.held(&t.conversation);
        let Some(hi) = held.segments.last().map(|s| s.hi) else {
            return Ok(());
        };
        let (lo, hi, _) = reach(&held, hi);
        let run = self.tail(t, (lo, hi), t.page_size)?;
        if run.messages.is_empty() {
            return Ok(());
        }
        t.runs.push(run);
        if let Some(reload) = t.reload.as_mut().filter(|r| r.calls.is_empty()) {
            // From here on it stands for what was asked for.
            reload.asked = false;
        }
        t.opened = true;
        t.follow = true;
        t.anchor = (None, t.anchor.1 + 1);
        t.dirty = true;
        Ok(())
    }

    pub(super) fn cover_range(
        &mut self,
        t: &mut Timeline,
        (from, to, live): (u64, u64, bool),
        (lo, hi): (u64, u64),
        mid: u64,
    ) -> Result<(), Vec<BlockId>> {
        // A screen more on both sides, where it is held: so that scrolling finds something.
        let mut messages = self.collect(t, (lo, hi), MAX_ITEMS, Direction::Newer)?;
        let below = match lo.checked_sub(1).filter(|below| *below >= from) {
            Some(below) => self.collect(t, (from, below), t.page_size, Direction::Older)?,
            None => Vec::new(),
        };
        if let Some(above) = hi.checked_add(1).filter(|above| *above <= to) {
            messages.extend(self.collect(t, (above, to), t.page_size, Direction::Newer)?);
        }
        messages.splice(0..0, below);
        let run = self.run_of(t, (from, to), messages);
        let follow = live && run.hi == to;
        self.replace(t, run, follow, Some(mid));
        Ok(())
    }

    /// A screen with this position in the middle, from what is held.
    fn cover_around(&mut self, t: &mut Timeline, seq: u64) -> Result<(), Vec<BlockId>> {
        let held = self.db.held(&t.conversation);
        let (from, to, live) = reach(&held, seq);
        let half = t.page_size / 2;
        let mut messages = match seq.checked_sub(1).filter(|below| *below >= from) {
            Some(below) => self.collect(t, (from, below), t.page_size, Direction::Older)?,
            None => Vec::new(),
        };
        let newer = self.collect(t, (seq, to), t.page_size, Direction::Newer)?;
        // Half a screen on each side; where one has less, the other has more.
        let above = newer
            .len()
            .min((t.page_size - half).max(t.page_size.saturating_sub(messages.len())));
        let below = messages.len().min(t.page_size - above);
        messages.drain(..messages.len() - below);
        messages.extend(newer.into_iter().take(above));
        let count = messages.len();
        let run = self.run_of(t, (from, to), messages);
        let follow = live && run.hi == to;
        let ends = (
            run.lo == from && held.segments.containing(from).is_some_and(|s| s.start),
            follow,
        );
        self.replace(t, run, follow, Some(seq));
        // What is held there is less than a screen: the rest comes.
        let short = t.page_size.saturating_sub(count);
        if short > 0 && !ends.0 && t.older.is_none() {
            t.older = Some(Load::of(short.div_ceil(2), Vec::new()));
        }
        if short > 0 && !ends.1 && t.newer.is_none() {
            t.newer = Some(Load::of(short.div_ceil(2), Vec::new()));
        }
        Ok(())
    }

    /// These messages of `[from, to]`, as a run.
    fn run_of(&self, t: &Timeline, (from, to): (u64, u64), messages: Vec<Rc<Message>>) -> Run {
        let held = self.db.held(&t.conversation);
        Run {
            lo: match messages.first() {
                Some(m) if !nothing_older(&held, from, m.seq.0) => m.seq.0,
                _ => from,
            },
            hi: match messages.last() {
                Some(m) if !nothing_newer(&held, to, m.seq.0) => m.seq.0,
                _ => to,
            },
            messages,
            held: true,
        }
    }

    /// The first message at or after a time, if a segment holds it and what is before it.
    fn cached_at(&mut self, t: &Timeline, ms: u64) -> Result<Option<u64>, Vec<BlockId>> {
        let held = self.db.held(&t.conversation);
        let ends: Vec<(u64, u64)> = held.segments.iter().map(|s| (s.lo, s.hi)).collect();
        for (lo, hi) in ends.into_iter().rev() {
            let first = held.blocks.partition_point(|b| b.lo < lo);
            let last = held.blocks.partition_point(|b| b.lo <= hi);
            let blocks = held.blocks.get(first..last).unwrap_or_default();
            // The first block that ends at or after the time: all before it is before the time.
            let (mut a, mut b) = (0, blocks.len());
            while a < b {
                let mid = (a + b) / 2;
                let end = blocks[mid].hi;
                let newest = self.collect(t, (end, end), 1, Direction::Newer)?;
                match newest.first().is_some_and(|m| m.created_at >= ms) {
                    true => b = mid,
                    false => a = mid + 1,
                }
            }
            let Some(block) = blocks.get(a) else { continue };
            let inside = self.collect(t, (block.lo, block.hi), MAX_ITEMS, Direction::Newer)?;
            let Some(at) = inside.iter().position(|m| m.created_at >= ms) else {
                continue;
            };
            let start = held.segments.containing(lo).is_some_and(|s| s.start);
            if at > 0 || a > 0 || start {
                return Ok(Some(inside[at].seq.0));
            }
        }
        Ok(None)
    }

    /// What was wanted is not to be had: the latest.
    pub(super) fn give_up(&mut self, t: &mut Timeline) -> Result<(), Vec<BlockId>> {
        if let Some(reload) = &mut t.reload {
            *reload = Reload {
                calls: std::mem::take(&mut reload.calls),
                asked: reload.asked,
                since: match reload.target {
                    Target::At(ms) => Some(ms),
                    _ => None,
                },
                ..Reload::latest(t.page_size)
            };
        }
        t.follow = true;
        self.drive_reload(t)
    }

    /// Goes on with the newest end, as far as the window follows it.
    pub(super) fn extend(&mut self, t: &mut Timeline) -> Result<(), Vec<BlockId>> {
        // It may have come to the newest end by pages, or by that having been said of its segment.
        let idle = t.newer.is_none() && t.reload.is_none();
        if !t.follow && idle && !t.has_newer(&self.db.held(&t.conversation)) {
            t.follow = true;
            t.beyond = 0;
            t.dirty = true;
        }
        // A load on its way to the newest end shows what lies between: nothing is skipped.
        if !t.follow || t.newer.is_some() {
            return Ok(());
        }
        let held = self.db.held(&t.conversation);
        if let Some(last) = t.runs.last().filter(|run| run.held) {
            let Some(to) = held.segments.reach_hi(last.hi) else {
                t.clear();
                return Ok(());
            };
            let live = held.segments.containing(to).is_some_and(|s| s.live);
            if to > last.hi {
                self.extend_last(t, to, last.hi)?;
            }
            if !live && t.reload.is_none() && t.follow {
                let (newest, visible) = (t.newest(), t.visible);
                let at_end = visible.is_none_or(|(_, last)| Some(last) >= newest);
                let newer = held.segments.live().map(|live| live.hi);
                match newer {
                    // Somewhere else: he goes on when he comes to the end.
                    _ if !at_end => t.follow = false,
                    // R6: a page read later has become the newest end, and this does not reach it.
                    Some(hi) if hi > to => {
                        let (lo, hi, _) = reach(&held, hi);
                        let run = self.tail(t, (lo, hi), t.page_size)?;
                        t.runs.push(run);
                        t.grown = Direction::Newer;
                        t.dirty = true;
                        t.let_go();
                    }
                    // R4, `keep`: nothing is known to be the newest end.
                    _ => {
                        t.reload = Some(Reload::latest(t.page_size));
                        t.wake = true;
                    }
                }
            }
        }
        // Segments behind the one shown, each after a gap: only while nothing is known to be live
        // with what is shown.
        while let Some(from) = t.runs.last().map(|run| run.hi) {
            if t.reload.is_none() && t.runs.last().is_some_and(|run| run.held) {
                break;
            }
            let next = held.segments.iter().find(|s| s.lo > from).map(|s| s.lo);
            let Some(next) = next else { break };
            let (_, to, _) = reach(&held, next);
            let run = self.tail(t, (next, to), t.page_size)?;
            if run.messages.is_empty() {
                break;
            }
            t.runs.push(run);
            t.dirty = true;
        }
        Ok(())
    }

    /// Runs between which nothing is missing any more become one.
    fn join_runs(&mut self, t: &mut Timeline) -> Result<(), Vec<BlockId>> {
        // What an overflow has taken is replaced as a whole.
        if !t.stands() {
            return Ok(());
        }
        let held = self.db.held(&t.conversation);
        let mut at = 1;
        while at < t.runs.len() {
            let (below, above) = (&t.runs[at - 1], &t.runs[at]);
            let together = below.held
                && above.held
                && held
                    .segments
                    .reach_hi(below.hi)
                    .is_some_and(|to| to >= above.lo);
            if !together {
                // What a page has brought of the gap stands before what is above it.
                if above.held
                    && let Some(lo) = held.segments.reach_lo(above.lo)
                    && lo < above.lo
                {
                    let filled = (lo, above.lo - 1);
                    let more = self.collect(t, filled, t.max_items, Direction::Older)?;
                    let run = &mut t.runs[at];
                    run.lo = match more.first() {
                        Some(m) if !nothing_older(&held, lo, m.seq.0) => m.seq.0,
                        _ => lo,
                    };
                    run.messages.splice(0..0, more);
                    t.dirty = true;
                    t.let_go();
                }
                at += 1;
                continue;
            }
            let between = match (below.hi.checked_add(1), above.lo.checked_sub(1)) {
                (Some(lo), Some(hi)) if lo <= hi => {
                    self.collect(t, (lo, hi), t.max_items + 1, Direction::Older)?
                }
                _ => Vec::new(),
            };
            let above = t.runs.remove(at);
            let below = &mut t.runs[at - 1];
            if between.len() > t.max_items {
                // More than the window holds: what is below it goes.
                let cut = between.len() - t.max_items;
                below.messages = between[cut..].to_vec();
                below.lo = below.messages.first().map_or(below.lo, |m| m.seq.0);
            } else {
                below.messages.extend(between);
            }
            below.messages.extend(above.messages);
            below.hi = above.hi;
            t.dirty = true;
            t.let_go();
        }
        Ok(())
    }

    // ------------------------------------------------------------ what it asks for by itself

    /// What is shown and not fresh is revalidated (R12), a gap is filled: one page at a time.
    fn tend(&mut self, t: &mut Timeline) {
        t.tend.wanted = false;
        if t.reload.is_some() || !t.opened || !t.stands() || t.tend.fetch.is_some() || t.refused {
            return;
        }
        let held = self.db.held(&t.conversation);
        let Some(wants) = self.stale_wants(t, &held).or_else(|| gap_wants(t, &held)) else {
            t.tend.asked = None;
            return;
        };
        t.tend.wanted = true;
        if !self.may_request() || self.why_not().is_some() {
            // Not on a timer: it goes on when the server is reached again, and its backoff is over.
            if t.retry <= self.now.mono {
                t.retry = 0;
            }
            return;
        }
        if self.now.mono < t.retry {
            return;
        }
        t.retry = 0;
        if t.tend.asked.as_ref() == Some(&wants) {
            // It has changed nothing: a server going in a circle.
            let message = "a page that moves nothing and claims more";
            let error = Error::new(ErrorCode::Protocol, message);
            t.failures += 1;
            let wait = self.backoff(t.failures - 1, RETRY.0, RETRY.1);
            t.retry = self.now.mono + wait;
            t.tend.asked = None;
            self.error_event(&error);
            return;
        }
        t.tend.asked = Some(wants.clone());
        let limit = match wants {
            Wants::Page(_) => t.page_size,
            Wants::Changes { .. } => MAX_PAGE,
        };
        t.tend.fetch = Some(self.fetch(&t.conversation.clone(), wants, limit));
    }

    /// What makes the newest kept segment of the window fresh.
    fn stale_wants(&self, t: &Timeline, held: &Held) -> Option<Wants> {
        let shown = |s: &&Segment| t.runs.iter().any(|run| s.lo <= run.hi && run.lo <= s.hi);
        let kept = held
            .segments
            .iter()
            .rev()
            .find(|s| !s.fresh() && shown(s))?;
        let since = kept.since.clone().unwrap_or_default();
        if self.config.can_revalidate && !since.is_empty() {
            return Some(Wants::Changes {
                since,
                from: kept.lo,
                to: kept.hi,
            });
        }
        let fresh = |seq: Option<u64>| {
            let neighbour = seq.and_then(|seq| held.segments.containing(seq));
            neighbour.is_some_and(Segment::fresh)
        };
        let above = kept.hi.checked_add(1);
        let below = kept.lo.checked_sub(1);
        Some(Wants::Page(match (above, below) {
            (Some(above), _) if fresh(Some(above)) => Place::Before(Seq(above)),
            (_, Some(below)) if fresh(Some(below)) => Place::After(Seq(below)),
            _ => {
                let inside = |m: &&Rc<Message>| kept.contains(m.seq.0);
                let shown: Vec<u64> = t.messages().filter(inside).map(|m| m.seq.0).collect();
                let mid = shown.get(shown.len() / 2).copied();
                Place::Around(Seq(mid.unwrap_or(kept.hi)))
            }
        }))
    }

    /// Nothing is on its way, but for what waits at the server.
    fn is_idle(&self) -> bool {
        self.requests.len() <= usize::from(self.pull.is_waiting())
    }

    /// Within a screen of a segment's old end one page is fetched before it is asked for.
    fn look_ahead(&mut self, t: &mut Timeline) {
        t.ahead_due = false;
        let metered = self.config.metered || self.hidden_since.is_some();
        let busy = t.reload.is_some() || t.older.is_some() || t.ahead.fetch.is_some();
        if !self.config.prefetch || metered || busy || !t.opened || !t.stands() {
            return;
        }
        if !self.may_request() || self.why_not().is_some() || t.error.is_some() {
            return;
        }
        let held = self.db.held(&t.conversation);
        let Some(run) = t.runs.first() else { return };
        let (from, _, _) = reach(&held, run.lo);
        let ended = held.segments.containing(from).is_none_or(|s| s.start);
        let upto = held.blocks.partition_point(|b| b.lo < run.lo);
        let mut below = 0;
        for b in held.blocks[..upto].iter().rev() {
            if b.lo < from || below >= t.page_size {
                break;
            }
            below += match self.db.peek(&(t.conversation.clone(), b.lo)) {
                // The window begins inside it: it was just read.
                Some(block) if b.hi >= run.lo => block.partition_point(|m| m.seq.0 < run.lo),
                _ => b.count as usize,
            };
        }
        let inside = match t.visible {
            Some((first, _)) => t.messages().take_while(|m| m.seq.0 < first).count(),
            None => 0,
        };
        let wants = Wants::Page(Place::Before(Seq(from)));
        let asked = t.ahead.asked.as_ref() == Some(&wants);
        if ended || below + inside >= t.page_size || asked {
            return;
        }
        if !self.is_idle() || self.now.mono < self.idle_since + IDLE {
            t.ahead_due = true;
            return;
        }
        t.ahead.asked = Some(wants.clone());
        t.ahead.fetch = Some(self.fetch(&t.conversation.clone(), wants, t.page_size));
    }

    pub(super) fn extend_last(
        &mut self,
        t: &mut Timeline,
        to: u64,
        hi: u64,
    ) -> Result<(), Vec<BlockId>> {
        // One more than is shown says whether there are messages in between.
        let limit = t.max_items + 1;
        let mut more = self.collect(t, (hi + 1, to), limit, Direction::Older)?;
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
        run.hi = to;
        t.grown = Direction::Newer;
        t.dirty = true;
        t.let_go();
        Ok(())
    }

    pub(super) fn drive_load(
        &mut self,
        t: &mut Timeline,
        direction: Direction,
    ) -> Result<(), Vec<BlockId>> {
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
            if held.segments.containing(edge).is_none() {
                t.clear();
                t.wake = true;
                return Ok(());
            }
            let (from, to, live) = reach(&held, edge);
            let start = held.segments.containing(from).is_some_and(|s| s.start);
            let (rest, ended) = match direction {
                Direction::Older => (lo > from, start),
                Direction::Newer => (hi < to, live),
            };
            if left > 0 && rest {
                let n = self.grow(t, direction, (from, to), left)?;
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
            if self.cross_gap(t, direction, left)? {
                continue;
            }
            return self.load_from_network(t, direction, (from, to), left, asked);
        }
    }

    pub(super) fn load_from_network(
        &mut self,
        t: &mut Timeline,
        direction: Direction,
        (from, to): (u64, u64),
        left: usize,
        asked: Option<u64>,
    ) -> Result<(), Vec<BlockId>> {
        let (at, place) = match direction {
            Direction::Older => (from, Place::Before(Seq(from))),
            Direction::Newer => (to, Place::After(Seq(to))),
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
        let limit = left.max(t.page_size);
        let fetch = self.fetch(&t.conversation.clone(), Wants::Page(place), limit);
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

    /// Offline the window goes past a gap, to what is held beyond it. Answers whether it did.
    fn cross_gap(
        &mut self,
        t: &mut Timeline,
        direction: Direction,
        left: usize,
    ) -> Result<bool, Vec<BlockId>> {
        if self.promoted && self.why_not().is_none() {
            return Ok(false);
        }
        let held = self.db.held(&t.conversation);
        let (Some(first), Some(last)) = (t.runs.first(), t.runs.last()) else {
            return Ok(false);
        };
        let filled = |s: &&Segment| held.blocks.iter().any(|b| s.contains(b.lo));
        let next = match direction {
            Direction::Older => {
                let (from, _, _) = reach(&held, first.lo);
                let mut below = held.segments.iter().rev().skip_while(|s| s.hi >= from);
                below.find(filled).map(|s| s.hi)
            }
            Direction::Newer => {
                let (_, to, _) = reach(&held, last.hi);
                let mut above = held.segments.iter().skip_while(|s| s.lo <= to);
                above.find(filled).map(|s| s.lo)
            }
        };
        let Some(next) = next else { return Ok(false) };
        let (from, to, _) = reach(&held, next);
        let run = self.end_of(t, (from, to), left, direction)?;
        let added = run.messages.len();
        let load = match direction {
            Direction::Older => {
                t.runs.insert(0, run);
                &mut t.older
            }
            Direction::Newer => {
                t.runs.push(run);
                &mut t.newer
            }
        };
        if let Some(load) = load {
            load.added += added;
            load.cache = true;
        }
        t.grown = direction;
        t.dirty = true;
        t.let_go();
        Ok(true)
    }

    /// Grows the window by what is held. Answers by how many messages.
    pub(super) fn grow(
        &mut self,
        t: &mut Timeline,
        direction: Direction,
        (from, to): (u64, u64),
        limit: usize,
    ) -> Result<usize, Vec<BlockId>> {
        let (lo, hi) = match direction {
            Direction::Older => (
                from,
                t.runs.first().map_or(0, |run| run.lo.saturating_sub(1)),
            ),
            Direction::Newer => (t.runs.last().map_or(0, |run| run.hi.saturating_add(1)), to),
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
                    Some(m) if !nothing_older(&held, from, m.seq.0) => m.seq.0,
                    _ => from,
                };
                run.messages.splice(0..0, more);
            }
            Direction::Newer => {
                let Some(run) = t.runs.last_mut() else {
                    return Ok(0);
                };
                run.hi = match more.last() {
                    Some(m) if !nothing_newer(&held, to, m.seq.0) => m.seq.0,
                    _ => to,
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
                from,
                t.runs.first().map_or(0, |run| run.lo.saturating_sub(1)),
            ),
            Direction::Newer => (t.runs.last().map_or(0, |run| run.hi.saturating_add(1)), to),
        };
        let ahead = self.db.ahead(&t.conversation, rest, direction);
        self.wanted.add_all(ahead);
        t.grown = direction;
        t.dirty = true;
        t.let_go();
        Ok(count)
    }
}

/// How far one gets from a position without a gap, over segments that touch each other, fresh or not;
/// and whether that is the newest end.
fn reach(held: &Held, seq: u64) -> (u64, u64, bool) {
    let lo = held.segments.reach_lo(seq).unwrap_or(seq);
    let hi = held.segments.reach_hi(seq).unwrap_or(seq);
    let live = held.segments.containing(hi).is_some_and(|s| s.live);
    (lo, hi, live)
}

/// Where the history goes on behind a place from which on what is held has no message, and which is
/// not the newest end: the next newer one is not known.
fn next_after(held: &Held, seq: u64) -> Option<u64> {
    let (_, to, live) = reach(held, seq);
    let known = held.blocks.partition_point(|b| b.hi < seq);
    let known = held.blocks.get(known).is_some_and(|b| b.lo <= to);
    (!live && !known).then_some(to)
}

/// The next page of a gap: of the one that is nearest to what is on screen.
fn gap_wants(t: &Timeline, held: &Held) -> Option<Wants> {
    let distance = |at: &usize| {
        let Some((first, last)) = t.visible else {
            return 0;
        };
        let (below, above) = (&t.runs[at - 1], &t.runs[*at]);
        let over = below.messages.iter().rev().take_while(|m| m.seq.0 > last);
        let under = above.messages.iter().take_while(|m| m.seq.0 < first);
        over.count().max(under.count())
    };
    let at = (1..t.runs.len()).rev().min_by_key(distance)?;
    let (lo, _, _) = reach(held, t.runs[at].lo);
    Some(Wants::Page(Place::Before(Seq(lo))))
}
