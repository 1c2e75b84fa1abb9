//! `/v1/call` in trouble. What has failed by it is what a plain request would have been told, and is asked again by
//! the core alone; a plain request comes on top only where no `/v1/call` has answered.

use std::cell::Cell;
use std::rc::Rc;

use futures_util::future::join_all;
use pullcord::core::net::{Error, ErrorCode, Request};
use pullcord::core::types::Seq;
use pullcord::net::Terms;
use pullcord::net::Transport;
use pullcord::net::http::Http;
use pullcord::net::time::within;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::page::{Page, giving, mark_read, number, pull, send};

const NEVER: &str = "() => new Promise(() => {})";
const UNREACHABLE: &str = "() => Promise.reject(new TypeError('Failed to fetch'))";

async fn calling(fetch: &str) -> (Page, Rc<Http>) {
    Page::calling(fetch, &giving(&["t"])).await
}

async fn asked(http: &Rc<Http>) -> Result<String, Error> {
    http.clone().request(pull(None)).await
}

/// An expression of JavaScript that is an answer, which says that there is `/v1/call`.
fn agreeing(answer: &str) -> String {
    format!(
        "(() => {{ const answer = {answer}; answer.headers.set('Pullcord-Accept', 'call'); return answer; }})()"
    )
}

/// An expression of JavaScript that is an answer, as it comes from where `request` has asked. One that a page has made
/// is from nowhere.
fn from_there(answer: &str) -> String {
    format!("Object.defineProperty({answer}, 'url', {{ value: request.url }})")
}

/// What a request has come to, wherever its server is.
fn of(page: &Page, outcome: Result<String, Error>) -> Result<String, Error> {
    outcome.map_err(|error| Error {
        message: error.message.replace(&page.0, "server"),
        ..error
    })
}

/// What a plain request comes to.
async fn plainly(answer: &str) -> Result<String, Error> {
    let page = Page::new(&format!("(request) => {answer}"));
    of(&page, asked(&page.http(&giving(&["t"]))).await)
}

/// An answer to `/v1/call`, and what a plain request gets: another one.
fn by_way(call: &str, plain: &str) -> String {
    format!("(request) => (/\\/v1\\/call\\?/.test(request.url) ? {call} : {plain})")
}

#[wasm_bindgen_test]
async fn an_answer_by_it_counts_as_that_of_a_plain_request() {
    let error = r#"'{"error":{"code":"x","message":"why"}}'"#;
    let wait = r#"'{"error":{"code":"x","message":"why","retryAfter":1500}}'"#;
    let mut answers: Vec<String> = [400, 403, 404, 408, 409, 410, 413, 422, 429, 500, 502, 503]
        .iter()
        .flat_map(|status| {
            [
                format!("new Response({error}, {{ status: {status} }})"),
                format!("new Response({wait}, {{ status: {status} }})"),
                format!("new Response({error}, {{ status: {status}, headers: {{ 'Retry-After': '7' }} }})"),
                format!("new Response('<html>', {{ status: {status} }})"),
            ]
        })
        .collect();
    answers.extend(
        [
            "new Response('{}')",
            "new Response(null, { status: 204 })",
            // An answer of HTML, of nothing, cut short, too large, and one that breaks off.
            "new Response('<!doctype html><p>sign in')",
            "new Response('')",
            "new Response('{\"events\":[')",
            "new Response('', { headers: { 'Content-Length': '99999999999' } })",
            "new Response(new ReadableStream({ pull(c) { c.error(new TypeError('reset')) } }))",
            "new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode('{')) } }))",
        ]
        .map(str::to_owned),
    );
    let outcomes = answers.iter().map(async |answer| {
        let answer = from_there(&agreeing(answer));
        let (page, by_call) = calling(&format!("(request) => {answer}")).await;
        let outcome = of(&page, asked(&by_call).await);
        // What has failed is named by what was asked: the log has one line for it, whichever way it went.
        assert_eq!(outcome, plainly(&answer).await, "{answer}");
        // Nothing on top, and the next one goes the same way.
        let _ = asked(&by_call).await;
        assert_eq!(page.ways(), "call call", "{answer}");
    });
    join_all(outcomes).await;
}

#[wasm_bindgen_test]
async fn one_that_never_answers_is_given_up_and_the_next_is_plain() {
    let (page, http) = calling(&by_way(&format!("({NEVER})()"), "new Response('{}')")).await;
    let error = asked(&http).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Timeout);
    assert_eq!(page.ways(), "call", "nothing on top");
    assert_eq!(
        page.js("page.calls[0].signal.aborted && page.calls[0].signal.reason instanceof Error"),
        true
    );
    assert_eq!(asked(&http).await, Ok("{}".to_owned()));
    assert_eq!(page.ways(), "call plain");
}

#[wasm_bindgen_test]
async fn its_time_is_that_of_the_request_in_it() {
    let later = |ms: u32| {
        let answer =
            format!("new Promise((done) => setTimeout(() => done(agreeing('{{}}')), {ms}))");
        by_way(&answer, "null")
    };
    // A poll that waits at the server, and a body that takes its time to get there.
    let waiting = Request::Pull {
        cursor: None,
        limit: 1,
        wait: Some(2_000),
    };
    let big = format!("\"{}\"", "x".repeat(8_000));
    for (request, ms) in [(waiting, 500), (send("k", &big), 800)] {
        let (page, http) = calling(&later(ms)).await;
        assert_eq!(http.request(request).await, Ok("{}".to_owned()));
        assert_eq!(page.ways(), "call");
    }
    // Bytes that arrive count, and are told of.
    let slow = agreeing(
        "new Response(new ReadableStream({
            async pull(c) {
                this.sent = (this.sent ?? 0) + 1;
                await new Promise((done) => setTimeout(done, 50));
                c.enqueue(new TextEncoder().encode(this.sent === 1 ? '{' : this.sent < 30 ? ' ' : '}'));
                if (this.sent === 30) c.close();
            },
        }))",
    );
    let told = Rc::new(Cell::new(0));
    let progress = told.clone();
    let terms = Terms {
        progress: Some(Rc::new(move || progress.set(progress.get() + 1))),
        ..Terms::default()
    };
    let (_page, http) = calling(&format!("() => {slow}")).await;
    assert_eq!(
        http.request_on(pull(None), terms).await,
        Ok(["{", &" ".repeat(28), "}"].concat())
    );
    assert!(told.get() >= 1);
}

#[wasm_bindgen_test]
async fn one_that_is_let_go_of_is_aborted_and_says_nothing_of_the_way() {
    let (page, http) = calling(NEVER).await;
    for _ in 0..4 {
        let request = http.clone().request(pull(None));
        assert!(within(50, request).await.is_none());
    }
    // Also while its answer arrives.
    page.js("{ page.fetch = () => agreeing(new ReadableStream({})) }");
    assert!(within(50, http.clone().request(pull(None))).await.is_none());
    assert_eq!(
        page.js("page.calls.every(({ signal }) => signal.aborted && signal.reason.name === 'AbortError')"),
        true
    );
    assert_eq!(page.ways(), "call call call call call");
    page.js("{ page.fetch = () => agreeing('{}') }");
    assert_eq!(asked(&http).await, Ok("{}".to_owned()));
    assert_eq!(page.ways(), "call call call call call call");
    // And where it is answered to its end nothing is aborted.
    assert_eq!(page.js("page.calls.at(-1).signal.aborted"), false);
}

#[wasm_bindgen_test]
async fn what_something_on_the_way_may_say_to_any_request_is_not_asked_again() {
    let trouble = [408, 429, 500, 502, 503, 504].map(|status| {
        format!("new Response('busy', {{ status: {status}, headers: {{ 'Retry-After': '7' }} }})")
    });
    let lost = [format!("({UNREACHABLE})()")];
    for answer in trouble.iter().chain(&lost) {
        let answer = from_there(answer);
        let (page, http) = calling(&by_way(&answer, "agreeing('{}')")).await;
        let outcome = of(&page, asked(&http).await);
        assert!(outcome.is_err(), "{answer}");
        assert_eq!(outcome, plainly(&answer).await);
        assert_eq!(page.ways(), "call", "{answer}: nothing on top");
        // A plain one in between says that there is `/v1/call`: three in a row are enough.
        for _ in 0..8 {
            let _ = asked(&http).await;
        }
        assert_eq!(
            page.ways(),
            "call plain call plain call plain plain plain plain",
            "{answer}"
        );
    }
    // One that is answered by it ends the row.
    let (page, http) = calling(&by_way(
        "[2, 3, 5, 6, 8, 9].includes(page.calls.filter(({ url }) => url.includes('/v1/call')).length) ? agreeing('{}') : Promise.reject(0)",
        "agreeing('{}')",
    ).replace("(request) =>", "(request, page = pages[new URL(request.url).host]) =>"))
    .await;
    for _ in 0..14 {
        let _ = asked(&http).await;
    }
    assert_eq!(
        page.ways(),
        "call plain call call call plain call call call plain call call call plain"
    );
}

#[wasm_bindgen_test]
async fn where_there_is_none_the_same_goes_plainly_once_and_all_after_it() {
    let redirect = "Object.defineProperties(new Response(null), { type: { value: 'opaqueredirect' }, status: { value: 0 }, ok: { value: false } })";
    let none = [400, 401, 403, 404, 405, 409, 410, 422, 501]
        .map(|status| format!("new Response('no such page', {{ status: {status} }})"));
    let others = [
        redirect,
        "new Response('<!doctype html>')",
        "new Response('{}')",
    ];
    for answer in none.iter().map(String::as_str).chain(others) {
        let hooks = giving(&["t", "u"]);
        let (page, http) =
            Page::calling(&by_way(answer, "agreeing('{\"plain\":1}')"), &hooks).await;
        for _ in 0..2 {
            assert_eq!(
                asked(&http).await,
                Ok("{\"plain\":1}".to_owned()),
                "{answer}"
            );
        }
        assert_eq!(page.ways(), "call plain plain", "{answer}");
        assert_eq!(
            number(&hooks, "asked"),
            1.0,
            "{answer}: the token was not refused"
        );
    }
    // Of many at once each is asked plainly once.
    let (page, http) = calling(&by_way(
        "new Response('', { status: 404 })",
        "agreeing('{}')",
    ))
    .await;
    let all = join_all((0..10).map(|_| http.clone().request(pull(None)))).await;
    assert_eq!(all, vec![Ok("{}".to_owned()); 10]);
    asked(&http).await.unwrap();
    assert_eq!(
        page.ways(),
        [
            ["call "; 10].concat(),
            ["plain "; 10].concat(),
            "plain".into()
        ]
        .concat()
    );
}

#[wasm_bindgen_test]
async fn many_that_are_lost_at_once_are_one_failure() {
    let (page, http) = calling(&by_way(&format!("({UNREACHABLE})()"), "agreeing('{}')")).await;
    let all = join_all((0..10).map(|_| http.clone().request(pull(None)))).await;
    assert!(
        all.iter()
            .all(|one| matches!(one, Err(error) if error.code == ErrorCode::Network))
    );
    assert_eq!(page.ways(), ["call"; 10].join(" "));
    page.js("{ page.calls = []; page.fetch = () => agreeing('{}') }");
    asked(&http).await.unwrap();
    asked(&http).await.unwrap();
    assert_eq!(page.ways(), "plain call");
}

#[wasm_bindgen_test]
async fn too_large_by_it_may_not_be_so_for_a_plain_one() {
    // What is around the body is more than a plain request has: a send's 413 is final, so the plain one is to say it.
    let answer = by_way("new Response('', { status: 413 })", "agreeing('{}')");
    let (page, http) = calling(&answer).await;
    assert_eq!(
        http.clone().request(send("k", "1")).await,
        Ok("{}".to_owned())
    );
    assert_eq!(page.ways(), "call plain");
    let (page, http) = calling("() => new Response('', { status: 413 })").await;
    let error = http.clone().request(send("k", "1")).await.unwrap_err();
    assert!(error.too_large);
    assert_eq!(page.ways(), "call plain");
}

#[wasm_bindgen_test]
async fn a_refused_token_is_asked_for_anew_and_stays_on_the_way() {
    let only_new = "async (request) => (JSON.parse(await request.clone().text()).token === 'new'
        ? agreeing('{}')
        : agreeing('', { status: 401 }))";
    let hooks = giving(&["old", "new"]);
    let (page, http) = Page::calling(only_new, &hooks).await;
    let answers = join_all((0..5).map(|_| http.clone().request(mark_read(Seq(1))))).await;
    assert_eq!(answers, vec![Ok("{}".to_owned()); 5]);
    assert_eq!(number(&hooks, "asked"), 2.0);
    assert_eq!(page.ways(), ["call"; 10].join(" "));

    let hooks = giving(&["old", "older", "new"]);
    let (page, http) = Page::calling(only_new, &hooks).await;
    let error = asked(&http).await.unwrap_err();
    assert_eq!(
        (error.code, error.status),
        (ErrorCode::Unauthorized, Some(401))
    );
    assert_eq!(asked(&http).await, Ok("{}".to_owned()));
    assert_eq!(page.ways(), "call call call");
}
