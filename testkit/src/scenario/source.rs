//! Decisions read from bytes.

use redial_core::Span;

use crate::random::Random;

/// Reads decisions from bytes. It never fails: past the end every byte is 0, and 0 is always the
/// calm choice.
///
/// A property test, a fuzzer and a seed all end here, so what one of them finds the others can
/// repeat.
///
/// ```
/// use redial_testkit::scenario::Source;
/// let mut source = Source::new(&[7, 1]);
/// assert_eq!((source.byte(), source.below(3), source.byte()), (7, 1, 0));
/// ```
#[derive(Clone, Debug)]
pub struct Source<'a> {
    bytes: &'a [u8],
}

impl<'a> Source<'a> {
    /// Reads from these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Returns whether only zeros follow.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns what has not been read.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Reads a byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    /// Reads a number below `bound`, 0 where that is 0.
    pub fn below(&mut self, bound: u8) -> u8 {
        self.byte().checked_rem(bound).unwrap_or(0)
    }

    /// Says yes once in `times`, and never past the end.
    pub fn once_in(&mut self, times: u8) -> bool {
        let byte = self.byte();
        byte != 0 && byte.is_multiple_of(times.max(1))
    }

    /// Takes one of several, the first past the end.
    ///
    /// # Panics
    ///
    /// Where there are none.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        let most = u8::try_from(all.len()).unwrap_or(u8::MAX);
        all[usize::from(self.below(most))]
    }

    /// Reads a number of 16 bits.
    pub fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Reads something to draw jitter from: any two bytes reach all of the range.
    pub fn entropy(&mut self) -> u64 {
        u64::from(self.number()) * (u64::MAX / u64::from(u16::MAX))
    }

    /// Reads a span from `first` to `last` milliseconds, both included.
    pub fn span(&mut self, first: u32, last: u32) -> Span {
        let width = u64::from(last.saturating_sub(first));
        let offset = u64::from(self.number()) * width / u64::from(u16::MAX);
        Span::saturating_from_millis(u64::from(first) + offset)
    }
}

/// Makes as many bytes as wanted from a seed, always the same.
#[must_use]
pub fn bytes_of(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..len).map(|_| (random.next() >> 56) as u8).collect()
}
