//! The transactions under way: whether the browser still says something of one, and the end of one by
//! force.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

use wasm_bindgen::prelude::*;
use web_sys::{Event, IdbTransaction};

use crate::net::time::sleep;

/// How long nothing may be heard of a transaction before it is ended and tried again on a new handle:
/// ms. A large one that goes on tells of each of its requests. While it commits, twice as long.
pub(super) const SILENT: u64 = 4_000;

/// What a request tells, on its way down to it.
const SIGNS: [&str; 2] = ["success", "error"];

/// One try of an operation, and its transaction.
#[derive(Default)]
pub(super) struct Life {
    /// something was heard since the last look
    heard: Rc<Cell<bool>>,
    /// all its writes are placed and it was asked to end: it can no longer be stopped for certain
    committing: Cell<bool>,
    /// the page went to sleep over it
    slept: Cell<bool>,
    /// a request that fails does not take the transaction with it
    forgiving: Rc<Cell<bool>>,
    watched: RefCell<Option<Watched>>,
}

struct Watched {
    transaction: IdbTransaction,
    on_sign: Closure<dyn FnMut(Event)>,
}

impl Life {
    /// From now on each event of the transaction's requests is a sign of life.
    pub(super) fn watch(&self, transaction: &IdbTransaction) {
        let (heard, forgiving) = (Rc::clone(&self.heard), Rc::clone(&self.forgiving));
        // indexed_db_futures' own is there for one failed request, and would throw at the second; and
        // with it a request that was forgiven would be the transaction's failure all the same.
        transaction.set_onerror(None);
        let on_sign = Closure::new(move |event: Event| {
            heard.set(true);
            if forgiving.get() && event.type_() == "error" {
                event.prevent_default();
            }
        });
        let listener = on_sign.as_ref().unchecked_ref();
        for sign in SIGNS {
            // It throws for no name that there is.
            let _ = transaction.add_event_listener_with_callback_and_bool(sign, listener, true);
        }
        let transaction = transaction.clone();
        self.watched.replace(Some(Watched {
            transaction,
            on_sign,
        }));
    }

    /// Whether from now on a request may fail without its transaction.
    pub(super) fn forgive(&self, forgiving: bool) {
        self.forgiving.set(forgiving);
    }

    pub(super) fn commits(&self) {
        self.heard.set(true);
        self.committing.set(true);
    }

    pub(super) fn is_committing(&self) -> bool {
        self.committing.get()
    }

    pub(super) fn has_slept(&self) -> bool {
        self.slept.get()
    }

    /// Ends once nothing was heard for `ms`; for twice as long while it commits, which tells nothing
    /// before it is done. A page that stood still meanwhile has not listened: what counts is what its
    /// timers have seen.
    pub(super) async fn silence(&self, ms: u64) {
        let mut quiet = 0;
        while quiet < if self.committing.get() { 4 } else { 2 } {
            sleep(ms / 2).await;
            quiet = if self.heard.take() { 0 } else { quiet + 1 };
        }
    }

    /// Ends the transaction. Answers whether it is certain that nothing of it is applied.
    pub(super) fn abort(&self) -> bool {
        match &*self.watched.borrow() {
            Some(watched) => watched.transaction.abort().is_ok(),
            None => true,
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let listener = self.on_sign.as_ref().unchecked_ref();
        for sign in SIGNS {
            let _ = self
                .transaction
                .remove_event_listener_with_callback_and_bool(sign, listener, true);
        }
    }
}

/// All tries under way in a store.
#[derive(Default)]
pub(super) struct Lives {
    running: RefCell<Vec<Weak<Life>>>,
    asleep: Cell<bool>,
    /// how often it was put to sleep
    naps: Cell<u32>,
    waiting: RefCell<Vec<Waker>>,
}

impl Lives {
    pub(super) fn begin(&self) -> Rc<Life> {
        let life = Rc::new(Life::default());
        let mut running = self.running.borrow_mut();
        running.retain(|life| life.strong_count() > 0);
        running.push(Rc::downgrade(&life));
        life
    }

    /// Ends all transactions at once, and lets none begin before [`wake`](Lives::wake): the database
    /// of a page that sleeps inside a transaction is blocked for all others.
    pub(super) fn sleep(&self) {
        self.asleep.set(true);
        self.naps.set(self.naps.get().wrapping_add(1));
        for life in self.running.take().iter().filter_map(Weak::upgrade) {
            life.slept.set(true);
            life.abort();
        }
    }

    pub(super) fn are_asleep(&self) -> bool {
        self.asleep.get()
    }

    pub(super) fn naps(&self) -> u32 {
        self.naps.get()
    }

    pub(super) fn wake(&self) {
        self.asleep.set(false);
        for waker in self.waiting.take() {
            waker.wake();
        }
    }

    /// Ends when the page is awake.
    pub(super) async fn awake(&self) {
        poll_fn(|context| {
            if !self.asleep.get() {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
