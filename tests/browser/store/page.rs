//! What the browser, or another tab, does to a store that is in use; and what befalls the store.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;

use wasm_bindgen::prelude::*;

use pullcord::core::storage::{Durability, StoreError, Table, Value};
use pullcord::store::{Event, Mode, Owner, Store};

use crate::store_suite::{all, commit, put};

// What the browser, or another tab, does. It is done to the real thing: handles are caught as they
// are opened, and faults are put under the API that the store calls.
#[wasm_bindgen(inline_js = r#"
    const { open } = IDBFactory.prototype;
    const { put, get, getAll } = IDBObjectStore.prototype;
    const { commit } = IDBTransaction.prototype;

    const handles = [];
    const caught = (request) => {
        request.addEventListener("success", () => handles.push(request.result));
        return request;
    };

    export function restore() {
        IDBFactory.prototype.open = function (...args) { return caught(open.apply(this, args)); };
        Object.assign(IDBObjectStore.prototype, { put, get, getAll });
        IDBTransaction.prototype.commit = commit;
    }
    restore();

    /** The newest handle dies; `tell`: with the event that the browser owes, but may not have sent. */
    export function kill_handle(tell) {
        const handle = handles.at(-1);
        handle.close();
        if (tell) handle.dispatchEvent(new Event("close"));
    }

    export const newest_handle = () => handles.at(-1);

    const done = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });

    export const open_raw = (name, version) => done(open.call(indexedDB, name, version));
    export const close_raw = (handle) => handle.close();
    export const delete_raw = (name) => done(indexedDB.deleteDatabase(name));
    export const version_of = (handle) => handle.version;
    export const tables_of = (handle) => [...handle.objectStoreNames];

    export async function forms(handle, table) {
        const store = handle.transaction(table).objectStore(table);
        const [keys, values] = await Promise.all([done(store.getAllKeys()), done(store.getAll())]);
        return [...keys, ...values].map((x) => x.constructor.name);
    }

    export const put_raw = (handle, table, key) => done(put.call(handle.transaction(table, "readwrite").objectStore(table), new Uint8Array(1), new TextEncoder().encode(key)));

    export const put_junk = (handle, table, key) => done(put.call(handle.transaction(table, "readwrite").objectStore(table), "junk", key));

    /** As a tab does that sleeps inside a transaction: it holds all tables until it is told to let go. */
    export function hold_all(handle) {
        const transaction = handle.transaction([...handle.objectStoreNames], "readwrite");
        const store = transaction.objectStore("meta");
        let held = true;
        const again = () => { if (held) get.call(store, 1).onsuccess = again; };
        again();
        return () => { held = false; };
    }

    /** Records of the table whose key is `key` (all where it is empty) cannot be read. */
    export function unreadable(table, key, name) {
        const error = new DOMException("gone", name);
        const bytes = table === "guard" ? key : new TextEncoder().encode(key);
        const hit = (store, query) => (table === "" || store.name === table) && (key === "" || query === undefined || query === null
            || (query instanceof IDBKeyRange ? query.includes(bytes) : indexedDB.cmp(query, bytes) === 0));
        const spoil = (original) => function (query, ...more) {
            const request = original.call(this, query, ...more);
            if (hit(this, query)) {
                Object.defineProperty(request, "error", { value: error });
                Object.defineProperty(request, "result", { get() { throw error; } });
            }
            return request;
        };
        Object.assign(IDBObjectStore.prototype, { get: spoil(get), getAll: spoil(getAll) });
    }

    /** The next commit is made, and nobody hears of it. */
    export function commit_is_silent() {
        IDBTransaction.prototype.commit = function () {
            IDBTransaction.prototype.commit = commit;
            this.oncomplete = null;
            this.onabort = null;
            this.abort = () => { throw new DOMException("it commits", "InvalidStateError"); };
            commit.call(this);
        };
    }

    const unopened = (fate) => {
        const request = new EventTarget();
        Object.assign(request, { readyState: "pending", error: null, transaction: null, onsuccess: null, onerror: null, onblocked: null, onupgradeneeded: null });
        if (fate) setTimeout(() => {
            request.readyState = "done";
            request.error = fate;
            const event = new Event("error");
            request.dispatchEvent(event);
            request.onerror?.(event);
        });
        return request;
    };

    export function open_fails_with(name, said) {
        IDBFactory.prototype.open = () => unopened(new DOMException(said, name));
    }

    /** The next `times` times `open` fails. */
    export function open_fails(name, times) {
        IDBFactory.prototype.open = function (...args) {
            if (times-- > 0) return unopened(new DOMException("Internal error opening backing store for indexedDB.open.", name));
            return caught(open.apply(this, args));
        };
    }

    export function open_hangs() {
        IDBFactory.prototype.open = () => unopened(null);
    }

    /** As a stub in the place of IndexedDB does. */
    export function open_gives_nothing() {
        IDBFactory.prototype.open = () => undefined;
    }

    export function open_throws(name) {
        IDBFactory.prototype.open = () => { throw new DOMException("no", name); };
    }

    /** `open` asks for another version than it is told to. */
    export function open_asks_for(version) {
        IDBFactory.prototype.open = function (name) { return caught(open.call(this, name, version)); };
    }

    /** The nth put from now on throws. */
    export function put_throws(nth, name) {
        IDBObjectStore.prototype.put = function (...args) {
            if (--nth === 0) throw new DOMException("no", name);
            return put.apply(this, args);
        };
    }

    /** The next commit ends in an abort, as where the disk turns out full only then. */
    export function commit_aborts(name) {
        IDBTransaction.prototype.commit = function () {
            IDBTransaction.prototype.commit = commit;
            Object.defineProperty(this, "error", { value: new DOMException("no", name) });
            this.abort();
        };
    }
"#)]
extern "C" {
    pub fn restore();
    pub fn kill_handle(tell: bool);
    pub fn newest_handle() -> JsValue;
    #[wasm_bindgen(catch)]
    pub async fn open_raw(name: &str, version: u32) -> Result<JsValue, JsValue>;
    pub fn close_raw(handle: &JsValue);
    #[wasm_bindgen(catch)]
    pub async fn delete_raw(name: &str) -> Result<JsValue, JsValue>;
    pub fn version_of(handle: &JsValue) -> u32;
    pub fn tables_of(handle: &JsValue) -> Vec<String>;
    #[wasm_bindgen(catch)]
    pub async fn forms(handle: &JsValue, table: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    pub async fn put_raw(handle: &JsValue, table: &str, key: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    pub async fn put_junk(handle: &JsValue, table: &str, key: &str) -> Result<JsValue, JsValue>;
    pub fn hold_all(handle: &JsValue) -> js_sys::Function;
    pub fn unreadable(table: &str, key: &str, name: &str);
    pub fn commit_is_silent();
    pub fn open_fails(name: &str, times: u32);
    pub fn open_fails_with(name: &str, said: &str);
    pub fn open_hangs();
    pub fn open_gives_nothing();
    pub fn open_throws(name: &str);
    pub fn open_asks_for(version: u32);
    pub fn put_throws(nth: u32, name: &str);
    pub fn commit_aborts(name: &str);
}

/// Takes the faults away again, also where a test fails.
pub struct Fault;

impl Drop for Fault {
    fn drop(&mut self) {
        restore();
    }
}

pub fn deaf() -> Rc<dyn Owner> {
    Events::default().listener()
}

/// What befell a store, in order; and whether its account was wiped.
#[derive(Clone, Default)]
pub struct Events {
    told: Rc<RefCell<Vec<Event>>>,
    wiped: Rc<Cell<bool>>,
}

impl Events {
    pub fn listener(&self) -> Rc<dyn Owner> {
        Rc::new(self.clone())
    }

    pub fn take(&self) -> Vec<Event> {
        self.told.take()
    }

    pub fn wipe(&self) {
        self.wiped.set(true);
    }
}

impl Owner for Events {
    fn on_event(&self, event: Event) {
        self.told.borrow_mut().push(event);
    }

    fn is_wiped(&self) -> Pin<Box<dyn Future<Output = bool> + '_>> {
        Box::pin(async { self.wiped.get() })
    }
}

pub async fn open(account: &str) -> Store {
    let opened = Store::open(account, Mode::IndexedDb, deaf()).await;
    opened.expect("an IndexedDB store")
}

/// Nothing of the account is stored any more.
pub async fn delete(account: &str) {
    let gone = delete_raw(&format!("pullcord:{account}")).await;
    gone.expect("a deletion");
}

/// An account's store with one record, "a", its client the one that writes; and what befalls it.
pub async fn with_record(account: &str) -> (Store, Events) {
    delete(account).await;
    let events = Events::default();
    let opened = Store::open(account, Mode::IndexedDb, events.listener()).await;
    let store = opened.expect("an IndexedDB store");
    store.fence().await.expect("the guard");
    commit(&store, &[put(Table::Meta, "a", "1")]).await;
    (store, events)
}

pub async fn try_commit(store: &Store, key: &str) -> Result<(), StoreError> {
    store
        .commit(&[put(Table::Meta, key, "1")], Durability::Relaxed)
        .await
}

pub async fn try_read(store: &Store) -> Result<Vec<Value>, StoreError> {
    let answers = store.read(&[all(Table::Meta)]).await;
    answers.map(|mut answers| answers.remove(0).values)
}
