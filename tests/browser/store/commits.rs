//! Commits: of whom has the account, and those that fail.

use futures_util::future::join3;
use pullcord::core::storage::{Durability, StoreError, Table, Value};
use pullcord::store::Event;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::page::{Fault, open, try_commit, try_read, with_record};
use crate::page::{commit_aborts, kill_handle, put_throws, restore};
use crate::store_suite::{all, delete_all, get, put, read};

#[wasm_bindgen_test]
async fn a_client_that_was_taken_over_writes_nothing_more() {
    let (old, _) = with_record("taken over").await;
    let new = open("taken over").await;
    // Waiting, it reads; so does the other afterwards.
    assert_eq!(try_read(&new).await.map(|values| values.len()), Ok(1));
    assert_eq!(try_commit(&new, "early").await, Err(StoreError::Fenced));
    assert_eq!(try_commit(&old, "b").await, Ok(()));
    new.fence().await.expect("the guard");
    let writes = [delete_all(Table::Meta), put(Table::Blocks, "late", "1")];
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
        (before, fenced.is_ok(), after),
        (Ok(()), true, Err(StoreError::Fenced))
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
        matches!(&failed, Err(StoreError::Failed(words)) if words.words().contains("DataError")),
        "{failed:?}"
    );
    assert_eq!(events.take(), []);
    assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(1));
}
