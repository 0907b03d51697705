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
    u64::try_from(done)
        .ok()
        .and_then(|done| offset.checked_add(done))
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the offset is beyond what a file can have",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a scripted system call does when it is called: move that many bytes, or fail.
    type Script = Vec<Result<usize, io::ErrorKind>>;

    fn written(script: Script, bytes: &[u8]) -> (io::Result<()>, Vec<u8>) {
        let mut script = script.into_iter();
        let mut file = Vec::new();
        let outcome = write_full(7, bytes, |bytes, offset| {
            assert_eq!(
                offset,
                7 + file.len() as u64,
                "a write goes on where the last one stopped"
            );
            let count = script
                .next()
                .expect("no call after the last one scripted")?;
            file.extend_from_slice(&bytes[..count]);
            Ok(count)
        });
        (outcome, file)
    }

    #[test]
    fn short_and_interrupted_writes_are_continued() {
        let (outcome, file) = written(
            vec![Ok(2), Err(io::ErrorKind::Interrupted), Ok(1), Ok(3)],
            b"arrwdb",
        );
        assert!(outcome.is_ok());
        assert_eq!(file, b"arrwdb");
    }

    #[test]
    fn a_write_that_moves_nothing_is_an_error() {
        let (outcome, file) = written(vec![Ok(2), Ok(0)], b"arrwdb");
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::WriteZero);
        assert_eq!(file, b"ar");
    }

    #[test]
    fn a_failed_write_is_not_repeated() {
        let (outcome, _) = written(vec![Ok(2), Err(io::ErrorKind::StorageFull)], b"arrwdb");
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn short_and_interrupted_reads_are_continued_up_to_the_end_of_the_file() {
        let file = b"arrwdb";
        let mut script: Vec<Result<usize, io::ErrorKind>> =
            vec![Ok(2), Err(io::ErrorKind::Interrupted), Ok(1), Ok(3), Ok(0)];
        script.reverse();
        let mut buffer = [0xee; 8];
        let count = read_full(0, &mut buffer, |buffer, offset| {
            let count = script.pop().unwrap()?;
            let from = usize::try_from(offset).unwrap();
            buffer[..count].copy_from_slice(&file[from..from + count]);
            Ok(count)
        });
        assert_eq!(count.unwrap(), 6);
        assert_eq!(&buffer, b"arrwdb\xee\xee");
    }

    #[test]
    fn a_failed_read_is_never_taken_for_the_end_of_the_file() {
        let outcome = read_full(0, &mut [0; 8], |_, _| Err(io::Error::other("bad sector")));
        assert!(outcome.is_err());
    }

    #[test]
    fn an_offset_past_the_end_of_all_files_is_refused() {
        let outcome = write_full(u64::MAX, b"ab", |_, _| Ok(1));
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
