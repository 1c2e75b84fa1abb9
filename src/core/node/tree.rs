//! What was read: values, and how they are looked at.

use std::borrow::Cow;

use crate::core::error::{Error, ErrorCode, head};
use crate::core::json;
use crate::core::types::{MAX_EXACT, Seq};

/// Bytes of a value that a message says.
pub(super) const BEGINNING: usize = 40;
/// How a message ends about a field that is not there.
pub(super) const MISSING: &str = ", and is missing";

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Node<'a> {
    /// null
    Null,
    /// true, false
    Flag(bool),
    /// a number, as it is written
    Number(&'a str),
    /// a string
    Text(Cow<'a, str>),
    /// a string with half a surrogate pair, which is U+FFFD here
    Torn(String),
    /// an array
    List(Vec<Node<'a>>),
    /// an object, in the order written
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
    /// JSON text as it came: the app's, or of a kind that nobody asked for
    Raw(&'a str),
    /// the same, which nests deeper than [`MAX_NESTING`](super::MAX_NESTING)
    Deep(&'a str),
}

/// An answer that breaks the protocol.
pub fn broken(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::Protocol, what)
}

impl<'a> Node<'a> {
    /// A field; `None` where it is absent. null is a value.
    pub fn get(&self, name: &str) -> Option<&Node<'a>> {
        match self {
            Node::Object(fields) => fields.iter().find(|(key, _)| key == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// A field; `None` where it is absent or null.
    pub fn some(&self, name: &str) -> Option<&Node<'a>> {
        self.get(name).filter(|node| **node != Node::Null)
    }

    // ------------------------------------------------------------ this node

    /// How it begins, for a message: short, however long it is.
    pub fn beginning(&self) -> String {
        let mut out = String::new();
        match self {
            Node::Null => out.push_str("null"),
            Node::Flag(flag) => json::flag(&mut out, *flag),
            Node::List(_) => out.push_str("a list"),
            Node::Object(_) => out.push_str("an object"),
            Node::Number(text) | Node::Raw(text) | Node::Deep(text) => {
                out.push_str(head(text, BEGINNING));
            }
            Node::Text(_) | Node::Torn(_) => {
                json::string(
                    &mut out,
                    head(self.as_text().unwrap_or_default(), BEGINNING),
                );
            }
        }
        out
    }

    /// A string, with U+FFFD for half a surrogate pair.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Node::Text(text) => Some(text),
            Node::Torn(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, not negative, that is exact.
    pub fn as_whole(&self) -> Option<u64> {
        let Node::Number(digits) = self else {
            return None;
        };
        // `parse` alone would take a leading "+", which JSON has not.
        digits.parse().ok().or_else(|| {
            let number = float(digits);
            let exact = (0.0..=MAX_EXACT as f64).contains(&number);
            (exact && number as u64 as f64 == number).then_some(number as u64)
        })
    }

    /// Any number; infinite where it is larger than one can be.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Node::Number(digits) => Some(float(digits)),
            _ => None,
        }
    }

    /// A position: a whole number, or its decimal digits.
    pub fn as_seq(&self) -> Option<Seq> {
        match self {
            Node::Text(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().map(Seq)
            }
            _ => self.as_whole().map(Seq),
        }
    }

    /// The elements of a list.
    pub fn as_list(&self) -> Option<&[Node<'a>]> {
        match self {
            Node::List(list) => Some(list),
            _ => None,
        }
    }

    // ------------------------------------------------------------ fields that must be right

    fn optional<'n, T>(
        &'n self,
        name: &str,
        should_be: &str,
        as_it: impl Fn(&'n Node<'a>) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        self.some(name)
            .map(|node| as_it(node).ok_or_else(|| self.lacks(name, should_be)))
            .transpose()
    }

    /// A field is absent, or not what it should be.
    pub fn lacks(&self, name: &str, should_be: &str) -> Error {
        let is = match (self.get(name), self) {
            (Some(node), _) => [", and is ", &node.beginning()].concat(),
            (None, Node::Object(_)) => MISSING.to_owned(),
            (None, whole) => [MISSING, " in ", &whole.beginning()].concat(),
        };
        broken(["`", name, "` should be ", should_be, &is].concat())
    }

    /// A text.
    pub fn text(&self, name: &str) -> Result<&str, Error> {
        self.optional_text(name)?
            .ok_or_else(|| self.lacks(name, "a string"))
    }

    /// A text, or none.
    pub fn optional_text(&self, name: &str) -> Result<Option<&str>, Error> {
        self.optional(name, "a string", Node::as_text)
    }

    /// A whole number.
    pub fn whole(&self, name: &str) -> Result<u64, Error> {
        self.optional_whole(name)?
            .ok_or_else(|| self.lacks(name, "a whole number"))
    }

    /// A whole number, or none.
    pub fn optional_whole(&self, name: &str) -> Result<Option<u64>, Error> {
        self.optional(name, "a whole number", Node::as_whole)
    }

    /// Any number, or none.
    pub fn optional_number(&self, name: &str) -> Result<Option<f64>, Error> {
        self.optional(name, "a number", Node::as_number)
    }

    /// true or false.
    pub fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.get(name) {
            Some(Node::Flag(value)) => Ok(*value),
            _ => Err(self.lacks(name, "true or false")),
        }
    }

    /// true or false, false where it is absent.
    pub fn is_set(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Node::Flag(true)))
    }

    /// A list.
    pub fn list(&self, name: &str) -> Result<&[Node<'a>], Error> {
        let list = self.get(name).and_then(Node::as_list);
        list.ok_or_else(|| self.lacks(name, "a list"))
    }

    /// A list of texts, or of numbers for their digits; empty where it is absent.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, Error> {
        let Some(_) = self.some(name) else {
            return Ok(Vec::new());
        };
        let text = |node: &Node| match node {
            Node::Number(digits) => Some((*digits).to_owned()),
            node => node.as_text().map(str::to_owned),
        };
        let texts: Option<Vec<String>> = self.list(name)?.iter().map(text).collect();
        texts.ok_or_else(|| self.lacks(name, "a list of strings"))
    }

    /// A position, or none.
    pub fn optional_seq(&self, name: &str) -> Result<Option<Seq>, Error> {
        self.optional(name, "a seq", Node::as_seq)
    }
}

/// What a number is; infinite where it is larger than one can be. The last digit may be off where it has
/// more than 15 (serde_json's `float_roundtrip` would be 9 KB of wasm).
fn float(digits: &str) -> f64 {
    // Most are whole, and small enough to be exact.
    if let Ok(whole @ ..=MAX_EXACT) = digits.parse::<u64>() {
        return whole as f64;
    }
    let infinite = match digits.starts_with('-') {
        true => f64::NEG_INFINITY,
        false => f64::INFINITY,
    };
    serde_json::from_str(digits).unwrap_or(infinite)
}

/// A field of a record is absent, or not what it should be.
pub fn missing(name: &str, should_be: &str) -> Error {
    broken(["`", name, "` should be ", should_be].concat())
}
