//! Messages in blocks: where each is held, and what goes to make room (R13).

use super::{Result, Stop, Tx};
use crate::core::block;
use crate::core::block::{Block, BlockId, BlockRef};
use crate::core::fault::Fault;
use crate::core::map::{Map, order};
use crate::core::records::{Left, Wish};
use crate::core::storage::Key;
use crate::core::types::Message;
use std::rc::Rc;

impl Tx<'_> {
    pub(super) fn load(&mut self, id: &BlockId) -> Result<&mut Block> {
        if !matches!(self.commit.blocks.get(id), Some(Some(_))) {
            let Some(block) = self.db.cached(id) else {
                self.missing.add(id.clone());
                return Err(Stop::Need);
            };
            self.commit
                .blocks
                .insert(id.clone(), Some(Block::clone(&block)));
        }
        match self.commit.blocks.get_mut(id) {
            Some(Some(block)) => Ok(block),
            _ => Err(Stop::Void),
        }
    }

    /// The block in which this position is, or would be, if it lies between a block's ends.
    fn block_at(&mut self, conversation: &Rc<str>, seq: u64) -> Option<BlockRef> {
        let held = self.held(conversation);
        let at = held.blocks.partition_point(|b| b.hi < seq);
        held.blocks.get(at).copied().filter(|b| b.lo <= seq)
    }

    /// The message held at this position.
    pub(in crate::core) fn message_at(
        &mut self,
        conversation: &Rc<str>,
        seq: u64,
    ) -> Result<Option<Rc<Message>>> {
        let Some(b) = self.block_at(conversation, seq) else {
            return Ok(None);
        };
        let block = self.load(&(conversation.clone(), b.lo))?;
        Ok(block
            .binary_search_by_key(&seq, |m| m.seq.0)
            .ok()
            .map(|i| block[i].clone()))
    }

    /// Puts a message where it belongs in its segment. The higher version wins; a message that is
    /// there already changes nothing (R10).
    pub(in crate::core) fn insert_message(&mut self, m: &Rc<Message>) -> Result<()> {
        let id = m.conversation.clone();
        let seq = m.seq.0;
        let held = self.held(&id);
        let Some(segment) = held.segments.containing(seq).cloned() else {
            return Ok(());
        };
        let at = held.blocks.partition_point(|b| b.lo <= seq);
        let below = at
            .checked_sub(1)
            .map(|i| held.blocks[i])
            .filter(|b| b.lo >= segment.lo);
        let above = held.blocks.get(at).copied().filter(|b| b.lo <= segment.hi);
        let (most, most_bytes) = (self.limits.block_messages, self.limits.block_bytes);
        let roomy = |b: &BlockRef| {
            let bytes = (b.bytes as usize).saturating_add(block::weight(m));
            (b.count as usize) < most && bytes <= most_bytes
        };
        match (below, above) {
            (Some(b), _) if seq <= b.hi => return self.hold_within(m, at - 1),
            (Some(b), _) if roomy(&b) => {
                self.load(&(id.clone(), b.lo))?.push(m.clone());
                self.grow_index_entry(&id, at - 1, m);
            }
            (_, Some(b)) if roomy(&b) => {
                // Its first message, and so its key, changes.
                let old = (id.clone(), b.lo);
                self.load(&old)?;
                let Some(Some(mut block)) = self.commit.blocks.insert(old, None) else {
                    return Err(Stop::Void);
                };
                block.insert(0, m.clone());
                self.commit.blocks.insert((id.clone(), seq), Some(block));
                self.grow_index_entry(&id, at, m);
            }
            _ => {
                self.commit
                    .blocks
                    .insert((id.clone(), seq), Some(vec![m.clone()]));
                let weight = block::weight(m) as u32;
                let entry = BlockRef {
                    lo: seq,
                    hi: seq,
                    count: 1,
                    bytes: weight,
                };
                self.held(&id).blocks.insert(at, entry);
            }
        }
        self.change(&id).inserted.push(m.clone());
        self.remove_matching_locals(m);
        Ok(())
    }

    /// R3: a newer version takes the place of the copy that is held. Answers whether there is such a copy.
    pub(in crate::core) fn replace(&mut self, m: &Rc<Message>) -> Result<bool> {
        let id = &m.conversation;
        let Some(held) = self
            .message_at(id, m.seq.0)?
            .filter(|held| m.replaces(held))
        else {
            return Ok(false);
        };
        if held.id != m.id {
            self.clash(m);
        }
        if let Some(b) = self.block_at(id, m.seq.0) {
            let block = self.load(&(id.clone(), b.lo))?;
            if let Ok(i) = block.binary_search_by_key(&m.seq, |held| held.seq) {
                block[i] = m.clone();
            }
            self.resize(id, b.lo);
        }
        Ok(true)
    }

    /// [`Tx::insert_message`] between the ends of a block.
    fn hold_within(&mut self, m: &Rc<Message>, at: usize) -> Result<()> {
        let id = m.conversation.clone();
        let entry = self.held(&id).blocks[at];
        let block = self.load(&(id.clone(), entry.lo))?;
        match block.binary_search_by_key(&m.seq, |held| held.seq) {
            Ok(i) if m.replaces(&block[i]) => {
                let old = std::mem::replace(&mut block[i], m.clone());
                if old.id != m.id {
                    self.clash(m);
                }
                self.change(&id).updated.push(m.clone());
                self.resize(&id, entry.lo);
            }
            Ok(_) => {}
            Err(i) => {
                block.insert(i, m.clone());
                self.grow_index_entry(&id, at, m);
                self.resize(&id, entry.lo);
                self.change(&id).inserted.push(m.clone());
            }
        }
        self.remove_matching_locals(m);
        Ok(())
    }

    /// R3: a copy that a timeline shows is not replaced by an older one, also where what was held of it
    /// went meanwhile (R4).
    pub fn keep_newer(&mut self, shown: &Rc<Message>) {
        let (id, seq) = (&shown.conversation, shown.seq.0);
        let Some(held) = self.commit.held.get(id) else {
            return;
        };
        let at = held.blocks.partition_point(|b| b.hi < seq);
        let Some(b) = held.blocks.get(at) else { return };
        let Some(Some(block)) = self.commit.blocks.get_mut(&(id.clone(), b.lo)) else {
            return;
        };
        let older = |m: &Rc<Message>| m.id == shown.id && shown.is_newer_than(m);
        let found = block.binary_search_by_key(&seq, |m| m.seq.0);
        let Some(m) = found.ok().map(|at| &mut block[at]).filter(|m| older(m)) else {
            return;
        };
        *m = shown.clone();
        let change = self.change(id);
        for m in change.inserted.iter_mut().filter(|m| older(m)) {
            *m = shown.clone();
        }
        self.newer_elsewhere(shown);
    }

    /// A message was added to the block at this place of the index.
    fn grow_index_entry(&mut self, id: &Rc<str>, at: usize, m: &Message) {
        let entry = &mut self.held(id).blocks[at];
        entry.lo = entry.lo.min(m.seq.0);
        entry.hi = entry.hi.max(m.seq.0);
        entry.count += 1;
        entry.bytes = entry.bytes.saturating_add(block::weight(m) as u32);
    }

    /// A block of this transaction whose messages have changed: it is cut in half for as long as it has
    /// too many, or too many bytes. One message is never too many.
    fn resize(&mut self, id: &Rc<str>, lo: u64) {
        let Ok(at) = self.held(id).blocks.binary_search_by_key(&lo, |b| b.lo) else {
            debug_assert!(false, "a block that is written is in its index");
            return;
        };
        let (most, most_bytes) = (self.limits.block_messages, self.limits.block_bytes);
        let Some(Some(block)) = self.commit.blocks.get_mut(&(id.clone(), lo)) else {
            debug_assert!(false, "only a block of this transaction changes");
            return;
        };
        let bytes = block::weight_of(block);
        let large = block.len() > most || bytes > most_bytes;
        let upper = (large && block.len() > 1).then(|| block.split_off(block.len() / 2));
        match upper {
            None => self.held(id).blocks[at].bytes = u32::try_from(bytes).unwrap_or(u32::MAX),
            Some(upper) => {
                let middle = upper[0].seq.0;
                self.split(id, at, upper);
                self.resize(id, lo);
                self.resize(id, middle);
            }
        }
    }

    /// The block at this place of the index has given its upper messages to a block of their own. There is at least
    /// one.
    pub(super) fn split(&mut self, id: &Rc<str>, at: usize, upper: Block) {
        let entry = self.held(id).blocks[at];
        let weight = |block: &Block| u32::try_from(block::weight_of(block)).unwrap_or(u32::MAX);
        let moved = BlockRef {
            lo: upper[0].seq.0,
            hi: entry.hi,
            count: upper.len() as u32,
            bytes: weight(&upper),
        };
        let (lower, bytes) = match self.commit.blocks.get(&(id.clone(), entry.lo)) {
            Some(Some(lower)) => {
                let last = lower.last().map_or(entry.lo, |m| m.seq.0);
                (last, weight(lower))
            }
            _ => (entry.lo, entry.bytes),
        };
        let held = self.held(id);
        held.blocks[at] = BlockRef {
            hi: lower,
            count: entry.count - moved.count,
            bytes,
            ..entry
        };
        held.blocks.insert(at + 1, moved);
        self.commit
            .blocks
            .insert((id.clone(), moved.lo), Some(upper));
    }

    /// R8: an own message goes when the message itself is held.
    fn remove_matching_locals(&mut self, m: &Rc<Message>) {
        if Fault::LocalStaysBesideItself.on() {
            return;
        }
        for local in self.locals_of(&m.conversation) {
            let same_name = m.client_id.as_deref() == Some(&*local.client_id);
            let same_id = local.message.as_ref().is_some_and(|sent| sent.id == m.id);
            if !same_name && !same_id {
                continue;
            }
            // Delivered twice: the first was trimmed before its answer came. Both are it.
            let twin = local.message.clone().filter(|sent| sent.id != m.id);
            let both = [Some(m.clone()), twin].into_iter().flatten();
            let synced = both.map(|message| (local.key(), message));
            self.commit.changes.synced.extend(synced);
            self.drop_local(&local, true);
        }
        self.grant_matching_wishes(m);
    }

    /// One that is only wished for, and was delivered before: the database that knew it was lost (R15).
    fn grant_matching_wishes(&mut self, m: &Rc<Message>) {
        let Some(client_id) = m.client_id.as_ref() else {
            return;
        };
        let name = (m.conversation.clone(), client_id.to_string());
        let named = |wish: &Wish| matches!(wish, Wish::Send(local) if local.is(&name));
        let wishes = self.db.wishes().iter().filter(|(_, wish)| named(wish));
        let keys = wishes.map(|(key, _)| key.clone());
        let keys: Vec<Key> = keys.filter(|key| self.is_wished(key)).collect();
        for key in &keys {
            self.change(&m.conversation);
            self.commit
                .changes
                .synced
                .push((format!("c:{client_id}"), m.clone()));
            self.commit.left.push(Left {
                name: name.clone(),
                delivered: true,
            });
            self.grant(key);
        }
    }

    /// Drops a conversation's segments and blocks; its state and the own messages stay.
    pub fn clear(&mut self, id: &Rc<str>) {
        let held = self.held(id);
        held.segments.clear();
        held.blocks.clear();
        held.last_known = None;
        self.commit.blocks.retain(|(of, _), _| of != id);
        self.commit.cleared.add(id.clone());
        self.change(id).cleared = true;
        self.forget_doubts(id);
    }

    /// Cuts blocks that could not be read out of their segments, which are split there.
    pub fn cut_out(&mut self, ids: &[BlockId]) {
        for (id, lo) in ids {
            let held = self.held(id);
            let Ok(at) = held.blocks.binary_search_by_key(lo, |b| b.lo) else {
                continue;
            };
            let gone = held.blocks.remove(at);
            let neighbour = |at: Option<usize>| at.and_then(|at| held.blocks.get(at));
            let below = neighbour(at.checked_sub(1)).map(|b| b.hi);
            let above = neighbour(Some(at)).map(|b| b.lo);
            if Fault::NothingIsCutOut.on() {
                continue;
            }
            held.segments.cut_out((gone.lo, gone.hi), below, above);
            self.commit.blocks.insert((id.clone(), *lo), None);
            self.change(id).cut = true;
        }
    }

    /// Cuts what is older than `before` out of the blocks.
    pub(in crate::core) fn cut_below(&mut self, id: &Rc<str>, before: u64) -> Result<()> {
        let gone = self.held(id).blocks.partition_point(|b| b.hi < before);
        let dropped: Vec<BlockRef> = self.held(id).blocks.drain(..gone).collect();
        for b in dropped {
            self.commit.blocks.insert((id.clone(), b.lo), None);
        }
        let Some(first) = self
            .held(id)
            .blocks
            .first()
            .copied()
            .filter(|b| b.lo < before)
        else {
            return Ok(());
        };
        let old = (id.clone(), first.lo);
        self.load(&old)?;
        let Some(Some(mut block)) = self.commit.blocks.insert(old, None) else {
            return Err(Stop::Void);
        };
        block.retain(|m| m.seq.0 >= before);
        let held = self.held(id);
        match block.first().map(|m| m.seq.0) {
            Some(lo) => {
                held.blocks[0].lo = lo;
                held.blocks[0].count = block.len() as u32;
                self.commit.blocks.insert((id.clone(), lo), Some(block));
            }
            None => _ = held.blocks.remove(0),
        }
        Ok(())
    }

    /// R13: drops up to `count` messages' worth of blocks, the least recently opened conversations'
    /// oldest first. `shown`: the oldest position that an open timeline shows, by conversation; from
    /// there on nothing is touched. Answers how many messages went.
    pub fn evict(&mut self, count: u64, shown: &Map<Rc<str>, u64>) -> u64 {
        let ids: Vec<(bool, u64, Rc<str>)> = self
            .db
            .histories()
            .iter()
            .filter(|(_, held)| !held.blocks.is_empty())
            .map(|(id, _)| (shown.contains_key(id), self.db.opened(id), id.clone()))
            .collect();
        let mut gone = 0;
        for i in order(ids.len(), &|a, b| ids[a] < ids[b]) {
            let id = ids[i].2.clone();
            let needed = shown.get(&id).filter(|_| !Fault::ShownIsEvicted.on());
            let needed = needed.copied();
            while gone < count
                && let Some(evicted) = self.evict_oldest(&id, needed)
            {
                gone += evicted;
            }
        }
        gone
    }

    /// Drops a conversation's oldest block, unless it reaches to `needed`. Answers how many messages went.
    fn evict_oldest(&mut self, id: &Rc<str>, needed: Option<u64>) -> Option<u64> {
        let held = self.held(id);
        let oldest = held.blocks.first().copied()?;
        if needed.is_some_and(|needed| oldest.hi >= needed) {
            return None;
        }
        held.blocks.remove(0);
        let next = held.blocks.first().map(|b| b.lo);
        let segment = held.segments.containing(oldest.lo).cloned();
        match (segment, next) {
            _ if Fault::EvictionLeavesTheSegment.on() => {}
            // What is left reaches down to just above what went: that nothing lies between is still
            // known.
            (Some(segment), Some(next)) if segment.contains(next) => {
                held.segments.evict_below(oldest.hi + 1);
            }
            _ => held.segments.drop_containing(oldest.lo),
        }
        self.commit.blocks.insert((id.clone(), oldest.lo), None);
        self.change(id);
        Some(u64::from(oldest.count))
    }
}
