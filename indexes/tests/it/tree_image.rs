//! Images of KD-trees: what was encoded is what is searched and changed, where it lies, and damage is told before it matters.

use base::checksum::Xxh3;
use indexes::{
    Bytes, Error, Index, KdTree, KdTreeConfig, Measure, Memory, Metric, Nearest, Pool, Query, Slot,
    SlotSet, Vectors,
};

use crate::given::Kind;
use crate::graph::{give_back, pool};
use crate::trees::{METRICS, empty, small, tree_of};

fn image_of(index: &dyn Index) -> Vec<u8> {
    let mut image = Vec::new();
    index.encode(&mut image);
    image
}

/// Some in a tree, some in buffers that wait, some in one that does not; of each some were removed, and of those some have no
/// point any more.
fn lived(memory: &Memory, metric: Metric) -> KdTree {
    let tree = empty(memory.dim(), metric, small());
    let count = memory.len() as u32;
    let some = (0..count / 2).map(Slot).collect();
    tree.insert_all(&some, memory, &Pool::here(), &mut |_| true).expect("they fit");
    (count / 2..count).for_each(|slot| tree.insert(Slot(slot), memory).expect("it is new"));
    (0..count).step_by(9).for_each(|slot| assert!(tree.remove(Slot(slot)).expect("whole")));
    assert_eq!(tree.step(memory, 5).expect("whole").given_back.len(), 5);
    tree
}

fn find(index: &dyn Index, vectors: &[Vec<f32>], memory: &Memory) -> Vec<Nearest> {
    let queries: Vec<_> = vectors.iter().map(|vector| Query::new(vector).k(20)).collect();
    let one = |query| index.search(query, memory).expect("found");
    let one_by_one: Vec<_> = queries.iter().map(one).collect();
    assert_eq!(index.search_many(&queries, memory, &pool(2)).expect("found"), one_by_one);
    one_by_one
}

fn neighbours(found: Vec<Nearest>) -> Vec<Vec<indexes::Neighbour>> {
    found.into_iter().map(|it| it.neighbours).collect()
}

#[test]
fn an_image_is_the_tree_again() {
    for dim in [1, 3, 16, 20, 48] {
        for metric in METRICS {
            let (memory, vectors) = Kind::Clustered.set(dim, 700, 10, 41);
            let tree = lived(&memory, metric);
            let (image, measure) = (image_of(&tree), Measure::from(metric));
            let opened = KdTree::open(image.clone(), &measure).expect("its own image");
            let figures = (opened.config(), opened.len(), opened.dim());
            assert_eq!(figures, (tree.config(), tree.len(), dim));
            assert!(image_of(&opened) == image && opened.is_lent());
            let expected = neighbours(find(&tree, &vectors, &memory));
            assert_eq!(neighbours(find(&opened, &vectors, &memory)), expected);
            assert!(opened.verify(&mut |_| true).expect("whole"));
            assert_eq!(neighbours(find(&opened, &vectors, &memory)), expected);
            assert_eq!(opened.removed().expect("whole"), tree.removed().expect("whole"));
            let there = |tree: &KdTree| -> SlotSet {
                (0..1_000).map(Slot).filter(|slot| tree.contains(*slot).expect("whole")).collect()
            };
            assert_eq!(there(&opened), there(&tree));
            for tree in [&opened, &tree] {
                let again = tree.insert(Slot(63), &memory);
                assert!(matches!(again, Err(Error::NotGivenBack { slot: Slot(63) })));
                assert_eq!(give_back(tree, &memory).len(), 73);
                tree.insert(Slot(63), &memory).expect("it was given back");
                assert!(
                    tree.remove(Slot(1)).expect("whole") && !tree.remove(Slot(1)).expect("whole")
                );
                assert!(!tree.is_lent());
            }
            assert_eq!([&opened, &tree].map(|it| it.len()), [699 - 77, 699 - 77]);
            let both = [&opened, &tree].map(|it| neighbours(find(it, &vectors, &memory)));
            assert_eq!(both[0], both[1]);
            let other = indexes::open(image, &Metric::Dot.into()).map(drop);
            assert!(matches!(other, Err(Error::Measure { .. })));
        }
    }
    let empty = empty(3, Metric::L2, KdTreeConfig::default());
    let opened = KdTree::open(image_of(&empty), &Metric::L2.into()).expect("its own image");
    assert!(opened.is_empty() && image_of(&empty).len() == 4_096);
    assert_eq!(opened.statistics().kind, "kdtree");
}

/// More trees than a header has room for are written as what lies in none.
#[test]
fn there_may_be_more_trees_than_an_image_speaks_of() {
    let (memory, vectors) = Kind::Gaussian.set(2, 1_600, 4, 45);
    let tree = empty(2, Metric::L2, small());
    for first in (0..1_600).step_by(20) {
        let some = (first..first + 20).map(Slot).collect();
        tree.insert_all(&some, &memory, &Pool::here(), &mut |_| true).expect("they fit");
    }
    assert_eq!(tree.statistics().tree.expect("it has some").trees, 80);
    let opened = KdTree::open(image_of(&tree), &Metric::L2.into()).expect("its own image");
    let figures = opened.statistics().tree.expect("it has some");
    assert_eq!((figures.trees, figures.buffered), (64, 320));
    let expected = neighbours(find(&tree, &vectors, &memory));
    assert_eq!(neighbours(find(&opened, &vectors, &memory)), expected);
    give_back(&tree, &memory);
    opened.take_over().expect("whole");
    give_back(&opened, &memory);
    for tree in [&tree, &opened] {
        assert!(tree.statistics().tree.expect("it has some").trees <= 3);
        assert_eq!(neighbours(find(tree, &vectors, &memory)), expected);
    }
}

/// Whatever mapped it keeps it: nothing of it is copied, and nothing but the header is looked at.
#[test]
fn opening_looks_at_nothing_but_the_header_and_a_search_at_what_it_needs() {
    struct Mapped(Vec<u8>);
    impl AsRef<[u8]> for Mapped {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let (memory, vectors) = Kind::Gaussian.set(3, 20_000, 3, 42);
    let tree = tree_of(&memory, Metric::L2, KdTreeConfig::default());
    let (mut image, measure) = (image_of(&tree), Measure::from(Metric::L2));
    // At an odd address, too.
    let odd = [&[0], &image[..]].concat();
    for mapped in [Bytes::from_owner(Mapped(image.clone())), Bytes::from(odd).slice(1..)] {
        let opened = KdTree::open(mapped, &measure).expect("its own");
        assert!(opened.statistics().bytes < image.len() / 1_000);
        assert_eq!(find(&opened, &vectors, &memory), find(&tree, &vectors, &memory));
        assert!(opened.statistics().bytes < image.len() / 1_000);
        // Most of it was not touched, so damage there is not seen.
        let mut told = 0;
        let stopped = opened.verify(&mut |bytes| {
            told = bytes;
            false
        });
        assert!(!stopped.expect("not bad") && told == 0);
    }
    image.iter_mut().skip(4_096).for_each(|byte| *byte = !*byte);
    let opened = KdTree::open(image, &measure).expect("the header is whole");
    assert_eq!(opened.len(), 20_000);
    let query = Query::new(&vectors[0]);
    let is_bad = |found: Result<(), Error>| matches!(found, Err(Error::BadImage { .. }));
    assert!(is_bad(opened.search(&query, &memory).map(drop)));
    assert!(is_bad(opened.search_many(&[query; 3], &memory, &Pool::here()).map(drop)));
    assert!(is_bad(opened.remove(Slot(3)).map(drop)));
    assert!(is_bad(opened.insert(Slot(20_000), &memory)));
    assert!(is_bad(opened.contains(Slot(3)).map(drop)) && is_bad(opened.removed().map(drop)));
    assert!(is_bad(opened.verify(&mut |_| true).map(drop)) && opened.is_lent());
}

#[test]
fn what_is_taken_over_lies_in_no_image_any_more() {
    let (memory, vectors) = Kind::Clustered.set(3, 5_000, 5, 44);
    let tree = tree_of(&memory, Metric::L2, KdTreeConfig::default());
    assert!(!tree.is_lent() && tree.bytes_to_own() == 0);
    tree.take_over().expect("nothing to do");
    let image = image_of(&tree);
    let opened = KdTree::open(image.clone(), &Metric::L2.into()).expect("its own image");
    let expected = find(&tree, &vectors, &memory);
    let promised = opened.bytes_to_own();
    // A step that has nothing to do copies nothing.
    assert!(opened.step(&memory, 100).is_ok_and(|step| !step.more) && opened.is_lent());
    std::thread::scope(|scope| {
        let searching = scope
            .spawn(|| (0..20).for_each(|_| assert_eq!(find(&opened, &vectors, &memory), expected)));
        opened.take_over().expect("whole");
        searching.join().expect("found");
    });
    assert!(!opened.is_lent() && opened.bytes_to_own() == 0);
    let taken = opened.statistics().bytes;
    assert!((promised / 2..promised * 5 / 2).contains(&taken), "{taken}, and not {promised}");
    assert!(find(&opened, &vectors, &memory) == expected && image_of(&opened) == image);
    opened.take_over().expect("nothing to do any more");
    let mut damaged = image;
    damaged[5_000] ^= 1;
    let opened = KdTree::open(damaged, &Metric::L2.into()).expect("the header is whole");
    assert!(matches!(opened.take_over(), Err(Error::BadImage { .. })) && opened.is_lent());
}

#[test]
fn verifying_can_be_stopped_and_gone_on_with() {
    let (memory, _) = Kind::Gaussian.set(8, 60_000, 0, 43);
    let image = image_of(&tree_of(&memory, Metric::L2, KdTreeConfig::default()));
    let opened = KdTree::open(image.clone(), &Metric::L2.into()).expect("its own image");
    let mut told = Vec::new();
    let mut progress = |bytes| {
        told.push(bytes);
        bytes == 0
    };
    assert!(!opened.verify(&mut progress).expect("whole"));
    assert!(opened.verify(&mut |_| true).expect("whole"));
    assert_eq!(told.len(), 2);
}

/// Each bit of a small image is flipped: opening or searching says so, or the answers are those of the image that is
/// whole, as nothing they need was touched. When all is verified, it is always said.
#[test]
fn every_bit_that_is_flipped_is_told_before_it_matters() {
    for (dim, count) in [(2, 90), (5, 60), (20, 40)] {
        let (memory, vectors) = Kind::Gaussian.set(dim, count, 1, 1);
        let tree = lived(&memory, Metric::L2);
        let (image, measure) = (image_of(&tree), Measure::from(Metric::L2));
        let some: SlotSet = (0..30).map(Slot).collect();
        let query = Query::new(&vectors[0]).k(3);
        // A walk, everything, and what a filter admits.
        let queries = [query, query.k(100), query.filter(&some)];
        let search = |tree: &KdTree| tree.search_many(&queries, &memory, &Pool::here());
        let expected = neighbours(search(&tree).expect("found"));
        let (mut refused, mut told, mut same) = (0, 0, 0);
        for byte in 0..image.len() {
            // All bits of what the header says, one of each other byte.
            let bits = if byte < 192 + 16 * 64 { 0..8 } else { byte % 8..byte % 8 + 1 };
            for bit in bits {
                let mut damaged = image.clone();
                damaged[byte] ^= 1 << bit;
                let Ok(opened) = KdTree::open(damaged, &measure) else {
                    refused += 1;
                    continue;
                };
                match search(&opened) {
                    Ok(found) => {
                        assert_eq!(neighbours(found), expected, "bit {bit} of byte {byte}");
                        same += 1;
                    }
                    Err(Error::BadImage { .. }) => told += 1,
                    Err(other) => panic!("bit {bit} of byte {byte}: {other}"),
                }
                let verified = opened.verify(&mut |_| true);
                assert!(matches!(verified, Err(Error::BadImage { .. })), "{bit} of byte {byte}");
                assert!(matches!(search(&opened), Err(Error::BadImage { .. })));
                assert!(matches!(opened.take_over(), Err(Error::BadImage { .. })));
            }
        }
        // All of the header; and the rest is looked at by one of the three, but for what was removed.
        assert_eq!(refused, 8 * (192 + 16 * 64) + 4_096 - 192 - 16 * 64);
        assert!(same < told, "{told} told, {same} the same");
    }
}

/// The same where all is looked at by codes: some bytes of these, and of what says which slots there are.
#[test]
fn damaged_codes_are_told_before_they_matter() {
    let (memory, vectors) = Kind::Gaussian.set(48, 2_100, 1, 1);
    let tree = tree_of(&memory, Metric::L2, small().scan_from(0));
    let (image, measure) = (image_of(&tree), Measure::from(Metric::L2));
    let query = Query::new(&vectors[0]).k(3);
    let search = |tree: &KdTree| tree.search(&query, &memory);
    let expected = search(&tree).expect("found").neighbours;
    let codes = 2 * 320 + 2_112 * (2 * 64 + 64);
    let (mut told, mut same) = (0, 0);
    for byte in (4_096..4_096 + codes).step_by(1_111) {
        let mut damaged = image.clone();
        damaged[byte] ^= 1 << (byte % 8);
        let opened = KdTree::open(damaged, &measure).expect("the header is whole");
        match search(&opened) {
            Ok(found) => {
                assert_eq!(found.neighbours, expected, "byte {byte}");
                same += 1;
            }
            Err(Error::BadImage { .. }) => told += 1,
            Err(other) => panic!("byte {byte}: {other}"),
        }
        let verified = opened.verify(&mut |_| true);
        assert!(matches!(verified, Err(Error::BadImage { .. })), "byte {byte}");
        assert!(matches!(search(&opened), Err(Error::BadImage { .. })));
    }
    assert!(told > 100 && same < told, "{told} told, {same} the same");
}

#[test]
fn what_is_cut_or_longer_or_cannot_be_is_refused() {
    let (memory, _) = Kind::Gaussian.set(3, 300, 0, 1);
    let (image, measure) = (image_of(&lived(&memory, Metric::L2)), Metric::L2.into());
    for len in (0..image.len()).step_by(97) {
        let cut = image[..len].to_vec();
        assert!(matches!(KdTree::open(cut, &measure), Err(Error::BadImage { .. })));
    }
    let longer = [&image[..], &[0]].concat();
    assert!(matches!(KdTree::open(longer, &measure), Err(Error::BadImage { .. })));
    // Where a number stands, one that it cannot be, and what is said of it.
    let cases = [
        (8, 1, 1, "newer"),
        (12, 4, 40, "length"),
        (12, 4, 200, "codes"),
        (16, 4, 1, "codes"),
        (20, 4, u64::from(u32::MAX), "a length"),
        (24, 8, 1 << 40, "slots"),
        (32, 4, 0, "configuration"),
        (36, 4, 63, "configuration"),
        (40, 4, 1, "configuration"),
        (44, 4, 101, "configuration"),
        (48, 4, 65, "a tree"),
        (48, 4, 0, "reserved"),
        (52, 4, u64::from(u32::MAX), "length"),
        (56, 4, 1, "reserved"),
        (88, 8, 1 << 40, "removed"),
        (192, 8, 0, "a tree"),
        (192, 8, 1 << 33, "a tree"),
        (200, 4, 20, "a tree"),
        (204, 2, 2, "a tree"),
        (206, 2, 256, "a tree"),
        (1_216, 1, 1, "reserved"),
    ];
    for (at, width, number, expected) in cases {
        let mut forged = image.clone();
        forged[at..at + width].copy_from_slice(&u64::to_le_bytes(number)[..width]);
        let sum = Xxh3::of(&forged[..4_088]);
        forged[4_088..4_096].copy_from_slice(&sum.to_le_bytes());
        match KdTree::open(forged, &measure).map(drop) {
            Err(Error::BadImage { what, .. }) => assert_eq!(what, expected, "{number} at {at}"),
            Err(Error::NewerImage { .. }) => assert_eq!(expected, "newer"),
            other => panic!("{number} at {at}: {other:?}"),
        }
    }
}
