//! Where this client stands: in its life, with the other clients of the account, with the browser.

use super::connectivity::Connectivity;
use super::error::{Error, ErrorCode};
use super::options::{Config, IfOpen};

/// Where the client is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// the database is being read
    Loading,
    /// at work, or waiting for the lock
    Ready,
    /// ended
    Closed,
}

/// Where this client stands.
#[derive(Debug)]
pub(super) struct Standing {
    pub phase: Phase,
    /// it waits until the others have gone, and shares nothing with them before
    waits: bool,
    /// the account is this client's; it does not write before it knows what is stored
    pub holds: bool,
    /// it writes, and what it knows is what is stored
    pub promoted: bool,
    /// it may have slept since its fence was found good: another client may have the account (R9)
    pub unsure: bool,
    pub frozen: bool,
    pub needs_auth: bool,
    /// whether the server is there
    pub network: Connectivity,
    pub hidden_since: Option<u64>,
}

impl Standing {
    pub fn new(config: &Config) -> Standing {
        Standing {
            phase: Phase::Loading,
            waits: config.if_open == IfOpen::Wait,
            holds: config.epoch.is_some(),
            promoted: config.epoch.is_some(),
            unsure: false,
            frozen: false,
            needs_auth: false,
            network: Connectivity::new(config.online),
            hidden_since: config.hidden.then_some(0),
        }
    }

    /// Whether it shares what is done with the account's other clients (R15): it follows the one that writes, or is the
    /// one that they follow.
    pub fn shares(&self) -> bool {
        !self.waits || self.leads()
    }

    /// Whether the account is its own.
    fn leads(&self) -> bool {
        self.promoted || self.holds
    }

    /// Whether requests may be sent now.
    pub fn may_request(&self) -> bool {
        self.is_working() && !self.unsure
    }

    /// Whether it follows another client that writes, or will.
    pub fn follows(&self) -> bool {
        self.phase == Phase::Ready && self.shares() && !self.leads() && !self.frozen
    }

    /// Whether it will write, once it has read what is stored.
    pub fn begins(&self) -> bool {
        self.phase == Phase::Ready && self.holds && !self.promoted && !self.frozen
    }

    /// Whether pages, changes and edits may be asked for now: of the backend, or of the client that writes.
    pub fn may_ask(&self) -> bool {
        self.may_request() || self.follows()
    }

    /// Whether what is asked for comes, now or soon: it does not for who waits until the others have gone.
    pub fn is_live(&self) -> bool {
        self.promoted || self.follows()
    }

    /// Why no request may be sent now. `offline`: the server is known to be out of reach.
    pub fn why_not(&self, offline: bool) -> Option<Error> {
        if self.needs_auth {
            let what = "the token was refused: sync() asks for another";
            return Some(Error::new(ErrorCode::Unauthorized, what));
        }
        offline.then(|| Error::new(ErrorCode::Offline, "offline: nothing was sent"))
    }

    /// Whether it is this client's to ask, as far as it knows: what is open stays open while the fence
    /// is asked.
    pub fn is_working(&self) -> bool {
        self.phase == Phase::Ready && self.promoted && !self.frozen && !self.needs_auth
    }
}
