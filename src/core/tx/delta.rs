//! A commit as the writer tells it to the clients that follow (R15): what was written, and what it did.
//! Who follows takes it over with [`Committed::apply`](super::Committed::apply), as the writer does.

use std::rc::Rc;

use super::commit::{Commit, CommitDelta, ConversationDelta};
use crate::core::block;
use crate::core::codec::{Corrupt, Reader, Writer};
use crate::core::map::Map;
use crate::core::records::{self, Held, MetaRecord, OutboxRecord, Stamp};
use crate::core::storage::{Table, Write};
use crate::core::types::{Message, Overflow};

/// A commit, and what it is of.
#[derive(Debug)]
pub struct Delta {
    /// the commit before it
    pub base: Stamp,
    /// what it changes, and what that did
    pub commit: Commit,
}

impl Delta {
    /// What the commit is called.
    pub fn stamp(&self) -> Stamp {
        self.commit.stamp
    }
}

impl Commit {
    /// Writes it down for others. `base`: of the state that it is of; `writes`: its own.
    pub fn tell(&self, w: &mut Writer, base: Stamp, writes: &[Write]) {
        write_stamp(w, base);
        write_stamp(w, self.stamp);
        w.number(writes.len() as u64);
        writes.iter().for_each(|write| tell_write(w, write));
        self.changes.tell(w);
    }
}

fn write_stamp(w: &mut Writer, stamp: Stamp) {
    w.number(stamp.epoch);
    w.number(stamp.number);
}

fn read_stamp(r: &mut Reader) -> Result<Stamp, Corrupt> {
    Ok(Stamp {
        epoch: r.number()?,
        number: r.number()?,
    })
}

fn tell_write(w: &mut Writer, write: &Write) {
    w.number(write.table() as u64);
    match write {
        Write::Put { key, value, .. } => {
            w.number(0);
            w.bytes(key);
            w.bytes(value);
        }
        Write::Delete { key, .. } => {
            w.number(1);
            w.bytes(key);
        }
        Write::DeleteRange { lo, hi, .. } => {
            w.number(2);
            w.bytes(lo);
            w.bytes(hi);
        }
    }
}

/// Reads what [`Commit::tell`] has written.
pub fn read_delta(r: &mut Reader) -> Result<Delta, Corrupt> {
    let base = read_stamp(r)?;
    let mut commit = Commit {
        stamp: read_stamp(r)?,
        ..Commit::default()
    };
    if Some(commit.stamp.number) != base.number.checked_add(1) {
        return Err(Corrupt);
    }
    for _ in 0..r.count()? {
        let table = usize::try_from(r.number()?).map_err(|_| Corrupt)?;
        let table = *Table::ALL.get(table).ok_or(Corrupt)?;
        match r.number()? {
            0 => commit.put(table, r.bytes()?, r.bytes()?)?,
            1 => commit.delete(table, r.bytes()?)?,
            2 => commit.delete_range(table, r.bytes()?, r.bytes()?)?,
            _ => return Err(Corrupt),
        }
    }
    commit.changes = CommitDelta::read(r)?;
    Ok(Delta { base, commit })
}

impl Commit {
    /// A record was written.
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Corrupt> {
        match table {
            Table::Blocks => {
                let id = records::block_of(key).ok_or(Corrupt)?;
                let block = block::decode(&id.0, value)?;
                self.blocks.insert(id, Some(block));
            }
            Table::Segments => {
                let (id, held) = records::read_held(value)?;
                self.held.insert(id, held);
            }
            Table::Conversations => {
                let state = records::read_conversation(value)?;
                self.list.insert(state.id.clone(), Some(Rc::new(state)));
            }
            Table::Outbox => match records::read_outbox(value)? {
                OutboxRecord::Local(local) => {
                    self.outbox.insert(local.order, Some(Rc::new(local)));
                }
                OutboxRecord::Mark(id, seq) => _ = self.marks.insert(id, Some(seq)),
                OutboxRecord::Left(number, left) => {
                    self.leaving.0 = number;
                    self.left = left;
                }
            },
            Table::Deliveries => {
                let (number, names) = records::read_deliveries(value)?;
                self.remembered.0 = number;
                self.deliveries.add_all(names);
            }
            Table::Meta => match records::read_meta(value)? {
                MetaRecord::Meta(meta) => self.meta = Some(meta),
                MetaRecord::Opened(id, at) => _ = self.opened.insert(id, Some(at)),
                MetaRecord::Cursor(id, cursor) => _ = self.cursors.insert(id, Some(cursor)),
                MetaRecord::Next(next) => self.next_order = Some(next),
                MetaRecord::News(news) => self.news = Some(news),
                // A delta says it in a field of its own.
                MetaRecord::Stamp(_) => {}
            },
            // A wish is written by the client that has it, which tells the others: no commit writes one.
            Table::Wishes => return Err(Corrupt),
        }
        Ok(())
    }

    /// A record was removed.
    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), Corrupt> {
        match table {
            Table::Blocks => {
                let id = records::block_of(key).ok_or(Corrupt)?;
                self.blocks.insert(id, None);
            }
            Table::Segments => {
                let id = records::conversation_of(key).ok_or(Corrupt)?;
                self.held.insert(id, Held::default());
            }
            Table::Conversations => {
                let id = records::conversation_of(key).ok_or(Corrupt)?;
                self.list.insert(id, None);
            }
            Table::Outbox => {
                if let Some(order) = records::local_order(key) {
                    self.outbox.insert(order, None);
                } else if let Some(number) = records::left_number(key) {
                    self.leaving.1.push(number);
                } else {
                    let id = records::mark_of(key).ok_or(Corrupt)?;
                    self.marks.insert(id, None);
                }
            }
            Table::Deliveries => {
                let number = records::deliveries_number(key).ok_or(Corrupt)?;
                self.remembered.1.push(number);
            }
            Table::Meta => {
                if let Some(id) = records::cursor_of(key) {
                    self.cursors.insert(id, None);
                } else {
                    let id = records::opened_of(key).ok_or(Corrupt)?;
                    self.opened.insert(id, None);
                }
            }
            Table::Wishes => _ = self.granted.add(key.to_vec()),
        }
        Ok(())
    }

    fn delete_range(&mut self, table: Table, lo: &[u8], _hi: &[u8]) -> Result<(), Corrupt> {
        match table {
            Table::Blocks => {
                let (id, _) = records::block_of(lo).ok_or(Corrupt)?;
                self.cleared.add(id);
            }
            Table::Meta => self.cursors_cleared = true,
            _ => return Err(Corrupt),
        }
        Ok(())
    }
}

// ------------------------------------------------------------ what it did

fn tell_all(w: &mut Writer, messages: &[Rc<Message>]) {
    w.number(messages.len() as u64);
    messages.iter().for_each(|m| block::write_alone(w, m));
}

fn read_all(r: &mut Reader) -> Result<Vec<Rc<Message>>, Corrupt> {
    (0..r.count()?).map(|_| block::read_alone(r)).collect()
}

impl ConversationDelta {
    /// Each field is told: one that is not, only the writer's own lists would hear of.
    fn tell(&self, w: &mut Writer) {
        let ConversationDelta {
            inserted,
            updated,
            cleared,
            kept,
            gone,
            removed,
            trimmed,
            cut,
            revalidated,
        } = self;
        tell_all(w, inserted);
        tell_all(w, updated);
        w.number(gone.len() as u64);
        gone.iter().for_each(|seq| w.number(*seq));
        w.maybe(*trimmed);
        w.maybe(revalidated.map(u64::from));
        for flag in [cleared, kept, removed, cut] {
            w.flag(*flag);
        }
    }

    fn read(r: &mut Reader) -> Result<ConversationDelta, Corrupt> {
        Ok(ConversationDelta {
            inserted: read_all(r)?,
            updated: read_all(r)?,
            gone: (0..r.count()?)
                .map(|_| r.number())
                .collect::<Result<_, _>>()?,
            trimmed: r.maybe()?,
            revalidated: r.maybe()?.map(|brought| brought > 0),
            cleared: r.flag()?,
            kept: r.flag()?,
            removed: r.flag()?,
            cut: r.flag()?,
        })
    }
}

impl CommitDelta {
    /// Each field is told but three: only the writer's app hears what was irregular, only the writer's sync counts
    /// events, and only the push that asked hears what was told.
    fn tell(&self, w: &mut Writer) {
        let CommitDelta {
            conversations,
            messages,
            updates,
            overflow,
            events: _,
            synced,
            list,
            outbox,
            irregular: _,
            doubted,
            read,
            told: _,
        } = self;
        w.number(conversations.len() as u64);
        for (id, change) in conversations.iter() {
            w.text(id);
            change.tell(w);
        }
        tell_all(w, messages);
        tell_all(w, updates);
        w.number(synced.len() as u64);
        for (key, message) in synced {
            w.text(key);
            block::write_alone(w, message);
        }
        match overflow {
            None => w.number(0),
            Some(Overflow::All) => w.number(1),
            Some(Overflow::Of(ids)) => {
                w.number(2);
                tell_ids(w, ids.iter());
            }
        }
        w.flag(*list);
        w.flag(*outbox);
        tell_ids(w, doubted.iter());
        tell_ids(w, read.keys());
    }

    fn read(r: &mut Reader) -> Result<CommitDelta, Corrupt> {
        let mut conversations = Map::new();
        for _ in 0..r.count()? {
            let id: Rc<str> = r.text()?.into();
            conversations.insert(id, ConversationDelta::read(r)?);
        }
        let mut changes = CommitDelta {
            conversations,
            messages: read_all(r)?,
            updates: read_all(r)?,
            ..CommitDelta::default()
        };
        for _ in 0..r.count()? {
            let key = r.text()?.to_owned();
            changes.synced.push((key, block::read_alone(r)?));
        }
        changes.overflow = match r.number()? {
            0 => None,
            1 => Some(Overflow::All),
            2 => Some(Overflow::Of(read_ids(r)?)),
            _ => return Err(Corrupt),
        };
        changes.list = r.flag()?;
        changes.outbox = r.flag()?;
        changes.doubted = read_ids(r)?;
        changes.read.add_all(read_ids(r)?);
        Ok(changes)
    }
}

fn tell_ids<'a>(w: &mut Writer, ids: impl Iterator<Item = &'a Rc<str>>) {
    let ids: Vec<_> = ids.collect();
    w.number(ids.len() as u64);
    ids.iter().for_each(|id| w.text(id));
}

fn read_ids(r: &mut Reader) -> Result<Vec<Rc<str>>, Corrupt> {
    (0..r.count()?).map(|_| Ok(r.text()?.into())).collect()
}
