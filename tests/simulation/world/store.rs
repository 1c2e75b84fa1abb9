//! The devices' disks: commits that fail, that find them full, that are the last.

use super::*;

impl World {
    pub(super) fn operate(&mut self, device: usize, operation: Operation) {
        self.devices[device].operations.push_back(operation);
        if self.devices[device].operations.len() == 1 {
            self.schedule_store(device);
        }
    }

    fn schedule_store(&mut self, device: usize) {
        let life = self.devices[device].life;
        let delay = if self.rng.chance(10) {
            self.rng.below(3_000)
        } else {
            self.rng.below(20)
        };
        self.schedule(delay, device, Event::Store { life });
    }

    pub(super) fn store(&mut self, device: usize) -> Checked {
        let mut fails = self.rng.chance(self.trouble.commits);
        let mut full = self.rng.chance(30);
        let target = &mut self.devices[device];
        if let (Some(Operation::Commit(..)), Some(_)) = (target.operations.front(), self.step) {
            target.asked_commits += 1;
            let asked = target.asked_commits;
            match self.commit {
                Some((at, fate)) if device == 0 && at == asked => match fate {
                    CommitFate::Fails => (fails, full) = (true, false),
                    CommitFate::Full => (fails, full) = (true, true),
                    CommitFate::KilledBefore => return self.killed(device, false, false),
                    CommitFate::KilledAfter => return self.killed(device, true, false),
                    CommitFate::PowerCut => return self.killed(device, true, true),
                },
                _ => {}
            }
        }
        let target = &mut self.devices[device];
        let Some(operation) = target.operations.pop_front() else {
            return Ok(());
        };
        let input = match operation {
            Operation::Read(op, reads) => Input::Read {
                op,
                result: target.store.read(&reads),
            },
            Operation::Commit(op, ..) if fails => {
                let error = if full {
                    StoreError::Quota
                } else {
                    StoreError::Failed("the simulation's".to_owned())
                };
                self.tell(device, || format!("commit #{op} fails: {error:?}"));
                let target = &mut self.devices[device];
                target.pulled_before = target.pulled_at;
                Input::Committed {
                    op,
                    result: Err(error),
                }
            }
            Operation::Commit(op, writes, durability) => {
                target
                    .store
                    .commit(&writes, durability)
                    .and_then(|()| target.store.check(&self.server))
                    .map_err(|error| format!("after commit #{op}: {error}"))?;
                target.commits += 1;
                let line = (op, target.positions(&self.server).least());
                self.tell(device, || {
                    format!("commit #{} is done, cursor {}", line.0, line.1)
                });
                Input::Committed { op, result: Ok(()) }
            }
        };
        if !self.devices[device].operations.is_empty() {
            self.schedule_store(device);
        }
        self.input(device, input)
    }
}
