//! Bytes of an image on their way to whoever keeps them.
//!
//! An image begins with a sum of all that follows. So what follows is gone through twice, once to sum it up and once to
//! write it, and never held as a whole.
//!
//! Promises
//!  1. Bytes are handed on in their order, many at a time, and never more of them held than a little.
//!  2. After an error nothing more is handed on.

use std::io::{self, Write};

/// So many bytes are handed on at a time, or a few more.
const AT_A_TIME: usize = 1 << 16;

/// Where bytes go out to.
pub(crate) struct Out<'o> {
    into: &'o mut dyn Write,
    held: Vec<u8>,
    /// How many were handed on.
    gone: usize,
}

impl<'o> Out<'o> {
    pub(crate) fn new(into: &'o mut dyn Write) -> Self {
        Out { into, held: Vec::new(), gone: 0 }
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.held.extend_from_slice(bytes);
        self.hand_on(AT_A_TIME)
    }

    /// So many zeros.
    pub(crate) fn zeros(&mut self, count: usize) -> io::Result<()> {
        self.held.resize(self.held.len() + count, 0);
        self.hand_on(AT_A_TIME)
    }

    /// Zeros up to the next multiple of this many bytes.
    pub(crate) fn align(&mut self, alignment: usize) -> io::Result<()> {
        let offset = self.gone + self.held.len();
        self.zeros(offset.next_multiple_of(alignment) - offset)
    }

    /// Hands on what is left.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.hand_on(1)
    }

    /// Hands on what is held, if that is so much.
    fn hand_on(&mut self, least: usize) -> io::Result<()> {
        if self.held.len() >= least {
            self.into.write_all(&self.held)?;
            self.gone += self.held.len();
            self.held.clear();
        }
        Ok(())
    }
}
