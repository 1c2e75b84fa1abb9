//! `GET /v1/conversations` and `POST /v1/conversations/{id}/read`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use super::{App, Body, Call, Params, Path};
use crate::chat;
use crate::db::Account;
use crate::error::{Error, Result};
use crate::history;
use crate::seq::Seq;
use crate::wire::{Conversation, Of};

const DEFAULT_LIMIT: usize = 100;

pub(super) fn calls() -> Vec<Call> {
    vec![
        Call::get("/v1/conversations", list),
        Call::post("/v1/conversations/{id}/read", read),
    ]
}

#[derive(Serialize)]
struct List {
    conversations: Vec<Conversation>,
    /// Where the next page begins: to clients an opaque string.
    next: Option<String>,
}

/// `GET /v1/conversations?after=&limit=&cursor=`: greatest `sort` first, then by id. There is one database and it is the newest state, so `cursor` asks for
/// nothing more.
async fn list(
    State(app): State<Arc<App>>,
    Extension(account): Extension<Account>,
    params: Params,
) -> Result<Json<Of<List>>> {
    let reader = account.clone();
    let limit = params.limit(DEFAULT_LIMIT)?;
    let after = params.text("after").map(place).transpose()?;
    let (conversations, more) = app
        .db
        .read(move |view| {
            history::conversations(
                view.sql,
                &account,
                after.as_ref().map(|(sort, id)| (*sort, id.as_str())),
                limit,
            )
        })
        .await?;
    let next = conversations
        .last()
        .filter(|_| more)
        .map(|last| format!("{}:{}", last.sort, last.id));
    let list = List {
        conversations,
        next,
    };
    Ok(Json(Of::new(&reader, list)))
}

fn place(after: &str) -> Result<(i64, String)> {
    let (sort, id) = after
        .split_once(':')
        .ok_or_else(|| Error::invalid("after: not given by this server"))?;
    let sort = sort
        .parse()
        .map_err(|_| Error::invalid("after: not given by this server"))?;
    Ok((sort, id.to_owned()))
}

#[derive(Deserialize)]
struct Read {
    seq: Seq,
}

/// `POST /v1/conversations/{id}/read`: never moves back; the new `unread` arrives as an event.
async fn read(
    State(app): State<Arc<App>>,
    Extension(account): Extension<Account>,
    Path(id): Path<String>,
    Body(request): Body<Read>,
) -> Result<StatusCode> {
    app.db
        .write(move |commit| chat::mark_read(commit, &account, &id, request.seq))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
