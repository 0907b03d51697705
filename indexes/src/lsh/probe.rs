//! Which buckets of the tables near vectors are in: the most likely ones first.
//!
//! What a bucket lacks is, for each of its functions, the square of how much smaller the number of the query is that the bucket stands for
//! than the largest one. Buckets come by levels of what they lack, and within a level by tables: so there is nothing to be kept in order, and
//! the buckets are the same whatever it is that they hold.

use super::layout::{Layout, Turned, part};

/// A bucket of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cell {
    pub(super) table: u32,
    pub(super) bucket: u32,
}

/// What a function may be taken to say of a vector that is near, and what that lacks.
#[derive(Clone, Copy, Debug)]
struct Choice {
    lacks: f32,
    value: u32,
}

/// A level goes beyond the one before by so much, and at least by so much of that: in units of how large a number is on average.
const STEP: f32 = 0.15;
const GROWTH: f32 = 1.06;

/// At first choices are made up to what lacks so much, and then up to so many times as much.
const AT_FIRST: f32 = 1.2;
const MORE: f32 = 1.5;

/// A level ends with so many buckets, and so does the search for more.
const CELLS_MAX: usize = 1 << 16;

/// No choice lacks more: numbers are at most 1.
const LACKS_MAX: f32 = 4.0;

/// The buckets of a query, level by level.
#[derive(Debug, Default)]
pub(super) struct Probe {
    /// Those of each function of each table, up to a limit, the likeliest first.
    choices: Vec<Vec<Choice>>,
    /// Up to which limit that is.
    made: f32,
    /// The last level, in those units, and what it lacks at most.
    level: f32,
    lacks: f32,
    is_over: bool,
}

impl Probe {
    /// Begins with a query.
    pub(super) fn begin(&mut self) {
        (self.made, self.level, self.lacks, self.is_over) = (-1.0, 0.0, -1.0, false);
    }

    /// Puts the buckets of the next level in the place of others; says whether there was one.
    pub(super) fn next(&mut self, layout: &Layout, turned: &Turned, cells: &mut Vec<Cell>) -> bool {
        cells.clear();
        if self.is_over {
            return false;
        }
        let unit = 1.0 / (layout.shape.size as f32).sqrt();
        if self.lacks >= 0.0 {
            self.level = (self.level + STEP).max(self.level * GROWTH);
        }
        let upper = (self.level * unit).powi(2);
        if upper > self.made {
            let made = (MORE * self.level).max(AT_FIRST) * unit;
            self.made = made * made;
            self.choose(layout, turned);
        }
        let functions = layout.shape.bits().len().max(1);
        for (table, choices) in self.choices.chunks(functions).enumerate() {
            let mut level = Level {
                bits: layout.shape.bits(),
                table: table as u32,
                window: (self.lacks, upper),
                cells,
            };
            level.descend(choices, 0, (0.0, 0));
        }
        self.lacks = upper;
        self.is_over = cells.len() >= CELLS_MAX || upper >= LACKS_MAX * functions as f32;
        true
    }

    /// Makes the choices up to the limit.
    fn choose(&mut self, layout: &Layout, turned: &Turned) {
        let blocks = layout.blocks().flatten();
        self.choices.resize_with(layout.shape.tables * layout.shape.bits().len(), Vec::new);
        for (block, choices) in blocks.zip(&mut self.choices) {
            choices.clear();
            let numbers = part(turned.numbers(), *block);
            let most = numbers.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
            // What is not so large, on neither side, lacks more.
            let least = most - self.made.sqrt();
            for (at, number) in numbers.iter().enumerate().filter(|(_, it)| it.abs() >= least) {
                let (smaller, larger) = (most - number.abs(), most + number.abs());
                let side = u32::from(*number < 0.0);
                for (lacks, side) in [(smaller, side), (larger, side ^ 1)] {
                    if lacks * lacks <= self.made {
                        choices.push(Choice { lacks: lacks * lacks, value: at as u32 * 2 + side });
                    }
                }
            }
            choices
                .sort_unstable_by(|a, b| a.lacks.total_cmp(&b.lacks).then(a.value.cmp(&b.value)));
        }
    }
}

/// The buckets of a table that lack more than one limit and not more than another.
struct Level<'l> {
    bits: &'l [u32],
    table: u32,
    window: (f32, f32),
    cells: &'l mut Vec<Cell>,
}

impl Level<'_> {
    /// Goes through the choices of a function, and of those behind it, where those before lack so much and say this of the bucket.
    fn descend(&mut self, functions: &[Vec<Choice>], at: usize, (lacks, bucket): (f32, u32)) {
        let Some((choices, rest)) = functions.split_first() else { return };
        let (lower, upper) = self.window;
        let bits = self.bits.get(at).copied().unwrap_or(0);
        // Where this is the last function, what lacks too little was in a level before.
        let first = match rest.is_empty() {
            true => choices.partition_point(|it| lacks + it.lacks <= lower),
            false => 0,
        };
        for choice in choices.get(first..).unwrap_or_default() {
            let lacks = lacks + choice.lacks;
            if lacks > upper || self.cells.len() >= CELLS_MAX {
                return;
            }
            let bucket = bucket << bits | choice.value;
            match rest.is_empty() {
                true => self.cells.push(Cell { table: self.table, bucket }),
                false => self.descend(rest, at + 1, (lacks, bucket)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::Metric;
    use crate::given::Random;
    use crate::lsh::config::{Family, LshConfig};
    use crate::lsh::shape::Shape;
    use crate::lsh::space::{Role, Space};

    #[test]
    fn every_bucket_comes_once_and_the_own_ones_first() {
        for (family, functions) in [
            (Family::CrossPolytope, None),
            (Family::CrossPolytope, Some(3)),
            (Family::Hyperplanes, Some(7)),
        ] {
            let config =
                LshConfig { functions, ..LshConfig::default().family(family).num_tables(3) };
            let shape = Shape::new((20, Metric::L2), &config, 3_000);
            let buckets = shape.buckets();
            let layout = Layout::new(shape, Space::new(Metric::L2, vec![0.0; 20], 3.0), 5);
            let mut turned = Turned::default();
            layout.turn(&Random(1).vector(20), Role::Asked, &mut turned);
            let mut own = Vec::new();
            layout.hash(&turned, &mut own);
            let (mut probe, mut cells) = (Probe::default(), Vec::new());
            for _ in 0..2 {
                probe.begin();
                assert!(probe.next(&layout, &turned, &mut cells));
                assert_eq!(cells.iter().map(|it| it.bucket).collect::<Vec<_>>(), own);
                let mut seen: HashSet<_> = cells.iter().map(|it| (it.table, it.bucket)).collect();
                let mut before = 0.0;
                while probe.next(&layout, &turned, &mut cells) {
                    assert!(probe.lacks > before && cells.is_sorted_by_key(|it| it.table));
                    before = probe.lacks;
                    for Cell { table, bucket } in &cells {
                        assert!((*bucket as usize) < buckets && seen.insert((*table, *bucket)));
                    }
                }
                assert_eq!(seen.len(), 3 * buckets, "{family:?}");
            }
        }
    }
}
