//! Every instruction set this processor has does what plain Rust does, to the bit.

use proptest::prelude::*;

use super::*;

/// What all operations make of the same input.
#[derive(PartialEq, Debug)]
struct Made {
    floats: Vec<u32>,
    above: Vec<u16>,
    wholes: Vec<i32>,
}

#[derive(Clone, Debug)]
struct Input {
    floats: [[f32; LANES]; 3],
    wholes: [i32; LANES],
    plane: [u8; 64],
    rows: [[[u8; 4]; LANES]; GATHER_AFTER],
    halves: [[i8; 64]; 2],
    fours: [[i8; 4]; GATHER_AFTER],
}

struct Everything<'i>(&'i Input);

impl Work for Everything<'_> {
    type Answer = Made;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Made {
        let Input { floats: [a, b, c], wholes, plane, rows, halves, fours } = self.0;
        let [a, b, c] = [a, b, c].map(|it| isa.load(it));
        let partials = rows.iter().zip(fours).fold(isa.no_partials(), |to, (rows, four)| {
            isa.multiply(to, isa.bytes(rows), isa.four(*four))
        });
        let of_rows = isa.gather(isa.wholes(wholes), partials);
        let made = [
            a,
            isa.splat(3.5),
            isa.add(a, b),
            isa.sub(a, b),
            isa.mul(a, b),
            isa.mul_add(a, b, c),
            isa.to_floats(isa.wholes(wholes)),
            isa.to_floats(of_rows),
        ];
        isa.fetch(plane);
        // Each lane alone, by putting all others out of the sum.
        let lane = |floats, at: usize| {
            let mut mask = [0.0; LANES];
            mask[at] = 1.0;
            isa.sum(isa.mul(floats, isa.load(&mask))).to_bits()
        };
        let mut floats: Vec<u32> =
            made.iter().flat_map(|it| (0..LANES).map(move |at| lane(*it, at))).collect();
        floats.extend(made.map(|it| isa.sum(it).to_bits()));
        floats.extend(made.iter().flat_map(|it| isa.numbers(*it)).map(f32::to_bits));
        // Which of two zeros is the larger is nobody's business.
        floats.extend(isa.numbers(isa.max(a, b)).map(|it| (it + 0.0).to_bits()));
        let row = isa.nibbles(isa.no_wholes(), plane, halves);
        Made {
            floats,
            above: vec![isa.above(a, b), isa.above(b, a), isa.above(a, a), isa.above(c, a)],
            wholes: vec![
                isa.sum_wholes(row),
                isa.sum_wholes(isa.nibbles(row, plane, halves)),
                isa.sum_wholes(isa.wholes(wholes)),
                isa.sum_wholes(of_rows),
            ],
        }
    }
}

fn floats() -> impl Strategy<Value = [f32; LANES]> {
    prop::array::uniform16(prop_oneof![
        8 => -4.0..4.0_f32,
        1 => Just(0.0),
        1 => Just(-0.0),
        1 => -1e30..1e30_f32,
        1 => -1e-38..1e-38_f32,
    ])
}

/// Bytes that are at their ends as often as not.
fn bytes(most: u8) -> impl Strategy<Value = u8> {
    prop_oneof![0..=most, Just(0), Just(most)]
}

fn signed() -> impl Strategy<Value = i8> {
    prop_oneof![any::<i8>(), Just(i8::MIN), Just(i8::MAX)]
}

fn array<T: Clone + std::fmt::Debug, const N: usize>(
    of: impl Strategy<Value = T>,
) -> impl Strategy<Value = [T; N]> {
    prop::collection::vec(of, N).prop_map(|made| <[T; N]>::try_from(made).expect("N of them"))
}

fn input() -> impl Strategy<Value = Input> {
    let wholes = prop::array::uniform16(-1_000_000..1_000_000_i32);
    let rows = array(array(array(bytes(NIBBLE_MAX))));
    let parts = (array(floats()), wholes, array(bytes(u8::MAX)), rows, array(array(signed())));
    (parts, array(array(signed()))).prop_map(|((floats, wholes, plane, rows, halves), fours)| {
        Input { floats, wholes, plane, rows, halves, fours }
    })
}

proptest! {
    #[test]
    fn all_instruction_sets_do_the_same(input in input()) {
        let plain = Instructions::Scalar(scalar::Scalar).run(Everything(&input));
        for instructions in Instructions::all() {
            let made = instructions.run(Everything(&input));
            prop_assert_eq!(&made, &plain, "{}", instructions.name());
        }
    }
}

#[test]
fn products_at_their_ends_are_not_cut_off() {
    let extreme = |query: i8| Input {
        floats: [[1.0; LANES]; 3],
        wholes: [0; LANES],
        plane: [u8::MAX; 64],
        rows: [[[NIBBLE_MAX; 4]; LANES]; GATHER_AFTER],
        halves: [[query; 64]; 2],
        fours: [[query; 4]; GATHER_AFTER],
    };
    for query in [i8::MIN, i8::MAX] {
        let one = 15 * i32::from(query);
        for instructions in Instructions::all() {
            let made = instructions.run(Everything(&extreme(query)));
            let rows = 4 * GATHER_AFTER as i32 * one;
            let expected = [128 * one, 256 * one, 0, LANES as i32 * rows];
            assert_eq!(made.wholes, expected, "{}", instructions.name());
        }
    }
}

/// What is above, of one number and another.
struct Above(f32, f32);

impl Work for Above {
    type Answer = u16;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> u16 {
        isa.above(isa.splat(self.0), isa.splat(self.1))
    }
}

#[test]
fn nothing_is_above_what_is_no_number_nor_the_other_way_round() {
    let cases = [
        ((f32::NAN, 1.0), 0),
        ((1.0, f32::NAN), 0),
        ((f32::NAN, f32::NAN), 0),
        ((f32::INFINITY, f32::INFINITY), 0),
        ((f32::INFINITY, f32::MAX), u16::MAX),
        ((0.0, -0.0), 0),
    ];
    for instructions in Instructions::all() {
        for ((one, other), expected) in cases {
            let found = instructions.run(Above(one, other));
            assert_eq!(found, expected, "{}: {one} above {other}", instructions.name());
        }
    }
}
