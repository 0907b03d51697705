//! How far two vectors of a graph are from each other, by their codes: enough to say which of two distances is the shorter
//! where they are not about equal.
//!
//! Nothing is proved by it: what it says is off by more than it allows for in a few of a hundred cases.

use crate::codes::{CodesInUse, Shape, nibble_products};
use crate::lanes::Isa;

/// What codes say may be off by so many times what is to be expected.
const DEVIATIONS: f32 = 2.0;

/// Beyond this nothing is said.
const FARTHEST: f32 = 1e18;

/// What numbers in place of those of a vector mean, nibbles or bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    pub(super) base: f32,
    pub(super) step: f32,
    /// Two of these, less the product, are half of the square of the distance (or the product, negated).
    pub(super) half: f32,
    pub(super) error: f32,
    /// The length, where the product is asked.
    pub(super) length: f32,
}

/// A vector by both planes, in bytes as a query has them.
#[derive(Debug)]
pub(super) struct Unpacked {
    bytes: Vec<[[i8; 64]; 2]>,
    meaning: Meaning,
    /// The sum of its numbers.
    total: f32,
}

/// A vector that is compared with such.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planes<'p> {
    upper: &'p [[u8; 64]],
    lower: &'p [[u8; 64]],
    /// What the nibbles of the upper plane mean, and the numbers of both.
    coarse: Meaning,
    fine: Meaning,
    /// The sums of its nibbles.
    sums: [i32; 2],
}

/// What is to be seen at a glance of whether a vector is nearer than something else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Glance {
    Nearer,
    Farther,
    /// It is about as near.
    Doubtful,
}

/// Bytes that sum up the nibbles they are multiplied with.
const ONES: [[i8; 64]; 2] = [[1; 64]; 2];

/// What is taken from a number to make it a byte.
const MIDDLE: u8 = 128;

impl<'p> Planes<'p> {
    #[inline(always)]
    pub(super) fn new<I: Isa>(
        isa: I,
        (upper, lower): (&'p [[u8; 64]], &'p [[u8; 64]]),
        (coarse, fine): (Meaning, Meaning),
    ) -> Self {
        let sums = [sum_of(isa, upper), sum_of(isa, lower)];
        Planes { upper, lower, coarse, fine, sums }
    }

    /// The sum of the numbers of both planes, and that of their products with those of another one.
    #[inline(always)]
    fn sums_with<I: Isa>(&self, isa: I, one: &Unpacked) -> (i32, i32) {
        let [upper, lower] = self.sums;
        let products = 16 * nibble_products(isa, self.upper, &one.bytes)
            + nibble_products(isa, self.lower, &one.bytes);
        (16 * upper + lower, products)
    }

    /// It as one that others are compared with.
    pub(super) fn unpacked(&self, dim: usize) -> Unpacked {
        let code = |upper: u8, lower: u8| (16 * upper + lower).wrapping_sub(MIDDLE).cast_signed();
        let bytes = self.upper.iter().zip(self.lower).map(|(upper, lower)| {
            let mut halves = [[0; 64]; 2];
            let [low, high] = &mut halves;
            for ((low, high), (upper, lower)) in
                low.iter_mut().zip(high).zip(upper.iter().zip(lower))
            {
                *low = code(upper & 15, lower & 15);
                *high = code(upper >> 4, lower >> 4);
            }
            halves
        });
        let Meaning { base, step, .. } = self.fine;
        let [upper, lower] = self.sums;
        Unpacked {
            bytes: bytes.collect(),
            meaning: Meaning { base: base + f32::from(MIDDLE) * step, ..self.fine },
            total: base * dim as f32 + step * (16 * upper + lower) as f32,
        }
    }
}

#[inline(always)]
fn sum_of<I: Isa>(isa: I, plane: &[[u8; 64]]) -> i32 {
    let mut sums = isa.no_wholes();
    for plane in plane {
        sums = isa.nibbles(sums, plane, &ONES);
    }
    isa.sum_wholes(sums)
}

impl CodesInUse<'_> {
    /// Whether one vector is nearer to another than this: by both planes of the one, and the upper plane of the other.
    #[inline(always)]
    pub(super) fn nearer_at_a_glance<I: Isa>(
        self,
        isa: I,
        one: &Unpacked,
        other: &Planes<'_>,
        third: f32,
    ) -> Glance {
        let [sum, _] = other.sums;
        let products = nibble_products(isa, other.upper, &one.bytes);
        self.compare(one, other.coarse, (sum, products), third)
    }

    /// The same by both planes of both.
    #[inline(always)]
    pub(super) fn nearer<I: Isa>(
        self,
        isa: I,
        one: &Unpacked,
        other: &Planes<'_>,
        third: f32,
    ) -> Glance {
        self.compare(one, other.fine, other.sums_with(isa, one), third)
    }

    /// Half of the square of how far two vectors are from each other; of what has no square, that.
    #[inline(always)]
    pub(super) fn between<I: Isa>(self, isa: I, one: &Unpacked, other: &Planes<'_>) -> f32 {
        far(one, other.fine, other.sums_with(isa, one))
    }

    #[inline(always)]
    fn compare(self, one: &Unpacked, that: Meaning, sums: (i32, i32), third: f32) -> Glance {
        let this = one.meaning;
        let found = far(one, that, sums);
        let errors = this.error * that.error;
        let reach = match self.shape() {
            Shape::Apart | Shape::Directions => {
                let both = this.error * this.error + that.error * that.error;
                ((2.0 * found).max(0.0) * both).sqrt() + errors
            }
            Shape::Product => this.length * that.error + that.length * this.error + errors,
        };
        let reach = reach * DEVIATIONS / (self.dim() as f32).sqrt();
        if found + reach < third {
            Glance::Nearer
        } else if found - reach > third && found < FARTHEST {
            Glance::Farther
        } else {
            Glance::Doubtful
        }
    }
}

/// How far two vectors are from each other, by the sums of the numbers of one and of their products with those of the
/// other.
#[inline(always)]
fn far(one: &Unpacked, that: Meaning, (sum, products): (i32, i32)) -> f32 {
    let this = one.meaning;
    let inner = this.base * sum as f32 + this.step * products as f32;
    this.half + that.half - (that.base * one.total + that.step * inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Metric;
    use crate::codes::Codes;
    use crate::given::{Kind, Random};
    use crate::lanes::{Instructions, Work};
    use crate::shared::Readers;

    const DIM: usize = 100;

    /// What is said of two slots: how far they are apart, and whether that is less than this.
    struct Said<'s> {
        codes: CodesInUse<'s>,
        slots: [u32; 2],
        third: f32,
    }

    impl Work for Said<'_> {
        type Answer = (f32, [Glance; 2]);

        #[inline(always)]
        fn run<I: Isa>(self, isa: I) -> Self::Answer {
            let Said { codes, slots, third } = self;
            let [one, other] = slots.map(|slot| codes.planes(isa, slot).expect("it is there"));
            let one = one.unpacked(DIM);
            let glances = [
                codes.nearer_at_a_glance(isa, &one, &other, third),
                codes.nearer(isa, &one, &other, third),
            ];
            (codes.between(isa, &one, &other), glances)
        }
    }

    /// Half of the square of the true distance, or what stands for it.
    fn truth(metric: Metric, one: &[f32], other: &[f32]) -> f32 {
        let distance = metric.distance(one, other);
        if metric == Metric::L2 { distance * distance / 2.0 } else { distance }
    }

    #[test]
    fn it_is_seldom_wrong_and_both_planes_seldom_leave_it_open() {
        for kind in [Kind::Gaussian, Kind::Clustered] {
            for metric in Metric::ALL {
                let (_, vectors) = kind.set(DIM, 1, 60, 61);
                let readers = Arc::new(Readers::new());
                let codes = Codes::new(DIM, metric, &readers);
                for (slot, vector) in (0..).zip(&vectors) {
                    codes.make(slot, vector).expect("it is the first").open();
                }
                let pin = readers.pin();
                let codes = codes.under(&pin);
                let mut random = Random(62);
                let (mut wrong, mut open) = ([0; 2], [0; 2]);
                for _ in 0..3_000 {
                    let pick: [usize; 3] = std::array::from_fn(|_| random.below(60));
                    if pick[0] == pick[1] || pick[1] == pick[2] {
                        continue;
                    }
                    let [one, other, third] = pick.map(|at| &vectors[at]);
                    let (far, third) = (truth(metric, one, other), truth(metric, other, third));
                    let slots = [pick[0] as u32, pick[1] as u32];
                    let (said, glances) = Instructions::best().run(Said { codes, slots, third });
                    let size = |vector: &[f32]| Metric::L2.distance(vector, &[0.0; DIM]);
                    let scale = match metric {
                        Metric::Dot => size(one) * size(other),
                        _ => far + third,
                    };
                    assert!((said - far).abs() < 0.02 * scale, "{kind:?} {metric} {said} {far}");
                    for (at, glance) in glances.into_iter().enumerate() {
                        wrong[at] += u32::from(match glance {
                            Glance::Nearer => far >= third,
                            Glance::Farther => far < third,
                            Glance::Doubtful => false,
                        });
                        open[at] += u32::from(glance == Glance::Doubtful);
                    }
                }
                let few = wrong[0] < 60 && wrong[1] < 30 && open[0] < 1_500 && open[1] < 300;
                assert!(few, "{kind:?}, {metric}: {wrong:?} wrong, {open:?} open");
            }
        }
    }
}
