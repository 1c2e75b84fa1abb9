//! The devices' disks: commits that fail, that find them full, that are the last.

use pullcord::core::Input;
use pullcord::core::storage::{Durability, Read, StoreError, Table, Write};

use super::{Event, STORE_TIMEOUT, World};
use crate::simulation::check::Checked;
use crate::simulation::device::Operation;
use crate::simulation::history::CommitFate;

impl World {
    pub(super) fn operate(&mut self, device: usize, operation: Operation) {
        self.devices[device].operations.push_back(operation);
        if self.devices[device].operations.len() == 1 {
            self.schedule_store(device);
        }
    }

    fn schedule_store(&mut self, device: usize) {
        let life = self.devices[device].life;
        let silent = self.mode.silent && self.step.is_some() && self.rng.chance(1);
        if silent {
            // Nothing is heard of it; the layer above the browser's store gives it up.
            self.reached.note("a store that does not answer");
            self.devices[device].silent = true;
            self.schedule(STORE_TIMEOUT, device, Event::Store { life });
            return;
        }
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
        let target = &self.devices[device];
        let machine = &mut self.machines[target.machine];
        if let (Some(Operation::Commit(..)), Some(_)) = (target.operations.front(), self.step) {
            machine.asked_commits += 1;
            let asked = machine.asked_commits;
            match self.commit {
                Some((at, fate)) if target.machine == 0 && at == asked => match fate {
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
        let silent = std::mem::take(&mut target.silent);
        let Some(operation) = target.operations.pop_front() else {
            return Ok(());
        };
        if self.finds_no_room(device, &operation)? {
            (fails, full) = (true, true);
        }
        let target = &mut self.devices[device];
        let given_up = || Err(StoreError::Failed("no answer in time".into()));
        let input = match operation {
            Operation::Read(op, _) if silent => Input::Read {
                op,
                result: given_up().map(|()| Vec::new()),
            },
            Operation::Commit(op, epoch, writes, durability) if silent => {
                target.pulled_before = target.pulled_at;
                // It is done, or it is not: what is stored has to be read again.
                target.knows = false;
                let home = target.machine;
                if self.rng.chance(50) {
                    self.machines[home].lives += 1;
                    let _ = self.write(home, epoch, &writes, durability)?;
                }
                let error = StoreError::Uncertain("no answer in time".into());
                Input::Committed {
                    op,
                    result: Err(error),
                }
            }
            Operation::Wish(op, writes) if silent => {
                if self.rng.chance(50) {
                    let _ = self.machine_mut(device).wish(&writes)?;
                }
                let error = StoreError::Uncertain("no answer in time".into());
                let result = Err(error);
                Input::Wished { op, result }
            }
            Operation::Wish(op, _) if fails => {
                let result = Err(match full {
                    true => StoreError::Quota,
                    false => StoreError::Failed("the simulation's".into()),
                });
                self.tell(device, || format!("wish #{op} fails: {result:?}"));
                Input::Wished { op, result }
            }
            Operation::Wish(op, writes) => {
                let result = self.machine_mut(device).wish(&writes)?;
                self.reached.note("a wish");
                self.is_read_by_all(device);
                self.tell(device, || format!("wish #{op} is stored"));
                Input::Wished { op, result }
            }
            Operation::Read(op, reads) => self.reads(device, op, &reads)?,
            Operation::Commit(op, ..) if fails => self.commit_fails(device, op, full),
            Operation::Commit(op, epoch, writes, durability) => {
                self.commits(device, op, (epoch, &writes, durability))?
            }
        };
        if !self.devices[device].operations.is_empty() {
            self.schedule_store(device);
        }
        self.input(device, input)
    }

    /// Whether there is no room for what is to be committed; who is told so asks ever less often.
    fn finds_no_room(&mut self, device: usize, operation: &Operation) -> Result<bool, String> {
        let machine = &self.machines[self.devices[device].machine];
        if let (Operation::Commit(_, _, writes, _) | Operation::Wish(_, writes), Some(how)) =
            (operation, machine.full)
            && !machine.disk.has_room(writes, how)
        {
            self.refused.push_back(self.time);
            self.refused.retain(|at| at + 60_000 > self.time);
            // Each open list asks for its page again, ever less often: some 7 times in its first minute.
            let lists = self.devices.iter().map(|d| d.facade.timelines.len());
            let most = 120 + 8 * lists.sum::<usize>();
            if self.refused.len() > most {
                return Err(format!(
                    "a storm: {most} commits in a minute that find the disk full"
                ));
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn reads(&mut self, device: usize, op: u64, reads: &[Read]) -> Result<Input, String> {
        let target = &mut self.devices[device];
        let disk = &self.machines[target.machine].disk;
        let all = reads.iter().any(|read| matches!(read, Read::All { .. }));
        // One that it did not want any more tells it nothing.
        if all && (target.reads == Some(op) || target.first == (op, false)) {
            target.first.1 = true;
            // One that knows what is stored may only ask whether it still is.
            let whole = reads.len() > 3 || target.seen == Some(disk.stored.stamp());
            if target.reads == Some(op) && whole {
                target.knows = true;
                target.able_since = self.time;
            }
        }
        let blocks = reads.iter().filter(|read| {
            matches!(
                read,
                Read::Range {
                    table: Table::Blocks,
                    ..
                }
            )
        });
        for read in blocks {
            let again = !target.blocks_read.insert(format!("{read:?}"));
            self.reached
                .note_if(again, "a block read again: bytes in memory");
        }
        let result = disk.read(reads);
        self.reads_in_proportion(device, result.as_ref().ok())?;
        Ok(Input::Read { op, result })
    }

    fn commit_fails(&mut self, device: usize, op: u64, full: bool) -> Input {
        let error = if full {
            StoreError::Quota
        } else {
            StoreError::Failed("the simulation's".into())
        };
        self.reached.note_if(full, "a full disk");
        self.reached.note_if(!full, "a commit that fails");
        self.tell(device, || format!("commit #{op} fails: {error:?}"));
        let target = &mut self.devices[device];
        target.pulled_before = target.pulled_at;
        Input::Committed {
            op,
            result: Err(error),
        }
    }

    fn commits(
        &mut self,
        device: usize,
        op: u64,
        (epoch, writes, durability): (u64, &[Write], Durability),
    ) -> Result<Input, String> {
        let home = self.devices[device].machine;
        let done = self
            .write(home, epoch, writes, durability)
            .map_err(|error| format!("after commit #{op}: {error}"))?;
        if let Err(error) = done {
            self.reached
                .note("a commit that is refused: another has the account");
            self.tell(device, || format!("commit #{op} is refused: {error:?}"));
            return Ok(Input::Committed {
                op,
                result: Err(error),
            });
        }
        self.devices[device].commits += 1;
        for other in self.clients_of(home) {
            self.devices[other].read_bytes = 0;
        }
        let stored = &self.machines[home].disk.stored;
        let line = (op, stored.positions(&self.server).least());
        self.tell(device, || {
            format!("commit #{} is done, cursor {}", line.0, line.1)
        });
        Ok(Input::Committed { op, result: Ok(()) })
    }

    /// Writes to a machine's disk for the client of this epoch.
    pub(super) fn write(
        &mut self,
        home: usize,
        epoch: u64,
        writes: &[Write],
        durability: Durability,
    ) -> Result<Result<(), StoreError>, String> {
        self.takes_up_what_is_there(home, epoch, writes)?;
        let machine = &mut self.machines[home];
        let done = machine
            .disk
            .commit(epoch, writes, durability, &self.server)?;
        machine.news.on_commit(&machine.disk.stored);
        machine.notes_rescued()?;
        for (client_id, place) in machine.disk.stored.places() {
            if let Some(own) = machine.own.get_mut(client_id) {
                own.place.get_or_insert(place);
            }
        }
        Ok(done)
    }
}
