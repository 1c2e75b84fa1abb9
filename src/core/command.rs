//! Commands: what the facade says once a client is open. Serde reads them: out of JS values in the browser,
//! natively out of JSON.

use serde::Deserialize;
use serde::de::Deserializer;

use super::error::Error;
use super::reading::{SCREEN, Whole, fit, invalid, position, readers, small};
use super::types::{Direction, MAX_EXACT, Seq};

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
        super::reading::read(&mut serde_json::Deserializer::from_str(text))
    }
}

readers! {
    own_page_size: Option<u32> = "pageSize", |from: D| small(from, SCREEN).map(Some);
    limit: Option<u32> = "limit", |from: D| small(from, SCREEN).map(Some);
    max_items: Option<u32> = "maxItems", |from: D| small(from, Whole(1, 1_000_000)).map(Some);
    at: u64 = "at", |from: D| from.deserialize_f64(Whole(0, MAX_EXACT));
    around: Seq = "around", position;
    seq: Option<Seq> = "seq", |from: D| position(from).map(Some);
    body: Option<String> = "body", |from: D| fit(from).map(Some);
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::core::error::ErrorCode;
    use crate::core::json;
    use crate::core::node::MAX_NESTING;
    use crate::core::options::Config;
    use crate::core::wire::limits::MAX_BODY;

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
