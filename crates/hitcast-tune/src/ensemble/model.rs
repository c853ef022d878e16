//! Fitted members that predict together.

use std::collections::BTreeMap;
use std::fmt;

use hitcast_core::estimator::check_features;
use hitcast_core::{
    ContributionScale, Contributions, CoreError, DeviceChoice, Gradients, Model, ModelState, Predictions,
    Result, Task, TensorData,
};
use hitcast_pipeline::Registry;
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::EnsembleKind;

/// An ensemble after its fit.
pub struct EnsembleModel {
    task: Task,
    n_features: usize,
    members: Vec<Member>,
    stacker: Option<Stacker>,
}

/// One member: fits that are averaged.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) kind: String,
    /// Its share of the prediction; without meaning where the members are stacked.
    pub(super) weight: f64,
    pub(super) models: Vec<Box<dyn Model>>,
}

/// A model of the members' predictions.
pub(super) struct Stacker {
    pub(super) kind: String,
    pub(super) model: Box<dyn Model>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    task: Task,
    n_features: usize,
    members: Vec<MemberFacts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stacker: Option<StackerFacts>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberFacts {
    name: String,
    kind: String,
    weight: f64,
    /// Settings of each fit.
    models: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StackerFacts {
    kind: String,
    settings: Value,
}

impl Stacker {
    /// Predictions of members (each `n × w`, row by row) as features, `n × m` for numbers and `n × m (w − 1)` for classes, whose
    /// first probability follows from the others.
    #[allow(clippy::cast_possible_truncation)]
    pub(super) fn matrix(task: Task, predicted: &[&[f64]], n_rows: usize) -> Array2<f32> {
        let width = task.width();
        let first = usize::from(width > 1);
        let used = width - first;
        Array2::from_shape_fn((n_rows, predicted.len() * used), |(row, column)| {
            predicted[column / used][row * width + first + column % used] as f32
        })
    }
}

impl EnsembleModel {
    /// Members that predict together; without a stacker by their weights, which are made to sum to 1.
    pub(super) fn new(
        task: Task,
        n_features: usize,
        mut members: Vec<Member>,
        stacker: Option<Stacker>,
    ) -> Result<Self> {
        let wrong = |what: &str| Err(CoreError::State(format!("ensemble: {what}")));
        let total: f64 = members.iter().map(|member| member.weight).sum();
        if members
            .iter()
            .any(|member| !(member.weight.is_finite() && member.weight >= 0.0))
            || !(total.is_finite() && total > 0.0)
        {
            return wrong("weights of members must be finite and at least 0, and not all may be 0");
        }
        members.iter_mut().for_each(|member| member.weight /= total);
        if members.iter().any(|member| member.models.is_empty()) {
            return wrong("a member has no fit");
        }
        let mut models = members.iter().flat_map(|member| &member.models);
        if models.any(|model| model.n_features() != n_features) {
            return wrong("its members were fitted on different features");
        }
        let columns = match task {
            Task::Classification { n_classes } if n_classes < 2 => {
                return wrong("it has fewer than two classes");
            }
            Task::Classification { n_classes } => members.len().saturating_mul(n_classes - 1),
            _ => members.len(),
        };
        if stacker
            .as_ref()
            .is_some_and(|stacker| stacker.model.n_features() != columns)
        {
            return wrong("the model of its members' predictions was fitted on another number of members");
        }
        Ok(Self {
            task,
            n_features,
            members,
            stacker,
        })
    }

    /// The members' names and their shares of the prediction, which sum to 1; `None` where they are stacked.
    pub fn weights(&self) -> Option<impl Iterator<Item = (&str, f64)>> {
        let weights = self
            .members
            .iter()
            .map(|member| (member.name.as_str(), member.weight));
        self.stacker.is_none().then_some(weights)
    }

    /// Loads a saved ensemble of members of these kinds.
    ///
    /// # Errors
    /// [`CoreError::State`] if something is missing, too much or does not fit together, or the error of a member's kind.
    pub fn load(state: &ModelState, registry: &Registry, device: DeviceChoice) -> Result<Self> {
        let wrong = |what: String| CoreError::State(format!("ensemble: {what}"));
        let facts: Facts =
            serde_json::from_value(state.settings.clone()).map_err(|error| wrong(error.to_string()))?;
        let mut taken = 0;
        let mut load = |kind: &str, name: &str, prefix: &str, settings: Value| -> Result<Box<dyn Model>> {
            let own: BTreeMap<String, TensorData> = (state.tensors.iter())
                .filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone())))
                .collect();
            taken += own.len();
            let kind = registry
                .get(kind, name)
                .map_err(|error| wrong(error.to_string()))?;
            let state = ModelState {
                settings,
                tensors: own,
            };
            kind.load(&state, device)
                .map_err(|error| wrong(format!("member {name:?}: {error}")))
        };
        let mut members = Vec::new();
        for (place, member) in facts.members.into_iter().enumerate() {
            let MemberFacts {
                name,
                kind,
                weight,
                models,
            } = member;
            let models = models.into_iter().enumerate();
            let models = models.map(|(nth, settings)| load(&kind, &name, &prefix(place, nth), settings));
            members.push(Member {
                models: models.collect::<Result<_>>()?,
                name,
                kind,
                weight,
            });
        }
        let stacker = facts.stacker.map(|StackerFacts { kind, settings }| {
            let model = load(&kind, "stacking", STACKER, settings)?;
            Ok::<_, CoreError>(Stacker { kind, model })
        });
        let stacker = stacker.transpose()?;
        if taken != state.tensors.len() {
            return Err(wrong("holds tensors that belong to no member".to_owned()));
        }
        Self::new(facts.task, facts.n_features, members, stacker)
    }

    /// The mean of a member's fits, row by row.
    fn predict_member(&self, member: &Member, features: ArrayView2<'_, f32>) -> Result<Vec<f64>> {
        let mut total: Vec<f64> = Vec::new();
        #[allow(clippy::cast_precision_loss)]
        let share = 1.0 / member.models.len() as f64;
        for model in &member.models {
            add(
                &mut total,
                share,
                self.of_task(model.predict(features)?)?.into_values(),
            );
        }
        Ok(total)
    }

    fn of_task(&self, predictions: Predictions) -> Result<Predictions> {
        let (expected, got) = (self.task, predictions.task());
        if expected == got {
            Ok(predictions)
        } else {
            Err(CoreError::WrongTask { expected, got })
        }
    }
}

/// Adds a share of predictions to a sum, which becomes as long as they are, whatever a file says of the task.
fn add(total: &mut Vec<f64>, share: f64, values: Vec<f64>) {
    total.resize(values.len(), 0.0);
    total
        .iter_mut()
        .zip(values)
        .for_each(|(sum, value)| *sum += share * value);
}

const STACKER: &str = "stacker/";

/// What the names of a fit's tensors begin with.
fn prefix(member: usize, nth: usize) -> String {
    format!("{member}/{nth}/")
}

impl Model for EnsembleModel {
    fn kind(&self) -> &'static str {
        EnsembleKind::NAME
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn n_parameters(&self) -> usize {
        let models = self.members.iter().flat_map(|member| &member.models);
        let stacker = self.stacker.iter().map(|stacker| &stacker.model);
        models.chain(stacker).map(|model| model.n_parameters()).sum()
    }

    fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions> {
        check_features(self.n_features, features)?;
        let of_members = self
            .members
            .iter()
            .map(|member| self.predict_member(member, features));
        if let Some(stacker) = &self.stacker {
            let of_members = of_members.collect::<Result<Vec<_>>>()?;
            let of_members: Vec<&[f64]> = of_members.iter().map(Vec::as_slice).collect();
            let matrix = Stacker::matrix(self.task, &of_members, features.nrows());
            let predictions = stacker.model.predict(matrix.view())?;
            return self.of_task(predictions);
        }
        let mut total: Vec<f64> = Vec::new();
        for (member, values) in self.members.iter().zip(of_members) {
            add(&mut total, member.weight, values?);
        }
        Predictions::from_rounded_values(self.task, total)
    }

    /// The weighted mean of what the members say, if each says something about the same outputs.
    fn contributions(&self, features: ArrayView2<'_, f32>) -> Option<Result<Contributions>> {
        if self.stacker.is_some() {
            return None;
        }
        let mut total: Option<Contributions> = None;
        for member in &self.members {
            #[allow(clippy::cast_precision_loss)]
            let weight = member.weight / member.models.len() as f64;
            for model in &member.models {
                let own = match model.contributions(features)? {
                    Ok(own) if own.scale == ContributionScale::Prediction => own,
                    Ok(_) => return None,
                    error => return Some(error),
                };
                match &mut total {
                    None => {
                        total = Some(Contributions {
                            base: own.base.iter().map(|base| weight * base).collect(),
                            values: own.values * weight,
                            scale: own.scale,
                        });
                    }
                    Some(total) if total.values.dim() == own.values.dim() => {
                        total
                            .base
                            .iter_mut()
                            .zip(own.base)
                            .for_each(|(sum, base)| *sum += weight * base);
                        total.values.scaled_add(weight, &own.values);
                    }
                    Some(_) => return None,
                }
            }
        }
        total.map(Ok)
    }

    /// The weighted mean of the members' gradients, if each has them.
    fn gradients(&self, features: ArrayView2<'_, f32>, output: usize) -> Option<Result<Gradients>> {
        if self.stacker.is_some() {
            return None;
        }
        let (mut values, mut slopes) = (Vec::new(), Array2::<f64>::zeros(features.dim()));
        for member in &self.members {
            #[allow(clippy::cast_precision_loss)]
            let share = 1.0 / member.models.len() as f64;
            let mut of_member: Vec<f64> = Vec::new();
            for model in &member.models {
                let own = match model.gradients(features, output)? {
                    Ok(own) => own,
                    error => return Some(error),
                };
                let predicted = match self.of_task(own.predictions) {
                    Ok(predicted) => predicted.into_values(),
                    Err(error) => return Some(Err(error)),
                };
                add(&mut of_member, share, predicted);
                let weight = member.weight * share;
                if own.slopes.dim() != slopes.dim() {
                    return None;
                }
                slopes.zip_mut_with(&own.slopes, |sum, slope| *sum += weight * f64::from(*slope));
            }
            add(&mut values, member.weight, of_member);
        }
        #[allow(clippy::cast_possible_truncation)]
        let slopes = slopes.mapv(|slope| slope as f32);
        let predictions = Predictions::from_rounded_values(self.task, values);
        Some(predictions.map(|predictions| Gradients { predictions, slopes }))
    }

    fn state(&self) -> Result<ModelState> {
        let mut tensors = BTreeMap::new();
        let mut save = |model: &dyn Model, prefix: &str| -> Result<Value> {
            let state = model.state()?;
            let named = state
                .tensors
                .into_iter()
                .map(|(name, tensor)| (format!("{prefix}{name}"), tensor));
            tensors.extend(named);
            Ok(state.settings)
        };
        let mut members = Vec::new();
        for (place, member) in self.members.iter().enumerate() {
            let models = member.models.iter().enumerate();
            let models = models.map(|(nth, model)| save(&**model, &prefix(place, nth)));
            members.push(MemberFacts {
                name: member.name.clone(),
                kind: member.kind.clone(),
                weight: member.weight,
                models: models.collect::<Result<_>>()?,
            });
        }
        let stacker = self.stacker.as_ref().map(|stacker| {
            let settings = save(&*stacker.model, STACKER)?;
            Ok::<_, CoreError>(StackerFacts {
                kind: stacker.kind.clone(),
                settings,
            })
        });
        let facts = Facts {
            task: self.task,
            n_features: self.n_features,
            members,
            stacker: stacker.transpose()?,
        };
        let settings =
            serde_json::to_value(&facts).map_err(|error| CoreError::model(EnsembleKind::NAME, error))?;
        Ok(ModelState { settings, tensors })
    }
}

/// The members by their shares.
impl fmt::Display for EnsembleModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, member) in self.members.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            match &self.stacker {
                Some(_) => write!(f, "{comma}{}", member.name)?,
                None => write!(f, "{comma}{:.0} % {}", 100.0 * member.weight, member.name)?,
            }
        }
        match &self.stacker {
            Some(stacker) => write!(f, ", stacked by {}", stacker.kind),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for EnsembleModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnsembleModel({self})")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Predicts a line, and differentiates it if it may.
    struct Line([f32; 2], bool);

    impl Model for Line {
        fn kind(&self) -> &'static str {
            "line"
        }

        fn n_features(&self) -> usize {
            2
        }

        fn n_parameters(&self) -> usize {
            2
        }

        fn predict(&self, features: ArrayView2<'_, f32>) -> Result<Predictions> {
            let of = |row: ndarray::ArrayView1<'_, f32>| f64::from(row[0] * self.0[0] + row[1] * self.0[1]);
            Ok(Predictions::Regression(
                features.rows().into_iter().map(of).collect(),
            ))
        }

        fn gradients(&self, features: ArrayView2<'_, f32>, _: usize) -> Option<Result<Gradients>> {
            let slopes = Array2::from_shape_fn(features.dim(), |(_, feature)| self.0[feature]);
            let with = |predictions| Gradients { predictions, slopes };
            self.1.then(|| self.predict(features).map(with))
        }

        fn state(&self) -> Result<ModelState> {
            Err(CoreError::State("a line is not saved".to_owned()))
        }
    }

    fn member(weight: f64, lines: impl IntoIterator<Item = Line>) -> Member {
        let models = lines.into_iter().map(|line| Box::new(line) as Box<dyn Model>);
        Member {
            name: "line".to_owned(),
            kind: "line".to_owned(),
            weight,
            models: models.collect(),
        }
    }

    #[test]
    fn gradients_are_the_weighted_mean_where_every_member_has_them() {
        let rows = ndarray::array![[1.0_f32, 2.0], [0.5, -1.0], [0.0, 0.0]];
        let of = |differentiable: bool, stacker: Option<Stacker>| {
            let first = member(1.0, [Line([1.0, 0.0], true), Line([3.0, 2.0], true)]);
            let second = member(3.0, [Line([4.0, -4.0], differentiable)]);
            EnsembleModel::new(Task::Regression, 2, vec![first, second], stacker).unwrap()
        };
        let model = of(true, None);
        let found = model.gradients(rows.view(), 0).unwrap().unwrap();
        assert_eq!(found.predictions, model.predict(rows.view()).unwrap());
        assert_eq!(found.slopes.dim(), (3, 2));
        for slopes in found.slopes.rows() {
            // A quarter of the mean of 1 and 3, of 0 and 2, and three quarters of the other.
            assert_eq!(slopes.to_vec(), [3.5, -2.75]);
        }
        assert!(of(false, None).gradients(rows.view(), 0).is_none());
        let stacker = Stacker {
            kind: "line".to_owned(),
            model: Box::new(Line([1.0, 1.0], true)),
        };
        assert!(of(true, Some(stacker)).gradients(rows.view(), 0).is_none());
    }
}
