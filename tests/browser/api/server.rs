//! Every scope, notification and overflow policy, against the server.

use serde_json::json;
use wasm_bindgen_test::*;

use super::facade::{Facade, account, command, demo, demo_of, open_with};

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
