//! Bytes as IndexedDB takes them, and what is asked with them.

use indexed_db_futures::BuildPrimitive;
use indexed_db_futures::KeyRange;
use indexed_db_futures::error::Error;
use indexed_db_futures::future::BasicRequest;
use indexed_db_futures::query_source::QuerySource;
use indexed_db_futures::transaction::Transaction;
use indexed_db_futures::typed_array::{Uint8Array, Uint8ArraySlice};

use crate::core::records;
use crate::core::storage::Table;

/// Bytes as a key or a value. As a plain `Vec<u8>` they would be stored as an array of numbers.
pub(super) type Bytes<'a> = Uint8ArraySlice<'a>;

pub(super) fn range<'a>(lo: &'a [u8], hi: &'a [u8]) -> KeyRange<Bytes<'a>> {
    KeyRange::Bound(Bytes::new(lo), false, Bytes::new(hi), false)
}

/// Asks for the stamp of the newest commit, which tells its writer's epoch.
pub(super) fn stamp(
    transaction: &Transaction<'_>,
) -> Result<BasicRequest<Option<Uint8Array>>, Error> {
    transaction
        .object_store(Table::Meta.name())?
        .get::<Uint8Array, Bytes<'_>, _>(Bytes::new(&records::stamp_key()))
        .primitive()
}
