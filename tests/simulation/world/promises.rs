//! Progress (R14): every promise settles, nothing is done again and again, and what is read is in
//! proportion to what is stored.

use pullcord::core::net::Request;
use pullcord::core::storage::Answer;

use super::{Repeated, World};
use crate::simulation::check::Checked;
use crate::simulation::device::Call;

/// ms within which what waits in the store may be looked after once.
const LOOKS: u64 = 10_000;

/// A request that is asked again just so, within a minute, nobody asking for it.
const AGAIN: u64 = 60;
/// ms that this takes, however bad things are.
const MINUTE: u64 = 60_000;
/// ms after which a request has failed that nobody answers (`requestTimeout`).
const SILENCE: u64 = 60_000;
/// ms within which a promise settles, once what it waits for has failed or fallen silent.
const SETTLES: u64 = 10_000;

/// ms after which this has settled, one way or another: what it waits for, each of which fails within
/// its time, and a little.
fn bound(call: &Call) -> u64 {
    // What is stored waits for a few commits, each of a few seconds at most.
    let stored = 60_000;
    match call {
        Call::Send { .. } | Call::Retry | Call::Discard { .. } | Call::MarkRead { .. } => stored,
        Call::Inspect { .. } => stored,
        Call::Change { .. } | Call::Tell { .. } => SILENCE + stored + SETTLES,
        // Some pages, one after the other, or a chain of batches.
        Call::Load { .. } | Call::Jump { .. } => 5 * SILENCE + SETTLES,
        Call::Sync => 10 * SILENCE + SETTLES,
    }
}

impl World {
    /// No promise of this client has outlived its bound.
    pub(super) fn promises(&self, device: usize) -> Checked {
        let target = &self.devices[device];
        if target.asleep_until > self.time {
            return Ok(());
        }
        let awake = match (target.epoch, target.knows && target.deposed_at.is_none()) {
            (_, true) => target.able_since,
            // What it asked the one that wrote before it asks the next.
            (None, _) if target.seen.is_some() => self.machine(device).moved_at,
            _ => return Ok(()),
        };
        let awake = awake.max(target.asleep_until);
        for (id, called) in &target.called {
            let Some(call) = target.calls.get(id) else {
                continue;
            };
            let waits = self.time - awake.max(*called);
            // A slow line is no silence.
            let slow = if self.mode.rate.is_some() { 4 } else { 1 };
            // The writer begins what it is asked for within this time, or it is stuck.
            let begins = if target.knows { 0 } else { SETTLES };
            if waits > bound(call).saturating_mul(slow) + begins {
                let name = &target.name;
                return Err(format!(
                    "R14: {name} has waited for {call:?} for {} s",
                    waits / 1_000
                ));
            }
        }
        Ok(())
    }

    /// Nobody asks for the same again and again.
    pub(super) fn repeats(&mut self, device: usize, key: &str, call: &Request) -> Checked {
        // It has no cursor: each brings the next deliveries.
        if matches!(call, Request::PullMailbox { .. }) {
            return Ok(());
        }
        let time = self.time;
        let key = (device, key.to_owned());
        let again = self.repeated.entry(key).or_insert_with(|| Repeated {
            call: call.clone(),
            since: time,
            times: 0,
        });
        if again.call != *call || time - again.since > MINUTE {
            *again = Repeated {
                call: call.clone(),
                since: time,
                times: 0,
            };
        }
        again.times += 1;
        if again.times > AGAIN {
            let ms = time - again.since;
            return Err(format!(
                "a storm: {} times in {ms} ms the same: {call:?}",
                again.times
            ));
        }
        Ok(())
    }

    /// The bounds of what is stored.
    pub(super) fn bounds_reached(&mut self) {
        let limits = &self.mode.limits;
        for machine in &self.machines {
            machine.disk.stored.bounds(limits, &mut self.reached);
        }
    }

    /// A wish is stored: each of the machine's clients may read what is stored once more.
    pub(super) fn is_read_by_all(&mut self, device: usize) {
        let home = self.devices[device].machine;
        let stored = self.machines[home].disk.bytes();
        for client in self.clients_of(home) {
            let read = &mut self.devices[client].read_bytes;
            *read = read.saturating_sub(stored);
        }
    }

    /// What is read while nothing else happens is a few times what is stored, at most; and once more each
    /// [`LOOKS`]: a wish that waits is looked after.
    pub(super) fn reads_in_proportion(
        &mut self,
        device: usize,
        answers: Option<&Vec<Answer>>,
    ) -> Checked {
        let values = answers.into_iter().flatten().flat_map(|a| &a.values);
        let bytes: usize = values.map(Vec::len).sum();
        let stored = self.machine(device).disk.bytes();
        let target = &mut self.devices[device];
        let since = std::mem::replace(&mut target.read_at, self.time);
        let looks = usize::try_from((self.time - since) / LOOKS).unwrap_or(usize::MAX);
        target.read_bytes = target
            .read_bytes
            .saturating_sub(looks.saturating_mul(stored))
            + bytes;
        if target.read_bytes > 4_096 + 8 * stored {
            return Err(format!(
                "R14: {} has read {} bytes of {stored}, and done nothing else",
                target.name, target.read_bytes
            ));
        }
        Ok(())
    }
}
