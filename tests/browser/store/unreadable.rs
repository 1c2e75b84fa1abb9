//! Records that cannot be read.

use pullcord::core::storage::{Read, StoreError, Table, Value};
use pullcord::store::{Event, Mode, SCHEMA, Store};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::page::{Events, Fault, open, try_commit, try_read, with_record};
use crate::page::{close_raw, kill_handle, newest_handle, open_raw, put_junk, restore, unreadable};
use crate::store_suite::{all, commit, get, put};

#[wasm_bindgen_test]
async fn a_record_that_cannot_be_read_is_told_by_its_key_beside_those_that_can() {
    let (store, events) = with_record("unreadable").await;
    let writes = ["b", "c"].map(|key| put(Table::Meta, key, key));
    commit(&store, &writes).await;
    commit(&store, &[put(Table::Blocks, "b", "a block")]).await;
    for name in ["NotReadableError", "DataError", "UnknownError"] {
        let _fault = Fault;
        unreadable("meta", "b", name);
        let range = |lo: &str, hi: &str| Read::Range {
            table: Table::Meta,
            lo: lo.into(),
            hi: hi.into(),
        };
        let reads = [
            all(Table::Blocks),
            all(Table::Meta),
            range("b", "c"),
            range("c", "d"),
            get(Table::Meta, "b"),
            get(Table::Meta, "c"),
            Read::Keys { table: Table::Meta },
        ];
        let found = store.read(&reads).await.expect("the others can be read");
        let drawn: Vec<String> = found
            .iter()
            .map(|answer| {
                let text = |all: &[Value]| {
                    all.iter()
                        .map(|one| String::from_utf8_lossy(one) + " ")
                        .collect::<String>()
                };
                text(&answer.values) + "| " + &text(&answer.unreadable)
            })
            .collect();
        assert_eq!(
            drawn,
            [
                "a block | ",
                "1 c | b ",
                "c | b ",
                "c | ",
                "| b ",
                "c | ",
                "a b c | "
            ],
            "{name}"
        );
    }
    // Alone, and written anew.
    {
        let _fault = Fault;
        unreadable("meta", "b", "NotReadableError");
        let found = store.read(&[get(Table::Meta, "b")]).await;
        assert_eq!(found.expect("a read")[0].unreadable, [b"b"]);
    }
    assert_eq!(events.take(), []);
}

#[wasm_bindgen_test]
async fn where_nothing_at_all_can_be_read_the_store_has_failed() {
    let (store, _) = with_record("nothing readable").await;
    for name in ["NotReadableError", "UnknownError"] {
        let _fault = Fault;
        unreadable("", "", name);
        let found = try_read(&store).await;
        assert!(matches!(found, Err(StoreError::Failed(_))), "{found:?}");
    }
    assert_eq!(try_read(&store).await.map(|values| values.len()), Ok(1));
}

/// What cannot be read of the guard: by the browser's word, or by what it answers.
async fn spoil_guard(account: &str, key: &str, how: &str) {
    if how != "junk" {
        return unreadable("guard", key, how);
    }
    let name = ["pullcord:", account].concat();
    let raw = open_raw(&name, SCHEMA).await.expect("the same version");
    put_junk(&raw, "guard", key).await.expect("it is put");
    close_raw(&raw);
}

#[wasm_bindgen_test]
async fn one_copy_of_the_epoch_tells_where_the_other_cannot_be_read() {
    for how in ["junk", "NotReadableError", "DataError", "UnknownError"] {
        for key in ["epoch", "epoch again"] {
            let _fault = Fault;
            let (store, events) = with_record("one epoch").await;
            let epoch = store.fence().await.expect("the guard");
            spoil_guard("one epoch", key, how).await;
            assert_eq!(try_commit(&store, "b").await, Ok(()), "{key} {how}");
            let told = store.read(&[Read::Epoch, all(Table::Meta)]).await;
            let told = told.expect("a read").remove(0).values;
            assert_eq!(told, [epoch.to_be_bytes()], "{key} {how}");
            let other = open("one epoch").await;
            assert_eq!(other.fence().await, Ok(epoch + 1), "{key} {how}");
            assert_eq!(try_commit(&store, "c").await, Err(StoreError::Fenced));
            assert_eq!(try_commit(&other, "d").await, Ok(()), "{key} {how}");
            assert_eq!(store.fence().await, Ok(epoch + 2), "{key} {how}");
            assert!(events.take().len() <= 1, "{key} {how}: told once");
        }
    }
}

#[wasm_bindgen_test]
async fn an_epoch_that_cannot_be_read_is_nobodys_until_a_higher_one_is_written() {
    let (old, _) = with_record("epoch").await;
    let before = old.fence().await.expect("the guard");
    spoil_guard("epoch", "epoch", "junk").await;
    spoil_guard("epoch", "epoch again", "junk").await;
    let asked = old.read(&[Read::Epoch, all(Table::Meta)]).await;
    assert_eq!(asked.expect("a read")[0].unreadable, [b"epoch"]);
    assert_eq!(try_commit(&old, "b").await, Err(StoreError::Fenced));
    let events = Events::default();
    let opened = Store::open("epoch", Mode::IndexedDb, events.listener()).await;
    let new = opened.expect("an IndexedDB store");
    let epoch = new.fence().await.expect("the guard");
    assert!(epoch > before + 1_000, "{epoch}");
    assert_eq!(events.take(), [Event::PutRight]);
    assert_eq!(try_commit(&old, "c").await, Err(StoreError::Fenced));
    assert_eq!(try_commit(&new, "d").await, Ok(()));
    assert_eq!(old.fence().await, Ok(epoch + 1));
    assert_eq!(try_commit(&old, "e").await, Ok(()));
    assert_eq!(events.take(), []);
}

#[wasm_bindgen_test]
async fn where_no_epoch_that_is_written_can_be_read_the_store_has_failed() {
    let (store, _) = with_record("no epoch").await;
    let _fault = Fault;
    unreadable("guard", "", "NotReadableError");
    assert_eq!(try_commit(&store, "b").await, Err(StoreError::Fenced));
    assert!(store.fence().await.is_ok());
    let failed = try_commit(&store, "b").await;
    assert!(matches!(failed, Err(StoreError::Failed(_))), "{failed:?}");
    restore();
    assert_eq!(try_commit(&store, "b").await, Ok(()));
}

#[wasm_bindgen_test]
async fn a_database_whose_identity_cannot_be_read_is_the_same_with_another() {
    for how in ["junk", "NotReadableError", "DataError", "UnknownError"] {
        let _fault = Fault;
        let (old, _) = with_record("identity").await;
        let older = newest_handle();
        spoil_guard("identity", "identity", how).await;
        let events = Events::default();
        let opened = Store::open("identity", Mode::Auto, events.listener()).await;
        let new = opened.expect("a store");
        assert_eq!(new.kind(), "indexeddb", "{how}");
        assert_eq!(events.take(), [Event::PutRight], "{how}");
        assert_eq!(try_read(&new).await.map(|values| values.len()), Ok(1));
        restore();
        // Whoever knew it by its old one goes on as well.
        kill_handle(true);
        assert!(new.fence().await.is_ok(), "{how}");
        assert_eq!(try_commit(&new, "b").await, Ok(()), "{how}");
        assert_eq!(events.take(), [Event::Reopened], "{how}");
        close_raw(&older);
        assert_eq!(
            try_commit(&old, "c").await,
            Err(StoreError::Fenced),
            "{how}"
        );
        assert!(old.fence().await.is_ok(), "{how}");
        assert_eq!(try_commit(&old, "c").await, Ok(()), "{how}");
        assert_eq!(try_read(&old).await.map(|values| values.len()), Ok(3));
        old.close();
        new.close();
    }
}
