//! The suite of all stores, on memory and on IndexedDB.

use pullcord::store::{Mode, Store};

use crate::page::{deaf, delete, open};
use crate::store_suite::{self, Place};
use wasm_bindgen_test::wasm_bindgen_test;

struct InMemory;

impl Place for InMemory {
    async fn fresh(&self, account: &str) -> Store {
        let opened = Store::open(account, Mode::Memory, deaf()).await;
        let store = opened.expect("a memory store");
        store.fence().await.expect("a fence");
        store
    }

    async fn delete(&self, account: &str) {
        Store::forget(account);
    }
}

struct InIndexedDb;

impl Place for InIndexedDb {
    async fn fresh(&self, account: &str) -> Store {
        delete(account).await;
        let store = open(account).await;
        store.fence().await.expect("the guard");
        store
    }

    async fn delete(&self, account: &str) {
        delete(account).await;
    }
}

mod memory {
    use super::{InMemory, store_suite, wasm_bindgen_test};

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
    use super::{InIndexedDb, store_suite, wasm_bindgen_test};

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
