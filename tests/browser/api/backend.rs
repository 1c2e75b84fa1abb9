//! An app's backend, played by the facade's part.

use js_sys::{JSON, Reflect};
use pullcord::api::Host;
use pullcord::net::time::sleep;
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

use super::facade::{Facade, command, open_with};
use crate::support::js;

/// The facade's part for an app's backend that answers each method from what `answers` gives by its
/// name, the last one again and again, and keeps what it was asked.
pub fn backend(answers: Value) -> Facade {
    let facade = Facade::new("none");
    Reflect::set(
        &facade.0,
        &"answers".into(),
        &JSON::parse(&answers.to_string()).unwrap(),
    )
    .unwrap();
    Reflect::set(
        &facade.0,
        &"calls".into(),
        &js_sys::Array::new().unchecked_into(),
    )
    .unwrap();
    js(r#"((facade) => Object.assign(facade, {
        async call(method, request) {
            this.calls.push([method, request, performance.now()]);
            const left = this.answers[method];
            if (!left) throw { code: "invalid", message: method };
            const answer = left.length > 1 ? left.shift() : left[0];
            return answer === "" ? "" : JSON.stringify(answer);
        },
        listen(sink) { this.sink = sink; sink.ready(); },
    }))"#)
    .unchecked_into::<js_sys::Function>()
    .call1(&JsValue::NULL, &facade.0)
    .unwrap();
    facade
}

impl Facade {
    /// What the app's transport can do: what there are answers for, and all that its scope needs.
    pub fn methods(&self) -> Vec<String> {
        let answers = self.get("answers");
        let answered = answers.as_object().unwrap().keys().cloned();
        answered
            .chain(["history".into(), "listen".into()])
            .collect()
    }

    /// When a method was called, in ms.
    pub fn asked_at(&self, method: &str) -> Vec<f64> {
        let calls = self.get("calls");
        let of = calls.as_array().unwrap().iter();
        of.filter(|call| call[0] == method)
            .map(|call| call[2].as_f64().unwrap())
            .collect()
    }

    /// The requests that a method got.
    pub fn asked(&self, method: &str) -> Vec<Value> {
        let calls = self.get("calls");
        calls
            .as_array()
            .unwrap()
            .iter()
            .filter(|call| call[0] == method)
            .map(|call| call[1].clone())
            .collect()
    }

    pub fn push(&self, batch: Value) {
        let sink = Reflect::get(&self.0, &"sink".into()).unwrap();
        let push: js_sys::Function = Reflect::get(&sink, &"push".into())
            .unwrap()
            .unchecked_into();
        push.call1(&sink, &batch.to_string().into()).unwrap();
    }

    /// New messages were told of, with this one among them.
    pub async fn told(&self, id: &str) {
        self.wait(id, |frame| {
            let events = frame["events"].as_array()?.iter();
            events
                .filter(|event| event["type"] == "messages")
                .any(|event| {
                    event["detail"]["messages"]
                        .as_array()
                        .is_some_and(|all| all.iter().any(|message| message["id"] == id))
                })
                .then_some(())
        })
        .await;
    }

    pub async fn until(&self, what: &str, holds: impl Fn(&Facade) -> bool) {
        for _ in 0..3_000 {
            if holds(self) {
                return;
            }
            sleep(10).await;
        }
        panic!("never {what}: {}", self.get("calls"));
    }
}

pub fn message_event(seq: u64, more: Value) -> Value {
    let mut event = json!({
        "type": "message", "prev": (seq > 1).then(|| seq - 1),
        "message": {
            "id": format!("m{seq}"), "conversation": "c1", "seq": seq, "sender": "ann", "createdAt": seq,
            "version": 1, "state": "normal", "body": { "n": seq },
        },
    });
    for (field, value) in more.as_object().unwrap() {
        event[field] = value.clone();
    }
    event
}

pub async fn open_app(facade: &Facade, scope: &str) -> Host {
    let name = js("crypto.randomUUID()").as_string().unwrap();
    let more = json!({
        "methods": facade.methods(), "scope": scope, "promoted": true,
        "pollInterval": 600_000, "fallbackPollInterval": 600_000,
    });
    let host = open_with(&name, facade, more).await;
    command(&host, json!({ "op": "listening", "events": ["messages"] }));
    host
}

pub const LIST: fn() -> Value =
    || json!([{ "conversations": [{ "id": "c1", "lastSeq": null }], "next": null }]);
