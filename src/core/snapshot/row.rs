//! One item of a timeline.

use std::rc::Rc;

use super::local::write_local;
use crate::core::json;
use crate::core::records::Local;
use crate::core::types::Message;

/// One item of a timeline.
#[derive(Clone, Debug)]
pub(in crate::core) enum Row {
    Message {
        key: Rc<str>,
        message: Rc<Message>,
        fresh: bool,
        /// something may be missing before it, though it follows the one before in its run
        unsure: bool,
    },
    Local {
        key: Rc<str>,
        local: Rc<Local>,
        sending: bool,
    },
    Gap {
        key: Rc<str>,
    },
}

impl Row {
    pub fn key(&self) -> &str {
        match self {
            Row::Message { key, .. } | Row::Local { key, .. } | Row::Gap { key } => key,
        }
    }

    /// The message's position.
    pub fn seq(&self) -> Option<u64> {
        match self {
            Row::Message { message, .. } => Some(message.seq.0),
            Row::Local { .. } | Row::Gap { .. } => None,
        }
    }

    pub fn same(&self, other: &Row) -> bool {
        match (self, other) {
            (
                Row::Message {
                    key,
                    message,
                    fresh,
                    ..
                },
                Row::Message {
                    key: key2,
                    message: message2,
                    fresh: fresh2,
                    ..
                },
            ) => {
                key == key2
                    && fresh == fresh2
                    && (Rc::ptr_eq(message, message2) || message == message2)
            }
            (
                Row::Local {
                    key,
                    local,
                    sending,
                },
                Row::Local {
                    key: key2,
                    local: local2,
                    sending: sending2,
                },
            ) => key == key2 && sending == sending2 && local.looks_like(local2),
            (Row::Gap { key }, Row::Gap { key: key2 }) => key == key2,
            _ => false,
        }
    }

    pub fn write(&self, out: &mut String) {
        match self {
            Row::Message {
                key,
                message,
                fresh,
                ..
            } => {
                out.push('{');
                json::field(out, "kind");
                out.push_str("\"message\"");
                json::field(out, "key");
                json::string(out, key);
                json::field(out, "message");
                json::message(out, message);
                json::field(out, "fresh");
                json::flag(out, *fresh);
                out.push('}');
            }
            Row::Local { local, sending, .. } => write_local(out, local, *sending),
            Row::Gap { key } => {
                out.push('{');
                json::field(out, "kind");
                out.push_str("\"gap\"");
                json::field(out, "key");
                json::string(out, key);
                out.push('}');
            }
        }
    }
}
