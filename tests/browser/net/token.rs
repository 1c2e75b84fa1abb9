//! The token.

use futures_util::future::join_all;
use pullcord::core::net::ErrorCode;
use pullcord::core::options::Scope;
use pullcord::net::Hooks;
use pullcord::net::Transport;
use pullcord::net::http::Http;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::page::{Page, giving, number, pull};
use crate::support::js;

/// A server that takes the token "new" only.
const ONLY_NEW: &str = "(request) => request.headers.get('authorization') === 'Bearer new' ? new Response('{}') : new Response('', { status: 401 })";

#[wasm_bindgen_test]
async fn requests_refused_together_ask_for_a_fresh_token_once() {
    let page = Page::new(ONLY_NEW);
    let hooks = giving(&["old", "new"]);
    let http = page.http(&hooks);
    let answers = join_all((0..5).map(|_| http.clone().request(pull(None)))).await;
    assert_eq!(answers, vec![Ok("{}".to_owned()); 5]);
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
    assert_eq!(http.request(pull(None)).await, Ok("{}".to_owned()));
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
async fn a_token_that_makes_the_header_too_large_is_not_kept() {
    let page = Page::new(
        "(request) => request.headers.get('authorization').length > 20 ? new Response('', { status: 431 }) : new Response('{}')",
    );
    let hooks = giving(&["a token that is too long", "new"]);
    let http = page.http(&hooks);
    let error = http.clone().request(pull(None)).await.unwrap_err();
    assert_eq!(error.status, Some(431));
    assert_eq!(http.request(pull(None)).await, Ok("{}".to_owned()));
    assert_eq!(page.js("page.calls.length"), 2);
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
    let network = |message: &str| Err((ErrorCode::Network, message.to_owned()));
    for body in [
        "throw new Error('no way')",
        "return Promise.reject('no way')",
        "return Promise.reject(new TypeError('no way'))",
        "return Promise.reject(new DOMException('no way', 'AbortError'))",
        "return Promise.reject(new DOMException('no way', 'TimeoutError'))",
        "return Promise.reject(Object.assign(new Error('no way'), { name: 'AxiosError', code: 'ERR_NETWORK', status: 401 }))",
        "return Promise.reject({ code: 'unauthorized', message: 'no way' })",
        "return Promise.reject(Object.assign(new Error('no way'), { name: 'PullcordError', code: 'offline' }))",
        "return Promise.reject(Object.assign(new Error('no way'), { name: 'PullcordError', code: 'forbidden', status: 403 }))",
    ] {
        assert_eq!(
            given(body).await,
            network("the token provider failed: no way"),
            "{body}"
        );
    }
    let refused = "throw Object.assign(new Error('signed out'), { name: 'PullcordError', code: 'unauthorized' })";
    assert_eq!(
        given(refused).await,
        Err((ErrorCode::Unauthorized, "signed out".to_owned()))
    );
    assert_eq!(
        given("return 5").await,
        network("the token provider gave no string")
    );
    assert_eq!(
        given("return ''").await,
        network("the token provider gave an empty token")
    );
    assert_eq!(
        given("return 'a\\nb'").await,
        network("the token has characters that an HTTP header cannot carry")
    );
    assert_eq!(
        given("return 'a'.repeat(70_000)").await,
        network("the token is too long for an HTTP header")
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
