//! Chance that a seed repeats.

/// A stream of numbers that its seed repeats (SplitMix64). Nothing secret comes from here.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// Returns a number below `end`, 0 where that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let word = u128::from(self.next());
        usize::try_from((word * end as u128) >> 64).unwrap_or_default()
    }

    /// Returns one of `all`.
    pub(crate) fn of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }
}
