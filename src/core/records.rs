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

/// How many of the reads of [`load`], the first ones, are of values; the others are of keys.
pub const LOADED: usize = 6;

/// How many reads [`load`] has.
pub const LOADS: usize = 10;

/// The reads that load everything but the messages; then the keys of what is lost by name.
pub fn load() -> Vec<Read> {
    let mut reads: Vec<Read> = [
        Table::Meta,
        Table::Conversations,
        Table::Segments,
        Table::Outbox,
        Table::Deliveries,
        Table::Wishes,
    ]
    .map(|table| Read::All { table })
    .into();
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
