//! The rules of docs/rules.md, each by the interleaving that it is there for. The test is the server.

#![cfg(not(target_arch = "wasm32"))]
#![allow(unreachable_pub)]

#[path = "rules/batches.rs"]
mod batches;
#[cfg(feature = "faults")]
#[path = "rules/can_fail.rs"]
mod can_fail;
#[path = "rules/contradictions.rs"]
mod contradictions;
#[path = "rules/corners.rs"]
mod corners;
#[path = "rules/eviction.rs"]
mod eviction;
#[path = "rules/found_by_seeds.rs"]
mod found_by_seeds;
#[path = "rules/harness.rs"]
mod harness;
#[path = "rules/hostile.rs"]
mod hostile;
#[path = "rules/list.rs"]
mod list;
#[path = "rules/net.rs"]
mod net;
#[path = "rules/new_messages.rs"]
mod new_messages;
#[path = "rules/news.rs"]
mod news;
#[path = "rules/no_storms.rs"]
mod no_storms;
#[path = "rules/one_bad_item/mod.rs"]
mod one_bad_item;
#[path = "rules/overflow.rs"]
mod overflow;
#[path = "rules/own_messages.rs"]
mod own_messages;
#[path = "rules/pages.rs"]
mod pages;
#[path = "rules/progress_core.rs"]
mod progress_core;
#[path = "rules/progress_outbox/mod.rs"]
mod progress_outbox;
#[path = "rules/progress_sync/mod.rs"]
mod progress_sync;
#[path = "rules/progress_timeline/mod.rs"]
mod progress_timeline;
#[path = "rules/pulls.rs"]
mod pulls;
#[path = "rules/scopes.rs"]
mod scopes;
#[path = "rules/shipped.rs"]
mod shipped;
#[path = "rules/store.rs"]
mod store;
#[path = "rules/support.rs"]
mod support;
#[path = "rules/tabs/mod.rs"]
mod tabs;
#[path = "rules/timelines.rs"]
mod timelines;
#[path = "rules/updates.rs"]
mod updates;
#[path = "rules/windows.rs"]
mod windows;
