//! From a library's trees to a [`TreeModel`].

use hitcast_classical::{Combination, Link, Tree, TreeEnsemble, TreeKind, TreeModel, TreeNode};
use hitcast_core::Task;
use ndarray::ArrayView2;

use crate::error::{BoosterError, Result};
use crate::find::Booster;

/// A node of a library's tree.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Read {
    /// A question; a value up to the threshold goes left.
    Split {
        feature: usize,
        threshold: f32,
        missing_left: bool,
        left: i64,
        right: i64,
        gain: f64,
    },
    /// An answer.
    Leaf { value: f64, cover: f64 },
}

/// What is collected of a library's trees.
pub(crate) struct Collected {
    booster: Booster,
    trees: Vec<Tree>,
    gains: Vec<f64>,
}

impl Collected {
    /// Nothing yet, of `d` features.
    ///
    /// # Errors
    /// [`BoosterError::Model`] if there are none, or more than a tree can tell apart.
    pub(crate) fn new(booster: Booster, d: usize) -> Result<Self> {
        const MOST_FEATURES: usize = 1 << 24;
        if d == 0 || d > MOST_FEATURES {
            return Err(BoosterError::model(booster, format!("it has {d} features")));
        }
        Ok(Self {
            booster,
            trees: Vec::new(),
            gains: vec![0.0; d],
        })
    }

    /// Adds what splits by a feature gain.
    ///
    /// # Errors
    /// [`BoosterError::Model`] if there is no such feature.
    pub(crate) fn gain(&mut self, feature: usize, gain: f64) -> Result<()> {
        let d = self.gains.len();
        let Some(sum) = self.gains.get_mut(feature) else {
            let detail = format!("a split asks for feature {feature}, of {d}");
            return Err(BoosterError::model(self.booster, detail));
        };
        // Rounding can make a gain of nothing negative.
        *sum += gain.max(0.0);
        Ok(())
    }

    /// Adds a tree.
    pub(crate) fn push(&mut self, tree: Tree) {
        self.trees.push(tree);
    }

    /// Adds the tree of the nodes that `node` gives by their number, of which there are up to `most`; only those below `root` are
    /// looked at.
    ///
    /// # Errors
    /// Those of `node`, and [`BoosterError::Model`] or [`BoosterError::Classical`] if they are no tree.
    pub(crate) fn walk(&mut self, root: i64, most: usize, node: impl Fn(i64) -> Result<Read>) -> Result<()> {
        let (mut nodes, mut covers, mut values) = (Vec::new(), Vec::new(), Vec::new());
        // The split, as far as it is known, whose child is looked at, and whether that is the left one.
        let mut open = vec![(root, None)];
        while let Some((number, parent)) = open.pop() {
            let place = small(nodes.len());
            if nodes.len() >= most {
                return Err(BoosterError::model(self.booster, "a tree leads in a circle"));
            }
            if let Some((parent, is_left)) = parent {
                let parent: Option<&mut TreeNode> = nodes.get_mut::<usize>(parent);
                if let Some(TreeNode::Split { left, right, .. }) = parent {
                    *(if is_left { left } else { right }) = place;
                }
            }
            match node(number)? {
                Read::Leaf { value, cover } => {
                    nodes.push(TreeNode::Leaf {
                        leaf: small(covers.len()),
                    });
                    covers.push(cover);
                    values.push(value);
                }
                Read::Split {
                    feature,
                    threshold,
                    missing_left,
                    left,
                    right,
                    gain,
                } => {
                    self.gain(feature, gain)?;
                    open.extend([
                        (right, Some((nodes.len(), false))),
                        (left, Some((nodes.len(), true))),
                    ]);
                    nodes.push(TreeNode::Split {
                        feature: small(feature),
                        threshold,
                        missing_left,
                        left: u32::MAX,
                        right: u32::MAX,
                    });
                }
            }
        }
        self.trees.push(Tree::new(&nodes, &covers, &values, 1)?);
        Ok(())
    }

    /// The model of the trees on top of `base`, one number for each output.
    ///
    /// # Errors
    /// [`BoosterError::Classical`] if they do not fit together.
    pub(crate) fn model(self, kind: TreeKind, task: Task, base: Vec<f64>) -> Result<TreeModel> {
        let d = self.gains.len();
        let ensemble = TreeEnsemble::new(d, task, Link::of_scores(task), Combination::Sum, base, self.trees)?;
        Ok(TreeModel::of_gains(kind, ensemble, self.gains)?)
    }
}

/// Numbers of nodes and features; both are limited to what 32 bits hold before they are used.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The value to compare with by "up to", that sends every number the same way as "below this".
///
/// # Errors
/// [`BoosterError::Model`] if no number is below it.
pub(crate) fn up_to_before(booster: Booster, threshold: f32) -> Result<f32> {
    finite(booster, threshold.next_down(), f64::from(threshold))
}

/// The value to compare with by "up to", that sends every number of 32 bits the same way as this one of 64.
///
/// # Errors
/// [`BoosterError::Model`] if no number is below it.
pub(crate) fn up_to(booster: Booster, threshold: f64) -> Result<f32> {
    #[allow(clippy::cast_possible_truncation)]
    let nearest = threshold as f32;
    let below = if f64::from(nearest) > threshold {
        nearest.next_down()
    } else {
        nearest
    };
    // Beyond the largest number of 32 bits, infinity alone goes right.
    let below = if below == f32::INFINITY { f32::MAX } else { below };
    finite(booster, below, threshold)
}

fn finite(booster: Booster, value: f32, threshold: f64) -> Result<f32> {
    if value.is_finite() {
        return Ok(value);
    }
    let detail = format!("a threshold is {threshold}");
    Err(BoosterError::model(booster, detail))
}

/// The score of a class that the training rows did not have: softmax makes exactly 0 of it.
pub(crate) const NEVER: f64 = -1e4;

/// Rows on which what was read is compared with the library.
pub(crate) const COMPARED: usize = 256;

/// Compares a model with what the library itself predicts, before the link, for some rows (`n × d`, row by row).
///
/// # Errors
/// [`BoosterError::Disagrees`].
pub(crate) fn agree(booster: Booster, model: &TreeModel, rows: &[f32], library: &[f64]) -> Result<()> {
    let d = model.ensemble().n_features();
    let shape = (rows.len() / d.max(1), d);
    let short = |_| BoosterError::model(booster, format!("{} cells are no rows of {d}", rows.len()));
    let rows = ArrayView2::from_shape(shape, rows).map_err(short)?;
    let ours = model.ensemble().combined(rows)?;
    if ours.len() != library.len() {
        let (got, rows, width) = (library.len(), shape.0, Link::n_scores(model.ensemble().task()));
        let detail = format!("it predicts {got} numbers for {rows} rows of {width}");
        return Err(BoosterError::model(booster, detail));
    }
    let may_be_absent =
        matches!(model.ensemble().task(), Task::Classification { n_classes } if n_classes > 2);
    let is_absent = |score: f64| may_be_absent && score <= NEVER;
    // XGBoost adds up in 32 bits.
    let known = ours.iter().filter(|score| !is_absent(**score));
    let scale = known.fold(1e-30_f64, |scale, value| scale.max(value.abs()));
    let tolerance = 1e-4 * scale;
    let agree = |ours: f64, library: f64| {
        (ours - library).abs() <= tolerance || (library == f64::NEG_INFINITY && is_absent(ours))
    };
    match ours
        .iter()
        .zip(library)
        .find(|(ours, library)| !agree(**ours, **library))
    {
        None => Ok(()),
        Some((&ours, &library)) => Err(BoosterError::Disagrees {
            booster,
            library,
            ours,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model of one tree without a split.
    fn constant(task: Task, base: Vec<f64>, value: f64) -> TreeModel {
        let mut collected = Collected::new(Booster::XGBoost, 1).unwrap();
        let width = base.len();
        let leaf = [TreeNode::Leaf { leaf: 0 }];
        let mut values = vec![0.0; width];
        values[0] = value;
        collected.push(Tree::new(&leaf, &[1.0], &values, width).unwrap());
        collected.model(TreeKind::XGBoost, task, base).unwrap()
    }

    #[test]
    fn scores_agree_up_to_rounding_and_only_a_class_may_be_absent() {
        let low = constant(Task::Regression, vec![-1e6], 1.0);
        let agreed = |model: &TreeModel, library: &[f64]| agree(Booster::XGBoost, model, &[0.5], library);
        agreed(&low, &[-999_998.9]).unwrap();
        assert!(agreed(&low, &[-999_000.0]).is_err());
        assert!(agreed(&low, &[f64::NEG_INFINITY]).is_err());
        let absent = constant(Task::Classification { n_classes: 3 }, vec![0.0, NEVER, 0.5], 1.0);
        agreed(&absent, &[1.0, f64::NEG_INFINITY, 0.5]).unwrap();
        // The absent class does not loosen what the others are held to.
        assert!(agreed(&absent, &[1.01, f64::NEG_INFINITY, 0.5]).is_err());
    }

    #[test]
    fn every_number_goes_the_way_that_the_library_sends_it() {
        let numbers = [
            f32::NEG_INFINITY,
            f32::MIN,
            -1.5,
            -f32::MIN_POSITIVE,
            -f32::from_bits(1),
            -0.0,
            0.0,
            f32::from_bits(1),
            0.1,
            1.0,
            1.0_f32.next_up(),
            1.0_f32.next_down(),
            3e38,
            f32::MAX,
            f32::INFINITY,
        ];
        for threshold in numbers.into_iter().filter(|number| *number > f32::MIN) {
            let up_to = up_to_before(Booster::XGBoost, threshold).unwrap();
            for number in numbers {
                assert_eq!(number <= up_to, number < threshold, "{number} at {threshold}");
            }
        }
        let between = [
            0.1,
            1.0 + 1e-12,
            1.0 - 1e-12,
            1e-60,
            -1e-60,
            1e300,
            f64::from(f32::MAX),
            0.0,
            -0.0,
        ];
        for threshold in between
            .into_iter()
            .chain(numbers[1..].iter().map(|number| f64::from(*number)))
        {
            let single = up_to(Booster::LightGBM, threshold).unwrap();
            for number in numbers.into_iter().filter(|number| number.is_finite()) {
                assert_eq!(
                    number <= single,
                    f64::from(number) <= threshold,
                    "{number} at {threshold}"
                );
            }
        }
        assert!(up_to(Booster::LightGBM, -1e300).is_err());
        assert!(up_to_before(Booster::XGBoost, f32::MIN).is_err());
        assert!(up_to(Booster::LightGBM, f64::NAN).is_err());
    }
}
