//! The database's layout, and the way to it from every older one: a step a version, each run once,
//! inside the browser's upgrade transaction. A step, once released, is never changed.

use wasm_bindgen::prelude::*;
use web_sys::{IdbDatabase, IdbOpenDbRequest};

use crate::core::storage::Table;

use super::guard;

/// The version of the layout that this build reads and writes: IndexedDB's own version number.
pub const SCHEMA: u32 = STEPS.len() as u32;
// What the core says of itself (`inspect`) is what is stored.
const _: () = assert!(SCHEMA == crate::core::storage::SCHEMA);

/// One step of the layout. A later one that changes object stores takes them from the request's transaction.
type Step = fn(&IdbDatabase) -> Result<(), JsValue>;

/// `STEPS[n]` leads from version n to n + 1.
const STEPS: [Step; 2] = [create, add_wishes];

/// Brings the database of `request`, whose upgrade transaction is running, from version `from` up to
/// [`SCHEMA`]; 0 is one that did not exist.
pub(super) fn upgrade(from: u32, request: &IdbOpenDbRequest) -> Result<(), JsValue> {
    let database = request.result()?.unchecked_into();
    for step in STEPS.iter().skip(from as usize) {
        step(&database)?;
    }
    Ok(())
}

/// 0 → 1: the tables, with the keys beside the values, and the guard with the new database's identity.
fn create(database: &IdbDatabase) -> Result<(), JsValue> {
    for table in Table::ALL.into_iter().filter(|t| *t != Table::Wishes) {
        database.create_object_store(table.name())?;
    }
    guard::create(database)
}

/// 1 → 2: what clients that do not write want done (R15).
fn add_wishes(database: &IdbDatabase) -> Result<(), JsValue> {
    database.create_object_store(Table::Wishes.name())?;
    Ok(())
}
