//! The calls of protocol.md, one handler each, and what they have in common.

mod conversations;
mod demo;
mod mailbox;
mod messages;
mod pages;
mod socket;
mod sync;

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tower_http::cors::{Any, CorsLayer};

use crate::auth::Auth;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::notify::{Hub, Pushing};
use crate::trouble::Troubles;

pub(crate) use pages::Mount;

/// Bytes of a request's body.
const BODY_LIMIT: usize = 256 * 1024;
/// What `limit` is cut back to.
const MAX_LIMIT: usize = 1000;

pub(crate) struct App {
    pub(crate) db: Arc<Db>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) auth: Auth,
    pub(crate) troubles: Troubles,
    pub(crate) pushing: Pushing,
    pub(crate) options: Options,
    /// True once the server is to end: what waits stops waiting.
    pub(crate) stopping: watch::Receiver<bool>,
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// `spread` of notifications (ms).
    pub(crate) spread: Option<u64>,
    /// Until a mailbox delivery that is not acknowledged is sent again.
    pub(crate) resend_after: Duration,
    pub(crate) demo: bool,
    pub(crate) allow_trouble: bool,
}

pub(crate) fn router(app: Arc<App>, mounts: &[Mount]) -> Router {
    let calls = Router::new()
        .merge(sync::routes())
        .merge(mailbox::routes())
        .merge(conversations::routes())
        .merge(messages::routes())
        .layer(middleware::from_fn_with_state(app.clone(), authorised))
        // Its token is in its first frame.
        .merge(socket::routes())
        .fallback(unknown)
        .method_not_allowed_fallback(unknown);
    let mut router = Router::new()
        .nest("/v1", calls)
        .route("/healthz", get(|| async { "ok" }))
        // Unless files are mounted there.
        .fallback(unknown);
    if app.options.demo || app.options.allow_trouble {
        router = router.nest(
            "/demo",
            demo::routes(&app.options)
                .fallback(unknown)
                .method_not_allowed_fallback(unknown),
        );
    }
    let router = router
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(app);
    // Pages of any origin may call: what they may do depends on the token alone, and no cookie is ever read.
    pages::mount(router, mounts).layer(
        CorsLayer::new()
            .allow_origin(Any)
            .allow_methods([Method::GET, Method::POST, Method::PATCH])
            .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
            .expose_headers([header::RETRY_AFTER])
            .max_age(Duration::from_secs(600)),
    )
}

async fn unknown() -> Error {
    Error::not_found("no such call")
}

/// `Authorization: Bearer TOKEN` on each call (401), and the trouble that was asked for.
async fn authorised(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let account = match app.auth.account_of(request.headers()) {
        Ok(account) => account,
        Err(error) => return error.into_response(),
    };
    let trouble = app.troubles.of(Some(account.id));
    tokio::time::sleep(Duration::from_millis(trouble.delay_ms.into())).await;
    request.extensions_mut().insert(account);
    match trouble.error() {
        None => next.run(request).await,
        // A request that failed may have been carried out all the same: this is what idempotence is for.
        Some(error) if fastrand::bool() => {
            next.run(request).await;
            error.into_response()
        }
        Some(error) => error.into_response(),
    }
}

/// The parameters of a query. An empty one is as good as none.
struct Params(HashMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Query(params) = Query::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Error::invalid(rejection.body_text()))?;
        Ok(Self(params))
    }
}

impl Params {
    fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        self.text(name)
            .map(|value| {
                value
                    .parse()
                    .map_err(|_| Error::invalid(format!("{name}: not a number in range")))
            })
            .transpose()
    }

    fn limit(&self, default: usize) -> Result<usize> {
        Ok(clamp(self.number("limit")?, default))
    }
}

/// A limit that is left out is the default, one beyond the bounds the nearest.
fn clamp(limit: Option<usize>, default: usize) -> usize {
    limit.unwrap_or(default).clamp(1, MAX_LIMIT)
}

/// A JSON body; an empty one reads as `{}`.
struct Body<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let bytes =
            Bytes::from_request(request, state)
                .await
                .map_err(|rejection| match rejection.into_response().status() {
                    StatusCode::PAYLOAD_TOO_LARGE => Error::too_large(),
                    _ => Error::invalid("the body could not be read"),
                })?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text)
            .map(Self)
            .map_err(|error| Error::invalid(format!("body: {error}")))
    }
}

/// A path with percent-encoded parts that are no UTF-8 is answered as every other error is.
struct Path<T>(T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let axum::extract::Path(path) = axum::extract::Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Error::invalid(rejection.body_text()))?;
        Ok(Self(path))
    }
}
