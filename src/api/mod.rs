//! The wasm boundary: what the JS facade calls, and what carries out the engine's effects.
//!
//! Facade and engine speak in JSON texts: [`Host::command`] in, `hooks.frame` out. All else that JS
//! does for a client is a hook too. [`driver`] stands between the engine and everything that takes
//! time; a [`Host`] is its handle in JS.

mod driver;
mod hooks;
mod host;

pub use host::{Host, wipe_account};
