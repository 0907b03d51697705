//! Turns values into bytes and untrusted bytes back into values, little-endian and checked.
//!
//! Owns: the encoding of numbers, length-prefixed byte strings and padding (FORMAT.md section
//! 1.2). Layouts belong to the crates whose files they describe.
//!
//! Promises
//!  1. Decoding never panics, whatever the bytes; every refusal names the field and its offset.
//!  2. Decoding never allocates: what it hands out borrows from the input. A refused field leaves
//!     the decoder where the field begins.
//!  3. What an [`Encoder`] wrote, a [`Decoder`] asked for the same fields gives back bit for bit,
//!     the bits of a NaN included.
//!
//! Never: checks a checksum; guesses at a length.

use std::fmt;

/// Says which field could not be read, and where it should have been.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// Where the field begins, counted from the first byte the decoder was given.
    pub offset: usize,
    /// The field's name, in the words of FORMAT.md.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Problem {
    /// The bytes end before the field does.
    Short {
        /// How many bytes the field takes.
        wanted: usize,
        /// How many were left.
        found: usize,
    },
    /// A length is greater than the format allows.
    TooLong {
        /// The greatest length allowed.
        limit: usize,
        /// The length that was read.
        found: usize,
    },
    /// Bytes that must be zero are not.
    NotZero,
    /// A text is not UTF-8.
    NotText,
    /// Bytes are left over behind the last field.
    Trailing,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Malformed { offset, field, problem } = self;
        match problem {
            Problem::Short { wanted, found } => {
                write!(f, "{field} at byte {offset} takes {wanted} bytes, {found} are left")
            }
            Problem::TooLong { limit, found } => {
                write!(f, "{field} at byte {offset} is {found} long, the limit is {limit}")
            }
            Problem::NotZero => write!(f, "{field} at byte {offset} must be zero and is not"),
            Problem::NotText => write!(f, "{field} at byte {offset} is not UTF-8"),
            Problem::Trailing => {
                write!(f, "bytes are left over behind {field}, from byte {offset}")
            }
        }
    }
}

impl std::error::Error for Malformed {}

/// Reads fields in order from bytes that nobody vouches for.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    /// First byte not yet read. Invariant: at most `bytes.len()`.
    at: usize,
}

impl<'a> Decoder<'a> {
    /// Starts at the first of these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Decoder { bytes, at: 0 }
    }

    /// How many bytes have been read so far.
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// The bytes not yet read.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], Malformed> {
        let rest = self.rest();
        let Some((taken, _)) = rest.split_at_checked(count) else {
            let problem = Problem::Short { wanted: count, found: rest.len() };
            return Err(self.refuse(self.at, field, problem));
        };
        self.at += count;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        let rest = self.rest();
        let Some(taken) = rest.first_chunk::<N>() else {
            let problem = Problem::Short { wanted: N, found: rest.len() };
            return Err(self.refuse(self.at, field, problem));
        };
        self.at += N;
        Ok(*taken)
    }

    /// An unsigned byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, Malformed> {
        self.array(field).map(u8::from_le_bytes)
    }

    /// An unsigned 16-bit number.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, Malformed> {
        self.array(field).map(u16::from_le_bytes)
    }

    /// An unsigned 32-bit number.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, Malformed> {
        self.array(field).map(u32::from_le_bytes)
    }

    /// An unsigned 64-bit number.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, Malformed> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// An unsigned 128-bit number.
    pub fn u128(&mut self, field: &'static str) -> Result<u128, Malformed> {
        self.array(field).map(u128::from_le_bytes)
    }

    /// A 32-bit float; every bit pattern is one.
    pub fn f32(&mut self, field: &'static str) -> Result<f32, Malformed> {
        self.array(field).map(f32::from_le_bytes)
    }

    /// A byte string behind its 32-bit length, at most `limit` bytes long.
    pub fn prefixed(&mut self, limit: usize, field: &'static str) -> Result<&'a [u8], Malformed> {
        let offset = self.at;
        let found = usize::try_from(self.u32(field)?).unwrap_or(usize::MAX);
        if found > limit {
            return Err(self.refuse(offset, field, Problem::TooLong { limit, found }));
        }
        self.bytes(found, field).map_err(|short| self.refuse(offset, field, short.problem))
    }

    /// A UTF-8 text behind its 32-bit length, at most `limit` bytes long.
    pub fn text(&mut self, limit: usize, field: &'static str) -> Result<&'a str, Malformed> {
        let offset = self.at;
        let bytes = self.prefixed(limit, field)?;
        std::str::from_utf8(bytes).map_err(|_| self.refuse(offset, field, Problem::NotText))
    }

    /// Skips `count` bytes that must all be zero, so that they can get a meaning later.
    pub fn zeros(&mut self, count: usize, field: &'static str) -> Result<(), Malformed> {
        let offset = self.at;
        if self.bytes(count, field)?.iter().any(|byte| *byte != 0) {
            return Err(self.refuse(offset, field, Problem::NotZero));
        }
        Ok(())
    }

    /// Skips the zeros up to the next multiple of `alignment`.
    ///
    /// # Panics
    /// If `alignment` is 0.
    pub fn align(&mut self, alignment: usize, field: &'static str) -> Result<(), Malformed> {
        self.zeros(padding(self.at, alignment), field)
    }

    /// Goes back to where the refused field begins.
    fn refuse(&mut self, offset: usize, field: &'static str, problem: Problem) -> Malformed {
        self.at = offset;
        Malformed { offset, field, problem }
    }

    /// Ends the decoding; refuses bytes behind the field last read, which is named here.
    pub fn finish(mut self, last_field: &'static str) -> Result<(), Malformed> {
        if self.at < self.bytes.len() {
            return Err(self.refuse(self.at, last_field, Problem::Trailing));
        }
        Ok(())
    }
}

/// Writes fields in order to the end of a buffer.
#[derive(Debug)]
pub struct Encoder<'a> {
    into: &'a mut Vec<u8>,
    /// Length of the buffer when the encoding began: alignment counts from here.
    start: usize,
}

impl<'a> Encoder<'a> {
    /// Starts behind what the buffer already holds.
    pub fn new(into: &'a mut Vec<u8>) -> Self {
        let start = into.len();
        Encoder { into, start }
    }

    /// How many bytes have been written since the start.
    pub fn offset(&self) -> usize {
        self.into.len() - self.start
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.into.extend_from_slice(bytes);
        self
    }

    /// An unsigned byte.
    pub fn u8(&mut self, number: u8) -> &mut Self {
        self.bytes(&[number])
    }

    /// An unsigned 16-bit number.
    pub fn u16(&mut self, number: u16) -> &mut Self {
        self.bytes(&number.to_le_bytes())
    }

    /// An unsigned 32-bit number.
    pub fn u32(&mut self, number: u32) -> &mut Self {
        self.bytes(&number.to_le_bytes())
    }

    /// An unsigned 64-bit number.
    pub fn u64(&mut self, number: u64) -> &mut Self {
        self.bytes(&number.to_le_bytes())
    }

    /// An unsigned 128-bit number.
    pub fn u128(&mut self, number: u128) -> &mut Self {
        self.bytes(&number.to_le_bytes())
    }

    /// A 32-bit float, bit for bit.
    pub fn f32(&mut self, number: f32) -> &mut Self {
        self.bytes(&number.to_le_bytes())
    }

    /// A byte string behind its 32-bit length.
    ///
    /// # Panics
    /// If it is 4 GiB or longer: limits are checked where the value enters the store.
    pub fn prefixed(&mut self, bytes: &[u8]) -> &mut Self {
        let Ok(length) = u32::try_from(bytes.len()) else {
            panic!("a byte string of {} bytes does not fit its length field", bytes.len());
        };
        self.u32(length).bytes(bytes)
    }

    /// A UTF-8 text behind its 32-bit length.
    ///
    /// # Panics
    /// If it is 4 GiB or longer, as [`Encoder::prefixed`].
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.prefixed(text.as_bytes())
    }

    /// `count` zero bytes.
    pub fn zeros(&mut self, count: usize) -> &mut Self {
        self.into.resize(self.into.len() + count, 0);
        self
    }

    /// Zeros up to the next multiple of `alignment`, counted from the start.
    ///
    /// # Panics
    /// If `alignment` is 0.
    pub fn align(&mut self, alignment: usize) -> &mut Self {
        self.zeros(padding(self.offset(), alignment))
    }
}

/// How many bytes lie between an offset and the next multiple of `alignment`.
fn padding(offset: usize, alignment: usize) -> usize {
    offset.next_multiple_of(alignment) - offset
}

#[cfg(test)]
mod tests;
