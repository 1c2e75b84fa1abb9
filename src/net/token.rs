//! The account's token: asked for once for all that need it, held in memory only, in no log.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Object, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::time::within;
use super::{Hooks, message_of, own_error, promise};
use crate::core::net::{Error, ErrorCode};

/// Bytes of a token that a browser and a server may take: servers have limits of 8 to 64 KB.
const LONGEST: usize = 64 << 10;

/// A token as it was given; the same one is the same `Rc`.
pub(super) type Token = Rc<str>;

pub(super) struct Tokens {
    hooks: Hooks,
    /// ms that the provider may take
    timeout: u64,
    held: RefCell<Option<Token>>,
    /// the provider's answer to come: all that ask meanwhile wait for this one
    asked: RefCell<Option<Promise>>,
}

impl Tokens {
    pub(super) fn new(hooks: Hooks, timeout: u64) -> Tokens {
        Tokens {
            hooks,
            timeout,
            held: RefCell::default(),
            asked: RefCell::default(),
        }
    }

    /// The token; asks the provider where there is none.
    ///
    /// Errors: `unauthorized`, where the provider refuses one by a `PullcordError` of that code; else
    /// what may be tried again: `network` or `timeout`. A provider asks a server of its own, and fails in
    /// a hundred ways where that cannot be reached: none of them may wait for the user to sign in.
    pub(super) async fn get(&self) -> Result<Token, Error> {
        if let Some(token) = &*self.held.borrow() {
            return Ok(token.clone());
        }
        let running = self.asked.borrow().clone();
        let asked = match running {
            Some(asked) => asked,
            None => {
                // Not under a borrow: the provider is the app's code and may call anything.
                let asked = match self.hooks.token() {
                    Ok(answer) => promise(&answer),
                    Err(thrown) => return Err(provider_error(&thrown)),
                };
                self.asked.replace(Some(asked.clone()));
                asked
            }
        };
        let answer = within(self.timeout, JsFuture::from(asked.clone())).await;
        // Only the latest question counts: `forget` may have come in between. And one that hangs is
        // not waited for again, or it would hang the client for good.
        let latest = self
            .asked
            .borrow()
            .as_ref()
            .is_some_and(|latest| Object::is(latest, &asked));
        if latest {
            self.asked.replace(None);
        }
        match answer {
            None => Err(Error::new(
                ErrorCode::Timeout,
                "the token provider did not answer in time",
            )),
            Some(Err(thrown)) => Err(provider_error(&thrown)),
            Some(Ok(given)) => {
                let token = checked(&given)?;
                if latest {
                    self.held.replace(Some(token.clone()));
                    return Ok(token);
                }
                // Another that waited for the same answer holds it already: one answer, one token.
                match &*self.held.borrow() {
                    Some(held) if *held == token => Ok(held.clone()),
                    _ => Ok(token),
                }
            }
        }
    }

    /// The server refused this token. Does nothing when another has taken its place since, so that
    /// any number of requests refused together ask once.
    pub(super) fn refuse(&self, token: &Token) {
        let mut held = self.held.borrow_mut();
        if held.as_ref().is_some_and(|held| Rc::ptr_eq(held, token)) {
            *held = None;
        }
    }

    /// The next `get` asks.
    pub(super) fn forget(&self) {
        self.held.replace(None);
        self.asked.replace(None);
    }
}

/// A token that a header can carry.
fn checked(given: &JsValue) -> Result<Token, Error> {
    let unusable = |why| Err(Error::new(ErrorCode::Network, why));
    match given.as_string() {
        None => unusable("the token provider gave no string"),
        Some(token) if token.is_empty() => unusable("the token provider gave an empty token"),
        // One that is held and never gets anywhere would never be refused either.
        Some(token) if token.len() > LONGEST => {
            unusable("the token is too long for an HTTP header")
        }
        Some(token) if !token.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => {
            unusable("the token has characters that an HTTP header cannot carry")
        }
        Some(token) => Ok(token.into()),
    }
}

fn provider_error(thrown: &JsValue) -> Error {
    let own = own_error(thrown);
    let code = own.as_ref().map_or(ErrorCode::Network, |error| error.code);
    if let (ErrorCode::Unauthorized, Some(error)) = (code, own.clone()) {
        return error;
    }
    let mut message = String::from("the token provider failed: ");
    message.push_str(&message_of(thrown));
    Error {
        // Neither its status nor its code is the server's that the token is for.
        retry_after: own.and_then(|error| error.retry_after),
        ..Error::new(
            match code {
                ErrorCode::Timeout => code,
                _ => ErrorCode::Network,
            },
            message,
        )
    }
}
