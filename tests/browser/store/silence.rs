//! What is never answered, or late.

use futures_util::future::{join, join3};
use pullcord::core::storage::StoreError;
use pullcord::net::time::{monotonic, sleep};
use pullcord::store::{Event, IndexedDb, SCHEMA};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use super::database::keys_of;
use crate::page::put_raw;
use crate::page::{Events, Fault, try_commit, try_read, with_record};
use crate::page::{close_raw, commit_is_silent, delete_raw, hold_all, open_asks_for, open_raw};

#[wasm_bindgen_test]
async fn what_waits_for_a_transaction_that_never_ends_is_answered_and_works_when_that_is_over() {
    let (store, _) = with_record("held").await;
    let raw = open_raw("pullcord:held", SCHEMA)
        .await
        .expect("the same version");
    let let_go = hold_all(&raw);
    let began = monotonic();
    let (read, committed, fenced) =
        join3(try_read(&store), try_commit(&store, "b"), store.fence()).await;
    let took = monotonic() - began;
    assert!((4_000..60_000).contains(&took), "{took} ms");
    assert!(matches!(read, Err(StoreError::Failed(_))), "{read:?}");
    // It had not come to its commit: nothing of it is applied, and that is certain.
    assert!(
        matches!(committed, Err(StoreError::Failed(_))),
        "{committed:?}"
    );
    assert!(matches!(fenced, Err(StoreError::Failed(_))), "{fenced:?}");
    let_go.call0(&JsValue::NULL).expect("it lets go");
    close_raw(&raw);
    assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(1));
    assert_eq!(try_commit(&store, "c").await, Ok(()));
}

#[wasm_bindgen_test]
async fn what_was_silent_once_is_done_at_the_second_try() {
    let (store, events) = with_record("silent once").await;
    let raw = open_raw("pullcord:silent once", SCHEMA)
        .await
        .expect("the same version");
    let let_go = hold_all(&raw);
    let (committed, ()) = join(try_commit(&store, "b"), async {
        sleep(5_500).await;
        let_go.call0(&JsValue::NULL).expect("it lets go");
    })
    .await;
    assert_eq!(committed, Ok(()));
    assert_eq!(events.take(), [Event::Reopened]);
    close_raw(&raw);
    assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(2));
}

#[wasm_bindgen_test]
async fn a_commit_of_which_nothing_is_heard_is_uncertain_and_what_is_stored_tells() {
    let (store, _) = with_record("silent commit").await;
    let began = monotonic();
    let committed = {
        let _fault = Fault;
        commit_is_silent();
        try_commit(&store, "b").await
    };
    let took = monotonic() - began;
    assert!((4_000..60_000).contains(&took), "{took} ms");
    assert!(
        matches!(committed, Err(StoreError::Uncertain(_))),
        "{committed:?}"
    );
    assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(2));
    assert_eq!(try_commit(&store, "c").await, Ok(()));
}

#[wasm_bindgen_test]
async fn a_store_that_sleeps_blocks_nobody_and_does_later_what_it_was_asked() {
    let (store, events) = with_record("asleep").await;
    let raw = open_raw("pullcord:asleep", SCHEMA)
        .await
        .expect("the same version");
    let (committed, read, ()) = join3(try_commit(&store, "b"), try_read(&store), async {
        store.sleep();
        put_raw(&raw, "meta", "other")
            .await
            .expect("nobody is in the way");
        assert_eq!(keys_of(&raw, "meta").await, 2, "the commit has waited");
        store.wake();
    })
    .await;
    assert_eq!(committed, Ok(()));
    assert!(read.is_ok());
    assert_eq!(events.take(), [], "the handle is the same");
    assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(3));
    close_raw(&raw);
}

#[wasm_bindgen_test]
async fn a_store_that_nobody_tells_that_it_is_awake_finds_out() {
    let (store, _) = with_record("wakes").await;
    store.sleep();
    let began = monotonic();
    assert_eq!(try_commit(&store, "b").await, Ok(()));
    assert!((1_000..60_000).contains(&(monotonic() - began)));
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
    delete_raw("pullcord:blocked").await.expect("a deletion");
}
