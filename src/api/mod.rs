//! The wasm boundary: what the JS facade calls, and what carries out the engine's effects.
//!
//! What the facade says are small JS values, read by serde-wasm-bindgen: options, commands
//! ([`Host::command`]). What it is shown are JSON texts (`hooks.frame`): of 50 messages serde-wasm-bindgen
//! makes JS values in 0.20 ms, `JSON.parse` of one text in 0.10 ms. All else that JS does for a client is
//! a hook too. [`driver`] stands between the engine and everything that takes
//! time; a [`Host`] is its handle in JS.

mod driver;
mod hooks;
mod host;

pub use host::{Host, schema};
