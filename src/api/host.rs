//! A client, as the facade holds it.

use std::rc::Rc;

use wasm_bindgen::prelude::*;

use super::driver::Driver;
use super::hooks::{Hooks, Witness};
use crate::core::Config;
use crate::core::net::{Error, ErrorCode};
use crate::core::node::Node;
use crate::net::{Transport, app::App, http};
use crate::store::{Mode, Store};

/// ms that the engine waits longer for an answer than the transport does.
const MARGIN: u64 = 10_000;

/// A client of one account. Freed, it lets go of everything at once, without a word.
#[wasm_bindgen]
pub struct Host(Rc<Driver>);

#[wasm_bindgen]
impl Host {
    /// Opens the account's store and starts the engine, which waits for [`promote`](Host::promote).
    ///
    /// Rejects with `{code,message}`: `invalid` for a wrong option, and `storage-newer`, `quota` or
    /// `storage` where the database does not open.
    pub async fn open(config: String, hooks: Hooks) -> Result<Host, JsValue> {
        Host::start(config, hooks)
            .await
            .map_err(|error| thrown(&error))
    }

    /// A command of the facade, JSON text.
    pub fn command(&self, json: String) {
        self.0.command(json);
    }

    /// This client has the account's lock: from here on it is the one that works.
    pub fn promote(&self) {
        self.0.promote();
    }
}

impl Host {
    async fn start(config: String, hooks: Hooks) -> Result<Host, Error> {
        let witness = Witness::new(&hooks);
        let invalid = |error: Error| Error {
            code: ErrorCode::Invalid,
            ..error
        };
        // What of the config is for this layer; the rest is the engine's.
        let options = Node::parse("config", &config).map_err(invalid)?;
        let mut config = Config::parse(&config)?;
        let account = options.text("account").map_err(invalid)?.to_owned();
        let net: Rc<dyn Transport> = match options.text("transport").map_err(invalid)? {
            "app" => App::new(hooks.clone().unchecked_into()),
            _ => {
                let base_url = options.text("baseUrl").map_err(invalid)?;
                let timeout = options.optional_whole("timeout").map_err(invalid)?;
                let timeout = timeout.unwrap_or(http::TIMEOUT);
                // The engine gives up only what the transport has forgotten to: twice, token and
                // request may each take their time.
                config.request_timeout = timeout.saturating_mul(4).saturating_add(MARGIN);
                http::Http::new(
                    base_url,
                    timeout,
                    config.scope,
                    hooks.clone().unchecked_into(),
                )?
            }
        };
        let mode = match options.optional_text("mode").map_err(invalid)? {
            Some("indexeddb") => Mode::IndexedDb,
            Some("memory") => Mode::Memory,
            _ => Mode::Auto,
        };
        Driver::open(config, account, mode, net, hooks, witness)
            .await
            .map(Host)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

/// Deletes all that is stored of an account. Rejects with `{code,message}`: `storage`.
#[wasm_bindgen]
pub async fn wipe_account(account: String) -> Result<(), JsValue> {
    Store::wipe(&account)
        .await
        .map_err(|error| thrown(&error.shown()))
}

/// An error as the facade takes it: `{code,message,status?,retryAfter?}`.
fn thrown(error: &Error) -> JsValue {
    js_sys::JSON::parse(&error.to_json()).unwrap_or_default()
}
