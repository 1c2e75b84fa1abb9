//! What a browser's errors mean.

use indexed_db_futures::error::{Error, JSError, OpenDbError, UnexpectedDataError};
use indexed_db_futures::internals::SystemRepr;
use web_sys::{DomException, IdbTransaction};

use crate::core::storage::{StoreError, Why};

/// Why one attempt failed.
pub(super) enum AttemptError {
    /// the handle is no longer one, or the browser is silent: worth another try
    Stale(Why),
    /// trying again would change nothing
    Final(StoreError),
}

/// What a transaction failed of. A request or a commit may only say *that* it was aborted: then the
/// transaction knows why.
pub(super) fn failure(transaction: &IdbTransaction, error: Error) -> AttemptError {
    match transaction.error() {
        Some(cause) => attempt_error(&cause.name(), described(&cause)),
        None => error.into(),
    }
}

impl From<Error> for AttemptError {
    fn from(error: Error) -> AttemptError {
        match &error {
            // Nobody here aborts a transaction and then waits for its commit.
            Error::MissingData(UnexpectedDataError::TransactionAborted) => {
                AttemptError::Stale("the browser aborted the transaction".into())
            }
            _ => attempt_error(&error_name(&error), words(&error)),
        }
    }
}

fn attempt_error(name: &str, words: String) -> AttemptError {
    if is_full(name, &words) {
        return AttemptError::Final(StoreError::Quota);
    }
    // UnknownError is Safari's, whose storage process is gone ("Connection to Indexed Database server
    // lost").
    match is_end(name) || name == "UnknownError" {
        true => AttemptError::Stale(words.into()),
        false => AttemptError::Final(StoreError::Failed(words.into())),
    }
}

/// Whether this is the end of the handle or the transaction, and says nothing of a request: the first
/// where a transaction was to begin, the others where one was under way when the handle closed.
pub(super) fn is_end(name: &str) -> bool {
    matches!(
        name,
        "InvalidStateError" | "AbortError" | "TransactionInactiveError"
    )
}

/// Whether it says nothing of the record that was asked for: nothing can be read at the moment.
pub(super) fn is_of_all(error: &Error) -> bool {
    is_end(&error_name(error)) || is_cut_off(&words(error))
}

/// Whether the browser's storage process is gone (Safari's words): a commit may have reached it.
pub(super) fn is_cut_off(words: &str) -> bool {
    words.contains("server lost") || words.contains("Connection to Indexed")
}

/// Whether it is for lack of room. By its name in all browsers, where it is the origin's share that is
/// used up; where it is the disk, WebKit and Firefox call it an unknown error, and why is in the words
/// ("database or disk is full", "NS_ERROR_FILE_NO_DEVICE_SPACE").
fn is_full(name: &str, words: &str) -> bool {
    let said = |part| words.contains(part);
    name == "QuotaExceededError"
        || said("disk is full")
        || said("full disk")
        || said("NO_DEVICE_SPACE")
}

pub(super) fn open_error(error: OpenDbError) -> AttemptError {
    let refused = |words: String| AttemptError::Final(StoreError::Refused(words.into()));
    let error = match error {
        OpenDbError::Base(error) => error,
        OpenDbError::UnsupportedEnvironment | OpenDbError::NullFactory => {
            return refused("there is no IndexedDB here".to_owned());
        }
        // So indexed_db_futures calls whatever `indexedDB.open` throws; with our version, which is
        // not zero, it throws in documents that may not store anything.
        OpenDbError::VersionZero => {
            return refused("this document may not use IndexedDB".to_owned());
        }
    };
    let words = words(&error);
    match error_name(&error).as_str() {
        "VersionError" => AttemptError::Final(StoreError::Newer),
        name if is_full(name, &words) => AttemptError::Final(StoreError::Quota),
        // InvalidStateError is Firefox's in a private window.
        "SecurityError" | "InvalidStateError" | "NotAllowedError" | "NotSupportedError" => {
            refused(words)
        }
        _ => AttemptError::Stale(words.into()),
    }
}

/// The browser's name for it, by which alone some can be told.
pub(super) fn error_name(error: &Error) -> String {
    match error {
        Error::DomException(exception) => exception.as_sys().name(),
        Error::Unknown(JSError::Error(error)) => error.name().into(),
        _ => String::new(),
    }
}

/// What the browser says. (Not the error's own `Display`: that of numbers alone is 14 KB of wasm.)
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::DomException(exception) => described(exception.as_sys()),
        Error::Unknown(JSError::Error(error)) => error.to_string().into(),
        // Nothing that is read or written here is converted, so it comes from no wrong type.
        _ => "the browser's answer is not what IndexedDB gives".to_owned(),
    }
}

fn described(exception: &DomException) -> String {
    [&exception.name(), ": ", &exception.message()].concat()
}
