//! Pixels as a PNG file (ISO/IEC 15948): 8-bit red, green and blue, each row filtered by whichever of two filters leaves
//! the smaller bytes.

use std::io::{self, Write};

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// Bytes of a pixel.
const PIXEL: usize = 3;

/// The file of `rgb` (`width * height * 3` bytes, row by row).
pub(crate) fn encode(rgb: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::with_capacity(13);
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    // Eight bits, true colour, the one compression, the one set of filters, not interlaced.
    header.extend([8, 2, 0, 0, 0]);
    chunk(&mut file, *b"IHDR", &header);
    // Writing to memory cannot fail.
    let data = compressed(rgb, width as usize * PIXEL).unwrap_or_default();
    chunk(&mut file, *b"IDAT", &data);
    chunk(&mut file, *b"IEND", &[]);
    file
}

fn compressed(rgb: &[u8], row_bytes: usize) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(6));
    let above_first = vec![0; row_bytes];
    let mut above: &[u8] = &above_first;
    for row in rgb.chunks_exact(row_bytes.max(1)) {
        let left: Vec<u8> = row
            .iter()
            .enumerate()
            .map(|(i, byte)| byte.wrapping_sub(if i < PIXEL { 0 } else { row[i - PIXEL] }))
            .collect();
        let up: Vec<u8> = row
            .iter()
            .zip(above)
            .map(|(byte, above)| byte.wrapping_sub(*above))
            .collect();
        let size = |bytes: &[u8]| -> u64 {
            bytes
                .iter()
                .map(|byte| u64::from(byte.cast_signed().unsigned_abs()))
                .sum()
        };
        let (filter, bytes) = if size(&up) <= size(&left) {
            (2, up)
        } else {
            (1, left)
        };
        encoder.write_all(&[filter])?;
        encoder.write_all(&bytes)?;
        above = row;
    }
    encoder.finish()
}

#[allow(clippy::cast_possible_truncation)]
fn chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    file.extend((data.len() as u32).to_be_bytes());
    let mut sum = Crc::new();
    for part in [&kind[..], data] {
        sum.update(part);
        file.extend(part);
    }
    file.extend(sum.sum().to_be_bytes());
}
