//! Writes small JSON objects around text that is JSON already.

use crate::core::json;
use crate::core::types::{MAX_EXACT, Seq};

/// A JSON object in the making.
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Object {
        Object(String::from("{"))
    }

    /// `json` is JSON text.
    pub(super) fn raw(mut self, name: &str, json: &str) -> Object {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(json);
        self
    }

    pub(super) fn text(self, name: &str, value: &str) -> Object {
        self.raw(name, &quoted(value))
    }

    pub(super) fn number(self, name: &str, value: u64) -> Object {
        self.raw(name, &value.to_string())
    }

    /// As the wire wants it: an integer as long as that is exact, above it its digits.
    pub(super) fn seq(self, name: &str, Seq(seq): Seq) -> Object {
        if seq <= MAX_EXACT {
            self.number(name, seq)
        } else {
            self.text(name, &seq.to_string())
        }
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    /// What `PullConversations` asks for, which the wire and the app's function are told alike.
    pub(super) fn of_cursors(
        cursors: &[(String, String)],
        limit: u32,
        only: Option<&[String]>,
        rest: bool,
    ) -> Object {
        let request = Object::new()
            .raw("cursors", &map(cursors))
            .number("limit", u64::from(limit));
        let request = match only {
            Some(only) => request.raw("only", &list(only)),
            None => request,
        };
        match rest {
            true => request.raw("rest", "true"),
            false => request,
        }
    }
}

/// A JSON list of texts.
pub(super) fn list(texts: &[String]) -> String {
    let mut out = String::from("[");
    for text in texts {
        json::next(&mut out);
        json::string(&mut out, text);
    }
    out.push(']');
    out
}

/// A JSON object of texts, whose names may be anything.
fn map(texts: &[(String, String)]) -> String {
    let mut out = String::from("{");
    for (name, text) in texts {
        json::field(&mut out, name);
        json::string(&mut out, text);
    }
    out.push('}');
    out
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    json::string(&mut out, text);
    out
}
