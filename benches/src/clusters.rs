//! Makes up vectors as embeddings are: clusters of many sizes, each with few directions of its own.
//!
//! There are 2,000 clusters. Each has a centre, random in a space of 32 directions that all clusters share, and
//! 32 directions in which it spreads: half of their variance is that of the shared ones, half is the cluster's
//! own. A vector is the centre of its cluster and a normal number of each direction, brought to length one, so
//! its neighbours lie in 32 dimensions around it, most of them in its cluster and some in others. The cluster is drawn
//! by size: that of rank r is as large as r to the power of -0.75, so that of 200,000 vectors the first has 8,600 and
//! the last 29.
//!
//! How far a cluster spreads (`SPREAD`) was set so that a graph has work to do, and not too much: on 200,000 vectors
//! of 384 numbers and 1,000 queries, k = 10, hnswlib 0.8.0 (M = 16, ef_construction = 200, built by 2 threads) has
//! a recall of 0.692 at ef 10, 0.899 at 32, 0.956 at 64, 0.985 at 128 and 0.996 at 256.
//!
//! Promises
//!  1. The same vectors in every run and on every machine; fewer of them are the first of more.
//!  2. Every vector has length one.
//!  3. Queries are drawn from the same clusters as the vectors and apart from them: none is one of them.

use std::ops::Range;

use crate::random::Random;

/// How many clusters there are.
pub const CLUSTERS: usize = 2_000;
/// How many directions a cluster spreads in.
pub const DIRECTIONS: usize = 32;
/// How far a cluster spreads, beside how far from nothing its centre is.
const SPREAD: f32 = 1.5;
/// Which part of the variance in a cluster is in the directions that all share.
const SHARED: f32 = 0.5;

const SEED: u64 = 0x6172_7277_4442;

/// Gaussian clusters on the unit sphere.
#[derive(Debug)]
pub struct Clusters {
    dim: usize,
    /// One centre behind the other.
    centres: Vec<f32>,
    /// The directions of one cluster behind those of the other.
    directions: Vec<f32>,
    /// Up to where between 0 and 1 each cluster reaches.
    ends: Vec<f64>,
}

/// What random numbers are for: each has streams of its own.
#[derive(Clone, Copy)]
enum Purpose {
    Space,
    Cluster,
    Vector,
    Query,
}

impl Clusters {
    /// The clusters in so many dimensions.
    pub fn new(dim: usize) -> Self {
        let space = normals(&mut stream(Purpose::Space, 0), DIRECTIONS * dim);
        let (of_space, of_own) = (SPREAD * SHARED.sqrt(), SPREAD * (1.0 - SHARED).sqrt());
        let mut centres = vec![0.0; CLUSTERS * dim];
        let mut directions = Vec::with_capacity(CLUSTERS * DIRECTIONS * dim);
        for (cluster, centre) in (0..).zip(centres.chunks_exact_mut(dim)) {
            let mut random = stream(Purpose::Cluster, cluster);
            add_some(centre, &space, &mut random);
            let own = normals(&mut random, DIRECTIONS * dim);
            let both = space.iter().zip(&own);
            directions.extend(both.map(|(space, own)| of_space * space + of_own * own));
        }
        Clusters { dim, centres, directions, ends: ends() }
    }

    /// So many vectors, one behind the other.
    pub fn vectors(&self, count: usize) -> Vec<f32> {
        self.some(0..count as u64)
    }

    /// The vectors with these numbers, one behind the other: where all of them at once would take too much memory.
    pub fn some(&self, numbers: Range<u64>) -> Vec<f32> {
        self.drawn(Purpose::Vector, numbers)
    }

    /// So many others of the same clusters.
    pub fn queries(&self, count: usize) -> Vec<f32> {
        self.drawn(Purpose::Query, 0..count as u64)
    }

    fn drawn(&self, purpose: Purpose, numbers: Range<u64>) -> Vec<f32> {
        let count = usize::try_from(numbers.end.saturating_sub(numbers.start)).unwrap_or_default();
        let mut flat = vec![0.0; count * self.dim];
        for (number, vector) in numbers.zip(flat.chunks_exact_mut(self.dim)) {
            self.draw(&mut stream(purpose, number), vector);
        }
        flat
    }

    /// Makes a vector of zeros one of some cluster; says of which.
    fn draw(&self, random: &mut Random, vector: &mut [f32]) -> usize {
        let place = random.fraction();
        let cluster = self.ends.partition_point(|end| *end <= place);
        let directions = part(&self.directions, cluster, DIRECTIONS * self.dim);
        vector.copy_from_slice(part(&self.centres, cluster, self.dim));
        add_some(vector, directions, random);
        let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|number| *number /= length);
        cluster
    }
}

fn stream(purpose: Purpose, number: u64) -> Random {
    Random::stream(SEED, purpose as u64, number)
}

fn normals(random: &mut Random, count: usize) -> Vec<f32> {
    (0..count).map(|_| random.normal()).collect()
}

/// Where each cluster ends between 0 and 1: the one of rank r is as large as r to the power of -0.75.
fn ends() -> Vec<f64> {
    let mut sum = 0.0;
    let ranks = (1..=CLUSTERS).map(|rank| rank as f64);
    let mut ends: Vec<f64> = ranks
        .map(|rank| {
            // Square roots are the same on every machine, and powers need not be.
            sum += 1.0 / (rank * rank.sqrt()).sqrt();
            sum
        })
        .collect();
    ends.iter_mut().for_each(|end| *end /= sum);
    ends
}

/// The part of this number, of so many numbers.
fn part(flat: &[f32], number: usize, size: usize) -> &[f32] {
    flat.get(number * size..(number + 1) * size).unwrap_or_default()
}

/// Adds each direction a random number of times.
fn add_some(vector: &mut [f32], directions: &[f32], random: &mut Random) {
    for direction in directions.chunks_exact(vector.len()) {
        let times = random.normal();
        vector.iter_mut().zip(direction).for_each(|(number, other)| *number += times * other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indexes::Metric;

    const DIM: usize = 48;

    #[test]
    fn the_same_vectors_come_every_time_and_fewer_are_the_first_of_more() {
        let (once, again) = (Clusters::new(DIM), Clusters::new(DIM));
        let vectors = once.vectors(300);
        assert!(vectors == again.vectors(300) && once.queries(50) == again.queries(50));
        assert_eq!(vectors[..100 * DIM], again.vectors(100));
        assert_eq!(vectors[100 * DIM..], again.some(100..300));
    }

    /// Of a later version too, or its figures could not be held against those of an earlier one.
    #[test]
    fn the_vectors_are_those_they_have_always_been() {
        let clusters = Clusters::new(DIM);
        let sum = |flat: Vec<f32>| {
            flat.iter().fold(0, |sum: u64, it| sum.rotate_left(7).wrapping_add(it.to_bits().into()))
        };
        assert_eq!(sum(clusters.vectors(1_000)), 15921304816797904234);
        assert_eq!(sum(clusters.queries(1_000)), 947428336010023769);
    }

    #[test]
    fn every_vector_has_length_one() {
        let clusters = Clusters::new(DIM);
        for vector in clusters.vectors(1_000).chunks_exact(DIM) {
            let square: f32 = vector.iter().map(|number| number * number).sum();
            assert!((square - 1.0).abs() < 1e-5, "{square}");
        }
    }

    #[test]
    fn sizes_follow_the_power_law() {
        let clusters = Clusters::new(1);
        let mut sizes = vec![0_u32; CLUSTERS];
        let total = 400_000;
        for number in 0..total {
            sizes[clusters.draw(&mut stream(Purpose::Vector, number), &mut [0.0])] += 1;
        }
        assert!(sizes.iter().all(|size| *size > 0), "a cluster without vectors");
        let scale: f64 = (1..=CLUSTERS).map(|rank| (rank as f64).powf(-0.75)).sum();
        for (first, last) in [(1, 1), (2, 3), (4, 10), (11, 100), (101, 1_000), (1_001, 2_000)] {
            let share: f64 = (first..=last).map(|rank| (rank as f64).powf(-0.75) / scale).sum();
            let found: u32 = sizes[first - 1..last].iter().sum();
            let expected = share * total as f64;
            // Five times the deviation that counts of this size have.
            assert!(
                (f64::from(found) - expected).abs() < 5.0 * expected.sqrt(),
                "{first}: {found}"
            );
        }
    }

    #[test]
    fn queries_are_near_the_vectors_and_none_is_one_of_them() {
        let clusters = Clusters::new(DIM);
        let (vectors, queries) = (clusters.vectors(5_000), clusters.queries(50));
        let found = crate::nearest::nearest(&vectors, &queries, DIM, 1, 2);
        let far = Metric::L2.distance(part(&vectors, 0, DIM), part(&vectors, 1, DIM));
        let mean: f32 = found.iter().map(|near| near[0].0).sum::<f32>() / found.len() as f32;
        assert!(found.iter().all(|near| near[0].0 > 0.01), "a query is one of the vectors");
        assert!(mean < 0.8 * far, "{mean} is as far as any, {far}");
    }
}
