//! Places for requests under way: what has failed before takes none from what has not.

use crate::core::backoff::Backoff;

/// The places that are free.
#[derive(Debug)]
pub(super) struct Places {
    /// places for what has not failed before, and for what has
    left: [usize; 2],
}

impl Places {
    /// `under_way`: the backoffs of what takes a place.
    pub fn left<'a>(most: usize, under_way: impl Iterator<Item = &'a Backoff>) -> Places {
        let mut places = Places { left: [most; 2] };
        for backoff in under_way {
            places.take(backoff);
        }
        places
    }

    pub fn has(&self, backoff: &Backoff) -> bool {
        self.left[kind(backoff)] > 0
    }

    /// Takes a place for a request of this backoff. Answers whether there was one.
    pub fn take(&mut self, backoff: &Backoff) -> bool {
        let free = self.has(backoff);
        self.left[kind(backoff)] -= usize::from(free);
        free
    }
}

fn kind(backoff: &Backoff) -> usize {
    usize::from(backoff.failures() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_failed_takes_no_place_from_what_has_not() {
        let (good, mut bad) = (Backoff::default(), Backoff::default());
        bad.begin_at(1);
        let mut places = Places::left(2, [&bad, &good].into_iter());
        assert!(places.take(&bad));
        assert!(!places.has(&bad) && !places.take(&bad));
        assert!(places.has(&good) && places.take(&good));
        assert!(!places.has(&good));
    }
}
