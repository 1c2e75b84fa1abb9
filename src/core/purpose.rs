//! What a request was for, and what it was asked for with: by that its answer is understood.

use std::rc::Rc;

use super::command::Call;
use super::net::Place;
use super::records::Name;

/// What a request was for.
#[derive(Debug)]
pub(super) enum Purpose {
    Pull(PullContext),
    Ack {
        pushed: bool,
        count: u32,
    },
    List {
        after: Option<String>,
        epoch: u64,
        limit: u32,
    },
    History {
        fetch: u64,
    },
    Send {
        name: Name,
    },
    Change {
        call: Call,
        conversation: Rc<str>,
    },
    Mark {
        conversation: Rc<str>,
        seq: u64,
    },
    /// `sync()`, asked of the writer (R15)
    Sync {
        call: Call,
    },
    /// what is new, told by the writer (docs/rules.md, "Told once")
    Tell {
        call: Call,
    },
    /// what the writer is to do, and nobody waits for: wishes that it takes up
    Grant,
}

/// What is asked for of a conversation's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// a page (R5)
    Page(Place),
    /// what changed in a kept segment since its cursor (R12)
    Changes { since: String, from: u64, to: u64 },
}

/// What a pull was asked for with.
#[derive(Debug, Default)]
pub(super) struct PullContext {
    /// the account's cursor
    pub cursor: Option<String>,
    /// the conversations' cursors
    pub cursors: Vec<(Rc<str>, String)>,
    /// just these conversations; none: all
    pub only: Option<Vec<Rc<str>>>,
    /// the last piece: it also asks for the conversations that no piece names
    pub rest: bool,
    /// events at most
    pub limit: u32,
    /// since when it waits at the server (monotonic ms), and for how many ms at most; none: it does not wait
    pub waits: Option<(u64, u64)>,
}

impl PullContext {
    /// Whether it waited at the server for something to come. Proxies end such requests, so that its failure says
    /// nothing of the network.
    pub fn is_waiting(&self) -> bool {
        self.waits.is_some()
    }

    /// Whether it was for all there is, at once.
    pub fn is_all(&self) -> bool {
        self.rest && self.only.is_none()
    }

    /// Whether it named some that it did not ask for.
    pub fn names_more(&self) -> bool {
        let only = self.only.as_ref();
        only.is_some_and(|only| self.cursors.len() > only.len())
    }

    /// The conversations that it was to bring.
    pub fn ids(&self) -> Vec<Rc<str>> {
        match &self.only {
            Some(only) => only.clone(),
            None => self.cursors.iter().map(|(id, _)| id.clone()).collect(),
        }
    }
}
