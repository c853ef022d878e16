use hitcast_kernels::{Level, layout, reduce};
use proptest::prelude::*;

use super::{assert_close, numbers};

proptest! {
    #[test]
    fn sums_are_those_of_plain_loops(rows in 0_usize..20, width in 1_usize..70, gap in 0_usize..9, values in numbers(20 * 79)) {
        let stride = width + gap;
        let matrix = &values[..rows * stride];
        let expected: Vec<f64> = (0..width)
            .map(|j| 1.0 + (0..rows).map(|i| f64::from(matrix[i * stride + j])).sum::<f64>())
            .collect();
        let squares: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
        for level in Level::available() {
            let mut sums = vec![1.0; width];
            reduce::add_column_sums(level, matrix, stride, &mut sums);
            assert_close(&sums, &expected, 1e-5, level.name());
            prop_assert!((reduce::sum_of_squares(level, &values) / squares - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn a_transpose_and_gathered_rows_are_where_they_belong(rows in 1_usize..40, columns in 1_usize..40, gap in 0_usize..5, values in numbers(1600)) {
        let (from, stride) = (&values[..rows * columns], rows + gap);
        for level in Level::available() {
            let mut to = vec![-9.0; columns * stride];
            layout::transpose(level, from, rows, columns, &mut to, stride);
            for (place, &to) in to.iter().enumerate() {
                let (j, i) = (place / stride, place % stride);
                prop_assert_eq!(to, if i < rows { from[i * columns + j] } else { -9.0 });
            }
        }
        let order: Vec<u32> = (0..rows as u32).rev().chain([0]).collect();
        for stride in [columns, 16] {
            let n = from.len() / stride;
            let order: Vec<u32> = order.iter().copied().filter(|&row| (row as usize) < n).collect();
            let mut gathered = vec![0.0; order.len() * stride];
            layout::gather(&from[..n * stride], stride, &order, &mut gathered);
            for (got, &row) in gathered.chunks_exact(stride).zip(&order) {
                prop_assert_eq!(got, &from[row as usize * stride..][..stride]);
            }
        }
    }
}

#[test]
fn a_large_transpose_is_where_it_belongs() {
    let (rows, columns, stride) = (1_100, 37, 1_104);
    let from: Vec<f32> = (0..rows * columns).map(|place| place as f32).collect();
    for level in Level::available() {
        let mut to = vec![-9.0; columns * stride];
        layout::transpose(level, &from, rows, columns, &mut to, stride);
        for (place, &to) in to.iter().enumerate() {
            let (j, i) = (place / stride, place % stride);
            assert_eq!(to, if i < rows { from[i * columns + j] } else { -9.0 });
        }
    }
}
