//! One change log per account, in commit order: what cursors point into (docs/protocol.md, "Values", `cursor`, and "Events").
//!
//! A commit gives each of its events a position and writes it into the log of every account concerned. A cursor is a position: what follows it in the
//! account's log is what its device lacks. A batch is a piece of that log, so it is continuous by construction.
//!
//! - **Overflow of all**: the device is too far behind, or before the account's `floor` (pruned, or forced), or its cursor cannot be placed. It goes on from the
//!   log's end.
//! - **Overflow of some**: an event in the log. History that was written past the log (an import) is announced so: every device meets it once, in its place
//!   between the other events, and nothing of the other conversations is lost. A batch ends before such an event or begins with it.
//! - Messages are read at their newest version, which is never older than the event. The state of a conversation is that of its event, and where a batch has
//!   several of one conversation, only the last is given: it holds what the earlier ones said.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};

use crate::db::{Account, AccountId, Commit, ConversationNo, Pos, View};
use crate::error::Result;
use crate::history::{self, MESSAGE_COLUMNS};
use crate::seq::Seq;
use crate::wire::{Batch, Change, Conversation, Event, Overflow};

/// Stored as these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub(crate) enum Kind {
    Message = 1,
    Update = 2,
    Conversation = 3,
    Removed = 4,
    Trim = 5,
    Overflow = 6,
}

impl Kind {
    fn from_stored(stored: i64) -> Option<Self> {
        [
            Self::Message,
            Self::Update,
            Self::Conversation,
            Self::Removed,
            Self::Trim,
            Self::Overflow,
        ]
        .into_iter()
        .find(|kind| *kind as i64 == stored)
    }
}

/// Writing.
impl Commit<'_> {
    /// An event at `pos` for every member. `prev` is the seq before a new message; for a trim, `seq` is what is kept from.
    pub(crate) fn log(
        &mut self,
        pos: Pos,
        kind: Kind,
        conversation: (ConversationNo, &str),
        seq: Option<Seq>,
        prev: Option<Seq>,
    ) -> Result<()> {
        let (no, id) = conversation;
        self.sql
            .prepare_cached("INSERT INTO log (account, pos, kind, conversation, seq, prev) SELECT account, ?, ?, conversation, ?, ? FROM members WHERE conversation = ?")?
            .execute(params![pos, kind as i64, seq, prev, no])?;
        self.members_changed(pos, no, id, None)
    }

    /// The state of a conversation, as it now is, for one member or for each: everyone has their own unread count.
    pub(crate) fn log_state(
        &mut self,
        conversation: (ConversationNo, &str),
        only: Option<AccountId>,
    ) -> Result<()> {
        let (no, id) = conversation;
        let pos = self.next_pos();
        self.sql
            .prepare_cached(
                "INSERT INTO log (account, pos, kind, conversation, seq, unread, read_seq, sort)
                 SELECT m.account, ?, ?, m.conversation, c.last_seq, m.unread, m.read_seq, c.sort
                 FROM members m JOIN conversations c ON c.no = m.conversation WHERE m.conversation = ? AND (?4 IS NULL OR m.account = ?4)",
            )?
            .execute(params![pos, Kind::Conversation as i64, no, only])?;
        self.members_changed(pos, no, id, only)
    }

    /// The account has left. What its log still says of the conversation would only be dropped again by its device, and is no longer its to read.
    pub(crate) fn log_removed(
        &mut self,
        conversation: (ConversationNo, &str),
        account: AccountId,
    ) -> Result<()> {
        let (no, id) = conversation;
        let pos = self.next_pos();
        self.sql.execute(
            "DELETE FROM log WHERE account = ? AND conversation = ?",
            [account, no],
        )?;
        self.sql.execute(
            "INSERT INTO log (account, pos, kind, conversation) VALUES (?, ?, ?, ?)",
            [account, pos, Kind::Removed as i64, no],
        )?;
        self.concerns(account, id);
        Ok(())
    }

    /// Cursors of before this commit are answered with an overflow of all.
    pub(crate) fn log_overflow_all(&mut self, account: AccountId) -> Result<()> {
        let pos = self.next_pos();
        self.sql
            .execute("UPDATE accounts SET floor = ? WHERE id = ?", [pos, account])?;
        self.sql.execute(
            "UPDATE members SET changed = ? WHERE account = ?",
            [pos, account],
        )?;
        self.concerns(account, "");
        Ok(())
    }

    /// The conversation overflows for one member or for each, whose devices then find its state.
    pub(crate) fn log_overflow(
        &mut self,
        conversation: (ConversationNo, &str),
        only: Option<AccountId>,
    ) -> Result<()> {
        let (no, id) = conversation;
        let pos = self.next_pos();
        self.sql
            .prepare_cached("INSERT INTO log (account, pos, kind, conversation) SELECT account, ?, ?, conversation FROM members WHERE conversation = ?3 AND (?4 IS NULL OR account = ?4)")?
            .execute(params![pos, Kind::Overflow as i64, no, only])?;
        self.members_changed(pos, no, id, only)?;
        self.log_state(conversation, only)
    }

    fn members_changed(
        &mut self,
        pos: Pos,
        no: ConversationNo,
        id: &str,
        only: Option<AccountId>,
    ) -> Result<()> {
        self.sql
            .prepare_cached("UPDATE members SET changed = ? WHERE conversation = ? AND (?3 IS NULL OR account = ?3)")?
            .execute(params![pos, no, only])?;
        match only {
            Some(account) => self.concerns(account, id),
            None => {
                for account in history::members(&self.sql, no)? {
                    self.concerns(account, id);
                }
            }
        }
        Ok(())
    }
}

/// Keeps the table bounded: what is so old that whoever needs it overflows anyway goes. Devices before it overflow because of the floor.
pub(crate) fn prune(commit: &Commit<'_>) -> Result<()> {
    let keep = 2 * i64::from(commit.settings.overflow_after) + 1000;
    let accounts = commit
        .sql
        .prepare_cached("SELECT id FROM accounts")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<AccountId>>>()?;
    for account in accounts {
        commit
            .sql
            .prepare_cached(
                "UPDATE accounts SET floor = max(floor, ifnull((SELECT pos FROM log WHERE account = ?1 ORDER BY pos DESC LIMIT 1 OFFSET ?2), 0)) WHERE id = ?1",
            )?
            .execute([account, keep])?;
        commit
            .sql
            .prepare_cached(
                "DELETE FROM log WHERE account = ?1 AND pos <= (SELECT pos FROM log WHERE account = ?1 ORDER BY pos DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute([account, keep])?;
    }
    Ok(())
}

/// The end of the account's log: the cursor of a device that has everything.
pub(crate) fn head(sql: &Connection, account: AccountId) -> Result<Pos> {
    Ok(sql
        .prepare_cached("SELECT max(floor, ifnull((SELECT max(pos) FROM log WHERE account = ?1), 0)) FROM accounts WHERE id = ?1")?
        .query_row([account], |row| row.get(0))?)
}

/// `GET /v1/sync`: everything for the account after `cursor`, `limit` events at most.
pub(crate) fn batch(
    view: View<'_>,
    account: &Account,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Batch> {
    let after = match cursor {
        Some(cursor) => view.place(cursor)?,
        None => None,
    };
    let overflow = match after {
        None => true,
        Some(after) => {
            after < floor(view, account.id)? || too_far_behind(view, account.id, None, after)?
        }
    };
    match after {
        Some(after) if !overflow => {
            Ok(tail(view, account, None, after, limit)?.into_batch(view, after))
        }
        _ => Ok(Batch {
            events: Vec::new(),
            cursor: view.cursor(head(view.sql, account.id)?),
            has_more: false,
            overflow: Some(Overflow::ALL),
        }),
    }
}

/// One of `POST /v1/sync/conversations`: what the account has of one conversation after `cursor`; None: nothing new. `changed` is the position of the last
/// event of this conversation for this account.
pub(crate) fn conversation_batch(
    view: View<'_>,
    account: &Account,
    conversation: (ConversationNo, &str),
    changed: Pos,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Option<Batch>> {
    let (no, id) = conversation;
    let after = match cursor {
        Some(cursor) => view.place(cursor)?,
        None => None,
    };
    if let Some(after) = after {
        if changed <= after {
            return Ok(None);
        }
        if after >= floor(view, account.id)? && !too_far_behind(view, account.id, Some(no), after)?
        {
            return Ok(Some(
                tail(view, account, Some(no), after, limit)?.into_batch(view, after),
            ));
        }
    }
    // The state comes along, so that the client owes itself no list.
    let state = history::conversation(view.sql, account, id)?;
    Ok(Some(Batch {
        events: state
            .into_iter()
            .map(|conversation| Change::Conversation { conversation }.into())
            .collect(),
        cursor: view.cursor(head(view.sql, account.id)?.max(changed)),
        has_more: false,
        overflow: Some(Overflow::Conversations(vec![id.to_owned()])),
    }))
}

/// Cursors before it overflow.
pub(crate) fn floor(view: View<'_>, account: AccountId) -> Result<Pos> {
    Ok(view
        .sql
        .prepare_cached("SELECT floor FROM accounts WHERE id = ?")?
        .query_row([account], |row| row.get(0))?)
}

fn too_far_behind(
    view: View<'_>,
    account: AccountId,
    only: Option<ConversationNo>,
    after: Pos,
) -> Result<bool> {
    let bound = i64::from(view.settings.overflow_after);
    let behind: i64 = match only {
        None => view
            .sql
            .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM log WHERE account = ? AND pos > ? LIMIT ?)")?
            .query_row([account, after, bound + 1], |row| row.get(0))?,
        Some(no) => view
            .sql
            .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM log WHERE account = ? AND conversation = ? AND pos > ? LIMIT ?)")?
            .query_row([account, no, after, bound + 1], |row| row.get(0))?,
    };
    Ok(behind > bound)
}

/// A piece of the log.
#[derive(Default)]
pub(crate) struct Tail {
    /// Conversations that overflow before the events.
    pub(crate) overflow: Vec<(Pos, String)>,
    pub(crate) events: Vec<(Pos, Change)>,
    /// Of the last event looked at.
    end: Option<Pos>,
    pub(crate) more: bool,
}

impl Tail {
    fn into_batch(mut self, view: View<'_>, after: Pos) -> Batch {
        self.keep_last_states();
        let overflow: Vec<String> = self.overflow.into_iter().map(|(_, id)| id).collect();
        Batch {
            events: self
                .events
                .into_iter()
                .map(|(_, change)| change.into())
                .collect(),
            cursor: view.cursor(self.end.unwrap_or(after)),
            has_more: self.more,
            overflow: (!overflow.is_empty()).then_some(Overflow::Conversations(overflow)),
        }
    }

    /// Of several states of one conversation only the last says something.
    fn keep_last_states(&mut self) {
        let mut last = HashMap::new();
        for (pos, change) in &self.events {
            if let Change::Conversation { conversation } = change {
                last.insert(conversation.id.clone(), *pos);
            }
        }
        self.events.retain(|(pos, change)| match change {
            Change::Conversation { conversation } => last.get(&conversation.id) == Some(pos),
            _ => true,
        });
    }
}

fn tail(
    view: View<'_>,
    account: &Account,
    only: Option<ConversationNo>,
    after: Pos,
    limit: usize,
) -> Result<Tail> {
    let condition = if only.is_some() {
        "l.conversation = ?4"
    } else {
        "?4 IS NULL"
    };
    read(view, account, condition, only, after, limit)
}

/// For a mailbox: what is not acknowledged.
pub(crate) fn unacknowledged(
    view: View<'_>,
    account: &Account,
    after: Pos,
    limit: usize,
) -> Result<Tail> {
    read(
        view,
        account,
        "?4 IS NULL AND NOT EXISTS (SELECT 1 FROM acks a WHERE a.account = l.account AND a.pos = l.pos)",
        None,
        after,
        limit,
    )
}

fn read(
    view: View<'_>,
    account: &Account,
    condition: &str,
    only: Option<ConversationNo>,
    after: Pos,
    limit: usize,
) -> Result<Tail> {
    let mut statement = view.sql.prepare_cached(&format!(
        "SELECT l.pos, l.kind, l.conversation, l.seq, l.prev, l.unread, l.read_seq, l.sort, c.id, c.meta, {MESSAGE_COLUMNS}
         FROM log l CROSS JOIN conversations c ON c.no = l.conversation
         LEFT JOIN messages m ON m.conversation = l.conversation AND m.seq = l.seq AND l.kind <= 3
         WHERE l.account = ?1 AND l.pos > ?2 AND {condition} ORDER BY l.pos LIMIT ?3"
    ))?;
    // One more than wanted, to know whether there is more.
    let mut rows = statement.query(params![account.id, after, limit as i64 + 1, only])?;
    let mut tail = Tail::default();
    while let Some(row) = rows.next()? {
        let pos = row.get(0)?;
        let kind = Kind::from_stored(row.get(1)?);
        let full = tail.events.len() + tail.overflow.len() == limit;
        if full || (kind == Some(Kind::Overflow) && !tail.events.is_empty()) {
            tail.more = true;
            break;
        }
        tail.end = Some(pos);
        if kind == Some(Kind::Overflow) {
            tail.overflow.push((pos, row.get(8)?));
        } else if let Some(change) = kind
            .map(|kind| change(row, kind, account))
            .transpose()?
            .flatten()
        {
            tail.events.push((pos, change));
        }
    }
    Ok(tail)
}

fn change(row: &Row<'_>, kind: Kind, account: &Account) -> Result<Option<Change>> {
    let no = row.get(2)?;
    let id: String = row.get(8)?;
    let message = history::message(row, 10, (no, &id), account)?;
    Ok(match kind {
        // A trim takes the events of the messages with it; see `chat::trim`.
        Kind::Message => message
            .map(|message| {
                Ok::<_, rusqlite::Error>(Change::Message {
                    message,
                    prev: row.get(4)?,
                })
            })
            .transpose()?,
        Kind::Update => message.map(|message| Change::Update { message }),
        Kind::Conversation => Some(Change::Conversation {
            conversation: Conversation {
                unread: row.get(5)?,
                last_seq: row.get(3)?,
                read_seq: row.get(6)?,
                sort: row.get(7)?,
                last_message: message,
                meta: history::json(row, 9)?,
                id,
            },
        }),
        Kind::Removed => Some(Change::Removed { conversation: id }),
        Kind::Trim => Some(Change::Trim {
            conversation: id,
            before: row.get(3)?,
        }),
        Kind::Overflow => None,
    })
}

impl From<(Change, String)> for Event {
    fn from((change, delivery): (Change, String)) -> Self {
        Self {
            change,
            delivery: Some(delivery),
        }
    }
}
