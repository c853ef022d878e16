//! Copies in another order.

/// Writes the transpose of a row-major `rows × columns` matrix (without gaps) to `to`, row-major with this stride.
///
/// # Panics
/// If a slice is too short.
pub fn transpose(from: &[f32], rows: usize, columns: usize, to: &mut [f32], stride: usize) {
    const BLOCK: usize = 16;
    assert!(stride >= rows && from.len() >= rows * columns && to.len() >= columns * stride);
    for first in (0..rows).step_by(BLOCK) {
        let height = BLOCK.min(rows - first);
        let block = &from[first * columns..][..height * columns];
        if height == BLOCK {
            // Slices of one length, so that nothing is checked within the loop.
            let lines: [&[f32]; BLOCK] = std::array::from_fn(|line| &block[line * columns..][..columns]);
            for column in 0..columns {
                let values: [f32; BLOCK] = std::array::from_fn(|line| lines[line][column]);
                to[column * stride + first..][..BLOCK].copy_from_slice(&values);
            }
        } else {
            for (line, values) in block.chunks_exact(columns).enumerate() {
                for (column, &value) in values.iter().enumerate() {
                    to[column * stride + first + line] = value;
                }
            }
        }
    }
}

/// Copies rows of a row-major matrix with this stride to `to`, with the same stride, in the order of their numbers.
///
/// # Panics
/// If `to` is too short or a row is not there.
pub fn gather(from: &[f32], stride: usize, rows: &[u32], to: &mut [f32]) {
    assert!(to.len() >= rows.len() * stride);
    if stride == crate::WIDTH {
        // The usual case of few features: a row has a length that is known here.
        let (from, _) = from.as_chunks::<{ crate::WIDTH }>();
        let (to, _) = to.as_chunks_mut::<{ crate::WIDTH }>();
        for (to, &row) in to.iter_mut().zip(rows) {
            *to = from[row as usize];
        }
        return;
    }
    for (to, &row) in to.chunks_exact_mut(stride).zip(rows) {
        to.copy_from_slice(&from[row as usize * stride..][..stride]);
    }
}
