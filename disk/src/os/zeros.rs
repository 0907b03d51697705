//! Takes space for a file by writing zeros, where no call reserves it.

use std::fs;
use std::io;

use super::positioned;
use crate::transfer::write_full;

/// How much is written at a time: large enough that the calls do not count.
const CHUNK_BYTES: usize = 1 << 20;

/// Writes zeros from the end of the file up to `size`. What the file already has is left as it
/// is: its space was taken when it was written.
pub(crate) fn append(file: &fs::File, size: u64) -> io::Result<()> {
    let mut at = file.metadata()?.len();
    let zeros = vec![0; CHUNK_BYTES.min(usize::try_from(size).unwrap_or(CHUNK_BYTES))];
    while at < size {
        let left = usize::try_from(size - at).unwrap_or(usize::MAX);
        let chunk = zeros.get(..left).unwrap_or(&zeros);
        write_full(at, chunk, |bytes, offset| positioned::write_at(file, bytes, offset))?;
        at += chunk.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_go_behind_what_is_there_up_to_the_size_and_no_further() {
        let file = tempfile::tempfile().unwrap();
        let size = 3 * CHUNK_BYTES as u64 + 17;
        write_full(0, b"kept", |bytes, offset| positioned::write_at(&file, bytes, offset)).unwrap();
        append(&file, size).unwrap();
        assert_eq!(file.metadata().unwrap().len(), size);
        append(&file, 9).unwrap();
        assert_eq!(file.metadata().unwrap().len(), size, "a smaller size changes nothing");

        let mut bytes = vec![0xee; 3 * CHUNK_BYTES + 17];
        let read = crate::transfer::read_full(0, &mut bytes, |buffer, offset| {
            positioned::read_at(&file, buffer, offset)
        });
        assert_eq!(read.unwrap(), bytes.len());
        assert_eq!(&bytes[..4], b"kept");
        assert!(bytes[4..].iter().all(|byte| *byte == 0));
    }
}
