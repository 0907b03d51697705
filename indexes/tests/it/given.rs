//! Vectors for tests: harmless ones, and those that break what is not proved.

use indexes::{Memory, Slot};

/// Splitmix: enough for vectors that differ.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let at = self.below(of.len());
        of.iter().copied().nth(at).expect("one of them")
    }

    /// From 0 up to 1.
    pub(crate) fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn gaussian(&mut self) -> f32 {
        let (radius, angle) = (1.0 - self.part(), std::f64::consts::TAU * self.part());
        ((-2.0 * radius.ln()).sqrt() * angle.cos()) as f32
    }

    pub(crate) fn vector(&mut self, dim: usize) -> Vec<f32> {
        (0..dim).map(|_| self.gaussian()).collect()
    }
}

/// One of a vector's numbers.
fn place<'v>(vector: &'v mut [f32], random: &mut Random) -> &'v mut f32 {
    let at = random.below(vector.len());
    vector.get_mut(at).expect("one of them")
}

/// What vectors are like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Without any structure.
    Gaussian,
    /// A few clusters.
    Clustered,
    /// Only a handful of different ones.
    Repeated,
    /// All the same.
    Same,
    /// One number is not 0.
    OneHot,
    /// Small whole numbers: many are equally far.
    Ties,
    /// Lengths from tiny to huge.
    AllLengths,
    /// Numbers so small that they have fewer digits.
    Denormal,
    /// Far from the origin, near each other.
    FarOff,
    /// Some numbers are a thousand times as large as the others.
    Spiky,
    /// Some are all zeros.
    Zeros,
}

pub(crate) const KINDS: [Kind; 11] = [
    Kind::Gaussian,
    Kind::Clustered,
    Kind::Repeated,
    Kind::Same,
    Kind::OneHot,
    Kind::Ties,
    Kind::AllLengths,
    Kind::Denormal,
    Kind::FarOff,
    Kind::Spiky,
    Kind::Zeros,
];

impl Kind {
    /// A vector of this kind. The first numbers of `shared` are the same for all that belong together.
    pub(crate) fn vector(self, dim: usize, random: &mut Random, shared: &mut Random) -> Vec<f32> {
        match self {
            Kind::Gaussian => random.vector(dim),
            Kind::Clustered => {
                let centre = Random(random.below(5) as u64 ^ shared.0).vector(dim);
                centre.iter().map(|it| it + 0.2 * random.gaussian()).collect()
            }
            Kind::Repeated => Random(random.below(4) as u64 ^ shared.0).vector(dim),
            Kind::Same => Random(shared.0).vector(dim),
            Kind::OneHot => {
                let mut vector = vec![0.0; dim];
                let one = random.pick(&[1.0, -1.0]);
                *place(&mut vector, random) = one;
                vector
            }
            Kind::Ties => (0..dim).map(|_| random.below(3) as f32 - 1.0).collect(),
            Kind::AllLengths => {
                let scale = 10_f32.powi(random.below(70) as i32 - 35);
                random.vector(dim).iter().map(|it| it * scale).collect()
            }
            Kind::Denormal => random.vector(dim).iter().map(|it| it * 1e-41).collect(),
            Kind::FarOff => random.vector(dim).iter().map(|it| 1_000.0 + it * 0.01).collect(),
            Kind::Spiky => {
                let mut vector = random.vector(dim);
                for _ in 0..1 + dim / 50 {
                    *place(&mut vector, random) *= 1_000.0;
                }
                vector
            }
            Kind::Zeros if random.below(3) == 0 => vec![0.0; dim],
            Kind::Zeros => random.vector(dim),
        }
    }

    /// So many vectors in slots from 0 on, and as many queries as asked for.
    pub(crate) fn set(
        self,
        dim: usize,
        count: usize,
        queries: usize,
        seed: u64,
    ) -> (Memory, Vec<Vec<f32>>) {
        let (mut random, mut shared) = (Random(seed), Random(seed ^ 0x5555));
        let mut memory = Memory::new(dim);
        for slot in 0..count {
            let vector = self.vector(dim, &mut random, &mut shared);
            memory.set(Slot(slot as u32), &vector).expect("it fits");
        }
        let queries = (0..queries).map(|_| self.vector(dim, &mut random, &mut shared)).collect();
        (memory, queries)
    }
}
