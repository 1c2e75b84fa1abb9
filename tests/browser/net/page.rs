//! The page: its JavaScript, its tokens, and a server that it plays itself.

use pullcord::net::Transport;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

use js_sys::Reflect;
use pullcord::core::net::{Error, Place, Request};
use pullcord::core::options::Scope;
use pullcord::core::types::Seq;
use pullcord::net::Hooks;
use pullcord::net::http::Http;

use crate::support::js;

pub fn number(of: &JsValue, name: &str) -> f64 {
    Reflect::get(of, &name.into()).unwrap().as_f64().unwrap()
}

/// Hooks whose token provider gives `tokens` in turn, the last one again and again, and counts.
pub fn giving(tokens: &[&str]) -> Hooks {
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
pub struct Page(pub String);

impl Page {
    /// `fetch` is a function of the request.
    pub fn new(fetch: &str) -> Page {
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

    pub fn http(&self, hooks: &Hooks) -> Rc<Http> {
        self.of_scope(Scope::Account, hooks)
    }

    pub fn of_scope(&self, scope: Scope, hooks: &Hooks) -> Rc<Http> {
        let base = format!("http://{}/chat/", self.0);
        Http::new(&base, 300, scope, hooks.clone()).unwrap()
    }

    /// A server that takes `/v1/call` and has said so: its answer to a first request, which is none of `calls`.
    /// `agreeing(body, init)` is an answer that says so.
    pub async fn calling(fetch: &str, hooks: &Hooks) -> (Page, Rc<Http>) {
        js("globalThis.agreeing ??= (body, init) => {
            const answer = new Response(body, init);
            answer.headers.set('Pullcord-Accept', 'call');
            return answer;
        }");
        let page = Page::new("() => agreeing('{}')");
        let http = page.http(hooks);
        assert_eq!(http.clone().request(pull(None)).await, Ok("{}".to_owned()));
        page.js(&format!("{{ page.calls = []; page.fetch = {fetch}; }}"));
        (page, http)
    }

    /// Of each request since, how it has gone out: "call" or "plain".
    pub fn ways(&self) -> String {
        let ways = "page.calls.map(({ url }) => (/\\/v1\\/call\\?/.test(url) ? 'call' : 'plain')).join(' ')";
        self.js(ways).as_string().unwrap()
    }

    /// An expression about `page`.
    pub fn js(&self, expression: &str) -> JsValue {
        js(&format!("((page) => {expression})(pages['{}'])", self.0))
    }
}

pub fn pull(cursor: Option<&str>) -> Request {
    Request::Pull {
        cursor: cursor.map(str::to_owned),
        limit: 10,
        wait: None,
    }
}

pub fn several(only: Option<&[&str]>) -> Request {
    Request::PullConversations {
        cursors: vec![("a/b ?ü".into(), "1".into()), ("q\"".into(), "=&".into())],
        limit: 10,
        only: only.map(owned),
        rest: false,
    }
}

pub fn acknowledge(deliveries: &[&str], pushed: bool) -> Request {
    Request::Acknowledge {
        deliveries: owned(deliveries),
        pushed,
    }
}

pub fn changes(conversation: &str, since: &str, cursor: Option<&str>, to: Seq) -> Request {
    Request::Changes {
        conversation: conversation.into(),
        since: since.into(),
        cursor: cursor.map(str::to_owned),
        from: Seq(1),
        to,
        limit: 10,
    }
}

pub fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub async fn asked(fetch: &str) -> Result<String, Error> {
    Page::new(fetch)
        .http(&giving(&["t"]))
        .request(pull(None))
        .await
}

/// A page of a conversation.
pub fn history(conversation: &str, cursor: &str, place: Place) -> Request {
    Request::History {
        conversation: conversation.into(),
        limit: 30,
        cursor: Some(cursor.into()),
        place,
    }
}

/// A page of the list.
pub fn list(after: Option<&str>, cursor: Option<&str>) -> Request {
    Request::Conversations {
        after: after.map(str::to_owned),
        limit: 3,
        cursor: cursor.map(str::to_owned),
    }
}

pub fn send(client_id: &str, body: &str) -> Request {
    Request::Send {
        conversation: "c".into(),
        client_id: client_id.into(),
        body: body.into(),
    }
}

pub fn edit(client_id: &str, body: &str) -> Request {
    Request::Edit {
        conversation: "c".into(),
        message: "m".into(),
        client_id: client_id.into(),
        body: body.into(),
    }
}

pub fn recall() -> Request {
    Request::Recall {
        conversation: "c".into(),
        message: "m".into(),
    }
}

pub fn mark_read(seq: Seq) -> Request {
    Request::MarkRead {
        conversation: "c".into(),
        seq,
    }
}

/// A pull that may wait at the server.
pub fn waiting_pull(cursor: &str) -> Request {
    Request::Pull {
        cursor: Some(cursor.into()),
        limit: 10,
        wait: Some(5),
    }
}
