//! Who is asking: `Authorization: Bearer TOKEN` on each request, and the token in the WebSocket's first frame.
//!
//! Only hashes of tokens are stored: whoever reads the database cannot be any of its users with it. They are bare SHA-256, which holds for tokens that nobody
//! could guess, as 256 random bits are; the demo's can be, by design. They are kept in memory too, because nothing but this process gives tokens out.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use crate::chat;
use crate::db::{Account, Commit, Db, account_named};
use crate::error::{Error, Result};

type Hash = [u8; 32];

/// Who gave a token out: stored as these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub(crate) enum Given {
    /// `--user`
    Own = 0,
    /// The demo: whoever says the name has it.
    Demo = 1,
    /// The demo, to a guest: not listed, and in no conversation but those made for them.
    Guest = 2,
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token).into()
}

/// Accounts that exist in a demo; more come by signing in.
pub(crate) const DEMO_USERS: [&str; 4] = ["ada", "grace", "linus", "margaret"];

/// A header takes ASCII only, a name may be anything: what is not plain is percent-encoded.
fn demo_token(name: &str) -> String {
    let mut token = String::from("demo-");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            token.push(byte.into());
        } else {
            token.push_str(&format!("%{byte:02X}"));
        }
    }
    token
}

pub(crate) struct Auth {
    accounts: RwLock<HashMap<Hash, Account>>,
}

impl Auth {
    /// Makes the accounts that were asked for, and those of the demo. Tokens given to an earlier run are void, but the demo's stay as long as there is a demo.
    pub(crate) fn prepare(db: &Db, users: &[(String, String)], demo: bool) -> Result<Self> {
        let accounts = db.write_now(|commit| {
            commit
                .sql
                .execute("DELETE FROM tokens WHERE demo = 0 OR NOT ?", [demo])?;
            for (name, token) in users {
                give(commit, name, token, Given::Own)?;
            }
            let is_free = |name: &&str| users.iter().all(|(user, _)| user != name);
            for name in DEMO_USERS.into_iter().filter(|name| demo && is_free(name)) {
                give(commit, name, &demo_token(name), Given::Demo)?;
            }
            let mut statement = commit.sql.prepare(
                "SELECT t.hash, a.id, a.name FROM tokens t JOIN accounts a ON a.id = t.account",
            )?;
            let found = statement.query_map([], |row| {
                Ok((
                    row.get(0)?,
                    Account {
                        id: row.get(1)?,
                        name: row.get::<_, String>(2)?.into(),
                    },
                ))
            })?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })?;
        Ok(Self {
            accounts: RwLock::new(accounts),
        })
    }

    /// Whose token it is; 401 where it is nobody's.
    pub(crate) fn account(&self, token: &str) -> Result<Account> {
        // A look-up by hash takes a time that tells nothing about the tokens that exist.
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        accounts
            .get(&hash(token))
            .cloned()
            .ok_or_else(Error::unauthorized)
    }

    pub(crate) fn account_of(&self, headers: &HeaderMap) -> Result<Account> {
        let value = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .ok_or_else(Error::unauthorized)?;
        let (scheme, token) = value.split_once(' ').ok_or_else(Error::unauthorized)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Error::unauthorized());
        }
        self.account(token.trim())
    }

    /// `POST /demo/sign-in`: the token of that name. A new name becomes an account, and a member of every open conversation. A name that was given a token of
    /// its own (`--user`) cannot be had so. A new guest becomes a member of nothing.
    pub(crate) fn sign_in(
        commit: &mut Commit<'_>,
        name: &str,
        guest: bool,
    ) -> Result<(String, Account)> {
        if name.is_empty() || name.chars().count() > 40 || name.chars().any(char::is_control) {
            return Err(Error::invalid("a name has 1 to 40 characters"));
        }
        let token = demo_token(name);
        if let Some(account) = account_named(&commit.sql, name)? {
            let own: bool = commit.sql.query_row(
                "SELECT EXISTS (SELECT 1 FROM tokens WHERE account = ? AND demo = 0)",
                [account.id],
                |row| row.get(0),
            )?;
            if own {
                return Err(Error::forbidden("this name has a token of its own"));
            }
        }
        let given = if guest { Given::Guest } else { Given::Demo };
        let account = give(commit, name, &token, given)?;
        Ok((token, account))
    }

    /// The token is good from now on. To be called once the commit that gave it is done.
    pub(crate) fn remember(&self, token: &str, account: Account) {
        self.accounts
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(hash(token), account);
    }
}

/// An account that is new becomes a member of every open conversation, unless it is a guest's.
fn give(commit: &mut Commit<'_>, name: &str, token: &str, given: Given) -> Result<Account> {
    let account = match account_named(&commit.sql, name)? {
        Some(account) => account,
        None if given == Given::Guest => commit.new_account(name)?,
        None => {
            let account = commit.new_account(name)?;
            let mut statement = commit
                .sql
                .prepare("SELECT id FROM conversations WHERE open = 1")?;
            let open = statement
                .query_map([], |row| row.get::<_, String>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            drop(statement);
            for conversation in open {
                let target = chat::target(commit, &conversation)?;
                chat::join(commit, &target, &account)?;
            }
            account
        }
    };
    commit
        .sql
        // What somebody is stays: a user of the demo is none the less for signing in as a guest.
        .prepare_cached("INSERT INTO tokens (hash, account, demo) VALUES (?, ?, ?) ON CONFLICT (hash) DO UPDATE SET account = excluded.account, demo = min(demo, excluded.demo)")?
        .execute(rusqlite::params![hash(token), account.id, given as i64])?;
    Ok(account)
}
