//! The reader that takes any text, one level at a time.

use std::borrow::Cow;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fit::nests_too_deep;
use super::shape::Shape;
use super::string::{Text, string};
use super::tree::Node;

/// How deep a text is read whose every field is asked for.
const MAX_DEPTH: usize = 16;

/// Why a text cannot be read.
pub(super) enum Bad {
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
pub(super) struct Reader {
    /// values that may still come
    pub(super) left: usize,
}

impl Reader {
    /// One value more.
    pub(super) fn take(&mut self) -> Result<(), Bad> {
        self.left = self.left.checked_sub(1).ok_or(Bad::Many)?;
        Ok(())
    }

    /// `text`: one JSON value, without white space around it. It is known to be JSON: whoever takes a list or an
    /// object apart has read over all of it.
    pub(super) fn value<'a>(
        &mut self,
        text: &'a str,
        shape: &Shape,
        depth: usize,
    ) -> Result<Node<'a>, Bad> {
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

/// Reads the whole of a text by this visitor.
fn read<'a, V: Visitor<'a>>(text: &'a str, visitor: V) -> Result<V::Value, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = json.deserialize_any(visitor)?;
    json.end().map(|()| value)
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
