//! The reference model: what the server holds, and what of it the observed account was told when.
//!
//! Time here is the *position*: the length of the account's change log. A cursor is a position, and
//! "as of a cursor" means: everything whose position is at or below it. So the server never
//! forgets: each copy of a message, each state of a conversation, each trim and each leaving stays,
//! with the position at which the account's log came to say so. [`super::check`] reads all of that;
//! a client only sees [`Server::answer`].
//!
//! The other scopes are other views of the same log. A conversation's cursor is a position too: of
//! what is about other conversations, nothing is said. A mailbox delivers the log's events by their
//! positions; who has applied some of them is "at" the first that is lacking.

mod answers;
mod commits;
mod conversation;
mod log;
mod mailbox;
mod pages;
mod pull;
mod push;
mod values;

use std::collections::{BTreeMap, BTreeSet};

pub use conversation::{Conversation, Copy, Post, State};
use log::Entry;
pub use mailbox::Applied;
use mailbox::Dropped;

use super::mode::{Mode, Scope, Wide};
use super::rng::Rng;

/// The account whose devices are watched; the others only write.
pub const ACCOUNT: &str = "ann";

pub const OTHERS: [&str; 2] = ["bob", "cleo"];

/// Not told to the account yet, because it is not a member just now.
pub const UNTOLD: usize = usize::MAX;

/// An overflow that the next pull of a device is answered with, for no reason of its own.
#[derive(Clone, Debug)]
pub enum Forced {
    All,
    Some(Vec<String>),
}

pub struct Server {
    pub mode: Mode,
    pub conversations: BTreeMap<String, Conversation>,
    log: Vec<Entry>,
    /// places in the log, by conversation
    places: BTreeMap<String, Vec<usize>>,
    /// how many of a conversation's first places are acknowledged
    settled: BTreeMap<String, usize>,
    /// grows with everything by which a reader's position may change
    pub moved: u64,
    /// places in the log that the mailbox has not to deliver any more
    acknowledged: BTreeSet<usize>,
    /// those that were acknowledged by name, in that order; the last of them may come again
    taken: Vec<usize>,
    dropped: Option<Dropped>,
    receipts: u64,
    /// most conversations in one answer
    pub max_batches: usize,
    /// the device that asks
    pub asking: usize,
    /// by device: what its pieces have named, and whether the last one of a pull has been among them
    named: BTreeMap<usize, (BTreeSet<String>, bool)>,
    /// how far back `changes` goes
    pub changes_reach: usize,
    /// conversations in a hundred that an answer says an error of
    pub sick: u64,
    /// a conversation of which every pull says an error
    pub failing: Option<String>,
    /// in a hundred answers, those in which something happens to a message
    pub spoils: u64,
    /// in a hundred mailbox answers, those that bring again what was acknowledged
    pub again: u64,
    /// ms since the epoch
    pub wall: u64,
    /// a device that is further behind overflows
    pub overflow_after: usize,
    /// most that one answer holds, whatever was asked for
    pub max_events: usize,
    pub max_page: usize,
    /// every state is told with what changed it
    pub prompt: bool,
    /// every new message says what it follows
    pub tells_prev: bool,
    commits: u64,
}

pub fn cursor_text(position: usize) -> String {
    format!("at:{position}")
}

pub fn position_of(cursor: &str) -> Option<usize> {
    cursor.strip_prefix("at:")?.parse().ok()
}

/// A conversation's own cursor: it names the conversation, so that no other's can pass for it.
pub fn cursor_in(id: &str, position: usize) -> String {
    format!("{id}@{position}")
}

pub fn position_in(cursor: &str, id: &str) -> Option<usize> {
    cursor.strip_prefix(id)?.strip_prefix('@')?.parse().ok()
}

impl Server {
    pub fn new(mode: Mode, rng: &mut Rng) -> Self {
        let mut server = Server {
            mode,
            conversations: BTreeMap::new(),
            log: Vec::new(),
            places: BTreeMap::new(),
            settled: BTreeMap::new(),
            moved: 0,
            acknowledged: BTreeSet::new(),
            taken: Vec::new(),
            dropped: None,
            receipts: 0,
            max_batches: usize::MAX,
            changes_reach: usize::MAX,
            sick: 0,
            failing: None,
            spoils: 0,
            again: 0,
            wall: 1_700_000_000_000,
            overflow_after: rng.between(15, 120) as usize,
            max_events: rng.between(1, 40) as usize,
            max_page: rng.between(2, 20) as usize,
            asking: 0,
            named: BTreeMap::new(),
            prompt: false,
            tells_prev: false,
            commits: 0,
        };
        for n in 1..=rng.between(1, 5) {
            let id = format!("c{n}");
            server.found(&id, rng);
            for _ in 0..rng.below(30) {
                server.post(&id, rng);
            }
        }
        // How many conversations stand in one answer, nobody but the server can say.
        let fitting = (server.mode.largest / 1_500).max(1);
        if server.mode != Mode::classic() {
            server.max_batches = rng.between(1, 6) as usize;
            server.max_batches = server.max_batches.min(fitting);
            server.changes_reach = rng.between(10, 400) as usize;
        }
        if server.mode.scope == Scope::Mailbox {
            // There was a device before, or the mailbox begins with an overflow.
            let before = rng.below(server.position() as u64 + 1) as usize;
            server.acknowledged = (0..before).collect();
            server.settle();
            if rng.chance(50) {
                server.drop_deliveries(None);
            }
        }
        server
    }

    /// As much as there is to be in this world.
    pub fn widen(&mut self, rng: &mut Rng) {
        let (conversations, messages) = match self.mode.world {
            Wide::Small => return,
            Wide::Conversations(count) | Wide::Lists(count) => (count, 0),
            Wide::Messages(count) => (0, count),
        };
        self.max_events = rng.between(40, 1_000) as usize;
        self.max_page = rng.between(20, 200) as usize;
        self.max_batches = (rng.between(5, 100) as usize).min((self.mode.largest / 1_500).max(1));
        self.overflow_after = rng.between(100, 3_000) as usize;
        for n in self.conversations.len() as u64..conversations {
            let id = format!("c{}", n + 1);
            self.found(&id, rng);
            for _ in 0..rng.below(4) {
                self.post(&id, rng);
            }
        }
        for _ in 0..messages {
            self.post("c1", rng);
        }
    }

    /// Something happens in each of these conversations.
    pub fn night(&mut self, ids: &[String], rng: &mut Rng) {
        for id in ids {
            if rng.chance(70) {
                self.post(id, rng);
            } else {
                self.change_any(id, rng);
            }
        }
    }

    fn conversation(&mut self, id: &str) -> &mut Conversation {
        self.conversations
            .get_mut(id)
            .expect("callers name conversations that exist")
    }
}
