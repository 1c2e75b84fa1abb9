//! Pullcord against a model of the backend, in virtual time, with everything going wrong that can:
//! notifications lost, doubled and late, requests failed and slow, answers that break the protocol,
//! overflows, edits, recalls, trims, removals, failing commits, restarts at any moment, two devices.
//! After every step what the app shows and what the store holds is compared with the model, by the
//! rules of DESIGN.md; at the end the trouble stops, and everything must come right.
//!
//! A history is a seed: also its scope, how it is notified, its overflow policy and whether it jumps
//! are drawn from it ([`simulation::mode`]). A failing one prints its seed and its story, and is run
//! again by
//!
//! ```text
//! PULLCORD_SEED=123 cargo test --test simulation replay -- --nocapture
//! PULLCORD_HISTORIES=100000 cargo test --test simulation -- --nocapture
//! PULLCORD_MODES='mailbox!,push,keep' cargo test --test simulation -- --nocapture
//! ```

#![cfg(not(target_arch = "wasm32"))]
// The modules of a test are nobody else's.
#![allow(unreachable_pub)]

#[path = "simulation/mod.rs"]
mod simulation;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use simulation::mode::{self, Mode};
use simulation::world::World;

/// Steps of a history before the trouble stops.
const STEPS: u64 = 200;
/// Last events of a failing history that are told; PULLCORD_STORY: another number.
const STORY: usize = 70;
/// Histories run where PULLCORD_HISTORIES does not say.
const HISTORIES: u64 = 800;

/// Seeds that failed once, and what they found. They are run first, in the mode drawn from them.
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

/// Runs one history; the story is told only where it is wanted.
fn run(seed: u64, mode: &Mode, story: usize) -> Result<(), String> {
    let mut world = World::new(seed, mode.clone(), story);
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run(STEPS)));
    let error = match outcome {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error,
        Err(panic) => {
            let message = panic.downcast_ref::<String>().map(String::as_str);
            let message = message
                .or(panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            format!("a panic: {message}")
        }
    };
    Err(format!(
        "{}\n  {error}\n  at {:.3} s, seed {seed}, {mode:?}\n",
        world.story.print(),
        world.time as f64 / 1000.0
    ))
}

/// Runs a failed history again, with its story.
fn fail(seed: u64, mode: &Mode) -> ! {
    let told = run(seed, mode, STORY)
        .err()
        .unwrap_or_else(|| "it did not fail again: it is not deterministic".to_owned());
    let modes = if *mode == Mode::classic() {
        "classic".to_owned()
    } else {
        mode::enabled()
    };
    panic!(
        "{told}\nPULLCORD_MODES='{modes}' PULLCORD_SEED={seed} cargo test --test simulation replay -- --nocapture"
    );
}

#[test]
fn histories_that_failed_once_pass() {
    let found = FOUND
        .iter()
        .map(|(seed, what)| (*seed, Mode::drawn(*seed), what));
    let classic = FOUND_CLASSIC
        .iter()
        .map(|(seed, what)| (*seed, Mode::classic(), what));
    for (seed, mode, what) in found.chain(classic) {
        if run(seed, &mode, 0).is_err() {
            eprintln!("again: {what}");
            fail(seed, &mode);
        }
    }
}

#[test]
fn every_history_keeps_the_rules() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let histories = number("PULLCORD_HISTORIES").unwrap_or(HISTORIES);
    let first = number("PULLCORD_FIRST").unwrap_or(1);
    // A survey goes on after a failure, and says of each in a line what it found.
    let survey = std::env::var_os("PULLCORD_SURVEY").is_some();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(first);
    let failed: Mutex<BTreeMap<u64, String>> = Mutex::default();
    let started = Instant::now();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let enough = !survey && !failed.lock().expect("held for an instant").is_empty();
            if seed >= first + histories || enough {
                return;
            }
            if let Err(told) = run(seed, &Mode::drawn(seed), 0) {
                failed
                    .lock()
                    .expect("held for an instant")
                    .insert(seed, told);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let seconds = started.elapsed().as_secs_f64();
    println!("{histories} histories of {STEPS} steps from seed {first} on, in {seconds:.1} s");
    let failed = failed.into_inner().expect("all threads have ended");
    if survey {
        for told in failed.values() {
            println!("{}", told.trim());
        }
    }
    if let Some(seed) = failed.keys().next() {
        fail(*seed, &Mode::drawn(*seed));
    }
}

/// One history, by its seed: for looking into a failure.
#[test]
fn replay() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    if let Some(seed) = number("PULLCORD_SEED") {
        let story = number("PULLCORD_STORY").map_or(STORY, |lines| lines as usize);
        let mode = Mode::drawn(seed);
        match run(seed, &mode, story) {
            Ok(()) => println!("seed {seed} keeps the rules, {mode:?}"),
            Err(told) => panic!("{told}"),
        }
    }
}

#[test]
fn a_history_is_determined_by_its_seed() {
    let told = |seed| {
        let mut world = World::new(seed, Mode::drawn(seed), STORY);
        let outcome = world.run(60);
        (world.story.print(), outcome)
    };
    assert_eq!(told(7), told(7));
}
