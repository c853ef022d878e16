//! Sixteen numbers at a time, with AVX-512 (F, BW, DQ and VL).
//!
//! SAFETY, of every block here that does not say otherwise: the instructions are there, because this type is used only
//! below [`Level::run`](crate::Level), which has asked the processor for them.

use std::arch::x86_64::{
    __m512, __m512i, __mmask16, _CMP_GT_OQ, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512,
    _mm512_cmp_ps_mask, _mm512_div_ps, _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mask_blend_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
    _mm512_maskz_mov_ps, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_or_si512, _mm512_rcp14_ps,
    _mm512_reduce_add_ps, _mm512_rol_epi32, _mm512_roundscale_ps, _mm512_rsqrt14_ps, _mm512_scalef_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_sllv_epi32, _mm512_sqrt_ps,
    _mm512_storeu_ps, _mm512_storeu_si512, _mm512_sub_ps, _mm512_xor_si512,
};

use super::{Vector, Words};

#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

/// The first `n` lanes.
#[inline(always)]
fn first(n: usize) -> __mmask16 {
    #[allow(clippy::cast_possible_truncation)]
    let mask = ((1_u32 << n) - 1) as u16;
    mask
}

impl Vector for Avx512 {
    const LANES: usize = 16;
    const TILE_ROWS: usize = 8;
    type Words = Avx512Words;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load_from(from: *const f32) -> Self {
        // SAFETY: see above; the caller vouches for the numbers.
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn load_first_from(from: *const f32, n: usize) -> Self {
        // SAFETY: see above; the caller vouches for `n` numbers, and lanes that the mask leaves out are not touched.
        Self(unsafe { _mm512_maskz_loadu_ps(first(n), from) })
    }

    #[inline(always)]
    unsafe fn store_to(self, to: *mut f32) {
        // SAFETY: see above; the caller vouches for the numbers.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn store_first_to(self, to: *mut f32, n: usize) {
        // SAFETY: see above; the caller vouches for `n` numbers, and lanes that the mask leaves out are not touched.
        unsafe { _mm512_mask_storeu_ps(to, first(n), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, summand: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, summand.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_roundscale_ps::<0x08>(self.0) })
    }

    #[inline(always)]
    fn where_positive(self, condition: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(condition.0, _mm512_setzero_ps());
            _mm512_maskz_mov_ps(mask, self.0)
        })
    }

    #[inline(always)]
    fn select_positive(self, condition: Self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(condition.0, _mm512_setzero_ps());
            _mm512_mask_blend_ps(mask, other.0, self.0)
        })
    }

    #[inline(always)]
    fn keep(self, bits: u32) -> Self {
        #[allow(clippy::cast_possible_truncation)]
        let bits = bits as u16;
        // SAFETY: see above.
        Self(unsafe { _mm512_maskz_mov_ps(bits, self.0) })
    }

    #[inline(always)]
    fn scale_by_power_of_two(self, n: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_scalef_ps(self.0, n.0) })
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: see above.
        unsafe { _mm512_reduce_add_ps(self.0) }
    }

    // The divider takes 16 to 24 cycles for a vector; an estimate of 14 bits and one step of Newton's method take four.
    #[inline(always)]
    fn root(self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            let estimate = _mm512_rsqrt14_ps(self.0);
            let root = _mm512_mul_ps(self.0, estimate);
            let half = _mm512_mul_ps(estimate, _mm512_set1_ps(0.5));
            let error = _mm512_fnmadd_ps(root, root, self.0);
            _mm512_fmadd_ps(error, half, root)
        })
    }

    #[inline(always)]
    fn reciprocal(self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            let estimate = _mm512_rcp14_ps(self.0);
            let error = _mm512_fnmadd_ps(self.0, estimate, _mm512_set1_ps(1.0));
            _mm512_fmadd_ps(error, estimate, estimate)
        })
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Avx512Words(__m512i);

impl Words for Avx512Words {
    #[inline(always)]
    fn load(from: &[u32; 16]) -> Self {
        // SAFETY: see above; the array holds the sixteen words that are read.
        Self(unsafe { _mm512_loadu_si512(from.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [u32; 16]) {
        // SAFETY: see above; the array holds the sixteen words that are written.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_and_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_or_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn shift_left<const N: i32>(self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_sllv_epi32(self.0, _mm512_set1_epi32(N))) }
    }

    #[inline(always)]
    fn rotate_left<const N: i32, const BACK: i32>(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_rol_epi32::<N>(self.0) })
    }
}
