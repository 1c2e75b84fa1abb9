//! The reader in one pass, of what is as its shape says: so is nearly all that comes.

use serde::Deserialize as _;
use serde::de::{
    DeserializeSeed, Deserializer, Error as JsonError, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use super::levels::Reader;
use super::shape::Shape;
use super::string::Text;
use super::tree::Node;

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
pub(super) fn direct<'a>(text: &'a str, shape: &Shape, most: usize) -> Option<Node<'a>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = Direct {
        reader: &mut Reader { left: most },
        shape,
        depth: 0,
    };
    let node = value.deserialize(&mut json).ok()?;
    json.end().ok().map(|()| node)
}
