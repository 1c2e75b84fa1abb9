//! SQLite: one writer, and readers beside it.
//!
//! Everything that changes is done in a [`Commit`]: one at a time, so that the order of commits is the order of positions, and a position that a reader sees
//! has none before it that could still commit ("Values", `cursor`). Who was concerned is told to the [`Hub`] once the commit is done, never before.
//! Reads see one snapshot each. None of it runs on the async runtime's own threads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use crate::error::{Error, Result};
use crate::log;
use crate::notify::Hub;
use crate::seq::Seq;

pub(crate) type AccountId = i64;
/// The number of a conversation in this database, as opposed to its public id.
pub(crate) type ConversationNo = i64;
/// A place in the order of commits.
pub(crate) type Pos = i64;

const SCHEMA_VERSION: i64 = 1;

/// Readers kept open; more are opened for a moment when more are needed.
const IDLE_READERS: usize = 4;

/// Prepared statements that a connection keeps: about as many as there are in the code.
const STATEMENTS: usize = 64;

/// Positions between two prunings of the log.
const PRUNE_EVERY: Pos = 4096;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The seq before a conversation's first.
    pub(crate) seq_base: u64,
    /// The distance of two neighbours' seqs, at least 1.
    pub(crate) seq_step: u64,
    /// Events that a device may be behind before it is answered with an overflow.
    pub(crate) overflow_after: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    pub(crate) name: Arc<str>,
}

/// ms since the epoch
pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as i64)
}

pub(crate) struct Db {
    writer: Mutex<Writer>,
    readers: Mutex<Vec<Connection>>,
    /// None: in memory, where readers share the writer's connection.
    file: Option<PathBuf>,
    epoch: String,
    settings: Settings,
    hub: Arc<Hub>,
}

struct Writer {
    sql: Connection,
    pruned: Pos,
}

/// One snapshot of the database.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) sql: &'a Connection,
    pub(crate) settings: &'a Settings,
    epoch: &'a str,
}

/// One commit in the making: dropped without success, nothing of it happened.
pub(crate) struct Commit<'a> {
    pub(crate) sql: Transaction<'a>,
    pub(crate) settings: &'a Settings,
    epoch: &'a str,
    pos: Pos,
    concerned: BTreeMap<AccountId, BTreeSet<String>>,
}

impl Db {
    /// Opens or makes the database: in memory without a `file`.
    pub(crate) fn open(file: Option<&Path>, settings: Settings, hub: Arc<Hub>) -> Result<Self> {
        let named = |why: String| match file {
            Some(path) => Error::start(format!("{}: {why}", path.display())),
            None => Error::start(why),
        };
        let (sql, version) = prepare(file).map_err(|error| named(error.to_string()))?;
        if version > SCHEMA_VERSION {
            return Err(named(format!(
                "the database has schema {version}; this server knows {SCHEMA_VERSION}"
            )));
        }
        let epoch = sql.query_row("SELECT epoch FROM database", [], |row| row.get(0))?;
        Ok(Self {
            writer: Mutex::new(Writer { sql, pruned: 0 }),
            readers: Mutex::default(),
            file: file.map(Path::to_owned),
            epoch,
            settings,
            hub,
        })
    }

    /// Reads on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(View<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let db = self.clone();
        tokio::task::spawn_blocking(move || db.read_now(read))
            .await
            .map_err(Error::internal)?
    }

    /// Commits on a thread that may block. It is carried to its end also when the caller goes away.
    pub(crate) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        write: impl FnOnce(&mut Commit<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let db = self.clone();
        tokio::task::spawn_blocking(move || db.write_now(write))
            .await
            .map_err(Error::internal)?
    }

    pub(crate) fn read_now<T>(&self, read: impl FnOnce(View<'_>) -> Result<T>) -> Result<T> {
        let Some(path) = &self.file else {
            return self.view_of(&mut lock(&self.writer).sql, read);
        };
        let idle = lock(&self.readers).pop();
        let mut sql = match idle {
            Some(sql) => sql,
            None => connect(path)?,
        };
        let result = self.view_of(&mut sql, read);
        let mut readers = lock(&self.readers);
        if readers.len() < IDLE_READERS {
            readers.push(sql);
        }
        result
    }

    fn view_of<T>(
        &self,
        sql: &mut Connection,
        read: impl FnOnce(View<'_>) -> Result<T>,
    ) -> Result<T> {
        let snapshot = sql.transaction()?;
        read(View {
            sql: &snapshot,
            settings: &self.settings,
            epoch: &self.epoch,
        })
    }

    pub(crate) fn write_now<T>(
        &self,
        write: impl FnOnce(&mut Commit<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut writer = lock(&self.writer);
        let Writer { sql, pruned } = &mut *writer;
        let sql = sql.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Not remembered from the commit before: an import may run on the same file.
        let before = sql.query_row("SELECT pos FROM database", [], |row| row.get(0))?;
        let mut commit = Commit {
            sql,
            settings: &self.settings,
            epoch: &self.epoch,
            pos: before,
            concerned: BTreeMap::new(),
        };
        let result = write(&mut commit)?;
        if commit.pos - *pruned >= PRUNE_EVERY {
            log::prune(&commit)?;
            *pruned = commit.pos;
        }
        let Commit {
            sql,
            pos,
            concerned,
            ..
        } = commit;
        if pos != before {
            sql.execute("UPDATE database SET pos = ?", [pos])?;
        }
        sql.commit()?;
        // Under the writer's lock, so that notifications keep the order of commits.
        self.hub.concerned(concerned);
        Ok(result)
    }
}

impl<'a> View<'a> {
    /// The text of a cursor at this position of this database.
    pub(crate) fn cursor(&self, pos: Pos) -> String {
        format!("{}-{pos}", self.epoch)
    }

    /// The position of a cursor; None for one that cannot be placed: junk, or another database's.
    pub(crate) fn place(&self, cursor: &str) -> Result<Option<Pos>> {
        let Some(pos) = cursor
            .strip_prefix(self.epoch)
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|pos| pos.parse::<Pos>().ok())
        else {
            return Ok(None);
        };
        // Past the last commit: the database was put back to an older copy, and the position means, or will mean, something else.
        let last: Pos = self
            .sql
            .query_row("SELECT pos FROM database", [], |row| row.get(0))?;
        Ok((0..=last).contains(&pos).then_some(pos))
    }
}

impl Commit<'_> {
    pub(crate) fn view(&self) -> View<'_> {
        View {
            sql: &self.sql,
            settings: self.settings,
            epoch: self.epoch,
        }
    }

    /// The position of the next event.
    pub(crate) fn next_pos(&mut self) -> Pos {
        self.pos += 1;
        self.pos
    }

    /// The account is to be notified once this is committed.
    pub(crate) fn concerns(&mut self, account: AccountId, conversation: &str) {
        self.concerned
            .entry(account)
            .or_default()
            .insert(conversation.to_owned());
    }

    pub(crate) fn new_account(&mut self, name: &str) -> Result<Account> {
        self.sql
            .prepare_cached("INSERT INTO accounts (name) VALUES (?)")?
            .execute([name])?;
        Ok(Account {
            id: self.sql.last_insert_rowid(),
            name: name.into(),
        })
    }
}

pub(crate) fn accounts(sql: &Connection) -> Result<Vec<Account>> {
    accounts_of(sql, "SELECT id, name FROM accounts ORDER BY id")
}

/// Those who are no guests: who is offered to sign in as, and meets each other in open conversations.
pub(crate) fn users(sql: &Connection) -> Result<Vec<Account>> {
    accounts_of(
        sql,
        "SELECT id, name FROM accounts WHERE id NOT IN (SELECT account FROM tokens WHERE demo = 2) ORDER BY id",
    )
}

fn accounts_of(sql: &Connection, query: &str) -> Result<Vec<Account>> {
    let mut statement = sql.prepare_cached(query)?;
    let found = statement.query_map([], |row| {
        Ok(Account {
            id: row.get(0)?,
            name: row.get::<_, String>(1)?.into(),
        })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub(crate) fn account_named(sql: &Connection, name: &str) -> Result<Option<Account>> {
    let id = sql
        .prepare_cached("SELECT id FROM accounts WHERE name = ?")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(id.map(|id| Account {
        id,
        name: name.into(),
    }))
}

/// The seq that follows `last`.
pub(crate) fn next_seq(settings: &Settings, last: Option<Seq>) -> Result<Seq> {
    let Seq(last) = last.unwrap_or(Seq(settings.seq_base));
    last.checked_add(settings.seq_step)
        .map(Seq)
        .ok_or_else(|| Error::conflict("the conversation has no seq left"))
}

/// The writer's connection, and the schema that it found or made.
fn prepare(file: Option<&Path>) -> rusqlite::Result<(Connection, i64)> {
    let sql = match file {
        Some(path) => connect(path)?,
        None => {
            let sql = Connection::open_in_memory()?;
            sql.set_prepared_statement_cache_capacity(STATEMENTS);
            sql
        }
    };
    sql.pragma_update(None, "journal_mode", "wal")?;
    // With WAL this survives the end of the process; only a power cut may cost the last commits, and never the database.
    sql.pragma_update(None, "synchronous", "normal")?;
    let version = sql.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        create(&sql)?;
    }
    Ok((sql, version))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let sql = Connection::open(path)?;
    // An import of another process may hold the writer's place for some seconds.
    sql.busy_timeout(Duration::from_secs(30))?;
    sql.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(sql)
}

fn create(sql: &Connection) -> rusqlite::Result<()> {
    let epoch = format!("{:016x}", fastrand::u64(..));
    sql.execute_batch(&format!(
        "BEGIN IMMEDIATE; {}; PRAGMA user_version = {SCHEMA_VERSION};",
        include_str!("schema.sql")
    ))?;
    sql.execute("INSERT INTO database (epoch, pos) VALUES (?, 0)", [epoch])?;
    sql.execute_batch("COMMIT")?;
    Ok(())
}

/// A panic under the lock has rolled its transaction back: what is behind the lock is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
