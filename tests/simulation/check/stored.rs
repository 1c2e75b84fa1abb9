//! Segments, as inspect() tells them.

use serde_json::Value;

use super::Checked;
use super::messages::missing;
use crate::simulation::server::{Conversation, position_in, position_of};

/// `position`: where the device is as to this conversation, where the inspection names no cursor.
/// `jumps`: the timelines are not only at the newest end.
pub fn inspection(
    inspection: &Value,
    conversation: Option<&Conversation>,
    position: usize,
    jumps: bool,
    trusted: impl Fn(usize) -> usize,
) -> Checked {
    let text = inspection["cursor"].as_str();
    let cursor = match conversation {
        Some(conversation) => {
            text.and_then(|text| position_of(text).or_else(|| position_in(text, &conversation.id)))
        }
        None => None,
    };
    let cursor = trusted(cursor.unwrap_or(position));
    let segments = inspection["segments"].as_array().ok_or("no segments")?;
    let number = |value: &Value| -> Result<u64, String> {
        value
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| format!("not a seq: {value}"))
    };
    let Some(conversation) = conversation else {
        must!(
            segments.is_empty(),
            "segments of a conversation that was not named"
        );
        return Ok(());
    };
    let mut last: Option<u64> = None;
    for (n, segment) in segments.iter().enumerate() {
        let (lo, hi) = (number(&segment["lo"])?, number(&segment["hi"])?);
        must!(
            lo <= hi && last.is_none_or(|last| last < lo),
            "segments are not disjoint and sorted: {segments:?}"
        );
        last = Some(hi);
        let (live, start) = (segment["live"] == true, segment["start"] == true);
        // A page of what is newer than the cursor may lie above it.
        must!(
            !live || jumps || n + 1 == segments.len(),
            "the live segment is not the newest: {segments:?}"
        );
        if conversation.member_at(cursor) && segment["fresh"] == true {
            let owed = conversation
                .posts
                .range(lo..=hi)
                .filter(|(_, post)| post.is_owed_at(cursor))
                .count();
            let all = conversation.posts.range(lo..=hi).count();
            let count = segment["count"].as_u64().unwrap_or(0) as usize;
            must!(
                (owed..=all).contains(&count),
                "[{lo}, {hi}] has {count} of {owed}..{all} messages"
            );
            let newer = missing(conversation, Some(hi), None, cursor).next();
            must!(
                !live || newer.is_none(),
                "R2: live to {hi}, and {} is newer, as of {cursor}",
                newer.map_or(0, |p| p.seq)
            );
            let older = conversation
                .posts
                .range(..lo)
                .find(|(_, post)| post.is_owed_at(cursor));
            must!(
                !start || older.is_none(),
                "R5: start at {lo}, and {:?} is older, as of {cursor}",
                older.map(|(seq, _)| seq)
            );
        }
    }
    Ok(())
}
