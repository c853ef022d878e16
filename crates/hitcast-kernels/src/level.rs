//! What the processor can do.

use crate::simd::{Portable, Vector};

/// A set of vector instructions that this processor has. There is no other way to get one than to ask the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Level(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// A loop written for any width of vectors. `run` and all that it calls must be inlined, so that it is compiled with
/// the instructions of the level.
pub(crate) trait Kernel {
    type Output;
    fn run<V: Vector>(self) -> Self::Output;
}

impl Level {
    /// The widest set that the processor has.
    pub fn best() -> Self {
        *Self::available().last().unwrap_or(&Self(Set::Portable))
    }

    /// The set that every processor has.
    pub const fn portable() -> Self {
        Self(Set::Portable)
    }

    /// All sets that the processor has, the widest last.
    pub fn available() -> Vec<Self> {
        let mut levels = vec![Self(Set::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx2") && has!("fma") {
                levels.push(Self(Set::Avx2));
                if has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
                    levels.push(Self(Set::Avx512));
                }
            }
        }
        levels
    }

    /// Its name, as in `avx512`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
        }
    }

    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Set::Portable => kernel.run::<Portable>(),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => {
                #[target_feature(enable = "avx2,fma")]
                fn run<K: Kernel>(kernel: K) -> K::Output {
                    kernel.run::<crate::simd::Avx2>()
                }
                // SAFETY: this level only comes from `available`, which asked the processor for both features.
                unsafe { run(kernel) }
            }
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn run<K: Kernel>(kernel: K) -> K::Output {
                    kernel.run::<crate::simd::Avx512>()
                }
                // SAFETY: this level only comes from `available`, which asked the processor for all six features.
                unsafe { run(kernel) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_level_is_the_last_available() {
        let levels = Level::available();
        assert_eq!(levels.first(), Some(&Level::portable()));
        assert_eq!(levels.last(), Some(&Level::best()));
    }
}
