//! Carries out what the engine decides, and tells it what came of it.
//!
//! ```text
//!  command, answer, notice, timer ─▶ queue ─▶ Engine::handle ─▶ effects ─┬▶ store: one at a time
//!            ▲                                                           ├▶ net: side by side
//!            │                                                           ├▶ hooks.frame
//!            └───────────────────────────────────────────────────────────┴▶ one timer
//! ```
//! The engine handles one input at a time, and all its effects are begun before the next: whatever
//! comes from within (a hook that gives a command, an app's `listen` that is ready at once) waits in
//! the queue.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::rc::{Rc, Weak};

use futures_util::future::{AbortHandle, abortable};
use js_sys::{Function, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use super::hooks::{Hooks, PanicListener, ToClaim};
use crate::core::command::Command;
use crate::core::json;
use crate::core::net::{Error, Request};
use crate::core::storage::{Answer, Durability, Read, StoreError, Table, Write};
use crate::core::{Config, Effect, Engine, Input, Now};
use crate::net::time::{Timer, monotonic, sleep, wall};
use crate::net::{Listening, Terms, Transport};
use crate::store::{Event, Mode, Owner, Store};

/// ms between two attempts to become the store's writer.
const FENCE_AGAIN: u64 = 1_000;
/// The same, of a client that opens: before it goes on in memory.
const FENCE_WAITS: [u64; 2] = [250, 1_000];
/// How often it is tried, where the database was lost under it.
const ADOPTS: u32 = 3;

/// The first fence of a client that has the lock: tried as often as it is to open a database, since that does no better
/// where it can be opened, and not be written to.
async fn first_fence(store: &Store) -> Result<u64, StoreError> {
    for wait in FENCE_WAITS {
        match store.fence().await {
            // It has been waited for long enough.
            Err(error) if error.is_failure() && !error.is_silence() => sleep(wait).await,
            fenced => return fenced,
        }
    }
    store.fence().await
}

/// Whether a client that may work in memory does so, where its first fence has failed. A store that takes nothing, or says
/// nothing any more, is no better than one that does not open; but what waits in one that is full is not left behind: it
/// is shown, and goes on once there is room.
async fn leaves(store: &Store, why: &StoreError) -> bool {
    if !store.durable() || !why.is_failure() {
        return false;
    }
    let kept = [Table::Meta, Table::Outbox, Table::Wishes].map(|table| Read::Keys { table });
    let is_kept = |answer: &Answer| !answer.values.is_empty();
    let holds = async || {
        store
            .read(&kept)
            .await
            .is_ok_and(|answers| answers.iter().any(is_kept))
    };
    *why != StoreError::Quota || !holds().await
}

/// The frame that tells the app that nothing will be kept, and why.
fn in_memory(why: &StoreError) -> String {
    let why = match why {
        StoreError::Quota => "there is no room for the database".to_owned(),
        why => why.shown().message,
    };
    let detail = ["the data is kept in memory, until the page goes: ", &why].concat();
    let mut frame =
        String::from(r#"{"events":[{"type":"storage","detail":{"kind":"memory","detail":"#);
    json::string(&mut frame, &detail);
    frame.push_str("}}]}");
    frame
}

/// What is asked of the store, in the order of asking.
enum StoreOp {
    Read {
        op: u64,
        reads: Vec<Read>,
    },
    Commit {
        op: u64,
        writes: Vec<Write>,
        durability: Durability,
    },
    Wish {
        op: u64,
        writes: Vec<Write>,
    },
    /// become the writer, then tell the engine
    Promote,
    /// stand back, now that what was being written is written; then call this
    Rest(Function),
    /// go on with the empty database that has taken the lost one's place
    Adopt,
    Close {
        wipe: bool,
    },
}

/// An engine with all that it works on.
pub(super) struct Driver {
    engine: RefCell<Engine>,
    account: String,
    /// the app's log is told of each request and each commit
    verbose: bool,
    store: Store,
    net: Rc<dyn Transport>,
    hooks: Hooks,
    /// until the client has ended
    witness: RefCell<Option<PanicListener>>,

    inputs: RefCell<VecDeque<Input>>,
    handling: Cell<bool>,
    ops: RefCell<VecDeque<StoreOp>>,
    storing: Cell<bool>,
    promoted: Cell<bool>,
    /// whether it is to be the writer
    wanted: Cell<bool>,
    /// the requests under way, by their numbers: a handful at a time
    requests: RefCell<Vec<(u64, AbortHandle)>>,
    listening: RefCell<Option<Listening>>,
    /// the engine's deadline, and what will meet it
    timer: RefCell<Option<(u64, Timer)>>,
    stopped: Cell<bool>,
}

impl Driver {
    /// Opens the store and starts an engine on it.
    pub(super) async fn open(
        mut config: Config,
        net: Rc<dyn Transport>,
        hooks: Hooks,
        witness: PanicListener,
    ) -> Result<Rc<Driver>, Error> {
        let (account, mode) = (config.account.clone(), config.mode);
        let verbose = config.verbose;
        let owner = Rc::new(StoreOwner {
            driver: OnceCell::new(),
            hooks: hooks.clone(),
            early: RefCell::default(),
        });
        let mut store = Store::open(&account, mode, Rc::clone(&owner) as Rc<dyn Owner>)
            .await
            .map_err(|error| error.shown())?;
        // It has the lock: it writes from the beginning, unless that fails; then it tries again.
        let has_lock = config.epoch.is_some();
        let mut unfenced = None;
        if has_lock {
            let mut fenced = first_fence(&store).await;
            if mode == Mode::Auto
                && let Err(why) = fenced.as_ref()
                && leaves(&store, why).await
            {
                owner.on_event(Event::InMemory(why.clone()));
                store.close();
                store = Store::in_memory(&account);
                fenced = store.fence().await;
            }
            config.epoch = fenced.as_ref().ok().copied();
            unfenced = fenced.err();
        }
        config.storage = store.kind().to_owned();
        let promoted = Cell::new(config.epoch.is_some());
        let driver = Rc::new(Driver {
            engine: RefCell::new(Engine::new(config, seed())),
            account,
            verbose,
            store,
            net,
            hooks,
            witness: RefCell::new(Some(witness)),
            inputs: RefCell::default(),
            handling: Cell::new(false),
            ops: RefCell::default(),
            storing: Cell::new(false),
            promoted,
            wanted: Cell::new(has_lock),
            requests: RefCell::default(),
            listening: RefCell::default(),
            timer: RefCell::default(),
            stopped: Cell::new(false),
        });
        let _ = owner.driver.set(Rc::downgrade(&driver));
        // Whatever the engine wants from the start.
        driver.input(Input::Timer);
        match unfenced {
            Some(why) if why.is_failure() => driver.promote_later(why),
            Some(_) => driver.promote(),
            None => {}
        }
        for event in owner.early.take() {
            store_event(event, Some(driver.clone()), &driver.hooks);
        }
        Ok(driver)
    }

    pub(super) fn command(self: &Rc<Self>, command: Command) {
        self.input(Input::Command(command));
    }

    /// Another client of the account says something.
    pub(super) fn heard(self: &Rc<Self>, bytes: Vec<u8>) {
        self.input(Input::Heard(bytes));
    }

    pub(super) fn promote(self: &Rc<Self>) {
        self.wanted.set(true);
        self.ask_store(StoreOp::Promote);
    }

    /// This client does not write any more, until it is promoted again.
    pub(super) fn demote(self: &Rc<Self>) {
        self.stand_back();
        self.input(Input::Demoted);
    }

    /// The same, once the commit that is running is done. The promise resolves then.
    pub(super) fn rest(self: &Rc<Self>) -> Promise {
        Promise::new(&mut |resolve, _| self.ask_store(StoreOp::Rest(resolve)))
    }

    /// What is not written yet is not written any more, and no fence that is on its way counts.
    fn stand_back(&self) {
        self.promoted.set(false);
        self.wanted.set(false);
        self.ops
            .borrow_mut()
            .retain(|op| !matches!(op, StoreOp::Promote | StoreOp::Commit { .. }));
    }

    /// The page goes to sleep: no transaction of it is under way when this returns.
    pub(super) fn sleep(&self) {
        self.store.sleep();
    }

    pub(super) fn wake(&self) {
        self.store.wake();
    }

    /// Ends without a word: the facade has let go of this client.
    pub(super) fn let_go(self: &Rc<Self>) {
        if !self.stopped.get() {
            self.halt();
            self.ops.take();
            self.store.close();
            self.witness.take();
        }
    }

    fn input(self: &Rc<Self>, input: Input) {
        if self.stopped.get() {
            return;
        }
        self.inputs.borrow_mut().push_back(input);
        if self.handling.replace(true) {
            return;
        }
        loop {
            let next = self.inputs.borrow_mut().pop_front();
            let Some(input) = next else { break };
            self.handle(input);
        }
        self.handling.set(false);
        self.set_timer();
    }

    /// The engine takes the input, and every effect that it leaves is carried out.
    fn handle(self: &Rc<Self>, input: Input) {
        let now = Now {
            mono: monotonic(),
            wall: wall(),
        };
        self.engine.borrow_mut().handle(now, input);
        loop {
            let next = self.engine.borrow_mut().poll();
            let Some(effect) = next else { break };
            self.carry_out(effect);
        }
    }

    fn carry_out(self: &Rc<Self>, effect: Effect) {
        match effect {
            Effect::Frame(text) => self.hooks.show(&text),
            Effect::Read { op, reads } => self.ask_store(StoreOp::Read { op, reads }),
            Effect::Commit {
                op,
                writes,
                durability,
            } => {
                self.ask_store(StoreOp::Commit {
                    op,
                    writes,
                    durability,
                });
            }
            Effect::Wish { op, writes } => self.ask_store(StoreOp::Wish { op, writes }),
            Effect::Tell(bytes) => self.hooks.say(&bytes),
            Effect::Stuck => self.hooks.say_to_claim(ToClaim::Stuck),
            Effect::Promoted => self.hooks.say_to_claim(ToClaim::Promoted),
            Effect::Refused => self.hooks.say_to_claim(ToClaim::Refused),
            Effect::Request {
                request,
                call,
                patience,
            } => self.request(request, call, patience),
            Effect::Abort { request } => {
                if let Some(running) = self.forget(request) {
                    running.abort();
                }
            }
            Effect::Listen { listen } => self.listen(listen),
            Effect::Unlisten => self.unlisten(),
            Effect::ForgetToken => self.net.forget_token(),
            Effect::Fenced => {
                self.stand_back();
                self.hooks.say_to_claim(ToClaim::Fenced);
            }
            Effect::Stopped { wipe } => {
                self.halt();
                self.ask_store(StoreOp::Close { wipe });
            }
        }
    }

    fn request(self: &Rc<Self>, request: u64, call: Request, patience: u32) {
        let driver = self.clone();
        let progress = Rc::downgrade(self);
        let terms = Terms {
            patience,
            progress: Some(Rc::new(move || {
                if let Some(driver) = progress.upgrade() {
                    driver.input(Input::Progress { request });
                }
            })),
        };
        let name = self.verbose.then(|| name_of(&call));
        let (task, handle) = abortable(async move {
            let asked = monotonic();
            let answer = driver.net.clone().request_on(call, terms).await;
            driver.forget(request);
            if let Some(name) = name {
                driver.tell_request(name, monotonic() - asked, &answer);
            }
            driver.input(Input::Answer {
                request,
                result: answer,
            });
        });
        self.requests.borrow_mut().push((request, handle));
        spawn_local(async move {
            // Aborted: nobody waits for it any more.
            let _ = task.await;
        });
    }

    /// Tells the log of a request that was answered, or has failed, after so many ms.
    fn tell_request(&self, mut said: String, ms: u64, answer: &Result<String, Error>) {
        said.push_str(": ");
        match answer {
            Ok(text) => {
                json::number(&mut said, text.len() as u64);
                said.push_str(" bytes");
            }
            Err(error) => said.push_str(&error.message),
        }
        said.push_str(" after ");
        json::number(&mut said, ms);
        said.push_str(" ms");
        self.hooks.note("debug", &said);
    }

    /// Tells the log of a commit.
    fn tell_commit(&self, records: usize, error: Option<&StoreError>) {
        if !self.verbose {
            return;
        }
        let mut said = String::from("commit, records: ");
        json::number(&mut said, records as u64);
        if let Some(error) = error {
            said.push_str(": ");
            said.push_str(&error.shown().message);
        }
        self.hooks.note("debug", &said);
    }

    fn forget(&self, request: u64) -> Option<AbortHandle> {
        let mut requests = self.requests.borrow_mut();
        let at = requests.iter().position(|(number, _)| *number == request)?;
        Some(requests.swap_remove(at).1)
    }

    fn listen(self: &Rc<Self>, listen: u64) {
        self.unlisten();
        let driver = Rc::downgrade(self);
        let listening = self.net.clone().listen(Rc::new(move |notice| {
            if let Some(driver) = driver.upgrade() {
                driver.input(Input::Notice { listen, notice });
            }
        }));
        self.listening.replace(Some(listening));
    }

    fn unlisten(&self) {
        // Dropped when it is no longer borrowed: the app may do anything on its signal.
        let listening = self.listening.take();
        drop(listening);
    }

    /// Meets the engine's deadline with the one timer there is.
    fn set_timer(self: &Rc<Self>) {
        let deadline = match self.stopped.get() {
            true => None,
            false => self.engine.borrow().deadline(),
        };
        let mut timer = self.timer.borrow_mut();
        if timer.as_ref().map(|(at, _)| *at) == deadline {
            return;
        }
        *timer = deadline.map(|at| (at, self.timer_at(at)));
    }

    fn timer_at(self: &Rc<Self>, at: u64) -> Timer {
        let driver = Rc::downgrade(self);
        Timer::new(at.saturating_sub(monotonic()), move || {
            let Some(driver) = driver.upgrade() else {
                return;
            };
            // A timer that has fired meets no further deadline, also not the same again.
            let fired = driver.timer.take();
            driver.input(Input::Timer);
            drop(fired);
        })
    }

    /// Nothing is taken in, asked for or waited for from here on; what the store was asked to do
    /// before is done.
    fn halt(&self) {
        self.stopped.set(true);
        self.inputs.take();
        self.timer.take();
        self.unlisten();
        for (_, running) in self.requests.take() {
            running.abort();
        }
    }

    fn ask_store(self: &Rc<Self>, op: StoreOp) {
        self.ops.borrow_mut().push_back(op);
        if !self.storing.replace(true) {
            spawn_local(self.clone().work_on_store());
        }
    }

    /// One operation at a time, as issued.
    async fn work_on_store(self: Rc<Self>) {
        loop {
            let next = self.ops.borrow_mut().pop_front();
            let Some(op) = next else { break };
            match op {
                StoreOp::Read { op, reads } => {
                    let result = self.store.read(&reads).await;
                    let lost = result == Err(StoreError::Lost);
                    self.store_answered(Input::Read { op, result }, lost);
                }
                StoreOp::Commit {
                    op,
                    writes,
                    durability,
                } => {
                    let result = self.store.commit(&writes, durability).await;
                    self.tell_commit(writes.len(), result.as_ref().err());
                    let lost = result == Err(StoreError::Lost);
                    self.store_answered(Input::Committed { op, result }, lost);
                }
                StoreOp::Wish { op, writes } => {
                    let result = self.store.wish(&writes).await;
                    let lost = result == Err(StoreError::Lost);
                    self.store_answered(Input::Wished { op, result }, lost);
                }
                StoreOp::Promote => match self.store.fence().await {
                    _ if !self.wanted.get() => {}
                    Ok(epoch) => {
                        self.promoted.set(true);
                        // What is still to be written was decided before what is stored is read.
                        let mut ops = self.ops.borrow_mut();
                        ops.retain(|op| !matches!(op, StoreOp::Commit { .. }));
                        drop(ops);
                        self.input(Input::Promoted { epoch });
                    }
                    Err(StoreError::Closed) => self.input(Input::Store(StoreError::Closed)),
                    Err(StoreError::Lost) => {
                        self.ops.borrow_mut().push_front(StoreOp::Promote);
                        self.store_answered(Input::Store(StoreError::Lost), true);
                    }
                    Err(error) => self.promote_later(error),
                },
                StoreOp::Rest(done) => {
                    self.demote();
                    let _ = done.call0(&JsValue::UNDEFINED);
                }
                StoreOp::Adopt => self.adopt().await,
                StoreOp::Close { wipe } => self.end(wipe),
            }
        }
        self.storing.set(false);
    }

    fn store_answered(self: &Rc<Self>, answer: Input, lost: bool) {
        if !lost {
            return self.input(answer);
        }
        // What was asked before the engine knew belongs to the data that is gone; what it asks from
        // now on is for the database that has taken its place, which is this client's to write to if
        // the old one was.
        let (asked, rest): (Vec<StoreOp>, Vec<StoreOp>) = mem::take(&mut *self.ops.borrow_mut())
            .into_iter()
            .partition(|op| {
                matches!(
                    op,
                    StoreOp::Read { .. } | StoreOp::Commit { .. } | StoreOp::Wish { .. }
                )
            });
        {
            let mut ops = self.ops.borrow_mut();
            ops.push_back(StoreOp::Adopt);
            ops.extend(rest);
        }
        self.input(answer);
        for op in asked {
            match op {
                StoreOp::Read { op, .. } => {
                    self.input(Input::Read {
                        op,
                        result: Err(StoreError::Lost),
                    });
                }
                StoreOp::Commit { op, .. } => {
                    self.input(Input::Committed {
                        op,
                        result: Err(StoreError::Lost),
                    });
                }
                StoreOp::Wish { op, .. } => {
                    self.input(Input::Wished {
                        op,
                        result: Err(StoreError::Lost),
                    });
                }
                StoreOp::Promote | StoreOp::Rest(_) | StoreOp::Adopt | StoreOp::Close { .. } => {}
            }
        }
    }

    /// Tries again until it works: what is stored can be read meanwhile, and nothing be written.
    fn promote_later(self: &Rc<Self>, error: StoreError) {
        self.hooks.note("warn", &error.shown().message);
        self.input(Input::NotPromoted(error));
        let driver = Rc::downgrade(self);
        spawn_local(async move {
            sleep(FENCE_AGAIN).await;
            let wants = |driver: &Rc<Driver>| !driver.stopped.get() && driver.wanted.get();
            if let Some(driver) = driver.upgrade().filter(wants) {
                driver.promote();
            }
        });
    }

    /// Goes on with the database that has taken the lost one's place; who writes, as who writes. Where that fails
    /// again and again it has to be promoted anew.
    async fn adopt(self: &Rc<Self>) {
        for _ in 0..ADOPTS {
            self.store.adopt();
            if !self.promoted.get() {
                return;
            }
            match self.store.fence().await {
                _ if !self.wanted.get() => return,
                Ok(epoch) => return self.input(Input::Adopted { epoch }),
                Err(StoreError::Closed) => return self.input(Input::Store(StoreError::Closed)),
                Err(error) => self.hooks.note("warn", &error.shown().message),
            }
            sleep(FENCE_AGAIN).await;
        }
        self.input(Input::Store(StoreError::Fenced));
    }

    /// The engine has stopped, and all that it asked of the store is done.
    fn end(&self, wipe: bool) {
        self.store.close();
        if wipe {
            Store::forget(&self.account);
        }
        self.witness.take();
        self.hooks.end();
    }
}

/// What a request is called in the log: the function of an app's `Transport`, and what it is about.
fn name_of(call: &Request) -> String {
    let conversation = call.conversation().unwrap_or_default();
    [call.name(), " ", conversation].concat()
}

/// Hears for a driver what befalls its store.
struct StoreOwner {
    /// unless the store is still being opened
    driver: OnceCell<Weak<Driver>>,
    hooks: Hooks,
    /// what befell it meanwhile: told once there is something to show
    early: RefCell<Vec<Event>>,
}

impl Owner for StoreOwner {
    fn on_event(&self, event: Event) {
        match (event, self.driver.get()) {
            (event @ (Event::InMemory(_) | Event::PutRight), None) => {
                self.early.borrow_mut().push(event);
            }
            (event, driver) => store_event(event, driver.and_then(Weak::upgrade), &self.hooks),
        }
    }

    fn is_wiped(&self) -> Pin<Box<dyn Future<Output = bool> + '_>> {
        Box::pin(self.hooks.knows_wiped())
    }
}

/// What befell the store. It comes from inside the browser's callbacks: nothing is asked of the store
/// before they have returned.
fn store_event(event: Event, driver: Option<Rc<Driver>>, hooks: &Hooks) {
    match event {
        Event::Blocked => {
            hooks.note(
                "warn",
                "another tab does not let go of the account's database yet",
            );
        }
        Event::InMemory(why) => hooks.show(&in_memory(&why)),
        Event::PutRight => {
            if let Some(driver) = driver {
                driver.input(Input::PutRight(
                    "a record of the database's own cannot be read: it is written anew".to_owned(),
                ));
            }
        }
        Event::Reopened => {
            if let Some(driver) = driver {
                driver.input(Input::Reopened(
                    "the browser had closed the database; it was opened again, and nothing was lost".to_owned(),
                ));
            }
        }
        Event::Closed { wiped } => {
            hooks.note(
                "warn",
                match wiped {
                    true => "the client ends: the account was wiped here",
                    false => {
                        "the client ends: a newer Pullcord in another tab upgrades the database"
                    }
                },
            );
            if let Some(driver) = driver {
                driver.input(Input::Store(StoreError::Closed));
            }
        }
    }
}

/// For the engine's jitter: differs from tab to tab, and is no secret.
fn seed() -> u64 {
    (js_sys::Math::random() * (1u64 << 53) as f64) as u64
}
