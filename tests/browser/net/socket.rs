//! WebSocket: a server that misbehaves.

use futures_util::future::join;
use js_sys::Reflect;
use pullcord::core::net::{ErrorCode, Notice, Request};
use pullcord::core::options::Scope;
use pullcord::net::Transport;
use pullcord::net::time::sleep;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::app::Heard;
use crate::page::{Page, acknowledge, giving, number, owned};

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

pub(crate) const fn notify(spread: u32) -> Notice {
    Notice::Notify {
        spread,
        conversations: Vec::new(),
    }
}

pub(crate) fn code(notice: &Notice) -> ErrorCode {
    match notice {
        Notice::Closed(Some(error)) | Notice::Leaving(error) => error.code,
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
    assert_eq!(heard.next().await, notify(40));
    let digits = Notice::Notify {
        spread: 0,
        conversations: owned(&["c", "5"]),
    };
    assert_eq!(heard.next().await, digits, "a number is its digits");
    for spread in [0, u32::MAX, 0, 0, 0, 0, 0, 0, 0, 0, 0] {
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
    for _ in 0..3_000 {
        if page.js("page.ready !== undefined") == true {
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
async fn a_server_that_closes_the_channels_of_all_says_so() {
    for code in [1001, 1012, 1013] {
        for page in [
            signing_in(&format!("socket.end({code});")),
            socket_page(&format!(
                "(socket, frame) => frame === null ? socket.open() : socket.end({code})"
            )),
        ] {
            let heard = Heard::default();
            let _listening = heard.listen(page.http(&giving(&["new"])));
            let mut last = heard.next().await;
            if last == Notice::Ready {
                last = heard.next().await;
            }
            assert!(matches!(last, Notice::Leaving(_)), "{code}: {last:?}");
        }
    }
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
    // A timer of a machine that is busy is late, and what it has to start is later.
    let heard_after = async |page: &Page, ms: u64, least: usize| {
        let heard = Heard::default();
        let _listening = heard.listen(page.http(&giving(&["new"])));
        assert_eq!(heard.next().await, Notice::Ready);
        sleep(ms).await;
        for _ in 0..3_000 {
            if heard.0.borrow().len() >= least {
                break;
            }
            sleep(10).await;
        }
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
    let (told_by_dead, told_by_alive) = join(
        heard_after(&dead, 46_500, 1),
        heard_after(&alive, 46_500, 0),
    )
    .await;
    assert_eq!(
        told_by_dead.iter().map(code).collect::<Vec<_>>(),
        [ErrorCode::Network]
    );
    assert_eq!(dead.js("page.sockets[0].readyState"), 3);
    assert_eq!(pinged(&dead), Some(1.0));
    assert_eq!(told_by_alive, []);
    assert_eq!(pinged(&alive), Some(1.0));
}
