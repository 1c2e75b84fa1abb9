//! The facade's part, and the server beside the protocol.

use js_sys::{JSON, Promise, Reflect};
use pullcord::api::Host;
use pullcord::net::time::sleep;
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::support::{js, server};

/// A call beside the protocol, by the user `NAME` where `name` is given; its answer.
pub async fn demo_of(name: Option<&str>, call: &str, body: Value) -> Value {
    let authorization = name.map_or(
        json!({}),
        |name| json!({ "authorization": format!("Bearer demo-{name}") }),
    );
    let promise: Promise = js(&format!(
        r#"fetch("{}/demo/{call}", {{ method: "POST", headers: {{ "content-type": "application/json", ...{authorization} }}, body: {} }})
            .then(async (answer) => {{ const text = await answer.text(); if (!answer.ok) throw text; return text; }})"#,
        server(),
        json!(body.to_string()),
    ))
    .unchecked_into();
    let answer = JsFuture::from(promise)
        .await
        .unwrap_or_else(|thrown| panic!("{call}: {thrown:?}"));
    serde_json::from_str(&answer.as_string().unwrap()).unwrap_or_default()
}

pub async fn demo(call: &str, body: Value) -> Value {
    demo_of(None, call, body).await
}

/// Deletes the account's database, as the facade does.
pub async fn delete(account: &str) {
    let promise: Promise = js(&format!(
        r#"new Promise((resolve, reject) => {{
            const request = indexedDB.deleteDatabase("pullcord:{account}");
            request.onsuccess = () => resolve();
            request.onerror = request.onblocked = (event) => reject(event.type);
        }})"#
    ))
    .unchecked_into();
    JsFuture::from(promise).await.expect("a deletion");
}

/// The facade's part, and what it has been told.
pub struct Facade(pub JsValue);

impl Facade {
    pub fn new(token: &str) -> Facade {
        Facade(js(&format!(
            r#"({{
                frames: [], ends: 0, isWiped: false,
                frame(text) {{ this.frames.push(JSON.parse(text)); }},
                log() {{}},
                stopped() {{ this.ends += 1; }},
                panicked() {{}},
                tell() {{}},
                fenced() {{}},
                stuck() {{}},
                promoted() {{}},
                refused() {{}},
                async wiped() {{ return this.isWiped; }},
                token() {{ return "{token}"; }},
            }})"#
        )))
    }

    pub fn get(&self, name: &str) -> Value {
        let value = Reflect::get(&self.0, &name.into()).unwrap();
        serde_json::from_str(&String::from(JSON::stringify(&value).unwrap())).unwrap()
    }

    /// From now on the account is noted as wiped.
    pub fn wipe(&self) {
        Reflect::set(&self.0, &"isWiped".into(), &true.into()).unwrap();
    }

    /// The first thing that `find` finds in a frame.
    pub async fn wait<T>(&self, what: &str, find: impl Fn(&Value) -> Option<T>) -> T {
        for _ in 0..3_000 {
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
        panic!("no {what} within 30 s: {}", self.get("frames"));
    }

    pub async fn result(&self, call: u64) -> Value {
        self.wait("result", |frame| {
            frame["results"]
                .as_array()?
                .iter()
                .find(|result| result["call"] == call)
                .cloned()
        })
        .await
    }

    /// Until it has ended, and that was told once.
    pub async fn ended(&self) {
        for _ in 0..3_000 {
            let ends = self.get("ends");
            if ends != json!(0) {
                return assert_eq!(ends, json!(1));
            }
            sleep(10).await;
        }
        panic!("it has not ended within 30 s");
    }

    pub async fn caught_up(&self) {
        self.wait("caught up", |frame| {
            (frame["status"]["connection"] == "online" && frame["status"]["caughtUp"] == true)
                .then_some(())
        })
        .await;
    }

    /// A message of this text in a timeline.
    pub async fn item(&self, text: &str) -> Value {
        self.wait(text, |frame| {
            let timelines = frame["timelines"].as_array()?.iter();
            timelines
                .filter_map(|timeline| timeline["items"].as_array())
                .flatten()
                .filter_map(|splice| splice["ins"].as_array())
                .flatten()
                .find(|item| item["message"]["body"]["text"] == text)
                .cloned()
        })
        .await
    }

    /// What `inspect` says of a conversation, once that holds.
    pub async fn inspected(
        &self,
        host: &Host,
        conversation: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut said = Value::Null;
        for call in 1_000..1_600 {
            command(
                host,
                json!({ "op": "inspect", "call": call, "conversation": conversation }),
            );
            said = self.result(call).await["ok"].take();
            if holds(&said) {
                return said;
            }
            sleep(50).await;
        }
        panic!("never {what}: {said}");
    }
}

/// A name that no other test has, with a conversation "c/NAME".
pub async fn account() -> String {
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

pub async fn open(name: &str, facade: &Facade, mode: &str) -> Host {
    open_with(name, facade, json!({ "mode": mode })).await
}

/// Opens a client with more options than it needs.
pub async fn open_with(name: &str, facade: &Facade, more: Value) -> Host {
    let mut config = json!({
        "account": name, "baseUrl": server(), "scope": "account",
        "notify": "socket", "mode": "memory", "online": true, "hidden": false,
    });
    for (option, value) in more.as_object().unwrap() {
        config[option] = value.clone();
    }
    Host::open(value(&config), facade.0.clone().unchecked_into())
        .await
        .unwrap_or_else(|thrown| panic!("{thrown:?}"))
}

/// As JS has it.
pub fn value(json: &Value) -> JsValue {
    JSON::parse(&json.to_string()).unwrap()
}

pub fn command(host: &Host, command: Value) {
    let error = host.command(value(&command));
    assert!(error.is_undefined(), "{command}: {error:?}");
}

pub fn code_of(error: &JsValue) -> JsValue {
    Reflect::get(error, &"code".into()).unwrap()
}

pub fn message_of(error: &JsValue) -> String {
    let message = Reflect::get(error, &"message".into()).unwrap();
    message.as_string().unwrap()
}
