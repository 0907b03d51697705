//! The links of a graph: who is next to whom, on each of its levels.
//!
//! On the ground every slot has a place of its own; above it each level lists the few slots that it has, and says
//! where each is on the level below. Lists have room for a fixed number of links, the first free place ends them. All is
//! kept as an image has it: a link is one more than the node it leads to, and 0 is a free place.
//!
//! Many read while some write, link by link. Nothing is in order by a link, nor by what is said about a node: whatever they
//! lead to may be gone, and says so itself.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::lanes::Isa;
use crate::lent::LentRows;
use crate::rows::{LINE, rows_a_piece};
use crate::shared::{Lists, Numbers, Pieces};

/// No node.
pub(crate) const NONE: u32 = u32::MAX;

/// How many bytes a link takes.
pub(super) const LINK: usize = size_of::<u32>();

/// And what is said about a node: its slot and its number on the level below.
pub(super) const ABOUT: usize = 2 * size_of::<u32>();

/// So many nodes above the ground have room at first.
const ABOUT_FIRST: usize = 1_024;

/// A level of the graph: nodes by their numbers on it, which on the ground are slots.
#[derive(Debug)]
pub(super) struct Level {
    degree: usize,
    links: Table,
    about: About,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are few, and a box is one more place to wait for"
)]
enum Table {
    Own(Lists),
    Lent(LentRows),
}

/// What is said about nodes.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are few, and a box is one more place to wait for"
)]
enum About {
    /// Nothing: they are slots.
    Ground,
    Own {
        numbers: Pieces<AtomicU64>,
        /// Above every number that was ever given.
        count: AtomicUsize,
        /// Numbers that may be given again.
        free: Mutex<Vec<u32>>,
    },
    Lent(LentRows),
}

/// The links that lead away from a node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Links<'l> {
    Own { lines: &'l [Numbers], at: usize },
    Lent(&'l [[u8; LINK]]),
}

impl Iterator for Links<'_> {
    type Item = u32;

    #[inline(always)]
    fn next(&mut self) -> Option<u32> {
        let link = match self {
            Links::Own { lines, at } => {
                let link = lines.get(*at / Numbers::COUNT)?.get(*at % Numbers::COUNT);
                *at += 1;
                link
            }
            Links::Lent(links) => {
                let (link, rest) = links.split_first()?;
                *links = rest;
                u32::from_le_bytes(*link)
            }
        };
        let node = link.wrapping_sub(1);
        (node != NONE).then_some(node)
    }
}

impl Links<'_> {
    /// Does something with each: the same as going through them, in loops that are as simple as what they go through.
    #[inline(always)]
    pub(super) fn each(self, mut work: impl FnMut(u32)) {
        match self {
            Links::Own { lines, .. } => {
                for line in lines {
                    for at in 0..Numbers::COUNT {
                        let node = line.get(at).wrapping_sub(1);
                        if node == NONE {
                            return;
                        }
                        work(node);
                    }
                }
            }
            Links::Lent(links) => {
                for link in links {
                    let node = u32::from_le_bytes(*link).wrapping_sub(1);
                    if node == NONE {
                        return;
                    }
                    work(node);
                }
            }
        }
    }
}

/// How many bytes a list of so many links has: they fill cache lines.
pub(super) fn width(degree: usize) -> usize {
    (degree * LINK).next_multiple_of(LINE)
}

/// A slot and a number on the level below, as they are kept, and the other way round.
fn packed(slot: u32, below: u32) -> u64 {
    u64::from(below) << 32 | u64::from(slot.wrapping_add(1))
}

fn unpacked(about: u64) -> (u32, u32) {
    ((about as u32).wrapping_sub(1), (about >> 32) as u32)
}

impl Level {
    /// The ground, where a node may have so many links.
    pub(super) fn ground(degree: usize) -> Self {
        let links = Table::Own(Lists::new(degree, rows_a_piece(width(degree))));
        Level { degree, links, about: About::Ground }
    }

    /// A level above it.
    pub(super) fn upper(degree: usize) -> Self {
        let (count, free) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let about = About::Own { numbers: Pieces::new(1, ABOUT_FIRST), count, free };
        let links = Table::Own(Lists::new(degree, rows_a_piece(width(degree)).min(ABOUT_FIRST)));
        Level { degree, links, about }
    }

    /// One that lies in an image.
    pub(super) fn lent(degree: usize, links: LentRows, about: Option<LentRows>) -> Self {
        let about = about.map_or(About::Ground, About::Lent);
        Level { degree, links: Table::Lent(links), about }
    }

    /// A copy of its nodes below this one.
    pub(super) fn copied(&self, end: usize) -> Self {
        let copy = match self.about {
            About::Ground => Level::ground(self.degree),
            _ => Level::upper(self.degree),
        };
        for node in 0..end.min(self.end()) as u32 {
            copy.put(node, self.links::<false>(node));
            if let About::Own { numbers, count, free } = &copy.about {
                let (slot, below) = self.about::<false>(node);
                let about = if slot == NONE { (NONE, NONE) } else { (slot, below) };
                set(numbers, node, about);
                count.fetch_add(1, Ordering::Relaxed);
                if slot == NONE {
                    free.lock().push(node);
                }
            }
        }
        copy
    }

    /// How many links a node may have.
    pub(super) fn degree(&self) -> usize {
        self.degree
    }

    /// Above every node's number.
    #[inline(always)]
    pub(super) fn end(&self) -> usize {
        match (&self.about, &self.links) {
            (About::Ground, Table::Own(links)) => links.end(),
            (About::Ground, Table::Lent(links)) => links.count(),
            (About::Own { count, .. }, _) => count.load(Ordering::Acquire),
            (About::Lent(about), _) => about.count(),
        }
    }

    /// Who is next to a node.
    #[inline(always)]
    pub(super) fn links<const CHECK: bool>(&self, node: u32) -> Links<'_> {
        match &self.links {
            Table::Own(links) => Links::Own { lines: links.list(node as usize), at: 0 },
            Table::Lent(links) => Links::Lent(links.row::<CHECK>(node as usize).as_chunks().0),
        }
    }

    /// Says that a node's links will be asked for soon.
    #[inline(always)]
    pub(super) fn fetch<I: Isa>(&self, isa: I, node: u32) {
        match &self.links {
            Table::Own(links) => {
                for line in links.list(node as usize) {
                    isa.fetch(line);
                }
            }
            Table::Lent(links) => {
                for line in links.row::<false>(node as usize).as_chunks::<LINE>().0 {
                    isa.fetch(line);
                }
            }
        }
    }

    /// The slot of a node, and where it is on the level below.
    #[inline(always)]
    fn about<const CHECK: bool>(&self, node: u32) -> (u32, u32) {
        match &self.about {
            About::Ground => (node, NONE),
            About::Own { numbers, .. } => {
                let about = numbers.row(node as usize).first();
                about.map_or((NONE, NONE), |about| unpacked(about.load(Ordering::Relaxed)))
            }
            About::Lent(about) => {
                let about = about.row::<CHECK>(node as usize).first_chunk();
                about.map_or((NONE, NONE), |about| unpacked(u64::from_le_bytes(*about)))
            }
        }
    }

    /// The slot of a node: none, if it was removed.
    #[inline(always)]
    pub(super) fn slot<const CHECK: bool>(&self, node: u32) -> u32 {
        match self.about {
            About::Ground => node,
            _ => self.about::<CHECK>(node).0,
        }
    }

    /// Where a node is on the level below.
    #[inline(always)]
    pub(super) fn below<const CHECK: bool>(&self, node: u32) -> u32 {
        self.about::<CHECK>(node).1
    }

    /// Makes room for a node of the ground.
    pub(super) fn make(&self, node: u32) {
        if let Table::Own(links) = &self.links {
            links.make(node as usize);
        }
    }

    /// Puts links in the place of those that were there: for one thread at a time.
    pub(super) fn put(&self, node: u32, links: impl IntoIterator<Item = u32>) {
        if let Table::Own(lists) = &self.links {
            let links = links.into_iter().take(self.degree);
            lists.put(node as usize, links.map(|link| link.wrapping_add(1)));
        }
    }

    /// A number for a new node above the ground, which is no node before it has a name.
    pub(super) fn reserve(&self) -> u32 {
        let About::Own { count, free, .. } = &self.about else { return NONE };
        let mut free = free.lock();
        free.pop().unwrap_or_else(|| count.fetch_add(1, Ordering::Relaxed) as u32)
    }

    /// Says which slot a node is of, and where it is on the level below.
    pub(super) fn name(&self, node: u32, slot: u32, below: u32) {
        if let About::Own { numbers, .. } = &self.about {
            set(numbers, node, (slot, below));
        }
    }

    /// Takes a node's slot away: it is no node any more. Who is on it still finds its way.
    pub(super) fn forget(&self, node: u32) {
        if let About::Own { numbers, .. } = &self.about {
            set(numbers, node, (NONE, self.below::<false>(node)));
        }
    }

    /// Lets the number of a node be given again, to which nothing leads and on which nobody is.
    pub(super) fn give_back(&self, node: u32) {
        self.put(node, []);
        if let About::Own { numbers, free, .. } = &self.about {
            set(numbers, node, (NONE, NONE));
            free.lock().push(node);
        }
    }

    /// What is said about a node, and its links, as they go into an image.
    pub(super) fn bytes_of(&self, node: u32) -> ([u8; ABOUT], Vec<u8>) {
        let (slot, below) = self.about::<false>(node);
        let mut links: Vec<u8> =
            self.links::<false>(node).flat_map(|link| link.wrapping_add(1).to_le_bytes()).collect();
        links.resize(width(self.degree), 0);
        (packed(slot, below).to_le_bytes(), links)
    }

    /// How many bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        let links = match &self.links {
            Table::Own(links) => links.bytes(),
            Table::Lent(_) => 0,
        };
        match &self.about {
            About::Own { numbers, .. } => links + numbers.bytes(),
            _ => links,
        }
    }
}

fn set(numbers: &Pieces<AtomicU64>, node: u32, (slot, below): (u32, u32)) {
    if let Some(place) = numbers.make(node as usize).first() {
        place.store(packed(slot, below), Ordering::Relaxed);
    }
}
