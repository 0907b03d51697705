//! Turns system calls that may move fewer bytes than asked, or be interrupted, into whole ones.
//!
//! Promises
//!  1. An interrupted call is repeated; every other error is passed on at once.
//!  2. A short transfer goes on where it stopped.
//!  3. A write that moves nothing is an error, never a loop without end.

use std::io;

/// Reads until the buffer is full or the file ends; returns how many bytes were read.
pub(crate) fn read_full(
    offset: u64,
    buffer: &mut [u8],
    mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match read(rest, position(offset, done)?) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes all the bytes.
pub(crate) fn write_full(
    offset: u64,
    bytes: &[u8],
    mut write: impl FnMut(&[u8], u64) -> io::Result<usize>,
) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match write(rest, position(offset, done)?) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Repeats a call for as long as it is interrupted.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// The offset after `done` bytes.
fn position(offset: u64, done: usize) -> io::Result<u64> {
    u64::try_from(done).ok().and_then(|done| offset.checked_add(done)).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "the offset is beyond what a file can have")
    })
}

#[cfg(test)]
mod tests;
