//! Keeps what was measured in several rounds, and says what is in the middle of it.

use std::time::Instant;

/// Figures by name, in the order in which the names came up.
#[derive(Debug, Default)]
pub struct Rounds {
    figures: Vec<(String, Vec<f64>)>,
}

impl Rounds {
    /// Notes a figure of one round.
    pub fn note(&mut self, name: impl Into<String>, figure: f64) {
        let name = name.into();
        match self.figures.iter_mut().find(|(other, _)| *other == name) {
            Some((_, figures)) => figures.push(figure),
            None => self.figures.push((name, vec![figure])),
        }
    }

    /// Runs something, notes the milliseconds it took, and answers with what it did.
    pub fn time<T>(&mut self, name: impl Into<String>, run: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let outcome = run();
        self.note(name, start.elapsed().as_secs_f64() * 1e3);
        outcome
    }

    /// The sum of the figures with this name.
    pub fn total(&self, name: &str) -> f64 {
        self.figures.iter().filter(|(other, _)| other == name).flat_map(|(_, it)| it).sum()
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.figures.iter().map(|(name, _)| name.as_str())
    }

    /// The median, the least and the most of the figures with this name, if there are any.
    pub fn summary(&self, name: &str) -> Option<[f64; 3]> {
        let (_, figures) = self.figures.iter().find(|(other, _)| other == name)?;
        let mut sorted = figures.clone();
        sorted.sort_by(f64::total_cmp);
        Some([*sorted.get(sorted.len() / 2)?, *sorted.first()?, *sorted.last()?])
    }

    /// The median of the figures with this name.
    pub fn median(&self, name: &str) -> Option<f64> {
        self.summary(name).map(|[median, ..]| median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        let mut rounds = Rounds::default();
        [3.0, 1.0, 9.0].into_iter().for_each(|figure| rounds.note("one", figure));
        assert_eq!(rounds.time("two", || 7), 7);
        assert_eq!(rounds.summary("one"), Some([3.0, 1.0, 9.0]));
        assert_eq!(rounds.names().collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(rounds.median("three"), None);
    }
}
