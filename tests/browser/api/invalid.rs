//! Options and arguments that are wrong: named, and nothing is done.

use pullcord::api::Host;
use serde_json::json;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::*;

use super::backend::{LIST, backend, open_app};
use super::facade::{Facade, code_of, command, message_of};
use crate::support::js;

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
