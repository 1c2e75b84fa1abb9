//! HTTP: a page that misbehaves.

use std::collections::HashMap;
use std::rc::Rc;

use pullcord::net::Transport;
use serde_json::value::RawValue;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use pullcord::core::net::{Error, ErrorCode, Place, Request};
use pullcord::core::types::Seq;
use pullcord::net::Terms;
use pullcord::net::time::within;

use crate::page::{
    Page, acknowledge, asked, changes, edit, giving, history, list, mark_read, owned, pull, recall,
    send, several, waiting_pull,
};

/// What a request of the page's has as its body.
async fn body_of(sent: &web_sys::Request) -> String {
    let body = wasm_bindgen_futures::JsFuture::from(sent.text().unwrap()).await;
    body.unwrap().as_string().unwrap()
}

/// These requests go out so (method, path, body), each with the token and past the browser's cache.
async fn go_out<const N: usize>(requests: [(Request, &str); N]) {
    let page = Page::new("() => new Response('{}')");
    let http = page.http(&giving(&["secret"]));
    let (called, by_call) = Page::calling("() => agreeing('{}')", &giving(&["secret"])).await;
    for (at, (request, expected)) in requests.into_iter().enumerate() {
        assert_eq!(
            http.clone().request(request.clone()).await,
            Ok("{}".to_owned())
        );
        let sent: web_sys::Request = page.js(&format!("page.calls[{at}]")).unchecked_into();
        let body = body_of(&sent).await;
        let path = sent.url();
        let path = path
            .strip_prefix(&format!("http://{}/chat", page.0))
            .unwrap();
        assert_eq!(format!("{} {path} {body}", sent.method()), expected);
        assert_eq!(
            sent.headers().get("authorization").unwrap().unwrap(),
            "Bearer secret"
        );
        assert_eq!(sent.cache(), web_sys::RequestCache::NoStore);

        // The same by `/v1/call`: without a header of its own, without cookies, and to nowhere else.
        assert_eq!(by_call.clone().request(request).await, Ok("{}".to_owned()));
        let sent: web_sys::Request = called.js(&format!("page.calls[{at}]")).unchecked_into();
        let said = body_of(&sent).await;
        let said: HashMap<&str, &RawValue> = serde_json::from_str(&said).unwrap();
        let [method, path, token] =
            ["method", "path", "token"].map(|name| said[name].get().trim_matches('"'));
        let body = said.get("body").map_or("", |body| body.get());
        assert_eq!(
            (format!("{method} {path} {body}").as_str(), token),
            (expected, "secret")
        );
        let address = path.split('?').next().unwrap();
        assert_eq!(
            (sent.method(), sent.url()),
            (
                "POST".to_owned(),
                format!("http://{}/chat/v1/call?{method}{address}", called.0)
            )
        );
        let terms = called.js(&format!(
            "(({{ headers, cache, credentials, redirect }}) =>
                `${{[...headers].join()}} ${{cache}} ${{credentials}} ${{redirect}}`)(page.calls[{at}])"
        ));
        assert_eq!(
            terms,
            "content-type,text/plain;charset=UTF-8 no-store same-origin manual"
        );
    }
}

/// An id that a path cannot hold as it is.
const ODD: &str = "a/b ?ü";
const BIG: Seq = Seq(u64::MAX);

#[wasm_bindgen_test]
async fn every_pull_has_its_path_body_and_token() {
    let of_nothing = |only: Option<&[&str]>| Request::PullConversations {
        cursors: Vec::new(),
        limit: 1,
        rest: only.is_some(),
        only: only.map(owned),
    };
    go_out([
        (pull(None), "GET /v1/sync?limit=10 "),
        (
            waiting_pull("c+1"),
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
            of_nothing(None),
            r#"POST /v1/sync/conversations {"cursors":{},"limit":1}"#,
        ),
        (
            of_nothing(Some(&["c"])),
            r#"POST /v1/sync/conversations {"cursors":{},"limit":1,"only":["c"],"rest":true}"#,
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
    ])
    .await;
}

#[wasm_bindgen_test]
async fn every_request_for_history_has_its_path_body_and_token() {
    go_out([
        (
            changes(ODD, "=&", None, BIG),
            "GET /v1/conversations/a%2Fb%20%3F%C3%BC/changes?since=%3D%26&from=1&to=18446744073709551615&limit=10 ",
        ),
        (
            changes("c", "s", Some("c+1"), Seq(9)),
            "GET /v1/conversations/c/changes?since=s&cursor=c%2B1&from=1&to=9&limit=10 ",
        ),
        (list(None, None), "GET /v1/conversations?limit=3 "),
        (
            list(Some("x"), Some("y")),
            "GET /v1/conversations?after=x&limit=3&cursor=y ",
        ),
        (
            history(ODD, "=&", Place::Latest),
            "GET /v1/conversations/a%2Fb%20%3F%C3%BC/messages?limit=30&cursor=%3D%26 ",
        ),
        (
            history(ODD, "=&", Place::Before(BIG)),
            "GET /v1/conversations/a%2Fb%20%3F%C3%BC/messages?limit=30&cursor=%3D%26&before=18446744073709551615 ",
        ),
        (
            history(ODD, "=&", Place::After(Seq(0))),
            "GET /v1/conversations/a%2Fb%20%3F%C3%BC/messages?limit=30&cursor=%3D%26&after=0 ",
        ),
        (
            history(ODD, "=&", Place::Around(Seq(7))),
            "GET /v1/conversations/a%2Fb%20%3F%C3%BC/messages?limit=30&cursor=%3D%26&around=7 ",
        ),
        (
            history(ODD, "=&", Place::At(9)),
            "GET /v1/conversations/a%2Fb%20%3F%C3%BC/messages?limit=30&cursor=%3D%26&at=9 ",
        ),
    ])
    .await;
}

#[wasm_bindgen_test]
async fn every_change_to_the_server_has_its_path_body_and_token() {
    go_out([
        (
            send("q\"", r#"{"a":[1]}"#),
            r#"POST /v1/conversations/c/messages {"clientId":"q\"","body":{"a":[1]}}"#,
        ),
        (
            edit("e", "\"b\""),
            r#"PATCH /v1/conversations/c/messages/m {"body":"b","clientId":"e"}"#,
        ),
        (recall(), "POST /v1/conversations/c/messages/m/recall "),
        (
            mark_read(Seq(5)),
            r#"POST /v1/conversations/c/read {"seq":5}"#,
        ),
        (
            mark_read(BIG),
            r#"POST /v1/conversations/c/read {"seq":"18446744073709551615"}"#,
        ),
    ])
    .await;
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
        (413, ErrorCode::Rejected),
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
                status: Some(status),
                too_large: status == 413,
                ..Error::new(code, "why")
            }
        );
    }
    let error = asked("() => new Response('<html>', { status: 502 })")
        .await
        .unwrap_err();
    assert_eq!(error.message, "the server answered with status 502");
}

#[wasm_bindgen_test]
async fn retry_after_is_seconds_or_a_date_by_the_servers_clock_and_ten_minutes_at_most() {
    let answered = async |headers: &str, body: &str| {
        let answer =
            format!("() => new Response('{body}', {{ status: 503, headers: {{ {headers} }} }})");
        asked(&answer).await.unwrap_err().retry_after
    };
    let after = async |value: &str| answered(&format!("'Retry-After': '{value}'"), "").await;
    assert_eq!(after("7").await, Some(7_000));
    assert_eq!(after(" 0 ").await, Some(0));
    assert_eq!(after("1.5").await, Some(1_500));
    assert_eq!(after("86400").await, Some(600_000));
    assert_eq!(after(&"9".repeat(400)).await, Some(600_000));
    for nothing in ["soon", "", "-5", "1e400", "Infinity", "NaN", "."] {
        assert_eq!(after(nothing).await, None, "{nothing}");
    }
    // A device's clock may be hours off: it is never asked.
    let date = "Wed, 21 Oct 2015 07:28:00 GMT";
    assert_eq!(after(date).await, None);
    let against =
        async |own: &str| answered(&format!("'Retry-After': '{date}', Date: '{own}'"), "").await;
    assert_eq!(against("Wed, 21 Oct 2015 07:27:20 GMT").await, Some(40_000));
    assert_eq!(against("Wed, 21 Oct 2015 07:29:00 GMT").await, Some(0));
    assert_eq!(
        against("Wed, 21 Oct 1915 07:29:00 GMT").await,
        Some(600_000)
    );
    assert_eq!(against("now").await, None);
    // Where another origin does not show its headers.
    let said = |ms: &str| format!(r#"{{"error":{{"code":"x","message":"m","retryAfter":{ms}}}}}"#);
    assert_eq!(answered("", &said("1500")).await, Some(1_500));
    assert_eq!(answered("", &said("1e300")).await, Some(600_000));
    assert_eq!(answered("", &said("-1")).await, Some(0));
    assert_eq!(answered("", &said("null")).await, None);
    assert_eq!(
        answered("'Retry-After': '2'", &said("1500")).await,
        Some(2_000)
    );
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
async fn what_something_on_the_way_has_answered_is_network_and_no_answer_of_the_server() {
    let elsewhere = "Object.defineProperties(new Response('{}'), { redirected: { value: true }, url: { value: 'http://login.test/v1/sync' } })";
    for answer in [
        "new Response('<html>')",
        "new Response(' <!doctype html><p>{}')",
        "new Response('OK')",
        "new Response('')",
        "new Response('{\"events\":[')",
        "new Response(null, { status: 304 })",
        "Response.error()",
        elsewhere,
    ] {
        let error = asked(&format!("() => {answer}")).await.unwrap_err();
        assert_eq!(
            (error.code, error.status),
            (ErrorCode::Network, None),
            "{answer}"
        );
    }
    // JSON is the core's to judge, and so is that there is none.
    for json in ["{}", "[]", "5", "\"text\"", "null", "true"] {
        let answer = format!("() => new Response('\\ufeff {json} ')");
        assert_eq!(asked(&answer).await, Ok(format!(" {json} ")));
    }
    assert_eq!(
        asked("() => new Response(null, { status: 204 })").await,
        Ok(String::new())
    );
    let mark = Request::MarkRead {
        conversation: "c".into(),
        seq: Seq(1),
    };
    let page = Page::new("() => new Response('done')");
    assert!(page.http(&giving(&["t"])).request(mark).await.is_ok());
}

#[wasm_bindgen_test]
async fn an_answer_over_the_readers_limit_says_that_it_is_too_large() {
    let huge =
        asked("() => new Response('', { headers: { 'Content-Length': '99999999999' } })").await;
    let error = huge.unwrap_err();
    assert_eq!((error.code, error.too_large), (ErrorCode::Protocol, true));
}

#[wasm_bindgen_test]
async fn a_time_out_counts_silence_and_not_length() {
    // 1.5 s of a time-out of 0.3 s, a byte each 0.15 s.
    let slow = "() => new Response(new ReadableStream({
        async pull(c) {
            this.sent = (this.sent ?? 0) + 1;
            await new Promise((done) => setTimeout(done, 150));
            c.enqueue(new TextEncoder().encode(this.sent === 1 ? '{' : this.sent < 10 ? ' ' : '}'));
            if (this.sent === 10) c.close();
        },
    }))";
    let told = Rc::new(std::cell::Cell::new(0));
    let progress = told.clone();
    let terms = Terms {
        progress: Some(Rc::new(move || progress.set(progress.get() + 1))),
        ..Terms::default()
    };
    let page = Page::new(slow);
    let answer = page.http(&giving(&["t"])).request_on(pull(None), terms);
    assert_eq!(answer.await, Ok("{        }".to_owned()));
    assert_eq!(told.get(), 1, "at most once a second");
    // It stops in the middle.
    let silent = "() => new Response(new ReadableStream({
        start(c) { c.enqueue(new TextEncoder().encode('{')); },
    }))";
    let error = asked(silent).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Timeout);
    // No more than a trickle: it would have no end.
    let trickle = "() => new Response(new ReadableStream({
        async pull(c) {
            await new Promise((done) => setTimeout(done, 100));
            c.enqueue(new TextEncoder().encode(' '));
        },
    }))";
    let error = asked(trickle).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Timeout);
}

#[wasm_bindgen_test]
async fn what_is_sent_has_a_limit_that_grows_with_its_size_and_with_patience() {
    let after =
        "(ms) => () => new Promise((done) => setTimeout(() => done(new Response('{}')), ms))";
    let send = |bytes: usize| Request::Send {
        conversation: "c".into(),
        client_id: "k".into(),
        body: format!("\"{}\"", "x".repeat(bytes)),
    };
    let page = |ms: u32| Page::new(&format!("({after})({ms})"));
    let slow = page(800);
    let http = slow.http(&giving(&["t"]));
    let error = http.clone().request(send(10)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Timeout);
    assert_eq!(http.clone().request(send(8_000)).await, Ok("{}".to_owned()));
    let patient = Terms {
        patience: 4,
        ..Terms::default()
    };
    assert_eq!(
        http.request_on(send(10), patient).await,
        Ok("{}".to_owned())
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
        Page::new("() => new Promise((done) => setTimeout(() => done(new Response('{}')), 500))");
    let request = Request::Pull {
        cursor: None,
        limit: 1,
        wait: Some(2000),
    };
    assert_eq!(
        page.http(&giving(&["t"])).request(request).await,
        Ok("{}".to_owned())
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

#[wasm_bindgen_test]
async fn an_error_that_was_read_to_its_end_is_not_aborted_and_one_that_goes_on_is() {
    for (length, aborted) in [(10, false), (100_000, true)] {
        let answer = format!("() => new Response('x'.repeat({length}), {{ status: 500 }})");
        let page = Page::new(&answer);
        let error = page.http(&giving(&["t"])).request(pull(None)).await;
        assert_eq!(error.unwrap_err().status, Some(500));
        assert_eq!(page.js("page.calls[0].signal.aborted"), aborted, "{length}");
    }
}
