//! Beside the protocol: signing in to the demo (`--demo`), and what makes trouble for tests and for show (`--allow-trouble`).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::{Extension, Json};
use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::{App, Body, Call, Options, readable};
use crate::auth::Auth;
use crate::chat::{self, Draft};
use crate::db::{Account, Commit, account_named, accounts, now, users};
use crate::error::{Error, Result};
use crate::generate::{self, Span, Writer};
use crate::history;
use crate::seq::Seq;
use crate::trouble::Trouble;

/// Messages of one `bulk` or `history`.
const BULK_LIMIT: u32 = 100_000;
/// Days that they may go back.
const MAX_DAYS: f64 = 20_000.0;
const DAY: f64 = 86_400_000.0;

pub(super) fn calls(options: &Options) -> Vec<Call> {
    let mut calls = Vec::new();
    if options.demo || options.allow_trouble {
        calls.push(Call::get("/demo", about).open());
    }
    if options.demo {
        calls.push(Call::post("/demo/sign-in", sign_in).open());
    }
    if options.allow_trouble {
        calls.extend([
            Call::get("/demo/trouble", trouble).open(),
            Call::post("/demo/trouble", set_trouble).open(),
            Call::post("/demo/overflow", overflow).open(),
            Call::post("/demo/forget", forget).open(),
            Call::post("/demo/create", create).open(),
            Call::post("/demo/join", join).open(),
            Call::post("/demo/leave", leave).open(),
            Call::post("/demo/trim", trim).open(),
            Call::post("/demo/bulk", bulk).open(),
            Call::post("/demo/history", write_history).open(),
            Call::get("/demo/push", push),
            Call::post("/demo/push", set_push),
            Call::post("/demo/late-insert", late_insert).open(),
        ]);
    }
    calls
}

/// `GET /demo`: who can sign in, and whether there is trouble to be had.
async fn about(State(app): State<Arc<App>>) -> Result<Json<Value>> {
    let users: Vec<String> = app
        .db
        .read(|view| {
            Ok(users(view.sql)?
                .iter()
                .map(|account| account.name.to_string())
                .collect())
        })
        .await?;
    Ok(Json(
        json!({ "users": users, "signIn": app.options.demo, "allowTrouble": app.options.allow_trouble }),
    ))
}

#[derive(Deserialize)]
struct SignIn {
    name: String,
    #[serde(default)]
    guest: bool,
}

/// `POST /demo/sign-in {"name","guest"?}` → `{"name","token"}`. A guest is not listed, and a member only of what is created for them.
async fn sign_in(State(app): State<Arc<App>>, Body(request): Body<SignIn>) -> Result<Json<Value>> {
    let (token, account) = app
        .db
        .write(move |commit| Auth::sign_in(commit, &request.name, request.guest))
        .await?;
    app.auth.remember(&token, account.clone());
    Ok(Json(json!({ "name": &*account.name, "token": token })))
}

/// A call with a token is about its account, one without about all.
fn about_whom(app: &App, headers: &HeaderMap) -> Result<Option<Account>> {
    if headers.contains_key(header::AUTHORIZATION) {
        app.auth.account_of(headers).map(Some)
    } else {
        Ok(None)
    }
}

async fn trouble(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<Trouble>> {
    let account = about_whom(&app, &headers)?;
    Ok(Json(app.troubles.of(account.map(|account| account.id))))
}

/// `POST /demo/trouble {"dropNotifications","duplicateNotifications","errorRate","delayMs","oddItems"}`: what is left out is 0.
async fn set_trouble(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Body(trouble): Body<Trouble>,
) -> Result<Json<Trouble>> {
    trouble.check()?;
    let account = about_whom(&app, &headers)?;
    app.troubles.set(account.map(|account| account.id), trouble);
    Ok(Json(trouble))
}

#[derive(Deserialize)]
struct OverflowOf {
    conversations: Option<BTreeSet<String>>,
}

/// `POST /demo/overflow`, with `{"conversations":[ids]}` of those only: every cursor that there is now meets an overflow, once.
async fn overflow(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Body(request): Body<OverflowOf>,
) -> Result<StatusCode> {
    let account = about_whom(&app, &headers)?;
    app.db
        .write(move |commit| {
            for account in concerned(commit, account.as_ref())? {
                match &request.conversations {
                    None => commit.log_overflow_all(account.id)?,
                    Some(conversations) => overflow_in(commit, &account, conversations)?,
                }
            }
            Ok(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn overflow_in(
    commit: &mut Commit<'_>,
    account: &Account,
    conversations: &BTreeSet<String>,
) -> Result<()> {
    for conversation in conversations {
        let membership = history::membership(&commit.sql, account, conversation)?;
        commit.log_overflow(membership.conversation(), Some(account.id))?;
    }
    Ok(())
}

/// `POST /demo/forget`: as if the log began here. Every cursor that there is now overflows, and `changes` since it is 410.
async fn forget(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<StatusCode> {
    let account = about_whom(&app, &headers)?;
    app.db
        .write(move |commit| {
            for account in concerned(commit, account.as_ref())? {
                commit.log_overflow_all(account.id)?;
                commit.sql.execute(
                    "UPDATE accounts SET forgotten = floor WHERE id = ?",
                    [account.id],
                )?;
            }
            Ok(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn concerned(commit: &Commit<'_>, account: Option<&Account>) -> Result<Vec<Account>> {
    account.map_or_else(
        || accounts(&commit.sql),
        |account| Ok(vec![account.clone()]),
    )
}

#[derive(Deserialize)]
struct Create {
    id: String,
    members: Vec<String>,
    meta: Option<Box<RawValue>>,
}

/// `POST /demo/create {"id","members":[names],"meta"?}` → `{"id"}`.
async fn create(State(app): State<Arc<App>>, Body(request): Body<Create>) -> Result<Json<Value>> {
    request.meta.as_deref().map_or(Ok(()), readable)?;
    app.db
        .write(move |commit| {
            let meta = match request.meta {
                Some(meta) => meta,
                None => to_raw_value(&json!({ "title": request.id })).map_err(Error::internal)?,
            };
            let target = chat::create(commit, &request.id, &meta, false)?;
            for name in &request.members {
                let account = existing(commit, name)?;
                chat::join(commit, &target, &account)?;
            }
            Ok(Json(json!({ "id": request.id })))
        })
        .await
}

fn existing(commit: &Commit<'_>, name: &str) -> Result<Account> {
    account_named(&commit.sql, name)?
        .ok_or_else(|| Error::not_found(format!("no such user: {name}")))
}

#[derive(Deserialize)]
struct Membership {
    conversation: String,
    user: String,
}

/// `POST /demo/join {"conversation","user"}`.
async fn join(State(app): State<Arc<App>>, Body(request): Body<Membership>) -> Result<StatusCode> {
    app.db
        .write(move |commit| {
            let (target, account) = (
                chat::target(commit, &request.conversation)?,
                existing(commit, &request.user)?,
            );
            chat::join(commit, &target, &account)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /demo/leave {"conversation","user"}`.
async fn leave(State(app): State<Arc<App>>, Body(request): Body<Membership>) -> Result<StatusCode> {
    app.db
        .write(move |commit| {
            let (target, account) = (
                chat::target(commit, &request.conversation)?,
                existing(commit, &request.user)?,
            );
            chat::leave(commit, &target, &account)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct TrimBefore {
    conversation: String,
    before: Seq,
}

/// `POST /demo/trim {"conversation","before"}`.
async fn trim(State(app): State<Arc<App>>, Body(request): Body<TrimBefore>) -> Result<StatusCode> {
    app.db
        .write(move |commit| {
            let target = chat::target(commit, &request.conversation)?;
            chat::trim(commit, &target, request.before)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /demo/push` → `{"inline"}`: whether this account's notifications hold its events.
async fn push(State(app): State<Arc<App>>, Extension(account): Extension<Account>) -> Json<Inline> {
    Json(Inline {
        inline: app.pushing.of(account.id),
    })
}

#[derive(Deserialize, Serialize)]
struct Inline {
    inline: bool,
}

/// `POST /demo/push {"inline"}`: for this account's connections from now on.
async fn set_push(
    State(app): State<Arc<App>>,
    Extension(account): Extension<Account>,
    Body(request): Body<Inline>,
) -> Json<Inline> {
    app.pushing.choose(account.id, request.inline);
    Json(request)
}

#[derive(Deserialize)]
struct Bulk {
    conversation: String,
    sender: String,
    count: u32,
    text: Option<String>,
    /// Without a text: what is written depends on it.
    seed: Option<u64>,
    /// The messages are of the last so many days.
    days: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Appended {
    first_seq: Option<Seq>,
    last_seq: Option<Seq>,
}

fn check_count(count: u32) -> Result<()> {
    if count > BULK_LIMIT {
        return Err(Error::invalid(format!("at most {BULK_LIMIT} messages")));
    }
    Ok(())
}

/// The days before a time (ms).
fn span(days: f64, until: i64) -> Result<Span> {
    if !(0.0..=MAX_DAYS).contains(&days) {
        return Err(Error::invalid(format!("days: 0 to {MAX_DAYS}")));
    }
    Ok(Span {
        from: until - (days * DAY) as i64,
        until,
    })
}

/// `POST /demo/bulk {"conversation","sender","count","text"?,"seed"?,"days"?}` → `{"firstSeq","lastSeq"}`: many messages in one commit. The sender need not be
/// a user. With a seed they are what people write to each other, else the text and a number.
async fn bulk(State(app): State<Arc<App>>, Body(request): Body<Bulk>) -> Result<Json<Appended>> {
    check_count(request.count)?;
    let span = span(request.days.unwrap_or(0.0), now())?;
    app.db
        .write(move |commit| {
            let mut target = chat::target(commit, &request.conversation)?;
            let mut appended = Appended {
                first_seq: None,
                last_seq: None,
            };
            let mut chance = fastrand::Rng::with_seed(request.seed.unwrap_or(0));
            for number in 0..request.count {
                let text = match (&request.text, request.seed) {
                    (None, Some(_)) => Writer::new(chance.fork()).message(),
                    (text, _) => format!("{} {}", text.as_deref().unwrap_or("bulk"), number + 1),
                };
                let body = to_raw_value(&json!({ "text": text })).map_err(Error::internal)?;
                let seq = chat::append(
                    commit,
                    &mut target,
                    &Draft {
                        sender: &request.sender,
                        body: &body,
                        created_at: span.time(number, request.count, &mut chance),
                        client_id: None,
                    },
                )?;
                appended.first_seq.get_or_insert(seq);
                appended.last_seq = Some(seq);
            }
            commit.log_state(target.conversation(), None)?;
            Ok(Json(appended))
        })
        .await
}

#[derive(Deserialize)]
struct OldHistory {
    conversation: String,
    senders: Vec<String>,
    count: u32,
    days: f64,
    /// Days ago that it ends (default: now).
    #[serde(default)]
    ago: f64,
    #[serde(default)]
    seed: u64,
}

/// `POST /demo/history {"conversation","senders":[names],"count","days","ago"?,"seed"?}` → `{"lastSeq"}`: a history of that many days, as an import brings it.
/// It counts as read; devices that have the conversation meet an overflow of it.
async fn write_history(
    State(app): State<Arc<App>>,
    Body(request): Body<OldHistory>,
) -> Result<Json<Value>> {
    check_count(request.count)?;
    if request.senders.is_empty() {
        return Err(Error::invalid("senders: at least one"));
    }
    let until = span(request.ago, now())?.from;
    let span = span(request.days, until)?;
    app.db
        .write(move |commit| {
            let target = chat::target(commit, &request.conversation)?;
            generate::write_history(
                commit,
                target,
                &request.senders,
                request.count,
                span,
                request.seed,
            )?;
            let target = chat::target(commit, &request.conversation)?;
            Ok(Json(json!({ "lastSeq": target.last_seq })))
        })
        .await
}

#[derive(Deserialize)]
struct Late {
    conversation: String,
    seq: Seq,
    sender: String,
    body: Option<Box<RawValue>>,
}

/// `POST /demo/late-insert {"conversation","seq","sender","body"?}`: a message committed late, below the newest seq, where `--seq-step` leaves room.
async fn late_insert(
    State(app): State<Arc<App>>,
    Body(request): Body<Late>,
) -> Result<Json<Value>> {
    request.body.as_deref().map_or(Ok(()), readable)?;
    app.db
        .write(move |commit| {
            let target = chat::target(commit, &request.conversation)?;
            let body = match request.body {
                Some(body) => body,
                None => to_raw_value(&json!({ "text": "late" })).map_err(Error::internal)?,
            };
            // As old as the message after it, so that times keep the order of seqs.
            let created_at = commit
                .sql
                .query_row("SELECT created_at FROM messages WHERE conversation = ? AND seq > ? ORDER BY seq LIMIT 1", params![target.no, request.seq], |row| row.get(0))
                .unwrap_or_else(|_| now());
            chat::insert_late(commit, &target, request.seq, &Draft { sender: &request.sender, body: &body, created_at, client_id: None })?;
            Ok(Json(json!({ "seq": request.seq })))
        })
        .await
}
