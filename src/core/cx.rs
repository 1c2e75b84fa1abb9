//! What a part sees of the rest while it takes an input: the time, the options, what is stored, what this
//! client may do; and what it has done: requests, jobs, and what the app is told.

use super::backoff::Backoff;
use super::error::{Error, ErrorCode};
use super::fault::Fault;
use super::follow::What;
use super::io::Now;
use super::jobs::JobQueue;
use super::net::Request;
use super::options::Config;
use super::out::Out;
use super::purpose::Purpose;
use super::standing::Standing;
use super::tx::Committed;

/// ms within which the client that writes begins what it is asked for, or it is given up (R14).
pub(super) const BEGINS: u64 = 10_000;

/// What a part sees, for the time of one input.
pub(super) struct Cx<'a> {
    pub now: Now,
    pub config: &'a Config,
    /// what is stored: changed by a transaction alone
    pub db: &'a Committed,
    pub standing: &'a mut Standing,
    pub jobs: &'a mut JobQueue,
    pub out: &'a mut Out,
}

impl Cx<'_> {
    /// Asks the backend. Answers the request's number.
    pub fn request(&mut self, call: Request, asked: Purpose) -> u64 {
        self.request_patiently(call, asked, 1)
    }

    /// Asks the backend for what takes long. `patience`: how many times [`Config::request_timeout`] it may be
    /// silent, at least 1. Answers the request's number.
    pub fn request_patiently(&mut self, call: Request, asked: Purpose, patience: u32) -> u64 {
        debug_assert!(
            self.standing.may_request() || Fault::EditLeavesUnfenced.on(),
            "nothing leaves before the fence is known to be good (R9)"
        );
        let (now, timeout) = (self.now.mono, self.config.request_timeout);
        self.out.request(now, call, asked, timeout, patience)
    }

    /// Asks the client that writes (R15).
    pub fn ask(&mut self, what: What, asked: Purpose) -> u64 {
        self.out.ask(self.now.mono, what, asked, BEGINS)
    }

    /// Something failed: `backoff` waits before the next try, by what the error is.
    pub fn fail(&mut self, backoff: &mut Backoff, error: &Error) {
        let hinted = self.standing.network.hints_offline();
        let random = self.out.random(u64::MAX);
        backoff.fail(self.now.mono, error, random, hinted);
    }

    /// The same, as if the error were the network's: it is tried again unchanged, whatever went wrong.
    pub fn postpone(&mut self, backoff: &mut Backoff, error: &Error) {
        let hinted = self.standing.network.hints_offline();
        let random = self.out.random(u64::MAX);
        backoff.fail_unchanged(self.now.mono, error, random, hinted);
    }
}

/// The error of a request that nobody has answered in time.
pub(super) fn silence(config: &Config) -> Error {
    let what = format!("no answer within {} ms", config.request_timeout);
    Error::new(ErrorCode::Timeout, what)
}

/// What stands beside a part in its tests.
#[cfg(test)]
pub(super) struct Rest {
    pub now: Now,
    pub config: Config,
    pub db: Committed,
    pub standing: Standing,
    pub jobs: JobQueue,
    pub out: Out,
}

#[cfg(test)]
impl Rest {
    /// A client that is at work, with these options beside the defaults (JSON).
    pub fn new(options: &str) -> Rest {
        let options = format!("{{\"promoted\":true{options}}}");
        let mut json = serde_json::Deserializer::from_str(&options);
        let config: Config = super::reading::read(&mut json).expect("options");
        let mut standing = Standing::new(&config);
        standing.phase = super::standing::Phase::Ready;
        Rest {
            now: Now::default(),
            config,
            db: Committed::default(),
            standing,
            jobs: JobQueue::default(),
            out: Out::new(1),
        }
    }

    pub fn cx(&mut self) -> Cx<'_> {
        Cx {
            now: self.now,
            config: &self.config,
            db: &self.db,
            standing: &mut self.standing,
            jobs: &mut self.jobs,
            out: &mut self.out,
        }
    }

    /// What it asked the backend for since the last time.
    pub fn requests(&mut self) -> Vec<Request> {
        let mut requests = Vec::new();
        while let Some(effect) = self.out.poll() {
            if let super::io::Effect::Request { call, .. } = effect {
                requests.push(call);
            }
        }
        requests
    }

    /// What calls were answered with since the last time.
    pub fn results(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out.told.results)
    }
}
