//! What a training run keeps on disk to go on where it was.
//!
//! A checkpoint is one file, written under a temporary name and renamed: tensors in the format safetensors (weights, moments,
//! the best weights so far), and in its metadata, as JSON, what is no tensor (step, random states, the history) with a
//! SHA-256 of everything. The order of rows comes from the seed and the epoch alone; schedule and early stopping
//! follow from the history. So a run that was killed at any moment and taken up again ends with the same weights as one that
//! was not, bit for bit on the processor.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hitcast_core::file::write_atomic;
use hitcast_core::{Checkpoints, EpochRecord, ModelState, StopReason, TensorData, TensorValues};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::{Result, TrainError};

/// Name of the metadata entry.
const ENTRY: &str = "hitcast";

/// A training run after some epoch.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    /// The epochs so far.
    pub(crate) history: Vec<EpochRecord>,
    /// Why the run ended, if it has.
    pub(crate) stopped: Option<StopReason>,
    /// All that the engine's next steps depend on.
    pub(crate) engine: ModelState,
}

/// What is no tensor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    fingerprint: String,
    sha256: String,
    history: Vec<EpochRecord>,
    stopped: Option<StopReason>,
    engine: Value,
}

/// The checkpoints of one training run.
#[derive(Debug)]
pub(crate) struct CheckpointFolder<'a> {
    settings: Checkpoints<'a>,
    fingerprint: String,
    /// When the last one was written, or the run began.
    last: Instant,
}

impl<'a> CheckpointFolder<'a> {
    /// Those in this folder, of the run that this text tells from all others.
    pub(crate) fn new(settings: Checkpoints<'a>, identity: &str) -> Self {
        Self {
            settings,
            fingerprint: hexadecimal(&Sha256::digest(identity.as_bytes())),
            last: Instant::now(),
        }
    }

    /// That the newest one cannot be taken up by the engine that is there.
    pub(crate) fn not_here(&self, error: &TrainError) -> TrainError {
        let problem =
            format!("the newest checkpoint {error}; resume on the kind of device that it was made on");
        self.broken(self.settings.folder, problem)
    }

    /// Whether it is time for the next one.
    pub(crate) fn is_due(&self) -> bool {
        self.last.elapsed() >= self.settings.every
    }

    /// The newest one, if there is any.
    pub(crate) fn newest(&self) -> Result<Option<Checkpoint>> {
        let Some((_, path)) = self.epochs()?.pop() else {
            return Ok(None);
        };
        let bytes =
            fs::read(&path).map_err(|error| self.broken(&path, format!("cannot be read: {error}")))?;
        self.decode(&bytes)
            .map(Some)
            .map_err(|problem| self.broken(&path, problem))
    }

    /// Writes one, and removes those that are no longer needed.
    pub(crate) fn save(&mut self, checkpoint: &Checkpoint, best_epoch: Option<usize>) -> Result<()> {
        let path = self.path(checkpoint.history.len());
        let bytes = self
            .encode(checkpoint)
            .map_err(|problem| self.broken(&path, problem))?;
        write_atomic(&path, &bytes).map_err(hitcast_nn::NnError::from)?;
        let mut epochs = self.epochs()?;
        epochs.truncate(epochs.len().saturating_sub(self.settings.keep.max(1)));
        for (_, old) in epochs.into_iter().filter(|(epoch, _)| Some(*epoch) != best_epoch) {
            // One that cannot be removed is only in the way of disk space.
            let _ = fs::remove_file(old);
        }
        self.last = Instant::now();
        Ok(())
    }

    fn path(&self, epoch: usize) -> PathBuf {
        self.settings.folder.join(format!("epoch-{epoch:06}.safetensors"))
    }

    /// Epochs with their files, the newest last.
    fn epochs(&self) -> Result<Vec<(usize, PathBuf)>> {
        let entries = match fs::read_dir(self.settings.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.broken(self.settings.folder, format!("cannot be read: {error}"))),
        };
        let epoch = |name: &str| {
            name.strip_prefix("epoch-")?
                .strip_suffix(".safetensors")?
                .parse()
                .ok()
        };
        let mut found: Vec<(usize, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                Some((epoch(entry.file_name().to_str()?)?, entry.path()))
            })
            .collect();
        found.sort();
        Ok(found)
    }

    fn broken(&self, path: &Path, problem: String) -> TrainError {
        TrainError::Checkpoint {
            path: path.display().to_string(),
            problem,
        }
    }

    fn encode(&self, checkpoint: &Checkpoint) -> Result<Vec<u8>, String> {
        let mut raw: BTreeMap<&String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
        for (name, tensor) in &checkpoint.engine.tensors {
            let TensorValues::F32(values) = tensor.values() else {
                return Err(format!("tensor {name:?} is not of 32-bit floats"));
            };
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            raw.insert(name, (tensor.shape().to_vec(), bytes));
        }
        let mut facts = Facts {
            fingerprint: self.fingerprint.clone(),
            sha256: String::new(),
            history: checkpoint.history.clone(),
            stopped: checkpoint.stopped,
            engine: checkpoint.engine.settings.clone(),
        };
        facts.sha256 = checksum(
            &facts,
            raw.iter()
                .map(|(name, (_, bytes))| (name.as_str(), bytes.as_slice())),
        )?;
        let facts = serde_json::to_string(&facts).map_err(|error| error.to_string())?;
        let views = raw
            .iter()
            .map(|(name, (shape, bytes))| {
                let view =
                    TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(|error| error.to_string())?;
                Ok((name.as_str(), view))
            })
            .collect::<Result<Vec<_>, String>>()?;
        let metadata = HashMap::from([(ENTRY.to_owned(), facts)]);
        serialize(views, Some(metadata)).map_err(|error| error.to_string())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Checkpoint, String> {
        let damaged = |error: &dyn std::fmt::Display| format!("is damaged: {error}");
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error))?;
        let facts = metadata
            .metadata()
            .as_ref()
            .and_then(|entries| entries.get(ENTRY));
        let facts = facts.ok_or("is no checkpoint of hitcast")?;
        let mut facts: Facts = serde_json::from_str(facts).map_err(|error| damaged(&error))?;
        let expected = std::mem::take(&mut facts.sha256);
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| damaged(&error))?;
        let mut views = tensors.tensors();
        views.sort_by(|a, b| a.0.cmp(&b.0));
        if checksum(
            &facts,
            views.iter().map(|(name, view)| (name.as_str(), view.data())),
        )? != expected
        {
            return Err("is damaged: its checksum is wrong".to_owned());
        }
        if facts.fingerprint != self.fingerprint {
            let other = "is of another run: its settings, its rows or its seed differ; resume that one, or remove the \
                         checkpoints";
            return Err(other.to_owned());
        }
        let mut state = ModelState {
            settings: facts.engine,
            tensors: BTreeMap::new(),
        };
        for (name, view) in views {
            let values = view
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            let data = TensorData::new(view.shape().to_vec(), TensorValues::F32(values.collect()));
            state.tensors.insert(name, data.map_err(|error| damaged(&error))?);
        }
        Ok(Checkpoint {
            history: facts.history,
            stopped: facts.stopped,
            engine: state,
        })
    }
}

/// Of what is no tensor, without a checksum, and of all tensors in the order of their names.
fn checksum<'t>(facts: &Facts, tensors: impl Iterator<Item = (&'t str, &'t [u8])>) -> Result<String, String> {
    let mut digest = Sha256::new();
    digest.update(serde_json::to_vec(facts).map_err(|error| error.to_string())?);
    for (name, bytes) in tensors {
        digest.update((name.len() as u64).to_le_bytes());
        digest.update(name);
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    }
    Ok(hexadecimal(&digest.finalize()))
}

/// Two digits a byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
