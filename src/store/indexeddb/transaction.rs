//! One transaction each: reads, writes, the fence.

use indexed_db_futures::error::Error;
use indexed_db_futures::future::{BasicRequest, GetAllPrimitiveRequest};
use indexed_db_futures::internals::SystemRepr;
use indexed_db_futures::query_source::QuerySource;
use indexed_db_futures::transaction::{
    OnTransactionDrop, Transaction, TransactionDurability, TransactionMode, TransactionOptions,
};
use indexed_db_futures::typed_array::Uint8Array;
use indexed_db_futures::{Build, BuildPrimitive};
use js_sys::ArrayBuffer;
use wasm_bindgen::prelude::*;

use super::bytes::{Bytes, range, stamp};
use super::errors::{AttemptError, error_name, failure, is_end, is_of_all};
use super::guard::{self, Record};
use super::handle::Attempt;
use crate::core::records::{self, MetaRecord};
use crate::core::storage::{Answer, Durability, Key, Read, Table, Value, Write, read_epoch};
use crate::store::first_epoch;

pub(super) async fn read_once(
    database: &Attempt,
    reads: &[Read],
) -> Result<Vec<Answer>, AttemptError> {
    enum Asked {
        Nothing,
        One(BasicRequest<Option<Uint8Array>>),
        Many(GetAllPrimitiveRequest<Uint8Array>),
        Keys(GetAllPrimitiveRequest<JsValue>),
    }

    if reads.is_empty() {
        // A transaction over nothing is an error.
        return Ok(Vec::new());
    }
    let mut names = names(|table| reads.iter().any(|read| read.table() == Some(table)));
    if reads.contains(&Read::Epoch) {
        names.push(guard::NAME);
    }
    let mut transaction = database
        .transaction(names)
        .with_mode(TransactionMode::Readonly)
        .build()?;
    transaction.on_drop(OnTransactionDrop::Commit);
    database.life.watch(transaction.as_sys());
    database.life.forgive(true);
    let mut answers = Vec::with_capacity(reads.len());
    for read in reads {
        let name = read.table().map_or(guard::NAME, Table::name);
        let store = transaction.object_store(name)?;
        answers.push(match read {
            Read::Epoch => Asked::One(guard::get(&store, Record::Epoch)?),
            // For IndexedDB it would be an error.
            Read::Range { lo, hi, .. } if lo > hi => Asked::Nothing,
            Read::Range { lo, hi, .. } => Asked::Many(
                store
                    .get_all::<Uint8Array>()
                    .with_query::<Bytes<'_>, _>(range(lo, hi))
                    .primitive()?,
            ),
            Read::All { .. } => Asked::Many(store.get_all::<Uint8Array>().primitive()?),
            Read::Keys { .. } => Asked::Keys(store.get_all_keys::<JsValue>().primitive()?),
        });
    }
    let mut found: Vec<Answer> = Vec::with_capacity(answers.len());
    for (read, asked) in reads.iter().zip(answers) {
        let values = match asked {
            Asked::Nothing => Ok(Vec::new()),
            Asked::One(request) => {
                let value = request.await;
                value.map(|value| value.map(Value::from).into_iter().collect())
            }
            Asked::Many(request) => match request.await {
                Ok(values) => values.map(|value| value.map(Value::from)).collect(),
                Err(error) => Err(error),
            },
            Asked::Keys(request) => Ok(keys(request).await?),
        };
        found.push(match values {
            Ok(values) => values.into(),
            Err(error) => salvage(&transaction, read, error).await?,
        });
    }
    let unreadable = found.iter().any(|answer| !answer.unreadable.is_empty());
    if unreadable && found.iter().all(|answer| answer.values.is_empty()) {
        // Is it these records, or is it all of them? Then it is the store that has failed.
        guard::identity(database).await?;
    }
    Ok(found)
}

/// What the guard has for an epoch.
#[derive(Clone, Copy, PartialEq)]
enum Written {
    /// nobody has fenced yet
    Nothing,
    Epoch(u64),
    Unreadable,
}

/// # Errors
/// Those that say nothing of the record.
async fn written(record: BasicRequest<Option<Uint8Array>>) -> Result<Written, Error> {
    match record.await {
        Ok(None) => Ok(Written::Nothing),
        Ok(Some(bytes)) => {
            Ok(read_epoch(bytes.as_ref()).map_or(Written::Unreadable, Written::Epoch))
        }
        Err(error) if is_of_all(&error) => Err(error),
        Err(_) => Ok(Written::Unreadable),
    }
}

/// The new epoch, and whether a record had to be put right for it. `known`: the highest that this client
/// had. Strict: an epoch that was given, and lost with the machine, would be given again.
pub(super) async fn raise_epoch(
    database: &Attempt,
    known: u64,
) -> Result<(u64, bool), AttemptError> {
    let tables = [guard::NAME, Table::Meta.name()];
    let transaction = begin_write(database, &tables, Durability::Strict)?;
    database.life.forgive(true);
    let fate = transaction.as_sys().clone();
    let raised = async {
        let guard = transaction.object_store(guard::NAME)?;
        let first = guard::get(&guard, Record::Epoch)?;
        let spare = guard::get(&guard, Record::Spare)?;
        let stamp = stamp(&transaction)?;
        let (first, spare) = (written(first).await?, written(spare).await?);
        let stamp = match stamp.await {
            Ok(Some(bytes)) => records::read_meta(bytes.as_ref()).ok(),
            _ => None,
        };
        let epoch = match (first, spare) {
            (Written::Epoch(first), Written::Epoch(spare)) => first.max(spare) + 1,
            // Both are written in one transaction: one tells of both.
            (Written::Epoch(epoch), _) | (_, Written::Epoch(epoch)) => epoch + 1,
            // Also the first: what was said of a database that is deleted since says nothing of this one.
            _ => {
                let committed = match stamp {
                    Some(MetaRecord::Stamp(stamp)) => stamp.epoch,
                    _ => 0,
                };
                first_epoch(known.max(committed))
            }
        };
        database.life.forgive(false);
        for record in [Record::Epoch, Record::Spare] {
            guard::put(&guard, record, &epoch.to_be_bytes())?.await?;
        }
        Ok((epoch, [first, spare].contains(&Written::Unreadable)))
    };
    let raised = raised.await.map_err(|error| failure(&fate, error))?;
    finish(database, transaction).await?;
    Ok(raised)
}

/// Those that are bytes. Any other nobody here has written, and it names nothing.
async fn keys(request: GetAllPrimitiveRequest<JsValue>) -> Result<Vec<Key>, Error> {
    let keys = request.await?;
    // Made of what is no bytes an array would have as many as that says, or throw.
    let bytes =
        |key: JsValue| Some(js_sys::Uint8Array::new(key.dyn_ref::<ArrayBuffer>()?).to_vec());
    keys.filter_map(|key| key.map(bytes).transpose()).collect()
}

/// One by one what a read asked for that failed as a whole: a single record that cannot be read (a
/// large value is a file beside the database in some browsers) fails all of a `getAll`.
async fn salvage(
    transaction: &Transaction<'_>,
    read: &Read,
    error: Error,
) -> Result<Answer, AttemptError> {
    if is_end(&error_name(&error)) {
        return Err(error.into());
    }
    let Some(table) = read.table() else {
        let spare = transaction.object_store(guard::NAME)?;
        return Ok(match written(guard::get(&spare, Record::Spare)?).await? {
            Written::Epoch(epoch) => vec![epoch.to_be_bytes().to_vec()].into(),
            _ => Answer {
                values: Vec::new(),
                unreadable: vec![b"epoch".to_vec()],
            },
        });
    };
    let store = transaction.object_store(table.name())?;
    let all = store.get_all_keys::<JsValue>();
    let keys = match read {
        Read::Range { lo, hi, .. } => {
            let some = all.with_query::<Bytes<'_>, _>(range(lo, hi)).primitive()?;
            keys(some).await?
        }
        Read::All { .. } => keys(all.primitive()?).await?,
        Read::Keys { .. } | Read::Epoch => return Err(error.into()),
    };
    let get = |key| {
        store
            .get::<Uint8Array, Bytes<'_>, _>(Bytes::new(key))
            .primitive()
    };
    let requests: Vec<_> = keys.iter().map(|key| get(key)).collect::<Result<_, _>>()?;
    let mut answer = Answer::default();
    for (key, request) in keys.iter().zip(requests) {
        match request.await {
            Ok(value) => answer.values.extend(value.map(Value::from)),
            Err(error) if is_end(&error_name(&error)) => return Err(error.into()),
            Err(_) => answer.unreadable.push(key.clone()),
        }
    }
    Ok(answer)
}

/// Whose the guard is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Holder {
    Me,
    Other,
    /// nobody's: who fences next puts it right
    Unreadable,
}

/// Applies the writes in one transaction, unless the guard has another client's epoch: then nothing is applied.
pub(super) async fn commit_once(
    database: &Attempt,
    writes: &[Write],
    durability: Durability,
    epoch: Option<u64>,
) -> Result<Holder, AttemptError> {
    let Some(epoch) = epoch else {
        return Ok(Holder::Other);
    };
    let mut names = names(|table| writes.iter().any(|write| write.table() == table));
    names.push(guard::NAME);
    let transaction = begin_write(database, &names, durability)?;
    // The writes leave together with the question whether they may: waiting for its answer first
    // would cost a turn of the event loop, 0.2 ms of 2.5. It arrives before they are done, so there
    // is still a transaction to abort.
    let guard = transaction.object_store(guard::NAME)?;
    database.life.forgive(true);
    let first = guard::get(&guard, Record::Epoch)?;
    let sent = send_writes(&transaction, writes);
    let fate = transaction.as_sys().clone();
    let held = async {
        sent?;
        let first = written(first).await;
        // Nothing but that question is forgiven: its answer is the transaction's first.
        database.life.forgive(false);
        match first? {
            Written::Unreadable => written(guard::get(&guard, Record::Spare)?).await,
            readable => Ok(readable),
        }
    };
    let held = held.await;
    drop(guard);
    let holder = match held {
        Ok(Written::Epoch(held)) if held == epoch => {
            finish(database, transaction).await?;
            return Ok(Holder::Me);
        }
        Ok(Written::Unreadable) => Holder::Unreadable,
        Ok(_) => Holder::Other,
        Err(error) => return Err(failure(&fate, error)),
    };
    // Nothing else can come of it.
    let _ = transaction.abort().await;
    Ok(holder)
}

/// Whoever may write: no guard is asked, and no transaction of the writer's stands in the way.
pub(super) async fn wish_once(database: &Attempt, writes: &[Write]) -> Result<(), AttemptError> {
    let transaction = begin_write(database, &[Table::Wishes.name()], Durability::Strict)?;
    let fate = transaction.as_sys().clone();
    send_writes(&transaction, writes).map_err(|error| failure(&fate, error))?;
    finish(database, transaction).await
}

fn send_writes(transaction: &Transaction<'_>, writes: &[Write]) -> Result<(), Error> {
    for write in writes {
        let store = transaction.object_store(write.table().name())?;
        match write {
            Write::Put { key, value, .. } => {
                store
                    .put(Bytes::new(value))
                    .with_key(Bytes::new(key))
                    .without_key_type()
                    .primitive()?;
            }
            Write::Delete { key, .. } => {
                store.delete::<Bytes<'_>, _>(Bytes::new(key)).primitive()?;
            }
            // For IndexedDB it would be an error.
            Write::DeleteRange { lo, hi, .. } if lo > hi => {}
            Write::DeleteRange { lo, hi, .. } => {
                store.delete::<Bytes<'_>, _>(range(lo, hi)).primitive()?;
            }
        }
    }
    Ok(())
}

fn begin_write<'a>(
    database: &'a Attempt,
    names: &[&str],
    durability: Durability,
) -> Result<Transaction<'a>, Error> {
    let durability = match durability {
        Durability::Relaxed => TransactionDurability::Relaxed,
        Durability::Strict => TransactionDurability::Strict,
    };
    let transaction = database
        .transaction(names)
        .with_mode(TransactionMode::Readwrite)
        .with_options(TransactionOptions::new().with_durability(durability))
        .build()?;
    database.life.watch(transaction.as_sys());
    Ok(transaction)
}

async fn finish(attempt: &Attempt, transaction: Transaction<'_>) -> Result<(), AttemptError> {
    attempt.life.commits();
    let fate = transaction.as_sys().clone();
    transaction
        .commit()
        .await
        .map_err(|error| failure(&fate, error))
}

/// The names of the tables that a transaction is about.
fn names(about: impl Fn(Table) -> bool) -> Vec<&'static str> {
    let tables = Table::ALL.into_iter().filter(|table| about(*table));
    tables.map(Table::name).collect()
}
