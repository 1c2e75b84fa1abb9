//! What is done besides the database: requests, other effects, and what the app is told.

use std::collections::VecDeque;
use std::rc::Rc;

use super::command::Call;
use super::error::{Error, ErrorCode};
use super::failures::{Failures, Question};
use super::follow::{Asks, ClientName, OTHERS, Signal, What};
use super::io::Effect;
use super::irregular::Irregular;
use super::json;
use super::map::Set;
use super::net::Request;
use super::purpose::Purpose;
use super::requests::Requests;

/// What the app is to be told with the next frame: JSON texts, and which of the stores may have changed.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// the client's status may have changed
    pub status: bool,
    /// the list of conversations may have changed
    pub conversations: bool,
    /// what the outbox shows may have changed
    pub outbox: bool,
    /// conversations whose own messages may have changed
    pub own: Set<Rc<str>>,
    /// those of any conversation may have
    pub all_own: bool,
    /// results of calls, each the JSON text `{call, ok}` or `{call, error}`
    pub results: Vec<String>,
    /// events of the app, each the JSON text `{type, detail}`
    pub events: Vec<String>,
    /// lines for the app's log, each a JSON text
    pub logs: Vec<String>,
}

impl Told {
    /// Own messages of this conversation may have changed.
    pub fn touch(&mut self, conversation: &Rc<str>) {
        self.own.add(conversation.clone());
    }

    /// Own messages of this conversation may have changed, and with them what the outbox shows.
    pub fn own_of(&mut self, conversation: &Rc<str>) {
        self.outbox = true;
        self.touch(conversation);
    }

    /// The database was read anew: all of it may have changed.
    pub fn everything(&mut self) {
        self.status = true;
        self.conversations = true;
        self.outbox = true;
    }
}

/// What the engine has done and not handed over yet.
#[derive(Debug)]
pub(super) struct Out {
    pub requests: Requests,
    /// those of them that the client that writes is asked
    pub asks: Asks,
    /// what calls of other clients came to
    pub replies: Vec<(Call, Result<String, Error>)>,
    /// this client's name among those of its account
    pub me: ClientName,
    pub told: Told,
    /// the app knows that the disk is full
    pub told_full: bool,
    failures: Failures,
    effects: VecDeque<Effect>,
    rng: u64,
    last_number: u64,
}

impl Out {
    /// Nothing done yet. `seed`: of the random numbers.
    pub fn new(seed: u64) -> Out {
        let mut out = Out {
            requests: Requests::default(),
            asks: Asks::default(),
            replies: Vec::new(),
            me: 0,
            told: Told::default(),
            told_full: false,
            failures: Failures::default(),
            effects: VecDeque::new(),
            rng: seed,
            last_number: 0,
        };
        // Not drawn from what the jitter is drawn from: that stays as it was.
        out.me = seed ^ 0x9e37_79b9_7f4a_7c15;
        out
    }

    /// A number that was not given before.
    pub fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Uniform in `[0, below)`: splitmix64, from the seed.
    pub fn random(&mut self, below: u64) -> u64 {
        self.rng = self.rng.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.rng;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below.max(1)
    }

    // ------------------------------------------------------------ effects

    pub fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Asks the backend. `patience`: how many times the usual silence of `timeout` ms it may take; at least 1.
    pub fn request(
        &mut self,
        now: u64,
        call: Request,
        asked: Purpose,
        timeout: u64,
        patience: u32,
    ) -> u64 {
        let request = self.number();
        self.requests
            .begin(now, request, &call, asked, timeout, patience);
        self.effect(Effect::Request {
            request,
            call,
            patience,
        });
        request
    }

    /// Asks the client that writes. The number is the name of the question.
    pub fn ask(&mut self, now: u64, what: What, asked: Purpose, timeout: u64) -> u64 {
        let ask = self.number();
        self.requests.begin_ask(now, ask, asked, timeout);
        self.asks.begin(ask, what.clone(), now);
        self.tell(&Signal::Ask {
            from: self.me,
            ask,
            what,
        });
        ask
    }

    /// Tells the other clients of the account.
    pub fn tell(&mut self, signal: &Signal) {
        self.effect(Effect::Tell(signal.write()));
    }

    /// Aborts a request: nobody waits for it any more. Answers what it was for.
    pub fn abort_request(&mut self, request: u64) -> Option<Purpose> {
        let asked = self.requests.remove(request)?;
        self.end_request(request);
        Some(asked)
    }

    /// Whoever is asked need not answer any more.
    pub fn end_request(&mut self, request: u64) {
        if self.asks.end(request).is_some() {
            let (from, ask) = (self.me, request);
            return self.tell(&Signal::Drop { from, ask });
        }
        self.effect(Effect::Abort { request });
    }

    // ------------------------------------------------------------ what the app is told

    pub fn resolve(&mut self, call: Call, ok: &str) {
        if call >= OTHERS {
            return self.replies.push((call, Ok(ok.to_owned())));
        }
        let mut out = String::from("{\"call\":");
        json::number(&mut out, call);
        out.push_str(",\"ok\":");
        out.push_str(ok);
        out.push('}');
        self.told.results.push(out);
    }

    pub fn reject(&mut self, call: Call, error: &Error) {
        if call >= OTHERS {
            return self.replies.push((call, Err(error.clone())));
        }
        let mut out = String::from("{\"call\":");
        json::number(&mut out, call);
        out.push_str(",\"error\":");
        json::error(&mut out, Some(error));
        out.push('}');
        self.told.results.push(out);
    }

    /// What came of the answer that is being handled, once it is read.
    #[inline(never)]
    pub fn answered(&mut self, error: Option<&Error>) {
        if let Some(question) = self.requests.answering.take() {
            self.fared(&question, error);
        }
    }

    /// What came of a question: a failure is told, and the first success after it.
    #[inline(never)]
    pub fn fared(&mut self, question: &Question, error: Option<&Error>) {
        if let Some(line) = self.failures.note(question, error) {
            self.told.logs.push(line);
        }
    }

    pub fn log(&mut self, level: &str, message: &str) {
        let mut out = String::from("{");
        json::field(&mut out, "level");
        json::string(&mut out, level);
        json::field(&mut out, "message");
        json::string(&mut out, message);
        out.push('}');
        self.told.logs.push(out);
    }

    /// Tells the log of an event of a type that is not known.
    pub fn unknown_event(&mut self, kind: &str) {
        let mut out = String::from("{\"unknown\":");
        json::string(&mut out, kind);
        out.push('}');
        self.told.logs.push(out);
    }

    pub fn event(&mut self, kind: &str, detail: &str) {
        let mut out = String::from("{");
        json::field(&mut out, "type");
        json::string(&mut out, kind);
        json::field(&mut out, "detail");
        out.push_str(detail);
        out.push('}');
        self.told.events.push(out);
    }

    /// Tells what of an answer was not as it has to be: once, as one event (R14). The log is told what is hardly
    /// meant.
    pub fn tell_irregular(&mut self, place: &str, call: Option<&str>, irregular: &Irregular) {
        if let Some(detail) = irregular.detail(place, call) {
            self.event("irregular", &detail);
        }
        for detail in irregular.unlikely(place, call) {
            self.told
                .logs
                .push(["{\"unlikely\":", &detail, "}"].concat());
        }
    }

    pub fn error_event(&mut self, error: &Error) {
        let mut detail = String::new();
        json::error(&mut detail, Some(error));
        self.event("error", &detail);
    }

    /// Tells the app that syncing fails, unless it is the network, or a token of which it was told.
    pub fn failure_event(&mut self, error: &Error) {
        let known = [
            ErrorCode::Network,
            ErrorCode::Timeout,
            ErrorCode::Unauthorized,
        ];
        // A full disk is told once.
        let told = error.code == ErrorCode::Quota && self.told_full;
        if !known.contains(&error.code) && !told {
            self.error_event(error);
        }
    }

    pub fn storage_event(&mut self, kind: &str, detail: &str) {
        let mut out = String::from("{");
        json::field(&mut out, "kind");
        json::string(&mut out, kind);
        json::field(&mut out, "detail");
        json::string(&mut out, detail);
        out.push('}');
        self.event("storage", &out);
    }
}
