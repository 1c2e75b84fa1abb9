//! A message's position in its conversation: an unsigned 64-bit integer that is unique and strictly increasing, not dense.

use std::fmt;
use std::str::FromStr;

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// The greatest integer that every JSON reader takes exactly: above it a seq travels as a string of digits.
const MAX_JSON_INTEGER: u64 = (1 << 53) - 1;

/// SQLite integers are signed. Flipping the top bit keeps the order of the whole unsigned range, so that `ORDER BY seq` and ranges work on it as they are.
const SIGN: u64 = 1 << 63;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seq(pub(crate) u64);

impl Seq {
    pub(crate) const MIN: Seq = Seq(0);
    pub(crate) const MAX: Seq = Seq(u64::MAX);
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Seq {
    type Err = ();

    /// Decimal digits only: no sign, no space, nothing else that `u64::from_str` would let through.
    fn from_str(text: &str) -> Result<Self, ()> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        text.parse().map(Seq).map_err(drop)
    }
}

impl Serialize for Seq {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 <= MAX_JSON_INTEGER {
            serializer.serialize_u64(self.0)
        } else {
            serializer.collect_str(self)
        }
    }
}

impl<'de> Deserialize<'de> for Seq {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EitherForm;
        impl Visitor<'_> for EitherForm {
            type Value = Seq;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an unsigned 64-bit integer, as a number or as a string of digits")
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Seq, E> {
                Ok(Seq(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Seq, E> {
                value
                    .parse()
                    .map_err(|()| E::invalid_value(de::Unexpected::Str(value), &self))
            }
        }
        deserializer.deserialize_any(EitherForm)
    }
}

impl ToSql for Seq {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(((self.0 ^ SIGN) as i64).into())
    }
}

impl FromSql for Seq {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(|stored| Seq(stored as u64 ^ SIGN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn travels_as_an_integer_up_to_2_53_and_as_a_string_above() {
        assert_eq!(
            serde_json::to_string(&Seq(MAX_JSON_INTEGER)).unwrap(),
            "9007199254740991"
        );
        assert_eq!(
            serde_json::to_string(&Seq(MAX_JSON_INTEGER + 1)).unwrap(),
            "\"9007199254740992\""
        );
    }

    #[test]
    fn is_read_in_both_forms_and_in_no_other() {
        for text in [
            "7",
            "\"7\"",
            "18446744073709551615",
            "\"18446744073709551615\"",
        ] {
            assert!(serde_json::from_str::<Seq>(text).is_ok(), "{text}");
        }
        for text in [
            "-1",
            "1.5",
            "\"\"",
            "\"+7\"",
            "\" 7\"",
            "\"18446744073709551616\"",
            "null",
        ] {
            assert!(serde_json::from_str::<Seq>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn keeps_its_order_in_sqlite_over_the_whole_range() {
        let stored = |seq: u64| (seq ^ SIGN) as i64;
        let ascending = [0, 1, MAX_JSON_INTEGER, i64::MAX as u64, 1 << 63, u64::MAX];
        assert!(
            ascending
                .windows(2)
                .all(|pair| stored(pair[0]) < stored(pair[1]))
        );
        for seq in ascending {
            assert_eq!(
                Seq::column_result(ValueRef::Integer(stored(seq))),
                Ok(Seq(seq))
            );
        }
    }
}
