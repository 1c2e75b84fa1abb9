//! The sans-I/O core.
pub mod net;
pub mod storage;
pub mod types;
