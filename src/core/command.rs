//! What the facade says: options and commands.
//!
//! They are types that serde reads: out of JS values in the browser ([`read`] over serde-wasm-bindgen), and
//! natively out of JSON. What an option is by default, and what it may be, is said here and nowhere else.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Unexpected, Visitor};

use super::error::{Error, ErrorCode};
use super::limits::Limits;
use super::node::{MAX_NESTING, is_fit};
use super::storage::Mode;
use super::types::{Direction, Seq};
use super::wire::limits::{MAX_BODY, MAX_EVENTS};

/// What starts a pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notify {
    /// the notification channel
    #[default]
    Socket,
    /// a pull that waits at the server for something to come
    LongPoll,
    /// the timer alone
    Poll,
}

/// Whose the cursor is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// the account's
    #[default]
    Account,
    /// each conversation's
    Conversation,
    /// nobody's: the server keeps what is not acknowledged
    Mailbox,
}

impl Scope {
    /// Its name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Account => "account",
            Scope::Conversation => "conversation",
            Scope::Mailbox => "mailbox",
        }
    }

    /// What an app's transport must be able to do.
    fn methods(self) -> &'static [&'static str] {
        match self {
            Scope::Account => &["pull", "conversations", "history"],
            Scope::Conversation => &["pullConversations", "conversations", "history"],
            Scope::Mailbox => &["pullMailbox", "acknowledge", "conversations", "history"],
        }
    }
}

/// What becomes of segments on SyncGapOverflow (R4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverflowPolicy {
    /// they go
    #[default]
    Clear,
    /// they stay, not fresh, and are revalidated when shown (R12)
    Keep,
}

/// What a client does while another one of the account is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IfOpen {
    /// both show everything and may do everything (R15)
    #[default]
    Share,
    /// it shows what is stored until the others have gone
    Wait,
    /// the others close
    TakeOver,
}

/// Greatest whole number that JS keeps exact.
const MAX_EXACT: u64 = (1 << 53) - 1;

/// The options of a client (`ClientOptions`), each by its own name.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// names the store
    pub account: String,
    /// what the app's transport can do; `None`: the built-in one is used
    pub methods: Option<Vec<String>>,
    /// where the built-in transport's server is
    pub base_url: String,
    /// ms that the built-in transport waits for an answer
    #[serde(deserialize_with = "timeout")]
    pub timeout: u64,
    /// where the data is to be kept
    #[serde(deserialize_with = "mode")]
    pub mode: Mode,
    /// "indexeddb" or "memory": what was opened
    #[serde(skip)]
    pub storage: String,
    /// what starts a pull
    #[serde(deserialize_with = "notify")]
    pub notify: Notify,
    /// whose the cursor is
    #[serde(deserialize_with = "scope")]
    pub scope: Scope,
    /// what an overflow does
    #[serde(deserialize_with = "overflow")]
    pub overflow: OverflowPolicy,
    /// whether the transport has a notification channel
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub can_listen: bool,
    /// whether the transport has `changes` (R12)
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub can_revalidate: bool,
    /// whether a page is fetched before it is asked for
    #[serde(deserialize_with = "prefetch")]
    pub prefetch: bool,
    /// whether the connection says that it is metered
    pub metered: bool,
    /// what it does while another client of the account is open
    #[serde(deserialize_with = "if_open")]
    pub if_open: IfOpen,
    /// The epoch under which this client writes from the beginning; `None`: another one has the account
    /// (R15). The facade only says whether it holds the lock: who opens the store sets this.
    #[serde(rename = "promoted", deserialize_with = "unset_epoch")]
    pub epoch: Option<u64>,
    /// what the browser says of the network
    pub online: bool,
    /// whether the page is hidden
    pub hidden: bool,
    /// it is there for one sync: it does not wait for a writer as long as others, and is never on screen
    pub brief: bool,
    /// ms between timed pulls while notified
    #[serde(deserialize_with = "poll_interval")]
    pub poll_interval: u64,
    /// ms between timed pulls while not
    #[serde(deserialize_with = "fallback_poll_interval")]
    pub fallback_poll_interval: u64,
    /// least ms between two pulls
    #[serde(deserialize_with = "min_pull_interval")]
    pub min_pull_interval: u64,
    /// events asked for at a time
    #[serde(deserialize_with = "pull_limit")]
    pub pull_limit: u32,
    /// cached messages at most
    #[serde(deserialize_with = "max_messages")]
    pub max_messages: u64,
    /// messages in a screen
    #[serde(deserialize_with = "page_size")]
    pub page_size: u32,
    /// ms before a request counts as lost; a built-in transport has its own, which is shorter
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub request_timeout: u64,
    /// every bound
    #[serde(skip)]
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            account: String::new(),
            methods: None,
            base_url: String::new(),
            timeout: 15_000,
            mode: Mode::default(),
            storage: String::new(),
            notify: Notify::default(),
            scope: Scope::default(),
            overflow: OverflowPolicy::default(),
            can_listen: true,
            can_revalidate: true,
            prefetch: true,
            metered: false,
            if_open: IfOpen::default(),
            epoch: None,
            online: true,
            hidden: false,
            brief: false,
            poll_interval: 30_000,
            fallback_poll_interval: 5_000,
            min_pull_interval: 0,
            pull_limit: 500,
            max_messages: 1_000_000,
            page_size: 30,
            request_timeout: 15_000,
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Checks what serde cannot: options that are right by themselves and wrong together.
    ///
    /// # Errors
    /// `invalid`, with the option's name.
    pub fn checked(mut self) -> Result<Config, Error> {
        let scope = self.scope.name();
        if self.account.is_empty() {
            return Err(invalid("account is a text that is not empty"));
        }
        if self.notify == Notify::LongPoll && self.scope != Scope::Account {
            return Err(invalid(format!(
                "sync.notify \"long-poll\" needs sync.scope \"account\": only its pull can wait for something to come. With \"{scope}\", use \"socket\" or \"poll\""
            )));
        }
        if let Some(methods) = &self.methods {
            let has = |method: &str| methods.iter().any(|one| one == method);
            if let Some(method) = self.scope.methods().iter().find(|method| !has(method)) {
                return Err(invalid(format!(
                    "transport.{method} is missing: sync.scope \"{scope}\" needs it"
                )));
            }
            self.can_listen = has("listen");
            self.can_revalidate = has("changes");
        }
        // What the reader takes.
        self.pull_limit = self.pull_limit.min(MAX_EVENTS as u32);
        Ok(self)
    }

    /// From JSON text.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn from_json(text: &str) -> Result<Config, Error> {
        read::<Config, _>(&mut serde_json::Deserializer::from_str(text))?.checked()
    }
}

/// Where a timeline begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// at the newest message
    #[default]
    Latest,
    /// with this position in the middle
    Around(#[serde(deserialize_with = "around")] Seq),
    /// with the first at or after this time, ms since the epoch, in the middle
    At(#[serde(deserialize_with = "at")] u64),
    /// with the first that the account has not read in the middle
    FirstUnread,
}

/// A number that the facade gives to a call that waits for a result.
pub type Call = u64;
/// A number that the facade gives to a timeline.
pub type TimelineId = u64;

/// One command. With `call`, a result comes back in a frame.
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawCommand")]
pub enum Command {
    /// A timeline's first use.
    Open {
        /// names it from here on
        timeline: TimelineId,
        /// what it shows
        conversation: String,
        /// where it begins
        start: Start,
        /// messages in a screen
        page_size: Option<u32>,
        /// items held at most
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
    /// The timeline is closed for good: it is shown once more, as closed.
    CloseTimeline {
        /// which
        timeline: TimelineId,
    },
    /// One more page at an end of the list.
    Load {
        /// its result: `LoadResult`
        call: Call,
        /// which
        timeline: TimelineId,
        /// which way
        direction: Direction,
        /// messages; default: the timeline's page size
        limit: Option<u32>,
    },
    /// Puts another window in place of the list.
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
    /// Puts an own message into the outbox.
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
    /// Tries an own message again now: one that has failed, or that waits.
    Retry {
        /// its result: nothing
        call: Call,
        /// where; `None`: wherever there is one of this name
        conversation: Option<String>,
        /// which
        client_id: String,
    },
    /// Takes an own message out of the outbox that was not sent.
    Discard {
        /// its result: whether it was taken out
        call: Call,
        /// where; `None`: wherever there is one of this name
        conversation: Option<String>,
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
        seq: Option<Seq>,
        /// whose screen, without `seq`
        timeline: Option<TimelineId>,
    },
    /// Pulls now.
    Sync {
        /// its result: nothing, once caught up
        call: Call,
    },
    /// Tells what is new and was neither told nor shown before.
    Tell {
        /// its result: the messages
        call: Call,
    },
    /// Asks what is stored.
    Inspect {
        /// its result: `Inspection`
        call: Call,
        /// whose segments
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
        /// whether it says that each byte costs; absent: as before
        metered: Option<bool>,
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

/// A command as it comes, `{op, …}`. It is one struct with the fields of all commands: for an enum with fields
/// serde makes a reader of each variant, which is 1.5 KB of gzipped wasm more.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCommand {
    op: Op,
    call: Option<Call>,
    timeline: Option<TimelineId>,
    conversation: Option<String>,
    start: Option<Start>,
    to: Option<Start>,
    #[serde(default, deserialize_with = "own_page_size")]
    page_size: Option<u32>,
    #[serde(default, deserialize_with = "max_items")]
    max_items: Option<u32>,
    direction: Option<Direction>,
    #[serde(default, deserialize_with = "limit")]
    limit: Option<u32>,
    first: Option<String>,
    last: Option<String>,
    #[serde(default, deserialize_with = "body")]
    body: Option<String>,
    client_id: Option<String>,
    message_id: Option<String>,
    #[serde(default, deserialize_with = "seq")]
    seq: Option<Seq>,
    of: Option<Call>,
    events: Option<Vec<String>>,
    online: Option<bool>,
    metered: Option<bool>,
    hidden: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Op {
    Open,
    Release,
    Attach,
    CloseTimeline,
    Load,
    Jump,
    Visible,
    Send,
    Retry,
    Discard,
    Edit,
    Recall,
    MarkRead,
    Sync,
    Tell,
    Inspect,
    Abort,
    Listening,
    Network,
    Visibility,
    Freeze,
    Resume,
    Close,
    Wipe,
}

/// A field that this command has to have.
fn need<T>(field: Option<T>, name: &'static str) -> Result<T, String> {
    field.ok_or_else(|| ["missing field `", name, "`"].concat())
}

impl TryFrom<RawCommand> for Command {
    type Error = String;

    #[expect(clippy::too_many_lines, reason = "one arm a command")]
    fn try_from(raw: RawCommand) -> Result<Command, String> {
        let call = || need(raw.call, "call");
        let timeline = || need(raw.timeline, "timeline");
        let place = raw.conversation;
        let client_id = || need(raw.client_id, "clientId");
        let message_id = || need(raw.message_id, "messageId");
        let body = || need(raw.body, "body");
        Ok(match raw.op {
            Op::Open => Command::Open {
                timeline: timeline()?,
                conversation: need(place, "conversation")?,
                start: raw.start.unwrap_or_default(),
                page_size: raw.page_size,
                max_items: raw.max_items,
            },
            Op::Release => Command::Release {
                timeline: timeline()?,
            },
            Op::Attach => Command::Attach {
                timeline: timeline()?,
            },
            Op::CloseTimeline => Command::CloseTimeline {
                timeline: timeline()?,
            },
            Op::Load => Command::Load {
                call: call()?,
                timeline: timeline()?,
                direction: need(raw.direction, "direction")?,
                limit: raw.limit,
            },
            Op::Jump => Command::Jump {
                call: call()?,
                timeline: timeline()?,
                to: raw.to.unwrap_or_default(),
            },
            Op::Visible => Command::Visible {
                timeline: timeline()?,
                first: need(raw.first, "first")?,
                last: need(raw.last, "last")?,
            },
            Op::Send => Command::Send {
                call: call()?,
                conversation: need(place, "conversation")?,
                body: body()?,
                client_id: client_id()?,
            },
            Op::Retry => Command::Retry {
                call: call()?,
                conversation: place,
                client_id: client_id()?,
            },
            Op::Discard => Command::Discard {
                call: call()?,
                conversation: place,
                client_id: client_id()?,
            },
            Op::Edit => Command::Edit {
                call: call()?,
                conversation: need(place, "conversation")?,
                message_id: message_id()?,
                body: body()?,
                client_id: client_id()?,
            },
            Op::Recall => Command::Recall {
                call: call()?,
                conversation: need(place, "conversation")?,
                message_id: message_id()?,
            },
            Op::MarkRead => Command::MarkRead {
                call: call()?,
                conversation: need(place, "conversation")?,
                seq: raw.seq,
                timeline: raw.timeline,
            },
            Op::Sync => Command::Sync { call: call()? },
            Op::Tell => Command::Tell { call: call()? },
            Op::Inspect => Command::Inspect {
                call: call()?,
                conversation: place,
            },
            Op::Abort => Command::Abort {
                of: need(raw.of, "of")?,
            },
            Op::Listening => Command::Listening {
                events: raw.events.unwrap_or_default(),
            },
            Op::Network => Command::Network {
                online: need(raw.online, "online")?,
                metered: raw.metered,
            },
            Op::Visibility => Command::Visibility {
                hidden: need(raw.hidden, "hidden")?,
            },
            Op::Freeze => Command::Freeze,
            Op::Resume => Command::Resume,
            Op::Close => Command::Close,
            Op::Wipe => Command::Wipe,
        })
    }
}

impl Command {
    /// Checks what serde cannot: fields that are right by themselves and wrong together. `page_size`: the
    /// client's, where the command has none.
    ///
    /// # Errors
    /// `invalid`, with the field's name.
    pub fn checked(self, page_size: u32) -> Result<Command, Error> {
        if let Command::Open {
            page_size: own,
            max_items: Some(most),
            ..
        } = &self
            && *most < own.unwrap_or(page_size)
        {
            let least = own.unwrap_or(page_size);
            return Err(invalid(format!(
                "maxItems is at least the page size, {least}, not {most}"
            )));
        }
        Ok(self)
    }

    /// From JSON text.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn from_json(text: &str) -> Result<Command, Error> {
        read(&mut serde_json::Deserializer::from_str(text))
    }
}

// ---------------------------------------------------------------- reading

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
struct Whole(u64, u64);

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
            $how(from).map_err(|error: D::Error| named($name, &error))
        }
    )*};
}

readers! {
    timeout: u64 = "transport.timeout", |from: D| from.deserialize_f64(DELAY);
    mode: Mode = "storage.mode", Mode::deserialize;
    max_messages: u64 = "storage.maxMessages", |from: D| from.deserialize_f64(Whole(1, MAX_EXACT));
    notify: Notify = "sync.notify", Notify::deserialize;
    scope: Scope = "sync.scope", Scope::deserialize;
    poll_interval: u64 = "sync.pollInterval", |from: D| from.deserialize_f64(DELAY);
    fallback_poll_interval: u64 = "sync.fallbackPollInterval", |from: D| from.deserialize_f64(DELAY);
    min_pull_interval: u64 = "sync.minPullInterval", |from: D| from.deserialize_f64(Whole(0, DELAY.1));
    pull_limit: u32 = "sync.pullLimit", |from: D| small(from, Whole(1, 100_000));
    overflow: OverflowPolicy = "overflow", OverflowPolicy::deserialize;
    if_open: IfOpen = "ifOpen", IfOpen::deserialize;
    prefetch: bool = "prefetch", bool::deserialize;
    page_size: u32 = "pageSize", |from: D| small(from, SCREEN);
    own_page_size: Option<u32> = "pageSize", |from: D| small(from, SCREEN).map(Some);
    limit: Option<u32> = "limit", |from: D| small(from, SCREEN).map(Some);
    max_items: Option<u32> = "maxItems", |from: D| small(from, Whole(1, 1_000_000)).map(Some);
    at: u64 = "at", |from: D| from.deserialize_f64(Whole(0, MAX_EXACT));
    around: Seq = "around", position;
    seq: Option<Seq> = "seq", |from: D| position(from).map(Some);
    body: Option<String> = "body", |from: D| fit(from).map(Some);
}

#[cold]
#[inline(never)]
fn named<E: serde::de::Error>(name: &str, error: &E) -> E {
    E::custom([name, ": ", &said(error)].concat())
}

/// What a timer of a browser takes, in ms.
const DELAY: Whole = Whole(1, (1 << 31) - 1);
/// Messages of a screen, or of a page.
const SCREEN: Whole = Whole(1, 1_000);

fn small<'de, D: Deserializer<'de>>(from: D, between: Whole) -> Result<u32, D::Error> {
    from.deserialize_f64(between).map(|n| n as u32)
}

fn position<'de, D: Deserializer<'de>>(from: D) -> Result<Seq, D::Error> {
    let digits = String::deserialize(from)?;
    let seq = digits.parse().map(Seq);
    seq.map_err(|_| D::Error::custom("a whole number's digits are expected"))
}

/// A name that may be sent: at most [`MAX_NAME`](super::wire::limits::MAX_NAME) bytes. What is not taken from the server is not sent either: its echo would be refused, again and again, and
/// with it all that comes after it.
fn fit<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let body = String::deserialize(from)?;
    match body.len() <= MAX_BODY && is_fit(&body) {
        true => Ok(body),
        false => Err(D::Error::custom(format_args!(
            "JSON of at most {MAX_BODY} bytes that nests at most {MAX_NESTING} deep is expected"
        ))),
    }
}

fn unset_epoch<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let promoted = bool::deserialize(from)?;
    Ok(promoted.then_some(0))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::core::json;

    #[test]
    fn what_is_not_said_has_its_default() {
        let config = Config::from_json(r#"{"account":"ann","baseUrl":"https://chat.example"}"#);
        let config = config.unwrap();
        assert_eq!(
            format!("{config:?}"),
            format!(
                "{:?}",
                Config {
                    account: "ann".into(),
                    base_url: "https://chat.example".into(),
                    ..Config::default()
                }
            )
        );
        assert!(config.epoch.is_none() && config.can_listen && config.prefetch);
    }

    #[test]
    fn a_wrong_option_is_named() {
        for (name, wrong) in [
            ("transport.timeout", r#""timeout":0"#),
            ("storage.mode", r#""mode":"disk""#),
            ("storage.maxMessages", r#""maxMessages":9007199254740992"#),
            ("sync.notify", r#""notify":"pigeon""#),
            ("sync.scope", r#""scope":"device""#),
            ("sync.scope", r#""scope":null"#),
            ("sync.pollInterval", r#""pollInterval":0"#),
            ("sync.pollInterval", r#""pollInterval":null"#),
            (
                "sync.fallbackPollInterval",
                r#""fallbackPollInterval":2147483648"#,
            ),
            ("sync.minPullInterval", r#""minPullInterval":-1"#),
            ("sync.pullLimit", r#""pullLimit":"5""#),
            ("sync.pullLimit", r#""pullLimit":100001"#),
            ("overflow", r#""overflow":"drop""#),
            ("pageSize", r#""pageSize":1.5"#),
            ("pageSize", r#""pageSize":1001"#),
            ("prefetch", r#""prefetch":"often""#),
            ("prefetch", r#""prefetch":null"#),
        ] {
            let error = Config::from_json(&format!(r#"{{"account":"ann",{wrong}}}"#)).unwrap_err();
            assert_eq!(error.code, ErrorCode::Invalid, "{wrong}");
            let named = error.message.starts_with(&format!("{name}: "));
            assert!(named, "{wrong}: {}", error.message);
        }
        let error = Config::from_json(r#"{"account":"ann","pollInterval":0}"#).unwrap_err();
        let said = "sync.pollInterval: invalid value: integer `0`, expected an integer from 1 to 2147483647";
        assert!(error.message.starts_with(said), "{}", error.message);
        assert!(
            Config::from_json("{}")
                .unwrap_err()
                .message
                .starts_with("account ")
        );
    }

    #[test]
    fn long_poll_is_refused_where_no_pull_can_wait() {
        for (scope, fits) in [
            ("account", true),
            ("conversation", false),
            ("mailbox", false),
        ] {
            let config = format!(r#"{{"account":"ann","scope":"{scope}","notify":"long-poll"}}"#);
            let read = Config::from_json(&config);
            assert_eq!(read.is_ok(), fits, "{scope}");
            if let Err(error) = read {
                let says = |what: &str| error.message.contains(what);
                assert!(says("\"account\"") && says("wait") && says(scope));
            }
        }
    }

    #[test]
    fn a_transport_has_the_functions_that_its_scope_needs() {
        for (scope, own) in [
            ("account", vec!["pull"]),
            ("conversation", vec!["pullConversations"]),
            ("mailbox", vec!["pullMailbox", "acknowledge"]),
        ] {
            let needed = [own, vec!["conversations", "history"]].concat();
            let with = |methods: &[&str]| {
                let config =
                    format!(r#"{{"account":"ann","scope":"{scope}","methods":{methods:?}}}"#);
                Config::from_json(&config)
            };
            let config = with(&needed).unwrap();
            assert!(!config.can_listen && !config.can_revalidate);
            for missing in &needed {
                let methods = [&needed[..], &["listen", "changes"]].concat();
                assert!(with(&methods).unwrap().can_listen);
                let methods: Vec<&str> = methods.into_iter().filter(|m| m != missing).collect();
                let error = with(&methods).unwrap_err();
                let said =
                    format!("transport.{missing} is missing: sync.scope \"{scope}\" needs it");
                assert_eq!((error.code, error.message), (ErrorCode::Invalid, said));
            }
        }
    }

    #[test]
    fn a_wrong_argument_is_named() {
        let page_size = Config::default().page_size;
        for (named, wrong) in [
            (
                "limit: ",
                r#"{"op":"load","call":1,"timeline":1,"direction":"older","limit":0}"#,
            ),
            (
                "pageSize: ",
                r#"{"op":"open","timeline":1,"conversation":"c","pageSize":0}"#,
            ),
            (
                "maxItems: ",
                r#"{"op":"open","timeline":1,"conversation":"c","maxItems":1000001}"#,
            ),
            (
                "maxItems ",
                r#"{"op":"open","timeline":1,"conversation":"c","maxItems":5}"#,
            ),
            (
                "maxItems ",
                r#"{"op":"open","timeline":1,"conversation":"c","pageSize":9,"maxItems":8}"#,
            ),
            (
                "at: ",
                r#"{"op":"jump","call":1,"timeline":1,"to":{"at":-1}}"#,
            ),
            (
                "at: ",
                r#"{"op":"jump","call":1,"timeline":1,"to":{"at":1.5}}"#,
            ),
            (
                "around: ",
                r#"{"op":"jump","call":1,"timeline":1,"to":{"around":"m5"}}"#,
            ),
            (
                "seq: ",
                r#"{"op":"mark-read","call":1,"conversation":"c","seq":"-1"}"#,
            ),
            (
                "body: ",
                r#"{"op":"send","call":1,"conversation":"c","clientId":"k","body":"{"}"#,
            ),
            ("missing field `clientId`", r#"{"op":"retry","call":1}"#),
            ("missing field `op`", r#"{"call":1}"#),
            ("unknown variant `fly`", r#"{"op":"fly"}"#),
        ] {
            let read = Command::from_json(wrong).and_then(|read| read.checked(page_size));
            let error = read.unwrap_err();
            assert_eq!(error.code, ErrorCode::Invalid, "{wrong}");
            assert!(
                error.message.starts_with(named),
                "{wrong}: {}",
                error.message
            );
        }
    }

    #[test]
    fn a_place_is_read_exactly() {
        for (told, read) in [
            (r#""latest""#, Start::Latest),
            (r#""first-unread""#, Start::FirstUnread),
            (
                r#"{"around":"18446744073709551615"}"#,
                Start::Around(Seq(u64::MAX)),
            ),
            (r#"{"at":1700000000000}"#, Start::At(1_700_000_000_000)),
        ] {
            let command = format!(r#"{{"op":"jump","call":1,"timeline":1,"to":{told}}}"#);
            let command = Command::from_json(&command).unwrap();
            assert!(
                matches!(command, Command::Jump { to, .. } if to == read),
                "{told}"
            );
        }
    }

    #[test]
    fn a_body_that_would_not_be_taken_back_is_invalid() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        for op in ["send", "edit"] {
            let with = |body: &str| {
                let mut quoted = String::new();
                json::string(&mut quoted, body);
                Command::from_json(&format!(
                    r#"{{"op":"{op}","call":1,"conversation":"c","messageId":"m","clientId":"k","body":{quoted}}}"#
                ))
            };
            for good in [text(MAX_BODY), nested(MAX_NESTING)] {
                assert!(with(&good).is_ok(), "{op}");
            }
            for bad in [
                text(MAX_BODY + 1),
                nested(MAX_NESTING + 1),
                "{".into(),
                String::new(),
            ] {
                assert_eq!(with(&bad).unwrap_err().code, ErrorCode::Invalid, "{op}");
            }
        }
    }
}
