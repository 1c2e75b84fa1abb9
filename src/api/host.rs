//! A client, as the facade holds it.

use std::rc::Rc;

use serde::de::DeserializeOwned;
use serde_wasm_bindgen::Deserializer;
use wasm_bindgen::prelude::*;

use super::driver::Driver;
use super::hooks::{Hooks, PanicListener};
use crate::core::Config;
use crate::core::command::Command;
use crate::core::net::Error;
use crate::core::reading::{self, invalid};
use crate::core::storage::SCHEMA;
use crate::net::{Transport, app::App, http};

/// ms that the engine waits longer for an answer than the transport does.
const MARGIN: u64 = 10_000;

/// The number of the stored format: clients of another one do not share (R15).
#[wasm_bindgen]
pub fn schema() -> u32 {
    SCHEMA
}

/// A client of one account. Freed, it lets go of everything at once, without a word.
#[wasm_bindgen]
pub struct Host {
    driver: Rc<Driver>,
    /// what a list has that does not say otherwise
    page_size: u32,
}

#[wasm_bindgen]
impl Host {
    /// Opens the account's store and starts the engine, which waits for [`promote`](Host::promote).
    ///
    /// Rejects with `{code,message}`: `invalid` for a wrong option, and `storage-newer`, `quota` or
    /// `storage` where the database does not open.
    pub async fn open(config: JsValue, hooks: Hooks) -> Result<Host, JsValue> {
        Host::start(config, hooks)
            .await
            .map_err(|error| thrown(&error))
    }

    /// A command of the facade, `{op, …}`. Gives the error of one that is wrong, and then nothing is done.
    pub fn command(&self, command: JsValue) -> JsValue {
        match self.read_command(command) {
            Ok(command) => {
                self.driver.command(command);
                JsValue::UNDEFINED
            }
            Err(error) => thrown(&error),
        }
    }

    /// The error of a command that is wrong; it is done later, or not at all.
    pub fn check(&self, command: JsValue) -> JsValue {
        let read = self.read_command(command);
        read.map_or_else(|error| thrown(&error), |_| JsValue::UNDEFINED)
    }

    /// This client has the account's lock: from here on it is the one that works.
    pub fn promote(&self) {
        self.driver.promote();
    }

    /// It has let go of the account's lock: it does not ask, send or write any more, until it is
    /// promoted again; then it reads first what is stored.
    pub fn demote(&self) {
        self.driver.demote();
    }

    /// Another client of the account has told this (the hook `tell`).
    pub fn heard(&self, bytes: Vec<u8>) {
        self.driver.heard(bytes);
    }

    /// Finishes the commit that is running, and writes nothing more, as after [`demote`](Host::demote). The
    /// promise resolves then.
    pub fn rest_after_commit(&self) -> js_sys::Promise {
        self.driver.rest()
    }

    /// The page goes to sleep (`freeze`, each `pagehide`): no transaction of this client is under way
    /// when this returns. To be called in the event's handler, before the engine is told.
    pub fn sleep(&self) {
        self.driver.sleep();
    }

    /// The page is awake (`resume`, `pageshow`): what it slept over is done.
    pub fn wake(&self) {
        self.driver.wake();
    }
}

impl Host {
    async fn start(config: JsValue, hooks: Hooks) -> Result<Host, Error> {
        let witness = PanicListener::new(&hooks);
        let mut config = read::<Config>(config)?.checked()?;
        let net: Rc<dyn Transport> = match config.methods {
            Some(_) => App::new(hooks.clone().unchecked_into()),
            None if config.base_url.is_empty() => {
                return Err(invalid("transport.baseUrl is missing"));
            }
            None => {
                // The engine gives up only what the transport has forgotten to: twice, token and
                // request may each take their time.
                config.request_timeout = config.timeout.saturating_mul(4).saturating_add(MARGIN);
                http::Http::new(
                    &config.base_url,
                    config.timeout,
                    config.scope,
                    hooks.clone().unchecked_into(),
                )?
            }
        };
        let page_size = config.page_size;
        let driver = Driver::open(config, net, hooks, witness).await?;
        Ok(Host { driver, page_size })
    }

    fn read_command(&self, command: JsValue) -> Result<Command, Error> {
        read::<Command>(command)?.checked(self.page_size)
    }
}

fn read<T: DeserializeOwned>(value: JsValue) -> Result<T, Error> {
    reading::read(Deserializer::from(value))
}

impl Drop for Host {
    fn drop(&mut self) {
        self.driver.let_go();
    }
}

/// An error as the facade takes it: `{code,message,status?,retryAfter?}`.
fn thrown(error: &Error) -> JsValue {
    js_sys::JSON::parse(&error.to_json()).unwrap_or_default()
}
