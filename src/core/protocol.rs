//! Reading what the server says (contract/protocol.md), from JSON text to values that the rest of the
//! core trusts. Whatever breaks the protocol is an error, and nothing of it is applied; an unknown
//! field or type of event is ignored.

use std::borrow::Cow;
use std::rc::Rc;

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use super::net::{Error, ErrorCode, Place};
use super::segments::Prev;
use super::types::{Conversation, Message, MessageState, Seq};

/// Events in one batch: more is a server gone wrong, and would be applied in one transaction.
pub const MAX_EVENTS: usize = 10_000;
/// Messages in one page.
pub const MAX_PAGE: usize = 10_000;
/// Bytes of one message's body.
pub const MAX_BODY: usize = 4 << 20;
/// Bytes of a cursor, an id, a sender.
pub const MAX_NAME: usize = 16 << 10;

type Result<T> = std::result::Result<T, Error>;

fn broken(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::Protocol, what)
}

fn parse<'a, T: Deserialize<'a>>(what: &str, text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| broken(format!("{what}: {e}")))
}

fn name(what: &str, text: &str) -> Result<()> {
    if text.len() > MAX_NAME {
        return Err(broken(format!(
            "{what} of {} bytes; at most {MAX_NAME}",
            text.len()
        )));
    }
    Ok(())
}

/// Tells a field that is null (`Some(None)`) from one that is absent (`None`).
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Milliseconds: a whole number, or one with a fraction that is dropped.
fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<u64, D::Error> {
    struct Visitor;
    impl de::Visitor<'_> for Visitor {
        type Value = u64;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("milliseconds since the epoch")
        }
        fn visit_u64<E: de::Error>(self, value: u64) -> std::result::Result<u64, E> {
            // What a JS number holds exactly.
            Ok(value.min((1 << 53) - 1))
        }
        fn visit_i64<E: de::Error>(self, _negative: i64) -> std::result::Result<u64, E> {
            Ok(0)
        }
        fn visit_f64<E: de::Error>(self, value: f64) -> std::result::Result<u64, E> {
            self.visit_u64(value as u64)
        }
    }
    deserializer.deserialize_any(Visitor)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMessage<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    seq: Seq,
    #[serde(borrow)]
    sender: Cow<'a, str>,
    #[serde(deserialize_with = "milliseconds")]
    created_at: u64,
    version: u64,
    state: MessageState,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    #[serde(borrow, default)]
    client_id: Option<Cow<'a, str>>,
}

impl WireMessage<'_> {
    /// `of`: the conversation that it must belong to, where that is known.
    fn read(self, of: Option<&Rc<str>>) -> Result<Rc<Message>> {
        let conversation = match of {
            Some(of) if **of == *self.conversation => of.clone(),
            Some(of) => {
                return Err(broken(format!(
                    "a message of conversation {:?} in an answer about {of:?}",
                    self.conversation
                )));
            }
            None => Rc::from(&*self.conversation),
        };
        name("conversation id", &conversation)?;
        name("message id", &self.id)?;
        name("sender", &self.sender)?;
        name("clientId", self.client_id.as_deref().unwrap_or(""))?;
        if self.version == 0 {
            return Err(broken("a message's version is 1 or more"));
        }
        let body = match self.body {
            Some(body) if self.state != MessageState::Recalled => body.get(),
            _ => "null",
        };
        if body.len() > MAX_BODY {
            return Err(broken(format!(
                "a body of {} bytes; at most {MAX_BODY}",
                body.len()
            )));
        }
        Ok(Rc::new(Message {
            id: self.id.into_owned(),
            conversation,
            seq: self.seq,
            sender: self.sender.into_owned(),
            created_at: self.created_at,
            version: self.version,
            state: self.state,
            body: body.into(),
            client_id: self.client_id.map(Cow::into_owned),
        }))
    }
}

/// What a server says of a conversation; a field that is `None` keeps its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// which
    pub id: Rc<str>,
    unread: Option<u64>,
    /// newest message; `Some(None)`: it has none
    pub last_seq: Option<Option<Seq>>,
    read_seq: Option<Option<Seq>>,
    sort: Option<f64>,
    last_message: Option<Option<Rc<Message>>>,
    meta: Option<Box<str>>,
}

impl Patch {
    /// Whether it says all that the list's pages would (`meta` may be the app's to leave out).
    pub fn is_whole(&self) -> bool {
        let counts = self.unread.is_some() && self.sort.is_some();
        counts && self.last_seq.is_some() && self.read_seq.is_some() && self.last_message.is_some()
    }

    /// Applies it (R11).
    pub fn apply(&self, c: &mut Conversation) {
        if let Some(unread) = self.unread {
            c.unread = unread;
        }
        if let Some(seq) = self.last_seq {
            c.last_seq = seq;
        }
        if let Some(seq) = self.read_seq {
            c.read_seq = seq;
        }
        if let Some(sort) = self.sort {
            c.sort = sort;
        }
        if let Some(message) = &self.last_message {
            // R3: a copy of lower version never takes the place of a newer one.
            let newer = match (&c.last_message, message) {
                (Some(held), Some(new)) => held.id != new.id || held.version < new.version,
                _ => true,
            };
            if newer {
                c.last_message = message.clone();
            }
        }
        if let Some(meta) = &self.meta {
            c.meta = meta.clone();
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireConversation<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(default)]
    unread: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    last_seq: Option<Option<Seq>>,
    #[serde(default, deserialize_with = "present")]
    read_seq: Option<Option<Seq>>,
    #[serde(default)]
    sort: Option<f64>,
    #[serde(borrow, default, deserialize_with = "present")]
    last_message: Option<Option<WireMessage<'a>>>,
    #[serde(borrow, default, deserialize_with = "present")]
    meta: Option<Option<&'a RawValue>>,
}

impl WireConversation<'_> {
    fn read(self) -> Result<Patch> {
        name("conversation id", &self.id)?;
        let id: Rc<str> = Rc::from(&*self.id);
        let last_message = match self.last_message {
            Some(Some(m)) => Some(Some(m.read(Some(&id))?)),
            Some(None) => Some(None),
            None => None,
        };
        Ok(Patch {
            id,
            unread: self.unread.map(|n| n.min((1 << 53) - 1)),
            last_seq: self.last_seq,
            read_seq: self.read_seq,
            sort: self.sort,
            last_message,
            meta: self
                .meta
                .map(|meta| meta.map_or("null", RawValue::get).into()),
        })
    }
}

/// One event of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// a new message
    Message {
        /// the message
        message: Rc<Message>,
        /// what is before it
        prev: Prev,
    },
    /// an existing message's newest version
    Update(Rc<Message>),
    /// a conversation's state
    Conversation(Patch),
    /// the account has left it
    Removed(Rc<str>),
    /// its history older than this is gone
    Trim {
        /// whose
        conversation: Rc<str>,
        /// older than this
        before: Seq,
    },
}

impl Event {
    /// The conversation it is about.
    pub fn conversation(&self) -> &Rc<str> {
        match self {
            Event::Message { message, .. } | Event::Update(message) => &message.conversation,
            Event::Conversation(patch) => &patch.id,
            Event::Removed(id)
            | Event::Trim {
                conversation: id, ..
            } => id,
        }
    }
}

/// What SyncGapOverflow concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// every conversation
    All,
    /// these
    Of(Vec<Rc<str>>),
}

/// An answer to a pull. Continuous from the request's cursor to its own (R1).
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// in the server's order
    pub events: Vec<Event>,
    /// where syncing goes on
    pub cursor: String,
    /// more can be had at once
    pub has_more: bool,
    /// takes effect before the events
    pub overflow: Option<Overflow>,
    /// events of unknown type, ignored
    pub unknown: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireBatch<'a> {
    #[serde(borrow)]
    events: Vec<WireEvent<'a>>,
    #[serde(borrow)]
    cursor: Cow<'a, str>,
    has_more: bool,
    #[serde(borrow, default)]
    overflow: Option<WireOverflow<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireOverflow<'a> {
    #[serde(borrow)]
    All(Cow<'a, str>),
    Of(Vec<String>),
}

#[derive(Deserialize)]
struct WireEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    prev: Option<Option<&'a RawValue>>,
    #[serde(borrow, default)]
    conversation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    before: Option<&'a RawValue>,
}

impl WireEvent<'_> {
    /// `None`: of a type that this version does not know.
    fn read(self) -> Result<Option<Event>> {
        let part = |what: &str, raw: Option<&'_ RawValue>| -> Result<String> {
            raw.map(|raw| raw.get().to_owned())
                .ok_or_else(|| broken(format!("a {} event without {what}", self.kind)))
        };
        let message = |raw: Option<&RawValue>| -> Result<Rc<Message>> {
            let raw = raw.ok_or_else(|| broken("a message event without message"))?;
            parse::<WireMessage>("message", raw.get())?.read(None)
        };
        Ok(Some(match &*self.kind {
            "message" => Event::Message {
                message: message(self.message)?,
                prev: match self.prev {
                    None => Prev::Unknown,
                    Some(None) => Prev::Nothing,
                    Some(Some(seq)) => Prev::At(parse::<Seq>("prev", seq.get())?.0),
                },
            },
            "update" => Event::Update(message(self.message)?),
            "conversation" => {
                let text = part("conversation", self.conversation)?;
                Event::Conversation(parse::<WireConversation>("conversation", &text)?.read()?)
            }
            "removed" => {
                let text = part("conversation", self.conversation)?;
                Event::Removed(parse::<String>("conversation", &text)?.into())
            }
            "trim" => Event::Trim {
                conversation: parse::<String>(
                    "conversation",
                    &part("conversation", self.conversation)?,
                )?
                .into(),
                before: parse("before", &part("before", self.before)?)?,
            },
            _ => return Ok(None),
        }))
    }
}

/// Reads the answer to `GET /v1/sync` with this cursor.
pub fn batch(text: &str, asked: Option<&str>) -> Result<Batch> {
    let wire: WireBatch = parse("batch", text)?;
    name("cursor", &wire.cursor)?;
    if wire.events.len() > MAX_EVENTS {
        return Err(broken(format!(
            "a batch of {} events; at most {MAX_EVENTS}",
            wire.events.len()
        )));
    }
    if wire.has_more && asked == Some(&*wire.cursor) {
        return Err(broken(
            "a batch that has more, and a cursor that did not move",
        ));
    }
    let overflow = match wire.overflow {
        Some(WireOverflow::All(all)) if all == "all" => Some(Overflow::All),
        Some(WireOverflow::All(other)) => {
            return Err(broken(format!(
                "overflow {other:?}: neither \"all\" nor a list"
            )));
        }
        Some(WireOverflow::Of(ids)) => Some(Overflow::Of(ids.into_iter().map(Rc::from).collect())),
        None => None,
    };
    let mut events = Vec::with_capacity(wire.events.len());
    let mut unknown = 0;
    for event in wire.events {
        match event.read()? {
            Some(event) => events.push(event),
            None => unknown += 1,
        }
    }
    Ok(Batch {
        events,
        cursor: wire.cursor.into_owned(),
        has_more: wire.has_more,
        overflow,
        unknown,
    })
}

/// A page of a conversation: no message lies between two neighbours (R1).
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// ascending
    pub messages: Vec<Rc<Message>>,
    /// there are older ones
    pub has_before: bool,
    /// there are newer ones
    pub has_after: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePage<'a> {
    #[serde(borrow)]
    messages: Vec<WireMessage<'a>>,
    has_before: bool,
    has_after: bool,
}

/// Reads the answer to `GET /v1/conversations/{id}/messages` for this place. A page that moves
/// nothing and claims more is refused (R5).
pub fn page(text: &str, conversation: &Rc<str>, place: Place) -> Result<Page> {
    let wire: WirePage = parse("page", text)?;
    if wire.messages.len() > MAX_PAGE {
        return Err(broken(format!(
            "a page of {} messages; at most {MAX_PAGE}",
            wire.messages.len()
        )));
    }
    let messages = wire
        .messages
        .into_iter()
        .map(|m| m.read(Some(conversation)))
        .collect::<Result<Vec<_>>>()?;
    if messages.windows(2).any(|pair| pair[0].seq >= pair[1].seq) {
        return Err(broken("a page whose messages do not ascend by seq"));
    }
    let first = messages.first().map(|m| m.seq);
    let last = messages.last().map(|m| m.seq);
    let fits = match place {
        Place::Before(seq) => last.is_none_or(|last| last < seq),
        Place::After(seq) => first.is_none_or(|first| first > seq),
        Place::Latest => !wire.has_after,
        Place::Around(_) | Place::At(_) => true,
    };
    if !fits {
        return Err(broken(format!(
            "a page of {first:?} to {last:?}, asked for {place:?}"
        )));
    }
    let claims = match place {
        Place::Before(_) => wire.has_before,
        Place::After(_) => wire.has_after,
        _ => wire.has_before || wire.has_after,
    };
    if messages.is_empty() && claims {
        return Err(broken("an empty page that claims that there is more"));
    }
    Ok(Page {
        messages,
        has_before: wire.has_before,
        has_after: wire.has_after,
    })
}

/// A page of the conversation list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListPage {
    /// in the list's order
    pub conversations: Vec<Patch>,
    /// where the next page begins
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct WireListPage<'a> {
    #[serde(borrow)]
    conversations: Vec<WireConversation<'a>>,
    #[serde(default)]
    next: Option<String>,
}

/// Reads the answer to `GET /v1/conversations` after `after`.
pub fn list_page(text: &str, after: Option<&str>) -> Result<ListPage> {
    let wire: WireListPage = parse("conversation list", text)?;
    if wire.next.is_some() && wire.next.as_deref() == after {
        return Err(broken(
            "a page of the conversation list whose `next` is its own `after`",
        ));
    }
    name("next", wire.next.as_deref().unwrap_or(""))?;
    let conversations = wire
        .conversations
        .into_iter()
        .map(WireConversation::read)
        .collect::<Result<_>>()?;
    Ok(ListPage {
        conversations,
        next: wire.next,
    })
}

#[derive(Deserialize)]
struct WireAnswer<'a> {
    #[serde(borrow)]
    message: WireMessage<'a>,
}

/// Reads the `{"message"}` that a send, an edit or a recall is answered with.
pub fn answer(text: &str, conversation: &Rc<str>) -> Result<Rc<Message>> {
    parse::<WireAnswer>("answer", text)?
        .message
        .read(Some(conversation))
}

/// Reads a message that was stored as JSON.
pub fn stored_message(text: &str) -> Result<Rc<Message>> {
    parse::<WireMessage>("stored message", text)?.read(None)
}

/// Reads a conversation that was stored as JSON.
pub fn stored_conversation(text: &str) -> Result<Conversation> {
    let patch = parse::<WireConversation>("stored conversation", text)?.read()?;
    let mut conversation = Conversation::new(patch.id.clone());
    patch.apply(&mut conversation);
    Ok(conversation)
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: &str = r#"{"id":"a","conversation":"c","seq":7,"sender":"ada","createdAt":1.5,"version":1,"state":"normal","body":{"x": [1,  2]},"clientId":"k","extra":1}"#;

    fn code<T: std::fmt::Debug>(result: Result<T>) -> ErrorCode {
        result.unwrap_err().code
    }

    #[test]
    fn a_body_passes_untouched() {
        let m = stored_message(M).unwrap();
        assert_eq!(&*m.body, r#"{"x": [1,  2]}"#);
        assert_eq!(
            (m.seq, m.created_at, m.client_id.as_deref()),
            (Seq(7), 1, Some("k"))
        );
    }

    #[test]
    fn a_seq_is_a_number_or_digits() {
        let read = |seq: &str| stored_message(&M.replace("\"seq\":7", &format!("\"seq\":{seq}")));
        assert_eq!(read("\"18446744073709551615\"").unwrap().seq, Seq(u64::MAX));
        assert_eq!(read("9007199254740993").unwrap().seq, Seq(9007199254740993));
        for bad in [
            "-1",
            "1.5",
            "\"\"",
            "\"+1\"",
            "\"1x\"",
            "\"18446744073709551616\"",
            "null",
            "[]",
        ] {
            assert_eq!(code(read(bad)), ErrorCode::Protocol, "{bad}");
        }
    }

    #[test]
    fn a_recalled_message_has_no_body() {
        assert_eq!(
            &*stored_message(&M.replace("normal", "recalled"))
                .unwrap()
                .body,
            "null"
        );
    }

    #[test]
    fn unknown_events_and_fields_are_ignored_and_counted() {
        let text = format!(
            r#"{{"events":[{{"type":"poke","message":"?"}},{{"type":"message","message":{M},"prev":null,"x":1}},{{"type":"message","message":{M}}},{{"type":"message","message":{M},"prev":"5"}}],"cursor":"1","hasMore":false,"y":{{}}}}"#
        );
        let batch = batch(&text, None).unwrap();
        assert_eq!(batch.unknown, 1);
        let prevs: Vec<_> = batch
            .events
            .iter()
            .map(|e| match e {
                Event::Message { prev, .. } => *prev,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(prevs, [Prev::Nothing, Prev::Unknown, Prev::At(5)]);
    }

    #[test]
    fn what_breaks_the_protocol_is_refused() {
        for text in [
            "<html>",
            "",
            "[]",
            r#"{"events":[],"cursor":1,"hasMore":false}"#,
            r#"{"events":[],"cursor":"1"}"#,
            r#"{"events":[],"cursor":"1","hasMore":false,"overflow":"some"}"#,
            r#"{"events":[{"type":"message"}],"cursor":"1","hasMore":false}"#,
            r#"{"events":[{"type":"removed","conversation":5}],"cursor":"1","hasMore":false}"#,
            r#"{"events":[{}],"cursor":"1","hasMore":false}"#,
        ] {
            assert_eq!(code(batch(text, None)), ErrorCode::Protocol, "{text}");
        }
        assert_eq!(
            code(batch(
                r#"{"events":[],"cursor":"1","hasMore":true}"#,
                Some("1")
            )),
            ErrorCode::Protocol
        );
    }

    #[test]
    fn a_page_out_of_order_or_out_of_place_is_refused() {
        let c: Rc<str> = "c".into();
        let with = |messages: &str, flags: &str| format!(r#"{{"messages":[{messages}],{flags}}}"#);
        let none = r#""hasBefore":false,"hasAfter":false"#;
        let more = r#""hasBefore":true,"hasAfter":true"#;
        assert!(page(&with(M, none), &c, Place::Latest).is_ok());
        assert!(page(&with(&format!("{M},{M}"), none), &c, Place::Latest).is_err());
        assert!(page(&with(M, none), &"d".into(), Place::Latest).is_err());
        assert!(page(&with(M, none), &c, Place::Before(Seq(7))).is_err());
        assert!(page(&with(M, none), &c, Place::After(Seq(7))).is_err());
        assert!(page(&with(M, more), &c, Place::Latest).is_err());
        assert!(page(&with("", more), &c, Place::Before(Seq(7))).is_err());
        assert!(page(&with("", none), &c, Place::Before(Seq(7))).is_ok());
    }

    #[test]
    fn absent_fields_of_a_conversation_keep_their_value() {
        let mut c = stored_conversation(
            r#"{"id":"c","unread":3,"lastSeq":"9","readSeq":4,"sort":1.5,"lastMessage":null,"meta":{"t":1}}"#,
        )
        .unwrap();
        let before = c.clone();
        let patch = |text: &str| parse::<WireConversation>("", text).unwrap().read().unwrap();
        patch(r#"{"id":"c"}"#).apply(&mut c);
        assert_eq!(c, before);
        patch(r#"{"id":"c","lastSeq":null,"meta":null,"unread":0}"#).apply(&mut c);
        assert_eq!(
            (c.last_seq, &*c.meta, c.unread, c.read_seq),
            (None, "null", 0, Some(Seq(4)))
        );
    }
}
