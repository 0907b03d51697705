//! Where vectors lie to be hashed: on a sphere around what is in their middle, so that near ones have small angles between them.
//!
//! For cosine a vector is made to be of length one, moved by the centre, and only its direction counts. For the others it gets one number
//! more where it is shorter than most, so that all have the same length; a query for inner products has none, as how long it is does not
//! matter.
//!
//! Nothing is proved by it: hashes say where to look, and not what is near.

use super::rotate::Block;
use super::shape::is_lifted;
use crate::Metric;
use crate::lanes::LANES;

/// What is in the middle of vectors, and how far they are from there.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Space {
    metric: Metric,
    pub(super) centre: Vec<f32>,
    /// What is farther is not lifted.
    pub(super) radius: f32,
}

/// What a vector is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// One of the index.
    Kept,
    /// One that is looked for.
    Asked,
}

impl Space {
    pub(super) fn new(metric: Metric, centre: Vec<f32>, radius: f32) -> Self {
        Space { metric, centre, radius }
    }

    /// The space of some vectors.
    pub(super) fn around(metric: Metric, dim: usize, vectors: &[Vec<f32>]) -> Self {
        let mut sums = vec![0.0_f64; dim];
        for vector in vectors {
            let scale = scale(metric, vector);
            for (sum, number) in sums.iter_mut().zip(vector) {
                *sum += f64::from(*number) * scale;
            }
        }
        let count = vectors.len().max(1) as f64;
        let centre = sums.iter().map(|sum| finite(sum / count)).collect();
        let mut space = Space { metric, centre, radius: 0.0 };
        let mut far: Vec<f64> = vectors.iter().map(|it| space.moved(it).1).collect();
        far.sort_unstable_by(f64::total_cmp);
        // An inner product grows with the length, so no length may be cut off; a distance does not, and what is lifted less stays
        // farther apart.
        let radius = if metric == Metric::Dot { far.last() } else { far.get(far.len() / 2) };
        space.radius = finite(radius.copied().unwrap_or(0.0));
        space
    }

    /// A vector as it lies around the centre, and how far from it.
    fn moved(&self, vector: &[f32]) -> (Vec<f64>, f64) {
        let scale = scale(self.metric, vector);
        let pairs = vector.iter().zip(&self.centre);
        let moved: Vec<f64> =
            pairs.map(|(number, centre)| f64::from(*number) * scale - f64::from(*centre)).collect();
        let far = moved.iter().map(|it| it * it).sum::<f64>().sqrt();
        (moved, far)
    }

    /// Puts a vector on the sphere, filled up with zeros to as many blocks as there are. What has no place on it is all zeros.
    pub(super) fn place(&self, vector: &[f32], role: Role, into: &mut Vec<Block>, size: usize) {
        into.clear();
        into.resize(size / LANES, [0.0; LANES]);
        let is_query = role == Role::Asked && self.metric == Metric::Dot;
        let (moved, far) = match is_query {
            // Where the centre is makes the same difference to all.
            true => {
                let moved: Vec<f64> = vector.iter().copied().map(f64::from).collect();
                let far = moved.iter().map(|it| it * it).sum::<f64>().sqrt();
                (moved, far)
            }
            false => self.moved(vector),
        };
        let radius = f64::from(self.radius);
        let is_short = is_lifted(self.metric) && !is_query && far < radius;
        let lift = if is_short { (radius * radius - far * far).sqrt() } else { 0.0 };
        let length = far.hypot(lift);
        if !(length > 0.0 && length.is_finite()) {
            return;
        }
        let numbers = moved.into_iter().chain([lift]).map(|it| (it / length) as f32);
        into.as_flattened_mut().iter_mut().zip(numbers).for_each(|(place, it)| *place = it);
    }
}

/// What a vector is multiplied with to be of length one, where that is asked for.
fn scale(metric: Metric, vector: &[f32]) -> f64 {
    if metric != Metric::Cosine {
        return 1.0;
    }
    let square = vector.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>();
    if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 }
}

/// A number that an `f32` can be.
fn finite(number: f64) -> f32 {
    number.clamp(f32::MIN.into(), f32::MAX.into()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{KINDS, Kind};
    use crate::{Slot, Vectors};

    fn vectors(kind: Kind, dim: usize) -> Vec<Vec<f32>> {
        let (memory, _) = kind.set(dim, 300, 0, 5);
        (0..300).map(|slot| memory.vector(Slot(slot)).expect("there").to_vec()).collect()
    }

    #[test]
    fn all_lie_on_the_sphere_whatever_they_are_like() {
        for kind in KINDS {
            for metric in Metric::ALL {
                let vectors = vectors(kind, 20);
                let space = Space::around(metric, 20, &vectors);
                assert!(space.radius.is_finite() && space.centre.iter().all(|it| it.is_finite()));
                for vector in &vectors {
                    let mut placed = Vec::new();
                    space.place(vector, Role::Kept, &mut placed, 32);
                    let square: f32 = placed.as_flattened().iter().map(|it| it * it).sum();
                    assert!(square == 0.0 || (square - 1.0).abs() < 1e-4, "{kind:?} {metric}");
                    let behind = 20 + usize::from(is_lifted(metric));
                    assert!(placed.as_flattened()[behind..].iter().all(|it| *it == 0.0));
                }
            }
        }
    }

    #[test]
    fn the_nearer_the_larger_is_the_product_on_the_sphere() {
        // How far two are lifted apart is no part of how far they are.
        for (metric, slack) in [(Metric::L2, 0.3), (Metric::Dot, 1e-3)] {
            let vectors = vectors(Kind::Gaussian, 20);
            let mut space = Space::around(metric, 20, &vectors);
            // Nothing is cut off.
            space.radius = 20.0;
            let place = |vector: &[f32], role| {
                let mut placed = Vec::new();
                space.place(vector, role, &mut placed, 32);
                placed.as_flattened().to_vec()
            };
            let (query, rest) = vectors.split_first().expect("some");
            let asked = place(query, Role::Asked);
            let mut by_product: Vec<(f32, f32)> = Vec::new();
            for vector in rest {
                let kept = place(vector, Role::Kept);
                let product: f32 = asked.iter().zip(&kept).map(|(a, b)| a * b).sum();
                by_product.push((-product, metric.distance(query, vector)));
            }
            by_product.sort_by(|a, b| a.0.total_cmp(&b.0));
            let far = by_product.windows(2).filter(|two| two[0].1 > two[1].1 + slack).count();
            assert_eq!(far, 0, "{metric}");
        }
    }
}
