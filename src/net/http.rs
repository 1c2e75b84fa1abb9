//! The built-in transport: docs/protocol.md over `fetch` and WebSocket.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use futures_util::future::abortable;
use gloo_net::http::{Method, RequestBuilder};
use js_sys::{ArrayBuffer, Date, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortSignal, RequestCache, RequestRedirect, Response, Url};

use super::call::Calls;
use super::json::{Object, list};
use super::time::{Silence, monotonic};
use super::token::Tokens;
use super::{
    Abort, Answer, Hooks, Listening, NoticeHandler, Terms, Transport, message_of, promise, socket,
    too_large,
};
use crate::core::net::{ERROR_ANSWER, Error, ErrorCode, Place, Request, shorten, wait_of};
use crate::core::node::{MAX_TEXT, Node};
use crate::core::options::Scope;

/// ms between two reports that an answer is arriving ([`Terms::progress`]).
const TOLD: u64 = 1_000;

/// Largest error answer that is read for its message, in bytes.
const ERROR_MAX: usize = 64 << 10;

#[wasm_bindgen]
extern "C" {
    // Not gloo-net's `send`, which panics where `fetch` does not do as the standard says: that of a
    // page that has wrapped it may reject with anything, or answer with anything.
    #[wasm_bindgen(catch)]
    fn fetch(request: &web_sys::Request) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = parseFloat)]
    fn parse_float(text: &str) -> f64;

    // As with `fetch`: all may throw where the page's own code stands in for the browser's.
    type Body;
    #[wasm_bindgen(method, structural, catch, js_name = getReader)]
    fn reader(this: &Body) -> Result<Reader, JsValue>;

    type Reader;
    #[wasm_bindgen(method, structural, catch)]
    fn read(this: &Reader) -> Result<JsValue, JsValue>;

    /// What [`Reader::read`] promises.
    type Chunk;
    #[wasm_bindgen(method, structural, getter, catch)]
    fn done(this: &Chunk) -> Result<bool, JsValue>;
    #[wasm_bindgen(method, structural, getter, catch)]
    fn value(this: &Chunk) -> Result<JsValue, JsValue>;
}

/// A server that speaks the protocol.
pub struct Http {
    /// where `/v1/…` is, without a slash at its end
    base: String,
    /// the same with the scheme of a WebSocket
    pub(super) socket_base: String,
    timeout: u64,
    pub(super) scope: Scope,
    pub(super) tokens: Tokens,
    pub(super) hooks: Hooks,
    calls: Calls,
    /// the notification channel's, from the server's `ready` until it is dropped
    pub(super) socket: RefCell<Weak<socket::Socket>>,
}

impl Http {
    /// A transport to `base_url` (absolute, or relative to the page), whose requests count as lost
    /// after `timeout` ms, and whose notifications are those of `scope`. Error `invalid`: no such URL
    /// can be.
    pub fn new(
        base_url: &str,
        timeout: u64,
        scope: Scope,
        hooks: Hooks,
    ) -> Result<Rc<Http>, Error> {
        let invalid = |why| Error::new(ErrorCode::Invalid, why);
        let url = Url::new(base_url)
            .or_else(|thrown| Url::new_with_base(base_url, &page_url().ok_or(thrown)?))
            .map_err(|_| invalid("baseUrl is not a URL"))?;
        let scheme = match url.protocol().as_str() {
            "https:" => "wss://",
            "http:" => "ws://",
            _ => return Err(invalid("baseUrl must begin with https:// or http://")),
        };
        if !url.username().is_empty() || !url.password().is_empty() {
            return Err(invalid(
                "baseUrl must not have a user name or password in it",
            ));
        }
        let path = url.pathname();
        let path = path.trim_end_matches('/');
        Ok(Rc::new(Http {
            base: url.origin() + path,
            socket_base: [scheme, &url.host(), path].concat(),
            timeout,
            scope,
            tokens: Tokens::new(hooks.clone(), timeout),
            hooks,
            calls: Calls::to(&url.origin()),
            socket: RefCell::default(),
        }))
    }

    async fn ask(&self, call: Request, terms: &Terms) -> Result<String, Error> {
        if let Request::Acknowledge {
            deliveries,
            pushed: true,
        } = &call
        {
            // Lost on its way, or sent by POST after all: they come again, and so does this (R10).
            let socket = self.socket.borrow().upgrade();
            if socket.is_some_and(|socket| socket::acknowledge(&socket, deliveries)) {
                return Ok(String::new());
            }
        }
        let wire = Wire::of(&call)?;
        let token = self.tokens.get().await?;
        let answer = self.exchange(&wire, &token, terms).await;
        if !refused(&answer) {
            // The header is too large for it, and that is the token: the next one may be shorter.
            if is_status(&answer, 431) {
                self.tokens.refuse(&token);
            }
            return answer;
        }
        self.tokens.refuse(&token);
        let token = self.tokens.get().await?;
        let answer = self.exchange(&wire, &token, terms).await;
        if refused(&answer) {
            self.tokens.refuse(&token);
        }
        answer
    }

    /// One request on its way and back.
    async fn exchange(&self, wire: &Wire, token: &str, terms: &Terms) -> Result<String, Error> {
        if self.calls.go()
            && let Some(answer) = self.travel(wire, token, terms, true).await
        {
            return answer;
        }
        let answer = self.travel(wire, token, terms, false).await;
        answer.unwrap_or_else(|| Err(Error::new(ErrorCode::Internal, "nothing was asked")))
    }

    fn request(
        &self,
        wire: &Wire,
        token: &str,
        call: bool,
        signal: &AbortSignal,
    ) -> Result<gloo_net::http::Request, gloo_net::Error> {
        let path = match call {
            // The server looks at the body alone: this is for who looks at a list of requests.
            true => &["/v1/call?", wire.method.as_ref(), wire.address()].concat(),
            false => &wire.path,
        };
        let builder = RequestBuilder::new(&[&self.base, path.as_str()].concat())
            // A page from the browser's cache would be older than the cursor it is asked for (R1).
            .cache(RequestCache::NoStore)
            .abort_signal(Some(signal));
        if call {
            // Without a header of its own, and with text as its body, a browser sends it without asking first. Nor is
            // the token taken elsewhere by a redirect: that counts as an answer of somebody else.
            let plain = builder.method(Method::POST);
            return plain
                .redirect(RequestRedirect::Manual)
                .body(wire.call(token));
        }
        let builder = builder
            .method(wire.method.clone())
            .header("Authorization", &["Bearer ", token].concat());
        match &wire.body {
            Some(body) => builder
                .header("Content-Type", "application/json")
                .body(body),
            None => builder.build(),
        }
    }

    /// One request on its way and back, by `/v1/call` or plainly. `None`: there is no `/v1/call`.
    async fn travel(
        &self,
        wire: &Wire,
        token: &str,
        terms: &Terms,
        call: bool,
    ) -> Option<Result<String, Error>> {
        let (abort, signal) = match Abort::new() {
            Ok(made) => made,
            Err(error) => return Some(Err(error)),
        };
        let Ok(request) = self.request(wire, token, call, &signal) else {
            let why = "no request can be made of this";
            return Some(Err(Error::new(ErrorCode::Invalid, why)));
        };

        // What counts is silence, and not length: bytes that arrive, however slowly, are worth waiting
        // for. Of those that leave the browser says nothing: they get a time of their own.
        let silence = Silence::new(
            self.timeout.saturating_mul(u64::from(terms.patience)),
            wire.wait.saturating_add(wire.upload),
        );
        let told = Cell::new(monotonic());
        let whole = Cell::new(false);
        let came = Cell::new(false);
        let elsewhere = Cell::new(false);
        let heard = |bytes: usize| {
            silence.heard(bytes as u64);
            if let Some(progress) = &terms.progress
                && monotonic() >= told.get() + TOLD
            {
                told.set(monotonic());
                progress();
            }
        };
        let answer = silence
            .bound(async {
                let response = JsFuture::from(promise(&fetch(&request.into())?)).await?;
                heard(0);
                let response: Response = response.dyn_into()?;
                came.set(true);
                match call {
                    false => self.on_plain(&wire.path, &response),
                    true => elsewhere.set(!self.calls.answered(&response)),
                }
                // By either way it is named by what was asked: one trouble is one line of the log.
                let from = match call {
                    true => [&self.base, wire.address()].concat(),
                    false => address(&response),
                };
                if elsewhere.get() || self.is_strange(&response) {
                    return Ok(Err(strange(&from)));
                }
                self.judge_wait(&response);
                read(response, &from, wire.json, &heard, &whole).await
            })
            .await;
        if elsewhere.get() {
            return None;
        }
        if call && !came.get() {
            self.calls.lost();
        }
        Some(match answer {
            None => Err(Error::new(
                ErrorCode::Timeout,
                "the server did not answer in time",
            )),
            Some(answer) => {
                let answer =
                    answer.unwrap_or_else(|thrown: JsValue| Err(lost(&thrown, came.get())));
                // Else there may be more of it on its way, which nobody will read.
                if whole.get() {
                    abort.disarm();
                }
                answer
            }
        })
    }
}

impl Transport for Http {
    fn request_on(self: Rc<Self>, call: Request, terms: Terms) -> Answer {
        Box::pin(async move { self.ask(call, &terms).await })
    }

    fn listen(self: Rc<Self>, hear: NoticeHandler) -> Listening {
        let (task, handle) = abortable(async move {
            let over = socket::run(&self, &hear).await;
            hear(over);
        });
        spawn_local(async move {
            // Aborted: whoever did that does not want to hear of it.
            let _ = task.await;
        });
        Listening::until(move || handle.abort())
    }

    fn forget_token(&self) {
        self.tokens.forget();
    }
}

impl Http {
    /// A plain request was answered.
    fn on_plain(&self, asked: &str, response: &Response) {
        self.calls.plain(response);
        if asked.starts_with(PULLS) && self.calls.is_from_a_cache(asked, response) {
            // Logging that fails has nobody to tell.
            let _ = self.hooks.log("warn", CACHED, None);
        }
    }

    /// No chat server asks for a longer wait than two hours, whether it starts anew or somebody asks too often:
    /// 10 s in milliseconds are more.
    fn judge_wait(&self, response: &Response) {
        let said = response.headers().get("retry-after").ok().flatten();
        if let Some(said) = said.filter(|said| parse_float(said) > 7_200.0 && is_number(said)) {
            let what = [
                "transport.baseUrl's server answered with Retry-After: ",
                &shorten(said),
                ", in seconds, and that is over two hours; is it in milliseconds? 10 minutes are waited",
            ];
            // Logging that fails has nobody to tell.
            let _ = self.hooks.log("warn", &what.concat(), None);
        }
    }

    /// Whether an answer is none of the server's: a service worker's opaque one, or that of another
    /// origin that somebody on the way has sent the request to (a network that wants the user to sign
    /// in).
    fn is_strange(&self, response: &Response) -> bool {
        let elsewhere = || {
            let url = Url::new(&response.url());
            url.is_ok_and(|url| {
                Url::new(&self.base).is_ok_and(|base| url.origin() != base.origin())
            })
        };
        !(response.ok() || response.status() >= 400) || response.redirected() && elsewhere()
    }
}

/// What the paths of pulls begin with.
const PULLS: &str = "/v1/sync";
/// What the log says where a cache has answered.
const CACHED: &str = "pull: a cache has answered, and not the server: the same answer came again, with the same Date. \
    A service worker or a proxy has to pass on what is below /v1/";

/// Where this page, or the worker's script, is; nowhere in Node.
fn page_url() -> Option<String> {
    let location = Reflect::get(&js_sys::global(), &"location".into()).ok()?;
    Reflect::get(&location, &"href".into()).ok()?.as_string()
}

/// The error of a request that no answer came to, or not all of one (`came`), by what was thrown.
fn lost(thrown: &JsValue, came: bool) -> Error {
    let mut message = String::from(match came {
        true => "the answer broke off: ",
        false => "the server could not be reached: ",
    });
    message.push_str(&message_of(thrown));
    Error::new(ErrorCode::Network, message)
}

fn refused(answer: &Result<String, Error>) -> bool {
    is_status(answer, 401)
}

fn is_status(answer: &Result<String, Error>, status: u16) -> bool {
    matches!(answer, Err(error) if error.status == Some(status))
}

/// Something on the way has answered, and not the server: so nothing was reached.
fn strange(what: &str) -> Error {
    let mut message = String::from(
        "what answered is not the server (a sign-in page of the network, or baseUrl is another's): ",
    );
    message.push_str(what);
    Error::new(ErrorCode::Network, message)
}

/// Where a response is from, without what was asked.
fn address(response: &Response) -> String {
    let mut url = response.url();
    let end = url.bytes().position(|byte| byte == b'?');
    url.truncate(end.unwrap_or(url.len()));
    url
}

/// The answer of a response. `from`: where it is from. `json`: whether it has one. `whole`: is told that it was read to
/// its end. Fails with what was thrown where it breaks off.
async fn read(
    response: Response,
    from: &str,
    json: bool,
    heard: &dyn Fn(usize),
    whole: &Cell<bool>,
) -> Result<Result<String, Error>, JsValue> {
    let status = response.status();
    let header = |name| response.headers().get(name).ok().flatten();
    if status < 400 {
        let said = header("content-length").and_then(|length| length.parse::<u64>().ok());
        if said.is_some_and(|length| length > MAX_TEXT as u64) {
            return Ok(Err(too_large()));
        }
        let text = match text(&response, MAX_TEXT, heard, whole).await? {
            Some(text) => text,
            None => return Ok(Err(too_large())),
        };
        // Without content there is nothing to be mistaken about.
        return Ok(match json && status != 204 && !looks_like_json(&text) {
            true => {
                let head = Node::Raw(text.trim_ascii_start()).beginning();
                match head.as_bytes().first() {
                    None => Err(strange(&[from, " gives an empty answer"].concat())),
                    // What was the server's has no end.
                    Some(b'{' | b'[') => Err(Error::new(
                        ErrorCode::Network,
                        ["the answer broke off: ", from, " begins with ", &head].concat(),
                    )),
                    Some(_) => Err(strange(&[from, " begins with ", &head].concat())),
                }
            }
            false => Ok(text),
        });
    }
    let retry_after = header("retry-after").and_then(|value| retry_after(&value, header("date")));
    let body = text(&response, ERROR_MAX, heard, whole)
        .await
        .ok()
        .flatten();
    let body = body.unwrap_or_default();
    let (said, wait) = server_error(&body);
    let said = said.unwrap_or_else(|| {
        // What a service worker has made is from nowhere.
        let before = if from.is_empty() { "" } else { " at " };
        let status = status.to_string();
        let mut said = ["the server answered with status ", &status, before, from].concat();
        // A page says less than its status.
        let body = body.trim_ascii();
        if !body.is_empty() && !body.starts_with('<') {
            said.push_str(": ");
            said.push_str(&shorten(body.to_owned()));
        }
        said
    });
    Ok(Err(Error::from_status(status, said, retry_after.or(wait))))
}

/// Whether a text may be JSON: no page of HTML, no word of a proxy, not nothing.
fn looks_like_json(text: &str) -> bool {
    let text = text.trim_ascii();
    match text.bytes().next() {
        Some(b'{') => text.ends_with('}'),
        Some(b'[') => text.ends_with(']'),
        Some(b'"' | b'-' | b'0'..=b'9') => true,
        _ => matches!(text, "null" | "true" | "false"),
    }
}

/// Reads at most `max` bytes of a body. It is read piece by piece: `Content-Length` may be missing, wrong, or the
/// size before decompression.
///
/// `None`: it has more. Fails with what was thrown where it breaks off.
async fn text(
    response: &Response,
    max: usize,
    heard: &dyn Fn(usize),
    whole: &Cell<bool>,
) -> Result<Option<String>, JsValue> {
    let mut bytes = Vec::new();
    if let Some(body) = response.body() {
        let reader = body.unchecked_ref::<Body>().reader()?;
        while let Some(chunk) = next(&reader).await? {
            let at = bytes.len();
            let end = at + chunk.length() as usize;
            if end > max {
                return Ok(None);
            }
            heard(chunk.length() as usize);
            bytes.resize(end, 0);
            chunk.copy_to(&mut bytes[at..]);
        }
    }
    whole.set(true);
    // As `Response.text()` does it.
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(Some(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    }))
}

/// The next piece of a body.
async fn next(reader: &Reader) -> Result<Option<Uint8Array>, JsValue> {
    let chunk = JsFuture::from(promise(&reader.read()?)).await?;
    let chunk: Chunk = chunk.unchecked_into();
    if chunk.done()? {
        return Ok(None);
    }
    let bytes = chunk.value()?.dyn_into().or_else(|value| {
        // Of another realm: jsdom's page has bytes of its own, and Node's `fetch` gives Node's.
        match ArrayBuffer::is_view(&value) {
            true => Ok(Uint8Array::new(&value)),
            false => Err(value),
        }
    });
    bytes.map(Some)
}

/// Message and `retryAfter` (ms) of `{"error":{"code","message","retryAfter"?}}`.
fn server_error(body: &str) -> (Option<String>, Option<u64>) {
    let body = Node::of("error", body, &ERROR_ANSWER).ok();
    let Some(error) = body.as_ref().and_then(|body| body.get("error")) else {
        return (None, None);
    };
    let message = error.text("message").ok();
    let wait = error.optional_number("retryAfter").ok().flatten();
    (
        message.map(|message| shorten(message.to_owned())),
        wait.map(wait_of),
    )
}

fn is_number(value: &str) -> bool {
    let digits = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    value.trim().bytes().all(digits)
}

/// `Retry-After` in ms: it is in seconds, or a date, which counts from the answer's own `Date` and from
/// no clock of this device, which may be hours off. Whatever is neither says nothing.
fn retry_after(value: &str, date: Option<String>) -> Option<u64> {
    let value = value.trim();
    if is_number(value) {
        // Beyond all numbers it is infinite, and is cut back.
        let seconds = parse_float(value);
        return (!seconds.is_nan()).then(|| wait_of(seconds * 1_000.0));
    }
    if !value.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    let wait = Date::parse(value) - Date::parse(&date?);
    (!wait.is_nan()).then(|| wait_of(wait))
}

/// A request as the wire has it.
struct Wire {
    method: Method,
    /// path and query
    path: String,
    /// JSON text
    body: Option<String>,
    /// ms that the server may hold the answer back
    wait: u64,
    /// ms that the body takes to get there
    upload: u64,
    /// whether the answer is JSON; else there is none
    json: bool,
}

impl Wire {
    fn get(path: Path) -> Wire {
        Wire {
            method: Method::GET,
            path: path.0,
            body: None,
            wait: 0,
            upload: 0,
            json: true,
        }
    }

    fn post(path: Path, body: Option<String>) -> Wire {
        Wire {
            method: Method::POST,
            path: path.0,
            body,
            wait: 0,
            upload: 0,
            json: true,
        }
    }

    /// The path alone.
    fn address(&self) -> &str {
        let end = self.path.find('?').unwrap_or(self.path.len());
        &self.path[..end]
    }

    /// What `/v1/call` is told.
    fn call(&self, token: &str) -> String {
        let said = Object::new()
            .text("token", token)
            .text("method", self.method.as_ref())
            .text("path", &self.path);
        match &self.body {
            Some(body) => said.raw("body", body).end(),
            None => said.end(),
        }
    }

    /// Error `invalid`: an id that no path can hold.
    fn of(call: &Request) -> Result<Wire, Error> {
        let silent = matches!(call, Request::Acknowledge { .. } | Request::MarkRead { .. });
        Ok(Wire {
            upload: call.upload(),
            json: !silent,
            ..Wire::path_of(call)?
        })
    }

    #[expect(clippy::too_many_lines, reason = "one arm a request")]
    fn path_of(call: &Request) -> Result<Wire, Error> {
        Ok(match call {
            Request::Pull {
                cursor,
                limit,
                wait,
            } => Wire {
                wait: u64::from(wait.unwrap_or(0)),
                ..Wire::get(
                    Path::new("/v1/sync")
                        .text("cursor", cursor.as_deref())
                        .number("limit", Some(u64::from(*limit)))
                        .number("wait", wait.map(u64::from)),
                )
            },
            Request::PullConversations {
                cursors,
                limit,
                only,
                rest,
            } => Wire::post(
                Path::new("/v1/sync/conversations"),
                Some(Object::of_cursors(cursors, *limit, only.as_deref(), *rest).end()),
            ),
            Request::PullMailbox { limit } => {
                Wire::get(Path::new("/v1/mailbox").number("limit", Some(u64::from(*limit))))
            }
            Request::Acknowledge { deliveries, .. } => Wire::post(
                Path::new("/v1/mailbox/ack"),
                Some(Object::new().raw("deliveries", &list(deliveries)).end()),
            ),
            Request::Conversations {
                after,
                limit,
                cursor,
            } => Wire::get(
                Path::new("/v1/conversations")
                    .text("after", after.as_deref())
                    .number("limit", Some(u64::from(*limit)))
                    .text("cursor", cursor.as_deref()),
            ),
            Request::History {
                conversation,
                limit,
                cursor,
                place,
            } => {
                let path = Path::new("/v1/conversations/")
                    .id(conversation)?
                    .then("/messages")
                    .number("limit", Some(u64::from(*limit)))
                    .text("cursor", cursor.as_deref());
                Wire::get(match *place {
                    Place::Latest => path,
                    Place::Before(seq) => path.number("before", Some(seq.0)),
                    Place::After(seq) => path.number("after", Some(seq.0)),
                    Place::Around(seq) => path.number("around", Some(seq.0)),
                    Place::At(ms) => path.number("at", Some(ms)),
                })
            }
            Request::Changes {
                conversation,
                since,
                cursor,
                from,
                to,
                limit,
            } => Wire::get(
                Path::new("/v1/conversations/")
                    .id(conversation)?
                    .then("/changes")
                    .text("since", Some(since))
                    .text("cursor", cursor.as_deref())
                    .number("from", Some(from.0))
                    .number("to", Some(to.0))
                    .number("limit", Some(u64::from(*limit))),
            ),
            Request::Send {
                conversation,
                client_id,
                body,
            } => Wire::post(
                Path::new("/v1/conversations/")
                    .id(conversation)?
                    .then("/messages"),
                Some(
                    Object::new()
                        .text("clientId", client_id)
                        .raw("body", body)
                        .end(),
                ),
            ),
            Request::Edit {
                conversation,
                message,
                client_id,
                body,
            } => Wire {
                method: Method::PATCH,
                ..Wire::post(
                    Path::new("/v1/conversations/")
                        .id(conversation)?
                        .then("/messages/")
                        .id(message)?,
                    Some(
                        Object::new()
                            .raw("body", body)
                            .text("clientId", client_id)
                            .end(),
                    ),
                )
            },
            Request::Recall {
                conversation,
                message,
            } => Wire::post(
                Path::new("/v1/conversations/")
                    .id(conversation)?
                    .then("/messages/")
                    .id(message)?
                    .then("/recall"),
                None,
            ),
            Request::MarkRead { conversation, seq } => Wire::post(
                Path::new("/v1/conversations/")
                    .id(conversation)?
                    .then("/read"),
                Some(Object::new().seq("seq", *seq).end()),
            ),
        })
    }
}

/// Path and query in the making.
struct Path(String);

impl Path {
    fn new(path: &str) -> Path {
        Path(path.to_owned())
    }

    fn then(mut self, path: &str) -> Path {
        self.0.push_str(path);
        self
    }

    /// Error `invalid`: a URL drops "." and ".." however they are written, and an empty part names
    /// something else.
    fn id(self, id: &str) -> Result<Path, Error> {
        if matches!(id, "" | "." | "..") {
            return Err(Error::new(
                ErrorCode::Invalid,
                "an id that is empty, \".\" or \"..\" cannot be asked for",
            ));
        }
        Ok(self.then(&encoded(id)))
    }

    fn text(self, name: &str, value: Option<&str>) -> Path {
        let Some(value) = value else { return self };
        let mark = if self.0.contains('?') { "&" } else { "?" };
        self.then(mark).then(name).then("=").then(&encoded(value))
    }

    fn number(self, name: &str, value: Option<u64>) -> Path {
        self.text(name, value.map(|value| value.to_string()).as_deref())
    }
}

fn encoded(text: &str) -> String {
    js_sys::encode_uri_component(text).into()
}
