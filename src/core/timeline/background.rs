//! What a timeline asks for by itself: what is kept is made fresh, a gap filled, a page fetched ahead.

use std::rc::Rc;

use super::source::{reach, starts};
use super::state::Timeline;
use super::trouble::circle;
use super::work::Work;
use crate::core::net::Place;
use crate::core::purpose::Wants;
use crate::core::records::Held;
use crate::core::segments::Segment;
use crate::core::tx::Committed;
use crate::core::types::{Direction, Message, Seq};

/// ms without a request before a page is fetched that nobody has asked for.
pub(super) const IDLE: u64 = 500;

impl Timeline {
    /// What is shown and not fresh is revalidated (R12), a gap is filled: one page at a time.
    pub(super) fn revalidate_or_fill_gap(&mut self, w: &mut Work) {
        self.tend.wanted = false;
        let busy = self.reload.is_some() || self.tend.fetch.is_some();
        if busy || !self.opened || !self.window.is_all_held() {
            return;
        }
        let held = w.cx.db.held(&self.conversation);
        let stale = self.stale_wants(&held, w.cx.config.can_revalidate);
        let Some(wants) = stale.or_else(|| self.gap_wants(&held)) else {
            if self.tend.asked.take().is_some() {
                self.trouble.has_all();
            }
            return;
        };
        if self.trouble.is_refused() {
            return;
        }
        self.tend.wanted = true;
        let now = w.cx.now.mono;
        if !w.asks() {
            // No timer is set: it goes on when the server is reached again, and its backoff is over.
            self.trouble.end_wait(now);
            return;
        }
        if self.trouble.waits(now) {
            return;
        }
        self.trouble.stop_waiting();
        if self.goes_in_circles(w, &wants) {
            return;
        }
        let limit = match wants {
            Wants::Page(_) => self.sizes.page,
            Wants::Changes { .. } => w.cx.config.limits.page,
        };
        self.tend.asked = Some(wants.clone());
        self.tend.fetch = Some(w.fetches.ask(w.cx, &self.conversation, wants, limit));
    }

    /// Whether what it asked for last has changed nothing, or nothing has come for long. Then it asks later.
    fn goes_in_circles(&mut self, w: &mut Work, wants: &Wants) -> bool {
        let (tend, count) = (&mut self.tend, self.window.count());
        let same = tend.asked.as_ref() == Some(wants);
        let gone_on = tend.asked.is_some() && !same;
        tend.void = match gone_on && tend.count == count {
            true => tend.void + 1,
            false => 0,
        };
        if same || tend.void >= w.cx.config.limits.void_pages {
            let error = circle();
            self.trouble.put_off(w.cx, &self.conversation, &error);
            tend.asked = None;
            tend.void = 0;
            if same {
                w.cx.out.error_event(&error);
            }
            return true;
        }
        if gone_on {
            self.trouble.goes_on();
        }
        tend.count = count;
        false
    }

    /// What makes the newest kept segment of the window fresh.
    fn stale_wants(&self, held: &Held, can_revalidate: bool) -> Option<Wants> {
        let shown = |s: &&Segment| self.window.overlaps((s.lo, s.hi));
        let mut newest_first = held.segments.iter().rev();
        let kept = newest_first.find(|s| !s.fresh() && shown(s))?;
        let since = kept.since.clone().unwrap_or_default();
        if can_revalidate && !since.is_empty() {
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
                let shown: Vec<u64> = self.messages().filter(inside).map(|m| m.seq.0).collect();
                let mid = shown.get(shown.len() / 2).copied();
                Place::Around(Seq(mid.unwrap_or(kept.hi)))
            }
        }))
    }

    /// The next page of a gap: of the one that is nearest to what is on screen.
    fn gap_wants(&self, held: &Held) -> Option<Wants> {
        let at = self.window.nearest_gap(self.unseen.visible())?;
        let above = &self.window.runs()[at + 1];
        let (lo, _, _) = reach(held, above.lo());
        Some(Wants::Page(Place::Before(Seq(lo))))
    }

    /// Within a screen of a segment's old end one page is fetched before it is asked for.
    pub(super) fn prefetch_older(&mut self, w: &mut Work) {
        self.ahead_due = false;
        let (config, page) = (w.cx.config, self.sizes.page);
        let metered = config.metered || w.cx.standing.hidden_since.is_some();
        let loads = self.loads.get(Direction::Older).is_some();
        let busy = self.reload.is_some() || loads || self.ahead.fetch.is_some();
        if !config.prefetch || metered || busy || !self.opened || !self.window.is_all_held() {
            return;
        }
        if !w.asks() || self.error().is_some() {
            return;
        }
        let Some(from) = self.near_its_end(w.cx.db) else {
            return;
        };
        // A page that was fetched ahead, and evicted since, is not fetched ahead again.
        let asked = match self.ahead.asked {
            Some(Wants::Page(Place::Before(asked))) => from >= asked.0,
            _ => false,
        };
        if asked || self.ahead.void >= config.limits.ahead {
            return;
        }
        if w.cx.db.messages().saturating_add(page as u64) > config.max_messages {
            return;
        }
        if !w.is_idle() || w.cx.now.mono < w.cx.out.requests.idle_since() + IDLE {
            self.ahead_due = true;
            return;
        }
        let wants = Wants::Page(Place::Before(Seq(from)));
        self.ahead.asked = Some(wants.clone());
        self.ahead.void += 1;
        self.ahead.fetch = Some(w.fetches.ask(w.cx, &self.conversation, wants, page));
    }

    /// The old end of what is held, where less than a screen of it is left to come; `None`: it is farther
    /// off, or the history ends there.
    fn near_its_end(&self, db: &Committed) -> Option<u64> {
        let held = db.held(&self.conversation);
        let page = self.sizes.page;
        let run = self.window.end(Direction::Older)?;
        let (from, _, _) = reach(&held, run.lo());
        if held.segments.containing(from).is_none() || starts(&held, from) {
            return None;
        }
        let upto = held.blocks.partition_point(|b| b.lo < run.lo());
        let mut below = 0;
        for b in held.blocks[..upto].iter().rev() {
            if b.lo < from || below >= page {
                break;
            }
            below += match db.peek(&(self.conversation.clone(), b.lo)) {
                // The window begins inside this block, which was read for it.
                Some(block) if b.hi >= run.lo() => block.partition_point(|m| m.seq.0 < run.lo()),
                _ => b.count as usize,
            };
        }
        let visible = self.unseen.visible();
        let inside = visible.map_or(0, |(first, _)| self.window.older_than(first));
        (below + inside < page).then_some(from)
    }
}
