//! The matrix products of training, hitcast's own beside those of the crates `gemm` and `matrixmultiply` and of libtorch,
//! on one thread:
//!
//! ```text
//! cargo bench -p hitcast-benches --bench product [-- ROWS...]
//! ```
//!
//! Prints billions of floating-point operations a second, by the shortest of many windows taken in turn, and the best of
//! the others divided by ours. Ours forward has the transposing of the weights in it, as a step of so many rows does; large
//! ones are transposed where the product copies them, once for 128 rows.

use std::hint::black_box;
use std::time::{Duration, Instant};

use hitcast::torch::tch::{self, Kind, Tensor};
use hitcast_kernels::product::{Finish, Product, is_large};
use hitcast_kernels::{Buffer, Level, layout, padded};

/// Inputs and units: the layers of the four networks, and wider ones.
const LAYERS: [(usize, usize); 9] = [
    (10, 64),
    (10, 128),
    (64, 32),
    (128, 64),
    (137, 256),
    (256, 128),
    (512, 512),
    (1024, 1024),
    (2048, 2048),
];

/// Rows of a step; without batch norm, 128 are the most that the plan takes at once.
const ROWS: [usize; 5] = [64, 128, 256, 1024, 4096];

/// A matrix as it lies in memory.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    fn row_major(values: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert!(stride >= columns && values.len() >= rows * stride);
        Self {
            values,
            rows,
            columns,
            row_stride: stride,
            column_stride: 1,
        }
    }

    fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    fn tensor(self) -> Tensor {
        let size = [self.rows as i64, self.columns as i64];
        let strides = [self.row_stride as i64, self.column_stride as i64];
        Tensor::from_slice(self.values).as_strided(size, strides, 0)
    }
}

/// A product as the plan runs it.
type Ours<'a> = Box<dyn FnMut(&mut [f32]) + 'a>;

/// One of the three products of a linear layer: `c = a · b`, or `c += a · b`.
struct Case<'a> {
    name: &'static str,
    a: Matrix<'a>,
    b: Matrix<'a>,
    add: bool,
}

fn by_gemm(case: &Case<'_>, c: &mut [f32]) {
    let (m, k, n) = (case.a.rows, case.a.columns, case.b.columns);
    assert!(case.b.rows == k && c.len() >= m * n);
    let strides = |matrix: Matrix<'_>| (matrix.column_stride as isize, matrix.row_stride as isize);
    let ((a_columns, a_rows), (b_columns, b_rows)) = (strides(case.a), strides(case.b));
    // SAFETY: `Matrix` has checked that its values reach over its extents, and `c` holds m rows of n, as asked above.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            case.add,
            case.a.values.as_ptr(),
            a_columns,
            a_rows,
            case.b.values.as_ptr(),
            b_columns,
            b_rows,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

fn by_matrixmultiply(case: &Case<'_>, c: &mut [f32]) {
    let (m, k, n) = (case.a.rows, case.a.columns, case.b.columns);
    assert!(case.b.rows == k && c.len() >= m * n);
    // SAFETY: as above.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            case.a.values.as_ptr(),
            case.a.row_stride as isize,
            case.a.column_stride as isize,
            case.b.values.as_ptr(),
            case.b.row_stride as isize,
            case.b.column_stride as isize,
            if case.add { 1.0 } else { 0.0 },
            c.as_mut_ptr(),
            n as isize,
            1,
        );
    }
}

/// Seconds that each of these takes: the shortest window, each taking its turn.
fn seconds(sides: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    const WINDOW: Duration = Duration::from_micros(500);
    let mut times = vec![f64::INFINITY; sides.len()];
    let mut counts = vec![1_u32; sides.len()];
    let begin = Instant::now();
    let mut turn = 0;
    while turn < 8 || begin.elapsed() < Duration::from_millis(120) {
        for ((side, best), count) in sides.iter_mut().zip(&mut times).zip(&mut counts) {
            let start = Instant::now();
            for _ in 0..*count {
                side();
            }
            let elapsed = start.elapsed();
            *best = best.min(elapsed.as_secs_f64() / f64::from(*count));
            if elapsed < WINDOW / 2 {
                *count *= 2;
            }
        }
        turn += 1;
    }
    times
}

fn numbers(n: usize) -> Buffer {
    let mut buffer = Buffer::zeros(n);
    for (i, value) in buffer.iter_mut().enumerate() {
        *value = ((i * 37 + 11) % 97) as f32 / 97.0 - 0.5;
    }
    buffer
}

fn layer(rows: usize, inputs: usize, units: usize) {
    let level = Level::best();
    let (x_stride, d_stride) = (padded(inputs), padded(units));
    let (x, d, w) = (
        numbers(rows * x_stride),
        numbers(rows * d_stride),
        numbers(units * inputs),
    );
    let x = Matrix::row_major(&x, rows, inputs, x_stride);
    let d = Matrix::row_major(&d, rows, units, d_stride);
    let w = Matrix::row_major(&w, units, inputs, inputs);
    let mut turned = Buffer::zeros(inputs * d_stride);
    let run = move |a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32], c_stride, finish| {
        Product {
            a: a.values,
            a_row: a.row_stride,
            a_column: a.column_stride,
            b: b.values,
            b_row: b.row_stride,
            b_column: b.column_stride,
            rows: a.rows,
            columns: b.columns,
            inner: a.columns,
        }
        .run(level, c, c_stride, finish);
    };
    let cases: [(Case<'_>, Ours<'_>); 3] = [
        (
            Case {
                name: "forward",
                a: x,
                b: w.transposed(),
                add: false,
            },
            Box::new(move |c| {
                if is_large(inputs, d_stride) {
                    return run(x, w.transposed(), c, d_stride, Finish::Store);
                }
                layout::transpose(level, w.values, units, inputs, &mut turned, d_stride);
                let b = Matrix::row_major(&turned, inputs, units, d_stride);
                run(x, b, c, d_stride, Finish::Store);
            }),
        ),
        (
            Case {
                name: "of weights",
                a: d.transposed(),
                b: x,
                add: true,
            },
            Box::new(move |c| run(d.transposed(), x, c, inputs, Finish::Add)),
        ),
        (
            Case {
                name: "of inputs",
                a: d,
                b: w,
                add: false,
            },
            Box::new(move |c| run(d, w, c, x_stride, Finish::Store)),
        ),
    ];
    for (case, mut ours) in cases {
        let (m, n) = (case.a.rows, case.b.columns);
        let mut c_ours = numbers(m * padded(n));
        let (mut c_gemm, mut c_matrixmultiply) = (numbers(m * n), numbers(m * n));
        let (a, b) = (case.a.tensor(), case.b.tensor());
        let mut c_libtorch = Tensor::zeros([m as i64, n as i64], (Kind::Float, tch::Device::Cpu));
        let times = seconds(&mut [
            &mut || ours(black_box(&mut c_ours)),
            &mut || by_gemm(&case, black_box(&mut c_gemm)),
            &mut || by_matrixmultiply(&case, black_box(&mut c_matrixmultiply)),
            &mut || {
                let _ = if case.add {
                    c_libtorch.addmm_(&a, &b)
                } else {
                    a.mm_out(&c_libtorch, &b)
                };
            },
        ]);
        let operations = 2.0 * (m * n * case.a.columns) as f64;
        let rates: Vec<f64> = times.iter().map(|seconds| operations / seconds / 1e9).collect();
        let best = rates.iter().skip(1).copied().fold(0.0, f64::max);
        print!("{rows:>5}  {:<10} {:<11}", format!("{inputs}-{units}"), case.name);
        for rate in &rates {
            print!("{rate:>9.1}");
        }
        println!("{:>9.2}", best / rates[0]);
    }
}

fn main() {
    tch::set_num_threads(1);
    let asked: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let rows = if asked.is_empty() { &ROWS[..] } else { &asked };
    println!("{}, GFLOP/s", Level::best().name());
    println!(
        " rows  {:<10} {:<11}{:>9}{:>9}{:>9}{:>9}{:>9}",
        "layer", "product", "hitcast", "gemm", "matrixm.", "libtorch", "best/ours"
    );
    for (inputs, units) in LAYERS {
        for &rows in rows {
            layer(rows, inputs, units);
        }
    }
}
