//! What is committed, read as the next start would read it, against the model: the cursor is never
//! ahead of the data (R9), and every segment is true (docs/rules.md, "Segments").
//!
//! [`Disk`] keeps beside the bytes what they mean, so that looking at it after every step costs
//! little; at the end of a history everything is read from the bytes again, and must be the same.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use pullcord::core::Limits;
use pullcord::core::records::{self, Held, Meta, MetaRecord, OutboxRecord, Stamp, Wish};
use pullcord::core::segments::Segment;
use pullcord::core::storage::{Answer, Durability, Key, Read, StoreError, Table, Value, Write};
use pullcord::core::types::MessageState;
use pullcord::core::{block, types};
use pullcord::store::Memory;

use super::check::{Checked, is_copy, is_new_enough};
use super::coverage::Reached;
use super::device::Full;
use super::facade::Message;
use super::mode::Scope;
use super::rng::Rng;
use super::server::{Applied, Conversation, Post, Server, position_in, position_of};

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

/// What could not be read at some time.
#[derive(Default)]
pub struct Spoilt {
    pub own: BTreeSet<String>,
    /// own messages, of which it is lost that they have left the outbox
    pub left: BTreeSet<String>,
    pub marks: bool,
    /// the account's record, or a cursor
    pub meta: bool,
}

/// A machine's disk. It outlives the tabs, and with the power it loses what was not flushed.
#[derive(Default)]
pub struct Disk {
    memory: Memory,
    pub stored: Rc<Stored>,
    /// what a power cut may leave, oldest first: as of the last strict commit, and each relaxed one
    /// since but the last. Kept where power cuts are to come only.
    unflushed: Vec<(Memory, Rc<Stored>)>,
    pub has_power_cuts: bool,
    /// clients follow: what each commit left is kept, as bytes too
    pub is_followed: bool,
    /// what each commit left, from the oldest that a client still has
    left: BTreeMap<Stamp, (Rc<Stored>, Option<Memory>)>,
}

impl Disk {
    /// An empty one in place of this one, whose epochs are above this: see `epoch_above_all`.
    pub fn anew(&self, epoch: u64) -> Self {
        Disk {
            memory: Memory::above(epoch),
            has_power_cuts: self.has_power_cuts,
            is_followed: self.is_followed,
            ..Disk::default()
        }
    }

    /// The browser deletes it, and makes an empty one where somebody opens it again.
    pub fn evict(&mut self, epoch: u64) {
        let mut empty = self.anew(epoch);
        // Clients may still have the states of before.
        empty.left = std::mem::take(&mut self.left);
        empty.remember();
        *self = empty;
    }

    pub fn read(&self, reads: &[Read]) -> Result<Vec<Answer>, StoreError> {
        self.memory.read(reads)
    }

    /// From now on one of its records cannot be read, until it is written anew, or all can again.
    /// Answers which.
    pub fn spoil(&mut self, machine: &mut Spoilt, rng: &mut Rng) -> String {
        let drawn = rng.below(10);
        let wish = self.wished().into_iter().next().filter(|_| drawn > 7);
        if let Some(key) = wish {
            return self.spoil_wish(machine, &key);
        }
        let table = match drawn {
            0..=4 => Table::Blocks,
            5 => Table::Segments,
            6 => Table::Conversations,
            7..=8 => Table::Outbox,
            _ => Table::Meta,
        };
        let records = self.stored.records.iter();
        let there: Vec<(&Key, &Rc<Record>)> = records
            .filter(|((of, key), _)| *of == table && *key != records::stamp_key())
            .map(|((_, key), record)| (key, record))
            .collect();
        let Some((key, record)) = rng.pick(&there).copied() else {
            return "nothing".to_owned();
        };
        machine.meta |= table == Table::Meta;
        match &**record {
            Record::Local(client_id, _) => _ = machine.own.insert(client_id.clone()),
            Record::Other if table == Table::Outbox => self.spoils_other(machine, key),
            _ => {}
        }
        self.memory.spoil(table, key);
        format!("{} {}", table.name(), String::from_utf8_lossy(key))
    }

    /// The value at a key, if it is there and can be read.
    fn value(&self, table: Table, key: &Key) -> Option<Value> {
        let (lo, hi) = (key.clone(), key.clone());
        let answers = self.memory.read(&[Read::Range { table, lo, hi }]);
        answers.ok()?.pop()?.values.pop()
    }

    /// A record of the outbox that is no own message: a read mark, or names that have left it.
    fn spoils_other(&self, machine: &mut Spoilt, key: &Key) {
        let value = self.value(Table::Outbox, key);
        match value.map(|value| records::read_outbox(&value)) {
            Some(Ok(OutboxRecord::Left(_, left))) => {
                let names = left.into_iter().map(|left| left.name.1);
                machine.left.extend(names);
            }
            _ => machine.marks = true,
        }
    }

    fn spoil_wish(&mut self, machine: &mut Spoilt, key: &Key) -> String {
        let table = Table::Wishes;
        let value = self.value(table, key);
        if let Some(wish) = value.and_then(|value| records::read_wish(&value).ok()) {
            match wish {
                Wish::Send(local) => _ = machine.own.insert(local.client_id),
                Wish::Retry(named) | Wish::Discard(named) => {
                    machine.own.insert(named.client_id);
                }
                Wish::Mark(..) => machine.marks = true,
            }
        }
        self.memory.spoil(table, key);
        "a wish".to_owned()
    }

    /// Everything can be read again.
    pub fn mend(&mut self) {
        self.memory.mend();
    }

    /// Whether these writes find room.
    pub fn has_room(&self, writes: &[Write], full: Full) -> bool {
        let mut after = self.memory.clone();
        let written = after.commit(writes).is_ok();
        written
            && match full {
                Full::Solid => false,
                Full::GivesNothingBack => after.bytes() < self.memory.bytes(),
                Full::Capacity(most) => {
                    after.bytes() <= most || after.bytes() < self.memory.bytes()
                }
            }
    }

    /// Bytes of all that is stored.
    pub fn bytes(&self) -> usize {
        self.memory.bytes()
    }

    /// From now on only the client that is given this epoch may write. It is on the disk.
    pub fn fence(&mut self) -> u64 {
        self.unflushed.clear();
        self.memory.fence()
    }

    /// Whether the client of this epoch may write.
    pub fn is_of(&self, epoch: u64) -> bool {
        let answers = self.memory.read(&[Read::Epoch]).unwrap_or_default();
        let mut values = answers.into_iter().flat_map(|answer| answer.values);
        values.next() == Some(epoch.to_be_bytes().to_vec())
    }

    /// Commits for the client of this epoch, and reads what was written.
    pub fn commit(
        &mut self,
        epoch: u64,
        writes: &[Write],
        durability: Durability,
        server: &Server,
    ) -> Result<Result<(), StoreError>, String> {
        let relaxed = durability == Durability::Relaxed && self.has_power_cuts;
        let before = relaxed.then(|| (self.memory.clone(), self.stored.clone()));
        if let Err(error) = self.memory.commit_of(epoch, writes) {
            return Ok(Err(error));
        }
        if durability == Durability::Strict {
            self.unflushed.clear();
        }
        self.unflushed.extend(before);
        let last = self.stored.stamp();
        if Rc::strong_count(&self.stored) > 1 {
            self.stored.stays(server);
        }
        let stored = Rc::make_mut(&mut self.stored);
        for write in writes.iter().filter(|write| write.table() != Table::Wishes) {
            match write {
                Write::Put { table, key, value } => {
                    let record = match table {
                        Table::Blocks => Record::read_block(key, value)?,
                        _ => Record::read(*table, value)?,
                    };
                    stored
                        .records
                        .insert((*table, key.clone()), Rc::new(record));
                }
                Write::Delete { table, key } => {
                    stored.records.remove(&(*table, key.clone()));
                }
                Write::DeleteRange { table, lo, hi } => {
                    stored
                        .records
                        .retain(|(of, key), _| of != table || key < lo || key > hi);
                }
            }
        }
        stored.deliveries.take();
        stored.at.take();
        stored.followed_at.take();
        let stamp = stored.stamp();
        if stamp.epoch != epoch || stamp.number != last.number + 1 {
            return Err(format!(
                "R9: a commit of epoch {epoch} after {last:?} is stamped {stamp:?}"
            ));
        }
        stored.conclude(server);
        stored.check(server)?;
        self.remember();
        Ok(Ok(()))
    }

    /// What the newest commit has left, for who knows of no newer one.
    fn remember(&mut self) {
        let memory = self.is_followed.then(|| self.memory.clone());
        let stamp = self.stored.stamp();
        self.left.insert(stamp, (self.stored.clone(), memory));
    }

    /// What was stored by this commit.
    pub fn at(&self, stamp: Stamp) -> Option<&Rc<Stored>> {
        let left = self.left.get(&stamp).map(|(stored, _)| stored);
        left.or((stamp == self.stored.stamp()).then_some(&self.stored))
    }

    /// What a client that starts would read of this commit.
    pub fn load_at(&self, stamp: Stamp) -> Option<Vec<Answer>> {
        let left = self.left.get(&stamp).map(|(_, memory)| memory.as_ref());
        let memory = match left {
            None if stamp == self.stored.stamp() => Some(&self.memory),
            left => left.flatten(),
        };
        memory?.read(&records::load()).ok()
    }

    /// No client has what an older commit left. Each that finds the database before this one lost has nothing.
    pub fn forget_before(&mut self, stamp: Stamp) {
        let nothing = Stamp::default();
        self.left.retain(|at, _| *at >= stamp || *at == nothing);
    }

    /// A client stores wishes, whoever may write. They are on the disk then.
    pub fn wish(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        self.memory.commit(writes)?;
        self.unflushed.clear();
        Ok(())
    }

    /// What is wished for, and was not taken up.
    pub fn wishes(&self) -> Result<Vec<Wish>, String> {
        let table = Table::Wishes;
        let answers = self.memory.read(&[Read::All { table }]);
        let answer = answers.map_err(|error| format!("{error:?}"))?.pop();
        let values = answer.unwrap_or_default().values;
        let wishes = values.iter().map(|value| records::read_wish(value));
        let wishes: Result<_, _> = wishes.collect();
        wishes.map_err(|_| "a wish that cannot be read".to_owned())
    }

    /// Where the messages are that a push has told, by conversation and position.
    pub fn told(&self) -> BTreeSet<(Rc<str>, u64)> {
        let record = self.value(Table::Meta, &records::news_key());
        let news = match record.map(|value| records::read_meta(&value)) {
            Some(Ok(MetaRecord::News(news))) => news,
            _ => Vec::new(),
        };
        let told = news.into_iter().filter(|news| news.told > 0);
        told.map(|news| (news.conversation, news.seq)).collect()
    }

    /// The keys of what is wished for.
    pub fn wished(&self) -> BTreeSet<Key> {
        let table = Table::Wishes;
        let answers = self.memory.read(&[Read::Keys { table }]);
        let answer = answers.unwrap_or_default().pop().unwrap_or_default();
        answer.values.into_iter().collect()
    }

    /// The power fails: of the commits since the last strict one, the newest are lost. Answers how
    /// many.
    pub fn power_cut(&mut self, rng: &mut Rng) -> usize {
        let lost = rng.below(self.unflushed.len() as u64 + 1) as usize;
        let left = self.unflushed.len() - lost;
        if let Some((memory, stored)) = self.unflushed.drain(left..).next() {
            self.memory = memory;
            self.stored = stored;
        }
        self.unflushed.clear();
        self.left.clear();
        lost
    }

    /// Reads everything from its bytes, as the next start would: it is what was written.
    pub fn reread(&self) -> Checked {
        for table in Table::ALL
            .into_iter()
            .filter(|table| *table != Table::Wishes)
        {
            let mut answers = self
                .memory
                .read(&[Read::All { table }])
                .map_err(|error| format!("{error:?}"))?;
            let values = answers.pop().unwrap_or_default().values;
            let kept = self
                .stored
                .records
                .iter()
                .filter(|((of, _), _)| *of == table);
            let again: Result<Vec<Record>, String> = kept
                .clone()
                .zip(&values)
                .map(|(((_, key), _), value)| match table {
                    Table::Blocks => Record::read_block(key, value),
                    _ => Record::read(table, value),
                })
                .collect();
            let (kept, again) = (kept.map(|(_, record)| record), again?);
            let same = |(kept, again): (&Rc<Record>, &Record)| match (&**kept, again) {
                (Record::Block(kept), Record::Block(again)) => {
                    (&kept.messages, kept.bytes) == (&again.messages, again.bytes)
                }
                (kept, again) => format!("{kept:?}") == format!("{again:?}"),
            };
            if kept.clone().count() != values.len() || !kept.zip(&again).all(same) {
                return Err(format!("{} is not what was written", table.name()));
            }
        }
        Ok(())
    }
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

    /// The messages of all blocks, each as its entry describes it.
    fn messages(
        &self,
        conversation: &Conversation,
        held: &Held,
    ) -> Result<BTreeMap<u64, &Message>, String> {
        let mut messages: BTreeMap<u64, &Message> = BTreeMap::new();
        for entry in &held.blocks {
            let block = self
                .block(&conversation.id, entry.lo)
                .filter(|block| !block.messages.is_empty())
                .ok_or_else(|| format!("the block at {} is missing", entry.lo))?;
            let (first, last) = (
                block.messages[0].seq,
                block.messages[block.messages.len() - 1].seq,
            );
            let described = (
                entry.lo,
                entry.hi,
                entry.count as usize,
                entry.bytes as usize,
            ) == (first, last, block.messages.len(), block.bytes);
            if !described {
                return Err(format!(
                    "{entry:?} describes a block of {} from {first} to {last}, {} bytes",
                    block.messages.len(),
                    block.bytes
                ));
            }
            block.compare(conversation)?;
            let mut all = block.messages.iter();
            if let Some(message) = all.find(|m| messages.insert(m.seq, m).is_some()) {
                return Err(format!("{} is stored twice", message.seq));
            }
        }
        Ok(messages)
    }

    fn segments(&self, conversation: &Conversation, held: &Held, position: usize) -> Checked {
        let messages = self.messages(conversation, held)?;
        let member = conversation.member_at(position);
        // What is kept over an overflow stays until the list says that the account has left.
        let mut holds = messages
            .keys()
            .filter_map(|seq| held.segments.containing(*seq));
        if !member && !conversation.member_since(position, true) && holds.any(|s| s.fresh()) {
            return Err("messages of a conversation that was left".to_owned());
        }
        let mut last: Option<u64> = None;
        for segment in held.segments.iter() {
            if segment.lo > segment.hi || last.is_some_and(|last| last >= segment.lo) {
                return Err("segments are not disjoint and sorted".to_owned());
            }
            last = Some(segment.hi);
            // What was true of a kept one, it says itself.
            let as_of = match &segment.since {
                None => position,
                Some(cursor) => since(cursor, &conversation.id),
            };
            if !member {
                continue;
            }
            is_complete(segment, conversation, &messages, as_of)?;
        }
        for seq in messages.keys() {
            let Some(segment) = held.segments.containing(*seq) else {
                return Err(format!("{seq} is stored outside of all segments"));
            };
            let as_of = match &segment.since {
                None => position,
                Some(cursor) => since(cursor, &conversation.id),
            };
            let trimmed = conversation.posts.get(seq).and_then(|post| post.trimmed);
            if member && trimmed.is_some_and(|at| at <= as_of) {
                return Err(format!("R7: {seq} was trimmed"));
            }
        }
        Ok(())
    }
}

/// A segment lacks nothing that the server had at this position (R1), and its marks hold.
fn is_complete(
    segment: &Segment,
    conversation: &Conversation,
    messages: &BTreeMap<u64, &Message>,
    as_of: usize,
) -> Checked {
    let (lo, hi) = (segment.lo, segment.hi);
    for post in conversation.posts.range(lo..=hi).map(|(_, post)| post) {
        match messages.get(&post.seq) {
            Some(message) => is_new_enough(message, post, as_of)?,
            None if post.is_owed_at(as_of) => {
                return Err(format!("{} is missing in [{lo}, {hi}]", post.seq));
            }
            None => {}
        }
    }
    let owed = |mut posts: std::collections::btree_map::Range<u64, Post>| {
        posts
            .find(|(_, post)| post.is_owed_at(as_of))
            .map(|(seq, _)| *seq)
    };
    let after = hi.checked_add(1).filter(|_| segment.live);
    if let Some(newer) = after.and_then(|from| owed(conversation.posts.range(from..))) {
        return Err(format!("R2: live to {hi}, and {newer} is newer"));
    }
    let before = segment.start.then(|| conversation.posts.range(..lo));
    if let Some(older) = before.and_then(owed) {
        return Err(format!("R5: start at {lo}, and {older} is older"));
    }
    Ok(())
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
