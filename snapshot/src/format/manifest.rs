//! Lays out the header of a manifest. FORMAT.md section 6.1.

use base::StoreId;
use base::checksum::Xxh3;
use base::codec::{Decoder, Encoder};

use super::{Invalid, VERSION, put_sum, sum_of};

/// Length of the header.
pub const HEADER_BYTES: usize = 128;
/// The longest body: far more than names and places of snapshots ever take.
pub const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

const MAGIC: [u8; 8] = *b"arrwMAN\n";

/// What a manifest says of itself in front of its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The store it belongs to.
    pub store: StoreId,
    /// Its own number. Not 0.
    pub number: u64,
    /// The number of the manifest it was published upon; 0 for the first.
    pub previous: u64,
    /// The XXH3-128 of all bytes of that manifest; 0 for the first.
    pub previous_hash: u128,
}

/// All bytes of a manifest.
///
/// # Panics
/// If the header or the body is one that could not be read again.
pub fn encode(header: &Header, body: &[u8]) -> Vec<u8> {
    assert_eq!(header.check(), Ok(()), "a header that could not be read again: {header:?}");
    assert!(body.len() as u64 <= BODY_BYTES_MAX, "a body of {} bytes", body.len());
    let Header { store, number, previous, previous_hash } = header;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    let mut into = Encoder::new(&mut bytes);
    into.bytes(&MAGIC).u16(VERSION).zeros(2).u32(0);
    into.bytes(&store.0).u64(*number).u64(*previous).u128(*previous_hash);
    into.u64(body.len() as u64).u128(Xxh3::of_128(body)).align(HEADER_BYTES);
    put_sum(&mut bytes);
    bytes.extend_from_slice(body);
    bytes
}

/// Reads a manifest: its header and its body, which is as it was written.
///
/// # Errors
/// What is wrong with it.
pub fn decode(bytes: &[u8]) -> Result<(Header, &[u8]), Invalid> {
    let (head, body) = bytes.split_at_checked(HEADER_BYTES).ok_or(Invalid::Length)?;
    let mut from = Decoder::new(head);
    if from.array("magic")? != MAGIC {
        return Err(Invalid::Magic);
    }
    let version = from.u16("version")?;
    let reserved = from.u16("reserved")?;
    if from.u32("sum")? != sum_of(head) {
        return Err(Invalid::Sum("header"));
    }
    if version > VERSION {
        return Err(Invalid::Newer { found: version });
    }
    let header = Header {
        store: StoreId(from.array("store")?),
        number: from.u64("number")?,
        previous: from.u64("previous")?,
        previous_hash: from.u128("previous_hash")?,
    };
    let body_bytes = from.u64("body_bytes")?;
    let body_sum = from.u128("body_sum")?;
    if reserved != 0 || from.rest().iter().any(|byte| *byte != 0) {
        return Err(Invalid::Value("reserved"));
    }
    header.check()?;
    if body_bytes > BODY_BYTES_MAX || body_bytes != body.len() as u64 {
        return Err(Invalid::Length);
    }
    if body_sum != Xxh3::of_128(body) {
        return Err(Invalid::Sum("body"));
    }
    Ok((header, body))
}

impl Header {
    fn check(&self) -> Result<(), Invalid> {
        if self.number == 0 {
            return Err(Invalid::Value("number"));
        }
        if self.previous >= self.number {
            return Err(Invalid::Value("previous"));
        }
        if self.previous == 0 && self.previous_hash != 0 {
            return Err(Invalid::Value("previous_hash"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
