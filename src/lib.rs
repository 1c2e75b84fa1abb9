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
//! - [`store`] keeps bytes, in transactions. `net` moves text. Neither knows what it means.
//! - `api` is the wasm boundary: it carries out the effects and speaks with the JS facade.
//!
//! # Driving the core
//!
//! One mutation, then drain: give one input, carry out each effect, answer each that asks by one input with
//! its number. One timer, at [`deadline`](core::Engine::deadline). Here the store is in memory and the backend
//! a function; in the browser the same loop is `api`'s.
//!
//! ```
//! use pullcord::core::command::Command;
//! use pullcord::core::options::Config;
//! use pullcord::core::net::Request;
//! use pullcord::core::{Effect, Engine, Input, Now};
//! use pullcord::store::Memory;
//!
//! /// A backend: one conversation, with one message.
//! fn backend(call: &Request) -> &'static str {
//!     match call {
//!         Request::Pull { .. } => r#"{"events":[],"cursor":"1","hasMore":false,"overflow":"all"}"#,
//!         Request::Conversations { .. } => r#"{"conversations":[{"id":"general","lastSeq":7}],"next":null}"#,
//!         _ => r#"{"hasBefore":false,"hasAfter":false,"messages":[{"id":"m7","conversation":"general",
//!             "seq":7,"sender":"ada","createdAt":0,"version":1,"state":"normal","body":"hello"}]}"#,
//!     }
//! }
//!
//! let mut store = Memory::new();
//! let mut config = Config::from_json(r#"{"account":"ann","baseUrl":"https://chat.example"}"#)?;
//! config.epoch = Some(store.fence()); // this client writes
//! let mut engine = Engine::new(config, 42);
//! let mut now = Now::default();
//! let mut frames = String::new();
//!
//! let open = Command::from_json(r#"{"op":"open","timeline":1,"conversation":"general"}"#)?;
//! engine.handle(now, Input::Command(open));
//! while !frames.contains("hello") {
//!     while let Some(effect) = engine.poll() {
//!         let input = match effect {
//!             Effect::Read { op, reads } => Input::Read { op, result: store.read(&reads) },
//!             Effect::Commit { op, writes, .. } => Input::Committed { op, result: store.commit(&writes) },
//!             Effect::Request { request, call, .. } => Input::Answer { request, result: Ok(backend(&call).into()) },
//!             Effect::Frame(frame) => {
//!                 frames.push_str(&frame);
//!                 continue;
//!             }
//!             // Nobody notifies, and nothing takes long enough to be aborted.
//!             _ => continue,
//!         };
//!         engine.handle(now, input);
//!     }
//!     now.mono = engine.deadline().expect("a client that is not up to date waits for something");
//!     engine.handle(now, Input::Timer);
//! }
//! # Ok::<(), pullcord::core::error::Error>(())
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod core;
pub mod store;

#[cfg(target_arch = "wasm32")]
pub mod api;
#[cfg(target_arch = "wasm32")]
pub mod net;
