//! How requests and notifications travel: [`http`] speaks docs/protocol.md, [`app`] calls the
//! app's own `Transport`. Both move JSON text, of which only `crate::core` knows the meaning.
//!
//! Whatever is given up is dropped: a request's future, to abort it; a [`Listening`], to close the
//! notification channel. Nothing of it is heard afterwards, and no timer, socket or callback stays.
//! When to try again is the engine's to decide. Here only one thing is repeated: what was refused
//! with 401, once, with a fresh token.

pub mod app;
mod call;
pub mod http;
mod json;
mod socket;
pub mod time;
mod token;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use js_sys::{JsString, Promise, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, AbortSignal};

use crate::core::net::{Error, ErrorCode, Notice, Request, shorten, wait_of};

pub use app::NotifySink;

/// The answer to come, as the JSON text of docs/protocol.md. Dropping it aborts the request.
pub type Answer = Pin<Box<dyn Future<Output = Result<String, Error>>>>;

/// Whom notices are told. May be called at once, from within [`Transport::listen`].
pub type NoticeHandler = Rc<dyn Fn(Notice)>;

/// How a request is waited for.
#[derive(Clone)]
pub struct Terms {
    /// how many times the option `transport.timeout` it may be silent; at least 1
    pub patience: u32,
    /// told, now and then, that the answer is arriving
    pub progress: Option<Rc<dyn Fn()>>,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            patience: 1,
            progress: None,
        }
    }
}

/// A way to a backend.
pub trait Transport {
    /// Asks; answers the JSON text of docs/protocol.md, "" where there is none.
    fn request_on(self: Rc<Self>, call: Request, terms: Terms) -> Answer;

    /// [`Transport::request_on`] with one time-out of silence, and no report of progress.
    fn request(self: Rc<Self>, call: Request) -> Answer {
        self.request_on(call, Terms::default())
    }

    /// Opens the notification channel, until the guard is dropped or [`Notice::Closed`] was told.
    fn listen(self: Rc<Self>, hear: NoticeHandler) -> Listening;

    /// The next request asks for a token again.
    fn forget_token(&self);
}

/// Holds a notification channel open.
#[must_use]
pub struct Listening(Option<Box<dyn FnOnce()>>);

impl Listening {
    fn until(close: impl FnOnce() + 'static) -> Listening {
        Listening(Some(Box::new(close)))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(close) = self.0.take() {
            close();
        }
    }
}

#[wasm_bindgen]
extern "C" {
    /// What the facade does for the net. All may throw: a JS exception that is not caught would
    /// unwind Rust frames without running their destructors.
    #[derive(Clone)]
    pub type Hooks;

    #[wasm_bindgen(method, structural, catch)]
    fn token(this: &Hooks) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    fn call(
        this: &Hooks,
        method: &str,
        request: &JsValue,
        signal: &AbortSignal,
    ) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    fn listen(this: &Hooks, sink: NotifySink, signal: &AbortSignal) -> Result<(), JsValue>;
    #[wasm_bindgen(method, structural, catch)]
    fn log(this: &Hooks, level: &str, message: &str, detail: Option<&str>) -> Result<(), JsValue>;
}

/// An `AbortSignal` that fires when this is dropped before [`Abort::disarm`].
struct Abort(Option<AbortController>);

impl Abort {
    fn new() -> Result<(Abort, AbortSignal), Error> {
        let controller = AbortController::new()
            .map_err(|_| Error::new(ErrorCode::Internal, "this browser has no AbortController"))?;
        let signal = controller.signal();
        Ok((Abort(Some(controller)), signal))
    }

    /// What the signal was for has ended by itself.
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        if let Some(controller) = self.0.take() {
            let reason = js_sys::Error::new("Pullcord no longer waits for this");
            reason.set_name("AbortError");
            controller.abort_with_reason(&reason);
        }
    }
}

fn too_large() -> Error {
    Error::too_large("the server's answer is too large")
}

/// A value, thenable or promise as a promise: what `await` takes.
fn promise(value: &JsValue) -> Promise {
    value
        .dyn_ref::<Promise>()
        .cloned()
        .unwrap_or_else(|| Promise::resolve(value))
}

/// The error that was thrown, if it is a `PullcordError`: known by its shape, so that one of another copy
/// of the package is one too.
fn own_error(thrown: &JsValue) -> Option<Error> {
    let name = Reflect::get(thrown, &JsValue::from_str("name")).ok()?;
    match name.as_string()?.as_str() {
        "PullcordError" | "AbortError" => wire_error(thrown),
        _ => None,
    }
}

/// An error as the facade passes it on: `{code,message,status?,retryAfter?}`.
fn wire_error(thrown: &JsValue) -> Option<Error> {
    let field = |name: &str| Reflect::get(thrown, &JsValue::from_str(name)).ok();
    let code = field("code")?.as_string()?;
    let code = ErrorCode::named(&code)?;
    let number = |name: &str| field(name).and_then(|value| value.as_f64());
    let status = number("status").map(|status| status as u16);
    Some(Error {
        status,
        retry_after: number("retryAfter").map(wait_of),
        too_large: status == Some(413),
        ..Error::new(code, message_of(thrown))
    })
}

/// What a thrown value says of itself.
fn message_of(thrown: &JsValue) -> String {
    let said = thrown.dyn_ref::<JsString>().cloned().or_else(|| {
        Reflect::get(thrown, &JsValue::from_str("message"))
            .ok()
            .and_then(|message| message.dyn_into().ok())
    });
    match said {
        // Cut off before it is copied: it may be as long as a JS string can be.
        Some(said) if said.length() > 0 => shorten(said.slice(0, 1_000).into()),
        _ => "no reason was given".to_owned(),
    }
}
