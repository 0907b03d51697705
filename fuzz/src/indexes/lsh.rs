//! Target: the image of hash tables, damaged or made up.
//!
//! Input: a byte that says by which distance it is opened, which sums are made to fit, in which of three forms the image is
//! given, and whether it lies at an odd address; then the image, as it is, or as numbers and fillings of its tables with
//! edits, or as edits of that of a real index.
//!
//! Promises
//!  1. Whatever the bytes, opening answers with an index or a typed error.
//!  2. What is not as it was written is told before it matters: where only the header is whole, an answer is that of the
//!     whole image, or says that the image is bad, as everything does from then on.
//!  3. Where sums fit and nothing else does, an index finds only slots that it has, at distances that are true, and
//!     nothing twice; it can be changed and written all the same.
//!  4. Its image opens again, to an index with the same image.

use std::sync::OnceLock;

use indexes::{
    Error, Index, Lsh, LshConfig, Measure, Memory, Metric, Nearest, Pool, Query, Slot, SlotSet,
    Strategy, Vectors,
};

use super::bytes::Bytes;
use super::forge::{self, HEADER};
use super::real::{memory, vector};

/// The most edits of an image.
const EDITS: u8 = 8;

/// Indexes of more slots, or of more numbers, are opened and not searched.
const SLOTS_MAX: usize = 1 << 12;
const NUMBERS_MAX: usize = 1 << 16;

/// Those of longer images are not changed: that copies all of it.
const CHANGED_BYTES_MAX: usize = 1 << 20;

/// So many slots are given up and taken up again.
const CHANGED: usize = 4;

/// Real ones: without codes, with them, and of codes of two steps; each has some slots, of which it gave up some.
const DIMS: [usize; 3] = [3, 64, 130];
const SLOTS: usize = 150;
const GIVEN_UP: usize = 9;

struct Real {
    lsh: Lsh,
    image: Vec<u8>,
    memory: Memory,
}

impl Real {
    fn new(dim: usize, metric: Metric) -> Self {
        let config = LshConfig::default().tables_from(16).num_tables(2).seed(3);
        let lsh = Lsh::new(dim, metric, config).expect("a metric");
        let memory = memory(dim, all(SLOTS));
        // Two runs, and some that are in none.
        let take_up = |slots: SlotSet| {
            lsh.insert_all(&slots, &memory, &Pool::here(), &mut |_| true).expect("they fit");
        };
        take_up(all(SLOTS).take(120).collect());
        take_up(all(SLOTS).skip(120).take(25).collect());
        while lsh.step(&memory, 1 << 20).expect("all are there").more {}
        all(SLOTS).skip(145).for_each(|slot| lsh.insert(slot, &memory).expect("it is new"));
        let give_up = |slot| assert!(lsh.remove(slot).expect("it lies in no image"));
        all(SLOTS).step_by(2 * GIVEN_UP).for_each(give_up);
        while lsh.step(&memory, 1 << 20).expect("all are there").more {}
        all(SLOTS).skip(GIVEN_UP).step_by(2 * GIVEN_UP).for_each(give_up);
        let image = image_of(&lsh);
        Real { lsh, image, memory }
    }
}

/// One of the real ones, built once.
fn real(kind: usize, metric: Metric) -> Option<&'static Real> {
    static BUILT: [[OnceLock<Real>; 3]; DIMS.len()] =
        [const { [const { OnceLock::new() }; 3] }; DIMS.len()];
    let at = Metric::ALL.iter().position(|it| *it == metric)?;
    let (dim, built) = (*DIMS.get(kind)?, BUILT.get(kind)?.get(at)?);
    Some(built.get_or_init(|| Real::new(dim, metric)))
}

fn all(count: usize) -> impl Iterator<Item = Slot> {
    (0..count).map(|slot| Slot(slot as u32))
}

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let what = bytes.u8();
    let [l2, cosine, dot] = Metric::ALL;
    let metric = match what & 3 {
        1 => cosine,
        2 => dot,
        _ => l2,
    };
    let (image, real) = image(what, metric, bytes);
    let measure = Measure::from(metric);
    // At an even or an odd address.
    let at = usize::from(what >> 6 & 1);
    let mut placed = vec![0; at];
    placed.extend(&image);
    let opened = Lsh::open(indexes::Bytes::from(placed).slice(at..), &measure);
    let is_tables = image.starts_with(b"arrwdlsh");
    assert!(!is_tables || indexes::open(image.clone(), &measure).is_ok() == opened.is_ok());
    let lsh = match opened {
        Ok(lsh) => lsh,
        Err(Error::BadImage { .. } | Error::NewerImage { .. } | Error::Measure { .. }) => {
            return assert!(real.is_none_or(|real| real.image != image), "its own image");
        }
        Err(error) => panic!("nothing but the image can be wrong: {error}"),
    };
    assert!(is_tables && forge::header_fits(&image) && lsh.is_lent());
    // It lies there, and takes no more memory than to remember what was verified.
    assert!(image_of(&lsh) == image && lsh.statistics().bytes <= image.len() / 1_024);
    match real {
        Some(real) if real.image.get(..HEADER) == image.get(..HEADER) => {
            written(&lsh, real, (&image, &measure));
        }
        _ => nonsense(&lsh, metric, (&image, what & 12 == 8)),
    }
}

/// The image that the input says, and the index whose image was edited.
fn image(what: u8, metric: Metric, mut bytes: Bytes<'_>) -> (Vec<u8>, Option<&'static Real>) {
    let (mut image, real) = match what >> 4 & 3 {
        0 => (bytes.rest().to_vec(), None),
        1 => (forge::made_up_tables(metric.name(), &mut bytes), None),
        _ => {
            let real = real(usize::from(bytes.u8()) % DIMS.len(), metric);
            (real.map_or(Vec::new(), |real| real.image.clone()), real)
        }
    };
    if what & 0x30 != 0 {
        for _ in 0..bytes.u8() % (EDITS + 1) {
            if !bytes.is_empty() {
                forge::edit(&mut image, &mut bytes);
            }
        }
    }
    match what & 12 {
        0 => {}
        4 => forge::fit_header(&mut image),
        8 => forge::fit(&mut image),
        _ => forge::fit_below_root(&mut image),
    }
    (image, real)
}

fn image_of(lsh: &Lsh) -> Vec<u8> {
    let mut image = Vec::new();
    lsh.encode(&mut image);
    image
}

fn is_bad<T>(found: &Result<T, Error>) -> bool {
    matches!(found, Err(Error::BadImage { .. }))
}

/// Asks for what is near one vector: out of the tables, among all, through a filter, and all there is, alone and together.
fn ask(lsh: &Lsh, memory: &Memory) -> [Result<Vec<Nearest>, Error>; 4] {
    let queried = vector(lsh.dim(), 5);
    let filter: SlotSet = (0..SLOTS_MAX as u32).step_by(3).map(Slot).collect();
    let query = Query::new(&queried).k(4);
    let by_tables = query.strategy(Strategy::Walk).ef(12);
    let some = by_tables.filter(&filter).k(3);
    let one = |query: &Query<'_>| lsh.search(query, memory).map(|found| vec![found]);
    let together = [by_tables, some, by_tables.within(9.0), query.recall(1.0), query.k(20)];
    let together = lsh.search_many(&together, memory, &Pool::here());
    [one(&by_tables), one(&some), one(&query.recall(1.0)), together]
}

/// The index is the real one, or what is not is told.
fn written(lsh: &Lsh, real: &Real, (image, measure): (&[u8], &Measure)) {
    let is_whole = real.image == image;
    let expected = ask(&real.lsh, &real.memory).map(|found| found.expect("all are there"));
    let check = || {
        for (found, expected) in ask(lsh, &real.memory).iter().zip(&expected) {
            match found {
                Ok(found) => assert_eq!(found, expected),
                bad => assert!(!is_whole && is_bad(bad), "{bad:?}"),
            }
        }
    };
    check();
    for slot in all(SLOTS + 200) {
        match lsh.contains(slot) {
            Ok(found) => assert!(real.lsh.contains(slot).is_ok_and(|there| there == found)),
            bad => assert!(!is_whole && is_bad(&bad)),
        }
    }
    let verified = lsh.verify(&mut |_| true);
    if !is_whole {
        assert!(is_bad(&verified) && is_bad(&lsh.take_over()) && is_bad(&lsh.removed()));
        assert!(ask(lsh, &real.memory).iter().all(is_bad) && is_bad(&lsh.contains(Slot(1))));
        assert!(is_bad(&lsh.insert(Slot(0), &real.memory)) && is_bad(&lsh.remove(Slot(1))));
        return assert!(lsh.is_lent() && image_of(lsh) == image);
    }
    assert!(verified.is_ok_and(|all| all));
    check();
    let there = all(SLOTS).filter(|slot| !(slot.0 as usize).is_multiple_of(GIVEN_UP)).collect();
    change(lsh, &real.memory, there);
    // All of it can be taken over and is the same again.
    let again = Lsh::open(real.image.clone(), measure).expect("its own image");
    again.take_over().expect("whole");
    assert!(!again.is_lent() && image_of(&again) == real.image);
}

/// What is in the image need not make sense.
fn nonsense(lsh: &Lsh, metric: Metric, (image, is_fitted): (&[u8], bool)) {
    let mut fields = Bytes::new(image.get(20..).unwrap_or_default());
    let rows = fields.u32() as usize * 64;
    if rows > SLOTS_MAX || lsh.dim().saturating_mul(rows + CHANGED) > NUMBERS_MAX {
        return;
    }
    let mut there = SlotSet::new();
    // Behind the last one nothing is.
    for slot in all(rows + 600) {
        match lsh.contains(slot) {
            Ok(is_there) => there.extend(is_there.then_some(slot)),
            bad => return assert!(!is_fitted && is_bad(&bad)),
        }
    }
    assert!(there.iter().all(|slot| (slot.0 as usize) < rows));
    let memory = memory(lsh.dim(), all(rows + CHANGED));
    let answers = ask(lsh, &memory);
    for found in &answers {
        match found {
            Ok(found) => found.iter().for_each(|it| is_true(it, (&memory, metric), &there)),
            bad => assert!(!is_fitted && is_bad(bad)),
        }
    }
    let verified = lsh.verify(&mut |_| true);
    if is_bad(&verified) {
        return assert!(!is_fitted && is_bad(&lsh.contains(Slot(0))));
    }
    assert!(verified.is_ok_and(|all| all));
    // What is checked and what need not be any more find the same.
    let again = ask(lsh, &memory).map(|found| found.expect("all are there"));
    assert_eq!(again, answers.map(|found| found.expect("it is whole")));
    change(lsh, &memory, there);
}

/// Looks whether an answer can be true, of an index whose codes nobody vouches for.
fn is_true(found: &Nearest, (memory, metric): (&Memory, Metric), there: &SlotSet) {
    let queried = vector(memory.dim(), 5);
    for it in &found.neighbours {
        let expected = metric.distance(&queried, &vector(memory.dim(), it.slot.0));
        assert!(there.contains(it.slot) && it.distance.to_bits() == expected.to_bits(), "{it:?}");
    }
    // In order, and so none twice.
    assert!(found.neighbours.is_sorted_by(|one, other| one < other), "{found:?}");
}

/// Changes an index whose image was verified and which has these slots.
fn change(lsh: &Lsh, memory: &Memory, mut there: SlotSet) {
    if image_of(lsh).len() > CHANGED_BYTES_MAX {
        return;
    }
    let before = lsh.removed().expect("verified");
    assert!(before.iter().all(|slot| !there.contains(slot)));
    assert!(!lsh.remove(Slot(u32::MAX)).expect("verified") && !lsh.is_lent());
    assert!(lsh.len() == there.len() && lsh.removed().is_ok_and(|after| after == before));
    let some: Vec<_> = there.iter().step_by(3).take(CHANGED).collect();
    for slot in &some {
        assert!(lsh.remove(*slot).expect("its own") && there.remove(*slot));
        let early = lsh.insert(*slot, memory);
        assert!(matches!(early, Err(Error::NotGivenBack { slot: found }) if found == *slot));
    }
    while lsh.step(memory, 1 << 20).expect("all are there").more {}
    assert!(lsh.removed().is_ok_and(|removed| removed.is_empty()));
    let new = before.iter().filter(|slot| memory.slots().contains(*slot)).take(CHANGED);
    let more: SlotSet = some.into_iter().chain(new).collect();
    lsh.insert_all(&more, memory, &Pool::here(), &mut |_| true).expect("they were given back");
    there.extend(more.iter());
    assert_eq!(lsh.len(), there.len());
    assert!(there.iter().all(|slot| lsh.contains(slot).is_ok_and(|there| there)));
    // Written, it opens again, to what finds the same.
    let image = image_of(lsh);
    let metric = Metric::ALL.into_iter().find(|it| it.name() == lsh.statistics().measure);
    let measure = Measure::from(metric.expect("a metric"));
    let again = Lsh::open(image.clone(), &measure).expect("its own image");
    let answers = [lsh, &again].map(|it| ask(it, memory).map(|found| found.expect("whole")));
    assert!(answers.windows(2).all(|two| two.first() == two.last()) && image_of(&again) == image);
}
