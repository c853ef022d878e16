//! Giving each distinct text a number, in the order in which the texts are first seen.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use crate::table::{Dictionary, MISSING};

/// A dictionary that finds its texts again.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    dictionary: Dictionary,
    hashes: Vec<u64>,
    /// Open addressing, a power of two long, at most half full: the upper half of the hash, and the code plus one.
    slots: Vec<u64>,
}

const TAG: u64 = 0xffff_ffff_0000_0000;

impl Interner {
    /// The number of this text, a new one if it was not seen yet.
    #[inline]
    pub(crate) fn intern(&mut self, text: &str) -> u32 {
        self.intern_hashed(text, hash(text.as_bytes()))
    }

    /// All texts with their hashes, in the order of their codes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u64)> + '_ {
        self.dictionary.iter().zip(self.hashes.iter().copied())
    }

    /// The text of a code.
    #[inline]
    pub(crate) fn get(&self, code: u32) -> Option<&str> {
        self.dictionary.get(code)
    }

    #[inline]
    pub(crate) fn intern_hashed(&mut self, text: &str, hash: u64) -> u32 {
        if self.slots.len() < 2 * (self.hashes.len() + 1) {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut place = low_bits(hash) & mask;
        loop {
            let Some(&slot) = self.slots.get(place) else {
                return MISSING;
            };
            if slot == 0 {
                break;
            }
            if (slot ^ hash) & TAG == 0 {
                let code = code_of(slot);
                if self.dictionary.get(code) == Some(text) {
                    return code;
                }
            }
            place = (place + 1) & mask;
        }
        let code = self.dictionary.push(text);
        self.hashes.push(hash);
        if let Some(slot) = self.slots.get_mut(place) {
            *slot = (hash & TAG) | (u64::from(code) + 1);
        }
        code
    }

    fn grow(&mut self) {
        let length = (4 * (self.hashes.len() + 1)).next_power_of_two().max(1024);
        self.slots.clear();
        self.slots.resize(length, 0);
        let mask = length - 1;
        for (code, &hash) in (1_u64..).zip(&self.hashes) {
            let mut place = low_bits(hash) & mask;
            while self.slots.get(place).is_some_and(|&slot| slot != 0) {
                place = (place + 1) & mask;
            }
            if let Some(slot) = self.slots.get_mut(place) {
                *slot = (hash & TAG) | code;
            }
        }
    }

    /// Forgets all texts and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.dictionary.clear();
        self.hashes.clear();
        self.slots.fill(0);
    }

    pub(crate) fn into_dictionary(self) -> Dictionary {
        self.dictionary
    }
}

#[allow(clippy::cast_possible_truncation)] // the lower bits are what is wanted
fn low_bits(hash: u64) -> usize {
    hash as usize
}

#[allow(clippy::cast_possible_truncation)] // the lower half of a slot holds the code plus one
fn code_of(slot: u64) -> u32 {
    (slot as u32).wrapping_sub(1)
}

/// Folded multiplication over eight bytes at a time, as in wyhash and foldhash. The seed differs between processes, so
/// that no file can be made to fill one slot; the codes do not depend on it.
#[inline]
fn hash(bytes: &[u8]) -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    let seed = *SEED.get_or_init(|| RandomState::new().hash_one(0_u8) | 1);
    let mut state = seed ^ (bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), 0xa076_1d64_78bd_642f);
    }
    let mut last = [0_u8; 8];
    if let Some(tail) = bytes.last_chunk::<8>() {
        // The last word overlaps the one before: cheaper than copying a rest of unknown length.
        last = *tail;
    } else {
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
    }
    fold(state ^ u64::from_le_bytes(last), 0xe703_7ed1_a0b4_28db ^ seed)
}

#[inline]
#[allow(clippy::cast_possible_truncation)] // both halves of the product are used
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equal_texts_and_only_they_share_a_code(texts in prop::collection::vec("[ab]{0,12}", 0..400)) {
            let mut interner = Interner::default();
            let codes: Vec<u32> = texts.iter().map(|text| interner.intern(text)).collect();
            let mut seen: Vec<&str> = Vec::new();
            for (text, &code) in texts.iter().zip(&codes) {
                if !seen.contains(&text.as_str()) {
                    seen.push(text);
                }
                prop_assert_eq!(seen[code as usize], text);
                prop_assert_eq!(interner.get(code), Some(text.as_str()));
            }
            prop_assert!(interner.iter().map(|(text, _)| text).eq(seen.iter().copied()));
        }
    }
}
