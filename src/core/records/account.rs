//! What is stored of the account as a whole.

use std::rc::Rc;

use super::form::{
    CURSOR, DELIVERIES, META, NEWS, NEXT, OPENED, STAMP, pair, read_pair, read_texts, seal, unseal,
    write_texts,
};
use crate::core::codec::Corrupt;
use crate::core::error::Error;
use crate::core::json;
use crate::core::node::{Node, missing};
use crate::core::storage::Value;

/// What is known of the account as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// the account's cursor: applied up to here; none before the first sign-in, and in other scopes
    pub cursor: Option<String>,
    /// a first pull was applied in this scope
    pub begun: bool,
    /// whose cursor it is; another scope counts as a first sign-in
    pub scope: String,
    /// the whole list was fetched once
    pub listed: bool,
    /// the list must be fetched again (R11)
    pub owed: bool,
    /// conversations that the fetched list lacked, and no event has named since (R11)
    pub suspects: Vec<String>,
    /// the account's id, as the first answer that named one said it
    pub account: Option<Rc<str>>,
    /// doubts of which no conversation was named, oldest first (R14)
    pub marks: Vec<Mark>,
}

impl Meta {
    /// The number of the last mark.
    pub fn last_mark(&self) -> Option<u64> {
        self.marks.last().map(|mark| mark.number)
    }
}

/// Something may be missing in any conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// higher than that of every mark before it
    pub number: u64,
    /// the cursor from which on it may be missing
    pub since: String,
}

/// Names a commit (R9, R15): who looks at one that another client made knows whether it lacks any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// the writer's: the higher one is the newer writer
    pub epoch: u64,
    /// raised by each commit, whoever made it
    pub number: u64,
}

/// A new message of another that no visible client has shown: a push tells it, once (docs/rules.md, "Told once").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// where; "": a telling that has told nothing
    pub conversation: Rc<str>,
    /// its position there
    pub seq: u64,
    /// the telling that has told it; 0: none has yet
    pub told: u64,
}

impl News {
    /// Whether it is a message's place, and not the name alone of a telling that has told nothing.
    pub fn is_place(&self) -> bool {
        !self.conversation.is_empty()
    }
}

/// A record of `Table::Meta`.
pub enum MetaRecord {
    /// the account
    Meta(Meta),
    /// when a conversation was last opened, ms since the epoch
    Opened(Rc<str>, u64),
    /// a conversation's cursor (scope "conversation")
    Cursor(Rc<str>, String),
    /// the newest commit
    Stamp(Stamp),
    /// the place of the next own message
    Next(u64),
    /// what a push has told, or is to tell
    News(Vec<News>),
}

/// The bytes of [`Meta`].
pub fn write_meta(meta: &Meta) -> Value {
    let mut text = String::from("{");
    if let Some(cursor) = &meta.cursor {
        json::field(&mut text, "cursor");
        json::string(&mut text, cursor);
    }
    json::field(&mut text, "scope");
    json::string(&mut text, &meta.scope);
    for (name, flag) in [
        ("begun", meta.begun),
        ("listed", meta.listed),
        ("owed", meta.owed),
    ] {
        json::field(&mut text, name);
        json::flag(&mut text, flag);
    }
    json::field(&mut text, "suspects");
    text.push('[');
    for id in &meta.suspects {
        json::next(&mut text);
        json::string(&mut text, id);
    }
    text.push(']');
    if let Some(account) = &meta.account {
        json::field(&mut text, "account");
        json::string(&mut text, account);
    }
    // Numbers and cursors, in turn.
    json::field(&mut text, "marks");
    text.push('[');
    for mark in &meta.marks {
        json::next(&mut text);
        json::number(&mut text, mark.number);
        json::next(&mut text);
        json::string(&mut text, &mark.since);
    }
    text.push_str("]}");
    seal(META, &text)
}

/// The bytes of when a conversation was opened.
pub fn write_opened(conversation: &str, at: u64) -> Value {
    seal(OPENED, &pair(conversation, at))
}

/// The bytes of a commit's stamp.
pub fn write_stamp(stamp: Stamp) -> Value {
    let mut text = String::from("[");
    json::number(&mut text, stamp.epoch);
    text.push(',');
    json::number(&mut text, stamp.number);
    text.push(']');
    seal(STAMP, &text)
}

fn read_stamp(text: &str) -> Result<Stamp, Corrupt> {
    match Node::stored(text) {
        Ok(Node::List(list)) => match &list[..] {
            [epoch, number] => match (epoch.as_whole(), number.as_whole()) {
                (Some(epoch), Some(number)) => Ok(Stamp { epoch, number }),
                _ => Err(Corrupt),
            },
            _ => Err(Corrupt),
        },
        _ => Err(Corrupt),
    }
}

/// Reads a record of `Table::Meta`.
pub fn read_meta(bytes: &[u8]) -> Result<MetaRecord, Corrupt> {
    match unseal(bytes)? {
        (STAMP, text) => read_stamp(text).map(MetaRecord::Stamp),
        (NEXT, text) => text.parse().map(MetaRecord::Next).map_err(|_| Corrupt),
        (META, text) => parse_meta(text).map(MetaRecord::Meta).map_err(|_| Corrupt),
        (OPENED, text) => read_pair(text).map(|(id, at)| MetaRecord::Opened(id, at)),
        (CURSOR, text) => match &read_texts(text)?[..] {
            [id, cursor] => Ok(MetaRecord::Cursor(id.clone(), cursor.to_string())),
            _ => Err(Corrupt),
        },
        (NEWS, text) => read_news(text).map(MetaRecord::News),
        _ => Err(Corrupt),
    }
}

/// The bytes of what a push has told, or is to tell.
pub fn write_news(news: &[News]) -> Value {
    let numbers = news.iter().map(|n| [n.seq.to_string(), n.told.to_string()]);
    let numbers: Vec<_> = numbers.collect();
    let texts = news.iter().zip(&numbers);
    let texts = texts.flat_map(|(n, [seq, told])| [&*n.conversation, seq, told]);
    write_texts(NEWS, texts)
}

fn read_news(text: &str) -> Result<Vec<News>, Corrupt> {
    let number = |text: &str| text.parse().map_err(|_| Corrupt);
    let one = |texts: &[Rc<str>]| match texts {
        [conversation, seq, told] => Ok(News {
            conversation: conversation.clone(),
            seq: number(seq)?,
            told: number(told)?,
        }),
        _ => Err(Corrupt),
    };
    read_texts(text)?.chunks(3).map(one).collect()
}

/// The bytes of a conversation's cursor.
pub fn write_cursor(conversation: &str, cursor: &str) -> Value {
    write_texts(CURSOR, [conversation, cursor].into_iter())
}

/// The bytes of deliveries that were applied in one commit, the number of their record first.
pub fn write_deliveries<'a>(number: u64, deliveries: impl Iterator<Item = &'a Rc<str>>) -> Value {
    let number = number.to_string();
    let names = deliveries.map(|name| &**name);
    write_texts(DELIVERIES, [&*number].into_iter().chain(names))
}

/// Reads deliveries that were applied in one commit, and the number of their record.
pub fn read_deliveries(bytes: &[u8]) -> Result<(u64, Vec<Rc<str>>), Corrupt> {
    let (DELIVERIES, text) = unseal(bytes)? else {
        return Err(Corrupt);
    };
    let mut names = read_texts(text)?;
    let number = names.first().and_then(|number| number.parse().ok());
    let number = number.ok_or(Corrupt)?;
    names.remove(0);
    Ok((number, names))
}

fn marks(node: Option<&Node>) -> Result<Vec<Mark>, Error> {
    let list = node.and_then(Node::as_list).unwrap_or_default();
    let mark = |pair: &[Node]| match pair {
        [number, since] => Some(Mark {
            number: number.as_whole()?,
            since: since.as_text()?.to_owned(),
        }),
        _ => None,
    };
    let marks: Option<Vec<Mark>> = list.chunks(2).map(mark).collect();
    marks.ok_or_else(|| missing("marks", "numbers and cursors"))
}

fn parse_meta(text: &str) -> Result<Meta, Error> {
    let node = Node::stored(text)?;
    Ok(Meta {
        cursor: node.optional_text("cursor")?.map(str::to_owned),
        // A record from before there were other scopes does not say it.
        begun: node.is_set("begun") || node.some("cursor").is_some(),
        scope: node.text("scope")?.to_owned(),
        listed: node.is_set("listed"),
        owed: node.is_set("owed"),
        suspects: node.texts("suspects")?,
        account: node.optional_text("account")?.map(Rc::from),
        marks: marks(node.get("marks"))?,
    })
}

/// The bytes of the place of the next own message.
pub fn write_next(next: u64) -> Value {
    seal(NEXT, &next.to_string())
}
