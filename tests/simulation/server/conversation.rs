//! A conversation: its messages in all their versions, its states, and who was a member when.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ACCOUNT;
use crate::simulation::odd::Odd;
use crate::simulation::rng::Rng;

/// One version of a message.
pub struct Copy {
    pub position: usize,
    pub version: u64,
    pub state: &'static str,
    pub body: Value,
}

pub struct Post {
    pub id: String,
    pub seq: u64,
    pub sender: &'static str,
    pub created_at: u64,
    pub client_id: Option<String>,
    /// what is wrong with it
    pub odd: Option<Odd>,
    /// what was wrong with a copy of this version on its way
    pub spoilt: Vec<(u64, Odd)>,
    /// every version, oldest first; the first one's position is the message's own
    pub copies: Vec<Copy>,
    /// where the log says that it no longer exists
    pub trimmed: Option<usize>,
    /// `clientId`s of the edits that were made
    pub(super) edits: Vec<String>,
}

impl Post {
    pub fn newest(&self) -> &Copy {
        self.copies.last().expect("a post has its first copy")
    }

    /// The version that was the newest as of `position`; None where it did not exist yet.
    pub fn version_at(&self, position: usize) -> Option<u64> {
        self.copies
            .iter()
            .rev()
            .find(|copy| copy.position <= position)
            .map(|copy| copy.version)
    }

    /// The copy that a replica at `position` has of it, if there it is one of the messages.
    fn copy_at(&self, position: usize) -> Option<&Copy> {
        let living = self.trimmed.is_none_or(|at| at > position);
        let mut copies = self.copies.iter().rev().filter(|_| living);
        copies.find(|copy| copy.position <= position)
    }

    /// A client that is at `position`, or anywhere after it, must have it.
    pub fn is_owed_at(&self, position: usize) -> bool {
        self.copies[0].position <= position && self.is_there()
    }

    /// It can be named, and is not trimmed.
    fn is_there(&self) -> bool {
        self.trimmed.is_none() && self.odd != Some(Odd::Nameless)
    }

    /// Whether some copy of it that was sent had no time.
    pub fn has_lost_its_time(&self) -> bool {
        let spoilt = self.spoilt.iter().map(|(_, odd)| odd);
        spoilt.chain(&self.odd).any(|odd| odd.created_at(1) == 0)
    }

    /// What may be wrong with a copy of this version.
    pub fn odds(&self, version: u64) -> impl Iterator<Item = Option<Odd>> {
        let spoilt = self.spoilt.iter().filter(move |(of, _)| *of == version);
        [self.odd]
            .into_iter()
            .chain(spoilt.map(|(_, odd)| Some(*odd)))
    }
}

/// What the server says of a conversation, beside its messages.
#[derive(Clone, PartialEq, Debug)]
pub struct State {
    pub unread: u64,
    pub last_seq: Option<u64>,
    pub read_seq: Option<u64>,
    pub sort: u64,
    /// seq and version
    pub last_message: Option<(u64, u64)>,
    pub meta: Value,
}

pub struct Conversation {
    pub id: String,
    /// by seq; trimmed ones too
    pub posts: BTreeMap<u64, Post>,
    pub member: bool,
    /// when it was entered (true) and left (false)
    pub membership: Vec<(usize, bool)>,
    /// every state it has had, and where the log tells it; UNTOLD: only a list page does
    pub states: Vec<(usize, State)>,
    pub(super) read_seq: Option<u64>,
    pub(super) sort: u64,
    pub(super) meta: u64,
    pub(super) next_seq: u64,
    /// grows with every message that is new or trimmed
    pub moved: u64,
    /// messages of others that are not read; None: to be counted
    pub(super) unread: Cell<Option<u64>>,
    /// ids handed out whose commit is still to come, and when
    pub(super) reserved: Vec<(u64, &'static str, u64)>,
}

impl Conversation {
    pub fn member_at(&self, position: usize) -> bool {
        self.membership
            .iter()
            .rev()
            .find(|(at, _)| *at <= position)
            .is_some_and(|(_, member)| *member)
    }

    /// Whether it was a member's at `position` or at any time since.
    pub fn member_since(&self, position: usize, member: bool) -> bool {
        self.member_at(position) == member
            || self
                .membership
                .iter()
                .any(|(at, is)| *at > position && *is == member)
    }

    /// Something of it cannot be named: so often as it comes, what is held here is in doubt.
    pub fn is_doubtful(&self) -> bool {
        self.posts
            .values()
            .any(|post| post.odd == Some(Odd::Nameless))
    }

    pub fn living(&self) -> impl DoubleEndedIterator<Item = &Post> {
        self.posts.values().filter(|post| post.is_there())
    }

    /// The messages as a replica at `position` has them.
    pub(super) fn copies_at(&self, position: usize) -> impl Iterator<Item = (&Post, &Copy)> {
        let posts = self.posts.values();
        posts.filter_map(move |post| Some((post, post.copy_at(position)?)))
    }

    fn is_unread(&self, post: &Post) -> bool {
        post.seq > self.read_seq.unwrap_or(0) && post.sender != ACCOUNT
    }

    /// One that is new.
    pub(super) fn add(&mut self, post: Post) {
        let more = u64::from(post.is_there() && self.is_unread(&post));
        self.unread
            .set(self.unread.get().map(|unread| unread + more));
        self.moved += 1;
        self.posts.insert(post.seq, post);
    }

    /// What is before this does not exist any more.
    pub(super) fn trim(&mut self, before: u64, position: usize) {
        for (_, post) in self.posts.range_mut(..before) {
            post.trimmed.get_or_insert(position);
        }
        self.moved += 1;
        self.unread.set(None);
    }

    pub(super) fn read_to(&mut self, seq: u64) {
        self.read_seq = self.read_seq.max(Some(seq));
        self.unread.set(None);
    }

    /// What is wrong with a message that comes at `seq`. One that cannot be named does not follow
    /// another: a page of nothing else moves nobody on.
    pub(super) fn odd_at(&self, seq: u64, rng: &mut Rng) -> Option<Odd> {
        let before = self.posts.range(..seq).next_back();
        let after = self.posts.range(seq..).next();
        let mut beside = before.into_iter().chain(after);
        Odd::drawn(rng).filter(|_| beside.all(|(_, post)| post.odd != Some(Odd::Nameless)))
    }

    pub(super) fn state(&self) -> State {
        let unread = match self.unread.get() {
            Some(unread) => unread,
            None => self.living().filter(|post| self.is_unread(post)).count() as u64,
        };
        self.unread.set(Some(unread));
        State {
            unread,
            last_seq: self
                .posts
                .values()
                .rfind(|post| post.odd != Some(Odd::Nameless))
                .map(|post| post.seq),
            read_seq: self.read_seq,
            sort: self.sort,
            last_message: self
                .living()
                .next_back()
                .map(|p| (p.seq, p.newest().version)),
            meta: json!({ "name": format!("{}-{}", self.id, self.meta) }),
        }
    }
}
