//! Who is to be woken (docs/protocol.md, "Notifications"): the hub between commits and the connections of an account.
//!
//! Long polls are woken by each commit. Notifications are merged: at most one per account and interval, the first at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::db::AccountId;

/// Conversations named in one notification; beyond that the hint is left out.
const HINT_LIMIT: usize = 50;
/// Notices that a connection may lag behind. They hold no data, so one that lags is only told once more.
const LAG: usize = 16;

/// Something is new, in these conversations; None: in whichever.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) conversations: Option<Arc<[String]>>,
}

pub(crate) struct Hub {
    interval: Duration,
    lines: Mutex<HashMap<AccountId, Line>>,
}

/// The line to one account's connections; there is one only while somebody listens.
struct Line {
    runtime: Handle,
    notices: broadcast::Sender<Notice>,
    commits: watch::Sender<()>,
    pending: BTreeSet<String>,
    /// A notice is due at the end of the running interval.
    scheduled: bool,
    last: Option<Instant>,
}

impl Line {
    fn is_idle(&self) -> bool {
        self.notices.receiver_count() == 0 && self.commits.receiver_count() == 0
    }

    fn send(&mut self) {
        self.last = Some(Instant::now());
        let pending = std::mem::take(&mut self.pending);
        // An empty name stands for an overflow of all, which is not about some.
        let hint = pending.len() <= HINT_LIMIT && !pending.contains("");
        let conversations = hint.then(|| pending.into_iter().collect());
        // Nobody listening any more is not an error.
        _ = self.notices.send(Notice { conversations });
    }
}

impl Hub {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            lines: Mutex::default(),
        }
    }

    /// Merged notices of this account. To be called on the runtime, and before its state is read: what is committed after that is not missed.
    pub(crate) fn notices(&self, account: AccountId) -> broadcast::Receiver<Notice> {
        self.with_line(account, |line| line.notices.subscribe())
    }

    /// Changes at each commit that concerns this account; as [`Hub::notices`].
    pub(crate) fn commits(&self, account: AccountId) -> watch::Receiver<()> {
        self.with_line(account, |line| line.commits.subscribe())
    }

    fn with_line<T>(&self, account: AccountId, subscribe: impl FnOnce(&Line) -> T) -> T {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        subscribe(lines.entry(account).or_insert_with(|| Line {
            runtime: Handle::current(),
            notices: broadcast::channel(LAG).0,
            commits: watch::channel(()).0,
            pending: BTreeSet::new(),
            scheduled: false,
            last: None,
        }))
    }

    /// A commit is done that concerns these accounts, and in each these conversations.
    pub(crate) fn concerned(self: &Arc<Self>, concerned: BTreeMap<AccountId, BTreeSet<String>>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        for (account, conversations) in concerned {
            let Some(line) = lines.get_mut(&account) else {
                continue;
            };
            if line.is_idle() {
                lines.remove(&account);
                continue;
            }
            line.commits.send_replace(());
            line.pending.extend(conversations);
            if line.scheduled {
                continue;
            }
            let due = line
                .last
                .map(|last| last + self.interval)
                .filter(|due| *due > Instant::now());
            let Some(due) = due else {
                line.send();
                continue;
            };
            line.scheduled = true;
            line.runtime.spawn(self.clone().send_at(due, account));
        }
    }

    async fn send_at(self: Arc<Self>, due: Instant, account: AccountId) {
        tokio::time::sleep_until(due).await;
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get_mut(&account) {
            line.scheduled = false;
            line.send();
        }
    }
}

/// Whether an account's notifications hold its events: `--push`, or what was chosen for it since (`POST /demo/push`).
pub(crate) struct Pushing {
    all: bool,
    chosen: Mutex<HashMap<AccountId, bool>>,
}

impl Pushing {
    pub(crate) fn new(all: bool) -> Self {
        Self {
            all,
            chosen: Mutex::default(),
        }
    }

    pub(crate) fn of(&self, account: AccountId) -> bool {
        let chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        chosen.get(&account).copied().unwrap_or(self.all)
    }

    /// Holds for connections from now on.
    pub(crate) fn choose(&self, account: AccountId, inline: bool) {
        let mut chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        chosen.insert(account, inline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(account: AccountId, conversation: &str) -> BTreeMap<AccountId, BTreeSet<String>> {
        BTreeMap::from([(account, BTreeSet::from([conversation.to_owned()]))])
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_conversation_makes_one_notice_per_interval() {
        let hub = Arc::new(Hub::new(Duration::from_millis(100)));
        let mut notices = hub.notices(1);
        for _ in 0..50 {
            hub.concerned(commit(1, "a"));
            hub.concerned(commit(1, "b"));
            hub.concerned(commit(2, "c"));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut seen = Vec::new();
        while let Ok(notice) = notices.try_recv() {
            seen.push(notice.conversations.expect("a hint").to_vec());
        }
        assert!(
            (5..=7).contains(&seen.len()),
            "{} notices in 500 ms",
            seen.len()
        );
        assert_eq!(seen[0], ["a"]);
        assert_eq!(seen[1], ["a", "b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_commit_of_a_burst_is_not_forgotten() {
        let hub = Arc::new(Hub::new(Duration::from_millis(100)));
        let mut notices = hub.notices(1);
        hub.concerned(commit(1, "a"));
        hub.concerned(commit(1, "b"));
        assert_eq!(*notices.recv().await.unwrap().conversations.unwrap(), ["a"]);
        assert_eq!(*notices.recv().await.unwrap().conversations.unwrap(), ["b"]);
    }
}
