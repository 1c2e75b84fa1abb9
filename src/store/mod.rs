//! Stores: ordered tables of bytes, read in one snapshot, written in one transaction (R9). What the
//! bytes mean is the core's business; [`crate::core::storage`] is all that both know.
//!
//! - [`Memory`] keeps them for as long as the page lives, and is what the core is simulated with.
//! - `IndexedDb` keeps them in the browser, one database an account.
//! - [`Store`] is one of the two. Both behave the same: one suite of tests runs on both.
//!
//! An account's database is called `pullcord:` and the account, and has one object store a table and
//! the guard. It is deleted in this order: whoever has it open is told and closes it (the account's
//! channel, then `versionchange`), whoever holds the account's lock lets go of it, then the database
//! goes. The page deletes it (`pkg-template/wipe.js`), for it may be without the wasm. A client makes
//! one where there is none; no deletion does.
//!
//! A store is *read* by any client of the account, and *written* only by the one that works:
//! [`Store::fence`] makes a client that one, and every commit of the clients before it is refused
//! from then on, also where such a client was frozen and knows of nothing.

#[cfg(target_arch = "wasm32")]
mod indexeddb;
mod memory;

use std::pin::Pin;
use std::rc::Rc;

use crate::core::storage::{Answer, Durability, Read, StoreError, Write, epoch_above_all};

pub use crate::core::storage::Mode;
#[cfg(target_arch = "wasm32")]
pub use indexeddb::{IndexedDb, SCHEMA};
pub use memory::{InMemory, Memory};

/// What befalls a store without having been asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// With [`Mode::Auto`]: IndexedDB does not open, and why. What is stored is kept in memory; what
    /// there may be in the database waits, as it is.
    InMemory(StoreError),
    /// The database is to be upgraded, and another tab that holds it has not let go of it yet. Opening
    /// goes on waiting, and fails with [`StoreError::Failed`] if that lasts.
    Blocked,
    /// The browser had closed the handle; a new one has taken its place, and nothing was lost.
    Reopened,
    /// Records of the guard could not be read, though their neighbours could: they are written anew.
    PutRight,
    /// The handle was given up for good: a newer version of Pullcord in another tab upgrades the
    /// database, or the account was wiped. Everything asked from now on answers
    /// [`StoreError::Closed`].
    Closed {
        /// whether it was wiped
        wiped: bool,
    },
}

/// Who has opened a store.
pub trait Owner {
    /// Something has befallen the store. It is called from inside the browser's callbacks: it should
    /// only take note, and must not ask the store anything before it has returned.
    fn on_event(&self, event: Event);

    /// Whether the account was wiped here since the store was opened: a database that is gone is not
    /// made anew then.
    fn is_wiped(&self) -> Pin<Box<dyn Future<Output = bool> + '_>>;
}

/// What a kind of store can do. [`Store`] is whichever of them was opened, and says what each promises.
///
/// A new kind is one folder that has this, a line in [`Store`], in `each!` and in [`Store::open`], and
/// its [`Mode`].
#[expect(
    async_fn_in_trait,
    reason = "a page has one thread: no future has to be `Send`"
)]
pub trait Backend {
    /// See [`Store::kind`].
    fn kind(&self) -> &'static str;
    /// See [`Store::durable`].
    fn durable(&self) -> bool;
    /// See [`Store::fence`].
    async fn fence(&self) -> Result<u64, StoreError>;
    /// See [`Store::adopt`].
    fn adopt(&self);
    /// See [`Store::read`].
    async fn read(&self, reads: &[Read]) -> Result<Vec<Answer>, StoreError>;
    /// See [`Store::commit`].
    async fn commit(&self, writes: &[Write], durability: Durability) -> Result<(), StoreError>;
    /// See [`Store::wish`].
    async fn wish(&self, writes: &[Write]) -> Result<(), StoreError>;
    /// See [`Store::sleep`].
    fn sleep(&self);
    /// See [`Store::wake`].
    fn wake(&self);
    /// See [`Store::close`].
    fn close(&self);
}

/// The store of one account's client.
#[derive(Debug)]
pub enum Store {
    /// a store in memory
    Memory(InMemory),
    /// a store in the browser's IndexedDB
    #[cfg(target_arch = "wasm32")]
    IndexedDb(IndexedDb),
}

/// Calls a method of whichever store it is, by a `match`: calls through a table would keep all of every store in the
/// wasm.
macro_rules! each {
    ($self:expr, $store:ident => $does:expr) => {
        match $self {
            Store::Memory($store) => $does,
            #[cfg(target_arch = "wasm32")]
            Store::IndexedDb($store) => $does,
        }
    };
}

impl Store {
    /// Opens the account's store, creating it where there is none.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Refused`] (also where the browser fails to open it each
    /// time, or does not answer), [`StoreError::Quota`] (no room to create it), [`StoreError::Failed`]
    /// (another tab blocks it for too long). With [`Mode::Auto`], `Refused` and `Quota` give a memory
    /// store instead: the client works, and what is stored waits, as it is, for the next one.
    pub async fn open(
        account: &str,
        mode: Mode,
        owner: Rc<dyn Owner>,
    ) -> Result<Store, StoreError> {
        if mode == Mode::Memory {
            return Ok(Store::in_memory(account));
        }
        match Store::open_indexed_db(account, Rc::clone(&owner)).await {
            Err(why @ (StoreError::Refused(_) | StoreError::Quota)) if mode == Mode::Auto => {
                owner.on_event(Event::InMemory(why));
                Ok(Store::in_memory(account))
            }
            opened => opened,
        }
    }

    /// One in memory: the account's other clients of this page share it, while there are any.
    pub fn in_memory(account: &str) -> Store {
        Store::Memory(InMemory::open(account))
    }

    #[cfg(target_arch = "wasm32")]
    async fn open_indexed_db(account: &str, owner: Rc<dyn Owner>) -> Result<Store, StoreError> {
        IndexedDb::open(account, owner).await.map(Store::IndexedDb)
    }

    #[cfg(not(target_arch = "wasm32"))]
    async fn open_indexed_db(_: &str, _: Rc<dyn Owner>) -> Result<Store, StoreError> {
        Err(StoreError::Refused("not a browser".into()))
    }

    /// "indexeddb" or "memory", as `ClientStatus` and the engine's config name it.
    pub fn kind(&self) -> &'static str {
        each!(self, store => store.kind())
    }

    /// Whether what it holds is there after the page has gone.
    pub fn durable(&self) -> bool {
        each!(self, store => store.durable())
    }

    /// The caller knows of [`StoreError::Lost`]: what it asks from here on is of the database that has taken the lost
    /// one's place.
    pub fn adopt(&self) {
        each!(self, store => store.adopt());
    }

    /// Makes this client the one that writes, under the epoch that is answered: the highest that there
    /// is (R15).
    ///
    /// # Errors
    /// Those of a commit, but for [`StoreError::Fenced`].
    pub async fn fence(&self) -> Result<u64, StoreError> {
        each!(self, store => store.fence().await)
    }

    /// The answers to `reads`, in their order, all of one snapshot. Records that cannot be read are
    /// told beside those that can.
    ///
    /// # Errors
    /// [`StoreError::Closed`], [`StoreError::Lost`], or [`StoreError::Failed`].
    pub async fn read(&self, reads: &[Read]) -> Result<Vec<Answer>, StoreError> {
        each!(self, store => store.read(reads).await)
    }

    /// Applies `writes` in their order, all or none (R9).
    ///
    /// # Errors
    /// [`StoreError::Quota`], [`StoreError::Fenced`] (also before the first [`fence`](Store::fence)),
    /// [`StoreError::Closed`], [`StoreError::Lost`], or [`StoreError::Failed`]. Nothing was applied.
    pub async fn commit(&self, writes: &[Write], durability: Durability) -> Result<(), StoreError> {
        each!(self, store => store.commit(writes, durability).await)
    }

    /// Applies `writes`, all of them to the table of wishes, all or none, whoever may write (R15): on the
    /// disk when it returns.
    ///
    /// # Errors
    /// Those of a commit, but for [`StoreError::Fenced`].
    pub async fn wish(&self, writes: &[Write]) -> Result<(), StoreError> {
        each!(self, store => store.wish(writes).await)
    }

    /// The page goes to sleep: what is under way is aborted before this returns, and done once the
    /// page is awake again; no transaction begins before, and no handle stays open. Awake it is when
    /// told so, and in any case when a timer of the page comes.
    pub fn sleep(&self) {
        each!(self, store => store.sleep());
    }

    /// The page is awake.
    pub fn wake(&self) {
        each!(self, store => store.wake());
    }

    /// Gives the handle up: what is asked from now on answers [`StoreError::Closed`]; what is under
    /// way ends first.
    pub fn close(&self) {
        each!(self, store => store.close());
    }

    /// What this page's memory holds of the account goes with the clients that have it open: who opens it from here
    /// on begins with nothing.
    pub fn forget(account: &str) {
        InMemory::forget(account);
    }
}

/// The epoch of a fence that has none before it to go on from: see [`epoch_above_all`].
fn first_epoch(known: u64) -> u64 {
    #[cfg(target_arch = "wasm32")]
    let (wall, random) = (
        crate::net::time::wall(),
        (js_sys::Math::random() * 1_024.0) as u64,
    );
    // Outside of a browser all clients of a store are one process's, which begins with none.
    #[cfg(not(target_arch = "wasm32"))]
    let (wall, random) = (0, 0);
    epoch_above_all(known, wall, random)
}
