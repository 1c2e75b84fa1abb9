//! Everything that changes a conversation, each as a part of one commit: it changes the tables, and writes into its members' logs what they are to know.

use rusqlite::{OptionalExtension, params};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::db::{Account, AccountId, Commit, ConversationNo, Pos, next_seq, now};
use crate::error::{Error, Result};
use crate::history::{self, EDITED, Membership, NORMAL, RECALLED};
use crate::log::Kind;
use crate::seq::Seq;
use crate::wire::{Message, State};

/// Bytes of a sender's name or a conversation's id. Clients bound them too: what they refuse would keep them from ever reading on.
pub(crate) const LONGEST_NAME: usize = 1024;

/// A conversation as the server itself sees it: no one's membership.
pub(crate) struct Target {
    pub(crate) no: ConversationNo,
    pub(crate) id: String,
    pub(crate) last_seq: Option<Seq>,
}

impl Target {
    pub(crate) fn conversation(&self) -> (ConversationNo, &str) {
        (self.no, &self.id)
    }
}

impl From<&Membership> for Target {
    fn from(membership: &Membership) -> Self {
        Self {
            no: membership.no,
            id: membership.id.clone(),
            last_seq: membership.last_seq,
        }
    }
}

pub(crate) fn target(commit: &Commit<'_>, conversation: &str) -> Result<Target> {
    commit
        .sql
        .prepare_cached("SELECT no, last_seq FROM conversations WHERE id = ?")?
        .query_row([conversation], |row| {
            Ok(Target {
                no: row.get(0)?,
                id: conversation.to_owned(),
                last_seq: row.get(1)?,
            })
        })
        .optional()?
        .ok_or_else(|| Error::not_found("no such conversation"))
}

/// A new message, not yet in its place.
pub(crate) struct Draft<'a> {
    pub(crate) sender: &'a str,
    pub(crate) body: &'a RawValue,
    /// ms since the epoch
    pub(crate) created_at: i64,
    pub(crate) client_id: Option<&'a str>,
}

/// `POST …/messages`. Idempotent per sender, conversation and `clientId`, for as long as the message lives; the same with another body is 409. What counts
/// is the body as it was first sent, also when it has been edited since.
pub(crate) fn send(
    commit: &mut Commit<'_>,
    sender: &Account,
    conversation: &str,
    client_id: &str,
    body: &RawValue,
) -> Result<Message> {
    let membership = history::membership(&commit.sql, sender, conversation)?;
    let digest = digest(body)?;
    let earlier: Option<(Seq, [u8; 32])> = commit
        .sql
        .prepare_cached(
            "SELECT seq, body FROM sends WHERE conversation = ? AND sender = ? AND client_id = ?",
        )?
        .query_row(params![membership.no, &*sender.name, client_id], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let seq = match earlier {
        Some((_, first)) if first != digest => {
            return Err(Error::conflict("this clientId was used for another body"));
        }
        Some((seq, _)) => seq,
        None => {
            let mut target = Target::from(&membership);
            let seq = append(
                commit,
                &mut target,
                &Draft {
                    sender: &sender.name,
                    body,
                    created_at: now(),
                    client_id: Some(client_id),
                },
            )?;
            commit
                .sql
                .prepare_cached("INSERT INTO sends (conversation, sender, client_id, seq, body) VALUES (?, ?, ?, ?, ?)")?
                .execute(params![membership.no, &*sender.name, client_id, seq, digest])?;
            commit.log_state(target.conversation(), None)?;
            seq
        }
    };
    history::message_at(&commit.sql, sender, membership.conversation(), seq)?
        .ok_or_else(|| Error::internal("a message that was just sent is missing"))
}

/// Of the body's meaning, not its spelling: key order and white space do not count.
fn digest(body: &RawValue) -> Result<[u8; 32]> {
    let value: Value = serde_json::from_str(body.get())
        .map_err(|error| Error::invalid(format!("body: {error}")))?;
    Ok(Sha256::digest(value.to_string()).into())
}

/// A new message at the conversation's end. The state of the conversation is the caller's to log, once for all that it appends in this commit.
pub(crate) fn append(
    commit: &mut Commit<'_>,
    target: &mut Target,
    draft: &Draft<'_>,
) -> Result<Seq> {
    let seq = next_seq(commit.settings, target.last_seq)?;
    target.last_seq = Some(seq);
    insert(commit, target, seq, draft)?;
    commit
        .sql
        .prepare_cached("UPDATE conversations SET last_seq = ?, sort = ? WHERE no = ?")?
        .execute(params![seq, draft.created_at, target.no])?;
    Ok(seq)
}

/// A message that is committed late, with a seq below the newest: the order of seqs is not always the order of commits.
pub(crate) fn insert_late(
    commit: &mut Commit<'_>,
    target: &Target,
    seq: Seq,
    draft: &Draft<'_>,
) -> Result<()> {
    if target.last_seq.is_none_or(|last| seq >= last) {
        return Err(Error::conflict(
            "a late message has a seq below the conversation's last one",
        ));
    }
    let taken = "SELECT EXISTS (SELECT 1 FROM messages WHERE conversation = ?1 AND seq = ?2)
        OR EXISTS (SELECT 1 FROM trims WHERE conversation = ?1 AND before > ?2)";
    if commit
        .sql
        .query_row(taken, params![target.no, seq], |row| row.get(0))?
    {
        return Err(Error::conflict("this seq is taken, or trimmed"));
    }
    insert(commit, target, seq, draft)?;
    commit.log_state(target.conversation(), None)
}

fn insert(commit: &mut Commit<'_>, target: &Target, seq: Seq, draft: &Draft<'_>) -> Result<()> {
    if draft.sender.len() > LONGEST_NAME {
        return Err(Error::invalid(format!(
            "a sender has at most {LONGEST_NAME} bytes"
        )));
    }
    let prev: Option<Seq> = commit
        .sql
        .prepare_cached("SELECT max(seq) FROM messages WHERE conversation = ? AND seq < ?")?
        .query_row(params![target.no, seq], |row| row.get(0))?;
    let pos = commit.next_pos();
    commit
        .sql
        .prepare_cached("INSERT INTO messages (conversation, seq, sender, created_at, version, state, body, client_id, changed) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?)")?
        .execute(params![target.no, seq, draft.sender, draft.created_at, NORMAL, draft.body.get(), draft.client_id, pos])?;
    // One's own messages are never unread.
    commit
        .sql
        .prepare_cached(
            "UPDATE members SET unread = unread + 1 WHERE conversation = ? AND (read_seq IS NULL OR read_seq < ?)
             AND account NOT IN (SELECT id FROM accounts WHERE name = ?)",
        )?
        .execute(params![target.no, seq, draft.sender])?;
    commit.log(pos, Kind::Message, target.conversation(), Some(seq), prev)
}

/// `PATCH …/messages/{messageId}`. Idempotent by `clientId`: a repetition answers the message as it now is. Only the sender may; a recalled one is 409.
pub(crate) fn edit(
    commit: &mut Commit<'_>,
    editor: &Account,
    conversation: &str,
    message_id: &str,
    client_id: &str,
    body: &RawValue,
) -> Result<Message> {
    let membership = history::membership(&commit.sql, editor, conversation)?;
    let message = own_message(commit, editor, &membership, message_id)?;
    let seq = message.seq;
    let repeated: bool = commit
        .sql
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM edits WHERE conversation = ? AND seq = ? AND client_id = ?)")?
        .query_row(params![membership.no, seq, client_id], |row| row.get(0))?;
    if repeated {
        return Ok(message);
    }
    if message.state == State::Recalled {
        return Err(Error::conflict("the message has been recalled"));
    }
    commit
        .sql
        .prepare_cached("INSERT INTO edits (conversation, seq, client_id) VALUES (?, ?, ?)")?
        .execute(params![membership.no, seq, client_id])?;
    change(commit, &Target::from(&membership), seq, EDITED, Some(body))?;
    history::message_at(&commit.sql, editor, membership.conversation(), seq)?
        .ok_or_else(|| Error::internal("an edited message is missing"))
}

/// `POST …/messages/{messageId}/recall`: the message keeps its place and loses its body. Repeating it is no error. Only the sender may.
pub(crate) fn recall(
    commit: &mut Commit<'_>,
    sender: &Account,
    conversation: &str,
    message_id: &str,
) -> Result<Message> {
    let membership = history::membership(&commit.sql, sender, conversation)?;
    let message = own_message(commit, sender, &membership, message_id)?;
    if message.state == State::Recalled {
        return Ok(message);
    }
    change(
        commit,
        &Target::from(&membership),
        message.seq,
        RECALLED,
        None,
    )?;
    history::message_at(&commit.sql, sender, membership.conversation(), message.seq)?
        .ok_or_else(|| Error::internal("a recalled message is missing"))
}

fn own_message(
    commit: &Commit<'_>,
    account: &Account,
    membership: &Membership,
    message_id: &str,
) -> Result<Message> {
    let missing = || Error::not_found("no such message in this conversation");
    let seq = history::seq_in(message_id, membership.no).ok_or_else(missing)?;
    let message = history::message_at(&commit.sql, account, membership.conversation(), seq)?
        .ok_or_else(missing)?;
    if *message.sender != *account.name {
        return Err(Error::forbidden("only its sender may change a message"));
    }
    Ok(message)
}

/// A new version of a message that is there and not recalled.
pub(crate) fn change(
    commit: &mut Commit<'_>,
    target: &Target,
    seq: Seq,
    state: i64,
    body: Option<&RawValue>,
) -> Result<()> {
    let pos = commit.next_pos();
    commit
        .sql
        .prepare_cached("UPDATE messages SET version = version + 1, state = ?, body = ?, changed = ? WHERE conversation = ? AND seq = ?")?
        .execute(params![state, body.map(RawValue::get), pos, target.no, seq])?;
    commit.log(pos, Kind::Update, target.conversation(), Some(seq), None)?;
    if state == RECALLED {
        // What was taken back is not there to be read.
        commit
            .sql
            .prepare_cached(
                "UPDATE members SET unread = unread - 1 WHERE conversation = ?1 AND unread > 0 AND (read_seq IS NULL OR read_seq < ?2)
                 AND account NOT IN (SELECT a.id FROM accounts a JOIN messages m ON m.sender = a.name WHERE m.conversation = ?1 AND m.seq = ?2)",
            )?
            .execute(params![target.no, seq])?;
    }
    // An edit shows in the conversation's state only where it is of the last message.
    if state == RECALLED || target.last_seq == Some(seq) {
        commit.log_state(target.conversation(), None)?;
    }
    Ok(())
}

/// `POST …/read`: never moves back, and not past the newest message. The new `unread` arrives as an event of this account.
pub(crate) fn mark_read(
    commit: &mut Commit<'_>,
    reader: &Account,
    conversation: &str,
    seq: Seq,
) -> Result<()> {
    let membership = history::membership(&commit.sql, reader, conversation)?;
    // What comes later has not been read, whatever the request says.
    let Some(seq) = membership.last_seq.map(|last| seq.min(last)) else {
        return Ok(());
    };
    if membership.read_seq.is_some_and(|read| read >= seq) {
        return Ok(());
    }
    commit
        .sql
        .prepare_cached("UPDATE members SET read_seq = ? WHERE conversation = ? AND account = ?")?
        .execute(params![seq, membership.no, reader.id])?;
    count_unread(commit, membership.no, Some(reader.id))?;
    commit.log_state(membership.conversation(), Some(reader.id))
}

/// Counts again what one member, or each, has not read: others' messages after `readSeq` that are
/// not recalled. A range of the primary key, as long as what is unread.
fn count_unread(commit: &Commit<'_>, no: ConversationNo, only: Option<AccountId>) -> Result<()> {
    // ~9223372036854775807 is how the least seq is stored.
    commit
        .sql
        .prepare_cached(
            "UPDATE members SET unread = (
               SELECT count(*) FROM messages m WHERE m.conversation = ?1
               AND m.seq > ifnull(members.read_seq, ~9223372036854775807) AND m.state <> ?2
               AND m.sender <> (SELECT name FROM accounts WHERE id = members.account))
             WHERE conversation = ?1 AND (?3 IS NULL OR account = ?3)",
        )?
        .execute(params![no, RECALLED, only])?;
    Ok(())
}

/// History that is written past the log: one import is one commit with one position, however many messages it brings. The members' devices learn of it by an
/// overflow of the conversation, in its place in their logs.
pub(crate) struct History {
    pub(crate) target: Target,
    pos: Pos,
    sort: i64,
    pub(crate) added: u64,
}

impl History {
    pub(crate) fn begin(commit: &mut Commit<'_>, target: Target) -> Self {
        Self {
            target,
            pos: commit.next_pos(),
            sort: i64::MIN,
            added: 0,
        }
    }

    /// False where the seq is taken: the message that has it stays as it is.
    pub(crate) fn add(
        &mut self,
        commit: &Commit<'_>,
        seq: Seq,
        sender: &str,
        created_at: i64,
        body: &str,
    ) -> Result<bool> {
        let added = commit
            .sql
            .prepare_cached("INSERT OR IGNORE INTO messages (conversation, seq, sender, created_at, version, state, body, changed) VALUES (?, ?, ?, ?, 1, ?, ?, ?)")?
            .execute(params![self.target.no, seq, sender, created_at, NORMAL, body, self.pos])?;
        if added == 0 {
            return Ok(false);
        }
        self.added += 1;
        if self.target.last_seq.is_none_or(|last| seq > last) {
            self.target.last_seq = Some(seq);
            self.sort = created_at;
        }
        Ok(true)
    }

    /// To members, imported history counts as read.
    pub(crate) fn finish(self, commit: &mut Commit<'_>) -> Result<()> {
        if self.added == 0 {
            return Ok(());
        }
        let no = self.target.no;
        if self.sort != i64::MIN {
            commit.sql.execute(
                "UPDATE conversations SET last_seq = ?, sort = ? WHERE no = ?",
                params![self.target.last_seq, self.sort, no],
            )?;
            commit.sql.execute(
                "UPDATE members SET read_seq = ?, unread = 0 WHERE conversation = ?",
                params![self.target.last_seq, no],
            )?;
        } else {
            count_unread(commit, no, None)?;
        }
        commit.log_overflow(self.target.conversation(), None)
    }
}

/// To every member, the last `count` messages are unread (but for their own).
pub(crate) fn leave_unread(commit: &mut Commit<'_>, no: ConversationNo, count: u64) -> Result<()> {
    commit.sql.execute(
        "UPDATE members SET read_seq = (SELECT seq FROM messages WHERE conversation = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2) WHERE conversation = ?1",
        params![no, count as i64],
    )?;
    count_unread(commit, no, None)
}

/// A new conversation; 409 where its id is taken. `open`: who signs in to the demo under a new name becomes a member.
pub(crate) fn create(
    commit: &mut Commit<'_>,
    id: &str,
    meta: &RawValue,
    open: bool,
) -> Result<Target> {
    if id.is_empty() || id.len() > LONGEST_NAME {
        return Err(Error::invalid(format!(
            "a conversation's id has 1 to {LONGEST_NAME} bytes"
        )));
    }
    let made = commit
        .sql
        .prepare_cached(
            "INSERT OR IGNORE INTO conversations (id, meta, sort, open) VALUES (?, ?, ?, ?)",
        )?
        .execute(params![id, meta.get(), now(), open])?;
    if made == 0 {
        return Err(Error::conflict("there is a conversation of this id"));
    }
    target(commit, id)
}

/// Becomes a member, with all of the history, which counts as read. A member already: nothing happens.
pub(crate) fn join(commit: &mut Commit<'_>, target: &Target, account: &Account) -> Result<()> {
    let pos = commit.next_pos();
    let joined = commit
        .sql
        .prepare_cached("INSERT OR IGNORE INTO members (account, conversation, joined, changed, read_seq) VALUES (?, ?, ?, ?, ?)")?
        .execute(params![account.id, target.no, pos, pos, target.last_seq])?;
    if joined > 0 {
        commit.log_state(target.conversation(), Some(account.id))?;
    }
    Ok(())
}

/// `removed`: the account has left the conversation, and its devices drop its data.
pub(crate) fn leave(commit: &mut Commit<'_>, target: &Target, account: &Account) -> Result<()> {
    let left = commit.sql.execute(
        "DELETE FROM members WHERE account = ? AND conversation = ?",
        [account.id, target.no],
    )?;
    if left > 0 {
        commit.log_removed(target.conversation(), account.id)?;
    }
    Ok(())
}

/// `trim`: history older than `before` no longer exists, for anyone.
pub(crate) fn trim(commit: &mut Commit<'_>, target: &Target, before: Seq) -> Result<()> {
    let pos: Pos = commit.next_pos();
    for table in ["messages", "sends", "edits"] {
        commit.sql.execute(
            &format!("DELETE FROM {table} WHERE conversation = ? AND seq < ?"),
            params![target.no, before],
        )?;
    }
    // Events of messages that are gone have nothing to say any more; the trim, later in the same logs, says the rest.
    commit.sql.execute(
        "DELETE FROM log WHERE account IN (SELECT account FROM members WHERE conversation = ?1) AND conversation = ?1 AND kind IN (?2, ?3) AND seq < ?4",
        params![target.no, Kind::Message as i64, Kind::Update as i64, before],
    )?;
    commit.sql.execute(
        "INSERT INTO trims (conversation, pos, before) VALUES (?, ?, ?)",
        params![target.no, pos, before],
    )?;
    commit.log(pos, Kind::Trim, target.conversation(), Some(before), None)?;
    count_unread(commit, target.no, None)?;
    commit.log_state(target.conversation(), None)
}
