//! What there is: messages, pages of them, what changed, and the conversation list. Reads only.

use std::collections::HashMap;

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use serde_json::value::RawValue;

use crate::db::{Account, AccountId, ConversationNo, Pos, View};
use crate::error::{Error, Result};
use crate::seq::Seq;
use crate::wire::{Changes, Conversation, Message, Page, State};

/// Read with [`message`].
pub(crate) const MESSAGE_COLUMNS: &str =
    "m.seq, m.sender, m.created_at, m.version, m.state, m.body, m.client_id";

pub(crate) const NORMAL: i64 = 0;
pub(crate) const EDITED: i64 = 1;
pub(crate) const RECALLED: i64 = 2;

/// The message whose [`MESSAGE_COLUMNS`] begin at column `at`, as `reader` may see it; None where an outer join found none.
pub(crate) fn message(
    row: &Row<'_>,
    at: usize,
    conversation: (ConversationNo, &str),
    reader: &Account,
) -> rusqlite::Result<Option<Message>> {
    let (no, id) = conversation;
    let Some(seq) = row.get::<_, Option<Seq>>(at)? else {
        return Ok(None);
    };
    let sender: String = row.get(at + 1)?;
    let state = match row.get(at + 4)? {
        NORMAL => State::Normal,
        EDITED => State::Edited,
        RECALLED => State::Recalled,
        other => return Err(FromSqlError::OutOfRange(other).into()),
    };
    Ok(Some(Message {
        id: message_id(no, seq),
        conversation: id.to_owned(),
        seq,
        created_at: row.get(at + 2)?,
        version: row.get(at + 3)?,
        state,
        body: row
            .get::<_, Option<String>>(at + 5)?
            .map(|text| raw(text, at + 5))
            .transpose()?,
        // Privacy: only the sender's own account gets it.
        client_id: if *sender == *reader.name {
            row.get(at + 6)?
        } else {
            None
        },
        sender,
    }))
}

/// A column of JSON text, passed on as it is.
pub(crate) fn json(row: &Row<'_>, at: usize) -> rusqlite::Result<Box<RawValue>> {
    raw(row.get(at)?, at)
}

fn raw(text: String, at: usize) -> rusqlite::Result<Box<RawValue>> {
    RawValue::from_string(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, error.into()))
}

/// Message ids name the primary key, so that they need no index of their own. To clients they are opaque.
fn message_id(no: ConversationNo, seq: Seq) -> String {
    format!("{no}-{seq}")
}

/// The seq in a message's id; None where the id is of another conversation or no id at all.
pub(crate) fn seq_in(id: &str, no: ConversationNo) -> Option<Seq> {
    let (conversation, seq) = id.split_once('-')?;
    let seq = seq.parse().ok()?;
    (conversation.parse() == Ok(no) && id == message_id(no, seq)).then_some(seq)
}

/// A conversation of which the account is a member: the check that every call on a conversation begins with.
pub(crate) struct Membership {
    pub(crate) no: ConversationNo,
    pub(crate) id: String,
    pub(crate) last_seq: Option<Seq>,
    pub(crate) read_seq: Option<Seq>,
    /// Position at which the account became a member.
    pub(crate) joined: Pos,
}

impl Membership {
    pub(crate) fn conversation(&self) -> (ConversationNo, &str) {
        (self.no, &self.id)
    }
}

/// 403 where the account is no member, or there is no such conversation: a stranger cannot tell which.
pub(crate) fn membership(
    sql: &Connection,
    account: &Account,
    conversation: &str,
) -> Result<Membership> {
    sql.prepare_cached(
        "SELECT c.no, c.last_seq, m.read_seq, m.joined FROM conversations c JOIN members m ON m.conversation = c.no WHERE c.id = ? AND m.account = ?",
    )?
    .query_row(params![conversation, account.id], |row| {
        Ok(Membership { no: row.get(0)?, id: conversation.to_owned(), last_seq: row.get(1)?, read_seq: row.get(2)?, joined: row.get(3)? })
    })
    .optional()?
    .ok_or_else(|| Error::forbidden("not a member of this conversation"))
}

pub(crate) fn members(sql: &Connection, no: ConversationNo) -> Result<Vec<AccountId>> {
    let mut statement = sql.prepare_cached("SELECT account FROM members WHERE conversation = ?")?;
    Ok(statement
        .query_map([no], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?)
}

/// One message; None where there is none at that seq.
pub(crate) fn message_at(
    sql: &Connection,
    reader: &Account,
    conversation: (ConversationNo, &str),
    seq: Seq,
) -> Result<Option<Message>> {
    Ok(messages(
        sql,
        reader,
        conversation,
        "m.seq = ?2",
        params![conversation.0, seq],
    )?
    .pop())
}

/// `GET /v1/conversations/{id}/messages`: which page.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Where {
    Latest,
    Before(Seq),
    After(Seq),
    Around(Seq),
    /// ms since the epoch
    At(i64),
}

/// A page is read in one snapshot, so it is continuous, and as new as any cursor that the client can have.
pub(crate) fn page(
    sql: &Connection,
    reader: &Account,
    conversation: (ConversationNo, &str),
    place: Where,
    limit: usize,
) -> Result<Page> {
    let no = conversation.0;
    let count = limit as i64;
    let older = |than: Seq| -> Result<Vec<Message>> {
        let mut found = messages(
            sql,
            reader,
            conversation,
            "m.seq < ?2 ORDER BY m.seq DESC LIMIT ?3",
            params![no, than, count],
        )?;
        found.reverse();
        Ok(found)
    };
    let from = |seq: Seq| {
        messages(
            sql,
            reader,
            conversation,
            "m.seq >= ?2 ORDER BY m.seq LIMIT ?3",
            params![no, seq, count],
        )
    };
    let around = |seq: Seq| -> Result<Vec<Message>> {
        let (mut before, mut after) = (older(seq)?, from(seq)?);
        // Half of each; where one side has less, the other fills up.
        after.truncate((limit - limit / 2).max(limit.saturating_sub(before.len())));
        before.drain(..before.len() - before.len().min(limit - after.len()));
        before.append(&mut after);
        Ok(before)
    };
    let latest = || -> Result<Vec<Message>> {
        let mut found = messages(
            sql,
            reader,
            conversation,
            "1 ORDER BY m.seq DESC LIMIT ?2",
            params![no, count],
        )?;
        found.reverse();
        Ok(found)
    };
    let found = match place {
        Where::Latest => latest()?,
        Where::Before(seq) => older(seq)?,
        Where::After(seq) => messages(
            sql,
            reader,
            conversation,
            "m.seq > ?2 ORDER BY m.seq LIMIT ?3",
            params![no, seq, count],
        )?,
        Where::Around(seq) => around(seq)?,
        Where::At(time) => {
            let first = sql
                .prepare_cached("SELECT seq FROM messages WHERE conversation = ? AND created_at >= ? ORDER BY created_at, seq LIMIT 1")?
                .query_row(params![no, time], |row| row.get(0))
                .optional()?;
            first.map_or_else(latest, around)?
        }
    };
    // An empty page says of what it would lie between.
    let exists = |condition: &str, seq: Seq| -> Result<bool> {
        Ok(sql
            .prepare_cached(&format!(
                "SELECT EXISTS (SELECT 1 FROM messages WHERE conversation = ? AND {condition} ?)"
            ))?
            .query_row(params![no, seq], |row| row.get(0))?)
    };
    let (has_before, has_after) = match (found.first(), found.last(), place) {
        (Some(first), Some(last), _) => (exists("seq <", first.seq)?, exists("seq >", last.seq)?),
        (_, _, Where::Before(seq)) => (false, exists("seq >=", seq)?),
        (_, _, Where::After(seq)) => (exists("seq <=", seq)?, false),
        _ => (false, false),
    };
    Ok(Page {
        messages: found,
        has_before,
        has_after,
    })
}

/// `GET /v1/conversations/{id}/changes`: the messages in `[from, to]` committed or changed after `since`, by seq.
///
/// Each message knows the position of its newest version, so this reaches back as far as the account's cursors go. 410 where it does not: the cursor cannot
/// be placed, the server was told to forget, the range was trimmed since, or the account left and came back since.
pub(crate) fn changes(
    view: View<'_>,
    reader: &Account,
    membership: &Membership,
    since: &str,
    from: Seq,
    to: Seq,
    limit: usize,
) -> Result<Changes> {
    let no = membership.no;
    let forgotten: Pos = view.sql.query_row(
        "SELECT forgotten FROM accounts WHERE id = ?",
        [reader.id],
        |row| row.get(0),
    )?;
    let since = view
        .place(since)?
        .filter(|since| *since >= forgotten)
        .ok_or_else(|| Error::gone("the log does not reach back to this cursor"))?;
    if membership.joined > since {
        return Err(Error::gone(
            "the account has not been a member since this cursor",
        ));
    }
    let trimmed: bool = view
        .sql
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM trims WHERE conversation = ? AND pos > ? AND before > ?)",
        )?
        .query_row(params![no, since, from], |row| row.get(0))?;
    if trimmed {
        return Err(Error::gone("the range was trimmed since this cursor"));
    }
    let mut messages = messages(
        view.sql,
        reader,
        membership.conversation(),
        "m.seq BETWEEN ?2 AND ?3 AND m.changed > ?4 ORDER BY m.seq LIMIT ?5",
        params![no, from, to, since, limit as i64 + 1],
    )?;
    let has_more = messages.len() > limit;
    messages.truncate(limit);
    Ok(Changes { messages, has_more })
}

/// Messages of one conversation (its number is parameter 1) under a condition.
fn messages(
    sql: &Connection,
    reader: &Account,
    conversation: (ConversationNo, &str),
    condition: &str,
    params: impl Params,
) -> Result<Vec<Message>> {
    let mut statement = sql.prepare_cached(&format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages m WHERE m.conversation = ?1 AND {condition}"
    ))?;
    let found = statement.query_map(params, |row| message(row, 0, conversation, reader))?;
    Ok(found
        .filter_map(|message| message.transpose())
        .collect::<rusqlite::Result<_>>()?)
}

/// `GET /v1/conversations`: greatest `sort` first, then by id; `after` is the (sort, id) of the last one before.
pub(crate) fn conversations(
    sql: &Connection,
    account: &Account,
    after: Option<(i64, &str)>,
    limit: usize,
) -> Result<(Vec<Conversation>, bool)> {
    let (sort, id) = after.unwrap_or((i64::MAX, ""));
    let mut found = conversations_where(
        sql,
        account,
        "(c.sort < ?2 OR (c.sort = ?2 AND c.id > ?3)) ORDER BY c.sort DESC, c.id LIMIT ?4",
        params![account.id, sort, id, limit as i64 + 1],
    )?;
    let more = found.len() > limit;
    found.truncate(limit);
    Ok((found, more))
}

/// One conversation; None where the account is no member.
pub(crate) fn conversation(
    sql: &Connection,
    account: &Account,
    id: &str,
) -> Result<Option<Conversation>> {
    Ok(conversations_where(sql, account, "c.id = ?2", params![account.id, id])?.pop())
}

fn conversations_where(
    sql: &Connection,
    account: &Account,
    condition: &str,
    params: impl Params,
) -> Result<Vec<Conversation>> {
    let mut statement = sql.prepare_cached(&format!(
        "SELECT c.no, c.id, u.unread, c.last_seq, u.read_seq, c.sort, c.meta, {MESSAGE_COLUMNS}
         FROM members u JOIN conversations c ON c.no = u.conversation
         LEFT JOIN messages m ON m.conversation = c.no AND m.seq = c.last_seq
         WHERE u.account = ?1 AND {condition}"
    ))?;
    let found = statement.query_map(params, |row| {
        let id: String = row.get(1)?;
        Ok(Conversation {
            unread: row.get(2)?,
            last_seq: row.get(3)?,
            read_seq: row.get(4)?,
            sort: row.get(5)?,
            last_message: message(row, 7, (row.get(0)?, &id), account)?,
            meta: json(row, 6)?,
            id,
        })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// The account's conversations with their numbers and the position of their last event for it: by id.
pub(crate) fn memberships(
    sql: &Connection,
    account: AccountId,
) -> Result<HashMap<String, (ConversationNo, Pos)>> {
    let mut statement = sql.prepare_cached("SELECT c.id, c.no, m.changed FROM members m JOIN conversations c ON c.no = m.conversation WHERE m.account = ?")?;
    Ok(statement
        .query_map([account], |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
        })?
        .collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_is_read_only_in_its_own_conversation_and_form() {
        assert_eq!(seq_in(&message_id(7, Seq(12)), 7), Some(Seq(12)));
        for other in ["8-12", "7-012", "07-12", "7-", "7", "-12", "7-x", "7-12-1"] {
            assert_eq!(seq_in(other, 7), None, "{other}");
        }
    }
}
