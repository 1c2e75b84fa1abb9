//! Going on with what timelines wish for: a window (again), its newest end, a page.

use super::*;

impl Engine {
    // ------------------------------------------------------------ driving

    /// When something here is due.
    pub(in crate::core) fn timelines_due(&self) -> Option<u64> {
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
    pub(in crate::core) fn drive_timelines(&mut self) {
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

    pub(super) fn drive_timeline(&mut self, t: &mut Timeline) {
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

    pub(super) fn collect(
        &mut self,
        t: &Timeline,
        range: (u64, u64),
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Rc<Message>>, Vec<BlockId>> {
        self.db.collect(&t.conversation, range, limit, direction)
    }

    /// The newest messages of a segment, as a run.
    pub(super) fn tail(
        &mut self,
        t: &Timeline,
        segment: &Segment,
        want: usize,
    ) -> Result<Run, Vec<BlockId>> {
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

    pub(super) fn drive_reload(&mut self, t: &mut Timeline) -> Result<(), Vec<BlockId>> {
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
    pub(super) fn request_reload(
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
    pub(super) fn show_kept(&mut self, t: &mut Timeline) -> Result<(), Vec<BlockId>> {
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

    pub(super) fn cover_range(
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
    pub(super) fn give_up_range(&mut self, t: &mut Timeline) -> Result<(), Vec<BlockId>> {
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
    pub(super) fn extend(&mut self, t: &mut Timeline) -> Result<(), Vec<BlockId>> {
        // A load on its way to the newest end shows what lies between: nothing is skipped.
        if !t.follow || t.newer.is_some() {
            return Ok(());
        }
        let held = self.db.held(&t.conversation);
        if let Some(last) = t.runs.last().filter(|run| run.held) {
            match held.segments.containing(last.hi).cloned() {
                Some(segment) if segment.hi > last.hi => self.extend_last(t, &segment, last.hi)?,
                // R6: a page read later has become the newest end, and this one does not reach it.
                Some(segment) if !segment.live && t.reload.is_none() => {
                    let above = held
                        .segments
                        .live()
                        .is_some_and(|live| live.lo > segment.hi);
                    let (newest, visible) = (t.newest(), t.visible);
                    let at_end = visible.is_none_or(|(_, last)| Some(last) >= newest);
                    if above && at_end {
                        t.reload = Some(Reload::latest(t.page_size));
                        t.wake = true;
                    }
                }
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

    pub(super) fn extend_last(
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

    pub(super) fn load_from_network(
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
    pub(super) fn grow(
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
