//! The writes of a transaction's one database transaction (R9).

use super::commit::Commit;
use super::committed::Committed;
use crate::core::fault::Fault;
use crate::core::limits::Limits;
use crate::core::map::Map;
use crate::core::records::{Held, Stamp};
use crate::core::storage::{Key, Table, Value, Write};
use crate::core::{block, records};

/// The writes, in the order in which they take effect.
#[derive(Default)]
struct Writes(Vec<Write>);

impl Writes {
    /// Sets a record; `None`: removes it.
    fn set(&mut self, table: Table, key: Key, value: Option<Value>) {
        self.0.push(match value {
            Some(value) => Write::Put { table, key, value },
            None => Write::Delete { table, key },
        });
    }

    fn delete_range(&mut self, table: Table, lo: Key, hi: Key) {
        self.0.push(Write::DeleteRange { table, lo, hi });
    }
}

impl Commit {
    /// Makes the writes of the one transaction; none, where nothing changed. `epoch`: of the writer. From
    /// here on the commit knows what it is called: its number is the one after the last.
    pub fn encode(&mut self, db: &Committed, epoch: u64, limits: &Limits) -> Vec<Write> {
        let mut writes = Writes::default();
        self.encode_blocks(db, &mut writes);
        self.encode_histories(db, &mut writes);
        self.encode_list(db, &mut writes);
        self.encode_own(db, limits, &mut writes);
        self.encode_cursors(db, &mut writes);
        self.encode_deliveries(db, limits, &mut writes);
        let granted = self.granted.keys();
        for key in granted.filter(|_| !Fault::WishStaysStored.on()) {
            writes.set(Table::Wishes, key.clone(), None);
        }
        // The cursor last, though all are one transaction: whoever reads this in order sees R9.
        self.encode_meta(db, &mut writes);
        if !writes.0.is_empty() {
            self.stamp = Stamp {
                epoch,
                number: db.stamp().number + 1,
            };
            let stamp = records::write_stamp(self.stamp);
            writes.set(Table::Meta, records::stamp_key(), Some(stamp));
        }
        debug_assert!(
            cursors_are_behind(&writes.0),
            "a cursor stands behind the messages that it stands for (R9)"
        );
        writes.0
    }

    fn encode_blocks(&mut self, db: &Committed, writes: &mut Writes) {
        for id in self.cleared.keys() {
            let (lo, hi) = (records::block_key(id, 0), records::block_key(id, u64::MAX));
            writes.delete_range(Table::Blocks, lo, hi);
        }
        for (block_id, block) in &self.blocks {
            let (id, lo) = block_id;
            // The block's entry in the index that is stored with it.
            let mut index = self.held.get_mut(id).map(|held| &mut held.blocks);
            let entry = index.as_mut().and_then(|blocks| {
                let at = blocks.binary_search_by_key(lo, |b| b.lo).ok()?;
                blocks.get_mut(at)
            });
            let stays = |block| !self.cleared.contains(id) && db.peek(block_id) == Some(block);
            let unchanged = block.as_ref().is_some_and(stays);
            let value = block.as_ref().filter(|_| !unchanged);
            let value = value.map(|block| block::encode(id, block));
            let bytes = match &value {
                // Something came and went again: the index has estimated what stayed.
                None if unchanged => db.held(id).block(*lo).map(|b| b.bytes),
                None => None,
                Some(value) => Some(value.len() as u32),
            };
            if let (Some(entry), Some(bytes)) = (entry, bytes) {
                entry.bytes = bytes;
            }
            if unchanged {
                continue;
            }
            writes.set(Table::Blocks, records::block_key(id, *lo), value);
        }
    }

    fn encode_histories(&self, db: &Committed, writes: &mut Writes) {
        for (id, held) in &self.held {
            if db.histories().get(id).is_some_and(|old| **old == *held) {
                continue;
            }
            let empty = *held == Held::default();
            let value = (!empty).then(|| records::write_held(id, held));
            writes.set(Table::Segments, records::conversation_key(id), value);
        }
    }

    fn encode_list(&self, db: &Committed, writes: &mut Writes) {
        for (id, state) in &self.list {
            let value = state.as_deref().map(records::write_conversation);
            writes.set(Table::Conversations, records::conversation_key(id), value);
        }
        let lost = db.lost_states();
        for id in lost.filter(|id| !self.list.contains_key(*id)) {
            writes.set(Table::Conversations, records::conversation_key(id), None);
        }
    }

    /// Own messages, those that leave the outbox, read marks.
    fn encode_own(&mut self, db: &Committed, limits: &Limits, writes: &mut Writes) {
        for (order, local) in &self.outbox {
            let value = local.as_deref().map(records::write_local);
            writes.set(Table::Outbox, records::local_key(*order), value);
        }
        if let Some(next) = self.next_order {
            let value = records::write_next(next);
            writes.set(Table::Meta, records::next_key(), Some(value));
        }
        if !self.left.is_empty() {
            let known = db.left_names().len();
            self.leaving = room_for(self.left.len(), db.left(), known, limits.left, |_| false);
            let (number, old) = &self.leaving;
            let value = records::write_left(*number, &self.left);
            writes.set(Table::Outbox, records::left_key(*number), Some(value));
            for number in old {
                writes.set(Table::Outbox, records::left_key(*number), None);
            }
        }
        for (id, seq) in &self.marks {
            let value = seq.map(|seq| records::write_mark(id, seq));
            writes.set(Table::Outbox, records::mark_key(id), value);
        }
    }

    /// When conversations were opened, and their cursors.
    fn encode_cursors(&self, db: &Committed, writes: &mut Writes) {
        for (id, at) in &self.opened {
            let value = at.map(|at| records::write_opened(id, at));
            writes.set(Table::Meta, records::opened_key(id), value);
        }
        if self.cursors_cleared && !db.cursors().is_empty() {
            let (lo, hi) = (records::cursor_key(""), records::cursor_end());
            writes.delete_range(Table::Meta, lo, hi);
        }
        for id in db.lost_cursors() {
            writes.set(Table::Meta, records::cursor_key(id), None);
        }
        for (id, cursor) in &self.cursors {
            if !self.cursors_cleared && db.cursors().get(id) == cursor.as_ref() {
                continue;
            }
            let cursor = cursor.as_ref();
            let value = cursor.map(|cursor| records::write_cursor(id, cursor));
            writes.set(Table::Meta, records::cursor_key(id), value);
        }
    }

    /// The deliveries that were applied, and the records that are forgotten for them (R10).
    fn encode_deliveries(&mut self, db: &Committed, limits: &Limits, writes: &mut Writes) {
        if self.deliveries.is_empty() {
            return;
        }
        // What comes once more is about to be acknowledged.
        let again = |names: &Vec<_>| names.iter().any(|name| self.repeated.contains(name));
        let known = db.deliveries().values().map(Vec::len).sum();
        let new = self.deliveries.len();
        self.remembered = room_for(new, db.deliveries(), known, limits.deliveries, again);
        let (number, old) = &self.remembered;
        let value = records::write_deliveries(*number, self.deliveries.keys());
        writes.set(
            Table::Deliveries,
            records::deliveries_key(*number),
            Some(value),
        );
        for number in old {
            writes.set(Table::Deliveries, records::deliveries_key(*number), None);
        }
    }

    fn encode_meta(&self, db: &Committed, writes: &mut Writes) {
        if let Some(news) = self.news.as_ref().filter(|news| **news != db.news()) {
            let value = records::write_news(news);
            writes.set(Table::Meta, records::news_key(), Some(value));
        }
        let unsaved = db.is_meta_unsaved() || self.meta_anew;
        let meta = self.meta.as_ref().unwrap_or(db.meta());
        if unsaved || meta != db.meta() {
            let value = records::write_meta(meta);
            writes.set(Table::Meta, records::meta_key(), Some(value));
        }
    }
}

/// Whether no message, and no segment, is written behind a cursor.
fn cursors_are_behind(writes: &[Write]) -> bool {
    let history = |write: &Write| matches!(write.table(), Table::Blocks | Table::Segments);
    let mut from_meta = writes.iter().skip_while(|w| w.table() != Table::Meta);
    !from_meta.any(history)
}

/// The number of the record of `new` names, and the records that are forgotten for it: the oldest, as
/// long as `most` are left without them, up to the first that has to stay.
fn room_for<T>(
    new: usize,
    records: &Map<u64, Vec<T>>,
    known: usize,
    most: usize,
    stays: impl Fn(&Vec<T>) -> bool,
) -> (u64, Vec<u64>) {
    let number = records.keys().next_back().map_or(0, |last| last + 1);
    let mut count = known + new;
    let mut old = Vec::new();
    for (number, names) in records {
        if stays(names) || count.saturating_sub(names.len()) < most {
            break;
        }
        count -= names.len();
        old.push(*number);
    }
    (number, old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_names_make_room_for_new_ones() {
        let records = || {
            let mut records: Map<u64, Vec<u8>> = Map::new();
            records.insert(3, vec![1, 2]);
            records.insert(4, vec![3, 4]);
            records.insert(7, vec![5]);
            records
        };
        // How many are new, and how many are left at least: the records that are forgotten.
        for (new, most, forgotten) in [
            (1, 10, vec![]),
            (1, 5, vec![]),
            (1, 4, vec![3]),
            (3, 4, vec![3, 4]),
            (9, 4, vec![3, 4, 7]),
        ] {
            let room = room_for(new, &records(), 5, most, |_| false);
            assert_eq!(room, (8, forgotten), "{new} {most}");
        }
        // One that has to stay, and what is newer, stays.
        let stays = |names: &Vec<u8>| names.contains(&3);
        assert_eq!(room_for(9, &records(), 5, 0, stays), (8, vec![3]));
        assert_eq!(
            room_for(1, &Map::<u64, Vec<u8>>::new(), 0, 0, |_| false).0,
            0
        );
    }

    #[test]
    fn what_is_there_is_put_and_what_is_not_is_deleted() {
        let mut commit = Commit::default();
        commit.marks.insert("c".into(), Some(7));
        commit.marks.insert("d".into(), None);
        let writes = commit.encode(&Committed::default(), 3, &Limits::default());
        let tables: Vec<Table> = writes.iter().map(Write::table).collect();
        assert_eq!(tables, [Table::Outbox, Table::Outbox, Table::Meta]);
        assert!(matches!(&writes[1], Write::Delete { key, .. } if *key == records::mark_key("d")));
        assert_eq!(
            commit.stamp,
            Stamp {
                epoch: 3,
                number: 1
            }
        );
    }

    #[test]
    fn nothing_is_written_where_nothing_changed() {
        let mut commit = Commit {
            meta: Some(records::Meta::default()),
            ..Commit::default()
        };
        assert_eq!(
            commit.encode(&Committed::default(), 3, &Limits::default()),
            []
        );
        assert_eq!(commit.stamp, Stamp::default());
    }
}
