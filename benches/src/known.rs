//! The vectors that graphs are held against: real ones, of words and of images, where the environment says where they
//! are, and made-up ones elsewhere.

use std::io::Result;
use std::path::Path;

use indexes::Metric;

use crate::dataset::Dataset;
use crate::nearest::nearest;
use crate::npy;

/// Vectors whose neighbours are known, by a metric.
#[derive(Debug)]
pub struct Known {
    /// What they are.
    pub name: &'static str,
    /// By what their neighbours are near.
    pub metric: Metric,
    /// The recall that a graph should have of them as it comes, with 24 and with 64 in view.
    pub least: [f64; 2],
    /// They, and what is known.
    pub data: Dataset,
}

/// Of real ones.
const REAL: [f64; 2] = [0.95, 0.99];

/// Of made-up ones, which are made to be harder (`benches::clusters`).
const HARDER: [f64; 2] = [0.85, 0.95];

/// How many there are of made-up vectors, and of queries for them.
const MADE_UP: (usize, usize) = (20_000, 500);

/// Reads those of the directory that `ARRWDB_TEST_DATA` names; makes some up if it is not set.
///
/// # Errors
/// If a file of that directory cannot be read.
pub fn known() -> Result<Vec<Known>> {
    let Some(dir) = std::env::var_os("ARRWDB_TEST_DATA") else {
        let (count, queries) = MADE_UP;
        let data = Dataset::clustered(count, 384, queries);
        return Ok(vec![Known {
            name: "made up, 20,000 x 384",
            metric: Metric::L2,
            least: HARDER,
            data,
        }]);
    };
    let dir = Path::new(&dir);
    Ok(vec![
        Known {
            name: "words, 20,000 x 384",
            metric: Metric::Cosine,
            least: REAL,
            data: read(dir, "words20k", "words")?,
        },
        Known {
            name: "SIFT, 10,000 x 128",
            metric: Metric::L2,
            least: REAL,
            data: read(dir, "sift10k", "sift")?,
        },
    ])
}

/// Made-up ones, as many as `--size=` of the command line says, and as many queries as `--queries=` does; none, if it does
/// not say how many.
pub fn asked_for() -> Option<Known> {
    let option = |name| std::env::args().find_map(|it| it.strip_prefix(name)?.parse().ok());
    let data = Dataset::clustered(option("--size=")?, 384, option("--queries=").unwrap_or(1_000));
    let name = "made up, as many as asked for";
    Some(Known { name, metric: Metric::L2, least: HARDER, data })
}

fn read(dir: &Path, base: &str, name: &str) -> Result<Dataset> {
    let (base, dim) = npy::read(&dir.join(format!("{base}_base.npy")))?;
    let (queries, _) = npy::read(&dir.join(format!("{name}_query.npy")))?;
    let (truth, known) = npy::read(&dir.join(format!("{name}_truth100.npy")))?;
    Ok(Dataset { dim, base, queries, truth, known })
}

impl Known {
    /// The first half of some vectors, with queries of the other one.
    pub fn half(self) -> Known {
        let Known { metric, data: Dataset { dim, mut base, queries, known, .. }, .. } = self;
        if metric == Metric::Cosine {
            for vector in base.chunks_exact_mut(dim) {
                let length = vector.iter().map(|it| it * it).sum::<f32>().sqrt();
                vector.iter_mut().for_each(|it| *it /= length);
            }
        }
        let rest = base.split_off(base.len() / dim / 2 * dim);
        let every = (rest.len() / queries.len().max(1)).max(1);
        let queries: Vec<f32> = rest.chunks_exact(dim).step_by(every).flatten().copied().collect();
        let found = nearest(&base, &queries, dim, known, 2);
        let truth = found.iter().flatten().map(|(_, number)| *number as i32).collect();
        Known { data: Dataset { dim, base, queries, truth, known }, ..self }
    }
}
