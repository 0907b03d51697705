//! Watches whether codes rule out enough to be worth reading.
//!
//! It goes by stretches. When in one of them too much was left over, codes are not asked for a while, then for one
//! stretch again, and if they are still of no use not for twice as long. What is found is the same either way.

/// Whether codes pay.
#[derive(Debug)]
pub(crate) struct Pays {
    /// Codes pay as long as less than one of so many is left over.
    part: u64,
    /// How many more steps there are in this stretch.
    steps: u32,
    rests: bool,
    /// How long the last rest was.
    rest: u32,
    looked_at: u64,
    left_over: u64,
}

/// How many steps it takes to judge.
const STRETCH: u32 = 64;

/// The longest rest.
const REST_MAX: u32 = 64 * STRETCH;

impl Pays {
    /// Codes pay as long as they leave over less than one of so many.
    pub(crate) fn new(part: u64) -> Self {
        Pays { part, steps: STRETCH, rests: false, rest: 0, looked_at: 0, left_over: 0 }
    }

    /// Whether codes are asked in the next step.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> bool {
        if self.steps == 0 {
            self.turn();
        }
        self.steps -= 1;
        !self.rests
    }

    /// Notes how many were looked at by their codes, and how many of them these left over.
    #[inline(always)]
    pub(crate) fn note(&mut self, looked_at: u64, left_over: u64) {
        self.looked_at += looked_at;
        self.left_over += left_over;
    }

    fn turn(&mut self) {
        let useless = self.part * self.left_over > self.looked_at;
        self.steps = STRETCH;
        if self.rests {
            self.rests = false;
        } else if useless {
            self.rests = true;
            self.rest = (2 * self.rest).clamp(STRETCH, REST_MAX);
            self.steps = self.rest;
        } else {
            self.rest = 0;
        }
        (self.looked_at, self.left_over) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long each run of steps is in which codes are asked, and each in which they are not.
    fn runs(steps: u32, left_over: impl Fn(u32) -> u64) -> Vec<(bool, u32)> {
        let mut pays = Pays::new(4);
        let mut runs: Vec<(bool, u32)> = Vec::new();
        for step in 0..steps {
            let asked = pays.next();
            if asked {
                pays.note(64, left_over(step));
            }
            match runs.last_mut() {
                Some((last, length)) if *last == asked => *length += 1,
                _ => runs.push((asked, 1)),
            }
        }
        runs
    }

    #[test]
    fn useful_codes_are_always_asked() {
        assert_eq!(runs(10_000, |_| 16), [(true, 10_000)]);
    }

    #[test]
    fn useless_codes_are_asked_ever_more_rarely() {
        let found = runs(1_000, |_| 17);
        let expected =
            [(true, 64), (false, 64), (true, 64), (false, 128), (true, 64), (false, 256)];
        assert_eq!(found[..6], expected);
        let rests = runs(100_000, |_| 64).into_iter().filter(|(asked, _)| !asked);
        assert_eq!(rests.map(|(_, length)| length).max(), Some(REST_MAX));
    }

    #[test]
    fn codes_that_become_useful_are_asked_again() {
        let found = runs(10_000, |step| if step < 64 { 64 } else { 0 });
        assert_eq!(found, [(true, 64), (false, 64), (true, 10_000 - 128)]);
    }
}
