//! The records of the database: their keys, and their bytes. [`super::block`] has the messages.
//!
//! Every record is checked ([`super::codec`]) and names what it belongs to. JSON inside where fields
//! will come and go; varints where size counts.

mod account;
mod conversation;
mod form;
mod held;
mod keys;
mod own;
mod wish;

pub use account::*;
pub use conversation::*;
pub use held::*;
pub use keys::*;
pub use own::*;
pub use wish::*;

use super::storage::{Read, Table};

/// The tables of which [`load`] reads the values, before the keys of some of them.
pub const LOADED: [Table; 6] = [
    Table::Meta,
    Table::Conversations,
    Table::Segments,
    Table::Outbox,
    Table::Deliveries,
    Table::Wishes,
];

/// How many reads [`load`] has.
pub const LOADS: usize = 10;

/// The reads that load everything but the messages; then the keys of what is lost by name.
pub fn load() -> Vec<Read> {
    let mut reads: Vec<Read> = LOADED.map(|table| Read::All { table }).into();
    let named = [
        Table::Conversations,
        Table::Segments,
        Table::Outbox,
        Table::Wishes,
    ];
    reads.extend(named.map(|table| Read::Keys { table }));
    debug_assert_eq!(reads.len(), LOADS);
    reads
}
