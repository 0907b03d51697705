//! Target: the image of a KD-tree, damaged or made up.
//!
//! Input: a byte that says by which distance it is opened, which sums are made to fit, what the image is, and whether it lies at an odd
//! address; then the image as it is, or which real one it is, then numbers that are put into its header and its data.
//!
//! Promises
//!  1. Whatever the bytes, opening answers with an index or a typed error.
//!  2. What is not as it was written is told before it matters: where only the header is whole, an answer is that of the
//!     whole image, or says that the image is bad, as everything does from then on.
//!  3. Where sums fit and nothing else does, an index finds only slots that it has, in order and none twice; it can be changed and
//!     written all the same, and has each slot once at most from then on.
//!  4. Its image opens again, to an index with the same image.

use std::sync::OnceLock;

use indexes::{
    Error, Index, KdTree, KdTreeConfig, Measure, Memory, Metric, Nearest, Neighbour, Pool, Query,
    Slot, SlotSet,
};

use super::bytes::Bytes;
use super::forge::{self, HEADER};
use super::real::{memory, vector};

/// The most edits of an image.
const EDITS: u8 = 8;

/// Indexes of more slots, or of more numbers, are opened and not searched; longer images are not made to fit.
const SLOTS_MAX: usize = 1 << 12;
const NUMBERS_MAX: usize = 1 << 18;
const IMAGE_MAX: usize = 1 << 20;

/// Where the header speaks of trees, and where that ends.
const TREES: usize = 192;
const TREES_END: usize = TREES + 64 * 16;

/// Real ones: of few numbers and of more, and of so many that they have codes, with a node and with a root above nodes; each has some slots, some of them in no
/// tree, and gave up some.
const KINDS: [(usize, u32); 5] = [(2, 150), (3, 1_200), (17, 150), (1, 20), (48, 150)];
const GIVEN_UP: usize = 9;

struct Real {
    tree: KdTree,
    image: Vec<u8>,
    memory: Memory,
}

impl Real {
    fn new(dim: usize, slots: u32, metric: Metric) -> Self {
        let config = KdTreeConfig::default().leaf(4).buffer(64);
        let tree = KdTree::new(dim, metric, config).expect("it goes by it");
        let memory = memory(dim, (0..slots + 4).map(Slot));
        let most: SlotSet = (0..slots - 10).map(Slot).collect();
        tree.insert_all(&most, &memory, &Pool::here(), &mut |_| true).expect("they fit");
        (slots - 10..slots).for_each(|slot| tree.insert(Slot(slot), &memory).expect("it fits"));
        for slot in (0..slots).step_by(GIVEN_UP) {
            assert!(tree.remove(Slot(slot)).expect("it lies in no image"));
        }
        // Of some no point is left, of others one is.
        assert!(tree.step(&memory, 3).expect("it goes on").given_back.len() == 3);
        let image = image_of(&tree);
        Real { tree, image, memory }
    }
}

/// One of the real ones, built once.
fn real(kind: usize, metric: Metric) -> Option<&'static Real> {
    static BUILT: [[OnceLock<Real>; 2]; KINDS.len()] =
        [const { [const { OnceLock::new() }; 2] }; KINDS.len()];
    let (dim, slots) = *KINDS.get(kind % KINDS.len())?;
    let built = BUILT.get(kind % KINDS.len())?.get(usize::from(metric == Metric::Cosine))?;
    Some(built.get_or_init(|| Real::new(dim, slots, metric)))
}

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let what = bytes.u8();
    let metric = if what & 1 == 1 { Metric::Cosine } else { Metric::L2 };
    let (image, real) = image(what, metric, bytes);
    let measure = Measure::from(metric);
    let at = usize::from(what >> 6 & 1);
    let mut placed = vec![0; at];
    placed.extend(&image);
    let opened = KdTree::open(indexes::Bytes::from(placed).slice(at..), &measure);
    let is_tree = image.starts_with(b"arrwkdtr");
    assert!(!is_tree || indexes::open(image.clone(), &measure).is_ok() == opened.is_ok());
    let tree = match opened {
        Ok(tree) => tree,
        Err(Error::BadImage { .. } | Error::NewerImage { .. } | Error::Measure { .. }) => {
            return assert!(real.is_none_or(|real| real.image != image), "its own image");
        }
        Err(error) => panic!("nothing but the image can be wrong: {error}"),
    };
    assert!(is_tree && forge::header_fits(&image) && tree.is_lent() && image_of(&tree) == image);
    // It lies there, and takes no more memory than to remember what was verified.
    assert!(tree.statistics().bytes <= image.len() / 1_024);
    match real {
        Some(real) if real.image.get(..HEADER) == image.get(..HEADER) => {
            written(&tree, real, &image);
        }
        _ => nonsense(&tree, (metric, what & 12 == 8)),
    }
}

/// The image that the input says, and the index whose image was edited.
fn image(what: u8, metric: Metric, mut bytes: Bytes<'_>) -> (Vec<u8>, Option<&'static Real>) {
    if what >> 4 & 3 == 0 {
        return (bytes.rest().to_vec(), None);
    }
    let real = real(usize::from(bytes.u8()), metric);
    let mut image = real.map_or(Vec::new(), |real| real.image.clone());
    let edits = bytes.u8() % (EDITS + 1);
    for _ in 0..edits {
        if !bytes.is_empty() {
            edit(&mut image, &mut bytes);
        }
    }
    match what & 12 {
        4 => forge::fit_header(&mut image),
        8 => match end(&image) {
            Some(end) => forge::fit_to(&mut image, end),
            None => forge::fit_header(&mut image),
        },
        _ => {}
    }
    // Else what is made to fit would not reach what is behind the header.
    let is_whole = real.is_none_or(|real| real.image == image);
    assert!(edits > 0 || is_whole, "made to fit, a whole one is as it was");
    (image, real)
}

/// Puts something into an image: numbers of its header, of its data, or a cut.
fn edit(image: &mut Vec<u8>, bytes: &mut Bytes<'_>) {
    let (whence, how) = (bytes.u8(), bytes.u8());
    let place = match whence & 3 {
        0 => 0..TREES,
        1 => TREES..TREES_END,
        _ => HEADER..image.len(),
    };
    let at = place.start + (forge::number(bytes) % place.len().max(1) as u64) as usize;
    match how & 7 {
        0..=2 => forge::put(image, at, bytes.take(1 + usize::from(how >> 3) % 16)),
        3 | 4 => forge::put(image, at & !3, &(forge::number(bytes) as u32).to_le_bytes()),
        5 => image.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (how >> 5)),
        6 => image.iter_mut().skip(at & !63).take(64).for_each(|byte| *byte = how),
        _ if bytes.flag() => image.truncate(at),
        _ => image.resize(image.len() + usize::from(how >> 3), 0),
    }
}

/// Where what a header describes ends, by FORMAT.md section 9.5; nothing, if it cannot be true, or is far away.
fn end(image: &[u8]) -> Option<usize> {
    let mut fields = Bytes::new(image.get(12..HEADER)?);
    let [dim, coded, words] = std::array::from_fn(|_| fields.u32() as usize);
    let mut fields = Bytes::new(image.get(48..HEADER)?);
    let [trees, loose] = std::array::from_fn(|_| fields.u32() as usize);
    let mut end = HEADER;
    let mut table = |rows: usize, width: usize| {
        let bytes = rows.checked_mul(width)?.checked_next_multiple_of(64)?;
        end = end.checked_add(bytes).filter(|end| *end <= IMAGE_MAX)?;
        Some(())
    };
    let row = |points: usize| points.checked_mul(4)?.checked_mul(dim);
    table(words.div_ceil(8), 64)?;
    table(words.div_ceil(8), 64)?;
    if coded == 1 {
        // A row is a plane and 64 bytes more, by section 9.2; the lower planes are another table.
        let (rows, plane) = (words.checked_mul(64)?, dim.div_ceil(128).checked_mul(64)?);
        table(rows, plane.checked_add(64)?)?;
        table(rows, plane)?;
    }
    table(loose.div_ceil(64), row(64)?)?;
    table(loose.div_ceil(64), 4 * 64)?;
    let mut fields = Bytes::new(image.get(TREES..HEADER)?);
    for _ in 0..trees.min(64) {
        let (points, splits, _) = (fields.u64() as usize, fields.u32(), fields.u32());
        if splits > 31 {
            return None;
        }
        let leaves = 1_usize << splits;
        let room = points.div_ceil(leaves).checked_next_multiple_of(16)?;
        table(nodes(splits), row(32)?)?;
        table(leaves, row(room)?)?;
        table(leaves, room.checked_mul(4)?)?;
    }
    Some(end)
}

/// How many nodes there are above two to the power of so many leaves: each but the root has 16 children.
fn nodes(splits: u32) -> usize {
    let (mut nodes, mut children) = (0, 1_usize << splits);
    while children > 1 {
        children = children.div_ceil(16);
        nodes += children;
    }
    nodes
}

fn image_of(tree: &KdTree) -> Vec<u8> {
    let mut image = Vec::new();
    tree.encode(&mut image);
    image
}

fn is_bad<T>(found: &Result<T, Error>) -> bool {
    matches!(found, Err(Error::BadImage { .. }))
}

type Found = Vec<Vec<Neighbour>>;

/// Asks for what is near one vector, among all and among some.
fn ask(tree: &KdTree, memory: &Memory) -> Result<Found, Error> {
    let queried = vector(tree.dim(), 5);
    let filter: SlotSet = (0..SLOTS_MAX as u32).step_by(3).map(Slot).collect();
    let query = Query::new(&queried).k(20);
    let queries = [query, query.filter(&filter).k(3), query.k(usize::MAX), query.within(9.0)];
    let found = tree.search_many(&queries, memory, &Pool::here())?;
    Ok(found.into_iter().map(|Nearest { neighbours, .. }| neighbours).collect())
}

/// The index is the real one, or what is not is told.
fn written(tree: &KdTree, real: &Real, image: &[u8]) {
    let is_whole = real.image == image;
    let expected = ask(&real.tree, &real.memory).expect("all are there");
    let check = || match ask(tree, &real.memory) {
        Ok(found) => assert_eq!(found, expected),
        bad => assert!(!is_whole && is_bad(&bad), "{bad:?}"),
    };
    check();
    let verified = tree.verify(&mut |_| true);
    if !is_whole {
        assert!(is_bad(&verified) && is_bad(&tree.take_over()) && is_bad(&tree.removed()));
        assert!(is_bad(&ask(tree, &real.memory)) && is_bad(&tree.contains(Slot(1))));
        assert!(is_bad(&tree.insert(Slot(0), &real.memory)) && is_bad(&tree.remove(Slot(1))));
        return assert!(tree.is_lent() && image_of(tree) == image);
    }
    assert!(verified.is_ok_and(|all| all));
    check();
    change(tree, &real.memory);
}

/// What is in the image need not make sense.
fn nonsense(tree: &KdTree, (metric, is_fitted): (Metric, bool)) {
    let rows = 1 + tree.len();
    if rows > SLOTS_MAX || tree.dim().saturating_mul(SLOTS_MAX) > NUMBERS_MAX {
        return;
    }
    let there: Result<SlotSet, Error> = (0..2 * SLOTS_MAX as u32)
        .map(Slot)
        .filter_map(|slot| match tree.contains(slot) {
            Ok(there) => there.then_some(Ok(slot)),
            Err(error) => Some(Err(error)),
        })
        .collect();
    let memory = memory(tree.dim(), (0..2 * SLOTS_MAX as u32).map(Slot));
    let found = match (there, ask(tree, &memory)) {
        (Ok(there), Ok(found)) => {
            for found in &found {
                assert!(found.iter().all(|it| there.contains(it.slot)), "{metric}");
                assert!(found.is_sorted_by(|one, other| one < other), "{found:?}");
                let once: SlotSet = found.iter().map(|it| it.slot).collect();
                assert_eq!(once.len(), found.len());
            }
            found
        }
        (there, found) => {
            let unreadable = matches!(found, Err(Error::Unreadable(_)));
            return assert!(unreadable || (!is_fitted && (is_bad(&there) || is_bad(&found))));
        }
    };
    if is_bad(&tree.verify(&mut |_| true)) {
        return assert!(!is_fitted && is_bad(&tree.contains(Slot(0))));
    }
    assert_eq!(ask(tree, &memory).expect("it was verified"), found);
    change(tree, &memory);
}

/// Changes an index whose image was verified, writes it, and opens what was written.
fn change(tree: &KdTree, memory: &Memory) {
    let gone = tree.removed().expect("verified");
    tree.take_over().expect("verified");
    let some: Vec<Slot> =
        (0..40).map(Slot).filter(|slot| tree.contains(*slot).expect("own")).collect();
    for slot in some.iter().take(4) {
        assert!(tree.remove(*slot).expect("own") && !tree.remove(*slot).expect("own"));
        assert!(matches!(tree.insert(*slot, memory), Err(Error::NotGivenBack { .. })));
    }
    let mut given_back = SlotSet::new();
    loop {
        let step = tree.step(memory, 1 << 12).expect("no vector is needed");
        given_back.extend(step.given_back.iter().copied());
        if !step.more {
            break;
        }
    }
    assert_eq!(given_back.len(), gone.len() + some.len().min(4));
    for slot in some.iter().take(4) {
        tree.insert(*slot, memory).expect("it was given back");
        assert!(tree.contains(*slot).expect("own"));
    }
    let image = image_of(tree);
    let measure = if tree.statistics().measure == "l2" { Metric::L2 } else { Metric::Cosine };
    let again = KdTree::open(image.clone(), &measure.into()).expect("its own image");
    match (ask(tree, memory), ask(&again, memory)) {
        (Ok(one), Ok(other)) => assert_eq!(one, other),
        (one, other) => assert!(one.is_err() && other.is_err()),
    }
    assert!(again.verify(&mut |_| true).is_ok_and(|all| all) && image_of(&again) == image);
}
