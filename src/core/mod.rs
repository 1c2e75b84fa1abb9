//! The sans-I/O core.
pub mod block;
pub mod codec;
pub mod json;
pub mod net;
pub mod protocol;
pub mod segments;
pub mod storage;
pub mod types;
