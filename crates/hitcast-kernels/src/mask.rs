//! Random bits for dropout.

use crate::level::{Kernel, Level};
use crate::simd::{Vector, Words};

/// Sixteen generators side by side: xoshiro128++ (Blackman and Vigna 2021). What they draw does not depend on the level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskGenerator {
    state: [[u32; 16]; 4],
}

/// The chance of a bit to be set, a multiple of 2⁻¹⁶.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chance(u16);

impl Chance {
    /// The nearest chance to `probability` that is above 0 and below 1.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn nearest(probability: f64) -> Self {
        Self((probability * 65536.0).round().clamp(1.0, 65535.0) as u16)
    }

    /// The chance itself.
    pub fn value(self) -> f64 {
        f64::from(self.0) / 65536.0
    }
}

impl MaskGenerator {
    /// Generators that begin where these 32 numbers say, two for each; no generator may begin at zero alone.
    pub fn new(mut draw: impl FnMut() -> u64) -> Self {
        let mut state = [[0; 16]; 4];
        #[allow(clippy::cast_possible_truncation)]
        for lane in 0..16 {
            let (a, b) = (draw(), draw());
            for (word, value) in
                state
                    .iter_mut()
                    .zip([a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32])
            {
                word[lane] = value;
            }
            state[0][lane] |= u32::from(a == 0 && b == 0);
        }
        Self { state }
    }

    /// The state, to be saved.
    pub fn state(&self) -> [u32; 64] {
        let mut flat = [0; 64];
        for (to, from) in flat.iter_mut().zip(self.state.iter().flatten()) {
            *to = *from;
        }
        flat
    }

    /// Generators that go on from a saved state. One that is zero alone, which no generator ever is, begins at one.
    pub fn from_state(flat: &[u32; 64]) -> Self {
        let mut state = [[0; 16]; 4];
        for (to, from) in state.iter_mut().flatten().zip(flat) {
            *to = *from;
        }
        for lane in 0..16 {
            state[0][lane] |= u32::from(state.iter().all(|word| word[lane] == 0));
        }
        Self { state }
    }

    /// Sets each bit with this chance. Draws for whole blocks of 64 bytes, the last one included.
    pub fn fill(&mut self, level: Level, chance: Chance, bits: &mut [u8]) {
        level.run(Fill {
            state: &mut self.state,
            chance,
            bits,
        });
    }
}

struct Fill<'a, 'b> {
    state: &'a mut [[u32; 16]; 4],
    chance: Chance,
    bits: &'b mut [u8],
}

impl Kernel for Fill<'_, '_> {
    type Output = ();

    /// Bits with a chance of `0.b₁b₂…b₁₆` from even ones: going from the last digit to the first, a digit of one takes
    /// the union with even bits, a zero the intersection, each of which halves what is missing to one or zero.
    #[inline(always)]
    fn run<V: Vector>(self) {
        let [a, b, c, d] = &*self.state;
        let mut s = [
            V::Words::load(a),
            V::Words::load(b),
            V::Words::load(c),
            V::Words::load(d),
        ];
        let last = self.chance.0.trailing_zeros();
        for block in self.bits.chunks_mut(64) {
            let mut mask = V::Words::load(&[0; 16]);
            for digit in last..16 {
                let even = s[0].add(s[3]).rotate_left::<7, 25>().add(s[0]);
                let t = s[1].shift_left::<9>();
                s[2] = s[2].xor(s[0]);
                s[3] = s[3].xor(s[1]);
                s[1] = s[1].xor(s[2]);
                s[0] = s[0].xor(s[3]);
                s[2] = s[2].xor(t);
                s[3] = s[3].rotate_left::<11, 21>();
                mask = if self.chance.0 >> digit & 1 == 1 {
                    mask.or(even)
                } else {
                    mask.and(even)
                };
            }
            let mut words = [0; 16];
            mask.store(&mut words);
            // A copy of known length is no call.
            if let Some(whole) = block.first_chunk_mut::<64>() {
                for (to, from) in whole.as_chunks_mut::<4>().0.iter_mut().zip(words) {
                    *to = from.to_le_bytes();
                }
            } else {
                for (to, from) in block.chunks_mut(4).zip(words) {
                    let bytes = from.to_le_bytes();
                    to.copy_from_slice(&bytes[..to.len()]);
                }
            }
        }
        for (to, from) in self.state.iter_mut().zip(s) {
            from.store(to);
        }
    }
}
