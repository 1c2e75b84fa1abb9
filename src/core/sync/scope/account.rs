//! Scope "account": one cursor, one batch.

use crate::core::error::Error;
use crate::core::fault::Fault;
use crate::core::jobs::JobQueue;
use crate::core::net::Request;
use crate::core::purpose::PullContext;
use crate::core::tx::Committed;
use crate::core::types::Feed;
use crate::core::wire;
use crate::core::wire::batch::{FeedBatch, PullAnswer, Push};

pub(super) fn request(
    db: &Committed,
    now: u64,
    limit: u32,
    wait: Option<u32>,
) -> (Request, PullContext) {
    let cursor = db.cursor(&Feed::Account).map(str::to_owned);
    let asked = PullContext {
        cursor: cursor.clone(),
        limit,
        waits: wait.map(|wait| (now, u64::from(wait))),
        ..PullContext::default()
    };
    let call = Request::Pull {
        cursor,
        limit,
        wait,
    };
    (call, asked)
}

pub(super) fn read(text: &str, asked: &PullContext) -> Result<PullAnswer, Error> {
    let batch = wire::batch::batch(text, asked.cursor.as_deref())?;
    let (feed, asked) = (Feed::Account, asked.cursor.clone());
    Ok(PullAnswer {
        parts: vec![FeedBatch { feed, asked, batch }],
        ..PullAnswer::default()
    })
}

/// It follows the newest of what was pushed, or else the cursor that is applied.
pub(super) fn follows(push: &Push, db: &Committed, jobs: &mut JobQueue) -> bool {
    let Some(prev) = &push.prev else {
        return false;
    };
    let queued = jobs.last_push().map(|part| part.batch.cursor.clone());
    let cursor = queued.unwrap_or_else(|| db.meta().cursor.clone());
    cursor.as_deref() == Some(prev) || Fault::CursorIsNotCompared.on()
}
