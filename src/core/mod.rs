//! The core: everything Pullcord decides, without doing anything. Plain Rust, no clock, no randomness,
//! no JS, no I/O.
//!
//! | module | |
//! | --- | --- |
//! | [`types`], [`json`] | the values of the wire, and writing them |
//! | [`map`] | the maps of the core |
//! | [`node`] | reading JSON text |
//! | [`wire`] | what the server says, read and checked |
//! | [`events`] | what a batch consists of: what each kind of event means |
//! | [`command`] | what the facade says |
//! | [`limits`] | every bound |
//! | [`segments`] | the intervals in which nothing is missing (R2, R5, R6) |
//! | [`block`], [`records`], [`codec`] | what is stored, as bytes |
//! | [`storage`], [`net`] | what is asked of a store, and of the network |
//! | [`irregular`], `doubt` | what was not as it has to be, and how often that is looked after (R14) |
//! | [`tx`] | the committed state in memory, and one change of it in one transaction (R1–R9, R11, R13) |
//! | [`engine`] | what is carried from one part to another: inputs, jobs, effects |
//! | `jobs`, `run` | what changes the database, one after the other; what each comes to |
//! | `reads`, `fence`, `disk`, `uncertain` | what the store is asked, whose the account is, a full disk, commits of which nothing was heard |
//! | `follow` | the other clients of the account: what they tell each other (R15) |
//! | `requests`, `out`, `failures` | requests under way; effects, and what the app and its log are told |
//! | `standing` | whether this client works: its life, the other clients, the browser |
//! | `cx` | what a part sees of the rest |
//! | `backoff` | when what failed is tried again, and how much is asked for |
//! | `connectivity` | whether the server is there |
//! | `sync`, `outbox`, `timeline`, `snapshot` | the engine's parts: pulling, sending, windows, snapshots |
//! | `fault` | clauses of the rules left out, to show that the tests notice |

#![warn(clippy::wildcard_imports)]

mod backoff;
pub mod block;
pub mod codec;
pub mod command;
mod connectivity;
mod cx;
mod disk;
mod doubt;
pub mod engine;
pub mod error;
pub mod events;
mod failures;
#[cfg(not(feature = "faults"))]
mod fault;
#[cfg(feature = "faults")]
pub mod fault;
mod fence;
mod follow;
pub mod io;
pub mod irregular;
mod jobs;
pub mod json;
pub mod limits;
pub mod map;
mod mending;
mod missed;
mod names;
pub mod net;
pub mod node;
pub mod options;
mod out;
mod outbox;
mod purpose;
pub mod reading;
mod reads;
pub mod records;
mod requests;
mod run;
pub mod segments;
mod snapshot;
mod standing;
pub mod storage;
mod sync;
mod timeline;
pub mod tx;
pub mod types;
mod uncertain;
pub mod wire;

pub use engine::Engine;
pub use io::{Effect, Input, Now};
pub use limits::Limits;
pub use options::Config;
