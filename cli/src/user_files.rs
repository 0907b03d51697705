//! Reads and writes the user's own files: vectors, ids, queries, answers. None of them is the store's.
//!
//! Promises
//!  1. A file that is written appears under its name whole, or not at all; what was there before stays until then.
//!  2. Only plain files are read, so that nothing waits on a pipe, and their length is known before they are.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the user's own files, not the store's"
)]

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};

/// A file that is read from its beginning to its end.
pub(crate) struct Input {
    file: BufReader<File>,
    path: PathBuf,
    bytes: u64,
}

impl Input {
    pub(crate) fn open(path: &Path) -> Result<Input> {
        let refused = |error| Failure::system(format!("{} cannot be read", path.display()), &error);
        // Looked at before it is opened: opening a pipe waits for who writes to it.
        if !fs::metadata(path).map_err(refused)?.is_file() {
            let path = path.display();
            return Err(Failure::refused(format!("{path} is not a plain file; give one")));
        }
        let file = File::open(path).map_err(refused)?;
        let bytes = file.metadata().map_err(refused)?.len();
        Ok(Input { file: BufReader::with_capacity(1 << 18, file), path: path.to_owned(), bytes })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How long it was when it was opened.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn seek(&mut self, offset: u64) -> Result<()> {
        let sought = self.file.seek(SeekFrom::Start(offset));
        sought.map(drop).map_err(|error| self.unreadable(&error))
    }

    /// Fills the buffer.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.file.read_exact(buffer).map_err(|error| self.unreadable(&error))
    }

    /// Reads some bytes; 0 at the end.
    pub(crate) fn some(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.file.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read.map_err(|error| self.unreadable(&error)),
            }
        }
    }

    /// The bytes up to the next line feed or the end, without it; `None` at the end. A line longer than `most` is
    /// refused.
    pub(crate) fn line(&mut self, most: usize) -> Result<Option<Vec<u8>>> {
        use std::io::BufRead;
        let mut line = Vec::new();
        let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        let read = (&mut self.file).take(limit).read_until(b'\n', &mut line);
        if read.map_err(|error| self.unreadable(&error))? == 0 {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > most {
            let path = self.path.display();
            return Err(Failure::refused(format!("{path} has a line of more than {most} bytes")));
        }
        Ok(Some(line))
    }

    fn unreadable(&self, error: &std::io::Error) -> Failure {
        let path = self.path.display();
        if error.kind() == ErrorKind::UnexpectedEof {
            return Failure::refused(format!("{path} became shorter while it was read; try again"));
        }
        Failure::system(format!("{path} cannot be read"), error)
    }
}

/// A file that is written under another name in the same directory, and gets its own when it is whole.
pub(crate) struct Whole {
    file: BufWriter<File>,
    path: PathBuf,
    temporary: PathBuf,
    is_whole: bool,
}

/// How many names are tried for what is not whole yet.
const NAMES_MAX: u32 = 100;

impl Whole {
    pub(crate) fn create(path: &Path) -> Result<Whole> {
        let unwritable = |why: &dyn std::fmt::Display| {
            Failure::refused(format!("{} cannot be written: {why}", path.display()))
        };
        let name = path.file_name().ok_or_else(|| unwritable(&"it is not the name of a file"))?;
        if fs::metadata(path).is_ok_and(|it| !it.is_file()) {
            return Err(unwritable(&"something that is no plain file has that name"));
        }
        for number in 0..NAMES_MAX {
            let mut temporary = name.to_owned();
            temporary.push(format!(".{}-{number}.tmp", std::process::id()));
            let temporary = path.with_file_name(temporary);
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => {
                    let (file, path) = (BufWriter::new(file), path.to_owned());
                    return Ok(Whole { file, path, temporary, is_whole: false });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(unwritable(&error)),
            }
        }
        Err(unwritable(&"too many unfinished files lie beside it; remove them"))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| self.unwritable(&error))
    }

    /// Gives it its name; it survives the power from then on.
    pub(crate) fn finish(mut self) -> Result<()> {
        let finished = self.file.flush().and_then(|()| {
            self.file.get_ref().sync_all()?;
            fs::rename(&self.temporary, &self.path)
        });
        finished.map_err(|error| self.unwritable(&error))?;
        self.is_whole = true;
        self.sync_directory().map_err(|error| self.unwritable(&error))
    }

    /// The new name, too, is to survive.
    fn sync_directory(&self) -> std::io::Result<()> {
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // Elsewhere directories cannot be opened, nor need they be.
        if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
    }

    fn unwritable(&self, error: &std::io::Error) -> Failure {
        Failure::system(format!("{} cannot be written", self.path.display()), error)
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if !self.is_whole {
            // A leftover is ugly and harmless, and the failure before it is what matters.
            fs::remove_file(&self.temporary).ok();
        }
    }
}
