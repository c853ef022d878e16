//! One seed, many named streams.
//!
//! A stream's numbers depend on the seed and on the stream's name alone, so adding a draw in one place changes no
//! other. The generator is xoshiro256++ (Blackman and Vigna 2021); its state can be saved and restored.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// The one number that an experiment's randomness comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(u64);

impl Seed {
    /// A seed from a number.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The seed of a part, by its name.
    #[must_use]
    pub fn child(self, name: &str) -> Self {
        // FNV-1a over the name, then the finaliser of SplitMix64, so that close names give distant seeds.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self(mix(self.0 ^ mix(hash)))
    }

    /// The seed of the part with this number, as of a fold or a trial.
    #[must_use]
    pub fn nth(self, index: u64) -> Self {
        Self(mix(self.0.wrapping_add(mix(index.wrapping_add(1)))))
    }

    /// The random stream of this name.
    pub fn stream(self, name: &str) -> Stream {
        Stream(Xoshiro256PlusPlus::seed_from_u64(self.child(name).0))
    }
}

impl From<u64> for Seed {
    fn from(value: u64) -> Self {
        Self::new(value)
    }
}

const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A stream of random numbers that can be saved and continued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stream(Xoshiro256PlusPlus);

impl Stream {
    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in [0, 1) with 53 random bits.
    #[allow(clippy::cast_precision_loss)]
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// A number from the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// An index below `n`, each equally likely (Lemire 2019, without bias).
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "Stream::below needs a positive bound");
        let bound = n as u64;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            #[allow(clippy::cast_possible_truncation)]
            let low = product as u64;
            // The threshold is below the bound, and its division costs more than all the rest.
            if low >= bound || low >= bound.wrapping_neg() % bound {
                #[allow(clippy::cast_possible_truncation)]
                return (product >> 64) as usize;
            }
        }
    }

    /// Puts the items into random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// The numbers 0 to `n` − 1 in random order.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_permutation_holds_each_index_once(seed: u64, n in 0_usize..300) {
            let mut order = Seed::new(seed).stream("order").permutation(n);
            order.sort_unstable();
            prop_assert_eq!(order, (0..n).collect::<Vec<_>>());
        }

        #[test]
        fn a_saved_stream_goes_on_where_it_was(seed: u64, draws in 0_usize..50) {
            let mut stream = Seed::new(seed).stream("a");
            for _ in 0..draws {
                stream.next_u64();
            }
            let mut restored: Stream = serde_json::from_str(&serde_json::to_string(&stream).unwrap()).unwrap();
            prop_assert_eq!(restored.next_u64(), stream.next_u64());
        }
    }

    #[test]
    fn below_is_uniform_and_uniform_has_its_mean() {
        let mut stream = Seed::new(1).stream("test");
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[stream.below(7)] += 1;
        }
        assert!(counts.iter().all(|&c| (9_500..10_500).contains(&c)), "{counts:?}");
        let mean = (0..100_000).map(|_| stream.uniform()).sum::<f64>() / 1e5;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        let squares = (0..100_000).map(|_| stream.normal().powi(2)).sum::<f64>() / 1e5;
        assert!((squares - 1.0).abs() < 0.02, "{squares}");
    }
}
