//! Fences that fail (R15): refused, without room, late, or of which nothing is heard. Their chance is their own, so
//! that nothing else of a history is another one by it.

use pullcord::core::Input;
use pullcord::core::storage::{StoreError, Why};

use super::{Event, STORE_TIMEOUT, World};
use crate::simulation::check::Checked;
use crate::simulation::device::Full;
use crate::simulation::rng::Rng;

/// ms until a fence that failed is tried again.
const AGAIN: u64 = 1_000;
/// ms within which who has the lock has its fence, and knows what is stored.
const PROMISE: u64 = 5_000;
/// ms for which one that could not does not try again.
const BARRED: u64 = 60_000;
/// How often a client whose database is gone tries to go on as the writer of the next one.
const ADOPTS: u32 = 3;

/// What becomes of a fence.
enum FenceFate {
    Written,
    /// nothing is written, and the client is told so
    Fails(StoreError),
    /// it is written after so many ms
    Waits(u64),
    /// it is written, and the client is told after so many ms
    ToldLate(u64),
    /// nothing is heard of it: it is written, or it is not
    Silent(bool),
}

impl World {
    /// A client has the account's lock: from here on it has so long to write its fence.
    pub(super) fn has_the_lock(&mut self, device: usize) -> Checked {
        let machine = self.devices[device].machine;
        let before = self.machines[machine].holder.replace(device);
        if !self.mode.fences {
            return self.fences(device);
        }
        let since = self.time;
        self.machines[machine].held_since = since;
        self.machines[machine].moved_at = since;
        if let Some(robbed) = before {
            let life = self.devices[robbed].life;
            let delay = self.chance_of_fence(robbed).delay(30);
            self.schedule(delay, robbed, Event::Robbed { life });
        }
        let life = self.devices[device].life;
        self.schedule(PROMISE, device, Event::Unable { life, since });
        if self.devices[device].epoch.is_some() {
            self.devices[device].demote();
            self.input(device, Input::Demoted)?;
        }
        self.tries_its_fence(device, life)
    }

    /// It tries, where it is still to have the account.
    pub(super) fn tries_its_fence(&mut self, device: usize, life: u32) -> Checked {
        let machine = self.devices[device].machine;
        let is_to = self.devices[device].life == life
            && self.machines[machine].holder == Some(device)
            && self.devices[device].epoch.is_none();
        if !is_to || self.machines[machine].wiped_for.is_some() {
            return Ok(());
        }
        if self.devices[device].lost {
            self.finds_it_lost(device, Some(Input::Store(StoreError::Lost)))?;
            if self.devices[device].life != life {
                return Ok(());
            }
        }
        match self.fate_of_fence(device) {
            FenceFate::Written => self.fences(device),
            FenceFate::Fails(error) => {
                let full = error == StoreError::Quota;
                self.reached.note_if(full, "a fence without room");
                self.reached.note_if(!full, "a fence that is refused");
                self.schedule(AGAIN, device, Event::Fence { life });
                self.is_not_promoted(device, error)
            }
            FenceFate::Waits(ms) => {
                self.reached.note("a fence that is late");
                self.schedule(ms, device, Event::Fence { life });
                Ok(())
            }
            FenceFate::ToldLate(ms) => {
                self.reached.note("a fence that is told late");
                let epoch = self.writes_its_fence(device)?;
                self.schedule(ms, device, Event::Promoted { life, epoch });
                Ok(())
            }
            FenceFate::Silent(written) => {
                self.reached
                    .note("a fence that does not answer: written or not");
                if written {
                    self.writes_its_fence(device)?;
                    // It does not know under which epoch.
                    self.devices[device].demote();
                }
                self.schedule(STORE_TIMEOUT, device, Event::FenceSilent { life });
                Ok(())
            }
        }
    }

    /// The layer above the browser's store has given it up.
    pub(super) fn fence_is_silent(&mut self, device: usize) -> Checked {
        let target = &self.devices[device];
        if self.machine(device).holder != Some(device) || target.epoch.is_some() {
            return Ok(());
        }
        let life = target.life;
        self.schedule(AGAIN, device, Event::Fence { life });
        self.is_not_promoted(device, StoreError::Uncertain(Why::Silence))
    }

    fn is_not_promoted(&mut self, device: usize, error: StoreError) -> Checked {
        self.tell(device, || format!("its fence fails: {error:?}"));
        self.input(device, Input::NotPromoted(error))
    }

    /// One that could not fence in time leaves that to another.
    pub(super) fn is_unable(&mut self, device: usize, since: u64) -> Checked {
        let machine = self.machine(device);
        if machine.holder != Some(device)
            || machine.held_since != since
            || self.devices[device].promoted
        {
            return Ok(());
        }
        self.reached.note("a fence that was not there in time");
        self.hands_over(device)?;
        let life = self.devices[device].life;
        self.schedule(BARRED, device, Event::Promote { life });
        Ok(())
    }

    /// Its lock was taken by force.
    pub(super) fn is_robbed(&mut self, device: usize) -> Checked {
        if self.machine(device).holder == Some(device) {
            return Ok(());
        }
        self.tell(device, || "hears that its lock was taken".to_owned());
        let life = self.devices[device].life;
        self.devices[device].demote();
        self.schedule(AGAIN, device, Event::Promote { life });
        self.input(device, Input::Demoted)
    }

    /// The fence in the database that has taken the lost one's place.
    pub(super) fn adopts(&mut self, device: usize, tries: u32) -> Checked {
        let life = self.devices[device].life;
        if !self.devices[device].adopts || self.machine(device).wiped_for.is_some() {
            return Ok(());
        }
        // That one may be gone as well.
        self.devices[device].lost = false;
        let trouble = self.mode.fences && self.step.is_some();
        if trouble && self.chance_of_fence(device).chance(40) {
            self.reached
                .note("a fence that fails after the database was lost");
            if tries + 1 < ADOPTS {
                let tries = tries + 1;
                self.schedule(AGAIN, device, Event::Adopts { life, tries });
                return Ok(());
            }
            self.devices[device].adopts = false;
            let time = self.time;
            self.devices[device].deposed_at.get_or_insert(time);
            return self.input(device, Input::Store(StoreError::Fenced));
        }
        self.devices[device].adopts = false;
        let epoch = self.writes_its_fence(device)?;
        self.devices[device].told_epoch = Some(epoch);
        self.input(device, Input::Adopted { epoch })
    }

    /// Whether the fence after a lost database takes its time.
    pub(super) fn adopts_later(&mut self, device: usize) -> bool {
        let trouble = self.mode.fences && self.step.is_some();
        let later = trouble && self.chance_of_fence(device).chance(50);
        if later {
            let life = self.devices[device].life;
            let delay = self.chance_of_fence(device).below(3_000);
            self.devices[device].adopts = true;
            self.schedule(delay, device, Event::Adopts { life, tries: 0 });
        }
        later
    }

    fn fate_of_fence(&self, device: usize) -> FenceFate {
        if self.step.is_none() {
            return FenceFate::Written;
        }
        let mut drawn = self.chance_of_fence(device);
        let none = match self.machine(device).full {
            Some(Full::Solid) => 100,
            Some(_) => 30,
            None => 2,
        };
        if drawn.chance(none) {
            return FenceFate::Fails(StoreError::Quota);
        }
        match drawn.below(10) {
            0..=4 => FenceFate::Written,
            5..=6 => FenceFate::Fails(StoreError::Failed("the simulation's".into())),
            7 => FenceFate::Waits(drawn.between(20, 9_000)),
            8 => FenceFate::ToldLate(drawn.between(20, 9_000)),
            _ => FenceFate::Silent(drawn.chance(50)),
        }
    }

    fn chance_of_fence(&self, device: usize) -> Rng {
        Rng::new(self.seed ^ 0x6665_6e63_6573 ^ (self.time << 8) ^ device as u64)
    }
}
