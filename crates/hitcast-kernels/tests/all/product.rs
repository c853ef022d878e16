use hitcast_kernels::product::{Finish, Product, times_vector, times_vector_back};
use hitcast_kernels::{Level, layout};
use proptest::prelude::*;

use super::{assert_close, numbers};

#[derive(Debug, Clone)]
struct Case {
    rows: usize,
    columns: usize,
    inner: usize,
    a_transposed: bool,
    b_transposed: bool,
    gaps: [usize; 3],
    values: Vec<f32>,
    bits: Vec<u8>,
}

fn cases() -> impl Strategy<Value = Case> {
    let extents = (
        1_usize..20,
        1_usize..70,
        0_usize..40,
        any::<[bool; 2]>(),
        [0_usize..9, 0_usize..9, 0_usize..9],
    );
    extents.prop_flat_map(|(rows, columns, inner, [a_transposed, b_transposed], gaps)| {
        (numbers(8000), prop::collection::vec(any::<u8>(), 400)).prop_map(move |(values, bits)| Case {
            rows,
            columns,
            inner,
            a_transposed,
            b_transposed,
            gaps,
            values,
            bits,
        })
    })
}

/// The product by plain loops, over a `c` full of sevens.
fn by_loops(product: &Product<'_>, c_stride: usize, finish: Finish<'_>) -> Vec<f64> {
    let Product {
        a,
        a_row,
        a_column,
        b,
        b_row,
        b_column,
        rows,
        columns,
        inner,
    } = *product;
    let bit = |bits: &[u8], place: usize| bits[place / 8] >> (place % 8) & 1 == 1;
    let mut c = vec![7.0_f64; rows * c_stride];
    for i in 0..rows {
        for j in 0..columns {
            let place = i * c_stride + j;
            let s: f64 = (0..inner)
                .map(|k| f64::from(a[i * a_row + k * a_column]) * f64::from(b[k * b_row + j * b_column]))
                .sum();
            let positive = |of: f32, then: f64| if of > 0.0 { then } else { 0.0 };
            c[place] = match finish {
                Finish::Store => s,
                Finish::Add => s + 7.0,
                Finish::Bias(bias) => s + f64::from(bias[j]),
                Finish::BiasRelu(bias) => (s + f64::from(bias[j])).max(0.0),
                Finish::BiasReluDropout { bias, bits, scale } if bit(bits, place) => {
                    (s + f64::from(bias[j])).max(0.0) * f64::from(scale)
                }
                Finish::BiasReluDropout { .. } => 0.0,
                Finish::WherePositive { of, scale } => positive(of[place], s * f64::from(scale)),
                Finish::Times(by) => s * f64::from(by[place]),
            };
        }
    }
    c
}

fn finishes<'a>(bias: &'a [f32], by: &'a [f32], bits: &'a [u8]) -> [Finish<'a>; 7] {
    let scale = 1.25;
    [
        Finish::Store,
        Finish::Add,
        Finish::Bias(bias),
        Finish::BiasRelu(bias),
        Finish::BiasReluDropout { bias, bits, scale },
        Finish::WherePositive { of: by, scale: 0.5 },
        Finish::Times(by),
    ]
}

proptest! {
    #[test]
    fn a_product_is_the_sum_over_its_inner_index_however_it_is_finished(case in cases()) {
        let Case { rows, columns, inner, a_transposed, b_transposed, gaps, values, bits } = case;
        let (a_row, a_column, a_length) = if a_transposed {
            (1, rows + gaps[0], inner * (rows + gaps[0]))
        } else {
            (inner + gaps[0], 1, rows * (inner + gaps[0]))
        };
        let (b_row, b_column, b_length) = if b_transposed {
            (1, inner + gaps[1], columns * (inner + gaps[1]))
        } else {
            (columns + gaps[1], 1, inner * (columns + gaps[1]))
        };
        let c_stride = (columns + gaps[2]).next_multiple_of(8);
        let (a, rest) = values.split_at(a_length);
        let (b, rest) = rest.split_at(b_length);
        let (bias, rest) = rest.split_at(columns);
        let product = Product { a, a_row, a_column, b, b_row, b_column, rows, columns, inner };
        for finish in finishes(bias, &rest[..rows * c_stride], &bits) {
            let expected = by_loops(&product, c_stride, finish);
            for level in Level::available() {
                let mut c = vec![7.0_f32; rows * c_stride];
                product.run(level, &mut c, c_stride, finish);
                assert_close(&c, &expected, 1e-4, level.name());
            }
        }
    }

    #[test]
    fn a_product_with_a_vector_goes_forth_and_back(rows in 1_usize..20, width in 1_usize..50, gap in 0_usize..9, values in numbers(4000)) {
        let stride = width + gap;
        let (a, rest) = values.split_at(rows * stride);
        let (w, rest) = rest.split_at(width);
        let (d, rest) = rest.split_at(rows);
        let by = &rest[..rows * stride];
        for level in Level::available() {
            let mut c = vec![0.0; rows];
            times_vector(level, a, stride, w, 0.25, &mut c);
            let expected: Vec<f64> = (0..rows)
                .map(|i| (0..width).map(|k| f64::from(a[i * stride + k]) * f64::from(w[k])).sum::<f64>() + 0.25)
                .collect();
            assert_close(&c, &expected, 1e-4, level.name());
            for finish in [Finish::Store, Finish::WherePositive { of: by, scale: 2.0 }, Finish::Times(by)] {
                let (mut da, mut dw) = (vec![3.0; rows * stride], vec![1.0; width]);
                times_vector_back(level, d, a, stride, w, finish, Some(&mut da), &mut dw);
                let mut expected = vec![3.0; rows * stride];
                let mut expected_dw = vec![1.0; width];
                for i in 0..rows {
                    for k in 0..width {
                        let place = i * stride + k;
                        let product = f64::from(d[i]) * f64::from(w[k]);
                        expected[place] = match finish {
                            Finish::WherePositive { of, scale } if of[place] > 0.0 => product * f64::from(scale),
                            Finish::WherePositive { .. } => 0.0,
                            Finish::Times(by) => product * f64::from(by[place]),
                            _ => product,
                        };
                        expected_dw[k] += f64::from(d[i]) * f64::from(a[place]);
                    }
                }
                assert_close(&da, &expected, 1e-5, level.name());
                assert_close(&dw, &expected_dw, 1e-4, level.name());
                let mut again = vec![1.0; width];
                times_vector_back(level, d, a, stride, w, Finish::Store, None, &mut again);
                assert_close(&again, &expected_dw, 1e-4, level.name());
            }
        }
    }
}

#[test]
fn large_products_are_the_same_and_their_rows_do_not_depend_on_one_another() {
    let values: Vec<f32> = (0..300_000_u64)
        .map(|i| (i * i * 7919 % 1009) as f32 / 504.5 - 1.0)
        .collect();
    let bits: Vec<u8> = (0..8_000_u32)
        .map(|i| u8::try_from(i * 37 % 251).unwrap())
        .collect();
    // Deeper than a panel and with more columns than a slab; transposed with more rows than a band has; with gaps on both
    // sides; and with b transposed, beside both kinds of a.
    for (a_row, a_column, rows, columns, inner, b_row, b_column) in [
        (521, 1, 33, 300, 521, 300, 1),
        (1, 520, 517, 24, 261, 300, 1),
        (3, 150, 37, 520, 259, 528, 1),
        (530, 1, 37, 300, 521, 1, 533),
        (1, 40, 39, 21, 261, 1, 261),
    ] {
        let c_stride = usize::next_multiple_of(columns, 8);
        let product = Product {
            a: &values,
            a_row,
            a_column,
            b: &values[100..],
            b_row,
            b_column,
            rows,
            columns,
            inner,
        };
        for finish in finishes(&values, &values[50..], &bits) {
            let expected = by_loops(&product, c_stride, finish);
            for level in Level::available() {
                let mut c = vec![7.0_f32; rows * c_stride];
                product.run(level, &mut c, c_stride, finish);
                assert_close(&c, &expected, 1e-3, level.name());
                if matches!(finish, Finish::Add) {
                    continue;
                }
                let few = Product { rows: 9, ..product };
                let mut of_few = vec![7.0_f32; few.rows * c_stride];
                few.run(level, &mut of_few, c_stride, finish);
                assert_eq!(of_few, c[..of_few.len()], "{finish:?} on {}", level.name());
            }
        }
    }
}

#[test]
fn how_the_right_matrix_lies_does_not_change_the_sums() {
    let values: Vec<f32> = (0..60_000_u64)
        .map(|i| (i * i % 1009) as f32 / 504.5 - 1.0)
        .collect();
    for (rows, columns, inner) in [(1, 1, 1), (5, 37, 70), (40, 100, 530)] {
        for level in Level::available() {
            let mut in_rows = vec![0.0; inner * columns];
            layout::transpose(level, &values, columns, inner, &mut in_rows, columns);
            let product = |b, b_row, b_column| {
                let product = Product {
                    a: &values,
                    a_row: inner,
                    a_column: 1,
                    b,
                    b_row,
                    b_column,
                    rows,
                    columns,
                    inner,
                };
                let mut c = vec![0.0; rows * columns];
                product.run(level, &mut c, columns, Finish::Bias(&values));
                c
            };
            let expected = product(&in_rows, columns, 1);
            assert_eq!(product(&values, 1, inner), expected, "{}", level.name());
        }
    }
}

#[test]
fn not_a_number_is_seen_behind_a_bias() {
    for level in Level::available() {
        for finish in [Finish::Bias(&[1.0; 3]), Finish::BiasRelu(&[1.0; 3])] {
            let mut c = [0.0; 3];
            let product = Product {
                a: &[f32::NAN],
                a_row: 1,
                a_column: 1,
                b: &[1.0; 3],
                b_row: 3,
                b_column: 1,
                rows: 1,
                columns: 3,
                inner: 1,
            };
            product.run(level, &mut c, 3, finish);
            assert!(
                c.iter().all(|v| v.is_nan()),
                "{finish:?} on {}: {c:?}",
                level.name()
            );
        }
    }
}

#[test]
#[should_panic(expected = "too short")]
fn a_stride_beyond_what_can_be_counted_is_refused() {
    let product = Product {
        a: &[1.0, 1.0],
        a_row: 1,
        a_column: 1,
        b: &[1.0],
        b_row: 1,
        b_column: 1,
        rows: 2,
        columns: 1,
        inner: 1,
    };
    product.run(Level::portable(), &mut [], usize::MAX, Finish::Store);
}

#[test]
fn products_over_nothing_are_zero_or_nothing() {
    for level in Level::available() {
        for (rows, columns) in [(2, 3), (0, 3), (2, 0)] {
            let mut c = [7.0; 6];
            let product = Product {
                a: &[],
                a_row: 5,
                a_column: 1,
                b: &[],
                b_row: 3,
                b_column: 1,
                rows,
                columns,
                inner: 0,
            };
            product.run(level, &mut c, 3, Finish::Store);
            let written = rows * columns;
            assert_eq!(
                c.iter().filter(|v| **v == 0.0).count(),
                written,
                "{}",
                level.name()
            );
        }
    }
}

#[test]
#[should_panic(expected = "b is too short")]
fn a_matrix_that_is_too_short_is_not_read() {
    let (a, b) = ([1.0; 4], [1.0; 3]);
    let product = Product {
        a: &a,
        a_row: 2,
        a_column: 1,
        b: &b,
        b_row: 2,
        b_column: 1,
        rows: 2,
        columns: 2,
        inner: 2,
    };
    product.run(Level::best(), &mut [0.0; 4], 2, Finish::Store);
}
