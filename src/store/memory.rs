//! A store in memory: the simulation's, and a browser's that has no IndexedDB.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use super::{Backend, first_epoch};
use crate::core::storage::{Answer, Durability, Key, Read, StoreError, Table, Value, Write};

/// A record, and where it stands.
#[derive(Clone, Debug)]
struct Row {
    table: Table,
    key: Key,
    value: Value,
    /// whether it is there and cannot be read: see [`Memory::spoil`]
    spoilt: bool,
}

impl Row {
    fn bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

/// Tables in memory. A clone is a snapshot: what happens to one is not seen by the other.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// by table, then key. Moving them aside costs less than the code of a tree would cost every visitor: each is a
    /// pointer, so that this holds for 100,000 conversations too. Shared, so that a clone (the simulation takes one
    /// before every crash) copies no record.
    rows: Vec<Arc<Row>>,
    /// size of all keys and values, in bytes
    bytes: usize,
    capacity: Option<usize>,
    closed: bool,
    /// the epoch of the client that may write
    epoch: u64,
}

impl Memory {
    /// An empty store that holds all it is given.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// An empty store whose epochs are above this one.
    pub fn above(epoch: u64) -> Memory {
        Memory {
            epoch,
            ..Memory::default()
        }
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

    /// From now on this record cannot be read, as where a browser keeps a large value in a file of
    /// its own and that is damaged. It is there all the same, until it is written anew or deleted.
    /// Answers whether there is one.
    pub fn spoil(&mut self, table: Table, key: &[u8]) -> bool {
        let span = self.span(table, key, key);
        let rows = self.rows.get_mut(span).unwrap_or_default();
        rows.iter_mut()
            .for_each(|row| Arc::make_mut(row).spoilt = true);
        !rows.is_empty()
    }

    /// What was spoilt can be read again.
    pub fn mend(&mut self) {
        let spoilt = self.rows.iter_mut().filter(|row| row.spoilt);
        spoilt.for_each(|row| Arc::make_mut(row).spoilt = false);
    }

    /// The answers to `reads`, in their order.
    ///
    /// # Errors
    /// [`StoreError::Closed`] after [`close`](Memory::close).
    pub fn read(&self, reads: &[Read]) -> Result<Vec<Answer>, StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        let answer = |span: Range<usize>| {
            let rows = self.rows.get(span).unwrap_or_default();
            let (spoilt, sound): (Vec<&Arc<Row>>, Vec<&Arc<Row>>) =
                rows.iter().partition(|row| row.spoilt);
            Answer {
                values: sound.iter().map(|row| row.value.clone()).collect(),
                unreadable: spoilt.iter().map(|row| row.key.clone()).collect(),
            }
        };
        Ok(reads
            .iter()
            .map(|read| match read {
                Read::Range { table, lo, hi } => answer(self.span(*table, lo, hi)),
                Read::All { table } => answer(self.table(*table)),
                Read::Keys { table } => {
                    let rows = self.rows.get(self.table(*table)).unwrap_or_default();
                    rows.iter()
                        .map(|row| row.key.clone())
                        .collect::<Vec<Value>>()
                        .into()
                }
                Read::Epoch => vec![self.epoch.to_be_bytes().to_vec()].into(),
            })
            .collect())
    }

    /// From now on only the client that is given this epoch may write (R15).
    pub fn fence(&mut self) -> u64 {
        self.epoch += 1;
        self.epoch
    }

    /// [`commit`](Memory::commit) of the client with this epoch.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] where that is not the newest; those of `commit`.
    pub fn commit_of(&mut self, epoch: u64, writes: &[Write]) -> Result<(), StoreError> {
        match epoch == self.epoch || self.closed {
            true => self.commit(writes),
            false => Err(StoreError::Fenced),
        }
    }

    /// Applies `writes` in their order, all or none, whoever may write.
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
            undo.push(self.apply(write));
        }
        // Only what is left at the end counts: room made by a transaction is room for it.
        if self.bytes > before && self.capacity.is_some_and(|capacity| self.bytes > capacity) {
            for (span, rows) in undo.into_iter().rev() {
                self.replace(span, rows);
            }
            return Err(StoreError::Quota);
        }
        Ok(())
    }

    /// From now on everything answers [`StoreError::Closed`].
    pub fn close(&mut self) {
        self.closed = true;
        self.rows = Vec::new();
        self.bytes = 0;
    }

    /// Applies one write. Answers what takes it back: the range it has changed, and the rows that were there.
    fn apply(&mut self, write: &Write) -> (Range<usize>, Vec<Arc<Row>>) {
        let mut rows = Vec::new();
        let span = match write {
            Write::Put { table, key, value } => {
                rows.push(Arc::new(Row {
                    table: *table,
                    key: key.clone(),
                    value: value.clone(),
                    spoilt: false,
                }));
                self.span(*table, key, key)
            }
            Write::Delete { table, key } => self.span(*table, key, key),
            Write::DeleteRange { table, lo, hi } => self.span(*table, lo, hi),
        };
        let put = span.start..span.start + rows.len();
        (put, self.replace(span, rows))
    }

    /// Puts `rows` in the place of those in `span`. Answers these.
    fn replace(&mut self, span: Range<usize>, rows: Vec<Arc<Row>>) -> Vec<Arc<Row>> {
        let bytes = |rows: &[Arc<Row>]| rows.iter().map(|row| row.bytes()).sum::<usize>();
        self.bytes += bytes(&rows);
        let old: Vec<Arc<Row>> = self.rows.splice(span, rows).collect();
        self.bytes -= bytes(&old);
        old
    }

    /// Where the records from `lo` to `hi` stand, or would.
    fn span(&self, table: Table, lo: &[u8], hi: &[u8]) -> Range<usize> {
        let at = |row: &Row, key| (row.table, row.key.as_slice()).cmp(&(table, key));
        let start = self.rows.partition_point(|row| at(row, lo).is_lt());
        let end = self.rows.partition_point(|row| at(row, hi).is_le());
        // An inverted range is empty.
        start..end.max(start)
    }

    /// Where a table's records stand.
    fn table(&self, table: Table) -> Range<usize> {
        let start = self.rows.partition_point(|row| row.table < table);
        let end = self.rows.partition_point(|row| row.table <= table);
        start..end
    }
}

thread_local! {
    /// of each account that has clients in memory
    static SHARED: RefCell<Vec<(String, Weak<RefCell<Memory>>)>> = const { RefCell::new(Vec::new()) };
}

/// The store of one client: shared by those of its account in this page.
#[derive(Debug)]
pub struct InMemory {
    memory: Rc<RefCell<Memory>>,
    /// under which this client writes
    epoch: Cell<u64>,
    closed: Cell<bool>,
}

impl InMemory {
    /// The account's; an empty one where it has no other client here.
    pub(super) fn open(account: &str) -> InMemory {
        let memory = SHARED.with_borrow_mut(|shared| {
            shared.retain(|(_, memory)| memory.strong_count() > 0);
            let here = shared.iter().find(|(of, _)| of == account);
            if let Some(memory) = here.and_then(|(_, memory)| memory.upgrade()) {
                return memory;
            }
            // Above those of one that was wiped: what its clients have said may still be heard.
            let memory = Rc::new(RefCell::new(Memory::above(first_epoch(0))));
            shared.push((account.to_owned(), Rc::downgrade(&memory)));
            memory
        });
        InMemory {
            memory,
            epoch: Cell::new(0),
            closed: Cell::new(false),
        }
    }

    /// Who opens the account from here on begins with nothing.
    pub(super) fn forget(account: &str) {
        SHARED.with_borrow_mut(|shared| shared.retain(|(of, _)| of != account));
    }

    fn is_open(&self) -> Result<(), StoreError> {
        match self.closed.get() {
            true => Err(StoreError::Closed),
            false => Ok(()),
        }
    }
}

impl Backend for InMemory {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn durable(&self) -> bool {
        false
    }

    /// It is lost with its page only.
    fn adopt(&self) {}

    async fn fence(&self) -> Result<u64, StoreError> {
        self.is_open()?;
        self.epoch.set(self.memory.borrow_mut().fence());
        Ok(self.epoch.get())
    }

    async fn read(&self, reads: &[Read]) -> Result<Vec<Answer>, StoreError> {
        self.is_open()?;
        self.memory.borrow().read(reads)
    }

    async fn commit(&self, writes: &[Write], _: Durability) -> Result<(), StoreError> {
        self.is_open()?;
        self.memory.borrow_mut().commit_of(self.epoch.get(), writes)
    }

    async fn wish(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.is_open()?;
        self.memory.borrow_mut().commit(writes)
    }

    fn sleep(&self) {}

    fn wake(&self) {}

    fn close(&self) {
        self.closed.set(true);
    }
}
