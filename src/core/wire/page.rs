//! Pages of a conversation's history, and what changed in one.

use std::rc::Rc;

use super::item::account;
use super::limits::check_count;
use super::message::{MESSAGE, message};
use crate::core::error::Error;
use crate::core::irregular::{Done, Irregular, Odd};
use crate::core::json;
use crate::core::net::Place;
use crate::core::node::Shape::{self, Each, Fields, Plain};
use crate::core::node::{Node, broken, naming_fields};
use crate::core::types::Message;

const PAGE: Shape = Fields(&[
    ("account", Plain),
    ("messages", Each(&MESSAGE)),
    ("hasBefore", Plain),
    ("hasAfter", Plain),
    ("hasMore", Plain),
    ("covers", Fields(&[("from", Plain), ("to", Plain)])),
]);

/// A page of a conversation: no message lies between two neighbours (R1).
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// whose account it is of, where it says so
    pub account: Option<Rc<str>>,
    /// ascending
    pub messages: Vec<Rc<Message>>,
    /// there are older ones
    pub has_before: bool,
    /// there are newer ones
    pub has_after: bool,
    /// the positions that were looked at, both included, where the server says so: all that the account
    /// may see of them is in the page
    pub covers: Option<(u64, u64)>,
    /// two messages had one position: the later stands
    pub clashes: bool,
    /// what of it was not as it has to be
    pub irregular: Irregular,
}

/// Reads the answer to `GET /v1/conversations/{id}/messages` for this place. A page that moves
/// nothing and claims more is refused (R5).
pub fn page(text: &str, conversation: &Rc<str>, place: Place) -> Result<Page, Error> {
    let wire = Node::of("page", text, &PAGE)?;
    let flag = |name| wire.flag(name).map_err(|error| naming_fields(error, text));
    let (has_before, has_after) = (flag("hasBefore")?, flag("hasAfter")?);
    let mut read = ascending(messages(&wire, text)?, conversation)?;
    let any = !read.messages.is_empty();
    match place {
        Place::Before(seq) => {
            read.retain(
                &|m| m.seq < seq,
                "a message that is not older than `before`",
            );
        }
        Place::After(seq) => {
            read.retain(&|m| m.seq > seq, "a message that is not newer than `after`");
        }
        Place::Latest | Place::Around(_) | Place::At(_) => {}
    }
    if place == Place::Latest && has_after {
        return Err(broken("a latest page that has newer ones after it"));
    }
    let messages = read.messages;
    let covers = covers(&wire, place, &messages, &mut read.irregular);
    if covers.is_none() && misses(place, &messages, (has_before, has_after)) {
        let what = "a page whose messages are all on one side of what was asked for, and more are on the other: `around` and `at` are in the middle";
        let odd = Odd::new(what, "messages", None);
        read.irregular.add_unlikely(Some(conversation), None, &odd);
    }
    let claims = match place {
        Place::Before(_) => has_before,
        Place::After(_) => has_after,
        _ => has_before || has_after,
    };
    if messages.is_empty() && claims && covers.is_none() {
        return Err(Error::too_little(match any {
            true => "a page with nothing on the side of `before` or `after` that was asked for",
            false => "an empty page that claims that there is more",
        }));
    }
    Ok(Page {
        account: account(&wire),
        messages,
        has_before,
        has_after,
        covers,
        clashes: read.clashes,
        irregular: read.irregular,
    })
}

/// Messages of a page, at least, of which some are on each side of what it was asked to have in the middle.
const BOTH_SIDES: usize = 4;

/// Whether a page does not have in its middle what it was asked for, though there is more on the other side.
fn misses(place: Place, messages: &[Rc<Message>], (before, after): (bool, bool)) -> bool {
    let (Some(first), Some(last)) = (messages.first(), messages.last()) else {
        return false;
    };
    let (at, first, last) = match place {
        Place::Around(seq) => (seq.0, first.seq.0, last.seq.0),
        // Times need not rise with positions: where they do, they say the same.
        Place::At(ms) if messages.is_sorted_by_key(|m| m.created_at) => {
            (ms, first.created_at, last.created_at)
        }
        _ => return false,
    };
    messages.len() >= BOTH_SIDES && (before && at < first || after && last < at)
}

/// What a page says that it has looked at, cut to the side that was asked for; with every message given.
fn covers(
    wire: &Node,
    place: Place,
    messages: &[Rc<Message>],
    irregular: &mut Irregular,
) -> Option<(u64, u64)> {
    let said = wire.some("covers")?;
    let end = |name: &str| said.get(name).and_then(Node::as_seq).map(|seq| seq.0);
    let (Some(from), Some(to)) = (end("from"), end("to")) else {
        let odd = Odd::new("a covers that cannot be read", "covers", Some(said));
        irregular.add_odd(None, None, &odd, Done::Repaired);
        return None;
    };
    let (from, to) = match place {
        Place::Before(seq) => (from, to.min(seq.0.checked_sub(1)?)),
        Place::After(seq) => (from.max(seq.0.checked_add(1)?), to),
        Place::Latest | Place::Around(_) | Place::At(_) => (from, to),
    };
    let first = messages.first().map_or(from, |m| m.seq.0);
    let last = messages.last().map_or(to, |m| m.seq.0);
    let (from, to) = (from.min(first), to.max(last));
    (from <= to).then_some((from, to))
}

/// What changed in a kept segment (R12).
#[derive(Clone, Debug, PartialEq)]
pub struct ChangesPage {
    /// whose account it is of, where it says so
    pub account: Option<Rc<str>>,
    /// ascending, newest versions
    pub messages: Vec<Rc<Message>>,
    /// more can be had, on from the last one
    pub has_more: bool,
    /// something was left out: it says as little as a server that cannot say what changed
    pub lacks: bool,
    /// what of it was not as it has to be
    pub irregular: Irregular,
}

/// Reads the answer to `GET /v1/conversations/{id}/changes` for this range.
pub fn changes(
    text: &str,
    conversation: &Rc<str>,
    from: u64,
    to: u64,
) -> Result<ChangesPage, Error> {
    let wire = Node::of("changes", text, &PAGE)?;
    let has_more = wire.flag("hasMore");
    let has_more = has_more.map_err(|error| naming_fields(error, text))?;
    let mut read = ascending(messages(&wire, text)?, conversation)?;
    read.retain(
        &|m| (from..=to).contains(&m.seq.0),
        "a change outside of what was asked for",
    );
    if has_more && read.messages.is_empty() && !read.lacks {
        return Err(Error::too_little(
            "changes that are empty and claim that there are more",
        ));
    }
    Ok(ChangesPage {
        account: account(&wire),
        messages: read.messages,
        has_more,
        lacks: read.lacks || read.clashes,
        irregular: read.irregular,
    })
}

fn messages<'n, 't>(wire: &'n Node<'t>, text: &str) -> Result<&'n [Node<'t>], Error> {
    let list = wire.list("messages");
    list.map_err(|error| naming_fields(error, text))
}

/// The messages of an answer about one conversation.
struct Ascending {
    messages: Vec<Rc<Message>>,
    /// some were left out
    lacks: bool,
    /// two had one position, and the later stands
    clashes: bool,
    irregular: Irregular,
}

impl Ascending {
    fn retain(&mut self, keep: &dyn Fn(&Rc<Message>) -> bool, why: &'static str) {
        for m in self.messages.iter().filter(|m| !keep(m)) {
            let conversation = Some(&m.conversation);
            self.irregular
                .add(conversation, Some(&m.id), why, Done::LeftOut);
            self.lacks = true;
        }
        self.messages.retain(keep);
    }
}

/// Messages of this conversation, in order.
fn ascending(list: &[Node], conversation: &Rc<str>) -> Result<Ascending, Error> {
    check_count("messages in one page", list.len())?;
    let mut read = Ascending {
        messages: Vec::with_capacity(list.len()),
        lacks: false,
        clashes: false,
        irregular: Irregular::default(),
    };
    for (index, node) in list.iter().enumerate() {
        let mut odd = Irregular::default();
        let m = message(node, Some(conversation), false);
        match &m {
            Ok((m, repairs)) => repairs.tell(&mut odd, Some(conversation), Some(&m.id)),
            Err(left_out) => left_out.tell(&mut odd),
        }
        read.irregular.append_element("messages", index, odd);
        let Ok((m, _)) = m else {
            read.lacks = true;
            continue;
        };
        match read.messages.last_mut() {
            Some(last) if last.seq > m.seq => {
                let mut what = String::from("messages have to ascend by seq: messages[");
                json::number(&mut what, index as u64);
                what.push_str("] has ");
                json::number(&mut what, m.seq.0);
                what.push_str(", the one before it ");
                json::number(&mut what, last.seq.0);
                return Err(broken(what));
            }
            Some(last) if last.seq == m.seq => {
                if last.id != m.id {
                    let what = "two messages at one position";
                    read.irregular
                        .add(Some(conversation), Some(&m.id), what, Done::Doubted);
                    read.clashes = true;
                }
                if m.replaces(last) {
                    *last = m;
                }
            }
            _ => read.messages.push(m),
        }
    }
    Ok(read)
}
