//! Scalers, imputers, encoders, recipes and splits that learn from training rows only. They agree with scikit-learn, keep what
//! they learned in public, and answer a value that they cannot use with an error that says where it stands.
//!
//! ```
//! use hitcast_core::Seed;
//! use hitcast_data::{Column, Table};
//! use hitcast_preprocess::{ColumnRecipe, Imputer, Recipe, RobustScaler, Scaler, SplitSettings};
//!
//! let table = Table::new([
//!     ("tempo", Column::Number((0..100).map(f64::from).collect())),
//!     ("explicit", Column::Flag((0..100).map(|row| Some(row % 3 == 0)).collect())),
//! ])?;
//! let split = SplitSettings::default().split(&table, Seed::new(42))?;
//! let recipe = Recipe::new([
//!     ColumnRecipe::new(["tempo"]).with_impute(Imputer::Median).with_scale(Scaler::Robust(RobustScaler::default())),
//!     ColumnRecipe::new(["explicit"]),
//! ]);
//! let preprocessor = recipe.fit(&table.take(&split.train))?;
//! let test = preprocessor.transform(&table.take(&split.test))?;
//! assert_eq!((test.n_rows(), test.n_features()), (10, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`scale`]: standard, robust and min-max scaling
//! - [`impute`]: filling in missing values
//! - [`encode`]: categories as numbers: one-hot, ordinal, by frequency or target, cyclic, several labels
//! - [`recipe`]: which columns become features, and how
//! - [`preprocessor`]: a fitted recipe
//! - [`resample`]: more rows of rare classes, fewer of common ones, or weights
//! - [`target`]: classes from a column: by a threshold, by bins, or its values
//! - [`split`]: training, validation and test rows, and folds

#![forbid(unsafe_code)]

mod column;
pub mod encode;
mod error;
pub mod impute;
pub mod preprocessor;
pub mod recipe;
pub mod resample;
pub mod scale;
pub mod split;
pub mod target;

pub use encode::category::Category;
pub use encode::cyclic::CyclicEncoder;
pub use encode::frequency::{FittedFrequencyEncoder, FrequencyEncoder};
pub use encode::multi_label::{FittedMultiLabelEncoder, MultiLabelEncoder};
pub use encode::one_hot::{FittedOneHotEncoder, OneHotEncoder, UnknownCategory};
pub use encode::ordinal::{FittedOrdinalEncoder, OrdinalEncoder};
pub use encode::target::{FittedTargetEncoder, Smoothing, Target, TargetEncoder, TargetValues};
pub use encode::{Encoded, Encoder, FittedEncoder};
pub use error::{PreprocessError, Result};
pub use impute::{FittedImputer, Imputer};
pub use preprocessor::Preprocessor;
pub use recipe::{ColumnRecipe, Recipe};
pub use resample::adasyn::Adasyn;
pub use resample::random::{RandomOverSampler, RandomUnderSampler};
pub use resample::smote::{BorderlineNeighbors, BorderlineSmote, Smote};
pub use resample::strategy::SamplingStrategy;
pub use resample::weights::{balanced_class_weights, sample_weights};
pub use resample::{Origin, Resampled, Sampler};
pub use scale::{
    FittedMinMaxScaler, FittedRobustScaler, FittedScaler, FittedStandardScaler, MinMaxScaler, RobustScaler,
    Scaler, StandardScaler,
};
pub use split::{Fold, Fractions, KFold, Split, SplitSettings, SplitStrategy};
pub use target::fitted::{FittedClass, FittedClasses};
pub use target::report::ClassReport;
pub use target::{BinClasses, ClassRule, LabelClasses, ThresholdClasses, Unclassed};
