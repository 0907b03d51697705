//! Ends a test that would hang: the one place where waiting for a time is the point.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Runs what may hang in a thread of its own, and panics if it does not end in a minute, or if it
/// panics. What hangs goes on in its thread until the process ends.
///
/// # Panics
/// If it hangs or panics.
pub fn watched(run: impl FnOnce() + Send + 'static) {
    watched_for(Duration::from_secs(60), run);
}

fn watched_for(most: Duration, run: impl FnOnce() + Send + 'static) {
    let (done, is_done) = channel::<()>();
    let thread = std::thread::spawn(move || {
        // Dropped at the end, however it comes.
        let _done = done;
        run();
    });
    match is_done.recv_timeout(most) {
        Err(RecvTimeoutError::Timeout) => panic!("it did not end within {most:?}"),
        _ => {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_is_let_through() {
        watched(|| {});
    }

    #[test]
    #[should_panic(expected = "on purpose")]
    fn a_panic_is_passed_on() {
        watched(|| panic!("on purpose"));
    }

    #[test]
    #[should_panic(expected = "did not end")]
    fn what_hangs_is_found_out() {
        watched_for(Duration::from_millis(10), || {
            loop {
                std::thread::park();
            }
        });
    }
}
