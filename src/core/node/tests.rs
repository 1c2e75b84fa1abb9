//! Both readers, and what they refuse.

use super::shape::RAW;
use super::*;
use crate::core::error::ErrorCode;

fn refused(text: &str) -> bool {
    Node::parse("text", text).is_err_and(|e| e.code == ErrorCode::Protocol)
}

#[test]
fn a_text_of_more_values_than_are_taken_is_refused() {
    let list = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
    assert!(Node::parse("text", &list(MAX_VALUES - 1)).is_ok());
    assert!(refused(&list(MAX_VALUES)));
    for field in ["a", "body"] {
        let one = format!("\"{field}\":1");
        let object = |count: usize| format!("{{{}{one}}}", format!("{one},").repeat(count - 1));
        assert!(Node::parse("text", &object(MAX_VALUES - 1)).is_ok());
        assert!(refused(&object(MAX_VALUES)));
    }
}

#[test]
fn one_pass_reads_what_the_reader_of_one_level_reads() {
    const FIELDS: &[(&str, Shape)] = &[
        ("seq", Shape::Plain),
        ("text", Shape::Plain),
        ("body", Shape::Raw),
        ("last", Shape::Fields(&[("seq", Shape::Plain)])),
    ];
    const SHAPE: Shape = Shape::Fields(&[
        ("events", Shape::Each(&Shape::Fields(FIELDS))),
        ("by", Shape::Named(&Shape::Plain)),
    ]);
    for (text, in_one_pass) in [
        (r#"{"events":[],"by":{}}"#, true),
        (
            r#" {"by":{"a":1,"b":"2"},"events":[{"seq":7,"text":"\n","other":[{}]}]} "#,
            true,
        ),
        (
            r#"{"events":[{"body":{"events":[1]},"last":null},null]}"#,
            true,
        ),
        (
            r#"{"events":[{"seq":1e999,"text":"\ud83d","body":"\ud83d"}]}"#,
            true,
        ),
        (
            r#"{"events":[{"last":"\ud83d"},{"last":[1]},7,"x"]}"#,
            false,
        ),
        (r#"{"events":{"seq":1},"by":[1,1e999]}"#, false),
        ("[1]", false),
    ] {
        let direct = direct(text, &SHAPE, 100);
        assert_eq!(direct.is_some(), in_one_pass, "{text}");
        let by_level = Reader { left: 100 }.value(text.trim(), &SHAPE, 0).ok();
        assert!(by_level.is_some(), "{text}");
        assert_eq!(direct.or(by_level.clone()), by_level, "{text}");
    }
    for broken in [
        r#"{"events":[{"seq":}]}"#,
        r#"{"events":[]"#,
        r#"{"by":{"a":01}}"#,
        "{}1",
    ] {
        assert!(direct(broken, &SHAPE, 100).is_none(), "{broken}");
        assert!(Node::of("text", broken, &SHAPE).is_err(), "{broken}");
    }
    assert!(
        direct(r#"{"by":{"a":1,"b":2}}"#, &SHAPE, 3).is_none(),
        "too many"
    );
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn what_is_the_apps_is_said_to_be_too_deep() {
    for field in RAW {
        for (depth, fits) in [
            (MAX_NESTING, true),
            (MAX_NESTING + 1, false),
            (1_000_000, false),
        ] {
            let value = nested(depth);
            let text = format!("{{\"{field}\": {value} }}");
            let node = Node::parse("text", &text).unwrap();
            let expected = match fits {
                true => Node::Raw(&value),
                false => Node::Deep(&value),
            };
            assert!(node.get(field) == Some(&expected));
            assert_eq!(is_fit(&value), fits);
        }
    }
}

#[test]
fn brackets_in_texts_do_not_nest() {
    let text = format!("[\"\\\\\",\"\\\"{}\"]", "[".repeat(1_000));
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    assert!(is_fit(&text));
    let lists = format!("[{}[]]", "[[]],".repeat(1_000));
    assert!(is_fit(&lists));
}

#[test]
fn what_follows_a_value_is_refused() {
    assert!(refused("{} {}"));
    assert!(Node::parse("text", " {} ").is_ok());
    assert!(!is_fit("1 2"));
    assert!(is_fit(" 1 "));
}

#[test]
fn what_nobody_asks_for_is_not_looked_into() {
    const SHAPE: Shape = Shape::Fields(&[
        ("a", Shape::Plain),
        ("list", Shape::Each(&Shape::Fields(&[("b", Shape::Plain)]))),
    ]);
    let deep = nested(1_000_000);
    let many = format!("[{}1]", "1,".repeat(MAX_VALUES));
    let deep = format!("{deep:?}").replace('"', "");
    for odd in [
        "1e999",
        r#""\ud800""#,
        r#"{"a":"\udc00","":[]}"#,
        &deep,
        &many,
    ] {
        let text = format!(
            r#"{{"x":{odd},"a":1,"list":[{{"b":"\ud83d\ude00","a":{odd}}},{{"\ud800":{odd},"b":{odd}}}],"":{odd}}}"#
        );
        let node = Node::of("text", &text, &SHAPE).unwrap();
        assert_eq!(node.whole("a").unwrap(), 1);
        let list = node.list("list").unwrap();
        assert_eq!(list[0].text("b").unwrap(), "\u{1F600}");
        assert!(list[1].as_whole().is_none());
    }
}

#[test]
fn a_list_where_an_object_is_asked_for_is_not_descended_into() {
    const SHAPE: Shape = Shape::Each(&Shape::Fields(&[("a", Shape::Plain)]));
    let text = nested(1_000_000);
    let node = Node::of("text", &text, &SHAPE).unwrap();
    assert!(matches!(&node.as_list().unwrap()[0], Node::Deep(_)));
    assert!(Node::parse("text", &text).is_ok());
}

#[test]
fn half_a_surrogate_pair_is_told() {
    for (text, expected) in [
        (r#""\ud800""#, "\u{FFFD}"),
        (r#""a\ud800b\udc00c""#, "a\u{FFFD}b\u{FFFD}c"),
        (r#""\ud800\ud83d\ude00""#, "\u{FFFD}\u{1F600}"),
        (r#""\ud800\\udc00""#, "\u{FFFD}\\udc00"),
        (r#""\ud800\n""#, "\u{FFFD}\n"),
    ] {
        let node = Node::parse("text", text).unwrap();
        assert_eq!(node, Node::Torn(expected.into()), "{text}");
    }
}
