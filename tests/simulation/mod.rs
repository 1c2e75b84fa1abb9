//! The parts of the simulation. [`world`] is the map: it drives all others.

pub mod check;
pub mod coverage;
pub mod device;
pub mod facade;
pub mod history;
pub mod lies;
pub mod mode;
pub mod odd;
pub mod rng;
pub mod server;
pub mod steps;
pub mod stored;
pub mod story;
pub mod world;
