//! What the histories came to: how often each bound was reached, and each kind of trouble had its way.
//! A bound that is never reached here is reached at a user's first (R14).

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Counts of one history.
#[derive(Default)]
pub struct Reached(BTreeMap<&'static str, u64>);

/// Of all histories of this process: in how many, and how often.
static ALL: Mutex<BTreeMap<&'static str, (u64, u64)>> = Mutex::new(BTreeMap::new());

impl Reached {
    pub fn note(&mut self, what: &'static str) {
        self.note_if(true, what);
    }

    pub fn note_if(&mut self, reached: bool, what: &'static str) {
        *self.0.entry(what).or_default() += u64::from(reached);
    }

    /// The history is over.
    pub fn add(self) {
        let mut all = ALL.lock().expect("held for an instant");
        for (what, times) in self.0 {
            let sum = all.entry(what).or_default();
            sum.0 += u64::from(times > 0);
            sum.1 += times;
        }
    }
}

/// As lines: `a full block: 120 times in 17 histories`.
pub fn told() -> String {
    let all = ALL.lock().expect("held for an instant");
    let lines = all.iter().map(|(what, (histories, times))| {
        format!("  {what}: {times} times in {histories} histories\n")
    });
    lines.collect()
}
