//! The handle of a database: which one it is, and what the browser does to it.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::{Rc, Weak};

use futures_util::future::{Either, select};
use indexed_db_futures::database::Database;
use indexed_db_futures::internals::SystemRepr;
use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use web_sys::IdbVersionChangeEvent;

use super::errors::{AttemptError, is_cut_off};
use super::guard::{self, Token};
use super::life::{Life, Lives, SILENT};
use super::open::open;
use crate::core::storage::{StoreError, Why};
use crate::store::{Event, Owner};

/// How often an operation is tried where the browser closes the handle each time: a page that wakes may lose the one
/// that it had, and the one after it too, where its database was deleted meanwhile.
const TRIES: u32 = 3;

/// What a store and its handle share.
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) owner: Rc<dyn Owner>,
    pub(super) state: RefCell<State>,
    /// of the database that the caller knows
    pub(super) identity: Cell<Token>,
    /// the epoch that the guard must hold for a commit of this client
    pub(super) epoch: Cell<Option<u64>>,
    /// the last commit could not read what the fence before it had written
    pub(super) unreadable: Cell<bool>,
    /// the handle was closed because the page went to sleep: that it is opened again is no event
    pub(super) rests: Cell<bool>,
    /// a new handle has taken the place of one that the browser had closed, and nothing was done on it yet
    pub(super) replaced: Cell<bool>,
    /// that was told, and nothing was written since
    pub(super) told_replaced: Cell<bool>,
    /// that the guard was put right, once
    pub(super) told: Cell<bool>,
    /// while a new handle is being opened: whoever needs one waits for the same
    pub(super) reopening: RefCell<Option<Reopening>>,
    pub(super) lives: Lives,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

pub(super) enum State {
    Open(Rc<Handle>),
    /// the browser closed the handle
    Stale,
    /// the handle is of another, empty database
    Lost(Rc<Handle>, Token),
    Closed,
}

/// A handle being opened: when it is done, and what came of it.
#[derive(Clone)]
pub(super) struct Reopening {
    done: Promise,
    result: Rc<RefCell<Result<(), StoreError>>>,
}

/// A connection, and what listens to it.
pub(super) struct Handle {
    database: Database,
    _on_version_change: Closure<dyn FnMut(IdbVersionChangeEvent)>,
    _on_close: Closure<dyn FnMut()>,
}

/// A try of an operation: on which handle, and its life.
pub(super) struct Attempt {
    handle: Rc<Handle>,
    pub(super) life: Rc<Life>,
}

impl std::ops::Deref for Attempt {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.handle.database
    }
}

impl Shared {
    /// Runs `operation` on the handle, and again on a new one if the browser had closed it (up to [`TRIES`]) or
    /// fell silent (once). Another try changes nothing that one before it did: writes are the same again
    /// (R10). What the page slept over is done again when it is awake.
    pub(super) async fn attempt<T>(
        self: &Rc<Self>,
        operation: impl AsyncFn(&Attempt) -> Result<T, AttemptError>,
    ) -> Result<T, StoreError> {
        let mut tries = 0;
        // An earlier try may be applied all the same.
        let mut uncertain = false;
        loop {
            self.lives.awake().await;
            let naps = self.lives.naps();
            let handle = match self.handle().await {
                // The page slept while the handle was opened: it could not hear the browser's answer.
                _ if self.lives.naps() != naps => continue,
                Err(StoreError::Failed(why)) if uncertain => {
                    return Err(StoreError::Uncertain(why));
                }
                handle => handle?,
            };
            let life = self.lives.begin();
            let attempt = Attempt { handle, life };
            let heard = {
                let silence = pin!(attempt.life.silence(SILENT));
                match select(pin!(operation(&attempt)), silence).await {
                    Either::Left((outcome, _)) => Ok(outcome),
                    Either::Right(((), _)) => Err(attempt.life.abort()),
                }
            };
            let silent = heard.is_err();
            // Silent, and its transaction cannot be aborted any more.
            uncertain |= matches!(heard, Err(false));
            let why = match heard {
                Ok(Ok(done)) => {
                    self.tell_replaced();
                    return Ok(done);
                }
                Ok(Err(AttemptError::Final(error))) => return Err(error),
                Ok(Err(AttemptError::Stale(_))) | Err(_) if attempt.life.has_slept() => continue,
                Ok(Err(AttemptError::Stale(why))) => why,
                Err(_) => Why::Silence,
            };
            self.expire(&attempt.handle.database);
            // Behind one that commits and cannot be ended, another would only wait likewise.
            let stuck = silent && uncertain;
            // Where the transaction's end was told, nothing of it was applied.
            uncertain |= attempt.life.is_committing() && is_cut_off(why.words());
            tries += 1;
            if tries == TRIES || silent && tries > 1 || stuck {
                return Err(match uncertain {
                    true => StoreError::Uncertain(why),
                    false => StoreError::Failed(why),
                });
            }
        }
    }

    /// A handle was replaced, and the new one is good for something. Of one on which nothing can be written, and which
    /// is replaced again and again for that, it is told once.
    fn tell_replaced(&self) {
        if self.replaced.take() && !self.told_replaced.replace(true) {
            self.owner.on_event(Event::Reopened);
        }
    }

    /// What came of writing. Where that went well, the next handle that has to be replaced is news again.
    pub(super) fn wrote<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if done.is_ok() {
            self.told_replaced.set(false);
        }
        done
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
        if self.ends_if_wiped().await {
            return Ok(());
        }
        let opened = open(&self.name, &self.owner).await;
        let (database, identity) = opened.map_err(|error| match error {
            // It did not refuse before: nothing to fall back from.
            StoreError::Refused(why) => StoreError::Failed(why),
            error => error,
        })?;
        let handle = Handle::new(database, Rc::downgrade(self));
        if !matches!(*self.state.borrow(), State::Stale) || self.lives.are_asleep() {
            // Closed meanwhile, or put to sleep: the handle goes as it came.
            return Ok(());
        }
        let rested = self.rests.take();
        // One that had to be replaced is of a database that was there already.
        if identity == self.identity.get() || identity == guard::REPLACED {
            self.identity.set(identity);
            self.state.replace(State::Open(handle));
            self.replaced.set(self.replaced.get() || !rested);
        } else {
            self.state.replace(State::Lost(handle, identity));
        }
        Ok(())
    }

    /// The empty database that took the lost one's place is the client's from now on.
    pub(super) fn adopt(&self) {
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

    /// Somebody wants the database, and the handle is closed.
    fn let_go(self: &Rc<Self>, database: &Database, is_deletion: bool) {
        let held = match &*self.state.borrow() {
            State::Open(handle) | State::Lost(handle, _) => handle.is(database),
            State::Stale | State::Closed => false,
        };
        if !held {
            return;
        }
        if !is_deletion {
            return self.give_up(false);
        }
        self.expire(database);
        let shared = Rc::clone(self);
        spawn_local(async move {
            shared.ends_if_wiped().await;
        });
    }

    /// Whoever wipes an account notes that before its database is deleted: a client that finds it noted makes no other.
    async fn ends_if_wiped(&self) -> bool {
        let wiped = self.owner.is_wiped().await;
        if wiped {
            self.give_up(true);
        }
        wiped
    }

    /// Gives the database up for good.
    fn give_up(&self, wiped: bool) {
        if !matches!(*self.state.borrow(), State::Closed) {
            self.close();
            self.owner.on_event(Event::Closed { wiped });
        }
    }

    /// The page goes to sleep: an open handle of it would hold up whoever deletes the database or upgrades it.
    pub(super) fn rest(&self) {
        let mut state = self.state.borrow_mut();
        if let State::Open(handle) | State::Lost(handle, _) = &*state {
            handle.database.as_sys().close();
            self.rests.set(true);
        }
        // A lost one stays lost: what its client asks once it knows finds out that the handle is gone as well.
        if let State::Open(_) = *state {
            release(std::mem::replace(&mut *state, State::Stale));
        }
    }

    pub(super) fn close(&self) {
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
                "the browser closed the database as soon as it was open".into(),
            )),
        }
    }
}

impl Handle {
    pub(super) fn new(database: Database, shared: Weak<Shared>) -> Rc<Handle> {
        let on_version_change = Closure::new({
            let (database, shared) = (database.clone(), shared.clone());
            move |event| on_version_change(&database, &shared, &event)
        });
        let on_close = Closure::new({
            let database = database.clone();
            move || on_close(&database, &shared)
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

fn on_version_change(database: &Database, shared: &Weak<Shared>, event: &IdbVersionChangeEvent) {
    // Whoever has fired this waits until the last handle is closed.
    database.as_sys().close();
    if let Some(shared) = shared.upgrade() {
        shared.let_go(database, event.new_version().is_none());
    }
}

fn on_close(database: &Database, shared: &Weak<Shared>) {
    if let Some(shared) = shared.upgrade() {
        shared.expire(database);
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
