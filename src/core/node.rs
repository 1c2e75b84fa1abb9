//! JSON text as a tree, in one pass; what is the app's (`body`, `meta`) stays text.
//!
//! One reader for everything that comes in: batches, pages, commands, stored records. A derived
//! reader for each type would be a third of the wasm.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::net::{Error, ErrorCode};
use super::types::Seq;

/// Bytes of one text that is read at all: nothing well behaved sends as much.
pub const MAX_TEXT: usize = 64 << 20;
/// Values in one text. In the wasm a value takes up to 32 bytes: the tree is about as large as the
/// largest text, not twenty times that (`[{},{},…]`). An event has about 15, so this is 140,000 of them:
/// the batches of 280 conversations at once.
pub const MAX_VALUES: usize = 2 << 20;
/// How deep the app's own JSON (`body`, `meta`) may nest: with whatever it travels in, it stays below
/// the 128 that common readers, this one too, take of one text.
pub const MAX_NESTING: usize = 100;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Node<'a> {
    /// null
    Null,
    /// true, false
    Flag(bool),
    /// a whole number, not negative
    Whole(u64),
    /// any other number
    Number(f64),
    /// a string
    Text(Cow<'a, str>),
    /// an array
    List(Vec<Node<'a>>),
    /// an object, in the order written
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
    /// the value of a field named `body` or `meta`: JSON text as it came
    Raw(&'a str),
}

/// The fields whose values are the app's.
const RAW: [&str; 2] = ["body", "meta"];

/// Reads a value, as long as there are not too many.
struct Reader<'b> {
    /// values that may still come
    left: &'b mut usize,
}

impl Reader<'_> {
    fn again(&mut self) -> Reader<'_> {
        Reader { left: self.left }
    }

    fn count<E: serde::de::Error>(&mut self) -> Result<(), E> {
        *self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| E::custom("more values than are taken"))?;
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<Node<'de>, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Flag(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(Node::Whole(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value as f64))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value))
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Node<'de>, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element_seed(self.again())? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Node<'de>, A::Error> {
        let mut fields = Vec::new();
        // A name is no value of its own.
        while let Some(key) = map.next_key_seed(Reader { left: &mut 1 })? {
            let Node::Text(key) = key else { continue };
            let value = if RAW.contains(&&*key) {
                self.count()?;
                let raw = map.next_value::<&RawValue>()?.get();
                if nests_too_deep(raw) {
                    return Err(A::Error::custom("it nests too deep"));
                }
                Node::Raw(raw)
            } else {
                map.next_value_seed(self.again())?
            };
            fields.push((key, value));
        }
        Ok(Node::Object(fields))
    }
}

/// Whether JSON text nests deeper than [`MAX_NESTING`]. What skips over a value has no such limit of
/// its own, but whoever reads it later may recurse.
pub fn nests_too_deep(json: &str) -> bool {
    // Every level has two brackets: most bodies need no look.
    if json.len() <= 2 * MAX_NESTING {
        return false;
    }
    let (mut depth, mut text, mut escaped) = (0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = text,
            b'"' => text = !text,
            _ if text => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_NESTING {
                    return true;
                }
            }
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    false
}

/// An answer that breaks the protocol.
pub fn broken(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::Protocol, what)
}

impl<'a> Node<'a> {
    /// Reads a text. `what` it is, for the error.
    pub fn parse(what: &str, text: &'a str) -> Result<Node<'a>, Error> {
        if text.len() > MAX_TEXT {
            return Err(broken(format!("{what}: {} bytes are too many", text.len())));
        }
        let mut left = MAX_VALUES;
        let mut reader = serde_json::Deserializer::from_str(text);
        Reader { left: &mut left }
            .deserialize(&mut reader)
            .and_then(|node| reader.end().map(|()| node))
            .map_err(|e| broken(format!("{what} is no JSON that is taken: {e}")))
    }

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

    /// A text.
    pub fn text(&self, name: &str) -> Result<&str, Error> {
        self.optional_text(name)?
            .ok_or_else(|| missing(name, "a string"))
    }

    /// A text, or none.
    pub fn optional_text(&self, name: &str) -> Result<Option<&str>, Error> {
        match self.some(name) {
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(_) => Err(missing(name, "a string")),
            None => Ok(None),
        }
    }

    /// A whole number.
    pub fn whole(&self, name: &str) -> Result<u64, Error> {
        self.optional_whole(name)?
            .ok_or_else(|| missing(name, "a whole number"))
    }

    /// A whole number, or none.
    pub fn optional_whole(&self, name: &str) -> Result<Option<u64>, Error> {
        match self.some(name) {
            Some(Node::Whole(value)) => Ok(Some(*value)),
            Some(_) => Err(missing(name, "a whole number")),
            None => Ok(None),
        }
    }

    /// Any number, or none.
    pub fn optional_number(&self, name: &str) -> Result<Option<f64>, Error> {
        match self.some(name) {
            Some(Node::Whole(value)) => Ok(Some(*value as f64)),
            Some(Node::Number(value)) => Ok(Some(*value)),
            Some(_) => Err(missing(name, "a number")),
            None => Ok(None),
        }
    }

    /// true or false.
    pub fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.get(name) {
            Some(Node::Flag(value)) => Ok(*value),
            _ => Err(missing(name, "true or false")),
        }
    }

    /// true or false, false where it is absent.
    pub fn is_set(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Node::Flag(true)))
    }

    /// A list.
    pub fn list(&self, name: &str) -> Result<&[Node<'a>], Error> {
        match self.get(name) {
            Some(Node::List(list)) => Ok(list),
            _ => Err(missing(name, "a list")),
        }
    }

    /// A list of texts, empty where it is absent.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, Error> {
        let Some(_) = self.some(name) else {
            return Ok(Vec::new());
        };
        let text = |node: &Node| match node {
            Node::Text(text) => Ok(text.to_string()),
            _ => Err(missing(name, "a list of strings")),
        };
        self.list(name)?.iter().map(text).collect()
    }

    /// A position, or none.
    pub fn optional_seq(&self, name: &str) -> Result<Option<Seq>, Error> {
        self.some(name)
            .map(|node| node.seq().ok_or_else(|| missing(name, "a seq")))
            .transpose()
    }

    /// This node as a position: a whole number, or its decimal digits.
    pub fn seq(&self) -> Option<Seq> {
        match self {
            Node::Whole(seq) => Some(Seq(*seq)),
            // `parse` alone would take a leading "+".
            Node::Text(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().map(Seq)
            }
            _ => None,
        }
    }
}

/// A field is absent, or not what it should be.
pub fn missing(name: &str, should_be: &str) -> Error {
    broken(format!("`{name}` is missing, or not {should_be}"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn nesting_is_limited_in_the_tree_and_in_what_is_the_apps() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(refused(&nested(200_000)));
        for field in RAW {
            let with = |value: &str| format!("{{\"{field}\":{value}}}");
            assert!(Node::parse("text", &with(&nested(MAX_NESTING))).is_ok());
            assert!(refused(&with(&nested(MAX_NESTING + 1))));
            assert!(refused(&with(&nested(1_000_000))));
        }
    }

    #[test]
    fn brackets_in_texts_do_not_nest() {
        let text = format!("[\"\\\\\",\"\\\"{}\"]", "[".repeat(1_000));
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        assert!(!nests_too_deep(&text));
        let lists = format!("[{}[]]", "[[]],".repeat(1_000));
        assert!(!nests_too_deep(&lists));
    }

    #[test]
    fn what_follows_a_value_is_refused() {
        assert!(refused("{} {}"));
        assert!(Node::parse("text", " {} ").is_ok());
    }
}
