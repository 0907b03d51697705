//! Makes a sequence that fails as short as it can be made by leaving things out.

/// Leaves out as much of `steps` as it can so that `fails` is still true, and returns the rest.
///
/// Large parts are tried first, then smaller ones, down to single steps: no single step of the result
/// can be left out. A sequence that does not fail is returned whole.
pub fn shrink<Step: Clone>(steps: &[Step], fails: impl Fn(&[Step]) -> bool) -> Vec<Step> {
    let mut shortest = steps.to_vec();
    if !fails(&shortest) {
        return shortest;
    }
    let mut part = shortest.len().div_ceil(2).max(1);
    loop {
        let before = shortest.len();
        let mut at = 0;
        while at < shortest.len() {
            let end = (at + part).min(shortest.len());
            let mut shorter = shortest.clone();
            shorter.drain(at..end);
            if fails(&shorter) {
                shortest = shorter;
            } else {
                at = end;
            }
        }
        if part > 1 {
            part = part.div_ceil(2);
        } else if shortest.len() == before {
            return shortest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_failure_needs_is_left() {
        let steps: Vec<u32> = (0..100).collect();
        let fails = |steps: &[u32]| steps.contains(&17) && steps.contains(&71);
        assert_eq!(shrink(&steps, fails), [17, 71]);
        let order = |steps: &[u32]| steps.windows(2).any(|pair| pair[0] % 7 == 3 && pair[1] > 50);
        assert_eq!(shrink(&steps, order).len(), 2);
    }

    #[test]
    fn what_does_not_fail_is_left_whole() {
        assert_eq!(shrink(&[1, 2, 3], |_| false), [1, 2, 3]);
        assert_eq!(shrink(&[1, 2, 3], |_| true), [0; 0]);
    }
}
