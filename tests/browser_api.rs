//! A client as the facade holds it, in a browser, against the reference server
//! (`PULLCORD_TEST_SERVER`, at compile time): commands in, frames out.

#![cfg(target_arch = "wasm32")]

use js_sys::{JSON, Promise, Reflect};
use pullcord::api::{Host, wipe_account};
use pullcord::net::time::sleep;
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::*;

wasm_bindgen_test_configure!(run_in_browser);

fn js(expression: &str) -> JsValue {
    js_sys::eval(expression).unwrap_or_else(|thrown| panic!("{expression}: {thrown:?}"))
}

fn server() -> &'static str {
    match option_env!("PULLCORD_TEST_SERVER") {
        Some(url) => url,
        None => panic!(
            "set PULLCORD_TEST_SERVER to the URL of `pullcord-server --demo --allow-trouble`"
        ),
    }
}

async fn demo(call: &str, body: Value) {
    let promise: Promise = js(&format!(
        r#"fetch("{}/demo/{call}", {{ method: "POST", headers: {{ "content-type": "application/json" }}, body: {} }})
            .then(async (answer) => {{ if (!answer.ok) throw await answer.text(); }})"#,
        server(),
        json!(body.to_string()),
    ))
    .unchecked_into();
    JsFuture::from(promise)
        .await
        .unwrap_or_else(|thrown| panic!("{call}: {thrown:?}"));
}

/// The facade's part, and what it has been told.
struct Facade(JsValue);

impl Facade {
    fn new(token: &str) -> Facade {
        Facade(js(&format!(
            r#"({{
                frames: [], ended: [],
                frame(text) {{ this.frames.push(JSON.parse(text)); }},
                log() {{}},
                stopped(...how) {{ this.ended.push(how); }},
                panicked() {{}},
                token() {{ return "{token}"; }},
            }})"#
        )))
    }

    fn get(&self, name: &str) -> Value {
        let value = Reflect::get(&self.0, &name.into()).unwrap();
        serde_json::from_str(&String::from(JSON::stringify(&value).unwrap())).unwrap()
    }

    /// The first thing that `find` finds in a frame.
    async fn wait<T>(&self, what: &str, find: impl Fn(&Value) -> Option<T>) -> T {
        for _ in 0..1_000 {
            if let Some(found) = self
                .get("frames")
                .as_array()
                .unwrap()
                .iter()
                .find_map(&find)
            {
                return found;
            }
            sleep(10).await;
        }
        panic!("no {what} within 10 s: {}", self.get("frames"));
    }

    async fn result(&self, call: u64) -> Value {
        self.wait("result", |frame| {
            frame["results"]
                .as_array()?
                .iter()
                .find(|result| result["call"] == call)
                .cloned()
        })
        .await
    }
}

/// A name that no other test has, with a conversation "c/NAME".
async fn account() -> String {
    let name = format!(
        "api-{}",
        js("crypto.randomUUID().slice(0, 18)").as_string().unwrap()
    );
    demo("sign-in", json!({ "name": name })).await;
    demo(
        "create",
        json!({ "id": format!("c/{name}"), "members": [name] }),
    )
    .await;
    name
}

async fn open(name: &str, facade: &Facade, mode: &str) -> Host {
    let config = json!({
        "account": name, "transport": "http", "baseUrl": server(), "scope": "account",
        "notify": "socket", "mode": mode, "online": true, "hidden": false,
    });
    Host::open(config.to_string(), facade.0.clone().unchecked_into())
        .await
        .unwrap_or_else(|thrown| panic!("{thrown:?}"))
}

fn command(host: &Host, command: Value) {
    host.command(command.to_string());
}

#[wasm_bindgen_test]
async fn a_client_signs_in_sends_and_is_wiped() {
    for mode in ["indexeddb", "memory"] {
        let name = account().await;
        let facade = Facade::new(&format!("demo-{name}"));
        let host = open(&name, &facade, mode).await;
        facade
            .wait("waiting", |frame| {
                (frame["status"]["connection"] == "waiting").then_some(())
            })
            .await;
        host.promote();
        facade
            .wait("caught up", |frame| {
                (frame["status"]["connection"] == "online" && frame["status"]["caughtUp"] == true)
                    .then_some(())
            })
            .await;
        let send = json!({ "op": "send", "call": 1, "conversation": format!("c/{name}"), "body": "\"hi\"", "clientId": "one" });
        command(&host, send);
        assert_eq!(facade.result(1).await["ok"]["clientId"], "one");
        command(&host, json!({ "op": "sync", "call": 2 }));
        assert!(facade.result(2).await.get("ok").is_some());
        command(&host, json!({ "op": "wipe", "call": 3 }));
        for _ in 0..300 {
            if facade.get("ended") != json!([]) {
                break;
            }
            sleep(10).await;
        }
        assert_eq!(facade.get("ended"), json!([[true, null]]));
        assert_eq!(
            facade.get("frames").as_array().unwrap().last().unwrap()["status"]["connection"],
            "closed"
        );
    }
}

#[wasm_bindgen_test]
async fn what_was_synced_is_there_without_the_server() {
    let name = account().await;
    let online = Facade::new(&format!("demo-{name}"));
    let host = open(&name, &online, "indexeddb").await;
    host.promote();
    online
        .wait("the list", |frame| {
            (frame["status"]["listed"] == true).then_some(())
        })
        .await;
    command(&host, json!({ "op": "close", "call": 1 }));
    drop(host);

    let waiting = Facade::new("none");
    let host = open(&name, &waiting, "indexeddb").await;
    let shown = waiting
        .wait("a conversation", |frame| {
            frame["conversations"][0]["ins"]
                .as_array()?
                .iter()
                .find(|shown| shown["id"] == format!("c/{name}"))
                .cloned()
        })
        .await;
    assert_eq!(shown["unread"], 0);
    drop(host);
    wipe_account(name).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_wipe_from_outside_ends_the_client() {
    let name = account().await;
    let facade = Facade::new(&format!("demo-{name}"));
    let host = open(&name, &facade, "indexeddb").await;
    host.promote();
    wipe_account(name).await.unwrap();
    facade
        .wait("closed", |frame| {
            (frame["status"]["connection"] == "closed").then_some(())
        })
        .await;
    sleep(200).await;
    assert_eq!(facade.get("ended"), json!([[false, null]]));
}

#[wasm_bindgen_test]
async fn a_wrong_config_is_invalid() {
    for config in [
        "",
        "{}",
        r#"{"account":"a","transport":"http"}"#,
        r#"{"account":"a","transport":"http","baseUrl":"ftp://example.test"}"#,
        r#"{"account":"a","transport":"pigeon"}"#,
    ] {
        let facade = Facade::new("none");
        let error = Host::open(config.to_owned(), facade.0.clone().unchecked_into())
            .await
            .err()
            .unwrap();
        assert_eq!(
            Reflect::get(&error, &"code".into()).unwrap(),
            "invalid",
            "{config}"
        );
    }
}
