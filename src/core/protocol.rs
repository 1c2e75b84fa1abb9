//! Reading what the server says (contract/protocol.md), from JSON text to values that the rest of the
//! core trusts. Whatever breaks the protocol is an error, and nothing of it is applied; an unknown
//! field or type of event is ignored.

use std::rc::Rc;

use super::map::{Map, Set};
use super::net::{Error, Place};
use super::node::{Node, broken, missing};
use super::segments::Prev;
use super::types::{Conversation, Message, MessageState, Seq};

/// Events in one batch: more is a server gone wrong, and would be applied in one transaction.
pub const MAX_EVENTS: usize = 10_000;
/// Messages in one page, conversations in one of the list, in one answer and in one overflow.
pub const MAX_PAGE: usize = 10_000;
/// Bytes of one message's body, and of a conversation's `meta`.
pub const MAX_BODY: usize = 4 << 20;
/// Bytes of a cursor, an id, a sender.
pub const MAX_NAME: usize = 16 << 10;

type Result<T> = std::result::Result<T, Error>;

fn name(what: &str, text: &str) -> Result<()> {
    if text.len() > MAX_NAME {
        return Err(broken(format!(
            "{what} of {} bytes; at most {MAX_NAME}",
            text.len()
        )));
    }
    Ok(())
}

/// No list is longer than [`MAX_PAGE`].
fn few(what: &str, count: usize) -> Result<()> {
    if count > MAX_PAGE {
        return Err(broken(format!("{count} {what}; at most {MAX_PAGE}")));
    }
    Ok(())
}

/// Milliseconds: a whole number, or one with a fraction that is dropped; what a JS number holds.
fn milliseconds(node: &Node, field: &str) -> Result<u64> {
    let number = node.optional_number(field)?;
    let number = number.ok_or_else(|| missing(field, "milliseconds since the epoch"))?;
    Ok((number as u64).min((1 << 53) - 1))
}

/// The app's own JSON text; what is absent is null.
fn raw<'a>(node: &Node<'a>, field: &str) -> Result<&'a str> {
    match node.get(field) {
        Some(Node::Raw(text)) if text.len() > MAX_BODY => Err(broken(format!(
            "`{field}` of {} bytes; at most {MAX_BODY}",
            text.len()
        ))),
        Some(Node::Raw(text)) => Ok(text),
        _ => Ok("null"),
    }
}

/// Reads a message. `of`: the conversation that it must belong to, where that is known.
fn message(node: &Node, of: Option<&Rc<str>>) -> Result<Rc<Message>> {
    let conversation = node.text("conversation")?;
    name("conversation id", conversation)?;
    let conversation = match of {
        Some(of) if **of == *conversation => of.clone(),
        Some(of) => {
            return Err(broken(format!(
                "a message of conversation {conversation:?} in an answer about {of:?}"
            )));
        }
        None => Rc::from(conversation),
    };
    let id = node.text("id")?;
    let sender = node.text("sender")?;
    let client_id = node.optional_text("clientId")?;
    name("message id", id)?;
    name("sender", sender)?;
    name("clientId", client_id.unwrap_or(""))?;
    let version = node.whole("version")?;
    if version == 0 {
        return Err(broken("a message's version is 1 or more"));
    }
    let state = match node.text("state")? {
        "normal" => MessageState::Normal,
        "edited" => MessageState::Edited,
        "recalled" => MessageState::Recalled,
        _ => return Err(missing("state", "normal, edited or recalled")),
    };
    let body = if state == MessageState::Recalled {
        "null"
    } else {
        raw(node, "body")?
    };
    Ok(Rc::new(Message {
        id: id.to_owned(),
        conversation,
        seq: node
            .optional_seq("seq")?
            .ok_or_else(|| missing("seq", "a seq"))?,
        sender: sender.to_owned(),
        created_at: milliseconds(node, "createdAt")?,
        version,
        state,
        body: body.into(),
        client_id: client_id.map(str::to_owned),
    }))
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

/// Reads a conversation's state.
fn patch(node: &Node) -> Result<Patch> {
    let id = node.text("id")?;
    name("conversation id", id)?;
    let id: Rc<str> = Rc::from(id);
    let last_message = match node.get("lastMessage") {
        Some(Node::Null) => Some(None),
        Some(last) => Some(Some(message(last, Some(&id))?)),
        None => None,
    };
    let seq = |field: &str| {
        node.get(field)
            .map(|_| node.optional_seq(field))
            .transpose()
    };
    Ok(Patch {
        unread: node.optional_whole("unread")?.map(|n| n.min((1 << 53) - 1)),
        last_seq: seq("lastSeq")?,
        read_seq: seq("readSeq")?,
        sort: node.optional_number("sort")?,
        last_message,
        meta: match node.get("meta") {
            Some(_) => Some(raw(node, "meta")?.into()),
            None => None,
        },
        id,
    })
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

/// What a batch is continuous with: whose cursor it moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feed {
    /// the account's
    Account,
    /// this conversation's
    Conversation(Rc<str>),
    /// nobody's: what is acknowledged does not come again
    Mailbox,
}

/// What brings one event.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// the mailbox's name for it (R10)
    pub delivery: Option<Rc<str>>,
    /// `None`: of a type that this version does not know
    pub event: Option<Event>,
}

/// An answer to a pull. Continuous from the request's cursor to its own (R1).
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// in the server's order
    pub events: Vec<Incoming>,
    /// where syncing goes on; a mailbox has none
    pub cursor: Option<String>,
    /// more can be had at once
    pub has_more: bool,
    /// takes effect before the events
    pub overflow: Option<Overflow>,
}

impl Batch {
    /// Events of unknown type: ignored.
    pub fn unknown(&self) -> usize {
        self.events.iter().filter(|e| e.event.is_none()).count()
    }
}

/// A batch, and what it was asked for with.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// whose cursor it moves
    pub feed: Feed,
    /// the request's cursor; none: a first sign-in, a conversation not known yet, or a mailbox
    pub asked: Option<String>,
    /// the answer
    pub batch: Batch,
}

/// An answer to a pull, of whichever scope.
#[derive(Debug, Default)]
pub struct Answer {
    /// what can be applied
    pub parts: Vec<Part>,
    /// conversations that failed alone
    pub failed: Vec<(Rc<str>, Error)>,
    /// more conversations are to come
    pub more: bool,
}

/// Events inline (`push`).
#[derive(Debug)]
pub struct Push {
    /// the cursor that its batch follows; a mailbox has none
    pub prev: Option<String>,
    /// what it brings
    pub batch: Batch,
}

/// Reads an event; `None`: of a type that this version does not know.
fn event(node: &Node) -> Result<Option<Event>> {
    let kind = node.text("type")?;
    let about = |field: &str| {
        node.some(field)
            .ok_or_else(|| missing(field, "what the event is about"))
    };
    let conversation_id = || {
        let id = node.text("conversation")?;
        name("conversation id", id)?;
        Ok(Rc::from(id))
    };
    Ok(Some(match kind {
        "message" => Event::Message {
            message: message(about("message")?, None)?,
            prev: match node.get("prev") {
                None => Prev::Unknown,
                Some(Node::Null) => Prev::Nothing,
                Some(prev) => Prev::At(prev.seq().ok_or_else(|| missing("prev", "a seq"))?.0),
            },
        },
        "update" => Event::Update(message(about("message")?, None)?),
        "conversation" => Event::Conversation(patch(about("conversation")?)?),
        "removed" => Event::Removed(conversation_id()?),
        "trim" => Event::Trim {
            conversation: conversation_id()?,
            before: node
                .optional_seq("before")?
                .ok_or_else(|| missing("before", "a seq"))?,
        },
        _ => return Ok(None),
    }))
}

/// Reads the answer to `GET /v1/sync` with this cursor.
pub fn batch(text: &str, asked: Option<&str>) -> Result<Batch> {
    read_batch(&Node::parse("batch", text)?, &Feed::Account, asked, false)
}

/// Reads the answer to `POST /v1/sync/conversations` with these cursors. A conversation whose batch
/// breaks the protocol fails alone.
pub fn batches(text: &str, cursors: &[(Rc<str>, String)]) -> Result<Answer> {
    let wire = Node::parse("batches", text)?;
    let Some(Node::Object(conversations)) = wire.get("conversations") else {
        return Err(missing("conversations", "batches by conversation"));
    };
    few("conversations in one answer", conversations.len())?;
    let mut answer = Answer {
        more: wire.is_set("hasMore"),
        ..Answer::default()
    };
    let mut known = Map::new();
    for (id, cursor) in cursors {
        known.insert(id.clone(), cursor);
    }
    let mut told = Set::new();
    for (id, node) in conversations {
        name("conversation id", id)?;
        let id: Rc<str> = Rc::from(&**id);
        if !told.add(id.clone()) {
            return Err(broken(format!("two batches of conversation {id:?}")));
        }
        // A conversation of one of the names that the reader leaves as they came.
        let reread = match node {
            Node::Raw(text) => Some(Node::parse("batch", text)?),
            _ => None,
        };
        let node = reread.as_ref().unwrap_or(node);
        let asked = known.get(&id).map(|cursor| String::clone(cursor));
        let feed = Feed::Conversation(id.clone());
        let read = match node.some("error") {
            Some(error) => Err(Error::from_json(error)),
            None => read_batch(node, &feed, asked.as_deref(), false),
        };
        match read {
            Ok(batch) => answer.parts.push(Part { feed, asked, batch }),
            Err(error) => answer.failed.push((id, error)),
        }
    }
    Ok(answer)
}

/// Reads the answer to `GET /v1/mailbox`.
pub fn mailbox(text: &str) -> Result<Batch> {
    read_batch(&Node::parse("mailbox", text)?, &Feed::Mailbox, None, false)
}

/// Reads a `push` frame: with a cursor the account's, without one a mailbox's.
pub fn push(text: &str) -> Result<Push> {
    let wire = Node::parse("push", text)?;
    let prev = wire.optional_text("prev")?.map(str::to_owned);
    let feed = match &prev {
        Some(_) => Feed::Account,
        None => Feed::Mailbox,
    };
    let batch = read_batch(&wire, &feed, prev.as_deref(), true)?;
    Ok(Push { prev, batch })
}

/// `pushed`: nobody has asked for it, so it does not say whether there is more.
fn read_batch(wire: &Node, feed: &Feed, asked: Option<&str>, pushed: bool) -> Result<Batch> {
    let cursor = match feed {
        Feed::Mailbox => None,
        _ => Some(wire.text("cursor")?),
    };
    name("cursor", cursor.unwrap_or(""))?;
    let has_more = !pushed && wire.flag("hasMore")?;
    let list = wire.list("events")?;
    if list.len() > MAX_EVENTS {
        return Err(broken(format!(
            "a batch of {} events; at most {MAX_EVENTS}",
            list.len()
        )));
    }
    if has_more && cursor.is_some() && asked == cursor {
        return Err(broken(
            "a batch that has more, and a cursor that did not move",
        ));
    }
    if has_more && *feed == Feed::Mailbox && list.is_empty() {
        return Err(broken("an empty mailbox that has more"));
    }
    let overflow = match wire.some("overflow") {
        None => None,
        Some(Node::Text(all)) if all == "all" => Some(Overflow::All),
        Some(_) => {
            let ids = wire
                .texts("overflow")
                .map_err(|_| missing("overflow", "\"all\" or a list of ids"))?;
            few("conversations in one overflow", ids.len())?;
            for id in &ids {
                name("conversation id", id)?;
            }
            Some(Overflow::Of(ids.into_iter().map(Rc::from).collect()))
        }
    };
    let mut events = Vec::with_capacity(list.len());
    for node in list {
        let delivery = node.optional_text("delivery")?;
        name("delivery", delivery.unwrap_or(""))?;
        if delivery.is_none() && *feed == Feed::Mailbox {
            return Err(missing("delivery", "the name of a delivery"));
        }
        let event = event(node)?;
        if let (Feed::Conversation(of), Some(event)) = (feed, &event)
            && event.conversation() != of
        {
            return Err(broken(format!(
                "an event of conversation {:?} in the batch of {of:?}",
                event.conversation()
            )));
        }
        events.push(Incoming {
            delivery: delivery.map(Rc::from),
            event,
        });
    }
    Ok(Batch {
        events,
        cursor: cursor.map(str::to_owned),
        has_more,
        overflow,
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

/// Reads the answer to `GET /v1/conversations/{id}/messages` for this place. A page that moves
/// nothing and claims more is refused (R5).
pub fn page(text: &str, conversation: &Rc<str>, place: Place) -> Result<Page> {
    let wire = Node::parse("page", text)?;
    let (has_before, has_after) = (wire.flag("hasBefore")?, wire.flag("hasAfter")?);
    let messages = ascending(wire.list("messages")?, conversation)?;
    let first = messages.first().map(|m| m.seq);
    let last = messages.last().map(|m| m.seq);
    let fits = match place {
        Place::Before(seq) => last.is_none_or(|last| last < seq),
        Place::After(seq) => first.is_none_or(|first| first > seq),
        Place::Latest => !has_after,
        Place::Around(_) | Place::At(_) => true,
    };
    if !fits {
        return Err(broken(format!(
            "a page of {first:?} to {last:?}, asked for {place:?}"
        )));
    }
    let claims = match place {
        Place::Before(_) => has_before,
        Place::After(_) => has_after,
        _ => has_before || has_after,
    };
    if messages.is_empty() && claims {
        return Err(broken("an empty page that claims that there is more"));
    }
    Ok(Page {
        messages,
        has_before,
        has_after,
    })
}

/// What changed in a kept segment (R12).
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// ascending, newest versions
    pub messages: Vec<Rc<Message>>,
    /// more can be had, on from the last one
    pub has_more: bool,
}

/// Reads the answer to `GET /v1/conversations/{id}/changes` for this range.
pub fn changes(text: &str, conversation: &Rc<str>, from: u64, to: u64) -> Result<Changed> {
    let wire = Node::parse("changes", text)?;
    let has_more = wire.flag("hasMore")?;
    let messages = ascending(wire.list("messages")?, conversation)?;
    if has_more && messages.is_empty() {
        return Err(broken(
            "changes that are empty and claim that there are more",
        ));
    }
    if messages.iter().any(|m| m.seq.0 < from || m.seq.0 > to) {
        return Err(broken(format!("changes outside of {from} to {to}")));
    }
    Ok(Changed { messages, has_more })
}

/// Messages of this conversation, in order.
fn ascending(list: &[Node], conversation: &Rc<str>) -> Result<Vec<Rc<Message>>> {
    few("messages in one page", list.len())?;
    let messages = list
        .iter()
        .map(|m| message(m, Some(conversation)))
        .collect::<Result<Vec<_>>>()?;
    if messages.windows(2).any(|pair| pair[0].seq >= pair[1].seq) {
        return Err(broken("a page whose messages do not ascend by seq"));
    }
    Ok(messages)
}

/// A page of the conversation list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListPage {
    /// in the list's order
    pub conversations: Vec<Patch>,
    /// where the next page begins
    pub next: Option<String>,
}

/// Reads the answer to `GET /v1/conversations` after `after`.
pub fn list_page(text: &str, after: Option<&str>) -> Result<ListPage> {
    let wire = Node::parse("conversation list", text)?;
    let next = wire.optional_text("next")?;
    if next.is_some() && next == after {
        return Err(broken(
            "a page of the conversation list whose `next` is its own `after`",
        ));
    }
    name("next", next.unwrap_or(""))?;
    let list = wire.list("conversations")?;
    few("conversations in one page", list.len())?;
    let conversations = list.iter().map(patch).collect::<Result<_>>()?;
    Ok(ListPage {
        conversations,
        next: next.map(str::to_owned),
    })
}

/// Reads the `{"message"}` that a send, an edit or a recall is answered with.
pub fn answer(text: &str, conversation: &Rc<str>) -> Result<Rc<Message>> {
    let wire = Node::parse("answer", text)?;
    message(
        wire.get("message")
            .ok_or_else(|| missing("message", "there"))?,
        Some(conversation),
    )
}

/// Reads a message that was stored as JSON.
pub fn stored_message(node: &Node) -> Result<Rc<Message>> {
    message(node, None)
}

/// Reads a conversation that was stored as JSON.
pub fn stored_conversation(text: &str) -> Result<Conversation> {
    let node = Node::parse("stored conversation", text)?;
    let patch = patch(&node)?;
    let mut conversation = Conversation::new(patch.id.clone());
    patch.apply(&mut conversation);
    let exact = node.optional_whole("sortBits")?.map(f64::from_bits);
    if let Some(sort) = exact.filter(|sort| sort.is_finite()) {
        conversation.sort = sort;
    }
    Ok(conversation)
}

#[cfg(test)]
mod tests {
    use super::super::net::ErrorCode;
    use super::*;

    const M: &str = r#"{"id":"a","conversation":"c","seq":7,"sender":"ada","createdAt":1.5,"version":1,"state":"normal","body":{"x": [1,  2]},"clientId":"k","extra":1}"#;

    fn read(text: &str) -> Result<Rc<Message>> {
        message(&Node::parse("message", text)?, None)
    }

    fn code<T: std::fmt::Debug>(result: Result<T>) -> ErrorCode {
        result.unwrap_err().code
    }

    #[test]
    fn a_body_passes_untouched() {
        let m = read(M).unwrap();
        assert_eq!(&*m.body, r#"{"x": [1,  2]}"#);
        assert_eq!(
            (m.seq, m.created_at, m.client_id.as_deref()),
            (Seq(7), 1, Some("k"))
        );
    }

    #[test]
    fn a_seq_is_a_number_or_digits() {
        let with = |seq: &str| read(&M.replace("\"seq\":7", &format!("\"seq\":{seq}")));
        assert_eq!(with("\"18446744073709551615\"").unwrap().seq, Seq(u64::MAX));
        assert_eq!(with("9007199254740993").unwrap().seq, Seq(9007199254740993));
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
            assert_eq!(code(with(bad)), ErrorCode::Protocol, "{bad}");
        }
    }

    #[test]
    fn a_recalled_message_has_no_body() {
        assert_eq!(
            &*read(&M.replace("normal", "recalled")).unwrap().body,
            "null"
        );
    }

    #[test]
    fn unknown_events_and_fields_are_ignored_and_counted() {
        let text = format!(
            r#"{{"events":[{{"type":"poke","message":"?"}},{{"type":"message","message":{M},"prev":null,"x":1}},{{"type":"message","message":{M}}},{{"type":"message","message":{M},"prev":"5"}}],"cursor":"1","hasMore":false,"y":{{}}}}"#
        );
        let batch = batch(&text, None).unwrap();
        assert_eq!(batch.unknown(), 1);
        let prevs: Vec<_> = batch
            .events
            .iter()
            .filter_map(|e| match e.event.as_ref()? {
                Event::Message { prev, .. } => Some(*prev),
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

    /// `count` of `one`, with commas between.
    fn many(one: impl Fn(usize) -> String, count: usize) -> String {
        (0..count).map(one).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn every_list_has_a_limit() {
        let c: Rc<str> = "c".into();
        let message = |i| M.replace("\"seq\":7", &format!("\"seq\":{i}"));
        let empty = r#"{"events":[],"cursor":"1","hasMore":false}"#;
        let read = |n: usize| {
            let events = many(|_| r#"{"type":"x"}"#.into(), n);
            let ids = many(|i| format!("\"{i}\""), n);
            let messages = many(message, n);
            let list = many(|i| format!("{{\"id\":\"{i}\"}}"), n);
            let several = many(|i| format!("\"{i}\":{empty}"), n);
            [
                batch(
                    &format!(r#"{{"events":[{events}],"cursor":"1","hasMore":false}}"#),
                    None,
                )
                .err(),
                batch(
                    &format!(r#"{{"events":[],"cursor":"1","hasMore":false,"overflow":[{ids}]}}"#),
                    None,
                )
                .err(),
                page(
                    &format!(r#"{{"messages":[{messages}],"hasBefore":false,"hasAfter":false}}"#),
                    &c,
                    Place::Latest,
                )
                .err(),
                changes(
                    &format!(r#"{{"messages":[{messages}],"hasMore":false}}"#),
                    &c,
                    0,
                    u64::MAX,
                )
                .err(),
                list_page(
                    &format!(r#"{{"conversations":[{list}],"next":null}}"#),
                    None,
                )
                .err(),
                batches(&format!(r#"{{"conversations":{{{several}}}}}"#), &[]).err(),
            ]
            .map(|error| error.map(|e| e.code))
        };
        assert_eq!(read(MAX_PAGE), [None; 6]);
        assert_eq!(read(MAX_PAGE + 1), [Some(ErrorCode::Protocol); 6]);
    }

    #[test]
    fn every_name_has_a_limit() {
        let c: Rc<str> = "c".into();
        let read = |n: usize| {
            let long = "x".repeat(n);
            let event = |event: &str| {
                batch(
                    &format!(r#"{{"events":[{event}],"cursor":"1","hasMore":false}}"#),
                    None,
                )
                .err()
            };
            let field = |from: &str, to: &str| {
                let message = M.replace(from, &format!("{to}:\"{long}\""));
                event(&format!(r#"{{"type":"update","message":{message}}}"#))
            };
            [
                field("\"id\":\"a\"", "\"id\""),
                field("\"conversation\":\"c\"", "\"conversation\""),
                field("\"sender\":\"ada\"", "\"sender\""),
                field("\"clientId\":\"k\"", "\"clientId\""),
                event(&format!(r#"{{"type":"removed","conversation":"{long}"}}"#)),
                event(&format!(r#"{{"type":"trim","conversation":"{long}","before":1}}"#)),
                event(&format!(r#"{{"type":"conversation","conversation":{{"id":"{long}"}}}}"#)),
                event(&format!(r#"{{"type":"x","delivery":"{long}"}}"#)),
                batch(&format!(r#"{{"events":[],"cursor":"{long}","hasMore":false}}"#), None).err(),
                batch(&format!(r#"{{"events":[],"cursor":"1","hasMore":false,"overflow":["{long}"]}}"#), None).err(),
                batches(&format!(r#"{{"conversations":{{"{long}":{{"events":[],"cursor":"1","hasMore":false}}}}}}"#), &[]).err(),
                list_page(&format!(r#"{{"conversations":[],"next":"{long}"}}"#), None).err(),
            ]
            .map(|error| error.map(|e| e.code))
        };
        assert_eq!(read(MAX_NAME), [None; 12]);
        assert_eq!(read(MAX_NAME + 1), [Some(ErrorCode::Protocol); 12]);
        // And what an error says of a stranger's name is as short.
        let stranger = M.replace(
            "\"conversation\":\"c\"",
            &format!("\"conversation\":\"{}\"", "x".repeat(1 << 20)),
        );
        let error = answer(&format!(r#"{{"message":{stranger}}}"#), &c).unwrap_err();
        assert!(error.message.len() < 1_000, "{} bytes", error.message.len());
    }

    #[test]
    fn what_is_the_apps_has_a_limit() {
        let read = |bytes: usize| {
            let own = format!("\"{}\"", "x".repeat(bytes - 2));
            let message = M.replace(r#"{"x": [1,  2]}"#, &own);
            let list = format!(r#"{{"conversations":[{{"id":"c","meta":{own}}}],"next":null}}"#);
            [
                super::tests::read(&message).err(),
                list_page(&list, None).err(),
            ]
            .map(|error| error.map(|e| e.code))
        };
        assert_eq!(read(MAX_BODY), [None; 2]);
        assert_eq!(read(MAX_BODY + 1), [Some(ErrorCode::Protocol); 2]);
    }

    #[test]
    fn a_conversation_has_one_batch_in_an_answer() {
        let empty = r#"{"events":[],"cursor":"1","hasMore":false}"#;
        let twice = format!(r#"{{"conversations":{{"c":{empty},"c":{empty}}}}}"#);
        assert_eq!(code(batches(&twice, &[])), ErrorCode::Protocol);
    }

    #[test]
    fn absent_fields_of_a_conversation_keep_their_value() {
        let mut c = stored_conversation(
            r#"{"id":"c","unread":3,"lastSeq":"9","readSeq":4,"sort":1.5,"lastMessage":null,"meta":{"t":1}}"#,
        )
        .unwrap();
        let before = c.clone();
        let patch = |text: &str| patch(&Node::parse("", text).unwrap()).unwrap();
        patch(r#"{"id":"c"}"#).apply(&mut c);
        assert_eq!(c, before);
        patch(r#"{"id":"c","lastSeq":null,"meta":null,"unread":0}"#).apply(&mut c);
        assert_eq!(
            (c.last_seq, &*c.meta, c.unread, c.read_seq),
            (None, "null", 0, Some(Seq(4)))
        );
    }
}
