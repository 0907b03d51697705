//! Bounds are bounds, and worth something.

use std::sync::Arc;

use base::Slot;
use proptest::prelude::*;

use super::*;
use crate::given::{KINDS, Kind, Random};
use crate::lanes::{Instructions, Isa, STEP, Work};
use crate::shared::Readers;
use crate::{Memory, Metric, Vectors};

const DIMS: [usize; 13] = [1, 2, 3, 7, 16, 31, 100, 383, 384, 385, 768, 1_536, 4_096];

/// What codes say of 16 slots at a limit each: those beyond it by the upper planes, and by both.
struct Beyond<'c> {
    codes: CodesInUse<'c>,
    query: &'c CodedQuery,
    metric: Metric,
    limits: [f32; LANES],
}

impl Work for Beyond<'_> {
    type Answer = (u16, u16);

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> (u16, u16) {
        let Beyond { codes, query, metric, limits } = self;
        let slots: [u32; LANES] = std::array::from_fn(|slot| slot as u32);
        let off = metric.error(codes.dim());
        let (mut by_upper, mut by_both) = (0, 0);
        for (slot, limit) in limits.into_iter().enumerate() {
            let limit = Limit::new(query, off, limit);
            let all = codes.are_beyond::<I, false>(isa, query, &slots, limit);
            assert_eq!(codes.sixteen_are_beyond::<I, false>(isa, query, 0, limit), all);
            by_upper |= all & (1 << slot);
            by_both |=
                u16::from(codes.is_beyond::<I, false>(isa, query, slot as u32, limit)) << slot;
        }
        (by_upper, by_both)
    }
}

/// The codes of these vectors.
fn codes_of(memory: &Memory, dim: usize, metric: Metric) -> (Arc<Readers>, Codes) {
    let readers = Arc::new(Readers::new());
    let codes = Codes::new(dim, metric, &readers);
    for slot in memory.slots().iter() {
        let vector = memory.vector(slot).expect("it is there");
        codes.make(slot.0, &vector).expect("it is the first").open();
    }
    (readers, codes)
}

/// 16 vectors and a query, and what their codes say when each limit is `moved` from its distance.
fn beyond_limits(
    (metric, kind, dim): (Metric, Kind, usize),
    seed: u64,
    moved: impl Fn(f32) -> f32,
) -> Option<(u16, u16)> {
    let (memory, queries) = kind.set(dim, LANES, 1, seed);
    let (readers, codes) = codes_of(&memory, dim, metric);
    let pin = readers.pin();
    let [vector] = &queries[..] else { return None };
    let query = CodedQuery::new(metric.into(), vector)?;
    let vector_at = |slot: usize| memory.vector(Slot(slot as u32)).expect("it is there");
    let limits = std::array::from_fn(|slot| moved(metric.distance(vector, &vector_at(slot))));
    let mut said = Instructions::all().map(|instructions| {
        let (codes, query) = (codes.under(&pin), &query);
        instructions.run(Beyond { codes, query, metric, limits })
    });
    let first = said.next();
    assert!(said.all(|it| Some(it) == first), "instruction sets differ");
    first
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_at_the_limit_is_never_beyond_it(seed: u64, kind in prop::sample::select(&KINDS[..])) {
        for dim in DIMS {
            for metric in Metric::ALL {
                let said = beyond_limits((metric, kind, dim), seed, |distance| distance);
                prop_assert!(matches!(said, None | Some((0, 0))), "{kind:?} {metric} {dim}: {said:?}");
            }
        }
    }
}

#[test]
fn bounds_are_close() {
    for dim in [384, 768] {
        for metric in [Metric::L2, Metric::Cosine] {
            let near = beyond_limits((metric, Kind::Gaussian, dim), 1, |distance| distance * 0.985);
            assert_eq!(near.map(|(_, both)| both), Some(u16::MAX), "{metric} {dim}");
            let far = beyond_limits((metric, Kind::Gaussian, dim), 1, |distance| distance * 0.8);
            assert_eq!(far, Some((u16::MAX, u16::MAX)), "{metric} {dim}");
        }
        // A product is off by a part of both lengths, which are near the root of the dimension.
        let (root, shape) = ((dim as f32).sqrt(), (Metric::Dot, Kind::Gaussian, dim));
        let near = beyond_limits(shape, 1, |distance| distance - 0.02 * root * root);
        assert_eq!(near.map(|(_, both)| both), Some(u16::MAX));
        let far = beyond_limits(shape, 1, |distance| distance - 0.2 * root * root);
        assert_eq!(far, Some((u16::MAX, u16::MAX)));
    }
}

#[test]
fn nothing_is_proved_of_what_has_no_bounds() {
    let queries = [vec![0.0; 64], vec![1e30; 64], vec![1e-30; 64]];
    for shape in [Shape::Apart, Shape::Directions, Shape::Product] {
        assert!(queries.iter().all(|query| CodedQuery::new(shape, query).is_none()));
    }
    for vector in [vec![0.0; 64], vec![1e30; 64], vec![f32::MAX; 64]] {
        let mut memory = Memory::new(64);
        (0..16).for_each(|slot| memory.set(Slot(slot), &vector).expect("it fits"));
        let (readers, codes) = codes_of(&memory, 64, Metric::Cosine);
        let pin = readers.pin();
        let query = CodedQuery::new(Shape::Directions, &[1.0; 64]).expect("it has a direction");
        let limits = [0.0; LANES];
        let (codes, query, metric) = (codes.under(&pin), &query, Metric::Cosine);
        for instructions in Instructions::all() {
            let said = instructions.run(Beyond { codes, query, metric, limits });
            assert!(vector[0] < 1.0 && said == (0, 0) || vector[0] > 1.0, "{said:?}");
        }
    }
}

#[test]
fn planes_hold_what_was_put_there() {
    let mut random = Random(3);
    for dim in DIMS {
        let vector = random.vector(dim);
        let mut memory = Memory::new(dim);
        memory.set(Slot(5), &vector).expect("it fits");
        let (readers, codes) = codes_of(&memory, dim, Metric::L2);
        let pin = readers.pin();
        let Whole { upper, beside, lower } =
            codes.under(&pin).whole::<false, false>(5).expect("it is there");
        let (base, error, size) = (beside.fine_base, beside.fine_error, beside.fine_size);
        let step = encode::fine_step(beside.step);
        let nibble = |plane: &[[u8; 64]], at: usize| {
            let byte = plane[at / STEP][at % 64];
            if at % STEP < 64 { byte & 15 } else { byte >> 4 }
        };
        let said: Vec<f64> = (0..dim)
            .map(|at| {
                let code = 16 * nibble(upper, at) + nibble(lower, at);
                f64::from(base) + f64::from(step) * f64::from(code)
            })
            .collect();
        let off = said.iter().zip(&vector).map(|(said, it)| (said - f64::from(*it)).powi(2));
        let off = off.sum::<f64>().sqrt();
        assert!((off..=off + 1e-5).contains(&f64::from(error)), "{dim}: {off}, {error}");
        let square = said.iter().map(|it| it * it).sum::<f64>();
        assert!(f64::from(size) <= square && f64::from(size) > square * 0.99999 - 1e-9);
        let half_steps = f64::from(step) / 2.0 * 1.001 + 1e-9;
        assert!(
            said.iter().zip(&vector).all(|(said, it)| (said - f64::from(*it)).abs() <= half_steps)
        );
    }
}

fn length(numbers: &[f64]) -> f64 {
    numbers.iter().map(|it| it * it).sum::<f64>().sqrt()
}

fn apart(one: &[f64], other: &[f64]) -> f64 {
    length(&one.iter().zip(other).map(|(one, other)| one - other).collect::<Vec<_>>())
}

/// A vector in `f64`, as a shape takes it.
fn wide(shape: Shape, vector: &[f32]) -> Vec<f64> {
    let numbers: Vec<f64> = vector.iter().map(|it| f64::from(*it)).collect();
    let scale = if shape == Shape::Directions { 1.0 / length(&numbers) } else { 1.0 };
    numbers.iter().map(|it| it * scale).collect()
}

/// About ten roundings of an `f32`, which figures by the upper plane have to allow for.
const TEN: f64 = 10.0 / (1 << 24) as f64;

#[test]
fn what_is_kept_of_a_query_is_on_the_safe_side() {
    let mut random = Random(4);
    for (dim, metric) in DIMS.into_iter().cycle().take(300).zip(Metric::ALL.into_iter().cycle()) {
        let (shape, vector) = (metric.into(), random.vector(dim));
        let CodedQuery { bytes, coarse, high, low, fine, .. } =
            CodedQuery::new(shape, &vector).expect("neither short nor long");
        let numbers = |plane: &[[[i8; 64]; 2]], worth: f64| {
            let flat = plane.as_flattened().as_flattened().iter().take(dim);
            flat.map(|it| f64::from(*it) * worth).collect::<Vec<_>>()
        };
        let vector = wide(shape, &vector);
        let by_bytes = numbers(&bytes, f64::from(coarse.step));
        let (high, low) = (numbers(&high, 128.0 * fine.step), numbers(&low, fine.step));
        let by_both: Vec<f64> = high.iter().zip(low).map(|(high, low)| high + low).collect();
        let (off, fine_off) = (apart(&vector, &by_bytes), apart(&vector, &by_both));
        assert!(f64::from(coarse.apart) >= off && fine.apart >= fine_off, "{metric} {dim}");
        let (coarse_size, said, fine_said) =
            (f64::from(coarse.size), length(&by_bytes), length(&by_both));
        let safe = match shape {
            Shape::Product => coarse_size >= said + off && fine.size >= fine_said + fine_off,
            _ => coarse_size <= said.powi(2) * (1.0 - TEN) && fine.size <= fine_said.powi(2),
        };
        assert!(safe, "{metric} {dim}: {coarse:?}, {fine:?}, {said}, {off}");
    }
}

#[test]
fn what_is_kept_of_a_vector_allows_for_what_is_computed_with_it() {
    let mut random = Random(5);
    for (dim, metric) in DIMS.into_iter().cycle().take(300).zip(Metric::ALL.into_iter().cycle()) {
        let (shape, zeros) = (Shape::from(metric), are_zeros(metric, &mut random));
        let vector = if zeros { vec![0.0; dim] } else { random.vector(dim) };
        let mut memory = Memory::new(dim);
        memory.set(Slot(0), &vector).expect("it fits");
        let (readers, codes) = codes_of(&memory, dim, metric);
        let pin = readers.pin();
        let (upper, beside) = codes.under(&pin).row::<false>(0).expect("it is there");
        let figures = [beside.base, beside.step, beside.bound_error, beside.bound_size];
        let [base, step, error, size] = figures.map(f64::from);
        let nibble = |at: usize| {
            let byte = upper[at / STEP][at % 64];
            f64::from(if at % STEP < 64 { byte & 15 } else { byte >> 4 })
        };
        let says: Vec<f64> = (0..dim).map(|at| base + step * nibble(at)).collect();
        let (off, said) = (apart(&wide(shape, &vector), &says), length(&says));
        let safe = match shape {
            Shape::Product => error >= off + said * TEN && size >= said,
            _ => error >= off && size <= said.powi(2) * (1.0 - TEN) - 1e-37,
        };
        assert!(safe, "{metric} {dim}: {error}, {size}, {off}, {said}");
    }
}

/// Some are all zeros, where that is a vector that codes prove something of.
fn are_zeros(metric: Metric, random: &mut Random) -> bool {
    metric != Metric::Cosine && random.below(4) == 0
}
