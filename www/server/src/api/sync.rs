//! `GET /v1/sync` and `POST /v1/sync/conversations`: what a device lacks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{App, Body, Call, Params, clamp};
use crate::db::{Account, View};
use crate::error::{Error, Result};
use crate::history;
use crate::limits::{Place, Who};
use crate::log;
use crate::wire::{Batch, Change, Of};

const DEFAULT_LIMIT: usize = 500;
/// A long poll is answered after this, whatever `wait` says.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// Conversations, and events, in one answer of several Batches; more come with `hasMore`.
const MAX_BATCHES: usize = 200;
const MAX_EVENTS: usize = 5000;

pub(super) fn calls() -> Vec<Call> {
    vec![
        Call::get("/v1/sync", sync),
        Call::post("/v1/sync/conversations", sync_conversations),
    ]
}

/// `GET /v1/sync?cursor=&limit=&wait=`: everything for this account after `cursor`; with `wait`, at once if there is something, else when there is, else
/// empty at the end.
async fn sync(
    State(app): State<Arc<App>>,
    Extension(account): Extension<Account>,
    params: Params,
) -> Result<Json<Of<Batch>>> {
    let cursor: Option<Arc<str>> = params.text("cursor").map(Into::into);
    let limit = params.limit(DEFAULT_LIMIT)?;
    let wait = Duration::from_millis(params.number("wait")?.unwrap_or(0)).min(MAX_WAIT);
    let deadline = Instant::now() + wait;
    let waiting =
        (!wait.is_zero()).then(|| app.limits.enter(Who::Account(account.id), Place::LongPoll));
    if matches!(waiting, Some(None)) {
        return Err(Error::too_many("too many long polls at a time", 1));
    }
    // Listening before reading: a commit in between is noticed.
    let mut commits = (!wait.is_zero()).then(|| app.hub.commits(account.id));
    let mut stopping = app.stopping.clone();
    loop {
        let (reader, from) = (account.clone(), cursor.clone());
        let batch = app
            .db
            .read(move |view| log::batch(view, &reader, from.as_deref(), limit))
            .await?;
        let nothing = batch.events.is_empty() && !batch.has_more && batch.overflow.is_none();
        let Some(commits) = commits
            .as_mut()
            .filter(|_| nothing && Instant::now() < deadline && !*stopping.borrow())
        else {
            return Ok(Json(Of::new(&account, batch)));
        };
        tokio::select! {
            _ = commits.changed() => {}
            _ = stopping.changed() => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}

#[derive(Deserialize)]
struct Cursors {
    #[serde(default)]
    cursors: BTreeMap<String, String>,
    limit: Option<usize>,
    only: Option<BTreeSet<String>>,
    /// The last of several requests that each have `only`: it answers for what none of them has named, too.
    #[serde(default)]
    rest: bool,
}

/// What the requests of one token have named since the last that answered for the rest: one that comes in pieces is too large for a request, and so is what
/// its pieces have named. Kept for as long as a client needs for its pieces; who takes longer is told of conversations again, which it knows.
#[derive(Default)]
pub(crate) struct Pieces {
    named: Mutex<HashMap<String, (Instant, BTreeSet<String>)>>,
}

impl Pieces {
    const KEPT: Duration = Duration::from_secs(300);
    /// Tokens that are remembered at a time.
    const TOKENS: usize = 10_000;

    /// Remembers what a piece has named. Answers what all of them have.
    fn add(&self, token: &str, only: &BTreeSet<String>) -> BTreeSet<String> {
        let mut all = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        all.retain(|_, (at, _)| now.duration_since(*at) < Self::KEPT);
        if all.len() >= Self::TOKENS {
            return only.clone();
        }
        let (at, named) = all
            .entry(token.to_owned())
            .or_insert((now, BTreeSet::new()));
        *at = now;
        named.extend(only.iter().cloned());
        named.clone()
    }

    /// The rest was answered.
    fn end(&self, token: &str) {
        let mut all = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(token);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Batches {
    conversations: BTreeMap<String, BatchOrError>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    has_more: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum BatchOrError {
    Batch(Batch),
    Error(serde_json::Value),
}

/// `POST /v1/sync/conversations`: per-conversation cursors. With `only`, just those; with `rest` also what no `only` before it has named; else also each
/// conversation that `cursors` does not name (with `overflow`), and `removed` for one that the account has left.
async fn sync_conversations(
    State(app): State<Arc<App>>,
    Extension(account): Extension<Account>,
    headers: HeaderMap,
    Body(request): Body<Cursors>,
) -> Result<Json<Of<Batches>>> {
    let token = headers.get(header::AUTHORIZATION);
    let token = token
        .and_then(|token| token.to_str().ok())
        .unwrap_or_default();
    let named = match &request.only {
        Some(only) => app.pieces.add(token, only),
        None => BTreeSet::new(),
    };
    let (reader, last) = (account.clone(), request.rest || request.only.is_none());
    let batches = app
        .db
        .read(move |view| batches(view, &account, &request, &named))
        .await?;
    if last && !batches.has_more {
        app.pieces.end(token);
    }
    Ok(Json(Of::new(&reader, batches)))
}

fn batches(
    view: View<'_>,
    account: &Account,
    request: &Cursors,
    named: &BTreeSet<String>,
) -> Result<Batches> {
    let limit = clamp(request.limit, DEFAULT_LIMIT);
    let memberships = history::memberships(view.sql, account.id)?;
    let asked: BTreeSet<&String> = match &request.only {
        Some(only) if request.rest => {
            let asked = |id: &&String| named.contains(*id) || request.cursors.contains_key(*id);
            let rest = memberships.keys().filter(|id| !asked(id));
            only.iter().chain(rest).collect()
        }
        Some(only) => only.iter().collect(),
        None => request.cursors.keys().chain(memberships.keys()).collect(),
    };
    let mut answer = Batches {
        conversations: BTreeMap::new(),
        has_more: false,
    };
    let mut events = 0;
    for id in asked {
        if answer.conversations.len() == MAX_BATCHES || events >= MAX_EVENTS {
            answer.has_more = true;
            break;
        }
        let cursor = request.cursors.get(id).map(String::as_str);
        let batch = match (memberships.get(id), cursor) {
            (Some((no, changed)), _) => {
                log::conversation_batch(view, account, (*no, id), *changed, cursor, limit)?
                    .map(BatchOrError::Batch)
            }
            // Whoever has a cursor of it is no longer a member, or never was: either way there is nothing for them to keep.
            (None, Some(_)) => Some(BatchOrError::Batch(Batch {
                events: vec![
                    Change::Removed {
                        conversation: id.clone(),
                    }
                    .into(),
                ],
                cursor: view.cursor(log::head(view.sql, account.id)?),
                has_more: false,
                overflow: None,
            })),
            (None, None) => Some(BatchOrError::Error(
                Error::forbidden("not a member of this conversation").object(),
            )),
        };
        if let Some(batch) = batch {
            if let BatchOrError::Batch(batch) = &batch {
                events += batch.events.len();
            }
            answer.conversations.insert(id.clone(), batch);
        }
    }
    Ok(answer)
}
