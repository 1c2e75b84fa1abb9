//! What the client holds of one conversation's history.

use std::rc::Rc;

use super::account::Meta;
use super::form::FORMAT;
use crate::core::block::BlockRef;
use crate::core::codec::{Corrupt, Reader, Writer};
use crate::core::segments::{Segment, Segments};
use crate::core::storage::Value;

/// The end of a conversation's history, as a state of it said (`lastSeq`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastKnown {
    /// it has no message
    Empty,
    /// its newest message is here
    At(u64),
}

impl LastKnown {
    /// `last`: the newest message's position; none: there is none.
    pub fn of(last: Option<u64>) -> LastKnown {
        last.map_or(LastKnown::Empty, LastKnown::At)
    }

    /// The newest message's position, if there is one.
    pub fn position(self) -> Option<u64> {
        match self {
            LastKnown::Empty => None,
            LastKnown::At(last) => Some(last),
        }
    }
}

/// What the client holds of one conversation's history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// the intervals in which nothing is missing
    pub segments: Segments,
    /// its blocks, oldest first; each lies within one segment
    pub blocks: Vec<BlockRef>,
    /// the highest position ever seen (R2)
    pub seen: Option<u64>,
    /// the end of the history, by the state that was read since the last overflow (R2); none: none was
    pub last_known: Option<LastKnown>,
    /// something may be missing, from this cursor on: revalidated as soon as that may be (R14)
    pub doubt: Option<String>,
    /// the last of the account's marks that was taken
    pub marks: u64,
}

impl Held {
    /// Whether it is to be revalidated and is not yet: its own doubt, or a mark on the account.
    pub fn is_doubtful(&self, meta: &Meta) -> bool {
        let marked = meta.last_mark().is_some_and(|last| last > self.marks);
        !self.segments.is_empty() && (self.doubt.is_some() || marked)
    }

    /// Whether its blocks ascend, hold something, and each lies within one segment.
    pub fn is_sound(&self) -> bool {
        let ascending = self.blocks.windows(2).all(|pair| pair[0].hi < pair[1].lo);
        let within = |b: &BlockRef| {
            let segment = self.segments.containing(b.lo);
            b.lo <= b.hi && b.count > 0 && segment.is_some_and(|s| s.hi >= b.hi)
        };
        ascending && self.blocks.iter().all(within)
    }

    /// The entry of the block that begins at this position.
    pub fn block(&self, lo: u64) -> Option<&BlockRef> {
        let at = self.blocks.binary_search_by_key(&lo, |b| b.lo).ok()?;
        self.blocks.get(at)
    }

    /// Messages held.
    pub fn messages(&self) -> u64 {
        self.blocks.iter().map(|b| u64::from(b.count)).sum()
    }

    /// Start of the oldest block that is needed to have the live segment's newest `count` messages, or
    /// as many as there are; `None`: nothing is live.
    pub fn newest_from(&self, count: usize) -> Option<u64> {
        let live = self.segments.live()?;
        let mut from = None;
        let mut found = 0;
        for b in self.blocks.iter().rev().take_while(|b| b.lo >= live.lo) {
            if found >= count {
                break;
            }
            found += b.count as usize;
            from = Some(b.lo);
        }
        from
    }
}

/// The bytes of what is held of a conversation.
pub fn write_held(conversation: &str, held: &Held) -> Value {
    let mut w = Writer::new(FORMAT, conversation.len() + held.blocks.len() * 8 + 64);
    w.text(conversation);
    let position = |w: &mut Writer, position: Option<u64>| {
        w.number(u64::from(position.is_some()));
        if let Some(position) = position {
            w.number(position);
        }
    };
    position(&mut w, held.seen);
    w.number(u64::from(held.last_known.is_some()));
    if let Some(last) = held.last_known {
        position(&mut w, last.position());
    }
    w.number(held.segments.iter().count() as u64);
    for s in held.segments.iter() {
        w.number(s.lo);
        w.number(s.hi - s.lo);
        w.number(u64::from(s.live) | u64::from(s.start) << 1);
        w.option(s.since.as_deref());
    }
    w.number(held.blocks.len() as u64);
    let mut last = 0;
    for b in &held.blocks {
        w.number(b.lo - last);
        w.number(b.hi - b.lo);
        w.number(u64::from(b.count));
        w.number(u64::from(b.bytes));
        last = b.hi;
    }
    w.option(held.doubt.as_deref());
    w.number(held.marks);
    w.finish()
}

/// Reads what is held of a conversation.
pub fn read_held(bytes: &[u8]) -> Result<(Rc<str>, Held), Corrupt> {
    let mut r = Reader::new(FORMAT, bytes)?;
    let conversation: Rc<str> = r.text()?.into();
    let position = |r: &mut Reader| -> Result<Option<u64>, Corrupt> {
        if r.flag()? {
            r.number().map(Some)
        } else {
            Ok(None)
        }
    };
    let seen = position(&mut r)?;
    let last_known = if r.flag()? {
        Some(LastKnown::of(position(&mut r)?))
    } else {
        None
    };
    let mut segments = Vec::new();
    for _ in 0..r.count()? {
        let lo = r.number()?;
        let hi = lo.checked_add(r.number()?).ok_or(Corrupt)?;
        let flags = r.number()?;
        let since = r.option()?.map(str::to_owned);
        segments.push(Segment {
            lo,
            hi,
            live: flags & 1 != 0,
            start: flags & 2 != 0,
            since,
        });
    }
    let segments = Segments::restore(segments).ok_or(Corrupt)?;
    let mut blocks: Vec<BlockRef> = Vec::new();
    for _ in 0..r.count()? {
        let last = blocks.last().map_or(0, |b| b.hi);
        let step = r.number()?;
        let lo = last.checked_add(step).ok_or(Corrupt)?;
        let hi = lo.checked_add(r.number()?).ok_or(Corrupt)?;
        let count = u32::try_from(r.number()?).map_err(|_| Corrupt)?;
        let bytes = u32::try_from(r.number()?).map_err(|_| Corrupt)?;
        blocks.push(BlockRef {
            lo,
            hi,
            count,
            bytes,
        });
    }
    let doubt = r.option()?.map(str::to_owned);
    let marks = r.number()?;
    r.end()?;
    let held = Held {
        doubt,
        marks,
        segments,
        blocks,
        seen,
        last_known,
    };
    match held.is_sound() {
        true => Ok((conversation, held)),
        false => Err(Corrupt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::segments::Cover;

    #[test]
    fn what_is_held_survives_storage() {
        let mut segments = Segments::default();
        segments.add_page(Cover {
            lo: 0,
            hi: 9,
            start: true,
            end: false,
        });
        segments.add_page(Cover {
            lo: 1 << 60,
            hi: u64::MAX,
            start: false,
            end: true,
        });
        let block = |lo, hi| BlockRef {
            lo,
            hi,
            count: 2,
            bytes: 70,
        };
        let held = Held {
            segments,
            blocks: vec![block(0, 4), block(5, 9), block((1 << 60) + 4, u64::MAX)],
            seen: Some(u64::MAX),
            last_known: Some(LastKnown::Empty),
            doubt: Some("4".into()),
            marks: 7,
        };
        let (id, back) = read_held(&write_held("#c", &held)).unwrap();
        assert_eq!((&*id, back), ("#c", held));
    }
}
