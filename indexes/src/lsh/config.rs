//! How tables are made and looked through: what may be said of it, and within which limits.

/// By what vectors are hashed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Family {
    /// By which of many random directions, or their opposites, a vector is nearest to: a function has two values for each
    /// direction.
    CrossPolytope,
    /// By the side of a random plane that a vector is on: a function has two values.
    Hyperplanes,
}

impl Family {
    /// The number that stands for it in images.
    pub(super) fn number(self) -> u32 {
        match self {
            Family::CrossPolytope => 0,
            Family::Hyperplanes => 1,
        }
    }

    pub(super) fn of(number: u32) -> Option<Self> {
        [Family::CrossPolytope, Family::Hyperplanes].into_iter().find(|it| it.number() == number)
    }
}

/// How tables are made and looked through.
///
/// ```
/// use indexes::LshConfig;
///
/// let config = LshConfig::default().num_tables(24).target_recall(0.95);
/// assert_eq!((config.num_tables, config.probes), (24, None));
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub struct LshConfig {
    /// By what vectors are hashed: cross-polytopes.
    pub family: Family,
    /// How many tables there are: 16.
    pub num_tables: usize,
    /// How many functions make the hash of a table. If nobody says, as many as the number of vectors calls for, and more
    /// as it grows.
    pub functions: Option<usize>,
    /// How many buckets of each table a search looks at, on average: the most likely ones of all tables. If nobody says, as
    /// many as it takes for the recall.
    pub probes: Option<usize>,
    /// Which share of the 10 nearest a search should find on average, if it does not say itself: 0.9.
    pub target_recall: f32,
    /// With how many slots there are tables: 2,048. Of fewer all are looked at.
    pub tables_from: usize,
    /// What the functions are drawn from: the same seed, and the same slots in the same order, make the same index.
    pub seed: u64,
}

/// The most tables, and the most functions of each.
pub(super) const TABLES_MAX: usize = 256;
pub(super) const FUNCTIONS_MAX: usize = 22;

/// The fewest slots that there are tables of.
pub(super) const TABLES_FROM_MIN: usize = 16;

impl Default for LshConfig {
    fn default() -> Self {
        LshConfig {
            family: Family::CrossPolytope,
            num_tables: 16,
            functions: None,
            probes: None,
            target_recall: 0.9,
            tables_from: 2_048,
            seed: 0,
        }
    }
}

impl LshConfig {
    /// By what vectors are hashed.
    #[must_use]
    pub fn family(self, family: Family) -> Self {
        LshConfig { family, ..self }
    }

    /// How many tables there are: from 1 to 256.
    #[must_use]
    pub fn num_tables(self, tables: usize) -> Self {
        LshConfig { num_tables: tables.clamp(1, TABLES_MAX), ..self }
    }

    /// How many functions make the hash of a table: from 1 to 22.
    #[must_use]
    pub fn functions(self, functions: usize) -> Self {
        LshConfig { functions: Some(functions.clamp(1, FUNCTIONS_MAX)), ..self }
    }

    /// How many buckets of each table are looked at, on average, instead of as many as the recall takes: at least 1.
    #[must_use]
    pub fn probes(self, probes: usize) -> Self {
        LshConfig { probes: Some(probes.clamp(1, u32::MAX as usize)), ..self }
    }

    /// Which share of the 10 nearest should be found: from 0 to 1, where 1 means that everything is looked at.
    #[must_use]
    pub fn target_recall(self, recall: f32) -> Self {
        let recall = if recall.is_nan() { 1.0 } else { recall.clamp(0.0, 1.0) };
        LshConfig { target_recall: recall, ..self }
    }

    /// With how many slots there are tables: at least 16.
    #[must_use]
    pub fn tables_from(self, slots: usize) -> Self {
        LshConfig { tables_from: slots.clamp(TABLES_FROM_MIN, u32::MAX as usize), ..self }
    }

    /// What the functions are drawn from.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        LshConfig { seed, ..self }
    }

    /// The same within the limits: fields may have been set to anything.
    pub(super) fn clamped(self) -> Self {
        let config = self.num_tables(self.num_tables).target_recall(self.target_recall);
        let config = config.tables_from(config.tables_from);
        let config = config.functions.into_iter().fold(config, LshConfig::functions);
        config.probes.into_iter().fold(config, LshConfig::probes)
    }
}

/// A number that looks random, of two others.
pub(super) fn mixed(seed: u64, number: u64) -> u64 {
    let mut mixed = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
