//! The byte format of what is stored: lengths and numbers as LEB128 varints, text as UTF-8.
//!
//! Reading is total: whatever the bytes, it answers a value or [`Corrupt`], and never allocates more
//! than the input is long.

use std::sync::LazyLock;

use crc::{CRC_32_ISO_HDLC, Crc, Table};

/// CRC-32 by sixteen tables, made at the first use: stored in the wasm they would be 16 KB that do not compress.
static CRC: LazyLock<Crc<u32, Table<16>>> =
    LazyLock::new(|| Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC));

/// The bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// First bytes of every checked record.
const MAGIC: [u8; 2] = *b"PC";
/// Bytes before the content: magic (2), format (1), CRC-32 of the content (4, little endian).
const HEADER: usize = 7;

/// Writes a record.
pub struct Writer(Vec<u8>);

impl Writer {
    /// A record of this format version, with room for `capacity` bytes.
    pub fn new(format: u8, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER + capacity);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[format, 0, 0, 0, 0]);
        Writer(bytes)
    }

    /// A number.
    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A flag.
    pub fn flag(&mut self, flag: bool) {
        self.number(u64::from(flag));
    }

    /// A number, or none.
    pub fn maybe(&mut self, value: Option<u64>) {
        self.flag(value.is_some());
        if let Some(value) = value {
            self.number(value);
        }
    }

    /// A text, or none.
    pub fn option(&mut self, text: Option<&str>) {
        self.number(u64::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    /// The record, with its checksum.
    pub fn finish(mut self) -> Vec<u8> {
        let sum = CRC.checksum(&self.0[HEADER..]);
        self.0[3..HEADER].copy_from_slice(&sum.to_le_bytes());
        self.0
    }
}

/// Reads a record.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Checks magic, format and checksum.
    pub fn new(format: u8, bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let (header, rest) = bytes.split_at_checked(HEADER).ok_or(Corrupt)?;
        let sum = CRC.checksum(rest).to_le_bytes();
        if header[..2] != MAGIC || header[2] != format || header[3..] != sum {
            return Err(Corrupt);
        }
        Ok(Reader(rest))
    }

    /// Checks magic and format only: enough to read what the record names, not to trust what it says.
    pub fn unchecked(format: u8, bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let (header, rest) = bytes.split_at_checked(HEADER).ok_or(Corrupt)?;
        if header[..2] != MAGIC || header[2] != format {
            return Err(Corrupt);
        }
        Ok(Reader(rest))
    }

    /// A number.
    pub fn number(&mut self) -> Result<u64, Corrupt> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(Corrupt)?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Corrupt);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Corrupt)
    }

    /// A count of things that take at least one byte each: more than the bytes that are left is [`Corrupt`].
    pub fn count(&mut self) -> Result<usize, Corrupt> {
        let count = usize::try_from(self.number()?).map_err(|_| Corrupt)?;
        if count > self.0.len() {
            Err(Corrupt)
        } else {
            Ok(count)
        }
    }

    /// A flag.
    pub fn flag(&mut self) -> Result<bool, Corrupt> {
        match self.number()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Corrupt),
        }
    }

    /// Bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], Corrupt> {
        let len = self.count()?;
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        Ok(bytes)
    }

    /// A text.
    pub fn text(&mut self) -> Result<&'a str, Corrupt> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Corrupt)
    }

    /// A number, or none.
    pub fn maybe(&mut self) -> Result<Option<u64>, Corrupt> {
        match self.flag()? {
            true => self.number().map(Some),
            false => Ok(None),
        }
    }

    /// A text, or none.
    pub fn option(&mut self) -> Result<Option<&'a str>, Corrupt> {
        if self.flag()? {
            self.text().map(Some)
        } else {
            Ok(None)
        }
    }

    /// Everything was read.
    pub fn end(self) -> Result<(), Corrupt> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Corrupt)
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in proptest::collection::vec(any::<u64>(), 0..20), text in ".*", option in proptest::option::of(".*")) {
            let mut w = Writer::new(3, 0);
            w.number(numbers.len() as u64);
            for n in &numbers { w.number(*n) }
            w.text(&text);
            w.option(option.as_deref());
            let bytes = w.finish();
            let mut r = Reader::new(3, &bytes).unwrap();
            let count = r.count().unwrap();
            let back: Vec<u64> = (0..count).map(|_| r.number().unwrap()).collect();
            prop_assert_eq!(back, numbers);
            prop_assert_eq!(r.text().unwrap(), text);
            prop_assert_eq!(r.option().unwrap(), option.as_deref());
            prop_assert_eq!(r.end(), Ok(()));
        }

        #[test]
        fn a_flipped_bit_is_found(text in ".+", at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let mut w = Writer::new(1, 0);
            w.text(&text);
            let mut bytes = w.finish();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(Reader::new(1, &bytes).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut r = Reader(&bytes);
            while r.text().and_then(|_| r.number()).and_then(|_| r.option()).is_ok() {}
        }
    }
}
