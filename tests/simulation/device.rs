//! One device of the account: an engine, the store that outlives it, the facade, and what is under
//! way between them. It decides nothing; [`super::world`] does.

use std::collections::{BTreeMap, VecDeque};

use pullcord::core::net::Request;
use pullcord::core::storage::{Durability, Read, Write};
use pullcord::core::{Config, Effect, Engine, Input, Now};
use serde_json::Value;

use super::facade::{Facade, Start};
use super::server::Server;
use super::stored::{Disk, Positions};

/// A store operation that the engine issued. They are carried out strictly in order.
pub enum Operation {
    Read(u64, Vec<Read>),
    Commit(u64, Vec<Write>, Durability),
}

/// A request that the engine waits for.
pub struct Pending {
    pub call: Request,
    pub since: u64,
    /// nobody waits for it; the answer may come all the same
    pub aborted: bool,
}

/// A message that this device's user wrote.
pub struct Own {
    pub conversation: String,
    pub body: Value,
    /// in the order written, over all lives of the device
    pub order: usize,
    /// `send` resolved: from here on it is delivered or visibly failed, whatever happens
    pub accepted: bool,
    /// `discard` was called and has not resolved with false: it may be gone
    pub discarded: bool,
    /// the user has tried it again: it does not keep its place in the order any more
    pub retried: bool,
    /// the device's life in which it was written
    pub life: u32,
    /// `discard` resolved with true
    pub gone: bool,
    /// as `send` answered it
    pub key: Option<String>,
    /// the newest message that the server had when it was written
    pub newest: u64,
    /// the newest message that a list at the newest end showed when it was written
    pub shown: u64,
}

/// A call of the app whose result is still to come.
#[derive(Debug)]
pub enum Call {
    Load {
        timeline: u64,
        direction: &'static str,
        limit: u64,
        alone: bool,
    },
    Jump {
        timeline: u64,
        to: Start,
        /// how often the list had been replaced when it was asked for
        count: u64,
        /// the account had read up to here, by what was shown of it; None: all
        read: Vec<Option<Option<u64>>>,
    },
    Send {
        client_id: String,
    },
    Retry,
    Discard {
        client_id: String,
    },
    Change {
        conversation: String,
        message: String,
    },
    MarkRead {
        conversation: String,
        seq: Option<u64>,
    },
    Sync,
    Inspect {
        conversation: Option<String>,
    },
}

/// The notification channel, as the net layer keeps it.
pub struct Channel {
    pub listen: u64,
    pub ready: bool,
    /// the server has pushed, or notified of, what is before this position
    pub told: usize,
    /// what is before this position is pushed again, if it is not acknowledged
    pub resent: usize,
    /// what is pushed over one connection keeps its order: nothing arrives before this time
    pub busy_until: u64,
    /// it is dead, and nobody has noticed: nothing arrives any more
    pub dead: bool,
}

pub struct Device {
    pub name: &'static str,
    pub store: Disk,
    /// None: the tab is closed, or crashed
    pub engine: Option<Engine>,
    pub facade: Facade,
    /// counts engines: what belongs to an earlier one is no input of this one
    pub life: u32,
    /// world time of `performance.now() == 0`
    born: u64,
    /// no input arrives before this world time
    pub asleep_until: u64,
    /// whether the network works, and whether the client was told so
    pub link: bool,
    pub operations: VecDeque<Operation>,
    pub requests: BTreeMap<u64, Pending>,
    pub channel: Option<Channel>,
    pub calls: BTreeMap<u64, Call>,
    pub own: BTreeMap<String, Own>,
    /// accepted read marks, by conversation
    pub marks: BTreeMap<String, u64>,
    /// each conversation's state is not older than this position
    pub states_at: BTreeMap<String, usize>,
    /// the list was owed when this was last looked at
    pub owed: bool,
    /// the list was paid by pages that were read when the server was here, at the latest
    pub paid_at: usize,
    pub promoted: bool,
    pub hidden: bool,
    pub hidden_since: Option<u64>,
    /// where it was when the lists were last looked at
    pub checked_at: Positions,
    /// a whole pull has been applied that the server began to answer here (scope "conversation")
    pub pulled_at: usize,
    /// a whole pull has been answered that the server began to answer here
    pub pulled_before: usize,
    /// where the server was when the first request of the pull that is under way arrived
    pub pulling_at: Option<usize>,
    /// the outbox of this life has been read and shown
    pub loaded: bool,
    /// commits that were made
    pub commits: u64,
    /// commits that were asked for, over all lives
    pub asked_commits: u64,
    /// its clock, beside the server's, ms
    pub clock: i64,
    next_call: u64,
    next_timeline: u64,
    next_own: usize,
}

impl Device {
    pub fn new(name: &'static str) -> Self {
        Device {
            name,
            store: Disk::default(),
            engine: None,
            facade: Facade::default(),
            life: 0,
            born: 0,
            asleep_until: 0,
            link: true,
            operations: VecDeque::new(),
            requests: BTreeMap::new(),
            channel: None,
            calls: BTreeMap::new(),
            own: BTreeMap::new(),
            marks: BTreeMap::new(),
            states_at: BTreeMap::new(),
            owed: false,
            paid_at: 0,
            checked_at: Positions::default(),
            pulled_at: 0,
            pulled_before: 0,
            pulling_at: None,
            promoted: false,
            hidden: false,
            hidden_since: None,
            loaded: false,
            commits: 0,
            asked_commits: 0,
            clock: 0,
            next_call: 1,
            next_timeline: 1,
            next_own: 0,
        }
    }

    /// A page is loaded: a new engine on what the store has.
    pub fn start(&mut self, time: u64, config: &Value, seed: u64) {
        let config = Config::parse(&config.to_string()).expect("the simulation's own config");
        self.stop();
        self.born = time;
        self.engine = Some(Engine::new(config, seed));
    }

    /// The page is gone, and everything that was in memory.
    pub fn stop(&mut self) {
        self.life += 1;
        self.engine = None;
        self.facade = Facade::default();
        self.operations.clear();
        self.requests.clear();
        self.channel = None;
        self.pulling_at = None;
        self.calls.clear();
        self.promoted = false;
        self.hidden = false;
        self.hidden_since = None;
        self.loaded = false;
        self.asleep_until = 0;
    }

    /// The disk has gone back in time: what followed from what it held is not known any more.
    pub fn forget(&mut self) {
        self.states_at.clear();
        self.pulled_at = 0;
        self.pulled_before = 0;
        self.checked_at = Positions::default();
    }

    /// One input, and everything that it caused.
    pub fn handle(&mut self, time: u64, wall: u64, input: Option<Input>) -> Vec<Effect> {
        let now = Now {
            mono: time - self.born,
            wall: wall.saturating_add_signed(self.clock),
        };
        let Some(engine) = &mut self.engine else {
            return Vec::new();
        };
        if let Some(input) = input {
            engine.handle(now, input);
        }
        std::iter::from_fn(|| engine.poll()).collect()
    }

    /// World time of the engine's timer.
    pub fn deadline(&self) -> Option<u64> {
        let deadline = self.engine.as_ref()?.deadline()?;
        Some(deadline.saturating_add(self.born).max(self.asleep_until))
    }

    /// How far it has come by what is stored.
    pub fn positions(&self, server: &Server) -> Positions {
        self.store.positions(server)
    }

    pub fn new_call(&mut self, call: Call) -> u64 {
        let id = self.next_call;
        self.next_call += 1;
        self.calls.insert(id, call);
        id
    }

    pub fn new_timeline(&mut self) -> u64 {
        self.next_timeline += 1;
        self.next_timeline
    }

    pub fn new_own(&mut self) -> (usize, String) {
        self.next_own += 1;
        (self.next_own, format!("{}-{}", self.name, self.next_own))
    }

    /// The newest message that an open list, which is at the newest end, shows of a conversation.
    pub fn newest_shown(&self, conversation: &str) -> u64 {
        let views = self.facade.timelines.values();
        let views = views.filter(|v| {
            v.conversation == conversation && !v.released && v.status == "ready" && !v.has_newer
        });
        views
            .filter_map(|view| view.messages().next_back().map(|(_, m, _)| m.seq))
            .max()
            .unwrap_or(0)
    }
}
