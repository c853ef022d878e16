//! Sixteen numbers at a time, with AVX-512 (F, BW, DQ and VL).
//!
//! SAFETY, of every block here that does not say otherwise: the instructions are there, because this type is used only
//! below [`Level::run`](crate::Level), which has asked the processor for them.

use std::arch::x86_64::{
    __m512, __m512i, __mmask16, _CMP_GT_OQ, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512,
    _mm512_castpd_ps, _mm512_castps_pd, _mm512_cmp_ps_mask, _mm512_div_ps, _mm512_fmadd_ps, _mm512_fnmadd_ps,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_blend_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
    _mm512_maskz_mov_ps, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_or_si512, _mm512_rcp14_ps,
    _mm512_reduce_add_ps, _mm512_rol_epi32, _mm512_roundscale_ps, _mm512_rsqrt14_ps, _mm512_scalef_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4, _mm512_sllv_epi32,
    _mm512_sqrt_ps, _mm512_storeu_ps, _mm512_storeu_si512, _mm512_sub_ps, _mm512_unpackhi_pd,
    _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps, _mm512_xor_si512,
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

    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        const EVEN: i32 = 0b10_00_10_00;
        const ODD: i32 = 0b11_01_11_01;
        // SAFETY: see above; the caller vouches for sixteen rows of sixteen numbers on both sides.
        unsafe {
            // Four rows by four columns in each quarter of a vector: the quarter l of fours[4 g + j] holds column 4 l + j of the
            // rows from 4 g on.
            let mut fours = [_mm512_setzero_ps(); 16];
            for g in 0..4 {
                let first = from.add(4 * g * from_stride);
                let (a, b) = (_mm512_loadu_ps(first), _mm512_loadu_ps(first.add(from_stride)));
                let (c, d) = (
                    _mm512_loadu_ps(first.add(2 * from_stride)),
                    _mm512_loadu_ps(first.add(3 * from_stride)),
                );
                let low = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
                let high = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
                let low = (_mm512_castps_pd(low.0), _mm512_castps_pd(low.1));
                let high = (_mm512_castps_pd(high.0), _mm512_castps_pd(high.1));
                fours[4 * g] = _mm512_castpd_ps(_mm512_unpacklo_pd(low.0, low.1));
                fours[4 * g + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low.0, low.1));
                fours[4 * g + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high.0, high.1));
                fours[4 * g + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high.0, high.1));
            }
            // Then the quarters.
            for j in 0..4 {
                let (a, b, c, d) = (fours[j], fours[4 + j], fours[8 + j], fours[12 + j]);
                let (even_ab, odd_ab) = (_mm512_shuffle_f32x4(a, b, EVEN), _mm512_shuffle_f32x4(a, b, ODD));
                let (even_cd, odd_cd) = (_mm512_shuffle_f32x4(c, d, EVEN), _mm512_shuffle_f32x4(c, d, ODD));
                for (l, columns) in [
                    (0, _mm512_shuffle_f32x4(even_ab, even_cd, EVEN)),
                    (1, _mm512_shuffle_f32x4(odd_ab, odd_cd, EVEN)),
                    (2, _mm512_shuffle_f32x4(even_ab, even_cd, ODD)),
                    (3, _mm512_shuffle_f32x4(odd_ab, odd_cd, ODD)),
                ] {
                    _mm512_storeu_ps(to.add((4 * l + j) * to_stride), columns);
                }
            }
        }
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
