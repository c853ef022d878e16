//! Eight numbers at a time, with AVX2 and FMA.
//!
//! SAFETY, of every block here that does not say otherwise: the instructions are there, because this type is used only
//! below [`Level::run`](crate::Level), which has asked the processor for AVX2 and FMA.

use std::arch::x86_64::{
    __m256, __m256i, _CMP_GT_OQ, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps, _mm_shuffle_ps,
    _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps, _mm256_and_si256, _mm256_blendv_ps,
    _mm256_castps256_ps128, _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cmpeq_epi32, _mm256_cmpgt_epi32,
    _mm256_cvtps_epi32, _mm256_div_ps, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps,
    _mm256_or_si256, _mm256_permute2f128_ps, _mm256_round_ps, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_setr_epi32, _mm256_setzero_ps, _mm256_shuffle_ps, _mm256_slli_epi32, _mm256_sqrt_ps,
    _mm256_srli_epi32, _mm256_storeu_ps, _mm256_storeu_si256, _mm256_sub_ps, _mm256_unpackhi_ps,
    _mm256_unpacklo_ps, _mm256_xor_si256,
};

use super::{Vector, Words};

#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256);

/// All ones in the first `n` lanes.
#[inline(always)]
fn first(n: usize) -> __m256i {
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
    let n = n as i32;
    // SAFETY: see above.
    unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
}

impl Vector for Avx2 {
    const LANES: usize = 8;
    const TILE_ROWS: usize = 6;
    type Words = Avx2Words;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load_from(from: *const f32) -> Self {
        // SAFETY: see above; the caller vouches for the numbers.
        Self(unsafe { _mm256_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn load_first_from(from: *const f32, n: usize) -> Self {
        // SAFETY: see above; the caller vouches for `n` numbers, and lanes that the mask leaves out are not touched.
        Self(unsafe { _mm256_maskload_ps(from, first(n)) })
    }

    #[inline(always)]
    unsafe fn store_to(self, to: *mut f32) {
        // SAFETY: see above; the caller vouches for the numbers.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn store_first_to(self, to: *mut f32, n: usize) {
        // SAFETY: see above; the caller vouches for `n` numbers, and lanes that the mask leaves out are not touched.
        unsafe { _mm256_maskstore_ps(to, first(n), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, summand: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, summand.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: see above; the caller vouches for eight rows of eight numbers on both sides.
        unsafe {
            // Half l of fours[4 g + j] holds column 4 l + j of the rows 4 g to 4 g + 3.
            let mut fours = [_mm256_setzero_ps(); 8];
            for g in 0..2 {
                let first = from.add(4 * g * from_stride);
                let (a, b) = (_mm256_loadu_ps(first), _mm256_loadu_ps(first.add(from_stride)));
                let (c, d) = (
                    _mm256_loadu_ps(first.add(2 * from_stride)),
                    _mm256_loadu_ps(first.add(3 * from_stride)),
                );
                let (low_ab, high_ab) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                let (low_cd, high_cd) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
                fours[4 * g] = _mm256_shuffle_ps::<0x44>(low_ab, low_cd);
                fours[4 * g + 1] = _mm256_shuffle_ps::<0xee>(low_ab, low_cd);
                fours[4 * g + 2] = _mm256_shuffle_ps::<0x44>(high_ab, high_cd);
                fours[4 * g + 3] = _mm256_shuffle_ps::<0xee>(high_ab, high_cd);
            }
            for j in 0..4 {
                let (a, b) = (fours[j], fours[4 + j]);
                _mm256_storeu_ps(to.add(j * to_stride), _mm256_permute2f128_ps::<0x20>(a, b));
                _mm256_storeu_ps(to.add((4 + j) * to_stride), _mm256_permute2f128_ps::<0x31>(a, b));
            }
        }
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_round_ps::<0x08>(self.0) })
    }

    #[inline(always)]
    fn where_positive(self, condition: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            _mm256_and_ps(
                self.0,
                _mm256_cmp_ps::<_CMP_GT_OQ>(condition.0, _mm256_setzero_ps()),
            )
        })
    }

    #[inline(always)]
    fn select_positive(self, condition: Self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            let mask = _mm256_cmp_ps::<_CMP_GT_OQ>(condition.0, _mm256_setzero_ps());
            _mm256_blendv_ps(other.0, self.0, mask)
        })
    }

    #[inline(always)]
    fn keep(self, bits: u32) -> Self {
        #[allow(clippy::cast_possible_wrap)]
        let bits = bits as i32;
        // SAFETY: see above.
        Self(unsafe {
            let lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let mask = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(bits), lane), lane);
            _mm256_and_ps(self.0, _mm256_castsi256_ps(mask))
        })
    }

    #[inline(always)]
    fn scale_by_power_of_two(self, n: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n.0), _mm256_set1_epi32(127));
            _mm256_mul_ps(self.0, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        })
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: see above.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Avx2Words(__m256i, __m256i);

impl Words for Avx2Words {
    #[inline(always)]
    fn load(from: &[u32; 16]) -> Self {
        let (low, high) = from.split_at(8);
        // SAFETY: see above; each half holds the eight words that are read.
        unsafe {
            Self(
                _mm256_loadu_si256(low.as_ptr().cast()),
                _mm256_loadu_si256(high.as_ptr().cast()),
            )
        }
    }

    #[inline(always)]
    fn store(self, to: &mut [u32; 16]) {
        let (low, high) = to.split_at_mut(8);
        // SAFETY: see above; each half holds the eight words that are written.
        unsafe {
            _mm256_storeu_si256(low.as_mut_ptr().cast(), self.0);
            _mm256_storeu_si256(high.as_mut_ptr().cast(), self.1);
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe {
            Self(
                _mm256_add_epi32(self.0, other.0),
                _mm256_add_epi32(self.1, other.1),
            )
        }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe {
            Self(
                _mm256_xor_si256(self.0, other.0),
                _mm256_xor_si256(self.1, other.1),
            )
        }
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe {
            Self(
                _mm256_and_si256(self.0, other.0),
                _mm256_and_si256(self.1, other.1),
            )
        }
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_or_si256(self.0, other.0), _mm256_or_si256(self.1, other.1)) }
    }

    #[inline(always)]
    fn shift_left<const N: i32>(self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_slli_epi32::<N>(self.0), _mm256_slli_epi32::<N>(self.1)) }
    }

    #[inline(always)]
    fn rotate_left<const N: i32, const BACK: i32>(self) -> Self {
        // SAFETY: see above.
        let back = unsafe {
            Self(
                _mm256_srli_epi32::<BACK>(self.0),
                _mm256_srli_epi32::<BACK>(self.1),
            )
        };
        self.shift_left::<N>().or(back)
    }
}
