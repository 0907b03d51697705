//! Asks a graph, one query at a time and all of them together, and says what an answer must be like.

use indexes::{
    Error, Hnsw, Index, Memory, Metric, Nearest, Neighbour, Pool, Query, Slot, SlotSet, Strategy,
    Ties, Vectors,
};

use super::bytes::Bytes;
use super::forge::{number, share};
use super::real::vector;

/// Filters are made of slots below this one.
const FILTERED: u32 = 1_500;

/// What is asked.
struct Asked {
    /// The number of its vector; the highest ones are of all zeros, and so long that no code is compared with it.
    vector: u8,
    k: usize,
    within: Option<f32>,
    filter: Option<SlotSet>,
    budget: Option<u64>,
    recall: Option<f32>,
    ties: Ties,
    strategy: Option<Strategy>,
}

const ZEROS: u8 = u8::MAX;
const LONG: u8 = u8::MAX - 1;

impl Asked {
    fn new(vector: u8, k: usize) -> Self {
        let (within, filter, budget, recall) = (None, None, None, None);
        let (ties, strategy) = (Ties::Cut, None);
        Asked { vector, k, within, filter, budget, recall, ties, strategy }
    }

    fn made_up(bytes: &mut Bytes<'_>) -> Self {
        let asked = Asked::new(bytes.u8(), number(bytes) as usize);
        let what = bytes.u8();
        let within = |bytes: &mut Bytes<'_>| {
            f32::from(bytes.u8().cast_signed()) * 10_f32.powi(i32::from(bytes.u8() % 8) - 3)
        };
        let filter = |bytes: &mut Bytes<'_>| {
            let (first, step) = (bytes.u8(), 1 + usize::from(bytes.u8()));
            (u32::from(first)..FILTERED).step_by(step).map(Slot).collect()
        };
        Asked {
            within: (what & 1 != 0).then(|| within(bytes)),
            filter: (what & 2 != 0).then(|| filter(bytes)),
            budget: (what & 4 != 0).then(|| number(bytes)),
            recall: (what & 16 != 0).then(|| share(bytes)),
            ties: if what & 8 == 0 { Ties::Cut } else { Ties::Keep },
            strategy: match what >> 5 & 3 {
                0 => None,
                1 => Some(Strategy::Exact),
                2 => Some(Strategy::Walk),
                _ => Some(Strategy::Through),
            },
            ..asked
        }
    }

    fn vector(&self, dim: usize) -> Vec<f32> {
        match self.vector {
            ZEROS => vec![0.0; dim],
            LONG => vector(dim, 0).iter().map(|number| number * 1e37).collect(),
            number => vector(dim, number.into()),
        }
    }

    fn query<'q>(&'q self, vector: &'q [f32]) -> Query<'q> {
        let query = Query::new(vector).k(self.k).ties(self.ties);
        let query = self.within.iter().fold(query, |query, within| query.within(*within));
        let query = self.budget.iter().fold(query, |query, budget| query.budget(*budget));
        let query = self.recall.iter().fold(query, |query, recall| query.recall(*recall));
        let query = self.strategy.iter().fold(query, |query, it| query.strategy(*it));
        self.filter.iter().fold(query, |query, filter| query.filter(filter))
    }
}

/// What became of a query.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Answer {
    Found(Nearest),
    /// A vector is not there.
    Unreadable,
    /// A recall was asked for that nobody can tell how to reach.
    NotCalibrated,
    /// The image is damaged.
    Bad,
}

impl From<Result<Nearest, Error>> for Answer {
    fn from(found: Result<Nearest, Error>) -> Self {
        match found {
            Ok(found) => Answer::Found(found),
            Err(Error::Unreadable(_)) => Answer::Unreadable,
            Err(Error::NotCalibrated { .. }) => Answer::NotCalibrated,
            Err(Error::BadImage { .. }) => Answer::Bad,
            Err(error) => panic!("nothing is wrong with the query: {error}"),
        }
    }
}

/// Queries that are asked with the same number of neighbours in view.
pub(crate) struct Round {
    /// As many as the graph has in view for a recall, or else, if nobody says.
    ef: Option<usize>,
    asked: Vec<Asked>,
}

/// What is known of a graph.
pub(crate) struct Known<'k> {
    pub(crate) memory: &'k Memory,
    pub(crate) metric: Metric,
    pub(crate) coded: bool,
    /// Graphs of no more slots are calibrated when they are changed.
    pub(crate) calibrated: usize,
    /// The slots that it has.
    pub(crate) there: SlotSet,
}

impl Known<'_> {
    fn is_complete(&self) -> bool {
        self.there.iter().all(|slot| self.memory.slots().contains(slot))
    }
}

impl Round {
    /// Some that are made up, and some that walk through the graph together with them.
    pub(crate) fn made_up(bytes: &mut Bytes<'_>) -> Self {
        let ef = Some(number(bytes) as usize).filter(|ef| *ef > 0);
        let mut asked: Vec<_> = (0..2).map(|_| Asked::made_up(bytes)).collect();
        asked.extend([
            Asked { within: Some(20.0), ..Asked::new(5, 2) },
            Asked { budget: Some(30), ..Asked::new(8, 3) },
        ]);
        Round { ef, asked }
    }

    /// Some that look at everything.
    pub(crate) fn exact() -> Self {
        let filter = (0..FILTERED).step_by(3).map(Slot).collect();
        let asked = [
            Asked { within: Some(25.0), ..Asked::new(7, 5) },
            Asked { filter: Some(filter), ties: Ties::Keep, ..Asked::new(1, 3) },
        ];
        Round { ef: Some(usize::MAX), asked: asked.into() }
    }

    /// Asks each alone, then all together, which finds the same. Once damage is found, it is said each time.
    pub(crate) fn ask(&self, graph: &Hnsw, memory: &Memory) -> Vec<Answer> {
        let vectors: Vec<_> = self.asked.iter().map(|it| it.vector(graph.dim())).collect();
        let queries = self.asked.iter().zip(&vectors).map(|(it, vector)| it.query(vector));
        let queries: Vec<_> = queries.collect();
        let alone = |query| match self.ef {
            Some(ef) => graph.search_with(query, ef, memory).into(),
            None => graph.search(query, memory).into(),
        };
        let answers: Vec<Answer> = queries.iter().map(alone).collect();
        assert!(answers.iter().skip_while(|it| **it != Answer::Bad).all(|it| *it == Answer::Bad));
        let together = match self.ef {
            Some(ef) => graph.search_many_with(&queries, ef, memory, &Pool::here()),
            None => graph.search_many(&queries, memory, &Pool::here()),
        };
        match together {
            Ok(found) => {
                let together: Vec<_> = found.into_iter().map(Answer::Found).collect();
                assert_eq!(together, answers);
            }
            Err(error) => {
                let error = Answer::from(Err(error));
                assert!(answers.contains(&error), "{error:?} together, and {answers:?} alone");
                assert_eq!(error == Answer::Bad, answers.contains(&Answer::Bad));
            }
        }
        answers
    }

    /// Asks, and looks whether the answers can be true, of a graph whose links and codes nobody vouches for.
    pub(crate) fn check(&self, graph: &Hnsw, known: &Known<'_>) -> Vec<Answer> {
        let answers = self.ask(graph, known.memory);
        for (asked, answer) in self.asked.iter().zip(&answers) {
            match answer {
                Answer::Found(found) => self.check_found(asked, found, graph, known),
                Answer::Unreadable => {
                    // By codes a search asks for the vectors of its slots alone, and so does one of everything.
                    let has_length = || asked.vector(graph.dim()).iter().any(|it| *it != 0.0);
                    let by_code = known.coded && asked.vector != LONG && has_length();
                    let only_those = by_code || self.ef == Some(usize::MAX);
                    assert!(!(known.is_complete() && only_those), "all vectors are there");
                }
                Answer::NotCalibrated => assert!(asked.recall.is_some()),
                Answer::Bad => {}
            }
        }
        answers
    }

    fn check_found(&self, asked: &Asked, found: &Nearest, graph: &Hnsw, known: &Known<'_>) {
        let Known { memory, metric, there, .. } = known;
        let queried = asked.vector(memory.dim());
        let admits = |slot: &Slot| asked.filter.as_ref().is_none_or(|it| it.contains(*slot));
        let near = |distance: f32| asked.within.is_none_or(|within| distance <= within);
        let distance = |slot| {
            let vector = memory.vector(slot).expect("a vector that was compared");
            metric.distance(&queried, &vector)
        };
        for it in &found.neighbours {
            assert!(there.contains(it.slot) && admits(&it.slot) && near(it.distance), "{it:?}");
            assert_eq!(it.distance.to_bits(), distance(it.slot).to_bits(), "{it:?}");
        }
        // In order, and so none twice.
        assert!(found.neighbours.is_sorted_by(|one, other| one < other), "{found:?}");
        assert!(asked.ties == Ties::Keep || found.neighbours.len() <= asked.k);
        if graph.is_empty() || asked.k == 0 {
            // Also one that only says it is empty is not looked at.
            return assert!(found.neighbours.is_empty());
        }
        if known.coded || self.ef != Some(usize::MAX) || found.incomplete.is_some() {
            return;
        }
        // It looked at everything in full.
        let all = there.iter().filter(admits).map(|slot| (distance(slot), slot));
        let mut all: Vec<_> = all.filter(|it| near(it.0) && !it.0.is_nan()).collect();
        all.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        match (asked.ties, all.get(asked.k - 1).copied()) {
            (Ties::Keep, Some(last)) => all.retain(|it| it.0 <= last.0),
            _ => all.truncate(asked.k),
        }
        let expected: Vec<_> =
            all.into_iter().map(|(distance, slot)| Neighbour { distance, slot }).collect();
        assert_eq!(found.neighbours, expected);
    }
}
