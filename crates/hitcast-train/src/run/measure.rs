//! What an epoch came to.

use std::collections::BTreeMap;

use hitcast_core::EpochRecord;
use hitcast_metrics::squared_deviations;

use super::Run;
use crate::engine::Split;
use crate::error::{Result, TrainError};
use crate::sums::Sums;

impl Run<'_, '_> {
    pub(super) fn measure(&mut self, epoch: usize, last_step: usize, train_loss: f64) -> Result<EpochRecord> {
        let train = match self.targets.train.filter(|_| self.settings.measure_training_rows) {
            Some(target) => self.metrics(epoch, Split::Train, target, None)?.0,
            None => BTreeMap::new(),
        };
        let (validation, validation_loss) = match self.targets.validation {
            Some(target) => {
                let weights = self.targets.validation_weights;
                let (metrics, loss) = self.metrics(epoch, Split::Validation, target, weights)?;
                (metrics, Some(loss))
            }
            None => (BTreeMap::new(), None),
        };
        Ok(EpochRecord {
            epoch: epoch + 1,
            learning_rate: self.rate(epoch, last_step),
            train_loss,
            validation_loss,
            train,
            validation,
            elapsed_seconds: self.elapsed_seconds(),
        })
    }

    fn metrics(
        &mut self,
        epoch: usize,
        split: Split,
        target: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<(BTreeMap<String, f64>, f64)> {
        let loss = self.targets.loss;
        let sums = match self.engine.measure(split, loss)? {
            Some(sums) => sums,
            None => {
                let mut sums = Sums::default();
                let mut take = |predicted| sums.add(loss, &predicted, target, weights);
                self.engine.predict_in_parts(split, &mut take)?;
                sums
            }
        };
        let split_name = match split {
            Split::Train => "training",
            Split::Validation => "validation",
        };
        if let Some(value) = sums.not_finite {
            return Err(TrainError::NonFinitePrediction {
                epoch: epoch + 1,
                split: split_name,
                value,
            });
        }
        let of_target = match split {
            Split::Train => &mut self.of_train,
            Split::Validation => &mut self.of_validation,
        };
        let of_target = *of_target.get_or_insert_with(|| squared_deviations(target));
        Ok((sums.metrics(of_target)?, sums.mean_loss()?))
    }
}
