//! What the core asks of the network: requests with text answers, and notifications. How they
//! travel (HTTP and WebSocket, or the app's own transport) is `crate::net`'s.

pub use super::error::{Error, ErrorCode, RETRY_AFTER_MAX, shorten, wait_of};
use super::json;
use super::node::{Node, Shape};
use super::types::Seq;
use std::rc::Rc;

/// Where a page of history is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// the newest messages
    Latest,
    /// strictly older than
    Before(Seq),
    /// strictly newer than
    After(Seq),
    /// this one in the middle
    Around(Seq),
    /// the first at or after this time (ms since the epoch) in the middle
    At(u64),
}

/// One request to the backend. `cursor` is the client's own: the answer is at least as new (R1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// What comes after `cursor`; without one, this device's first sign-in.
    Pull {
        /// where the client is
        cursor: Option<String>,
        /// events at most
        limit: u32,
        /// ms that the server may hold the answer back for something to come
        wait: Option<u32>,
    },
    /// What comes after each of these cursors (scope "conversation").
    PullConversations {
        /// conversation, and where the client is in it
        cursors: Vec<(String, String)>,
        /// events of each at most
        limit: u32,
        /// just these; else all of the account
        only: Option<Vec<String>>,
        /// The last piece of a request in pieces: it also answers for the conversations that none of
        /// `cursors`, and no `only` since the piece before, has named.
        rest: bool,
    },
    /// What the account has not acknowledged (scope "mailbox").
    PullMailbox {
        /// events at most
        limit: u32,
    },
    /// These deliveries are stored (R9, R10). The answer is empty.
    Acknowledge {
        /// their names
        deliveries: Vec<String>,
        /// They came over the notification channel: acknowledged there, where it is still open and
        /// can take it.
        pushed: bool,
    },
    /// A page of the conversation list.
    Conversations {
        /// the previous page's `next`
        after: Option<String>,
        /// conversations at most
        limit: u32,
        /// the client's cursor
        cursor: Option<String>,
    },
    /// A page of a conversation.
    History {
        /// whose
        conversation: String,
        /// messages at most
        limit: u32,
        /// the client's cursor
        cursor: Option<String>,
        /// which
        place: Place,
    },
    /// The messages of a kept segment committed or changed since its cursor (R12). A server that
    /// cannot say answers with status 410.
    Changes {
        /// whose
        conversation: String,
        /// the segment's cursor
        since: String,
        /// the client's cursor
        cursor: Option<String>,
        /// oldest position, included
        from: Seq,
        /// newest position, included
        to: Seq,
        /// messages at most
        limit: u32,
    },
    /// Delivers an own message; idempotent by `client_id`.
    Send {
        /// where to
        conversation: String,
        /// names the message across retries
        client_id: String,
        /// JSON text
        body: String,
    },
    /// Replaces an own message's body; idempotent by `client_id`.
    Edit {
        /// where
        conversation: String,
        /// which
        message: String,
        /// names the edit across retries
        client_id: String,
        /// JSON text
        body: String,
    },
    /// Withdraws an own message.
    Recall {
        /// where
        conversation: String,
        /// which
        message: String,
    },
    /// Everything up to `seq` was read.
    MarkRead {
        /// where
        conversation: String,
        /// newest message read
        seq: Seq,
    },
}

/// What its author does to a message that was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// [`Request::Edit`]
    Edit {
        conversation: Rc<str>,
        message: String,
        client_id: String,
        body: String,
    },
    /// [`Request::Recall`]
    Recall {
        conversation: Rc<str>,
        message: String,
    },
}

impl Change {
    /// Where the message is.
    pub fn conversation(&self) -> &Rc<str> {
        match self {
            Change::Edit { conversation, .. } | Change::Recall { conversation, .. } => conversation,
        }
    }
}

impl From<Change> for Request {
    fn from(change: Change) -> Request {
        match change {
            Change::Edit {
                conversation,
                message,
                client_id,
                body,
            } => Request::Edit {
                conversation: conversation.to_string(),
                message,
                client_id,
                body,
            },
            Change::Recall {
                conversation,
                message,
            } => Request::Recall {
                conversation: conversation.to_string(),
                message,
            },
        }
    }
}

impl Request {
    /// Its name among the functions of an app's `Transport`.
    pub fn name(&self) -> &'static str {
        match self {
            Request::Pull { .. } => "pull",
            Request::PullConversations { .. } => "pullConversations",
            Request::PullMailbox { .. } => "pullMailbox",
            Request::Acknowledge { .. } => "acknowledge",
            Request::Conversations { .. } => "conversations",
            Request::History { .. } => "history",
            Request::Changes { .. } => "changes",
            Request::Send { .. } => "send",
            Request::Edit { .. } => "edit",
            Request::Recall { .. } => "recall",
            Request::MarkRead { .. } => "markRead",
        }
    }

    /// The conversation that it is about, where it is about one.
    pub fn conversation(&self) -> Option<&str> {
        match self {
            Request::History { conversation, .. }
            | Request::Changes { conversation, .. }
            | Request::Send { conversation, .. }
            | Request::Edit { conversation, .. }
            | Request::Recall { conversation, .. }
            | Request::MarkRead { conversation, .. } => Some(conversation),
            _ => None,
        }
    }

    /// Bytes that it carries to the server, about: those of what the app wrote.
    pub fn size(&self) -> u64 {
        let bytes = match self {
            Request::Send { body, .. } | Request::Edit { body, .. } => body.len(),
            Request::PullConversations { cursors, only, .. } => {
                let cursors = cursors.iter().map(|(id, cursor)| id.len() + cursor.len());
                let only = only.iter().flatten().map(String::len);
                cursors.chain(only).sum()
            }
            Request::Acknowledge { deliveries, .. } => deliveries.iter().map(String::len).sum(),
            _ => 0,
        };
        bytes as u64
    }

    /// ms that it takes to the server on a slow line (8 KB/s): of what goes up no browser says how far
    /// it is.
    pub fn upload(&self) -> u64 {
        self.size() / 8
    }
}

/// What is read of an error.
pub const ERROR: Shape = Shape::Fields(&[
    ("code", Shape::Plain),
    ("message", Shape::Plain),
    ("status", Shape::Plain),
    ("retryAfter", Shape::Plain),
]);
/// What is read of an answer that is one.
pub const ERROR_ANSWER: Shape = Shape::Fields(&[("error", ERROR)]);

impl Error {
    /// `{code,message,status?,retryAfter?,tooLarge?,uncertain?}`, JSON text.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{");
        json::field(&mut out, "code");
        json::string(&mut out, self.code.name());
        json::field(&mut out, "message");
        json::string(&mut out, &self.message);
        if let Some(status) = self.status {
            json::field(&mut out, "status");
            json::number(&mut out, u64::from(status));
        }
        if let Some(ms) = self.retry_after {
            json::field(&mut out, "retryAfter");
            json::number(&mut out, ms);
        }
        if self.too_large {
            json::field(&mut out, "tooLarge");
            json::flag(&mut out, true);
        }
        if self.uncertain {
            json::field(&mut out, "uncertain");
            json::flag(&mut out, true);
        }
        out.push('}');
        out
    }

    /// From `{code,message,status?,retryAfter?}`; what is missing or strange is left out, and an
    /// unknown code is "network": it may be tried again.
    pub fn from_json(node: &Node) -> Error {
        let text = |name: &str| node.optional_text(name).ok().flatten();
        let status = node.optional_whole("status").ok().flatten();
        let status = status.and_then(|status| u16::try_from(status).ok());
        let retry_after = node.optional_number("retryAfter").ok().flatten();
        let code = text("code").and_then(ErrorCode::named);
        Error {
            code: code.unwrap_or(ErrorCode::Network),
            message: shorten(text("message").unwrap_or_default().to_owned()),
            status,
            retry_after: retry_after.map(wait_of),
            too_large: status == Some(413) || node.is_set("tooLarge"),
            too_little: false,
            uncertain: node.is_set("uncertain"),
        }
    }
}

/// What the notification channel reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Signed in: from here on notifications come.
    Ready,
    /// Something is new.
    Notify {
        /// pull after a random wait of up to this many ms
        spread: u32,
        /// of these conversations; empty: it does not say
        conversations: Vec<String>,
    },
    /// Events inline: the JSON text of a `push` frame. What of it cannot be used counts as a
    /// notification.
    Push(String),
    /// The channel is down; with the reason, where one is known (`Unauthorized`: the token).
    Closed(Option<Error>),
    /// The same: the server itself goes away, or is too busy (close codes 1001, 1012, 1013). All its
    /// clients lose theirs in the same moment, and must not come back in the same.
    Leaving(Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::error::MESSAGE_MAX;

    #[test]
    fn a_wait_of_others_has_an_end() {
        for (said, ms) in [
            (0.0, 0),
            (250.9, 250),
            (-5.0, 0),
            (f64::NAN, 0),
            (f64::NEG_INFINITY, 0),
            (86_400_000.0, RETRY_AFTER_MAX),
            (1e300, RETRY_AFTER_MAX),
            (f64::INFINITY, RETRY_AFTER_MAX),
        ] {
            assert_eq!(wait_of(said), ms, "{said}");
        }
        let text = r#"{"code":"network","message":"m","retryAfter":1e300}"#;
        let error = Error::from_json(&Node::parse("error", text).unwrap());
        assert_eq!(error.retry_after, Some(RETRY_AFTER_MAX));
        let error = Error::from_status(429, "m", Some(u64::MAX));
        assert_eq!(error.retry_after, Some(RETRY_AFTER_MAX));
    }

    #[test]
    fn what_is_too_large_or_too_slow_asks_for_less() {
        for status in [408, 413] {
            assert!(Error::from_status(status, "m", None).asks_for_less());
        }
        assert!(!Error::from_status(408, "m", None).too_large);
        assert!(Error::too_large("m").asks_for_less());
        assert!(Error::new(ErrorCode::Timeout, "m").asks_for_less());
        for status in [400, 401, 404, 429, 500, 503] {
            assert!(!Error::from_status(status, "m", None).asks_for_less());
        }
    }

    #[test]
    fn an_error_of_others_is_short_and_stays_as_it_is() {
        for said in ["no".to_owned(), "é".repeat(1 << 20), "a…".repeat(1 << 20)] {
            let mut text = String::from("{\"code\":\"rejected\",\"message\":");
            json::string(&mut text, &said);
            text.push('}');
            let error = Error::from_json(&Node::parse("error", &text).unwrap());
            assert!(said.starts_with(error.message.trim_end_matches('…')));
            assert!(error.message.len() < MESSAGE_MAX + 4);
            let again = error.to_json();
            assert_eq!(
                Error::from_json(&Node::parse("error", &again).unwrap()),
                error
            );
        }
    }
}
