//! Figures of data, training, results and explanations: plain numbers in, a [`Figure`] out, which is a picture as SVG or PNG
//! and the numbers behind it as CSV. The font is embedded and the colours can be told apart by colour-blind people.
//!
//! ```
//! use hitcast_plot::{Labels, Scatter};
//!
//! let danceability: Vec<f64> = (0..200).map(|i| f64::from(i % 50) / 50.0).collect();
//! let energy: Vec<f64> = danceability.iter().map(|d| 0.3 + 0.4 * d).collect();
//! let labels = Labels::new("Energy against danceability").x("Danceability (0 to 1)").y("Energy (0 to 1)");
//! let figure = Scatter { labels, ..Scatter::default() }.figure(&danceability, &energy)?;
//! assert!(figure.to_svg().contains("Danceability (0 to 1)"));
//! assert_eq!(&figure.to_png(600, 400)?[1..4], b"PNG");
//! assert!(figure.data().starts_with("x,y,color\n0,0.3,\n"));
//! # Ok::<(), hitcast_plot::PlotError>(())
//! ```
//!
//! Every kind of figure is a struct of settings with a method `figure`, which takes the data. What cannot be drawn, as NaN, is
//! left out and counted in the note below the title; what cannot make a figure is a [`PlotError`].
//!
//! - [`data`]: distributions, correlation, categories, missing values, years
//! - [`training`]: losses and learning rates
//! - [`results`]: predictions, residuals, curves, confusion, models beside each other
//! - [`explain`]: beeswarm, partial dependence, accumulated effects, waterfall
//! - [`words`]: word clouds

#![forbid(unsafe_code)]

mod axis;
mod classes;
mod color;
pub mod data;
mod draw;
mod error;
pub mod explain;
mod figure;
mod hexagons;
mod labels;
mod page;
pub mod results;
mod stats;
mod table;
mod text;
pub mod training;
pub mod words;

pub use data::boxes::BoxPlots;
pub use data::correlation::CorrelationHeatmap;
pub use data::histogram::Histogram;
pub use data::missing::{MissingColumn, MissingValues};
pub use data::scatter::Scatter;
pub use data::summary::SummaryTable;
pub use data::tiers::TierDistributions;
pub use data::timeline::{Center, Timeline};
pub use error::{PlotError, Result};
pub use explain::beeswarm::Beeswarm;
pub use explain::dependence::PartialDependence;
pub use explain::effects::EffectsFigure;
pub use explain::interaction::{DependenceHeatmap, Side};
pub use explain::waterfall::{Contribution, Waterfall};
pub use figure::{Figure, SavedFigure};
pub use labels::Labels;
pub use results::confusion::ConfusionHeatmap;
pub use results::curves::{PrecisionRecallFigure, RocFigure};
pub use results::estimates::{Estimate, GroupErrors, ImportanceBars, ModelComparison, Order};
pub use results::predicted::PredictedActual;
pub use results::reliability::ReliabilityDiagram;
pub use results::residuals::Residuals;
pub use results::times::TrainingTimes;
pub use training::learning_rate::{LearningRateFinder, LearningRateSchedule};
pub use training::loss::{EpochLoss, LossCurves};
pub use words::WordCloud;
