//! Vectors of eight numbers in plain Rust; the compiler makes of them what the build's target has.

use super::{Vector, Words};

const LANES: usize = 8;

#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; LANES]);

impl Portable {
    #[inline(always)]
    fn map(self, f: impl Fn(f32) -> f32) -> Self {
        let mut out = self.0;
        for value in &mut out {
            *value = f(*value);
        }
        Self(out)
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let mut out = self.0;
        for (value, other) in out.iter_mut().zip(other.0) {
            *value = f(*value, other);
        }
        Self(out)
    }
}

impl Vector for Portable {
    const LANES: usize = LANES;
    const TILE_ROWS: usize = 4;
    type Words = PortableWords;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    unsafe fn load_from(from: *const f32) -> Self {
        // SAFETY: the caller vouches for as many numbers; an array of `f32` is aligned as one.
        Self(unsafe { from.cast::<[f32; LANES]>().read() })
    }

    #[inline(always)]
    unsafe fn load_first_from(from: *const f32, n: usize) -> Self {
        let mut out = [0.0; LANES];
        // SAFETY: the caller vouches for `n` numbers, at most `LANES`, which the array has.
        unsafe { std::ptr::copy_nonoverlapping(from, out.as_mut_ptr(), n) };
        Self(out)
    }

    #[inline(always)]
    unsafe fn store_to(self, to: *mut f32) {
        // SAFETY: the caller vouches for as many numbers; an array of `f32` is aligned as one.
        unsafe { to.cast::<[f32; LANES]>().write(self.0) }
    }

    #[inline(always)]
    unsafe fn store_first_to(self, to: *mut f32, n: usize) {
        // SAFETY: the caller vouches for `n` numbers, at most `LANES`, which the array has.
        unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), to, n) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, summand: Self) -> Self {
        // Not f32::mul_add: where the target has no such instruction, that is a call.
        self.mul(factor).add(summand)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.map(f32::sqrt)
    }

    #[inline(always)]
    fn round(self) -> Self {
        self.map(f32::round_ties_even)
    }

    #[inline(always)]
    fn where_positive(self, condition: Self) -> Self {
        self.zip(condition, |a, c| if c > 0.0 { a } else { 0.0 })
    }

    #[inline(always)]
    fn select_positive(self, condition: Self, other: Self) -> Self {
        let mut out = other.0;
        for ((out, value), condition) in out.iter_mut().zip(self.0).zip(condition.0) {
            if condition > 0.0 {
                *out = value;
            }
        }
        Self(out)
    }

    #[inline(always)]
    fn keep(self, bits: u32) -> Self {
        let mut out = self.0;
        for (lane, value) in out.iter_mut().enumerate() {
            if bits >> lane & 1 == 0 {
                *value = 0.0;
            }
        }
        Self(out)
    }

    #[inline(always)]
    fn scale_by_power_of_two(self, n: Self) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        self.zip(n, |a, n| a * f32::from_bits(((n as i32 + 127) as u32) << 23))
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
}

#[derive(Clone, Copy)]
pub(crate) struct PortableWords([u32; 16]);

impl PortableWords {
    #[inline(always)]
    fn zip(mut self, other: Self, f: impl Fn(u32, u32) -> u32) -> Self {
        for (value, other) in self.0.iter_mut().zip(other.0) {
            *value = f(*value, other);
        }
        self
    }
}

impl Words for PortableWords {
    #[inline(always)]
    fn load(from: &[u32; 16]) -> Self {
        Self(*from)
    }

    #[inline(always)]
    fn store(self, to: &mut [u32; 16]) {
        *to = self.0;
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, u32::wrapping_add)
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self.zip(other, |a, b| a ^ b)
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    #[inline(always)]
    fn shift_left<const N: i32>(self) -> Self {
        self.zip(self, |a, _| a << N)
    }

    #[inline(always)]
    fn rotate_left<const N: i32, const BACK: i32>(self) -> Self {
        self.zip(self, |a, _| a << N | a >> BACK)
    }
}
