//! The net in a browser: against the reference server, and, where that is too well-behaved, against
//! a `fetch` or `WebSocket` of the page that is not.
//!
//! `PULLCORD_TEST_SERVER` names the server, at compile time: started with `--demo --allow-trouble`.

#![cfg(target_arch = "wasm32")]

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::future::{join, join_all};
use js_sys::{Function, Reflect};
use pullcord::core::command::Scope;
use pullcord::core::net::{Error, ErrorCode, Notice, Place, Request};
use pullcord::core::types::Seq;
use pullcord::net::http::Http;
use pullcord::net::time::{sleep, within};
use pullcord::net::{Hooks, Listening, Transport, app::App};
use serde_json::json;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::*;

wasm_bindgen_test_configure!(run_in_browser);

// ---------------------------------------------------------------- the page

/// Evaluates an expression of JavaScript.
fn js(expression: &str) -> JsValue {
    js_sys::eval(expression).unwrap_or_else(|thrown| panic!("{expression}: {thrown:?}"))
}

fn number(of: &JsValue, name: &str) -> f64 {
    Reflect::get(of, &name.into()).unwrap().as_f64().unwrap()
}

/// Hooks whose token provider gives `tokens` in turn, the last one again and again, and counts.
fn giving(tokens: &[&str]) -> Hooks {
    let hooks = js(r#"({
        asked: 0, logged: [],
        token() { return Promise.resolve(this.tokens[Math.min(this.asked++, this.tokens.length - 1)]); },
        log(level, message) { this.logged.push(message); },
    })"#);
    let tokens: js_sys::Array = tokens
        .iter()
        .map(|token| JsValue::from_str(token))
        .collect();
    Reflect::set(&hooks, &"tokens".into(), &tokens).unwrap();
    hooks.unchecked_into()
}

/// A server of its own that is played by the page. Others are reached as ever: tests run at once.
struct Page(String);

impl Page {
    /// `fetch` is a function of the request.
    fn new(fetch: &str) -> Page {
        let host = js(r#"(() => {
            if (!globalThis.pages) {
                globalThis.pages = {};
                const { fetch } = globalThis;
                globalThis.fetch = (request, init) => {
                    const page = pages[new URL(request.url ?? request, location.href).host];
                    if (!page) return fetch(request, init);
                    page.calls.push(request);
                    return page.fetch(request);
                };
                const { WebSocket } = globalThis;
                globalThis.WebSocket = function (url) {
                    const page = pages[new URL(url).host];
                    return page ? new page.WebSocket(url) : new WebSocket(url);
                };
            }
            return `page${Object.keys(pages).length}.test`;
        })()"#);
        let page = Page(host.as_string().unwrap());
        js(&format!(
            "pages['{}'] = {{ calls: [], fetch: {fetch} }}",
            page.0
        ));
        page
    }

    fn http(&self, hooks: &Hooks) -> Rc<Http> {
        self.of_scope(Scope::Account, hooks)
    }

    fn of_scope(&self, scope: Scope, hooks: &Hooks) -> Rc<Http> {
        let base = format!("http://{}/chat/", self.0);
        Http::new(&base, 300, scope, hooks.clone()).unwrap()
    }

    /// An expression about `page`.
    fn js(&self, expression: &str) -> JsValue {
        js(&format!("((page) => {expression})(pages['{}'])", self.0))
    }
}

fn pull(cursor: Option<&str>) -> Request {
    Request::Pull {
        cursor: cursor.map(str::to_owned),
        limit: 10,
        wait: None,
    }
}

fn several(only: Option<&[&str]>) -> Request {
    Request::PullConversations {
        cursors: vec![("a/b ?ü".into(), "1".into()), ("q\"".into(), "=&".into())],
        limit: 10,
        only: only.map(owned),
    }
}

fn acknowledge(deliveries: &[&str], pushed: bool) -> Request {
    Request::Acknowledge {
        deliveries: owned(deliveries),
        pushed,
    }
}

fn changes(conversation: &str, since: &str, cursor: Option<&str>, to: Seq) -> Request {
    Request::Changes {
        conversation: conversation.into(),
        since: since.into(),
        cursor: cursor.map(str::to_owned),
        from: Seq(1),
        to,
        limit: 10,
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn asked(fetch: &str) -> Result<String, Error> {
    Page::new(fetch)
        .http(&giving(&["t"]))
        .request(pull(None))
        .await
}

// ---------------------------------------------------------------- HTTP: a page that misbehaves

#[wasm_bindgen_test]
async fn every_request_has_its_path_body_and_token() {
    let page = Page::new("() => new Response('{}')");
    let http = page.http(&giving(&["secret"]));
    let id = "a/b ?ü";
    let history = |place| Request::History {
        conversation: id.into(),
        limit: 30,
        cursor: Some("=&".into()),
        place,
    };
    let big = Seq(u64::MAX);
    let requests = [
        (pull(None), "GET /v1/sync?limit=10 "),
        (
            Request::Pull {
                cursor: Some("c+1".into()),
                limit: 10,
                wait: Some(5),
            },
            "GET /v1/sync?cursor=c%2B1&limit=10&wait=5 ",
        ),
        (
            several(None),
            r#"POST /v1/sync/conversations {"cursors":{"a/b ?ü":"1","q\"":"=&"},"limit":10}"#,
        ),
        (
            several(Some(&["q\""])),
            r#"POST /v1/sync/conversations {"cursors":{"a/b ?ü":"1","q\"":"=&"},"limit":10,"only":["q\""]}"#,
        ),
        (
            several(Some(&[])),
            r#"POST /v1/sync/conversations {"cursors":{"a/b ?ü":"1","q\"":"=&"},"limit":10,"only":[]}"#,
        ),
        (
            Request::PullConversations {
                cursors: Vec::new(),
                limit: 1,
                only: None,
            },
            r#"POST /v1/sync/conversations {"cursors":{},"limit":1}"#,
        ),
        (
            Request::PullMailbox { limit: 10 },
            "GET /v1/mailbox?limit=10 ",
        ),
        (
            acknowledge(&["d1", "q\""], false),
            r#"POST /v1/mailbox/ack {"deliveries":["d1","q\""]}"#,
        ),
        // There is no channel that it could go through.
        (
            acknowledge(&["d1"], true),
            r#"POST /v1/mailbox/ack {"deliveries":["d1"]}"#,
        ),
        (
            changes(id, "=&", None, big),
            "GET /v1/conversations/a%2Fb%20%3F%C3%BC/changes?since=%3D%26&from=1&to=18446744073709551615&limit=10 ",
        ),
        (
            changes("c", "s", Some("c+1"), Seq(9)),
            "GET /v1/conversations/c/changes?since=s&cursor=c%2B1&from=1&to=9&limit=10 ",
        ),
        (
            Request::Conversations {
                after: None,
                limit: 3,
                cursor: None,
            },
            "GET /v1/conversations?limit=3 ",
        ),
        (
            Request::Conversations {
                after: Some("x".into()),
                limit: 3,
                cursor: Some("y".into()),
            },
            "GET /v1/conversations?after=x&limit=3&cursor=y ",
        ),
        (
            history(Place::Latest),
            "GET /v1/conversations/a%2Fb%20%3F%C3%BC/messages?limit=30&cursor=%3D%26 ",
        ),
        (
            history(Place::Before(big)),
            "GET /v1/conversations/a%2Fb%20%3F%C3%BC/messages?limit=30&cursor=%3D%26&before=18446744073709551615 ",
        ),
        (
            history(Place::After(Seq(0))),
            "GET /v1/conversations/a%2Fb%20%3F%C3%BC/messages?limit=30&cursor=%3D%26&after=0 ",
        ),
        (
            history(Place::Around(Seq(7))),
            "GET /v1/conversations/a%2Fb%20%3F%C3%BC/messages?limit=30&cursor=%3D%26&around=7 ",
        ),
        (
            history(Place::At(9)),
            "GET /v1/conversations/a%2Fb%20%3F%C3%BC/messages?limit=30&cursor=%3D%26&at=9 ",
        ),
        (
            Request::Send {
                conversation: "c".into(),
                client_id: "q\"".into(),
                body: r#"{"a":[1]}"#.into(),
            },
            r#"POST /v1/conversations/c/messages {"clientId":"q\"","body":{"a":[1]}}"#,
        ),
        (
            Request::Edit {
                conversation: "c".into(),
                message: "m".into(),
                client_id: "e".into(),
                body: "\"b\"".into(),
            },
            r#"PATCH /v1/conversations/c/messages/m {"body":"b","clientId":"e"}"#,
        ),
        (
            Request::Recall {
                conversation: "c".into(),
                message: "m".into(),
            },
            "POST /v1/conversations/c/messages/m/recall ",
        ),
        (
            Request::MarkRead {
                conversation: "c".into(),
                seq: Seq(5),
            },
            r#"POST /v1/conversations/c/read {"seq":5}"#,
        ),
        (
            Request::MarkRead {
                conversation: "c".into(),
                seq: big,
            },
            r#"POST /v1/conversations/c/read {"seq":"18446744073709551615"}"#,
        ),
    ];
    for (at, (request, expected)) in requests.into_iter().enumerate() {
        assert_eq!(http.clone().request(request).await, Ok("{}".to_owned()));
        let sent: web_sys::Request = page.js(&format!("page.calls[{at}]")).unchecked_into();
        let body = wasm_bindgen_futures::JsFuture::from(sent.text().unwrap())
            .await
            .unwrap();
        let path = sent.url();
        let path = path
            .strip_prefix(&format!("http://{}/chat", page.0))
            .unwrap();
        assert_eq!(
            format!("{} {path} {}", sent.method(), body.as_string().unwrap()),
            expected
        );
        assert_eq!(
            sent.headers().get("authorization").unwrap().unwrap(),
            "Bearer secret"
        );
        assert_eq!(sent.cache(), web_sys::RequestCache::NoStore);
    }
}

#[wasm_bindgen_test]
async fn an_id_that_no_path_can_hold_is_not_sent() {
    let page = Page::new("() => new Response('{}')");
    for id in ["", ".", ".."] {
        let request = Request::Recall {
            conversation: "c".into(),
            message: id.into(),
        };
        let error = page
            .http(&giving(&["t"]))
            .request(request)
            .await
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::Invalid);
    }
    assert_eq!(page.js("page.calls.length"), 0);
}

#[wasm_bindgen_test]
async fn a_status_becomes_an_error_with_the_servers_message() {
    for (status, code) in [
        (400, ErrorCode::Rejected),
        (403, ErrorCode::Forbidden),
        (404, ErrorCode::NotFound),
        (408, ErrorCode::Network),
        (409, ErrorCode::Rejected),
        (410, ErrorCode::NotFound),
        (422, ErrorCode::Rejected),
        (429, ErrorCode::Network),
        (500, ErrorCode::Network),
        (503, ErrorCode::Network),
    ] {
        let answer = format!(
            "() => new Response('{{\"error\":{{\"code\":\"x\",\"message\":\"why\"}}}}', {{ status: {status} }})"
        );
        let error = asked(&answer).await.unwrap_err();
        assert_eq!(
            error,
            Error {
                code,
                message: "why".into(),
                status: Some(status),
                retry_after: None
            }
        );
    }
    let error = asked("() => new Response('<html>', { status: 502 })")
        .await
        .unwrap_err();
    assert_eq!(error.message, "the server answered with status 502");
}

#[wasm_bindgen_test]
async fn retry_after_is_seconds_or_a_date() {
    let after = async |value: &str| {
        let answer = format!(
            "() => new Response('', {{ status: 503, headers: {{ 'Retry-After': {value} }} }})"
        );
        asked(&answer).await.unwrap_err().retry_after
    };
    assert_eq!(after("'7'").await, Some(7000));
    let ms = after("new Date(Date.now() + 60_000).toUTCString()")
        .await
        .unwrap();
    assert!((58_000..=60_000).contains(&ms), "{ms}");
    assert_eq!(after("new Date(0).toUTCString()").await, Some(0));
    assert_eq!(after("'soon'").await, None);
}

#[wasm_bindgen_test]
async fn no_answer_is_network_whatever_fetch_rejects_with() {
    for thrown in [
        "new TypeError('Failed to fetch')",
        "'a string'",
        "undefined",
        "null",
        "{}",
    ] {
        for function in [
            format!("() => Promise.reject({thrown})"),
            format!("() => {{ throw {thrown} }}"),
        ] {
            assert_eq!(
                asked(&function).await.unwrap_err().code,
                ErrorCode::Network,
                "{function}"
            );
        }
    }
    assert_eq!(
        asked("() => 'no response'").await.unwrap_err().code,
        ErrorCode::Network
    );
    // Breaks off in the middle of the body.
    let broken =
        "() => new Response(new ReadableStream({ pull(c) { c.error(new TypeError('reset')) } }))";
    assert_eq!(asked(broken).await.unwrap_err().code, ErrorCode::Network);
}

#[wasm_bindgen_test]
async fn an_answer_that_is_no_answer_is_protocol() {
    let redirect = asked("() => new Response(null, { status: 304 })")
        .await
        .unwrap_err();
    assert_eq!(
        (redirect.code, redirect.status),
        (ErrorCode::Protocol, Some(304))
    );
    let huge =
        asked("() => new Response('', { headers: { 'Content-Length': '99999999999' } })").await;
    assert_eq!(huge.unwrap_err().code, ErrorCode::Protocol);
    // What it says is the core's to judge.
    assert_eq!(
        asked("() => new Response('<html>')").await,
        Ok("<html>".to_owned())
    );
    assert_eq!(
        asked("() => new Response(null, { status: 204 })").await,
        Ok(String::new())
    );
}

#[wasm_bindgen_test]
async fn a_request_that_takes_too_long_is_given_up() {
    let page = Page::new("() => new Promise(() => {})");
    let http = page.http(&giving(&["t"]));
    let error = http.request(pull(None)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Timeout);
    assert_eq!(
        page.js("page.calls[0].signal.aborted && page.calls[0].signal.reason instanceof Error"),
        true
    );
    // A body that never ends counts as well.
    let error = asked("() => new Response(new ReadableStream({}))")
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::Timeout);
}

#[wasm_bindgen_test]
async fn a_long_polls_wait_is_added_to_the_timeout() {
    let page =
        Page::new("() => new Promise((done) => setTimeout(() => done(new Response('late')), 500))");
    let request = Request::Pull {
        cursor: None,
        limit: 1,
        wait: Some(2000),
    };
    assert_eq!(
        page.http(&giving(&["t"])).request(request).await,
        Ok("late".to_owned())
    );
}

#[wasm_bindgen_test]
async fn a_dropped_request_is_aborted() {
    let page = Page::new("() => new Promise(() => {})");
    let http = page.http(&giving(&["t"]));
    assert!(within(50, http.request(pull(None))).await.is_none());
    assert_eq!(page.js("page.calls[0].signal.aborted"), true);
    assert_eq!(page.js("page.calls[0].signal.reason.name"), "AbortError");
}

#[wasm_bindgen_test]
async fn an_answered_request_is_not_aborted() {
    let page = Page::new("() => new Response('{}')");
    page.http(&giving(&["t"]))
        .request(pull(None))
        .await
        .unwrap();
    assert_eq!(page.js("page.calls[0].signal.aborted"), false);
}

// ---------------------------------------------------------------- the token

/// A server that takes the token "new" only.
const ONLY_NEW: &str = "(request) => request.headers.get('authorization') === 'Bearer new' ? new Response('ok') : new Response('', { status: 401 })";

#[wasm_bindgen_test]
async fn requests_refused_together_ask_for_a_fresh_token_once() {
    let page = Page::new(ONLY_NEW);
    let hooks = giving(&["old", "new"]);
    let http = page.http(&hooks);
    let answers = join_all((0..5).map(|_| http.clone().request(pull(None)))).await;
    assert_eq!(answers, vec![Ok("ok".to_owned()); 5]);
    assert_eq!(number(&hooks, "asked"), 2.0);
    assert_eq!(page.js("page.calls.length"), 10);
}

#[wasm_bindgen_test]
async fn a_second_refusal_is_unauthorized_and_the_next_request_asks_again() {
    let page = Page::new(ONLY_NEW);
    let hooks = giving(&["old", "older", "new"]);
    let http = page.http(&hooks);
    let error = http.clone().request(pull(None)).await.unwrap_err();
    assert_eq!(
        (error.code, error.status),
        (ErrorCode::Unauthorized, Some(401))
    );
    assert_eq!(number(&hooks, "asked"), 2.0);
    assert_eq!(http.request(pull(None)).await, Ok("ok".to_owned()));
}

#[wasm_bindgen_test]
async fn a_forgotten_token_is_asked_for_again() {
    let page = Page::new("() => new Response('{}')");
    let hooks = giving(&["t"]);
    let http = page.http(&hooks);
    for (forget, count) in [(false, 1.0), (false, 1.0), (true, 2.0)] {
        if forget {
            http.forget_token();
        }
        http.clone().request(pull(None)).await.unwrap();
        assert_eq!(number(&hooks, "asked"), count);
    }
}

#[wasm_bindgen_test]
async fn a_provider_without_a_token_tells_why() {
    let page = Page::new("() => new Response('{}')");
    let given = async |body: &str| {
        let hooks: Hooks = js(&format!("({{ token() {{ {body} }} }})")).unchecked_into();
        page.http(&hooks)
            .request(pull(None))
            .await
            .map_err(|error| (error.code, error.message))
    };
    let unauthorized = |message: &str| Err((ErrorCode::Unauthorized, message.to_owned()));
    assert_eq!(
        given("throw new Error('signed out')").await,
        unauthorized("the token provider failed: signed out")
    );
    assert_eq!(
        given("return Promise.reject('signed out')").await,
        unauthorized("the token provider failed: signed out")
    );
    assert_eq!(
        given("return 5").await,
        unauthorized("the token provider gave no string")
    );
    assert_eq!(
        given("return ''").await,
        unauthorized("the token provider gave an empty token")
    );
    assert_eq!(
        given("return 'a\\nb'").await,
        unauthorized("the token has characters that an HTTP header cannot carry")
    );
    assert_eq!(
        given("return Promise.reject({ code: 'offline', message: 'no way' })").await,
        Err((ErrorCode::Offline, "no way".to_owned()))
    );
    assert_eq!(
        given("return Promise.reject(new TypeError('Failed to fetch'))")
            .await
            .unwrap_err()
            .0,
        ErrorCode::Network
    );
    assert_eq!(
        given("return new Promise(() => {})").await.unwrap_err().0,
        ErrorCode::Timeout
    );
    assert_eq!(given("return 'plain'").await, Ok("{}".to_owned()));
}

#[wasm_bindgen_test]
fn only_a_url_of_http_is_a_base() {
    let base = |url: &str| {
        Http::new(url, 1, Scope::Account, giving(&["t"]))
            .map(|_| ())
            .map_err(|error| error.code)
    };
    assert_eq!(base("https://example.test"), Ok(()));
    assert_eq!(base("/chat"), Ok(()));
    for url in [
        "ftp://example.test",
        "https://",
        "https://user:word@example.test",
    ] {
        assert_eq!(base(url), Err(ErrorCode::Invalid), "{url}");
    }
}

// ---------------------------------------------------------------- the app's own transport

fn app(body: &str) -> (Hooks, Rc<App>) {
    let hooks: Hooks = js(&format!("({{ {body} }})")).unchecked_into();
    (hooks.clone(), App::new(hooks))
}

#[wasm_bindgen_test]
async fn the_apps_functions_get_the_contracts_requests() {
    let (_, app) = app(
        "call(method, request, signal) { return Promise.resolve(method + ' ' + request + ' ' + signal.aborted); }",
    );
    let history = |place| Request::History {
        conversation: "c".into(),
        limit: 30,
        cursor: Some("x".into()),
        place,
    };
    let requests = [
        (pull(None), r#"pull {"cursor":null,"limit":10}"#),
        (
            Request::Pull {
                cursor: Some("c".into()),
                limit: 10,
                wait: Some(5),
            },
            r#"pull {"cursor":"c","limit":10,"wait":5}"#,
        ),
        (
            several(None),
            r#"pullConversations {"cursors":{"a/b ?ü":"1","q\"":"=&"},"limit":10}"#,
        ),
        (
            several(Some(&["c"])),
            r#"pullConversations {"cursors":{"a/b ?ü":"1","q\"":"=&"},"limit":10,"only":["c"]}"#,
        ),
        (
            Request::PullMailbox { limit: 10 },
            r#"pullMailbox {"limit":10}"#,
        ),
        (
            acknowledge(&["d1", "q\""], true),
            r#"acknowledge ["d1","q\""]"#,
        ),
        (acknowledge(&[], false), "acknowledge []"),
        (
            changes("c", "s", Some("x"), Seq(u64::MAX)),
            r#"changes {"conversation":"c","since":"s","cursor":"x","from":"1","to":"18446744073709551615","limit":10}"#,
        ),
        (
            changes("c", "s", None, Seq(9)),
            r#"changes {"conversation":"c","since":"s","cursor":null,"from":"1","to":"9","limit":10}"#,
        ),
        (
            Request::Conversations {
                after: None,
                limit: 3,
                cursor: None,
            },
            r#"conversations {"after":null,"limit":3,"cursor":null}"#,
        ),
        (
            history(Place::Latest),
            r#"history {"conversation":"c","limit":30,"cursor":"x"}"#,
        ),
        (
            history(Place::Before(Seq(7))),
            r#"history {"conversation":"c","limit":30,"cursor":"x","before":"7"}"#,
        ),
        (
            history(Place::At(9)),
            r#"history {"conversation":"c","limit":30,"cursor":"x","at":9}"#,
        ),
        (
            Request::Send {
                conversation: "c".into(),
                client_id: "i".into(),
                body: "[1]".into(),
            },
            r#"send {"conversation":"c","clientId":"i","body":[1]}"#,
        ),
        (
            Request::Edit {
                conversation: "c".into(),
                message: "m".into(),
                client_id: "i".into(),
                body: "[1]".into(),
            },
            r#"edit {"conversation":"c","messageId":"m","clientId":"i","body":[1]}"#,
        ),
        (
            Request::Recall {
                conversation: "c".into(),
                message: "m".into(),
            },
            r#"recall {"conversation":"c","messageId":"m"}"#,
        ),
        (
            Request::MarkRead {
                conversation: "c".into(),
                seq: Seq(5),
            },
            r#"markRead {"conversation":"c","seq":"5"}"#,
        ),
    ];
    for (request, expected) in requests {
        assert_eq!(
            app.clone().request(request).await,
            Ok(format!("{expected} false"))
        );
    }
}

#[wasm_bindgen_test]
async fn an_apps_rejection_keeps_its_code_or_is_network() {
    let rejected = async |body: &str| {
        let (_, app) = app(&format!("call() {{ {body} }}"));
        app.request(pull(None)).await
    };
    assert_eq!(
        rejected("return Promise.reject({ code: 'not-found', message: 'gone', status: 410, retryAfter: 50 })").await,
        Err(Error { code: ErrorCode::NotFound, message: "gone".into(), status: Some(410), retry_after: Some(50) })
    );
    assert_eq!(
        rejected("return Promise.reject(new Error('x'))").await,
        Err(Error::new(ErrorCode::Network, "x"))
    );
    assert_eq!(
        rejected("throw undefined").await.unwrap_err().code,
        ErrorCode::Network
    );
    assert_eq!(
        rejected("return Promise.resolve(undefined)").await,
        Ok(String::new())
    );
}

#[wasm_bindgen_test]
async fn a_dropped_call_aborts_the_apps_signal() {
    let (hooks, app) = app(
        "call(method, request, signal) { this.signal = signal; return new Promise(() => {}); }",
    );
    assert!(within(10, app.request(pull(None))).await.is_none());
    let signal: web_sys::AbortSignal = Reflect::get(&hooks, &"signal".into())
        .unwrap()
        .unchecked_into();
    assert!(signal.aborted());
}

/// What a channel has told so far.
#[derive(Clone, Default)]
struct Heard(Rc<RefCell<Vec<Notice>>>);

impl Heard {
    fn listen(&self, transport: Rc<dyn Transport>) -> Listening {
        let heard = self.0.clone();
        transport.listen(Rc::new(move |notice| heard.borrow_mut().push(notice)))
    }

    fn take(&self) -> Vec<Notice> {
        self.0.take()
    }

    async fn next(&self) -> Notice {
        for _ in 0..500 {
            if !self.0.borrow().is_empty() {
                return self.0.borrow_mut().remove(0);
            }
            sleep(10).await;
        }
        panic!("nothing was heard for 5 s");
    }
}

fn sink_of(hooks: &Hooks) -> (JsValue, impl Fn(&str, &[JsValue])) {
    let sink = Reflect::get(hooks, &"sink".into()).unwrap();
    let this = sink.clone();
    (sink, move |method: &str, arguments: &[JsValue]| {
        let method: Function = Reflect::get(&this, &method.into())
            .unwrap()
            .unchecked_into();
        method.apply(&this, &arguments.iter().collect()).unwrap();
    })
}

#[wasm_bindgen_test]
fn an_apps_channel_is_heard_until_it_closes() {
    let (hooks, app) =
        app("listen(sink, signal) { this.sink = sink; this.signal = signal; sink.ready(); }");
    let heard = Heard::default();
    let listening = heard.listen(app);
    let (_sink, call) = sink_of(&hooks);
    call("notify", &[]);
    call("notify", &[50.0.into()]);
    call("notify", &["x".into(), 5.0.into()]);
    call("notify", &[(-1.0).into()]);
    call("closed", &[r#"{"code":"timeout","message":"t"}"#.into()]);
    call("notify", &[]);
    call("push", &["{}".into()]);
    call("closed", &[]);
    assert_eq!(
        heard.take(),
        [
            Notice::Ready,
            notify(0),
            notify(50),
            notify(0),
            notify(0),
            Notice::Closed(Some(Error::new(ErrorCode::Timeout, "t"))),
        ]
    );
    drop(listening);
    assert_eq!(
        Reflect::get(
            &Reflect::get(&hooks, &"signal".into()).unwrap(),
            &"aborted".into()
        )
        .unwrap(),
        true
    );
}

#[wasm_bindgen_test]
fn an_apps_notification_names_its_conversations_or_none() {
    let (hooks, app) = app("listen(sink) { this.sink = sink; }");
    let heard = Heard::default();
    let _listening = heard.listen(app);
    let (_sink, call) = sink_of(&hooks);
    for conversations in ["['c1', 'c\"']", "[]", "'c1'", "[5]", "['c1', null]", "{}"] {
        call("notify", &[7.0.into(), js(&format!("({conversations})"))]);
    }
    let named = Notice::Notify {
        spread: 7,
        conversations: owned(&["c1", "c\""]),
    };
    assert_eq!(
        heard.take(),
        [named, notify(7), notify(7), notify(7), notify(7), notify(7)]
    );
}

#[wasm_bindgen_test]
fn an_apps_push_is_passed_on_or_counts_as_a_notification() {
    let (hooks, app) = app("listen(sink) { this.sink = sink; }");
    let heard = Heard::default();
    let _listening = heard.listen(app);
    let (_sink, call) = sink_of(&hooks);
    let batch = r#"{"prev":"a","cursor":"b","events":[{"type":"later","ü":"\ud83d\ude00"}]}"#;
    call("push", &[batch.into()]);
    call("push", &[JsValue::UNDEFINED]);
    call("push", &[js("({ events: [] })")]);
    call("push", &[js("'\"' + ' '.repeat(2 << 20) + '\"'")]);
    assert_eq!(
        heard.take(),
        [
            Notice::Push(batch.to_owned()),
            notify(0),
            notify(0),
            notify(0)
        ]
    );
}

#[wasm_bindgen_test]
fn a_dropped_channel_of_the_app_is_not_heard() {
    let (hooks, app) =
        app("listen(sink, signal) { this.sink = sink; signal.onabort = () => sink.closed(); }");
    let heard = Heard::default();
    drop(heard.listen(app));
    let (_sink, call) = sink_of(&hooks);
    call("notify", &[]);
    assert_eq!(heard.take(), []);
}

#[wasm_bindgen_test]
fn an_app_that_cannot_listen_closes() {
    let (_, app) = app("listen() { throw new Error('no') }");
    let heard = Heard::default();
    let _listening = heard.listen(app);
    assert_eq!(
        heard.take(),
        [Notice::Closed(Some(Error::new(ErrorCode::Network, "no")))]
    );
}

// ---------------------------------------------------------------- WebSocket: a server that misbehaves

/// A server whose WebSocket's side is a function of (socket, frame), called with `null` when the
/// client connects. `socket.say(text)` and `socket.end(code)` are for it, `page.said` is what it got.
fn socket_page(server: &str) -> Page {
    let page = Page::new("() => new Response('{}')");
    page.js(&format!(
        r#"{{
            page.said = [];
            page.sockets = [];
            const server = {server};
            page.WebSocket = class extends EventTarget {{
                readyState = 0;
                constructor(url) {{
                    super();
                    this.url = url;
                    page.sockets.push(this);
                    setTimeout(() => server(this, null), 0);
                }}
                open() {{ this.readyState = 1; this.dispatchEvent(new Event("open")); }}
                send(text) {{
                    if (this.readyState !== 1) return;
                    page.said.push(text);
                    setTimeout(() => server(this, JSON.parse(text)), 0);
                }}
                say(data) {{ if (this.readyState === 1) this.dispatchEvent(new MessageEvent("message", {{ data }})); }}
                end(code) {{ this.readyState = 3; this.dispatchEvent(new CloseEvent("close", {{ code }})); }}
                close() {{ this.readyState = 3; }}
            }};
        }}"#
    ));
    page
}

/// Takes the token "new" only, and then says `frames`.
fn signing_in(frames: &str) -> Page {
    socket_page(&format!(
        r#"(socket, frame) => {{
            if (frame === null) return socket.open();
            if (frame.type !== "auth") return;
            if (frame.token !== "new") return socket.end(4401);
            socket.say('{{"type":"ready"}}');
            {frames}
        }}"#
    ))
}

const fn notify(spread: u32) -> Notice {
    Notice::Notify {
        spread,
        conversations: Vec::new(),
    }
}

fn code(notice: &Notice) -> ErrorCode {
    match notice {
        Notice::Closed(Some(error)) => error.code,
        other => panic!("{other:?} is not Closed with a reason"),
    }
}

#[wasm_bindgen_test]
async fn the_first_frame_signs_in_where_base_url_says() {
    let page = signing_in("");
    let heard = Heard::default();
    let _listening = heard.listen(page.http(&giving(&["new"])));
    assert_eq!(heard.next().await, Notice::Ready);
    assert_eq!(
        page.js("page.sockets[0].url"),
        format!("ws://{}/chat/v1/notify", page.0).as_str()
    );
}

#[wasm_bindgen_test]
async fn the_first_frame_says_the_scope() {
    for scope in [Scope::Account, Scope::Conversation, Scope::Mailbox] {
        let page = signing_in("");
        let heard = Heard::default();
        let _listening = heard.listen(page.of_scope(scope, &giving(&["new"])));
        assert_eq!(heard.next().await, Notice::Ready);
        let name = scope.name();
        assert_eq!(
            page.js("page.said[0]"),
            format!(r#"{{"type":"auth","token":"new","scope":"{name}"}}"#).as_str()
        );
    }
}

#[wasm_bindgen_test]
async fn what_cannot_be_read_counts_as_a_notification_and_what_is_unknown_does_not() {
    let page = signing_in(
        r#"for (const frame of [
            '{"type":"notify","spread":40,"conversations":"c"}', '{"type":"notify","conversations":["c",5]}', '{"type":"notify","spread":-5}', '{"type":"notify","spread":1e30}',
            '{"type":"notify","spread":null,"more":{}}', '{"type":"notify","spread":"x"}', '{"type":5}', 'nonsense', '', '[]',
            '{"type":"later"}', '{"type":"pong"}', '{"type":"ready"}', '{"type":"push","events":[]}'.padEnd(2 << 20),
            '{"type":"later' + ' '.repeat(2 << 20) + '"}', new ArrayBuffer(3),
        ]) socket.say(frame);
        socket.end(1001);"#,
    );
    let hooks = giving(&["new"]);
    let heard = Heard::default();
    let _listening = heard.listen(page.http(&hooks));
    assert_eq!(heard.next().await, Notice::Ready);
    for spread in [40, 0, 0, u32::MAX, 0, 0, 0, 0, 0, 0, 0, 0, 0] {
        assert_eq!(heard.next().await, notify(spread));
    }
    assert_eq!(code(&heard.next().await), ErrorCode::Network);
    assert_eq!(
        js_sys::JSON::stringify(&Reflect::get(&hooks, &"logged".into()).unwrap()).unwrap(),
        "[\"ignored a notification of unknown type\"]"
    );
}

#[wasm_bindgen_test]
async fn a_notification_names_its_conversations_and_a_push_is_passed_on_as_it_came() {
    let push = r#"{"type":"push","prev":"a","cursor":"b","events":[{"type":"trim","conversation":"c","before":5}]}"#;
    let deliveries = r#"{"events":[{"delivery":"d1","type":"later"}], "type": "push"}"#;
    let page = signing_in(&format!(
        r#"socket.say('{{"type":"notify","spread":9,"conversations":["c1","c2"]}}'); socket.say('{push}'); socket.say('{deliveries}');"#
    ));
    let heard = Heard::default();
    let _listening = heard.listen(page.http(&giving(&["new"])));
    assert_eq!(heard.next().await, Notice::Ready);
    assert_eq!(
        heard.next().await,
        Notice::Notify {
            spread: 9,
            conversations: owned(&["c1", "c2"])
        }
    );
    assert_eq!(heard.next().await, Notice::Push(push.to_owned()));
    assert_eq!(heard.next().await, Notice::Push(deliveries.to_owned()));
}

#[wasm_bindgen_test]
async fn what_was_pushed_is_acknowledged_over_a_channel_that_is_ready_and_else_by_request() {
    let page = socket_page(
        r#"(socket, frame) => {
            if (frame === null) return socket.open();
            if (frame.type === "auth") page.ready = () => socket.say('{"type":"ready"}');
        }"#,
    );
    let http = page.of_scope(Scope::Mailbox, &giving(&["new"]));
    let ask = async |request: Request| http.clone().request(request).await.unwrap();
    let requests = || page.js("page.calls.length").as_f64().unwrap();
    let heard = Heard::default();
    let listening = heard.listen(http.clone());
    for _ in 0..100 {
        if page.js("page.said.length") == 1 {
            break;
        }
        sleep(10).await;
    }
    assert_eq!(ask(acknowledge(&["early"], true)).await, "{}");
    assert_eq!(requests(), 1.0, "the server has not said that it is ready");

    page.js("page.ready()");
    assert_eq!(heard.next().await, Notice::Ready);
    assert_eq!(ask(acknowledge(&["d1", "q\""], true)).await, "");
    assert_eq!(
        page.js("page.said.slice(1).join()"),
        r#"{"type":"ack","deliveries":["d1","q\""]}"#
    );
    assert_eq!(requests(), 1.0);
    assert_eq!(ask(acknowledge(&["pulled"], false)).await, "{}");
    let many = vec!["0123456789abcdef"; 5_000];
    assert_eq!(ask(acknowledge(&many, true)).await, "{}");
    assert_eq!(requests(), 3.0, "a frame of that size a server may refuse");

    // Told by nobody yet: the browser's state counts.
    page.js("page.sockets[0].readyState = 2");
    assert_eq!(ask(acknowledge(&["closing"], true)).await, "{}");
    page.js("page.sockets[0].readyState = 1");
    page.js("page.sockets[0].send = () => { throw new Error('no') }");
    assert_eq!(ask(acknowledge(&["broken"], true)).await, "{}");
    drop(listening);
    sleep(50).await;
    assert_eq!(ask(acknowledge(&["late"], true)).await, "{}");
    assert_eq!(requests(), 6.0);
    assert_eq!(page.js("page.said.length"), 2);
}

#[wasm_bindgen_test]
async fn a_ping_is_answered_also_before_ready() {
    let page = socket_page(
        r#"(socket, frame) => {
            if (frame === null) return socket.open();
            if (frame.type === "auth") return socket.say('{"type":"ping"}');
            if (page.said.length === 2) socket.say('{"type":"ready"}');
            if (page.said.length < 4) socket.say('{"type":"ping"}');
            else socket.end(1000);
        }"#,
    );
    let heard = Heard::default();
    let _listening = heard.listen(page.http(&giving(&["new"])));
    assert_eq!(heard.next().await, Notice::Ready);
    assert_eq!(code(&heard.next().await), ErrorCode::Network);
    assert_eq!(
        page.js("page.said.slice(1).join()"),
        r#"{"type":"pong"},{"type":"pong"},{"type":"pong"}"#
    );
}

#[wasm_bindgen_test]
async fn a_refused_channel_asks_for_a_fresh_token_once() {
    let page = signing_in("");
    let hooks = giving(&["old", "new"]);
    let heard = Heard::default();
    let _listening = heard.listen(page.http(&hooks));
    assert_eq!(heard.next().await, Notice::Ready);
    assert_eq!(number(&hooks, "asked"), 2.0);

    let hooks = giving(&["old", "older", "new"]);
    let heard = Heard::default();
    let _listening = heard.listen(page.http(&hooks));
    assert_eq!(code(&heard.next().await), ErrorCode::Unauthorized);
    assert_eq!(number(&hooks, "asked"), 2.0);
}

#[wasm_bindgen_test]
async fn a_token_that_runs_out_closes_the_channel_and_the_next_asks_for_another() {
    let page = signing_in("if (page.sockets.length === 1) socket.end(4401);");
    let hooks = giving(&["new"]);
    let http = page.http(&hooks);
    let heard = Heard::default();
    let listening = heard.listen(http.clone());
    assert_eq!(heard.next().await, Notice::Ready);
    assert_eq!(code(&heard.next().await), ErrorCode::Network);
    drop(listening);
    let _listening = heard.listen(http);
    assert_eq!(heard.next().await, Notice::Ready);
    assert_eq!(number(&hooks, "asked"), 2.0);
}

#[wasm_bindgen_test]
async fn a_dropped_channel_closes_its_socket_and_is_not_heard() {
    let page = signing_in("setTimeout(() => socket.say('{\"type\":\"notify\"}'), 200);");
    let heard = Heard::default();
    let listening = heard.listen(page.http(&giving(&["new"])));
    assert_eq!(heard.next().await, Notice::Ready);
    drop(listening);
    sleep(300).await;
    assert_eq!(page.js("page.sockets[0].readyState"), 3);
    assert_eq!(heard.take(), []);
}

#[wasm_bindgen_test]
async fn a_channel_that_cannot_connect_closes() {
    let page = socket_page(
        "(socket) => { socket.readyState = 3; socket.dispatchEvent(new Event('error')); socket.end(1006); }",
    );
    let heard = Heard::default();
    let _listening = heard.listen(page.http(&giving(&["new"])));
    assert_eq!(code(&heard.next().await), ErrorCode::Network);
}

#[wasm_bindgen_test]
async fn a_channel_that_never_connects_or_is_never_ready_is_given_up() {
    let given_up = async |server: &str| {
        let page = socket_page(server);
        let heard = Heard::default();
        let _listening = heard.listen(page.http(&giving(&["new"])));
        sleep(9_000).await;
        assert_eq!(heard.take(), []);
        sleep(1_500).await;
        assert_eq!(code(&heard.next().await), ErrorCode::Network);
        assert_eq!(page.js("page.sockets[0].readyState"), 3);
    };
    join(
        given_up("() => {}"),
        given_up("(socket, frame) => { if (frame === null) socket.open(); }"),
    )
    .await;
}

/// Takes 47 s: what a silent connection takes to be found out.
#[wasm_bindgen_test]
async fn a_silent_channel_is_pinged_and_then_given_up() {
    let heard_after = async |page: &Page, ms: u64| {
        let heard = Heard::default();
        let _listening = heard.listen(page.http(&giving(&["new"])));
        assert_eq!(heard.next().await, Notice::Ready);
        sleep(ms).await;
        heard.take()
    };
    let pinged = |page: &Page| {
        page.js("page.said.filter((text) => text === '{\"type\":\"ping\"}').length")
            .as_f64()
    };
    let dead = signing_in("");
    let alive = socket_page(
        r#"(socket, frame) => {
            if (frame === null) return socket.open();
            socket.say(frame.type === "auth" ? '{"type":"ready"}' : '{"type":"pong"}');
        }"#,
    );
    let (told_by_dead, told_by_alive) =
        join(heard_after(&dead, 46_500), heard_after(&alive, 46_500)).await;
    assert_eq!(
        told_by_dead.iter().map(code).collect::<Vec<_>>(),
        [ErrorCode::Network]
    );
    assert_eq!(dead.js("page.sockets[0].readyState"), 3);
    assert_eq!(pinged(&dead), Some(1.0));
    assert_eq!(told_by_alive, []);
    assert_eq!(pinged(&alive), Some(1.0));
}

// ---------------------------------------------------------------- the reference server

fn server() -> &'static str {
    match option_env!("PULLCORD_TEST_SERVER") {
        Some(url) => url,
        None => panic!(
            "set PULLCORD_TEST_SERVER to the URL of `pullcord-server --demo --allow-trouble`"
        ),
    }
}

/// A call beside the protocol; its answer.
async fn demo(call: &str, token: Option<&str>, body: &str) -> JsValue {
    let authorization = token
        .map(|token| format!("authorization: 'Bearer {token}',"))
        .unwrap_or_default();
    let promise = js(&format!(
        r#"fetch("{}/demo/{call}", {{ method: "POST", headers: {{ "content-type": "application/json", {authorization} }}, body: JSON.stringify({body}) }})
            .then(async (answer) => {{ if (!answer.ok) throw await answer.text(); return answer.status === 204 ? null : answer.json(); }})"#,
        server()
    ));
    let promise: js_sys::Promise = promise.unchecked_into();
    wasm_bindgen_futures::JsFuture::from(promise)
        .await
        .unwrap_or_else(|thrown| panic!("{call}: {thrown:?}"))
}

/// An account with a conversation, of one test alone.
struct Account {
    token: String,
    conversation: String,
}

impl Account {
    async fn new() -> Account {
        let name = format!(
            "net-{}",
            js("crypto.randomUUID().slice(0, 18)").as_string().unwrap()
        );
        let signed_in = demo("sign-in", None, &format!("{{ name: '{name}' }}")).await;
        let token = Reflect::get(&signed_in, &"token".into())
            .unwrap()
            .as_string()
            .unwrap();
        demo(
            "create",
            None,
            &format!("{{ id: 'c/{name}', members: ['{name}'] }}"),
        )
        .await;
        Account {
            token,
            conversation: format!("c/{name}"),
        }
    }

    fn hooks(&self) -> Hooks {
        giving(&[&self.token])
    }

    async fn trouble(&self, trouble: &str) {
        demo("trouble", Some(&self.token), trouble).await;
    }

    fn send(&self, client_id: &str, text: &str) -> Request {
        Request::Send {
            conversation: self.conversation.clone(),
            client_id: client_id.into(),
            body: format!(r#"{{"text":"{text}"}}"#),
        }
    }

    fn history(&self, place: Place) -> Request {
        Request::History {
            conversation: self.conversation.clone(),
            limit: 10,
            cursor: None,
            place,
        }
    }
}

fn server_of_scope(scope: Scope, timeout: u64, hooks: &Hooks) -> Rc<Http> {
    Http::new(server(), timeout, scope, hooks.clone()).unwrap()
}

fn to_server(timeout: u64, hooks: &Hooks) -> Rc<Http> {
    server_of_scope(Scope::Account, timeout, hooks)
}

async fn answer(http: &Rc<Http>, request: Request) -> serde_json::Value {
    let text = http
        .clone()
        .request(request.clone())
        .await
        .unwrap_or_else(|error| panic!("{request:?}: {error}"));
    serde_json::from_str(&text).unwrap()
}

#[wasm_bindgen_test]
async fn the_server_answers_every_request() {
    let account = Account::new().await;
    let http = &to_server(5_000, &account.hooks());

    let first = answer(http, account.send("a", "one")).await;
    let message = first["message"].clone();
    assert_eq!(message["body"]["text"], "one");
    assert_eq!(message["clientId"], "a");
    assert_eq!(
        answer(http, account.send("a", "one")).await,
        first,
        "a clientId is delivered once"
    );
    answer(http, account.send("b", "two")).await;

    for place in [
        Place::Latest,
        Place::Around(Seq(1)),
        Place::At(0),
        Place::Before(Seq(u64::MAX)),
        Place::After(Seq(0)),
    ] {
        let page = answer(http, account.history(place)).await;
        let texts: Vec<_> = page["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| &message["body"]["text"])
            .collect();
        assert_eq!(texts, ["one", "two"], "{place:?}");
    }

    let list = answer(
        http,
        Request::Conversations {
            after: None,
            limit: 50,
            cursor: None,
        },
    )
    .await;
    let ids: Vec<_> = list["conversations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|conversation| &conversation["id"])
        .collect();
    assert!(
        ids.contains(&&serde_json::Value::from(account.conversation.as_str())),
        "{ids:?}"
    );

    let signed_in = answer(http, pull(None)).await;
    assert_eq!(signed_in["overflow"], "all");
    let cursor = signed_in["cursor"].as_str().unwrap();

    let of = message["id"].as_str().unwrap();
    let conversation = account.conversation.clone();
    let edit = Request::Edit {
        conversation,
        message: of.into(),
        client_id: "e".into(),
        body: "[2]".into(),
    };
    assert_eq!(answer(http, edit).await["message"]["state"], "edited");
    let recall = Request::Recall {
        conversation: account.conversation.clone(),
        message: of.into(),
    };
    assert_eq!(answer(http, recall).await["message"]["state"], "recalled");
    let seq = Seq(first["message"]["seq"].as_u64().unwrap());
    let read = Request::MarkRead {
        conversation: account.conversation.clone(),
        seq,
    };
    assert_eq!(http.clone().request(read).await, Ok(String::new()));

    let batch = answer(http, pull(Some(cursor))).await;
    let events: Vec<_> = batch["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert!(events.contains(&"update"), "{events:?}");
}

fn texts(events: &serde_json::Value) -> Vec<&str> {
    events
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|event| event["message"]["body"]["text"].as_str())
        .collect()
}

#[wasm_bindgen_test]
async fn the_server_answers_for_several_conversations() {
    let account = Account::new().await;
    let http = &to_server(5_000, &account.hooks());
    let id = account.conversation.as_str();
    let pull = |cursors: &[(&str, &str)], only: Option<&[&str]>| Request::PullConversations {
        cursors: cursors
            .iter()
            .map(|(id, cursor)| (String::from(*id), String::from(*cursor)))
            .collect(),
        limit: 10,
        only: only.map(owned),
    };
    let first = answer(http, pull(&[], None)).await;
    let first = &first["conversations"][id];
    assert!(!first["overflow"].is_null(), "{first}");
    let cursor = first["cursor"].as_str().unwrap();
    answer(http, account.send("a", "one")).await;
    let next = answer(http, pull(&[(id, cursor)], Some(&[id, "nowhere"]))).await;
    assert_eq!(texts(&next["conversations"][id]["events"]), ["one"]);
    assert_eq!(
        next["conversations"]["nowhere"]["error"]["code"],
        "forbidden"
    );
}

#[wasm_bindgen_test]
async fn the_server_says_what_has_changed_in_a_range() {
    let account = Account::new().await;
    let http = &to_server(5_000, &account.hooks());
    let id = account.conversation.as_str();
    let first = answer(http, account.send("a", "one")).await;
    answer(http, account.send("b", "two")).await;
    let since = answer(http, pull(None)).await["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    answer(
        http,
        Request::Edit {
            conversation: id.into(),
            message: first["message"]["id"].as_str().unwrap().into(),
            client_id: "e".into(),
            body: r#"{"text":"ONE"}"#.into(),
        },
    )
    .await;
    let changed = answer(http, changes(id, &since, Some(&since), Seq(u64::MAX))).await;
    let messages = changed["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["body"]["text"], "ONE");
    assert_eq!(changed["hasMore"], false);
    let gone = http
        .clone()
        .request(changes(id, "junk", None, Seq(9)))
        .await
        .unwrap_err();
    assert_eq!((gone.code, gone.status), (ErrorCode::NotFound, Some(410)));
}

/// Acknowledges all that is in an answer or a push, and nothing answers that.
async fn acknowledge_all(http: &Rc<Http>, of: &serde_json::Value, pushed: bool) {
    let deliveries = of["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["delivery"].as_str().unwrap().to_owned())
        .collect();
    let request = Request::Acknowledge { deliveries, pushed };
    assert_eq!(http.clone().request(request).await, Ok(String::new()));
}

#[wasm_bindgen_test]
async fn the_server_keeps_a_mailbox_until_it_is_acknowledged() {
    let account = Account::new().await;
    let http = &to_server(5_000, &account.hooks());
    let mailbox = Request::PullMailbox { limit: 10 };
    let first = answer(http, mailbox.clone()).await;
    assert_eq!(first["overflow"], "all");
    acknowledge_all(http, &first, false).await;
    answer(http, account.send("a", "one")).await;
    let pulled = answer(http, mailbox.clone()).await;
    assert_eq!(texts(&pulled["events"]), ["one"]);
    assert_eq!(answer(http, mailbox.clone()).await, pulled);
    acknowledge_all(http, &pulled, false).await;
    assert_eq!(answer(http, mailbox).await["events"], json!([]));
}

#[wasm_bindgen_test]
async fn what_the_server_pushed_is_acknowledged_over_the_same_socket() {
    let account = Account::new().await;
    let http = &to_server(5_000, &account.hooks());
    let mailbox = Request::PullMailbox { limit: 10 };
    acknowledge_all(http, &answer(http, mailbox.clone()).await, false).await;
    // Once it has the socket, no request of it gets through.
    let listener = &server_of_scope(Scope::Mailbox, 5_000, &giving(&[&account.token, "old"]));
    let heard = Heard::default();
    let _listening = heard.listen(listener.clone());
    assert_eq!(heard.next().await, Notice::Ready);
    listener.forget_token();
    let refused = listener.clone().request(mailbox.clone()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Unauthorized);

    answer(http, account.send("a", "one")).await;
    let mut delivered = String::new();
    for _ in 0..100 {
        // The message, and then the conversation that it has changed, perhaps by itself.
        for notice in heard.take() {
            if let Notice::Push(text) = notice {
                let push = serde_json::from_str(&text).unwrap();
                acknowledge_all(listener, &push, true).await;
                delivered.push_str(&text);
            }
        }
        sleep(20).await;
        let empty = answer(http, mailbox.clone()).await["events"] == json!([]);
        if empty && delivered.contains("one") {
            return;
        }
    }
    panic!("still in the mailbox; pushed was: {delivered}");
}

#[wasm_bindgen_test]
async fn the_servers_push_follows_the_cursor() {
    let account = Account::new().await;
    demo("push", Some(&account.token), "{ inline: true }").await;
    let http = &to_server(5_000, &account.hooks());
    let heard = Heard::default();
    let _listening = heard.listen(http.clone());
    assert_eq!(heard.next().await, Notice::Ready);
    let cursor = answer(http, pull(None)).await["cursor"].clone();
    answer(http, account.send("a", "one")).await;
    let Notice::Push(text) = heard.next().await else {
        panic!("no push")
    };
    let push: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(push["prev"], cursor);
    assert_eq!(texts(&push["events"]), ["one"]);
}

#[wasm_bindgen_test]
async fn a_long_poll_is_answered_when_something_comes() {
    let account = Account::new().await;
    let http = &to_server(1_000, &account.hooks());
    let cursor = answer(http, pull(None)).await["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let waiting = answer(
        http,
        Request::Pull {
            cursor: Some(cursor),
            limit: 10,
            wait: Some(10_000),
        },
    );
    let sending = async {
        // Longer than the timeout, to which the wait is added.
        sleep(1_300).await;
        answer(http, account.send("a", "one")).await
    };
    let (batch, _) = join(waiting, sending).await;
    assert_eq!(batch["events"][0]["message"]["body"]["text"], "one");
}

#[wasm_bindgen_test]
async fn the_server_refuses_with_a_code() {
    let account = Account::new().await;
    let http = to_server(5_000, &account.hooks());
    let refused = async |request: Request| {
        let error = http.clone().request(request).await.unwrap_err();
        assert!(!error.message.is_empty());
        (error.code, error.status)
    };
    http.clone()
        .request(account.send("a", "one"))
        .await
        .unwrap();
    assert_eq!(
        refused(account.send("a", "another")).await,
        (ErrorCode::Rejected, Some(409))
    );
    let elsewhere = Request::MarkRead {
        conversation: "nowhere".into(),
        seq: Seq(1),
    };
    assert_eq!(refused(elsewhere).await, (ErrorCode::Forbidden, Some(403)));
    let nothing = Request::Recall {
        conversation: account.conversation.clone(),
        message: "none".into(),
    };
    assert_eq!(refused(nothing).await, (ErrorCode::NotFound, Some(404)));
}

#[wasm_bindgen_test]
async fn the_servers_401_asks_for_a_fresh_token() {
    let account = Account::new().await;
    let hooks = giving(&["old", &account.token]);
    answer(&to_server(5_000, &hooks), pull(None)).await;
    assert_eq!(number(&hooks, "asked"), 2.0);

    let error = to_server(5_000, &giving(&["old", "older"]))
        .request(pull(None))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code, error.status),
        (ErrorCode::Unauthorized, Some(401))
    );
}

#[wasm_bindgen_test]
async fn the_servers_retry_after_is_told() {
    let account = Account::new().await;
    account.trouble("{ errorRate: 1 }").await;
    let http = to_server(5_000, &account.hooks());
    let mut told = false;
    // One error in four has it.
    for _ in 0..100 {
        let error = http.clone().request(pull(None)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Network);
        assert!(matches!(error.status, Some(500 | 503)), "{error:?}");
        if let Some(wait) = error.retry_after {
            assert_eq!(wait, 1_000);
            told = true;
            break;
        }
    }
    assert!(told);
}

#[wasm_bindgen_test]
async fn a_slow_server_is_given_up_or_aborted() {
    let account = Account::new().await;
    account.trouble("{ delayMs: 1500 }").await;
    let error = to_server(300, &account.hooks())
        .request(pull(None))
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::Timeout);
    let patient = to_server(5_000, &account.hooks());
    assert!(
        within(300, patient.clone().request(pull(None)))
            .await
            .is_none()
    );
    answer(&patient, pull(None)).await;
}

#[wasm_bindgen_test]
async fn a_server_that_is_not_there_is_network() {
    // The discard port: browsers refuse it, and nobody listens.
    let nobody = Http::new("http://127.0.0.1:9", 5_000, Scope::Account, giving(&["t"])).unwrap();
    assert_eq!(
        nobody.clone().request(pull(None)).await.unwrap_err().code,
        ErrorCode::Network
    );
    let heard = Heard::default();
    let _listening = heard.listen(nobody);
    assert_eq!(code(&heard.next().await), ErrorCode::Network);
}

#[wasm_bindgen_test]
async fn the_server_notifies() {
    let account = Account::new().await;
    let http = to_server(5_000, &account.hooks());
    let heard = Heard::default();
    let listening = heard.listen(http.clone());
    assert_eq!(heard.next().await, Notice::Ready);
    answer(&http, account.send("a", "one")).await;
    assert!(matches!(heard.next().await, Notice::Notify { .. }));
    drop(listening);
    sleep(300).await;
    heard.take();
    answer(&http, account.send("b", "two")).await;
    sleep(500).await;
    assert_eq!(heard.take(), []);
}

#[wasm_bindgen_test]
async fn the_servers_4401_asks_for_a_fresh_token() {
    let account = Account::new().await;
    let hooks = giving(&["old", &account.token]);
    let heard = Heard::default();
    let _listening = heard.listen(to_server(5_000, &hooks));
    assert_eq!(heard.next().await, Notice::Ready);
    assert_eq!(number(&hooks, "asked"), 2.0);

    let heard = Heard::default();
    let _refused = heard.listen(to_server(5_000, &giving(&["old", "older"])));
    assert_eq!(code(&heard.next().await), ErrorCode::Unauthorized);
}
