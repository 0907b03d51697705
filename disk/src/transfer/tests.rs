//! Scripted system calls that are short, interrupted, or fail.

use super::*;

/// What a scripted system call does when it is called: move that many bytes, or fail.
type Script = Vec<Result<usize, io::ErrorKind>>;

fn written(script: Script, bytes: &[u8]) -> (io::Result<()>, Vec<u8>) {
    let mut script = script.into_iter();
    let mut file = Vec::new();
    let outcome = write_full(7, bytes, |bytes, offset| {
        assert_eq!(offset, 7 + file.len() as u64, "a write goes on where the last one stopped");
        let count = script.next().expect("no call after the last one scripted")?;
        file.extend_from_slice(&bytes[..count]);
        Ok(count)
    });
    (outcome, file)
}

#[test]
fn short_and_interrupted_writes_are_continued() {
    let (outcome, file) =
        written(vec![Ok(2), Err(io::ErrorKind::Interrupted), Ok(1), Ok(3)], b"arrwdb");
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
fn other_calls_are_repeated_while_they_are_interrupted_and_only_then() {
    let mut script: Script = vec![Ok(7), Err(io::ErrorKind::Interrupted)];
    let outcome = uninterrupted(|| Ok(script.pop().unwrap()?));
    assert_eq!(outcome.unwrap(), 7);
    let mut script: Script = vec![Ok(7), Err(io::ErrorKind::StorageFull)];
    let outcome = uninterrupted(|| Ok(script.pop().unwrap()?));
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn an_offset_past_the_end_of_all_files_is_refused() {
    let outcome = write_full(u64::MAX, b"ab", |_, _| Ok(1));
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidInput);
}
