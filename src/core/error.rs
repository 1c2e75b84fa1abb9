//! Errors, as the app sees them and as the core decides by them.

use super::fault::Fault;

/// The codes of `PullcordError` (index.d.ts).
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
    /// the browser lacks or forbids what Pullcord needs
    Unsupported,
    /// a bug in Pullcord
    Internal,
}

impl ErrorCode {
    /// All, with their names in the contract.
    const NAMES: [(ErrorCode, &'static str); 16] = [
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
        (ErrorCode::Unsupported, "unsupported"),
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
pub(super) const MESSAGE_MAX: usize = 500;

/// A text of others, short enough for an error's message.
pub fn shorten(mut text: String) -> String {
    if text.len() > MESSAGE_MAX {
        text.truncate(head(&text, MESSAGE_MAX).len());
        text.push('…');
    }
    text
}

/// The beginning of a text: at most so many bytes.
pub(super) fn head(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// ms that a `Retry-After` is obeyed, at most: it delays a try, and forbids none (R14).
pub const RETRY_AFTER_MAX: u64 = 600_000;

/// A wait in ms as an app or a server gave it: NaN and what is negative are 0, what is above
/// [`RETRY_AFTER_MAX`] is that.
pub fn wait_of(ms: f64) -> u64 {
    // A cast of a float saturates.
    (ms as u64).min(RETRY_AFTER_MAX)
}

/// An error as the app sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// what kind of error it is
    pub code: ErrorCode,
    /// what happened and what to do
    pub message: String,
    /// HTTP status, where there was one
    pub status: Option<u16>,
    /// ms to wait before another try, where the server said so: at most [`RETRY_AFTER_MAX`]
    pub retry_after: Option<u64>,
    /// What was asked for is too large: less of it may come (status 413, an answer over the reader's
    /// limit).
    pub too_large: bool,
    /// The answer was empty and claims more: a greater limit may bring something.
    pub too_little: bool,
    /// What was asked for may have been done all the same.
    pub uncertain: bool,
}

impl Error {
    /// An error without status.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Error {
            code,
            message: message.into(),
            status: None,
            retry_after: None,
            too_large: false,
            too_little: false,
            uncertain: false,
        }
    }

    /// The account is not in the conversation any more.
    pub fn left() -> Self {
        let what = "the account has left this conversation";
        Error::new(ErrorCode::Forbidden, what)
    }

    /// An answer of more than is read.
    pub fn too_large(message: impl Into<String>) -> Self {
        Error {
            too_large: true,
            ..Error::new(ErrorCode::Protocol, message)
        }
    }

    /// An answer of nothing that says that there is more: a greater limit may bring something.
    pub fn too_little(message: impl Into<String>) -> Self {
        Error {
            too_little: true,
            ..Error::new(ErrorCode::Protocol, message)
        }
    }

    /// ms that the server asked to wait; 10 minutes at most.
    pub fn wait(&self) -> u64 {
        self.retry_after.unwrap_or(0).min(RETRY_AFTER_MAX)
    }

    /// The error of an HTTP status ≥ 400 (docs/protocol.md, "Requests").
    pub fn from_status(status: u16, message: impl Into<String>, retry_after: Option<u64>) -> Self {
        let code = match status {
            401 => ErrorCode::Unauthorized,
            403 => ErrorCode::Forbidden,
            404 | 410 => ErrorCode::NotFound,
            408 | 429 | 500.. => ErrorCode::Network,
            _ => ErrorCode::Rejected,
        };
        Error {
            status: Some(status),
            retry_after: retry_after.map(|ms| ms.min(RETRY_AFTER_MAX)),
            too_large: status == 413,
            ..Error::new(code, message)
        }
    }

    /// The error of an edit or a recall whose request has left: unless the server has refused it, it may
    /// have been made all the same.
    pub fn of_a_change(self) -> Error {
        let refused = match self.status {
            Some(status) => (400..500).contains(&status) && status != 408,
            None => self.is_refusal() || self.code == ErrorCode::Unauthorized,
        };
        Error {
            uncertain: !refused,
            ..self
        }
    }

    /// Whether less of the same may come: it is too large, or it takes too long.
    pub fn asks_for_less(&self) -> bool {
        self.too_large || self.code == ErrorCode::Timeout || self.status == Some(408)
    }

    /// Whether the same request may succeed later, unchanged.
    pub fn retryable(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::Network | ErrorCode::Timeout | ErrorCode::Offline
        )
    }

    /// Whether it says the same as another, so that nobody has to hear it again.
    pub fn is_same(&self, other: &Error) -> bool {
        (self.code, self.status, &self.message) == (other.code, other.status, &other.message)
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

impl Error {
    /// Whether the server has answered, and neither taken nor refused it: the message that was sent may
    /// be what it fails over. Silence says nothing of it, nor does a token, or a server that is busy.
    pub fn blames_the_message(&self) -> bool {
        match self.status {
            _ if Fault::ServersFaultHoldsUp.on() => false,
            Some(status) => status >= 500 || !self.retryable() && status != 401,
            None => !self.retryable() && self.code != ErrorCode::Unauthorized,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for Error {}
