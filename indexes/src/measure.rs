//! What an index compares vectors with: one of the metrics, or a distance of the caller's own.
//!
//! Promises: a distance of one's own has a name that is kept, so that nobody compares with another one by mistake.

use std::fmt;
use std::sync::Arc;

use crate::Metric;
use crate::lanes::{Instructions, Isa};
use crate::metric::Target;

/// How many bytes the name of a distance may have.
pub const DISTANCE_NAME_BYTES_MAX: usize = 64;

/// A distance of one's own. Flat and graphs work with any, hash tables with none; what they can prove of the metrics' codes they cannot of
/// it, so all vectors are compared in full.
pub trait Distance: Send + Sync {
    /// Its name: kept with what was built by it, and asked for when that is opened.
    fn name(&self) -> &str;

    /// How far two vectors are from each other: smaller is nearer, the same whichever comes first, and the same
    /// each time. What is no number is never near.
    fn distance(&self, one: &[f32], other: &[f32]) -> f32;
}

/// What vectors are compared with.
#[derive(Clone)]
pub struct Measure {
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Metric(Metric),
    Own(Arc<dyn Distance>),
}

impl From<Metric> for Measure {
    fn from(metric: Metric) -> Self {
        Measure { kind: Kind::Metric(metric) }
    }
}

impl fmt::Debug for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Measure").field(&self.name()).finish()
    }
}

/// Why something cannot be the name of a distance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BadName {
    /// It has no letters.
    Empty,
    /// It is longer than [`DISTANCE_NAME_BYTES_MAX`].
    Long {
        /// How many bytes it has.
        bytes: usize,
    },
    /// It is that of a metric.
    Taken(Metric),
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadName::Empty => f.write_str("the name of a distance is empty"),
            BadName::Long { bytes } => write!(
                f,
                "the name of a distance has {bytes} bytes, where {DISTANCE_NAME_BYTES_MAX} are the most"
            ),
            BadName::Taken(metric) => write!(f, "{metric} is the name of a metric"),
        }
    }
}

impl std::error::Error for BadName {}

/// Looks whether a distance of one's own can have this name.
///
/// # Errors
/// Why it cannot.
pub fn check_distance_name(name: &str) -> Result<(), BadName> {
    if name.is_empty() {
        return Err(BadName::Empty);
    }
    if name.len() > DISTANCE_NAME_BYTES_MAX {
        return Err(BadName::Long { bytes: name.len() });
    }
    match Metric::ALL.into_iter().find(|metric| metric.name() == name) {
        Some(metric) => Err(BadName::Taken(metric)),
        None => Ok(()),
    }
}

impl Measure {
    /// A distance of one's own.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use indexes::{Distance, Flat, Measure, Memory};
    ///
    /// struct Manhattan;
    ///
    /// impl Distance for Manhattan {
    ///     fn name(&self) -> &str {
    ///         "manhattan"
    ///     }
    ///
    ///     fn distance(&self, one: &[f32], other: &[f32]) -> f32 {
    ///         one.iter().zip(other).map(|(a, b)| (a - b).abs()).sum()
    ///     }
    /// }
    ///
    /// let measure = Measure::own(Arc::new(Manhattan)).unwrap();
    /// assert_eq!(measure.distance(&[0.0, 0.0], &[3.0, 4.0]), 7.0);
    /// ```
    ///
    /// # Errors
    /// If it cannot have the name that it has.
    pub fn own(distance: Arc<dyn Distance>) -> Result<Self, BadName> {
        check_distance_name(distance.name())?;
        Ok(Measure { kind: Kind::Own(distance) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match &self.kind {
            Kind::Metric(metric) => metric.name(),
            Kind::Own(own) => own.name(),
        }
    }

    /// The metric, if it is one.
    pub fn metric(&self) -> Option<Metric> {
        match &self.kind {
            Kind::Metric(metric) => Some(*metric),
            Kind::Own(_) => None,
        }
    }

    /// How far two vectors are from each other.
    pub fn distance(&self, one: &[f32], other: &[f32]) -> f32 {
        match &self.kind {
            Kind::Metric(metric) => metric.distance(one, other),
            // As in an index, a negative zero is a zero.
            Kind::Own(own) => own.distance(one, other) + 0.0,
        }
    }

    /// This vector, to be compared with others.
    #[inline(always)]
    pub(crate) fn target<'q, I: Isa>(&'q self, isa: I, vector: &'q [f32]) -> Compared<'q> {
        match &self.kind {
            Kind::Metric(metric) => Compared::Metric(Target::new(isa, *metric, vector)),
            Kind::Own(own) => Compared::Own(own.as_ref(), vector),
        }
    }
}

/// A vector that others are compared with.
#[derive(Clone, Copy)]
pub(crate) enum Compared<'q> {
    Metric(Target<'q>),
    Own(&'q dyn Distance, &'q [f32]),
}

impl Compared<'_> {
    #[inline(always)]
    pub(crate) fn distance<I: Isa>(&self, isa: I, other: &[f32]) -> f32 {
        match self {
            Compared::Metric(target) => target.distance(isa, other),
            Compared::Own(own, vector) => own.distance(vector, other) + 0.0,
        }
    }

    /// How far apart vectors of this distance are, so that twice as far is twice as much; always the same where nobody knows.
    #[inline(always)]
    pub(crate) fn far(&self, distance: f32) -> f32 {
        match self {
            Compared::Metric(target) => target.far(distance),
            Compared::Own(..) => 0.0,
        }
    }
}

/// The instruction set that everything runs on, by name: for statistics and reports.
pub fn instructions() -> &'static str {
    Instructions::best().name()
}
