//! Rows between neighbours.

use hitcast_core::{Seed, Stream};
use serde::{Deserialize, Serialize};

use super::neighbors::{Nearest, Points};
use super::strategy::SamplingStrategy;
use super::{Made, Origin, Rows};
use crate::error::{PreprocessError, Result};

/// SMOTE (Chawla et al. 2002): each new row lies at a random place between a random row of its class and one of that row's
/// nearest neighbours in the class. With encoded categories it is SMOTE-NC from the same paper: two rows of different
/// categories are as far apart as the median standard deviation of the numbers, and a new row has the category that most of
/// the neighbours have.
///
/// Draws from the same distribution as imbalanced-learn 0.14.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Smote {
    /// How many rows each class gets.
    pub strategy: SamplingStrategy,
    /// Number of neighbours, at least 1. A class that gets rows must have more rows than that. Default 5.
    pub k_neighbors: usize,
    /// Threads that look for neighbours, 0 for all. The result does not depend on it. Default 0.
    pub threads: usize,
}

impl Default for Smote {
    fn default() -> Self {
        Self {
            strategy: SamplingStrategy::Balance,
            k_neighbors: 5,
            threads: 0,
        }
    }
}

/// Borderline-SMOTE (Han et al. 2005): rows are only made from those rows of a class that are in danger, of whose nearest
/// neighbours among all rows at least half but not all belong to other classes. A class without such rows gets none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BorderlineSmote {
    /// How many rows each class gets.
    pub strategy: SamplingStrategy,
    /// Number of neighbours that rows are made with, at least 1. Default 5.
    pub k_neighbors: usize,
    /// Number of neighbours that say whether a row is in danger, at least 1. Default 10.
    pub m_neighbors: usize,
    /// Which neighbours rows are made with.
    pub neighbors: BorderlineNeighbors,
    /// Threads that look for neighbours, 0 for all. The result does not depend on it. Default 0.
    pub threads: usize,
}

/// Which neighbours rows are made with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BorderlineNeighbors {
    /// Those of the class: the paper's borderline-SMOTE1.
    #[default]
    OwnClass,
    /// Those of any class: borderline-SMOTE2. Towards a row of another class, new rows go less than half of the way. (imbalanced-learn
    /// multiplies the half with a second random number, so that its rows stay nearer.)
    AnyClass,
}

impl Default for BorderlineSmote {
    fn default() -> Self {
        Self {
            strategy: SamplingStrategy::Balance,
            k_neighbors: 5,
            m_neighbors: 10,
            neighbors: BorderlineNeighbors::OwnClass,
            threads: 0,
        }
    }
}

impl Smote {
    pub(super) fn resample(&self, rows: &Rows<'_>, seed: Seed) -> Result<Vec<Made>> {
        let mut made = Vec::new();
        for (class, more) in self.strategy.to_add(&rows.counts())?.into_iter().enumerate() {
            if more == 0 {
                continue;
            }
            let members = &rows.members[class];
            check_neighbors("sampler.k_neighbors", self.k_neighbors, class, members.len())?;
            let points = Points::new(rows.features, &rows.several, members, members);
            let nearest = Nearest::of_each(&points, self.k_neighbors, self.threads);
            let mut stream = seed.nth(class as u64).stream("rows");
            for _ in 0..more {
                let row = stream.below(members.len());
                made.push(between(
                    class,
                    (row, members),
                    (&nearest, members),
                    &mut stream,
                    |_| 1.0,
                ));
            }
        }
        Ok(made)
    }
}

impl BorderlineSmote {
    pub(super) fn resample(&self, rows: &Rows<'_>, seed: Seed) -> Result<Vec<Made>> {
        let n = rows.classes.len();
        let all: Vec<usize> = (0..n).collect();
        let mut made = Vec::new();
        for (class, more) in self.strategy.to_add(&rows.counts())?.into_iter().enumerate() {
            if more == 0 {
                continue;
            }
            let members = &rows.members[class];
            check_neighbors("sampler.m_neighbors", self.m_neighbors, class, n)?;
            let points = Points::new(rows.features, &rows.several, &all, members);
            let around = Nearest::of(&points, members, self.m_neighbors, self.threads);
            let others = |place: usize| around.of_others(place, rows.classes, class);
            let in_danger =
                |place: &usize| (self.m_neighbors.div_ceil(2)..self.m_neighbors).contains(&others(*place));
            let danger: Vec<usize> = (0..members.len()).filter(in_danger).collect();
            if danger.is_empty() {
                continue;
            }
            let candidates = match self.neighbors {
                BorderlineNeighbors::OwnClass => members,
                BorderlineNeighbors::AnyClass => &all,
            };
            check_neighbors("sampler.k_neighbors", self.k_neighbors, class, candidates.len())?;
            let points = Points::new(rows.features, &rows.several, candidates, members);
            let queries: Vec<usize> = match self.neighbors {
                BorderlineNeighbors::OwnClass => danger.clone(),
                BorderlineNeighbors::AnyClass => danger.iter().map(|&place| members[place]).collect(),
            };
            let nearest = Nearest::of(&points, &queries, self.k_neighbors, self.threads);
            let sources: Vec<usize> = danger.iter().map(|&place| members[place]).collect();
            let mut stream = seed.nth(class as u64).stream("rows");
            let reach = |neighbor: usize| if rows.classes[neighbor] == class { 1.0 } else { 0.5 };
            for _ in 0..more {
                let row = stream.below(sources.len());
                made.push(between(
                    class,
                    (row, &sources),
                    (&nearest, candidates),
                    &mut stream,
                    reach,
                ));
            }
        }
        Ok(made)
    }
}

/// A row between the row of this place among `rows` and one of its neighbours, which are places among `candidates`;
/// `reach` says how far towards a neighbour.
pub(super) fn between(
    class: usize,
    (place, rows): (usize, &[usize]),
    (nearest, candidates): (&Nearest, &[usize]),
    stream: &mut Stream,
    reach: impl Fn(usize) -> f64,
) -> Made {
    let near = nearest.of_row(place);
    let neighbor = candidates[near[stream.below(near.len())] as usize];
    #[allow(clippy::cast_possible_truncation)]
    let gap = (stream.uniform() * reach(neighbor)) as f32;
    let neighbors = near
        .iter()
        .filter_map(|&near| u32::try_from(candidates[near as usize]).ok());
    Made {
        class,
        origin: Origin::Between {
            row: rows[place],
            neighbor,
            gap,
        },
        neighbors: neighbors.collect(),
    }
}

/// Whether `rows` rows have so many neighbours each.
pub(super) fn check_neighbors(setting: &'static str, k: usize, class: usize, rows: usize) -> Result<()> {
    if k == 0 {
        return Err(PreprocessError::Setting {
            setting,
            value: "0".to_owned(),
            allowed: "at least 1",
        });
    }
    if rows <= k {
        return Err(PreprocessError::TooFewNeighbors {
            setting,
            k,
            class,
            rows,
        });
    }
    Ok(())
}
