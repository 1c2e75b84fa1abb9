//! Scope "mailbox": no cursor. What is acknowledged does not come again.

use crate::core::asked::Pulled;
use crate::core::error::Error;
use crate::core::fault::Fault;
use crate::core::net::Request;
use crate::core::types::Feed;
use crate::core::wire;
use crate::core::wire::batch::{Answer, Part, Push};

pub(super) fn request(limit: u32) -> (Request, Pulled) {
    let asked = Pulled {
        limit,
        ..Pulled::default()
    };
    (Request::PullMailbox { limit }, asked)
}

pub(super) fn read(text: &str) -> Result<Answer, Error> {
    let batch = wire::batch::mailbox(text)?;
    let (feed, asked) = (Feed::Mailbox, None);
    Ok(Answer {
        parts: vec![Part { feed, asked, batch }],
        ..Answer::default()
    })
}

/// Nothing says what a delivery follows, but that the channel has brought all since the last chain.
pub(super) fn follows(push: &Push, unbroken: bool) -> bool {
    push.prev.is_none() && (unbroken || Fault::PushedPastAGap.on())
}

/// The names of what was delivered, also of what was known, or is of unknown type.
pub(in crate::core::sync) fn deliveries(parts: &[Part]) -> Vec<String> {
    let envelopes = parts.iter().flat_map(|part| &part.batch.events);
    let named = envelopes.filter_map(|envelope| envelope.delivery.as_ref());
    named.map(|name| name.to_string()).collect()
}
