//! What the core asks of the network: requests with text answers, and notifications. How they
//! travel (HTTP and WebSocket, or the app's own transport) is `crate::net`'s.

use super::json;
use super::node::Node;
use super::types::Seq;

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

/// The codes of `PullcordError` (contract/pullcord.d.ts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// no answer came
    Network,
    /// no answer came in time
    Timeout,
    /// known to be offline: nothing was sent
    Offline,
    /// the token was refused
    Unauthorized,
    /// not allowed to this account
    Forbidden,
    /// no such thing
    NotFound,
    /// refused for good (409, 422, …)
    Rejected,
    /// an answer that breaks the protocol; nothing of it was applied
    Protocol,
    /// the local database failed
    Storage,
    /// the disk is full
    Quota,
    /// a newer version of Pullcord wrote the database
    StorageNewer,
    /// cancelled
    Aborted,
    /// the client is closed
    Closed,
    /// a wrong option or argument
    Invalid,
    /// a bug in Pullcord
    Internal,
}

impl ErrorCode {
    /// All, with their names in the contract.
    const NAMES: [(ErrorCode, &'static str); 15] = [
        (ErrorCode::Network, "network"),
        (ErrorCode::Timeout, "timeout"),
        (ErrorCode::Offline, "offline"),
        (ErrorCode::Unauthorized, "unauthorized"),
        (ErrorCode::Forbidden, "forbidden"),
        (ErrorCode::NotFound, "not-found"),
        (ErrorCode::Rejected, "rejected"),
        (ErrorCode::Protocol, "protocol"),
        (ErrorCode::Storage, "storage"),
        (ErrorCode::Quota, "quota"),
        (ErrorCode::StorageNewer, "storage-newer"),
        (ErrorCode::Aborted, "aborted"),
        (ErrorCode::Closed, "closed"),
        (ErrorCode::Invalid, "invalid"),
        (ErrorCode::Internal, "internal"),
    ];

    /// Its name in the contract.
    pub fn name(self) -> &'static str {
        let named = Self::NAMES.iter().find(|(code, _)| *code == self);
        named.map_or("internal", |(_, name)| name)
    }

    /// The code of this name.
    pub fn named(name: &str) -> Option<ErrorCode> {
        Self::NAMES
            .iter()
            .find(|(_, n)| *n == name)
            .map(|(code, _)| *code)
    }
}

/// Longest text of others, in bytes, that goes into an error's message.
const MESSAGE_MAX: usize = 500;

/// A text of others, short enough for an error's message.
pub fn shorten(mut text: String) -> String {
    if text.len() > MESSAGE_MAX {
        let mut end = MESSAGE_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

/// An error as the app sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// what kind
    pub code: ErrorCode,
    /// what happened and what to do
    pub message: String,
    /// HTTP status, where there was one
    pub status: Option<u16>,
    /// ms to wait before another try, where the server said so
    pub retry_after: Option<u64>,
}

impl Error {
    /// An error without status.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Error {
            code,
            message: message.into(),
            status: None,
            retry_after: None,
        }
    }

    /// The error of an HTTP status ≥ 400 (protocol.md, "Requests").
    pub fn from_status(status: u16, message: impl Into<String>, retry_after: Option<u64>) -> Self {
        let code = match status {
            401 => ErrorCode::Unauthorized,
            403 => ErrorCode::Forbidden,
            404 | 410 => ErrorCode::NotFound,
            408 | 429 | 500.. => ErrorCode::Network,
            _ => ErrorCode::Rejected,
        };
        Error {
            code,
            message: message.into(),
            status: Some(status),
            retry_after,
        }
    }

    /// `{code,message,status?,retryAfter?}`, JSON text.
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
        out.push('}');
        out
    }

    /// From `{code,message,status?,retryAfter?}`; what is missing or strange is left out, and an
    /// unknown code is "network": it may be tried again.
    pub fn from_json(node: &Node) -> Error {
        let text = |name: &str| node.optional_text(name).ok().flatten();
        let status = node.optional_whole("status").ok().flatten();
        let retry_after = node.optional_number("retryAfter").ok().flatten();
        Error {
            code: text("code")
                .and_then(ErrorCode::named)
                .unwrap_or(ErrorCode::Network),
            message: shorten(text("message").unwrap_or_default().to_owned()),
            status: status.and_then(|status| u16::try_from(status).ok()),
            retry_after: retry_after.map(|ms| ms as u64),
        }
    }

    /// Whether the same request may succeed later, unchanged.
    pub fn retryable(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::Network | ErrorCode::Timeout | ErrorCode::Offline
        )
    }

    /// Whether the server refuses for good: the same request will not succeed, until something else
    /// changes.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::Forbidden | ErrorCode::NotFound | ErrorCode::Rejected | ErrorCode::Invalid
        )
    }

    /// Whether no server was found: nobody answered, not even with a status.
    pub fn is_no_answer(&self) -> bool {
        self.retryable() && self.status.is_none()
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for Error {}

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
}

#[cfg(test)]
mod tests {
    use super::*;

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
