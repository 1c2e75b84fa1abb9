//! What one account, or one address, may use up: requests a second, connections, sockets and long polls at a time.
//!
//! A rate is a bucket that fills as time goes by and that each request takes from: a burst passes, a flood does not. What is refused is answered 429 with the
//! time after which there is room again, which clients keep to (docs/protocol.md, "Requests"). All of it is in memory, and bounded: a bucket that is full again is
//! forgotten.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::db::AccountId;
use crate::error::{Error, Result};

/// Seconds' worth of requests that may come at once.
const BURST: f64 = 5.0;
/// Several people, and tabs, are behind one address.
const ADDRESS_FACTOR: f64 = 4.0;
/// Buckets are looked through for full ones when there are so many more than after the last time.
const FORGET_AT: usize = 1024;

#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// Requests a second of one account, and four times that of one address; 0: any number.
    pub(crate) rate: u32,
    /// Sockets of one account at a time, and as many long polls.
    pub(crate) listening: usize,
    /// Connections of one address at a time.
    pub(crate) connections: usize,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    Account(AccountId),
    Address(IpAddr),
}

impl Who {
    /// An IPv6 network is given to one customer as a whole: who has one has all of its addresses.
    pub(crate) fn at(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => {
                Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
            }
            address => address,
        })
    }
}

/// What is counted as long as it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Connection,
    Socket,
    LongPoll,
}

pub(crate) struct Limits {
    bounds: Bounds,
    buckets: Mutex<Buckets>,
    taken: Mutex<HashMap<(Who, Place), usize>>,
}

#[derive(Default)]
struct Buckets {
    of: HashMap<Who, Bucket>,
    /// How many there were when the full ones were last forgotten.
    kept: usize,
}

#[derive(Clone, Copy)]
struct Bucket {
    level: f64,
    at: Instant,
}

impl Limits {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            buckets: Mutex::default(),
            taken: Mutex::default(),
        }
    }

    /// Counts one request; 429 where there were too many of late.
    pub(crate) fn count(&self, who: Who) -> Result<()> {
        self.take(who).map_err(|wait| {
            let seconds = wait.as_secs_f64().ceil().max(1.0);
            Error::too_many("too many requests", seconds as u32)
        })
    }

    /// Counts one, or says after which time there is room for it.
    pub(crate) fn take(&self, who: Who) -> Result<(), Duration> {
        if self.bounds.rate == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let (rate, size) = self.size_of(who);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.of.len() >= buckets.kept + FORGET_AT {
            buckets.of.retain(|who, bucket| {
                let (rate, size) = self.size_of(*who);
                bucket.level + rate * now.duration_since(bucket.at).as_secs_f64() < size
            });
            buckets.kept = buckets.of.len();
        }
        let bucket = buckets.of.entry(who).or_insert(Bucket {
            level: size,
            at: now,
        });
        let level = (bucket.level + rate * now.duration_since(bucket.at).as_secs_f64()).min(size);
        let room = level >= 1.0;
        *bucket = Bucket {
            level: if room { level - 1.0 } else { level },
            at: now,
        };
        match room {
            true => Ok(()),
            false => Err(Duration::from_secs_f64((1.0 - level) / rate)),
        }
    }

    /// Per second, and at once.
    fn size_of(&self, who: Who) -> (f64, f64) {
        let rate = match who {
            Who::Account(_) => f64::from(self.bounds.rate),
            Who::Address(_) => f64::from(self.bounds.rate) * ADDRESS_FACTOR,
        };
        (rate, (rate * BURST).max(1.0))
    }

    /// Takes a place, which is free again once what is returned is dropped; None: there is none left.
    pub(crate) fn enter(self: &Arc<Self>, who: Who, place: Place) -> Option<Entered> {
        let bound = match place {
            Place::Connection => self.bounds.connections,
            Place::Socket | Place::LongPoll => self.bounds.listening,
        };
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry((who, place)).or_default();
        if *count >= bound {
            return None;
        }
        *count += 1;
        Some(Entered {
            limits: self.clone(),
            key: (who, place),
        })
    }
}

/// A place that is taken.
pub(crate) struct Entered {
    limits: Arc<Limits>,
    key: (Who, Place),
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut taken = self
            .limits
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(rate: u32) -> Arc<Limits> {
        Arc::new(Limits::new(Bounds {
            rate,
            listening: 2,
            connections: 3,
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_a_flood_goes_at_the_rate() {
        let limits = limits(10);
        let who = Who::Account(1);
        assert!((0..50).all(|_| limits.count(who).is_ok()));
        let refused = limits.count(who).unwrap_err();
        assert_eq!(
            (refused.status.as_u16(), refused.retry_after),
            (429, Some(1))
        );
        // Of another one nothing is taken.
        assert!(limits.count(Who::Account(2)).is_ok());
        tokio::time::advance(Duration::from_millis(1000)).await;
        let passed = (0..50).filter(|_| limits.count(who).is_ok()).count();
        assert_eq!(passed, 10);
        // As long as it was told to wait, and not less.
        let wait = limits.take(who).unwrap_err();
        tokio::time::advance(wait - Duration::from_millis(1)).await;
        assert!(limits.take(who).is_err());
        tokio::time::advance(Duration::from_millis(2)).await;
        assert!(limits.take(who).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn buckets_that_are_full_again_are_forgotten() {
        let limits = limits(10);
        for id in 0..20_000 {
            _ = limits.count(Who::Account(id));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let kept = limits.buckets.lock().unwrap().of.len();
        assert!(kept <= 2 * FORGET_AT, "{kept} are kept");
    }

    #[test]
    fn a_place_is_free_again_once_it_is_left() {
        let limits = limits(0);
        let who = Who::Account(1);
        let first = limits.enter(who, Place::Socket);
        let second = limits.enter(who, Place::Socket);
        assert!(first.is_some() && second.is_some());
        assert!(limits.enter(who, Place::Socket).is_none());
        assert!(limits.enter(who, Place::LongPoll).is_some());
        assert!(limits.enter(Who::Account(2), Place::Socket).is_some());
        drop(first);
        assert!(limits.enter(who, Place::Socket).is_some());
        drop(second);
        assert!(limits.taken.lock().unwrap().is_empty());
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let at = |text: &str| Who::at(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2:3:4:5:6"), at("2001:db8:1:2::9"));
        assert_ne!(at("2001:db8:1:2::9"), at("2001:db8:1:3::9"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
