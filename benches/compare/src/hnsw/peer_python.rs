//! Has the script `benches/compare/hnsw_peers.py` build one of its peers and answer, in a process of its own.
//!
//! Promises: each peer has its own process, so that one that ends it (as SVS does where it does not like the
//! processor) ends no other.

use std::ffi::{OsStr, OsString};

use super::contestant::{Built, Contestant, Measured, WARMING};
use super::{EF_CONSTRUCTION, K, M, Setting};
use crate::Failure;
use crate::script::Script;

struct Peer {
    script: Script,
}

/// Builds it.
///
/// # Errors
/// If there is no interpreter, or the peer cannot take part.
pub fn build(name: &str, setting: &Setting) -> Result<Built, Failure> {
    let words = [OsStr::new(name), setting.dir.as_os_str(), OsStr::new(setting.metric.name())];
    let numbers = [K, M, EF_CONSTRUCTION, setting.threads.get(), WARMING];
    let numbers = numbers.map(|number| OsString::from(number.to_string()));
    let arguments = words.map(OsStr::to_owned).into_iter().chain(numbers);
    let mut script = Script::start("hnsw_peers.py", arguments)?;
    let said = script.hear()?;
    if let Some(reason) = said["missing"].as_str() {
        return Err(reason.into());
    }
    let (Some(name), Some(seconds)) = (said["built"].as_str(), said["seconds"].as_f64()) else {
        return Err(format!("it said {said} when it should have been built").into());
    };
    let (name, bytes) = (name.to_owned(), said["bytes"].as_u64());
    Ok(Built { name, seconds, bytes, contestant: Box::new(Peer { script }) })
}

impl Contestant for Peer {
    fn measured(&mut self, ef: usize) -> Result<Measured, Failure> {
        self.script.tell(&ef.to_string())?;
        let said = self.script.hear()?;
        match (said["recall"].as_f64(), said["qps"].as_f64()) {
            (Some(recall), Some(rate)) => Ok(Measured { recall, rate, work: None }),
            _ => Err(said["failed"].as_str().unwrap_or("it said nothing of recall").into()),
        }
    }
}
