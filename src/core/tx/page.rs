//! Pages and changes, with what was committed since they were asked for (R5–R7, R12).

use super::replay::{Listed, Replay, listed};
use super::{Result, Tx};
use crate::core::block::BlockRef;
use crate::core::events::Event;
use crate::core::fault::Fault;
use crate::core::map::Map;
use crate::core::net::Place;

use crate::core::segments::Cover;
use crate::core::types::Message;
use crate::core::wire::page::{ChangesPage, Page};
use std::rc::Rc;

impl Tx<'_> {
    /// A page (R5) of at most `asked` messages, with the events committed since it was asked for (R7).
    pub fn page(
        &mut self,
        id: &Rc<str>,
        place: Place,
        page: &Page,
        asked: usize,
        journal: &[Event],
    ) -> Result<()> {
        self.commit.changes.irregular.append(&page.irregular);
        let Some(mut cover) = self.cover(id, place, page, asked) else {
            return Ok(());
        };
        cover.start |= Fault::StartAtEveryPage.on();
        let mut replay = Replay::new(&page.messages, cover);
        for event in journal {
            event.replay_on_page(&mut replay);
        }
        let Replay {
            messages,
            cover,
            is_gone,
        } = replay;
        if is_gone {
            return Ok(());
        }
        // The newest end is the end of what was kept, too: above it the server has nothing.
        let live = self.held(id).segments.live();
        let newest = cover.end && live.is_none_or(|live| live.lo <= cover.hi);
        let top = if newest { u64::MAX } else { cover.hi };
        let kept = self.held(id).segments.kept_within(cover.lo, top);
        let doubtful = self.held(id).segments.kept_within(0, u64::MAX);
        let doubtful = doubtful.first().map(|(lo, _)| *lo);
        match page.covers {
            // All that the account may see of it is in the page.
            Some(_) => self.drop_unlisted(id, &[(cover.lo, top)], &messages),
            None => self.drop_unlisted(id, &kept, &messages),
        }
        let messages: Vec<Rc<Message>> = messages.into_values().collect();
        let held = self.held(id);
        held.seen = held.seen.max(messages.last().map(|m| m.seq.0));
        held.segments.add_page(cover);
        if newest {
            held.segments.drop_kept_above_live();
        }
        let aligned = self.align(id);
        self.step(aligned)?;
        self.change(id);
        // From the side where the segment goes on, so that blocks fill up.
        let newest_first = matches!(place, Place::Before(_));
        for i in 0..messages.len() {
            let at = match newest_first {
                true => messages.len() - 1 - i,
                false => i,
            };
            let held = self.insert_message(&messages[at]);
            self.step(held)?;
        }
        for m in &messages {
            self.newer_elsewhere(m);
        }
        self.drop_trimmed(id);
        if let Some(lo) = doubtful {
            self.revalidated(id, lo);
        }
        // What was kept may be of before its positions were given again.
        let was_kept = |seq: u64| kept.iter().any(|(a, b)| *a <= seq && seq <= *b);
        self.clashes.retain(|(_, seq)| !was_kept(*seq));
        let since = self.db.cursor_over(id).to_owned();
        self.doubt_clashes(&since);
        if page.clashes {
            self.doubt(Some(id), &since);
        }
        Ok(())
    }

    /// Some of what was kept, above `lo`, is fresh again: whether something was missing.
    fn revalidated(&mut self, id: &Rc<str>, lo: u64) {
        let change = self.change(id);
        let missing = change.inserted.iter().any(|m| m.seq.0 >= lo);
        let brought = missing || !change.updated.is_empty() || !change.gone.is_empty();
        change.revalidated = Some(brought);
    }

    /// What changed in the kept segments of `[from, to]` since their cursor (R12), with the events
    /// committed since it was asked for (R7): as far as the answer goes they are fresh again.
    pub fn changes(
        &mut self,
        id: &Rc<str>,
        since: &str,
        (from, to): (u64, u64),
        answer: &ChangesPage,
        journal: &[Event],
    ) -> Result<()> {
        self.commit.changes.irregular.append(&answer.irregular);
        let last = answer.messages.last().map(|m| m.seq.0);
        let hi = match last {
            Some(last) if answer.has_more => last.min(to),
            _ => to,
        };
        let mut messages = listed(&answer.messages);
        for event in journal {
            event.replay_on_changes(&mut messages);
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
        self.held(id).segments.revalidate(from, hi, since);
        let aligned = self.align(id);
        self.step(aligned)?;
        // Also where nothing has changed: it is fresh now.
        self.change(id);
        for m in &messages {
            let held = self.insert_message(m);
            self.step(held)?;
            self.newer_elsewhere(m);
        }
        self.drop_trimmed(id);
        self.revalidated(id, 0);
        // It is just being revalidated.
        self.clashes.clear();
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
    pub(in crate::core) fn swallow_kept(
        &mut self,
        m: &Rc<Message>,
        kept: &[(u64, u64)],
    ) -> Result<()> {
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
        self.drop_unlisted(&id, &inside, &listed);
        self.align(&id)
    }

    /// R5: of what was kept, a page leaves nothing that it does not have itself.
    fn drop_unlisted(&mut self, id: &Rc<str>, kept: &[(u64, u64)], listed: &Listed) {
        if Fault::KeptStaysInsideThePage.on() {
            return;
        }
        for (a, b) in kept.iter().copied() {
            let mut at = self.held(id).blocks.partition_point(|block| block.hi < a);
            while let Some(entry) = self.held(id).blocks.get(at).copied()
                && entry.lo <= b
            {
                let stays = self.drop_unlisted_of(id, (at, entry), (a, b), listed);
                at += usize::from(stays);
            }
        }
    }

    /// [`Tx::drop_unlisted`] in one block. Answers whether it stays.
    fn drop_unlisted_of(
        &mut self,
        id: &Rc<str>,
        (at, entry): (usize, BlockRef),
        (a, b): (u64, u64),
        listed: &Listed,
    ) -> bool {
        let key = (id.clone(), entry.lo);
        let Ok(block) = self.load(&key) else {
            // Read with the rest of what is missing.
            return true;
        };
        let listed = |m: &Rc<Message>| {
            let seq = m.seq.0;
            seq < a || seq > b || listed.contains_key(&seq)
        };
        let gone = block.iter().filter(|m| !listed(m)).map(|m| m.seq.0);
        let gone: Vec<u64> = gone.collect();
        if gone.is_empty() {
            return true;
        }
        block.retain(listed);
        let left = block.clone();
        self.commit.blocks.insert(key, None);
        self.change(id).gone.extend(gone);
        let blocks = &mut self.held(id).blocks;
        let (Some(first), Some(last)) = (left.first(), left.last()) else {
            blocks.remove(at);
            return false;
        };
        blocks[at] = BlockRef {
            lo: first.seq.0,
            hi: last.seq.0,
            count: left.len() as u32,
            ..entry
        };
        let key = (id.clone(), first.seq.0);
        self.commit.blocks.insert(key, Some(left));
        true
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
            let Ok(block) = self.load(&(id.clone(), entry.lo)) else {
                // Read with the rest of what is missing.
                at += 1;
                continue;
            };
            let upper = block.split_off(block.partition_point(|m| m.seq.0 < split));
            self.split(id, at, upper);
        }
        Ok(())
    }

    /// What a page covers. Of `before` and `after` only what they were asked for counts: that nothing
    /// is newer is a latest page's to say, that nothing is older not a page's above what is held.
    fn cover(&mut self, id: &Rc<str>, place: Place, page: &Page, asked: usize) -> Option<Cover> {
        let first = page.messages.first().map(|m| m.seq.0);
        let last = page.messages.last().map(|m| m.seq.0);
        // A full page ends at its first and its last.
        let covers = page.covers.filter(|_| page.messages.len() < asked);
        let end = !page.has_after;
        let from = covers.map(|(from, _)| from).or(first);
        let start = !page.has_before || from == Some(0);
        let known = self.state(id).and_then(|state| state.last_seq);
        let known = known.map_or(0, |seq| seq.0);
        // Where nothing is newer, positions above the newest are nobody's yet.
        let to = covers.map(|(_, to)| if end { to.min(known) } else { to });
        let to = to.max(last);
        Some(match place {
            Place::Before(x) => Cover {
                lo: if start { 0 } else { from? },
                hi: x.0.checked_sub(1)?,
                start,
                end: false,
            },
            Place::After(x) => {
                let held = self.held(id).segments.containing(x.0)?;
                // Of a kept one it says nothing: it begins above it.
                let lo = match held.fresh() {
                    true => held.hi.max(x.0),
                    false => x.0.checked_add(1)?,
                };
                Cover {
                    lo,
                    hi: to.unwrap_or(lo).max(lo),
                    start: false,
                    end,
                }
            }
            Place::Latest | Place::Around(_) | Place::At(_) => {
                let lo = if start { 0 } else { from? };
                Cover {
                    lo,
                    hi: to.unwrap_or(lo).max(lo),
                    start,
                    end,
                }
            }
        })
    }
}
