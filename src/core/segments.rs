//! Segments: the intervals of one conversation in which the client lacks nothing.
//!
//! ```text
//! positions   0 1 2 3 4 5 6 7 8 9
//! segments    |1 2 3]   [6 7]>          "|" start, ">" live
//! ```
//!
//! A segment `[lo, hi]` says two things: the server has no message in it that the client lacks, and
//! every one is at least the version that was the newest as of the client's cursor. Segments are
//! disjoint, sorted, and never touch: fresh neighbours are one. What a message or a page does to
//! them is R2, R5 and R6; nothing here knows of messages, only of positions.

use super::fault::Fault;

/// One interval, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Oldest position covered; 0 when `start`.
    pub lo: u64,
    /// Newest position covered.
    pub hi: u64,
    /// Nothing of the conversation is newer than `hi`, as of the cursor. At most one is live.
    pub live: bool,
    /// The server has said that nothing is older.
    pub start: bool,
    /// `None`: fresh. Else kept over an overflow, true as of this cursor (R4, R12).
    pub since: Option<String>,
}

impl Segment {
    /// Whether both meanings hold as of the client's cursor.
    pub fn fresh(&self) -> bool {
        self.since.is_none()
    }

    /// Whether `seq` lies in it.
    pub fn contains(&self, seq: u64) -> bool {
        self.lo <= seq && seq <= self.hi
    }
}

/// What a new message says of its predecessor (docs/protocol.md, "Events").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prev {
    /// absent: not known
    Unknown,
    /// null: nothing is before it
    Nothing,
    /// the seq just before it when it was committed
    At(u64),
}

/// What a page covers (R5), after its replay (R7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cover {
    /// Oldest position.
    pub lo: u64,
    /// Newest position.
    pub hi: u64,
    /// The server said that nothing is older: reaches back to 0.
    pub start: bool,
    /// It was the conversation's end when it was read.
    pub end: bool,
}

/// The segments of one conversation, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segments(Vec<Segment>);

impl Segments {
    /// From what was stored; `None` if it breaks the rules above.
    pub fn restore(segments: Vec<Segment>) -> Option<Self> {
        let segments = Segments(segments);
        segments.is_sound().then_some(segments)
    }

    /// Whether they ascend without overlap, begin at 0 where they are at the start, and at most one is live.
    fn is_sound(&self) -> bool {
        let segments = &self.0;
        let ordered = segments.windows(2).all(|pair| pair[0].hi < pair[1].lo);
        let well = |s: &Segment| s.lo <= s.hi && (!s.start || s.lo == 0);
        let live = segments.iter().filter(|s| s.live).count() <= 1;
        ordered && segments.iter().all(well) && live
    }

    /// What every operation promises.
    fn assert_sound(&self) {
        debug_assert!(self.is_sound(), "segments ascend, disjoint: {self}");
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> std::slice::Iter<'_, Segment> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one in which `seq` lies.
    pub fn containing(&self, seq: u64) -> Option<&Segment> {
        let at = self.0.partition_point(|s| s.hi < seq);
        self.0.get(at).filter(|s| s.lo <= seq)
    }

    /// The live one.
    pub fn live(&self) -> Option<&Segment> {
        self.0.iter().find(|s| s.live)
    }

    /// The newest one.
    pub fn last(&self) -> Option<&Segment> {
        self.0.last()
    }

    /// R2: a new message at `seq`. `proven`: the conversation's state was read since the last
    /// overflow, and `seq` is above its `lastSeq` and above every seq seen.
    ///
    /// `most`: segments from which on a message that joins none makes no other: a server that sends such
    /// without end would make every step longer. Left to history, it is fetched when shown.
    ///
    /// Answers whether the message belongs to a segment now; `false`: it is left to history.
    pub fn add_message(&mut self, seq: u64, prev: Prev, proven: bool, most: usize) -> bool {
        if let Some(live) = self.live() {
            if seq > live.hi {
                let lo = live.lo;
                self.cover(lo, seq, false);
                return true;
            }
            return self.containing(seq).is_some();
        }
        if self.containing(seq).is_some() {
            return true;
        }
        let lo = match prev {
            Prev::Nothing => Some(0),
            Prev::At(prev) if prev < seq => {
                let follows =
                    |s: &Segment| s.hi == prev || Fault::PrevIsNotLookedAt.on() && s.hi < seq;
                let joined = self.0.iter().find(|s| follows(s) && s.fresh());
                joined.map(|s| s.lo)
            }
            _ => None,
        };
        if lo.is_none() && !proven && self.0.len() >= most {
            return false;
        }
        let lo = lo.unwrap_or(seq);
        let at = self.cover(lo, seq, prev == Prev::Nothing);
        // Only when it is the end of what it joined: a fresh segment above it disproves the proof.
        self.0[at].live = proven && self.0[at].hi == seq;
        self.assert_sound();
        true
    }

    /// R5, R6: what a page covers becomes a fresh segment, joined with the fresh ones it touches.
    pub fn add_page(&mut self, page: Cover) {
        let older_live = self.live().cloned();
        let mut lo = page.lo;
        if Fault::PageReachesItsNeighbour.on() {
            let below = self.0.iter().rev().find(|s| s.hi < lo);
            lo = below.map_or(lo, |below| below.hi + 1);
        }
        let at = self.cover(lo, page.hi, page.start);
        if !page.end || self.0[at].live {
            return;
        }
        match older_live {
            // "A page below the live segment does not become live."
            Some(live) if page.hi < live.lo => {}
            _ => {
                for segment in &mut self.0 {
                    segment.live = false;
                }
                self.0[at].live = true;
            }
        }
        self.assert_sound();
    }

    /// Nothing older than `before` exists any more: what is older goes, and the segment that reaches
    /// there begins at the start. A live one that is gone whole stays, empty: that nothing is newer
    /// is still known.
    pub fn trim(&mut self, before: u64) {
        let Some(last) = before.checked_sub(1) else {
            return;
        };
        let emptied = self.live().is_some_and(|live| live.hi < before);
        self.0.retain(|s| s.hi >= before);
        if emptied {
            let at = self.cover(0, last, true);
            self.0[at].live = true;
        } else if let Some(s) = self.0.first_mut().filter(|s| s.lo <= before) {
            s.lo = 0;
            s.start = true;
        }
        self.assert_sound();
    }

    /// R13: cuts the segment that contains `lo` back to begin there; what is older is not held any
    /// more.
    pub fn evict_below(&mut self, lo: u64) {
        if let Some(s) = self.0.iter_mut().find(|s| s.contains(lo)) {
            s.lo = lo;
            s.start = lo == 0 && s.start;
        }
        self.assert_sound();
    }

    /// `[lo, hi]` is not held any more, though it was: the segment is split there. `below` and `above`: the
    /// nearest positions on both sides that hold a message. What is left without any is not worth a
    /// segment.
    pub fn cut_out(&mut self, (lo, hi): (u64, u64), below: Option<u64>, above: Option<u64>) {
        let Some(at) = self.0.iter().position(|s| s.contains(lo)) else {
            return;
        };
        let s = self.0.remove(at);
        if above.is_some_and(|above| s.contains(above)) {
            let upper = Segment {
                lo: hi.saturating_add(1),
                start: false,
                ..s.clone()
            };
            self.0.insert(at, upper);
        }
        if below.is_some_and(|below| s.contains(below)) {
            let lower = Segment {
                hi: lo.saturating_sub(1),
                live: false,
                ..s
            };
            self.0.insert(at, lower);
        }
        self.assert_sound();
    }

    /// Drops the segment in which `seq` lies.
    pub fn drop_containing(&mut self, seq: u64) {
        self.0.retain(|s| !s.contains(seq));
    }

    /// R4, `clear`.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// R4, `keep`: they stay, neither live nor fresh, true as of `since`; one that was not fresh
    /// already keeps its older cursor.
    pub fn keep(&mut self, since: &str) {
        for s in &mut self.0 {
            s.live = false;
            if Fault::KeptTakesTheNewCursor.on() {
                s.since = None;
            }
            if !Fault::KeptIsFresh.on() {
                s.since.get_or_insert_with(|| since.to_owned());
            }
        }
    }

    /// R12: the kept segments in `[lo, hi]` that are true as of `since` are fresh again.
    pub fn revalidate(&mut self, lo: u64, hi: u64, since: &str) {
        let same: Vec<Segment> = self
            .0
            .iter()
            .filter(|s| s.since.as_deref() == Some(since) && s.lo <= hi && lo <= s.hi)
            .cloned()
            .collect();
        for s in same {
            let start = s.start && lo <= s.lo;
            self.cover(s.lo.max(lo), s.hi.min(hi), start);
        }
    }

    /// Where in `[lo, hi]` it is not fresh.
    pub fn kept_within(&self, lo: u64, hi: u64) -> Vec<(u64, u64)> {
        let kept = self
            .0
            .iter()
            .filter(|s| !s.fresh() && s.lo <= hi && lo <= s.hi);
        kept.map(|s| (s.lo.max(lo), s.hi.min(hi))).collect()
    }

    /// Drops the kept segments in `[lo, hi]` that are true as of `since` only.
    pub fn drop_kept(&mut self, lo: u64, hi: u64, since: &str) {
        let kept = |s: &Segment| s.since.as_deref() == Some(since) && s.lo <= hi && lo <= s.hi;
        self.0.retain(|s| !kept(s));
    }

    /// Nothing is newer than the live end: drops what is kept above it.
    pub fn drop_kept_above_live(&mut self) {
        if let Some(hi) = self.live().map(|live| live.hi) {
            self.0.retain(|s| s.fresh() || s.lo <= hi);
        }
    }

    /// The oldest position that is reached from this one without a gap: segments that touch each
    /// other, fresh or not.
    pub fn reach_lo(&self, seq: u64) -> Option<u64> {
        let mut at = self.0.iter().position(|s| s.contains(seq))?;
        while at > 0 && self.0[at - 1].hi.checked_add(1) == Some(self.0[at].lo) {
            at -= 1;
        }
        Some(self.0[at].lo)
    }

    /// The newest position that is reached from this one without a gap.
    pub fn reach_hi(&self, seq: u64) -> Option<u64> {
        let mut at = self.0.iter().position(|s| s.contains(seq))?;
        while at + 1 < self.0.len() && self.0[at].hi.checked_add(1) == Some(self.0[at + 1].lo) {
            at += 1;
        }
        Some(self.0[at].hi)
    }

    /// Whether all of `[lo, hi]` lies in segments that touch each other, fresh or not.
    pub fn covers(&self, (lo, hi): (u64, u64)) -> bool {
        self.reach_hi(lo).is_some_and(|reached| reached >= hi)
    }

    /// Makes `[lo, hi]` fresh and joins it with the fresh segments that it overlaps or touches; kept
    /// ones are cut back to what it does not cover. Answers where it is now.
    fn cover(&mut self, lo: u64, hi: u64, start: bool) -> usize {
        let mut joined = Segment {
            lo: if start { 0 } else { lo },
            hi,
            live: false,
            // Nothing is below 0: no server has to say so.
            start: start || lo == 0,
            since: None,
        };
        let mut rest = Vec::with_capacity(self.0.len() + 1);
        // Ascending, so that what is joined grows by each that it reaches. One pass is enough: fresh
        // segments never touch each other, so growing by one reaches no other.
        for s in self.0.drain(..) {
            let touches = s.lo <= hi.saturating_add(1) && joined.lo <= s.hi.saturating_add(1);
            if s.fresh() && touches {
                joined.lo = joined.lo.min(s.lo);
                joined.hi = joined.hi.max(s.hi);
                joined.live |= s.live;
                joined.start |= s.start;
            } else {
                rest.push(s);
            }
        }
        let mut cut = Vec::with_capacity(rest.len() + 1);
        for s in rest {
            if s.hi < joined.lo || s.lo > joined.hi {
                cut.push(s);
                continue;
            }
            if s.lo < joined.lo {
                cut.push(Segment {
                    hi: joined.lo - 1,
                    live: false,
                    ..s.clone()
                });
            }
            if s.hi > joined.hi {
                cut.push(Segment {
                    lo: joined.hi + 1,
                    start: false,
                    live: false,
                    ..s
                });
            }
        }
        let at = cut.partition_point(|s| s.hi < joined.lo);
        cut.insert(at, joined);
        self.0 = cut;
        self.assert_sound();
        at
    }
}

impl std::fmt::Display for Segments {
    /// `|0 3] · [6 7]>`: start, live; `~` where not fresh.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, s) in self.0.iter().enumerate() {
            let sep = if i == 0 { "" } else { " · " };
            let open = if s.start { "|" } else { "[" };
            let kept = if s.fresh() { "" } else { "~" };
            let close = if s.live { "]>" } else { "]" };
            write!(f, "{sep}{open}{} {}{kept}{close}", s.lo, s.hi)?;
        }
        Ok(())
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const MAX_SEGMENTS: usize = 50;

    fn drawn(segments: &Segments) -> String {
        segments.to_string()
    }

    fn page(lo: u64, hi: u64) -> Cover {
        Cover {
            lo,
            hi,
            start: false,
            end: false,
        }
    }

    fn latest(lo: u64, hi: u64) -> Cover {
        Cover {
            lo,
            hi,
            start: false,
            end: true,
        }
    }

    #[test]
    fn a_page_without_newer_is_live() {
        let mut s = Segments::default();
        s.add_page(latest(5, 9));
        assert_eq!(drawn(&s), "[5 9]>");
    }

    #[test]
    fn an_empty_conversation_is_live_with_start() {
        let mut s = Segments::default();
        s.add_page(Cover {
            lo: 0,
            hi: 0,
            start: true,
            end: true,
        });
        assert_eq!(drawn(&s), "|0 0]>");
        assert!(s.add_message(4, Prev::Unknown, false, MAX_SEGMENTS));
        assert_eq!(drawn(&s), "|0 4]>");
    }

    #[test]
    fn a_message_above_the_live_end_extends_it_and_swallows_what_it_covers() {
        let mut s = Segments::default();
        s.add_page(latest(1, 3));
        s.add_page(page(6, 7));
        assert!(s.add_message(9, Prev::At(3), false, MAX_SEGMENTS));
        assert_eq!(drawn(&s), "[1 9]>");
    }

    #[test]
    fn a_message_below_the_live_end_and_outside_is_left_to_history() {
        let mut s = Segments::default();
        s.add_page(latest(5, 9));
        assert!(!s.add_message(3, Prev::Unknown, true, MAX_SEGMENTS));
        assert!(s.add_message(7, Prev::Unknown, true, MAX_SEGMENTS));
        assert_eq!(drawn(&s), "[5 9]>");
    }

    #[test]
    fn without_a_live_segment_a_message_joins_its_predecessor_or_stands_alone() {
        let mut s = Segments::default();
        assert!(s.add_message(5, Prev::Unknown, false, MAX_SEGMENTS));
        assert!(s.add_message(7, Prev::At(5), false, MAX_SEGMENTS));
        assert_eq!(drawn(&s), "[5 7]");
        assert!(s.add_message(20, Prev::At(9), false, MAX_SEGMENTS));
        assert_eq!(drawn(&s), "[5 7] · [20 20]");
    }

    #[test]
    fn messages_that_join_nothing_do_not_make_segments_without_end() {
        let mut s = Segments::default();
        let seqs = (1..=2 * MAX_SEGMENTS as u64).map(|n| 2 * n);
        let taken = seqs.filter(|seq| s.add_message(*seq, Prev::Unknown, false, MAX_SEGMENTS));
        assert_eq!(taken.count(), MAX_SEGMENTS);
        let last = 2 * MAX_SEGMENTS as u64;
        assert!(
            s.add_message(last + 1, Prev::At(last), false, MAX_SEGMENTS),
            "it joins one"
        );
        assert!(
            s.add_message(9 * last, Prev::Unknown, true, MAX_SEGMENTS),
            "it is the live end"
        );
        assert!(s.add_message(9 * last + 2, Prev::Unknown, false, MAX_SEGMENTS));
        assert_eq!(s.iter().count(), MAX_SEGMENTS + 1);
    }

    #[test]
    fn what_is_cut_out_splits_its_segment() {
        let whole = || {
            let mut s = Segments::default();
            s.add_page(Cover {
                start: true,
                ..latest(1, 9)
            });
            s
        };
        let cut = |range, below, above| {
            let mut s = whole();
            s.cut_out(range, below, above);
            drawn(&s)
        };
        assert_eq!(cut((4, 6), Some(3), Some(7)), "|0 3] · [7 9]>");
        assert_eq!(cut((1, 3), None, Some(5)), "[4 9]>");
        assert_eq!(cut((7, 9), Some(5), None), "|0 6]");
        assert_eq!(cut((1, 9), None, None), "");
    }

    #[test]
    fn only_a_proven_message_is_live() {
        let mut s = Segments::default();
        assert!(s.add_message(5, Prev::Unknown, true, MAX_SEGMENTS));
        assert_eq!(drawn(&s), "[5 5]>");
    }

    #[test]
    fn the_first_message_of_all_reaches_back_to_the_start() {
        let mut s = Segments::default();
        assert!(s.add_message(5, Prev::Nothing, true, MAX_SEGMENTS));
        assert_eq!(drawn(&s), "|0 5]>");
    }

    #[test]
    fn a_latest_page_that_does_not_reach_the_live_one_takes_its_place() {
        let mut s = Segments::default();
        s.add_page(latest(1, 3));
        s.add_page(latest(6, 9));
        assert_eq!(drawn(&s), "[1 3] · [6 9]>");
    }

    #[test]
    fn a_page_below_the_live_segment_does_not_become_live() {
        let mut s = Segments::default();
        s.add_page(latest(6, 9));
        s.add_page(latest(1, 3));
        assert_eq!(drawn(&s), "[1 3] · [6 9]>");
    }

    #[test]
    fn a_page_up_to_the_oldest_joins() {
        let mut s = Segments::default();
        s.add_page(latest(50, 90));
        s.add_page(page(20, 49));
        assert_eq!(drawn(&s), "[20 90]>");
    }

    #[test]
    fn a_kept_segment_is_cut_back_to_what_a_page_does_not_cover() {
        let kept = |lo, hi| Segment {
            lo,
            hi,
            live: false,
            start: false,
            since: Some("c".into()),
        };
        let mut s = Segments::restore(vec![kept(1, 10)]).unwrap();
        s.add_page(page(4, 6));
        assert_eq!(drawn(&s), "[1 3~] · [4 6] · [7 10~]");
    }

    #[test]
    fn a_trim_leaves_an_empty_live_segment() {
        let mut s = Segments::default();
        s.add_page(page(1, 3));
        s.add_page(latest(5, 9));
        s.trim(10);
        assert_eq!(drawn(&s), "|0 9]>");
        let mut s = Segments::default();
        s.add_page(page(1, 3));
        s.add_page(latest(5, 9));
        s.trim(7);
        assert_eq!(drawn(&s), "|0 9]>");
    }

    #[test]
    fn the_greatest_positions_do_not_overflow() {
        let mut s = Segments::default();
        s.add_page(latest(u64::MAX - 1, u64::MAX));
        s.add_page(page(3, u64::MAX - 2));
        assert_eq!(drawn(&s), format!("[3 {}]>", u64::MAX));
        assert!(s.add_message(u64::MAX, Prev::Unknown, false, MAX_SEGMENTS));
    }

    #[derive(Clone, Debug)]
    enum Op {
        Page(u64, u64, bool, bool),
        Message(u64, Option<u64>),
        Trim(u64),
        Evict(u64),
        Clear,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            6 => (0..60u64, 0..12u64, any::<bool>(), any::<bool>())
                .prop_map(|(lo, n, start, end)| Op::Page(lo, lo + n, start && lo < 5, end)),
            6 => (0..70u64, proptest::option::of(0..70u64)).prop_map(|(seq, prev)| Op::Message(seq, prev)),
            1 => (1..60u64).prop_map(Op::Trim),
            2 => (0..60u64).prop_map(Op::Evict),
            1 => Just(Op::Clear),
        ]
    }

    proptest! {
        /// Against a plain set of positions: the same are covered, whatever the order.
        #[test]
        fn segments_cover_what_a_naive_set_covers(ops in proptest::collection::vec(op(), 1..40), base in prop_oneof![Just(0u64), Just(1u64 << 60)]) {
            let mut s = Segments::default();
            let mut covered = BTreeSet::<u64>::new();
            for op in ops {
                match op {
                    Op::Page(lo, hi, start, end) => {
                        // Above 0 only: a start at 2^60 would be a set of 2^60 positions.
                        let start = start && base == 0;
                        s.add_page(Cover { lo: base + lo, hi: base + hi, start, end });
                        covered.extend(if start { 0 } else { lo }..=hi);
                    }
                    Op::Message(seq, prev) => {
                        let live = s.live().cloned();
                        let prev = prev.filter(|p| *p < seq);
                        let joined = prev.and_then(|p| s.iter().find(|x| x.hi == base + p).cloned());
                        let held = covered.contains(&seq);
                        let placed = s.add_message(base + seq, prev.map_or(Prev::Unknown, |p| Prev::At(base + p)), false, MAX_SEGMENTS);
                        match live {
                            Some(l) if base + seq > l.hi => covered.extend(l.hi - base..=seq),
                            Some(_) => prop_assert_eq!(placed, held),
                            None if held => prop_assert!(placed),
                            None => {
                                covered.insert(seq);
                                if let Some(j) = joined { covered.extend(j.hi - base..=seq) }
                            }
                        }
                    }
                    Op::Trim(before) if base == 0 => {
                        let touched: Vec<_> = s.iter().filter(|x| x.lo <= before && (x.hi >= before || x.live)).cloned().collect();
                        let gone: Vec<_> = s.iter().filter(|x| x.hi < before).cloned().collect();
                        s.trim(before);
                        for g in gone { for p in g.lo..=g.hi { covered.remove(&p); } }
                        for t in touched { covered.extend(0..before.max(t.hi + 1)); }
                    }
                    Op::Trim(_) => {}
                    Op::Evict(lo) => {
                        if let Some(x) = s.containing(base + lo).cloned() {
                            for p in x.lo - base..lo { covered.remove(&p); }
                        }
                        s.evict_below(base + lo);
                    }
                    Op::Clear => { s.clear(); covered.clear(); }
                }
                let flat: BTreeSet<u64> = s.iter().flat_map(|x| x.lo - base..=x.hi - base).collect();
                prop_assert_eq!(&flat, &covered, "{}", s);
                prop_assert!(s.iter().filter(|x| x.live).count() <= 1);
                prop_assert!(s.0.windows(2).all(|w| w[0].hi + 1 < w[1].lo), "{} touch", s);
                prop_assert!(s.iter().all(|x| !x.start || x.lo == 0));
                prop_assert!(Segments::restore(s.0.clone()).is_some());
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Keeping {
        Page(u64, u64, bool),
        Message(u64, Option<u64>),
        Keep(u8),
        Revalidate(u64, u64, u8),
        Gone(u64, u64, u8),
        Evict(u64),
    }

    fn keeping() -> impl Strategy<Value = Keeping> {
        prop_oneof![
            6 => (0..60u64, 0..12u64, any::<bool>()).prop_map(|(lo, n, end)| Keeping::Page(lo, lo + n, end)),
            5 => (0..70u64, proptest::option::of(0..70u64)).prop_map(|(seq, prev)| Keeping::Message(seq, prev)),
            2 => (1..4u8).prop_map(Keeping::Keep),
            3 => (0..60u64, 0..30u64, 1..4u8).prop_map(|(lo, n, since)| Keeping::Revalidate(lo, lo + n, since)),
            1 => (0..60u64, 0..30u64, 1..4u8).prop_map(|(lo, n, since)| Keeping::Gone(lo, lo + n, since)),
            1 => (0..60u64).prop_map(Keeping::Evict),
        ]
    }

    proptest! {
        /// R4, R5, R12: against a plain map from each position to what it is true as of; `None`: fresh.
        #[test]
        fn kept_segments_are_what_a_naive_map_says(ops in proptest::collection::vec(keeping(), 1..40)) {
            let mut s = Segments::default();
            let mut map = std::collections::BTreeMap::<u64, Option<u8>>::new();
            for op in ops {
                match op {
                    Keeping::Page(lo, hi, end) => {
                        s.add_page(Cover { lo, hi, start: false, end });
                        map.extend((lo..=hi).map(|p| (p, None)));
                    }
                    Keeping::Message(seq, prev) => {
                        let prev = prev.filter(|p| *p < seq);
                        let live = s.live().map(|l| l.hi);
                        let joined = prev.filter(|p| s.iter().any(|x| x.hi == *p && x.fresh()));
                        let held = map.contains_key(&seq);
                        let placed = s.add_message(seq, prev.map_or(Prev::Unknown, Prev::At), false, MAX_SEGMENTS);
                        let from = match live {
                            Some(hi) if seq > hi => Some(hi),
                            Some(_) => None,
                            None => Some(joined.unwrap_or(seq)),
                        };
                        prop_assert_eq!(placed, held || from.is_some());
                        // Inside a segment, fresh or not, it is inserted: that makes nothing fresh.
                        if let Some(from) = from.filter(|_| !held || live.is_some()) {
                            map.extend((from..=seq).map(|p| (p, None)));
                        }
                    }
                    Keeping::Keep(since) => {
                        s.keep(&since.to_string());
                        map.values_mut().for_each(|known| _ = known.get_or_insert(since));
                    }
                    Keeping::Revalidate(lo, hi, since) => {
                        s.revalidate(lo, hi, &since.to_string());
                        for (_, known) in map.range_mut(lo..=hi) {
                            *known = known.filter(|known| *known != since);
                        }
                    }
                    Keeping::Gone(lo, hi, since) => {
                        let kept = |x: &&Segment| x.since == Some(since.to_string()) && x.lo <= hi && lo <= x.hi;
                        let gone: Vec<Segment> = s.iter().filter(kept).cloned().collect();
                        s.drop_kept(lo, hi, &since.to_string());
                        map.retain(|p, _| !gone.iter().any(|x| x.contains(*p)));
                    }
                    Keeping::Evict(lo) => {
                        if let Some(x) = s.containing(lo).cloned() {
                            map.retain(|p, _| !(x.lo <= *p && *p < lo));
                        }
                        s.evict_below(lo);
                    }
                }
                let flat: std::collections::BTreeMap<u64, Option<u8>> = s
                    .iter()
                    .flat_map(|x| (x.lo..=x.hi).map(|p| (p, x.since.as_ref().map(|c| c.parse().unwrap()))))
                    .collect();
                prop_assert_eq!(&flat, &map, "{}", s);
                prop_assert!(s.iter().filter(|x| x.live).count() <= 1);
                prop_assert!(s.iter().all(|x| !x.live || x.fresh()), "what is kept is not live: {}", s);
                prop_assert!(s.0.windows(2).all(|w| w[0].hi < w[1].lo));
                let touch = |w: &[Segment]| w[0].hi + 1 == w[1].lo && w[0].fresh() && w[1].fresh();
                prop_assert!(!s.0.windows(2).any(touch), "fresh neighbours are one: {}", s);
                for x in s.iter() {
                    let (lo, hi) = (s.reach_lo(x.lo).unwrap(), s.reach_hi(x.lo).unwrap());
                    prop_assert!((lo..=hi).all(|p| map.contains_key(&p)));
                    prop_assert!(lo == 0 || !map.contains_key(&(lo - 1)));
                    prop_assert!(!map.contains_key(&(hi + 1)));
                }
                prop_assert!(Segments::restore(s.0.clone()).is_some());
            }
        }
    }
}
