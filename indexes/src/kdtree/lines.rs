//! Numbers one behind the other, of which the first begins a cache line.

use crate::rows::LINE;

/// Numbers, zeros at first.
#[derive(Debug)]
pub(super) struct Lines {
    cells: Vec<f32>,
    /// Where the first number is that begins a cache line.
    first: usize,
    len: usize,
}

impl Lines {
    pub(super) fn new(len: usize) -> Self {
        let cells = vec![0.0; len + LINE / size_of::<f32>()];
        // Where it cannot be had (only the interpreter says so) they lie as they come.
        let first = Some(cells.as_ptr().align_offset(LINE)).filter(|it| it + len <= cells.len());
        Lines { first: first.unwrap_or(0), cells, len }
    }

    #[inline(always)]
    pub(super) fn get(&self) -> &[f32] {
        self.cells.get(self.first..self.first + self.len).unwrap_or_default()
    }

    pub(super) fn get_mut(&mut self) -> &mut [f32] {
        self.cells.get_mut(self.first..self.first + self.len).unwrap_or_default()
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.cells.len() * size_of::<f32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_begins_a_cache_line() {
        for len in [0, 1, 16, 1_000] {
            let mut lines = Lines::new(len);
            lines.get_mut().fill(1.0);
            assert_eq!((lines.get().len(), lines.get().as_ptr().align_offset(LINE)), (len, 0));
        }
    }
}
