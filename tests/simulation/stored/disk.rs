//! A machine's disk: it is read, written and fenced as the store is, loses what was not flushed, and goes bad.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use pullcord::core::records::{self, MetaRecord, News, OutboxRecord, Stamp, Wish};
use pullcord::core::storage::{Answer, Durability, Key, Read, StoreError, Table, Value, Write};
use pullcord::store::Memory;

use crate::simulation::check::Checked;
use crate::simulation::device::Full;
use crate::simulation::rng::Rng;
use crate::simulation::server::Server;

use super::{Record, Stored};

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
                Wish::Send(local) => _ = machine.own.insert(local.client_id.clone()),
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

    /// The names of the own messages that are stored, also those that are wished for.
    pub fn stored_own(&self) -> Result<BTreeSet<String>, String> {
        let wishes = self.wishes()?;
        let wished = wishes.iter().filter_map(|wish| match wish {
            Wish::Send(local) => Some(local.client_id.as_str()),
            _ => None,
        });
        let stored = self.stored.outbox().into_iter().chain(wished);
        Ok(stored.map(str::to_owned).collect())
    }

    /// Where the messages are that a push has told, by conversation and position.
    pub fn told(&self) -> BTreeSet<(Rc<str>, u64)> {
        self.news(|news| news.told > 0)
    }

    /// The same of those that no push has told.
    pub fn untold(&self) -> BTreeSet<(Rc<str>, u64)> {
        self.news(|news| news.told == 0)
    }

    fn news(&self, is_it: impl Fn(&News) -> bool) -> BTreeSet<(Rc<str>, u64)> {
        let record = self.value(Table::Meta, &records::news_key());
        let news = match record.map(|value| records::read_meta(&value)) {
            Some(Ok(MetaRecord::News(news))) => news,
            _ => Vec::new(),
        };
        let these = news.into_iter().filter(is_it);
        these.map(|news| (news.conversation, news.seq)).collect()
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
