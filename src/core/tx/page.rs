//! Pages and changes, with what was committed since they were asked for (R5–R7, R12).

use super::*;

impl Tx<'_> {
    /// A page (R5), with the events committed since it was asked for (R7).
    pub fn page(
        &mut self,
        id: &Rc<str>,
        place: Place,
        page: &Page,
        journal: &[Event],
    ) -> Result<()> {
        let mut messages = Map::new();
        for m in &page.messages {
            messages.insert(m.seq.0, m.clone());
        }
        let Some(mut cover) = self.cover(id, place, page) else {
            return Ok(());
        };
        cover.start |= Fault::StartAtEveryPage.on();
        for event in journal {
            match event {
                Event::Message { message, .. } => {
                    let seq = message.seq.0;
                    if seq > cover.hi && cover.end && !Fault::LiveWithoutReplay.on() {
                        cover.hi = seq;
                    }
                    if cover.lo <= seq && seq <= cover.hi {
                        newer(&mut messages, message, true);
                    }
                }
                Event::Update(message) => newer(&mut messages, message, false),
                Event::Trim { .. } if Fault::TrimClipsNoPage.on() => {}
                // What is committed after it, below it, is there again.
                Event::Trim { before, .. } => {
                    let before = before.0;
                    messages = messages.split_off(&before);
                    if before > cover.lo {
                        cover.lo = 0;
                        cover.start = true;
                    }
                    if before > cover.hi {
                        if !cover.end {
                            return Ok(());
                        }
                        cover.hi = before - 1;
                    }
                }
                Event::Conversation(_) | Event::Removed(_) => {}
            }
        }
        let kept = self.held(id).segments.kept(cover.lo, cover.hi);
        self.drop_unlisted(id, &kept, &messages)?;
        let messages: Vec<Rc<Message>> = messages.into_values().collect();
        self.need(&messages)?;
        let held = self.held(id);
        held.seen = held.seen.max(messages.last().map(|m| m.seq.0));
        held.segments.page(cover);
        self.align(id)?;
        self.change(id);
        // From the side where the segment goes on, so that blocks fill up.
        if matches!(place, Place::Before(_)) {
            for m in messages.iter().rev() {
                self.hold(m)?;
            }
        } else {
            for m in &messages {
                self.hold(m)?;
            }
        }
        for m in &messages {
            self.newer_elsewhere(m);
        }
        self.drop_trimmed(id);
        Ok(())
    }

    /// What changed in the kept segments of `[from, to]` since their cursor (R12), with the events
    /// committed since it was asked for (R7): as far as the answer goes they are fresh again.
    pub fn changes(
        &mut self,
        id: &Rc<str>,
        since: &str,
        (from, to): (u64, u64),
        answer: &Changed,
        journal: &[Event],
    ) -> Result<()> {
        let last = answer.messages.last().map(|m| m.seq.0);
        let hi = match last {
            Some(last) if answer.has_more => last.min(to),
            _ => to,
        };
        let mut messages = Map::new();
        for m in &answer.messages {
            messages.insert(m.seq.0, m.clone());
        }
        for event in journal {
            match event {
                Event::Message { message, .. } => newer(&mut messages, message, true),
                Event::Update(message) => newer(&mut messages, message, false),
                // Cut off what is held already.
                Event::Trim { before, .. } => messages = messages.split_off(&before.0),
                Event::Conversation(_) | Event::Removed(_) => {}
            }
        }
        let kept: Vec<(u64, u64)> = self
            .held(id)
            .segments
            .iter()
            .filter(|s| s.since.as_deref() == Some(since) && s.lo <= hi && from <= s.hi)
            .map(|s| (s.lo.max(from), s.hi.min(hi)))
            .collect();
        // What a page has covered meanwhile, or an eviction has cut off, is not the answer's.
        let inside = |m: &Rc<Message>| kept.iter().any(|(a, b)| *a <= m.seq.0 && m.seq.0 <= *b);
        let messages: Vec<Rc<Message>> = messages.into_values().filter(inside).collect();
        self.need(&messages)?;
        self.held(id).segments.revalidate(from, hi, since);
        self.align(id)?;
        // Also where nothing has changed: it is fresh now.
        self.change(id);
        for m in &messages {
            self.hold(m)?;
            self.newer_elsewhere(m);
        }
        self.drop_trimmed(id);
        Ok(())
    }

    /// The server cannot say what changed in the kept segments of this range (R12): they go, and are
    /// fetched again.
    pub fn drop_kept(&mut self, id: &Rc<str>, since: &str, (from, to): (u64, u64)) -> Result<()> {
        if Fault::GoneIsFresh.on() {
            self.held(id).segments.revalidate(from, to, since);
        }
        self.held(id).segments.drop_kept(from, to, since);
        self.align(id)?;
        self.change(id).cleared = true;
        Ok(())
    }

    /// R2: a new message says what is next to it. What was kept there, and is not it, is gone.
    pub(super) fn swallow_kept(&mut self, m: &Rc<Message>, kept: &[(u64, u64)]) -> Result<()> {
        if kept.is_empty() {
            return Ok(());
        }
        let id = m.conversation.clone();
        let segments = &self.held(&id).segments;
        let Some(s) = segments.containing(m.seq.0).filter(|s| s.fresh()) else {
            return Ok(());
        };
        let (lo, hi) = (s.lo, s.hi);
        let inside = kept.iter().filter(|(a, b)| *a <= hi && lo <= *b);
        let inside: Vec<(u64, u64)> = inside.map(|(a, b)| (*a.max(&lo), *b.min(&hi))).collect();
        let mut listed = Map::new();
        listed.insert(m.seq.0, m.clone());
        self.drop_unlisted(&id, &inside, &listed)?;
        self.align(&id)
    }

    /// R5: of what was kept, a page leaves nothing that it does not have itself.
    fn drop_unlisted(
        &mut self,
        id: &Rc<str>,
        kept: &[(u64, u64)],
        listed: &Map<u64, Rc<Message>>,
    ) -> Result<()> {
        if Fault::KeptStaysInsideThePage.on() {
            return Ok(());
        }
        for (a, b) in kept.iter().copied() {
            let mut at = self.held(id).blocks.partition_point(|block| block.hi < a);
            while let Some(entry) = self.held(id).blocks.get(at).copied() {
                if entry.lo > b {
                    break;
                }
                let key = (id.clone(), entry.lo);
                let block = self.load(&key)?;
                let listed = |m: &Rc<Message>| {
                    let seq = m.seq.0;
                    seq < a || seq > b || listed.contains_key(&seq)
                };
                let gone = block.iter().filter(|m| !listed(m)).map(|m| m.seq.0);
                let gone: Vec<u64> = gone.collect();
                if gone.is_empty() {
                    at += 1;
                    continue;
                }
                block.retain(listed);
                let left = block.clone();
                self.commit.blocks.insert(key, None);
                self.change(id).gone.extend(gone);
                let blocks = &mut self.held(id).blocks;
                let (Some(first), Some(last)) = (left.first(), left.last()) else {
                    blocks.remove(at);
                    continue;
                };
                blocks[at] = BlockRef {
                    lo: first.seq.0,
                    hi: last.seq.0,
                    count: left.len() as u32,
                    ..entry
                };
                let key = (id.clone(), first.seq.0);
                self.commit.blocks.insert(key, Some(left));
                at += 1;
            }
        }
        Ok(())
    }

    /// Blocks follow their segments: one that lies across an end is split there, what lies in none
    /// goes. Only kept segments are ever cut through (R5, R12).
    fn align(&mut self, id: &Rc<str>) -> Result<()> {
        let mut at = 0;
        while let Some(entry) = self.held(id).blocks.get(at).copied() {
            let segments = &self.held(id).segments;
            let split = match segments.containing(entry.lo) {
                Some(s) if s.hi >= entry.hi => {
                    at += 1;
                    continue;
                }
                Some(s) => s.hi + 1,
                None => match segments.iter().find(|s| s.lo > entry.lo) {
                    Some(s) if s.lo <= entry.hi => s.lo,
                    _ => {
                        self.held(id).blocks.remove(at);
                        self.commit.blocks.insert((id.clone(), entry.lo), None);
                        continue;
                    }
                },
            };
            let block = self.load(&(id.clone(), entry.lo))?;
            let upper = block.split_off(block.partition_point(|m| m.seq.0 < split));
            self.split(id, at, upper);
        }
        Ok(())
    }

    /// What a page covers. Of `before` and `after` only what they were asked for counts: that nothing
    /// is newer is a latest page's to say, that nothing is older not a page's above what is held.
    fn cover(&mut self, id: &Rc<str>, place: Place, page: &Page) -> Option<Cover> {
        let first = page.messages.first().map(|m| m.seq.0);
        let last = page.messages.last().map(|m| m.seq.0);
        Some(match place {
            Place::Before(x) => {
                let hi = x.0.checked_sub(1)?;
                let start = !page.has_before;
                Cover {
                    lo: if start { 0 } else { first? },
                    hi,
                    start,
                    end: false,
                }
            }
            Place::After(x) => {
                let held = self.held(id).segments.containing(x.0)?;
                // Of a kept one it says nothing: it begins above it.
                let lo = match held.fresh() {
                    true => held.hi.max(x.0),
                    false => x.0.checked_add(1)?,
                };
                let end = !page.has_after;
                Cover {
                    lo,
                    hi: last.unwrap_or(lo).max(lo),
                    start: false,
                    end,
                }
            }
            Place::Latest | Place::Around(_) | Place::At(_) => {
                let start = !page.has_before;
                Cover {
                    lo: if start { 0 } else { first? },
                    hi: last.unwrap_or(0),
                    start,
                    end: !page.has_after,
                }
            }
        })
    }
}

/// The higher version wins; `add`: also where there was none.
fn newer(messages: &mut Map<u64, Rc<Message>>, m: &Rc<Message>, add: bool) {
    match messages.get_mut(&m.seq.0) {
        Some(held) if held.id == m.id && held.version < m.version => *held = m.clone(),
        Some(_) => {}
        None if add => _ = messages.insert(m.seq.0, m.clone()),
        None => {}
    }
}
