//! Shows how far something is, on stderr, and only where that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over bytes, whose number is told later.
pub(crate) fn bytes(doing: &'static str) -> ProgressBar {
    with_template(doing, 0, "{msg} {wide_bar} {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left)")
}

/// A bar over so many rows.
pub(crate) fn bar(doing: &'static str, length: u64) -> ProgressBar {
    with_template(doing, length, "{msg} {wide_bar} {human_pos}/{human_len} ({per_sec}, {eta} left)")
}

fn with_template(doing: &'static str, length: u64, template: &str) -> ProgressBar {
    // Draws nothing where stderr is no terminal.
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_message(doing)
}
