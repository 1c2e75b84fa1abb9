//! Reads what the app says, options and commands: with serde, out of JS values in the browser
//! (serde-wasm-bindgen), and natively out of JSON. What is wrong is named.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Unexpected, Visitor};

use super::error::{Error, ErrorCode};
use super::node::{MAX_NESTING, is_fit};
use super::types::Seq;
use super::wire::limits::MAX_BODY;

/// Reads options or a command.
pub fn read<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, Error> {
    T::deserialize(from).map_err(|error| invalid(said(&error)))
}

/// What an error says: a JS error names its class first.
fn said(error: &impl fmt::Display) -> String {
    let said = error.to_string();
    said.strip_prefix("Error: ")
        .map(str::to_owned)
        .unwrap_or(said)
}

/// An option or argument that is wrong.
pub fn invalid(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::Invalid, what)
}

/// A whole number between two others.
pub(super) struct Whole(pub u64, pub u64);

impl Visitor<'_> for Whole {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an integer from {} to {}", self.0, self.1)
    }
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<u64, E> {
        match (self.0..=self.1).contains(&value) {
            true => Ok(value),
            false => Err(E::invalid_value(Unexpected::Unsigned(value), &self)),
        }
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<u64, E> {
        // A cast of a float saturates.
        let whole = value as u64;
        match whole as f64 == value {
            true => self.visit_u64(whole),
            false => Err(E::invalid_value(Unexpected::Float(value), &self)),
        }
    }
}

/// Readers of what the app may get wrong, whose errors name it. (serde_path_to_error would name all, in 3.6 KB
/// more of gzipped wasm.)
macro_rules! readers {
    ($($read:ident: $of:ty = $name:literal, $how:expr;)*) => {$(
        fn $read<'de, D: Deserializer<'de>>(from: D) -> Result<$of, D::Error> {
            $how(from).map_err(|error: D::Error| $crate::core::reading::named($name, &error))
        }
    )*};
}
pub(super) use readers;

#[cold]
#[inline(never)]
pub(super) fn named<E: serde::de::Error>(name: &str, error: &E) -> E {
    E::custom([name, ": ", &said(error)].concat())
}

/// What a timer of a browser takes, in ms.
pub(super) const DELAY: Whole = Whole(1, (1 << 31) - 1);
/// Messages of a screen, or of a page.
pub(super) const SCREEN: Whole = Whole(1, 1_000);

pub(super) fn small<'de, D: Deserializer<'de>>(from: D, between: Whole) -> Result<u32, D::Error> {
    from.deserialize_f64(between).map(|n| n as u32)
}

pub(super) fn position<'de, D: Deserializer<'de>>(from: D) -> Result<Seq, D::Error> {
    let digits = String::deserialize(from)?;
    let seq = digits.parse().map(Seq);
    seq.map_err(|_| D::Error::custom("a whole number's digits are expected"))
}

/// A body that may be sent. What would not be taken from the server is not sent either: its echo would be refused,
/// again and again, and with it all that comes after it.
pub(super) fn fit<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let body = String::deserialize(from)?;
    match body.len() <= MAX_BODY && is_fit(&body) {
        true => Ok(body),
        false => Err(D::Error::custom(format_args!(
            "JSON of at most {MAX_BODY} bytes that nests at most {MAX_NESTING} deep is expected"
        ))),
    }
}
