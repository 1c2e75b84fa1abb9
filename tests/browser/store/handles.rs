//! Handles that are closed, and databases that are deleted, under a store that works.

use futures_util::future::{join, join3};
use pullcord::core::storage::StoreError;
use pullcord::net::time::sleep;
use pullcord::store::{Event, SCHEMA};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::page::{Fault, open, try_commit, try_read, with_record};
use crate::page::{close_raw, delete_raw, kill_handle, open_fails, open_raw};

#[wasm_bindgen_test]
async fn an_upgrade_elsewhere_closes_the_handle_for_good() {
    let (store, events) = with_record("upgraded").await;
    // It would wait forever if the handle stayed open.
    let raw = open_raw("pullcord:upgraded", SCHEMA + 1)
        .await
        .expect("an upgrade");
    assert_eq!(events.take(), [Event::Closed { wiped: false }]);
    assert_eq!(try_read(&store).await, Err(StoreError::Closed));
    assert_eq!(try_commit(&store, "b").await, Err(StoreError::Closed));
    close_raw(&raw);
}

#[wasm_bindgen_test]
async fn a_handle_closed_by_the_browser_is_reopened_and_the_operation_done() {
    for tell in [true, false] {
        let (store, events) = with_record("reopened").await;
        kill_handle(tell);
        assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(1));
        assert_eq!(events.take(), [Event::Reopened]);
        // Nothing was written since: it is told, however often it happens.
        kill_handle(tell);
        assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(1));
        assert_eq!(events.take(), []);
        assert_eq!(try_commit(&store, "a").await, Ok(()));
        kill_handle(tell);
        assert_eq!(try_commit(&store, "b").await, Ok(()));
        assert_eq!(events.take(), [Event::Reopened]);
        kill_handle(tell);
        assert!(store.fence().await.is_ok());
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
    delete_raw("pullcord:closed meanwhile")
        .await
        .expect("a deletion");
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
        assert_eq!(store.fence().await, Err(StoreError::Lost));
        store.adopt();
        assert_eq!(try_read(&store).await, Ok(vec![]));
        // It has a fence of its own: who had written to the old one has not written to this.
        assert_eq!(try_commit(&store, "d").await, Err(StoreError::Fenced));
        assert!(store.fence().await.is_ok());
        assert_eq!(try_commit(&store, "d").await, Ok(()));
        assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(1));
        // From then on that one is the client's: closed and reopened, it is not lost.
        kill_handle(tell);
        assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(1));
    }
}

#[wasm_bindgen_test]
async fn a_store_that_sleeps_holds_up_nobody_and_says_nothing_of_it() {
    let (store, events) = with_record("asleep").await;
    store.sleep();
    store.wake();
    assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(1));
    store.sleep();
    delete_raw("pullcord:asleep").await.expect("a deletion");
    store.wake();
    assert_eq!(try_read(&store).await, Err(StoreError::Lost));
    assert_eq!(events.take(), []);
}

#[wasm_bindgen_test]
async fn a_page_put_to_sleep_while_its_handle_is_opened_begins_nothing_and_holds_none() {
    let (store, events) = with_record("dozes").await;
    kill_handle(true);
    let (read, ()) = join(try_read(&store), async {
        store.sleep();
        sleep(300).await;
        delete_raw("pullcord:dozes").await.expect("a deletion");
        store.wake();
    })
    .await;
    assert_eq!(read, Err(StoreError::Lost), "nothing was read before that");
    assert_eq!(events.take(), []);
}

#[wasm_bindgen_test]
async fn what_became_of_an_opening_that_the_page_slept_over_does_not_count() {
    let (store, events) = with_record("overslept").await;
    kill_handle(true);
    let (read, ()) = {
        let _fault = Fault;
        open_fails("UnknownError", 3);
        join(try_read(&store), async {
            sleep(300).await;
            store.sleep();
            store.wake();
        })
        .await
    };
    assert_eq!(read.map(|values| values.len()), Ok(1));
    assert_eq!(events.take(), [Event::Reopened]);
}

#[wasm_bindgen_test]
async fn a_handle_that_does_not_open_at_once_again_is_asked_for_as_often_as_the_first() {
    let (store, events) = with_record("comes late").await;
    kill_handle(true);
    let committed = {
        let _fault = Fault;
        open_fails("AbortError", 2);
        try_commit(&store, "b").await
    };
    assert_eq!(committed, Ok(()));
    assert_eq!(events.take(), [Event::Reopened]);
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
