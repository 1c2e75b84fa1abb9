//! Reading a list back, from one end to the other: together that is all that the server has.

use std::collections::{BTreeMap, BTreeSet};

use super::World;
use crate::simulation::check::{self, Checked};
use crate::simulation::facade::View;
use crate::simulation::mode::Wide;

/// Looks of 5 s in which somebody who reads a list to its end waits until it is fresh.
const PATIENCE: u32 = 12;

impl World {
    /// Pages a list in one direction for as long as it says that there is more, and notes all that it shows.
    fn page_to_end(
        &mut self,
        device: usize,
        id: u64,
        newer: bool,
        (seen, stale): (&mut BTreeMap<u64, u64>, &mut BTreeSet<u64>),
    ) -> Checked {
        let (mut turns, mut end) = (0, None);
        loop {
            let view = &self.devices[device].facade.timelines[&id];
            note_shown(view, seen, stale);
            let more = [view.has_older, view.has_newer][usize::from(newer)];
            if !more {
                return Ok(());
            }
            // Only turns that bring nothing are counted: on a slow line a page takes its time.
            let shown = view.messages().map(|(_, message, _)| message.seq);
            let now = if newer { shown.max() } else { shown.min() };
            let is_on = match (end, now) {
                (Some(end), Some(now)) => newer == (now > end) && now != end,
                (end, now) => end.is_none() && now.is_some(),
            };
            if is_on {
                (turns, end) = (0, now);
            } else if turns == 200 {
                let conversation = &view.conversation;
                return Err(format!("{conversation} has no end: {}", check::draw(view)));
            }
            self.scroll(device, id, newer)?;
            turns += 1;
        }
    }

    /// Loads a page, or as many as a window holds, as somebody who scrolls: what is on screen is where the
    /// list grows.
    fn scroll(&mut self, device: usize, id: u64, newer: bool) -> Checked {
        let view = &self.devices[device].facade.timelines[&id];
        let mut limit = view.page_size;
        let last = view.items.len().checked_sub(1);
        if let Some(edge) = last.map(|last| if newer { last } else { 0 }) {
            self.looks_at(device, id, (edge, edge))?;
        }
        if self.mode.world != Wide::Small {
            limit = limit.max((5 * limit).min(self.mode.limits.items as u64 / 3));
        }
        self.load(device, id, newer, limit)?;
        self.pass(5_000)?;
        self.wait_for_fresh(device, id)
    }

    /// Waits on a slow line until what a list shows is fresh, as somebody who wants to read it all does: before a
    /// message that is not, others may be missing. What stays for good ends the wait.
    fn wait_for_fresh(&mut self, device: usize, id: u64) -> Checked {
        if self.mode.rate.is_none() {
            return Ok(());
        }
        let fresh = |world: &Self| world.devices[device].facade.timelines[&id].is_fresh();
        for _ in 0..PATIENCE {
            if fresh(self) {
                break;
            }
            self.pass(5_000)?;
        }
        Ok(())
    }

    /// Pages each open list from one end to the other: together that is all that the server has.
    pub(super) fn read_back(&mut self, device: usize) -> Checked {
        let ids: Vec<u64> = self.devices[device]
            .facade
            .timelines
            .keys()
            .copied()
            .collect();
        for id in ids {
            let view = &self.devices[device].facade.timelines[&id];
            let conversation = view.conversation.clone();
            if !self.server.conversations[&conversation].member || view.status != "ready" {
                continue;
            }
            let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
            // What was only shown as not fresh may be gone from the server.
            let mut stale: BTreeSet<u64> = BTreeSet::new();
            for newer in [false, true] {
                self.page_to_end(device, id, newer, (&mut seen, &mut stale))?;
            }
            let target = &self.devices[device];
            let position = target.positions(&self.server).of(&conversation);
            if target.store.trusted(&conversation, position) < position {
                // What may be missing is not looked for so soon again.
                continue;
            }
            let living = self.server.conversations[&conversation].living();
            let server: BTreeMap<u64, u64> = living
                .map(|post| (post.seq, post.newest().version))
                .collect();
            seen.retain(|seq, _| server.contains_key(seq) || !stale.contains(seq));
            // Nor is that the newest version yet, where the line is slow.
            for (seq, version) in server.iter().filter(|(seq, _)| stale.contains(seq)) {
                seen.entry(*seq).and_modify(|seen| *seen = *version);
            }
            if seen != server {
                return Err(format!(
                    "{conversation}, paged through: {seen:?}\n    the server has {server:?}"
                ));
            }
        }
        Ok(())
    }
}

/// What a list shows, by position, and what of it only as not fresh.
fn note_shown(view: &View, seen: &mut BTreeMap<u64, u64>, stale: &mut BTreeSet<u64>) {
    for (_, message, fresh) in view.messages() {
        seen.insert(message.seq, message.version);
        match fresh {
            true => stale.remove(&message.seq),
            false => stale.insert(message.seq),
        };
    }
}
