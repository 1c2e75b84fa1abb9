//! A store in the browser's IndexedDB.
//!
//! What is hard about it is that the browser may take it away at any time, and each way means
//! something else:
//!
//! - The *handle* is closed (Safari in the background, a crashed storage process): the next operation
//!   opens a new one and is tried again. Nothing was lost, if it is still the same database: each
//!   carries an identity, drawn when it was created.
//! - The *database* is gone (site data cleared, evicted): the one that is opened in its place has
//!   another identity. That is [`StoreError::Lost`], and stays so until [`IndexedDb::adopt`]: what a
//!   client had in mind when it still believed in its data must not be written into the empty one.
//! - Somebody *wants it* (`versionchange`): the handle is given up at once, or the other would wait
//!   for it forever. For good where a newer Pullcord upgrades, or the account was wiped; else a script
//!   has deleted the database, which is then gone like any other.
//! - Another client has *taken over* (its Web Lock was stolen, or this tab was frozen meanwhile): it
//!   has raised the epoch in the guard, which every commit compares with its own inside its own
//!   transaction.

mod bytes;
mod errors;
mod guard;
mod handle;
mod life;
mod open;
mod schema;
mod transaction;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen_futures::spawn_local;

use self::errors::AttemptError;
use self::handle::{Handle, Shared, State};
use self::life::Lives;
use self::transaction::{Holder, commit_once, raise_epoch, read_once, wish_once};
use super::{Backend, Event, Owner};
use crate::core::storage::{Answer, Durability, Read, StoreError, Write};
use crate::net::time::sleep;

pub use self::schema::SCHEMA;

/// After twice this time a store that was told to sleep is awake in any case: ms. No timer of a page that sleeps comes;
/// the first that is due does as soon as it is awake, before it is told so.
const ASLEEP: u64 = 2_000;

/// An account's database. Operations may overlap; commits take effect in the order of their calls.
#[derive(Debug)]
pub struct IndexedDb(Rc<Shared>);

impl IndexedDb {
    /// Opens the account's database, creating or upgrading it where need be.
    ///
    /// Where another tab blocks that, [`Event::Blocked`] says so, and it goes on waiting for some
    /// seconds.
    ///
    /// # Errors
    /// - [`StoreError::Newer`]: a newer version of Pullcord wrote it. It is left alone.
    /// - [`StoreError::Refused`]: there is no IndexedDB here, the browser does not allow it, does not
    ///   answer, or failed to open it each time that it was asked. What is there is left as it is.
    /// - [`StoreError::Quota`]: there is no room to create it.
    /// - [`StoreError::Failed`]: blocked by another tab for too long.
    pub async fn open(account: &str, owner: Rc<dyn Owner>) -> Result<IndexedDb, StoreError> {
        let name = open::database_name(account);
        let (database, identity) = open::open(&name, &owner).await?;
        Ok(IndexedDb(Rc::new_cyclic(|shared| Shared {
            name,
            owner,
            state: RefCell::new(State::Open(Handle::new(database, shared.clone()))),
            identity: Cell::new(identity),
            epoch: Cell::new(None),
            unreadable: Cell::new(false),
            rests: Cell::new(false),
            replaced: Cell::new(false),
            told_replaced: Cell::new(false),
            told: Cell::new(false),
            reopening: RefCell::new(None),
            lives: Lives::default(),
        })))
    }
}

impl Backend for IndexedDb {
    fn kind(&self) -> &'static str {
        "indexeddb"
    }

    fn durable(&self) -> bool {
        true
    }

    fn adopt(&self) {
        self.0.adopt();
    }

    async fn fence(&self) -> Result<u64, StoreError> {
        let known = self.0.epoch.get().unwrap_or_default();
        let raised = self
            .0
            .attempt(async |database| raise_epoch(database, known).await);
        let (epoch, put_right) = self.0.wrote(raised.await)?;
        self.0.epoch.set(Some(epoch));
        if put_right && !self.0.told.replace(true) {
            self.0.owner.on_event(Event::PutRight);
        }
        Ok(epoch)
    }

    /// Where a new handle is needed, also the errors of [`open`](IndexedDb::open), with `Failed` for
    /// `Refused`.
    async fn read(&self, reads: &[Read]) -> Result<Vec<Answer>, StoreError> {
        self.0
            .attempt(async |database| read_once(database, reads).await)
            .await
    }

    async fn commit(&self, writes: &[Write], durability: Durability) -> Result<(), StoreError> {
        let done = self.0.attempt(async |database| {
            let committed = commit_once(database, writes, durability, self.0.epoch.get()).await;
            let holder = committed?;
            let unreadable = holder == Holder::Unreadable;
            let before = self.0.unreadable.replace(unreadable);
            match holder {
                Holder::Me => Ok(()),
                // A fence has written it anew, and it was in vain: that is no other client.
                Holder::Unreadable if before => Err(AttemptError::Final(StoreError::Failed(
                    "the browser cannot read what it has just written to the database".into(),
                ))),
                _ => Err(AttemptError::Final(StoreError::Fenced)),
            }
        });
        self.0.wrote(done.await)
    }

    async fn wish(&self, writes: &[Write]) -> Result<(), StoreError> {
        let done = self
            .0
            .attempt(async |database| wish_once(database, writes).await);
        self.0.wrote(done.await)
    }

    fn sleep(&self) {
        self.0.lives.sleep();
        self.0.rest();
        let shared = Rc::downgrade(&self.0);
        spawn_local(async move {
            sleep(ASLEEP).await;
            sleep(ASLEEP).await;
            if let Some(shared) = shared.upgrade() {
                shared.lives.wake();
            }
        });
    }

    fn wake(&self) {
        self.0.lives.wake();
    }

    fn close(&self) {
        self.0.close();
    }
}

impl Drop for IndexedDb {
    fn drop(&mut self) {
        // A reopening under way holds `Shared` too: it must find that nobody waits for it any more.
        self.0.close();
    }
}
