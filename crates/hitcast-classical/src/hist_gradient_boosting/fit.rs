//! One iteration after another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use hitcast_core::crew::{Crew, with_crew};
use hitcast_core::stats::sum;
use hitcast_core::{Dataset, EpochRecord, Event, FitContext, Seed, StopReason};

use super::HistGradientBoosting;
use super::bins::{Binned, Bins};
use super::draws::{drawn, part, sampled};
use super::grow::{Ends, Grower, Soil};
use super::grown::Grown;
use super::histogram::chunks;
use super::scores::{PASS, Pass, Rows};
use super::split::Limits;
use super::work::{Bench, Done, Job};
use crate::ensemble::{Combination, Link, Tree, TreeEnsemble};
use crate::error::ClassicalError;
use crate::loss::Loss;
use crate::penalized::weights_of_mean_one;
use crate::saved::Outcome;
use crate::tree_model::{TreeKind, TreeModel};

/// Rows from which the bins are learned at most, as in scikit-learn.
const BINNED_FROM: usize = 200_000;

/// A fit whose settings have been checked.
pub(super) struct Boosting<'a> {
    pub(super) settings: &'a HistGradientBoosting,
    pub(super) ends: Ends,
    pub(super) limits: Limits,
    pub(super) train: &'a Dataset,
    pub(super) validation: Option<&'a Dataset>,
    pub(super) context: &'a FitContext<'a>,
}

/// What is known before the first tree.
struct Ground<'a> {
    boosting: &'a Boosting<'a>,
    began: Instant,
    weights: Option<&'a [f64]>,
    /// The rows that count.
    rows: Arc<Vec<u32>>,
    bench: &'a Bench<'a>,
    loss: &'a Loss,
}

/// Rows that are only looked at.
struct Watched<'a> {
    binned: Binned<'a>,
    rows: Rows<'a>,
    scores: Vec<f64>,
    best_loss: f64,
    /// The iteration of the best loss, from 1.
    best: usize,
}

/// What the iterations make.
struct Boosted {
    trees: Vec<Tree>,
    /// How much each feature lowered the loss, for each tree.
    gains: Vec<Vec<f64>>,
    history: Vec<EpochRecord>,
    stopped: StopReason,
}

impl Boosting<'_> {
    pub(super) fn fit(&self) -> Result<Outcome<TreeModel>, ClassicalError> {
        let began = Instant::now();
        let (settings, train) = (self.settings, self.train);
        let threads = settings.threads(train);
        let loss = Loss::of(train)?;
        let weights = weights_of_mean_one(train);
        let weights = weights.as_deref();
        let training = Rows::new(train, &loss, weights);
        training.expect_finite()?;
        // Rows were counted before.
        #[allow(clippy::cast_possible_truncation)]
        let rows = 0..train.n_rows() as u32;
        let rows: Vec<u32> = match weights {
            Some(weights) => rows.filter(|row| weights[*row as usize] > 0.0).collect(),
            None => rows.collect(),
        };
        let mut random = self.context.seed.stream("bins");
        let seen = (rows.len() > BINNED_FROM).then(|| sampled(&rows, BINNED_FROM, &mut random));
        let (bins, binned) = Bins::learn(
            train.features(),
            seen.as_ref().unwrap_or(&rows),
            weights,
            settings.max_bins,
            threads,
        );
        let watched = self.validation.map(|validation| {
            let binned = bins.put(validation.features(), threads);
            Ok(Watched {
                binned: binned.ok_or(ClassicalError::Encoding)?,
                rows: Rows::new(validation, &loss, None),
                scores: loss.base.repeat(validation.n_rows()),
                best_loss: f64::INFINITY,
                best: 0,
            })
        });
        let watched = watched.transpose()?;
        let chunks = chunks(&bins, threads);
        let bench = Bench {
            rows: training,
            bins: &bins,
            binned: &binned,
            chunks: &chunks,
            limits: self.limits,
        };
        let ground = Ground {
            boosting: self,
            began,
            weights,
            rows: Arc::new(rows),
            bench: &bench,
            loss: &loss,
        };
        // Where the second derivative is 1, it need not be summed up.
        if loss.link() == Link::Identity && weights.is_none() {
            with_crew(
                threads,
                |job| bench.work::<2>(job),
                |crew| ground.boost(crew, watched),
            )
        } else {
            with_crew(
                threads,
                |job| bench.work::<3>(job),
                |crew| ground.boost(crew, watched),
            )
        }
    }
}

impl Ground<'_> {
    fn boost<const W: usize>(
        &self,
        crew: &Crew<'_, Job<W>, Done<W>>,
        mut watched: Option<Watched<'_>>,
    ) -> Result<Outcome<TreeModel>, ClassicalError> {
        let (settings, train) = (self.boosting.settings, self.boosting.train);
        let context = self.boosting.context;
        let grower = Grower {
            crew,
            bins: self.bench.bins,
            chunks: self.bench.chunks,
            ends: self.boosting.ends,
            n_features: train.n_features(),
        };
        let seeds = context.seed.child("iterations");
        let mut boosted = Boosted {
            trees: Vec::new(),
            gains: Vec::new(),
            history: Vec::new(),
            stopped: StopReason::Completed,
        };
        let mut scores = Arc::new(self.loss.base.repeat(train.n_rows()));
        let mut pass = self.pass(crew, &scores);
        for iteration in 1..=settings.max_iter {
            if iteration > 1 && context.stop.is_requested() {
                boosted.stopped = StopReason::Requested;
                break;
            }
            // No thread holds them between two rounds, so that nothing is copied.
            let mut own = Arc::unwrap_or_clone(scores);
            let seed = seeds.nth(iteration as u64);
            self.iterate(&grower, pass, seed, &mut own, &mut watched, &mut boosted)?;
            scores = Arc::new(own);
            pass = self.pass(crew, &scores);
            if self.tell(iteration, pass.loss, &mut watched, &mut boosted) {
                boosted.stopped = StopReason::EarlyStopping;
                break;
            }
        }
        let watched = watched.filter(|_| settings.early_stopping);
        let iterations = watched.map_or(boosted.history.len(), |watched| watched.best.max(1));
        self.model(boosted, iterations)
    }

    /// Looks at the scores of all training rows.
    fn pass<const W: usize>(&self, crew: &Crew<'_, Job<W>, Done<W>>, scores: &Arc<Vec<f64>>) -> Pass {
        let n = self.boosting.train.n_rows();
        let jobs = (0..n.div_ceil(PASS)).map(|block| Job::Pass {
            scores: scores.clone(),
            rows: block * PASS..n.min((block + 1) * PASS),
        });
        let mut whole = Pass {
            slopes: vec![Vec::with_capacity(n); self.loss.width()],
            loss: 0.0,
        };
        let mut losses = Vec::new();
        for done in crew.map(jobs.collect()) {
            if let Done::Passed(pass) = done {
                for (whole, own) in whole.slopes.iter_mut().zip(pass.slopes) {
                    whole.extend(own);
                }
                losses.push(pass.loss);
            }
        }
        whole.loss = sum(losses);
        whole
    }

    /// Grows a tree for each output; all of them correct the same predictions.
    fn iterate<const W: usize>(
        &self,
        grower: &Grower<'_, W>,
        pass: Pass,
        seed: Seed,
        scores: &mut [f64],
        watched: &mut Option<Watched<'_>>,
        boosted: &mut Boosted,
    ) -> Result<(), ClassicalError> {
        let settings = self.boosting.settings;
        let width = self.loss.width();
        let (rows, rest) = self.drawn(seed);
        for (output, slopes) in pass.slopes.into_iter().enumerate() {
            let seed = seed.nth(output as u64);
            let kept = (settings.colsample_bytree < 1.0).then(|| {
                let all: Vec<usize> = (0..grower.n_features).collect();
                let count = part(settings.colsample_bytree, all.len());
                drawn(&all, count, all.len(), &mut seed.stream("columns"))
            });
            let grown = grower.grow(Soil {
                all: rows.len() == self.boosting.train.n_rows(),
                rows: rows.clone(),
                slopes: Arc::new(slopes),
                kept,
                seed,
            });
            let values = self.values(&grown)?;
            for (leaf, value) in grown.leaves.iter().zip(&values) {
                add(scores, &leaf.rows, width, output, *value);
            }
            grown.send(self.bench.binned, rest.clone(), |leaf, rows| {
                add(scores, rows, width, output, values[leaf]);
            });
            if let Some(Watched { binned, scores, .. }) = watched {
                // Rows were counted when they were put into bins.
                #[allow(clippy::cast_possible_truncation)]
                let rows = (0..binned.n as u32).collect();
                grown.send(binned, rows, |leaf, rows| {
                    add(scores, rows, width, output, values[leaf]);
                });
            }
            boosted.trees.push(self.tree(&grown, &values)?);
            boosted.gains.push(grown.gains);
        }
        Ok(())
    }

    /// The rows that an iteration learns from, and the others that count.
    fn drawn(&self, seed: Seed) -> (Arc<Vec<u32>>, Vec<u32>) {
        let share = self.boosting.settings.subsample;
        if share >= 1.0 {
            return (self.rows.clone(), Vec::new());
        }
        let count = part(share, self.rows.len());
        let rows = sampled(&self.rows, count, &mut seed.stream("rows"));
        let mut next = rows.iter().peekable();
        let is_rest = |row: &u32| next.next_if_eq(&row).is_none();
        let rest = self.rows.iter().copied().filter(is_rest).collect();
        (Arc::new(rows), rest)
    }

    /// What each leaf adds to the scores of its rows.
    fn values(&self, grown: &Grown) -> Result<Vec<f64>, ClassicalError> {
        let settings = self.boosting.settings;
        let value = |step: f64| settings.learning_rate * step * self.bench.rows.unit();
        let values = grown.leaves.iter().map(|leaf| {
            let value = value(leaf.sums.step(settings.l2_regularization));
            if value.is_finite() {
                return Ok(value);
            }
            let what = "the value of a leaf";
            Err(ClassicalError::NotFinite { what, value })
        });
        values.collect()
    }

    fn tree(&self, grown: &Grown, values: &[f64]) -> Result<Tree, ClassicalError> {
        let cover = |rows: &[u32]| match self.weights {
            #[allow(clippy::cast_precision_loss)]
            None => rows.len() as f64,
            Some(weights) => rows.iter().map(|row| weights[*row as usize]).sum(),
        };
        let covers: Vec<f64> = grown.leaves.iter().map(|leaf| cover(&leaf.rows)).collect();
        grown.tree(self.bench.bins, &covers, values)
    }

    /// Records and reports an iteration, and says whether to stop now.
    fn tell(
        &self,
        iteration: usize,
        train_loss: f64,
        watched: &mut Option<Watched<'_>>,
        boosted: &mut Boosted,
    ) -> bool {
        let Boosting {
            settings, context, ..
        } = *self.boosting;
        let validation_loss = watched
            .as_ref()
            .map(|watched| watched.rows.mean_loss(&watched.scores));
        let record = EpochRecord {
            epoch: iteration,
            learning_rate: settings.learning_rate,
            train_loss,
            validation_loss,
            train: BTreeMap::new(),
            validation: BTreeMap::new(),
            elapsed_seconds: self.began.elapsed().as_secs_f64(),
        };
        context.progress.report(&Event::EpochEnded {
            model: context.name,
            record: &record,
            epochs: settings.max_iter,
        });
        boosted.history.push(record);
        let (Some(watched), Some(loss)) = (watched, validation_loss) else {
            return false;
        };
        if loss < watched.best_loss - settings.tol {
            (watched.best_loss, watched.best) = (loss, iteration);
        }
        settings.early_stopping && iteration - watched.best >= settings.n_iter_no_change
    }

    /// The model of the first iterations.
    fn model(&self, mut boosted: Boosted, iterations: usize) -> Result<Outcome<TreeModel>, ClassicalError> {
        let train = self.boosting.train;
        let trees = iterations * self.loss.width();
        boosted.trees.truncate(trees);
        let mut importances = vec![0.0; train.n_features()];
        for gains in boosted.gains.iter().take(trees) {
            for (importance, gain) in importances.iter_mut().zip(gains) {
                *importance += gain;
            }
        }
        let all = sum(importances.iter().copied());
        if all > 0.0 {
            importances.iter_mut().for_each(|importance| *importance /= all);
        }
        let ensemble = TreeEnsemble::new(
            train.n_features(),
            train.task(),
            self.loss.link(),
            Combination::Sum,
            self.loss.base.clone(),
            boosted.trees,
        )?;
        Ok(Outcome {
            model: TreeModel::new(TreeKind::HistGradientBoosting, ensemble, importances)?,
            history: boosted.history,
            best_epoch: Some(iterations),
            stopped: boosted.stopped,
        })
    }
}

/// Adds a leaf's value to the scores of its rows.
fn add(scores: &mut [f64], rows: &[u32], width: usize, output: usize, value: f64) {
    for row in rows {
        scores[*row as usize * width + output] += value;
    }
}
