//! The records of the database: their keys, and their bytes. [`super::block`] has the messages.
//!
//! Every record is checked ([`super::codec`]) and names what it belongs to. JSON inside where fields
//! will come and go; varints where size counts.

use std::rc::Rc;

use super::block::BlockRef;
use super::codec::{Corrupt, Reader, Writer};
use super::error::Error;
use super::json;
use super::node::{Node, missing};
use super::segments::{Segment, Segments};
use super::storage::{Key, Read, Table, Value};
use super::types::{Conversation, Message, MessageState};

/// Format version of the records here.
const FORMAT: u8 = 1;

/// What is known of the account as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// the account's cursor: applied up to here; none before the first sign-in, and in other scopes
    pub cursor: Option<String>,
    /// a first pull was applied in this scope
    pub begun: bool,
    /// whose cursor it is; another scope counts as a first sign-in
    pub scope: String,
    /// the whole list was fetched once
    pub listed: bool,
    /// the list must be fetched again (R11)
    pub owed: bool,
    /// conversations that the fetched list lacked, and no event has named since (R11)
    pub suspects: Vec<String>,
    /// the account's id, as the first answer that named one said it
    pub account: Option<Rc<str>>,
    /// doubts of which no conversation was named, oldest first (R14)
    pub marks: Vec<Mark>,
}

impl Meta {
    /// The number of the last mark.
    pub fn last_mark(&self) -> Option<u64> {
        self.marks.last().map(|mark| mark.number)
    }
}

/// Something may be missing in any conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// higher than that of every mark before it
    pub number: u64,
    /// the cursor from which on it may be missing
    pub since: String,
}

/// Names a commit (R9, R15): who looks at one that another client made knows whether it lacks any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// the writer's: the higher one is the newer writer
    pub epoch: u64,
    /// raised by each commit, whoever made it
    pub number: u64,
}

/// A new message of another that no visible client has shown: a push tells it, once (docs/rules.md, "Told once").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// where
    pub conversation: Rc<str>,
    /// its position there
    pub seq: u64,
    /// the telling that has told it; 0: none has yet
    pub told: u64,
}

/// The end of a conversation's history, as a state of it said (`lastSeq`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastKnown {
    /// it has no message
    Empty,
    /// its newest message is here
    At(u64),
}

impl LastKnown {
    /// `last`: the newest message's position; none: there is none.
    pub fn of(last: Option<u64>) -> LastKnown {
        last.map_or(LastKnown::Empty, LastKnown::At)
    }

    /// The newest message's position, if there is one.
    pub fn position(self) -> Option<u64> {
        match self {
            LastKnown::Empty => None,
            LastKnown::At(last) => Some(last),
        }
    }
}

/// What the client holds of one conversation's history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// the intervals in which nothing is missing
    pub segments: Segments,
    /// its blocks, oldest first; each lies within one segment
    pub blocks: Vec<BlockRef>,
    /// the highest position ever seen (R2)
    pub seen: Option<u64>,
    /// the end of the history, by the state that was read since the last overflow (R2); none: none was
    pub last_known: Option<LastKnown>,
    /// something may be missing, from this cursor on: revalidated as soon as that may be (R14)
    pub doubt: Option<String>,
    /// the last of the account's marks that was taken
    pub marks: u64,
}

impl Held {
    /// Whether it is to be revalidated and is not yet: its own doubt, or a mark on the account.
    pub fn is_doubtful(&self, meta: &Meta) -> bool {
        let marked = meta.last_mark().is_some_and(|last| last > self.marks);
        !self.segments.is_empty() && (self.doubt.is_some() || marked)
    }

    /// Whether its blocks ascend, hold something, and each lies within one segment.
    pub fn is_sound(&self) -> bool {
        let ascending = self.blocks.windows(2).all(|pair| pair[0].hi < pair[1].lo);
        let within = |b: &BlockRef| {
            let segment = self.segments.containing(b.lo);
            b.lo <= b.hi && b.count > 0 && segment.is_some_and(|s| s.hi >= b.hi)
        };
        ascending && self.blocks.iter().all(within)
    }

    /// The entry of the block that begins at this position.
    pub fn block(&self, lo: u64) -> Option<&BlockRef> {
        let at = self.blocks.binary_search_by_key(&lo, |b| b.lo).ok()?;
        self.blocks.get(at)
    }

    /// Messages held.
    pub fn messages(&self) -> u64 {
        self.blocks.iter().map(|b| u64::from(b.count)).sum()
    }

    /// Start of the oldest block that is needed to have the live segment's newest `count` messages, or
    /// as many as there are; `None`: nothing is live.
    pub fn newest_from(&self, count: usize) -> Option<u64> {
        let live = self.segments.live()?;
        let mut from = None;
        let mut found = 0;
        for b in self.blocks.iter().rev().take_while(|b| b.lo >= live.lo) {
            if found >= count {
                break;
            }
            found += b.count as usize;
            from = Some(b.lo);
        }
        from
    }
}

/// Where an own message stands on its way (R8). "sending" is the engine's: it is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalState {
    /// to be sent
    Queued,
    /// the server has it, the sync has not brought it yet
    Sent,
    /// the server refused it for good
    Failed,
}

/// Names an own message: its conversation and `clientId`. What is said of one names it so: where it
/// stands may be another's place by then.
pub type Name = (Rc<str>, String);

/// An own message that has left the outbox (R8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// which
    pub name: Name,
    /// the server has it; else it was discarded
    pub delivered: bool,
}

/// An own message that the sync has not brought yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// its place among all own messages, in the order written; never given again
    pub order: u64,
    /// where to
    pub conversation: Rc<str>,
    /// its name across retries
    pub client_id: String,
    /// JSON text
    pub body: Box<str>,
    /// ms since the epoch, this device's clock
    pub created_at: u64,
    /// where it stands on its way
    pub state: LocalState,
    /// how often it was tried
    pub attempts: u32,
    /// how often in a row no answer came in time
    pub silences: u32,
    /// how often the server failed over it (5xx)
    pub faults: u32,
    /// since the first of those the server has taken another message of this account
    pub overtaken: bool,
    /// the sync may have passed it since it was first tried: see [`Local::is_lost`]
    pub lost: bool,
    /// the newest position known when it was written
    pub after: Option<u64>,
    /// the server's answer; none where that could not be read
    pub message: Option<Rc<Message>>,
    /// why it failed, or why it is still on its way
    pub error: Option<Error>,
}

impl Local {
    /// The name by which it is spoken of.
    pub fn name(&self) -> Name {
        (self.conversation.clone(), self.client_id.clone())
    }

    /// Whether it is to be sent; a lost one, to hear once more what the server said of it.
    pub fn waits(&self) -> bool {
        self.state == LocalState::Queued || self.is_lost()
    }

    /// The server has it, what it said of it could not be read, and the sync may have passed it: the
    /// server is asked once more.
    pub fn is_lost(&self) -> bool {
        self.state == LocalState::Sent && self.lost
    }

    /// The server may have it, and nothing is known of what it made of it: an overflow may pass it.
    pub fn may_be_passed(&self) -> bool {
        let is_there = self.state == LocalState::Sent || self.attempts > 0;
        is_there && self.message.is_none()
    }

    /// Whether this is its name.
    pub fn is(&self, (conversation, client_id): &Name) -> bool {
        self.conversation == *conversation && self.client_id == *client_id
    }

    /// The key of its item in every list.
    pub fn key(&self) -> String {
        format!("c:{}", self.client_id)
    }

    /// Whether an app sees no difference: what else there is is not shown.
    pub fn looks_like(&self, other: &Local) -> bool {
        self.client_id == other.client_id
            && self.conversation == other.conversation
            && self.state == other.state
            && self.created_at == other.created_at
            && self.attempts == other.attempts
            && self.body == other.body
            && self.message == other.message
            && self.error == other.error
    }
}

/// The key of [`Meta`].
pub fn meta_key() -> Key {
    b"m".to_vec()
}

/// The key of the newest commit's [`Stamp`].
pub fn stamp_key() -> Key {
    b"n".to_vec()
}

/// The key of the [`News`], in [`Table::Meta`].
pub fn news_key() -> Key {
    b"t".to_vec()
}

/// The key of when a conversation was last opened, in [`Table::Meta`].
pub fn opened_key(conversation: &str) -> Key {
    [b"o", conversation.as_bytes()].concat()
}

/// The key of a conversation's cursor, in [`Table::Meta`].
pub fn cursor_key(conversation: &str) -> Key {
    [b"c", conversation.as_bytes()].concat()
}

/// Whose cursor has this key in [`Table::Meta`].
pub fn cursor_of(key: &[u8]) -> Option<Rc<str>> {
    key.strip_prefix(b"c").and_then(conversation_of)
}

/// The first key after all conversations' cursors.
pub fn cursor_end() -> Key {
    b"d".to_vec()
}

/// The key of a batch of deliveries that were applied: in the order of their commits.
pub fn deliveries_key(number: u64) -> Key {
    number.to_be_bytes().to_vec()
}

/// The key of a conversation's records.
pub fn conversation_key(conversation: &str) -> Key {
    conversation.as_bytes().to_vec()
}

/// The key of the block whose first message is at `lo`. The length first, so that no conversation's
/// blocks lie between another's.
pub fn block_key(conversation: &str, lo: u64) -> Key {
    let mut key = Vec::with_capacity(4 + conversation.len() + 8);
    key.extend_from_slice(&(conversation.len() as u32).to_be_bytes());
    key.extend_from_slice(conversation.as_bytes());
    key.extend_from_slice(&lo.to_be_bytes());
    key
}

/// The key of an own message: in the order written.
pub fn local_key(order: u64) -> Key {
    [&b"m"[..], &order.to_be_bytes()].concat()
}

/// The key of a conversation's read mark that the server has not confirmed.
pub fn mark_key(conversation: &str) -> Key {
    [b"r", conversation.as_bytes()].concat()
}

/// The key of the place of the next own message, in [`Table::Meta`].
pub fn next_key() -> Key {
    b"q".to_vec()
}

/// The key of own messages that have left the outbox.
pub fn left_key(number: u64) -> Key {
    [&b"l"[..], &number.to_be_bytes()].concat()
}

/// The key of a wish: in the order of the clock, and of one client in the order written.
pub fn wish_key(at: u64, client: u64, number: u64) -> Key {
    [at, client, number].map(u64::to_be_bytes).concat()
}

/// Whose wish it is, by its key.
pub fn wish_client(key: &[u8]) -> Option<u64> {
    let (client, _) = key.get(8..)?.split_first_chunk()?;
    Some(u64::from_be_bytes(*client))
}

/// When a wish was stored, by its key.
pub fn wish_time(key: &[u8]) -> Option<u64> {
    let (at, _) = key.split_first_chunk()?;
    Some(u64::from_be_bytes(*at))
}

/// The conversation and the position of a block's first message, by its key.
pub fn block_of(key: &[u8]) -> Option<(Rc<str>, u64)> {
    let (_, rest) = key.split_at_checked(4)?;
    let (id, lo) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
    let lo = u64::from_be_bytes(lo.try_into().ok()?);
    Some((conversation_of(id)?, lo))
}

/// Whose opening has this key in [`Table::Meta`].
pub fn opened_of(key: &[u8]) -> Option<Rc<str>> {
    key.strip_prefix(b"o").and_then(conversation_of)
}

/// Whose read mark has this key in [`Table::Outbox`].
pub fn mark_of(key: &[u8]) -> Option<Rc<str>> {
    key.strip_prefix(b"r").and_then(conversation_of)
}

/// The number of a record of names that have left the outbox, by its key.
pub fn left_number(key: &[u8]) -> Option<u64> {
    deliveries_number(key.strip_prefix(b"l")?)
}

/// The number of a record of deliveries, by its key.
pub fn deliveries_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

/// The order of an own message, by its key.
pub fn local_order(key: &[u8]) -> Option<u64> {
    let order = key.strip_prefix(b"m")?.try_into().ok()?;
    Some(u64::from_be_bytes(order))
}

/// The conversation of a record, by its key.
pub fn conversation_of(key: &[u8]) -> Option<Rc<str>> {
    std::str::from_utf8(key).ok().map(Rc::from)
}

/// How many of the reads of [`load`], the first ones, are of values; the others are of keys.
pub const LOADED: usize = 6;

/// How many reads [`load`] has.
pub const LOADS: usize = 10;

/// The reads that load everything but the messages; then the keys of what is lost by name.
pub fn load() -> Vec<Read> {
    let mut reads: Vec<Read> = [
        Table::Meta,
        Table::Conversations,
        Table::Segments,
        Table::Outbox,
        Table::Deliveries,
        Table::Wishes,
    ]
    .map(|table| Read::All { table })
    .into();
    let named = [
        Table::Conversations,
        Table::Segments,
        Table::Outbox,
        Table::Wishes,
    ];
    reads.extend(named.map(|table| Read::Keys { table }));
    debug_assert_eq!(reads.len(), LOADS);
    reads
}

fn seal(kind: u64, text: &str) -> Value {
    let mut w = Writer::new(FORMAT, text.len() + 8);
    w.number(kind);
    w.text(text);
    w.finish()
}

fn unseal(bytes: &[u8]) -> Result<(u64, &str), Corrupt> {
    let mut r = Reader::new(FORMAT, bytes)?;
    let kind = r.number()?;
    let text = r.text()?;
    r.end()?;
    Ok((kind, text))
}

const META: u64 = 0;
const OPENED: u64 = 1;
const LOCAL: u64 = 2;
const MARK: u64 = 3;
const STATE: u64 = 4;
const CURSOR: u64 = 5;
const DELIVERIES: u64 = 6;
const STAMP: u64 = 7;
const NEXT: u64 = 8;
const LEFT: u64 = 9;
const RETRY: u64 = 10;
const DISCARD: u64 = 11;
const NEWS: u64 = 12;

/// A record of [`Table::Meta`].
pub enum MetaRecord {
    /// the account
    Meta(Meta),
    /// when a conversation was last opened, ms since the epoch
    Opened(Rc<str>, u64),
    /// a conversation's cursor (scope "conversation")
    Cursor(Rc<str>, String),
    /// the newest commit
    Stamp(Stamp),
    /// the place of the next own message
    Next(u64),
    /// what a push has told, or is to tell
    News(Vec<News>),
}

/// The bytes of [`Meta`].
pub fn write_meta(meta: &Meta) -> Value {
    let mut text = String::from("{");
    if let Some(cursor) = &meta.cursor {
        json::field(&mut text, "cursor");
        json::string(&mut text, cursor);
    }
    json::field(&mut text, "scope");
    json::string(&mut text, &meta.scope);
    for (name, flag) in [
        ("begun", meta.begun),
        ("listed", meta.listed),
        ("owed", meta.owed),
    ] {
        json::field(&mut text, name);
        json::flag(&mut text, flag);
    }
    json::field(&mut text, "suspects");
    text.push('[');
    for id in &meta.suspects {
        json::next(&mut text);
        json::string(&mut text, id);
    }
    text.push(']');
    if let Some(account) = &meta.account {
        json::field(&mut text, "account");
        json::string(&mut text, account);
    }
    // Numbers and cursors, in turn.
    json::field(&mut text, "marks");
    text.push('[');
    for mark in &meta.marks {
        json::next(&mut text);
        json::number(&mut text, mark.number);
        json::next(&mut text);
        json::string(&mut text, &mark.since);
    }
    text.push_str("]}");
    seal(META, &text)
}

/// `[conversation, number]`.
fn pair(conversation: &str, number: u64) -> String {
    let mut text = String::from("[");
    json::string(&mut text, conversation);
    text.push(',');
    json::number(&mut text, number);
    text.push(']');
    text
}

fn read_pair(text: &str) -> Result<(Rc<str>, u64), Corrupt> {
    match Node::stored(text) {
        Ok(Node::List(list)) => match &list[..] {
            [Node::Text(id), number] => match number.as_whole() {
                Some(number) => Ok((Rc::from(&**id), number)),
                None => Err(Corrupt),
            },
            _ => Err(Corrupt),
        },
        _ => Err(Corrupt),
    }
}

/// The bytes of when a conversation was opened.
pub fn write_opened(conversation: &str, at: u64) -> Value {
    seal(OPENED, &pair(conversation, at))
}

/// The bytes of a commit's stamp.
pub fn write_stamp(stamp: Stamp) -> Value {
    let mut text = String::from("[");
    json::number(&mut text, stamp.epoch);
    text.push(',');
    json::number(&mut text, stamp.number);
    text.push(']');
    seal(STAMP, &text)
}

fn read_stamp(text: &str) -> Result<Stamp, Corrupt> {
    match Node::stored(text) {
        Ok(Node::List(list)) => match &list[..] {
            [epoch, number] => match (epoch.as_whole(), number.as_whole()) {
                (Some(epoch), Some(number)) => Ok(Stamp { epoch, number }),
                _ => Err(Corrupt),
            },
            _ => Err(Corrupt),
        },
        _ => Err(Corrupt),
    }
}

/// Reads a record of [`Table::Meta`].
pub fn read_meta(bytes: &[u8]) -> Result<MetaRecord, Corrupt> {
    match unseal(bytes)? {
        (STAMP, text) => read_stamp(text).map(MetaRecord::Stamp),
        (NEXT, text) => text.parse().map(MetaRecord::Next).map_err(|_| Corrupt),
        (META, text) => parse_meta(text).map(MetaRecord::Meta).map_err(|_| Corrupt),
        (OPENED, text) => read_pair(text).map(|(id, at)| MetaRecord::Opened(id, at)),
        (CURSOR, text) => match &read_texts(text)?[..] {
            [id, cursor] => Ok(MetaRecord::Cursor(id.clone(), cursor.to_string())),
            _ => Err(Corrupt),
        },
        (NEWS, text) => read_news(text).map(MetaRecord::News),
        _ => Err(Corrupt),
    }
}

fn write_texts<'a>(kind: u64, texts: impl Iterator<Item = &'a str>) -> Value {
    let mut list = String::from("[");
    for text in texts {
        json::next(&mut list);
        json::string(&mut list, text);
    }
    list.push(']');
    seal(kind, &list)
}

fn read_texts(text: &str) -> Result<Vec<Rc<str>>, Corrupt> {
    let Ok(Node::List(list)) = Node::stored(text) else {
        return Err(Corrupt);
    };
    let text = |node: &Node| match node {
        Node::Text(text) => Ok(Rc::from(&**text)),
        _ => Err(Corrupt),
    };
    list.iter().map(text).collect()
}

/// The bytes of what a push has told, or is to tell.
pub fn write_news(news: &[News]) -> Value {
    let numbers = news.iter().map(|n| [n.seq.to_string(), n.told.to_string()]);
    let numbers: Vec<_> = numbers.collect();
    let texts = news.iter().zip(&numbers);
    let texts = texts.flat_map(|(n, [seq, told])| [&*n.conversation, seq, told]);
    write_texts(NEWS, texts)
}

fn read_news(text: &str) -> Result<Vec<News>, Corrupt> {
    let number = |text: &str| text.parse().map_err(|_| Corrupt);
    let one = |texts: &[Rc<str>]| match texts {
        [conversation, seq, told] => Ok(News {
            conversation: conversation.clone(),
            seq: number(seq)?,
            told: number(told)?,
        }),
        _ => Err(Corrupt),
    };
    read_texts(text)?.chunks(3).map(one).collect()
}

/// The bytes of a conversation's cursor.
pub fn write_cursor(conversation: &str, cursor: &str) -> Value {
    write_texts(CURSOR, [conversation, cursor].into_iter())
}

/// The bytes of deliveries that were applied in one commit, the number of their record first.
pub fn write_deliveries<'a>(number: u64, deliveries: impl Iterator<Item = &'a Rc<str>>) -> Value {
    let number = number.to_string();
    let names = deliveries.map(|name| &**name);
    write_texts(DELIVERIES, [&*number].into_iter().chain(names))
}

/// Reads deliveries that were applied in one commit, and the number of their record.
pub fn read_deliveries(bytes: &[u8]) -> Result<(u64, Vec<Rc<str>>), Corrupt> {
    let (DELIVERIES, text) = unseal(bytes)? else {
        return Err(Corrupt);
    };
    let mut names = read_texts(text)?;
    let number = names.first().and_then(|number| number.parse().ok());
    let number = number.ok_or(Corrupt)?;
    names.remove(0);
    Ok((number, names))
}

fn marks(node: Option<&Node>) -> Result<Vec<Mark>, Error> {
    let list = node.and_then(Node::as_list).unwrap_or_default();
    let mark = |pair: &[Node]| match pair {
        [number, since] => Some(Mark {
            number: number.as_whole()?,
            since: since.as_text()?.to_owned(),
        }),
        _ => None,
    };
    let marks: Option<Vec<Mark>> = list.chunks(2).map(mark).collect();
    marks.ok_or_else(|| missing("marks", "numbers and cursors"))
}

fn parse_meta(text: &str) -> Result<Meta, Error> {
    let node = Node::stored(text)?;
    Ok(Meta {
        cursor: node.optional_text("cursor")?.map(str::to_owned),
        // A record from before there were other scopes does not say it.
        begun: node.is_set("begun") || node.some("cursor").is_some(),
        scope: node.text("scope")?.to_owned(),
        listed: node.is_set("listed"),
        owed: node.is_set("owed"),
        suspects: node.texts("suspects")?,
        account: node.optional_text("account")?.map(Rc::from),
        marks: marks(node.get("marks"))?,
    })
}

/// The bytes of a conversation's state.
pub fn write_conversation(conversation: &Conversation) -> Value {
    let mut text = String::new();
    json::stored_conversation(&mut text, conversation);
    seal(STATE, &text)
}

/// Reads a conversation's state.
pub fn read_conversation(bytes: &[u8]) -> Result<Conversation, Corrupt> {
    match unseal(bytes)? {
        (STATE, text) => parse_conversation(text).map_err(|_| Corrupt),
        _ => Err(Corrupt),
    }
}

/// Reads a message that was stored as JSON.
fn parse_message(node: &Node) -> Result<Rc<Message>, Error> {
    let text = |name: &str| node.text(name).map(str::to_owned);
    let body = match node.get("body") {
        Some(Node::Raw(body) | Node::Deep(body)) => *body,
        _ => return Err(missing("body", "there")),
    };
    let repairs = node.optional_whole("repairs")?.unwrap_or(0);
    Ok(Rc::new(Message {
        id: text("id")?,
        conversation: node.text("conversation")?.into(),
        seq: node
            .optional_seq("seq")?
            .ok_or_else(|| missing("seq", "a seq"))?,
        sender: text("sender")?,
        created_at: node.whole("createdAt")?,
        version: node.whole("version")?,
        state: match node.text("state")? {
            "normal" => MessageState::Normal,
            "edited" => MessageState::Edited,
            "recalled" => MessageState::Recalled,
            "unreadable" => MessageState::Unreadable,
            _ => return Err(missing("state", "one of this version")),
        },
        body: body.into(),
        client_id: node.optional_text("clientId")?.map(str::to_owned),
        repairs: u8::try_from(repairs).map_err(|_| missing("repairs", "a small number"))?,
    }))
}

/// Reads a conversation that was stored as JSON.
fn parse_conversation(text: &str) -> Result<Conversation, Error> {
    let node = Node::stored(text)?;
    let exact = node.optional_whole("sortBits")?.map(f64::from_bits);
    Ok(Conversation {
        id: node.text("id")?.into(),
        unread: node.optional_whole("unread")?.unwrap_or(0),
        last_seq: node.optional_seq("lastSeq")?,
        read_seq: node.optional_seq("readSeq")?,
        sort: match exact.filter(|sort| sort.is_finite()) {
            Some(sort) => sort,
            None => node.optional_number("sort")?.unwrap_or(0.0),
        },
        last_message: node.some("lastMessage").map(parse_message).transpose()?,
        meta: match node.get("meta") {
            Some(Node::Raw(meta) | Node::Deep(meta)) => (*meta).into(),
            _ => "null".into(),
        },
    })
}

/// A record of [`Table::Outbox`].
#[derive(Debug, PartialEq, Eq)]
pub enum OutboxRecord {
    /// an own message
    Local(Local),
    /// a read mark
    Mark(Rc<str>, u64),
    /// own messages that have left the outbox in one commit, the number of their record first
    Left(u64, Vec<Left>),
}

/// The bytes of an own message.
pub fn write_local(local: &Local) -> Value {
    let mut text = String::new();
    text.push('{');
    json::field(&mut text, "order");
    json::number(&mut text, local.order);
    json::field(&mut text, "conversation");
    json::string(&mut text, &local.conversation);
    json::field(&mut text, "clientId");
    json::string(&mut text, &local.client_id);
    json::field(&mut text, "body");
    text.push_str(&local.body);
    json::field(&mut text, "createdAt");
    json::number(&mut text, local.created_at);
    json::field(&mut text, "state");
    text.push_str(match local.state {
        LocalState::Queued => "\"queued\"",
        LocalState::Sent => "\"sent\"",
        LocalState::Failed => "\"failed\"",
    });
    for (name, count) in [
        ("attempts", local.attempts),
        ("silences", local.silences),
        ("faults", local.faults),
    ] {
        json::field(&mut text, name);
        json::number(&mut text, u64::from(count));
    }
    for (name, flag) in [("overtaken", local.overtaken), ("lost", local.lost)] {
        json::field(&mut text, name);
        json::flag(&mut text, flag);
    }
    if let Some(after) = local.after {
        json::field(&mut text, "after");
        json::number(&mut text, after);
    }
    if let Some(message) = &local.message {
        json::field(&mut text, "message");
        json::stored_message(&mut text, message);
    }
    if let Some(error) = &local.error {
        json::field(&mut text, "error");
        json::error(&mut text, Some(error));
    }
    text.push('}');
    seal(LOCAL, &text)
}

/// The bytes of a read mark.
pub fn write_mark(conversation: &str, seq: u64) -> Value {
    seal(MARK, &pair(conversation, seq))
}

/// The bytes of the place of the next own message.
pub fn write_next(next: u64) -> Value {
    seal(NEXT, &next.to_string())
}

/// The bytes of own messages that have left the outbox in one commit.
pub fn write_left(number: u64, left: &[Left]) -> Value {
    let number = number.to_string();
    let mut texts = vec![&*number];
    for left in left {
        let how = if left.delivered { "d" } else { "" };
        texts.extend([&*left.name.0, &*left.name.1, how]);
    }
    write_texts(LEFT, texts.into_iter())
}

fn read_left(text: &str) -> Result<OutboxRecord, Corrupt> {
    let texts = read_texts(text)?;
    let (number, names) = texts.split_first().ok_or(Corrupt)?;
    let number = number.parse().map_err(|_| Corrupt)?;
    let left = |name: &[Rc<str>]| match name {
        [conversation, client_id, how] => Ok(Left {
            name: (conversation.clone(), client_id.to_string()),
            delivered: !how.is_empty(),
        }),
        _ => Err(Corrupt),
    };
    let left: Result<_, _> = names.chunks(3).map(left).collect();
    Ok(OutboxRecord::Left(number, left?))
}

/// Reads a record of [`Table::Outbox`].
pub fn read_outbox(bytes: &[u8]) -> Result<OutboxRecord, Corrupt> {
    match unseal(bytes)? {
        (LOCAL, text) => parse_local(text)
            .map(OutboxRecord::Local)
            .map_err(|_| Corrupt),
        (MARK, text) => read_pair(text).map(|(id, seq)| OutboxRecord::Mark(id, seq)),
        (LEFT, text) => read_left(text),
        _ => Err(Corrupt),
    }
}

fn parse_local(text: &str) -> Result<Local, Error> {
    let node = Node::stored(text)?;
    // A record from before they were counted does not say it.
    let count = |name: &str| -> Result<u32, Error> {
        let count = node.optional_whole(name)?.unwrap_or(0);
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    };
    Ok(Local {
        order: node.whole("order")?,
        conversation: node.text("conversation")?.into(),
        client_id: node.text("clientId")?.to_owned(),
        body: match node.get("body") {
            Some(Node::Raw(body) | Node::Deep(body)) => (*body).into(),
            _ => return Err(missing("body", "there")),
        },
        created_at: node.whole("createdAt")?,
        state: match node.text("state")? {
            "queued" => LocalState::Queued,
            "sent" => LocalState::Sent,
            "failed" => LocalState::Failed,
            _ => return Err(missing("state", "queued, sent or failed")),
        },
        attempts: count("attempts")?,
        silences: count("silences")?,
        faults: count("faults")?,
        overtaken: node.is_set("overtaken"),
        lost: node.is_set("lost"),
        after: node.optional_whole("after")?,
        message: node.some("message").map(parse_message).transpose()?,
        error: node.some("error").map(Error::from_json),
    })
}

/// What a client that does not write wants done: stored by itself, then as good as done (R15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// an own message is to be sent; its place is given by the writer
    Send(Local),
    /// a failed one is to be tried again
    Retry(Named),
    /// one is to be taken out
    Discard(Named),
    /// a conversation was read up to here
    Mark(Rc<str>, u64),
}

/// Own messages of a `clientId`: in one conversation, or in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// only there
    pub conversation: Option<String>,
    /// see there
    pub client_id: String,
}

impl Named {
    /// Whether this own message is one of them.
    pub fn names(&self, local: &Local) -> bool {
        let here = self.conversation.as_deref();
        here.is_none_or(|id| *local.conversation == *id) && local.client_id == self.client_id
    }
}

/// The bytes of a wish.
pub fn write_wish(wish: &Wish) -> Value {
    let named = |kind, named: &Named| {
        let texts = [Some(&*named.client_id), named.conversation.as_deref()];
        write_texts(kind, texts.into_iter().flatten())
    };
    match wish {
        Wish::Send(local) => write_local(local),
        Wish::Retry(which) => named(RETRY, which),
        Wish::Discard(which) => named(DISCARD, which),
        Wish::Mark(id, seq) => write_mark(id, *seq),
    }
}

/// Reads a wish.
pub fn read_wish(bytes: &[u8]) -> Result<Wish, Corrupt> {
    let named = |text| match &read_texts(text)?[..] {
        [client_id, conversation @ ..] => Ok(Named {
            conversation: conversation.first().map(|id| id.to_string()),
            client_id: client_id.to_string(),
        }),
        [] => Err(Corrupt),
    };
    match unseal(bytes)? {
        (RETRY, text) => named(text).map(Wish::Retry),
        (DISCARD, text) => named(text).map(Wish::Discard),
        _ => match read_outbox(bytes)? {
            OutboxRecord::Local(local) => Ok(Wish::Send(local)),
            OutboxRecord::Mark(id, seq) => Ok(Wish::Mark(id, seq)),
            OutboxRecord::Left(..) => Err(Corrupt),
        },
    }
}

/// The bytes of what is held of a conversation.
pub fn write_held(conversation: &str, held: &Held) -> Value {
    let mut w = Writer::new(FORMAT, conversation.len() + held.blocks.len() * 8 + 64);
    w.text(conversation);
    let position = |w: &mut Writer, position: Option<u64>| {
        w.number(u64::from(position.is_some()));
        if let Some(position) = position {
            w.number(position);
        }
    };
    position(&mut w, held.seen);
    w.number(u64::from(held.last_known.is_some()));
    if let Some(last) = held.last_known {
        position(&mut w, last.position());
    }
    w.number(held.segments.iter().count() as u64);
    for s in held.segments.iter() {
        w.number(s.lo);
        w.number(s.hi - s.lo);
        w.number(u64::from(s.live) | u64::from(s.start) << 1);
        w.option(s.since.as_deref());
    }
    w.number(held.blocks.len() as u64);
    let mut last = 0;
    for b in &held.blocks {
        w.number(b.lo - last);
        w.number(b.hi - b.lo);
        w.number(u64::from(b.count));
        w.number(u64::from(b.bytes));
        last = b.hi;
    }
    w.option(held.doubt.as_deref());
    w.number(held.marks);
    w.finish()
}

/// Reads what is held of a conversation.
pub fn read_held(bytes: &[u8]) -> Result<(Rc<str>, Held), Corrupt> {
    let mut r = Reader::new(FORMAT, bytes)?;
    let conversation: Rc<str> = r.text()?.into();
    let position = |r: &mut Reader| -> Result<Option<u64>, Corrupt> {
        if r.flag()? {
            r.number().map(Some)
        } else {
            Ok(None)
        }
    };
    let seen = position(&mut r)?;
    let last_known = if r.flag()? {
        Some(LastKnown::of(position(&mut r)?))
    } else {
        None
    };
    let mut segments = Vec::new();
    for _ in 0..r.count()? {
        let lo = r.number()?;
        let hi = lo.checked_add(r.number()?).ok_or(Corrupt)?;
        let flags = r.number()?;
        let since = r.option()?.map(str::to_owned);
        segments.push(Segment {
            lo,
            hi,
            live: flags & 1 != 0,
            start: flags & 2 != 0,
            since,
        });
    }
    let segments = Segments::restore(segments).ok_or(Corrupt)?;
    let mut blocks: Vec<BlockRef> = Vec::new();
    for i in 0..r.count()? {
        let last = blocks.last().map_or(0, |b| b.hi);
        let step = r.number()?;
        let lo = last.checked_add(step).ok_or(Corrupt)?;
        let hi = lo.checked_add(r.number()?).ok_or(Corrupt)?;
        let count = u32::try_from(r.number()?).map_err(|_| Corrupt)?;
        let bytes = u32::try_from(r.number()?).map_err(|_| Corrupt)?;
        let within = segments.containing(lo).is_some_and(|s| s.hi >= hi);
        if !within || (i > 0 && step == 0) {
            return Err(Corrupt);
        }
        blocks.push(BlockRef {
            lo,
            hi,
            count,
            bytes,
        });
    }
    let doubt = r.option()?.map(str::to_owned);
    let marks = r.number()?;
    r.end()?;
    Ok((
        conversation,
        Held {
            doubt,
            marks,
            segments,
            blocks,
            seen,
            last_known,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::segments::Cover;

    #[test]
    fn what_is_held_survives_storage() {
        let mut segments = Segments::default();
        segments.add_page(Cover {
            lo: 0,
            hi: 9,
            start: true,
            end: false,
        });
        segments.add_page(Cover {
            lo: 1 << 60,
            hi: u64::MAX,
            start: false,
            end: true,
        });
        let block = |lo, hi| BlockRef {
            lo,
            hi,
            count: 2,
            bytes: 70,
        };
        let held = Held {
            segments,
            blocks: vec![block(0, 4), block(5, 9), block((1 << 60) + 4, u64::MAX)],
            seen: Some(u64::MAX),
            last_known: Some(LastKnown::Empty),
            doubt: Some("4".into()),
            marks: 7,
        };
        let (id, back) = read_held(&write_held("#c", &held)).unwrap();
        assert_eq!((&*id, back), ("#c", held));
    }

    #[test]
    fn what_a_conversation_is_sorted_by_survives_storage() {
        // Found by fuzzing.
        for sort in [
            "1795884521795884528.68",
            "-1.5",
            "1e-320",
            "17952222222222222222222222e90",
        ] {
            let text = format!(r#"{{"id":"c","sort":{sort}}}"#);
            let conversation = parse_conversation(&text).unwrap();
            let back = read_conversation(&write_conversation(&conversation)).unwrap();
            assert_eq!(back, conversation);
        }
    }

    #[test]
    fn an_own_message_survives_storage() {
        let local = Local {
            order: 7,
            conversation: "c".into(),
            client_id: "k\"".into(),
            body: r#"{"text":"é"}"#.into(),
            created_at: 5,
            state: LocalState::Failed,
            attempts: 7,
            silences: 2,
            faults: 4,
            overtaken: true,
            lost: true,
            after: Some(u64::MAX),
            message: None,
            error: Some(Error::from_status(422, "no", None)),
        };
        match read_outbox(&write_local(&local)).unwrap() {
            OutboxRecord::Local(back) => assert_eq!(back, local),
            _ => panic!("another record"),
        }
    }

    #[test]
    fn names_that_have_left_survive_storage() {
        let left = |client_id: &str, delivered| Left {
            name: ("c\"".into(), client_id.to_owned()),
            delivered,
        };
        let both = vec![left("a", true), left("", false)];
        for some in [both, Vec::new()] {
            match read_outbox(&write_left(u64::MAX, &some)).unwrap() {
                OutboxRecord::Left(number, back) => assert_eq!((number, back), (u64::MAX, some)),
                _ => panic!("another record"),
            }
        }
        match read_meta(&write_next(u64::MAX)).unwrap() {
            MetaRecord::Next(next) => assert_eq!(next, u64::MAX),
            _ => panic!("another record"),
        }
    }

    #[test]
    fn no_conversations_blocks_lie_between_anothers() {
        let lo = block_key("ab", 0);
        let hi = block_key("ab", u64::MAX);
        for other in ["a", "abc", "ab\0\0\0\0\0\0\0\0", "b", ""] {
            let key = block_key(other, 5);
            assert!(key < lo || key > hi, "{other:?}");
        }
    }
}
