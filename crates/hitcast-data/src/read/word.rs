//! Eight bytes at a time, in one word.

/// The byte eight times.
pub(crate) const fn repeated(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The highest bit of each byte of `word` is set unless the byte is zero.
#[inline]
pub(crate) fn nonzero_bytes(word: u64) -> u64 {
    ((word & repeated(0x7f)) + repeated(0x7f)) | word
}

/// The highest bit of each byte of `word` is set unless the byte is below 16.
#[inline]
pub(crate) fn bytes_from_16(word: u64) -> u64 {
    ((word & repeated(0x70)) + repeated(0x70)) | word
}
