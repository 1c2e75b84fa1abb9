//! What the facade says: options and commands, as JSON text.

use super::net::{Error, ErrorCode};
use super::node::{MAX_NESTING, Node, missing, nests_too_deep};
use super::protocol::MAX_BODY;
use super::types::Seq;

/// What starts a pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
}

/// What becomes of segments on SyncGapOverflow (R4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// they go
    #[default]
    Clear,
    /// they stay, not fresh, and are revalidated when shown (R12)
    Keep,
}

/// The options of a client (`ClientOptions`), checked by the facade.
#[derive(Clone, Debug)]
pub struct Config {
    /// "indexeddb" or "memory": what was opened
    pub storage: String,
    /// what starts a pull
    pub notify: Notify,
    /// whose the cursor is
    pub scope: Scope,
    /// what an overflow does
    pub overflow: Policy,
    /// whether the transport has a notification channel
    pub can_listen: bool,
    /// whether the transport has `changes` (R12)
    pub can_revalidate: bool,
    /// whether a page is fetched before it is asked for
    pub prefetch: bool,
    /// whether the connection says that it is metered
    pub metered: bool,
    /// whether this client holds the account's lock from the beginning
    pub promoted: bool,
    /// what the browser says of the network
    pub online: bool,
    /// whether the page is hidden
    pub hidden: bool,
    /// ms between timed pulls while notified
    pub poll_interval: u64,
    /// ms between timed pulls while not
    pub fallback_poll_interval: u64,
    /// least ms between two pulls
    pub min_pull_interval: u64,
    /// events asked for at a time
    pub pull_limit: u32,
    /// cached messages at most
    pub max_messages: u64,
    /// messages in a screen
    pub page_size: u32,
    /// ms before a request counts as lost; a built-in transport has its own, which is shorter
    pub request_timeout: u64,
}

impl Config {
    /// From the facade's JSON text; what is absent has the contract's default.
    pub fn parse(text: &str) -> Result<Config, Error> {
        Self::read(text).map_err(|e| Error {
            code: ErrorCode::Invalid,
            ..e
        })
    }

    fn read(text: &str) -> Result<Config, Error> {
        let node = Node::parse("config", text)?;
        let or = |name: &str, default: u64| node.optional_whole(name).map(|n| n.unwrap_or(default));
        let unless = |name: &str| node.get(name) != Some(&Node::Flag(false));
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Config {
            storage: node
                .optional_text("storage")?
                .unwrap_or_default()
                .to_owned(),
            notify: match node.optional_text("notify")? {
                None | Some("socket") => Notify::Socket,
                Some("long-poll") => Notify::LongPoll,
                Some("poll") => Notify::Poll,
                Some(_) => {
                    let names = "\"socket\", \"long-poll\" or \"poll\"";
                    return Err(missing("sync.notify", names));
                }
            },
            scope: match node.optional_text("scope")? {
                None | Some("account") => Scope::Account,
                Some("conversation") => Scope::Conversation,
                Some("mailbox") => Scope::Mailbox,
                Some(_) => {
                    let names = "\"account\", \"conversation\" or \"mailbox\"";
                    return Err(missing("sync.scope", names));
                }
            },
            overflow: match node.optional_text("overflow")? {
                None | Some("clear") => Policy::Clear,
                Some("keep") => Policy::Keep,
                Some(_) => return Err(missing("overflow", "\"clear\" or \"keep\"")),
            },
            can_listen: unless("canListen"),
            can_revalidate: unless("canRevalidate"),
            prefetch: node.is_set("prefetch"),
            metered: node.is_set("metered"),
            promoted: node.is_set("promoted"),
            online: unless("online"),
            hidden: node.is_set("hidden"),
            poll_interval: or("pollInterval", 30_000)?,
            fallback_poll_interval: or("fallbackPollInterval", 5_000)?,
            min_pull_interval: or("minPullInterval", 0)?,
            pull_limit: small(or("pullLimit", 500)?),
            max_messages: or("maxMessages", 1_000_000)?,
            page_size: small(or("pageSize", 30)?),
            request_timeout: or("requestTimeout", 60_000)?,
        })
    }
}

/// Where a timeline begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// at the newest message
    #[default]
    Latest,
    /// with this position in the middle
    Around(Seq),
    /// with the first at or after this time, ms since the epoch, in the middle
    At(u64),
    /// with the first that the account has not read in the middle
    FirstUnread,
}

use super::db::Direction;

/// A number that the facade gives to a call that waits for a result.
pub type Call = u64;
/// A number that the facade gives to a timeline.
pub type TimelineId = u64;

/// One command. With `call`, a result comes back in a frame.
#[derive(Debug)]
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
        direction: Direction,
        /// messages; default: the timeline's page size
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
        /// where; `None`: wherever there is one of this name
        conversation: Option<String>,
        /// which
        client_id: String,
    },
    /// Takes one out that is not sent.
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
    /// What is stored.
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

/// Reads a command. A broken one is the facade's bug, or an argument that it let through: the call, if
/// it names one, is answered.
pub fn parse(text: &str) -> Result<Command, (Option<Call>, Error)> {
    let invalid = |e: Error| Error {
        code: ErrorCode::Invalid,
        ..e
    };
    let node = Node::parse("command", text).map_err(|e| (None, invalid(e)))?;
    let call = node.optional_whole("call").ok().flatten();
    read(&node).map_err(|e| (call, invalid(e)))
}

fn read(node: &Node) -> Result<Command, Error> {
    let call = || node.whole("call");
    let timeline = || node.whole("timeline");
    let text = |name: &str| node.text(name).map(str::to_owned);
    let small = |name: &str| {
        let number = node.optional_whole(name)?;
        Ok::<_, Error>(number.map(|n| u32::try_from(n).unwrap_or(u32::MAX)))
    };
    let unfit = || {
        let what =
            format!("JSON of at most {MAX_BODY} bytes that nests at most {MAX_NESTING} deep");
        missing("body", &what)
    };
    // A string, whose value is JSON text: the reader leaves what is named so as it came.
    let body = || match node.get("body") {
        Some(Node::Raw(raw)) => match Node::parse("body", raw)? {
            // What is not taken from the server is not sent either: its echo would be refused, again
            // and again, and with it all that comes after it.
            Node::Text(body) if body.len() <= MAX_BODY && is_json(&body) => Ok(body.into_owned()),
            _ => Err(unfit()),
        },
        _ => Err(unfit()),
    };
    Ok(match node.text("op")? {
        "open" => Command::Open {
            timeline: timeline()?,
            conversation: text("conversation")?,
            start: start(node.get("start"))?,
            page_size: small("pageSize")?,
            max_items: small("maxItems")?,
        },
        "release" => Command::Release {
            timeline: timeline()?,
        },
        "attach" => Command::Attach {
            timeline: timeline()?,
        },
        "close-timeline" => Command::CloseTimeline {
            timeline: timeline()?,
        },
        "load" => Command::Load {
            call: call()?,
            timeline: timeline()?,
            direction: match node.text("direction")? {
                "older" => Direction::Older,
                "newer" => Direction::Newer,
                _ => return Err(missing("direction", "\"older\" or \"newer\"")),
            },
            limit: small("limit")?,
        },
        "jump" => Command::Jump {
            call: call()?,
            timeline: timeline()?,
            to: start(node.get("to"))?,
        },
        "visible" => Command::Visible {
            timeline: timeline()?,
            first: text("first")?,
            last: text("last")?,
        },
        "send" => Command::Send {
            call: call()?,
            conversation: text("conversation")?,
            body: body()?,
            client_id: text("clientId")?,
        },
        "retry" => Command::Retry {
            call: call()?,
            conversation: node.optional_text("conversation")?.map(str::to_owned),
            client_id: text("clientId")?,
        },
        "discard" => Command::Discard {
            call: call()?,
            conversation: node.optional_text("conversation")?.map(str::to_owned),
            client_id: text("clientId")?,
        },
        "edit" => Command::Edit {
            call: call()?,
            conversation: text("conversation")?,
            message_id: text("messageId")?,
            body: body()?,
            client_id: text("clientId")?,
        },
        "recall" => Command::Recall {
            call: call()?,
            conversation: text("conversation")?,
            message_id: text("messageId")?,
        },
        "mark-read" => Command::MarkRead {
            call: call()?,
            conversation: text("conversation")?,
            seq: node.optional_seq("seq")?,
            timeline: node.optional_whole("timeline")?,
        },
        "sync" => Command::Sync { call: call()? },
        "inspect" => Command::Inspect {
            call: call()?,
            conversation: node.optional_text("conversation")?.map(str::to_owned),
        },
        "abort" => Command::Abort {
            of: node.whole("of")?,
        },
        "listening" => Command::Listening {
            events: node.texts("events")?,
        },
        "network" => Command::Network {
            online: node.flag("online")?,
            metered: match node.get("metered") {
                Some(_) => Some(node.flag("metered")?),
                None => None,
            },
        },
        "visibility" => Command::Visibility {
            hidden: node.flag("hidden")?,
        },
        "freeze" => Command::Freeze,
        "resume" => Command::Resume,
        "close" => Command::Close,
        "wipe" => Command::Wipe,
        _ => return Err(missing("op", "a command of this version")),
    })
}

fn start(node: Option<&Node>) -> Result<Start, Error> {
    match node {
        None => Ok(Start::Latest),
        Some(Node::Text(text)) if text == "latest" => Ok(Start::Latest),
        Some(Node::Text(text)) if text == "first-unread" => Ok(Start::FirstUnread),
        Some(node) => {
            if let Some(seq) = node.optional_seq("around")? {
                return Ok(Start::Around(seq));
            }
            if let Some(at) = node.optional_number("at")? {
                // A cast of a float saturates.
                return Ok(Start::At(at as u64));
            }
            let places = "\"latest\", \"first-unread\", {around} or {at}";
            Err(missing("start", places))
        }
    }
}

/// Whether a text is one JSON value, that nests no deeper than is taken from the server.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok() && !nests_too_deep(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::json;

    #[test]
    fn a_body_that_would_not_be_taken_back_is_invalid() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        for op in ["send", "edit"] {
            let with = |body: &str| {
                let mut quoted = String::new();
                json::string(&mut quoted, body);
                parse(&format!(
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
                let (call, error) = with(&bad).unwrap_err();
                assert_eq!((call, error.code), (Some(1), ErrorCode::Invalid), "{op}");
            }
        }
    }
}
