//! A recorded run of a simulated disk: enough to build every disk a crash in it could leave.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::event::{Device, Event, Inode, Note, Progress};
use super::platter::Platter;
use super::state::Limits;

/// A recorded run: the disk it began with, and what happened to it since.
#[derive(Clone, Debug)]
pub struct Recording {
    pub(crate) start: Platter,
    pub(crate) limits: Limits,
    /// How far the workload was when it began.
    pub(crate) progress: Progress,
    pub(crate) events: Vec<Event>,
}

impl Recording {
    /// How many things happened; a crash can come before the first and behind each.
    pub fn events(&self) -> usize {
        self.events.len()
    }

    /// Whether a sync failed in this run.
    pub(crate) fn has_failed_syncs(&self) -> bool {
        let failed =
            |event: &Event| matches!(event, Event::Dropped { .. } | Event::Reverted { .. });
        self.events.iter().any(failed)
    }

    /// Numbers of the events that are syncs which worked.
    pub(crate) fn syncs(&self) -> Vec<usize> {
        let is_sync = |event: &Event| {
            matches!(event, Event::SyncData { .. } | Event::SyncAll { .. } | Event::SyncDir { .. })
        };
        let numbered = self.events.iter().enumerate();
        numbered.filter(|(_, event)| is_sync(event)).map(|(at, _)| at).collect()
    }

    /// The same run, had these syncs answered "done" without doing anything.
    pub(crate) fn without(&self, elided: &[usize]) -> Recording {
        let kept = self.events.iter().enumerate().filter(|(at, _)| !elided.contains(at));
        let events = kept.map(|(_, event)| event.clone()).collect();
        Recording { events, ..self.clone() }
    }

    /// The events as lines of text; the last `most` of the first `count`, for messages.
    pub fn lines(&self, count: usize, most: usize) -> Vec<String> {
        let mut names = Names::of(&self.start);
        let lines: Vec<_> = self.events.iter().take(count).map(|event| names.line(event)).collect();
        let first = lines.len().saturating_sub(most);
        lines.into_iter().skip(first).collect()
    }
}

/// The name each inode had last, for messages.
struct Names(BTreeMap<Inode, PathBuf>);

impl Names {
    fn of(start: &Platter) -> Self {
        Names(start.paths())
    }

    fn of_inode(&self, inode: Inode) -> String {
        match self.0.get(&inode) {
            Some(path) if path.as_os_str().is_empty() => ".".into(),
            Some(path) => path.display().to_string(),
            None => format!("{inode:?}"),
        }
    }

    fn named(&mut self, dir: Inode, name: &OsString, inode: Inode) -> String {
        let path = self.0.get(&dir).cloned().unwrap_or_default().join(name);
        self.0.insert(inode, path);
        self.of_inode(inode)
    }

    fn line(&mut self, event: &Event) -> String {
        let mut line = String::new();
        let (verb, what) = match event {
            Event::Create { dir, name, inode } => ("create", self.named(*dir, name, *inode)),
            Event::CreateDir { dir, name, inode } => ("create-dir", self.named(*dir, name, *inode)),
            Event::Rename { to: (dir, name), inode, .. } => {
                let from = self.of_inode(*inode);
                ("rename", format!("{from} -> {}", self.named(*dir, name, *inode)))
            }
            Event::Remove { dir, name } => {
                let path = self.0.get(dir).cloned().unwrap_or_default().join(name);
                ("remove", path.display().to_string())
            }
            Event::Write { inode, offset, bytes, device } => {
                let odd = match device {
                    Device::Writes => String::new(),
                    Device::Loses => " (lost by the device)".into(),
                    Device::WritesAt(offset) => format!(" (misdirected to @{offset})"),
                };
                ("write", format!("{} @{offset} +{}{odd}", self.of_inode(*inode), bytes.len()))
            }
            Event::SetSize { inode, from, to } => {
                ("set-size", format!("{} {from} -> {to}", self.of_inode(*inode)))
            }
            Event::SyncData { inode } => ("sync-data", self.of_inode(*inode)),
            Event::SyncAll { inode, .. } => ("sync-all", self.of_inode(*inode)),
            Event::SyncDir { dir } => ("sync-dir", self.of_inode(*dir)),
            Event::Dropped { inode } => ("sync lost", self.of_inode(*inode)),
            Event::Reverted { inode } => ("sync lost", self.of_inode(*inode) + ", cache reverted"),
            Event::Note(Note::Begun(step)) => ("--", format!("step {step} begins")),
            Event::Note(Note::Acknowledged(step)) => ("--", format!("step {step} is safe")),
        };
        // Writing to a string cannot fail.
        let _infallible = write!(line, "{verb:<10} {what}");
        line
    }

    /// What a call site of a sync looks like: the kind of sync, and the name with its digits
    /// masked, so that all files of a kind are one site.
    fn site(&self, event: &Event) -> String {
        let (verb, inode) = match event {
            Event::SyncData { inode } => ("sync-data", inode),
            Event::SyncAll { inode, .. } => ("sync-all", inode),
            Event::SyncDir { dir } => ("sync-dir", dir),
            _ => return String::new(),
        };
        let mut name = String::new();
        for character in self.of_inode(*inode).chars() {
            match character.is_ascii_digit() {
                true if name.ends_with('#') => {}
                true => name.push('#'),
                false => name.push(character),
            }
        }
        format!("{verb} {name}")
    }
}

impl Recording {
    /// The call site of each sync, in the order of [`Recording::syncs`].
    pub(crate) fn sites(&self) -> Vec<String> {
        let mut names = Names::of(&self.start);
        let mut sites = Vec::new();
        for event in &self.events {
            let site = names.site(event);
            if !site.is_empty() {
                sites.push(site);
            }
            names.line(event);
        }
        sites
    }
}
