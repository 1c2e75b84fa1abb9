//! Scope `mailbox`: what an account has not acknowledged, kept by the server (`GET /v1/mailbox`, `POST /v1/mailbox/ack`, mailbox deliveries).
//!
//! The mailbox is the account's change log seen through acknowledgements: a low mark up to which all is acknowledged, and single acknowledgements after it.
//! There is no cursor that would show that an overflow arrived, so an overflow is repeated until its receipt, an event with a delivery of its own, is
//! acknowledged.

use rusqlite::{OptionalExtension, params};

use crate::db::{Account, Commit, Pos, View};
use crate::error::Result;
use crate::log;
use crate::wire::{Change, Event, Mailbox, Overflow};

struct Marks {
    low: Option<Pos>,
    /// Position of an overflow of all that is not acknowledged yet, or 0.
    overflow: Pos,
}

fn marks(view: View<'_>, account: &Account) -> Result<Marks> {
    Ok(view
        .sql
        .prepare_cached("SELECT mailbox, mailbox_overflow FROM accounts WHERE id = ?")?
        .query_row([account.id], |row| {
            Ok(Marks {
                low: row.get(0)?,
                overflow: row.get(1)?,
            })
        })?)
}

/// What is not acknowledged, oldest first; None: the mailbox has to be [`begin`]ed (again) first.
pub(crate) fn read(view: View<'_>, account: &Account, limit: usize) -> Result<Option<Mailbox>> {
    let marks = marks(view, account)?;
    let Some(low) = marks.low else {
        return Ok(None);
    };
    if low < log::floor(view, account.id)?
        || unacknowledged_count(view, account, low)? > i64::from(view.settings.overflow_after)
    {
        return Ok(None);
    }
    let mut events: Vec<Event> = Vec::new();
    if marks.overflow > 0 {
        events.push(
            (
                Change::Overflow {
                    conversations: Overflow::ALL,
                },
                format!("o{}", marks.overflow),
            )
                .into(),
        );
    }
    let mut tail = log::unacknowledged(view, account, low, limit)?;
    if marks.overflow > 0 && !tail.overflow.is_empty() {
        // "all" says it already; the receipts come along to be acknowledged.
        tail.overflow
            .iter()
            .for_each(|(pos, id)| events.push(receipt(*pos, id)));
        tail.overflow.clear();
    }
    let overflow = match (marks.overflow > 0, tail.overflow.is_empty()) {
        (true, _) => Some(Overflow::ALL),
        (false, true) => None,
        (false, false) => Some(Overflow::Conversations(
            tail.overflow.iter().map(|(_, id)| id.clone()).collect(),
        )),
    };
    events.extend(tail.overflow.iter().map(|(pos, id)| receipt(*pos, id)));
    events.extend(
        tail.events
            .into_iter()
            .map(|(pos, change)| Event::from((change, format!("d{pos}")))),
    );
    Ok(Some(Mailbox {
        events,
        has_more: tail.more,
        overflow,
    }))
}

fn receipt(pos: Pos, conversation: &str) -> Event {
    (
        Change::Overflow {
            conversations: Overflow::Conversations(vec![conversation.to_owned()]),
        },
        format!("d{pos}"),
    )
        .into()
}

fn unacknowledged_count(view: View<'_>, account: &Account, low: Pos) -> Result<i64> {
    Ok(view
        .sql
        .prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM log l WHERE l.account = ?1 AND l.pos > ?2
             AND NOT EXISTS (SELECT 1 FROM acks a WHERE a.account = l.account AND a.pos = l.pos) LIMIT ?3)",
        )?
        .query_row([account.id, low, i64::from(view.settings.overflow_after) + 1], |row| row.get(0))?)
}

/// A first sign-in, or too much to deliver: the mailbox begins anew at the log's end, with an overflow.
pub(crate) fn begin(commit: &mut Commit<'_>, account: &Account) -> Result<()> {
    // Another request may have done it meanwhile.
    if read(commit.view(), account, 1)?.is_some() {
        return Ok(());
    }
    let head = log::head(&commit.sql, account.id)?;
    let pos = commit.next_pos();
    commit.sql.execute(
        "UPDATE accounts SET mailbox = ?, mailbox_overflow = ? WHERE id = ?",
        [head, pos, account.id],
    )?;
    commit
        .sql
        .execute("DELETE FROM acks WHERE account = ?", [account.id])?;
    Ok(())
}

/// Takes deliveries off the mailbox. An unknown one, or one acknowledged before, is no error.
pub(crate) fn acknowledge(
    commit: &mut Commit<'_>,
    account: &Account,
    deliveries: &[String],
) -> Result<()> {
    for delivery in deliveries {
        if let Some(pos) = delivery
            .strip_prefix('o')
            .and_then(|pos| pos.parse::<Pos>().ok())
        {
            commit
                .sql
                .prepare_cached("UPDATE accounts SET mailbox_overflow = 0 WHERE id = ? AND mailbox_overflow = ?")?
                .execute([account.id, pos])?;
        } else if let Some(pos) = delivery
            .strip_prefix('d')
            .and_then(|pos| pos.parse::<Pos>().ok())
        {
            commit
                .sql
                .prepare_cached(
                    "INSERT OR IGNORE INTO acks (account, pos) SELECT l.account, l.pos FROM log l JOIN accounts a ON a.id = l.account
                     WHERE l.account = ? AND l.pos = ? AND l.pos > a.mailbox",
                )?
                .execute([account.id, pos])?;
        }
    }
    let Some(low) = marks(commit.view(), account)?.low else {
        return Ok(());
    };
    // Up to the first one that is not acknowledged, single acknowledgements become the low mark.
    let first: Option<Pos> = commit
        .sql
        .prepare_cached(
            "SELECT l.pos FROM log l WHERE l.account = ?1 AND l.pos > ?2
             AND NOT EXISTS (SELECT 1 FROM acks a WHERE a.account = l.account AND a.pos = l.pos) ORDER BY l.pos LIMIT 1",
        )?
        .query_row(params![account.id, low], |row| row.get(0))
        .optional()?;
    let low = match first {
        Some(first) => first - 1,
        None => low.max(log::head(&commit.sql, account.id)?),
    };
    commit.sql.execute(
        "UPDATE accounts SET mailbox = ? WHERE id = ?",
        [low, account.id],
    )?;
    commit.sql.execute(
        "DELETE FROM acks WHERE account = ? AND pos <= ?",
        [account.id, low],
    )?;
    Ok(())
}
