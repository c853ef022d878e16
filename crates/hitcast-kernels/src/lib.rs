//! The inner loops of training small networks on one core.
//!
//! Everything works on plain slices of `f32`, single-threaded, and is vectorised for the processor that is there, found
//! once at run time ([`Level`]): no build flag is needed for its full speed. Matrices are row-major with a *stride*, the
//! distance between the starts of neighbouring rows, at least their number of columns; what lies between the columns and
//! the stride may hold anything unless said otherwise.
//!
//! - [`product`]: matrix products whose results pass through a bias, ReLU, dropout or a derivative before they are stored
//! - [`pointwise`]: activations with their derivatives
//! - [`norm`]: batch normalisation and its gradient
//! - [`mask`]: random bits for dropout
//! - [`optimizer`]: SGD and Adam over flat buffers
//! - [`reduce`]: sums over columns and of squares
//! - [`similarity`]: kernel functions of one point and many
//! - [`pairs`]: the passes of sequential minimal optimisation
//! - [`buffer`]: numbers that begin on a cache line
//! - [`layout`]: transposed copies and rows gathered by index
//! - [`denormals`]: numbers too small to be worth their time
//!
//! ```
//! use hitcast_kernels::{Level, product::{Finish, Product}};
//!
//! let (a, b) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]);
//! let mut c = [0.0; 4];
//! Product { a: &a, a_row: 2, a_column: 1, b: &b, b_row: 2, b_column: 1, rows: 2, columns: 2, inner: 2 }
//!     .run(Level::best(), &mut c, 2, Finish::Store);
//! assert_eq!(c, [19.0, 22.0, 43.0, 50.0]);
//! ```

pub mod buffer;
pub mod denormals;
pub mod layout;
mod level;
pub mod mask;
pub mod norm;
pub mod optimizer;
pub mod pairs;
pub mod pointwise;
pub mod product;
pub mod reduce;
mod simd;
pub mod similarity;

pub use buffer::Buffer;
pub use level::Level;

/// Widths of buffers are rounded up to a multiple of this, so that a row consists of whole vectors.
pub const WIDTH: usize = 16;

/// `n` rounded up to a multiple of [`WIDTH`].
pub const fn padded(n: usize) -> usize {
    n.div_ceil(WIDTH) * WIDTH
}
