//! Keeps what was measured at each `ef`, and reads from it what lies between: queries a second at a recall.
//!
//! Promises
//!  1. Nothing is read beyond what was measured: where the least `ef` has more recall, its rate is the answer; where the
//!     greatest has less, there is none.
//!  2. A point is passed over where another has no less recall at a higher rate: noise does not decide.

use benches::rounds::Rounds;

use super::contestant::{Measured, Work};

/// What was measured of one contestant.
#[derive(Default)]
pub struct Curve {
    /// By `ef`, in words.
    rates: Rounds,
    points: Vec<Point>,
}

struct Point {
    ef: usize,
    recall: f64,
    work: Option<Work>,
}

/// A point of a curve, with the median of its rates, the least and the most of them.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    pub ef: usize,
    pub recall: f64,
    pub rates: [f64; 3],
    pub work: Option<Work>,
}

/// What a curve says of a recall.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Read {
    /// Queries a second.
    pub rate: f64,
    /// Of which `ef` on either side: twice the same where it is the least one.
    pub between: [usize; 2],
}

impl Curve {
    /// Notes what was measured in one round.
    pub fn note(&mut self, ef: usize, measured: Measured) {
        let Measured { recall, rate, work } = measured;
        self.rates.note(ef.to_string(), rate);
        // A graph answers in every round as it did in the first.
        if !self.points.iter().any(|point| point.ef == ef) {
            self.points.push(Point { ef, recall, work });
        }
    }

    /// What was measured at each `ef`.
    pub fn summaries(&self) -> impl Iterator<Item = Summary> {
        self.points.iter().filter_map(|Point { ef, recall, work }| {
            let rates = self.rates.summary(&ef.to_string())?;
            Some(Summary { ef: *ef, recall: *recall, rates, work: *work })
        })
    }

    /// The least `ef` that was measured to reach a recall.
    pub fn least_ef(&self, recall: f64) -> Option<usize> {
        self.points.iter().filter(|it| it.recall >= recall).map(|it| it.ef).min()
    }

    /// Queries a second at a recall, if it was reached.
    pub fn at(&self, recall: f64) -> Option<Read> {
        let points = self.summaries().map(|it| (it.ef, it.recall, it.rates[0]));
        read(&envelope(points.collect()), recall)
    }
}

/// An `ef`, the recall, the rate.
type Corner = (usize, f64, f64);

/// Those that no other beats on both counts: the recall rises from one to the next, and the rate falls.
fn envelope(mut points: Vec<Corner>) -> Vec<Corner> {
    points.sort_by(|one, other| other.1.total_cmp(&one.1).then(other.2.total_cmp(&one.2)));
    let mut best = f64::NEG_INFINITY;
    points.retain(|(_, _, rate)| {
        let better = *rate > best;
        best = best.max(*rate);
        better
    });
    points.reverse();
    points
}

/// The logarithm of the rate is taken to be linear in the recall, from one corner to the next.
fn read(envelope: &[Corner], recall: f64) -> Option<Read> {
    let at = envelope.partition_point(|(_, reached, _)| *reached < recall);
    let (ef, above, slow) = *envelope.get(at)?;
    let Some((less, below, fast)) = at.checked_sub(1).and_then(|at| envelope.get(at)) else {
        return Some(Read { rate: slow, between: [ef, ef] });
    };
    let part = (recall - below) / (above - below);
    let rate = (fast.ln() + part * (slow.ln() - fast.ln())).exp();
    Some(Read { rate, between: [*less, ef] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[Corner]) -> Curve {
        let mut curve = Curve::default();
        for (ef, recall, rate) in points {
            curve.note(*ef, Measured { recall: *recall, rate: *rate, work: None });
        }
        curve
    }

    fn near(read: Option<Read>, rate: f64, between: [usize; 2]) {
        let read = read.unwrap();
        assert!((read.rate / rate - 1.0).abs() < 1e-9, "{read:?}, and not {rate}");
        assert_eq!(read.between, between);
    }

    #[test]
    fn between_two_points_the_logarithm_is_linear() {
        let curve = curve(&[(10, 0.90, 10_000.0), (20, 0.98, 100.0), (40, 1.0, 10.0)]);
        near(curve.at(0.94), 1_000.0, [10, 20]);
        near(curve.at(0.92), 10_000.0 / 10_f64.sqrt(), [10, 20]);
        near(curve.at(0.99), 1_000_f64.sqrt(), [20, 40]);
    }

    #[test]
    fn a_point_itself_is_read_as_it_is() {
        let curve = curve(&[(10, 0.90, 900.0), (20, 0.95, 500.0), (40, 0.99, 100.0)]);
        near(curve.at(0.95), 500.0, [10, 20]);
        near(curve.at(0.99), 100.0, [20, 40]);
    }

    #[test]
    fn nothing_is_read_beyond_what_was_measured() {
        let curve = curve(&[(10, 0.96, 900.0), (20, 0.985, 500.0)]);
        near(curve.at(0.95), 900.0, [10, 10]);
        assert_eq!(curve.at(0.99), None);
        assert_eq!(Curve::default().at(0.5), None);
    }

    #[test]
    fn a_point_that_another_beats_does_not_count() {
        // The rate of ef 20 was disturbed, and ef 30 found less than ef 20.
        let curve =
            curve(&[(10, 0.90, 1_000.0), (20, 0.94, 50.0), (30, 0.94, 300.0), (40, 0.98, 100.0)]);
        near(curve.at(0.92), 300_000_f64.sqrt(), [10, 30]);
        near(curve.at(0.96), 30_000_f64.sqrt(), [30, 40]);
    }

    #[test]
    fn the_median_of_the_rounds_counts() {
        let mut curve = curve(&[(10, 0.95, 100.0), (20, 0.99, 30.0)]);
        for rate in [900.0, 200.0] {
            curve.note(10, Measured { recall: 0.95, rate, work: None });
        }
        near(curve.at(0.95), 200.0, [10, 10]);
        assert_eq!(curve.summaries().map(|it| it.rates).next(), Some([200.0, 100.0, 900.0]));
        assert_eq!((curve.least_ef(0.96), curve.least_ef(0.995)), (Some(20), None));
    }
}
