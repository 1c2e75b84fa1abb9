//! What is committed, read as the next start would read it, against the model: the cursor is never
//! ahead of the data (R9), and every segment is true (docs/rules.md, "Segments").
//!
//! [`Disk`] keeps beside the bytes what they mean, so that looking at it after every step costs
//! little; at the end of a history everything is read from the bytes again, and must be the same.

mod disk;
mod segments;

pub use disk::{Disk, Spoilt};

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use pullcord::core::Limits;
use pullcord::core::records::{self, Held, Meta, MetaRecord, OutboxRecord, Stamp};
use pullcord::core::segments::Segment;
use pullcord::core::storage::{Key, Table};
use pullcord::core::types::MessageState;
use pullcord::core::{block, types};

use super::check::{Checked, is_copy};
use super::coverage::Reached;
use super::facade::Message;
use super::mode::Scope;
use super::server::{Applied, Conversation, Server, position_in, position_of};

/// What a record means.
#[derive(Debug)]
enum Record {
    Meta(Meta),
    /// a conversation's cursor
    Cursor(String, String),
    Held(String, Held),
    Block(Block),
    Deliveries(Vec<String>),
    Stamp(Stamp),
    /// an own message's name, and its place in the order
    Local(String, u64),
    /// what the app is shown of it is checked there
    Other,
}

#[derive(Debug)]
struct Block {
    messages: Vec<Message>,
    bytes: usize,
    /// its messages were compared with the server's
    compared: Cell<bool>,
}

impl Record {
    fn read(table: Table, value: &[u8]) -> Result<Record, String> {
        let unread = |_| format!("a record of {} that cannot be read", table.name());
        let text = |name: &Rc<str>| name.to_string();
        Ok(match table {
            Table::Meta => match records::read_meta(value).map_err(unread)? {
                MetaRecord::Meta(meta) => Record::Meta(meta),
                MetaRecord::Cursor(id, cursor) => Record::Cursor(text(&id), cursor),
                MetaRecord::Stamp(stamp) => Record::Stamp(stamp),
                _ => Record::Other,
            },
            Table::Segments => {
                let (id, held) = records::read_held(value).map_err(unread)?;
                Record::Held(text(&id), held)
            }
            Table::Deliveries => {
                let (_, names) = records::read_deliveries(value).map_err(unread)?;
                Record::Deliveries(names.iter().map(text).collect())
            }
            Table::Outbox => match records::read_outbox(value).map_err(unread)? {
                OutboxRecord::Local(local) => Record::Local(local.client_id, local.order),
                _ => Record::Other,
            },
            Table::Blocks | Table::Conversations | Table::Wishes => Record::Other,
        })
    }

    /// A block does not say by itself whose it is; its key does.
    fn read_block(key: &[u8], value: &[u8]) -> Result<Record, String> {
        let id = key
            .get(4..key.len().saturating_sub(8))
            .and_then(|id| std::str::from_utf8(id).ok())
            .ok_or("a block's key that cannot be read")?;
        let block = block::decode(&id.into(), value)
            .map_err(|_| format!("a block of {id} that cannot be read"))?;
        let messages: Result<Vec<Message>, String> =
            block.iter().map(|message| plain(message)).collect();
        Ok(Record::Block(Block {
            messages: messages?,
            bytes: value.len(),
            compared: Cell::new(false),
        }))
    }
}

impl Block {
    /// Each message is a copy of the server's. It does not change, so this is looked at once.
    fn compare(&self, conversation: &Conversation) -> Checked {
        if self.compared.get() {
            return Ok(());
        }
        for message in &self.messages {
            is_copy(message, conversation)?;
        }
        self.compared.set(true);
        Ok(())
    }
}

type Records = BTreeMap<(Table, Key), Rc<Record>>;

/// What one commit left, and what follows from it. A client keeps that of its own last commit or
/// read: what another one has written since, it does not know.
#[derive(Clone, Default)]
pub struct Stored {
    records: Records,
    deliveries: OnceCell<Applied>,
    /// where it is, since the server last moved
    at: RefCell<Option<(u64, Positions)>>,
    /// where it was when another client's commit followed: what that one acknowledges says nothing of
    /// who has not read it
    followed_at: OnceCell<Positions>,
    /// the list is owed, or something that it lacked is not decided
    pub undecided: bool,
    /// the list was paid by pages that were read when the server was here, at the latest
    pub paid_at: usize,
    /// each conversation's state is not older than this position
    pub states_at: BTreeMap<String, usize>,
}

impl Stored {
    /// What a commit says of the states that it leaves.
    fn conclude(&mut self, server: &Server) {
        let positions = self.positions(server);
        // A first sign-in, where the account's record was lost: the server says again what was so then.
        for (id, at) in &mut self.states_at {
            *at = positions.of(id).min(*at);
        }
        if self.owed() || !self.suspects().is_empty() {
            self.undecided = true;
            return;
        }
        if std::mem::take(&mut self.undecided) {
            self.paid_at = server.position();
        }
        // What moved while the pages were read, the pull after them brings.
        for id in server.conversations.keys() {
            let position = positions.of(id);
            if position < self.paid_at {
                continue;
            }
            match self.states_at.get_mut(id) {
                Some(at) => *at = position,
                None => _ = self.states_at.insert(id.clone(), position),
            }
        }
    }

    fn of(&self, table: Table) -> impl Iterator<Item = &Record> {
        let records = self.records.range((table, Key::new())..);
        records
            .take_while(move |((of, _), _)| *of == table)
            .map(|(_, record)| &**record)
    }

    fn get(&self, table: Table, key: Key) -> Option<&Record> {
        self.records.get(&(table, key)).map(|record| &**record)
    }

    fn meta(&self) -> Option<&Meta> {
        match self.get(Table::Meta, records::meta_key()) {
            Some(Record::Meta(meta)) => Some(meta),
            _ => None,
        }
    }

    fn held(&self, conversation: &str) -> Option<&Held> {
        match self.get(Table::Segments, records::conversation_key(conversation)) {
            Some(Record::Held(_, held)) => Some(held),
            _ => None,
        }
    }

    /// What is held at this position.
    pub fn message(&self, conversation: &str, seq: u64) -> Option<&Message> {
        let blocks = &self.held(conversation)?.blocks;
        let at = blocks.iter().find(|b| b.lo <= seq && seq <= b.hi)?;
        let block = self.block(conversation, at.lo)?;
        block.messages.iter().find(|m| m.seq == seq)
    }

    fn block(&self, conversation: &str, lo: u64) -> Option<&Block> {
        match self.get(Table::Blocks, records::block_key(conversation, lo)) {
            Some(Record::Block(block)) => Some(block),
            _ => None,
        }
    }

    /// The committed cursors of the conversations (scope "conversation").
    pub fn cursors(&self) -> BTreeMap<&str, &str> {
        let cursors = self.of(Table::Meta).filter_map(|record| match record {
            Record::Cursor(id, cursor) => Some((id.as_str(), cursor.as_str())),
            _ => None,
        });
        cursors.collect()
    }

    /// The mailbox deliveries that are committed (R10).
    pub fn deliveries(&self) -> &Applied {
        self.deliveries.get_or_init(|| {
            let records = self
                .of(Table::Deliveries)
                .filter_map(|record| match record {
                    Record::Deliveries(names) => Some(names),
                    _ => None,
                });
            Applied::new(records.flatten())
        })
    }

    /// What is committed is true as of these positions: the cursor's, or, where there is none for the
    /// whole account, that of what is lacking first of each conversation.
    pub fn positions(&self, server: &Server) -> Positions {
        if let Some(positions) = self.followed_at.get() {
            return positions.clone();
        }
        let mut at = self.at.borrow_mut();
        match &*at {
            Some((moved, positions)) if *moved == server.moved => positions.clone(),
            _ => {
                let positions = self.positions_now(server);
                *at = Some((server.moved, positions.clone()));
                positions
            }
        }
    }

    /// What is acknowledged from here on says nothing of who has this.
    pub fn stays(&self, server: &Server) {
        let _ = self.followed_at.set(self.positions(server));
    }

    fn positions_now(&self, server: &Server) -> Positions {
        let ids = server.conversations.keys();
        let each = match server.mode.scope {
            Scope::Account => BTreeMap::new(),
            Scope::Conversation => {
                let cursors = self.cursors();
                let position = |id: &String| {
                    let cursor = cursors.get(id.as_str());
                    let cursor = cursor.and_then(|cursor| position_in(cursor, id));
                    server.next_of(id, cursor.unwrap_or(0))
                };
                ids.map(|id| (id.clone(), position(id))).collect()
            }
            Scope::Mailbox => {
                let applied = self.deliveries();
                ids.map(|id| (id.clone(), server.first_lacking(id, applied)))
                    .collect()
            }
        };
        let cursor = self.meta().and_then(|meta| meta.cursor.as_deref());
        Positions {
            all: cursor.and_then(position_of).unwrap_or(0),
            each: Rc::new(each),
        }
    }

    /// As of where what is held of a conversation is true, of one that is at this position: something
    /// may be missing since an answer of which something had to be left out, until it is revalidated.
    pub fn trusted(&self, conversation: &str, position: usize) -> usize {
        match self.held(conversation) {
            Some(held) => self.trusted_of(conversation, held, position),
            None => position,
        }
    }

    fn trusted_of(&self, conversation: &str, held: &Held, position: usize) -> usize {
        let marks = self.meta().map_or(&[][..], |meta| &meta.marks).iter();
        let marks = marks.filter(|mark| mark.number > held.marks);
        let doubts = marks.map(|mark| &mark.since).chain(&held.doubt);
        let doubts = doubts.map(|cursor| since(cursor, conversation));
        doubts.fold(position, usize::min)
    }

    /// The kept segments of a conversation: their ends, and the position as of which they are true.
    pub fn kept(&self, conversation: &str) -> Vec<(u64, u64, usize)> {
        let segments = self.held(conversation).map(|held| held.segments.iter());
        segments
            .into_iter()
            .flatten()
            .filter_map(|s| Some((s.lo, s.hi, since(s.since.as_ref()?, conversation))))
            .collect()
    }

    /// Which bounds it has come to.
    pub fn bounds(&self, limits: &Limits, reached: &mut Reached) {
        let deliveries = self.deliveries().len();
        reached.note_if(deliveries >= limits.deliveries, "remembered deliveries");
        for record in self.of(Table::Segments) {
            let Record::Held(_, held) = record else {
                continue;
            };
            let segments = held.segments.iter().count();
            reached.note_if(segments >= limits.segments, "segments of a conversation");
            for entry in &held.blocks {
                let full = entry.count as usize >= limits.block_messages;
                reached.note_if(full, "messages of a block");
                let full = entry.bytes as usize + 100 >= limits.block_bytes;
                reached.note_if(full, "bytes of a block");
            }
        }
    }

    /// Of the newest commit.
    pub fn stamp(&self) -> Stamp {
        match self.get(Table::Meta, records::stamp_key()) {
            Some(Record::Stamp(stamp)) => *stamp,
            _ => Stamp::default(),
        }
    }

    /// The names of the own messages that are in the outbox.
    pub fn outbox(&self) -> BTreeSet<&str> {
        let locals = self.of(Table::Outbox).filter_map(|record| match record {
            Record::Local(client_id, _) => Some(client_id.as_str()),
            _ => None,
        });
        locals.collect()
    }

    /// The same, each with its place.
    pub fn places(&self) -> impl Iterator<Item = (&str, u64)> {
        self.of(Table::Outbox).filter_map(|record| match record {
            Record::Local(client_id, place) => Some((client_id.as_str(), *place)),
            _ => None,
        })
    }

    /// Whether the conversation list is owed: since an overflow its states were not read again (R4).
    pub fn owed(&self) -> bool {
        self.meta().is_some_and(|meta| meta.owed)
    }

    /// Conversations that the list lacked, and of which the next pull is to decide (R11).
    pub fn suspects(&self) -> &[String] {
        self.meta().map_or(&[], |meta| &meta.suspects)
    }

    /// The versions of a conversation's messages that are committed.
    pub fn versions<'a>(&'a self, conversation: &'a str) -> Versions<'a> {
        Versions {
            stored: self,
            conversation,
            held: self.held(conversation),
            last: Cell::new(None),
        }
    }

    /// How many messages are held of this stretch, where all of it is held and fresh.
    pub fn held_of(&self, conversation: &str, (lo, hi): (u64, u64)) -> Option<usize> {
        let held = self.held(conversation)?;
        let within = |s: &&Segment| s.hi >= lo && s.lo <= hi;
        let fresh = held.segments.iter().filter(within).all(Segment::fresh);
        if !fresh || !held.segments.covers((lo, hi)) {
            return None;
        }
        let blocks = held.blocks.iter();
        let blocks = blocks.filter_map(|entry| self.block(conversation, entry.lo));
        let messages = blocks.flat_map(|block| &block.messages);
        Some(messages.filter(|m| lo <= m.seq && m.seq <= hi).count())
    }

    /// Everything that a commit left behind.
    pub fn check(&self, server: &Server) -> Checked {
        let positions = self.positions(server);
        let mut indexed = 0;
        for record in self.of(Table::Segments) {
            let Record::Held(id, held) = record else {
                return Err("a record of segments that is none".to_owned());
            };
            let Some(conversation) = server.conversations.get(id) else {
                return Err(format!("segments of {id}, which does not exist"));
            };
            indexed += held.blocks.len();
            let position = self.trusted_of(id, held, positions.of(id));
            self.segments(conversation, held, position)
                .map_err(|error| {
                    format!(
                        "stored of {id}, as of {position}: {error}\n    {}",
                        draw(held)
                    )
                })?;
        }
        let blocks = self.of(Table::Blocks).count();
        if blocks != indexed {
            return Err(format!(
                "{blocks} blocks are stored, {indexed} are in an index"
            ));
        }
        Ok(())
    }

    /// What is held of each conversation, as lines.
    pub fn draw(&self) -> String {
        let held = self.of(Table::Segments).filter_map(|record| match record {
            Record::Held(id, held) => Some(format!("  {id}: {}\n", draw(held))),
            _ => None,
        });
        held.collect()
    }
}

/// Which messages of a conversation are held, and in which version.
pub struct Versions<'a> {
    stored: &'a Stored,
    conversation: &'a str,
    held: Option<&'a Held>,
    /// the block that was looked into, by its first message
    last: Cell<Option<(u64, &'a Block)>>,
}

impl Versions<'_> {
    pub fn of(&self, seq: u64) -> Option<u64> {
        let entries = &self.held?.blocks;
        let entry = entries.get(entries.partition_point(|entry| entry.hi < seq))?;
        let block = match self.last.get() {
            Some((lo, block)) if lo == entry.lo => block,
            _ => self.stored.block(self.conversation, entry.lo)?,
        };
        self.last.set(Some((entry.lo, block)));
        let messages = &block.messages;
        let at = messages.binary_search_by_key(&seq, |message| message.seq);
        Some(messages[at.ok()?].version)
    }
}

/// How far a device has come, as positions of the server's log.
#[derive(Clone, Default)]
pub struct Positions {
    /// of a conversation that is not named
    all: usize,
    each: Rc<BTreeMap<String, usize>>,
}

impl Positions {
    pub fn of(&self, conversation: &str) -> usize {
        self.each.get(conversation).copied().unwrap_or(self.all)
    }

    /// Where it has everything.
    pub fn least(&self) -> usize {
        self.each.values().min().copied().unwrap_or(self.all)
    }
}

/// The position that a kept segment names. One that was kept without any cursor promises nothing.
fn since(cursor: &str, conversation: &str) -> usize {
    let position = position_of(cursor).or_else(|| position_in(cursor, conversation));
    position.unwrap_or(0)
}

/// Segments as a line: `[1 9] · [12 30]>`.
pub fn draw(held: &Held) -> String {
    let segments: Vec<String> = held
        .segments
        .iter()
        .map(|s| {
            let (start, end) = (
                if s.start { "|" } else { "[" },
                if s.live { "]>" } else { "]" },
            );
            let stale = if s.since.is_some() { "?" } else { "" };
            format!("{start}{} {}{end}{stale}", s.lo, s.hi)
        })
        .collect();
    segments.join(" · ")
}

/// A stored message, as the lists show it.
fn plain(message: &types::Message) -> Result<Message, String> {
    Ok(Message {
        id: message.id.clone(),
        conversation: message.conversation.to_string(),
        seq: message.seq.0,
        sender: message.sender.clone(),
        created_at: message.created_at,
        version: message.version,
        state: match message.state {
            MessageState::Normal => "normal",
            MessageState::Edited => "edited",
            MessageState::Recalled => "recalled",
            MessageState::Unreadable => "unreadable",
        }
        .to_owned(),
        body: serde_json::from_str(&message.body)
            .map_err(|error| format!("a body that is no JSON: {error}"))?,
        client_id: message.client_id.clone(),
    })
}
