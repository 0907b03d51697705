//! Sixteen vectors and all queries, by products of floats.
//!
//! With `p` for a computed product of `q` and `x`, which is off by `e |q| |x|` at most:
//!
//! * `|q - x|^2 >= |q|^2 (1 - e) + |x|^2 (1 - e) - 2 p`,
//! * `1 - cos >= 1 - e - p`, if both were made to be of length one,
//! * `-<q, x> / |q| >= -e |x| - p`, if the query was, with what the metric may be off in `e`.
//!
//! So a vector is beyond the limit if `size of x - factor * p > limit`, where the limit holds all that the query
//! alone decides, and the size has errors taken off. As in `codes`, the limit is first moved by what a metric
//! may be off, and nothing is proved of vectors so long or short that squares leave the range of an `f32`.

use super::{Asked as Whole, Common, Sixteen, bits};
use crate::codes::{down, up};
use crate::kernels::tiles::{Numbers, group, product_error, products};
use crate::lanes::{Isa, LANES};
use crate::metric::Off;
use crate::{Error, Metric};
use base::Slot;

/// What a query needs.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    numbers: Vec<f32>,
    /// Its length.
    length: f64,
    /// What must be above this is beyond the limit.
    limit: f32,
}

/// Nothing is proved by longer queries or vectors.
const LONGEST: f64 = 1e18;

/// Nor by shorter queries.
const SHORTEST: f64 = 1e-12;

/// What is allowed for the steps around a product, as a part of the largest thing in them.
const ROUNDING: f64 = 1.0 / (1 << 20) as f64;

/// What is allowed for what is too small for an `f32`.
const TINY: f64 = 1e-36;

fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>().sqrt()
}

/// By how much a product is off, and what is made of it.
fn error(dim: usize) -> f64 {
    product_error(dim) + ROUNDING
}

impl Asked {
    pub(super) fn new(metric: Metric, vector: &[f32]) -> Self {
        let length = length(vector);
        let numbers = match metric {
            Metric::L2 => vector.to_vec(),
            Metric::Cosine | Metric::Dot => {
                vector.iter().map(|it| (f64::from(*it) / length) as f32).collect()
            }
        };
        Asked { numbers, length, limit: f32::INFINITY }
    }

    /// Takes note of how far vectors may be.
    #[inline(always)]
    pub(super) fn limit(&mut self, metric: Metric, off: Off, distance: f32) {
        if !(SHORTEST..LONGEST).contains(&self.length) {
            return;
        }
        let (distance, error) = (f64::from(distance), error(self.numbers.len()));
        let limit = match (metric, off) {
            (Metric::L2, Off::Part(part)) => {
                let square = (distance * (1.0 + part)).powi(2) * (1.0 + ROUNDING);
                square - self.length.powi(2) * (1.0 - error)
            }
            (Metric::Cosine, Off::By(by)) => distance + by + error - 1.0,
            (Metric::Dot, Off::OfNorms(_)) => {
                (distance + distance.abs() * ROUNDING + TINY) / self.length
            }
            _ => f64::INFINITY,
        };
        self.limit = up(limit);
    }
}

/// Queries that are packed together, and the 16 vectors they are multiplied with.
pub(super) struct Floats<const QUERIES: usize> {
    groups: Vec<Vec<[f32; QUERIES]>>,
    tile: Numbers,
    sizes: [f32; LANES],
}

impl<const QUERIES: usize> Floats<QUERIES> {
    /// Packs the queries.
    pub(super) fn new(common: Common<'_>, all: &[Whole<'_>]) -> Self {
        let empty = vec![0.0; common.on.flat.dim];
        let pack = |all: &[Whole<'_>]| {
            let numbers = |at: usize| all.get(at).map_or(&empty, |asked| &asked.floats.numbers);
            group(std::array::from_fn(|at| numbers(at).as_slice()))
        };
        let groups = all.chunks(QUERIES).map(pack).collect();
        let tile = vec![[0.0; LANES]; common.on.flat.dim];
        Floats { groups, tile, sizes: [0.0; LANES] }
    }

    /// Looks at 16 slots for all queries.
    #[inline(always)]
    pub(super) fn look<I: Isa>(
        &mut self,
        isa: I,
        common: Common<'_>,
        sixteen: Sixteen,
        all: &mut [Whole<'_>],
    ) -> Result<(), Error> {
        for row in bits(sixteen.live) {
            self.take(common, sixteen.first + row, row)?;
        }
        let factor = if common.metric == Metric::L2 { -2.0 } else { -1.0 };
        let (factor, sizes) = (isa.splat(factor), isa.load(&self.sizes));
        for (queries, all) in self.groups.iter().zip(all.chunks_mut(QUERIES)) {
            let made = products(isa, &self.tile, queries);
            for (asked, products) in all.iter_mut().zip(made) {
                let admitted = sixteen.admitted(asked);
                asked.work.looked_at += u64::from(admitted.count_ones());
                let bounds = isa.mul_add(factor, products, sizes);
                let beyond = isa.above(bounds, isa.splat(asked.floats.limit));
                for row in bits(admitted & !beyond) {
                    common.compare(isa, asked, sixteen.first + row)?;
                }
            }
        }
        Ok(())
    }

    /// Puts a vector into the tile.
    #[inline(always)]
    fn take(&mut self, common: Common<'_>, slot: usize, row: usize) -> Result<(), Error> {
        let vector = common.vectors.vector(Slot(slot as u32))?;
        let length = length(&vector);
        let error = error(common.on.flat.dim);
        let (scale, size) = match (common.metric, common.off) {
            (Metric::Cosine, _) if length > 0.0 => (1.0 / length, 0.0),
            (Metric::Cosine, _) => (1.0, 0.0),
            // What the metric itself may be off goes with the lengths, too.
            (Metric::Dot, Off::OfNorms(by)) => (1.0, -(error + by) * length - TINY),
            _ => (1.0, length.powi(2) * (1.0 - error) - TINY),
        };
        let (scale, size) = match common.metric {
            Metric::L2 | Metric::Dot if length > LONGEST => (0.0, f64::NEG_INFINITY),
            _ => (scale, size),
        };
        for (numbers, number) in self.tile.iter_mut().zip(vector.iter()) {
            if let Some(place) = numbers.get_mut(row) {
                *place = (f64::from(*number) * scale) as f32;
            }
        }
        if let Some(place) = self.sizes.get_mut(row) {
            *place = down(size);
        }
        Ok(())
    }
}
