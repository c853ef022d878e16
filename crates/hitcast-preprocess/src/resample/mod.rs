//! Rare classes: more rows of them, fewer of the others, or weights. All of it is for training rows; rows that a model is
//! judged on stay as they are.
//!
//! Made rows are numbers between two rows of their class. Columns of encoded categories are taken from the neighbours as a
//! whole (SMOTE-NC), so that a row is never half of one genre.
//!
//! - [`strategy`]: how many rows of each class
//! - [`random`]: rows again, or left out
//! - [`smote`]: rows between neighbours, all over the class or near its border
//! - [`adasyn`]: rows between neighbours, more of them where the class is hard to tell
//! - `neighbors`: the nearest rows
//! - [`weights`]: the same by weights

pub mod adasyn;
mod neighbors;
pub mod random;
pub mod smote;
pub mod strategy;
pub mod weights;

use hitcast_core::{FeatureBlock, Features, Indicators, Seed, Stream};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::{PreprocessError, Result};
use adasyn::Adasyn;
use random::{RandomOverSampler, RandomUnderSampler};
use smote::{BorderlineSmote, Smote};

/// Any of the samplers, as an experiment names them: `{ kind = "smote", k_neighbors = 3 }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sampler {
    /// Rows of rare classes again.
    RandomOver(RandomOverSampler),
    /// Fewer rows of common classes.
    RandomUnder(RandomUnderSampler),
    /// Rows between neighbours of a class.
    Smote(Smote),
    /// Rows between neighbours, near the border of a class.
    BorderlineSmote(BorderlineSmote),
    /// Rows between neighbours, where a class is hard to tell.
    Adasyn(Adasyn),
}

/// Training rows after a sampler. The rows that were there stand first, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampled {
    /// The features.
    pub features: Features,
    /// The class of each row.
    pub classes: Vec<usize>,
    /// Where each row comes from.
    pub origins: Vec<Origin>,
}

/// Where a row of resampled data comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Origin {
    /// It is this row.
    Row(usize),
    /// It lies between a row and its neighbour.
    Between {
        /// The row.
        row: usize,
        /// The neighbour.
        neighbor: usize,
        /// How far it is from the one to the other, from 0 to 1.
        gap: f32,
    },
}

impl Sampler {
    /// Resamples training rows: `features` (`n × d`, best scaled, because neighbours are found by Euclidean distance) and
    /// their `classes` (length `n`, each below `n_classes`). A class without rows stays without.
    ///
    /// # Errors
    /// [`PreprocessError::Length`], [`PreprocessError::NoRows`], [`PreprocessError::UnknownClass`],
    /// [`PreprocessError::Setting`], [`PreprocessError::SampleCount`] if a class is to have a number of rows that the
    /// sampler cannot give it, [`PreprocessError::TooFewNeighbors`], and for ADASYN [`PreprocessError::NoBorder`].
    pub fn resample(
        &self,
        features: &Features,
        classes: &[usize],
        n_classes: usize,
        seed: Seed,
    ) -> Result<Resampled> {
        let rows = Rows::new(features, classes, n_classes)?;
        let seed = seed.child("sampler");
        let made = match self {
            Self::RandomOver(sampler) => sampler.resample(&rows, seed)?,
            Self::RandomUnder(sampler) => return sampler.resample(&rows, seed),
            Self::Smote(sampler) => sampler.resample(&rows, seed)?,
            Self::BorderlineSmote(sampler) => sampler.resample(&rows, seed)?,
            Self::Adasyn(sampler) => sampler.resample(&rows, seed)?,
        };
        rows.with(&made, &mut seed.stream("categories"))
    }
}

/// The rows to be resampled.
struct Rows<'a> {
    features: &'a Features,
    classes: &'a [usize],
    /// The rows of each class.
    members: Vec<Vec<usize>>,
    /// Whether a block of the features has rows of several labels.
    several: Vec<bool>,
}

/// A row to be made.
struct Made {
    class: usize,
    origin: Origin,
    /// The neighbours that it takes its categories from; none if it is a row again.
    neighbors: Vec<u32>,
}

impl<'a> Rows<'a> {
    fn new(features: &'a Features, classes: &'a [usize], n_classes: usize) -> Result<Self> {
        if classes.len() != features.n_rows() {
            return Err(PreprocessError::Length {
                what: "classes",
                expected: features.n_rows(),
                got: classes.len(),
            });
        }
        if classes.is_empty() {
            return Err(PreprocessError::NoRows { step: "Sampler" });
        }
        let mut members = vec![Vec::new(); n_classes];
        for (row, &class) in classes.iter().enumerate() {
            match members.get_mut(class) {
                Some(members) => members.push(row),
                None => {
                    return Err(PreprocessError::UnknownClass {
                        row,
                        class,
                        n_classes,
                    });
                }
            }
        }
        let several = |block: &FeatureBlock| match block {
            FeatureBlock::Indicators(indicators) => {
                (0..classes.len()).any(|row| indicators.row(row).len() > 1)
            }
            _ => false,
        };
        Ok(Self {
            features,
            classes,
            members,
            several: features.blocks().iter().map(several).collect(),
        })
    }

    /// Number of rows of each class.
    fn counts(&self) -> Vec<usize> {
        self.members.iter().map(Vec::len).collect()
    }

    /// These rows with the made ones behind them.
    fn with(&self, made: &[Made], ties: &mut Stream) -> Result<Resampled> {
        let n = self.features.n_rows();
        let blocks = self
            .features
            .blocks()
            .iter()
            .zip(&self.several)
            .map(|(block, &several)| match block {
                FeatureBlock::Dense(matrix) => {
                    let width = matrix.ncols();
                    let mut values = Vec::with_capacity((n + made.len()) * width);
                    values.extend(matrix.iter());
                    for Made { origin, .. } in made {
                        match *origin {
                            Origin::Row(row) => values.extend(matrix.row(row)),
                            Origin::Between { row, neighbor, gap } => {
                                let pairs = matrix.row(row).into_iter().zip(matrix.row(neighbor));
                                // In 64 bits, as the distance may be beyond 32.
                                values.extend(pairs.map(|(&from, &to)| {
                                    let (from, to) = (f64::from(from), f64::from(to));
                                    #[allow(clippy::cast_possible_truncation)]
                                    let between = (from + f64::from(gap) * (to - from)) as f32;
                                    between
                                }));
                            }
                        }
                    }
                    let shape = (n + made.len(), width);
                    let matrix = Array2::from_shape_vec(shape, values);
                    Ok(FeatureBlock::Dense(
                        matrix.map_err(|e| PreprocessError::Fitted(e.to_string()))?,
                    ))
                }
                FeatureBlock::Indicators(indicators) => {
                    let mut all = indicators.clone();
                    for made in made {
                        match made.origin {
                            Origin::Row(row) => all.push(indicators.row(row).iter().copied()),
                            Origin::Between { .. } => {
                                all.push(vote(indicators, several, &made.neighbors, ties));
                            }
                        }
                    }
                    Ok(FeatureBlock::Indicators(all))
                }
                _ => Err(PreprocessError::Fitted(
                    "a block of features of an unknown form".to_owned(),
                )),
            });
        let blocks = blocks.collect::<Result<Vec<_>>>()?;
        let features = Features::from_blocks(n + made.len(), blocks, self.features.columns().to_vec())?;
        let classes = self
            .classes
            .iter()
            .copied()
            .chain(made.iter().map(|made| made.class));
        let origins = (0..n).map(Origin::Row).chain(made.iter().map(|made| made.origin));
        Ok(Resampled {
            features,
            classes: classes.collect(),
            origins: origins.collect(),
        })
    }
}

/// What most of the neighbours have: of several labels those that more than half have, of one category the commonest, none
/// being one too, and of equally common ones one at random.
fn vote(indicators: &Indicators, several: bool, neighbors: &[u32], ties: &mut Stream) -> Vec<u32> {
    let ones = || {
        neighbors
            .iter()
            .flat_map(|&row| indicators.row(row as usize).iter().copied())
    };
    let mut counts: Vec<(Option<u32>, usize)> = Vec::new();
    for one in ones() {
        match counts.iter_mut().find(|(known, _)| *known == Some(one)) {
            Some((_, count)) => *count += 1,
            None => counts.push((Some(one), 1)),
        }
    }
    if several {
        counts.retain(|(_, count)| 2 * count > neighbors.len());
    } else {
        let without = neighbors.len() - counts.iter().map(|(_, count)| count).sum::<usize>();
        counts.push((None, without));
        counts.sort_unstable();
        let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
        counts.retain(|(_, count)| *count == most);
        counts = vec![counts[ties.below(counts.len())]];
    }
    counts.sort_unstable();
    counts.into_iter().filter_map(|(one, _)| one).collect()
}
