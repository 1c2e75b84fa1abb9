//! What of a text is asked for.

use serde_json::value::RawValue;

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
pub(super) const RAW: [&str; 3] = ["body", "meta", "data"];

impl Shape {
    /// Whether values within it are asked for, by names or as a list.
    pub(super) fn has_values(&self) -> bool {
        matches!(self, Shape::Fields(_) | Shape::Named(_) | Shape::Each(_))
    }

    /// Whether a text is JSON, where nobody finds out by taking it apart.
    pub(super) fn check(&self, text: &str) -> Result<(), serde_json::Error> {
        match (text.as_bytes().first(), self) {
            (Some(b'{'), Shape::Fields(_) | Shape::Named(_) | Shape::All) => Ok(()),
            (Some(b'['), Shape::Each(_) | Shape::All) => Ok(()),
            _ => serde_json::from_str::<&RawValue>(text).map(|_| ()),
        }
    }

    /// What of the field of this name is asked for; `None`: nothing.
    pub(super) fn field(&self, key: &str) -> Option<&Shape> {
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
