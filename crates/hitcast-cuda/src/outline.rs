//! What kernels are made for: a network, its loss and its optimiser, as plain data.

pub use hitcast_kernels::pointwise::Function;

/// A network of stages and a head, and the loss that it is trained by.
///
/// Its parameters stand one behind the other: of each stage the weights (`units × inputs`, row by row), the bias, the
/// weight and the bias of its norm; of the head the weights, then its biases or the learned numbers of its thresholds. Its
/// statistics: of each norm the running means, then the running variances.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// Features of a row.
    pub inputs: usize,
    /// What stands before the head.
    pub stages: Vec<Stage>,
    /// The head and the loss.
    pub output: Output,
}

/// A linear layer with the batch norm, activation and dropout behind it; each may be missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Units that come out.
    pub units: usize,
    /// Whether there is a linear layer, and whether it has a bias.
    pub linear: Option<Linear>,
    /// Batch norm.
    pub norm: Option<Norm>,
    /// The activation.
    pub function: Function,
    /// Chance of a unit to be zero, above 0 and below 1.
    pub dropout: Option<f64>,
}

/// A linear layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linear {
    /// Whether it has a bias.
    pub bias: bool,
}

/// Settings of a batch norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// Weight of the newest batch in the running statistics.
    pub momentum: f32,
    /// Added to the variance.
    pub epsilon: f32,
}

/// What is made of the last units, and what it is measured by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Output {
    /// A number, from one unit.
    Number {
        /// The function of the unit.
        head: Head,
        /// The loss.
        loss: NumberLoss,
    },
    /// The probability of each class.
    Classes {
        /// From which units.
        function: Classes,
        /// How many classes, at least 2.
        n: usize,
        /// The loss.
        loss: ClassLoss,
    },
}

/// What a number is made of its unit by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Head {
    /// The unit itself.
    Linear,
    /// A sigmoid from `min` to `min + range`.
    Bounded {
        /// The smallest number.
        min: f32,
        /// The largest less the smallest.
        range: f32,
    },
    /// Softplus.
    Positive,
}

/// The loss of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NumberLoss {
    /// Squared error.
    Squared,
    /// Absolute error.
    Absolute,
    /// Half the squared error up to `delta`, linear beyond.
    Huber {
        /// Where it changes.
        delta: f32,
    },
}

/// What probabilities are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classes {
    /// The logit of class 1 of two.
    Logistic,
    /// A logit for each class.
    Softmax,
    /// One unit and rising thresholds of it, one less than there are classes.
    Cumulative,
}

/// The loss of classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClassLoss {
    /// Cross-entropy.
    CrossEntropy {
        /// Share of each target that is spread over all classes.
        label_smoothing: f32,
    },
    /// Focal loss.
    Focal {
        /// How little rows count that are right already.
        gamma: f32,
    },
}

/// How weights follow gradients. What does not change during a training becomes part of the program.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Whether weight decay applies to parameters of so many axes (index 0: to those of one axis; 1: of two).
    pub decays: [bool; 2],
    /// Largest norm of a gradient.
    pub clip_norm: Option<f64>,
    /// Decay of the average of the weights.
    pub average_decay: Option<f64>,
}

/// Optimisers as PyTorch defines them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd {
        /// Decay of the velocity; 0 for none.
        momentum: f64,
        /// Nesterov's variant.
        nesterov: bool,
        /// Added to the gradient, times the parameters.
        weight_decay: f64,
    },
    /// Adam or AdamW.
    Adam {
        /// Decays of the means.
        betas: (f64, f64),
        /// Added to the root.
        epsilon: f64,
        /// The decay.
        weight_decay: f64,
        /// Whether it is AdamW's, which is taken off the parameters.
        decoupled: bool,
    },
}

/// Where a matrix and what is added stand in the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) inputs: usize,
    pub(crate) units: usize,
    pub(crate) weights: usize,
    pub(crate) bias: Option<usize>,
}

/// Where the numbers of a norm stand in the parameters and the statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NormPlace {
    pub(crate) weight: usize,
    pub(crate) bias: usize,
    pub(crate) mean: usize,
    pub(crate) variance: usize,
}

/// Where everything stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) stages: Vec<(Option<Place>, Option<NormPlace>)>,
    /// The weights of the head, and its biases where it has no thresholds.
    pub(crate) head: Option<Place>,
    pub(crate) thresholds: Option<usize>,
    pub(crate) n_parameters: usize,
    pub(crate) n_statistics: usize,
}

impl Output {
    /// Units that go into the head's function.
    pub(crate) fn n_units(&self) -> usize {
        match *self {
            Self::Classes {
                function: Classes::Softmax,
                n,
                ..
            } => n,
            _ => 1,
        }
    }

    /// Numbers predicted for a row.
    pub fn width(&self) -> usize {
        match *self {
            Self::Number { .. } => 1,
            Self::Classes { n, .. } => n,
        }
    }
}

impl Outline {
    /// How many numbers are learned by gradients, and how many running statistics there are.
    pub fn sizes(&self) -> (usize, usize) {
        let places = self.places();
        (places.n_parameters, places.n_statistics)
    }

    /// The most units of a stage, or features.
    pub(crate) fn widest(&self) -> usize {
        self.stages
            .iter()
            .map(|stage| stage.units)
            .fold(self.inputs, usize::max)
    }

    pub(crate) fn has_norm(&self) -> bool {
        self.stages.iter().any(|stage| stage.norm.is_some())
    }

    pub(crate) fn places(&self) -> Places {
        let mut places = Places::default();
        let take = |at: &mut usize, n: usize| {
            *at += n;
            *at - n
        };
        let mut inputs = self.inputs;
        for stage in &self.stages {
            let units = stage.units;
            let at = &mut places.n_parameters;
            let linear = stage.linear.map(|linear| Place {
                inputs,
                units,
                weights: take(at, units * inputs),
                bias: linear.bias.then(|| take(at, units)),
            });
            let norm = stage.norm.map(|_| NormPlace {
                weight: take(at, units),
                bias: take(at, units),
                mean: take(&mut places.n_statistics, units),
                variance: take(&mut places.n_statistics, units),
            });
            places.stages.push((linear, norm));
            inputs = units;
        }
        let units = self.output.n_units();
        let at = &mut places.n_parameters;
        let weights = take(at, units * inputs);
        let cumulative = match self.output {
            Output::Classes {
                function: Classes::Cumulative,
                n,
                ..
            } => Some(n - 1),
            _ => None,
        };
        places.head = Some(Place {
            inputs,
            units,
            weights,
            bias: cumulative.is_none().then(|| take(at, units)),
        });
        places.thresholds = cumulative.map(|n| take(at, n));
        places
    }
}
