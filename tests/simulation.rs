//! Pullcord against a model of the backend, in virtual time, with everything going wrong that can:
//! notifications lost, doubled and late, requests failed and slow, answers that break the protocol,
//! overflows, edits, recalls, trims, removals, failing commits, restarts at any moment, two devices.
//! After every step what the app shows and what the store holds is compared with the model, by the
//! rules of DESIGN.md; at the end the trouble stops, and everything must come right.
//!
//! A history is a seed: also its scope, how it is notified, its overflow policy, whether it jumps, and
//! what else goes wrong are drawn from it ([`simulation::mode`]). One that fails is shrunk
//! ([`simulation::history`]), told, and run again by its seed.
//!
//! ```text
//! npm run simulate -- --histories 100000 --seed 1
//! npm run simulate -- --replay 123
//! PULLCORD_MODES='mailbox!,push,keep' npm run simulate
//! ```

#![cfg(not(target_arch = "wasm32"))]
// The modules of a test are nobody else's.
#![allow(unreachable_pub)]

#[path = "simulation/mod.rs"]
mod simulation;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use simulation::history::{CommitFate, Failure, History, STEPS};
use simulation::mode::{self, Mode};

/// Last events of a failing history that are told; PULLCORD_STORY: another number.
const STORY: usize = 200;
/// Histories run where PULLCORD_HISTORIES does not say.
const HISTORIES: u64 = 20_000;
/// Runs that shrinking a failing history may take.
const SHRINKING: u32 = 1_500;
/// Histories of which every single commit goes wrong in every way, and their steps.
const SWEPT: (u64, u64) = (25, 100);

/// Seeds that failed once, and what they found, in the mode that was drawn from them then.
const FOUND: &[(u64, &str)] = &[
    (
        396,
        "a notification that names a conversation which was left, asked for again and again",
    ),
    (1419, "the same, never caught up"),
    (
        200_395,
        "a kept segment whose revalidation could not be stored, and was not tried again",
    ),
    (200_406, "the same, refused with 404"),
    (
        201_792,
        "deliveries pushed behind one that was not applied, applied before it",
    ),
    (202_276, "the same"),
    (
        376,
        "a kept segment that was not made fresh any more after a page could not be stored",
    ),
    (202_673, "the same, with a gap"),
    (
        200_328,
        "a window of kept messages that the server does not have any more, left empty",
    ),
    (
        301_293,
        "an own message that was not shown while a window around what was on screen came again",
    ),
];

/// Those that were found since each step has a chance of its own.
const FOUND_SINCE: &[(u64, &str)] = &[
    (
        908,
        "a page that was stored below a trim, because its segment had grown over it",
    ),
    (
        2006,
        "the key of a message that was delivered twice, when the other delivery was gone",
    ),
    (
        4181,
        "a page ahead that was refused, and asked for again and again",
    ),
    (
        5416,
        "kept segments without a message, of which nothing said that they were not fresh",
    ),
    (7029, "the same, at the start"),
    (10_113, "the same"),
    (
        7971,
        "requests that were given up at waking, before their answers could be heard",
    ),
    (
        20_757,
        "a message that says of itself that something may be missing before it",
    ),
    (
        26_263,
        "a jump to a time that nothing was at, when something had come since",
    ),
    (
        27_023,
        "a message committed late below a trim, replayed onto a page before the trim",
    ),
    (
        28_494,
        "a kept segment whose revalidation was refused, and was not tried again",
    ),
    (
        29_191,
        "a jump into a segment that has nothing from there on",
    ),
    (
        14_521,
        "a jump whose page a trim had passed, given up for the latest",
    ),
    (
        8734,
        "a page from a replica, of before what was shown, that left the list blank",
    ),
    (
        36_621,
        "a conversation that was left between the list's page and the pull under way",
    ),
    (
        51_759,
        "a jump to a time that nothing was at, when something had come by an overflow",
    ),
    (
        10_880,
        "a message that said for ever that something may be missing before it",
    ),
];

/// Those that were found while there was one mode only, and are histories of it.
const FOUND_CLASSIC: &[(u64, &str)] = &[
    (
        1158,
        "a timer that fired for ever while an eviction was being committed",
    ),
    (4107, "the same, beside a pull"),
    (
        104_315,
        "a page that was asked for when its list was let go",
    ),
    (108_806, "the same"),
    (
        107_255,
        "an eviction of what a list was about to show again after an overflow",
    ),
    (
        104_462,
        "a message discarded before its request left let another one's leave twice",
    ),
    (
        111_327,
        "the key of a message sent before its conversation was left, and entered again",
    ),
    (
        122_945,
        "a Retry-After that came to a list which had begun anew meanwhile",
    ),
    (142_709, "the same, forgotten at the next failure"),
    (
        136_666,
        "a message delivered twice, because its first delivery was trimmed",
    ),
    (146_932, "the same"),
    (102_612, "found by the survey of seeds above 100,000"),
    (107_228, "likewise"),
    (107_146, "likewise"),
    (31_256, "likewise"),
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn story() -> usize {
    number("PULLCORD_STORY").map_or(STORY, |lines| lines as usize)
}

/// Shrinks a failed history, and tells it.
fn tell(failure: Failure) -> String {
    let (seed, steps) = (failure.history.seed, failure.history.length());
    let modes = match mode::enabled().as_str() {
        "all" => String::new(),
        modes => format!("PULLCORD_MODES='{modes}' "),
    };
    let again = format!("{modes}npm run simulate -- --replay {seed}");
    let chained = failure.history.chained;
    let shrunk = failure.shrink(SHRINKING);
    let from = if chained {
        String::new()
    } else {
        format!(" (shrunk from {steps})")
    };
    format!(
        "A history breaks the rules{from}\n{}",
        shrunk.tell(story(), &again)
    )
}

#[test]
fn histories_that_failed_once_pass() {
    let found = FOUND
        .iter()
        .map(|(seed, what)| (History::chained(*seed, Mode::drawn_at_first(*seed)), what));
    let classic = FOUND_CLASSIC
        .iter()
        .map(|(seed, what)| (History::chained(*seed, Mode::classic()), what));
    let since = FOUND_SINCE
        .iter()
        .map(|(seed, what)| (History::drawn(*seed), what));
    for (history, what) in found.chain(classic).chain(since) {
        if let Err(failure) = history.run(0) {
            panic!("again: {what}\n{}", tell(*failure));
        }
    }
}

/// Runs these histories on all cores. Answers those that fail; `all`: goes on after the first.
fn run(count: u64, all: bool, history: impl Fn(u64) -> History + Sync) -> BTreeMap<u64, Failure> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(0);
    let failed: Mutex<BTreeMap<u64, Failure>> = Mutex::default();
    let (started, told) = (Instant::now(), Mutex::new(Instant::now()));
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let failures = failed.lock().expect("held for an instant").len();
            if n >= count || (failures > 0 && !all) {
                return;
            }
            if let Err(failure) = history(n).run(0) {
                failed
                    .lock()
                    .expect("held for an instant")
                    .insert(n, *failure);
            }
            let mut told = told.lock().expect("held for an instant");
            if told.elapsed() > Duration::from_secs(10) {
                *told = Instant::now();
                let rate = (n + 1) as f64 / started.elapsed().as_secs_f64();
                println!(
                    "{} of {count}, {rate:.0} a second, {failures} failed",
                    n + 1
                );
                // A test's output is not a terminal's.
                let _ = std::io::stdout().flush();
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    failed.into_inner().expect("all threads have ended")
}

#[test]
fn every_history_keeps_the_rules() {
    let count = number("PULLCORD_HISTORIES").unwrap_or(HISTORIES);
    let first = number("PULLCORD_FIRST").unwrap_or(1);
    // A survey goes on after a failure, and says of each in a line what it found.
    let survey = std::env::var_os("PULLCORD_SURVEY").is_some();
    let started = Instant::now();
    let mut failed = run(count, survey, |n| History::drawn(first + n));
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{count} histories of {STEPS} steps from seed {first} on, in {seconds:.0} s: {:.0} a second",
        count as f64 / seconds
    );
    for failure in failed.values().filter(|_| survey) {
        println!("seed {}: {}", failure.history.seed, failure.error);
    }
    if let Some((_, failure)) = failed.pop_first() {
        panic!("{} failed\n{}", failed.len() + 1, tell(failure));
    }
}

/// Every single commit of a device fails, finds the disk full, is the last before the tab is killed,
/// or the last before the power fails.
#[test]
fn every_single_commit_can_go_wrong() {
    let (histories, steps) = SWEPT;
    let mut swept = 0;
    for seed in 1..=histories {
        let mut history = History::drawn(seed);
        history.steps = steps;
        let commits = match history.commits() {
            Ok(commits) => commits,
            Err(failure) => panic!("{}", tell(*failure)),
        };
        let fates = CommitFate::ALL.len() as u64;
        let mut failed = run(commits * fates, false, |n| {
            let fate = CommitFate::ALL[(n % fates) as usize];
            History {
                commit: Some((n / fates + 1, fate)),
                ..history.clone()
            }
        });
        if let Some((_, failure)) = failed.pop_first() {
            let fate = failure.history.commit;
            panic!("{fate:?}\n{}", tell(failure));
        }
        swept += commits;
    }
    println!(
        "{swept} commits went wrong, each in {} ways",
        CommitFate::ALL.len()
    );
    assert!(swept > 200, "there was hardly anything to go wrong");
}

/// One history, by its seed: for looking into a failure.
#[test]
fn replay() {
    if let Some(seed) = number("PULLCORD_SEED") {
        match History::drawn(seed).run(0) {
            Ok(()) => println!("seed {seed} keeps the rules"),
            Err(failure) => panic!("{}", tell(*failure)),
        }
    }
}

#[test]
fn a_history_is_determined_by_its_seed() {
    let told = |seed| {
        let mut history = History::drawn(seed);
        history.steps = 60;
        history.told(STORY)
    };
    assert_eq!(told(7), told(7));
}
