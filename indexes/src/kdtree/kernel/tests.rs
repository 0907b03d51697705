//! Squares are those of the metric, and boxes are bounds, whatever the numbers and the instruction set.

use crate::given::{KINDS, Random};
use crate::kernels::sums::{Squares, sum};
use crate::lanes::{Instructions, Isa, LANES};

use super::*;

/// The squares of sixteen points, of one box around them sixteen times, and what the metric makes of each.
struct Made<'m> {
    query: &'m [f32],
    points: &'m [Vec<f32>],
    columns: &'m [u8],
    boxes: &'m [u8],
}

impl WithKernel for Made<'_> {
    type Answer = [[f32; LANES]; 3];

    #[inline(always)]
    fn run<I: Isa, K: Kernel>(self, isa: I, kernel: K) -> Self::Answer {
        let (points, boxes) = (kernel.points(isa, self.columns), kernel.boxes(isa, self.boxes));
        let mut expected = [0.0; LANES];
        for (into, point) in expected.iter_mut().zip(self.points) {
            *into = sum::<I, Squares>(isa, self.query, point);
        }
        [isa.numbers(points), isa.numbers(boxes), expected]
    }
}

#[test]
fn squares_are_those_of_the_metric_and_boxes_are_bounds() {
    for kind in KINDS {
        for dim in (1..=20).chain([31, 32, 33, 48, 100]) {
            let (mut random, mut shared) = (Random(dim as u64), Random(7));
            let mut vector = || kind.vector(dim, &mut random, &mut shared);
            let points: Vec<_> = (0..LANES).map(|_| vector()).collect();
            let queries = [vector(), points[3].clone()];
            let mut columns = Vec::new();
            let mut boxes = Vec::new();
            for axis in 0..dim {
                let numbers: Vec<f32> = points.iter().map(|point| point[axis]).collect();
                let lowest = numbers.iter().copied().fold(f32::INFINITY, f32::min);
                let highest = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                columns.extend(numbers.iter().flat_map(|it| it.to_le_bytes()));
                for bound in [lowest, highest] {
                    (0..LANES).for_each(|_| boxes.extend(bound.to_le_bytes()));
                }
            }
            for (query, instructions) in
                queries.iter().flat_map(|query| Instructions::all().map(move |it| (query, it)))
            {
                let made = Made { query, points: &points, columns: &columns, boxes: &boxes };
                let [squares, bounds, expected] = with_kernel(instructions, query, made);
                let bits = |of: [f32; LANES]| of.map(f32::to_bits);
                assert_eq!(bits(squares), bits(expected), "{kind:?} {dim}");
                let least = squares.iter().copied().fold(f32::INFINITY, f32::min);
                assert!(bounds.iter().all(|it| *it <= least), "{kind:?} {dim}");
            }
        }
    }
}
