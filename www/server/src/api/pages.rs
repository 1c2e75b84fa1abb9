//! `--static PATH=DIR`: files beside the calls, such as the demo page.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::error::Error;

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");

/// Message bodies are text, never HTML; should a page get that wrong, this keeps a message from doing harm: nothing runs, is shown or is asked for that is not
/// of this origin (`connect-src 'self'` includes its WebSocket), nothing that is written into the page runs, and with trusted types no string becomes markup
/// in the first place. Two devices side by side are frames of the same origin.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     frame-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; require-trusted-types-for 'script'; trusted-types 'none'";

/// What a page of this server never asks for, nor anything in it.
const PERMISSIONS_POLICY: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

/// Names of files that a page is made of. A folder may hold others beside them, sources or a database: they are not there.
const SERVED: [&str; 12] = [
    "css", "html", "ico", "js", "json", "map", "mjs", "png", "svg", "ts", "txt", "wasm",
];

/// A folder whose files are served under a path.
#[derive(Clone, Debug)]
pub(crate) struct Mount {
    path: String,
    folder: PathBuf,
}

impl FromStr for Mount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, folder) = text
            .split_once('=')
            .ok_or("PATH=DIR is wanted, as in /=www")?;
        if !path.starts_with('/') || path.contains(['{', '}', '*']) {
            return Err("PATH begins with / and has none of { } *".into());
        }
        if !PathBuf::from(folder).is_dir() {
            return Err(format!("{folder} is no folder"));
        }
        Ok(Self {
            path: path.trim_end_matches('/').to_owned(),
            folder: folder.into(),
        })
    }
}

/// MIME types go by the file's name, application/wasm included.
pub(super) fn mount(router: Router, mounts: &[Mount]) -> Router {
    let mut router = router;
    for mount in mounts {
        let files = Router::new()
            .fallback_service(ServeDir::new(&mount.folder))
            .layer(middleware::from_fn_with_state(
                Arc::<std::path::Path>::from(mount.folder.as_path()),
                only_files_of_a_page,
            ))
            .layer(with(
                header::CONTENT_SECURITY_POLICY,
                CONTENT_SECURITY_POLICY,
            ))
            .layer(with(header::REFERRER_POLICY, "no-referrer"))
            // Nothing else shares this page's process, or has a handle on its window, or shows its files as its own.
            .layer(with(OPENER_POLICY, "same-origin"))
            .layer(with(RESOURCE_POLICY, "same-origin"))
            .layer(with(PERMISSIONS, PERMISSIONS_POLICY))
            // A file is asked for again each time, and answered 304 if it is the same: a page never runs with half of an older build.
            .layer(with(header::CACHE_CONTROL, "no-cache"));
        router = if mount.path.is_empty() {
            router.fallback_service(files)
        } else {
            router.nest_service(&mount.path, files)
        };
    }
    router
}

/// 404 for what is hidden, not of a page's kind, or outside of the folder: a link in it may lead anywhere.
async fn only_files_of_a_page(
    State(folder): State<Arc<std::path::Path>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    // Such names need no escapes; what is escaped is somebody's try.
    let plain = path
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    let hidden = path.split('/').any(|part| part.starts_with('.'));
    let name = path.rsplit('/').next().unwrap_or_default();
    let served = match name.rsplit_once('.') {
        Some((_, kind)) => SERVED.contains(&kind),
        // A folder, or nothing.
        None => true,
    };
    let inside = async || {
        tokio::task::spawn_blocking(move || {
            let (root, file) = (folder.canonicalize(), folder.join(path).canonicalize());
            matches!((root, file), (Ok(root), Ok(file)) if file.starts_with(&root))
        })
        .await
        .unwrap_or(false)
    };
    if plain && !hidden && served && inside().await {
        next.run(request).await
    } else {
        Error::not_found("no such file").into_response()
    }
}

fn with(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}
