//! Opens a store that is there, and says what to do where there is none.
//!
//! Never: makes a store; that is what the command `create` does.

use std::path::Path;

use arrwdb::{Collection, Error, Store};

use crate::failure::{Failure, Result};
use crate::output;

/// Opens the store in a directory; tells on stderr what was not as it should be.
pub(crate) fn open(path: &Path) -> Result<Store> {
    let opened = Store::options().existing().open(path).map_err(|error| match error {
        Error::NoStore { .. } | Error::Disk(disk::Error::Missing { .. }) => Failure::refused(
            format!("there is no store in {}; `arrwdb create` makes one", path.display()),
        ),
        error => error.into(),
    })?;
    tell_damage(&opened, path);
    Ok(opened)
}

/// Opens the store in a directory for a command that only reads, and closes it behind it: of a store whose process died
/// the log is then not read again by the next command, and a store that was closed is not written to.
pub(crate) fn reading(path: &Path, read: impl FnOnce(&Store) -> Result<()>) -> Result<()> {
    let store = open(path)?;
    let answered = read(&store);
    // What was wrong with the answer came first.
    answered.and(store.close().map_err(Failure::from))
}

/// Tells on stderr what was not as it should be when the store was opened: a manifest that was passed over, and what was
/// cut off the log.
pub(crate) fn tell_damage(store: &Store, path: &Path) {
    if let Some(error) = store.passed_over_manifest() {
        let why = Failure::from(error.clone());
        output::note(format_args!(
            "{why}; the one before was used, and the next checkpoint mends it"
        ));
    }
    let Some(cut) = store.torn_end() else { return };
    let doubt = if cut.is_in_doubt {
        "; it may have been damage to a batch that was acknowledged: check the last ones"
    } else {
        "; nothing that was acknowledged is lost"
    };
    let (path, offset) = (path.join(&cut.path), cut.offset);
    output::note(format!(
        "the log ended in a torn write, cut off at offset {offset} of {}{doubt}",
        path.display()
    ));
}

/// A collection of the store in a directory.
pub(crate) fn collection(store: &Store, path: &Path, name: &str) -> Result<Collection> {
    store.collection(name).map_err(|error| match error {
        error @ Error::NoCollection { .. } => Failure::refused(format!(
            "{error} in {}; `arrwdb list` shows those there are",
            path.display()
        )),
        error => error.into(),
    })
}
