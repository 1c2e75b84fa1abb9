//! The stores in a browser: the suite on memory and on IndexedDB, and what the browser may do to a
//! database while it is in use.

#![cfg(target_arch = "wasm32")]

mod store_suite;

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::future::{join, join3};
use pullcord::core::storage::{Durability, StoreError, Table, Value, Write};
use pullcord::store::{Event, IndexedDb, Mode, OnEvent, SCHEMA, Store};
use store_suite::{Place, all, commit, get, put, read};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

struct InMemory;

impl Place for InMemory {
    async fn fresh(&self, account: &str) -> Store {
        let opened = Store::open(account, Mode::Memory, deaf()).await;
        opened.expect("a memory store")
    }
}

struct InIndexedDb;

impl Place for InIndexedDb {
    async fn fresh(&self, account: &str) -> Store {
        Store::wipe(account).await.expect("a wipe");
        let store = open(account).await;
        store.fence().await.expect("the guard");
        store
    }
}

mod memory {
    use super::*;
    macro_rules! on_memory {
        ($($name:ident,)+) => {
            $(
                #[wasm_bindgen_test]
                async fn $name() {
                    store_suite::$name(&InMemory).await;
                }
            )+
        };
    }
    store_suite::store_suite!(on_memory);
}

mod indexed_db {
    use super::*;
    macro_rules! on_indexed_db {
        ($($name:ident,)+) => {
            $(
                #[wasm_bindgen_test]
                async fn $name() {
                    store_suite::$name(&InIndexedDb).await;
                }
            )+
        };
    }
    store_suite::store_suite!(on_indexed_db);
}

// What the browser, or another tab, does. It is done to the real thing: handles are caught as they
// are opened, and faults are put under the API that the store calls.
#[wasm_bindgen(inline_js = r#"
    const { open } = IDBFactory.prototype;
    const { put } = IDBObjectStore.prototype;
    const { commit } = IDBTransaction.prototype;

    const handles = [];
    const caught = (request) => {
        request.addEventListener("success", () => handles.push(request.result));
        return request;
    };

    export function restore() {
        IDBFactory.prototype.open = function (...args) { return caught(open.apply(this, args)); };
        IDBObjectStore.prototype.put = put;
        IDBTransaction.prototype.commit = commit;
    }
    restore();

    /** The newest handle dies; `tell`: with the event that the browser owes, but may not have sent. */
    export function kill_handle(tell) {
        const handle = handles.at(-1);
        handle.close();
        if (tell) handle.dispatchEvent(new Event("close"));
    }

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
    fn restore();
    fn kill_handle(tell: bool);
    #[wasm_bindgen(catch)]
    async fn open_raw(name: &str, version: u32) -> Result<JsValue, JsValue>;
    fn close_raw(handle: &JsValue);
    #[wasm_bindgen(catch)]
    async fn delete_raw(name: &str) -> Result<JsValue, JsValue>;
    fn version_of(handle: &JsValue) -> u32;
    fn tables_of(handle: &JsValue) -> Vec<String>;
    #[wasm_bindgen(catch)]
    async fn forms(handle: &JsValue, table: &str) -> Result<JsValue, JsValue>;
    fn open_throws(name: &str);
    fn open_asks_for(version: u32);
    fn put_throws(nth: u32, name: &str);
    fn commit_aborts(name: &str);
}

/// Takes the faults away again, also where a test fails.
struct Fault;

impl Drop for Fault {
    fn drop(&mut self) {
        restore();
    }
}

fn deaf() -> OnEvent {
    Rc::new(|_| {})
}

/// What befell a store, in order.
#[derive(Clone, Default)]
struct Events(Rc<RefCell<Vec<Event>>>);

impl Events {
    fn listener(&self) -> OnEvent {
        let events = Rc::clone(&self.0);
        Rc::new(move |event| events.borrow_mut().push(event))
    }

    fn take(&self) -> Vec<Event> {
        self.0.take()
    }
}

async fn open(account: &str) -> Store {
    let opened = Store::open(account, Mode::IndexedDb, deaf()).await;
    opened.expect("an IndexedDB store")
}

/// An account's store with one record, "a", its client the one that writes; and what befalls it.
async fn with_record(account: &str) -> (Store, Events) {
    Store::wipe(account).await.expect("a wipe");
    let events = Events::default();
    let opened = Store::open(account, Mode::IndexedDb, events.listener()).await;
    let store = opened.expect("an IndexedDB store");
    store.fence().await.expect("the guard");
    commit(&store, &[put(Table::Meta, "a", "1")]).await;
    (store, events)
}

async fn try_commit(store: &Store, key: &str) -> Result<(), StoreError> {
    store
        .commit(&[put(Table::Meta, key, "1")], Durability::Relaxed)
        .await
}

async fn try_read(store: &Store) -> Result<Vec<Value>, StoreError> {
    let answers = store.read(&[all(Table::Meta)]).await;
    answers.map(|mut answers| answers.remove(0))
}

#[wasm_bindgen_test]
async fn what_was_committed_is_there_when_opened_again() {
    let (store, _) = with_record("again").await;
    let unsent = [put(Table::Outbox, "1", "hello")];
    store
        .commit(&unsent, Durability::Strict)
        .await
        .expect("a commit");
    store.close();
    let store = open("again").await;
    assert_eq!(read(&store, get(Table::Meta, "a")).await, [b"1"]);
    assert_eq!(read(&store, all(Table::Outbox)).await, [b"hello"]);
}

#[wasm_bindgen_test]
async fn a_new_database_has_the_schema_s_version_and_tables() {
    let (store, _) = with_record("schema").await;
    store.close();
    let raw = open_raw("pullcord:schema", SCHEMA)
        .await
        .expect("the same version");
    assert_eq!(version_of(&raw), SCHEMA);
    let mut expected: Vec<String> = Table::ALL.iter().map(|t| t.name().to_owned()).collect();
    expected.push("guard".to_owned());
    expected.sort_unstable();
    assert_eq!(tables_of(&raw), expected);
    close_raw(&raw);
}

#[wasm_bindgen_test]
async fn keys_and_values_are_stored_as_bytes() {
    let (store, _) = with_record("bytes").await;
    store.close();
    let raw = open_raw("pullcord:bytes", SCHEMA)
        .await
        .expect("the same version");
    let forms: js_sys::Array = forms(&raw, "meta").await.expect("a read").unchecked_into();
    let forms: Vec<String> = forms.iter().filter_map(|form| form.as_string()).collect();
    assert_eq!(forms, ["ArrayBuffer", "Uint8Array"]);
    close_raw(&raw);
}

#[wasm_bindgen_test]
async fn wipe_deletes_the_account_and_closes_its_clients() {
    let (store, events) = with_record("wiped").await;
    Store::wipe("wiped").await.expect("a wipe");
    assert_eq!(events.take(), [Event::Closed { deleted: true }]);
    assert_eq!(try_read(&store).await, Err(StoreError::Closed));
    assert_eq!(try_commit(&store, "b").await, Err(StoreError::Closed));
    assert_eq!(store.fence().await, Err(StoreError::Closed));
    let store = open("wiped").await;
    assert_eq!(try_read(&store).await, Ok(vec![]));
}

#[wasm_bindgen_test]
async fn wiping_what_is_not_there_is_no_error() {
    assert_eq!(Store::wipe("nobody").await, Ok(()));
    assert_eq!(Store::wipe("nobody").await, Ok(()));
}

#[wasm_bindgen_test]
async fn a_wipe_that_is_blocked_says_so_and_happens_later() {
    let (store, _) = with_record("wipe blocked").await;
    store.close();
    let raw = open_raw("pullcord:wipe blocked", SCHEMA)
        .await
        .expect("the same version");
    assert!(matches!(
        Store::wipe("wipe blocked").await,
        Err(StoreError::Failed(_))
    ));
    close_raw(&raw);
    assert_eq!(try_read(&open("wipe blocked").await).await, Ok(vec![]));
}

#[wasm_bindgen_test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let (store, _) = with_record("newer").await;
    store.close();
    let raw = open_raw("pullcord:newer", SCHEMA + 1)
        .await
        .expect("an upgrade");
    close_raw(&raw);
    for mode in [Mode::IndexedDb, Mode::Auto] {
        let opened = Store::open("newer", mode, deaf()).await;
        assert_eq!(opened.err(), Some(StoreError::Newer));
    }
    let raw = open_raw("pullcord:newer", SCHEMA + 1)
        .await
        .expect("as it was");
    let forms: js_sys::Array = forms(&raw, "meta").await.expect("a read").unchecked_into();
    assert_eq!(forms.length(), 2, "a key and a value, as they were");
    close_raw(&raw);
}

#[wasm_bindgen_test]
async fn an_upgrade_elsewhere_closes_the_handle_for_good() {
    let (store, events) = with_record("upgraded").await;
    // It would wait forever if the handle stayed open.
    let raw = open_raw("pullcord:upgraded", SCHEMA + 1)
        .await
        .expect("an upgrade");
    assert_eq!(events.take(), [Event::Closed { deleted: false }]);
    assert_eq!(try_read(&store).await, Err(StoreError::Closed));
    assert_eq!(try_commit(&store, "b").await, Err(StoreError::Closed));
    close_raw(&raw);
}

#[wasm_bindgen_test]
async fn a_handle_closed_by_the_browser_is_reopened_and_the_operation_done() {
    for tell in [true, false] {
        let (store, events) = with_record("reopened").await;
        for _ in 0..2 {
            kill_handle(tell);
            assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(1));
            assert_eq!(events.take(), [Event::Reopened]);
        }
        kill_handle(tell);
        assert_eq!(try_commit(&store, "b").await, Ok(()));
        assert_eq!(events.take(), [Event::Reopened]);
        kill_handle(tell);
        assert_eq!(store.fence().await, Ok(()));
        assert_eq!(events.take(), [Event::Reopened]);
        assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(2));
    }
}

#[wasm_bindgen_test]
async fn operations_that_find_the_handle_closed_share_a_new_one() {
    let (store, events) = with_record("shared handle").await;
    kill_handle(false);
    let (one, two, three) = join3(
        try_read(&store),
        try_commit(&store, "b"),
        try_commit(&store, "c"),
    )
    .await;
    assert_eq!(
        (one.map(|values| values.len()), two, three),
        (Ok(1), Ok(()), Ok(()))
    );
    assert_eq!(events.take(), [Event::Reopened]);
    assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(3));
}

#[wasm_bindgen_test]
async fn a_store_closed_while_it_is_being_reopened_stays_closed() {
    let (store, events) = with_record("closed meanwhile").await;
    kill_handle(true);
    let (read, ()) = join(try_read(&store), async { store.close() }).await;
    assert_eq!(read, Err(StoreError::Closed));
    assert_eq!(events.take(), []);
    // The new handle was let go as well, or this would be blocked.
    Store::wipe("closed meanwhile").await.expect("a wipe");
}

#[wasm_bindgen_test]
async fn a_database_deleted_underneath_is_lost_until_the_client_says_that_it_knows() {
    for tell in [true, false] {
        let (store, events) = with_record("lost").await;
        kill_handle(tell);
        delete_raw("pullcord:lost").await.expect("a deletion");
        // Nothing that was meant for the old database gets into the new one.
        assert_eq!(try_commit(&store, "b").await, Err(StoreError::Lost));
        assert_eq!(try_commit(&store, "c").await, Err(StoreError::Lost));
        assert_eq!(try_read(&store).await, Err(StoreError::Lost));
        assert_eq!(events.take(), []);
        assert_eq!(store.fence().await, Ok(()));
        assert_eq!(try_read(&store).await, Ok(vec![]));
        assert_eq!(try_commit(&store, "d").await, Ok(()));
        assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(1));
        // From then on that one is the client's: closed and reopened, it is not lost.
        kill_handle(tell);
        assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(1));
    }
}

#[wasm_bindgen_test]
async fn a_database_deleted_and_made_anew_by_another_client_is_lost_too() {
    let (store, _) = with_record("made anew").await;
    kill_handle(false);
    delete_raw("pullcord:made anew").await.expect("a deletion");
    let other = open("made anew").await;
    assert_eq!(try_read(&store).await, Err(StoreError::Lost));
    assert_eq!(try_read(&other).await, Ok(vec![]));
}

#[wasm_bindgen_test]
async fn a_client_that_was_taken_over_writes_nothing_more() {
    let (old, _) = with_record("taken over").await;
    let new = open("taken over").await;
    // Waiting, it reads; so does the other afterwards.
    assert_eq!(try_read(&new).await.map(|values| values.len()), Ok(1));
    assert_eq!(try_commit(&new, "early").await, Err(StoreError::Fenced));
    assert_eq!(try_commit(&old, "b").await, Ok(()));
    new.fence().await.expect("the guard");
    let writes = [
        Write::Clear { table: Table::Meta },
        put(Table::Blocks, "late", "1"),
    ];
    assert_eq!(
        old.commit(&writes, Durability::Strict).await,
        Err(StoreError::Fenced)
    );
    assert_eq!(
        old.commit(&[], Durability::Relaxed).await,
        Err(StoreError::Fenced)
    );
    assert_eq!(try_read(&old).await.map(|values| values.len()), Ok(2));
    assert_eq!(read(&new, all(Table::Blocks)).await, Vec::<Value>::new());
    assert_eq!(try_commit(&new, "c").await, Ok(()));
    // Closed and reopened underneath, either stays what it was.
    kill_handle(false);
    assert_eq!(try_commit(&new, "d").await, Ok(()));
    assert_eq!(try_commit(&old, "e").await, Err(StoreError::Fenced));
    assert_eq!(try_read(&new).await.map(|values| values.len()), Ok(4));
}

#[wasm_bindgen_test]
async fn commits_on_their_way_when_another_takes_over_count_or_are_fenced() {
    let (old, _) = with_record("on the way").await;
    let new = open("on the way").await;
    let (before, fenced, after) = join3(
        try_commit(&old, "before"),
        new.fence(),
        try_commit(&old, "after"),
    )
    .await;
    assert_eq!(
        (before, fenced, after),
        (Ok(()), Ok(()), Err(StoreError::Fenced))
    );
    assert_eq!(read(&new, get(Table::Meta, "before")).await.len(), 1);
    assert_eq!(read(&new, get(Table::Meta, "after")).await.len(), 0);
}

#[wasm_bindgen_test]
async fn a_full_disk_is_quota_and_nothing_is_applied() {
    let (store, events) = with_record("full").await;
    let writes = ["b", "c", "d"].map(|key| put(Table::Meta, key, "1"));
    for fault in [
        || put_throws(2, "QuotaExceededError"),
        || commit_aborts("QuotaExceededError"),
    ] {
        let _fault = Fault;
        fault();
        assert_eq!(
            store.commit(&writes, Durability::Relaxed).await,
            Err(StoreError::Quota)
        );
        restore();
        assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(1));
    }
    assert_eq!(store.commit(&writes, Durability::Relaxed).await, Ok(()));
    assert_eq!(events.take(), []);
}

#[wasm_bindgen_test]
async fn a_commit_that_the_browser_aborts_is_tried_again_on_a_new_handle() {
    let (store, events) = with_record("aborted").await;
    let _fault = Fault;
    commit_aborts("AbortError");
    assert_eq!(try_commit(&store, "b").await, Ok(()));
    assert_eq!(events.take(), [Event::Reopened]);
    assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(2));
}

#[wasm_bindgen_test]
async fn what_fails_for_another_reason_fails_at_once() {
    let (store, events) = with_record("failed").await;
    let _fault = Fault;
    put_throws(1, "DataError");
    let failed = try_commit(&store, "b").await;
    assert!(
        matches!(&failed, Err(StoreError::Failed(words)) if words.contains("DataError")),
        "{failed:?}"
    );
    assert_eq!(events.take(), []);
    assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(1));
}

#[wasm_bindgen_test]
async fn where_the_browser_refuses_auto_falls_back_to_memory() {
    let _fault = Fault;
    open_throws("SecurityError");
    let refused = Store::open("refused", Mode::IndexedDb, deaf()).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))));
    let store = Store::open("refused", Mode::Auto, deaf())
        .await
        .expect("a memory store");
    assert_eq!(store.kind(), "memory");
}

#[wasm_bindgen_test]
async fn an_open_blocked_by_another_tab_says_so_and_fails_in_the_end() {
    let (store, _) = with_record("blocked").await;
    store.close();
    let raw = open_raw("pullcord:blocked", SCHEMA)
        .await
        .expect("the same version");
    let events = Events::default();
    let opened = {
        let _fault = Fault;
        open_asks_for(SCHEMA + 1);
        IndexedDb::open("blocked", events.listener()).await
    };
    assert!(matches!(opened, Err(StoreError::Failed(_))));
    assert_eq!(events.take(), [Event::Blocked]);
    // The other lets go at last: the handle that comes of it must not block others in its turn.
    close_raw(&raw);
    Store::wipe("blocked").await.expect("a wipe");
}
