//! One bad item (R14): what was stored and cannot be read, conversations in doubt, and answers of
//! another account.

use std::rc::Rc;

use super::Engine;
use crate::core::block::BlockId;
use crate::core::fault::Fault;
use crate::core::follow::What;
use crate::core::irregular::{Done, Irregular};
use crate::core::jobs::Job;
use crate::core::purpose::Purpose;
use crate::core::records;
use crate::core::storage::Key;
use crate::core::tx::Lost;

impl Engine {
    /// Records that cannot be read, though their neighbours can: what the server has is fetched again,
    /// an own message stays.
    pub(super) fn tell_lost(&mut self, lost: &Lost) {
        if lost.count() == 0 {
            return;
        }
        let detail = format!(
            "{} records cannot be read: own messages stay, the rest is fetched again",
            lost.count()
        );
        self.out.storage_event("corrupt", &detail);
        let mut irregular = Irregular::default();
        let ids = |keys: &[Key]| -> Vec<Rc<str>> {
            let ids = keys.iter().filter_map(|key| records::conversation_of(key));
            ids.collect()
        };
        let (indexes, states) = (ids(&lost.indexes), ids(&lost.states));
        for _ in &lost.own {
            let what = "an own message, or read mark, that is stored";
            irregular.add(None, None, what, Done::Kept);
        }
        for id in &indexes {
            let what = "the index of a conversation's messages";
            irregular.add(Some(id), None, what, Done::Dropped);
        }
        for id in &states {
            irregular.add(Some(id), None, "a conversation's state", Done::Dropped);
        }
        for _ in 0..lost.others {
            irregular.add(None, None, "a stored record", Done::Dropped);
        }
        self.out.tell_irregular("stored", None, &irregular);
        let none = indexes.is_empty() && states.is_empty();
        let blocks = Vec::new();
        if !self.standing.promoted {
            // Where states are lost this client takes the list for owed. The writer's account record says whether it
            // is.
            let meta = lost.others > 0 || !states.is_empty();
            self.ask_to_mend(blocks, indexes, states, meta);
        } else if !none {
            self.jobs.push_first(Job::Corrupt {
                blocks,
                indexes,
                states,
                meta: false,
                call: None,
            });
        }
    }

    /// Asks the writer to mend what cannot be read here. It may have it in memory, and not know that it cannot be read.
    fn ask_to_mend(
        &mut self,
        blocks: Vec<BlockId>,
        indexes: Vec<Rc<str>>,
        states: Vec<Rc<str>>,
        meta: bool,
    ) {
        if blocks.is_empty() && indexes.is_empty() && states.is_empty() && !meta {
            return;
        }
        if self.standing.follows() {
            let what = What::Corrupt {
                blocks,
                indexes,
                states,
                meta,
            };
            let (_, mut cx) = self.split();
            cx.ask(what, Purpose::Grant);
        }
    }

    /// Records of the store's own could not be read, and are written anew.
    pub(super) fn tell_put_right(&mut self, detail: &str) {
        self.out.storage_event("corrupt", detail);
        let mut irregular = Irregular::default();
        irregular.add(None, None, "a record of the store's own", Done::Repaired);
        self.out.tell_irregular("stored", None, &irregular);
    }

    /// Blocks are missing or do not check: their segments are not what they say.
    pub(super) fn lose_blocks(&mut self, blocks: Vec<BlockId>) {
        let Some((first, _)) = blocks.first() else {
            return;
        };
        if !self.standing.promoted {
            // A later commit may have moved these blocks: the database is read.
            let news = !Fault::ChangedBlockIsLost.on();
            if news && self.standing.follows() && self.follow.lacks_blocks(self.db.stamp()) {
                return self.load();
            }
            // Else the writer is asked to mend them. Until then nothing of their conversations is shown from the store.
            for (conversation, _) in &blocks {
                self.forget_held(conversation);
            }
            return self.ask_to_mend(blocks, Vec::new(), Vec::new(), false);
        }
        let detail = format!("a block of {first} did not check: what was in it is fetched again");
        self.out.storage_event("corrupt", &detail);
        let mut irregular = Irregular::default();
        for (id, _) in &blocks {
            irregular.add(Some(id), None, "a block of messages", Done::Dropped);
        }
        self.out.tell_irregular("stored", None, &irregular);
        self.jobs.push_first(Job::Corrupt {
            blocks,
            indexes: Vec::new(),
            states: Vec::new(),
            meta: false,
            call: None,
        });
    }

    // ------------------------------------------------------------ in doubt

    pub(super) fn drive_doubts(&mut self) {
        let (parts, mut cx) = self.split();
        parts.doubts.drive(&mut cx, parts.timelines.conversations());
    }

    pub(super) fn doubts_due(&mut self) -> Option<u64> {
        let (parts, cx) = self.split();
        parts.doubts.due(&cx, parts.timelines.conversations())
    }
}
