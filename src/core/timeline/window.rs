//! The window of a timeline: the messages that it holds, as runs. Nothing here knows of requests, of the
//! screen, or of what the window is to show.
//!
//! ```text
//!  segment   [2 3 4 5 6 7 8 9 10 11]>
//!  window          [5 6 7 8 9]            runs: one
//!
//!  after an overflow, until pages cover it again, and with a new message behind it:
//!  window          [5 6 7 8 9]  ·gap·  [15]      runs: two, the first not held any more
//! ```

use std::rc::Rc;

use crate::core::fault::Fault;
use crate::core::map::Set;
use crate::core::records::Held;
use crate::core::types::{Direction, Message, Seq};

/// A stretch with nothing missing.
#[derive(Clone, Debug)]
pub(in crate::core) struct Run {
    /// from here: its first message, or its segment's end if nothing older is held
    lo: u64,
    /// to here: its last message, or its segment's end if nothing newer is held
    hi: u64,
    messages: Vec<Rc<Message>>,
    /// it lies in a segment; false: an overflow took that from under it
    held: bool,
}

impl Run {
    /// These messages of `[from, to]`, which is held: nothing is missing between them.
    pub fn of(held: &Held, (from, to): (u64, u64), messages: Vec<Rc<Message>>) -> Run {
        Run {
            lo: edge(held, Direction::Older, from, &messages),
            hi: edge(held, Direction::Newer, to, &messages),
            messages,
            held: true,
        }
    }

    /// The oldest position of which it says something.
    pub fn lo(&self) -> u64 {
        self.lo
    }

    /// The newest position of which it says something.
    pub fn hi(&self) -> u64 {
        self.hi
    }

    pub fn messages(&self) -> &[Rc<Message>] {
        &self.messages
    }

    /// Whether it lies in a segment.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// What of it is held, as it is stored by now: all that it says something of, or its messages. A segment that was
    /// fetched anew may reach less far beyond them. None: less than that.
    pub fn still_held(&self, held: &Held) -> Option<(u64, u64)> {
        let ends = self.messages.first().zip(self.messages.last());
        let messages = ends.map(|(first, last)| (first.seq.0, last.seq.0));
        let stretches = [Some((self.lo, self.hi)), messages];
        let mut stretches = stretches.into_iter().flatten();
        stretches.find(|range| self.held && held.segments.covers(*range))
    }

    fn find(&self, seq: u64) -> Result<usize, usize> {
        self.messages.binary_search_by_key(&seq, |m| m.seq.0)
    }

    /// Whether there is a message at this position in it.
    pub fn shows(&self, seq: u64) -> bool {
        self.find(seq).is_ok()
    }

    fn ascends(&self) -> bool {
        let within = |m: &Rc<Message>| self.lo <= m.seq.0 && m.seq.0 <= self.hi;
        let pairs = self.messages.windows(2);
        self.lo <= self.hi
            && self.messages.iter().all(within)
            && pairs.into_iter().all(|pair| pair[0].seq < pair[1].seq)
    }

    /// Its own copy in place of an older one.
    fn keep_newer(&self, m: &mut Rc<Message>) {
        let shown = self.find(m.seq.0).ok().map(|at| &self.messages[at]);
        if let Some(shown) = shown.filter(|shown| shown.id == m.id && shown.is_newer_than(m)) {
            *m = shown.clone();
        }
    }
}

/// Where a run ends on this side that has these messages, of what is held up to `end`: at its last message,
/// or at `end` where no message is held beyond that.
fn edge(held: &Held, side: Direction, end: u64, messages: &[Rc<Message>]) -> u64 {
    match side {
        Direction::Older => match messages.first() {
            Some(m) if !nothing_older(held, end, m.seq.0) => m.seq.0,
            _ => end,
        },
        Direction::Newer => match messages.last() {
            Some(m) if !nothing_newer(held, end, m.seq.0) => m.seq.0,
            _ => end,
        },
    }
}

/// Whether nothing is held from `lo` to below this position.
pub(super) fn nothing_older(held: &Held, lo: u64, seq: u64) -> bool {
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

/// What has become of the messages that a commit says are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Gone {
    /// they are out of the window
    Some,
    /// they are all that it shows, and stay until something takes their place (R4)
    All,
}

/// The runs of a window.
#[derive(Clone, Debug, Default)]
pub(in crate::core) struct Window {
    /// oldest first; they stand apart by a gap
    runs: Vec<Run>,
}

impl Window {
    // ------------------------------------------------------------ what it holds

    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The run at this end.
    pub fn end(&self, side: Direction) -> Option<&Run> {
        match side {
            Direction::Older => self.runs.first(),
            Direction::Newer => self.runs.last(),
        }
    }

    fn end_mut(&mut self, side: Direction) -> Option<&mut Run> {
        match side {
            Direction::Older => self.runs.first_mut(),
            Direction::Newer => self.runs.last_mut(),
        }
    }

    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &Rc<Message>> {
        self.runs.iter().flat_map(|run| &run.messages)
    }

    pub fn count(&self) -> usize {
        self.runs.iter().map(|run| run.messages.len()).sum()
    }

    pub fn oldest(&self) -> Option<u64> {
        self.messages().next().map(|m| m.seq.0)
    }

    pub fn newest(&self) -> Option<u64> {
        self.messages().next_back().map(|m| m.seq.0)
    }

    /// How many messages it has before this position.
    pub fn older_than(&self, seq: u64) -> usize {
        self.messages().take_while(|m| m.seq.0 < seq).count()
    }

    /// How many messages it has behind this position.
    pub fn newer_than(&self, seq: u64) -> usize {
        self.messages().rev().take_while(|m| m.seq.0 > seq).count()
    }

    /// The oldest message of what lies in a segment.
    pub fn oldest_held(&self) -> Option<u64> {
        let held = self.runs.iter().filter(|run| run.held);
        held.flat_map(|run| &run.messages).next().map(|m| m.seq.0)
    }

    /// Whether there is a message at this position.
    pub fn shows(&self, seq: u64) -> bool {
        self.runs.iter().any(|run| run.shows(seq))
    }

    /// Whether it shows something of `[lo, hi]`.
    pub fn overlaps(&self, (lo, hi): (u64, u64)) -> bool {
        self.runs.iter().any(|run| lo <= run.hi && run.lo <= hi)
    }

    /// All that it shows is held: what is reached goes on from there, and takes no one's place.
    pub fn is_all_held(&self) -> bool {
        !self.runs.is_empty() && self.runs.iter().all(|run| run.held)
    }

    /// The older run's number of the gap that is nearest to what is on screen.
    pub fn nearest_gap(&self, visible: Option<(u64, u64)>) -> Option<usize> {
        let distance = |at: &usize| {
            let Some((first, last)) = visible else {
                return 0;
            };
            let (below, above) = (&self.runs[at - 1], &self.runs[*at]);
            let over = below.messages.iter().rev().take_while(|m| m.seq.0 > last);
            let under = above.messages.iter().take_while(|m| m.seq.0 < first);
            over.count().max(under.count())
        };
        let nearest = (1..self.runs.len()).rev().min_by_key(distance);
        nearest.map(|at| at - 1)
    }

    /// A copy that is shown is not replaced by an older one (R3), whatever is held of it.
    pub fn keep_newer(&self, messages: &mut [Rc<Message>]) {
        for run in self.runs.iter().filter(|run| !run.held) {
            messages.iter_mut().for_each(|m| run.keep_newer(m));
        }
    }

    /// The same stretches, as they are stored by now: `read` answers the messages of one. A copy that is shown is
    /// not replaced by an older one (R3). Answers whether it could: the messages of each run still lie in what is held,
    /// and are not gone all at once. Where it could not, it is as it was.
    pub fn read_anew(
        &mut self,
        held: &Held,
        read: impl Fn((u64, u64)) -> Option<Vec<Rc<Message>>>,
    ) -> bool {
        let anew = |run: &Run| {
            let range = run.still_held(held)?;
            let mut messages = read(range)?;
            messages.iter_mut().for_each(|m| run.keep_newer(m));
            let gone = messages.is_empty() && !run.messages.is_empty();
            (!gone).then(|| Run::of(held, range, messages))
        };
        let runs: Option<Vec<Run>> = self.runs.iter().map(anew).collect();
        let Some(runs) = runs else { return false };
        self.runs = runs;
        self.check();
        true
    }

    // ------------------------------------------------------------ growing

    /// This run in place of all.
    pub fn replace(&mut self, run: Run) {
        self.runs = vec![run];
        self.check();
    }

    /// A run beyond this end, after a gap.
    pub fn put(&mut self, side: Direction, run: Run) {
        match side {
            Direction::Older => self.runs.insert(0, run),
            Direction::Newer => self.runs.push(run),
        }
        self.check();
    }

    /// What lies between this end and `end`, as far as it is held.
    pub fn beyond(&self, side: Direction, end: u64) -> (u64, u64) {
        let run = self.end(side);
        match side {
            Direction::Older => (end, run.map_or(0, |run| run.lo.saturating_sub(1))),
            Direction::Newer => (run.map_or(0, |run| run.hi.saturating_add(1)), end),
        }
    }

    /// Grows at this end by messages that are held, up to `end`.
    pub fn grow(&mut self, side: Direction, held: &Held, end: u64, more: Vec<Rc<Message>>) {
        let edge = edge(held, side, end, &more);
        let Some(run) = self.end_mut(side) else {
            return debug_assert!(false, "there is a run to grow from");
        };
        match side {
            Direction::Older => {
                run.lo = edge;
                run.messages.splice(0..0, more);
            }
            Direction::Newer => {
                run.hi = edge;
                run.messages.extend(more);
            }
        }
        self.check();
    }

    /// Goes on to `to` with its newest end.
    pub fn extend(&mut self, to: u64, more: Vec<Rc<Message>>) {
        let Some(run) = self.runs.last_mut() else {
            return debug_assert!(false, "there is a run to go on from");
        };
        run.messages.extend(more);
        run.hi = to;
        self.check();
    }

    /// The same, where these messages do not follow what the newest run has: they take its place. Answers
    /// which positions have gone.
    pub fn skip_to(&mut self, to: u64, more: Vec<Rc<Message>>) -> Vec<u64> {
        let Some(run) = self.runs.last_mut() else {
            debug_assert!(false, "there is a run to go on from");
            return Vec::new();
        };
        run.lo = more.first().map_or(run.lo, |m| m.seq.0);
        run.hi = to;
        let gone = std::mem::replace(&mut run.messages, more);
        self.check();
        gone.iter().map(|m| m.seq.0).collect()
    }

    /// Whether nothing is missing any more between this run and the next.
    pub fn joins(&self, at: usize, held: &Held) -> bool {
        let (below, above) = (&self.runs[at], &self.runs[at + 1]);
        let reached = held.segments.reach_hi(below.hi);
        below.held && above.held && reached.is_some_and(|to| to >= above.lo)
    }

    /// What lies between this run and the next; `None`: nothing.
    pub fn between(&self, at: usize) -> Option<(u64, u64)> {
        let (below, above) = (&self.runs[at], &self.runs[at + 1]);
        let between = below.hi.checked_add(1).zip(above.lo.checked_sub(1));
        between.filter(|(lo, hi)| lo <= hi)
    }

    /// This run and the next become one, with what lies between them. Where that is more than `most`, what is
    /// below it goes. Answers which positions have gone.
    pub fn join(&mut self, at: usize, mut between: Vec<Rc<Message>>, most: usize) -> Vec<u64> {
        let above = self.runs.remove(at + 1);
        let below = &mut self.runs[at];
        let mut gone = Vec::new();
        if between.len() > most {
            let rest = between.split_off(between.len() - most);
            let old = std::mem::replace(&mut below.messages, rest);
            below.lo = below.messages.first().map_or(below.lo, |m| m.seq.0);
            gone = old.iter().chain(&between).map(|m| m.seq.0).collect();
        } else {
            below.messages.extend(between);
        }
        below.messages.extend(above.messages);
        below.hi = above.hi;
        self.check();
        gone
    }

    /// What is held of the gap below this run, up to it; `None`: nothing.
    pub fn unfilled(&self, at: usize, held: &Held) -> Option<(u64, u64)> {
        let run = self.runs.get(at).filter(|run| run.held)?;
        let lo = held.segments.reach_lo(run.lo)?;
        (lo < run.lo).then(|| (lo, run.lo - 1))
    }

    /// Puts what has come of the gap below this run, from `lo` on, before it.
    pub fn fill(&mut self, at: usize, held: &Held, lo: u64, more: Vec<Rc<Message>>) {
        let run = &mut self.runs[at];
        run.lo = edge(held, Direction::Older, lo, &more);
        run.messages.splice(0..0, more);
        self.check();
    }

    // ------------------------------------------------------------ letting go

    /// Lets go of so many messages at this end, but never of all, and of the runs that have none then. Answers
    /// their positions.
    pub fn cut(&mut self, side: Direction, count: usize) -> Vec<u64> {
        debug_assert!(count < self.count(), "a window is not let go whole");
        let mut gone = Vec::new();
        while gone.len() < count {
            let left = count - gone.len();
            let Some(run) = self.end_mut(side) else {
                break;
            };
            let n = run.messages.len().min(left);
            let cut = match side {
                Direction::Older => run.messages.drain(..n),
                Direction::Newer => run.messages.drain(run.messages.len() - n..),
            };
            gone.extend(cut.map(|m| m.seq.0));
            match (side, run.messages.first(), run.messages.last()) {
                (Direction::Older, Some(first), _) => run.lo = first.seq.0,
                (Direction::Newer, _, Some(last)) => run.hi = last.seq.0,
                (Direction::Older, ..) => _ = self.runs.remove(0),
                (Direction::Newer, ..) => _ = self.runs.pop(),
            }
        }
        self.check();
        gone
    }

    /// What it shows is not held any more. `unsure`: where something may be missing before a message, because
    /// what was kept there has none, only that one's not being fresh says so. What is not held is fresh
    /// nowhere: from there on a gap says it.
    pub fn let_segments_go(&mut self, unsure: &[Seq]) {
        for seq in unsure {
            let found = self.runs.iter().enumerate().find_map(|(n, run)| {
                let at = run.find(seq.0).ok();
                at.filter(|at| *at > 0).map(|at| (n, at))
            });
            let Some((n, at)) = found else { continue };
            let below = &mut self.runs[n];
            let above = Run {
                lo: seq.0,
                hi: below.hi,
                messages: below.messages.split_off(at),
                held: below.held,
            };
            below.hi = below.messages[at - 1].seq.0;
            self.runs.insert(n + 1, above);
        }
        for run in &mut self.runs {
            run.held = false;
        }
        if Fault::WindowGoesBlank.on() {
            self.runs.clear();
        }
        self.check();
    }

    /// Nothing older than `before` exists any more.
    pub fn trim(&mut self, before: u64, held: &Held) {
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
        self.check();
    }

    // ------------------------------------------------------------ commits

    /// New messages, where it has a place for them.
    pub fn take_messages(&mut self, inserted: &[Rc<Message>]) {
        for m in inserted {
            let at = |run: &&mut Run| run.held && run.lo <= m.seq.0 && m.seq.0 <= run.hi;
            if let Some(run) = self.runs.iter_mut().find(at)
                && let Err(i) = run.find(m.seq.0)
            {
                run.messages.insert(i, m.clone());
            }
        }
        self.check();
    }

    /// R5: these were kept, and are not there any more.
    pub fn remove(&mut self, gone: &Set<u64>) -> Gone {
        let is_gone = |m: &Rc<Message>| gone.contains(&m.seq.0);
        if self.messages().all(is_gone) {
            return Gone::All;
        }
        for run in &mut self.runs {
            run.messages.retain(|m| !is_gone(m));
        }
        self.runs.retain(|run| !run.messages.is_empty());
        self.check();
        Gone::Some
    }

    /// A segment may end before it did: what was kept at its end was not there any more. A run ends with its segment.
    pub fn fit(&mut self, held: &Held) {
        for run in self.runs.iter_mut().filter(|run| run.held) {
            let ends = run.messages.first().zip(run.messages.last());
            let Some((first, last)) = ends.filter(|_| !held.segments.covers((run.lo, run.hi)))
            else {
                continue;
            };
            let reached = |end: Option<u64>, at: u64| end.unwrap_or(at);
            let lo = reached(held.segments.reach_lo(first.seq.0), first.seq.0).max(run.lo);
            let hi = reached(held.segments.reach_hi(last.seq.0), last.seq.0).min(run.hi);
            run.lo = edge(held, Direction::Older, lo, &run.messages);
            run.hi = edge(held, Direction::Newer, hi, &run.messages);
        }
        self.check();
    }

    /// Whether each run that says so lies in what is held.
    pub fn lies_in(&self, held: &Held) -> bool {
        let held_ones = |run: &&Run| run.held && !run.messages.is_empty();
        let mut runs = self.runs.iter().filter(held_ones);
        runs.all(|run| held.segments.covers((run.lo, run.hi)))
    }

    /// R3: newer versions of what it shows, or showed when it was let go.
    pub fn take_version(&mut self, m: &Rc<Message>) {
        for run in &mut self.runs {
            if let Ok(i) = run.find(m.seq.0)
                && m.replaces(&run.messages[i])
            {
                run.messages[i] = m.clone();
            }
        }
    }

    /// A position that came again with another id: what is held there now stands. Answers whether it took it.
    pub fn take_other(&mut self, m: &Rc<Message>, is_held: impl Fn(&Message) -> bool) -> bool {
        let mut taken = false;
        for run in self.runs.iter_mut().filter(|run| run.held) {
            if let Ok(at) = run.find(m.seq.0)
                && run.messages[at].id != m.id
                && is_held(m)
            {
                run.messages[at] = m.clone();
                taken = true;
            }
        }
        taken
    }

    /// What holds after each change.
    fn check(&self) {
        debug_assert!(
            self.runs.iter().all(Run::ascends),
            "a run ascends: {self:?}"
        );
        let mut pairs = self.runs.windows(2);
        let apart = pairs.all(|pair| pair[0].hi < pair[1].lo);
        debug_assert!(apart, "runs ascend, and stand apart: {self:?}");
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::block::BlockRef;
    use crate::core::segments::{Segment, Segments};

    fn message(seq: u64, version: u64) -> Rc<Message> {
        Rc::new(Message {
            version,
            ..Message::sample("c", seq)
        })
    }

    fn messages(seqs: &[u64]) -> Vec<Rc<Message>> {
        seqs.iter().map(|seq| message(*seq, 1)).collect()
    }

    /// One segment for each of these: its ends, and its messages.
    fn held(of: &[((u64, u64), &[u64])]) -> Held {
        let segments = of.iter().map(|((lo, hi), _)| Segment {
            lo: *lo,
            hi: *hi,
            live: false,
            start: *lo == 0,
            since: None,
        });
        let chunks = of.iter().flat_map(|(_, seqs)| seqs.chunks(3));
        let blocks = chunks.map(|block| BlockRef {
            lo: block[0],
            hi: block[block.len() - 1],
            count: block.len() as u32,
            bytes: 1,
        });
        Held {
            segments: Segments::restore(segments.collect()).unwrap(),
            blocks: blocks.collect(),
            ..Held::default()
        }
    }

    fn shown(window: &Window) -> Vec<Vec<u64>> {
        let seqs = |run: &Run| run.messages().iter().map(|m| m.seq.0).collect();
        window.runs().iter().map(seqs).collect()
    }

    fn window(held: &Held, runs: &[((u64, u64), &[u64])]) -> Window {
        let mut window = Window::default();
        for (range, seqs) in runs {
            window.put(Direction::Newer, Run::of(held, *range, messages(seqs)));
        }
        window
    }

    #[test]
    fn a_run_goes_on_where_its_messages_are_held_by_a_segment_that_reaches_less_far() {
        let seqs = &[5, 6, 7][..];
        let before = held(&[((2, 20), seqs)]);
        for (now, ends) in [
            ((0, 30), Some((2, 20))),
            ((5, 30), Some((5, 7))),
            ((2, 7), Some((5, 7))),
            ((6, 30), None),
        ] {
            let mut window = window(&before, &[((2, 20), seqs)]);
            let within = seqs.iter().copied().filter(|seq| now.0 <= *seq);
            let now = held(&[(now, &within.collect::<Vec<_>>())]);
            let read = |(lo, hi): (u64, u64)| {
                let within = seqs.iter().filter(|seq| (lo..=hi).contains(*seq));
                Some(messages(&within.copied().collect::<Vec<_>>()))
            };
            assert_eq!(window.read_anew(&now, read), ends.is_some());
            let run = &window.runs()[0];
            assert_eq!((run.lo(), run.hi()), ends.unwrap_or((2, 20)));
            assert_eq!(shown(&window), [seqs]);
        }
    }

    #[test]
    fn a_run_reaches_to_the_end_where_nothing_is_held_beyond_its_last_message() {
        let held = held(&[((2, 20), &[5, 6, 7, 9, 10, 12])]);
        for (seqs, ends) in [
            (&[5, 6, 7, 9, 10, 12][..], (2, 20)),
            (&[6, 7, 9], (6, 9)),
            (&[5, 6], (2, 6)),
            (&[10, 12], (10, 20)),
            (&[], (2, 20)),
        ] {
            let run = Run::of(&held, (2, 20), messages(seqs));
            assert_eq!((run.lo(), run.hi()), ends, "{seqs:?}");
        }
    }

    #[test]
    fn runs_join_once_their_segments_touch() {
        let apart = held(&[((1, 4), &[1, 3]), ((8, 9), &[8, 9])]);
        let runs: &[((u64, u64), &[u64])] = &[((1, 4), &[1, 3]), ((8, 9), &[8, 9])];
        let mut window = window(&apart, runs);
        assert!(!window.joins(0, &apart) && window.unfilled(1, &apart).is_none());
        // A page has come of the gap, from its newer end.
        let nearer = held(&[((1, 4), &[1, 3]), ((6, 9), &[7, 8, 9])]);
        assert_eq!(window.unfilled(1, &nearer), Some((6, 7)));
        window.fill(1, &nearer, 6, messages(&[7]));
        assert_eq!(shown(&window), [vec![1, 3], vec![7, 8, 9]]);
        let whole = held(&[((1, 9), &[1, 3, 5, 7, 8, 9])]);
        assert!(window.joins(0, &whole));
        assert_eq!(window.between(0), Some((5, 5)));
        assert!(window.clone().join(0, messages(&[5]), 10).is_empty());
        // More than it holds: what is below that goes.
        assert_eq!(window.join(0, messages(&[5]), 0), [1, 3, 5]);
        assert_eq!(shown(&window), [vec![7, 8, 9]]);
    }

    #[test]
    fn what_is_not_held_any_more_parts_where_something_may_be_missing() {
        let held = held(&[((1, 9), &[1, 3, 8, 9])]);
        let mut window = window(&held, &[((1, 9), &[1, 3, 8, 9])]);
        window.let_segments_go(&[Seq(8), Seq(1)]);
        assert_eq!(shown(&window), [vec![1, 3], vec![8, 9]]);
        assert!(!window.is_all_held());
        // What it shows is not replaced by an older copy, and takes a newer one.
        window.take_version(&message(8, 3));
        let mut older = messages(&[8, 9]);
        window.keep_newer(&mut older);
        assert_eq!((older[0].version, older[1].version), (3, 1));
    }

    #[test]
    fn what_is_gone_is_shown_only_where_it_is_all() {
        let held = held(&[((1, 9), &[1, 3, 8, 9])]);
        let mut window = window(&held, &[((1, 9), &[1, 3, 8, 9])]);
        let mut gone = Set::new();
        gone.add_all([1, 3, 8, 9]);
        assert_eq!(window.remove(&gone), Gone::All);
        assert_eq!(window.count(), 4);
        gone.remove(&3);
        assert_eq!(window.remove(&gone), Gone::Some);
        assert_eq!(shown(&window), [vec![3]]);
    }

    #[derive(Clone, Debug)]
    enum Op {
        Grow(Direction, usize),
        Cut(Direction, usize),
        Come(u64),
        Remove(u64),
        Trim(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        let side = || prop_oneof![Just(Direction::Older), Just(Direction::Newer)];
        prop_oneof![
            (side(), 1..5usize).prop_map(|(side, n)| Op::Grow(side, n)),
            (side(), 1..5usize).prop_map(|(side, n)| Op::Cut(side, n)),
            (1..60u64).prop_map(Op::Come),
            (1..60u64).prop_map(Op::Remove),
            (1..20u64).prop_map(Op::Trim),
        ]
    }

    proptest! {
        /// Whatever is done to it: between the neighbours of a run nothing that is held is missing.
        #[test]
        fn a_run_shows_all_that_is_held_of_it(
            seqs in proptest::collection::btree_set(1..60u64, 3..30),
            ops in proptest::collection::vec(op(), 1..30),
        ) {
            let mut stored: Vec<u64> = seqs.into_iter().collect();
            let mut ends = (0, 60);
            let middle = stored[stored.len() / 2];
            let of = |ends: (u64, u64), stored: &[u64]| held(&[(ends, stored)]);
            let mut window = window(&of(ends, &stored), &[(ends, &[middle])]);
            for op in ops {
                match op {
                    Op::Grow(side, n) => {
                        let end = if side == Direction::Older { ends.0 } else { ends.1 };
                        let (lo, hi) = window.beyond(side, end);
                        if window.is_empty() || lo > hi {
                            continue;
                        }
                        let within = stored.iter().copied().filter(|seq| lo <= *seq && *seq <= hi);
                        let mut more: Vec<u64> = within.collect();
                        match side {
                            Direction::Older => _ = more.drain(..more.len().saturating_sub(n)),
                            Direction::Newer => more.truncate(n),
                        }
                        window.grow(side, &of(ends, &stored), end, messages(&more));
                    }
                    Op::Cut(side, n) => {
                        let before = window.count();
                        let n = n.min(before.saturating_sub(1));
                        if n == 0 {
                            continue;
                        }
                        let gone = window.cut(side, n);
                        prop_assert_eq!(gone.len(), n);
                        prop_assert_eq!(window.count(), before - gone.len());
                        prop_assert!(gone.iter().all(|seq| !window.shows(*seq)));
                    }
                    Op::Come(seq) if ends.0 <= seq => {
                        if let Err(at) = stored.binary_search(&seq) {
                            stored.insert(at, seq);
                            window.take_messages(&messages(&[seq]));
                        }
                    }
                    Op::Come(_) => {}
                    Op::Remove(seq) => {
                        let mut gone = Set::new();
                        gone.add(seq);
                        if window.count() > 0 && window.remove(&gone) == Gone::Some {
                            stored.retain(|at| *at != seq);
                        }
                    }
                    Op::Trim(before) => {
                        stored.retain(|seq| *seq >= before);
                        ends.0 = 0;
                        window.trim(before, &of(ends, &stored));
                    }
                }
                for run in window.runs().iter().filter(|run| !run.messages().is_empty()) {
                    let within = |seq: &&u64| run.lo() <= **seq && **seq <= run.hi();
                    let all: Vec<u64> = stored.iter().filter(within).copied().collect();
                    let has: Vec<u64> = run.messages().iter().map(|m| m.seq.0).collect();
                    prop_assert_eq!(has, all);
                }
            }
        }
    }
}
