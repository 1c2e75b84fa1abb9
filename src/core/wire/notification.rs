//! Reading the frames of the notification channel (docs/protocol.md, "Notifications"). What cannot
//! be read counts as a notification: that costs one pull, while ignoring it could cost a message's
//! timeliness.

use crate::core::net::Notice;
use crate::core::node::Node;
use crate::core::node::Shape::{self, Each, Fields, Plain};

/// Largest text with events inline that is looked into, in bytes or UTF-16 units: what is larger is
/// pulled.
pub const PUSH_MAX: usize = 1 << 20;

/// What is read of a frame; of one with events inline no more than that it is one.
const FRAME: Shape = Fields(&[
    ("type", Plain),
    ("spread", Plain),
    ("conversations", Each(&Plain)),
]);

/// A frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// signed in
    Ready,
    /// what the engine hears
    Notice(Notice),
    /// to be answered
    Ping,
    /// the answer to a ping
    Pong,
    /// of a type that this version does not know
    Unknown,
}

impl Frame {
    /// Reads a frame.
    pub fn read(text: String) -> Frame {
        if text.len() > PUSH_MAX {
            return Frame::malformed();
        }
        let Ok(node) = Node::of("frame", &text, &FRAME) else {
            return Frame::malformed();
        };
        let Ok(kind) = node.text("type") else {
            return Frame::malformed();
        };
        match kind {
            "ready" => Frame::Ready,
            "notify" => {
                let spread = node.optional_number("spread").ok().flatten().unwrap_or(0.0);
                Frame::Notice(Notice::Notify {
                    // A cast of a float saturates.
                    spread: spread as u32,
                    conversations: node.texts("conversations").unwrap_or_default(),
                })
            }
            "push" => Frame::Notice(Notice::Push(text)),
            "ping" => Frame::Ping,
            "pong" => Frame::Pong,
            _ => Frame::Unknown,
        }
    }

    /// What stands for a frame that is none of the protocol: a plain notification.
    pub fn malformed() -> Frame {
        Frame::Notice(Notice::Notify {
            spread: 0,
            conversations: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notify(spread: u32, conversations: &[&str]) -> Frame {
        Frame::Notice(Notice::Notify {
            spread,
            conversations: conversations.iter().map(|id| id.to_string()).collect(),
        })
    }

    #[test]
    fn what_cannot_be_read_counts_as_a_notification() {
        for text in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"type":7}"#,
            r#"{"type":"notify","spread":"x","conversations":7}"#,
            r#"{"type":"notify","spread":-1,"conversations":["c",{}]}"#,
        ] {
            assert_eq!(Frame::read(text.into()), notify(0, &[]), "{text}");
        }
        assert_eq!(
            Frame::read(r#"{"type":"notify","spread":1e99,"conversations":["c"]}"#.into()),
            notify(u32::MAX, &["c"])
        );
        assert_eq!(
            Frame::read(r#"{"type":"notify","spread":1e999,"conversations":["c",7]}"#.into()),
            notify(u32::MAX, &["c", "7"])
        );
        assert_eq!(Frame::read(r#"{"type":"poke"}"#.into()), Frame::Unknown);
    }

    #[test]
    fn a_field_that_nobody_asks_for_is_not_looked_into() {
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        for odd in ["1e999", r#""\ud800""#, &deep] {
            let ready = format!(r#"{{"x":{odd},"type":"ready","events":{odd}}}"#);
            assert_eq!(Frame::read(ready), Frame::Ready);
            let push = format!(r#"{{"type":"push","prev":{odd},"events":{odd}}}"#);
            let frame = Frame::read(push.clone());
            assert_eq!(frame, Frame::Notice(Notice::Push(push)));
        }
    }

    #[test]
    fn a_frame_that_is_too_large_is_not_looked_into() {
        let push = |bytes: usize| {
            let empty = r#"{"type":"push","x":""}"#;
            empty.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - empty.len())))
        };
        let largest = push(PUSH_MAX);
        assert_eq!(
            Frame::read(largest.clone()),
            Frame::Notice(Notice::Push(largest))
        );
        assert_eq!(Frame::read(push(PUSH_MAX + 1)), Frame::malformed());
    }
}
