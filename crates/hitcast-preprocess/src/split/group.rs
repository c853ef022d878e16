//! Whole groups to parts.

use std::collections::BTreeMap;

use hitcast_core::Stream;

use super::Codes;
use super::stratify::check_classes;
use crate::error::{PreprocessError, Result};

/// Rounds of moving single groups at most; each makes the classes' shares better, and few are ever needed.
const ROUNDS: usize = 20;

/// The part of each row: rows of one group are in one part, parts are near these sizes, and classes near their shares.
///
/// Groups go one after the other to the emptiest part that has room; then groups are moved and, without classes, exchanged
/// while that brings the parts nearer. Large groups are as likely in one part as in another: rows of large groups may
/// differ from others (a song under many genres is a popular one), and the parts should not.
pub(super) fn by_group(
    sizes: &[usize],
    classes: Option<&Codes>,
    groups: &Codes,
    stream: Option<&mut Stream>,
) -> Result<Vec<usize>> {
    let parts = sizes.iter().filter(|size| **size > 0).count();
    if groups.n_codes() < parts {
        return Err(PreprocessError::TooFewGroups {
            groups: groups.n_codes(),
            parts,
        });
    }
    let single = Codes::single(groups.len());
    let members = count_classes(classes.unwrap_or(&single), groups);
    let mut order: Vec<usize> = (0..members.len()).collect();
    if let Some(stream) = stream {
        stream.shuffle(&mut order);
    }
    if let Some(classes) = classes {
        let mut holding = vec![0; classes.n_codes()];
        members
            .iter()
            .flatten()
            .for_each(|&(class, _)| holding[class] += 1);
        check_classes(sizes, classes, &holding, "groups")?;
        // The large ones first, so that the small ones can even out what these leave.
        order.sort_by_key(|&group| std::cmp::Reverse(size(&members[group])));
    }
    let mut filling = Filling::new(sizes, classes.unwrap_or(&single));
    let mut part_of = vec![0; members.len()];
    for (placed, &group) in order.iter().enumerate() {
        part_of[group] = filling.place(&members[group], order.len() - placed);
    }
    if classes.is_some() {
        filling.improve_by_moving(&order, &members, &mut part_of);
    } else {
        let group_sizes: Vec<usize> = members.iter().map(|members| size(members)).collect();
        improve_by_exchanging(sizes, &order, &group_sizes, &mut part_of);
    }
    Ok(groups.codes().iter().map(|&group| part_of[group]).collect())
}

/// The classes of a group's rows, and how many rows of each.
type Members = Vec<(usize, usize)>;

fn size(members: &[(usize, usize)]) -> usize {
    members.iter().map(|(_, n)| n).sum()
}

fn count_classes(classes: &Codes, groups: &Codes) -> Vec<Members> {
    let mut pairs: Vec<(usize, usize)> = groups
        .codes()
        .iter()
        .copied()
        .zip(classes.codes().iter().copied())
        .collect();
    pairs.sort_unstable();
    let mut members = vec![Members::new(); groups.n_codes()];
    for (group, class) in pairs {
        match members[group].last_mut() {
            Some((last, n)) if *last == class => *n += 1,
            _ => members[group].push((class, 1)),
        }
    }
    members
}

/// How full the parts are, class by class.
struct Filling {
    /// Rows of each part and class.
    rows: Vec<Vec<f64>>,
    /// The exact shares; none of a part without rows.
    targets: Vec<Vec<f64>>,
    /// Rows that each part still has room for, less than none if it has too many.
    room: Vec<f64>,
    /// Groups of each part.
    groups: Vec<usize>,
}

#[allow(clippy::cast_precision_loss)]
impl Filling {
    fn new(sizes: &[usize], classes: &Codes) -> Self {
        let n = classes.len() as f64;
        let counts = classes.counts();
        let share = |size: usize| {
            counts
                .iter()
                .map(|&count| size as f64 * count as f64 / n)
                .collect()
        };
        Self {
            rows: vec![vec![0.0; counts.len()]; sizes.len()],
            targets: sizes.iter().map(|&size| share(size)).collect(),
            room: sizes.iter().map(|&size| size as f64).collect(),
            groups: vec![0; sizes.len()],
        }
    }

    fn is_open(&self, part: usize) -> bool {
        self.targets[part].iter().any(|target| *target > 0.0)
    }

    /// How much further from the shares (sum of squares relative to the share) a group brings a part.
    fn cost(&self, part: usize, members: &[(usize, usize)]) -> f64 {
        members
            .iter()
            .map(|&(class, n)| {
                let (have, target, n) = (self.rows[part][class], self.targets[part][class], n as f64);
                n * (n + 2.0 * (have - target)) / target
            })
            .sum()
    }

    fn add(&mut self, part: usize, members: &[(usize, usize)], sign: f64) {
        for &(class, n) in members {
            self.rows[part][class] += sign * n as f64;
            self.room[part] -= sign * n as f64;
        }
    }

    /// How full a part is of what a group consists of: 0 if it has nothing of it, 1 if it has its share.
    fn fullness(&self, part: usize, members: &[(usize, usize)]) -> f64 {
        let parts = members
            .iter()
            .map(|&(class, n)| n as f64 * self.rows[part][class] / self.targets[part][class]);
        parts.sum::<f64>() / size(members) as f64
    }

    /// Puts a group into the emptiest part that has room, else where it costs least; into a part without groups if there
    /// are just enough groups `left` for those.
    ///
    /// The cost alone would be no choice: of parts equally full it prefers the largest, and the more so the larger the
    /// group is.
    fn place(&mut self, members: &[(usize, usize)], left: usize) -> usize {
        let open: Vec<usize> = (0..self.groups.len())
            .filter(|&part| self.is_open(part))
            .collect();
        let empty: Vec<usize> = open
            .iter()
            .copied()
            .filter(|&part| self.groups[part] == 0)
            .collect();
        let choice = if empty.len() >= left { empty } else { open };
        let needed = size(members) as f64;
        let roomy: Vec<usize> = choice
            .iter()
            .copied()
            .filter(|&part| self.room[part] >= needed)
            .collect();
        let smallest = |scored: Vec<(f64, usize)>| scored.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
        let part = if roomy.is_empty() {
            smallest(
                choice
                    .into_iter()
                    .map(|part| (self.cost(part, members), part))
                    .collect(),
            )
        } else {
            smallest(
                roomy
                    .into_iter()
                    .map(|part| (self.fullness(part, members), part))
                    .collect(),
            )
        };
        let part = part.map_or(0, |(_, part)| part);
        self.add(part, members, 1.0);
        self.groups[part] += 1;
        part
    }

    fn improve_by_moving(&mut self, order: &[usize], members: &[Members], part_of: &mut [usize]) {
        for _ in 0..ROUNDS {
            let mut moved = false;
            for &group in order {
                let (from, members) = (part_of[group], &members[group]);
                if self.groups[from] < 2 {
                    continue;
                }
                self.add(from, members, -1.0);
                let stay = self.cost(from, members);
                let others = (0..self.groups.len()).filter(|&part| part != from && self.is_open(part));
                let best = others
                    .map(|part| (self.cost(part, members), part))
                    .min_by(|a, b| a.0.total_cmp(&b.0));
                let to = best
                    .filter(|(cost, _)| *cost < stay - 1e-9)
                    .map_or(from, |(_, part)| part);
                self.add(to, members, 1.0);
                if to != from {
                    self.groups[from] -= 1;
                    self.groups[to] += 1;
                    part_of[group] = to;
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }
}

/// Moves groups, or exchanges two, between a part that is too large and one that is too small, while that helps.
fn improve_by_exchanging(sizes: &[usize], order: &[usize], group_sizes: &[usize], part_of: &mut [usize]) {
    // The groups of each part by their size; only the sizes matter for what helps.
    let mut by_size: Vec<BTreeMap<usize, Vec<usize>>> = vec![BTreeMap::new(); sizes.len()];
    let mut excess: Vec<i64> = sizes.iter().map(|&size| -signed(size)).collect();
    let mut n_groups = vec![0_usize; sizes.len()];
    for &group in order {
        let (part, size) = (part_of[group], group_sizes[group]);
        by_size[part].entry(size).or_default().push(group);
        excess[part] += signed(size);
        n_groups[part] += 1;
    }
    // Each step makes the sum of the deviations smaller by at least 1, so this ends.
    while let Some(step) = best_exchange(&excess, &by_size, &n_groups, sizes) {
        let moved = take_one(&mut by_size[step.from], step.give);
        let back = step
            .receive
            .and_then(|size| take_one(&mut by_size[step.to], size));
        for (group, part, other) in [(moved, step.to, step.from), (back, step.from, step.to)] {
            let Some(group) = group else { continue };
            part_of[group] = part;
            by_size[part].entry(group_sizes[group]).or_default().push(group);
            excess[part] += signed(group_sizes[group]);
            excess[other] -= signed(group_sizes[group]);
            n_groups[part] += 1;
            n_groups[other] -= 1;
        }
    }
}

fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn take_one(by_size: &mut BTreeMap<usize, Vec<usize>>, size: usize) -> Option<usize> {
    let groups = by_size.get_mut(&size)?;
    let group = groups.pop();
    if groups.is_empty() {
        by_size.remove(&size);
    }
    group
}

/// A group of one size from one part to another, perhaps for a smaller one.
#[derive(Clone, Copy)]
struct Exchange {
    from: usize,
    to: usize,
    give: usize,
    receive: Option<usize>,
}

/// The exchange after which the two parts' deviations are smallest, if any makes them smaller.
fn best_exchange(
    excess: &[i64],
    by_size: &[BTreeMap<usize, Vec<usize>>],
    n_groups: &[usize],
    sizes: &[usize],
) -> Option<Exchange> {
    let mut best: Option<(i64, Exchange)> = None;
    for from in (0..excess.len()).filter(|&part| excess[part] > 0) {
        for to in (0..excess.len()).filter(|&part| excess[part] < 0 && sizes[part] > 0) {
            let before = excess[from] - excess[to];
            let gain = |net: i64| before - (excess[from] - net).abs() - (excess[to] + net).abs();
            for &give in by_size[from].keys() {
                let move_alone = (n_groups[from] > 1).then_some(None);
                let swaps = by_size[to].range(..give).map(|(&size, _)| Some(size));
                for receive in move_alone.into_iter().chain(swaps) {
                    let gain = gain(signed(give) - signed(receive.unwrap_or(0)));
                    if gain > 0 && best.is_none_or(|(most, _)| gain > most) {
                        best = Some((
                            gain,
                            Exchange {
                                from,
                                to,
                                give,
                                receive,
                            },
                        ));
                    }
                }
            }
        }
    }
    best.map(|(_, exchange)| exchange)
}
