//! Batches: the answers to pulls, and the events that come inline.

use std::rc::Rc;

use super::item::{Repairs, account, id};
use super::limits::{MAX_EVENTS, MAX_NAME, check_count, check_name};
use crate::core::error::{Error, shorten};
use crate::core::events::{EVENT, Event};
use crate::core::irregular::{Done, Irregular, Odd};
use crate::core::map::{Map, Set};
use crate::core::net;
use crate::core::node::Shape::{self, Each, Fields, Named, Plain};
use crate::core::node::{Node, broken, naming_fields};
use crate::core::types::{Feed, Overflow};

const BATCH: Shape = Fields(&[
    ("account", Plain),
    ("events", Each(&EVENT)),
    ("cursor", Plain),
    ("hasMore", Plain),
    ("overflow", Each(&Plain)),
    ("prev", Plain),
    ("error", net::ERROR),
]);
const BATCHES: Shape = Fields(&[
    ("account", Plain),
    ("conversations", Named(&BATCH)),
    ("hasMore", Plain),
]);

/// What one event was read as.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// it can be applied
    Event(Event),
    /// of a type that this version does not know: ignored
    Unknown(String),
    /// it cannot be named or placed: something may be missing in this conversation; none: in any
    LeftOut(Option<Rc<str>>),
}

/// One event, and how it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// the mailbox's name for it (R10)
    pub delivery: Option<Rc<str>>,
    /// what it was read as
    pub parsed: Parsed,
}

impl Envelope {
    /// The event, where it can be applied.
    pub fn event(&self) -> Option<&Event> {
        match &self.parsed {
            Parsed::Event(event) => Some(event),
            Parsed::Unknown(_) | Parsed::LeftOut(_) => None,
        }
    }
}

/// An answer to a pull. Continuous from the request's cursor to its own (R1).
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// whose account it is of, where it says so
    pub account: Option<Rc<str>>,
    /// in the server's order
    pub events: Vec<Envelope>,
    /// where syncing goes on; a mailbox has none
    pub cursor: Option<String>,
    /// more can be had at once
    pub has_more: bool,
    /// takes effect before the events
    pub overflow: Option<Overflow>,
    /// what of it was not as it has to be
    pub irregular: Irregular,
}

impl Batch {
    /// Events of unknown type: ignored.
    pub fn unknown(&self) -> usize {
        let unknown = |e: &&Envelope| matches!(e.parsed, Parsed::Unknown(_));
        self.events.iter().filter(unknown).count()
    }

    /// The type of the first of them.
    pub fn unknown_type(&self) -> Option<&str> {
        self.events.iter().find_map(|e| match &e.parsed {
            Parsed::Unknown(kind) => Some(&**kind),
            _ => None,
        })
    }

    /// Whether something had to be left out.
    pub fn lacks(&self) -> bool {
        let left_out = |e: &Envelope| matches!(e.parsed, Parsed::LeftOut(_));
        self.events.iter().any(left_out)
    }
}

/// A batch, and what it was asked for with.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedBatch {
    /// whose cursor it moves
    pub feed: Feed,
    /// the request's cursor; none: a first sign-in, a conversation not known yet, or a mailbox
    pub asked: Option<String>,
    /// the answer
    pub batch: Batch,
}

/// An answer to a pull, of whichever scope.
#[derive(Debug, Default)]
pub struct PullAnswer {
    /// what can be applied
    pub parts: Vec<FeedBatch>,
    /// conversations that failed alone
    pub failed: Vec<(Rc<str>, Error)>,
    /// more conversations are to come
    pub more: bool,
    /// what was not as it has to be, besides that in its parts
    pub irregular: Irregular,
}

/// Events inline (`push`).
#[derive(Debug)]
pub struct Push {
    /// the cursor that its batch follows; a mailbox has none
    pub prev: Option<String>,
    /// what it brings
    pub batch: Batch,
}

/// Reads the answer to `GET /v1/sync` with this cursor.
pub fn batch(text: &str, asked: Option<&str>) -> Result<Batch, Error> {
    let wire = Node::of("batch", text, &BATCH)?;
    read_batch(&wire, &Feed::Account, asked, false).map_err(|error| naming_fields(error, text))
}

/// Reads the answer to `POST /v1/sync/conversations` with these cursors. A conversation whose batch
/// breaks the protocol fails alone.
pub fn batches(text: &str, cursors: &[(Rc<str>, String)]) -> Result<PullAnswer, Error> {
    let wire = Node::of("batches", text, &BATCHES)?;
    let Some(Node::Object(conversations)) = wire.get("conversations") else {
        let error = wire.lacks("conversations", "batches by conversation");
        return Err(naming_fields(error, text));
    };
    check_count("conversations in one answer", conversations.len())?;
    let mut answer = PullAnswer {
        more: wire.is_set("hasMore"),
        ..PullAnswer::default()
    };
    let account = account(&wire);
    let mut known = Map::new();
    for (id, cursor) in cursors {
        known.insert(id.clone(), cursor);
    }
    let mut named = Set::new();
    for (id, node) in conversations {
        let id: Rc<str> = Rc::from(&**id);
        let unfit = match id.len() > MAX_NAME {
            true => Some("a conversation's id that is too long"),
            false => (!named.add(id.clone())).then_some("two batches of one conversation"),
        };
        if let Some(unfit) = unfit {
            // Its cursor stays: it is asked for again.
            answer.irregular.add(Some(&id), None, unfit, Done::LeftOut);
            continue;
        }
        let asked = known.get(&id).map(|cursor| String::clone(cursor));
        let feed = Feed::Conversation(id.clone());
        let read = match node.some("error") {
            Some(error) => Err(Error::from_json(error)),
            None => read_batch(node, &feed, asked.as_deref(), false),
        };
        match read {
            Ok(mut batch) => {
                batch.account = batch.account.or_else(|| account.clone());
                answer.parts.push(FeedBatch { feed, asked, batch });
            }
            Err(error) => answer.failed.push((id, error)),
        }
    }
    Ok(answer)
}

/// Reads the answer to `GET /v1/mailbox`.
pub fn mailbox(text: &str) -> Result<Batch, Error> {
    let wire = Node::of("mailbox", text, &BATCH)?;
    read_batch(&wire, &Feed::Mailbox, None, false).map_err(|error| naming_fields(error, text))
}

/// Reads a `push` frame: with a cursor the account's, without one a mailbox's.
pub fn push(text: &str) -> Result<Push, Error> {
    let wire = Node::of("push", text, &BATCH)?;
    let prev = wire.optional_text("prev")?.map(str::to_owned);
    let feed = match &prev {
        Some(_) => Feed::Account,
        None => Feed::Mailbox,
    };
    let batch = read_batch(&wire, &feed, prev.as_deref(), true)?;
    Ok(Push { prev, batch })
}

/// `pushed`: nobody has asked for it, so it does not say whether there is more.
fn read_batch(wire: &Node, feed: &Feed, asked: Option<&str>, pushed: bool) -> Result<Batch, Error> {
    let cursor = match feed.is_acknowledged() {
        true => None,
        false => Some(wire.text("cursor")?),
    };
    check_name("cursor", cursor.unwrap_or(""))?;
    let has_more = !pushed && wire.flag("hasMore")?;
    let list = wire.list("events")?;
    if list.len() > MAX_EVENTS {
        return Err(Error::too_large(format!(
            "a batch of {} events; at most {MAX_EVENTS}",
            list.len()
        )));
    }
    if has_more && cursor.is_some() && asked == cursor {
        return Err(broken(
            "a batch that has more, and a cursor that did not move",
        ));
    }
    if has_more && feed.is_acknowledged() && list.is_empty() {
        return Err(broken("an empty mailbox that has more"));
    }
    let mut irregular = Irregular::default();
    let overflow = read_overflow(wire, &mut irregular)?;
    let mut events = Vec::with_capacity(list.len());
    for (index, node) in list.iter().enumerate() {
        let mut odd = Irregular::default();
        events.extend(envelope(node, feed, &mut odd));
        irregular.append_element("events", index, odd);
    }
    Ok(Batch {
        account: account(wire),
        events,
        cursor: cursor.map(str::to_owned),
        has_more,
        overflow,
        irregular,
    })
}

fn read_overflow(wire: &Node, irregular: &mut Irregular) -> Result<Option<Overflow>, Error> {
    let said = match wire.some("overflow") {
        None => return Ok(None),
        Some(Node::Text(all)) if all == "all" => return Ok(Some(Overflow::All)),
        Some(said) => said,
    };
    let list = said.as_list().unwrap_or_default();
    check_count("conversations in one overflow", list.len())?;
    let mut repairs = Repairs::default();
    let ids = list
        .iter()
        .map(|node| id(Some(node), "overflow", &mut repairs).map(Rc::from));
    let ids: Option<Vec<Rc<str>>> = ids.collect();
    match ids.filter(|_| said.as_list().is_some()) {
        Some(ids) => {
            repairs.tell(irregular, ids.first(), None);
            Ok(Some(Overflow::Of(ids)))
        }
        // It has overflowed, and what cannot be read might be any.
        None => {
            let what = "an overflow that cannot be read: all";
            let odd = Odd::new(what, "overflow", Some(said));
            irregular.add_odd(None, None, &odd, Done::Repaired);
            Ok(Some(Overflow::All))
        }
    }
}

/// Reads an element of a batch; `None`: it is ignored.
fn envelope(node: &Node, feed: &Feed, irregular: &mut Irregular) -> Option<Envelope> {
    let of = feed.conversation();
    let mut repairs = Repairs::default();
    let delivery = node.get("delivery");
    let odd = || Odd::new("an event without delivery", "delivery", delivery);
    let delivery = id(delivery, "delivery", &mut repairs).map(Rc::from);
    if delivery.is_none() && feed.is_acknowledged() {
        // It cannot be acknowledged: it comes again.
        irregular.add_odd(None, None, &odd(), Done::LeftOut);
        return None;
    }
    let parsed = match Event::parse(node, of) {
        Ok((Some(event), others)) => {
            repairs.append("", others);
            let id = event.message().map(|m| &*m.id);
            repairs.tell(irregular, Some(event.conversation()), id);
            Parsed::Event(event)
        }
        Ok((None, _)) => {
            let kind = node.get("type").and_then(Node::as_text);
            Parsed::Unknown(shorten(kind.unwrap_or_default().to_owned()))
        }
        Err(left_out) => {
            left_out.tell(irregular);
            Parsed::LeftOut(left_out.conversation)
        }
    };
    Some(Envelope { delivery, parsed })
}
