//! Which nodes a search has seen: a byte for each, which says in which search that was.
//!
//! The bytes are wiped once in 255 searches, so that beginning a search costs nothing.

#[derive(Clone, Debug, Default)]
pub(super) struct Visited {
    marks: Vec<u8>,
    search: u8,
}

impl Visited {
    /// Begins a search among nodes below this number.
    pub(super) fn begin(&mut self, end: usize) {
        if self.marks.len() < end {
            self.marks.resize(end, 0);
        }
        if self.search == u8::MAX {
            self.marks.fill(0);
            self.search = 0;
        }
        self.search += 1;
    }

    /// Marks a node; says whether it was not seen before. One that cannot be is not new.
    #[inline(always)]
    pub(super) fn is_new(&mut self, node: u32) -> bool {
        let Some(mark) = self.marks.get_mut(node as usize) else { return false };
        let new = *mark != self.search;
        *mark = self.search;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_new_once_in_each_search() {
        let mut visited = Visited::default();
        for search in 0..1_000 {
            visited.begin(10 + search % 3);
            assert!(visited.is_new(3) && !visited.is_new(3) && visited.is_new(9));
            assert!(!visited.is_new(1_000_000));
        }
    }
}
