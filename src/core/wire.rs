//! Reading what the server says (docs/protocol.md), from JSON text to values that the rest of the
//! core trusts.
//!
//! What breaks an answer's frame is an error of all of it. One bad item is worth itself (R14, "One bad
//! item"): it is put right, or left out, and told as `irregular`. An unknown field or type of event is
//! ignored.
//!
//! | module | |
//! | --- | --- |
//! | [`batch`] | answers to pulls, and events inline; what an event is stands in [`events`](super::events) |
//! | [`page`], [`list`] | history, and the conversation list |
//! | [`answer`] | what a send, an edit or a recall is answered with |
//! | [`notification`] | the frames of the notification channel |
//! | [`message`], [`conversation`], [`item`] | what these consist of |
//! | [`limits`] | how much of it is taken |

pub mod answer;
pub mod batch;
pub mod conversation;
pub mod item;
pub mod limits;
pub mod list;
pub mod message;
pub mod notification;
pub mod page;

#[cfg(test)]
mod tests;
