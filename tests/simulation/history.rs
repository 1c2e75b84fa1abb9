//! A history: what a seed means, how it is run, and how one that fails is made short enough to be
//! read.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use super::mode::{Mode, Wide};
use super::steps::{self, Step};
use super::world::{Trouble, World};

/// Steps of a history before the trouble stops.
pub const STEPS: u64 = 300;
/// The same where there is much in the world.
const STEPS_IF_WIDE: u64 = 80;

/// Everything that a run depends on: the same history is the same run, to the last byte.
#[derive(Clone)]
pub struct History {
    pub seed: u64,
    pub mode: Mode,
    pub steps: u64,
    /// steps left out, to see whether it fails without them
    pub skipped: BTreeSet<u64>,
    /// kinds of trouble left out, by their place in [`Trouble::KINDS`]
    pub spared: BTreeSet<usize>,
    /// all of its chance is one sequence, in which nothing can be left out: so were the histories
    /// drawn that were found before there was shrinking
    pub chained: bool,
    /// what becomes of one commit of the first device
    pub commit: Option<(u64, CommitFate)>,
    /// these steps, instead of drawn ones
    pub script: Option<Vec<Step>>,
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// A panic of the engine is a failure with a story, not a line on the terminal. With PULLCORD_LOUD it is both,
/// and where it came from is told.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() || std::env::var_os("PULLCORD_LOUD").is_some() {
                loud(panic);
            }
        }));
    });
    QUIET.set(true);
    let done = run();
    QUIET.set(false);
    done
}

/// How a commit goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommitFate {
    /// the transaction is aborted
    Fails,
    /// the disk is full
    Full,
    /// the tab is killed before it
    KilledBefore,
    /// the tab is killed after it, before the engine hears of it
    KilledAfter,
    /// the power fails after it
    PowerCut,
}

impl CommitFate {
    pub const ALL: [CommitFate; 5] = [
        CommitFate::Fails,
        CommitFate::Full,
        CommitFate::KilledBefore,
        CommitFate::KilledAfter,
        CommitFate::PowerCut,
    ];
}

/// A history that broke a rule.
pub struct Failure {
    pub history: History,
    /// what was wrong: what was shown or stored, and what should have been
    pub error: String,
    /// the step in which it was found; None: after the last
    pub step: Option<u64>,
    story: String,
    scene: String,
    /// its steps, as data
    script: Vec<Step>,
}

impl History {
    pub fn drawn(seed: u64) -> Self {
        Self::of(seed, Mode::drawn(seed))
    }

    /// The same among these kinds: see PULLCORD_MODES in `mode.rs`.
    pub fn drawn_among(seed: u64, kinds: &str) -> Self {
        Self::of(seed, Mode::drawn_among(seed, kinds))
    }

    fn of(seed: u64, mode: Mode) -> Self {
        History {
            seed,
            steps: match mode.world {
                Wide::Small => STEPS,
                _ => STEPS_IF_WIDE,
            },
            mode,
            skipped: BTreeSet::new(),
            spared: BTreeSet::new(),
            chained: false,
            commit: None,
            script: None,
        }
    }

    /// One that was found before histories could be shrunk.
    pub fn chained(seed: u64, mode: Mode) -> Self {
        History {
            mode,
            steps: 200,
            chained: true,
            ..History::drawn(seed)
        }
    }

    /// Runs it. `story`: how many of its last events are told.
    ///
    /// # Errors
    /// What it found.
    pub fn run(&self, story: usize) -> Result<(), Box<Failure>> {
        let mut world = World::new(self, story);
        let run = quietly(|| catch_unwind(AssertUnwindSafe(|| world.run(self))));
        std::mem::take(&mut world.reached).add();
        let error = match run {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(panic) => {
                let message = panic.downcast_ref::<String>().map(String::as_str);
                let message = message.or(panic.downcast_ref::<&str>().copied());
                format!("a panic: {}", message.unwrap_or("no message"))
            }
        };
        Err(Box::new(Failure {
            history: self.clone(),
            error,
            step: world.step,
            story: world.story.print(),
            script: std::mem::take(&mut world.script),
            scene: if story > 0 {
                world.scene()
            } else {
                String::new()
            },
        }))
    }

    /// Runs it, and answers how many commits its first device made.
    ///
    /// # Errors
    /// What it found.
    pub fn commits(&self) -> Result<u64, Box<Failure>> {
        self.run(0)?;
        let mut world = World::new(self, 0);
        let _ = world.run(self);
        Ok(world.machines[0].asked_commits)
    }

    /// The same, by these steps.
    pub fn by(self, script: Vec<Step>) -> Self {
        History {
            script: Some(script),
            ..self
        }
    }

    /// Its steps, as data.
    pub fn script(&self) -> Vec<Step> {
        let mut world = World::new(self, 0);
        let _ = world.run(self);
        world.script
    }

    /// Its story, and whether it kept the rules.
    pub fn told(&self, story: usize) -> (String, Result<(), String>) {
        let mut world = World::new(self, story);
        let outcome = world.run(self);
        (world.story.print(), outcome)
    }

    /// How many steps it really has.
    pub fn length(&self) -> u64 {
        let skipped = self.skipped.range(..self.steps).count();
        self.steps - skipped as u64
    }
}

impl Failure {
    /// What it breaks, without what is of this history only.
    pub fn kind(&self) -> String {
        let line = self.error.lines().next().unwrap_or_default();
        let words = line.split_whitespace();
        words
            .filter(|word| !word.contains(|c: char| c.is_ascii_digit() && !word.starts_with('R')))
            .filter(|word| !word.starts_with("phone") && !word.starts_with("laptop"))
            .take(8)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Leaves out of the history whatever it fails without: steps from large pieces to single ones,
    /// and kinds of trouble. At most `budget` runs.
    pub fn shrink(self, mut budget: u32) -> Failure {
        let kind = self.kind();
        let mut best = self;
        if best.history.chained {
            return best;
        }
        let fails = |history: History, budget: &mut u32| -> Option<Failure> {
            *budget = budget.checked_sub(1)?;
            let failure = history.run(0).err()?;
            (failure.kind() == kind).then_some(*failure)
        };
        if let Some(step) = best.step {
            let mut shorter = best.history.clone();
            shorter.steps = step + 1;
            best = fails(shorter, &mut budget).unwrap_or(best);
        }
        for kind in 0..Trouble::KINDS.len() {
            let mut calmer = best.history.clone();
            calmer.spared.insert(kind);
            best = fails(calmer, &mut budget).unwrap_or(best);
        }
        let mut piece = best.history.length().div_ceil(2);
        while piece > 0 && budget > 0 {
            let before = best.history.length();
            let left: Vec<u64> = (0..best.history.steps)
                .filter(|step| !best.history.skipped.contains(step))
                .collect();
            for piece in left.chunks(piece as usize).rev() {
                let mut shorter = best.history.clone();
                shorter.skipped.extend(piece);
                best = fails(shorter, &mut budget).unwrap_or(best);
            }
            if piece > 1 {
                piece = piece.div_ceil(2);
            } else if best.history.length() == before {
                break;
            }
        }
        best
    }

    /// The whole of it, for whoever has to understand it: what happened, what was shown, what should
    /// have been, and how it is run again.
    pub fn tell(&self, story: usize, again: &str) -> String {
        let told = self.history.run(story).err();
        let Some(told) = told else {
            return "it did not fail again: it is not deterministic".to_owned();
        };
        let history = &told.history;
        let spared: Vec<&str> = history
            .spared
            .iter()
            .map(|kind| Trouble::KINDS[*kind])
            .collect();
        let spared = match &spared[..] {
            [] => String::new(),
            spared => format!(", without {}", spared.join(", ")),
        };
        let kinds: Vec<usize> = history.spared.iter().copied().collect();
        let test = steps::as_test(history.seed, &kinds, &told.script);
        format!(
            "seed {}, {} steps{spared}\n{:?}\n\nWhat happened\n{}\nWhat was wrong\n  {}\n\nHow things stood\n{}\nAs a test (tests/simulation/kept.rs)\n{test}\nAgain: {again}\n",
            history.seed,
            history.length(),
            history.mode,
            told.story,
            told.error,
            told.scene,
        )
    }
}
