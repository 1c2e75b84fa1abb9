//! The database's layout, and the way to it from every older one: a step a version, each run once,
//! inside the browser's upgrade transaction. A step, once released, is never changed.

use indexed_db_futures::Build;
use indexed_db_futures::transaction::Transaction;

use crate::core::storage::Table;

use super::guard;

/// The version of the layout that this build reads and writes: IndexedDB's own version number.
pub const SCHEMA: u32 = STEPS.len() as u32;
// What the core says of itself (`inspect`) is what is stored.
const _: () = assert!(SCHEMA == crate::core::storage::SCHEMA);

type Step = fn(&Transaction<'_>) -> indexed_db_futures::Result<()>;

/// `STEPS[n]` leads from version n to n + 1.
const STEPS: [Step; 1] = [create];

/// Brings a database of version `from` up to [`SCHEMA`]; 0 is one that did not exist.
pub(super) fn upgrade(from: u32, transaction: &Transaction<'_>) -> indexed_db_futures::Result<()> {
    for step in STEPS.iter().skip(from as usize) {
        step(transaction)?;
    }
    Ok(())
}

/// 0 → 1: the tables, with the keys beside the values, and the guard with the new database's identity.
fn create(transaction: &Transaction<'_>) -> indexed_db_futures::Result<()> {
    let database = transaction.db();
    for table in Table::ALL {
        database.create_object_store(table.name()).build()?;
    }
    let store = database.create_object_store(guard::NAME).build()?;
    guard::put(&store, guard::Record::Identity, &guard::draw())
}
