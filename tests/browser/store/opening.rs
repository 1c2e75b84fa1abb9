//! Opens that fail, and what is used then.

use pullcord::core::storage::StoreError;
use pullcord::net::time::monotonic;
use pullcord::store::{Event, Mode, SCHEMA, Store};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::page::{Events, Fault, deaf, open, try_read, with_record};
use crate::page::{
    close_raw, hold_all, open_fails, open_fails_with, open_gives_nothing, open_hangs, open_raw,
    open_throws,
};

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
async fn where_an_open_gives_nothing_auto_falls_back_to_memory() {
    let _fault = Fault;
    open_gives_nothing();
    let refused = Store::open("nothing", Mode::IndexedDb, deaf()).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))));
    let store = Store::open("nothing", Mode::Auto, deaf()).await;
    assert_eq!(store.expect("a memory store").kind(), "memory");
}

/// The client's database opens at the first try, and its record is there.
async fn is_as_it_was(account: &str) {
    let store = open(account).await;
    assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(1));
}

#[wasm_bindgen_test]
async fn an_open_that_fails_is_tried_again() {
    let (store, _) = with_record("fails twice").await;
    store.close();
    let events = Events::default();
    let opened = {
        let _fault = Fault;
        open_fails("UnknownError", 2);
        Store::open("fails twice", Mode::Auto, events.listener()).await
    };
    let store = opened.expect("a store");
    assert_eq!(store.kind(), "indexeddb");
    assert_eq!(events.take(), []);
    assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(1));
}

#[wasm_bindgen_test]
async fn where_an_open_always_fails_auto_is_memory_says_so_and_leaves_what_is_stored() {
    let (store, _) = with_record("fails always").await;
    store.close();
    for name in ["UnknownError", "AbortError", "NotFoundError"] {
        let events = Events::default();
        {
            let _fault = Fault;
            open_fails(name, 99);
            let opened = Store::open("fails always", Mode::Auto, events.listener()).await;
            assert_eq!(opened.expect("a store").kind(), "memory");
            let told = events.take();
            assert!(
                matches!(&told[..], [Event::InMemory(StoreError::Refused(words))] if words.words().contains(name)),
                "{told:?}"
            );
            let refused = Store::open("fails always", Mode::IndexedDb, deaf()).await;
            assert!(matches!(refused, Err(StoreError::Refused(_))));
        }
        is_as_it_was("fails always").await;
    }
}

#[wasm_bindgen_test]
async fn an_open_that_is_never_answered_ends_and_auto_is_memory() {
    let (store, _) = with_record("never opens").await;
    store.close();
    let events = Events::default();
    {
        let _fault = Fault;
        open_hangs();
        let began = monotonic();
        let opened = Store::open("never opens", Mode::Auto, events.listener()).await;
        assert_eq!(opened.expect("a store").kind(), "memory");
        assert!(monotonic() - began < 12_000);
        assert!(matches!(events.take()[..], [Event::InMemory(_)]));
    }
    is_as_it_was("never opens").await;
}

#[wasm_bindgen_test]
async fn an_open_of_a_database_that_another_tab_holds_ends_in_time() {
    let (store, _) = with_record("held open").await;
    store.close();
    let raw = open_raw("pullcord:held open", SCHEMA)
        .await
        .expect("the same version");
    let let_go = hold_all(&raw);
    let began = monotonic();
    let opened = Store::open("held open", Mode::IndexedDb, deaf()).await;
    let took = monotonic() - began;
    assert!(matches!(opened, Err(StoreError::Refused(_))), "{opened:?}");
    assert!(took < 10_000, "{took} ms");
    let_go.call0(&JsValue::NULL).expect("it lets go");
    close_raw(&raw);
    is_as_it_was("held open").await;
}

#[wasm_bindgen_test]
async fn where_there_is_no_room_for_a_database_auto_is_memory_and_indexeddb_says_quota() {
    for (name, said) in [
        (
            "QuotaExceededError",
            "Encountered full disk while opening backing store",
        ),
        ("UnknownError", "database or disk is full"),
        ("UnknownError", "NS_ERROR_FILE_NO_DEVICE_SPACE"),
    ] {
        let _fault = Fault;
        open_fails_with(name, said);
        let opened = Store::open("no room", Mode::IndexedDb, deaf()).await;
        assert_eq!(opened.err(), Some(StoreError::Quota), "{name}: {said}");
        let events = Events::default();
        let opened = Store::open("no room", Mode::Auto, events.listener()).await;
        assert_eq!(opened.expect("a store").kind(), "memory");
        assert_eq!(events.take(), [Event::InMemory(StoreError::Quota)]);
    }
}
