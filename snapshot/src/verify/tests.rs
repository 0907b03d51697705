//! To come: placeholder tests of this module.
