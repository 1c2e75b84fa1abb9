//! All clients of an account show the same, live (R15): one, the writer, asks the network and writes; the
//! others follow.
//!
//! ```text
//!  follower ──Hello──▶ writer     it follows, and what it needs (R13)
//!  follower ◀─Stands── writer     how the sync stands: shown as the follower's own standing
//!  follower ◀─Delta─── writer     each commit, by its number; who lacks one reads the database
//!  follower ──Ask────▶ writer     pages, changes, edits, recalls, sync: by a name
//!  follower ◀─Begun─── writer     not begun within 2 s: the writer is stuck
//!  follower ◀─Reply─── writer     as of a commit
//!  anyone   ──Wish───▶ all        stored by its client; the writer takes it up with its next commit
//! ```
//!
//! A signal may be lost, late or doubled. Then the database is read: what is stored is right.

mod asks;
mod audience;
mod signal;

use std::collections::VecDeque;
use std::rc::Rc;

use super::error::Error;
use super::fault::Fault;
use super::map::Map;
use super::records::Stamp;
use super::tx::Delta;
pub(super) use asks::Asks;
pub(super) use audience::{Asked, Asker, Audience, OTHERS};
pub(super) use signal::{ClientName, Signal, Stands, What, delta};

/// ms between two greetings.
const HELLO: u64 = 30_000;
/// ms after the last greeting at which a follower greets again because what it needs has changed.
const HELLO_AGAIN: u64 = 250;
/// ms after which a client that is looked at greets a writer of which it has heard nothing: it may need no more than
/// what comes by itself.
const WATCH: u64 = 10_000;
/// ms after which a greeting is said again that has no answer: it, or the answer, may be lost. Twice as long each time.
const GREETS_AGAIN: u64 = 1_000;
/// ms within which the writer begins what it is asked for, and answers a greeting, or is stuck (R15).
pub(super) const STUCK: u64 = 2_000;
/// The same where the asking client is there for one sync: the browser does not let a service worker live for long.
const STUCK_BRIEF: u64 = 1_000;
/// ms between two tries to take a stuck writer's place.
const STUCK_AGAIN: u64 = 10_000;
/// ms that what is shown of the sync stays as it was while the work moves.
pub(super) const MOVES: u64 = 1_000;
/// ms after which the writer is reminded of wishes that wait.
const REMINDS: u64 = 10_000;
/// The same for wishes that were stored before this client began: their client may have gone before it told of them.
const REMINDS_SOON: u64 = 500;

/// An answer of the writer, as of a commit.
#[derive(Debug)]
pub(super) struct Reply {
    pub ask: u64,
    pub stamp: Stamp,
    pub result: Result<String, Error>,
}

/// A greeting without an answer.
#[derive(Debug)]
struct Unheard {
    since: u64,
    /// ms from the last time that it was said to the next
    wait: u64,
    /// when that is
    again: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Follow {
    /// as the writer: who follows
    pub audience: Audience,
    /// as the writer: where it last said that it stands
    told: Option<Stands>,
    /// as the writer: how often it has said so
    said: u64,
    /// as the writer: when it last did so
    said_at: u64,
    /// as a follower: where the writer stands
    leader: Option<Stands>,
    /// when it went
    gone_at: Option<u64>,
    /// when the last pull ended that a writer has told of, ms since the epoch
    last_synced: Option<u64>,
    /// the newest commit heard of
    newest: Stamp,
    /// commits heard of while the database is read
    deltas: VecDeque<Delta>,
    /// answers that are of a commit which is not here yet
    replies: Vec<Reply>,
    hello_at: u64,
    /// when it last greeted the writer, and what it needed then
    greeted: (u64, Map<Rc<str>, u64>),
    /// since then nothing is heard of the writer
    unheard: Option<Unheard>,
    /// when the writer was last heard
    heard_at: u64,
    /// when the writer is reminded of wishes
    reminds_at: Option<u64>,
    /// the commit as of which blocks were missing
    missing_at: Option<Stamp>,
    /// a stuck writer is not replaced before this
    stuck_at: u64,
    /// this client slept, and may have missed what others did
    slept: bool,
    /// nobody followed when it let go of the account, and nobody was heard since
    alone: bool,
    /// the commit of which this client has said that its news are on screen
    said_shown: Option<Stamp>,
}

impl Follow {
    // ------------------------------------------------------------ as a follower

    /// Where the writer stands. It is kept for a moment when it has gone.
    pub fn leader(&self) -> Option<&Stands> {
        self.leader.as_ref()
    }

    /// Whether another client is known to write.
    pub fn is_led(&self) -> bool {
        self.leader.is_some() && self.gone_at.is_none()
    }

    /// The writer says where it stands. Answers whether it is another than before.
    pub fn on_stands(&mut self, stands: Stands) -> bool {
        let known = self.leader.as_ref().map(|leader| leader.epoch);
        let older =
            |leader: &Stands| (leader.epoch, leader.number) >= (stands.epoch, stands.number);
        if self.leader.as_ref().is_some_and(older) {
            return false;
        }
        let new = known != Some(stands.epoch) || self.gone_at.is_some();
        self.hear_of(stands.stamp);
        self.last_synced = self.last_synced.max(stands.last_synced);
        self.leader = Some(stands);
        self.gone_at = None;
        new
    }

    /// When another writer's last pull was complete, ms since the epoch.
    pub fn last_synced(&self) -> Option<u64> {
        self.last_synced
    }

    /// The writer of this epoch writes no more. Answers whether that was the one this client follows.
    pub fn on_gone(&mut self, now: u64, epoch: u64) -> bool {
        let leads = |leader: &Stands| leader.epoch <= epoch;
        let gone = self.gone_at.is_none() && self.leader.as_ref().is_some_and(leads);
        if gone {
            self.gone_at = Some(now);
        }
        gone
    }

    /// There is this commit.
    pub fn hear_of(&mut self, stamp: Stamp) {
        self.newest = self.newest.max(stamp);
    }

    /// Another client was heard, or has written.
    pub fn on_another_client(&mut self) {
        self.alone = false;
    }

    /// Whether the state of this commit is all that there is, as far as this client can know.
    pub fn is_newest(&self, stamp: Stamp) -> bool {
        (!self.slept || self.alone) && !self.lacks(stamp)
    }

    /// Nobody has written while this client slept.
    pub fn on_missed_nothing(&mut self) {
        self.slept = false;
    }

    /// Whether the state of this commit lacks another.
    pub fn lacks(&self, stamp: Stamp) -> bool {
        stamp < self.newest
    }

    /// What is stored was read, and is the state of this commit. Whatever was said of later ones and is not
    /// there, an older database's.
    pub fn on_loaded(&mut self, stamp: Stamp) {
        if self.deltas.is_empty() {
            self.newest = stamp;
        }
        self.slept = false;
        self.alone = false;
    }

    /// The database is gone, and all commits that were told: what the writer was asked for is answered as of the
    /// one that has taken its place.
    pub fn on_lost(&mut self) {
        self.newest = Stamp::default();
        self.deltas.clear();
        self.replies.clear();
        self.said_shown = None;
    }

    /// A commit is told while the database is read; at most so many of them stay.
    pub fn keep(&mut self, delta: Delta, most: usize) {
        self.deltas.push_back(delta);
        if self.deltas.len() > most {
            self.deltas.pop_front();
        }
    }

    /// A commit that was kept and is of this state.
    pub fn next_delta(&mut self, stamp: Stamp) -> Option<Delta> {
        while let Some(delta) = self.deltas.pop_front() {
            if delta.base == stamp {
                return Some(delta);
            }
        }
        None
    }

    /// What the writer has answered.
    pub fn add_reply(&mut self, reply: Reply) {
        self.hear_of(reply.stamp);
        self.replies.push(reply);
    }

    /// Whether somebody waits for a commit that is not here.
    pub fn waits_for_commit(&self) -> bool {
        !self.replies.is_empty()
    }

    /// An answer that is of what is here, or of before.
    pub fn next_reply(&mut self, stamp: Stamp) -> Option<Reply> {
        let at = self
            .replies
            .iter()
            .position(|reply| reply.stamp <= stamp || Fault::ReplyBeforeItsCommit.on())?;
        Some(self.replies.remove(at))
    }

    /// When it greets the writer. `seen`: it is looked at.
    pub fn greets_at(&self, seen: bool) -> u64 {
        let at = match &self.unheard {
            Some(unheard) => unheard.again,
            None if seen => self.heard_at.saturating_add(WATCH),
            None => u64::MAX,
        };
        self.hello_at.min(at)
    }

    /// It greets the writer at once. Until then it has not been asked for anything.
    pub fn hurry(&mut self) {
        self.hello_at = 0;
        self.unheard = None;
    }

    /// Whether it greets the writer now, needing this.
    pub fn greets(&mut self, now: u64, seen: bool, needs: &Map<Rc<str>, u64>) -> bool {
        if *needs != self.greeted.1 {
            let soon = self.greeted.0.saturating_add(HELLO_AGAIN);
            self.hello_at = self.hello_at.min(soon);
        }
        if self.greets_at(seen) > now {
            return false;
        }
        self.greeted = (now, needs.clone());
        self.hello_at = now.saturating_add(HELLO);
        let before = self.unheard.as_ref();
        let wait = before.map_or(GREETS_AGAIN, |before| (2 * before.wait).min(HELLO));
        self.unheard = Some(Unheard {
            since: before.map_or(now, |before| before.since),
            wait,
            again: now.saturating_add(wait),
        });
        true
    }

    /// The writer has said something.
    pub fn on_heard(&mut self, now: u64) {
        self.heard_at = now;
        self.unheard = None;
        self.on_another_client();
    }

    /// Since when the writer has not answered.
    pub fn unheard_since(&self) -> Option<u64> {
        self.unheard.as_ref().map(|unheard| unheard.since)
    }

    /// This client slept: the time during which it could hear nothing does not count.
    pub fn put_off(&mut self, now: u64) {
        self.slept = true;
        if let Some(unheard) = &mut self.unheard {
            unheard.since = now;
            unheard.again = now;
        }
    }

    /// Whether the writer is reminded of wishes now, if some wait: what was told of them may be lost.
    pub fn reminds(&mut self, now: u64, wait: bool) -> bool {
        if !wait {
            self.reminds_at = None;
            return false;
        }
        let at = *self.reminds_at.get_or_insert(now.saturating_add(REMINDS));
        if at <= now {
            self.reminds_at = Some(now.saturating_add(HELLO));
        }
        at <= now
    }

    /// Wishes were read that others may not have heard of.
    pub fn remind_soon(&mut self, now: u64) {
        self.reminds_at = Some(now.saturating_add(REMINDS_SOON));
    }

    /// When the writer is to be reminded of wishes.
    pub fn reminds_at(&self) -> Option<u64> {
        self.reminds_at
    }

    /// Blocks are missing as of this commit. Answers whether that is the first time: then a later commit may have moved
    /// them, and reading the database tells.
    pub fn lacks_blocks(&mut self, stamp: Stamp) -> bool {
        self.missing_at.replace(stamp) != Some(stamp)
    }

    /// When the writer counts as stuck, if it has not begun what it was asked for at `since`.
    pub fn stuck_at(&self, since: u64, brief: bool) -> u64 {
        let patience = if brief { STUCK_BRIEF } else { STUCK };
        since.saturating_add(patience).max(self.stuck_at)
    }

    /// The writer is stuck, and its place is to be taken. That is tried once in 10 s.
    pub fn on_stuck(&mut self, now: u64) {
        self.stuck_at = now.saturating_add(STUCK_AGAIN);
    }

    /// Until when what was known of the sync is shown though the writer has gone.
    pub fn moves_until(&self) -> Option<u64> {
        self.gone_at.map(|at| at.saturating_add(MOVES))
    }

    /// Ends the move, once its time is over: what the writer before has said is not shown any more. Answers whether it
    /// ended now.
    pub fn end_move(&mut self, now: u64) -> bool {
        let over = self.moves_until().is_some_and(|until| until <= now);
        if over {
            self.leader = None;
            self.gone_at = None;
        }
        over
    }

    /// This client says of this commit that its news are on screen. Answers whether it has not said so before.
    pub fn says_shown(&mut self, stamp: Stamp) -> bool {
        self.said_shown.replace(stamp) != Some(stamp)
    }

    /// What this client has said is on screen, it says again: it may not have been stored.
    pub fn say_shown_again(&mut self) {
        self.said_shown = None;
    }

    // ------------------------------------------------------------ as the writer

    /// This client writes: what another said of the sync is shown for a moment.
    pub fn on_promoted(&mut self, now: u64) {
        self.gone_at = self.leader.as_ref().map(|_| now);
        self.audience.assume(now.saturating_add(STUCK_AGAIN));
        self.told = None;
        self.unheard = None;
        self.deltas.clear();
        self.replies.clear();
    }

    /// This client writes no more. `last`: how the sync is shown to stand until the next writer says more.
    /// `sure`: until now nobody else has written.
    pub fn let_go(&mut self, now: u64, last: Stands, sure: bool) {
        self.alone = sure && !self.audience.is_there(now);
        self.audience.let_go();
        self.told = None;
        self.last_synced = self.last_synced.max(last.last_synced);
        self.leader = Some(last);
        self.gone_at = Some(now);
        self.hurry();
    }

    /// Whether this writer says where it stands though nobody is known to follow. A client that has slept through the
    /// change of writer takes itself for the writer, and does not greet: it finds out by this.
    pub fn beats(&self, now: u64) -> bool {
        self.said_at.saturating_add(HELLO) <= now
    }

    /// Where this writer stands, if that is to be told: it has changed in more than the commit, or was not told for
    /// long.
    pub fn tells(&mut self, now: u64, stands: Stands) -> Option<Stands> {
        let same = self.told.as_ref().is_some_and(|told| {
            let told = Stands {
                stamp: stands.stamp,
                number: stands.number,
                ..told.clone()
            };
            told == stands
        });
        if same && !self.beats(now) {
            return None;
        }
        Some(self.says(now, stands))
    }

    /// It says where it stands.
    pub fn says(&mut self, now: u64, mut stands: Stands) -> Stands {
        self.said += 1;
        self.said_at = now;
        stands.number = self.said;
        self.told = Some(stands.clone());
        stands
    }

    /// A new follower has to hear where this writer stands.
    pub fn tell_again(&mut self) {
        self.told = None;
    }
}
