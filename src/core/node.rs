//! Reading JSON text: what is asked for becomes a tree, the rest is looked at no further than that it is
//! JSON.
//!
//! One reader for everything that comes in: batches, pages, commands, stored records. What is asked
//! for a [`Shape`] says. It is serde_json's reader, one level at a time. What is the app's (`body`, `meta`) stays text. Nothing that JSON allows is an
//! error here: a number larger than any, half a surrogate pair, any depth. Who asks for a field
//! finds it fit, or not.

use std::borrow::Cow;

use serde::Deserialize as _;
use serde::de::{
    DeserializeSeed, Deserializer, Error as JsonError, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use super::error::{Error, ErrorCode, head};
use super::json;
use super::types::{MAX_EXACT, Seq};

/// Bytes of one text that is read at all: nothing well behaved sends as much.
pub const MAX_TEXT: usize = 64 << 20;
/// Values that are asked for in one text. In the wasm a value takes up to 32 bytes: the tree is about
/// as large as the largest text, not twenty times that (`[{},{},…]`). An event has about 15, so this is
/// 140,000 of them: the batches of 280 conversations at once.
pub const MAX_VALUES: usize = 2 << 20;
/// How deep the app's own JSON (`body`, `meta`) may nest: with whatever it travels in, it stays below
/// the 128 that common readers take of one text.
pub const MAX_NESTING: usize = 100;
/// Bytes of a value that a message says.
const BEGINNING: usize = 40;
/// How deep a text is read whose every field is asked for.
const MAX_DEPTH: usize = 16;

/// What of a value is asked for. Where it is of another kind (a list where a text is asked for), it is
/// left as it came.
#[derive(Debug)]
pub enum Shape {
    /// a text, a number, a flag
    Plain,
    /// the app's own JSON: text as it came
    Raw,
    /// an object's fields of these names
    Fields(&'static [(&'static str, Shape)]),
    /// an object's fields, whatever their names
    Named(&'static Shape),
    /// a list's elements
    Each(&'static Shape),
    /// all of it
    All,
}

/// The fields whose values are the app's, where all fields are read.
const RAW: [&str; 3] = ["body", "meta", "data"];

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
    /// the same, which nests deeper than [`MAX_NESTING`]
    Deep(&'a str),
}

/// Why a text cannot be read.
enum Bad {
    /// it is no JSON
    Json(serde_json::Error),
    /// more is asked for than is taken
    Many,
}

impl From<serde_json::Error> for Bad {
    fn from(error: serde_json::Error) -> Self {
        Bad::Json(error)
    }
}

/// Reads what is asked for, one level at a time: a value is taken as it came, and looked into only where
/// it is of the kind that is asked for. Nothing recurses into what nobody asks for.
struct Reader {
    /// values that may still come
    left: usize,
}

impl Reader {
    /// One value more.
    fn take(&mut self) -> Result<(), Bad> {
        self.left = self.left.checked_sub(1).ok_or(Bad::Many)?;
        Ok(())
    }

    /// `text`: one JSON value, without white space around it. It is known to be JSON: whoever takes a list or an
    /// object apart has read over all of it.
    fn value<'a>(&mut self, text: &'a str, shape: &Shape, depth: usize) -> Result<Node<'a>, Bad> {
        self.take()?;
        let first = text.as_bytes().first();
        Ok(match (first, shape) {
            (_, Shape::Raw) => raw(text),
            (Some(b'"'), _) => match string(text)? {
                (text, false) => Node::Text(text),
                (text, true) => Node::Torn(text.into_owned()),
            },
            (Some(b'{'), Shape::Fields(_) | Shape::Named(_) | Shape::All) if depth <= MAX_DEPTH => {
                self.object(text, shape, depth)?
            }
            (Some(b'['), Shape::Each(element)) if depth <= MAX_DEPTH => {
                self.list(text, element, depth)?
            }
            (Some(b'['), Shape::All) if depth <= MAX_DEPTH => self.list(text, shape, depth)?,
            (Some(b'{' | b'['), _) => raw(text),
            _ => match text {
                "null" => Node::Null,
                "true" => Node::Flag(true),
                "false" => Node::Flag(false),
                digits => Node::Number(digits),
            },
        })
    }

    fn list<'a>(&mut self, text: &'a str, element: &Shape, depth: usize) -> Result<Node<'a>, Bad> {
        // As they came, and no more of them than are taken.
        let elements = read(text, Elements(self.left))?.ok_or(Bad::Many)?;
        let elements = elements.into_iter();
        let nodes = elements.map(|raw| self.value(raw.get(), element, depth + 1));
        Ok(Node::List(nodes.collect::<Result<_, _>>()?))
    }

    fn object<'a>(&mut self, text: &'a str, shape: &Shape, depth: usize) -> Result<Node<'a>, Bad> {
        let fields = read(text, Entries(shape, self.left))?.ok_or(Bad::Many)?;
        let mut nodes = Vec::with_capacity(fields.len());
        for (key, raw) in fields {
            let of = match shape.field(&key) {
                Some(of) => of,
                None => continue,
            };
            nodes.push((key, self.value(raw.get(), of, depth + 1)?));
        }
        Ok(Node::Object(nodes))
    }
}

impl Shape {
    /// Whether values within it are asked for, by names or as a list.
    fn has_values(&self) -> bool {
        matches!(self, Shape::Fields(_) | Shape::Named(_) | Shape::Each(_))
    }

    /// Whether a text is JSON, where nobody finds out by taking it apart.
    fn check(&self, text: &str) -> Result<(), serde_json::Error> {
        match (text.as_bytes().first(), self) {
            (Some(b'{'), Shape::Fields(_) | Shape::Named(_) | Shape::All) => Ok(()),
            (Some(b'['), Shape::Each(_) | Shape::All) => Ok(()),
            _ => serde_json::from_str::<&RawValue>(text).map(|_| ()),
        }
    }

    /// What of the field of this name is asked for; `None`: nothing.
    fn field(&self, key: &str) -> Option<&Shape> {
        match self {
            Shape::Fields(names) => names
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, of)| of),
            Shape::Named(of) => Some(of),
            Shape::All if RAW.contains(&key) => Some(&Shape::Raw),
            Shape::All => Some(&Shape::All),
            _ => None,
        }
    }
}

/// Reads the whole of a text by this visitor.
fn read<'a, V: Visitor<'a>>(text: &'a str, visitor: V) -> Result<V::Value, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = json.deserialize_any(visitor)?;
    json.end().map(|()| value)
}

/// Reads lists and objects of which the shape says that they are, in one pass: the [`Reader`] reads over a text
/// once for each level of it. Where anything is of another kind, or is no JSON, this says only that.
struct Direct<'r, 's> {
    reader: &'r mut Reader,
    shape: &'s Shape,
    depth: usize,
}

/// Some value is not what its shape says, or there are too many: the [`Reader`] finds out.
fn odd<E: JsonError>() -> E {
    E::custom("odd")
}

impl<'de> DeserializeSeed<'de> for Direct<'_, '_> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Node<'de>, D::Error> {
        if self.shape.has_values() {
            return json.deserialize_any(self);
        }
        let raw = <&RawValue>::deserialize(json)?;
        let read = self.reader.value(raw.get(), self.shape, self.depth);
        read.map_err(|_| odd())
    }
}

impl<'de> Visitor<'de> for Direct<'_, '_> {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("what its shape says")
    }
    fn visit_unit<E: JsonError>(self) -> Result<Node<'de>, E> {
        self.reader.take().map_err(|_| odd())?;
        Ok(Node::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node<'de>, A::Error> {
        let Direct {
            reader,
            shape: Shape::Each(shape),
            depth,
        } = self
        else {
            return Err(odd());
        };
        reader.take().map_err(|_| odd())?;
        let depth = depth + 1;
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element_seed(Direct {
            reader: &mut *reader,
            shape,
            depth,
        })? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node<'de>, A::Error> {
        if let Shape::Each(_) = self.shape {
            return Err(odd());
        }
        self.reader.take().map_err(|_| odd())?;
        let mut nodes = Vec::new();
        while let Some((key, _)) = map.next_key_seed(Text)? {
            let Some(shape) = self.shape.field(&key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = Direct {
                reader: &mut *self.reader,
                shape,
                depth: self.depth + 1,
            };
            nodes.push((key, map.next_value_seed(value)?));
        }
        Ok(Node::Object(nodes))
    }
}

/// Reads a text in one pass; `None`: not all of it is as its shape says.
fn direct<'a>(text: &'a str, shape: &Shape, most: usize) -> Option<Node<'a>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = Direct {
        reader: &mut Reader { left: most },
        shape,
        depth: 0,
    };
    let node = value.deserialize(&mut json).ok()?;
    json.end().ok().map(|()| node)
}

/// A value as it came.
fn raw(text: &str) -> Node<'_> {
    match nests_too_deep(text) {
        false => Node::Raw(text),
        true => Node::Deep(text),
    }
}

/// The elements of a list as they came; `None`: more than so many.
struct Elements(usize);

impl<'de> Visitor<'de> for Elements {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while elements.len() < self.0 {
            match list.next_element()? {
                Some(element) => elements.push(element),
                None => return Ok(Some(elements)),
            }
        }
        // All of it has to be read.
        let mut more = false;
        while list.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok((!more).then_some(elements))
    }
}

/// The fields of an object that are asked for, as they came; `None`: more than so many.
struct Entries<'s>(&'s Shape, usize);

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = Option<Vec<(Cow<'de, str>, &'de RawValue)>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Some(Vec::new());
        while let Some((key, _)) = map.next_key_seed(Text)? {
            if self.0.field(&key).is_none() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value()?;
            fields = fields.filter(|fields| fields.len() < self.1);
            if let Some(fields) = &mut fields {
                fields.push((key, value));
            }
        }
        Ok(fields)
    }
}

/// What a string says, and whether it has half a surrogate pair.
fn string(text: &str) -> Result<(Cow<'_, str>, bool), serde_json::Error> {
    // Most have no escape: what stands between the quotation marks is what it says.
    if let Some(plain) = text.get(1..text.len().saturating_sub(1))
        && !plain.contains('\\')
    {
        return Ok((Cow::Borrowed(plain), false));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Text.deserialize(&mut json)?;
    json.end().map(|()| read)
}

/// A string, read as bytes: those may have half a surrogate pair, which a Rust string may not.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = (Cow<'de, str>, bool);

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = (Cow<'de, str>, bool);

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }
    fn visit_borrowed_bytes<E: JsonError>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok((Cow::Borrowed(text), false)),
            Err(_) => self.visit_bytes(bytes),
        }
    }
    fn visit_bytes<E: JsonError>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        let mut text = String::with_capacity(bytes.len());
        let mut torn = false;
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            // Half a pair is three bytes, each of which is one that UTF-8 has not here.
            if chunk.invalid().first() == Some(&0xED) {
                text.push('\u{FFFD}');
                torn = true;
            }
        }
        Ok((Cow::Owned(text), torn))
    }
}

/// Whether this is JSON text that nests no deeper than [`MAX_NESTING`]: whoever reads it later may
/// recurse.
pub fn is_fit(json: &str) -> bool {
    serde_json::from_str::<&RawValue>(json).is_ok() && !nests_too_deep(json)
}

/// Whether JSON text nests deeper than [`MAX_NESTING`].
fn nests_too_deep(json: &str) -> bool {
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
    /// Reads a text, all of it. `what` it is, for the error.
    pub fn parse(what: &str, text: &'a str) -> Result<Node<'a>, Error> {
        Node::of(what, text, &Shape::All)
    }

    /// Reads of a text what is asked for. `what` it is, for the error.
    pub fn of(what: &str, text: &'a str, shape: &Shape) -> Result<Node<'a>, Error> {
        if text.len() > MAX_TEXT {
            let bytes = text.len();
            return Err(Error::too_large(format!(
                "{what}: {bytes} bytes are too many"
            )));
        }
        Node::read(what, text, shape, MAX_VALUES)
    }

    /// Reads a text that was stored, all of it: as it was written, whatever the limits of the wire are now.
    pub fn stored(text: &'a str) -> Result<Node<'a>, Error> {
        Node::read("record", text, &Shape::All, usize::MAX)
    }

    fn read(what: &str, text: &'a str, shape: &Shape, most: usize) -> Result<Node<'a>, Error> {
        if shape.has_values()
            && let Some(node) = direct(text, shape, most)
        {
            return Ok(node);
        }
        let mut reader = Reader { left: most };
        let trimmed = text.trim_matches([' ', '\n', '\r', '\t']);
        let read = shape.check(trimmed).map_err(Bad::Json);
        let read = read.and_then(|()| reader.value(trimmed, shape, 0));
        read.map_err(|bad| match bad {
            Bad::Json(error) => broken(format!("{what} is no JSON: {error}")),
            Bad::Many => Error::too_large(format!("{what}: more values than are taken")),
        })
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
            (Some(node), _) => node.beginning(),
            (None, Node::Object(_)) => "missing".to_owned(),
            (None, whole) => ["missing in ", &whole.beginning()].concat(),
        };
        broken(["`", name, "` should be ", should_be, ", and is ", &is].concat())
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
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod properties {
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
            (Node::Raw(raw), value) => {
                serde_json::from_str::<Value>(raw).is_ok_and(|v| v == *value)
            }
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
}
