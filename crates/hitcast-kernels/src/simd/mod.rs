//! Vectors of `f32` as wide as an instruction set has them.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
pub(crate) use portable::Portable;

/// A vector of `LANES` numbers.
///
/// Implementations for an instruction set may only be used below [`Level::run`](crate::Level), which has asked the
/// processor for it: that is what their `unsafe` blocks rely on.
pub(crate) trait Vector: Copy {
    const LANES: usize;
    /// Rows of a tile of a matrix product: with two vectors a row, what fits the registers.
    const TILE_ROWS: usize;
    type Words: Words;

    fn splat(value: f32) -> Self;
    /// # Safety
    /// `LANES` numbers can be read from `from`.
    unsafe fn load_from(from: *const f32) -> Self;
    /// The first `n` lanes, zero behind them.
    ///
    /// # Safety
    /// `n` is at most `LANES`, and as many numbers can be read from `from`.
    unsafe fn load_first_from(from: *const f32, n: usize) -> Self;
    /// # Safety
    /// `LANES` numbers can be written to `to`.
    unsafe fn store_to(self, to: *mut f32);
    /// Stores the first `n` lanes.
    ///
    /// # Safety
    /// `n` is at most `LANES`, and as many numbers can be written to `to`.
    unsafe fn store_first_to(self, to: *mut f32, n: usize);

    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    /// `self · factor + summand`, rounded once where the processor can.
    fn mul_add(self, factor: Self, summand: Self) -> Self;
    /// The larger one; `other` where either is NaN, so the number that may be NaN belongs there.
    fn max(self, other: Self) -> Self;
    /// The smaller one; `other` where either is NaN.
    fn min(self, other: Self) -> Self;
    fn sqrt(self) -> Self;
    /// To the nearest integer.
    fn round(self) -> Self;
    /// `self` where `condition` is above zero, zero elsewhere.
    fn where_positive(self, condition: Self) -> Self;
    /// `self` where `condition` is above zero, `other` elsewhere.
    fn select_positive(self, condition: Self, other: Self) -> Self;
    /// `self` in the lanes whose bit is set, zero in the others; the first lane is the lowest bit.
    fn keep(self, bits: u32) -> Self;
    /// `self · 2^n` for an integer `n` from -126 to 127.
    fn scale_by_power_of_two(self, n: Self) -> Self;
    fn sum(self) -> f32;

    /// Transposes `LANES × LANES` numbers from rows with one stride to rows with another.
    ///
    /// # Safety
    /// All of the rows can be read and written.
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for row in 0..Self::LANES {
            for column in 0..Self::LANES {
                // SAFETY: the caller's.
                unsafe { *to.add(column * to_stride + row) = *from.add(row * from_stride + column) };
            }
        }
    }

    /// The square root of a number of at least `f32::MIN_POSITIVE`, to the last bit or two.
    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    /// `1 / self`, to the last bit or two.
    #[inline(always)]
    fn reciprocal(self) -> Self {
        Self::splat(1.0).div(self)
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        assert!(from.len() >= Self::LANES);
        // SAFETY: the slice holds as many.
        unsafe { Self::load_from(from.as_ptr()) }
    }

    /// Of at most `LANES` numbers, with zeros behind them.
    #[inline(always)]
    fn load_first(from: &[f32]) -> Self {
        assert!(from.len() <= Self::LANES);
        // SAFETY: the slice holds as many as are read, which are at most `LANES`.
        unsafe { Self::load_first_from(from.as_ptr(), from.len()) }
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        assert!(to.len() >= Self::LANES);
        // SAFETY: the slice holds as many.
        unsafe { self.store_to(to.as_mut_ptr()) }
    }

    #[inline(always)]
    fn store_first(self, to: &mut [f32]) {
        assert!(to.len() <= Self::LANES);
        // SAFETY: the slice holds as many as are written, which are at most `LANES`.
        unsafe { self.store_first_to(to.as_mut_ptr(), to.len()) }
    }

    #[inline(always)]
    fn zero() -> Self {
        Self::splat(0.0)
    }

    /// `|self|`.
    #[inline(always)]
    fn abs(self) -> Self {
        self.max(Self::zero().sub(self))
    }

    /// `exp(self)`, to about two units in the last place; arguments below -87 give `exp(-87)`, above 88 `exp(88)`.
    ///
    /// Written as `2^n · exp(r)` with `|r|` at most half of ln 2, where a polynomial is enough.
    #[inline(always)]
    fn exp(self) -> Self {
        const LOG2_E: f32 = std::f32::consts::LOG2_E;
        // ln 2 in two parts, of which the first has zeros at its end, so that n times it is exact.
        const LN_2_HIGH: f32 = 0.693_359_4;
        const LN_2_LOW: f32 = -2.121_944_4e-4;
        let x = Self::splat(88.0).min(Self::splat(-87.0).max(self));
        let n = x.mul(Self::splat(LOG2_E)).round();
        let r = n.mul_add(Self::splat(-LN_2_HIGH), x);
        let r = n.mul_add(Self::splat(-LN_2_LOW), r);
        let mut series = Self::splat(1.0 / 5040.0);
        for factorial in [720.0_f32, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0] {
            series = series.mul_add(r, Self::splat(1.0 / factorial));
        }
        series.scale_by_power_of_two(n)
    }
}

/// Sixteen words of 32 bits, in as many registers as it takes.
pub(crate) trait Words: Copy {
    fn load(from: &[u32; 16]) -> Self;
    fn store(self, to: &mut [u32; 16]);
    fn add(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn shift_left<const N: i32>(self) -> Self;
    /// `BACK` is 32 − `N`.
    fn rotate_left<const N: i32, const BACK: i32>(self) -> Self;
}
