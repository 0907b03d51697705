//! Makes random numbers, the same ones in every run and on every machine.
//!
//! Promises
//!  1. Nothing but whole numbers and what IEEE 754 rounds exactly: no logarithm or sine of some library.
//!  2. Streams of one seed with other numbers have nothing to do with each other.

/// SplitMix64, by Steele, Lea and Flood: enough to make vectors that differ.
#[derive(Clone, Debug)]
pub struct Random(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// As many bits are counted for a normal number; the others are what is between two counts.
const COINS: u32 = 40;

impl Random {
    /// The numbers of this seed.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The numbers of this seed for the thing with this number, of this kind.
    pub fn stream(seed: u64, kind: u64, number: u64) -> Self {
        Random(mixed(mixed(seed.wrapping_add(STEP) ^ mixed(kind)) ^ number.wrapping_mul(STEP)))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mixed(self.0)
    }

    /// A number from -1 up to 1.
    pub fn number(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// A number from 0 up to 1.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of the normal distribution with mean 0 and variance 1, as near as 40 coins and an even spread
    /// between their counts come to it: its fourth moment is 2.95 and not 3, and it stays below 6.5.
    pub fn normal(&mut self) -> f32 {
        let bits = self.bits();
        let count = (bits >> (64 - COINS)).count_ones() as f32 - COINS as f32 / 2.0;
        let between = (bits & 0xff_ffff) as f32 / (1 << 24) as f32 - 0.5;
        // The variance of the coins is a quarter of their number, that of the spread a twelfth.
        (count + between) / (COINS as f32 / 4.0 + 1.0 / 12.0).sqrt()
    }
}

fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(random: &mut Random, mut of: impl FnMut(&mut Random) -> f64) -> f64 {
        (0..100_000).map(|_| of(random)).sum::<f64>() / 1e5
    }

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut random = Random::new(1_234_567);
        assert_eq!(random.bits(), 6_457_827_717_110_365_317);
        assert_eq!(random.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn normal_numbers_have_the_moments_of_such() {
        let mut random = Random::new(1);
        for (power, expected) in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 2.95)] {
            let found = mean(&mut random, |random| f64::from(random.normal()).powi(power));
            assert!((found - expected).abs() < 0.1, "moment {power}: {found}");
        }
        let within = mean(&mut random, |random| f64::from(random.normal().abs() < 1.0));
        assert!((within - 0.6827).abs() < 0.01, "{within}");
    }

    #[test]
    fn even_numbers_stay_in_their_bounds() {
        let mut random = Random::new(1);
        assert!((0..10_000).all(|_| (-1.0..1.0).contains(&random.number())));
        assert!((0..10_000).all(|_| (0.0..1.0).contains(&random.fraction())));
        assert!((mean(&mut random, Random::fraction) - 0.5).abs() < 0.01);
    }

    #[test]
    fn streams_differ_by_each_of_what_names_them() {
        let first = |seed, kind, number| Random::stream(seed, kind, number).bits();
        let mut all: Vec<u64> =
            (0..1_000).map(|at| first(at / 100, at / 10 % 10, at % 10)).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 1_000);
    }
}
