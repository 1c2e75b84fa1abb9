//! The reference server.

use pullcord::net::Transport;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use futures_util::future::join;
use js_sys::Reflect;
use pullcord::core::net::{ErrorCode, Notice, Place, Request};
use pullcord::core::options::Scope;
use pullcord::core::types::Seq;
use pullcord::net::Hooks;
use pullcord::net::http::Http;
use pullcord::net::time::{sleep, within};
use serde_json::json;

use crate::app::Heard;
use crate::page::{changes, giving, number, owned, pull};
use crate::socket::code;
use crate::support::{js, server};

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
pub(crate) struct Account {
    pub(crate) token: String,
    pub(crate) conversation: String,
}

impl Account {
    pub async fn new() -> Account {
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

    pub fn hooks(&self) -> Hooks {
        giving(&[&self.token])
    }

    pub async fn trouble(&self, trouble: &str) {
        demo("trouble", Some(&self.token), trouble).await;
    }

    pub fn send(&self, client_id: &str, text: &str) -> Request {
        Request::Send {
            conversation: self.conversation.clone(),
            client_id: client_id.into(),
            body: format!(r#"{{"text":"{text}"}}"#),
        }
    }

    pub fn history(&self, place: Place) -> Request {
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

pub(crate) async fn answer(http: &Rc<Http>, request: Request) -> serde_json::Value {
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

pub(crate) fn texts(events: &serde_json::Value) -> Vec<&str> {
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
        rest: false,
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
    for _ in 0..1_500 {
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
    let http = &to_server(3_000, &account.hooks());
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
        sleep(3_300).await;
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
    let patient = to_server(15_000, &account.hooks());
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
