//! Writes small JSON objects around text that is JSON already.

use crate::core::json;
use crate::core::types::Seq;

/// Greatest integer that every JSON reader keeps exact.
const EXACT: u64 = (1 << 53) - 1;

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

    pub(super) fn optional_text(self, name: &str, value: Option<&str>) -> Object {
        match value {
            Some(value) => self.text(name, value),
            None => self.raw(name, "null"),
        }
    }

    pub(super) fn number(self, name: &str, value: u64) -> Object {
        self.raw(name, &value.to_string())
    }

    /// As the wire wants it: an integer as long as that is exact, above it its digits.
    pub(super) fn seq(self, name: &str, Seq(seq): Seq) -> Object {
        if seq <= EXACT {
            self.number(name, seq)
        } else {
            self.text(name, &seq.to_string())
        }
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    json::string(&mut out, text);
    out
}
