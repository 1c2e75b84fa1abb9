//! Opening a database: it takes as long as a browser may, and no longer.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, select};
use indexed_db_futures::Build;
use indexed_db_futures::database::Database;
use indexed_db_futures::error::{Error, OpenDbError};
use indexed_db_futures::future::OpenDbRequest;
use indexed_db_futures::internals::SystemRepr;
use indexed_db_futures::transaction::{TransactionDurability, TransactionMode, TransactionOptions};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{IdbOpenDbRequest, IdbVersionChangeEvent};

use super::bytes::stamp;
use super::errors::{AttemptError, is_of_all, open_error, words};
use super::guard::{self, Record, Token};
use super::life::{Life, SILENT};
use super::schema::{self, SCHEMA};
use crate::core::storage::{StoreError, Table, Why};
use crate::net::time::{monotonic, sleep, within};
use crate::store::{Event, Owner};

/// How long another tab may block an upgrade before it fails: ms. A tab that is alive lets go in a few; one that is
/// frozen may not until the user comes back to it.
const BLOCKED: u64 = 5_000;

/// How long the browser may take to open a database that nobody blocks: ms. It can be slow at a cold start from a slow
/// disk, but Safari has also been seen never to answer.
const OPENING: u64 = 10_000;

/// Waits between the tries to open a database that the browser fails to open: ms.
const OPEN_AGAIN: [u64; 2] = [250, 1_000];

/// No two accounts share a name, whatever characters they are made of: nothing follows the account.
pub(super) fn database_name(account: &str) -> String {
    ["pullcord:", account].concat()
}

/// Opens the database, as often as it takes. Where the browser would answer too late, it is not asked
/// again.
pub(super) async fn open(
    name: &str,
    owner: &Rc<dyn Owner>,
) -> Result<(Database, Token), StoreError> {
    let began = monotonic();
    let mut waits = OPEN_AGAIN.into_iter();
    loop {
        let why = match connect(name, owner).await {
            Ok(opened) => return Ok(opened),
            Err(AttemptError::Final(error)) => return Err(error),
            Err(AttemptError::Stale(why)) => why,
        };
        let elapsed = monotonic() - began;
        let in_time = |wait: &u64| elapsed + wait + SILENT <= OPENING;
        match waits.next().filter(in_time) {
            Some(wait) => sleep(wait).await,
            None => return Err(StoreError::Refused(why)),
        }
    }
}

/// Opens the database, and reads which one it is.
async fn connect(name: &str, owner: &Rc<dyn Owner>) -> Result<(Database, Token), AttemptError> {
    let database = open_database(name, owner).await?;
    let why = match within(SILENT, guard::identity(&database)).await {
        Some(Ok(Some(identity))) => return Ok((database, identity)),
        Some(Err(error)) if is_of_all(&error) => words(&error).into(),
        Some(unread) => match within(SILENT, replace_identity(&database)).await {
            Some(Ok(Some(identity))) => {
                owner.on_event(Event::PutRight);
                return Ok((database, identity));
            }
            Some(_) => match unread {
                Err(error) => words(&error).into(),
                Ok(_) => [name, " is not a database of Pullcord's"].concat().into(),
            },
            None => Why::Silence,
        },
        None => Why::Silence,
    };
    database.close();
    Err(AttemptError::Stale(why))
}

/// Writes [`guard::REPLACED`] in the place of an identity that cannot be read, where a neighbour can:
/// then it is this record that is lost, and not the database. None where that is not so.
async fn replace_identity(database: &Database) -> Result<Option<Token>, Error> {
    let tables = database.as_sys().object_store_names();
    if !Table::ALL.iter().all(|table| tables.contains(table.name()))
        || !tables.contains(guard::NAME)
    {
        return Ok(None);
    }
    let life = Life::default();
    let transaction = database
        .transaction([guard::NAME, Table::Meta.name()])
        .with_mode(TransactionMode::Readwrite)
        .with_options(TransactionOptions::new().with_durability(TransactionDurability::Strict))
        .build()?;
    life.watch(transaction.as_sys());
    life.forgive(true);
    let guard = transaction.object_store(guard::NAME)?;
    let identity = guard::get(&guard, Record::Identity)?;
    let neighbours = [
        guard::get(&guard, Record::Epoch)?,
        guard::get(&guard, Record::Spare)?,
        stamp(&transaction)?,
    ];
    // Another client may have been faster.
    let there = identity.await;
    if let Ok(Some(there)) = there.map(|bytes| guard::read_token(bytes.as_ref().map(AsRef::as_ref)))
    {
        return Ok(Some(there));
    }
    let mut readable = false;
    for neighbour in neighbours {
        readable |= neighbour.await.is_ok();
    }
    if !readable {
        return Ok(None);
    }
    life.forgive(false);
    guard::put(&guard, Record::Identity, &guard::REPLACED)?.await?;
    drop(guard);
    transaction.commit().await?;
    Ok(Some(guard::REPLACED))
}

async fn open_database(name: &str, owner: &Rc<dyn Owner>) -> Result<Database, AttemptError> {
    let request = Database::open(name)
        .with_version(SCHEMA)
        .build()
        .map_err(open_error)?;
    // What stands for IndexedDB in some private windows and blockers gives nothing to listen to.
    if !request.as_sys().is_object() {
        return Err(AttemptError::Final(StoreError::Refused(
            "what this browser has for IndexedDB opens nothing".into(),
        )));
    }
    let blocked = Rc::new(Cell::new(false));
    let on_blocked = Closure::<dyn FnMut()>::new({
        let (blocked, owner) = (Rc::clone(&blocked), Rc::clone(owner));
        move || {
            blocked.set(true);
            owner.on_event(Event::Blocked);
        }
    });
    // Not indexed_db_futures' own callback, which can put every error of the crate into words: that
    // alone is a twelfth of the wasm.
    let failed = Rc::new(RefCell::new(None));
    let sys = request.as_sys().clone();
    let on_upgrade_needed = Closure::<dyn FnMut(IdbVersionChangeEvent)>::new({
        let (failed, sys) = (Rc::clone(&failed), sys.clone());
        move |event: IdbVersionChangeEvent| {
            let Err(thrown) = schema::upgrade(event.old_version() as u32, &sys) else {
                return;
            };
            failed.replace(Some(Error::from(thrown)));
            if let Some(transaction) = sys.transaction() {
                // It has been aborted already, or this does it: the database stays as it was.
                let _ = transaction.abort();
            }
        }
    });
    sys.set_onblocked(Some(on_blocked.as_ref().unchecked_ref()));
    sys.set_onupgradeneeded(Some(on_upgrade_needed.as_ref().unchecked_ref()));
    // For as long as they may be called.
    let handlers = Handlers {
        request: sys,
        _on_blocked: on_blocked,
        _on_upgrade_needed: on_upgrade_needed,
    };
    match select(request, pin!(opening_timeout(&blocked))).await {
        Either::Left((opened, _)) => {
            drop(handlers);
            opened.map_err(|error| open_error(failed.take().map_or(error, OpenDbError::Base)))
        }
        Either::Right(((), request)) => {
            spawn_local(close_once_open(request, handlers));
            Err(AttemptError::Final(match timeout_error(&blocked) {
                StoreError::Failed(why) if !blocked.get() => StoreError::Refused(why),
                error => error,
            }))
        }
    }
}

/// A request that was given up may still open one day: an unwatched handle would block all other tabs.
async fn close_once_open(request: OpenDbRequest, handlers: Handlers) {
    if let Ok(database) = request.await {
        database.close();
    }
    drop(handlers);
}

/// What a request to open calls.
struct Handlers {
    request: IdbOpenDbRequest,
    _on_blocked: Closure<dyn FnMut()>,
    _on_upgrade_needed: Closure<dyn FnMut(IdbVersionChangeEvent)>,
}

impl Drop for Handlers {
    fn drop(&mut self) {
        self.request.set_onblocked(None);
        self.request.set_onupgradeneeded(None);
    }
}

/// Ends when the browser has had long enough to open a database.
async fn opening_timeout(blocked: &Cell<bool>) {
    sleep(BLOCKED).await;
    if !blocked.get() {
        sleep(OPENING - BLOCKED).await;
    }
}

/// The error of an opening that has taken too long.
fn timeout_error(blocked: &Cell<bool>) -> StoreError {
    StoreError::Failed(match blocked.get() {
        true => "another tab holds the account's database and does not let go of it".into(),
        false => Why::Silence,
    })
}
