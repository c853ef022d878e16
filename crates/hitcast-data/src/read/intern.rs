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

/// Texts to be interned, without the repetitions that are cheap to see.
///
/// A file's blocks are read into these, so that texts are looked for among those of the column alone, and not among
/// those of the block before.
#[derive(Debug, Default)]
pub(crate) struct TextList {
    texts: Dictionary,
    hashes: Vec<u64>,
    /// The code plus one of the last text with these lower bits in its hash.
    recent: Vec<u32>,
}

/// As many as stay in the processor's nearest cache.
const RECENT: usize = 512;

const TAG: u64 = 0xffff_ffff_0000_0000;

/// How many texts are looked for at a time: enough that their misses of the cache overlap.
const SOUGHT_TOGETHER: usize = 16;

impl TextList {
    /// The number of this text in the list.
    #[inline]
    pub(crate) fn push(&mut self, text: &str) -> u32 {
        if self.recent.is_empty() {
            self.recent.resize(RECENT, 0);
        }
        let hash = hash(text.as_bytes());
        let place = low_bits(hash) % RECENT;
        // Zero, for none, becomes a code that no text has.
        let known = self
            .recent
            .get(place)
            .map_or(MISSING, |code| code.wrapping_sub(1));
        if self.hashes.get(known as usize) == Some(&hash) && self.texts.get(known) == Some(text) {
            return known;
        }
        let code = self.texts.push(text);
        self.hashes.push(hash);
        if let Some(recent) = self.recent.get_mut(place) {
            *recent = code.wrapping_add(1);
        }
        code
    }

    /// The text of a number.
    #[inline]
    pub(crate) fn get(&self, code: u32) -> Option<&str> {
        self.texts.get(code)
    }

    /// Number of texts.
    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Forgets all texts but the first ones.
    pub(crate) fn truncate(&mut self, length: usize) {
        // What `recent` says of the others does no harm: it is held against the text.
        self.texts.truncate(length);
        self.hashes.truncate(length);
    }

    /// Forgets all texts and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.texts.clear();
        self.hashes.clear();
        self.recent.fill(0);
    }
}

impl Interner {
    /// The number of this text, a new one if it was not seen yet.
    pub(crate) fn intern(&mut self, text: &str) -> u32 {
        self.reserve(1);
        self.find_or_add(text, hash(text.as_bytes()))
    }

    /// Adds the numbers of all texts of a list to `codes`.
    pub(crate) fn intern_all(&mut self, list: &TextList, codes: &mut Vec<u32>) {
        codes.reserve(list.hashes.len());
        let mut texts = list.texts.iter();
        for hashes in list.hashes.chunks(SOUGHT_TOGETHER) {
            self.reserve(hashes.len());
            // Three rounds, in each of which no look at memory waits for another as long as texts are known: a table of
            // texts is larger than the caches, and one text after another would wait for it three times.
            let mask = self.slots.len().wrapping_sub(1);
            let mut slots = [0_u64; SOUGHT_TOGETHER];
            for (slot, &hash) in slots.iter_mut().zip(hashes) {
                *slot = self.slots.get(low_bits(hash) & mask).copied().unwrap_or(0);
            }
            let mut known = [None; SOUGHT_TOGETHER];
            for ((known, &slot), &hash) in known.iter_mut().zip(&slots).zip(hashes) {
                if slot != 0 && (slot ^ hash) & TAG == 0 {
                    *known = self.dictionary.place(code_of(slot));
                }
            }
            for (((&hash, &slot), &place), text) in hashes.iter().zip(&slots).zip(&known).zip(&mut texts) {
                let found = place.is_some_and(|place| self.dictionary.at(place) == Some(text));
                codes.push(if found {
                    code_of(slot)
                } else {
                    self.find_or_add(text, hash)
                });
            }
        }
    }

    /// Number of texts.
    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// The text of a code.
    #[inline]
    pub(crate) fn get(&self, code: u32) -> Option<&str> {
        self.dictionary.get(code)
    }

    /// There must be room for one more.
    #[inline]
    fn find_or_add(&mut self, text: &str, hash: u64) -> u32 {
        let mask = self.slots.len().wrapping_sub(1);
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

    /// Makes room for that many more texts.
    fn reserve(&mut self, more: usize) {
        let length = self.hashes.len() + more;
        if self.slots.len() >= 2 * length {
            return;
        }
        let length = (4 * length).next_power_of_two().max(1024);
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
            prop_assert!(interner.dictionary.iter().eq(seen.iter().copied()));
        }

        #[test]
        fn lists_are_interned_as_their_texts_one_by_one(
            lists in prop::collection::vec(prop::collection::vec("[abc]{0,3}|[a-c]{30}", 0..120), 0..12),
        ) {
            let (mut one_by_one, mut at_once) = (Interner::default(), Interner::default());
            let mut list = TextList::default();
            for texts in &lists {
                list.clear();
                let places: Vec<u32> = texts.iter().map(|text| list.push(text)).collect();
                let mut codes = Vec::new();
                at_once.intern_all(&list, &mut codes);
                for (text, place) in texts.iter().zip(places) {
                    prop_assert_eq!(list.get(place), Some(text.as_str()));
                    prop_assert_eq!(codes[place as usize], one_by_one.intern(text));
                }
            }
            prop_assert!(one_by_one.dictionary.iter().eq(at_once.dictionary.iter()));
        }
    }
}
