//! Reading messages of the committed state: out of the blocks in memory, or which blocks are read first.

use super::Committed;
use crate::core::block::{self, BlockId, BlockRef};
use crate::core::records;
use crate::core::storage::{Answer, Read, Table};
use crate::core::types::{Direction, Message};
use std::rc::Rc;

/// Blocks read beyond the one asked for, in the direction of reading: 3 screens of 128.
const READ_AHEAD: usize = 3;

/// Blocks read ahead at a time.
const AHEAD: usize = 6;
/// Blocks ahead that are waited for before more are read.
const NEAR: usize = 2;

impl Committed {
    /// Up to `limit` messages of `[lo, hi]`, ascending, from the end that `direction` reads from:
    /// `Older` the newest ones, `Newer` the oldest ones. Or the blocks that must be read first.
    pub fn read_messages(
        &self,
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
            let ahead = !missing.is_empty() && missing.len() <= READ_AHEAD;
            if count >= limit && !ahead {
                break;
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
        let here = |id: &BlockId| self.cache.peek(id).is_some();
        if near.iter().take(NEAR).all(here) {
            return Vec::new();
        }
        near.into_iter().filter(|id| !here(id)).collect()
    }

    /// The reads for these blocks, which ascend: one range for each run of neighbours.
    pub fn block_reads(&self, ids: &[BlockId]) -> Vec<Read> {
        let mut reads: Vec<Read> = Vec::new();
        let mut run: Option<(Rc<str>, usize, usize)> = None;
        let range = |db: &Committed, (id, from, to): &(Rc<str>, usize, usize)| {
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
    /// their segments are not what they say.
    pub fn take_blocks(&mut self, ids: &[BlockId], answers: Vec<Answer>) -> Vec<BlockId> {
        self.take_ranges(answers);
        let lost = |id: &&BlockId| {
            let held = self.held(&id.0);
            let listed = held.blocks.binary_search_by_key(&id.1, |b| b.lo).is_ok();
            listed && self.cache.peek(id).is_none()
        };
        ids.iter().filter(lost).cloned().collect()
    }

    /// The read for the blocks of `[lo, hi]`, as they are stored by then: those that are known now say where
    /// the first of them begins, and the one before it, should it be larger by then.
    pub fn range_read(&self, conversation: &Rc<str>, (lo, hi): (u64, u64)) -> Read {
        let held = self.held(conversation);
        let first = held.blocks.partition_point(|b| b.hi < lo).saturating_sub(1);
        let first = held.blocks.get(first).map_or(lo, |b| b.lo.min(lo));
        Read::Range {
            table: Table::Blocks,
            lo: records::block_key(conversation, first),
            hi: records::block_key(conversation, hi),
        }
    }

    /// Takes in the blocks that were read. One that is not as the index says is not taken: who needs it reads it
    /// once more.
    pub fn take_ranges(&mut self, answers: Vec<Answer>) {
        for bytes in answers.into_iter().flat_map(|answer| answer.values) {
            let of = block::conversation_of(&bytes).ok();
            if let Some(name) = of.and_then(|name| self.held.key(name)).cloned() {
                self.take_block(&name, &bytes);
            }
        }
    }

    /// Takes in a block, if it is as the index says.
    fn take_block(&mut self, conversation: &Rc<str>, bytes: &[u8]) {
        let Ok(block) = block::decode(conversation, bytes) else {
            return;
        };
        let Some(first) = block.first() else { return };
        let lo = first.seq.0;
        let held = self.held(conversation);
        let listed = held.blocks.binary_search_by_key(&lo, |b| b.lo);
        let fits = listed.is_ok_and(|at| {
            let b = held.blocks[at];
            b.count as usize == block.len() && block.last().is_some_and(|m| m.seq.0 == b.hi)
        });
        if fits {
            self.cache.put((conversation.clone(), lo), Rc::new(block));
        }
    }
}
