//! The calls of docs/protocol.md, one handler each, and what they have in common.

mod call;
mod conversations;
mod demo;
mod guard;
mod mailbox;
mod messages;
mod pages;
mod socket;
mod sync;

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Query, Request, State};
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{self, MethodRouter};
use axum::{Extension, Router};
use hyper::body::Body as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::auth::Auth;
use crate::db::{Account, Db};
use crate::error::{Error, Result};
use crate::limits::{Limits, Who};
use crate::notify::{Hub, Pushing};
use crate::trouble::{Trouble, Troubles};

pub(crate) use guard::{Origin, Origins};
pub(crate) use pages::Mount;
pub(crate) use sync::Pieces;

/// Bytes of a request's body.
const BODY_LIMIT: usize = 256 * 1024;
/// Bytes of a body that is too large up to which it is heard out before it is refused: what a client takes for a message at all.
const HEARD_OUT: usize = 4 * 1024 * 1024;
/// What `limit` is cut back to.
const MAX_LIMIT: usize = 1000;
/// Arrays and objects in each other in what the application may store. JSON readers stop somewhere: serde_json at 128, and what a batch puts around a body
/// counts. What one of them cannot read must not get into the log, where it would keep every member's device from ever reading on.
const MAX_DEPTH: usize = 64;

pub(crate) struct App {
    pub(crate) db: Arc<Db>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) auth: Auth,
    pub(crate) troubles: Troubles,
    pub(crate) pushing: Pushing,
    pub(crate) limits: Arc<Limits>,
    pub(crate) pieces: Pieces,
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
    /// For what a client has begun to say: its request, or a socket's first frame.
    pub(crate) patience: Duration,
    pub(crate) origins: Origins,
    pub(crate) demo: bool,
    pub(crate) allow_trouble: bool,
}

/// A call: of these the router is made, and `pullcord-server calls` lists them, so that a test can walk all that there are.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// Only with a token: the handler is given whose.
    pub(crate) needs_token: bool,
    handler: MethodRouter<Arc<App>>,
}

impl Call {
    fn get<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(Method::GET, path, routing::get(handler))
    }

    fn post<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(Method::POST, path, routing::post(handler))
    }

    fn patch<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self::new(Method::PATCH, path, routing::patch(handler))
    }

    /// It needs a token, unless it is [`Call::open`]: what is forgotten is closed.
    fn new(method: Method, path: &'static str, handler: MethodRouter<Arc<App>>) -> Self {
        Self {
            method,
            path,
            needs_token: true,
            handler,
        }
    }

    /// For anyone.
    fn open(self) -> Self {
        Self {
            needs_token: false,
            ..self
        }
    }
}

/// Every call that is served with these options.
pub(crate) fn calls(options: &Options) -> Vec<Call> {
    [
        sync::calls(),
        mailbox::calls(),
        conversations::calls(),
        messages::calls(),
        socket::calls(),
        call::calls(),
        demo::calls(options),
        vec![Call::get("/healthz", async || "ok").open()],
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(crate) fn router(app: Arc<App>, mounts: &[Mount]) -> Router {
    let routed = |router: Router<Arc<App>>, call: Call| {
        let mut handler = call.handler;
        if call.path.starts_with("/v1/") && call.needs_token {
            handler = handler.layer(middleware::from_fn_with_state(app.clone(), troubled));
        }
        if call.needs_token {
            handler = handler.layer(middleware::from_fn_with_state(app.clone(), authorised));
        }
        router.route(call.path, handler)
    };
    let finished = |router: Router<Arc<App>>| {
        router
            .method_not_allowed_fallback(unknown)
            // Unless files are mounted there.
            .fallback(unknown)
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .with_state(app.clone())
    };
    let all = calls(&app.options).into_iter();
    let plain = calls(&app.options).into_iter().filter(call::takes);
    let plain = call::Plain(finished(plain.fold(Router::new(), routed)));
    let mut router = all.fold(Router::new(), routed).layer(Extension(plain));
    for folder in ["/v1", "/demo"] {
        // Or files that are mounted at / would answer.
        router = router.route(&format!("{folder}/{{*unknown}}"), routing::any(unknown))
    }
    guard::guarded(pages::mount(finished(router), mounts), app.clone())
}

async fn unknown() -> Error {
    Error::not_found("no such call")
}

/// `Authorization: Bearer TOKEN` on each call (401), and no more of them than an account may make (429).
async fn authorised(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let account = app.auth.account_of(request.headers()).and_then(|account| {
        app.limits.count(Who::Account(account.id))?;
        Ok(account)
    });
    match account {
        Ok(account) => {
            request.extensions_mut().insert(account);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

/// The trouble that was asked for.
async fn troubled(
    State(app): State<Arc<App>>,
    Extension(account): Extension<Account>,
    request: Request,
    next: Next,
) -> Response {
    let trouble = app.troubles.of(Some(account.id));
    tokio::time::sleep(Duration::from_millis(trouble.delay_ms.into())).await;
    match trouble.error() {
        None => odd(&trouble, next.run(request).await).await,
        // A request that failed may have been carried out all the same: this is what idempotence is for.
        Some(error) if fastrand::bool() => {
            next.run(request).await;
            error.into_response()
        }
        Some(error) => error.into_response(),
    }
}

/// One of its messages is not as it has to be, if that was asked for.
async fn odd(trouble: &Trouble, response: Response) -> Response {
    let json = response.headers().get(header::CONTENT_TYPE);
    if trouble.odd_items == 0.0 || json.is_none_or(|kind| kind != "application/json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return Error::internal_quietly().into_response();
    };
    match trouble.answer(&bytes) {
        None => Response::from_parts(parts, bytes.into()),
        Some(odd) => {
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, odd.into())
        }
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

/// Lets a body pass: whoever is cut off while sending does not hear the answer, takes it for the network's fault, and
/// sends it all again.
async fn drain(request: Request) {
    let mut body = request.into_body();
    while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {}
}

/// How long a body may take to arrive: a body is read where there is no [`App`] at hand.
#[derive(Clone, Copy)]
struct Patience(Duration);

/// A JSON body, read up to [`BODY_LIMIT`] and no further; an empty one reads as `{}`.
struct Body<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        read(request, BODY_LIMIT).await.map(Self)
    }
}

/// A body of at most `limit` bytes, which is also what the call's [`DefaultBodyLimit`] lets pass.
async fn read<T: DeserializeOwned>(request: Request, limit: usize) -> Result<T> {
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let patience = request.extensions().get::<Patience>().copied();
    let Patience(patience) = patience.ok_or_else(|| Error::internal("no patience is set"))?;
    if let Some(length) = announced.filter(|length| *length > limit) {
        // Said beforehand, nothing of it is kept, and of what is far too large nothing is read.
        if length <= HEARD_OUT {
            _ = tokio::time::timeout(patience, drain(request)).await;
        }
        return Err(Error::too_large());
    }
    let bytes = tokio::time::timeout(patience, Bytes::from_request(request, &()))
        .await
        .map_err(|_| Error::timeout())?
        .map_err(|rejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => Error::too_large(),
            _ => Error::invalid("the body could not be read"),
        })?;
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(text).map_err(|error| Error::invalid(format!("body: {error}")))
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

/// What is stored as the application's JSON is passed on unread: here it is checked that every reader can read it.
fn readable(json: &RawValue) -> Result<()> {
    let value: Value = serde_json::from_str(json.get())
        .map_err(|error| Error::invalid(format!("body: {error}")))?;
    match depth(&value) <= MAX_DEPTH {
        true => Ok(()),
        false => Err(Error::invalid(format!("body: deeper than {MAX_DEPTH}"))),
    }
}

/// Serde_json has bounded it already: this does not go deep.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
