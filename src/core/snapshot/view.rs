//! What a timeline's snapshot says.

use std::rc::Rc;

use super::row::Row;
use crate::core::error::Error;
use crate::core::json;

/// What is loading.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Loading {
    pub older: bool,
    pub newer: bool,
    /// another window, for a call of `jump`
    pub jump: bool,
}

/// The item that a window was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) struct Anchor<'a> {
    pub key: Option<&'a str>,
    /// how many windows there were
    pub count: u64,
}

/// A timeline's items, and what its snapshot says beside them.
#[derive(Debug)]
pub(in crate::core) struct View<'a> {
    pub rows: &'a Rc<Vec<Row>>,
    pub status: &'a str,
    pub anchor: Anchor<'a>,
    /// the number of the first item (`firstIndex`): an item keeps its number while others come and go
    pub first_index: i64,
    pub has_older: bool,
    pub has_newer: bool,
    pub loading: Loading,
    pub unseen: u64,
    pub error: Option<&'a Error>,
}

impl View<'_> {
    /// All but the items: fields of a JSON object that has begun.
    pub fn scalars(&self) -> String {
        let mut out = String::from(",");
        json::string(&mut out, "status");
        out.push(':');
        json::string(&mut out, self.status);
        json::field(&mut out, "anchor");
        out.push_str("{\"key\":");
        match self.anchor.key {
            Some(key) => json::string(&mut out, key),
            None => out.push_str("null"),
        }
        out.push_str(",\"count\":");
        json::number(&mut out, self.anchor.count);
        out.push('}');
        json::field(&mut out, "firstIndex");
        out.push_str(&self.first_index.to_string());
        json::field(&mut out, "hasOlder");
        json::flag(&mut out, self.has_older);
        json::field(&mut out, "hasNewer");
        json::flag(&mut out, self.has_newer);
        let Loading { older, newer, jump } = self.loading;
        json::field(&mut out, "loading");
        out.push_str("{\"older\":");
        json::flag(&mut out, older);
        out.push_str(",\"newer\":");
        json::flag(&mut out, newer);
        out.push_str(",\"jump\":");
        json::flag(&mut out, jump);
        out.push('}');
        json::field(&mut out, "unseen");
        json::number(&mut out, self.unseen);
        json::field(&mut out, "error");
        json::error(&mut out, self.error);
        out
    }
}
