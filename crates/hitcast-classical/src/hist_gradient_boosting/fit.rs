//! One iteration after another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use hitcast_core::crew::{Crew, with_crew};
use hitcast_core::stats::sum;
use hitcast_core::{Dataset, EpochRecord, Event, FitContext, Seed, StopReason};

use super::HistGradientBoosting;
use super::bins::Bins;
use super::draws::{drawn, part, sampled};
use super::grow::{DIVIDED, Ends, Grower, Soil};
use super::grown::Grown;
use super::histogram::chunks;
use super::scores::{Pass, Rows, parts};
use super::split::Limits;
use super::work::{Bench, Done, Job, Watched};
use crate::checks::finite_losses;
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

/// How the rows that are only looked at fare.
struct Course {
    scores: Arc<Vec<f64>>,
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
        let seen_weights = self.validation.and_then(weights_of_mean_one);
        let watched = self.validation.map(|validation| {
            let binned = bins.put(validation.features(), threads);
            Ok(Watched {
                binned: binned.ok_or(ClassicalError::Encoding)?,
                rows: Rows::new(validation, &loss, seen_weights.as_deref()),
            })
        });
        let watched = watched.transpose()?;
        let chunks = chunks(&bins, threads);
        let bench = Bench {
            rows: training,
            bins: &bins,
            binned: &binned,
            watched,
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
            with_crew(threads, |job| bench.work::<2>(job), |crew| ground.boost(crew))
        } else {
            with_crew(threads, |job| bench.work::<3>(job), |crew| ground.boost(crew))
        }
    }
}

impl Ground<'_> {
    fn boost<const W: usize>(
        &self,
        crew: &Crew<'_, Job<W>, Done<W>>,
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
        let mut course = self.boosting.validation.map(|validation| Course {
            scores: Arc::new(self.loss.base.repeat(validation.n_rows())),
            best_loss: f64::INFINITY,
            best: 0,
        });
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
            self.iterate(&grower, pass, seed, &mut own, course.as_mut(), &mut boosted)?;
            scores = Arc::new(own);
            pass = self.pass(crew, &scores);
            let seen = course.as_ref().map(|course| self.mean_loss(crew, &course.scores));
            if self.tell(iteration, pass.loss, seen, course.as_mut(), &mut boosted)? {
                boosted.stopped = StopReason::EarlyStopping;
                break;
            }
        }
        let course = course.filter(|_| settings.early_stopping);
        let iterations = course.map_or(boosted.history.len(), |course| course.best.max(1));
        self.model(boosted, iterations)
    }

    /// Looks at the scores of all training rows.
    fn pass<const W: usize>(&self, crew: &Crew<'_, Job<W>, Done<W>>, scores: &Arc<Vec<f64>>) -> Pass {
        let n = self.boosting.train.n_rows();
        let jobs = parts(n).map(|rows| Job::Pass {
            scores: scores.clone(),
            rows,
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

    /// The mean loss of the rows that are watched, from their scores.
    fn mean_loss<const W: usize>(&self, crew: &Crew<'_, Job<W>, Done<W>>, scores: &Arc<Vec<f64>>) -> f64 {
        let jobs = parts(scores.len() / self.loss.width()).map(|rows| Job::Loss {
            scores: scores.clone(),
            rows,
        });
        let losses = crew.map(jobs.collect()).into_iter().map(|done| match done {
            Done::Lost(loss) => loss,
            _ => 0.0,
        });
        sum(losses)
    }

    /// Grows a tree for each output; all of them correct the same predictions.
    fn iterate<const W: usize>(
        &self,
        grower: &Grower<'_, W>,
        pass: Pass,
        seed: Seed,
        scores: &mut [f64],
        mut course: Option<&mut Course>,
        boosted: &mut Boosted,
    ) -> Result<(), ClassicalError> {
        let settings = self.boosting.settings;
        let width = self.loss.width();
        let (rows, rest) = self.drawn(seed);
        // Rows were counted before.
        #[allow(clippy::cast_possible_truncation)]
        let watched: Vec<u32> = match self.boosting.validation {
            Some(validation) => (0..validation.n_rows() as u32).collect(),
            None => Vec::new(),
        };
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
            for (leaf, rows) in sent(grower.crew, &grown, false, &rest) {
                add(scores, &rows, width, output, values[leaf]);
            }
            if let Some(course) = &mut course {
                let scores = Arc::make_mut(&mut course.scores);
                for (leaf, rows) in sent(grower.crew, &grown, true, &watched) {
                    add(scores, &rows, width, output, values[leaf]);
                }
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
        validation_loss: Option<f64>,
        course: Option<&mut Course>,
        boosted: &mut Boosted,
    ) -> Result<bool, ClassicalError> {
        let Boosting {
            settings, context, ..
        } = *self.boosting;
        finite_losses(train_loss, validation_loss)?;
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
        let (Some(course), Some(loss)) = (course, validation_loss) else {
            return Ok(false);
        };
        if loss < course.best_loss - settings.tol {
            (course.best_loss, course.best) = (loss, iteration);
        }
        Ok(settings.early_stopping && iteration - course.best >= settings.n_iter_no_change)
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
        let ensemble = TreeEnsemble::new(
            train.n_features(),
            train.task(),
            self.loss.link(),
            Combination::Sum,
            self.loss.base.clone(),
            boosted.trees,
        )?;
        Ok(Outcome {
            model: TreeModel::of_gains(TreeKind::HistGradientBoosting, ensemble, importances)?,
            history: boosted.history,
            best_epoch: Some(iterations),
            stopped: boosted.stopped,
        })
    }
}

/// The leaves that rows come to, sent by all threads: of the training rows, or of those that are watched.
fn sent<const W: usize>(
    crew: &Crew<'_, Job<W>, Done<W>>,
    grown: &Grown,
    watched: bool,
    rows: &[u32],
) -> Vec<(usize, Vec<u32>)> {
    let jobs = rows.chunks(DIVIDED).map(|rows| Job::Send {
        nodes: grown.nodes.clone(),
        rows: rows.to_vec(),
        watched,
    });
    let done = crew.map(jobs.collect()).into_iter();
    let leaves = done.filter_map(|done| match done {
        Done::Sent(leaves) => Some(leaves),
        _ => None,
    });
    leaves.flatten().collect()
}

/// Adds a leaf's value to the scores of its rows.
fn add(scores: &mut [f64], rows: &[u32], width: usize, output: usize, value: f64) {
    for row in rows {
        scores[*row as usize * width + output] += value;
    }
}
