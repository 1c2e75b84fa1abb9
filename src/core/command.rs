//! What the facade says: options and commands, as JSON text.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::net::{Error, ErrorCode};
use super::types::Seq;

/// What starts a pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notify {
    /// the notification channel
    #[default]
    Socket,
    /// the timer alone
    Poll,
}

/// The options of a client (`ClientOptions`), checked by the facade.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// "indexeddb" or "memory": what was opened
    #[serde(default)]
    pub storage: String,
    /// what starts a pull
    #[serde(default)]
    pub notify: Notify,
    /// whether the transport has a notification channel
    #[serde(default = "yes")]
    pub can_listen: bool,
    /// whether this client holds the account's lock from the beginning
    #[serde(default)]
    pub promoted: bool,
    /// what the browser says of the network
    #[serde(default = "yes")]
    pub online: bool,
    /// whether the page is hidden
    #[serde(default)]
    pub hidden: bool,
    /// ms between timed pulls while notified
    #[serde(default = "poll_interval")]
    pub poll_interval: u64,
    /// ms between timed pulls while not
    #[serde(default = "fallback_poll_interval")]
    pub fallback_poll_interval: u64,
    /// least ms between two pulls
    #[serde(default)]
    pub min_pull_interval: u64,
    /// events asked for at a time
    #[serde(default = "pull_limit")]
    pub pull_limit: u32,
    /// cached messages at most
    #[serde(default = "max_messages")]
    pub max_messages: u64,
    /// messages in a screen
    #[serde(default = "page_size")]
    pub page_size: u32,
    /// ms before a request counts as lost; a built-in transport has its own, which is shorter
    #[serde(default = "request_timeout")]
    pub request_timeout: u64,
}

fn yes() -> bool {
    true
}
fn poll_interval() -> u64 {
    30_000
}
fn fallback_poll_interval() -> u64 {
    5_000
}
fn pull_limit() -> u32 {
    500
}
fn max_messages() -> u64 {
    1_000_000
}
fn page_size() -> u32 {
    30
}
fn request_timeout() -> u64 {
    60_000
}

impl Config {
    /// From the facade's JSON text.
    pub fn parse(text: &str) -> Result<Config, Error> {
        serde_json::from_str(text).map_err(|e| Error::new(ErrorCode::Invalid, e.to_string()))
    }
}

/// Where a timeline begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// at the newest message
    #[default]
    Latest,
}

/// Which way to load.
pub use super::db::Direction;

/// A number that the facade gives to a call that waits for a result.
pub type Call = u64;
/// A number that the facade gives to a timeline.
pub type TimelineId = u64;

/// One command. With `call`, a result comes back in a frame.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Command {
    /// A timeline's first use.
    Open {
        /// names it from here on
        timeline: TimelineId,
        /// what it shows
        conversation: String,
        /// where it begins
        #[serde(default)]
        start: Start,
        /// messages in a screen
        #[serde(default)]
        page_size: Option<u32>,
        /// items held at most
        #[serde(default)]
        max_items: Option<u32>,
    },
    /// The last subscriber has gone.
    Release {
        /// which
        timeline: TimelineId,
    },
    /// A subscriber has come again.
    Attach {
        /// which
        timeline: TimelineId,
    },
    /// For good.
    CloseTimeline {
        /// which
        timeline: TimelineId,
    },
    /// One page.
    Load {
        /// its result: `LoadResult`
        call: Call,
        /// which
        timeline: TimelineId,
        /// which way
        direction: LoadDirection,
        /// messages; default: the timeline's page size
        #[serde(default)]
        limit: Option<u32>,
    },
    /// Replaces the list.
    Jump {
        /// its result: nothing
        call: Call,
        /// which
        timeline: TimelineId,
        /// where to
        to: Start,
    },
    /// What is on screen, by key.
    Visible {
        /// which
        timeline: TimelineId,
        /// topmost item
        first: String,
        /// lowest item
        last: String,
    },
    /// An own message.
    Send {
        /// its result: `{clientId, key}`
        call: Call,
        /// where to
        conversation: String,
        /// JSON text
        body: String,
        /// its name
        client_id: String,
    },
    /// A failed one once more.
    Retry {
        /// its result: nothing
        call: Call,
        /// which
        client_id: String,
    },
    /// Takes one out that is not sent.
    Discard {
        /// its result: whether it was taken out
        call: Call,
        /// which
        client_id: String,
    },
    /// A new body for an own message.
    Edit {
        /// its result: the message
        call: Call,
        /// where
        conversation: String,
        /// which
        message_id: String,
        /// JSON text
        body: String,
        /// names the edit
        client_id: String,
    },
    /// Withdraws an own message.
    Recall {
        /// its result: the message
        call: Call,
        /// where
        conversation: String,
        /// which
        message_id: String,
    },
    /// Everything up to `seq`, or the newest on the timeline's screen, was read.
    MarkRead {
        /// its result: nothing
        call: Call,
        /// where
        conversation: String,
        /// newest read
        #[serde(default)]
        seq: Option<Seq>,
        /// whose screen, without `seq`
        #[serde(default)]
        timeline: Option<TimelineId>,
    },
    /// Pulls now.
    Sync {
        /// its result: nothing, once caught up
        call: Call,
    },
    /// What is stored.
    Inspect {
        /// its result: `Inspection`
        call: Call,
        /// whose segments
        #[serde(default)]
        conversation: Option<String>,
    },
    /// The AbortSignal of a call fired.
    Abort {
        /// which call
        of: Call,
    },
    /// Which of the events `messages` and `updates` somebody listens to: only they are sent.
    Listening {
        /// their names
        events: Vec<String>,
    },
    /// The browser says that it is online or offline.
    Network {
        /// which
        online: bool,
    },
    /// The page was hidden or shown.
    Visibility {
        /// which
        hidden: bool,
    },
    /// The page is about to be frozen.
    Freeze,
    /// The page is thawed.
    Resume,
    /// Stops, keeps the data. Answered by `Effect::Stopped`.
    Close,
    /// Stops and deletes the data. Answered by `Effect::Stopped`.
    Wipe,
}

/// [`Direction`], as the facade writes it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoadDirection {
    /// older
    Older,
    /// newer
    Newer,
}

impl From<LoadDirection> for Direction {
    fn from(direction: LoadDirection) -> Self {
        match direction {
            LoadDirection::Older => Direction::Older,
            LoadDirection::Newer => Direction::Newer,
        }
    }
}

/// Reads a command. A broken one is the facade's bug, or an argument that it let through: the call, if
/// it names one, is answered.
pub fn parse(text: &str) -> Result<Command, (Option<Call>, Error)> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(default)]
        call: Option<Call>,
    }
    serde_json::from_str(text).map_err(|e| {
        let call = serde_json::from_str::<Named>(text)
            .ok()
            .and_then(|named| named.call);
        (call, Error::new(ErrorCode::Invalid, e.to_string()))
    })
}

/// Whether a text is one JSON value.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}
