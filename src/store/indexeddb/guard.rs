//! The guard: a table beside the core's. Which database this is, and the epoch of who may write to it
//! (R15), twice: where one copy cannot be read the other tells.

use indexed_db_futures::database::Database;
use indexed_db_futures::future::{BasicRequest, VoidRequest};
use indexed_db_futures::object_store::ObjectStore;
use indexed_db_futures::query_source::QuerySource;
use indexed_db_futures::transaction::TransactionMode;
use indexed_db_futures::typed_array::{Uint8Array, Uint8ArraySlice};
use indexed_db_futures::{Build, BuildPrimitive, Result};
use wasm_bindgen::JsValue;
use web_sys::IdbDatabase;

/// The guard's object store.
pub(super) const NAME: &str = "guard";

/// What tells two databases from one another.
pub(super) type Token = [u8; 16];

/// The identity that was written in the place of one that could not be read: of any database that was
/// there already.
pub(super) const REPLACED: Token = [0xff; 16];

/// The guard's records.
#[derive(Clone, Copy)]
pub(super) enum Record {
    /// drawn when the database was created; only what cannot be read is changed, to [`REPLACED`]
    Identity,
    /// of the client that writes: 8 bytes, the highest first; raised by each that becomes the writer
    Epoch,
    /// the same epoch again, written in the same transaction
    Spare,
}

impl Record {
    fn key(self) -> JsValue {
        JsValue::from_str(match self {
            Record::Identity => "identity",
            Record::Epoch => "epoch",
            Record::Spare => "epoch again",
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
pub(super) fn put(guard: &ObjectStore<'_>, record: Record, value: &[u8]) -> Result<VoidRequest> {
    guard
        .put(Uint8ArraySlice::new(value))
        .with_key(record.key())
        .without_key_type()
        .primitive()
}

/// A token as it is stored; none where the bytes are no token.
pub(super) fn read_token(stored: Option<&[u8]>) -> Option<Token> {
    stored.and_then(|bytes| Token::try_from(bytes).ok())
}

/// The database's identity; none where the record is missing, or its bytes are no token.
pub(super) async fn identity(database: &Database) -> Result<Option<Token>> {
    let transaction = database
        .transaction(NAME)
        .with_mode(TransactionMode::Readonly)
        .build()?;
    let request = get(&transaction.object_store(NAME)?, Record::Identity)?;
    let found = request.await?;
    Ok(read_token(found.as_ref().map(AsRef::as_ref)))
}
