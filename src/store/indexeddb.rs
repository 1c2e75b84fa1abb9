//! A store in the browser's IndexedDB.
//!
//! What is hard about it is that the browser may take it away at any time, and each way means
//! something else:
//!
//! - The *handle* is closed (Safari in the background, a crashed storage process): the next operation
//!   opens a new one and is tried again. Nothing was lost, if it is still the same database: each
//!   carries an identity, drawn when it was created.
//! - The *database* is gone (site data cleared, evicted): the one that is opened in its place has
//!   another identity. That is [`StoreError::Lost`], and stays so until [`IndexedDb::fence`]: what a
//!   client had in mind when it still believed in its data must not be written into the empty one.
//! - Somebody *wants it* (`versionchange`: a newer Pullcord upgrades, another client wipes): the
//!   handle is given up at once, or the other would wait for it forever, and for good.
//! - Another client has *taken over* (its Web Lock was stolen, or this tab was frozen meanwhile): it
//!   left a token of its own in the guard, which every commit compares with its own inside its own
//!   transaction.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::{Rc, Weak};

use futures_util::future::{Either, select};
use indexed_db_futures::database::Database;
use indexed_db_futures::error::{Error, JSError, OpenDbError, UnexpectedDataError};
use indexed_db_futures::factory::DBFactory;
use indexed_db_futures::future::{BasicRequest, GetAllPrimitiveRequest};
use indexed_db_futures::internals::SystemRepr;
use indexed_db_futures::query_source::QuerySource;
use indexed_db_futures::transaction::{
    OnTransactionDrop, Transaction, TransactionDurability, TransactionMode, TransactionOptions,
};
use indexed_db_futures::typed_array::{Uint8Array, Uint8ArraySlice};
use indexed_db_futures::{Build, BuildPrimitive, KeyRange};
use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use web_sys::{DomException, IdbOpenDbRequest, IdbTransaction, IdbVersionChangeEvent};

use crate::core::storage::{Durability, Read, StoreError, Table, Value, Write};
use crate::net::time::sleep;

use super::guard::{self, Record, Token};
use super::schema::{self, SCHEMA};
use super::{Event, OnEvent};

/// How long another tab may block an upgrade or a deletion before it fails: ms. A tab that is alive
/// lets go in a few; one that is frozen may not until the user comes back to it.
const BLOCKED: u64 = 5_000;

/// How long the browser may take to open or delete a database that nobody blocks: ms. It can be slow
/// at a cold start from a slow disk, but Safari has also been seen never to answer.
const SILENT: u64 = 30_000;

/// An account's database. Operations may overlap; commits take effect in the order of their calls.
#[derive(Debug)]
pub struct IndexedDb(Rc<Shared>);

struct Shared {
    name: String,
    on_event: OnEvent,
    state: RefCell<State>,
    /// of the database that the caller knows
    identity: Cell<Token>,
    /// what the guard must hold for a commit of this client
    writer: Cell<Option<Token>>,
    /// while a new handle is being opened: whoever needs one waits for the same
    reopening: RefCell<Option<Reopening>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

enum State {
    Open(Rc<Handle>),
    /// the browser closed the handle
    Stale,
    /// the handle is of another, empty database
    Lost(Rc<Handle>, Token),
    Closed,
}

/// A handle being opened: when it is done, and what came of it.
#[derive(Clone)]
struct Reopening {
    done: Promise,
    result: Rc<RefCell<Result<(), StoreError>>>,
}

/// A connection, and what listens to it.
struct Handle {
    database: Database,
    _on_version_change: Closure<dyn FnMut(IdbVersionChangeEvent)>,
    _on_close: Closure<dyn FnMut()>,
}

/// Why one attempt failed.
enum Trouble {
    /// the handle is no longer one; in the browser's words
    Stale(String),
    /// trying again would change nothing
    Final(StoreError),
}

impl IndexedDb {
    /// Opens the account's database, creating or upgrading it where need be.
    ///
    /// Where another tab blocks that, [`Event::Blocked`] says so, and it goes on waiting for some
    /// seconds.
    ///
    /// # Errors
    /// - [`StoreError::Newer`]: a newer version of Pullcord wrote it. It is left alone.
    /// - [`StoreError::Refused`]: there is no IndexedDB here, or the browser does not allow it.
    /// - [`StoreError::Quota`]: there is no room to create it.
    /// - [`StoreError::Failed`]: blocked for too long, or in the browser's words.
    pub async fn open(account: &str, on_event: OnEvent) -> Result<IndexedDb, StoreError> {
        let name = database_name(account);
        let (database, identity) = connect(&name, &on_event).await?;
        Ok(IndexedDb(Rc::new_cyclic(|shared| Shared {
            name,
            on_event,
            state: RefCell::new(State::Open(Handle::new(database, shared.clone()))),
            identity: Cell::new(identity),
            writer: Cell::new(None),
            reopening: RefCell::new(None),
        })))
    }

    /// Deletes the account's database; none there is no error. Other handles of it are closed by
    /// that.
    ///
    /// # Errors
    /// - [`StoreError::Failed`]: another tab does not let go. It is deleted once that tab does.
    /// - [`StoreError::Refused`]: as at [`open`](IndexedDb::open).
    pub async fn wipe(account: &str) -> Result<(), StoreError> {
        let factory = DBFactory::new().map_err(open_error)?;
        let deletion = factory
            .delete_db(&database_name(account))
            .map_err(|error| open_error(error.into()))?;
        let blocked = Rc::new(Cell::new(false));
        let on_blocked = Closure::<dyn FnMut()>::new({
            let blocked = Rc::clone(&blocked);
            move || blocked.set(true)
        });
        let request: IdbOpenDbRequest = deletion.as_sys().clone().unchecked_into();
        request.set_onblocked(Some(on_blocked.as_ref().unchecked_ref()));
        let deleted = match select(deletion, pin!(patience(&blocked))).await {
            Either::Left((deleted, _)) => deleted.map_err(|error| open_error(error.into())),
            Either::Right(_) => Err(impatience(&blocked)),
        };
        request.set_onblocked(None);
        deleted
    }

    /// Makes this client the one that writes: commits of all others answer [`StoreError::Fenced`]
    /// from then on. After [`StoreError::Lost`] it goes on with the empty database, which from then
    /// on is the one that the caller knows.
    ///
    /// # Errors
    /// Those of [`commit`](IndexedDb::commit), but for [`StoreError::Fenced`].
    pub async fn fence(&self) -> Result<(), StoreError> {
        self.0.adopt();
        let writer = guard::draw();
        self.0
            .attempt(async |database| {
                let transaction = begin_write(database, &[guard::NAME], Durability::Relaxed)?;
                guard::put(
                    &transaction.object_store(guard::NAME)?,
                    Record::Writer,
                    &writer,
                )?;
                finish(transaction).await
            })
            .await?;
        self.0.writer.set(Some(writer));
        Ok(())
    }

    /// The answers to `reads`, in their order, of one readonly transaction.
    ///
    /// # Errors
    /// [`StoreError::Closed`], [`StoreError::Lost`], [`StoreError::Failed`], and, where a new handle
    /// is needed for it, those of [`open`](IndexedDb::open) (with `Failed` for `Refused`).
    pub async fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Value>>, StoreError> {
        self.0
            .attempt(async |database| read_once(database, reads).await)
            .await
    }

    /// Applies `writes` in their order, in one readwrite transaction.
    ///
    /// # Errors
    /// - [`StoreError::Quota`]: the disk, or the origin's share of it, is full.
    /// - [`StoreError::Fenced`]: another client has fenced since, or this one never did.
    /// - Those of [`read`](IndexedDb::read).
    pub async fn commit(&self, writes: &[Write], durability: Durability) -> Result<(), StoreError> {
        self.0
            .attempt(async |database| {
                commit_once(database, writes, durability, self.0.writer.get()).await
            })
            .await
    }

    /// Gives the handle up: what is asked from now on answers [`StoreError::Closed`]; what is under
    /// way ends first.
    pub fn close(&self) {
        self.0.close();
    }
}

impl Drop for IndexedDb {
    fn drop(&mut self) {
        // A reopening under way holds `Shared` too: it must find that nobody waits for it any more.
        self.0.close();
    }
}

impl Shared {
    /// Runs `operation` on the handle, and once more on a new one if the browser had closed it. The
    /// second time changes nothing that the first did: writes are the same again (R10).
    async fn attempt<T>(
        self: &Rc<Self>,
        operation: impl AsyncFn(&Database) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let handle = self.handle().await?;
        match operation(&handle.database).await {
            Ok(done) => return Ok(done),
            Err(Trouble::Final(error)) => return Err(error),
            Err(Trouble::Stale(_)) => self.expire(&handle.database),
        }
        let handle = self.handle().await?;
        match operation(&handle.database).await {
            Ok(done) => Ok(done),
            Err(Trouble::Final(error)) => Err(error),
            Err(Trouble::Stale(reason)) => {
                self.expire(&handle.database);
                Err(StoreError::Failed(reason))
            }
        }
    }

    /// The handle; a new one if the browser has closed it.
    async fn handle(self: &Rc<Self>) -> Result<Rc<Handle>, StoreError> {
        if !matches!(*self.state.borrow(), State::Stale) {
            return self.state.borrow().handle();
        }
        let Reopening { done, result } = self
            .reopening
            .borrow_mut()
            .get_or_insert_with(|| self.start_reopening())
            .clone();
        // It never rejects.
        let _ = JsFuture::from(done).await;
        result.borrow().clone()?;
        self.state.borrow().handle()
    }

    fn start_reopening(self: &Rc<Self>) -> Reopening {
        let shared = Rc::clone(self);
        let result = Rc::new(RefCell::new(Ok(())));
        let done = future_to_promise({
            let result = Rc::clone(&result);
            async move {
                let reopened = shared.reopen().await;
                *result.borrow_mut() = reopened;
                shared.reopening.replace(None);
                Ok(JsValue::UNDEFINED)
            }
        });
        Reopening { done, result }
    }

    async fn reopen(self: &Rc<Self>) -> Result<(), StoreError> {
        let opened = connect(&self.name, &self.on_event).await;
        let (database, identity) = opened.map_err(|error| match error {
            // It did not refuse before: nothing to fall back from.
            StoreError::Refused(reason) => StoreError::Failed(reason),
            error => error,
        })?;
        let handle = Handle::new(database, Rc::downgrade(self));
        if !matches!(*self.state.borrow(), State::Stale) {
            // Closed meanwhile: the handle goes as it came.
            return Ok(());
        }
        if identity == self.identity.get() {
            self.state.replace(State::Open(handle));
            (self.on_event)(Event::Reopened);
        } else {
            self.state.replace(State::Lost(handle, identity));
        }
        Ok(())
    }

    /// The empty database that took the lost one's place is the client's from now on.
    fn adopt(&self) {
        let mut state = self.state.borrow_mut();
        if let State::Lost(handle, identity) = &*state {
            let handle = Rc::clone(handle);
            self.identity.set(*identity);
            *state = State::Open(handle);
        }
    }

    /// This handle is none any more. (By the time that is known there may be another.)
    fn expire(&self, database: &Database) {
        let mut state = self.state.borrow_mut();
        // A lost one stays lost: `fence` finds out soon enough that its handle is gone as well.
        if matches!(&*state, State::Open(handle) if handle.is(database)) {
            release(std::mem::replace(&mut *state, State::Stale));
        }
    }

    /// Somebody wants the database: gives it up for good.
    fn give_up(&self, database: &Database, deleted: bool) {
        let held = match &*self.state.borrow() {
            State::Open(handle) | State::Lost(handle, _) => handle.is(database),
            State::Stale | State::Closed => false,
        };
        if held {
            self.close();
            (self.on_event)(Event::Closed { deleted });
        }
    }

    fn close(&self) {
        let state = self.state.replace(State::Closed);
        if let State::Open(handle) | State::Lost(handle, _) = &state {
            handle.database.as_sys().close();
        }
        release(state);
    }
}

/// Drops a handle, but not while one of its own listeners is running, as one that calls this is.
fn release(state: State) {
    if let State::Open(handle) | State::Lost(handle, _) = state {
        spawn_local(async move { drop(handle) });
    }
}

impl State {
    fn handle(&self) -> Result<Rc<Handle>, StoreError> {
        match self {
            State::Open(handle) => Ok(Rc::clone(handle)),
            State::Lost(..) => Err(StoreError::Lost),
            State::Closed => Err(StoreError::Closed),
            State::Stale => Err(StoreError::Failed(
                "the browser closed the database as soon as it was open".to_owned(),
            )),
        }
    }
}

impl Handle {
    fn new(database: Database, shared: Weak<Shared>) -> Rc<Handle> {
        let on_version_change = Closure::new({
            let (database, shared) = (database.clone(), shared.clone());
            move |event: IdbVersionChangeEvent| {
                // Whoever has fired this waits until the last handle is closed.
                database.as_sys().close();
                if let Some(shared) = shared.upgrade() {
                    shared.give_up(&database, event.new_version().is_none());
                }
            }
        });
        let on_close = Closure::new({
            let database = database.clone();
            move || {
                if let Some(shared) = shared.upgrade() {
                    shared.expire(&database);
                }
            }
        });
        let sys = database.as_sys();
        sys.set_onversionchange(Some(on_version_change.as_ref().unchecked_ref()));
        sys.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Rc::new(Handle {
            database,
            _on_version_change: on_version_change,
            _on_close: on_close,
        })
    }

    fn is(&self, database: &Database) -> bool {
        self.database.as_sys() == database.as_sys()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let database = self.database.as_sys();
        database.set_onversionchange(None);
        database.set_onclose(None);
        database.close();
    }
}

/// No two accounts share a name, whatever characters they are made of: nothing follows the account.
fn database_name(account: &str) -> String {
    ["pullcord:", account].concat()
}

/// Opens the database, and reads which one it is.
async fn connect(name: &str, on_event: &OnEvent) -> Result<(Database, Token), StoreError> {
    let database = open_database(name, on_event).await?;
    match guard::identity(&database).await {
        Ok(Some(identity)) => Ok((database, identity)),
        missing => {
            database.close();
            Err(match missing {
                Err(error) => StoreError::Failed(words(&error)),
                Ok(_) => StoreError::Failed([name, " is not a database of Pullcord's"].concat()),
            })
        }
    }
}

async fn open_database(name: &str, on_event: &OnEvent) -> Result<Database, StoreError> {
    let request = Database::open(name)
        .with_version(SCHEMA)
        .build()
        .map_err(open_error)?;
    let blocked = Rc::new(Cell::new(false));
    let on_blocked = Closure::<dyn FnMut()>::new({
        let (blocked, on_event) = (Rc::clone(&blocked), Rc::clone(on_event));
        move || {
            blocked.set(true);
            on_event(Event::Blocked);
        }
    });
    // Not indexed_db_futures' own callback, which can put every error of the crate into words: that
    // alone is a twelfth of the wasm.
    let failed = Rc::new(RefCell::new(None));
    let sys = request.as_sys().clone();
    let on_upgrade_needed = Closure::<dyn FnMut(IdbVersionChangeEvent)>::new({
        let (failed, sys) = (Rc::clone(&failed), sys.clone());
        move |event: IdbVersionChangeEvent| {
            if let Err(thrown) = schema::upgrade(event.old_version() as u32, &sys) {
                failed.replace(Some(Error::from(thrown)));
                if let Some(transaction) = sys.transaction() {
                    // It has been aborted already, or this does it: the database stays as it was.
                    let _ = transaction.abort();
                }
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
    match select(request, pin!(patience(&blocked))).await {
        Either::Left((opened, _)) => {
            drop(handlers);
            opened.map_err(|error| open_error(failed.take().map_or(error, OpenDbError::Base)))
        }
        Either::Right(((), request)) => {
            // It may still open one day: an unwatched handle would block all other tabs.
            spawn_local(async move {
                if let Ok(database) = request.await {
                    database.close();
                }
                drop(handlers);
            });
            Err(impatience(&blocked))
        }
    }
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

/// Ends when the browser has had long enough to open or delete a database.
async fn patience(blocked: &Cell<bool>) {
    sleep(BLOCKED).await;
    if !blocked.get() {
        sleep(SILENT - BLOCKED).await;
    }
}

/// What to say then.
fn impatience(blocked: &Cell<bool>) -> StoreError {
    StoreError::Failed(
        if blocked.get() {
            "another tab holds the account's database and does not let go of it"
        } else {
            "the browser does not answer for the account's database"
        }
        .to_owned(),
    )
}

async fn read_once(database: &Database, reads: &[Read]) -> Result<Vec<Vec<Value>>, Trouble> {
    enum Answer {
        Nothing,
        One(BasicRequest<Option<Uint8Array>>),
        Many(GetAllPrimitiveRequest<Uint8Array>),
    }

    if reads.is_empty() {
        // A transaction over nothing is an error.
        return Ok(Vec::new());
    }
    let names = names(|table| reads.iter().any(|read| read_table(read) == table));
    let mut transaction = database
        .transaction(names)
        .with_mode(TransactionMode::Readonly)
        .build()?;
    transaction.on_drop(OnTransactionDrop::Commit);
    let mut answers = Vec::with_capacity(reads.len());
    for read in reads {
        let store = transaction.object_store(read_table(read).name())?;
        answers.push(match read {
            Read::Get { key, .. } => Answer::One(
                store
                    .get::<Uint8Array, Bytes<'_>, _>(Bytes::new(key))
                    .primitive()?,
            ),
            // For IndexedDB it would be an error.
            Read::Range { lo, hi, .. } if lo > hi => Answer::Nothing,
            Read::Range { lo, hi, .. } => Answer::Many(
                store
                    .get_all::<Uint8Array>()
                    .with_query::<Bytes<'_>, _>(range(lo, hi))
                    .primitive()?,
            ),
            Read::All { .. } => Answer::Many(store.get_all::<Uint8Array>().primitive()?),
        });
    }
    let mut values = Vec::with_capacity(answers.len());
    for answer in answers {
        values.push(match answer {
            Answer::Nothing => Vec::new(),
            Answer::One(request) => request.await?.map(Value::from).into_iter().collect(),
            Answer::Many(request) => request
                .await?
                .map(|value| value.map(Value::from))
                .collect::<Result<_, _>>()?,
        });
    }
    Ok(values)
}

async fn commit_once(
    database: &Database,
    writes: &[Write],
    durability: Durability,
    writer: Option<Token>,
) -> Result<(), Trouble> {
    let fenced = Trouble::Final(StoreError::Fenced);
    let Some(writer) = writer else {
        return Err(fenced);
    };
    let mut names = names(|table| writes.iter().any(|write| write_table(write) == table));
    names.push(guard::NAME);
    let transaction = begin_write(database, &names, durability)?;
    // The writes leave together with the question whether they may: waiting for its answer first
    // would cost a turn of the event loop, 0.2 ms of 2.5. It arrives before they are done, so there
    // is still a transaction to abort.
    let holder = guard::get(&transaction.object_store(guard::NAME)?, Record::Writer)?;
    let sent = send_writes(&transaction, writes);
    let fate = transaction.as_sys().clone();
    let holder = match sent {
        Ok(()) => holder.await,
        Err(error) => Err(error),
    };
    match holder {
        Ok(Some(holder)) if holder.as_ref() == writer => finish(transaction).await,
        Ok(_) => {
            // Nothing else can come of it.
            let _ = transaction.abort().await;
            Err(fenced)
        }
        Err(error) => Err(failure(&fate, error)),
    }
}

fn send_writes(transaction: &Transaction<'_>, writes: &[Write]) -> Result<(), Error> {
    for write in writes {
        let store = transaction.object_store(write_table(write).name())?;
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
            Write::Clear { .. } => {
                store.clear()?;
            }
        }
    }
    Ok(())
}

fn begin_write<'a>(
    database: &'a Database,
    names: &[&str],
    durability: Durability,
) -> Result<Transaction<'a>, Error> {
    let durability = match durability {
        Durability::Relaxed => TransactionDurability::Relaxed,
        Durability::Strict => TransactionDurability::Strict,
    };
    database
        .transaction(names)
        .with_mode(TransactionMode::Readwrite)
        .with_options(TransactionOptions::new().with_durability(durability))
        .build()
}

async fn finish(transaction: Transaction<'_>) -> Result<(), Trouble> {
    let fate = transaction.as_sys().clone();
    transaction
        .commit()
        .await
        .map_err(|error| failure(&fate, error))
}

/// Bytes as a key or a value. As a plain `Vec<u8>` they would be stored as an array of numbers.
type Bytes<'a> = Uint8ArraySlice<'a>;

fn range<'a>(lo: &'a [u8], hi: &'a [u8]) -> KeyRange<Bytes<'a>> {
    KeyRange::Bound(Bytes::new(lo), false, Bytes::new(hi), false)
}

/// The names of the tables that a transaction is about.
fn names(about: impl Fn(Table) -> bool) -> Vec<&'static str> {
    let tables = Table::ALL.into_iter().filter(|table| about(*table));
    tables.map(Table::name).collect()
}

fn read_table(read: &Read) -> Table {
    match read {
        Read::Get { table, .. } | Read::Range { table, .. } | Read::All { table } => *table,
    }
}

fn write_table(write: &Write) -> Table {
    match write {
        Write::Put { table, .. }
        | Write::Delete { table, .. }
        | Write::DeleteRange { table, .. }
        | Write::Clear { table } => *table,
    }
}

/// What a transaction failed of. A request or a commit may only say *that* it was aborted: then the
/// transaction knows why.
fn failure(transaction: &IdbTransaction, error: Error) -> Trouble {
    match transaction.error() {
        Some(cause) => trouble(&cause.name(), described(&cause)),
        None => error.into(),
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        match &error {
            // Nobody here aborts a transaction and then waits for its commit.
            Error::MissingData(UnexpectedDataError::TransactionAborted) => {
                Trouble::Stale("the browser aborted the transaction".to_owned())
            }
            _ => trouble(&error_name(&error), words(&error)),
        }
    }
}

fn trouble(name: &str, words: String) -> Trouble {
    match name {
        "QuotaExceededError" => Trouble::Final(StoreError::Quota),
        // The first where a transaction was to begin; the next two where one was under way when the
        // handle closed; the last is Safari's, whose storage process is gone ("Connection to Indexed
        // Database server lost").
        "InvalidStateError" | "AbortError" | "TransactionInactiveError" | "UnknownError" => {
            Trouble::Stale(words)
        }
        _ => Trouble::Final(StoreError::Failed(words)),
    }
}

fn open_error(error: OpenDbError) -> StoreError {
    let error = match error {
        OpenDbError::Base(error) => error,
        OpenDbError::UnsupportedEnvironment | OpenDbError::NullFactory => {
            return StoreError::Refused("there is no IndexedDB here".to_owned());
        }
        // So indexed_db_futures calls whatever `indexedDB.open` throws; with our version, which is
        // not zero, it throws in documents that may not store anything.
        OpenDbError::VersionZero => {
            return StoreError::Refused("this document may not use IndexedDB".to_owned());
        }
    };
    match error_name(&error).as_str() {
        "VersionError" => StoreError::Newer,
        "QuotaExceededError" => StoreError::Quota,
        // InvalidStateError is Firefox's in a private window.
        "SecurityError" | "InvalidStateError" | "NotAllowedError" | "NotSupportedError" => {
            StoreError::Refused(words(&error))
        }
        _ => StoreError::Failed(words(&error)),
    }
}

/// The browser's name for it, by which alone some can be told.
fn error_name(error: &Error) -> String {
    match error {
        Error::DomException(exception) => exception.as_sys().name(),
        Error::Unknown(JSError::Error(error)) => error.name().into(),
        _ => String::new(),
    }
}

/// What the browser says. (Not the error's own `Display`: that of numbers alone is 14 KB of wasm.)
fn words(error: &Error) -> String {
    match error {
        Error::DomException(exception) => described(exception.as_sys()),
        Error::Unknown(JSError::Error(error)) => error.to_string().into(),
        // Nothing that is read or written here is converted, so it comes from no wrong type.
        _ => "the browser's answer is not what IndexedDB gives".to_owned(),
    }
}

fn described(exception: &DomException) -> String {
    [&exception.name(), ": ", &exception.message()].concat()
}
