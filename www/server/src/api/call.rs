//! `POST /v1/call`: every other call of a token, in the one form that a browser sends to another origin without asking first (a CORS "simple request").
//!
//! The token is in the body, and is the only thing that counts: what a browser adds by itself, as cookies, says nothing here. So a page that does not have the
//! token cannot do more with this than with the calls themselves, though no preflight stands before it.

use axum::Extension;
use axum::body::Body as AxumBody;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing};
use serde::Deserialize;
use serde_json::value::RawValue;
use tower_service::Service;

use super::{BODY_LIMIT, Call, Patience, read};
use crate::error::{Error, Result};
use crate::serve::Peer;

/// Says, on each answer of the protocol's, what else than the plain calls is taken.
pub(super) const ACCEPT: HeaderName = HeaderName::from_static("pullcord-accept");
pub(super) const ACCEPTED: HeaderValue = HeaderValue::from_static("call");

/// Beside the body of the call that is made: its token and its path.
const AROUND: usize = 128 * 1024;

/// The calls that can be made so.
#[derive(Clone)]
pub(super) struct Plain(pub(super) Router);

pub(super) fn calls() -> Vec<Call> {
    let handler = routing::post(call).layer(DefaultBodyLimit::max(BODY_LIMIT + AROUND));
    vec![Call::new(Method::POST, "/v1/call", handler).open()]
}

/// Whether it can be made so: it needs a token, which the notification channel gets in another way.
pub(super) fn takes(call: &Call) -> bool {
    call.needs_token && call.path.starts_with("/v1/")
}

#[derive(Deserialize)]
struct Said {
    token: String,
    method: String,
    /// With its query.
    path: String,
    body: Option<Box<RawValue>>,
}

impl Said {
    fn request(self) -> Result<Request> {
        let invalid = |what: &str| Error::invalid(format!("{what}: not one of the protocol's"));
        let method = Method::from_bytes(self.method.as_bytes()).map_err(|_| invalid("method"))?;
        let uri: Uri = self.path.parse().map_err(|_| invalid("path"))?;
        if uri.authority().is_some() || !uri.path().starts_with("/v1/") {
            return Err(Error::not_found("no such call"));
        }
        let authorization = HeaderValue::from_str(&format!("Bearer {}", self.token))
            .map_err(|_| Error::unauthorized())?;
        let body = self.body.map(|body| Box::<str>::from(body).into_string());
        let mut request = Request::new(AxumBody::from(body.unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, authorization);
        Ok(request)
    }
}

/// What the call itself would have been answered.
async fn call(Extension(Plain(mut plain)): Extension<Plain>, request: Request) -> Response {
    let patience = request.extensions().get::<Patience>().copied();
    let peer = request.extensions().get::<Peer>().copied();
    let said = match read::<Said>(request, BODY_LIMIT + AROUND).await {
        Ok(said) => said,
        Err(error) => return error.into_response(),
    };
    let mut request = match said.request() {
        Ok(request) => request,
        Err(error) => return error.into_response(),
    };
    if let Some(patience) = patience {
        request.extensions_mut().insert(patience);
    }
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    match plain.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
