//! `GET /v1/mailbox` and `POST /v1/mailbox/ack`: scope `mailbox`, where the server knows what the account has.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;

use super::{App, Body, Call, Params};
use crate::db::Account;
use crate::error::{Error, Result};
use crate::mailbox;
use crate::wire::{Mailbox, Of};

const DEFAULT_LIMIT: usize = 500;

pub(super) fn calls() -> Vec<Call> {
    vec![
        Call::get("/v1/mailbox", deliver),
        Call::post("/v1/mailbox/ack", acknowledge),
    ]
}

/// `GET /v1/mailbox?limit=`: what this account has not acknowledged, oldest first. The first time it begins with an overflow.
async fn deliver(
    State(app): State<Arc<App>>,
    Extension(account): Extension<Account>,
    params: Params,
) -> Result<Json<Of<Mailbox>>> {
    let limit = params.limit(DEFAULT_LIMIT)?;
    let reader = account.clone();
    if let Some(found) = app
        .db
        .read(move |view| mailbox::read(view, &reader, limit))
        .await?
    {
        return Ok(Json(Of::new(&account, found)));
    }
    let reader = account.clone();
    let found = app
        .db
        .write(move |commit| {
            mailbox::begin(commit, &account)?;
            mailbox::read(commit.view(), &account, limit)
        })
        .await?;
    found
        .map(|found| Json(Of::new(&reader, found)))
        .ok_or_else(|| Error::internal("a mailbox that was just begun is missing"))
}

#[derive(Deserialize)]
struct Acknowledgement {
    deliveries: Vec<String>,
}

/// `POST /v1/mailbox/ack`: acknowledging twice, or an unknown delivery, is no error.
async fn acknowledge(
    State(app): State<Arc<App>>,
    Extension(account): Extension<Account>,
    Body(request): Body<Acknowledgement>,
) -> Result<StatusCode> {
    app.db
        .write(move |commit| mailbox::acknowledge(commit, &account, &request.deliveries))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
