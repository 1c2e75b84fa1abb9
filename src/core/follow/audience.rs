//! Who follows this writer, and what it is asked for.

use std::collections::VecDeque;
use std::rc::Rc;

use super::signal::{ClientName, What};
use crate::core::command::Call;
use crate::core::error::Error;
use crate::core::map::Map;

/// ms after which a client that is not heard of needs nothing (R13).
const NEEDS: u64 = 60_000;
/// ms after which a client that is not heard of does not follow any more: a hidden page's timers come once a minute.
const FOLLOWS: u64 = 150_000;

/// Calls of other clients have numbers from here on: an app's are below.
pub(in crate::core) const OTHERS: Call = 1 << 63;

/// Which client asks, and the name of what it asks.
pub(in crate::core) type Asker = (ClientName, u64);

#[derive(Debug)]
struct Follower {
    heard: u64,
    needs: Map<Rc<str>, u64>,
}

/// The followers of this writer, and their asks.
#[derive(Debug, Default)]
pub(in crate::core) struct Audience {
    followers: Map<ClientName, Follower>,
    /// there may be some that have not said so: this client has just become the writer
    assumed_until: u64,
    /// asks that are not begun, in the order in which they came
    waiting: VecDeque<(Asker, What)>,
    /// whom each call under way answers
    calls: Map<Call, Asker>,
    last_call: Call,
    /// whom each fetch under way answers
    fetches: Map<u64, Vec<Asker>>,
    /// the newest answers, for those who ask again
    answers: VecDeque<(Asker, Result<String, Error>)>,
}

impl Audience {
    /// This client writes from now on, in the place of another.
    pub fn assume(&mut self, until: u64) {
        self.assumed_until = until;
    }

    /// This one follows. Answers whether it is new.
    pub fn on_hello(&mut self, now: u64, from: ClientName, needs: Map<Rc<str>, u64>) -> bool {
        let follower = Follower { heard: now, needs };
        self.followers.insert(from, follower).is_none()
    }

    /// This one needs all of this conversation, until it says more.
    pub fn needs_all_of(&mut self, now: u64, from: ClientName, conversation: &Rc<str>) {
        let follower = self.followers.or_insert_with(from, || Follower {
            heard: now,
            needs: Map::new(),
        });
        follower.heard = now;
        follower.needs.insert(conversation.clone(), 0);
    }

    /// Whether there may be some that have not said yet what they need (R13).
    pub fn is_assumed(&self, now: u64) -> bool {
        now < self.assumed_until
    }

    /// Whether anybody may follow.
    pub fn is_there(&self, now: u64) -> bool {
        let heard = |f: &Follower| f.heard.saturating_add(FOLLOWS) > now;
        now < self.assumed_until || self.followers.values().any(heard)
    }

    /// The oldest position that anybody needs, by conversation (R13).
    pub fn needs(&self, now: u64) -> impl Iterator<Item = (&Rc<str>, u64)> {
        let heard = move |f: &&Follower| f.heard.saturating_add(NEEDS) > now;
        let all = self.followers.values().filter(heard);
        all.flat_map(|f| f.needs.iter().map(|(id, lo)| (id, *lo)))
    }

    // ------------------------------------------------------------ what is asked

    /// An ask has come. It may have come before: then it is under way, or was answered.
    pub fn on_ask(&mut self, asker: Asker, what: What) -> Asked {
        if let Some((_, result)) = self.answers.iter().find(|(of, _)| *of == asker) {
            return Asked::Answered(result.clone());
        }
        let begun = self.calls.values().any(|of| *of == asker)
            || self.fetches.values().flatten().any(|of| *of == asker);
        if begun {
            return Asked::Begun;
        }
        if !self.waiting.iter().any(|(of, _)| *of == asker) {
            self.waiting.push_back((asker, what));
        }
        Asked::Waits
    }

    /// The next one that is not begun.
    pub fn next(&mut self) -> Option<(Asker, What)> {
        self.waiting.pop_front()
    }

    /// Whether one is not begun.
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The number of a call that answers this one.
    pub fn call(&mut self, asker: Asker) -> Call {
        self.last_call += 1;
        let call = OTHERS + self.last_call;
        self.calls.insert(call, asker);
        call
    }

    /// This fetch answers this one.
    pub fn fetch(&mut self, fetch: u64, asker: Asker) {
        self.fetches.or_default(fetch).push(asker);
    }

    /// A call is answered: whose it was.
    pub fn on_call_done(&mut self, call: Call) -> Option<Asker> {
        self.calls.remove(&call)
    }

    /// A fetch is over: who waited for it.
    pub fn on_fetch_done(&mut self, fetch: u64) -> Vec<Asker> {
        self.fetches.remove(&fetch).unwrap_or_default()
    }

    /// What was answered, for who asks again; at most so much stays.
    pub fn keep(&mut self, asker: Asker, result: Result<String, Error>, most: usize) {
        self.answers.push_back((asker, result));
        if self.answers.len() > most {
            self.answers.pop_front();
        }
    }

    /// Nobody waits for this ask any more. Answers the call that was to answer it.
    pub fn drop(&mut self, asker: Asker) -> Option<Call> {
        self.waiting.retain(|(of, _)| *of != asker);
        for askers in self.fetches.values_mut() {
            askers.retain(|of| *of != asker);
        }
        let call = self.calls.iter().find(|(_, of)| **of == asker);
        let call = call.map(|(call, _)| *call)?;
        self.calls.remove(&call);
        Some(call)
    }

    /// This client does not write any more: who has asked asks again, whoever does.
    pub fn let_go(&mut self) {
        *self = Audience {
            last_call: self.last_call,
            ..Audience::default()
        };
    }
}

/// How far an ask has come.
#[derive(Debug)]
pub(in crate::core) enum Asked {
    /// it is not begun
    Waits,
    /// it is under way
    Begun,
    /// it was answered so
    Answered(Result<String, Error>),
}
