//! A client, as the facade holds it.

use std::rc::Rc;

use serde::Deserialize;
use wasm_bindgen::prelude::*;

use super::driver::{Driver, store_error};
use super::hooks::{Hooks, Witness};
use crate::core::Config;
use crate::core::net::{Error, ErrorCode};
use crate::net::{Transport, app::App, http};
use crate::store::{Mode, Store};

/// ms that the engine waits longer for an answer than the transport does.
const MARGIN: u64 = 10_000;

/// What of the config is for this layer; the rest is the engine's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    account: String,
    transport: Kind,
    base_url: Option<String>,
    /// ms
    timeout: Option<u64>,
    mode: Option<Stored>,
    /// those that the app's transport has
    #[serde(default)]
    methods: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Http,
    App,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stored {
    Auto,
    IndexedDb,
    Memory,
}

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
        let options: Options = serde_json::from_str(&config)
            .map_err(|error| Error::new(ErrorCode::Invalid, error.to_string()))?;
        let mut config = Config::parse(&config)?;
        let net: Rc<dyn Transport> = match options.transport {
            Kind::App => {
                config.can_listen = options.methods.iter().any(|method| method == "listen");
                App::new(hooks.clone().unchecked_into())
            }
            Kind::Http => {
                let Some(base_url) = &options.base_url else {
                    return Err(Error::new(
                        ErrorCode::Invalid,
                        "transport.baseUrl is missing",
                    ));
                };
                let timeout = options.timeout.unwrap_or(http::TIMEOUT);
                // The engine gives up only what the transport has forgotten to: twice, token and
                // request may each take their time.
                config.request_timeout = timeout.saturating_mul(4).saturating_add(MARGIN);
                http::Http::new(base_url, timeout, hooks.clone().unchecked_into())?
            }
        };
        let mode = match options.mode.unwrap_or(Stored::Auto) {
            Stored::Auto => Mode::Auto,
            Stored::IndexedDb => Mode::IndexedDb,
            Stored::Memory => Mode::Memory,
        };
        Driver::open(config, options.account, mode, net, hooks, witness)
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
        .map_err(|error| thrown(&store_error(error)))
}

/// An error as the facade takes it: `{code,message,status?,retryAfter?}`.
fn thrown(error: &Error) -> JsValue {
    serde_json::to_string(error)
        .ok()
        .and_then(|text| js_sys::JSON::parse(&text).ok())
        .unwrap_or_default()
}
