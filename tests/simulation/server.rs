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

use std::collections::{BTreeMap, BTreeSet};

use pullcord::core::net::{Error, Place, Request};
use serde_json::{Map, Value, json};

use super::mode::{Mode, Scope};
use super::rng::Rng;

/// The account whose devices are watched; the others only write.
pub const ACCOUNT: &str = "ann";
pub const OTHERS: [&str; 2] = ["bob", "cleo"];

/// Not told to the account yet, because it is not a member just now.
pub const UNTOLD: usize = usize::MAX;

/// A message that is about to be committed.
struct Draft {
    sender: &'static str,
    client_id: Option<String>,
    created_at: u64,
    body: Value,
}

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
    /// every version, oldest first; the first one's position is the message's own
    pub copies: Vec<Copy>,
    /// where the log says that it no longer exists
    pub trimmed: Option<usize>,
    /// `clientId`s of the edits that were made
    edits: Vec<String>,
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

    /// A client that is at `position`, or anywhere after it, must have it.
    /// The copy that a replica at `position` has of it, if there it is one of the messages.
    fn copy_at(&self, position: usize) -> Option<&Copy> {
        let living = self.trimmed.is_none_or(|at| at > position);
        let mut copies = self.copies.iter().rev().filter(|_| living);
        copies.find(|copy| copy.position <= position)
    }

    pub fn is_owed_at(&self, position: usize) -> bool {
        self.copies[0].position <= position && self.trimmed.is_none()
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
    read_seq: Option<u64>,
    sort: u64,
    meta: u64,
    next_seq: u64,
    /// ids handed out whose commit is still to come, and when
    reserved: Vec<(u64, &'static str, u64)>,
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

    pub fn living(&self) -> impl DoubleEndedIterator<Item = &Post> {
        self.posts.values().filter(|post| post.trimmed.is_none())
    }

    /// The messages as a replica at `position` has them.
    fn copies_at(&self, position: usize) -> impl Iterator<Item = (&Post, &Copy)> {
        let posts = self.posts.values();
        posts.filter_map(move |post| Some((post, post.copy_at(position)?)))
    }

    fn state(&self) -> State {
        let read = self.read_seq.unwrap_or(0);
        State {
            unread: self
                .living()
                .filter(|p| p.seq > read && p.sender != ACCOUNT)
                .count() as u64,
            last_seq: self.posts.keys().next_back().copied(),
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

/// One event of the account's log. Messages are rendered when they are asked for: as of the event,
/// or newer.
enum Entry {
    Message {
        conversation: String,
        seq: u64,
        version: u64,
        prev: Option<Option<u64>>,
    },
    Update {
        conversation: String,
        seq: u64,
        version: u64,
    },
    State {
        conversation: String,
        fields: Value,
    },
    Removed {
        conversation: String,
    },
    Trim {
        conversation: String,
        before: u64,
    },
    /// of a type that the client does not know
    Unknown,
}

impl Entry {
    fn conversation(&self) -> Option<&str> {
        match self {
            Entry::Message { conversation, .. }
            | Entry::Update { conversation, .. }
            | Entry::State { conversation, .. }
            | Entry::Removed { conversation }
            | Entry::Trim { conversation, .. } => Some(conversation),
            Entry::Unknown => None,
        }
    }
}

/// An overflow that the next pull of a device is answered with, for no reason of its own.
#[derive(Clone, Debug)]
pub enum Forced {
    All,
    Some(Vec<String>),
}

/// What the mailbox has let go: too much was not acknowledged. It is said with each answer until its
/// receipt, a delivery of its own, is acknowledged.
struct Dropped {
    receipt: String,
    /// None: of all conversations
    conversations: Option<Vec<String>>,
    /// what of theirs is before this place of the log
    upto: usize,
}

pub struct Server {
    pub mode: Mode,
    pub conversations: BTreeMap<String, Conversation>,
    log: Vec<Entry>,
    /// places in the log, by conversation
    places: BTreeMap<String, Vec<usize>>,
    /// places in the log that the mailbox has not to deliver any more
    acknowledged: BTreeSet<usize>,
    /// those that were acknowledged by name; they may come again
    taken: BTreeSet<usize>,
    dropped: Option<Dropped>,
    receipts: u64,
    /// most conversations in one answer
    pub max_batches: usize,
    /// how far back `changes` goes
    pub changes_reach: usize,
    /// conversations in a hundred that an answer says an error of
    pub sick: u64,
    /// a conversation of which every pull says an error
    pub failing: Option<String>,
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

/// The mailbox's name for what is at this place of the log.
fn delivery(place: usize) -> String {
    format!("d{place}")
}

impl Server {
    pub fn new(mode: Mode, rng: &mut Rng) -> Self {
        let mut server = Server {
            mode,
            conversations: BTreeMap::new(),
            log: Vec::new(),
            places: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            taken: BTreeSet::new(),
            dropped: None,
            receipts: 0,
            max_batches: usize::MAX,
            changes_reach: usize::MAX,
            sick: 0,
            failing: None,
            again: 0,
            wall: 1_700_000_000_000,
            overflow_after: rng.between(15, 120) as usize,
            max_events: rng.between(1, 40) as usize,
            max_page: rng.between(2, 20) as usize,
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
        if server.mode != Mode::classic() {
            server.max_batches = rng.between(1, 6) as usize;
            server.changes_reach = rng.between(10, 400) as usize;
        }
        if server.mode.scope == Scope::Mailbox {
            // There was a device before, or the mailbox begins with an overflow.
            let before = rng.below(server.position() as u64 + 1) as usize;
            server.acknowledged = (0..before).collect();
            if rng.chance(50) {
                server.drop_deliveries(None);
            }
        }
        server
    }

    /// The account's log as it is now.
    pub fn position(&self) -> usize {
        self.log.len()
    }

    /// A new conversation, with the account in it. Some count like Snowflake ids.
    pub fn found(&mut self, id: &str, rng: &mut Rng) {
        let next_seq = if rng.chance(30) {
            7_000_000_000_000_000_000
        } else {
            rng.between(1, 9)
        };
        let conversation = Conversation {
            id: id.to_owned(),
            posts: BTreeMap::new(),
            member: true,
            membership: Vec::new(),
            states: Vec::new(),
            read_seq: None,
            sort: self.commits,
            meta: 0,
            next_seq,
            reserved: Vec::new(),
        };
        self.conversations.insert(id.to_owned(), conversation);
        self.tell_state(id, true);
        let position = self.position();
        self.conversation(id).membership.push((position, true));
    }

    fn conversation(&mut self, id: &str) -> &mut Conversation {
        self.conversations
            .get_mut(id)
            .expect("callers name conversations that exist")
    }

    /// Where the log will say what is now being committed.
    fn next_position(&mut self, id: &str) -> usize {
        if self.conversation(id).member {
            self.position() + 1
        } else {
            UNTOLD
        }
    }

    fn tell(&mut self, entry: Entry) {
        if let Some(id) = entry.conversation() {
            let places = self.places.entry(id.to_owned()).or_default();
            places.push(self.log.len());
        }
        self.log.push(entry);
    }

    /// Where a reader is that was told everything of a conversation up to `position`: nothing of it is
    /// in the log up to there.
    pub fn next_of(&self, id: &str, position: usize) -> usize {
        let places = self.places.get(id).map_or(&[][..], |places| places);
        let next = places.get(places.partition_point(|at| *at < position));
        next.copied().unwrap_or(self.position())
    }

    /// Conversations of which the log says something after `position`.
    pub fn moved_since(&self, position: usize) -> Vec<String> {
        let moved = self
            .places
            .iter()
            .filter(|(_, places)| places.last().is_some_and(|last| *last >= position));
        moved.map(|(id, _)| id.clone()).collect()
    }

    /// Where a reader is, as to one conversation, that has applied these deliveries.
    pub fn first_lacking(&self, id: &str, applied: &BTreeSet<String>) -> usize {
        let places = self.places.get(id).map_or(&[][..], |places| places);
        let overflowed = self
            .dropped
            .as_ref()
            .is_some_and(|dropped| applied.contains(&dropped.receipt));
        let lacking = places.iter().find(|at| {
            let settled = self.acknowledged.contains(at) || applied.contains(&delivery(**at));
            !(settled || overflowed && self.is_dropped(**at))
        });
        lacking.copied().unwrap_or(self.position())
    }

    // ------------------------------------------------------------ commits

    /// Someone else writes.
    pub fn post(&mut self, id: &str, rng: &mut Rng) -> u64 {
        let sender = OTHERS[rng.below(2) as usize];
        let seq = self.hand_out(id, rng);
        let draft = Draft {
            sender,
            client_id: None,
            created_at: self.wall,
            body: json!(format!("{sender} {}", self.commits)),
        };
        self.commit(id, seq, draft, rng);
        seq
    }

    /// Takes the next id. Ids are not dense.
    fn hand_out(&mut self, id: &str, rng: &mut Rng) -> u64 {
        let conversation = self.conversation(id);
        let big = conversation.next_seq > 1 << 53;
        let seq = conversation.next_seq;
        conversation.next_seq += if big {
            rng.between(1, 1 << 40)
        } else {
            rng.between(1, 3)
        };
        seq
    }

    /// Hands out an id whose message is committed later, after higher ones.
    pub fn reserve(&mut self, id: &str, rng: &mut Rng) {
        let sender = OTHERS[rng.below(2) as usize];
        let seq = self.hand_out(id, rng);
        let wall = self.wall;
        self.conversation(id).reserved.push((seq, sender, wall));
    }

    /// Commits one of the ids handed out earlier, if there is any.
    pub fn commit_reserved(&mut self, id: &str, rng: &mut Rng) -> Option<u64> {
        let count = self.conversation(id).reserved.len() as u64;
        if count == 0 {
            return None;
        }
        let (seq, sender, created_at) = self
            .conversation(id)
            .reserved
            .swap_remove(rng.below(count) as usize);
        let trimmed_to = self
            .conversation(id)
            .posts
            .values()
            .filter(|p| p.trimmed.is_some())
            .map(|p| p.seq)
            .max();
        if trimmed_to.is_some_and(|to| seq < to) {
            return None; // history that is gone takes no more messages
        }
        // Times are in the order of ids, as Snowflakes are: "the first at or after" is one message.
        let draft = Draft {
            sender,
            client_id: None,
            created_at,
            body: json!(format!("{sender} {}, late", self.commits)),
        };
        self.commit(id, seq, draft, rng);
        Some(seq)
    }

    fn commit(&mut self, id: &str, seq: u64, draft: Draft, rng: &mut Rng) {
        let Draft {
            sender,
            client_id,
            created_at,
            body,
        } = draft;
        self.commits += 1;
        let sort = self.commits / 2;
        // The state's event and the message's are independent of each other: either comes first,
        // or the state's comes some time later.
        let told = if self.prompt { 0 } else { rng.below(4) };
        let state_first = told == 0 && self.conversation(id).member;
        let position = if state_first {
            self.position() + 2
        } else {
            self.next_position(id)
        };
        let conversation = self.conversation(id);
        let prev = conversation
            .living()
            .rev()
            .find(|post| post.seq < seq)
            .map(|post| post.seq);
        let post = Post {
            id: format!("{id}/{seq}"),
            seq,
            sender,
            created_at,
            client_id,
            copies: vec![Copy {
                position,
                version: 1,
                state: "normal",
                body,
            }],
            trimmed: None,
            edits: Vec::new(),
        };
        conversation.posts.insert(seq, post);
        if told != 1 {
            // What moves in the list is told at once: a reader of its pages might miss it.
            conversation.sort = conversation.sort.max(sort);
        }
        let silent = rng.chance(20) && !self.tells_prev;
        let prev = (!silent).then_some(prev);
        if state_first {
            self.tell_state(id, true);
            // The log must have grown by exactly the state; `position` above counts on it.
            while self.position() + 1 < position {
                self.tell(Entry::Unknown);
            }
        }
        if self.conversation(id).member {
            self.tell(Entry::Message {
                conversation: id.to_owned(),
                seq,
                version: 1,
                prev,
            });
        }
        if told != 0 {
            self.tell_state(id, told != 1);
        }
    }

    /// Notes the state as it now is and, if `now`, puts into the log what the log does not say yet.
    fn tell_state(&mut self, id: &str, now: bool) {
        let conversation = self
            .conversations
            .get(id)
            .expect("callers name conversations that exist");
        let state = conversation.state();
        // A list page may have shown what was not told: then all is told.
        let last = conversation.states.last();
        let told = last.filter(|(at, _)| *at != UNTOLD).map(|(_, s)| s);
        let fields = fields(conversation, &state, told);
        let known = conversation.states.last().map(|(_, s)| s) == Some(&state);
        let tell = now && conversation.member && fields.is_some();
        if tell {
            let fields = fields.expect("checked above");
            self.tell(Entry::State {
                conversation: id.to_owned(),
                fields,
            });
        }
        let position = if tell { self.position() } else { UNTOLD };
        if tell || !known {
            self.conversation(id).states.push((position, state));
        }
    }

    /// An edit or a recall; the newest version is told.
    fn change(&mut self, id: &str, seq: u64, state: &'static str, body: Value, rng: &mut Rng) {
        self.commits += 1;
        let position = self.next_position(id);
        let conversation = self.conversation(id);
        let member = conversation.member;
        let Some(post) = conversation.posts.get_mut(&seq) else {
            return;
        };
        let version = post.newest().version + rng.between(1, 2);
        post.copies.push(Copy {
            position,
            version,
            state,
            body,
        });
        if member {
            self.tell(Entry::Update {
                conversation: id.to_owned(),
                seq,
                version,
            });
        }
        let now = rng.chance(50) || self.prompt;
        self.tell_state(id, now);
    }

    /// Somebody edits or recalls a message of theirs.
    pub fn change_any(&mut self, id: &str, rng: &mut Rng) -> Option<u64> {
        let seqs: Vec<u64> = self
            .conversation(id)
            .living()
            .filter(|p| p.newest().state != "recalled")
            .map(|p| p.seq)
            .collect();
        let recent = &seqs[seqs.len().saturating_sub(15)..];
        let from = if rng.chance(70) { recent } else { &seqs };
        let seq = *rng.pick(from)?;
        if rng.chance(30) {
            self.change(id, seq, "recalled", Value::Null, rng);
        } else {
            self.change(
                id,
                seq,
                "edited",
                json!(format!("edit {}", self.commits)),
                rng,
            );
        }
        Some(seq)
    }

    /// History older than some message ceases to exist.
    pub fn trim(&mut self, id: &str, rng: &mut Rng) -> Option<u64> {
        if !self.conversation(id).member {
            return None;
        }
        let seqs: Vec<u64> = self.conversation(id).living().map(|p| p.seq).collect();
        let before = *rng.pick(&seqs[..seqs.len().saturating_sub(2)])?;
        self.commits += 1;
        self.tell(Entry::Trim {
            conversation: id.to_owned(),
            before,
        });
        let position = self.position();
        for post in self.conversation(id).posts.values_mut() {
            if post.seq < before && post.trimmed.is_none() {
                post.trimmed = Some(position);
            }
        }
        self.tell_state(id, true);
        Some(before)
    }

    /// The account leaves, or comes back and finds what was written meanwhile.
    pub fn leave_or_return(&mut self, id: &str) -> bool {
        self.commits += 1;
        let member = !self.conversation(id).member;
        self.conversation(id).member = member;
        if member {
            let conversation = &self.conversations[id];
            let fields = fields(conversation, &conversation.state(), None)
                .expect("a first state has all fields");
            self.tell(Entry::State {
                conversation: id.to_owned(),
                fields,
            });
        } else {
            self.tell(Entry::Removed {
                conversation: id.to_owned(),
            });
        }
        let position = self.position();
        let conversation = self.conversation(id);
        conversation.membership.push((position, member));
        if member {
            let state = conversation.state();
            conversation.states.push((position, state));
            for post in conversation.posts.values_mut() {
                for copy in post
                    .copies
                    .iter_mut()
                    .filter(|copy| copy.position == UNTOLD)
                {
                    copy.position = position;
                }
            }
        }
        member
    }

    /// The conversation's name changes.
    pub fn rename(&mut self, id: &str) {
        self.commits += 1;
        self.conversation(id).meta += 1;
        self.tell_state(id, true);
    }

    /// Puts into the log whatever it does not say yet.
    pub fn tell_everything(&mut self) {
        let ids: Vec<String> = self.conversations.keys().cloned().collect();
        for id in ids {
            self.tell_state(&id, true);
        }
    }

    /// Something that this client is too old to understand.
    pub fn unknown_event(&mut self) {
        self.tell(Entry::Unknown);
    }

    // ------------------------------------------------------------ answers

    /// Answers as protocol.md says, from the state as it is now.
    pub fn answer(
        &mut self,
        call: &Request,
        forced: Option<Forced>,
        rng: &mut Rng,
    ) -> Result<String, Error> {
        let value = match call {
            Request::Pull { cursor, limit, .. } => {
                self.batch(cursor.as_deref(), *limit as usize, forced, rng)
            }
            Request::Conversations { after, limit, .. } => {
                self.list(after.as_deref(), *limit as usize, rng)
            }
            Request::History {
                conversation,
                limit,
                place,
                cursor,
            } => {
                let as_of = self.replica(conversation, cursor.as_deref(), rng);
                self.page(conversation, *limit as usize, *place, as_of, rng)?
            }
            Request::Send {
                conversation,
                client_id,
                body,
            } => {
                let body = serde_json::from_str(body).expect("the engine sends JSON");
                self.accept(conversation, client_id, body, rng)?
            }
            Request::Edit {
                conversation,
                message,
                client_id,
                body,
            } => {
                let body = serde_json::from_str(body).expect("the engine sends JSON");
                self.accept_change(conversation, message, Some((client_id, body)), rng)?
            }
            Request::Recall {
                conversation,
                message,
            } => self.accept_change(conversation, message, None, rng)?,
            Request::MarkRead { conversation, seq } => {
                self.membership(conversation)?;
                let target = self.conversation(conversation);
                target.read_seq = target.read_seq.max(Some(seq.0));
                self.commits += 1;
                self.tell_state(conversation, true);
                return Ok(String::new());
            }
            Request::PullConversations {
                cursors,
                limit,
                only,
            } => self.batches(cursors, *limit as usize, only.as_deref(), forced, rng),
            Request::PullMailbox { limit } => self.mailbox(*limit as usize, forced, rng),
            Request::Acknowledge { deliveries, .. } => {
                self.acknowledge(deliveries);
                return Ok(String::new());
            }
            Request::Changes {
                conversation,
                since,
                from,
                to,
                limit,
                cursor,
            } => {
                let as_of = self.replica(conversation, cursor.as_deref(), rng);
                let range = (from.0, to.0);
                self.changes(conversation, since, range, *limit as usize, as_of, rng)?
            }
        };
        Ok(value.to_string())
    }

    /// The position of the replica that answers: at least the client's cursor; without one, always
    /// the primary.
    fn replica(&self, conversation: &str, cursor: Option<&str>, rng: &mut Rng) -> usize {
        let primary = self.position();
        if !self.mode.replicas {
            return primary;
        }
        let at = cursor
            .and_then(|cursor| position_of(cursor).or_else(|| position_in(cursor, conversation)));
        match at.filter(|at| *at <= primary) {
            Some(at) if rng.chance(70) => {
                // Whether the account is a member, and what it finds when it comes back, is as it
                // is now.
                let membership = &self.conversations.get(conversation);
                let entered = membership.and_then(|c| Some(c.membership.last()?.0));
                let at = at.max(entered.unwrap_or(0));
                rng.between(at as u64, primary as u64) as usize
            }
            _ => primary,
        }
    }

    fn membership(&self, id: &str) -> Result<&Conversation, Error> {
        match self.conversations.get(id) {
            Some(conversation) if conversation.member => Ok(conversation),
            Some(_) => Err(Error::from_status(403, "not a member", None)),
            None => Err(Error::from_status(404, "no such conversation", None)),
        }
    }

    fn batch(
        &self,
        cursor: Option<&str>,
        limit: usize,
        forced: Option<Forced>,
        rng: &mut Rng,
    ) -> Value {
        let end = self.position();
        let limit = limit.min(self.max_events).max(1);
        let at = cursor.and_then(position_of).filter(|at| *at <= end);
        let from = at.filter(|at| end - at <= self.overflow_after);
        let (Some(from), false) = (from, matches!(forced, Some(Forced::All))) else {
            // Too far behind, or the first sign-in: some of the newest events may still be given.
            let from = end - rng.below(5).min((end - at.unwrap_or(0)) as u64) as usize;
            let to = end.min(from + limit);
            let events: Vec<Value> = self.log[from..to]
                .iter()
                .map(|e| self.event(e, rng))
                .collect();
            return json!({ "events": events, "cursor": cursor_text(to), "hasMore": to < end, "overflow": "all" });
        };
        let to = end.min(from + limit);
        let mut batch = json!({ "cursor": cursor_text(to), "hasMore": to < end });
        let mut skipped: Vec<String> = Vec::new();
        if let Some(Forced::Some(ids)) = forced {
            skipped = ids
                .into_iter()
                .filter(|id| self.conversations[id].member)
                .collect();
        }
        // Of the conversations that overflow, only what comes after `resume` is given.
        let resume = rng.between(from as u64, to as u64) as usize;
        let mut events = Vec::new();
        for (at, entry) in (from..).zip(&self.log[from..to]) {
            let left_out = at < resume
                && entry
                    .conversation()
                    .is_some_and(|id| skipped.iter().any(|s| s == id));
            if !left_out {
                events.push(self.event(entry, rng));
            }
        }
        if !skipped.is_empty() {
            if rng.chance(50) {
                for id in &skipped {
                    let conversation = &self.conversations[id];
                    let fields = fields(conversation, &conversation.state(), None)
                        .expect("a first state has all fields");
                    events.push(json!({ "type": "conversation", "conversation": fields }));
                }
            }
            batch["overflow"] = json!(skipped);
        }
        batch["events"] = json!(events);
        batch
    }

    /// The answer to a pull with a cursor for each conversation.
    fn batches(
        &self,
        cursors: &[(String, String)],
        limit: usize,
        only: Option<&[String]>,
        forced: Option<Forced>,
        rng: &mut Rng,
    ) -> Value {
        let limit = limit.min(self.max_events).max(1);
        let cursors: BTreeMap<&String, &String> = cursors.iter().map(|(id, c)| (id, c)).collect();
        let mut ids: Vec<&String> = match only {
            Some(only) => only.iter().collect(),
            None => {
                let members = self.conversations.values().filter(|c| c.member);
                let asked: BTreeSet<&String> = members
                    .map(|c| &c.id)
                    .chain(cursors.keys().copied())
                    .collect();
                asked.into_iter().collect()
            }
        };
        // In any order: none has to wait for another.
        for n in (1..ids.len()).rev() {
            ids.swap(n, rng.below(n as u64 + 1) as usize);
        }
        let mut answers = Map::new();
        let mut more = false;
        for id in ids {
            let cursor = cursors.get(id).map(|cursor| cursor.as_str());
            let Some(conversation) = self.conversations.get(id) else {
                continue;
            };
            let at = cursor.and_then(|cursor| position_in(cursor, id));
            let fails = self.failing.as_ref() == Some(id) || rng.chance(self.sick);
            let nothing =
                conversation.member && at.is_some_and(|at| self.next_of(id, at) == self.position());
            // What fails for ever is said with each answer: it would come last for ever.
            let said = self.failing.as_ref() == Some(id);
            if answers.len() >= self.max_batches && !said {
                more |= !nothing;
                continue;
            }
            if fails {
                let mut error = json!({ "code": "unavailable", "message": "the simulation's" });
                if rng.chance(30) && self.failing.is_none() {
                    error["retryAfter"] = json!(rng.between(1, 20) * 1000);
                }
                answers.insert(id.clone(), json!({ "error": error }));
                continue;
            }
            let overflows = match &forced {
                Some(Forced::All) => true,
                Some(Forced::Some(ids)) => ids.contains(id),
                None => false,
            };
            if nothing && !overflows && rng.chance(70) {
                continue;
            }
            let batch = if conversation.member {
                self.batch_of(conversation, at, limit, overflows, rng)
            } else if cursor.is_some() {
                json!({
                    "events": [{ "type": "removed", "conversation": id }],
                    "cursor": cursor_in(id, self.position()), "hasMore": false,
                })
            } else {
                json!({ "error": { "code": "forbidden", "message": "not a member", "status": 403 } })
            };
            answers.insert(id.clone(), batch);
        }
        let mut answer = json!({ "conversations": answers });
        if more || rng.chance(20) {
            answer["hasMore"] = json!(more);
        }
        answer
    }

    /// What one conversation's log says after its cursor. `at`: None where it has none that the
    /// server can place.
    fn batch_of(
        &self,
        conversation: &Conversation,
        at: Option<usize>,
        limit: usize,
        overflows: bool,
        rng: &mut Rng,
    ) -> Value {
        let id = &conversation.id;
        let places = &self.places[id];
        let after = |at: usize| &places[places.partition_point(|place| *place < at)..];
        let behind = at.map(|at| after(at).len());
        let overflows = overflows || behind.is_none_or(|behind| behind > self.overflow_after);
        let mut rest = after(at.unwrap_or(0));
        let mut events = Vec::new();
        if overflows {
            // Some of the newest may still be given; nothing of before the account came back.
            let entered = conversation.membership.last().map_or(0, |(at, _)| *at);
            let newest = rng.below(5).min(rest.len() as u64) as usize;
            rest = &rest[rest.len() - newest..];
            rest = &rest[rest.partition_point(|place| *place + 1 < entered)..];
            if rng.chance(50) {
                let fields = fields(conversation, &conversation.state(), None)
                    .expect("a first state has all fields");
                events.push(json!({ "type": "conversation", "conversation": fields }));
            }
        }
        let (given, left) = rest.split_at(rest.len().min(limit));
        for place in given {
            if rng.chance(3) {
                events.push(self.event(&Entry::Unknown, rng));
            }
            events.push(self.event(&self.log[*place], rng));
        }
        // A cursor may be anywhere before what is still to come.
        let from = given.last().map_or(at.unwrap_or(0), |place| place + 1);
        let to = match left.first() {
            Some(next) => rng.between(from as u64, *next as u64) as usize,
            None => self.position(),
        };
        let mut batch = json!({
            "events": events, "cursor": cursor_in(id, to), "hasMore": !left.is_empty(),
        });
        if overflows {
            batch["overflow"] = json!([id]);
        }
        batch
    }

    fn is_dropped(&self, place: usize) -> bool {
        self.dropped.as_ref().is_some_and(|dropped| {
            let of = self.log[place].conversation();
            let concerned = match &dropped.conversations {
                None => true,
                Some(ids) => of.is_some_and(|of| ids.iter().any(|id| id == of)),
            };
            concerned && place < dropped.upto && !self.acknowledged.contains(&place)
        })
    }

    /// The mailbox lets go of what it has not delivered: of these conversations, or of all.
    fn drop_deliveries(&mut self, conversations: Option<Vec<String>>) {
        if self.dropped.is_some() {
            return;
        }
        self.receipts += 1;
        self.dropped = Some(Dropped {
            receipt: format!("o{}", self.receipts),
            conversations,
            upto: self.position(),
        });
    }

    /// Places in the log that are to be delivered, from `from` on.
    fn deliverable(&self, from: usize) -> Vec<usize> {
        (from..self.log.len())
            .filter(|place| !self.acknowledged.contains(place) && !self.is_dropped(*place))
            .collect()
    }

    /// Whether the account has acknowledged everything.
    pub fn mailbox_is_empty(&self) -> bool {
        self.dropped.is_none() && self.deliverable(0).is_empty()
    }

    fn delivery_of(&self, place: usize, rng: &mut Rng) -> Value {
        let mut event = self.event(&self.log[place], rng);
        event["delivery"] = json!(delivery(place));
        event
    }

    fn mailbox(&mut self, limit: usize, forced: Option<Forced>, rng: &mut Rng) -> Value {
        let limit = limit.min(self.max_events).max(1);
        match forced {
            Some(Forced::All) => self.drop_deliveries(None),
            Some(Forced::Some(ids)) if !ids.is_empty() => self.drop_deliveries(Some(ids)),
            _ => {}
        }
        if self.deliverable(0).len() > self.overflow_after {
            self.dropped = None;
            self.drop_deliveries(None);
        }
        let mut events = Vec::new();
        if rng.chance(self.again) {
            let old: Vec<usize> = self.taken.iter().copied().collect();
            let from = rng.below(old.len() as u64 + 1) as usize;
            let count = rng.between(1, 4) as usize;
            for place in old.into_iter().skip(from).take(count) {
                events.push(self.delivery_of(place, rng));
            }
        }
        let mut answer = json!({});
        if let Some(dropped) = &self.dropped {
            answer["overflow"] = match &dropped.conversations {
                None => json!("all"),
                Some(ids) => json!(ids),
            };
            events.push(json!({ "type": "overflow", "delivery": dropped.receipt }));
        }
        let places = self.deliverable(0);
        for place in places.iter().take(limit) {
            events.push(self.delivery_of(*place, rng));
        }
        answer["events"] = json!(events);
        answer["hasMore"] = json!(places.len() > limit);
        answer
    }

    fn acknowledge(&mut self, deliveries: &[String]) {
        for name in deliveries {
            if let Some(place) = name.strip_prefix('d').and_then(|place| place.parse().ok()) {
                self.acknowledged.insert(place);
                self.taken.insert(place);
            } else if let Some(dropped) = self.dropped.as_ref().filter(|d| d.receipt == *name) {
                let gone: Vec<usize> = (0..dropped.upto)
                    .filter(|at| self.is_dropped(*at))
                    .collect();
                self.acknowledged.extend(gone);
                self.dropped = None;
            }
        }
    }

    /// Whether events can be told inline: while an overflow waits to be fetched, nothing is.
    pub fn can_push(&self) -> bool {
        self.dropped.is_none()
    }

    /// The frames that tell a range of the log, of up to `size` events each.
    pub fn pushes(&self, (from, end): (usize, usize), size: usize, rng: &mut Rng) -> Vec<String> {
        if self.mode.scope == Scope::Mailbox {
            let mut places = self.deliverable(from);
            places.retain(|place| *place < end);
            let frames = places.chunks(size.max(1)).map(|places| {
                let events: Vec<Value> =
                    places.iter().map(|at| self.delivery_of(*at, rng)).collect();
                json!({ "type": "push", "events": events }).to_string()
            });
            return frames.collect();
        }
        let starts = (from..end).step_by(size.max(1));
        let frames = starts.map(|at| {
            let to = end.min(at + size.max(1));
            let events: Vec<Value> = self.log[at..to]
                .iter()
                .map(|e| self.event(e, rng))
                .collect();
            let (prev, cursor) = (cursor_text(at), cursor_text(to));
            json!({ "type": "push", "prev": prev, "cursor": cursor, "events": events }).to_string()
        });
        frames.collect()
    }

    /// What changed in a range of a conversation since a cursor.
    fn changes(
        &self,
        id: &str,
        since: &str,
        (from, to): (u64, u64),
        limit: usize,
        as_of: usize,
        rng: &mut Rng,
    ) -> Result<Value, Error> {
        let conversation = self.membership(id)?;
        let gone = || Error::from_status(410, "the log does not reach back", None);
        let since = match self.mode.scope {
            Scope::Account => position_of(since),
            Scope::Conversation => position_in(since, id),
            Scope::Mailbox => None,
        };
        let since = since
            .filter(|since| *since <= self.position())
            .ok_or_else(gone)?;
        let trimmed = self.log[since..as_of.max(since)].iter().any(|entry| {
            matches!(entry, Entry::Trim { conversation, before } if conversation == id && *before > from)
        });
        let left = conversation.membership.iter().any(|(at, _)| *at > since);
        if trimmed || left || self.position() - since > self.changes_reach {
            return Err(gone());
        }
        let limit = limit.min(self.max_page).max(1);
        let mut copies: Vec<(&Post, &Copy)> = conversation
            .copies_at(as_of)
            .filter(|(post, copy)| (from..=to).contains(&post.seq) && copy.position > since)
            .collect();
        let more = copies.len() > limit;
        copies.truncate(limit);
        let messages: Vec<Value> = copies
            .into_iter()
            .map(|(post, copy)| message_value(id, post, copy, rng))
            .collect();
        Ok(json!({ "messages": messages, "hasMore": more }))
    }

    fn event(&self, entry: &Entry, rng: &mut Rng) -> Value {
        match entry {
            Entry::Message {
                conversation,
                seq,
                version,
                prev,
            } => {
                let message = self.message(conversation, *seq, *version, rng);
                let mut event = json!({ "type": "message", "message": message });
                if let Some(prev) = prev {
                    event["prev"] = prev.map_or(Value::Null, |seq| seq_value(seq, rng));
                }
                event
            }
            Entry::Update {
                conversation,
                seq,
                version,
            } => {
                json!({ "type": "update", "message": self.message(conversation, *seq, *version, rng) })
            }
            Entry::State {
                conversation: _,
                fields,
            } => json!({ "type": "conversation", "conversation": fields }),
            Entry::Removed { conversation } => {
                json!({ "type": "removed", "conversation": conversation })
            }
            Entry::Trim {
                conversation,
                before,
            } => {
                json!({ "type": "trim", "conversation": conversation, "before": seq_value(*before, rng) })
            }
            Entry::Unknown => json!({ "type": "typing", "conversation": 7 }),
        }
    }

    /// The version that was asked for, or the newest: a server may give either.
    fn message(&self, id: &str, seq: u64, version: u64, rng: &mut Rng) -> Value {
        let post = &self.conversations[id].posts[&seq];
        let as_of = post.copies.iter().find(|copy| copy.version >= version);
        let copy = if rng.chance(30) {
            post.newest()
        } else {
            as_of.unwrap_or(post.newest())
        };
        message_value(id, post, copy, rng)
    }

    fn list(&self, after: Option<&str>, limit: usize, rng: &mut Rng) -> Value {
        let mut all: Vec<&Conversation> =
            self.conversations.values().filter(|c| c.member).collect();
        all.sort_by(|a, b| b.sort.cmp(&a.sort).then_with(|| a.id.cmp(&b.id)));
        let place = |c: &Conversation| format!("{}/{}", c.sort, c.id);
        if let Some((sort, id)) = after.and_then(|after| after.split_once('/')) {
            let sort: u64 = sort.parse().unwrap_or(0);
            all.retain(|c| c.sort < sort || (c.sort == sort && c.id.as_str() > id));
        }
        let limit = limit.min(self.max_page.div_ceil(3)).max(1);
        let next = (all.len() > limit).then(|| place(all[limit - 1]));
        all.truncate(limit);
        let conversations: Vec<Value> = all
            .into_iter()
            .map(|c| {
                let mut value = fields(c, &c.state(), None).expect("a first state has all fields");
                value["x-unknown"] = json!(rng.below(9));
                value
            })
            .collect();
        json!({ "conversations": conversations, "next": next })
    }

    fn page(
        &self,
        id: &str,
        limit: usize,
        place: Place,
        as_of: usize,
        rng: &mut Rng,
    ) -> Result<Value, Error> {
        let conversation = self.membership(id)?;
        let posts: Vec<(&Post, &Copy)> = conversation.copies_at(as_of).collect();
        let limit = limit.min(self.max_page).max(1);
        let middle = |at: usize| {
            let from = at
                .saturating_sub(limit / 2)
                .min(posts.len().saturating_sub(limit));
            (from, posts.len().min(from + limit))
        };
        let (from, to) = match place {
            Place::Latest => (posts.len().saturating_sub(limit), posts.len()),
            Place::Before(seq) => {
                let to = posts.partition_point(|(post, _)| post.seq < seq.0);
                (to.saturating_sub(limit), to)
            }
            Place::After(seq) => {
                let from = posts.partition_point(|(post, _)| post.seq <= seq.0);
                (from, posts.len().min(from + limit))
            }
            Place::Around(seq) => middle(posts.partition_point(|(post, _)| post.seq < seq.0)),
            Place::At(time) => {
                let first = posts.iter().position(|(post, _)| post.created_at >= time);
                middle(first.unwrap_or(posts.len()))
            }
        };
        let messages: Vec<Value> = posts[from..to]
            .iter()
            .map(|(post, copy)| message_value(id, post, copy, rng))
            .collect();
        Ok(json!({ "messages": messages, "hasBefore": from > 0, "hasAfter": to < posts.len() }))
    }

    fn accept(
        &mut self,
        id: &str,
        client_id: &str,
        body: Value,
        rng: &mut Rng,
    ) -> Result<Value, Error> {
        let conversation = self.membership(id)?;
        let same = conversation
            .living()
            .find(|p| p.client_id.as_deref() == Some(client_id));
        let seq = match same {
            Some(post) if post.copies[0].body != body => {
                return Err(Error::from_status(
                    409,
                    "the same clientId with another body",
                    None,
                ));
            }
            Some(post) => post.seq,
            None => {
                let seq = self.hand_out(id, rng);
                let draft = Draft {
                    sender: ACCOUNT,
                    client_id: Some(client_id.to_owned()),
                    created_at: self.wall,
                    body,
                };
                self.commit(id, seq, draft, rng);
                seq
            }
        };
        let post = &self.conversations[id].posts[&seq];
        Ok(json!({ "message": message_value(id, post, post.newest(), rng) }))
    }

    /// `edit`: its `clientId` and body; None: a recall.
    fn accept_change(
        &mut self,
        id: &str,
        message: &str,
        edit: Option<(&String, Value)>,
        rng: &mut Rng,
    ) -> Result<Value, Error> {
        let conversation = self.membership(id)?;
        let post = conversation.living().find(|post| post.id == message);
        let post = post.ok_or_else(|| Error::from_status(404, "no such message", None))?;
        if post.sender != ACCOUNT {
            return Err(Error::from_status(403, "not your message", None));
        }
        let (seq, recalled) = (post.seq, post.newest().state == "recalled");
        match edit {
            Some((client_id, _)) if post.edits.contains(client_id) => {}
            Some(_) if recalled => return Err(Error::from_status(409, "recalled", None)),
            Some((client_id, body)) => {
                self.change(id, seq, "edited", body, rng);
                let edits = &mut self
                    .conversation(id)
                    .posts
                    .get_mut(&seq)
                    .expect("found above")
                    .edits;
                edits.push(client_id.clone());
            }
            None if recalled => {}
            None => self.change(id, seq, "recalled", Value::Null, rng),
        }
        let post = &self.conversations[id].posts[&seq];
        Ok(json!({ "message": message_value(id, post, post.newest(), rng) }))
    }
}

/// A seq in either form of the wire; above 2^53 only as text.
fn seq_value(seq: u64, rng: &mut Rng) -> Value {
    if seq < 1 << 53 && rng.chance(70) {
        json!(seq)
    } else {
        json!(seq.to_string())
    }
}

fn message_value(id: &str, post: &Post, copy: &Copy, rng: &mut Rng) -> Value {
    let mut value = json!({
        "id": post.id, "conversation": id, "seq": seq_value(post.seq, rng), "sender": post.sender,
        "createdAt": post.created_at, "version": copy.version, "state": copy.state, "body": copy.body,
    });
    if let (Some(client_id), ACCOUNT) = (&post.client_id, post.sender) {
        value["clientId"] = json!(client_id);
    }
    value
}

/// The fields that a reader of `told` lacks; all of them where the conversation moves in the list,
/// or is new. None: nothing changed.
fn fields(conversation: &Conversation, state: &State, told: Option<&State>) -> Option<Value> {
    // A partial state of a conversation that moved could be all that a reader of the paged list
    // ever sees of it.
    let told = told.filter(|told| told.sort == state.sort);
    let seq = |seq: Option<u64>| seq.map_or(Value::Null, |seq| json!(seq.to_string()));
    let mut map = Map::new();
    let mut put = |name: &str, changed: bool, value: &dyn Fn() -> Value| {
        if told.is_none() || changed {
            map.insert(name.to_owned(), value());
        }
    };
    put(
        "unread",
        told.is_some_and(|t| t.unread != state.unread),
        &|| json!(state.unread),
    );
    put(
        "lastSeq",
        told.is_some_and(|t| t.last_seq != state.last_seq),
        &|| seq(state.last_seq),
    );
    put(
        "readSeq",
        told.is_some_and(|t| t.read_seq != state.read_seq),
        &|| seq(state.read_seq),
    );
    put("sort", false, &|| json!(state.sort));
    put("meta", told.is_some_and(|t| t.meta != state.meta), &|| {
        state.meta.clone()
    });
    put(
        "lastMessage",
        told.is_some_and(|t| t.last_message != state.last_message),
        &|| {
            state.last_message.map_or(Value::Null, |(seq, _)| {
                let post = &conversation.posts[&seq];
                message_value(&conversation.id, post, post.newest(), &mut Rng::new(seq))
            })
        },
    );
    if map.is_empty() {
        return None;
    }
    map.insert("id".to_owned(), json!(conversation.id));
    Some(Value::Object(map))
}
