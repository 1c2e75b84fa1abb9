//! Strings, also those that no Rust string can be.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error as JsonError, Visitor};

/// What a string says, and whether it has half a surrogate pair.
pub(super) fn string(text: &str) -> Result<(Cow<'_, str>, bool), serde_json::Error> {
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
pub(super) struct Text;

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
