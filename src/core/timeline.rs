//! Timelines: one list on one screen, a window over a segment.
//!
//! ```text
//!  what the app asks ─▶ goal ─┐
//!                             ├─▶ plan ─▶ a window, a page, blocks to read
//!  what is held, the sync ────┘
//!  commits ─▶ window ─▶ rows ─▶ what is shown
//! ```
//!
//! - [`window`]: the messages that it holds, as runs
//! - [`goal`]: what the window is to show, as long as it does not; [`plan`]: how it comes to that
//! - [`paging`]: pages at its ends; [`background`]: what it asks for by itself
//! - [`trouble`]: what went wrong, and when it asks again
//! - [`unseen`], [`rows`], [`layout`]: what is shown
//! - [`fetches`]: what is asked of the server, shared between those who want the same
//! - [`state`], [`driving`]: one timeline; [`life`]: open, let go, left, closed; [`settling`]: what it waits for is
//!   answered
//! - [`timelines`]: all of them

mod background;
mod driving;
mod fetches;
mod goal;
mod layout;
mod life;
mod paging;
mod plan;
mod rows;
mod settling;
mod source;
mod state;
mod timelines;
mod trouble;
mod unseen;
mod window;
mod work;

pub(super) use fetches::{Fetch, Fetches};
pub(super) use state::Timeline;
pub(super) use timelines::{Ended, Open, Timelines};
pub(super) use work::Outlook;
