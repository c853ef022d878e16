//! Rows of a kernel matrix that were computed and may be wanted again.

use hitcast_kernels::Buffer;

/// As many rows as fit into so many bytes; the one that was not wanted for longest makes room.
#[derive(Debug)]
pub(super) struct RowCache {
    bytes: usize,
    width: usize,
    slots: Vec<Slot>,
    /// The slot of each row.
    slot_of: Vec<Option<usize>>,
    clock: u64,
}

#[derive(Debug)]
struct Slot {
    row: usize,
    used: u64,
    values: Buffer,
}

impl RowCache {
    /// For rows of a matrix of `width × width`.
    pub(super) fn new(bytes: usize, width: usize) -> Self {
        Self {
            bytes,
            width,
            slots: Vec::new(),
            slot_of: vec![None; width],
            clock: 0,
        }
    }

    /// The rows that fit, never fewer than the two that are looked at together.
    fn capacity(&self) -> usize {
        (self.bytes / (self.width * size_of::<f32>()).max(1)).max(2)
    }

    /// The slot of a row, which `compute` fills if it is not there. The row that was asked for before stays.
    pub(super) fn slot(&mut self, row: usize, compute: impl FnOnce(&mut [f32])) -> usize {
        self.clock += 1;
        let slot = match self.slot_of[row] {
            Some(slot) => slot,
            None => {
                let slot = self.room();
                compute(&mut self.slots[slot].values);
                self.slots[slot].row = row;
                self.slot_of[row] = Some(slot);
                slot
            }
        };
        self.slots[slot].used = self.clock;
        slot
    }

    /// A slot for a new row: one more, or that of the row that was not wanted for longest.
    fn room(&mut self) -> usize {
        if self.slots.len() < self.capacity() {
            self.slots.push(Slot {
                row: 0,
                used: 0,
                values: Buffer::zeros(self.width),
            });
            return self.slots.len() - 1;
        }
        let oldest = (self.slots.iter().enumerate()).min_by_key(|(_, slot)| slot.used);
        let oldest = oldest.map_or(0, |(place, _)| place);
        self.slot_of[self.slots[oldest].row] = None;
        oldest
    }

    /// The values of the row in a slot.
    pub(super) fn row(&self, slot: usize) -> &[f32] {
        &self.slots[slot].values
    }

    /// Forgets all rows and columns but these, which are numbered anew.
    pub(super) fn keep(&mut self, kept: &[usize]) {
        let mut number = vec![None; self.width];
        for (new, old) in kept.iter().enumerate() {
            number[*old] = Some(new);
        }
        self.width = kept.len();
        self.slot_of = vec![None; kept.len()];
        let old = std::mem::take(&mut self.slots);
        for slot in old {
            let Some(row) = number[slot.row] else { continue };
            let mut values = Buffer::zeros(self.width);
            for (to, from) in values.iter_mut().zip(kept) {
                *to = slot.values[*from];
            }
            self.slot_of[row] = Some(self.slots.len());
            self.slots.push(Slot {
                row,
                used: slot.used,
                values,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_that_was_not_wanted_for_longest_makes_room() {
        // Room for three rows of five.
        let mut cache = RowCache::new(3 * 5 * 4, 5);
        let mut computed = Vec::new();
        for row in [0, 1, 2, 0, 3, 1, 0, 4, 3] {
            let slot = cache.slot(row, |values| {
                computed.push(row);
                for (column, value) in (0_u16..).zip(values) {
                    *value = f32::from(u16::try_from(row).unwrap() * 10 + column);
                }
            });
            assert_eq!(
                cache.row(slot)[2],
                f32::from(u16::try_from(row).unwrap() * 10 + 2)
            );
        }
        // 3 takes the place of 1, which then takes that of 2; 4 that of 3, and 3 that of 1.
        assert_eq!(computed, [0, 1, 2, 3, 1, 4, 3]);

        cache.keep(&[1, 3, 4]);
        let slot = cache.slot(1, |_| panic!("row 3 was kept, and is now row 1"));
        assert_eq!(cache.row(slot), [31.0, 33.0, 34.0]);
        let slot = cache.slot(2, |_| panic!("row 4 was kept, and is now row 2"));
        assert_eq!(cache.row(slot), [41.0, 43.0, 44.0]);
        let mut fresh = false;
        cache.slot(0, |values| {
            assert_eq!(values.len(), 3);
            fresh = true;
        });
        assert!(fresh, "row 1 had made room");
    }
}
