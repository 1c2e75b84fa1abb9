//! Stores: ordered tables of bytes, read in one snapshot, written in one transaction (R9). What the
//! bytes mean is the core's business; [`crate::core::storage`] is all that both know.
//!
//! - [`Memory`] keeps them for as long as the page lives, and is what the core is simulated with.
//! - `IndexedDb` keeps them in the browser, one database an account.
//! - [`Store`] is one of the two. Both behave the same: one suite of tests runs on both.
//!
//! A store is *read* by any client of the account, and *written* only by the one that works:
//! [`Store::fence`] makes a client that one, and every commit of the clients before it is refused
//! from then on, also where such a client was frozen and knows of nothing.

mod memory;

#[cfg(target_arch = "wasm32")]
mod guard;
#[cfg(target_arch = "wasm32")]
mod indexeddb;
#[cfg(target_arch = "wasm32")]
mod schema;

use std::cell::RefCell;
use std::rc::Rc;

use crate::core::storage::{Durability, Read, StoreError, Value, Write};

#[cfg(target_arch = "wasm32")]
pub use indexeddb::IndexedDb;
pub use memory::Memory;
#[cfg(target_arch = "wasm32")]
pub use schema::SCHEMA;

/// Which store a client asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// IndexedDB; memory where there is none, or the browser refuses it
    #[default]
    Auto,
    /// IndexedDB, or the client does not start
    IndexedDb,
    /// memory: everything is gone with the page
    Memory,
}

/// What befalls a store without having been asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The database is to be upgraded, and another tab that holds it has not let go of it yet. Opening
    /// goes on waiting, and fails with [`StoreError::Failed`] if that lasts.
    Blocked,
    /// The browser had closed the handle; a new one has taken its place, and nothing was lost.
    Reopened,
    /// The handle was given up for good: a newer version of Pullcord in another tab upgrades the
    /// database, or somebody deletes it. Everything asked from now on answers [`StoreError::Closed`].
    Closed {
        /// whether it is being deleted
        deleted: bool,
    },
}

/// Who is told of events. It is called from inside the browser's callbacks: it should only take
/// note, and must not ask the store anything before it has returned.
pub type OnEvent = Rc<dyn Fn(Event)>;

/// The store of one account's client.
#[derive(Debug)]
pub enum Store {
    /// in memory
    Memory(RefCell<Memory>),
    /// in the browser
    #[cfg(target_arch = "wasm32")]
    IndexedDb(IndexedDb),
}

impl Store {
    /// Opens the account's store, creating it where there is none.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Refused`], [`StoreError::Quota`] (no room to create it),
    /// [`StoreError::Failed`] (also where another tab blocks it for too long). With [`Mode::Auto`],
    /// `Refused` alone gives a memory store instead: a database that failed for another reason may
    /// hold an outbox, which a client that starts without it would leave behind.
    pub async fn open(account: &str, mode: Mode, on_event: OnEvent) -> Result<Store, StoreError> {
        if mode == Mode::Memory {
            return Ok(Store::Memory(RefCell::default()));
        }
        match Store::open_indexed_db(account, on_event).await {
            Err(StoreError::Refused(_)) if mode == Mode::Auto => {
                Ok(Store::Memory(RefCell::default()))
            }
            opened => opened,
        }
    }

    #[cfg(target_arch = "wasm32")]
    async fn open_indexed_db(account: &str, on_event: OnEvent) -> Result<Store, StoreError> {
        IndexedDb::open(account, on_event)
            .await
            .map(Store::IndexedDb)
    }

    #[cfg(not(target_arch = "wasm32"))]
    async fn open_indexed_db(_: &str, _: OnEvent) -> Result<Store, StoreError> {
        Err(StoreError::Refused("not a browser".to_owned()))
    }

    /// "indexeddb" or "memory", as `ClientStatus` and the engine's config name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Store::Memory(_) => "memory",
            #[cfg(target_arch = "wasm32")]
            Store::IndexedDb(_) => "indexeddb",
        }
    }

    /// Makes this client the one that writes. After [`StoreError::Lost`] it also says that the
    /// caller knows, and goes on with the empty database.
    ///
    /// # Errors
    /// Those of a commit, but for [`StoreError::Fenced`].
    pub async fn fence(&self) -> Result<(), StoreError> {
        match self {
            // Nobody else can reach it.
            Store::Memory(_) => Ok(()),
            #[cfg(target_arch = "wasm32")]
            Store::IndexedDb(store) => store.fence().await,
        }
    }

    /// The answers to `reads`, in their order, all of one snapshot.
    ///
    /// # Errors
    /// [`StoreError::Closed`], [`StoreError::Lost`], or [`StoreError::Failed`].
    pub async fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Value>>, StoreError> {
        match self {
            Store::Memory(store) => store.borrow().read(reads),
            #[cfg(target_arch = "wasm32")]
            Store::IndexedDb(store) => store.read(reads).await,
        }
    }

    /// Applies `writes` in their order, all or none (R9).
    ///
    /// # Errors
    /// [`StoreError::Quota`], [`StoreError::Fenced`] (also before the first [`fence`](Store::fence)),
    /// [`StoreError::Closed`], [`StoreError::Lost`], or [`StoreError::Failed`]. Nothing was applied.
    pub async fn commit(
        &self,
        writes: &[Write],
        // Memory knows one durability only.
        #[cfg_attr(not(target_arch = "wasm32"), expect(unused_variables))] durability: Durability,
    ) -> Result<(), StoreError> {
        match self {
            Store::Memory(store) => store.borrow_mut().commit(writes),
            #[cfg(target_arch = "wasm32")]
            Store::IndexedDb(store) => store.commit(writes, durability).await,
        }
    }

    /// Gives the handle up: what is asked from now on answers [`StoreError::Closed`]; what is under
    /// way ends first.
    pub fn close(&self) {
        match self {
            Store::Memory(store) => store.borrow_mut().close(),
            #[cfg(target_arch = "wasm32")]
            Store::IndexedDb(store) => store.close(),
        }
    }

    /// Deletes all that is stored of the account; nothing stored is no error. The clients that still
    /// have it open are closed by it.
    ///
    /// # Errors
    /// [`StoreError::Failed`], where another tab holds the database and does not let go: it is
    /// deleted as soon as that tab is closed.
    pub async fn wipe(account: &str) -> Result<(), StoreError> {
        #[cfg(target_arch = "wasm32")]
        match IndexedDb::wipe(account).await {
            // Where nothing can be stored, nothing is.
            Err(StoreError::Refused(_)) => {}
            wiped => return wiped,
        }
        #[cfg(not(target_arch = "wasm32"))]
        let _ = account;
        Ok(())
    }
}
