//! Lets work that nobody waits for run behind that of others: one thread, from then on, for as long as it lives.
//!
//! Never: lets a thread come before others; fails.

/// How much less of a core a thread gets than one beside it that is as it was started: about a thirtieth.
#[cfg(target_os = "linux")]
const NICE: i32 = 15;

/// From now on the thread that calls this gets a core where nobody else wants it, and little of one where somebody does: so that
/// who searches or writes meanwhile does not wait for its turns to end.
///
/// Where the system knows no such thing of a single thread, or does not allow it, all stays as it was: nothing but speed
/// depends on it.
pub fn run_behind_others() {
    #[cfg(target_os = "linux")]
    {
        // To Linux, no process is the thread that asks. Who runs behind others already does not come before them by this.
        let own = rustix::process::getpriority_process(None).unwrap_or(NICE);
        _ = own < NICE && rustix::process::setpriority_process(None, NICE).is_ok();
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn one_thread_runs_behind_others_and_no_other_does() {
        let own = || rustix::process::getpriority_process(None).unwrap();
        let before = own();
        let behind = std::thread::spawn(move || {
            run_behind_others();
            own()
        });
        assert_eq!((behind.join().unwrap(), own()), (before.max(NICE), before));
    }
}
