//! Sees to it that the packages arrwDB was founded on do real work where they belong.
//!
//! Each has one or more jobs. A job is due once the module that does it is there, and at the latest once the part
//! of `engine` is that needs it: a layer cannot dodge it by naming its module otherwise.

use crate::manifest::{Kind, Workspace};
use crate::tree::Text;

/// One job of one package.
#[derive(Debug)]
struct Job {
    package: &'static str,
    folder: &'static str,
    kind: Kind,
    /// What the package does there.
    what: &'static str,
    /// The job is due once a file or folder below the crate begins so.
    due: &'static str,
    /// Or once a file of `engine` does; its first file does not count.
    latest: &'static str,
}

const JOBS: &[Job] = &[
    job("memmap2", "disk", Kind::Code, "maps", "src/region"),
    job("parking_lot", "disk", Kind::Code, "locks", "src/lock"),
    job("tempfile", "disk", Kind::Tests, "tests on the real disk", "src/os"),
    job("crc32fast", "base", Kind::Code, "short sums", "src/checksum"),
    job("xxhash-rust", "base", Kind::Code, "long sums", "src/checksum"),
    job("crossbeam", "wal", Kind::Code, "the commit queue", "src/commit"),
    job("loom", "wal", Kind::Code, "models of the commit queue", "src/commit"),
    job("loom", "segments", Kind::Code, "models of pins and reuse", "src/slots"),
    job("rkyv", "engine", Kind::Code, "payload values", "src/payload").latest("src/payload"),
    job("rkyv", "snapshot", Kind::Code, "manifest and catalogue bodies", "src/manifest"),
    job("crossbeam", "indexes", Kind::Code, "reclamation", "src/hnsw").latest("src/index"),
    job("parking_lot", "engine", Kind::Code, "locks", "src/store"),
];

const fn job(
    package: &'static str,
    folder: &'static str,
    kind: Kind,
    what: &'static str,
    due: &'static str,
) -> Job {
    Job { package, folder, kind, what, due, latest: "src/" }
}

impl Job {
    const fn latest(self, latest: &'static str) -> Job {
        Job { latest, ..self }
    }
}

/// Complains of every job that is due and that its package does not do.
pub fn check(workspace: &Workspace, sources: &[Text]) -> Vec<String> {
    JOBS.iter().filter_map(|job| check_job(job, workspace, sources)).collect()
}

fn check_job(job: &Job, workspace: &Workspace, sources: &[Text]) -> Option<String> {
    let Job { package, folder, kind, what, due, latest } = job;
    let module = format!("{folder}/{due}");
    let is_due = |source: &Text| {
        let of_engine = source.path.starts_with(&format!("engine/{latest}"))
            && source.path != "engine/src/lib.rs";
        source.path.starts_with(&module) || of_engine
    };
    if !sources.iter().any(is_due) {
        return None;
    }
    let of_crate = format!("{folder}/");
    let named_in_code = sources
        .iter()
        .any(|source| source.path.starts_with(&of_crate) && uses(&source.text, package));
    // `crossbeam` is a family: its members may be taken one by one.
    let user = workspace.crates.iter().find(|found| found.folder == *folder);
    let in_manifest = user.is_some_and(|user| {
        user.dependencies.iter().any(|used| {
            let same = used.package == *package
                || used.package.strip_prefix(package).is_some_and(|rest| rest.starts_with('-'));
            same && (used.kind == Kind::Code || *kind == Kind::Tests)
        })
    });
    let missing = match (in_manifest, named_in_code) {
        (true, true) => return None,
        (true, false) => "is named in the manifest, but by no line of code",
        (false, _) => "is not a dependency",
    };
    Some(format!("{folder}: {package} ({what}) {missing}"))
}

/// Whether a line that is no comment names the package as a path.
fn uses(text: &str, package: &str) -> bool {
    let name = package.replace('-', "_");
    text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")).any(|line| {
        line.match_indices(&name).any(|(at, _)| {
            let before = line.get(..at).and_then(|before| before.chars().next_back());
            let starts = before.is_none_or(|it| !it.is_alphanumeric() && it != '_');
            // The family's members are named `crossbeam_queue::`, the others `memmap2::`.
            let rest = line.get(at..).unwrap_or_default();
            let end = rest.find(|it: char| !it.is_alphanumeric() && it != '_');
            starts && end.is_some_and(|end| rest.get(end..).unwrap_or_default().starts_with("::"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Crate;
    use toml::Table;

    const QUEUE: Job = job("crossbeam", "wal", Kind::Code, "a test", "src/commit");

    fn complaint(dependency: &str, sources: &[Text]) -> Option<String> {
        let manifest = format!("[package]\nname = \"arrwdb-wal\"\n[dependencies]\n{dependency}");
        let crates = vec![Crate::read("wal", &manifest, &Table::new())];
        check_job(&QUEUE, &Workspace { root: Table::new(), crates }, sources)
    }

    #[test]
    fn a_job_is_not_due_before_its_module_is_there() {
        let early = [Text::new("wal/src/lib.rs", ""), Text::new("engine/src/lib.rs", "")];
        assert_eq!(complaint("", &early), None);
    }

    #[test]
    fn a_module_without_its_package_is_named() {
        let module = [Text::new("wal/src/commit/queue.rs", "use crossbeam_queue::SegQueue;")];
        assert_eq!(complaint("crossbeam-queue = \"0.3\"", &module), None);
        let missing = complaint("", &module).unwrap();
        assert!(missing.ends_with("is not a dependency"), "{missing}");
        let talk = [Text::new("wal/src/commit.rs", "// use crossbeam::queue;")];
        let unused = complaint("crossbeam = \"0.8\"", &talk).unwrap();
        assert!(unused.ends_with("by no line of code"), "{unused}");
    }

    #[test]
    fn another_name_for_the_module_helps_only_until_the_engine_is_there() {
        let renamed = Text::new("wal/src/group.rs", "");
        assert_eq!(complaint("", std::slice::from_ref(&renamed)), None);
        assert!(complaint("", &[renamed, Text::new("engine/src/store.rs", "")]).is_some());
    }

    #[test]
    fn only_a_path_counts_as_a_use() {
        assert!(uses("    memmap2::Mmap::map(file)", "memmap2"));
        assert!(!uses("let memmap2 = 1;", "memmap2"));
        assert!(!uses("use not_memmap2::Mmap;", "memmap2"));
    }
}
