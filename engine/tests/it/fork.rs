//! Splits this process in two (`fork`), to see what a copy can do to a store that it did not open.
#![expect(unsafe_code, reason = "no safe call splits a process")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};

/// How a copy ends that panicked.
const PANICKED: i32 = 99;
/// After so many seconds a copy that waits for somebody is killed.
const LONGEST: u32 = 60;

/// Lets a copy of this process do something and end with what that returns; says how it ended: `None` if it had to be
/// killed. Only the thread that calls this is in the copy.
pub(crate) fn in_a_copy(act: impl FnOnce() -> i32) -> Option<i32> {
    // SAFETY: the copy goes on with this thread alone and the C library's own locks made free; it runs `act`, which takes
    // no lock that another thread of ours may have held, and ends without running what is for the end of this process.
    let process = unsafe { libc::fork() };
    if process == 0 {
        // SAFETY: it takes a number, and touches no memory.
        unsafe { libc::alarm(LONGEST) };
        let code = catch_unwind(AssertUnwindSafe(act)).unwrap_or(PANICKED);
        // SAFETY: it ends the process at once.
        unsafe { libc::_exit(code) }
    }
    let process = Pid::from_raw(process).expect("a copy could be made, and has a number");
    let (_, status) = waitpid(Some(process), WaitOptions::empty()).unwrap().unwrap();
    WaitStatus::exit_status(status)
}
