//! From an experiment to its run: read, clean, split, fit on the training rows, choose by the validation rows, judge on the
//! test rows.

mod fit;
mod judge;
mod refit;
mod rows;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use hitcast_core::{Checkpoints, DeviceChoice, Event, NoProgress, Progress, StopSignal};
use hitcast_data::{BadValues, CsvReader, Loaded, ReadReport, Schema, SchemaChoice, Table, catalogue};

use crate::environment::Environment;
use crate::error::{PipelineError, Result};
use crate::experiment::Experiment;
use crate::registry::Registry;
use crate::report::{DataReport, Seconds, SplitSizes};
use crate::run::Run;
use crate::text::grouped;
use fit::Candidate;
use judge::Findings;
use rows::Parts;

/// What a run is given besides the experiment.
#[derive(Clone)]
pub struct RunContext<'a> {
    /// Where events go.
    pub progress: &'a dyn Progress,
    /// Asked between steps; a stop keeps what was fitted so far.
    pub stop: &'a StopSignal,
    /// A device in place of the experiment's.
    pub device: Option<DeviceChoice>,
    /// Machine and libraries, for the report; what concerns libtorch only the caller knows.
    pub environment: Environment,
    /// Where fits keep what they need to go on after being killed, each in a folder of its own inside of this one; a run of
    /// the same experiment goes on from what is there. `None`: nothing is kept.
    pub checkpoints: Option<Checkpoints<'a>>,
    /// Models that are fitted at the same time on the processor, each on one thread and with a copy of the rows of its own;
    /// on a GPU it is one after another. The results do not depend on it.
    pub threads: NonZeroUsize,
}

impl<'a> RunContext<'a> {
    /// A context that shows nothing.
    pub fn quiet(stop: &'a StopSignal) -> Self {
        Self {
            progress: &NoProgress,
            stop,
            device: None,
            environment: Environment::detect(),
            checkpoints: None,
            threads: hitcast_core::parallel::available_threads(),
        }
    }
}

impl RunContext<'_> {
    /// How many fits of this experiment go on at the same time.
    pub fn fits_at_once(&self, experiment: &Experiment) -> NonZeroUsize {
        let finds_gpu = || {
            let found = self.environment.device.as_deref();
            found.is_some_and(|device| device != "cpu")
        };
        let device = self.device.unwrap_or(experiment.device);
        device.fits_at_once(self.threads, finds_gpu)
    }
}

impl fmt::Debug for RunContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext")
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// Where a table comes from.
struct Source<'a> {
    path: Option<&'a Path>,
    schema: Option<Schema>,
    read: Option<ReadReport>,
    read_seconds: f64,
}

impl Experiment {
    /// Reads the experiment's file and runs it.
    ///
    /// # Errors
    /// [`PipelineError`] of the step that failed; settings are checked before the file is read.
    /// [`PipelineError::Stopped`] if a stop was requested before a model was fitted.
    pub fn run(&self, registry: &Registry, context: &RunContext<'_>) -> Result<Run> {
        let candidates = fit::candidates(self, registry)?;
        let path = self.data_path()?;
        let started = Instant::now();
        let Loaded {
            table,
            schema,
            report,
            ..
        } = self.read(path)?;
        let read_seconds = started.elapsed().as_secs_f64();
        let source = Source {
            path: Some(path),
            schema,
            read: Some(report),
            read_seconds,
        };
        self.execute(table, source, &candidates, context)
    }

    /// Runs the experiment on a table that is there already; `data.path` is not looked at. `schema` is where valid
    /// ranges and units come from, if there is one.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_on(
        &self,
        table: Table,
        schema: Option<Schema>,
        registry: &Registry,
        context: &RunContext<'_>,
    ) -> Result<Run> {
        let candidates = fit::candidates(self, registry)?;
        self.execute(
            table,
            Source {
                path: None,
                schema,
                read: None,
                read_seconds: 0.0,
            },
            &candidates,
            context,
        )
    }

    /// Reads a file as this experiment reads its own.
    ///
    /// # Errors
    /// [`PipelineError::Data`] if it cannot be read, [`PipelineError::Setting`] if there is no such schema.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Loaded> {
        let bad_values = if self.data.skip_bad_rows {
            BadValues::Skip
        } else {
            BadValues::Error
        };
        let reader = CsvReader {
            schema: self.schema_choice()?,
            bad_values,
            ..CsvReader::default()
        };
        Ok(reader.read(path)?)
    }

    /// The file to learn from.
    pub(crate) fn data_path(&self) -> Result<&Path> {
        let missing = || PipelineError::setting("data.path", "is missing; name the file to learn from");
        self.data.path.as_deref().ok_or_else(missing)
    }

    fn schema_choice(&self) -> Result<SchemaChoice> {
        let Some(name) = &self.data.schema else {
            return Ok(SchemaChoice::Auto);
        };
        if let Some(schema) = catalogue::schema_named(name) {
            return Ok(SchemaChoice::Given(schema.clone()));
        }
        if Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            return Ok(SchemaChoice::Given(Schema::load(name)?));
        }
        let names = || catalogue::schemas().iter().map(|schema| schema.name.as_str());
        let suggestion = hitcast_core::suggest::did_you_mean(name, names());
        let available = names().collect::<Vec<_>>().join(", ");
        let message = format!("no schema {name:?}{suggestion}; use {available}, or the path of a .toml file");
        Err(PipelineError::setting("data.schema", message))
    }

    fn execute(
        &self,
        table: Table,
        source: Source<'_>,
        candidates: &[Candidate<'_>],
        context: &RunContext<'_>,
    ) -> Result<Run> {
        let mut clock = Clock::start();
        let sample = self.sample(table, source.schema)?;
        let clean = clock.lap();
        let mut warnings = Vec::new();
        let split = sample.split()?;
        let parts = Parts::new(&sample, &split)?;
        self.decision.check_rows(&parts.validation.dataset)?;
        // Before the fits, so that what cannot be prepared is known before the hours of a training.
        let is_refitted = self.refit && candidates.iter().any(|one| !one.estimator.uses_validation());
        let whole = is_refitted.then(|| parts.whole(&split)).transpose()?;
        parts.warn_of_classes(&mut warnings);
        whole.as_ref().unwrap_or(&parts).warn_of_groups(&mut warnings)?;
        let SplitSizes {
            train,
            validation,
            test,
        } = parts.sizes();
        let [train, validation, test] = [train, validation, test].map(grouped);
        let note = format!("{train} rows to learn from, {validation} to choose by, {test} to test on");
        context.progress.report(&Event::Note(&note));
        let prepare = clock.lap();
        let (mut fitted, best) = fit::fit_all(candidates, &parts, context, &mut warnings)?;
        if let Some(whole) = &whole {
            refit::refit(candidates, &mut fitted, whole, context, &mut warnings);
        }
        let data = DataReport {
            path: source.path.map(|path| path.display().to_string()),
            schema: sample.schema.as_ref().map(|schema| schema.name.clone()),
            read: source.read,
            cleaning: sample.cleaning.clone(),
            outliers: parts.prepared.outliers.clone(),
        };
        let seconds = Seconds {
            read: source.read_seconds,
            clean,
            prepare,
            fit: clock.lap(),
            evaluate: 0.0,
        };
        judge::judge(
            Findings {
                parts,
                whole,
                fitted,
                best,
                data,
                warnings,
                seconds,
            },
            context,
        )
    }
}

/// Time since the last lap.
struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn lap(&mut self) -> f64 {
        let seconds = self.0.elapsed().as_secs_f64();
        self.0 = Instant::now();
        seconds
    }
}
