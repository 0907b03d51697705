//! Says what is near: three metrics, each with smaller distances for nearer vectors.
//!
//! Promises
//!  1. The same two vectors have the same distance, whichever comes first and wherever they lie.
//!  2. Vectors of whole numbers of which all sums stay below 2^24 have exact squares and products.
//!
//! Never: looks at more than the shorter of two vectors has.

/// What is near: smaller distances are nearer, whatever the metric.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Metric {
    /// The Euclidean distance.
    L2,
    /// `1 - cos`: 0 for the same direction, 2 for the opposite one. A vector without a direction (all zeros) is at
    /// distance 1 from everything.
    Cosine,
    /// The inner product, negated.
    Dot,
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Sums are kept apart in so many lanes, so that the compiler makes wide instructions of them.
const LANES: usize = 16;

impl Metric {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Metric::L2 => "l2",
            Metric::Cosine => "cosine",
            Metric::Dot => "dot",
        }
    }

    /// How far two vectors are from each other.
    ///
    /// ```
    /// use indexes::Metric;
    ///
    /// assert_eq!(Metric::L2.distance(&[0.0, 0.0], &[3.0, 4.0]), 5.0);
    /// assert_eq!(Metric::Cosine.distance(&[1.0, 0.0], &[0.0, 2.0]), 1.0);
    /// assert_eq!(Metric::Dot.distance(&[1.0, 2.0], &[3.0, 4.0]), -11.0);
    /// ```
    pub fn distance(self, one: &[f32], other: &[f32]) -> f32 {
        match self {
            Metric::L2 => sum(one, other, |a, b| (a - b) * (a - b)).sqrt(),
            Metric::Dot => -sum(one, other, |a, b| a * b),
            Metric::Cosine => {
                let norms =
                    sum(one, one, |a, b| a * b).sqrt() * sum(other, other, |a, b| a * b).sqrt();
                if norms > 0.0 { 1.0 - sum(one, other, |a, b| a * b) / norms } else { 1.0 }
            }
        }
    }
}

/// Adds up a term for each pair of numbers.
#[inline]
fn sum(one: &[f32], other: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let (ones, ones_rest) = one.as_chunks::<LANES>();
    let (others, others_rest) = other.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for (one, other) in ones.iter().zip(others) {
        for (lane, (a, b)) in lanes.iter_mut().zip(one.iter().zip(other)) {
            *lane += term(*a, *b);
        }
    }
    for (lane, (a, b)) in lanes.iter_mut().zip(ones_rest.iter().zip(others_rest)) {
        *lane += term(*a, *b);
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, slowly and with twice the digits.
    fn oracle(metric: Metric, one: &[f32], other: &[f32]) -> f64 {
        let wide = |vector: &[f32]| vector.iter().map(|it| f64::from(*it)).collect::<Vec<_>>();
        let (one, other) = (wide(one), wide(other));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        match metric {
            Metric::L2 => one.iter().zip(&other).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt(),
            Metric::Dot => -dot(&one, &other),
            Metric::Cosine => {
                1.0 - dot(&one, &other) / (dot(&one, &one) * dot(&other, &other)).sqrt()
            }
        }
    }

    #[test]
    fn distances_are_those_of_plain_sums() {
        for dim in [1, 2, 3, 7, 15, 16, 17, 31, 100, 384, 1_536] {
            let vector = |seed: u32| -> Vec<f32> {
                let word =
                    |at: u32| (seed ^ at.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
                (0..dim).map(|at| (word(at) >> 8) as f32 / 1e7 - 0.8).collect()
            };
            let (one, other) = (vector(1), vector(2));
            for metric in [Metric::L2, Metric::Cosine, Metric::Dot] {
                let (found, expected) =
                    (metric.distance(&one, &other), oracle(metric, &one, &other));
                let scale = 1.0 + f64::from(dim) * 0.64;
                assert!((f64::from(found) - expected).abs() < 1e-6 * scale, "{metric:?}, {dim}");
                assert_eq!(found.to_bits(), metric.distance(&other, &one).to_bits());
            }
        }
    }

    #[test]
    fn a_vector_without_a_direction_is_at_distance_one() {
        assert_eq!(Metric::Cosine.distance(&[0.0; 3], &[1.0; 3]), 1.0);
        assert_eq!(Metric::Cosine.distance(&[0.0; 3], &[0.0; 3]), 1.0);
    }
}
