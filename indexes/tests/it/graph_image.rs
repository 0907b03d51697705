//! Images of graphs: what was encoded is what is searched and changed, where it lies, and damage is told before it matters.

use indexes::{
    Bytes, Error, Hnsw, HnswConfig, Index, Measure, Memory, Metric, Nearest, Pool, Slot, SlotSet,
};

use crate::given::Kind;
use crate::graph::{give_back, graph_of, pool, walk};

fn image_of(index: &dyn Index) -> Vec<u8> {
    let mut image = Vec::new();
    index.encode(&mut image);
    image
}

#[test]
fn an_image_is_the_graph_again() {
    for dim in [3, 64, 200] {
        let (memory, vectors) = Kind::Clustered.set(dim, 700, 10, 41);
        let measure = Measure::from(Metric::Cosine);
        let graph = graph_of(&memory, Metric::Cosine);
        (0..700).step_by(9).for_each(|slot| assert!(graph.remove(Slot(slot)).expect("whole")));
        let image = image_of(&graph);
        let opened = Hnsw::open(image.clone(), &measure).expect("its own image");
        let figures = (opened.config(), opened.len(), opened.dim());
        assert_eq!(figures, (graph.config(), graph.len(), dim));
        assert_eq!(image_of(&opened), image);
        let queries: Vec<_> = vectors.iter().map(|vector| walk(vector).k(20)).collect();
        let find = |graph: &Hnsw| {
            let find = |query| graph.search(query, &memory).expect("found");
            let one_by_one: Vec<_> = queries.iter().map(find).collect();
            let many = graph.search_many(&queries, &memory, &pool(2)).expect("found");
            assert_eq!(many, one_by_one);
            one_by_one
        };
        let expected = find(&graph);
        assert_eq!(find(&opened), expected, "while it is verified");
        assert!(opened.verify(&mut |_| true).expect("whole"));
        assert_eq!(find(&opened), expected, "when all of it is");
        let slots = |graph: &Hnsw| -> SlotSet {
            let all = (0..1_000).map(Slot);
            all.filter(|slot| graph.contains(*slot).expect("whole")).collect()
        };
        assert_eq!(slots(&opened), slots(&graph));
        let gone: SlotSet = (0..700).step_by(9).map(Slot).collect();
        for graph in [&opened, &graph] {
            assert_eq!(graph.removed().expect("whole"), gone);
            assert_eq!(graph.statistics().removed, gone.len());
        }
        assert_eq!(opened.degree().expect("whole"), graph.degree().expect("whole"));
        change_both([&opened, &graph], &memory);
        assert_eq!(
            opened.search(&queries[0], &memory).expect("found"),
            graph.search(&queries[0], &memory).expect("found")
        );
        let other = indexes::open(image, &Metric::L2.into()).map(drop);
        assert!(matches!(other, Err(Error::Measure { .. })));
    }
    let empty = Hnsw::new(64, Metric::Dot, HnswConfig::default());
    let opened = Hnsw::open(image_of(&empty), &Metric::Dot.into()).expect("its own image");
    assert!(opened.is_empty() && opened.statistics().kind == "hnsw");
}

/// What was opened is changed as what it was made of: what was removed given back, one by one taken up, all at once, removed.
fn change_both(both: [&Hnsw; 2], memory: &Memory) {
    let rest: SlotSet = (1..700).step_by(9).map(|slot| Slot(slot - 1)).skip(1).collect();
    for graph in both {
        let again = graph.insert(Slot(0), memory);
        assert!(matches!(again, Err(Error::NotGivenBack { slot: Slot(0) })));
        assert_eq!(give_back(graph, memory).len(), 78);
        graph.insert(Slot(0), memory).expect("it was given back");
        graph.insert_all(&rest, memory, &pool(2), &mut |_| true).expect("they were given back");
        assert!(graph.remove(Slot(1)).expect("whole") && !graph.remove(Slot(1)).expect("whole"));
    }
    assert_eq!(both.map(Hnsw::len), [699, 699]);
    assert!(both.iter().all(|it| it.removed().is_ok_and(|gone| gone.iter().eq([Slot(1)]))));
    let [opened, graph] = both.map(|graph| image_of(graph));
    assert!(opened == graph);
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
    let (memory, vectors) = Kind::Clustered.set(64, 2_000, 3, 42);
    let graph = graph_of(&memory, Metric::L2);
    let (mut image, measure) = (image_of(&graph), Measure::from(Metric::L2));
    let image_bytes = image.len();
    let opened = Hnsw::open(Bytes::from_owner(Mapped(image.clone())), &measure).expect("its own");
    assert!(opened.statistics().bytes < image_bytes / 1_000);
    for vector in &vectors {
        let query = walk(vector);
        assert_eq!(
            opened.search(&query, &memory).expect("found"),
            graph.search(&query, &memory).expect("found")
        );
    }
    assert!(opened.statistics().bytes < image_bytes / 1_000);
    image.iter_mut().skip(4_096).for_each(|byte| *byte = !*byte);
    let opened = Hnsw::open(image, &measure).expect("the header is whole");
    assert_eq!(opened.len(), 2_000);
    let query = walk(vectors.first().map_or(&[][..], Vec::as_slice));
    assert!(matches!(opened.search(&query, &memory), Err(Error::BadImage { .. })));
    assert!(matches!(opened.remove(Slot(3)), Err(Error::BadImage { .. })));
    assert!(matches!(opened.insert(Slot(2_000), &memory), Err(Error::BadImage { .. })));
    assert!(matches!(opened.contains(Slot(3)), Err(Error::BadImage { .. })));
    assert!(matches!(opened.removed(), Err(Error::BadImage { .. })));
    assert!(matches!(opened.verify(&mut |_| true), Err(Error::BadImage { .. })));
}

#[test]
fn what_is_taken_over_lies_in_no_image_any_more() {
    let (memory, vectors) = Kind::Clustered.set(64, 2_000, 5, 44);
    let graph = graph_of(&memory, Metric::L2);
    assert!(!graph.is_lent() && graph.bytes_to_own() == 0);
    graph.take_over().expect("nothing to do");
    let image = image_of(&graph);
    let opened = Hnsw::open(image.clone(), &Metric::L2.into()).expect("its own image");
    let find = |graph: &Hnsw| {
        let find = |vector: &Vec<f32>| graph.search(&walk(vector), &memory).expect("found");
        vectors.iter().map(find).collect::<Vec<_>>()
    };
    let expected = find(&graph);
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
    assert!((promised / 2..promised * 5 / 2).contains(&taken), "{taken}, and not {promised}");
    assert!(find(&opened) == expected && image_of(&opened) == image);
    opened.take_over().expect("nothing to do any more");
    let mut damaged = image;
    damaged.iter_mut().skip(5_000).take(1).for_each(|byte| *byte ^= 1);
    let opened = Hnsw::open(damaged, &Metric::L2.into()).expect("the header is whole");
    assert!(matches!(opened.take_over(), Err(Error::BadImage { .. })) && opened.is_lent());
}

#[test]
fn verifying_can_be_stopped_and_gone_on_with() {
    let (memory, _) = Kind::Gaussian.set(128, 5_000, 0, 43);
    let image = image_of(&graph_of(&memory, Metric::L2));
    let opened = Hnsw::open(image.clone(), &Metric::L2.into()).expect("its own image");
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
    for (dim, count) in [(3, 70), (48, 60)] {
        let (memory, vectors) = Kind::Gaussian.set(dim, count, 1, 1);
        let graph = graph_of(&memory, Metric::L2);
        let (image, measure) = (image_of(&graph), Measure::from(Metric::L2));
        let query = walk(vectors.first().map_or(&[][..], Vec::as_slice)).k(3);
        // A walk of the graph, walks that take turns, and all there is.
        let search = |graph: &Hnsw| -> Result<Vec<Nearest>, Error> {
            let mut found = graph.search_many_with(&[query; 2], 5, &memory, &Pool::here())?;
            found.push(graph.search_with(&query, 4, &memory)?);
            found.push(graph.search_with(&query, 1_000, &memory)?);
            Ok(found)
        };
        let expected = search(&graph).expect("found");
        let (mut refused, mut told, mut same) = (0, 0, 0);
        for byte in 0..image.len() {
            for bit in 0..8 {
                let mut damaged = image.clone();
                if let Some(byte) = damaged.get_mut(byte) {
                    *byte ^= 1 << bit;
                }
                let Ok(opened) = Hnsw::open(damaged, &measure) else {
                    refused += 1;
                    continue;
                };
                match search(&opened) {
                    Ok(found) => {
                        assert_eq!(found, expected, "bit {bit} of byte {byte}");
                        same += 1;
                    }
                    Err(Error::BadImage { .. }) => told += 1,
                    Err(other) => panic!("bit {bit} of byte {byte}: {other}"),
                }
                let verified = opened.verify(&mut |_| true);
                assert!(
                    matches!(verified, Err(Error::BadImage { .. })),
                    "bit {bit} of byte {byte}"
                );
                assert!(matches!(search(&opened), Err(Error::BadImage { .. })));
            }
        }
        // All of the header, and most of the rest: rows of slots that there are not are not touched.
        assert_eq!(refused, 8 * 4_096);
        assert!(same < 2 * told, "{told} told, {same} the same");
    }
}

#[test]
fn what_is_cut_or_longer_is_refused() {
    let (memory, _) = Kind::Gaussian.set(48, 100, 0, 1);
    let (image, measure) = (image_of(&graph_of(&memory, Metric::L2)), Metric::L2.into());
    for len in (0..image.len()).step_by(97) {
        let cut = image.get(..len).expect("shorter").to_vec();
        assert!(matches!(Hnsw::open(cut, &measure), Err(Error::BadImage { .. })));
    }
    let longer = [&image[..], &[0]].concat();
    assert!(matches!(Hnsw::open(longer, &measure), Err(Error::BadImage { .. })));
}
