//! Messages in blocks: where each is held, and what goes to make room (R13).

use super::*;

impl Tx<'_> {
    pub(super) fn load(&mut self, id: &BlockId) -> Result<&mut Block> {
        if !matches!(self.commit.blocks.get(id), Some(Some(_))) {
            let Some(block) = self.db.cached(id) else {
                return Err(Stop::Need(vec![id.clone()]));
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
    pub(super) fn block_at(&mut self, conversation: &Rc<str>, seq: u64) -> Option<BlockRef> {
        let held = self.held(conversation);
        let at = held.blocks.partition_point(|b| b.hi < seq);
        held.blocks.get(at).copied().filter(|b| b.lo <= seq)
    }

    /// The message held at this position.
    pub(super) fn message_at(
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

    /// All blocks that these messages touch, read at once and not one after another.
    pub(super) fn need(&mut self, messages: &[Rc<Message>]) -> Result<()> {
        let mut missing = Set::new();
        for m in messages {
            if let Some(b) = self.block_at(&m.conversation, m.seq.0) {
                let id = (m.conversation.clone(), b.lo);
                if !self.commit.blocks.contains_key(&id) && self.db.cached(&id).is_none() {
                    missing.add(id);
                }
            }
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Stop::Need(missing.into_keys().collect()))
        }
    }

    /// Puts a message where it belongs in its segment. The higher version wins; a message that is
    /// there already changes nothing (R10).
    pub(super) fn hold(&mut self, m: &Rc<Message>) -> Result<()> {
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
        let roomy = |b: &BlockRef| {
            (b.count as usize) < block::FULL && (b.bytes as usize) < block::FULL_BYTES
        };
        match (below, above) {
            (Some(b), _) if seq <= b.hi => return self.hold_within(m, at - 1),
            (Some(b), _) if roomy(&b) => {
                self.load(&(id.clone(), b.lo))?.push(m.clone());
                self.grew(&id, at - 1, m);
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
                self.grew(&id, at, m);
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
        self.settle(m);
        Ok(())
    }

    /// [`Tx::hold`] between the ends of a block.
    fn hold_within(&mut self, m: &Rc<Message>, at: usize) -> Result<()> {
        let id = m.conversation.clone();
        let entry = self.held(&id).blocks[at];
        let block = self.load(&(id.clone(), entry.lo))?;
        match block.binary_search_by_key(&m.seq, |held| held.seq) {
            Ok(i) => {
                let newer = block[i].version < m.version || block[i].id != m.id;
                if newer || Fault::OlderPageWins.on() {
                    block[i] = m.clone();
                    self.change(&id).updated.push(m.clone());
                }
            }
            Err(i) => {
                block.insert(i, m.clone());
                let split = (block.len() > block::FULL).then(|| block.split_off(block.len() / 2));
                self.grew(&id, at, m);
                if let Some(upper) = split {
                    self.split(&id, at, upper);
                }
                self.change(&id).inserted.push(m.clone());
            }
        }
        self.settle(m);
        Ok(())
    }

    /// A message was added to the block at this place of the index.
    fn grew(&mut self, id: &Rc<str>, at: usize, m: &Message) {
        let entry = &mut self.held(id).blocks[at];
        entry.lo = entry.lo.min(m.seq.0);
        entry.hi = entry.hi.max(m.seq.0);
        entry.count += 1;
        entry.bytes = entry.bytes.saturating_add(block::weight(m) as u32);
    }

    /// The upper half of a block that has become too large.
    pub(super) fn split(&mut self, id: &Rc<str>, at: usize, upper: Block) {
        let entry = self.held(id).blocks[at];
        let moved = BlockRef {
            lo: upper[0].seq.0,
            hi: entry.hi,
            count: upper.len() as u32,
            bytes: entry.bytes / 2,
        };
        let lower = match self.commit.blocks.get(&(id.clone(), entry.lo)) {
            Some(Some(lower)) => lower.last().map_or(entry.lo, |m| m.seq.0),
            _ => entry.lo,
        };
        let held = self.held(id);
        held.blocks[at] = BlockRef {
            hi: lower,
            count: entry.count - moved.count,
            bytes: entry.bytes / 2,
            ..entry
        };
        held.blocks.insert(at + 1, moved);
        self.commit
            .blocks
            .insert((id.clone(), moved.lo), Some(upper));
    }

    /// R8: an own message goes when the message itself is held.
    fn settle(&mut self, m: &Rc<Message>) {
        if Fault::LocalStaysBesideItself.on() {
            return;
        }
        for local in self.locals() {
            let same_name = m.client_id.as_deref() == Some(&*local.client_id);
            let same_id = local.message.as_ref().is_some_and(|sent| sent.id == m.id);
            if local.conversation == m.conversation && (same_name || same_id) {
                // Delivered twice: the first was trimmed before its answer came. Both are it.
                let twin = local.message.clone().filter(|sent| sent.id != m.id);
                for message in [Some(m.clone()), twin].into_iter().flatten() {
                    self.commit.changes.synced.push((local.key(), message));
                }
                self.drop_local(local.order);
            }
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
    }

    /// Cuts what is older than `before` out of the blocks.
    pub(super) fn cut_below(&mut self, id: &Rc<str>, before: u64) -> Result<()> {
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
            .held
            .iter()
            .filter(|(_, held)| !held.blocks.is_empty())
            .map(|(id, _)| {
                let opened = self.db.opened.get(id).copied().unwrap_or(0);
                (shown.contains_key(id), opened, id.clone())
            })
            .collect();
        let mut gone = 0;
        for i in order(ids.len(), &|a, b| ids[a] < ids[b]) {
            let id = ids[i].2.clone();
            while gone < count {
                let held = self.held(&id);
                let Some(oldest) = held.blocks.first().copied() else {
                    break;
                };
                let needed = shown.get(&id).is_some_and(|shown| oldest.hi >= *shown);
                if needed && !Fault::ShownIsEvicted.on() {
                    break;
                }
                held.blocks.remove(0);
                let next = held.blocks.first().map(|b| b.lo);
                let segment = held.segments.containing(oldest.lo).cloned();
                match (segment, next) {
                    _ if Fault::EvictionLeavesTheSegment.on() => {}
                    (Some(segment), Some(next)) if segment.contains(next) => {
                        // What is left reaches down to just above what went: that nothing lies
                        // between is still known.
                        held.segments.evict_below(oldest.hi + 1);
                    }
                    _ => held.segments.drop_containing(oldest.lo),
                }
                self.commit.blocks.insert((id.clone(), oldest.lo), None);
                gone += u64::from(oldest.count);
            }
        }
        gone
    }
}
