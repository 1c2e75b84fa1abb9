//! `--simulate N`: N events a second from people who are no users, in random conversations: messages, and among them edits and recalls of their own.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use serde_json::json;
use serde_json::value::to_raw_value;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::chat::{self, Draft};
use crate::db::{Commit, Db, now};
use crate::error::{Error, Result};
use crate::generate::{CAST, Writer};
use crate::history::{EDITED, RECALLED};
use crate::seq::Seq;

/// Out of a hundred.
const EDITS: u32 = 7;
const RECALLS: u32 = 3;
/// How far back, in messages of a conversation, something is edited or recalled.
const RECENT: u32 = 40;

/// Where guests are, only what they make happen happens: what they watch must not be drowned in talk.
const LIVELY: &str = "no NOT IN (SELECT m.conversation FROM members m JOIN tokens t ON t.account = m.account WHERE t.demo = 2)";

pub(crate) async fn simulate(db: Arc<Db>, per_second: f64, mut stopping: watch::Receiver<bool>) {
    let mut ticks = interval(Duration::from_secs_f64(1.0 / per_second));
    // After a stall the rate is kept, not made up for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopping.changed() => return,
        }
        if let Err(error) = db.write(something_happens).await {
            eprintln!("simulation: {error}");
        }
    }
}

fn something_happens(commit: &mut Commit<'_>) -> Result<()> {
    let mut chance = fastrand::Rng::new();
    let conversations: i64 = commit
        .sql
        .prepare_cached(&format!(
            "SELECT count(*) FROM conversations WHERE {LIVELY}"
        ))?
        .query_row([], |row| row.get(0))?;
    if conversations == 0 {
        return Ok(());
    }
    let id: String = commit
        .sql
        .prepare_cached(&format!(
            "SELECT id FROM conversations WHERE {LIVELY} ORDER BY no LIMIT 1 OFFSET ?"
        ))?
        .query_row([chance.i64(0..conversations)], |row| row.get(0))?;
    let mut target = chat::target(commit, &id)?;
    let what = chance.u32(0..100);
    if what < EDITS + RECALLS
        && let Some(seq) = of_the_cast(commit, target.no, chance.u32(0..RECENT))?
    {
        if what < RECALLS {
            return chat::change(commit, &target, seq, RECALLED, None);
        }
        let body = body(&format!("{} (corrected)", Writer::new(chance).sentence()))?;
        return chat::change(commit, &target, seq, EDITED, Some(&body));
    }
    let sender = speaker(commit, target.no, &mut chance)?;
    let body = body(&Writer::new(chance).sentence())?;
    chat::append(
        commit,
        &mut target,
        &Draft {
            sender: &sender,
            body: &body,
            created_at: now(),
            client_id: None,
        },
    )?;
    commit.log_state(target.conversation(), None)
}

fn body(text: &str) -> Result<Box<serde_json::value::RawValue>> {
    to_raw_value(&json!({ "text": text })).map_err(Error::internal)
}

/// Someone who spoke there lately and is no user; else anyone of the cast.
fn speaker(commit: &Commit<'_>, no: i64, chance: &mut fastrand::Rng) -> Result<String> {
    let recent = commit
        .sql
        .prepare_cached(
            "SELECT sender FROM (SELECT sender FROM messages WHERE conversation = ? ORDER BY seq DESC LIMIT ?)
             WHERE sender NOT IN (SELECT name FROM accounts) LIMIT 1 OFFSET ?",
        )?
        .query_row(params![no, RECENT, chance.u32(0..RECENT / 2)], |row| row.get(0))
        .optional()?;
    Ok(recent.unwrap_or_else(|| CAST[chance.usize(..CAST.len())].to_owned()))
}

/// A recent message of someone who is no user, and that is not recalled.
fn of_the_cast(commit: &Commit<'_>, no: i64, skip: u32) -> Result<Option<Seq>> {
    Ok(commit
        .sql
        .prepare_cached(
            "SELECT seq FROM (SELECT seq, sender, state FROM messages WHERE conversation = ? ORDER BY seq DESC LIMIT ?)
             WHERE state <> ? AND sender NOT IN (SELECT name FROM accounts) LIMIT 1 OFFSET ?",
        )?
        .query_row(params![no, RECENT, RECALLED, skip / 4], |row| row.get(0))
        .optional()?)
}
