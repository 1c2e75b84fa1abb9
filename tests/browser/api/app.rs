//! Every scope, on an app's transport.

use js_sys::Reflect;
use pullcord::net::time::sleep;
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::*;

use super::backend::{LIST, backend, message_event, open_app};
use super::facade::{command, open_with};
use crate::support::js;

#[wasm_bindgen_test]
async fn an_apps_push_is_applied_where_it_follows_and_else_pulled() {
    let facade = backend(json!({
        "pull": [
            { "events": [], "cursor": "1", "hasMore": false, "overflow": "all" },
            { "events": [], "cursor": "1", "hasMore": false },
        ],
        "conversations": LIST(),
    }));
    let _host = open_app(&facade, "account").await;
    facade.caught_up().await;
    facade
        .until("at rest", |facade| facade.asked("pull").len() >= 2)
        .await;
    let mut pulls = 0;
    while pulls != facade.asked("pull").len() {
        pulls = facade.asked("pull").len();
        sleep(1_000).await;
    }
    facade.push(json!({ "prev": "1", "cursor": "2", "events": [message_event(1, json!({}))] }));
    facade.told("m1").await;
    facade.push(json!({ "prev": "2", "cursor": "3", "events": [message_event(2, json!({}))] }));
    facade.told("m2").await;
    assert_eq!(
        facade.asked("pull").len(),
        pulls,
        "what follows is not pulled"
    );
    facade.push(json!({ "prev": "7", "cursor": "8", "events": [] }));
    facade
        .until("pulled", |facade| facade.asked("pull").len() > pulls)
        .await;
    assert_eq!(facade.asked("pull").last().unwrap()["cursor"], "3");
}

#[wasm_bindgen_test]
async fn an_apps_mailbox_is_acknowledged_once_stored() {
    let facade = backend(json!({
        "pullMailbox": [
            { "events": [message_event(1, json!({ "delivery": "d1" }))], "hasMore": false, "overflow": "all" },
            { "events": [], "hasMore": false },
        ],
        "acknowledge": [""],
        "conversations": LIST(),
    }));
    let _host = open_app(&facade, "mailbox").await;
    facade
        .until("acknowledged", |facade| {
            facade.asked("acknowledge") == [json!(["d1"])]
        })
        .await;
    facade.push(json!({ "events": [message_event(2, json!({ "delivery": "d2" })), { "type": "later", "delivery": "d3" }] }));
    facade.told("m2").await;
    facade
        .until("both acknowledged", |facade| {
            facade.asked("acknowledge").last() == Some(&json!(["d2", "d3"]))
        })
        .await;
    assert!(
        facade
            .asked("pullMailbox")
            .iter()
            .all(|request| request.get("cursor").is_none())
    );
}

#[wasm_bindgen_test]
async fn an_apps_requests_are_values_with_the_body_as_it_was() {
    let facade = backend(json!({
        "pullConversations": [{ "conversations": { "__proto__": { "events": [], "cursor": "a1", "hasMore": false } } }],
        "conversations": [{ "conversations": [{ "id": "__proto__", "lastSeq": null }], "next": null }],
        "send": [{ "code": "none" }],
        "markRead": [""],
    }));
    let host = open_app(&facade, "conversation").await;
    facade.caught_up().await;
    let body = r#"{"__proto__":{"n":1},"text":"\u00e9"}"#;
    let send =
        json!({ "op": "send", "call": 1, "conversation": "c1", "body": body, "clientId": "k" });
    command(&host, send);
    let mark = json!({ "op": "mark-read", "call": 2, "conversation": "c1", "seq": "18446744073709551615" });
    command(&host, mark);
    command(&host, json!({ "op": "sync", "call": 3 }));
    facade
        .until("all asked for", |facade| {
            !facade.asked("send").is_empty()
                && !facade.asked("markRead").is_empty()
                && facade.asked("pullConversations").len() > 1
        })
        .await;
    let body: Value = serde_json::from_str(body).unwrap();
    let asked = json!({ "conversation": "c1", "clientId": "k", "body": body });
    assert_eq!(facade.asked("send")[0], asked);
    assert_eq!(
        facade.asked("markRead")[0],
        json!({ "conversation": "c1", "seq": "18446744073709551615" })
    );
    assert_eq!(
        facade.asked("conversations")[0],
        json!({ "after": null, "limit": facade.asked("conversations")[0]["limit"], "cursor": null })
    );
    let pulls = facade.asked("pullConversations");
    let cursors = &pulls.last().unwrap()["cursors"];
    assert_eq!(cursors, &json!({ "__proto__": "a1" }));
}

#[wasm_bindgen_test]
async fn an_apps_conversations_go_on_each_from_its_own_cursor_past_one_that_fails() {
    let batch = |cursor: &str, events: Vec<Value>| json!({ "events": events, "cursor": cursor, "hasMore": false });
    let mut first = batch("a1", Vec::new());
    first["overflow"] = json!("all");
    let failed = json!({ "error": { "code": "forbidden", "message": "no", "status": 403 } });
    let facade = backend(json!({
        "pullConversations": [
            { "conversations": { "c1": first, "c2": failed }, "hasMore": false },
            { "conversations": { "c1": batch("a2", vec![message_event(1, json!({}))]), "c2": failed } },
            { "conversations": {} },
        ],
        "conversations": LIST(),
    }));
    let host = open_app(&facade, "conversation").await;
    command(&host, json!({ "op": "sync", "call": 1 }));
    facade.told("m1").await;
    assert_eq!(facade.asked("pullConversations")[1]["cursors"]["c1"], "a1");
    let sink = Reflect::get(&facade.0, &"sink".into()).unwrap();
    let notify: js_sys::Function = Reflect::get(&sink, &"notify".into())
        .unwrap()
        .unchecked_into();
    notify.call2(&sink, &0.into(), &js("['c1']")).unwrap();
    facade
        .until("asked for c1 alone", |facade| {
            facade
                .asked("pullConversations")
                .iter()
                .any(|request| request["only"] == json!(["c1"]) && request["cursors"]["c1"] == "a2")
        })
        .await;
}

#[wasm_bindgen_test]
async fn frozen_a_client_is_silent_and_on_return_it_pulls_once() {
    let facade = backend(json!({
        "pull": [
            { "events": [], "cursor": "1", "hasMore": false, "overflow": "all" },
            { "events": [], "cursor": "1", "hasMore": false },
        ],
        "conversations": LIST(),
    }));
    let name = js("crypto.randomUUID()").as_string().unwrap();
    let more = json!({ "methods": facade.methods(), "notify": "poll", "promoted": true, "fallbackPollInterval": 600 });
    let host = open_with(&name, &facade, more).await;
    let pulls = || facade.asked("pull").len();
    facade.until("polling", |_| pulls() >= 4).await;
    command(&host, json!({ "op": "freeze" }));
    let frozen = pulls();
    sleep(900).await;
    assert_eq!(pulls(), frozen, "no timer of its own wakes it");
    command(&host, json!({ "op": "resume" }));
    command(&host, json!({ "op": "resume" }));
    facade
        .until("polling again", |_| pulls() >= frozen + 2)
        .await;
    // The second one is the timer's, however late this test looks.
    let at = facade.asked_at("pull");
    let between = at[frozen + 1] - at[frozen];
    assert!(between > 550.0, "{between} ms");
}
