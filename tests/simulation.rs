//! Pullcord against a model of the backend, in virtual time, with everything going wrong that can:
//! notifications lost, doubled and late, requests failed and slow, answers that break the protocol,
//! overflows, edits, recalls, trims, removals, failing commits, restarts at any moment, two devices.
//! After every step what the app shows and what the store holds is compared with the model, by the
//! rules of docs/rules.md; at the end the trouble stops, and everything must come right.
//!
//! A history is a seed: also its scope, how it is notified, its overflow policy, whether it jumps, and
//! what else goes wrong are drawn from it ([`simulation::mode`]). One that fails is shrunk
//! ([`simulation::history`]), told, and run again by its seed.
//!
//! ```text
//! npm run simulate -- --histories 100000 --seed 1
//! npm run simulate -- --hours 2.5
//! npm run simulate -- --replay 123
//! PULLCORD_MODES='mailbox!,push,keep' npm run simulate
//! ```

#![cfg(not(target_arch = "wasm32"))]
// The modules of a test are nobody else's.
#![allow(unreachable_pub)]

#[path = "simulation/kept.rs"]
mod kept;
#[path = "simulation/mod.rs"]
mod simulation;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use simulation::coverage;
use simulation::history::{CommitFate, Failure, History, STEPS};
use simulation::mode::{self, Mode};

/// Last events of a failing history that are told; PULLCORD_STORY: another number.
const STORY: usize = 200;
/// Histories run where PULLCORD_HISTORIES does not say: always the same, and others each day.
const HISTORIES: (u64, u64) = (4_500, 200);
/// Runs that shrinking a failing history may take; PULLCORD_SHRINKING: another number.
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

/// Those that were found since the worlds are wider, by surveys of fresh seeds.
const FOUND_WIDE: &[(u64, &str)] = &[
    (
        2_000_002_610,
        "a window around what was on screen, of more messages than it holds, with a hole",
    ),
    (
        2_000_003_237,
        "an own message put back into the outbox by the one behind it, which one page brought with it",
    ),
    (
        2_000_003_061,
        "a pull in pieces given up, because the server had begun with what other pieces had named",
    ),
    (
        2_000_005_617,
        "a cursor that could not be read, and was there again at the next start",
    ),
    (
        2_000_004_458,
        "what was on screen of a conversation that was left, not counted as seen",
    ),
    (
        4068,
        "a live end proven by a message, though one that was left out may be newer",
    ),
    (
        2_200_000_930,
        "a list closed before the window that replaced it was shown, and not numbered anew",
    ),
    (
        2_200_001_465,
        "a time guessed offline from a message whose time is not known",
    ),
    (
        2_200_004_266,
        "a jump to a time whose message was left out of the page, led to the latest",
    ),
    (
        2_200_005_181,
        "a server that begins with all that other pieces have named, at each pull",
    ),
    (
        4_000_003_677,
        "an own message that stayed sent, because the server refused to say of it once more",
    ),
    (
        4_000_012_196,
        "what an answer had refused, asked for again with what it had left out",
    ),
    (
        4_000_003_088,
        "what was named forgotten at each pull, because a piece had asked for too much with it",
    ),
    (
        6_100_000_032,
        "a Retry-After that came while the machine slept, to a pull given up at waking",
    ),
    (
        4_000_019_829,
        "a jump to a time whose message says none, led to the one after it",
    ),
    (
        2_200_010_908,
        "a page from a replica that had nothing of a conversation yet, which left the list blank",
    ),
    (
        7_000_002_693,
        "a gap of a conversation that was left, refused and asked for again and again",
    ),
    (2_000_002_677, "a send that was lost as the final check ran"),
    (
        6_000_001_589,
        "a jump to a time that a lagging replica knew nothing of, and the list did",
    ),
    (6_300_000_763, "a burst on a slow line"),
    (
        9_000_000_751,
        "a sync that waited for a list which another client has paid",
    ),
    (
        9_100_002_993,
        "a client closed while room was made for what it let go of",
    ),
    (
        9_200_002_004,
        "what was shown as not fresh, and is gone from the server",
    ),
    (
        21_000_002_568,
        "a slow line, on which other conversations waited for their bytes while one failed",
    ),
    (
        21_000_026_216,
        "what room was made for, let go of while it was made",
    ),
    (21_000_040_435, "the same"),
    (
        21_000_029_423,
        "an own message of which the server said once more what could not be read",
    ),
    (
        21_000_031_766,
        "discarded by a page that was gone before it was told so, and by another one in vain",
    ),
    (
        21_000_047_330,
        "an own message that was tried more often than could be stored, and let another go before it",
    ),
    (
        21_000_048_785,
        "a list of what was left, which a client asked for that did not know that another has the account",
    ),
    (21_000_058_289, "the same"),
    (
        21_000_051_480,
        "an own message on screen that was tried again, and took along what counted as seen",
    ),
];

/// Those that were found since users sign out, by surveys of fresh seeds.
const FOUND_LATELY: &[(u64, &str)] = &[
    (
        21_000_065_511,
        "a writer that read what is stored once more, and lost the account meanwhile, answered as the writer",
    ),
    (
        21_000_069_669,
        "a state that one client could not read, mended by the one that writes: the list stayed owed to the first",
    ),
    (
        21_000_069_670,
        "a discard whose commit was under way at a change of writer, refused as not done though it was",
    ),
    (
        21_000_071_641,
        "a message written behind one that was wished for, before it after a change of writer",
    ),
    (
        21_000_066_109,
        "a message delivered twice: its key in one list changed its key in another",
    ),
    (
        21_000_077_828,
        "a jump to a time of which a replica knew nothing, though newer messages were held",
    ),
    (
        21_000_080_188,
        "what was on screen while another window was on its way, not counted as seen",
    ),
    (
        21_000_087_687,
        "news that a trim of the same batch took away, in the place of others",
    ),
    (
        21_000_088_280,
        "a message of the writer's own stored behind one that was wished for after it",
    ),
    (
        21_000_088_820,
        "a window that reached beyond its segment, not read again after a change of writer",
    ),
    (
        21_000_091_965,
        "a client that was closed while its first job waited for blocks, and never ended",
    ),
    (
        21_000_110_481,
        "a client that slept through a change of writer, and took itself for the writer for ever",
    ),
    (
        21_000_113_240,
        "a jump to the first unread while the conversation's state was to be mended",
    ),
    (
        21_000_114_479,
        "a block that its writer could not read, shown as held by those that follow",
    ),
    (
        21_000_127_478,
        "a list read anew for each of many overflows, one after another",
    ),
    (
        21_000_127_953,
        "a message passed over in the place of the one that the server had failed over",
    ),
    (
        21_787_000_104,
        "what another client had let go of, shown as held while a jump was on its way",
    ),
    (
        21_000_201_101,
        "a message committed late among those that a client had missed, told by its delta and with them",
    ),
    (
        21_000_170_667,
        "what came while a client read what it had missed, told before that, and once more with it",
    ),
    (
        21_000_180_052,
        "what a page newer than the cursor had brought, told as missed and once more by the pull",
    ),
    (
        21_000_175_133,
        "a conversation without a cursor that failed alone, and was asked for among the rest in a loop",
    ),
    (
        21_000_170_590,
        "a client that found the one that writes stuck, beside a wipe",
    ),
    (
        21_000_170_511,
        "a wish that could not be read, and was all that was stored: no client began",
    ),
    (
        21_000_206_160,
        "a page that a list could not ask for while the fence was asked, and did not ask for then",
    ),
    (
        21_000_211_656,
        "a pull that was given up at a change of writer, and answered all the same",
    ),
    (
        21_000_213_945,
        "a list of which nothing was held, left blank while the one that writes was behind",
    ),
    (
        21_000_182_285,
        "a last message that a push had told, of which was heard after another client had shown it",
    ),
    (
        21_000_177_360,
        "an own message of which it could not be read that it had left the outbox",
    ),
    (
        21_000_307_514,
        "five lists of one conversation without a network, each asking for what it lacks",
    ),
    (
        21_000_309_383,
        "a telling that had told nothing, asked once more when something had come and nobody waited for it",
    ),
    (
        21_000_607_616,
        "news that a full disk had let go of when the push came: a check's",
    ),
    (
        21_000_615_164,
        "news that the list had shown on screen before they came: a check's",
    ),
    (
        21_000_635_755,
        "an own message that was left out while a doubt rests: a check's",
    ),
    (
        21_000_637_098,
        "a message that is committed late below where a jump to a time went: a check's",
    ),
    (
        21_000_961_494,
        "a list whose segment was fetched anew, and reached less far beyond what is shown: not fresh for a moment",
    ),
    (
        21_000_955_592,
        "an own message whose writer slept before it found that its database was gone: a check's",
    ),
    (
        21_000_958_317,
        "a list that a writer shows as it hears that it is one no more: a check's",
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
    let budget = number("PULLCORD_SHRINKING").map_or(SHRINKING, |runs| runs as u32);
    let shrunk = failure.shrink(budget);
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
        .map(|(seed, what)| (History::drawn_among(*seed, "before"), what));
    // There were no tellings, no wipes and no evictions then.
    let wide = FOUND_WIDE.iter().map(|(seed, what)| {
        let mut history = History::drawn(*seed);
        history.mode.tellings = false;
        history.mode.wipes = false;
        history.mode.evicted = false;
        history.mode.waits = false;
        (history, what)
    });
    // There were no evictions then.
    let lately = FOUND_LATELY.iter().map(|(seed, what)| {
        let mut history = History::drawn(*seed);
        history.mode.evicted = false;
        history.mode.waits = false;
        (history, what)
    });
    for (history, what) in found.chain(classic).chain(since).chain(wide).chain(lately) {
        if let Err(failure) = history.run(0) {
            panic!("again: {what}\n{}", tell(*failure));
        }
    }
}

/// How many histories are run, and for how long.
#[derive(Clone, Copy)]
struct Length {
    count: u64,
    /// from now on
    time: Duration,
    /// goes on after the first that fails
    all: bool,
}

impl Length {
    fn of(count: u64) -> Self {
        Length {
            count,
            time: Duration::MAX,
            all: false,
        }
    }
}

/// Runs these histories on all cores, or on as many as PULLCORD_CORES says. Answers how many, and those that fail.
fn run(
    Length { count, time, all }: Length,
    history: impl Fn(u64) -> History + Sync,
) -> (u64, BTreeMap<u64, Failure>) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = number("PULLCORD_CORES").map_or(cores, |cores| cores as usize);
    let next = AtomicU64::new(0);
    let failed: Mutex<BTreeMap<u64, Failure>> = Mutex::default();
    let (started, told) = (Instant::now(), Mutex::new(Instant::now()));
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let failures = failed.lock().expect("held for an instant").len();
            if n >= count || (failures > 0 && !all) || started.elapsed() > time {
                return;
            }
            let history = history(n);
            if let Err(failure) = history.run(0) {
                // At once: a survey of hours may be ended before it is through.
                println!("seed {}: {}", failure.history.seed, failure.error);
                failed
                    .lock()
                    .expect("held for an instant")
                    .insert(n, *failure);
            }
            let mut told = told.lock().expect("held for an instant");
            if told.elapsed() > Duration::from_secs(10) {
                *told = Instant::now();
                let rate = (n + 1) as f64 / started.elapsed().as_secs_f64();
                println!("{}, {rate:.0} a second, {failures} failed", n + 1);
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
    let begun = next.into_inner().saturating_sub(threads as u64);
    (begun, failed.into_inner().expect("all threads have ended"))
}

/// Runs histories from this seed on, tells what they came to, and fails with the first that failed.
fn survey(first: u64, length: Length) {
    let started = Instant::now();
    let (count, mut failed) = run(length, |n| History::drawn(first + n));
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{count} histories of {STEPS} steps from seed {first} on, in {seconds:.0} s: {:.0} a second, {} failed",
        count as f64 / seconds,
        failed.len()
    );
    if length.all {
        println!("Reached were\n{}", coverage::told());
    }
    if let Some((_, failure)) = failed.pop_first() {
        panic!("{} failed\n{}", failed.len() + 1, tell(failure));
    }
}

#[test]
fn every_history_keeps_the_rules() {
    let hours = std::env::var("PULLCORD_HOURS").ok();
    let hours = hours.and_then(|hours| hours.parse::<f64>().ok());
    let count = number("PULLCORD_HISTORIES").unwrap_or(match hours {
        Some(_) => u64::MAX,
        None => HISTORIES.0,
    });
    let length = Length {
        count,
        time: hours.map_or(Duration::MAX, |h| Duration::from_secs_f64(h * 3_600.0)),
        // A survey goes on after a failure, and says of each in a line what it found.
        all: hours.is_some() || std::env::var_os("PULLCORD_SURVEY").is_some(),
    };
    survey(number("PULLCORD_FIRST").unwrap_or(1), length);
}

/// Others each day. A failure says its seed, and is run again by it.
#[test]
fn todays_histories_keep_the_rules() {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let today = since.as_secs() / 86_400;
    let first = number("PULLCORD_TODAY").unwrap_or(1_000_000_000 + today * 1_000_000);
    let count = number("PULLCORD_HISTORIES").unwrap_or(HISTORIES.1);
    survey(first, Length::of(count));
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
        let (_, mut failed) = run(Length::of(commits * fates), |n| {
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

/// One history, by its seed: for looking into a failure; or several (`PULLCORD_SEEDS=1,2`), of each of
/// which a line says how it ended.
#[test]
fn replay() {
    if let Ok(seeds) = std::env::var("PULLCORD_SEEDS") {
        for seed in seeds.split(',').filter_map(|seed| seed.parse().ok()) {
            match History::drawn(seed).run(0) {
                Ok(()) => println!("seed {seed} keeps the rules"),
                Err(failure) => println!("seed {seed}: {}", failure.error),
            }
        }
    }
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

#[test]
fn a_history_is_determined_by_its_steps() {
    for seed in 1..=60 {
        let mut drawn = History::drawn(seed);
        drawn.steps = 80;
        let script = drawn.script();
        let (story, outcome) = drawn.told(STORY);
        assert_eq!(
            drawn.by(script).told(STORY),
            (story, outcome),
            "seed {seed}"
        );
    }
}
