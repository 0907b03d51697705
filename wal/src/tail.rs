//! Decides where the log ends, from what is found where a good record should be.
//!
//! Owns: the table of FORMAT.md section 3.3, and nothing else: whoever replays gathers the evidence, and
//! does what the verdict says. Why a table: a torn write and rot look alike from close by, and a case that
//! was forgotten is found by going through all combinations, which a test does.
//!
//! Promises
//!  1. Every combination of facts has a verdict.
//!  2. What could not be read is never taken for the end.
//!  3. Where anything says that the log was durable beyond the place, the log neither ends there nor
//!     goes on elsewhere.
//!
//! Never: reads a file; looks at a record's contents.

/// Something that is found at the first place without a good record, or behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fact {
    /// A part of the file cannot be read.
    Unread,
    /// The successor's header names a later end, or another sum.
    SuccessorPromises,
    /// A record behind this place, valid where it stands, says that the file was synced beyond it.
    RecordPromises,
    /// Someone else knows more batches to be durable than stand in front of this place: the manifest.
    KnownDurable,
    /// The successor's header names this place and the sum of the last good record.
    Followed,
    /// The file holds nothing, by its header: the log was closed.
    Closed,
    /// The file is shorter than its header says.
    CutShort,
    /// A header is valid here, and does not follow from what stands before it.
    ChainBroken,
    /// From here to the end of the file there are zeros.
    OnlyZeros,
}

/// All that is found.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Evidence(u16);

impl Evidence {
    /// Nothing found.
    pub const fn none() -> Self {
        Evidence(0)
    }

    /// With this fact too.
    #[must_use]
    pub const fn and(self, fact: Fact) -> Self {
        Evidence(self.0 | 1 << fact as u16)
    }

    /// Whether this was found.
    pub const fn has(self, fact: Fact) -> bool {
        self.0 & 1 << fact as u16 != 0
    }
}

/// What the evidence comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// What is there is not known: refuse.
    Unknown,
    /// Bytes that were durable are no longer what was written: refuse.
    Rot,
    /// The log goes on in the successor.
    GoesOn,
    /// The log ends here, and nothing behind it had begun to be written.
    EndsClean,
    /// The log ends here, in a torn write or in rot of the very last group: it cannot be told.
    EndsInDoubt,
}

/// The rows of FORMAT.md section 3.3, by their names there. The first whose fact is found decides; the
/// last needs none.
const TABLE: &[(&str, Option<Fact>, Verdict)] = &[
    ("unread", Some(Fact::Unread), Verdict::Unknown),
    ("promised by the successor", Some(Fact::SuccessorPromises), Verdict::Rot),
    ("promised by a record", Some(Fact::RecordPromises), Verdict::Rot),
    ("promised from outside", Some(Fact::KnownDurable), Verdict::Rot),
    ("followed", Some(Fact::Followed), Verdict::GoesOn),
    ("closed", Some(Fact::Closed), Verdict::EndsClean),
    ("cut short", Some(Fact::CutShort), Verdict::Rot),
    ("broken chain", Some(Fact::ChainBroken), Verdict::Rot),
    ("clean", Some(Fact::OnlyZeros), Verdict::EndsClean),
    ("torn", None, Verdict::EndsInDoubt),
];

/// What the evidence comes to.
pub fn decide(evidence: Evidence) -> Verdict {
    let holds = |fact: &Option<Fact>| fact.is_none_or(|fact| evidence.has(fact));
    let row = TABLE.iter().find(|(_, fact, _)| holds(fact));
    row.map_or(Verdict::EndsInDoubt, |(_, _, verdict)| *verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: [Fact; 9] = [
        Fact::Unread,
        Fact::SuccessorPromises,
        Fact::RecordPromises,
        Fact::KnownDurable,
        Fact::Followed,
        Fact::Closed,
        Fact::CutShort,
        Fact::ChainBroken,
        Fact::OnlyZeros,
    ];

    /// Every combination of facts.
    fn all() -> impl Iterator<Item = Evidence> {
        (0..1_u32 << FACTS.len()).map(|mask| {
            let found = FACTS.iter().enumerate().filter(move |(bit, _)| mask >> bit & 1 == 1);
            found.fold(Evidence::none(), |evidence, (_, fact)| evidence.and(*fact))
        })
    }

    #[test]
    fn evidence_holds_just_the_facts_that_were_found() {
        let evidence = Evidence::none().and(Fact::Followed).and(Fact::OnlyZeros);
        let found: Vec<_> = FACTS.into_iter().filter(|fact| evidence.has(*fact)).collect();
        assert_eq!(found, [Fact::Followed, Fact::OnlyZeros]);
        assert_eq!(all().count(), 512);
    }

    #[test]
    fn what_was_not_read_is_never_taken_for_anything_else() {
        for evidence in all() {
            let is_unknown = decide(evidence) == Verdict::Unknown;
            assert_eq!(is_unknown, evidence.has(Fact::Unread), "{evidence:?}");
        }
    }

    #[test]
    fn a_promise_of_more_is_always_rot() {
        let promises = [Fact::SuccessorPromises, Fact::RecordPromises, Fact::KnownDurable];
        for evidence in all().filter(|evidence| !evidence.has(Fact::Unread)) {
            if promises.iter().any(|promise| evidence.has(*promise)) {
                assert_eq!(decide(evidence), Verdict::Rot, "{evidence:?}");
            }
        }
    }

    #[test]
    fn the_log_goes_on_only_where_a_successor_says_so() {
        for evidence in all().filter(|evidence| decide(*evidence) == Verdict::GoesOn) {
            assert!(evidence.has(Fact::Followed), "{evidence:?}");
        }
    }

    #[test]
    fn the_log_ends_only_where_nothing_speaks_against_it() {
        use Verdict::{EndsClean, EndsInDoubt};
        // A closed file is never written to: what its bytes look like is no evidence.
        let of_its_bytes = [Fact::CutShort, Fact::ChainBroken];
        let harmless = [Fact::OnlyZeros, Fact::Closed];
        for evidence in all() {
            let ends = matches!(decide(evidence), EndsClean | EndsInDoubt);
            let speaks = FACTS.iter().any(|it| {
                let explained = evidence.has(Fact::Closed) && of_its_bytes.contains(it);
                evidence.has(*it) && !harmless.contains(it) && !explained
            });
            assert_eq!(ends, !speaks, "{evidence:?}");
        }
        assert_eq!(decide(Evidence::none()), EndsInDoubt);
    }

    #[test]
    fn the_rows_are_those_of_the_format_document_in_its_order() {
        let document = include_str!("../../FORMAT.md");
        let (_, section) = document.split_once("### 3.3 ").unwrap();
        let rows = section.lines().skip_while(|line| !line.starts_with("| case |")).skip(2);
        let names: Vec<_> = rows
            .map_while(|row| row.strip_prefix("| "))
            .map(|row| row.split(" |").next().unwrap())
            .collect();
        let ours: Vec<_> = TABLE.iter().map(|(name, _, _)| *name).collect();
        assert_eq!(names, ours);
    }
}
