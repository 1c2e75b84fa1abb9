//! The blocks that are in memory: those used last.

use std::cell::Cell;
use std::rc::Rc;

use crate::core::block::{self, Block, BlockId};
use crate::core::map::{Map, order};

/// A block in memory.
struct Cached {
    block: Rc<Block>,
    bytes: usize,
    used: Cell<u64>,
}

/// The blocks in memory. Looking at one changes only when it was used last.
#[derive(Default)]
pub(super) struct Cache {
    blocks: Map<BlockId, Cached>,
    bytes: usize,
    tick: Cell<u64>,
}

impl Cache {
    fn next_tick(&self) -> u64 {
        self.tick.set(self.tick.get() + 1);
        self.tick.get()
    }

    /// A block, if it is here.
    pub fn get(&self, id: &BlockId) -> Option<Rc<Block>> {
        let tick = self.next_tick();
        let cached = self.blocks.get(id)?;
        cached.used.set(tick);
        Some(cached.block.clone())
    }

    /// A block, if it is here; that it was looked at does not count as use.
    pub fn peek(&self, id: &BlockId) -> Option<&Block> {
        self.blocks.get(id).map(|cached| &*cached.block)
    }

    /// Keeps a block.
    pub fn put(&mut self, id: BlockId, block: Rc<Block>) {
        debug_assert!(
            block.first().is_some_and(|first| first.seq.0 == id.1),
            "a block is named for its first message"
        );
        let bytes = block::size_in_memory(&block);
        let used = Cell::new(self.next_tick());
        self.bytes += bytes;
        let old = self.blocks.insert(id, Cached { block, bytes, used });
        self.bytes -= old.map_or(0, |old| old.bytes);
    }

    /// Lets go of one block.
    pub fn drop(&mut self, id: &BlockId) {
        let old = self.blocks.remove(id);
        self.bytes -= old.map_or(0, |old| old.bytes);
    }

    /// Lets go of all blocks of these conversations, in one pass however many they are.
    pub fn drop_all(&mut self, of: &dyn Fn(&Rc<str>) -> bool) {
        self.retain(|(id, _), _| !of(id));
    }

    /// Lets go of the blocks not used for longest, until at most `bytes` are left.
    pub fn shrink(&mut self, bytes: usize) {
        if self.bytes <= bytes {
            return;
        }
        let all = self.blocks.values();
        let all: Vec<(u64, usize)> = all.map(|c| (c.used.get(), c.bytes)).collect();
        let mut oldest_kept = u64::MAX;
        let mut kept = 0;
        for i in order(all.len(), &|a, b| all[a].0 > all[b].0) {
            kept += all[i].1;
            if kept > bytes {
                break;
            }
            oldest_kept = all[i].0;
        }
        self.retain(|_, cached| cached.used.get() >= oldest_kept);
        debug_assert!(self.bytes <= bytes, "what is left fits");
    }

    fn retain(&mut self, keep: impl Fn(&BlockId, &Cached) -> bool) {
        let mut gone = 0;
        self.blocks.retain(|id, cached| {
            let stays = keep(id, cached);
            gone += if stays { 0 } else { cached.bytes };
            stays
        });
        self.bytes -= gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::types::Message;

    fn block(seq: u64) -> Rc<Block> {
        Rc::new(vec![Rc::new(Message::sample("c", seq))])
    }

    fn named(seq: u64) -> BlockId {
        ("c".into(), seq)
    }

    fn held(cache: &Cache) -> Vec<u64> {
        cache.blocks.keys().map(|(_, lo)| *lo).collect()
    }

    #[test]
    fn the_blocks_used_last_stay() {
        let mut cache = Cache::default();
        let size = block::size_in_memory(&block(1));
        for seq in 1..=4 {
            cache.put(named(seq), block(seq));
        }
        assert!(cache.get(&named(1)).is_some());
        // A look is no use.
        assert!(cache.peek(&named(2)).is_some());
        cache.shrink(2 * size);
        assert_eq!(held(&cache), [1, 4]);
        cache.shrink(size);
        assert_eq!((held(&cache), cache.bytes), (vec![1], size));
    }

    #[test]
    fn what_goes_is_counted() {
        let mut cache = Cache::default();
        cache.put(named(1), block(1));
        cache.put(named(1), block(1));
        cache.put(("d".into(), 2), block(2));
        cache.drop(&named(7));
        cache.drop_all(&|id| &**id == "c");
        assert_eq!(held(&cache), [2]);
        cache.drop(&("d".into(), 2));
        assert_eq!(cache.bytes, 0);
    }
}
