//! The net in a browser: against the reference server, and, where that is too well-behaved, against
//! a `fetch` or `WebSocket` of the page that is not.
//!
//! `PULLCORD_TEST_SERVER` names the server, at compile time: started with `--demo --allow-trouble`.

#![cfg(target_arch = "wasm32")]
// The modules of a test are nobody else's.
#![allow(unreachable_pub)]

#[path = "browser/net/app.rs"]
mod app;
#[path = "browser/net/call.rs"]
mod call;
#[path = "browser/net/http.rs"]
mod http;
#[path = "browser/net/page.rs"]
mod page;
#[path = "browser/net/server.rs"]
mod server;
#[path = "browser/net/socket.rs"]
mod socket;
#[path = "browser/support.rs"]
mod support;
#[path = "browser/net/token.rs"]
mod token;

use wasm_bindgen_test::wasm_bindgen_test_configure;

wasm_bindgen_test_configure!(run_in_browser);
