//! The database: its form, its versions, its end.

use pullcord::core::storage::{Durability, StoreError, Table};
use pullcord::store::{Event, Mode, SCHEMA, Store};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::page::{close_raw, delete_raw, forms, kill_handle, open_raw, tables_of, version_of};
use crate::page::{deaf, open, try_commit, try_read, with_record};
use crate::store_suite::{all, get, put, read};

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

pub(crate) async fn keys_of(handle: &JsValue, table: &str) -> u32 {
    let forms: js_sys::Array = forms(handle, table).await.expect("a read").unchecked_into();
    forms.length() / 2
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
async fn a_wipe_closes_the_clients() {
    let (store, events) = with_record("wiped").await;
    events.wipe();
    delete_raw("pullcord:wiped").await.expect("a deletion");
    assert_eq!(events.take(), [Event::Closed { wiped: true }]);
    assert_eq!(try_read(&store).await, Err(StoreError::Closed));
    assert_eq!(try_commit(&store, "b").await, Err(StoreError::Closed));
    assert_eq!(store.fence().await, Err(StoreError::Closed));
    let store = open("wiped").await;
    assert_eq!(try_read(&store).await, Ok(vec![]));
}

#[wasm_bindgen_test]
async fn a_deletion_without_a_wipe_loses_the_database_and_no_client() {
    let (store, events) = with_record("deleted").await;
    delete_raw("pullcord:deleted").await.expect("a deletion");
    assert_eq!(try_read(&store).await, Err(StoreError::Lost));
    // It is deleted again before the client knows of it.
    delete_raw("pullcord:deleted").await.expect("a deletion");
    assert_eq!(try_commit(&store, "b").await, Err(StoreError::Lost));
    // The one that is there now is the third: it is known once the second is taken.
    store.adopt();
    assert_eq!(store.fence().await, Err(StoreError::Lost));
    store.adopt();
    store.fence().await.expect("the one that took its place");
    assert_eq!(try_commit(&store, "b").await, Ok(()));
    assert!(!events.take().contains(&Event::Closed { wiped: true }));
    // Nothing of it holds up whoever deletes it.
    events.wipe();
    delete_raw("pullcord:deleted").await.expect("a deletion");
    assert_eq!(events.take(), [Event::Closed { wiped: true }]);
}

#[wasm_bindgen_test]
async fn a_wiped_account_is_not_made_anew_by_a_client_that_had_lost_its_handle() {
    let (store, events) = with_record("wiped unheard").await;
    kill_handle(true);
    events.wipe();
    delete_raw("pullcord:wiped unheard")
        .await
        .expect("a deletion");
    assert_eq!(try_read(&store).await, Err(StoreError::Closed));
    assert_eq!(events.take(), [Event::Closed { wiped: true }]);
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
