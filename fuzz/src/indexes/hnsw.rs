//! Target: the image of a graph, damaged or made up.
//!
//! Input: a byte that says by which distance it is opened, which sums are made to fit, in which of three forms the image is
//! given, whether it lies at an odd address, and whether it is calibrated; then what is asked; then the image, as it is, or as numbers and fillings of
//! its tables with edits, or as edits of that of a real graph.
//!
//! Promises
//!  1. Whatever the bytes, opening answers with a graph or a typed error.
//!  2. What is not as it was written is told before it matters: where only the header is whole, an answer is that of the
//!     whole image, or says that the image is bad, as everything does from then on.
//!  3. Where sums fit and nothing else does, a graph finds only slots that it has, at distances that are true, and
//!     nothing twice; it can be changed and written all the same.
//!  4. Its image opens again, to a graph with the same image.

use indexes::{Error, Hnsw, Index, Measure, Metric, Pool, Slot, SlotSet, Vectors};

use super::asked::{Answer, Known, Round};
use super::bytes::Bytes;
use super::forge::{self, HEADER};
use super::real::{self, Real};

/// The most edits of an image.
const EDITS: u8 = 8;

/// Graphs of more slots, or of more numbers, are opened and not searched.
const SLOTS_MAX: usize = 1 << 13;
const NUMBERS_MAX: usize = 1 << 16;

/// Those of longer images are not changed: that copies all of it.
const CHANGED_BYTES_MAX: usize = 1 << 20;

/// So many slots are given up and taken up again.
const CHANGED: usize = 4;

/// Graphs of more are not calibrated: it takes too long.
const CALIBRATED_MAX: usize = 8;

/// Who vouches for what is in a graph.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Vouched {
    /// Whoever wrote it.
    Writer,
    Nobody,
}

/// What the input says.
struct Input {
    what: u8,
    metric: Metric,
    round: Round,
    /// Which vectors of a graph that is made up are missing.
    missing: u8,
    image: Vec<u8>,
    /// The graph whose image was edited.
    real: Option<&'static Real>,
}

impl Input {
    fn read(data: &[u8]) -> Self {
        let mut bytes = Bytes::new(data);
        let what = bytes.u8();
        let [l2, cosine, dot] = Metric::ALL;
        let metric = match what & 3 {
            1 => cosine,
            2 => dot,
            _ => l2,
        };
        let (round, missing) = (Round::made_up(&mut bytes), bytes.u8());
        let (mut image, real) = match what >> 4 & 3 {
            0 => (bytes.rest().to_vec(), None),
            1 => (forge::made_up(metric.name(), &mut bytes), None),
            _ => {
                let real = real::real(usize::from(bytes.u8()) % real::COUNT, metric);
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
        Input { what, metric, round, missing, image, real }
    }

    /// The image, at an even or an odd address.
    fn placed(&self) -> indexes::Bytes {
        let at = usize::from(self.what >> 6 & 1);
        let mut placed = vec![0; at];
        placed.extend(&self.image);
        indexes::Bytes::from(placed).slice(at..)
    }

    fn is_fitted(&self) -> bool {
        self.what & 12 == 8
    }

    /// Graphs of no more slots are calibrated.
    fn calibrated(&self) -> usize {
        CALIBRATED_MAX * usize::from(self.what >> 7)
    }
}

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let input = Input::read(data);
    let Input { metric, image, real, .. } = &input;
    let measure = Measure::from(*metric);
    let opened = Hnsw::open(input.placed(), &measure);
    let is_graph = image.starts_with(b"arrwhnsw");
    assert!(!is_graph || indexes::open(image.clone(), &measure).is_ok() == opened.is_ok());
    let graph = match opened {
        Ok(graph) => graph,
        Err(Error::BadImage { .. } | Error::NewerImage { .. } | Error::Measure { .. }) => {
            return assert!(real.is_none_or(|real| real.image != *image), "its own image");
        }
        Err(error) => panic!("nothing but the image can be wrong: {error}"),
    };
    assert!(is_graph && forge::header_fits(image));
    // It lies there, and takes no more memory than to remember what was verified.
    assert!(image_of(&graph) == *image && graph.statistics().bytes <= image.len() / 1_024);
    let other = if *metric == Metric::L2 { Metric::Dot } else { Metric::L2 };
    assert!(matches!(Hnsw::open(image.clone(), &other.into()), Err(Error::Measure { .. })));
    match real {
        Some(real) if real.image.get(..HEADER) == image.get(..HEADER) => {
            written(&graph, real, &input);
        }
        _ => nonsense(&graph, &input),
    }
}

fn image_of(graph: &Hnsw) -> Vec<u8> {
    let mut image = Vec::new();
    graph.encode(&mut image);
    image
}

fn is_bad<T>(found: &Result<T, Error>) -> bool {
    matches!(found, Err(Error::BadImage { .. }))
}

/// Whether a change was made; if not, it is because a vector is not there.
fn is_done(done: Result<(), Error>) -> bool {
    match done {
        Ok(()) => true,
        Err(Error::Unreadable(_)) => false,
        Err(error) => panic!("it can be changed, or a vector is not there: {error}"),
    }
}

/// The graph is the real one, or what is not is told.
fn written(graph: &Hnsw, real: &Real, input: &Input) {
    let is_whole = real.image == input.image;
    let rounds = [&input.round, &Round::exact()];
    let ask = |is_whole: bool| {
        for round in rounds {
            let expected = round.ask(&real.graph, &real.memory);
            for (answer, expected) in round.ask(graph, &real.memory).iter().zip(&expected) {
                let is_told = !is_whole && *answer == Answer::Bad;
                assert!(is_told || answer == expected, "{answer:?}, and not {expected:?}");
            }
        }
    };
    ask(is_whole);
    let mut there = SlotSet::new();
    for slot in real.memory.slots().iter() {
        let is_there = real.graph.contains(slot).expect("it lies in no image");
        match graph.contains(slot) {
            Ok(found) => assert_eq!(found, is_there),
            Err(error) => assert!(!is_whole && is_bad(&Err::<(), _>(error))),
        }
        there.extend(is_there.then_some(slot));
    }
    let verified = graph.verify(&mut |_| true);
    if !is_whole {
        assert!(is_bad(&verified));
        return refuses(graph, &rounds, real);
    }
    assert!(verified.is_ok_and(|all| all));
    ask(true);
    let degrees = [graph, &real.graph].map(|graph| graph.degree().expect("whole").to_bits());
    assert!(degrees.windows(2).all(|pair| pair.first() == pair.last()));
    let (metric, coded, calibrated) = (input.metric, graph.dim() >= 48, input.calibrated());
    let known = Known { memory: &real.memory, metric, coded, calibrated, there };
    change(graph, &input.round, known, Vouched::Writer);
}

/// Damage was found: everything says so.
fn refuses(graph: &Hnsw, rounds: &[&Round], real: &Real) {
    for round in rounds {
        assert!(round.ask(graph, &real.memory).iter().all(|answer| *answer == Answer::Bad));
    }
    let (slot, image) = (Slot(1), image_of(graph));
    assert!(is_bad(&graph.contains(slot)) && is_bad(&graph.degree()) && is_bad(&graph.removed()));
    let some = real.memory.slots();
    assert!(is_bad(&graph.insert(slot, &real.memory)) && is_bad(&graph.remove(slot)));
    assert!(is_bad(&graph.insert_all(some, &real.memory, &Pool::here(), &mut |_| true)));
    assert!(is_bad(&graph.verify(&mut |_| true)));
    assert!(image_of(graph) == image);
}

/// What is in the image need not make sense.
fn nonsense(graph: &Hnsw, input: &Input) {
    let (is_fitted, missing) = (input.is_fitted(), input.missing);
    let mut fields = Bytes::new(input.image.get(16..).unwrap_or_default());
    let (coded, rows) = (fields.u32() == 1, fields.u32() as usize * 64);
    if rows > SLOTS_MAX {
        return;
    }
    let mut there = SlotSet::new();
    // Behind the last one nothing is.
    for slot in (0..rows + 600).map(|slot| Slot(slot as u32)) {
        match graph.contains(slot) {
            Ok(is_there) => there.extend(is_there.then_some(slot)),
            Err(error) => return assert!(!is_fitted && is_bad(&Err::<(), _>(error))),
        }
    }
    assert!(there.iter().all(|slot| (slot.0 as usize) < rows));
    let made;
    let memory = match input.real.map(|real| &real.memory).filter(|it| it.dim() == graph.dim()) {
        Some(memory) => memory,
        None if graph.dim().saturating_mul(rows + CHANGED) > NUMBERS_MAX => return,
        None => {
            // All vectors, those of its slots, or only some.
            let all = (0..rows + CHANGED).map(|slot| Slot(slot as u32));
            let is_wanted = |slot: &Slot| match missing % 3 {
                0 => true,
                1 => there.contains(*slot) || slot.0 as usize >= rows,
                _ => slot.0 % 7 != u32::from(missing / 3) % 7,
            };
            made = real::memory(graph.dim(), all.filter(is_wanted));
            &made
        }
    };
    let (metric, calibrated) = (input.metric, input.calibrated());
    let known = Known { memory, metric, coded, calibrated, there };
    let rounds = [&input.round, &Round::exact()];
    let answers = rounds.map(|round| round.check(graph, &known));
    let was_bad = answers.iter().flatten().any(|answer| *answer == Answer::Bad);
    let verified = graph.verify(&mut |_| true);
    if is_bad(&verified) {
        return assert!(!is_fitted && is_bad(&graph.contains(Slot(0))));
    }
    assert!(verified.is_ok_and(|all| all) && !was_bad);
    // What is checked and what need not be any more find the same.
    assert_eq!(rounds.map(|round| round.check(graph, &known)), answers);
    assert!(graph.degree().is_ok_and(f64::is_finite));
    change(graph, &input.round, known, Vouched::Nobody);
}

/// Looks whether a graph has these slots and no others.
fn has(graph: &Hnsw, there: &SlotSet) {
    assert_eq!(graph.len(), there.len());
    assert!(there.iter().all(|slot| graph.contains(slot).is_ok_and(|there| there)));
}

/// Steps until nothing is due; what was given back, unless a vector is not there.
fn give_back(graph: &Hnsw, memory: &dyn Vectors) -> Result<Vec<Slot>, Error> {
    let mut all = Vec::new();
    loop {
        let step = graph.step(memory, 1 << 16)?;
        all.extend(step.given_back);
        if !step.more {
            return Ok(all);
        }
    }
}

/// Changes a graph whose image was verified, writes it, and opens what was written.
fn change(graph: &Hnsw, round: &Round, mut known: Known<'_>, vouched: Vouched) {
    let before = image_of(graph);
    if before.len() > CHANGED_BYTES_MAX {
        return;
    }
    let own = Hnsw::open(before, &known.metric.into()).expect("its own image");
    // Nothing is given up, but from here on all is its own.
    assert!(!own.remove(Slot(u32::MAX)).expect("verified"));
    has(&own, &known.there);
    let some: Vec<_> = known.there.iter().step_by(3).take(CHANGED).collect();
    for slot in &some {
        assert!(own.remove(*slot).expect("verified") && known.there.remove(*slot));
        assert!(!own.remove(*slot).expect("verified"));
        let early = own.insert(*slot, known.memory);
        assert!(matches!(early, Err(Error::NotGivenBack { slot: found }) if found == *slot));
    }
    has(&own, &known.there);
    let given_back = match give_back(&own, known.memory) {
        Ok(given_back) => given_back,
        Err(Error::Unreadable(_)) if vouched == Vouched::Nobody => Vec::new(),
        Err(error) => panic!("all vectors are there: {error}"),
    };
    assert!(vouched == Vouched::Nobody || some.iter().all(|slot| given_back.contains(slot)));
    has(&own, &known.there);
    for slot in some.iter().filter(|slot| given_back.contains(slot)) {
        let is_done = is_done(own.insert(*slot, known.memory));
        assert!(is_done || vouched == Vouched::Nobody, "all vectors are there");
        known.there.extend(is_done.then_some(*slot));
        has(&own, &known.there);
    }
    if let Some(slot) = known.there.iter().next() {
        let again = own.insert(slot, known.memory);
        assert!(matches!(again, Err(Error::There { slot: found }) if found == slot));
    }
    let is_new = |slot: &Slot| !known.there.contains(*slot) && !some.contains(slot);
    let more: SlotSet = known.memory.slots().iter().filter(is_new).take(CHANGED).collect();
    let mut told = 0;
    let mut progress = |done| {
        told = done;
        true
    };
    // What a forged image says is removed cannot be taken up.
    let all = match own.insert_all(&more, known.memory, &Pool::here(), &mut progress) {
        Err(Error::NotGivenBack { .. }) => false,
        done => is_done(done),
    };
    assert!(if all { told == more.len() } else { vouched == Vouched::Nobody && told < more.len() });
    // They are taken up one by one; what was before the one that could not be stays.
    known.there.extend(more.iter().filter(|slot| own.contains(*slot).is_ok_and(|there| there)));
    has(&own, &known.there);
    if own.len() <= known.calibrated {
        let calibrated = own.calibrate(known.memory, &Pool::here(), &mut |_| true);
        assert!(is_done(calibrated.map(|done| assert!(done))) || vouched == Vouched::Nobody);
    }
    let image = image_of(&own);
    let again = Hnsw::open(image.clone(), &known.metric.into()).expect("its own image");
    let answers = [&own, &again].map(|graph| round.check(graph, &known));
    assert!(vouched == Vouched::Nobody || answers.windows(2).all(|it| it.first() == it.last()));
    assert!(again.verify(&mut |_| true).is_ok_and(|all| all) && image_of(&again) == image);
    has(&again, &known.there);
}
