//! Numbers that begin on a cache line.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// Numbers in a line of the cache.
const LINE: usize = 16;

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// A vector of numbers that begins on a cache line, so that none of its whole vectors lies on two: such loads and stores
/// cost twice.
#[derive(Clone, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// So many zeros.
    pub fn zeros(n: usize) -> Self {
        Self {
            lines: vec![Line([0.0; LINE]); n.div_ceil(LINE)],
            len: n,
        }
    }

    /// Makes it so long; what is new is zero.
    pub fn resize(&mut self, n: usize) {
        let old = self.len;
        self.lines.resize(n.div_ceil(LINE), Line([0.0; LINE]));
        self.len = n;
        // The last line may hold what was there before it was made shorter.
        if let Some(new) = self.get_mut(old..) {
            new.fill(0.0);
        }
    }

    /// Makes it a copy of these numbers.
    pub fn copy_from(&mut self, numbers: &[f32]) {
        self.resize(numbers.len());
        self.copy_from_slice(numbers);
    }
}

impl From<&[f32]> for Buffer {
    fn from(numbers: &[f32]) -> Self {
        let mut buffer = Self::zeros(numbers.len());
        buffer.copy_from_slice(numbers);
        buffer
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: lines are arrays of numbers one behind the other, for a line is as large as its alignment, and there are
        // at least `len` numbers in them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and they are borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_a_vector_on_a_cache_line() {
        let mut buffer = Buffer::zeros(37);
        assert_eq!(buffer.as_ptr().addr() % 64, 0);
        assert_eq!(*buffer, [0.0; 37]);
        buffer.fill(2.0);
        buffer.resize(33);
        buffer.resize(50);
        assert_eq!(buffer[..33], [2.0; 33]);
        assert_eq!(buffer[33..], [0.0; 17]);
        assert_eq!(*Buffer::from(&buffer[30..35]), [2.0, 2.0, 2.0, 0.0, 0.0]);
        buffer.copy_from(&[1.0, 3.0]);
        assert_eq!(*buffer, [1.0, 3.0]);
        assert!(Buffer::default().is_empty());
    }
}
