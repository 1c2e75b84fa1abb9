//! `--static PATH=DIR`: files beside the calls, such as the demo page.

use std::path::PathBuf;
use std::str::FromStr;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

/// Message bodies are text, never HTML; should a page get that wrong, this keeps a message from doing harm.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws: wss:; style-src 'self'; \
     img-src 'self' data:; base-uri 'none'; frame-ancestors 'self'";

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
            .layer(with(
                header::CONTENT_SECURITY_POLICY,
                CONTENT_SECURITY_POLICY,
            ))
            .layer(with(header::REFERRER_POLICY, "no-referrer"))
            // A file is asked for again each time, and answered 304 if it is the same: a page never runs with half of an older build.
            .layer(with(header::CACHE_CONTROL, "no-cache"));
        router = if mount.path.is_empty() {
            router.fallback_service(files)
        } else {
            router.nest_service(&mount.path, files)
        };
    }
    router.layer(with(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
}

fn with(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}
