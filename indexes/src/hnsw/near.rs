//! The nearest nodes of a search by their scores, in order, and how far it has got with them.
//!
//! Promises: never more than it has room for; equal scores are in the order of their nodes, so that a search depends on
//! nothing but the graph.

/// A node, how it scored, and whether its links were followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scored {
    pub(super) score: f32,
    pub(super) node: u32,
    done: bool,
}

/// The nearest so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Near {
    room: usize,
    sorted: Vec<Scored>,
    /// All before this one are done.
    next: usize,
}

impl Near {
    /// Begins with nothing, and room for so many.
    pub(super) fn begin(&mut self, room: usize) {
        self.sorted.clear();
        self.room = room;
        self.next = 0;
    }

    pub(super) fn sorted(&self) -> &[Scored] {
        &self.sorted
    }

    /// Whether something with this score would be among them.
    #[inline(always)]
    pub(super) fn wants(&self, score: f32) -> bool {
        self.sorted.len() < self.room || self.sorted.last().is_some_and(|last| score < last.score)
    }

    /// The score beyond which nothing is wanted.
    #[inline(always)]
    pub(super) fn least(&self) -> f32 {
        match self.sorted.last() {
            Some(last) if self.sorted.len() >= self.room => last.score,
            _ => f32::INFINITY,
        }
    }

    /// Takes note of a node that is wanted.
    #[inline(always)]
    pub(super) fn put(&mut self, score: f32, node: u32) {
        if self.sorted.len() >= self.room {
            self.sorted.pop();
        }
        let at = self.sorted.partition_point(|it| (it.score, it.node) < (score, node));
        self.sorted.insert(at, Scored { score, node, done: false });
        self.next = self.next.min(at);
    }

    /// The nearest one whose links were not followed, which are now.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<Scored> {
        let rest = self.sorted.get_mut(self.next..)?;
        let at = rest.iter().position(|it| !it.done)?;
        self.next += at;
        let scored = rest.get_mut(at)?;
        scored.done = true;
        Some(*scored)
    }

    /// The one that would be next.
    #[inline(always)]
    pub(super) fn coming(&self) -> Option<u32> {
        self.sorted.get(self.next..)?.iter().find(|it| !it.done).map(|it| it.node)
    }
}
