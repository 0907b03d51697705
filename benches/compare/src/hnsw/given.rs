//! Reads what the arguments of `compare hnsw` say.
//!
//! Promises: whatever is not known is refused, and nothing is measured whose truth cannot be right.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use indexes::Metric;

use super::{CONTESTANTS, OURS};
use crate::Failure;

const ROUNDS: usize = 3;
const THREADS: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// What the arguments say.
pub struct Given {
    /// Where the vectors are.
    pub dir: Option<PathBuf>,
    /// What their truth is by.
    pub metric: Metric,
    /// How many there are.
    pub rounds: usize,
    /// How many threads build.
    pub threads: NonZeroUsize,
    /// Who takes part: nobody means all.
    pub only: Vec<String>,
}

impl Given {
    /// Reads them.
    ///
    /// # Errors
    /// If one of them is not known, or they do not go together.
    pub fn parsed(arguments: &[String]) -> Result<Self, Failure> {
        let (metric, only) = (Metric::L2, Vec::new());
        let mut given = Given { dir: None, metric, rounds: ROUNDS, threads: THREADS, only };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if !argument.starts_with('-') {
                given.dir = Some(argument.into());
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{argument}: which?"))?;
            let named = |error: &dyn std::fmt::Display| format!("{argument} {value}: {error}");
            match argument.as_str() {
                "--metric" if value == "l2" => given.metric = Metric::L2,
                "--metric" if value == "cosine" => given.metric = Metric::Cosine,
                "--metric" => return Err(named(&"l2 or cosine").into()),
                "--rounds" => {
                    let rounds: NonZeroUsize = value.parse().map_err(|error| named(&error))?;
                    given.rounds = rounds.get();
                }
                "--build-threads" => {
                    given.threads = value.parse().map_err(|error| named(&error))?;
                }
                "--only" => given.only = value.split(',').map(str::to_owned).collect(),
                flag => return Err(format!("hnsw does not know {flag}").into()),
            }
        }
        given.checked()
    }

    fn checked(self) -> Result<Self, Failure> {
        if let Some(name) = self.only.iter().find(|it| !CONTESTANTS.iter().any(|(n, _)| n == it)) {
            let names: Vec<_> = CONTESTANTS.iter().map(|(name, _)| *name).collect();
            let names = names.join(",");
            return Err(format!("--only: {name} is not one of {names}").into());
        }
        if !self.only.is_empty() && self.only.iter().all(|it| it == OURS) {
            return Err("--only: a figure of ours must not stand alone".into());
        }
        if self.dir.is_none() && self.metric != Metric::L2 {
            return Err("what is made up has a truth by l2: name a directory".into());
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Given, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Given::parsed(&arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_said_counts_and_the_rest_is_as_ever() {
        let given = parsed("--metric cosine here --only arrwdb,faiss --build-threads 5").unwrap();
        assert_eq!(given.dir, Some("here".into()));
        assert_eq!((given.metric, given.rounds, given.threads.get()), (Metric::Cosine, 3, 5));
        assert_eq!(given.only, ["arrwdb", "faiss"]);
        assert!(parsed("").unwrap().only.is_empty());
    }

    #[test]
    fn what_is_not_known_or_cannot_be_right_is_refused() {
        let lines = [
            "--what 1",
            "--rounds",
            "--rounds 0",
            "--rounds many",
            "--build-threads 0",
            "--metric dot",
            "--only arrwdb,nobody",
            "--only arrwdb",
            "--metric cosine",
        ];
        for line in lines {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
