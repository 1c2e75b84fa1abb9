//! A store in memory: the simulation's, and a browser's that has no IndexedDB.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::storage::{Key, Read, StoreError, Table, Value, Write};

/// Values are shared, so that a clone (the simulation takes one before every crash) costs its keys
/// only.
type Rows = BTreeMap<Key, Arc<[u8]>>;

/// Tables in memory. A clone is a snapshot: what happens to one is not seen by the other.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// indexed by [`Table`]
    tables: [Rows; Table::ALL.len()],
    /// of all keys and values
    bytes: usize,
    capacity: Option<usize>,
    closed: bool,
}

/// What takes a write back.
enum Undo {
    /// the record was this before, or was not
    Record(Table, Key, Option<Arc<[u8]>>),
    /// the whole table was this before
    Table(Table, Rows),
}

impl Memory {
    /// An empty store that holds all it is given.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// An empty store for `capacity` bytes of keys and values. A commit that would leave more in it
    /// answers [`StoreError::Quota`], as on a full disk; one that makes it smaller always succeeds.
    pub fn with_capacity(capacity: usize) -> Memory {
        Memory {
            capacity: Some(capacity),
            ..Memory::default()
        }
    }

    /// The disk fills up, or is freed (`None`): changes what [`with_capacity`](Memory::with_capacity)
    /// set. What is already stored stays.
    pub fn set_capacity(&mut self, capacity: Option<usize>) {
        self.capacity = capacity;
    }

    /// How much is stored: bytes of keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The answers to `reads`, in their order.
    ///
    /// # Errors
    /// [`StoreError::Closed`] after [`close`](Memory::close).
    pub fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Value>>, StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        Ok(reads
            .iter()
            .map(|read| match read {
                Read::Get { table, key } => self
                    .rows(*table)
                    .get(key)
                    .map(|v| v.to_vec())
                    .into_iter()
                    .collect(),
                // `BTreeMap::range` panics at an inverted one.
                Read::Range { lo, hi, .. } if lo > hi => Vec::new(),
                Read::Range { table, lo, hi } => {
                    let range = self.rows(*table).range::<Key, _>(lo..=hi);
                    range.map(|(_, v)| v.to_vec()).collect()
                }
                Read::All { table } => self.rows(*table).values().map(|v| v.to_vec()).collect(),
            })
            .collect())
    }

    /// Applies `writes` in their order, all or none.
    ///
    /// # Errors
    /// [`StoreError::Quota`] where they do not fit, [`StoreError::Closed`] after
    /// [`close`](Memory::close). Nothing was applied.
    pub fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        let before = self.bytes;
        let mut undo = Vec::with_capacity(writes.len());
        for write in writes {
            self.apply(write, &mut undo);
        }
        // Only what is left at the end counts: room made by a transaction is room for it.
        if self.bytes > before && self.capacity.is_some_and(|capacity| self.bytes > capacity) {
            for step in undo.into_iter().rev() {
                match step {
                    Undo::Record(table, key, Some(value)) => {
                        self.rows_mut(table).insert(key, value);
                    }
                    Undo::Record(table, key, None) => {
                        self.rows_mut(table).remove(&key);
                    }
                    Undo::Table(table, rows) => *self.rows_mut(table) = rows,
                }
            }
            self.bytes = before;
            return Err(StoreError::Quota);
        }
        Ok(())
    }

    /// From now on everything answers [`StoreError::Closed`].
    pub fn close(&mut self) {
        self.closed = true;
        self.tables = Default::default();
        self.bytes = 0;
    }

    fn apply(&mut self, write: &Write, undo: &mut Vec<Undo>) {
        match write {
            Write::Put { table, key, value } => {
                let old = self
                    .rows_mut(*table)
                    .insert(key.clone(), value.as_slice().into());
                self.bytes += key.len() + value.len();
                self.bytes -= old.as_ref().map_or(0, |old| key.len() + old.len());
                undo.push(Undo::Record(*table, key.clone(), old));
            }
            Write::Delete { table, key } => self.remove(*table, key.clone(), undo),
            Write::DeleteRange { lo, hi, .. } if lo > hi => {}
            Write::DeleteRange { table, lo, hi } => {
                let range = self.rows(*table).range::<Key, _>(lo..=hi);
                let keys: Vec<Key> = range.map(|(key, _)| key.clone()).collect();
                for key in keys {
                    self.remove(*table, key, undo);
                }
            }
            Write::Clear { table } => {
                let rows = std::mem::take(self.rows_mut(*table));
                self.bytes -= rows.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
                undo.push(Undo::Table(*table, rows));
            }
        }
    }

    fn remove(&mut self, table: Table, key: Key, undo: &mut Vec<Undo>) {
        if let Some(old) = self.rows_mut(table).remove(&key) {
            self.bytes -= key.len() + old.len();
            undo.push(Undo::Record(table, key, Some(old)));
        }
    }

    fn rows(&self, table: Table) -> &Rows {
        &self.tables[table as usize]
    }

    fn rows_mut(&mut self, table: Table) -> &mut Rows {
        &mut self.tables[table as usize]
    }
}
