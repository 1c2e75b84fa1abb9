//! Pullcord: the client of a chat, inbox or notification list, whose message list is complete,
//! without duplicates, in order and up to date.
//!
//! ```text
//!  app ─ JS facade ──commands──▶ core::Engine ──effects──▶ store (IndexedDB | memory)
//!         ▲                        ▲  │                    net   (HTTP, WebSocket | the app's Transport)
//!         └──────── frames ────────┘  └──────────────────▶ one timer
//! ```
//!
//! - [`core`] decides everything and does nothing: no clock, no randomness, no JS, no I/O. It takes
//!   `(now, input)` and leaves effects to be carried out.
//! - [`store`] keeps bytes, in transactions. [`net`] moves text. Neither knows what it means.
//! - `api` is the wasm boundary: it carries out the effects and speaks with the JS facade.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod core;
pub mod store;

#[cfg(target_arch = "wasm32")]
pub mod api;
#[cfg(target_arch = "wasm32")]
pub mod net;
