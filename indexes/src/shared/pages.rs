//! Asks the system to back long stretches of memory by large pages.
//!
//! A search over a million vectors touches some ten thousand rows that lie far apart, and with pages of 4 KiB nearly each of them
//! has the processor look up first where its page is. Where the system does not know of large pages, or has none to spare, all stays
//! as it was: nothing but speed depends on it, and that what is written to first may take up to 2 MiB of memory at once.
#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "advises the system about memory; the block has its proof")
)]

/// As long as the large pages of most processors.
const LARGE: usize = 2 << 20;

/// Asks for large pages for what of these bytes large pages can lie in. Best before anything is written there.
pub(crate) fn prefer_large<T>(cells: &[T]) {
    let begin = cells.as_ptr().addr();
    let first = begin.next_multiple_of(LARGE);
    let end = (begin + size_of_val(cells)) / LARGE * LARGE;
    if first < end {
        advise(cells.as_ptr().cast(), first - begin, end - first);
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
fn advise(cells: *const u8, from: usize, len: usize) {
    let first = cells.wrapping_add(from).cast_mut().cast();
    // SAFETY: both ends are at multiples of every page's length and within the cells, which are there. The advice says how the system
    // may keep what is there: no byte of it changes, nor who may read or write it.
    let advised = unsafe { rustix::mm::madvise(first, len, rustix::mm::Advice::LinuxHugepage) };
    let _no_less = advised.is_ok();
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn advise(_: *const u8, _: usize, _: usize) {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_lies_there_stays_as_it_is() {
        for count in [0, 1, LARGE - 1, LARGE, 2 * LARGE, 5 * LARGE + 3] {
            let mut bytes: Vec<u8> = (0..count).map(|at| (at % 251) as u8).collect();
            for from in [0, 1, 4_096].map(|from| from.min(count)) {
                prefer_large(&bytes[from..]);
            }
            assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == (at % 251) as u8));
            bytes.fill(7);
            assert!(bytes.iter().all(|byte| *byte == 7));
        }
    }
}
