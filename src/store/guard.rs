//! The guard: a table beside the core's, with two records. Which database this is, and who may write
//! to it.

use indexed_db_futures::database::Database;
use indexed_db_futures::future::BasicRequest;
use indexed_db_futures::object_store::ObjectStore;
use indexed_db_futures::query_source::QuerySource;
use indexed_db_futures::transaction::TransactionMode;
use indexed_db_futures::typed_array::{Uint8Array, Uint8ArraySlice};
use indexed_db_futures::{Build, BuildPrimitive, Result};
use wasm_bindgen::JsValue;
use web_sys::IdbDatabase;

/// The guard's object store.
pub(super) const NAME: &str = "guard";

/// What tells two databases, or two writers, from one another.
pub(super) type Token = [u8; 16];

/// The guard's records.
#[derive(Clone, Copy)]
pub(super) enum Record {
    /// drawn when the database was created, never changed
    Identity,
    /// drawn by the client that writes
    Writer,
}

impl Record {
    fn key(self) -> JsValue {
        JsValue::from_str(match self {
            Record::Identity => "identity",
            Record::Writer => "writer",
        })
    }
}

/// A token that nobody else has. It keeps apart, and need not be kept secret: `Math.random` will do.
pub(super) fn draw() -> Token {
    let mut token = Token::default();
    for bytes in token.chunks_mut(4) {
        let random = (js_sys::Math::random() * f64::from(u32::MAX)) as u32;
        bytes.copy_from_slice(&random.to_le_bytes());
    }
    token
}

/// Creates the guard in a new database, with its identity.
pub(super) fn create(database: &IdbDatabase) -> std::result::Result<(), JsValue> {
    let identity = js_sys::Uint8Array::new_from_slice(&draw());
    database
        .create_object_store(NAME)?
        .put_with_key(&identity, &Record::Identity.key())?;
    Ok(())
}

/// Asks for a record. The request leaves at once.
pub(super) fn get(
    guard: &ObjectStore<'_>,
    record: Record,
) -> Result<BasicRequest<Option<Uint8Array>>> {
    guard
        .get::<Uint8Array, JsValue, _>(record.key())
        .primitive()
}

/// Sets a record. The request leaves at once.
pub(super) fn put(guard: &ObjectStore<'_>, record: Record, token: &Token) -> Result<()> {
    guard
        .put(Uint8ArraySlice::new(token))
        .with_key(record.key())
        .primitive()?;
    Ok(())
}

/// The database's identity; none in one that is no Pullcord's.
pub(super) async fn identity(database: &Database) -> Result<Option<Token>> {
    let transaction = database
        .transaction(NAME)
        .with_mode(TransactionMode::Readonly)
        .build()?;
    let request = get(&transaction.object_store(NAME)?, Record::Identity)?;
    let found = request.await?;
    Ok(found.and_then(|bytes| Token::try_from(bytes.as_ref()).ok()))
}
