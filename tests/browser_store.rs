//! The stores in a browser: the suite on memory and on IndexedDB, and what the browser may do to a
//! database while it is in use.

#![cfg(target_arch = "wasm32")]
// The modules of a test are nobody else's.
#![allow(unreachable_pub)]

#[path = "browser/store/commits.rs"]
mod commits;
#[path = "browser/store/database.rs"]
mod database;
#[path = "browser/store/handles.rs"]
mod handles;
#[path = "browser/store/opening.rs"]
mod opening;
#[path = "browser/store/page.rs"]
mod page;
#[path = "browser/store/silence.rs"]
mod silence;
mod store_suite;
#[path = "browser/store/suite.rs"]
mod suite;
#[path = "browser/store/unreadable.rs"]
mod unreadable;

use wasm_bindgen_test::wasm_bindgen_test_configure;

wasm_bindgen_test_configure!(run_in_browser);
