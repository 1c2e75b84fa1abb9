//! That the simulation can fail: each deliberate fault of the core (`src/core/fault.rs`) leaves out one
//! clause of docs/rules.md's rules, and is found within the number of histories that is said here, by one
//! that keeps all rules without it. Also that the tests of what others shipped can fail
//! (`tests/rules/shipped.rs`, here once more).
//!
//! ```text
//! cargo test --features faults --test faults
//! PULLCORD_FAULT=NoJournal cargo test --features faults --test faults every_fault
//! ```

#![cfg(not(target_arch = "wasm32"))]
// The modules of a test are nobody else's; and here they are not used to the last function.
#![allow(unreachable_pub, dead_code)]

#[path = "rules/harness.rs"]
mod harness;
#[path = "rules/shipped.rs"]
mod shipped;
#[path = "simulation/mod.rs"]
mod simulation;
#[path = "rules/support.rs"]
mod support;

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use pullcord::core::fault::Fault;
use simulation::history::History;

/// Each fault, and the histories, from seed 1 on, within which it is found.
const FOUND_WITHIN: &[(Fault, u64)] = &[
    (Fault::CursorIsNotCompared, 10),
    (Fault::PushedPastAGap, 30),
    (Fault::UnprovenIsLive, 30),
    (Fault::PrevIsNotLookedAt, 10),
    (Fault::LastCopyWins, 300),
    (Fault::ShownCopyStays, 10),
    (Fault::LastMessageStays, 50),
    (Fault::RecalledLosesItsPlace, 10),
    (Fault::OverflowAfterEvents, 800),
    (Fault::KeptIsFresh, 10),
    (Fault::KeptTakesTheNewCursor, 10),
    (Fault::OutboxGoesWithTheOverflow, 10),
    (Fault::ListIsNotOwed, 10),
    (Fault::WindowGoesBlank, 30),
    (Fault::CallsWaitForEver, 10),
    (Fault::StartAtEveryPage, 10),
    (Fault::PageReachesItsNeighbour, 30),
    (Fault::KeptStaysInsideThePage, 50),
    (Fault::LiveWithoutReplay, 500),
    (Fault::NoJournal, 200),
    (Fault::PageOutlivesTheOverflow, 30),
    (Fault::TrimClipsNoPage, 500),
    (Fault::LocalGoesWhenSent, 10),
    (Fault::LocalStaysBesideItself, 10),
    (Fault::CursorBeforeMessages, 10),
    (Fault::FailedCommitCounts, 30),
    (Fault::ShownBeforeItsCommit, 10),
    (Fault::AcknowledgedBeforeItsCommit, 30),
    (Fault::WakesWithoutItsFence, 700),
    (Fault::DoubtIsFailure, 30),
    (Fault::SendResolvesAtOnce, 30),
    (Fault::DeliveriesAreForgotten, 30),
    (Fault::UnreadIsCounted, 10),
    (Fault::SuspectsStay, 10),
    (Fault::ListWinsOverEvents, 1000),
    (Fault::GoneIsFresh, 30),
    (Fault::EvictionLeavesTheSegment, 30),
    (Fault::ShownIsEvicted, 30),
    (Fault::NothingIsDoubted, 300),
    (Fault::NothingIsCutOut, 120),
    (Fault::GapIsNotShown, 30),
    (Fault::NoBackoff, 30),
    (Fault::ForgivenAtOnce, 1_000),
    (Fault::RetryAfterIsIgnored, 10),
    (Fault::TooMuchStaysTooMuch, 30),
    (Fault::HintForbids, 30),
    (Fault::CaughtUpWithoutTheList, 30),
    (Fault::RetriedUnderAnotherName, 10),
    (Fault::NewestGoesFirst, 10),
    (Fault::RefusalHoldsUp, 10),
    (Fault::DiscardAbortsNothing, 30),
    (Fault::LeftIsForgotten, 800),
    (Fault::DeltaOfAnyBase, 10),
    (Fault::WishIsTakenUpTwice, 10),
    (Fault::WishStaysStored, 10),
    (Fault::GapIsNotReadAgain, 100),
    (Fault::LoadTakesNoBlocks, 100),
    (Fault::StampIsNotCompared, 100),
    (Fault::SilenceIsNotStuck, 200),
    (Fault::ReplyBeforeItsCommit, 800),
    (Fault::FollowerQueuesAJob, 10),
    (Fault::NeedsOfOthersAreIgnored, 200),
    (Fault::GrantFromTheSignal, 200),
    (Fault::FencedOwnIsDropped, 300),
    (Fault::ToldIsForgotten, 30),
    (Fault::ShownIsNews, 30),
    (Fault::LostIsWrittenTo, 100),
];

/// Faults of which few histories of all kinds have what they need. These are looked for in histories of fewer kinds:
/// those that there were when their numbers were set (`before`), or of their own.
const LOOKED_FOR_IN: &[(Fault, &str)] = &[
    (Fault::PushedPastAGap, "mailbox!,push!"),
    (
        Fault::OverflowAfterEvents,
        "keep!,jumps!,prefetch,bounds,full-disk",
    ),
    (Fault::KeptTakesTheNewCursor, "before"),
    (Fault::LiveWithoutReplay, "before"),
    (Fault::NoJournal, "before"),
    (Fault::RefusalHoldsUp, "before"),
];

/// Faults that the simulation does not find in a thousand histories: each fails the rules test that is there
/// for its clause (`tests/rules/can_fail.rs`).
const FOUND_BY_RULES: &[Fault] = &[
    Fault::EvictsInVain,
    Fault::DoubtsNeverRest,
    Fault::MarkIsNotTaken,
    Fault::RepairsAreNotCompared,
    Fault::NamelessIsNobody,
    Fault::ProgressIsNotHeard,
    Fault::FailingHoldsUpTheTimer,
    Fault::ServersFaultHoldsUp,
    Fault::EditLeavesUnfenced,
    Fault::KeyIsNotTaken,
    Fault::AskIsNotRepeated,
    Fault::PromotedForgetsItsAsks,
    Fault::NobodyRemindsOfWishes,
    Fault::ChangedBlockIsLost,
    Fault::AnswerIsNotShown,
    Fault::LostIsNotReadAgain,
    Fault::ReplacedIsNotRead,
    Fault::LostOwnGoesWithItsWriter,
    Fault::MoveIsNotLive,
];

/// A history of a kind in which this fault is looked for.
fn history(fault: Fault, seed: u64) -> History {
    let mut kinds = LOOKED_FOR_IN.iter();
    match kinds.find(|(looked_for, _)| *looked_for == fault) {
        Some((_, kinds)) => History::drawn_among(seed, kinds),
        None => History::drawn(seed),
    }
}

/// The first of these histories that breaks a rule with this fault and keeps them all without it, and
/// what it breaks.
fn find(fault: Fault, histories: u64) -> Option<(u64, String)> {
    let run = |seed, active| {
        Fault::switch(active);
        let outcome = history(fault, seed).run(0);
        Fault::switch(None);
        outcome
    };
    (1..=histories).find_map(|seed| {
        let failure = run(seed, Some(fault)).err()?;
        run(seed, None).ok()?;
        Some((seed, failure.error))
    })
}

/// Also where a test's output is not shown: these are figures that somebody wants to see.
fn tell(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[test]
fn every_fault_is_found() {
    let only = std::env::var("PULLCORD_FAULT").ok();
    let chosen: Vec<(Fault, u64)> = FOUND_WITHIN
        .iter()
        .copied()
        .filter(|(fault, _)| {
            only.as_ref()
                .is_none_or(|names| names.split(',').any(|name| name == format!("{fault:?}")))
        })
        .collect();
    let missed: Mutex<Vec<Fault>> = Mutex::default();
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let work = || {
        while let Some((fault, most)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some((seed, error)) = find(*fault, *most) else {
                missed.lock().expect("held for an instant").push(*fault);
                continue;
            };
            let error = error.lines().next().unwrap_or_default();
            let says = fault.says();
            tell(&format!(
                "{fault:?}: history {seed} of {most}\n    {says}\n    {error}"
            ));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (count, seconds) = (chosen.len(), started.elapsed().as_secs_f64());
    tell(&format!("{count} faults in {seconds:.0} s"));
    let missed = missed.into_inner().expect("all threads have ended");
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// `PULLCORD_FAULT=NoJournal`: the first history that finds it, made as short as it gets, and as a test.
#[test]
fn one_fault_is_told() {
    let Ok(name) = std::env::var("PULLCORD_FAULT") else {
        return;
    };
    let mut found = FOUND_WITHIN.iter();
    let (fault, most) = found
        .find(|(fault, _)| format!("{fault:?}") == name)
        .expect("a fault that the simulation finds");
    let (seed, _) = find(*fault, *most).expect("found");
    Fault::switch(Some(*fault));
    let found = history(*fault, seed).run(0);
    let failure = found.expect_err("it was found");
    let told = failure.shrink(2_000).tell(0, "with this fault");
    Fault::switch(None);
    tell(&told);
}

#[test]
fn no_fault_is_left_out() {
    for fault in Fault::ALL {
        let within = FOUND_WITHIN.iter().map(|(listed, _)| listed);
        let listed = within
            .chain(FOUND_BY_RULES)
            .filter(|listed| *listed == fault);
        assert_eq!(listed.count(), 1, "{fault:?}");
    }
}
