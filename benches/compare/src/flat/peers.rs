//! Tells the script of the peers (`benches/compare/flat_peers.py`) when it is its turn, and notes what it says.
//!
//! Promises: a peer that cannot take part is named with the reason.

use std::ffi::OsString;
use std::path::Path;

use super::Figures;
use crate::Failure;
use crate::script::Script;

/// The peers, loaded and waiting for their turn.
pub struct Peers {
    script: Script,
}

impl Peers {
    /// Starts them, and waits until they are ready. The numbers: `k`, queries one by one, queries in a batch.
    pub fn start(dir: &Path, numbers: [usize; 3], figures: &mut Figures) -> Result<Self, Failure> {
        let numbers = numbers.map(|number| OsString::from(number.to_string()));
        let arguments = std::iter::once(OsString::from(dir)).chain(numbers);
        let mut peers = Peers { script: Script::start("flat_peers.py", arguments)? };
        peers.listen("ready", figures)?;
        Ok(peers)
    }

    /// Has each of them answer the queries in both ways.
    pub fn round(&mut self, figures: &mut Figures) -> Result<(), Failure> {
        self.script.tell("round")?;
        self.listen("done", figures)
    }

    /// Lets them go.
    pub fn end(self) -> Result<(), Failure> {
        self.script.end()
    }

    /// Notes what they say until they say this word.
    fn listen(&mut self, word: &str, figures: &mut Figures) -> Result<(), Failure> {
        let python = "ARRWDB_PYTHON must name an interpreter that has numpy";
        loop {
            let heard = self.script.hear();
            let said =
                heard.map_err(|why| format!("the peers never said {word}: {why}; {python}"))?;
            let (text, number) = (|name| said[name].as_str(), |name| said[name].as_f64());
            if said[word] == true {
                return Ok(());
            }
            let peer = text("peer").unwrap_or("a peer without a name");
            if let Some(reason) = text("missing") {
                println!("{peer} takes no part: {reason}");
            }
            if let (Some(way), Some(rate), Some(recall)) =
                (text("way"), number("qps"), number("recall"))
            {
                figures.note(peer, way, rate, recall);
            }
        }
    }
}
