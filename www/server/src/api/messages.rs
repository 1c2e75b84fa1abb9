//! The messages of one conversation: pages, changes, send, edit, recall.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{App, Body, Call, Params, Path, readable};
use crate::chat;
use crate::db::Account;
use crate::error::{Error, Result};
use crate::history::{self, Where};
use crate::seq::Seq;
use crate::wire::{Changes, Message, Of, Page};

const DEFAULT_PAGE: usize = 50;
const DEFAULT_CHANGES: usize = 500;
/// Bytes of a `clientId`.
const LONGEST_CLIENT_ID: usize = 200;

pub(super) fn calls() -> Vec<Call> {
    vec![
        Call::get("/v1/conversations/{id}/messages", page),
        Call::post("/v1/conversations/{id}/messages", send),
        Call::patch("/v1/conversations/{id}/messages/{message}", edit),
        Call::post("/v1/conversations/{id}/messages/{message}/recall", recall),
        Call::get("/v1/conversations/{id}/changes", changes),
    ]
}

/// `GET /v1/conversations/{id}/messages?limit=&cursor=` and one of nothing, `before`, `after`, `around`, `at`: a continuous Page. It is read from the newest
/// state, which is at least as new as any `cursor`.
async fn page(
    State(app): State<Arc<App>>,
    Extension(account): Extension<Account>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Of<Page>>> {
    let limit = params.limit(DEFAULT_PAGE)?;
    let places = [
        params.number("before")?.map(Where::Before),
        params.number("after")?.map(Where::After),
        params.number("around")?.map(Where::Around),
        params.number("at")?.map(Where::At),
    ];
    let mut places = places.into_iter().flatten();
    let place = places.next().unwrap_or(Where::Latest);
    if places.next().is_some() {
        return Err(Error::invalid("only one of before, after, around and at"));
    }
    let reader = account.clone();
    let page = app.db.read(move |view| {
        let membership = history::membership(view.sql, &account, &id)?;
        history::page(view.sql, &account, membership.conversation(), place, limit)
    });
    Ok(Json(Of::new(&reader, page.await?)))
}

/// `GET /v1/conversations/{id}/changes?since=CURSOR&cursor=&from=SEQ&to=SEQ&limit=`: what was committed or changed in a range after `since`; 410 where that
/// cannot be told.
async fn changes(
    State(app): State<Arc<App>>,
    Extension(account): Extension<Account>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Of<Changes>>> {
    let limit = params.limit(DEFAULT_CHANGES)?;
    let since = params
        .text("since")
        .ok_or_else(|| Error::invalid("since is missing"))?
        .to_owned();
    let from = params.number("from")?.unwrap_or(Seq::MIN);
    let to = params.number("to")?.unwrap_or(Seq::MAX);
    let reader = account.clone();
    let changes = app.db.read(move |view| {
        let membership = history::membership(view.sql, &account, &id)?;
        history::changes(view, &account, &membership, &since, from, to, limit)
    });
    Ok(Json(Of::new(&reader, changes.await?)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text {
    client_id: String,
    body: Box<RawValue>,
}

impl Text {
    fn check(&self) -> Result<()> {
        if self.client_id.is_empty() || self.client_id.len() > LONGEST_CLIENT_ID {
            return Err(Error::invalid("a clientId has 1 to 200 bytes"));
        }
        readable(&self.body)
    }
}

#[derive(Serialize)]
struct Answer {
    message: Message,
}

/// `POST /v1/conversations/{id}/messages`: idempotent per sender, conversation and `clientId`; the same with another body is 409.
async fn send(
    State(app): State<Arc<App>>,
    Extension(account): Extension<Account>,
    Path(id): Path<String>,
    Body(text): Body<Text>,
) -> Result<Json<Answer>> {
    text.check()?;
    let message = app
        .db
        .write(move |commit| chat::send(commit, &account, &id, &text.client_id, &text.body))
        .await?;
    Ok(Json(Answer { message }))
}

/// `PATCH /v1/conversations/{id}/messages/{messageId}`: `edited`. Idempotent by `clientId`.
async fn edit(
    State(app): State<Arc<App>>,
    Extension(account): Extension<Account>,
    Path((id, message)): Path<(String, String)>,
    Body(text): Body<Text>,
) -> Result<Json<Answer>> {
    text.check()?;
    let message = app
        .db
        .write(move |commit| {
            chat::edit(commit, &account, &id, &message, &text.client_id, &text.body)
        })
        .await?;
    Ok(Json(Answer { message }))
}

/// `POST /v1/conversations/{id}/messages/{messageId}/recall`: `recalled`. Repeating it is no error.
async fn recall(
    State(app): State<Arc<App>>,
    Extension(account): Extension<Account>,
    Path((id, message)): Path<(String, String)>,
) -> Result<Json<Answer>> {
    let message = app
        .db
        .write(move |commit| chat::recall(commit, &account, &id, &message))
        .await?;
    Ok(Json(Answer { message }))
}
