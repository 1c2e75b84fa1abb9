//! A client as the facade holds it, in a browser, against the reference server
//! (`PULLCORD_TEST_SERVER`, at compile time): commands in, frames out.

#![cfg(target_arch = "wasm32")]
// The modules of a test are nobody else's.
#![allow(unreachable_pub)]

#[path = "browser/api/app.rs"]
mod app;
#[path = "browser/api/backend.rs"]
mod backend;
#[path = "browser/api/client.rs"]
mod client;
#[path = "browser/api/facade.rs"]
mod facade;
#[path = "browser/api/invalid.rs"]
mod invalid;
#[path = "browser/api/server.rs"]
mod server;
#[path = "browser/support.rs"]
mod support;

use wasm_bindgen_test::wasm_bindgen_test_configure;

wasm_bindgen_test_configure!(run_in_browser);
