//! The requests under way: what each is for, and until when it may be silent.

use serde::Serialize;

use super::asked::Asked;
use super::command::Call;
use super::fault::Fault;
use super::map::Map;
use super::net::Request;

/// ms of silence after which a request has failed, however patient it is: what waits behind it waits no
/// longer (R14).
const MOST_SILENCE: u64 = 240_000;

/// A request under way.
#[derive(Debug)]
struct Pending {
    asked: Asked,
    until: u64,
    /// when the usual silence is over, where it may take longer
    usual: u64,
}

/// Requests sent since the client was made.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Counts {
    pub pull: u64,
    pub history: u64,
    pub changes: u64,
    pub send: u64,
    pub ack: u64,
    pub conversations: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pending: Map<u64, Pending>,
    counts: Counts,
    /// when the last one left or was answered
    idle_since: u64,
}

impl Requests {
    /// One leaves. `patience`: how many times the usual silence of `timeout` ms it may take.
    pub fn begin(
        &mut self,
        now: u64,
        request: u64,
        call: &Request,
        asked: Asked,
        timeout: u64,
        patience: u32,
    ) {
        self.count(call);
        self.idle_since = now;
        let wait = match call {
            Request::Pull { wait, .. } => u64::from(wait.unwrap_or(0)),
            _ => 0,
        };
        let longer = timeout.saturating_mul(u64::from(patience));
        let longer = longer.min(MOST_SILENCE).max(timeout);
        let until = |silence: u64| {
            [silence, wait, call.upload()]
                .into_iter()
                .fold(now, u64::saturating_add)
        };
        let pending = Pending {
            asked,
            until: until(longer),
            usual: until(timeout),
        };
        self.pending.insert(request, pending);
    }

    fn count(&mut self, call: &Request) {
        match call {
            Request::Pull { .. }
            | Request::PullConversations { .. }
            | Request::PullMailbox { .. } => self.counts.pull += 1,
            Request::Acknowledge { .. } => self.counts.ack += 1,
            Request::Changes { .. } => self.counts.changes += 1,
            Request::Conversations { .. } => self.counts.conversations += 1,
            Request::History { .. } => self.counts.history += 1,
            Request::Send { .. } => self.counts.send += 1,
            Request::Edit { .. } | Request::Recall { .. } | Request::MarkRead { .. } => {}
        }
    }

    /// It was answered. What it was for; `None`: nobody waits for it any more.
    pub fn answered(&mut self, now: u64, request: u64) -> Option<Asked> {
        let asked = self.remove(request)?;
        self.idle_since = now;
        Some(asked)
    }

    /// Nobody waits for it any more.
    pub fn remove(&mut self, request: u64) -> Option<Asked> {
        Some(self.pending.remove(&request)?.asked)
    }

    /// It is being answered: that takes as long as it takes.
    pub fn progressed(&mut self, request: u64, until: u64) {
        if let Some(pending) = self.pending.get_mut(&request)
            && !Fault::ProgressIsNotHeard.on()
        {
            pending.until = pending.until.max(until);
            pending.usual = pending.usual.max(until);
        }
    }

    /// None is late before this: while the machine slept, nobody waited in vain.
    pub fn put_off(&mut self, until: u64) {
        for pending in self.pending.values_mut() {
            pending.until = pending.until.max(until);
            pending.usual = pending.usual.max(until);
        }
    }

    /// None is given longer than the usual silence any more.
    pub fn end_patience(&mut self) {
        for pending in self.pending.values_mut() {
            pending.until = pending.until.min(pending.usual);
        }
    }

    /// Those that are given longer than the usual silence.
    pub fn patient(&self) -> impl Iterator<Item = (u64, u64, &Asked)> {
        let longer = self.pending.iter().filter(|(_, p)| p.usual < p.until);
        longer.map(|(request, p)| (*request, p.usual, &p.asked))
    }

    /// Those that nobody has answered in time.
    pub fn late(&self, now: u64) -> Vec<u64> {
        let late = self.pending.iter().filter(|(_, p)| p.until <= now);
        late.map(|(request, _)| *request).collect()
    }

    /// When the next one is late.
    pub fn due(&self) -> Option<u64> {
        self.pending.values().map(|p| p.until).min()
    }

    /// The edit or recall that this call waits for.
    pub fn of_change(&self, of: Call) -> Option<u64> {
        let change = |asked: &Asked| matches!(asked, Asked::Change { call, .. } if *call == of);
        let mut all = self.pending.iter();
        all.find(|(_, p)| change(&p.asked)).map(|(r, _)| *r)
    }

    /// All of them.
    pub fn all(&self) -> Vec<u64> {
        self.pending.keys().copied().collect()
    }

    pub fn contains(&self, request: u64) -> bool {
        self.pending.contains_key(&request)
    }

    pub fn len(&self) -> usize {
        self.pending.len()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// When the last one left or was answered.
    pub fn idle_since(&self) -> u64 {
        self.idle_since
    }
}
