//! What `Client.inspect` says of the store and the network (`Inspection`).

use serde::{Serialize, Serializer};

use super::Engine;
use crate::core::command::Call;
use crate::core::records::LocalState;
#[cfg(not(target_arch = "wasm32"))]
use crate::core::records::Stamp;
use crate::core::requests::Counts;
use crate::core::snapshot::locals;
#[cfg(not(target_arch = "wasm32"))]
use crate::core::standing::Phase;
#[cfg(not(target_arch = "wasm32"))]
use crate::core::storage::Answer;
use crate::core::storage::SCHEMA;
#[cfg(not(target_arch = "wasm32"))]
use crate::core::tx::Committed;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inspection<'a> {
    cursor: Option<&'a str>,
    schema: u32,
    commit: Commit,
    cached_messages: u64,
    stored_bytes: u64,
    outbox: usize,
    segments: Vec<Segment>,
    requests: Counts,
}

/// The newest commit that is known here, with its writer's epoch (R9, R15).
#[derive(Serialize)]
struct Commit {
    epoch: u64,
    number: u64,
}

/// A segment of the conversation that was asked for.
#[derive(Serialize)]
struct Segment {
    #[serde(serialize_with = "digits")]
    lo: u64,
    #[serde(serialize_with = "digits")]
    hi: u64,
    count: u64,
    live: bool,
    start: bool,
    fresh: bool,
}

/// A position: always a string, so that none above 2^53 loses digits.
fn digits<S: Serializer>(position: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(position)
}

impl Engine {
    pub(super) fn inspect(&mut self, call: Call, conversation: Option<&str>) {
        let blocks = self.db.histories().values().flat_map(|held| &held.blocks);
        let stored_bytes = blocks.map(|block| u64::from(block.bytes)).sum();
        let locals = locals(&self.db, &self.outbox, None);
        let unsent = locals.iter().filter(|(l, _)| l.state != LocalState::Sent);
        let segments = conversation.map(|id| {
            let held = self.db.held(id);
            let segment = |s: &crate::core::segments::Segment| Segment {
                lo: s.lo,
                hi: s.hi,
                count: held
                    .blocks
                    .iter()
                    .filter(|block| s.contains(block.lo))
                    .map(|block| u64::from(block.count))
                    .sum(),
                live: s.live,
                start: s.start,
                fresh: s.fresh(),
            };
            held.segments.iter().map(segment).collect()
        });
        let stamp = self.db.stamp();
        let inspection = Inspection {
            cursor: self.db.meta().cursor.as_deref(),
            schema: SCHEMA,
            commit: Commit {
                epoch: stamp.epoch,
                number: stamp.number,
            },
            cached_messages: self.db.messages(),
            stored_bytes,
            outbox: unsent.count(),
            segments: segments.unwrap_or_default(),
            requests: self.out.requests.counts(),
        };
        // Nothing of it is a map of other keys than texts, or refuses to be written.
        let text = serde_json::to_string(&inspection).unwrap_or_else(|_| "null".into());
        self.out.resolve(call, &text);
    }
}

/// What the simulation compares.
#[cfg(not(target_arch = "wasm32"))]
impl Engine {
    /// The newest commit that is known here; none, while what is stored is read for the first time.
    pub fn stamp(&self) -> Option<Stamp> {
        let stamp = self.db.stamp();
        match self.standing.phase {
            Phase::Ready => Some(stamp),
            Phase::Loading => None,
            Phase::Closed => Some(stamp).filter(|stamp| *stamp != Stamp::default()),
        }
    }

    /// How its parts stand.
    pub fn parts(&self) -> String {
        format!(
            "{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
            self.standing, self.outbox, self.follow, self.out.asks, self.jobs
        )
    }

    /// What is known here and is not what a load of these tables gives: the names of those parts, and both
    /// as they are. Wishes are not compared: their clients write and tell them by themselves.
    pub fn differs_from(&self, tables: Vec<Answer>) -> Option<String> {
        let (mut stored, lost) = Committed::load(tables);
        stored.begin(self.config.scope.name(), &lost, self.now.wall);
        self.db.differs_from(&stored)
    }
}
