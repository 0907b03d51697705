//! Images of hash tables: what was encoded is what is searched and changed, where it lies, and damage is told before it matters.

use base::checksum::Xxh3;
use indexes::{
    Bytes, Error, Family, Index, Lsh, LshConfig, Measure, Memory, Metric, Nearest, Pool, Query,
    Slot, SlotSet,
};

use crate::given::Kind;
use crate::graph::{give_back, pool};
use crate::lsh::{by_tables, few, lsh_with, spread};

fn image_of(index: &dyn Index) -> Vec<u8> {
    let mut image = Vec::new();
    index.encode(&mut image);
    image
}

/// Two runs of tables, slots in none, and some that were removed, given back, or replaced.
fn some(dim: usize, metric: Metric, count: u32) -> (Lsh, Memory, Vec<Vec<f32>>) {
    let (memory, vectors) = spread(dim, count, 10, 41);
    let config = few().num_tables(3).family(Family::CrossPolytope).seed(7);
    let lsh = Lsh::new(dim, metric, config).expect("a metric");
    let most: SlotSet = (0..count * 3 / 4).map(Slot).collect();
    lsh.insert_all(&most, &memory, &pool(2), &mut |_| true).expect("they fit");
    (0..count / 4).step_by(9).for_each(|slot| assert!(lsh.remove(Slot(slot)).expect("whole")));
    assert!(!give_back(&lsh, &memory).is_empty());
    lsh.insert(Slot(0), &memory).expect("it was given back");
    let small: SlotSet = (count * 3 / 4..count * 7 / 8).map(Slot).collect();
    lsh.insert_all(&small, &memory, &pool(2), &mut |_| true).expect("they fit");
    assert!(give_back(&lsh, &memory).is_empty());
    (count * 7 / 8..count * 7 / 8 + 20).for_each(|slot| {
        lsh.insert(Slot(slot), &memory).expect("it is new");
    });
    (1..count / 4).step_by(8).for_each(|slot| _ = lsh.remove(Slot(slot)).expect("whole"));
    (lsh, memory, vectors)
}

#[test]
fn an_image_is_the_index_again() {
    for (dim, metric) in [(3, Metric::L2), (64, Metric::Cosine), (200, Metric::Dot)] {
        let (lsh, memory, vectors) = some(dim, metric, 800);
        let image = image_of(&lsh);
        let opened = Lsh::open(image.clone(), &metric.into()).expect("its own image");
        let figures = |it: &Lsh| (it.config(), it.len(), it.dim(), it.statistics().tuned);
        assert_eq!(figures(&opened), figures(&lsh));
        assert!(lsh.statistics().tuned.is_some() && opened.is_lent());
        assert!(image_of(&opened) == image);
        let find = |lsh: &Lsh| -> Vec<Nearest> {
            let queries = vectors.iter().flat_map(|it| [by_tables(it), Query::new(it)]);
            queries.map(|query| lsh.search(&query.k(20), &memory).expect("found")).collect()
        };
        let expected = find(&lsh);
        assert_eq!(find(&opened), expected, "while it is verified");
        assert!(opened.verify(&mut |_| true).expect("whole"));
        assert_eq!(find(&opened), expected, "when all of it is");
        for lsh in [&opened, &lsh] {
            let gone = lsh.removed().expect("whole");
            assert_eq!((gone.len(), lsh.statistics().removed), (gone.len(), gone.len()));
            assert!(gone.len() > 20 && gone.iter().all(|slot| !lsh.contains(slot).expect("whole")));
        }
        for lsh in [&opened, &lsh] {
            assert!(matches!(lsh.insert(Slot(17), &memory), Err(Error::NotGivenBack { .. })));
            assert!(give_back(lsh, &memory).contains(&Slot(17)));
            lsh.insert(Slot(17), &memory).expect("it was given back");
            assert!(lsh.remove(Slot(700)).expect("whole") && !lsh.is_lent());
        }
        assert!(image_of(&opened) == image_of(&lsh));
        assert_eq!(find(&opened), find(&lsh));
        let other = if metric == Metric::L2 { Metric::Dot } else { Metric::L2 };
        let other = indexes::open(image, &other.into()).map(drop);
        assert!(matches!(other, Err(Error::Measure { .. })));
    }
    let empty = Lsh::new(64, Metric::Dot, LshConfig::default().probes(3)).expect("a metric");
    let image = image_of(&empty);
    let opened = Lsh::open(image.clone(), &Metric::Dot.into()).expect("its own image");
    assert!(opened.is_empty() && image.len() == 4_096);
    assert_eq!((opened.statistics().kind, opened.config()), ("lsh", empty.config()));
}

/// Whatever mapped it keeps it: nothing of it is copied, and nothing but the header is looked at.
#[test]
fn opening_looks_at_nothing_but_the_header() {
    struct Mapped(Vec<u8>);
    impl AsRef<[u8]> for Mapped {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let (memory, vectors) = spread(64, 3_000, 3, 42);
    let lsh = lsh_with(&memory, Metric::L2, LshConfig::default());
    let (mut image, measure) = (image_of(&lsh), Measure::from(Metric::L2));
    let bytes = image.len();
    let opened = Lsh::open(Bytes::from_owner(Mapped(image.clone())), &measure).expect("its own");
    assert!(opened.statistics().bytes < bytes / 1_000);
    for vector in &vectors {
        let query = by_tables(vector).ef(100);
        let found = opened.search(&query, &memory).expect("found");
        assert_eq!(found, lsh.search(&query, &memory).expect("found"));
    }
    image.iter_mut().skip(4_096).for_each(|byte| *byte = !*byte);
    let opened = Lsh::open(image, &measure).expect("the header is whole");
    assert_eq!(opened.len(), 3_000);
    let query = by_tables(vectors.first().map_or(&[][..], Vec::as_slice));
    for _ in 0..2 {
        assert!(matches!(opened.search(&query, &memory), Err(Error::BadImage { .. })));
    }
    assert!(matches!(opened.remove(Slot(3)), Err(Error::BadImage { .. })));
    assert!(matches!(opened.insert(Slot(3_000), &memory), Err(Error::BadImage { .. })));
    assert!(matches!(opened.contains(Slot(3)), Err(Error::BadImage { .. })));
    assert!(matches!(opened.removed(), Err(Error::BadImage { .. })));
    assert!(matches!(opened.verify(&mut |_| true), Err(Error::BadImage { .. })));
}

#[test]
fn what_is_taken_over_lies_in_no_image_any_more() {
    let (lsh, memory, vectors) = some(64, Metric::L2, 2_000);
    assert!(!lsh.is_lent() && lsh.bytes_to_own() == 0);
    lsh.take_over().expect("nothing to do");
    while lsh.step(&memory, 10_000).expect("all are there").more {}
    let image = image_of(&lsh);
    let opened = Lsh::open(image.clone(), &Metric::L2.into()).expect("its own image");
    let find = |lsh: &Lsh| {
        let find = |vector: &Vec<f32>| lsh.search(&by_tables(vector), &memory).expect("found");
        vectors.iter().map(find).collect::<Vec<_>>()
    };
    let expected = find(&lsh);
    let promised = opened.bytes_to_own();
    // A step that has nothing to do copies nothing.
    assert!(opened.step(&memory, 100).is_ok_and(|step| !step.more) && opened.is_lent());
    std::thread::scope(|scope| {
        let searching = scope.spawn(|| (0..20).for_each(|_| assert_eq!(find(&opened), expected)));
        opened.take_over().expect("whole");
        searching.join().expect("found");
    });
    assert!(!opened.is_lent() && opened.bytes_to_own() == 0);
    // Room is made in pieces, of which only what is written to takes memory.
    let taken = opened.statistics().bytes;
    assert!((promised / 2..promised * 3).contains(&taken), "{taken}, and not {promised}");
    assert!(find(&opened) == expected && image_of(&opened) == image);
    opened.take_over().expect("nothing to do any more");
    let mut damaged = image;
    damaged.iter_mut().skip(5_000).take(1).for_each(|byte| *byte ^= 1);
    let opened = Lsh::open(damaged, &Metric::L2.into()).expect("the header is whole");
    assert!(matches!(opened.take_over(), Err(Error::BadImage { .. })) && opened.is_lent());
}

#[test]
fn verifying_can_be_stopped_and_gone_on_with() {
    let (memory, _) = Kind::Gaussian.set(128, 6_000, 0, 43);
    let image = image_of(&lsh_with(&memory, Metric::L2, LshConfig::default()));
    let opened = Lsh::open(image.clone(), &Metric::L2.into()).expect("its own image");
    let mut told = Vec::new();
    let mut progress = |bytes| {
        told.push(bytes);
        bytes == 0
    };
    assert!(!opened.verify(&mut progress).expect("whole"));
    let mut progress = |bytes| {
        told.push(bytes);
        true
    };
    assert!(opened.verify(&mut progress).expect("whole"));
    let last = told.last().copied().unwrap_or_default();
    assert!(told.len() > 4 && last > image.len() * 9 / 10 && last < image.len());
}

/// Each bit of a small image is flipped: opening or searching says so, or the answers are those of the image that is
/// whole, as nothing they need was touched. When all is verified, it is always said.
#[test]
fn every_bit_that_is_flipped_is_told_before_it_matters() {
    for (dim, every) in [(3, 1), (48, 3)] {
        let (memory, vectors) = Kind::Gaussian.set(dim, 100, 1, 1);
        let config = LshConfig::default().tables_from(16).num_tables(2);
        let lsh = lsh_with(&memory, Metric::L2, config);
        (0..30).for_each(|slot| assert!(lsh.remove(Slot(slot)).expect("whole")));
        assert_eq!(give_back(&lsh, &memory).len(), 30);
        (0..5).for_each(|slot| lsh.insert(Slot(slot), &memory).expect("it was given back"));
        let (image, measure) = (image_of(&lsh), Measure::from(Metric::L2));
        let query = Query::new(vectors.first().map_or(&[][..], Vec::as_slice)).k(3);
        let some: SlotSet = (0..90).map(Slot).collect();
        // Out of the tables, through a filter, and all there is.
        let search = |lsh: &Lsh| -> Result<Vec<Nearest>, Error> {
            let by_tables = query.strategy(indexes::Strategy::Walk).ef(12);
            let queries = [by_tables, by_tables.filter(&some), query.recall(1.0)];
            let mut found = lsh.search_many(&queries, &memory, &Pool::here())?;
            found.push(lsh.search(&by_tables, &memory)?);
            Ok(found)
        };
        let expected = search(&lsh).expect("found");
        let (mut refused, mut told) = (0, 0);
        for bit in (0..image.len() * 8).step_by(every) {
            let mut damaged = image.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let Ok(opened) = Lsh::open(damaged, &measure) else {
                refused += 1;
                continue;
            };
            match search(&opened) {
                Ok(found) => assert_eq!(found, expected, "bit {bit}"),
                Err(Error::BadImage { .. }) => told += 1,
                Err(other) => panic!("bit {bit}: {other}"),
            }
            let verified = opened.verify(&mut |_| true);
            assert!(matches!(verified, Err(Error::BadImage { .. })), "bit {bit}");
            assert!(matches!(search(&opened), Err(Error::BadImage { .. })), "bit {bit}");
        }
        assert!(refused >= 4_096 * 8 / every && told > 0, "{refused} {told}");
    }
}

/// The same of an image in which each table fills chunks of its own: what a search does not touch does not matter to it.
#[test]
fn damage_is_told_by_who_touches_it_and_by_nobody_else() {
    let (memory, vectors) = spread(20, 3_000, 4, 45);
    let lsh = lsh_with(&memory, Metric::L2, LshConfig::default().functions(2));
    (0..700).for_each(|slot| assert!(lsh.remove(Slot(slot)).expect("whole")));
    assert_eq!(give_back(&lsh, &memory).len(), 700);
    (0..500).for_each(|slot| lsh.insert(Slot(slot), &memory).expect("it was given back"));
    let (image, measure) = (image_of(&lsh), Measure::from(Metric::L2));
    let search = |lsh: &Lsh| -> Result<Vec<Nearest>, Error> {
        vectors.iter().map(|it| lsh.search(&by_tables(it).ef(600), &memory)).collect()
    };
    let expected = search(&lsh).expect("found");
    assert_eq!(
        search(&Lsh::open(image.clone(), &measure).expect("its own")).expect("found"),
        expected
    );
    let (mut told, mut same) = (0, 0);
    for at in (4_096..image.len()).step_by(509) {
        let mut damaged = image.clone();
        damaged.iter_mut().skip(at & !63).take(64).for_each(|byte| *byte = !*byte);
        let opened = Lsh::open(damaged, &measure).expect("the header is whole");
        match search(&opened) {
            Ok(found) => {
                assert_eq!(found, expected, "byte {at}");
                same += 1;
            }
            Err(Error::BadImage { .. }) => told += 1,
            Err(other) => panic!("byte {at}: {other}"),
        }
        assert!(matches!(opened.verify(&mut |_| true), Err(Error::BadImage { .. })), "byte {at}");
    }
    assert!(told > 100 && same > 10, "{told} {same}");
}

/// A header whose sum fits, and that cannot be true.
#[test]
fn what_cannot_be_true_is_refused() {
    let (lsh, memory, vectors) = some(48, Metric::L2, 400);
    let image = image_of(&lsh);
    let forged = |at: usize, bytes: &[u8]| {
        let mut image = image.clone();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        let sum = Xxh3::of(&image[..4_088]);
        image[4_088..4_096].copy_from_slice(&sum.to_le_bytes());
        Lsh::open(image, &Metric::L2.into())
    };
    assert!(forged(0, b"arrwdlsh").is_ok());
    let wrong: [(usize, &[u8]); 17] = [
        (8, &[0]),
        (20, &[255; 4]),
        (24, &[255; 8]),
        (32, &[2]),
        (36, &[0]),
        (36, &[0, 2]),
        (48, &[23]),
        (56, &[255; 4]),
        (60, &[3]),
        (64, &[255; 4]),
        (68, &[15]),
        (88, &[255; 8]),
        (192, &[255; 8]),
        (208, &[25]),
        (212, &[30]),
        (256, &[49]),
        (268, &[255; 4]),
    ];
    for (at, bytes) in wrong.into_iter().skip(1) {
        assert!(matches!(forged(at, bytes), Err(Error::BadImage { .. })), "{at}");
    }
    assert!(matches!(forged(8, &[1]), Err(Error::NewerImage { found: 1, .. })));
    // Other functions than it was made by: what is found is true all the same.
    let other = forged(40, &[9]).expect("it may be");
    for vector in &vectors {
        let found = other.search(&by_tables(vector), &memory).expect("found").neighbours;
        let far =
            |slot| Metric::L2.distance(vector, &indexes::Vectors::vector(&memory, slot).unwrap());
        assert!(found.len() == 10 && found.iter().all(|it| far(it.slot) == it.distance));
    }
}
