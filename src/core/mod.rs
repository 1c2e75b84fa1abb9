//! The core: everything Pullcord decides, without doing anything. Plain Rust, no clock, no randomness,
//! no JS, no I/O.
//!
//! | module | |
//! | --- | --- |
//! | [`types`], [`json`] | the values of the wire, and writing them |
//! | [`map`] | the maps of the core |
//! | [`node`] | reading JSON text |
//! | [`protocol`], [`notice`] | what the server says, read and checked |
//! | [`command`] | what the facade says |
//! | [`segments`] | the intervals in which nothing is missing (R2, R5, R6) |
//! | [`block`], [`records`], [`codec`] | what is stored, as bytes |
//! | [`storage`], [`net`] | what is asked of a store, and of the network |
//! | [`db`] | the committed state in memory |
//! | [`tx`] | one change of it, in one transaction (R1–R9, R11, R13) |
//! | [`engine`] | inputs, jobs, effects |
//! | `sync`, `outbox`, `timeline`, `frame` | the engine's parts: pulling, sending, windows, snapshots |
//! | `fault` | clauses of the rules left out, to show that the tests notice |

pub mod block;
pub mod codec;
pub mod command;
pub mod db;
pub mod engine;
#[cfg(not(feature = "faults"))]
mod fault;
#[cfg(feature = "faults")]
pub mod fault;
mod frame;
pub mod json;
pub mod map;
pub mod net;
pub mod node;
pub mod notice;
mod outbox;
pub mod protocol;
pub mod records;
pub mod segments;
pub mod storage;
mod sync;
mod timeline;
pub mod tx;
pub mod types;

pub use command::Config;
pub use engine::{Effect, Engine, Input, Now};
