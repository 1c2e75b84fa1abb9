//! The options of a client. What one is by default, and what it may be, is said here and nowhere else.

use serde::Deserialize;
use serde::de::Deserializer;

use super::error::Error;
use super::limits::Limits;
use super::reading::{DELAY, SCREEN, Whole, invalid, readers, small};
use super::storage::Mode;
use super::types::MAX_EXACT;
use super::wire::limits::MAX_EVENTS;

/// What starts a pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    expecting = "`socket`, `long-poll` or `poll`"
)]
pub enum Notify {
    /// the notification channel
    #[default]
    Socket,
    /// a pull that waits at the server for something to come
    LongPoll,
    /// the timer alone
    Poll,
}

/// Whose the cursor is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(
    rename_all = "lowercase",
    expecting = "`account`, `conversation` or `mailbox`"
)]
pub enum Scope {
    /// the account's
    #[default]
    Account,
    /// each conversation's
    Conversation,
    /// nobody's: the server keeps what is not acknowledged
    Mailbox,
}

impl Scope {
    /// Its name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Account => "account",
            Scope::Conversation => "conversation",
            Scope::Mailbox => "mailbox",
        }
    }

    /// The function of an app's transport that pulls.
    pub fn pull(self) -> &'static str {
        self.methods()[0]
    }

    /// What an app's transport must be able to do.
    fn methods(self) -> &'static [&'static str] {
        match self {
            Scope::Account => &["pull", "conversations", "history"],
            Scope::Conversation => &["pullConversations", "conversations", "history"],
            Scope::Mailbox => &["pullMailbox", "acknowledge", "conversations", "history"],
        }
    }
}

/// What becomes of segments on SyncGapOverflow (R4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", expecting = "`clear` or `keep`")]
pub enum OverflowPolicy {
    /// they go
    #[default]
    Clear,
    /// they stay, not fresh, and are revalidated when shown (R12)
    Keep,
}

/// What a client does while another one of the account is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IfOpen {
    /// both show everything and may do everything (R15)
    #[default]
    Share,
    /// it shows what is stored until the others have gone
    Wait,
    /// the others close
    TakeOver,
}

/// The options of a client (`ClientOptions`), each by its own name.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// names the store
    pub account: String,
    /// what the app's transport can do; `None`: the built-in one is used
    pub methods: Option<Vec<String>>,
    /// where the built-in transport's server is
    pub base_url: String,
    /// ms that the built-in transport waits for an answer
    #[serde(deserialize_with = "timeout")]
    pub timeout: u64,
    /// where the data is to be kept
    #[serde(deserialize_with = "mode")]
    pub mode: Mode,
    /// "indexeddb" or "memory": what was opened
    #[serde(skip)]
    pub storage: String,
    /// what starts a pull
    #[serde(deserialize_with = "notify")]
    pub notify: Notify,
    /// whose the cursor is
    #[serde(deserialize_with = "scope")]
    pub scope: Scope,
    /// what an overflow does
    #[serde(deserialize_with = "overflow")]
    pub overflow: OverflowPolicy,
    /// whether the transport has a notification channel
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub can_listen: bool,
    /// whether the transport has `changes` (R12)
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub can_revalidate: bool,
    /// whether a page is fetched before it is asked for
    #[serde(deserialize_with = "prefetch")]
    pub prefetch: bool,
    /// whether the connection says that it is metered
    pub metered: bool,
    /// what it does while another client of the account is open
    #[serde(deserialize_with = "if_open")]
    pub if_open: IfOpen,
    /// The epoch under which this client writes from the beginning; `None`: another one has the account
    /// (R15). The facade only says whether it holds the lock: who opens the store sets this.
    #[serde(rename = "promoted", deserialize_with = "unset_epoch")]
    pub epoch: Option<u64>,
    /// what the browser says of the network
    pub online: bool,
    /// whether the page is hidden
    pub hidden: bool,
    /// the app's log is told of each request and each commit
    pub verbose: bool,
    /// it is there for one sync: it does not wait for a writer as long as others, and is never on screen
    pub brief: bool,
    /// ms between timed pulls while notified
    #[serde(deserialize_with = "poll_interval")]
    pub poll_interval: u64,
    /// ms between timed pulls while not
    #[serde(deserialize_with = "fallback_poll_interval")]
    pub fallback_poll_interval: u64,
    /// least ms between two pulls
    #[serde(deserialize_with = "min_pull_interval")]
    pub min_pull_interval: u64,
    /// events asked for at a time
    #[serde(deserialize_with = "pull_limit")]
    pub pull_limit: u32,
    /// cached messages at most
    #[serde(deserialize_with = "max_messages")]
    pub max_messages: u64,
    /// messages in a screen
    #[serde(deserialize_with = "page_size")]
    pub page_size: u32,
    /// ms before a request counts as lost; a built-in transport has its own, which is shorter
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub request_timeout: u64,
    /// every bound
    #[serde(skip)]
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            account: String::new(),
            methods: None,
            base_url: String::new(),
            timeout: 15_000,
            mode: Mode::default(),
            storage: String::new(),
            notify: Notify::default(),
            scope: Scope::default(),
            overflow: OverflowPolicy::default(),
            can_listen: true,
            can_revalidate: true,
            prefetch: true,
            metered: false,
            if_open: IfOpen::default(),
            epoch: None,
            online: true,
            hidden: false,
            verbose: false,
            brief: false,
            poll_interval: 30_000,
            fallback_poll_interval: 5_000,
            min_pull_interval: 0,
            pull_limit: 500,
            max_messages: 1_000_000,
            page_size: 30,
            request_timeout: 15_000,
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Checks what serde cannot: options that are right by themselves and wrong together.
    ///
    /// # Errors
    /// `invalid`, with the option's name.
    pub fn checked(mut self) -> Result<Config, Error> {
        let scope = self.scope.name();
        if self.account.is_empty() {
            return Err(invalid("account is a text that is not empty"));
        }
        if self.notify == Notify::LongPoll && self.scope != Scope::Account {
            return Err(invalid(format!(
                "sync.notify \"long-poll\" needs sync.scope \"account\": only its pull can wait for something to come. With \"{scope}\", use \"socket\" or \"poll\""
            )));
        }
        if let Some(methods) = &self.methods {
            let has = |method: &str| methods.iter().any(|one| one == method);
            if let Some(method) = self.scope.methods().iter().find(|method| !has(method)) {
                return Err(invalid(format!(
                    "transport.{method} is missing: sync.scope \"{scope}\" needs it"
                )));
            }
            self.can_listen = has("listen");
            self.can_revalidate = has("changes");
        }
        // What the reader takes.
        self.pull_limit = self.pull_limit.min(MAX_EVENTS as u32);
        Ok(self)
    }

    /// From JSON text.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn from_json(text: &str) -> Result<Config, Error> {
        super::reading::read::<Config, _>(&mut serde_json::Deserializer::from_str(text))?.checked()
    }
}

readers! {
    timeout: u64 = "transport.timeout", |from: D| from.deserialize_f64(DELAY);
    mode: Mode = "storage.mode", Mode::deserialize;
    max_messages: u64 = "storage.maxMessages", |from: D| from.deserialize_f64(Whole(1, MAX_EXACT));
    notify: Notify = "sync.notify", Notify::deserialize;
    scope: Scope = "sync.scope", Scope::deserialize;
    poll_interval: u64 = "sync.pollInterval", |from: D| from.deserialize_f64(DELAY);
    fallback_poll_interval: u64 = "sync.fallbackPollInterval", |from: D| from.deserialize_f64(DELAY);
    min_pull_interval: u64 = "sync.minPullInterval", |from: D| from.deserialize_f64(Whole(0, DELAY.1));
    pull_limit: u32 = "sync.pullLimit", |from: D| small(from, Whole(1, 100_000));
    overflow: OverflowPolicy = "overflow", OverflowPolicy::deserialize;
    if_open: IfOpen = "ifOpen", IfOpen::deserialize;
    prefetch: bool = "prefetch", bool::deserialize;
    page_size: u32 = "pageSize", |from: D| small(from, SCREEN);
}

fn unset_epoch<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let promoted = bool::deserialize(from)?;
    Ok(promoted.then_some(0))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::core::error::ErrorCode;

    #[test]
    fn what_is_not_said_has_its_default() {
        let config = Config::from_json(r#"{"account":"ann","baseUrl":"https://chat.example"}"#);
        let config = config.unwrap();
        assert_eq!(
            format!("{config:?}"),
            format!(
                "{:?}",
                Config {
                    account: "ann".into(),
                    base_url: "https://chat.example".into(),
                    ..Config::default()
                }
            )
        );
        assert!(config.epoch.is_none() && config.can_listen && config.prefetch);
    }

    #[test]
    fn a_wrong_option_is_named() {
        for (name, wrong) in [
            ("transport.timeout", r#""timeout":0"#),
            ("storage.mode", r#""mode":"disk""#),
            ("storage.maxMessages", r#""maxMessages":9007199254740992"#),
            ("sync.notify", r#""notify":"pigeon""#),
            ("sync.scope", r#""scope":"device""#),
            ("sync.scope", r#""scope":null"#),
            ("sync.pollInterval", r#""pollInterval":0"#),
            ("sync.pollInterval", r#""pollInterval":null"#),
            (
                "sync.fallbackPollInterval",
                r#""fallbackPollInterval":2147483648"#,
            ),
            ("sync.minPullInterval", r#""minPullInterval":-1"#),
            ("sync.pullLimit", r#""pullLimit":"5""#),
            ("sync.pullLimit", r#""pullLimit":100001"#),
            ("overflow", r#""overflow":"drop""#),
            ("pageSize", r#""pageSize":1.5"#),
            ("pageSize", r#""pageSize":1001"#),
            ("prefetch", r#""prefetch":"often""#),
            ("prefetch", r#""prefetch":null"#),
        ] {
            let error = Config::from_json(&format!(r#"{{"account":"ann",{wrong}}}"#)).unwrap_err();
            assert_eq!(error.code, ErrorCode::Invalid, "{wrong}");
            let named = error.message.starts_with(&format!("{name}: "));
            assert!(named, "{wrong}: {}", error.message);
        }
        let error = Config::from_json(r#"{"account":"ann","pollInterval":0}"#).unwrap_err();
        let said = "sync.pollInterval: invalid value: integer `0`, expected an integer from 1 to 2147483647";
        assert!(error.message.starts_with(said), "{}", error.message);
        assert!(
            Config::from_json("{}")
                .unwrap_err()
                .message
                .starts_with("account ")
        );
    }

    #[test]
    fn long_poll_is_refused_where_no_pull_can_wait() {
        for (scope, fits) in [
            ("account", true),
            ("conversation", false),
            ("mailbox", false),
        ] {
            let config = format!(r#"{{"account":"ann","scope":"{scope}","notify":"long-poll"}}"#);
            let read = Config::from_json(&config);
            assert_eq!(read.is_ok(), fits, "{scope}");
            if let Err(error) = read {
                let says = |what: &str| error.message.contains(what);
                assert!(says("\"account\"") && says("wait") && says(scope));
            }
        }
    }

    #[test]
    fn a_transport_has_the_functions_that_its_scope_needs() {
        for (scope, own) in [
            ("account", vec!["pull"]),
            ("conversation", vec!["pullConversations"]),
            ("mailbox", vec!["pullMailbox", "acknowledge"]),
        ] {
            let needed = [own, vec!["conversations", "history"]].concat();
            let with = |methods: &[&str]| {
                let config =
                    format!(r#"{{"account":"ann","scope":"{scope}","methods":{methods:?}}}"#);
                Config::from_json(&config)
            };
            let config = with(&needed).unwrap();
            assert!(!config.can_listen && !config.can_revalidate);
            for missing in &needed {
                let methods = [&needed[..], &["listen", "changes"]].concat();
                assert!(with(&methods).unwrap().can_listen);
                let methods: Vec<&str> = methods.into_iter().filter(|m| m != missing).collect();
                let error = with(&methods).unwrap_err();
                let said =
                    format!("transport.{missing} is missing: sync.scope \"{scope}\" needs it");
                assert_eq!((error.code, error.message), (ErrorCode::Invalid, said));
            }
        }
    }
}
