//! How a window comes to what it is to show: one step at a time, from what is held and what the sync says.
//! Nothing is changed here.

use std::rc::Rc;

use super::goal::{Found, Goal, Missed, Patience, Reload, first_unread};
use super::source::{Source, reach, starts};
use super::window::{Run, nothing_older};
use super::work::{Needs, Outlook};
use crate::core::block::BlockId;
use crate::core::limits::Limits;
use crate::core::net::Place;
use crate::core::records::Held;
use crate::core::tx::Committed;
use crate::core::types::{Direction, Seq};

/// A window in place of what was there.
#[derive(Debug)]
pub(super) struct Show {
    pub run: Run,
    /// it reaches the newest end, and goes on with it
    pub follow: bool,
    /// the position that it was made for
    pub near: Option<u64>,
    /// so many messages are to come before it
    pub older: usize,
    /// so many behind it
    pub newer: usize,
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Step {
    /// puts a window in place of what was there
    Show(Show),
    /// shows what is kept, and goes on
    Kept(Run),
    /// keeps what is shown, all of which is held: the window goes on to the newest end, if need be after a gap
    Stand,
    /// goes on with this goal in place of the one before
    Turn(Goal),
    /// the goal cannot be reached: goes on with this one instead
    GiveUp(Goal),
    /// asks for a page of about so many messages, as soon as that may be
    Ask(Place, usize),
    /// these blocks are read first
    Read(Vec<BlockId>),
    /// waits for what says where it goes
    Wait,
    /// waits for the sync to bring the rest
    Behind,
    /// waits for a pull that is under way
    Rest,
}

/// What a plan looks at.
pub(super) struct Scene<'a> {
    pub db: &'a Committed,
    pub conversation: &'a Rc<str>,
    pub source: Source<'a>,
    pub limits: &'a Limits,
    pub look: &'a Outlook,
    pub now: u64,
    pub page_size: usize,
    /// it may ask, and somebody may answer
    pub asks: bool,
    pub promoted: bool,
    /// nothing is shown
    pub blank: bool,
    /// all that is shown is held
    pub all_held: bool,
    /// the newest position that is shown
    pub newest: Option<u64>,
}

/// The next step.
pub(super) fn plan(scene: &Scene, reload: &Reload) -> Step {
    let step = match reload.goal {
        Goal::Latest { instead } => scene.latest(reload, instead),
        Goal::Range { lo, hi, mid } => scene.range(reload, (lo, hi), mid),
        Goal::Around { seq, tried, .. } => scene.around(reload, seq, tried),
        Goal::AtTime { ms, found } => scene.at_time(reload, ms, found),
        Goal::FirstUnread { tried, patience } => scene.first_unread(reload, tried, patience),
    };
    step.unwrap_or_else(Step::Read)
}

impl Scene<'_> {
    fn held(&self) -> &Held {
        &self.source.held
    }

    fn is_behind(&self) -> bool {
        self.look.behind.contains(self.conversation)
    }

    /// The newest that is held; nothing is newer than the live end.
    fn newest_known(&self) -> Option<u64> {
        self.held().segments.last().map(|s| s.hi)
    }

    fn latest(&self, reload: &Reload, instead: Option<Missed>) -> Needs<Step> {
        let held = self.held();
        // A jump went to a position above the newest one. By now there is something at or above it.
        if let Some(Missed::Position { seq, tried }) = instead
            && self.newest_known() >= Some(seq)
        {
            return Ok(Step::Turn(Goal::Around {
                seq,
                tried,
                until: None,
                pull: None,
            }));
        }
        let Some(live) = held.segments.live() else {
            // There is no live segment: a list that is blank shows what is kept, before a gap.
            let kept = match self.blank {
                true => self.source.newest(self.page_size)?,
                false => None,
            };
            return Ok(match kept {
                Some(run) => Step::Kept(run),
                None => Step::Ask(Place::Latest, reload.want),
            });
        };
        if !reload.asked && self.all_held {
            return Ok(Step::Stand);
        }
        let lo = held.segments.reach_lo(live.hi).unwrap_or(live.lo);
        let start = starts(held, lo);
        let range = (lo, live.hi);
        let run = self
            .source
            .run_at_edge(range, reload.want, Direction::Older)?;
        let count = run.messages().len();
        // A page from a replica may end below what is shown: the sync brings the rest.
        if !reload.asked && self.newest > Some(live.hi) && self.is_behind() {
            return Ok(Step::Behind);
        }
        // The live segment is empty, and a page has brought newer messages since. These are shown until the sync brings
        // what lies between.
        if count == 0
            && self.newest_known() > Some(live.hi)
            && let Some(newest) = self.source.newest(reload.want)?
        {
            let short = self.page_size.saturating_sub(newest.messages().len());
            return Ok(Step::Show(Show {
                follow: true,
                near: None,
                older: if starts(held, newest.lo()) { 0 } else { short },
                newer: 0,
                run: newest,
            }));
        }
        // R4: what is shown stays until its window is covered again, by as many pages as that takes.
        let covered = count >= reload.want || start || self.blank;
        if !covered && reload.pages <= self.limits.pages {
            return Ok(Step::Ask(Place::Before(Seq(lo)), reload.want - count));
        }
        let short = self.page_size.saturating_sub(count);
        Ok(Step::Show(Show {
            run,
            follow: true,
            near: None,
            older: if start { 0 } else { short },
            newer: 0,
        }))
    }

    fn range(&self, reload: &Reload, (lo, hi): (u64, u64), mid: u64) -> Needs<Step> {
        let held = self.held();
        if held.segments.containing(mid).is_none() {
            // Also while the page is on its way: a commit in between does not prove that it was in vain.
            return Ok(match reload.pages == 0 || reload.fetch.is_some() {
                true => Step::Ask(Place::Around(Seq(mid)), reload.want),
                false => Step::GiveUp(Goal::LATEST),
            });
        }
        let (from, to, live) = reach(held, mid);
        let (older, newer) = (from <= lo, live || to >= hi);
        if older && newer || reload.pages > self.limits.pages {
            return self.cover_range((from, to, live), (lo.max(from), hi.min(to)), mid);
        }
        let place = match older {
            true => Place::After(Seq(to)),
            false => Place::Before(Seq(from)),
        };
        Ok(Step::Ask(place, reload.want))
    }

    fn cover_range(
        &self,
        (from, to, live): (u64, u64, bool),
        (lo, hi): (u64, u64),
        mid: u64,
    ) -> Needs<Step> {
        // A screen more on both sides, where it is held, so that scrolling finds something.
        let below = lo.checked_sub(1).map(|below| (from, below));
        let above = hi.checked_add(1).map(|above| (above, to));
        // The range may have more messages by now than a window holds. Then those around its middle are shown.
        let half = (self.limits.items / 2).max(self.page_size);
        let lower = mid.checked_sub(1).map(|below| (lo, below));
        let [older, lower, upper, newer] = self.source.read_all([
            (below, self.page_size, Direction::Older),
            (lower, half, Direction::Older),
            (Some((mid, hi)), half, Direction::Newer),
            (above, self.page_size, Direction::Newer),
        ])?;
        let (all_lower, all_upper) = (lower.len() < half, upper.len() < half);
        let mut messages = if all_lower { older } else { Vec::new() };
        messages.extend(lower);
        messages.extend(upper);
        messages.extend(newer.into_iter().filter(|_| all_upper));
        let run = self.source.run_of((from, to), messages);
        Ok(Step::Show(Show {
            follow: live && run.hi() == to,
            near: Some(mid),
            older: 0,
            newer: 0,
            run,
        }))
    }

    fn around(&self, reload: &Reload, seq: u64, tried: bool) -> Needs<Step> {
        let held = self.held();
        let was_tried = tried && reload.fetch.is_none();
        let place = match held.segments.containing(seq) {
            // A kept segment may lack the very message that is asked for.
            Some(s) if !s.fresh() && !was_tried && self.asks && !self.source.has(seq)? => {
                Place::Around(Seq(seq))
            }
            Some(_) => match next_after(held, seq) {
                Some(to) if self.asks && reload.pages <= self.limits.void_pages => {
                    Place::After(Seq(to))
                }
                // Nothing may be asked for, and there is nothing to show instead.
                Some(to) if !self.asks && is_bare(held, seq) => Place::After(Seq(to)),
                Some(_) if is_bare(held, seq) => return Ok(self.give_up(reload)),
                _ => return self.cover_around(seq),
            },
            None if !was_tried => Place::Around(Seq(seq)),
            None => match held.segments.iter().find(|s| s.lo > seq) {
                // The page did not reach the newer ones that are known: a replica that lags has answered, or the page
                // was evicted since.
                Some(above) if reload.pages <= self.limits.pages => Place::Before(Seq(above.lo)),
                Some(_) => return Ok(self.give_up(reload)),
                // The position is above the newest one that the server had.
                None => return Ok(self.await_pull(reload)),
            },
        };
        Ok(Step::Ask(place, reload.want))
    }

    /// A pull may be about to bring what a jump looks for. One that is under way is waited for; one that has not begun
    /// only for a moment.
    fn await_pull(&self, reload: &Reload) -> Step {
        let Goal::Around {
            seq,
            tried,
            until,
            pull,
        } = reload.goal
        else {
            return self.give_up(reload);
        };
        if !self.asks || !self.is_behind() {
            return self.give_up(reload);
        }
        let Some(until) = until else {
            return Step::Turn(Goal::Around {
                seq,
                tried,
                until: Some(self.now.saturating_add(self.limits.soon)),
                pull: self.look.pull,
            });
        };
        let same = pull.is_some() && pull == self.look.pull;
        match same || self.now < until {
            true => Step::Rest,
            false => self.give_up(reload),
        }
    }

    /// A screen with this position in the middle, from what is held.
    fn cover_around(&self, seq: u64) -> Needs<Step> {
        let held = self.held();
        let (from, to, live) = reach(held, seq);
        let size = self.page_size;
        let half = size / 2;
        let below = seq.checked_sub(1).map(|below| (from, below));
        let [mut messages, newer] = self.source.read_all([
            (below, size, Direction::Older),
            (Some((seq, to)), size, Direction::Newer),
        ])?;
        // Half a screen on each side; where one has less, the other has more.
        let most = (size - half).max(size.saturating_sub(messages.len()));
        let above = newer.len().min(most);
        let below = messages.len().min(size - above);
        messages.drain(..messages.len() - below);
        messages.extend(newer.into_iter().take(above));
        // Less than a screen is held there: the rest is loaded at both ends.
        let short = size.saturating_sub(messages.len()).div_ceil(2);
        let run = self.source.run_of((from, to), messages);
        let follow = live && run.hi() == to;
        let whole = run.lo() == from && starts(held, from);
        Ok(Step::Show(Show {
            follow,
            near: Some(seq),
            older: if whole { 0 } else { short },
            newer: if follow { 0 } else { short },
            run,
        }))
    }

    fn at_time(&self, reload: &Reload, ms: u64, found: Option<Found>) -> Needs<Step> {
        let most = self.limits.items;
        let mut found = match found {
            Some(found) => Some(found),
            None => self.source.proven_at(ms, self.limits.proof, most)?,
        };
        // Nothing may be asked for, or the server knew of nothing at that time. A replica that lags may not have seen
        // what is held here.
        let is_at = matches!(found, Some(Found::At(_)));
        if !is_at && (found.is_some() || !self.asks) {
            let guessed = self.source.guessed_at(ms, most, found.is_some())?;
            found = guessed.map(Found::At).or(found);
        }
        Ok(match found {
            Some(Found::At(seq)) => Step::Turn(Goal::around(seq)),
            Some(Found::Nothing) => self.give_up(reload),
            None => Step::Ask(Place::At(ms), reload.want),
        })
    }

    /// Where the first unread message is. The conversation's state says so, and is waited for a moment only: a long
    /// list may bring it late. Where nothing is known of the conversation yet it is waited for as long as a call may be.
    fn first_unread(&self, reload: &Reload, tried: Option<u64>, patience: Patience) -> Needs<Step> {
        // Looked up at each step: the state may come, or change, while pages do.
        let state = self.db.state(self.conversation);
        let turn = |patience| Ok(Step::Turn(Goal::FirstUnread { tried, patience }));
        // Whether the state was read since the last overflow.
        let read = self.held().last_known.is_some();
        let lost = self.db.has_lost_state(self.conversation);
        let comes = self.look.list_comes || !self.db.meta().listed || lost;
        let sure = state.is_some() && (read || !self.look.list_comes) || !comes;
        match patience {
            Patience::Fresh if !self.asks => {}
            _ if !self.asks => return turn(Patience::Fresh),
            Patience::Fresh => {
                let wait = match state {
                    Some(_) => self.limits.soon,
                    None => self.limits.soon.max(self.limits.settle),
                };
                return turn(Patience::Until(self.now.saturating_add(wait)));
            }
            Patience::Until(until) if !sure && self.now < until => return Ok(Step::Wait),
            Patience::Until(_) => return turn(Patience::Over),
            Patience::Over => {}
        }
        match state {
            // Nothing is known of the conversation.
            None if !self.db.meta().listed && self.promoted && !self.asks => {
                Ok(Step::Ask(Place::Latest, reload.want))
            }
            // Where the state has gone meanwhile, what it said before stays.
            state => match state.map_or(tried, |state| first_unread(state)) {
                Some(seq) => self.around(reload, seq, tried == Some(seq)),
                None => self.latest(reload, None),
            },
        }
    }

    /// The goal cannot be reached: the latest messages instead.
    fn give_up(&self, reload: &Reload) -> Step {
        let instead = match reload.goal {
            Goal::AtTime { ms, .. } => Some(Missed::Time(ms)),
            Goal::Around { seq, tried, .. } if self.newest_known() < Some(seq) => {
                Some(Missed::Position { seq, tried })
            }
            _ => None,
        };
        Step::GiveUp(Goal::Latest { instead })
    }
}

/// Whether no message is held that is reached from this position without a gap.
fn is_bare(held: &Held, seq: u64) -> bool {
    let (from, to, _) = reach(held, seq);
    nothing_older(held, from, to.saturating_add(1))
}

/// The position behind which the next page is to be asked for, where no message is held from `seq` to the end of what
/// is held without a gap. `None`: one is held there, or that end is the conversation's newest.
fn next_after(held: &Held, seq: u64) -> Option<u64> {
    let (_, to, live) = reach(held, seq);
    let known = held.blocks.partition_point(|b| b.hi < seq);
    let known = held.blocks.get(known).is_some_and(|b| b.lo <= to);
    (!live && !known).then_some(to)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::super::window::Window;
    use super::*;
    use crate::core::block::{self, BlockRef};
    use crate::core::records;
    use crate::core::segments::{Segment, Segments};
    use crate::core::storage::Answer;
    use crate::core::types::{Conversation, Message};

    fn message(id: &Rc<str>, seq: u64) -> Rc<Message> {
        Rc::new(Message {
            // Ten a position.
            created_at: seq * 10,
            ..Message::sample(id, seq)
        })
    }

    /// "0-4 8-12>": segments, of which each position but 0 has a message; from 0 on it has the start, ">" is
    /// live, "~" kept.
    fn stored(id: &Rc<str>, text: &str, state: Option<Conversation>) -> Committed {
        let mut held = Held::default();
        let mut segments = Vec::new();
        let mut blocks = Vec::new();
        for word in text.split_whitespace() {
            let (lo, hi) = word.trim_end_matches(['>', '~']).split_once('-').unwrap();
            let (lo, hi) = (lo.parse().unwrap(), hi.parse().unwrap());
            segments.push(Segment {
                lo,
                hi,
                live: word.ends_with('>'),
                start: lo == 0,
                since: word.ends_with('~').then(|| "cursor".to_owned()),
            });
            let seqs: Vec<u64> = (lo.max(1)..=hi).collect();
            for chunk in seqs.chunks(3) {
                let messages: Vec<_> = chunk.iter().map(|seq| message(id, *seq)).collect();
                held.blocks.push(BlockRef {
                    lo: chunk[0],
                    hi: chunk[chunk.len() - 1],
                    count: chunk.len() as u32,
                    bytes: 1,
                });
                blocks.push(((id.clone(), chunk[0]), block::encode(id, &messages)));
            }
        }
        held.segments = Segments::restore(segments).unwrap();
        let states = state.iter().map(records::write_conversation).collect();
        let states: Vec<_> = states;
        let tables = vec![
            Answer::default(),
            Answer::from(states),
            Answer::from(vec![records::write_held(id, &held)]),
        ];
        let (mut db, lost) = Committed::load(tables);
        assert_eq!(lost.count(), 0);
        let (ids, bytes): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
        assert!(db.take_blocks(&ids, vec![Answer::from(bytes)]).is_empty());
        db
    }

    /// What a step comes to, as text.
    fn text(step: Step) -> String {
        match step {
            Step::Show(show) => {
                let seqs = show.run.messages().iter().map(|m| m.seq.0.to_string());
                let seqs = seqs.collect::<Vec<_>>().join(" ");
                let follow = if show.follow { " follow" } else { "" };
                let grown = |name: &str, count: usize| match count {
                    0 => String::new(),
                    count => format!(" {name} {count}"),
                };
                let (older, newer) = (grown("older", show.older), grown("newer", show.newer));
                format!("show {seqs}{follow}{older}{newer}")
            }
            Step::Kept(run) => format!("kept {}", run.messages().len()),
            step => format!("{step:?}"),
        }
    }

    struct Case {
        held: &'static str,
        state: Option<Conversation>,
        reload: Reload,
        asks: bool,
        blank: bool,
        all_held: bool,
        behind: bool,
        now: u64,
    }

    impl Case {
        /// A goal that the app has named, where nothing is shown, and the server can be asked: pages of 4.
        fn of(held: &'static str, goal: Goal) -> Case {
            Case {
                held,
                state: None,
                reload: Reload {
                    asked: true,
                    ..Reload::own(goal, 4)
                },
                asks: true,
                blank: true,
                all_held: false,
                behind: false,
                now: 1_000,
            }
        }

        fn step(&self) -> String {
            let id: Rc<str> = "c".into();
            let db = stored(&id, self.held, self.state.clone());
            let mut look = Outlook::default();
            if self.behind {
                look.behind.add(id.clone());
                look.pull = Some(7);
            }
            let limits = Limits::default();
            let window = Window::default();
            let scene = Scene {
                db: &db,
                conversation: &id,
                source: Source::new(&db, &id, &window),
                limits: &limits,
                look: &look,
                now: self.now,
                page_size: 4,
                asks: self.asks,
                promoted: true,
                blank: self.blank,
                all_held: self.all_held,
                newest: None,
            };
            text(plan(&scene, &self.reload))
        }
    }

    #[test]
    fn the_latest_is_shown_as_far_as_it_is_held_and_asked_for_beyond() {
        for (held, step) in [
            ("", "Ask(Latest, 4)"),
            ("5-9>", "show 6 7 8 9 follow"),
            ("8-9>", "show 8 9 follow older 2"),
            ("0-2>", "show 1 2 follow"),
            ("1-3 8-9>", "show 8 9 follow older 2"),
            // Nothing was there; a page has brought newer ones before the sync did.
            ("0-0> 5-6", "show 5 6 follow older 2"),
            // R4, R12: what is kept stands before a gap, and for what is to come.
            ("5-9~", "kept 4"),
            ("5-7~ 8-9>", "show 6 7 8 9 follow"),
        ] {
            assert_eq!(Case::of(held, Goal::LATEST).step(), step, "{held}");
        }
    }

    #[test]
    fn what_is_shown_stays_until_the_latest_covers_as_much() {
        let mut case = Case::of("8-9>", Goal::LATEST);
        case.blank = false;
        assert_eq!(case.step(), "Ask(Before(Seq(8)), 2)");
        // A server that never comes to it: what there is.
        case.reload.pages = 1_000;
        assert_eq!(case.step(), "show 8 9 follow older 2");
        // By itself it goes on from what is held.
        (case.reload.asked, case.all_held) = (false, true);
        assert_eq!(case.step(), "Stand");
    }

    #[test]
    fn a_jump_shows_what_is_around_its_position() {
        for (held, step) in [
            ("", "Ask(Around(Seq(5)), 4)"),
            ("1-9", "show 3 4 5 6"),
            ("0-9>", "show 3 4 5 6"),
            ("5-9", "show 5 6 7 8"),
            ("0-5>", "show 2 3 4 5 follow"),
            ("4-6", "show 4 5 6 older 1 newer 1"),
            ("8-12>", "Ask(Around(Seq(5)), 4)"),
        ] {
            assert_eq!(Case::of(held, Goal::around(5)).step(), step, "{held}");
        }
    }

    #[test]
    fn a_position_that_no_page_brought_is_looked_for_or_given_up() {
        let tried = Goal::Around {
            seq: 5,
            tried: true,
            until: None,
            pull: None,
        };
        let latest = "GiveUp(Latest { instead: Some(Position { seq: 5, tried: true }) })";
        // The page was read before newer ones came.
        assert_eq!(Case::of("8-12>", tried).step(), "Ask(Before(Seq(8)), 4)");
        // It is newer than the newest.
        let mut case = Case::of("0-3>", tried);
        assert_eq!(case.step(), latest);
        // A pull may bring it: that one is waited for, and no other for long.
        case.behind = true;
        let Goal::Around { seq, tried, .. } = tried else {
            unreachable!()
        };
        let waits = |until, pull| Goal::Around {
            seq,
            tried,
            until: Some(until),
            pull,
        };
        assert_eq!(case.step(), format!("Turn({:?})", waits(4_000, Some(7))));
        for (until, pull, step) in [
            (4_000, Some(1), "Rest"),
            (500, Some(7), "Rest"),
            (500, Some(1), latest),
            (500, None, latest),
        ] {
            case.reload.goal = waits(until, pull);
            assert_eq!(case.step(), step, "{until} {pull:?}");
        }
        // It has come meanwhile.
        let missed = Missed::Position { seq: 5, tried };
        let instead = Some(missed);
        let turn = format!(
            "Turn({:?})",
            Goal::Around {
                seq,
                tried,
                until: None,
                pull: None
            }
        );
        assert_eq!(Case::of("0-5>", Goal::Latest { instead }).step(), turn);
    }

    #[test]
    fn a_time_is_found_where_what_is_held_proves_it() {
        let at = |ms| Goal::AtTime { ms, found: None };
        let turn = format!("Turn({:?})", Goal::around(5));
        let nowhere = "GiveUp(Latest { instead: Some(Time(999)) })";
        for (held, asks, ms, step) in [
            ("0-9>", true, 50, &*turn),
            ("0-9>", true, 999, nowhere),
            ("3-9>", true, 50, "Ask(At(50), 4)"),
            // Nobody can be asked: as if times rose with positions.
            ("3-9>", false, 50, &turn),
            ("3-9>", false, 999, "Ask(At(999), 4)"),
        ] {
            let mut case = Case::of(held, at(ms));
            case.asks = asks;
            assert_eq!(case.step(), step, "{held} {asks} {ms}");
        }
    }

    #[test]
    fn the_first_unread_is_waited_for_and_then_the_latest_is_shown() {
        let unread = |patience| Goal::FirstUnread {
            tried: None,
            patience,
        };
        let turn = |patience| format!("Turn({:?})", unread(patience));
        for (patience, step) in [
            (Patience::Fresh, turn(Patience::Until(11_000))),
            (Patience::Until(11_000), "Wait".to_owned()),
            (Patience::Until(1_000), turn(Patience::Over)),
            (Patience::Over, "show 6 7 8 9 follow".to_owned()),
        ] {
            assert_eq!(Case::of("0-9>", unread(patience)).step(), step);
        }
        let mut state = Conversation::new("c".into());
        (state.unread, state.read_seq) = (3, Some(Seq(4)));
        let mut case = Case::of("0-9>", unread(Patience::Over));
        case.state = Some(state);
        assert_eq!(case.step(), "show 3 4 5 6");
        // Nobody can be asked, and nothing is known.
        let mut case = Case::of("", unread(Patience::Fresh));
        case.asks = false;
        assert_eq!(case.step(), "Ask(Latest, 4)");
    }

    #[test]
    fn what_was_on_screen_is_covered_from_both_sides() {
        let range = Goal::Range {
            lo: 10,
            hi: 14,
            mid: 12,
        };
        for (held, step) in [
            ("", "Ask(Around(Seq(12)), 4)"),
            ("11-20", "Ask(Before(Seq(11)), 4)"),
            ("5-13", "Ask(After(Seq(13)), 4)"),
            ("5-13>", "show 6 7 8 9 10 11 12 13 follow"),
            ("8-16", "show 8 9 10 11 12 13 14 15 16"),
        ] {
            assert_eq!(Case::of(held, range).step(), step, "{held}");
        }
        let mut case = Case::of("20-30>", range);
        case.reload.pages = 1;
        assert_eq!(case.step(), "GiveUp(Latest { instead: None })");
    }
}
