//! The requests under way: what each is for, and until when it may be silent.

use serde::Serialize;

use super::command::Call;
use super::failures::Question;
use super::fault::Fault;
use super::map::Map;
use super::net::Request;
use super::purpose::Purpose;

/// ms of silence after which a request has failed, however patient it is: what waits behind it waits no
/// longer (R14).
const MOST_SILENCE: u64 = 240_000;

/// A request under way.
#[derive(Debug)]
struct InFlight {
    asked: Purpose,
    /// what the backend was asked; none: the client that writes was asked
    question: Option<Question>,
    until: u64,
    /// when the usual silence is over (monotonic ms), where it may be silent for longer
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

/// The requests under way, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Requests {
    in_flight: Map<u64, InFlight>,
    counts: Counts,
    /// when the last one left or was answered
    idle_since: u64,
    /// what the answer is to that is being handled
    pub answering: Option<Question>,
}

impl Requests {
    /// One leaves. `patience`: how many times the usual silence of `timeout` ms it may take.
    pub fn begin(
        &mut self,
        now: u64,
        request: u64,
        call: &Request,
        asked: Purpose,
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
        let in_flight = InFlight {
            asked,
            question: Some(Question::from(call)),
            until: until(longer),
            usual: until(timeout),
        };
        self.in_flight.insert(request, in_flight);
    }

    /// The client that writes is asked: it may be silent for `timeout` ms.
    pub fn begin_ask(&mut self, now: u64, ask: u64, asked: Purpose, timeout: u64) {
        self.idle_since = now;
        let until = now.saturating_add(timeout);
        let pending = InFlight {
            asked,
            question: None,
            until,
            usual: until,
        };
        self.in_flight.insert(ask, pending);
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

    /// What is being answered, as an app's `Transport` names it.
    pub fn asked(&self) -> Option<&'static str> {
        self.answering.as_ref().map(Question::call)
    }

    /// A request was answered. Answers what it was for; `None`: nobody waits for it any more.
    pub fn take_answered(&mut self, now: u64, request: u64) -> Option<Purpose> {
        let answered = self.in_flight.remove(&request)?;
        self.idle_since = now;
        self.answering = answered.question;
        Some(answered.asked)
    }

    /// Nobody waits for it any more.
    pub fn remove(&mut self, request: u64) -> Option<Purpose> {
        Some(self.in_flight.remove(&request)?.asked)
    }

    /// It is being answered: that takes as long as it takes.
    pub fn progressed(&mut self, request: u64, until: u64) {
        if let Some(in_flight) = self.in_flight.get_mut(&request)
            && !Fault::ProgressIsNotHeard.on()
        {
            in_flight.until = in_flight.until.max(until);
            in_flight.usual = in_flight.usual.max(until);
        }
    }

    /// No request is late before `until`: while the machine slept, no answer could come.
    pub fn put_off(&mut self, until: u64) {
        for in_flight in self.in_flight.values_mut() {
            in_flight.until = in_flight.until.max(until);
            in_flight.usual = in_flight.usual.max(until);
        }
    }

    /// None is given longer than the usual silence any more.
    pub fn end_patience(&mut self) {
        for in_flight in self.in_flight.values_mut() {
            in_flight.until = in_flight.until.min(in_flight.usual);
        }
    }

    /// The requests that are given longer than the usual silence: number, until when, and what for.
    pub fn patient(&self) -> impl Iterator<Item = (u64, u64, &Purpose)> {
        let longer = self.in_flight.iter().filter(|(_, p)| p.usual < p.until);
        longer.map(|(request, p)| (*request, p.usual, &p.asked))
    }

    /// The requests that nobody has answered in time.
    pub fn late(&self, now: u64) -> Vec<u64> {
        let late = self.in_flight.iter().filter(|(_, p)| p.until <= now);
        late.map(|(request, _)| *request).collect()
    }

    /// When the next one is late.
    pub fn due(&self) -> Option<u64> {
        self.in_flight.values().map(|p| p.until).min()
    }

    /// The edit or recall that this call waits for, or what the client that writes is asked for it.
    pub fn of_call(&self, of: Call) -> Option<u64> {
        let change = |asked: &Purpose| match asked {
            Purpose::Change { call, .. } | Purpose::Sync { call } | Purpose::Tell { call } => {
                *call == of
            }
            _ => false,
        };
        let mut all = self.in_flight.iter();
        all.find(|(_, p)| change(&p.asked)).map(|(r, _)| *r)
    }

    /// All of them.
    pub fn all(&self) -> Vec<u64> {
        self.in_flight.keys().copied().collect()
    }

    pub fn contains(&self, request: u64) -> bool {
        self.in_flight.contains_key(&request)
    }

    pub fn len(&self) -> usize {
        self.in_flight.len()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// When the last one left or was answered.
    pub fn idle_since(&self) -> u64 {
        self.idle_since
    }
}
