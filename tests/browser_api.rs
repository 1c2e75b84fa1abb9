//! A client as the facade holds it, in a browser, against the reference server
//! (`PULLCORD_TEST_SERVER`, at compile time): commands in, frames out.

#![cfg(target_arch = "wasm32")]

use js_sys::{JSON, Promise, Reflect};
use pullcord::api::Host;
use pullcord::net::time::sleep;
use pullcord::store::Store;
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

/// A call beside the protocol, by the user `NAME` where `name` is given; its answer.
async fn demo_of(name: Option<&str>, call: &str, body: Value) -> Value {
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

async fn demo(call: &str, body: Value) -> Value {
    demo_of(None, call, body).await
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
                tell() {{}},
                fenced() {{}},
                stuck() {{}},
                promoted() {{}},
                refused() {{}},
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

    /// How it has ended, once it has.
    async fn ended(&self) -> Value {
        for _ in 0..3_000 {
            let ended = self.get("ended");
            if ended != json!([]) {
                return ended;
            }
            sleep(10).await;
        }
        panic!("it has not ended within 30 s");
    }

    async fn caught_up(&self) {
        self.wait("caught up", |frame| {
            (frame["status"]["connection"] == "online" && frame["status"]["caughtUp"] == true)
                .then_some(())
        })
        .await;
    }

    /// A message of this text in a timeline.
    async fn item(&self, text: &str) -> Value {
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
    async fn inspected(
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
    open_with(name, facade, json!({ "mode": mode })).await
}

/// Opens a client with more options than it needs.
async fn open_with(name: &str, facade: &Facade, more: Value) -> Host {
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
fn value(json: &Value) -> JsValue {
    JSON::parse(&json.to_string()).unwrap()
}

fn command(host: &Host, command: Value) {
    let error = host.command(value(&command));
    assert!(error.is_undefined(), "{command}: {error:?}");
}

fn code_of(error: &JsValue) -> JsValue {
    Reflect::get(error, &"code".into()).unwrap()
}

fn message_of(error: &JsValue) -> String {
    let message = Reflect::get(error, &"message".into()).unwrap();
    message.as_string().unwrap()
}

#[wasm_bindgen_test]
async fn a_client_signs_in_sends_and_is_wiped() {
    for mode in ["indexeddb", "memory"] {
        let name = account().await;
        let facade = Facade::new(&format!("demo-{name}"));
        let host = open(&name, &facade, mode).await;
        facade
            .wait("connecting, for nobody writes", |frame| {
                (frame["status"]["connection"] == "connecting").then_some(())
            })
            .await;
        host.promote();
        facade.caught_up().await;
        let send = json!({ "op": "send", "call": 1, "conversation": format!("c/{name}"), "body": "\"hi\"", "clientId": "one" });
        command(&host, send);
        assert_eq!(facade.result(1).await["ok"]["clientId"], "one");
        command(&host, json!({ "op": "sync", "call": 2 }));
        assert!(facade.result(2).await.get("ok").is_some());
        command(&host, json!({ "op": "wipe", "call": 3 }));
        assert_eq!(facade.ended().await, json!([[true, null]]));
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
    Store::wipe(&name).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_wipe_from_outside_ends_the_client() {
    let name = account().await;
    let facade = Facade::new(&format!("demo-{name}"));
    let host = open(&name, &facade, "indexeddb").await;
    host.promote();
    Store::wipe(&name).await.unwrap();
    facade
        .wait("closed", |frame| {
            (frame["status"]["connection"] == "closed").then_some(())
        })
        .await;
    assert_eq!(facade.ended().await, json!([[false, null]]));
}

#[wasm_bindgen_test]
async fn a_wrong_option_is_invalid_and_named() {
    for (config, named) in [
        ("5", ""),
        ("{}", "account"),
        (r#"{account:"a"}"#, ""),
        (r#"{account:"a",baseUrl:"ftp://example.test"}"#, ""),
        (
            r#"{account:"a",methods:["pull","history"]}"#,
            "transport.conversations",
        ),
        (r#"{account:"a",scope:"device"}"#, "sync.scope"),
        (r#"{account:"a",scope:null}"#, "sync.scope"),
        (r#"{account:"a",notify:"pigeon"}"#, "sync.notify"),
        (
            r#"{account:"a",notify:"long-poll",scope:"mailbox"}"#,
            "sync.notify",
        ),
        (r#"{account:"a",overflow:"drop"}"#, "overflow"),
        (r#"{account:"a",mode:"disk"}"#, "storage.mode"),
        (r#"{account:"a",maxMessages:2**53}"#, "storage.maxMessages"),
        (r#"{account:"a",timeout:Infinity}"#, "transport.timeout"),
        (r#"{account:"a",pollInterval:0}"#, "sync.pollInterval"),
        (r#"{account:"a",pollInterval:null}"#, "sync.pollInterval"),
        (r#"{account:"a",pullLimit:"5"}"#, "sync.pullLimit"),
        (
            r#"{account:"a",minPullInterval:new Date()}"#,
            "sync.minPullInterval",
        ),
        (r#"{account:"a",pageSize:1.5}"#, "pageSize"),
        (r#"{account:"a",pageSize:5n}"#, "pageSize"),
        (r#"{account:"a",pageSize:NaN}"#, "pageSize"),
        (r#"{account:"a",prefetch:"often"}"#, "prefetch"),
        (r#"{account:"a",prefetch:null}"#, "prefetch"),
    ] {
        let facade = Facade::new("none");
        let given = js(&format!("({config})"));
        let error = Host::open(given, facade.0.clone().unchecked_into())
            .await
            .err()
            .unwrap();
        assert_eq!(code_of(&error), "invalid", "{config}");
        let said = message_of(&error);
        assert!(said.starts_with(named), "{config}: {said}");
    }
}

#[wasm_bindgen_test]
async fn a_wrong_argument_is_invalid_and_named_and_nothing_is_done() {
    let facade = backend(json!({
        "pull": [{ "events": [], "cursor": "1", "hasMore": false }],
        "conversations": LIST(),
    }));
    let host = open_app(&facade, "account").await;
    for (wrong, named) in [
        (
            r#"{op:"load",call:1,timeline:1,direction:"older",limit:0}"#,
            "limit: ",
        ),
        (
            r#"{op:"load",call:1,timeline:1,direction:"older",limit:null}"#,
            "limit: ",
        ),
        (
            r#"{op:"open",timeline:1,conversation:"c1",pageSize:NaN}"#,
            "pageSize: ",
        ),
        (
            r#"{op:"open",timeline:1,conversation:"c1",maxItems:5}"#,
            "maxItems is at least the page size, 30",
        ),
        (
            r#"{op:"open",timeline:1,conversation:"c1",start:{at:new Date()}}"#,
            "at: ",
        ),
        (r#"{op:"jump",call:1,timeline:1,to:{at:[].at}}"#, "at: "),
        (r#"{op:"jump",call:1,timeline:1,to:{at:1.5}}"#, "at: "),
        (
            r#"{op:"send",call:1,conversation:"c1",clientId:"k",body:"{"}"#,
            "body: ",
        ),
        (r#"{op:"fly"}"#, "unknown variant"),
        ("undefined", ""),
    ] {
        let given = js(&format!("({wrong})"));
        for error in [host.check(given.clone()), host.command(given)] {
            assert_eq!(code_of(&error), "invalid", "{wrong}");
            let said = message_of(&error);
            assert!(said.starts_with(named), "{wrong}: {said}");
        }
    }
    let fits = js(r#"({op:"open",timeline:1,conversation:"c1",maxItems:30,start:{at:5}})"#);
    assert!(host.check(fits).is_undefined());
    command(&host, json!({ "op": "inspect", "call": 7 }));
    assert_eq!(facade.result(7).await["ok"]["outbox"], 0);
}

// ---------------------------------------------------------------- every scope, against the server

#[wasm_bindgen_test]
async fn every_scope_notification_and_policy_shows_what_others_send() {
    for (scope, notify, overflow) in [
        ("account", "socket", "clear"),
        ("account", "long-poll", "keep"),
        ("account", "poll", "clear"),
        ("conversation", "socket", "keep"),
        ("conversation", "poll", "clear"),
        ("mailbox", "socket", "clear"),
        ("mailbox", "poll", "keep"),
    ] {
        let name = account().await;
        let conversation = format!("c/{name}");
        let facade = Facade::new(&format!("demo-{name}"));
        // No timer of the others is due within this test.
        let interval = if notify == "poll" { 100 } else { 600_000 };
        let more = json!({
            "scope": scope, "notify": notify, "overflow": overflow, "promoted": true,
            "pollInterval": interval, "fallbackPollInterval": interval,
        });
        let host = open_with(&name, &facade, more).await;
        facade.caught_up().await;
        command(
            &host,
            json!({ "op": "open", "timeline": 1, "conversation": conversation }),
        );
        let kind = format!("{scope} {notify}");
        for round in ["first", "second"] {
            let text = format!("{kind} {round}");
            let bulk =
                json!({ "conversation": conversation, "sender": "ann", "count": 2, "text": text });
            demo("bulk", bulk).await;
            facade.item(&format!("{text} 1")).await;
            let item = facade.item(&format!("{text} 2")).await;
            assert_eq!(item["fresh"], true, "{kind}");
        }
        let said = facade
            .inspected(&host, &conversation, "acknowledged", |said| {
                (said["requests"]["ack"] != 0) == (scope == "mailbox")
            })
            .await;
        assert_eq!(said["cachedMessages"], 4, "{kind}");
        assert_eq!(
            said["segments"][0]["live"], true,
            "{kind}: {}",
            said["segments"]
        );
        drop(host);
    }
}

#[wasm_bindgen_test]
async fn an_overflow_keeps_and_revalidates_or_clears_and_reloads() {
    for scope in ["account", "conversation", "mailbox"] {
        for overflow in ["keep", "clear"] {
            let kind = format!("{scope} {overflow}");
            let name = account().await;
            let conversation = format!("c/{name}");
            let bulk = async |text: &str, count: u32| {
                let more = json!({ "conversation": conversation, "sender": "ann", "count": count, "text": text });
                demo("bulk", more).await;
            };
            bulk("before", 50).await;
            let facade = Facade::new(&format!("demo-{name}"));
            let more = json!({ "scope": scope, "overflow": overflow, "promoted": true });
            let host = open_with(&name, &facade, more).await;
            facade.caught_up().await;
            // More than the page that follows the overflow brings.
            for command_of in [
                json!({ "op": "open", "timeline": 1, "conversation": conversation, "pageSize": 30 }),
                json!({ "op": "load", "call": 1, "timeline": 1, "direction": "older" }),
            ] {
                command(&host, command_of);
            }
            assert_eq!(facade.result(1).await["ok"]["added"], 20, "{kind}");
            let of = json!({ "conversations": [conversation] });
            demo_of(Some(&name), "overflow", of).await;
            bulk("after", 5).await;
            command(&host, json!({ "op": "sync", "call": 2 }));
            let synced = facade.result(2).await;
            assert!(synced.get("ok").is_some(), "{kind}: {synced}");
            facade.item("after 5").await;
            let said = facade
                .inspected(&host, &conversation, "whole again", |said| {
                    let segments = said["segments"].as_array().unwrap();
                    let all = overflow == "clear" || segments[0]["count"] == 55;
                    segments.len() == 1
                        && all
                        && segments[0]["live"] == true
                        && segments[0]["fresh"] == true
                })
                .await;
            let changes = said["requests"]["changes"].as_u64().unwrap();
            // A mailbox has no cursor that changes could be asked for since: it fetches again.
            let revalidates = overflow == "keep" && scope != "mailbox";
            assert_eq!(changes > 0, revalidates, "{kind}: {said}");
            drop(host);
        }
    }
}

#[wasm_bindgen_test]
async fn a_timeline_begins_and_jumps_where_it_is_told_to() {
    let name = account().await;
    let conversation = format!("c/{name}");
    let bulk = json!({ "conversation": conversation, "sender": "ann", "count": 300, "text": "n" });
    let seqs = demo("bulk", bulk).await;
    let first = seqs["firstSeq"].as_u64().unwrap();
    let facade = Facade::new(&format!("demo-{name}"));
    let host = open_with(&name, &facade, json!({ "promoted": true })).await;
    facade.caught_up().await;
    let begin = json!({ "around": (first + 99).to_string() });
    command(
        &host,
        json!({ "op": "open", "timeline": 1, "conversation": conversation, "start": begin, "pageSize": 10 }),
    );
    let anchored = async |count: u64| {
        facade
            .wait("anchor", |frame| {
                let timeline = &frame["timelines"][0];
                (timeline["anchor"]["count"].as_u64()? >= count && timeline["status"] == "ready")
                    .then(|| timeline["anchor"].clone())
            })
            .await
    };
    let hundredth = facade.item("n 100").await;
    let anchor = anchored(1).await;
    assert_eq!(anchor["key"], hundredth["key"]);
    let mut count = anchor["count"].as_u64().unwrap();
    for (call, to, text) in [
        (1, json!("latest"), "n 300"),
        (2, json!({ "around": (first + 49).to_string() }), "n 50"),
        (3, json!({ "at": 0 }), "n 1"),
        // Nothing of it was read.
        (4, json!("first-unread"), "n 1"),
    ] {
        command(
            &host,
            json!({ "op": "jump", "call": call, "timeline": 1, "to": to }),
        );
        let result = facade.result(call).await;
        assert!(result.get("ok").is_some(), "{to}: {result}");
        let item = facade.item(text).await;
        let anchor = anchored(count + 1).await;
        count = anchor["count"].as_u64().unwrap();
        if to != "latest" {
            assert_eq!(anchor["key"], item["key"], "{to}");
        }
    }
}

// ---------------------------------------------------------------- every scope, on an app's transport

/// The facade's part for an app's backend that answers each method from what `answers` gives by its
/// name, the last one again and again, and keeps what it was asked.
fn backend(answers: Value) -> Facade {
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
    fn methods(&self) -> Vec<String> {
        let answers = self.get("answers");
        let answered = answers.as_object().unwrap().keys().cloned();
        answered
            .chain(["history".into(), "listen".into()])
            .collect()
    }

    /// When a method was called, in ms.
    fn asked_at(&self, method: &str) -> Vec<f64> {
        let calls = self.get("calls");
        let of = calls.as_array().unwrap().iter();
        of.filter(|call| call[0] == method)
            .map(|call| call[2].as_f64().unwrap())
            .collect()
    }

    /// The requests that a method got.
    fn asked(&self, method: &str) -> Vec<Value> {
        let calls = self.get("calls");
        calls
            .as_array()
            .unwrap()
            .iter()
            .filter(|call| call[0] == method)
            .map(|call| call[1].clone())
            .collect()
    }

    fn push(&self, batch: Value) {
        let sink = Reflect::get(&self.0, &"sink".into()).unwrap();
        let push: js_sys::Function = Reflect::get(&sink, &"push".into())
            .unwrap()
            .unchecked_into();
        push.call1(&sink, &batch.to_string().into()).unwrap();
    }

    /// New messages were told of, with this one among them.
    async fn told(&self, id: &str) {
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

    async fn until(&self, what: &str, holds: impl Fn(&Facade) -> bool) {
        for _ in 0..3_000 {
            if holds(self) {
                return;
            }
            sleep(10).await;
        }
        panic!("never {what}: {}", self.get("calls"));
    }
}

fn message_event(seq: u64, more: Value) -> Value {
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

async fn open_app(facade: &Facade, scope: &str) -> Host {
    let name = js("crypto.randomUUID()").as_string().unwrap();
    let more = json!({
        "methods": facade.methods(), "scope": scope, "promoted": true,
        "pollInterval": 600_000, "fallbackPollInterval": 600_000,
    });
    let host = open_with(&name, facade, more).await;
    command(&host, json!({ "op": "listening", "events": ["messages"] }));
    host
}

const LIST: fn() -> Value =
    || json!([{ "conversations": [{ "id": "c1", "lastSeq": null }], "next": null }]);

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
