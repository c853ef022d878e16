use hitcast_kernels::Level;
use hitcast_kernels::norm::{Columns, backward, forward};
use proptest::prelude::*;

use super::{assert_close, numbers};

proptest! {
    #[test]
    fn a_batch_is_normalised_and_its_gradient_is_that_of_small_differences(
        rows in 2_usize..30,
        width in 1_usize..40,
        gap in 0_usize..9,
        values in numbers(30 * 49 * 2 + 80),
    ) {
        let stride = width + gap;
        let (x, rest) = values.split_at(rows * stride);
        let (g, rest) = rest.split_at(rows * stride);
        let (weight, rest) = rest.split_at(width);
        let bias = &rest[..width];
        let epsilon = 1e-2_f64;
        // In f64: mean and variance of a column, and the gradient by its definition as a Jacobian.
        let column = |m: &[f32], j: usize| -> Vec<f64> { (0..rows).map(|i| f64::from(m[i * stride + j])).collect() };
        let n = rows as f64;
        for level in Level::available() {
            let (mut y, mut normalised, mut dx) = (x.to_vec(), vec![0.0; x.len()], g.to_vec());
            let [mut mean, mut variance, mut inverse, mut dw, mut db] = [0.5; 5].map(|start| vec![start; width]);
            let columns = Columns {
                weight,
                bias,
                mean: &mut mean,
                variance: &mut variance,
                inverse: &mut inverse,
                epsilon: epsilon as f32,
            };
            forward(level, &mut y, stride, &mut normalised, columns);
            backward(level, &mut dx, stride, &normalised, weight, &inverse, &mut dw, &mut db);
            for j in 0..width {
                let (x, g) = (column(x, j), column(g, j));
                let average = x.iter().sum::<f64>() / n;
                let spread = x.iter().map(|x| (x - average).powi(2)).sum::<f64>() / n;
                let scale = 1.0 / (spread + epsilon).sqrt();
                let hat: Vec<f64> = x.iter().map(|x| (x - average) * scale).collect();
                let w = f64::from(weight[j]);
                for i in 0..rows {
                    let jacobian = |k: usize| (if i == k { 1.0 } else { 0.0 } - 1.0 / n - hat[i] * hat[k] / n) * scale * w;
                    let expected: f64 = (0..rows).map(|k| g[k] * jacobian(k)).sum();
                    let place = i * stride + j;
                    assert_close(&[y[place]], &[hat[i] * w + f64::from(bias[j])], 1e-4, level.name());
                    assert_close(&[dx[place]], &[expected], 5e-4, level.name());
                }
                let of_weight: f64 = g.iter().zip(&hat).map(|(g, hat)| g * hat).sum();
                assert_close(&[mean[j], variance[j]], &[average, spread], 1e-5, level.name());
                assert_close(&[dw[j], db[j]], &[0.5 + of_weight, 0.5 + g.iter().sum::<f64>()], 1e-4, level.name());
            }
        }
    }
}

#[test]
fn running_statistics_scale_and_shift_each_column() {
    for level in Level::available() {
        let mut values: Vec<f32> = (0..60).map(|n| n as f32).collect();
        let (scale, shift) = ([2.0_f32; 19], [1.0_f32; 19]);
        hitcast_kernels::norm::evaluate(level, &mut values, 20, &scale, &shift);
        for (n, value) in values.iter().enumerate() {
            let expected = if n % 20 < 19 {
                n as f32 * 2.0 + 1.0
            } else {
                n as f32
            };
            assert_eq!(*value, expected, "{n} on {}", level.name());
        }
    }
}
