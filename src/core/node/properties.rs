//! What is read is what other readers read.

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

/// As another reader has it, where that takes it.
fn same(node: &Node, value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (node, value) {
        (Node::Null, Value::Null) => true,
        (Node::Flag(a), Value::Bool(b)) => a == b,
        (Node::Number(_), Value::Number(b)) => match b.as_u64() {
            Some(b) => node.as_whole() == Some(b),
            None => node.as_number().is_some_and(|a| {
                let b = b.as_f64().unwrap_or_default();
                a == b || ((a - b) / b).abs() < 1e-14 || b.abs() < 1e-300
            }),
        },
        (Node::Text(a), Value::String(b)) => a == b,
        (Node::List(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Node::Object(a), Value::Object(b)) => {
            let same = |(key, value): &(Cow<str>, Node)| {
                // Of fields of one name the last is the other reader's.
                let (_, last) = a.iter().rev().find(|(k, _)| k == key).unwrap();
                !std::ptr::eq(last, value) || b.get(&**key).is_some_and(|b| same(value, b))
            };
            a.iter().all(same)
        }
        (Node::Raw(raw), value) => serde_json::from_str::<Value>(raw).is_ok_and(|v| v == *value),
        _ => false,
    }
}

proptest! {
    #[test]
    fn it_reads_what_others_read(text in r#"([\[\]{},:"\\ntr0-9.eE+-]|true|null|false|"a"|\\u00e9|\\ud83d\\ude00|\\n|é){0,12}"#) {
        let node = Node::parse("text", &text);
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value) => prop_assert!(same(&node.unwrap(), &value)),
            Err(error) => prop_assert!(node.is_err() || error.to_string().contains("out of range") || error.to_string().contains("surrogate") || error.to_string().contains("hex"), "{error}"),
        }
    }

    #[test]
    fn a_value_is_read_as_others_read_it(value in any_json()) {
        let text = value.to_string();
        prop_assert!(same(&Node::parse("text", &text).unwrap(), &value));
        prop_assert!(is_fit(&text));
    }

    #[test]
    fn a_number_is_read_nearly(number in any::<f64>()) {
        let text = serde_json::to_string(&number).unwrap();
        match number.is_finite() {
            true => {
                let read = Node::Number(&text).as_number().unwrap();
                prop_assert!(read == number || ((read - number) / number).abs() < 1e-14 || number.abs() < 1e-300, "{read} {number}");
            }
            false => prop_assert_eq!(text, "null"),
        }
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| json!(map)),
        ]
    })
}
