//! Scope "mailbox": no cursor. What is acknowledged does not come again.

use crate::core::error::Error;
use crate::core::fault::Fault;
use crate::core::net::Request;
use crate::core::purpose::PullContext;
use crate::core::types::Feed;
use crate::core::wire;
use crate::core::wire::batch::{FeedBatch, PullAnswer, Push};

pub(super) fn request(limit: u32) -> (Request, PullContext) {
    let asked = PullContext {
        limit,
        ..PullContext::default()
    };
    (Request::PullMailbox { limit }, asked)
}

pub(super) fn read(text: &str) -> Result<PullAnswer, Error> {
    let batch = wire::batch::mailbox(text)?;
    let (feed, asked) = (Feed::Mailbox, None);
    Ok(PullAnswer {
        parts: vec![FeedBatch { feed, asked, batch }],
        ..PullAnswer::default()
    })
}

/// A delivery does not say what it follows. It follows where the channel has brought all since the last chain.
pub(super) fn follows(push: &Push, unbroken: bool) -> bool {
    push.prev.is_none() && (unbroken || Fault::PushedPastAGap.on())
}

/// The names of what was delivered, also of what was known, or is of unknown type.
pub(in crate::core::sync) fn deliveries(parts: &[FeedBatch]) -> Vec<String> {
    let envelopes = parts.iter().flat_map(|part| &part.batch.events);
    let named = envelopes.filter_map(|envelope| envelope.delivery.as_ref());
    named.map(|name| name.to_string()).collect()
}
