//! The app's own transport.

use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use js_sys::{Function, Reflect};
use pullcord::core::net::{Error, ErrorCode, Notice, Place, Request};
use pullcord::core::types::Seq;
use pullcord::net::app::App;
use pullcord::net::time::{sleep, within};
use pullcord::net::{Hooks, Listening, Transport};

use crate::page::{
    acknowledge, changes, edit, history, list, mark_read, owned, pull, recall, send, several,
    waiting_pull,
};
use crate::socket::notify;
use crate::support::js;

fn app(body: &str) -> (Hooks, Rc<App>) {
    let hooks: Hooks = js(&format!("({{ {body} }})")).unchecked_into();
    (hooks.clone(), App::new(hooks))
}

/// The app's function gets these requests so, each with a signal that has not fired.
async fn gets<const N: usize>(requests: [(Request, &str); N]) {
    let (_, app) = app(
        "call(method, request, signal) { return Promise.resolve(method + ' ' + JSON.stringify(request) + ' ' + signal.aborted); }",
    );
    for (request, expected) in requests {
        assert_eq!(
            app.clone().request(request).await,
            Ok(format!("{expected} false"))
        );
    }
}

#[wasm_bindgen_test]
async fn the_apps_functions_get_the_contracts_pulls() {
    gets([
        (pull(None), r#"pull {"cursor":null,"limit":10}"#),
        (
            waiting_pull("c"),
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
    ])
    .await;
}

#[wasm_bindgen_test]
async fn the_apps_functions_get_the_contracts_requests_for_history() {
    gets([
        (
            changes("c", "s", Some("x"), Seq(u64::MAX)),
            r#"changes {"conversation":"c","since":"s","cursor":"x","from":"1","to":"18446744073709551615","limit":10}"#,
        ),
        (
            changes("c", "s", None, Seq(9)),
            r#"changes {"conversation":"c","since":"s","cursor":null,"from":"1","to":"9","limit":10}"#,
        ),
        (
            list(None, None),
            r#"conversations {"after":null,"limit":3,"cursor":null}"#,
        ),
        (
            history("c", "x", Place::Latest),
            r#"history {"conversation":"c","limit":30,"cursor":"x"}"#,
        ),
        (
            history("c", "x", Place::Before(Seq(7))),
            r#"history {"conversation":"c","limit":30,"cursor":"x","before":"7"}"#,
        ),
        (
            history("c", "x", Place::At(9)),
            r#"history {"conversation":"c","limit":30,"cursor":"x","at":9}"#,
        ),
    ])
    .await;
}

#[wasm_bindgen_test]
async fn the_apps_functions_get_the_contracts_changes_to_the_server() {
    gets([
        (
            send("i", "[1]"),
            r#"send {"conversation":"c","clientId":"i","body":[1]}"#,
        ),
        (
            edit("i", "[1]"),
            r#"edit {"conversation":"c","messageId":"m","clientId":"i","body":[1]}"#,
        ),
        (recall(), r#"recall {"conversation":"c","messageId":"m"}"#),
        (
            mark_read(Seq(5)),
            r#"markRead {"conversation":"c","seq":"5"}"#,
        ),
    ])
    .await;
}

#[wasm_bindgen_test]
async fn an_apps_rejection_keeps_its_code_or_is_network() {
    let rejected = async |body: &str| {
        let (_, app) = app(&format!("call() {{ {body} }}"));
        app.request(pull(None)).await
    };
    assert_eq!(
        rejected("return Promise.reject({ code: 'not-found', message: 'gone', status: 410, retryAfter: 50 })").await,
        Err(Error { status: Some(410), retry_after: Some(50), ..Error::new(ErrorCode::NotFound, "gone") })
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
pub(crate) struct Heard(pub Rc<RefCell<Vec<Notice>>>);

impl Heard {
    pub fn listen(&self, transport: Rc<dyn Transport>) -> Listening {
        let heard = self.0.clone();
        transport.listen(Rc::new(move |notice| heard.borrow_mut().push(notice)))
    }

    pub fn take(&self) -> Vec<Notice> {
        self.0.take()
    }

    pub async fn next(&self) -> Notice {
        for _ in 0..3_000 {
            if !self.0.borrow().is_empty() {
                return self.0.borrow_mut().remove(0);
            }
            sleep(10).await;
        }
        panic!("nothing was heard for 30 s");
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
    let aborted = js("(hooks) => hooks.signal.aborted").unchecked_into::<Function>();
    let aborted = || aborted.call1(&JsValue::NULL, &hooks).unwrap();
    assert_eq!(aborted(), true, "at once, and not at the next listen");
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
