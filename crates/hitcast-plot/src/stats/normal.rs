//! Quantiles of the normal distribution and of Student's.

use std::f64::consts::FRAC_2_PI;

use super::float;

/// The value below which the standard normal distribution has `share` (Acklam's approximation, relative error below
/// 1.2e-9).
pub(crate) fn normal_quantile(share: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    const TAIL: f64 = 0.024_25;
    if share > 1.0 - TAIL {
        return -normal_quantile(1.0 - share);
    }
    if share < TAIL {
        let q = (-2.0 * share.ln()).sqrt();
        return polynomial(&C, q) / polynomial(&D, q);
    }
    let q = share - 0.5;
    q * polynomial(&A, q * q) / polynomial(&B, q * q)
}

fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| sum * x + c)
}

/// How far from 0 the middle `share` of Student's distribution with `degrees` of freedom reaches.
pub(crate) fn student_half_width(share: f64, degrees: usize) -> f64 {
    if degrees > 400 {
        // Cornish and Fisher's expansion to 1/n^2, here exact to 1e-6.
        let (z, n) = (normal_quantile(0.5 + share / 2.0), float(degrees));
        let first = (z.powi(3) + z) / 4.0;
        let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
        return z + first / n + second / (n * n);
    }
    let (mut low, mut high) = (0.0_f64, std::f64::consts::FRAC_PI_2);
    for _ in 0..60 {
        let angle = low.midpoint(high);
        if student_share(angle, degrees) < share {
            low = angle;
        } else {
            high = angle;
        }
    }
    low.tan() * float(degrees).sqrt()
}

/// The share between plus and minus `tan(angle) * sqrt(degrees)` (Abramowitz and Stegun 26.7.3 and 26.7.4).
fn student_share(angle: f64, degrees: usize) -> f64 {
    let (sin, cos) = angle.sin_cos();
    if degrees % 2 == 1 {
        let (mut term, mut sum, mut k) = (cos, 0.0, 3);
        while k <= degrees {
            sum += term;
            term *= cos * cos * float(k - 1) / float(k);
            k += 2;
        }
        FRAC_2_PI * (angle + sin * sum)
    } else {
        let (mut term, mut sum, mut k) = (1.0, 0.0, 2);
        while k <= degrees {
            sum += term;
            term *= cos * cos * float(k - 1) / float(k);
            k += 2;
        }
        sin * sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_agree_with_the_printed_tables() {
        // The tables at the end of most textbooks; also scipy.stats.norm.ppf and t.ppf.
        for (share, z) in [(0.5, 0.0), (0.975, 1.959_963_985), (0.001, -3.090_232_306)] {
            assert!((normal_quantile(share) - z).abs() < 1e-8);
        }
        let table = [
            (1, 12.706_204_74),
            (2, 4.302_652_73),
            (3, 3.182_446_31),
            (10, 2.228_138_85),
            (30, 2.042_272_46),
            (401, 1.965_892_71),
        ];
        for (degrees, t) in table {
            let got = student_half_width(0.95, degrees);
            assert!((got - t).abs() < 1e-5, "{degrees}: {got}");
        }
    }
}
