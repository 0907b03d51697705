//! Tiles against plain sums, on every instruction set this processor has.

use super::*;
use crate::given::Random;
use crate::lanes::{Instructions, NIBBLE_MAX, Work};

const DIMS: [usize; 13] = [1, 2, 3, 7, 16, 31, 100, 383, 384, 385, 768, 1_536, 4_096];

const QUERIES: usize = 6;

struct Wholes<'t>(&'t Nibbles, &'t [[[i8; 4]; QUERIES]]);

impl Work for Wholes<'_> {
    /// As floats, which whole numbers of this size fit exactly; one by one.
    type Answer = Vec<f32>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Vec<f32> {
        let sums = whole_products(isa, self.0, self.1);
        apart(isa, sums.map(|sum| isa.to_floats(sum)))
    }
}

struct Floats<'t>(&'t Numbers, &'t [[f32; QUERIES]]);

impl Work for Floats<'_> {
    type Answer = Vec<f32>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Vec<f32> {
        apart(isa, products(isa, self.0, self.1))
    }
}

/// The numbers one by one: rows of the first query, then those of the others.
fn apart<I: Isa>(isa: I, sums: [I::Floats; QUERIES]) -> Vec<f32> {
    let lane = |sum, at: usize| {
        let mask = std::array::from_fn(|lane| f32::from(u8::from(lane == at)));
        isa.sum(isa.mul(sum, isa.load(&mask)))
    };
    sums.into_iter().flat_map(|sum| (0..LANES).map(move |at| lane(sum, at))).collect()
}

#[test]
fn whole_products_are_those_of_plain_sums() {
    let mut random = Random(1);
    for dim in DIMS {
        let steps = dim.div_ceil(128);
        let planes: Vec<Vec<[u8; 64]>> = (0..LANES)
            .map(|_| (0..steps).map(|_| [0; 64].map(|_: u8| random.next() as u8)).collect())
            .collect();
        let queries = [0; QUERIES].map(|_| {
            let numbers = (0..dim.div_ceil(4)).map(|_| [0; 4].map(|_: i8| random.next() as i8));
            numbers.collect::<Vec<_>>()
        });
        let mut tile = vec![[[0; 4]; LANES]; dim.div_ceil(4)];
        planes.iter().enumerate().for_each(|(row, plane)| spread(&mut tile, row, plane));
        let nibble = |row: usize, at: usize| {
            let byte = planes[row][at / 128][at % 64];
            i32::from(if at % 128 < 64 { byte & NIBBLE_MAX } else { byte >> 4 })
        };
        let plain = |query: &[[i8; 4]], row: usize| {
            let numbers = query.as_flattened().iter().enumerate();
            numbers.map(|(at, number)| nibble(row, at) * i32::from(*number)).sum::<i32>() as f32
        };
        let packed = group(queries.each_ref().map(Vec::as_slice));
        let rows = |query| (0..LANES).map(move |row| plain(query, row));
        let expected: Vec<f32> = queries.iter().flat_map(|query| rows(query)).collect();
        for instructions in Instructions::all() {
            let found = instructions.run(Wholes(&tile, &packed));
            assert_eq!(found, expected, "{} {dim}", instructions.name());
        }
    }
}

#[test]
fn products_of_floats_are_as_near_as_is_said() {
    let mut random = Random(2);
    for dim in DIMS {
        let rows = [0; LANES].map(|_| random.vector(dim));
        let queries = [0; QUERIES].map(|_| random.vector(dim));
        let tile: Numbers = (0..dim).map(|at| std::array::from_fn(|row| rows[row][at])).collect();
        let packed = group(queries.each_ref().map(Vec::as_slice));
        let first = Instructions::best().run(Floats(&tile, &packed));
        for instructions in Instructions::all() {
            let found = instructions.run(Floats(&tile, &packed));
            assert_eq!(found, first, "{} {dim}", instructions.name());
        }
        let pairs = queries.iter().flat_map(|query| rows.iter().map(move |row| (query, row)));
        for (found, (query, row)) in first.iter().zip(pairs) {
            let wide =
                |numbers: &[f32]| numbers.iter().map(|it| f64::from(*it)).collect::<Vec<_>>();
            let (query, row) = (wide(query), wide(row));
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let norms = (dot(&query, &query) * dot(&row, &row)).sqrt();
            let off = (f64::from(*found) - dot(&query, &row)).abs();
            assert!(off <= product_error(dim) * norms, "{dim}: {off}");
        }
    }
}
