//! What stands before every call and file: for which pages this server is there, how much an address may ask for, and what the answers say to a browser.
//!
//! A call is allowed by its token alone, and no cookie is ever read. Still, what a page of anywhere may do in somebody's browser is bounded: beside the
//! protocol's calls there are the demo's, which need no token, and a server on a developer's machine may hold messages that were imported to look at. So a
//! page of another origin is refused, unless it was named (`--cors`), or is on the same machine as a server that listens on that machine only. Nor can a name
//! that somebody points at this machine stand in for it (DNS rebinding).

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use super::call::{ACCEPT, ACCEPTED};
use super::{App, Patience};
use crate::error::Error;
use crate::limits::Who;
use crate::serve::Peer;

/// Pages of which other origins may call.
#[derive(Clone, Debug)]
pub(crate) struct Origins {
    /// The server listens on this machine only.
    pub(crate) local: bool,
    pub(crate) named: Vec<Origin>,
}

/// `--cors`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Any,
    /// As a browser writes it: scheme, host, and a port that is not the scheme's own.
    Of(String),
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let wanted = || "an origin is wanted, as in https://chat.example, or *".to_owned();
        let uri: Uri = text.parse().map_err(|_| wanted())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wanted());
        };
        let origin = format!("{scheme}://{authority}");
        match origin == text.trim_end_matches('/') && !authority.as_str().contains('@') {
            true => Ok(Self::Of(origin)),
            false => Err(wanted()),
        }
    }
}

impl Origins {
    fn any(&self) -> bool {
        self.named.contains(&Origin::Any)
    }

    /// Whether the page that asks may.
    fn allow(&self, origin: &HeaderValue, headers: &HeaderMap) -> bool {
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        let here = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let of = origin.parse::<Uri>().ok();
        let authority = of.as_ref().and_then(Uri::authority);
        self.any()
            || self
                .named
                .iter()
                .any(|named| matches!(named, Origin::Of(named) if named == origin))
            || authority.is_some_and(|authority| {
                here == Some(authority.as_str()) || (self.local && is_local(authority.host()))
            })
    }

    /// Whether the server is asked for under a name of its own. Of one that others reach it does not know them.
    fn is_here(&self, headers: &HeaderMap) -> bool {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let host = host.and_then(|host| host.parse::<Uri>().ok());
        !self.local || host.as_ref().and_then(Uri::host).is_some_and(is_local)
    }
}

fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

pub(super) fn guarded(router: Router, app: Arc<App>) -> Router {
    let origins = app.options.origins.clone();
    let allowed = match origins.any() {
        true => AllowOrigin::any(),
        false => AllowOrigin::predicate(move |origin: &HeaderValue, parts: &Parts| {
            origins.allow(origin, &parts.headers)
        }),
    };
    router
        .layer(middleware::from_fn_with_state(app, pass))
        .layer(
            CorsLayer::new()
                .allow_origin(allowed)
                .allow_methods([Method::GET, Method::POST, Method::PATCH])
                .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
                .expose_headers([header::RETRY_AFTER, header::DATE, ACCEPT])
                // As long as any browser keeps it: what it says does not change while this runs.
                .max_age(Duration::from_secs(7200)),
        )
        // What is no page is data: should a browser be made to show it, nothing in it runs, and it is in no frame. It is somebody's, and stays in no cache.
        .layer(unless_set(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
        .layer(unless_set(header::CACHE_CONTROL, "no-store"))
        .layer(unless_set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(unless_set(header::REFERRER_POLICY, "no-referrer"))
}

fn unless_set(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

async fn pass(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let options = &app.options;
    let headers = request.headers();
    let foreign = headers
        .get(header::ORIGIN)
        .is_some_and(|origin| !options.origins.allow(origin, headers));
    let peer = request.extensions().get::<Peer>();
    let refused = if !options.origins.is_here(headers) {
        Some(Error::misdirected())
    } else if foreign {
        Some(Error::forbidden("pages of this origin may not call"))
    } else {
        peer.and_then(|Peer(peer)| app.limits.count(Who::at(peer.ip())).err())
    };
    let of_protocol = request.uri().path().starts_with("/v1/");
    request.extensions_mut().insert(Patience(options.patience));
    let mut response = match refused {
        Some(error) => error.into_response(),
        None => next.run(request).await,
    };
    if of_protocol {
        // Errors too: by this a client knows that it was `/v1/call` that answered, and nothing on the way.
        response.headers_mut().insert(ACCEPT, ACCEPTED);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::HOST, HeaderValue::from_str(host).unwrap())])
    }

    fn origins(local: bool, named: &[&str]) -> Origins {
        Origins {
            local,
            named: named.iter().map(|name| name.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn a_page_calls_its_own_server_and_others_only_if_named_or_local() {
        let allows = |origins: &Origins, host: &str, origin: &'static str| {
            origins.allow(&HeaderValue::from_static(origin), &headers(host))
        };
        let public = origins(false, &["https://chat.example"]);
        for (origin, allowed) in [
            ("https://chat.example", true),
            ("https://here.example:8443", true),
            ("http://chat.example", false),
            ("https://chat.example.evil.example", false),
            ("https://evil.example", false),
            ("http://localhost:3000", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(
                allows(&public, "here.example:8443", origin),
                allowed,
                "{origin}"
            );
        }
        let local = origins(true, &[]);
        for (origin, allowed) in [
            ("http://localhost:3000", true),
            ("http://127.0.0.1:1", true),
            ("http://[::1]:5173", true),
            ("http://app.localhost", true),
            ("http://localhost.evil.example", false),
            ("http://127.0.0.1.evil.example", false),
            ("http://evil.example", false),
            ("null", false),
        ] {
            assert_eq!(
                allows(&local, "127.0.0.1:8780", origin),
                allowed,
                "{origin}"
            );
        }
        assert!(allows(&origins(false, &["*"]), "here.example", "null"));
    }

    #[test]
    fn a_local_server_has_local_names_only() {
        let local = origins(true, &[]);
        for host in [
            "127.0.0.1:8780",
            "localhost",
            "LOCALHOST:1",
            "[::1]:8780",
            "127.1.2.3",
        ] {
            assert!(local.is_here(&headers(host)), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8780",
            "127.0.0.1.nip.example",
            "192.0.2.1",
        ] {
            assert!(!local.is_here(&headers(host)), "{host}");
        }
        assert!(!local.is_here(&HeaderMap::new()));
        assert!(origins(false, &[]).is_here(&headers("chat.example")));
    }

    #[test]
    fn what_is_no_origin_is_not_taken_for_one() {
        for text in [
            "chat.example",
            "https://",
            "https://chat.example/path",
            "https://u@chat.example",
            "",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
        assert_eq!(
            "https://chat.example/".parse(),
            Ok(Origin::Of("https://chat.example".into()))
        );
    }
}
