//! One client of the account: an engine, the facade, and what is under way between them; and the
//! machine that it runs on, with the disk and the network that it shares with the others there. They
//! decide nothing; [`super::world`] does.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use pullcord::core::net::Request;
use pullcord::core::records::Stamp;
use pullcord::core::storage::{Durability, Read, StoreError, Write};
use pullcord::core::{Config, Effect, Engine, Input, Now};
use serde_json::Value;

use super::facade::{Facade, Start};
use super::server::Server;
use super::stored::{Disk, Positions, Spoilt, Stored};
use super::world::news::News;

/// A store operation that the engine issued. They are carried out strictly in order.
pub enum Operation {
    Read(u64, Vec<Read>),
    /// under the epoch that the client had when it asked
    Commit(u64, u64, Vec<Write>, Durability),
    /// what is wished for, whoever may write
    Wish(u64, Vec<Write>),
}

/// A request that the engine waits for.
pub struct Pending {
    pub call: Request,
    pub since: u64,
    /// where the server's log was
    pub at: usize,
    /// nobody waits for it; the answer may come all the same
    pub aborted: bool,
}

/// A message that this machine's user wrote.
pub struct Own {
    pub conversation: String,
    pub body: Value,
    /// in the order written, over all lives of all clients
    pub order: usize,
    /// its place in the outbox, since it is there
    pub place: Option<u64>,
    /// `send` resolved: from here on it is delivered or visibly failed, whatever happens. The how
    /// manieth that was accepted here.
    pub accepted: Option<usize>,
    /// `discard` was called and has not resolved with false: it may be gone
    pub discarded: bool,
    /// `discard` rejected, and may have been done all the same
    pub gone_perhaps: bool,
    /// calls of `discard` that were not answered: one of a page that is gone may have been done
    pub discards: usize,
    /// the user has tried it again: it does not keep its place in the order any more
    pub retried: bool,
    /// the client's life in which it was written; no two clients have the same
    pub life: u32,
    /// `discard` resolved with true
    pub gone: bool,
    /// requests for it that left
    pub tried: u64,
    /// the server's answer to it could not be read once
    pub garbled: bool,
    /// as `send` answered it
    pub key: Option<String>,
    /// the newest message that the server had when it was written
    pub newest: u64,
    /// the newest message that a list at the newest end showed when it was written
    pub shown: u64,
    /// how often the server has it, living and trimmed, since its conversation last moved
    pub delivered: Cell<Option<(u64, (usize, usize))>>,
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
    Tell {
        /// what was due then
        due: Vec<String>,
    },
    Inspect {
        conversation: Option<String>,
    },
}

/// A sleep that its page could notice: it was frozen, or a timer came too late.
#[derive(Clone, Copy, Debug)]
pub struct Nap {
    /// world time of waking
    pub until: u64,
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

/// How full a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// nothing can be written, not even what would make room
    Solid,
    /// what makes room can be written, and nothing else: the room is another's at once
    GivesNothingBack,
    /// so many bytes, and no more
    Capacity(usize),
}

/// Where an own message is whose database was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rescue {
    /// in the memory of this client, in this life, which stores it again
    Remembered { device: usize, life: u32 },
    /// in the database that has taken the old one's place
    Stored,
}

/// What the clients of one browser share.
pub struct Machine {
    pub name: &'static str,
    pub disk: Disk,
    /// whether the network works, and whether the clients were told so
    pub link: bool,
    /// its clock, beside the server's, ms
    pub clock: i64,
    pub own: BTreeMap<String, Own>,
    /// accepted read marks, by conversation
    pub marks: BTreeMap<String, u64>,
    /// commits that were asked for, over all lives
    pub asked_commits: u64,
    /// what of the own the disk could not read at some time
    pub spoilt: Spoilt,
    /// own messages whose database was deleted while its writer had them in mind
    pub rescued: BTreeMap<String, Rescue>,
    /// its disk is full
    pub full: Option<Full>,
    /// how many there are
    pub clients: usize,
    /// its user has signed out: what was stored is deleted, and this machine has taken its place
    pub wiped_for: Option<usize>,
    /// the client that has the account's lock
    pub holder: Option<usize>,
    /// since when
    pub held_since: u64,
    /// when somebody last asked for a sync, or for a message to be tried again
    pub urged_at: u64,
    /// when the account last got another writer, or lost its own
    pub moved_at: u64,
    /// what each commit told its writer's app, until all clients have it
    pub events: BTreeMap<Stamp, Vec<String>>,
    /// what pushes tell
    pub news: News,
    /// pages that were loaded, hand-overs, and commits that were done and of which nothing was heard
    pub lives: u64,
    next_own: usize,
    next_accepted: usize,
}

impl Machine {
    pub fn new(name: &'static str) -> Self {
        Machine {
            name,
            disk: Disk::default(),
            link: true,
            clock: 0,
            own: BTreeMap::new(),
            marks: BTreeMap::new(),
            asked_commits: 0,
            spoilt: Spoilt::default(),
            rescued: BTreeMap::new(),
            full: None,
            clients: 1,
            wiped_for: None,
            holder: None,
            held_since: 0,
            urged_at: 0,
            moved_at: 0,
            events: BTreeMap::new(),
            news: News::default(),
            lives: 0,
            next_own: 0,
            next_accepted: 0,
        }
    }

    /// The same one after its user has signed out: what it had stored is gone.
    pub fn wiped(&self, epoch: u64) -> Self {
        let mut wiped = Machine::new(self.name);
        wiped.disk = self.disk.anew(epoch);
        wiped.link = self.link;
        wiped.clock = self.clock;
        wiped.full = self.full;
        wiped.clients = self.clients;
        // No two own messages have one name.
        wiped.next_own = self.next_own;
        wiped
    }

    /// A client stores wishes.
    pub fn wish(&mut self, writes: &[Write]) -> Result<Result<(), StoreError>, String> {
        let stored = self.disk.wish(writes);
        self.notes_rescued()?;
        Ok(stored)
    }

    /// What is stored has changed: what was kept over a lost database may be there again.
    pub fn notes_rescued(&mut self) -> Result<(), String> {
        let waits = |rescue: &Rescue| *rescue != Rescue::Stored;
        if !self.rescued.values().any(waits) {
            return Ok(());
        }
        let stored = self.disk.stored_own()?;
        let rescued = self.rescued.iter_mut();
        for (_, rescue) in rescued.filter(|(client_id, _)| stored.contains(*client_id)) {
            *rescue = Rescue::Stored;
        }
        Ok(())
    }

    /// Whether nobody has to have this own message any more: it could not be read, or was lost with its database and
    /// every client that had it in mind.
    pub fn may_lack(&self, client_id: &str, devices: &[Device]) -> bool {
        let rescued = match self.rescued.get(client_id) {
            Some(Rescue::Remembered { device, life }) => devices[*device].is_alive(*life),
            Some(Rescue::Stored) => true,
            None => false,
        };
        self.spoilt.own.contains(client_id) && !rescued
    }

    /// Whether what is stored may lack it.
    pub fn may_lack_stored(&self, client_id: &str) -> bool {
        let stored = self.rescued.get(client_id) == Some(&Rescue::Stored);
        self.spoilt.own.contains(client_id) && !stored
    }

    /// What of its own is in the order written: what one client wrote; and what was stored, whoever wrote it,
    /// in the order in which the writers have taken it up.
    pub fn before(&self, one: &Own, other: &Own) -> bool {
        match (one.place, other.place) {
            _ if one.life == other.life => one.order < other.order,
            (Some(one), Some(other)) => one < other,
            _ => true,
        }
    }

    /// `send` resolved.
    pub fn accept(&mut self, client_id: &str) -> Option<&mut Own> {
        let own = self.own.get_mut(client_id)?;
        if own.accepted.is_none() {
            self.next_accepted += 1;
            own.accepted = Some(self.next_accepted);
        }
        Some(own)
    }

    pub fn new_own(&mut self) -> (usize, String) {
        self.next_own += 1;
        (self.next_own, format!("{}-{}", self.name, self.next_own))
    }
}

/// One client: a tab.
pub struct Device {
    pub name: String,
    /// where it runs
    pub machine: usize,
    /// its machine has others
    pub shares: bool,
    /// what is stored, as far as it knows
    pub store: Rc<Stored>,
    /// the commit that this is of; None: it has not read any yet
    pub seen: Option<Stamp>,
    /// None: the tab is closed, or crashed
    pub engine: Option<Engine>,
    pub facade: Facade,
    /// counts engines: what belongs to an earlier one is no input of this one
    pub life: u32,
    /// world time of `performance.now() == 0`
    born: u64,
    /// no input arrives before this world time
    pub asleep_until: u64,
    pub operations: VecDeque<Operation>,
    /// nothing is heard of the oldest
    pub silent: bool,
    /// the database that it has opened is gone, and it does not know yet
    pub lost: bool,
    /// it has found that out, and its fence in the next one is not written yet
    pub adopts: bool,
    pub requests: BTreeMap<u64, Pending>,
    pub channel: Option<Channel>,
    pub calls: BTreeMap<u64, Call>,
    /// when they were called
    pub called: BTreeMap<u64, u64>,
    /// bytes that were read from the store since anything but reading has happened
    pub read_bytes: usize,
    /// when it has read last
    pub read_at: u64,
    /// how often it has read all that is stored
    pub loads: u64,
    /// the same since it took over what was read last
    pub loads_in_a_row: u64,
    /// the last read of all that is stored
    pub load: u64,
    /// blocks that it has asked for, in this life
    pub blocks_read: BTreeSet<String>,
    /// world time since which it is awake, and has the account, and knows what is stored
    pub able_since: u64,
    pub promoted: bool,
    /// under which it writes, since its fence was written
    pub epoch: Option<u64>,
    /// under which its engine writes, as far as that was told
    pub told_epoch: Option<u64>,
    /// another client's fence was written after its own
    pub deposed_at: Option<u64>,
    /// the read of what is stored that it has begun since it was promoted
    pub reads: Option<u64>,
    /// the first read of its life, and whether it has been answered: also one that does not write knows
    /// what was stored then
    pub first: (u64, bool),
    /// what is stored when it was promoted, it has read
    pub knows: bool,
    /// the last time that it slept, and could notice it
    pub nap: Option<Nap>,
    pub hidden: bool,
    pub hidden_since: Option<u64>,
    /// it is there for a push
    pub brief: bool,
    /// it waits until the others have gone
    pub waits: bool,
    /// it was told that it is
    pub frozen: bool,
    /// whether it was on screen when it asked for its last commit
    pub commits_on_screen: bool,
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
    next_call: u64,
    next_timeline: u64,
}

impl Device {
    /// `tab`: which of its machine's.
    pub fn new(machine: usize, name: &str, tab: usize) -> Self {
        let letter = ["", "-b", "-c", "-d"].get(tab).unwrap_or(&"-x");
        Device {
            name: format!("{name}{letter}"),
            machine,
            shares: false,
            store: Rc::default(),
            seen: None,
            engine: None,
            facade: Facade::default(),
            life: (tab as u32) << 24,
            born: 0,
            asleep_until: 0,
            operations: VecDeque::new(),
            silent: false,
            lost: false,
            adopts: false,
            requests: BTreeMap::new(),
            channel: None,
            calls: BTreeMap::new(),
            called: BTreeMap::new(),
            read_bytes: 0,
            read_at: 0,
            loads: 0,
            loads_in_a_row: 0,
            load: 0,
            blocks_read: BTreeSet::new(),
            able_since: 0,
            checked_at: Positions::default(),
            pulled_at: 0,
            pulled_before: 0,
            pulling_at: None,
            promoted: false,
            epoch: None,
            told_epoch: None,
            deposed_at: None,
            reads: None,
            first: (0, false),
            knows: false,
            nap: None,
            hidden: false,
            hidden_since: None,
            brief: false,
            waits: false,
            frozen: false,
            commits_on_screen: false,
            loaded: false,
            commits: 0,
            next_call: 1,
            next_timeline: 1,
        }
    }

    /// A page is loaded: a new engine on what the store has.
    pub fn start(&mut self, time: u64, config: Config, seed: u64) {
        self.stop();
        self.born = time;
        self.engine = Some(Engine::new(config, seed));
    }

    /// The page is gone, and everything that was in memory.
    pub fn stop(&mut self) {
        self.life += 1;
        self.engine = None;
        self.seen = None;
        self.facade = Facade::default();
        self.operations.clear();
        self.silent = false;
        self.lost = false;
        self.adopts = false;
        self.requests.clear();
        self.channel = None;
        self.pulling_at = None;
        self.calls.clear();
        self.called.clear();
        self.read_bytes = 0;
        self.blocks_read.clear();
        self.demote();
        self.nap = None;
        self.first = (0, false);
        self.hidden = false;
        self.hidden_since = None;
        self.brief = false;
        self.waits = false;
        self.frozen = false;
        self.loaded = false;
        self.asleep_until = 0;
    }

    /// It does not write any more.
    pub fn demote(&mut self) {
        self.adopts = false;
        self.promoted = false;
        self.epoch = None;
        self.told_epoch = None;
        self.deposed_at = None;
        self.reads = None;
        self.knows = false;
        if self.shares {
            self.pulling_at = None;
            self.pulled_at = 0;
            self.pulled_before = 0;
        }
    }

    /// Whether its page is still the one of this life.
    pub fn is_alive(&self, life: u32) -> bool {
        self.life == life && self.engine.is_some()
    }

    /// What it shows is what is stored: nobody else has written since it last read or wrote.
    pub fn is_current(&self, machine: &Machine) -> bool {
        Rc::ptr_eq(&self.store, &machine.disk.stored)
    }

    /// The disk has gone back in time: what followed from what it held is not known any more.
    pub fn forget(&mut self) {
        self.pulled_at = 0;
        self.pulled_before = 0;
        self.checked_at = Positions::default();
    }

    /// One input, and everything that it caused.
    pub fn handle(&mut self, time: u64, wall: u64, input: Option<Input>) -> Vec<Effect> {
        let now = Now {
            mono: time - self.born,
            wall,
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
