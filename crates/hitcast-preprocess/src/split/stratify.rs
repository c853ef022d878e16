//! Rows in proportion of their classes.

use std::collections::VecDeque;

use hitcast_core::Stream;

use super::Codes;
use crate::error::{PreprocessError, Result};

/// Checks that each class has at least as many `unit`s (counted in `counts`) as there are parts that are not empty.
pub(super) fn check_classes(
    sizes: &[usize],
    classes: &Codes,
    counts: &[usize],
    unit: &'static str,
) -> Result<()> {
    let parts = sizes.iter().filter(|size| **size > 0).count();
    match counts.iter().enumerate().min_by_key(|(_, count)| **count) {
        Some((class, &got)) if got < parts => Err(PreprocessError::ClassTooSmall {
            class: classes.label(class).to_owned(),
            unit,
            got,
            parts,
        }),
        _ => Ok(()),
    }
}

/// The part of each row: parts have exactly these sizes, and each class in each part its share to within one row.
pub(super) fn by_class(sizes: &[usize], classes: &Codes, mut stream: Option<&mut Stream>) -> Vec<usize> {
    let mut members = vec![Vec::new(); classes.n_codes()];
    for (row, &class) in classes.codes().iter().enumerate() {
        members[class].push(row);
    }
    let shares = shares(&classes.counts(), sizes, stream.as_deref_mut());
    let mut parts = vec![0; classes.len()];
    for (mut rows, shares) in members.into_iter().zip(shares) {
        if let Some(stream) = stream.as_deref_mut() {
            stream.shuffle(&mut rows);
        }
        let targets = shares
            .iter()
            .enumerate()
            .flat_map(|(part, &n)| std::iter::repeat_n(part, n));
        for (row, part) in rows.into_iter().zip(targets) {
            parts[row] = part;
        }
    }
    parts
}

/// How many rows of each class go to each part: the exact share `class · size ÷ n`, rounded down or up, so that the sums
/// over classes are the sizes and the sums over parts are the classes.
///
/// Such a rounding always exists (Cox 1987, controlled rounding); it is found by giving out what rounding down leaves,
/// class by class, and re-routing earlier choices along augmenting paths where a class finds its parts full.
fn shares(classes: &[usize], sizes: &[usize], mut stream: Option<&mut Stream>) -> Vec<Vec<usize>> {
    let n: usize = sizes.iter().sum();
    let product = |class: usize, size: usize| class as u128 * size as u128;
    // Below n after the division, so that it fits.
    let floor = |class, size| usize::try_from(product(class, size) / n.max(1) as u128).unwrap_or(0);
    let has_rest = |class, size| product(class, size) % n.max(1) as u128 != 0;
    let mut shares: Vec<Vec<usize>> = classes
        .iter()
        .map(|&class| sizes.iter().map(|&size| floor(class, size)).collect())
        .collect();
    let open: Vec<Vec<bool>> = classes
        .iter()
        .map(|&class| sizes.iter().map(|&size| has_rest(class, size)).collect())
        .collect();
    let mut room: Vec<usize> = sizes.to_vec();
    for row in &shares {
        room.iter_mut().zip(row).for_each(|(room, given)| *room -= given);
    }
    let mut rounding = Rounding {
        taken: open.iter().map(|row| vec![false; row.len()]).collect(),
        open,
        room,
    };
    let mut order: Vec<usize> = (0..classes.len()).collect();
    if let Some(stream) = stream.as_deref_mut() {
        stream.shuffle(&mut order);
    }
    for class in order {
        let left = classes[class] - shares[class].iter().sum::<usize>();
        let mut parts: Vec<usize> = (0..sizes.len()).collect();
        if let Some(stream) = stream.as_deref_mut() {
            stream.shuffle(&mut parts);
        }
        parts.sort_by_key(|&part| std::cmp::Reverse(rounding.room[part]));
        for _ in 0..left {
            rounding.give(class, &parts);
        }
    }
    for (row, taken) in shares.iter_mut().zip(&rounding.taken) {
        row.iter_mut()
            .zip(taken)
            .for_each(|(share, &taken)| *share += usize::from(taken));
    }
    shares
}

/// One more row or not, for each class and part.
struct Rounding {
    /// Whether the exact share is no whole number, so that it may be rounded up.
    open: Vec<Vec<bool>>,
    /// Whether it is.
    taken: Vec<Vec<bool>>,
    /// How many rows each part still lacks.
    room: Vec<usize>,
}

impl Rounding {
    /// Gives one more row of a class to a part, the first in this order that has room.
    fn give(&mut self, class: usize, order: &[usize]) {
        // Breadth first over parts: from a full part on, through a class that could be in another part instead.
        let mut from: Vec<Option<(Option<usize>, usize)>> = vec![None; self.room.len()];
        let mut queue = VecDeque::new();
        for &part in order {
            if self.open[class][part] && !self.taken[class][part] {
                from[part] = Some((None, class));
                queue.push_back(part);
            }
        }
        while let Some(part) = queue.pop_front() {
            if self.room[part] > 0 {
                self.room[part] -= 1;
                self.take_path(part, &from);
                return;
            }
            for mover in (0..self.open.len()).filter(|&mover| self.taken[mover][part]) {
                for (next, from) in from.iter_mut().enumerate() {
                    if from.is_none() && self.open[mover][next] && !self.taken[mover][next] {
                        *from = Some((Some(part), mover));
                        queue.push_back(next);
                    }
                }
            }
        }
    }

    /// Moves every class along the path that ends at `part`.
    fn take_path(&mut self, mut part: usize, from: &[Option<(Option<usize>, usize)>]) {
        while let Some((before, mover)) = from[part] {
            self.taken[mover][part] = true;
            let Some(before) = before else { return };
            self.taken[mover][before] = false;
            part = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hitcast_core::Seed;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_are_rounded_and_sum_up_both_ways(
            classes in prop::collection::vec(1_usize..40, 1..12),
            weights in prop::collection::vec(1_usize..9, 2..7),
            seed: u64,
        ) {
            let n: usize = classes.iter().sum();
            let total: usize = weights.iter().sum();
            let mut sizes: Vec<usize> = weights.iter().map(|w| n * w / total).collect();
            sizes[0] += n - sizes.iter().sum::<usize>();
            let shares = shares(&classes, &sizes, Some(&mut Seed::new(seed).stream("t")));
            for (class, row) in classes.iter().zip(&shares) {
                prop_assert_eq!(row.iter().sum::<usize>(), *class);
                for (size, share) in sizes.iter().zip(row) {
                    prop_assert!(*share == class * size / n || *share == (class * size).div_ceil(n));
                }
            }
            for (part, size) in sizes.iter().enumerate() {
                prop_assert_eq!(shares.iter().map(|row| row[part]).sum::<usize>(), *size);
            }
        }
    }
}
