//! The memory store, natively: the suite, and what only memory has.

#![cfg(not(target_arch = "wasm32"))]

mod store_suite;

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use pullcord::core::storage::{Read, StoreError, Table, Write};
use pullcord::store::{Event, Memory, Mode, Owner, Store};
use store_suite::{Place, all, delete_all, get, put};

struct InMemory;

impl Place for InMemory {
    async fn fresh(&self, account: &str) -> Store {
        let store = Store::in_memory(account);
        store.fence().await.expect("a fence");
        store
    }

    async fn delete(&self, account: &str) {
        Store::forget(account);
    }
}

/// A memory store never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("a memory store waits"),
    }
}

macro_rules! on_memory {
    ($($name:ident,)+) => {
        $(
            #[test]
            fn $name() {
                now(store_suite::$name(&InMemory));
            }
        )+
    };
}
store_suite::store_suite!(on_memory);

fn rows(store: &Memory, table: Table) -> Vec<Vec<u8>> {
    store.read(&[all(table)]).expect("a read").remove(0).values
}

#[test]
fn a_commit_that_does_not_fit_applies_nothing() {
    let mut store = Memory::with_capacity(20);
    let first = [
        put(Table::Blocks, "a", "12345"),
        put(Table::Meta, "c", "old"),
    ];
    store.commit(&first).expect("it fits");
    let before = store.clone();
    let writes = [
        put(Table::Meta, "c", "new"),
        put(Table::Meta, "c", "newer"),
        delete_all(Table::Blocks),
        put(Table::Blocks, "b", "other"),
        Write::Delete {
            table: Table::Blocks,
            key: b"b".to_vec(),
        },
        put(Table::Blocks, "b", vec![0; 20]),
    ];
    assert_eq!(store.commit(&writes), Err(StoreError::Quota));
    for table in Table::ALL {
        assert_eq!(rows(&store, table), rows(&before, table));
    }
    assert_eq!(store.bytes(), before.bytes());
    store.commit(&writes[..4]).expect("this much fits");
}

#[test]
fn room_that_a_commit_makes_is_room_for_it() {
    let mut store = Memory::with_capacity(10);
    store
        .commit(&[put(Table::Blocks, "a", "123456789")])
        .expect("it fits");
    assert_eq!(
        store.commit(&[put(Table::Blocks, "b", "")]),
        Err(StoreError::Quota)
    );
    // Also where the deletion comes last: what counts is what is left.
    let swap = [
        put(Table::Blocks, "b", "123456789"),
        Write::Delete {
            table: Table::Blocks,
            key: b"a".to_vec(),
        },
    ];
    store.commit(&swap).expect("as much as before");
    assert_eq!(store.bytes(), 10);
}

#[test]
fn a_store_that_is_over_its_capacity_can_be_emptied() {
    let mut store = Memory::new();
    let three = ["a", "b", "c"].map(|key| put(Table::Blocks, key, "123456789"));
    store.commit(&three).expect("no limit");
    store.set_capacity(Some(10));
    let delete = |key: &str| Write::Delete {
        table: Table::Blocks,
        key: key.into(),
    };
    store.commit(&[delete("a")]).expect("less than before");
    assert_eq!(store.bytes(), 20);
    assert_eq!(
        store.commit(&[put(Table::Meta, "x", "")]),
        Err(StoreError::Quota)
    );
}

#[test]
fn bytes_counts_keys_and_values() {
    let mut store = Memory::new();
    let writes = [
        put(Table::Meta, "ab", "1234"),
        put(Table::Meta, "ab", "1"),
        put(Table::Blocks, "c", ""),
    ];
    store.commit(&writes).expect("no limit");
    assert_eq!(store.bytes(), 4);
    store.commit(&[delete_all(Table::Meta)]).expect("no limit");
    assert_eq!(store.bytes(), 1);
}

#[test]
fn a_clone_is_a_snapshot() {
    let mut store = Memory::new();
    store
        .commit(&[put(Table::Meta, "cursor", "1")])
        .expect("no limit");
    let snapshot = store.clone();
    store
        .commit(&[put(Table::Meta, "cursor", "2")])
        .expect("no limit");
    assert_eq!(rows(&snapshot, Table::Meta), [b"1"]);
    assert_eq!(rows(&store, Table::Meta), [b"2"]);
}

/// Whom nothing of a store concerns.
struct Nobody;

impl Owner for Nobody {
    fn on_event(&self, _: Event) {}

    fn is_wiped(&self) -> Pin<Box<dyn Future<Output = bool> + '_>> {
        Box::pin(async { false })
    }
}

#[test]
fn without_a_browser_auto_is_memory_and_indexeddb_is_refused() {
    let open = |mode| now(Store::open("ann", mode, Rc::new(Nobody)));
    for mode in [Mode::Auto, Mode::Memory] {
        assert_eq!(open(mode).expect("a memory store").kind(), "memory");
    }
    assert!(matches!(open(Mode::IndexedDb), Err(StoreError::Refused(_))));
}

#[test]
fn a_spoilt_record_is_told_by_its_key_beside_those_that_can_be_read() {
    let mut store = Memory::new();
    let three = ["a", "b", "c"].map(|key| put(Table::Blocks, key, key));
    store.commit(&three).expect("no limit");
    assert!(store.spoil(Table::Blocks, b"b"));
    assert!(!store.spoil(Table::Blocks, b"z"), "there is none");
    let answers = store.read(&[
        all(Table::Blocks),
        get(Table::Blocks, "b"),
        Read::Keys {
            table: Table::Blocks,
        },
    ]);
    let [all, one, keys] = answers.expect("a read").try_into().expect("three answers");
    assert_eq!(all.values, [b"a", b"c"]);
    assert_eq!(all.unreadable, [b"b"]);
    assert_eq!((one.values.len(), one.unreadable), (0, vec![b"b".to_vec()]));
    assert_eq!(
        keys,
        vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()].into()
    );
    // Written anew it can be read; a commit that fails does not mend it.
    store.set_capacity(Some(0));
    let anew = [put(Table::Blocks, "b", "new and longer")];
    assert_eq!(store.commit(&anew), Err(StoreError::Quota));
    assert_eq!(rows(&store, Table::Blocks), [b"a", b"c"]);
    store.set_capacity(None);
    store.commit(&anew).expect("no limit");
    assert_eq!(rows(&store, Table::Blocks).len(), 3);
}
