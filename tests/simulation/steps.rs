//! The steps of a history, as data: a history that failed prints as a test, which can be edited and kept.
//!
//! A step says what is done. What follows from it (delays, failures of the network and the store, and which
//! message the server takes) is drawn from the step's own chance.

use std::fmt;
use std::ops::Deref;

pub use super::device::Full;
pub use super::facade::Start;

/// A name or an id, that prints as an expression.
#[derive(Clone, PartialEq)]
pub struct Text(String);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text(text)
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}.into()", self.0)
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// what follows is drawn from
    pub chance: u64,
    /// what is done
    pub act: Act,
}

/// What is done in a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// what was drawn cannot be done now
    Nothing,
    /// time passes, ms
    Pass(u64),
    /// in this conversation
    Server(Text, ServerAct),
    /// a night passes: in most conversations something is new
    Night,
    /// on this device
    User(usize, UserAct),
    /// to this device, or around it
    Device(usize, DeviceAct),
    /// the server is down, ms
    Restart(u64),
}

#[derive(Clone, Debug, PartialEq)]
pub enum ServerAct {
    Post,
    Burst(u64),
    /// an id is handed out
    Reserve,
    /// what has an id is committed
    CommitLate,
    Change,
    Trim,
    LeaveOrReturn,
    Rename,
    /// this conversation begins
    Found(Text),
    UnknownEvent,
}

#[derive(Clone, Debug, PartialEq)]
pub enum UserAct {
    /// and so many more lists, on conversations that are drawn
    Open {
        conversation: Text,
        start: Start,
        more: u64,
    },
    Close {
        timeline: u64,
    },
    Attach {
        timeline: u64,
    },
    Release {
        timeline: u64,
    },
    Load {
        timeline: u64,
        newer: bool,
        limit: u64,
    },
    /// these items are on screen
    Look {
        timeline: u64,
        first: usize,
        last: usize,
    },
    Jump {
        timeline: u64,
        to: Start,
    },
    Send {
        conversation: Text,
        twice: bool,
    },
    Retry {
        client_id: Text,
    },
    Discard {
        client_id: Text,
    },
    /// an edit under this name, or a recall
    Change {
        timeline: u64,
        message: Text,
        edit: Option<u64>,
    },
    /// up to this position, or to what is on screen
    MarkRead {
        timeline: u64,
        seq: Option<u64>,
    },
    Sync,
    /// a service worker is told that something is new
    SyncOnce,
    Inspect {
        conversation: Option<Text>,
    },
    /// this call
    Abort {
        of: u64,
    },
    /// the client is closed
    End,
}

impl UserAct {
    /// The list that it is about.
    pub fn timeline(&self) -> Option<u64> {
        match self {
            UserAct::Close { timeline }
            | UserAct::Attach { timeline }
            | UserAct::Release { timeline }
            | UserAct::Load { timeline, .. }
            | UserAct::Look { timeline, .. }
            | UserAct::Jump { timeline, .. }
            | UserAct::Change { timeline, .. }
            | UserAct::MarkRead { timeline, .. } => Some(*timeline),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum DeviceAct {
    /// the machine's clock is off by so many ms
    Clock(i64),
    /// records can be read again
    Mend,
    /// a record cannot be read any more
    Spoil,
    Disk(Option<Full>),
    /// the network goes, or comes back
    Link,
    /// the notification channel is closed
    Channel,
    /// the machine sleeps, or the page is frozen
    Sleep {
        ms: u64,
        frozen: bool,
    },
    /// the page is hidden, or shown
    Visibility,
    Crash,
    /// the user signs out: what is stored is deleted
    Wipe,
    /// the browser deletes the database under its machine's clients
    Evict,
}

/// A test that runs these steps: Rust, to be pasted into `tests/simulation/kept.rs`.
pub fn as_test(seed: u64, spared: &[usize], steps: &[Step]) -> String {
    let mut out = format!("#[test]\nfn seed_{seed}() {{\n    holds({seed}, &{spared:?}, vec![\n");
    for Step { chance, act } in steps.iter().filter(|step| step.act != Act::Nothing) {
        out.push_str(&format!(
            "        Step {{ chance: {chance:#x}, act: {act:?} }},\n"
        ));
    }
    out.push_str("    ]);\n}\n");
    out
}
