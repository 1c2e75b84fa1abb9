//! The committed state in memory: everything that is stored, but of the messages only the blocks used
//! last. Changed by [`Tx`](super::tx::Tx) alone, after its commit (R9).

use std::rc::Rc;

use super::block::{self, Block, BlockRef};
use super::map::{Map, Set, order};
use super::protocol::Feed;
use super::records::{self, Held, Local, MetaRecord, OutboxRecord};
use super::storage::{Read, Table, Value};
use super::types::{Conversation, Message};

/// Names a block: its conversation, and the position of its first message.
pub type BlockId = (Rc<str>, u64);

/// Blocks kept in memory: about 4 MB of chat messages, several windows' worth.
const CACHED_BLOCKS: usize = 96;
/// Blocks read beyond the one asked for, in the direction of reading: 3 screens of 128.
const READ_AHEAD: usize = 3;

/// Blocks read ahead at a time.
const AHEAD: usize = 6;
/// Blocks ahead that are waited for before more are read.
const NEAR: usize = 2;

/// Which way a timeline grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// towards the first message
    Older,
    /// towards the newest
    Newer,
}

/// See the module.
#[derive(Default)]
pub struct Db {
    /// the account
    pub meta: records::Meta,
    /// the server's list (R11)
    pub list: Map<Rc<str>, Rc<Conversation>>,
    /// what is held of each conversation's history
    pub held: Map<Rc<str>, Rc<Held>>,
    /// each conversation's cursor (scope "conversation")
    pub cursors: Map<Rc<str>, String>,
    /// mailbox deliveries that were applied (R10), by the number of their record
    pub deliveries: Map<u64, Vec<Rc<str>>>,
    /// the same, by name
    pub delivered: Set<Rc<str>>,
    /// when each was last opened, ms since the epoch
    pub opened: Map<Rc<str>, u64>,
    /// own messages, by the order written
    pub outbox: Map<u64, Rc<Local>>,
    /// read marks that the server has not confirmed
    pub marks: Map<Rc<str>, u64>,
    cache: Map<BlockId, (Rc<Block>, u64)>,
    tick: u64,
}

impl Db {
    /// From the answers to [`records::load`]. Also how many records did not check: they are left out.
    pub fn load(tables: Vec<Vec<Value>>) -> (Db, usize) {
        let mut db = Db::default();
        let mut corrupt = 0;
        let mut tables = tables.into_iter();
        for bytes in tables.next().unwrap_or_default() {
            match records::read_meta(&bytes) {
                Ok(MetaRecord::Meta(meta)) => db.meta = meta,
                Ok(MetaRecord::Opened(id, at)) => _ = db.opened.insert(id, at),
                Ok(MetaRecord::Cursor(id, cursor)) => _ = db.cursors.insert(id, cursor),
                Err(_) => corrupt += 1,
            }
        }
        for bytes in tables.next().unwrap_or_default() {
            match records::read_conversation(&bytes) {
                Ok(conversation) => {
                    _ = db
                        .list
                        .insert(conversation.id.clone(), Rc::new(conversation))
                }
                Err(_) => corrupt += 1,
            }
        }
        for bytes in tables.next().unwrap_or_default() {
            match records::read_held(&bytes) {
                Ok((id, held)) => _ = db.held.insert(id, Rc::new(held)),
                Err(_) => corrupt += 1,
            }
        }
        for bytes in tables.next().unwrap_or_default() {
            match records::read_outbox(&bytes) {
                Ok(OutboxRecord::Local(local)) => _ = db.outbox.insert(local.order, Rc::new(local)),
                Ok(OutboxRecord::Mark(id, seq)) => _ = db.marks.insert(id, seq),
                Err(_) => corrupt += 1,
            }
        }
        for bytes in tables.next().unwrap_or_default() {
            match records::read_deliveries(&bytes) {
                Ok((number, names)) => {
                    db.delivered.add_all(names.iter().cloned());
                    db.deliveries.insert(number, names);
                }
                Err(_) => corrupt += 1,
            }
        }
        (db, corrupt)
    }

    /// What is held of a conversation; nothing, where it is unknown.
    pub fn held(&self, conversation: &str) -> Rc<Held> {
        self.held.get(conversation).cloned().unwrap_or_default()
    }

    /// The cursor that is applied: up to where nothing is missing.
    pub fn cursor(&self, feed: &Feed) -> Option<&str> {
        match feed {
            Feed::Account => self.meta.cursor.as_deref(),
            // Those of before a first sign-in are of another time.
            Feed::Conversation(_) if !self.meta.begun => None,
            Feed::Conversation(id) => self.cursors.get(&**id).map(String::as_str),
            Feed::Mailbox => None,
        }
    }

    /// Messages held, of all conversations.
    pub fn messages(&self) -> u64 {
        self.held
            .values()
            .flat_map(|h| &h.blocks)
            .map(|b| u64::from(b.count))
            .sum()
    }

    /// A block, if it is in memory.
    pub fn cached(&mut self, id: &BlockId) -> Option<Rc<Block>> {
        self.tick += 1;
        let (block, used) = self.cache.get_mut(id)?;
        *used = self.tick;
        Some(block.clone())
    }

    /// A block, if it is in memory; that it was looked at does not count as use.
    pub fn peek(&self, id: &BlockId) -> Option<&Block> {
        self.cache.get(id).map(|(block, _)| &**block)
    }

    /// Keeps a block in memory.
    pub fn cache(&mut self, id: BlockId, block: Rc<Block>) {
        self.tick += 1;
        self.cache.insert(id, (block, self.tick));
    }

    /// Lets go of one block, or of a conversation's.
    pub fn uncache(&mut self, id: &BlockId) {
        self.cache.remove(id);
    }

    /// Lets go of all of a conversation's blocks.
    pub fn uncache_all(&mut self, conversation: &Rc<str>) {
        self.cache.retain(|(id, _), _| id != conversation);
    }

    /// Lets go of the blocks not used for longest. Called between jobs, so that none loses what it
    /// has just read.
    pub fn shrink_cache(&mut self) {
        if self.cache.len() <= CACHED_BLOCKS {
            return;
        }
        let used: Vec<u64> = self.cache.values().map(|(_, used)| *used).collect();
        let newest_first = order(used.len(), &|a, b| used[a] > used[b]);
        let oldest_kept = used[newest_first[CACHED_BLOCKS - 1]];
        self.cache.retain(|_, (_, used)| *used >= oldest_kept);
    }

    /// Up to `limit` messages of `[lo, hi]`, ascending, from the end that `direction` reads from:
    /// `Older` the newest ones, `Newer` the oldest ones. Or the blocks that must be read first.
    pub fn collect(
        &mut self,
        conversation: &Rc<str>,
        (lo, hi): (u64, u64),
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Rc<Message>>, Vec<BlockId>> {
        let held = self.held(conversation);
        let first = held.blocks.partition_point(|b| b.hi < lo);
        let last = held.blocks.partition_point(|b| b.lo <= hi);
        let range: &[BlockRef] = held.blocks.get(first..last).unwrap_or_default();
        let mut found: Vec<Rc<Message>> = Vec::new();
        let mut missing = Vec::new();
        let mut count = 0;
        for i in 0..range.len() {
            let b = match direction {
                Direction::Older => range[range.len() - 1 - i],
                Direction::Newer => range[i],
            };
            if count >= limit {
                let ahead = !missing.is_empty() && missing.len() <= READ_AHEAD;
                if !ahead {
                    break;
                }
            }
            let id = (conversation.clone(), b.lo);
            let Some(block) = self.cached(&id) else {
                count += b.count as usize;
                missing.push(id);
                continue;
            };
            let within = block.iter().filter(|m| lo <= m.seq.0 && m.seq.0 <= hi);
            match direction {
                Direction::Older => {
                    found.extend(within.rev().take(limit.saturating_sub(count)).cloned())
                }
                Direction::Newer => found.extend(within.take(limit.saturating_sub(count)).cloned()),
            }
            count = count.max(found.len());
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        if direction == Direction::Older {
            found.reverse();
        }
        Ok(found)
    }

    /// The blocks that a timeline comes to next, in `[lo, hi]`, and that are not in memory: read while
    /// the pages before them are looked at, nobody waits for them. Several at a time, and not before
    /// the last are soon reached: a read costs more than a block.
    pub fn ahead(
        &self,
        conversation: &Rc<str>,
        (lo, hi): (u64, u64),
        direction: Direction,
    ) -> Vec<BlockId> {
        let held = self.held(conversation);
        let first = held.blocks.partition_point(|b| b.hi < lo);
        let last = held.blocks.partition_point(|b| b.lo <= hi);
        let range: &[BlockRef] = held.blocks.get(first..last).unwrap_or_default();
        let near: Vec<BlockId> = (0..range.len().min(AHEAD))
            .map(|i| match direction {
                Direction::Older => range[range.len() - 1 - i],
                Direction::Newer => range[i],
            })
            .map(|b| (conversation.clone(), b.lo))
            .collect();
        let here = |id: &BlockId| self.cache.contains_key(id);
        if near.iter().take(NEAR).all(here) {
            return Vec::new();
        }
        near.into_iter().filter(|id| !here(id)).collect()
    }

    /// The reads for these blocks, which ascend: one range for each run of neighbours.
    pub fn block_reads(&self, ids: &[BlockId]) -> Vec<Read> {
        let mut reads: Vec<Read> = Vec::new();
        let mut run: Option<(Rc<str>, usize, usize)> = None;
        let range = |db: &Db, (id, from, to): &(Rc<str>, usize, usize)| {
            let held = db.held(id);
            Read::Range {
                table: Table::Blocks,
                lo: records::block_key(id, held.blocks[*from].lo),
                hi: records::block_key(id, held.blocks[*to].lo),
            }
        };
        for (id, lo) in ids {
            let held = self.held(id);
            let Ok(at) = held.blocks.binary_search_by_key(lo, |b| b.lo) else {
                continue;
            };
            run = match run {
                Some((same, from, to)) if same == *id && to + 1 == at => Some((same, from, at)),
                Some(done) => {
                    reads.push(range(self, &done));
                    Some((id.clone(), at, at))
                }
                None => Some((id.clone(), at, at)),
            };
        }
        if let Some(done) = run {
            reads.push(range(self, &done));
        }
        reads
    }

    /// Takes in what was read for these blocks. Those that are missing or do not check are answered:
    /// their conversations' segments are not what they say.
    pub fn take_blocks(&mut self, ids: &[BlockId], answers: Vec<Vec<Value>>) -> Vec<Rc<str>> {
        let mut names: Vec<Rc<str>> = ids.iter().map(|(id, _)| id.clone()).collect();
        names.dedup();
        for bytes in answers.into_iter().flatten() {
            // A block names its conversation: it checks under one of these, or none.
            for name in &names {
                let Ok(block) = block::decode(name, &bytes) else {
                    continue;
                };
                let Some(first) = block.first() else { continue };
                let lo = first.seq.0;
                let held = self.held(name);
                let listed = held
                    .blocks
                    .binary_search_by_key(&lo, |b| b.lo)
                    .map(|at| held.blocks[at]);
                let fits = listed.is_ok_and(|b| {
                    b.count as usize == block.len() && block.last().is_some_and(|m| m.seq.0 == b.hi)
                });
                if fits {
                    self.cache((name.clone(), lo), Rc::new(block));
                }
                break;
            }
        }
        let mut lost: Vec<Rc<str>> = ids
            .iter()
            .filter(|id| {
                let listed = self
                    .held(&id.0)
                    .blocks
                    .binary_search_by_key(&id.1, |b| b.lo)
                    .is_ok();
                listed && !self.cache.contains_key(*id)
            })
            .map(|(id, _)| id.clone())
            .collect();
        lost.dedup();
        lost
    }
}
