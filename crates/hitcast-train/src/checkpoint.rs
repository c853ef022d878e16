//! What a training run keeps on disk to go on where it was.
//!
//! A checkpoint is one file, written under a temporary name and renamed: tensors in the format safetensors (weights, moments,
//! the best weights so far), and in its metadata, as JSON, what is no tensor (step, random states, the history) with a
//! SHA-256 of everything. The order of rows comes from the seed and the epoch alone; schedule and early stopping
//! follow from the history. So a run that was killed at any moment and taken up again ends with the same weights as one that
//! was not, bit for bit on the processor.
//!
//! One that is damaged is passed over for an older one, and stays where it is; one of another run is never passed over.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hitcast_core::file::write_atomic;
use hitcast_core::{
    Checkpoints, CoreError, EpochRecord, FolderLock, ModelState, StopReason, TensorData, TensorValues,
};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, View, serialize};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::{Result, TrainError};
use crate::run::Progress;

/// Name of the metadata entry.
const ENTRY: &str = "hitcast";

/// A training run between two steps.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    /// The epochs so far.
    pub(crate) history: Vec<EpochRecord>,
    /// What the epoch under way has brought; nothing between two epochs.
    pub(crate) within: Progress,
    /// Seconds of training so far.
    pub(crate) elapsed_seconds: f64,
    /// Why the run ended, if it has.
    pub(crate) stopped: Option<StopReason>,
    /// What computed, see [`Engine::arithmetic`](crate::Engine::arithmetic).
    pub(crate) arithmetic: String,
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
    within: Progress,
    elapsed_seconds: f64,
    stopped: Option<StopReason>,
    arithmetic: String,
    engine: Value,
}

/// A tensor of 32-bit floats, whose bytes are made when they are asked for: a checkpoint need not hold those of all.
struct Floats<'a> {
    shape: &'a [usize],
    values: &'a [f32],
}

impl View for Floats<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}

/// Why a file is not gone on from.
enum Flaw {
    /// It is not what was written; an older one may be.
    Damaged(String),
    /// It is whole, but of other settings, rows or another seed.
    OtherRun,
}

/// How far a run was: whole epochs, and batches of the one after them.
type Place = (usize, usize);

/// The checkpoints of one training run.
#[derive(Debug)]
pub(crate) struct CheckpointFolder<'a> {
    settings: Checkpoints<'a>,
    fingerprint: String,
    lock: Option<FolderLock>,
    /// Those that were found damaged and have not been written again.
    damaged: Vec<PathBuf>,
    /// When the last one was written or could not be, or the run began.
    last: Instant,
}

impl<'a> CheckpointFolder<'a> {
    /// Those in this folder, of the run that this text tells from all others.
    pub(crate) fn new(settings: Checkpoints<'a>, identity: &str) -> Self {
        Self {
            settings,
            fingerprint: hexadecimal(&Sha256::digest(identity.as_bytes())),
            lock: None,
            damaged: Vec::new(),
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

    /// The newest whole one, if there is any, with a note on each newer one that is damaged.
    pub(crate) fn newest(&mut self) -> Result<Option<(Checkpoint, Vec<String>)>> {
        let mut damaged = Vec::new();
        for (place, path) in self.places()?.into_iter().rev() {
            let read = fs::read(&path).map_err(|error| Flaw::Damaged(format!("cannot be read: {error}")));
            match read.and_then(|bytes| self.decode(&bytes)) {
                Ok(checkpoint) => {
                    let note = |(newer, file, problem): &(Place, PathBuf, String)| {
                        format!(
                            "checkpoint {} {problem}; it is left there, and training goes on from {} (epochs trained again: {})",
                            file.display(),
                            path.display(),
                            trained_again(place, *newer)
                        )
                    };
                    let notes = damaged.iter().map(note).collect();
                    self.damaged = damaged.into_iter().map(|(_, file, _)| file).collect();
                    return Ok(Some((checkpoint, notes)));
                }
                Err(Flaw::Damaged(problem)) => damaged.push((place, path, problem)),
                Err(Flaw::OtherRun) => {
                    let problem = "is of another run: its settings, its rows, its seed or its version of hitcast differ; resume that one, or \
                                   remove the checkpoints";
                    return Err(self.broken(&path, problem.to_owned()));
                }
            }
        }
        let Some((_, path, problem)) = damaged.first() else {
            return Ok(None);
        };
        let older = match damaged.len() - 1 {
            0 => "there is no older one",
            _ => "so are all older ones",
        };
        let what_to_do = "remove the checkpoints to begin anew";
        Err(self.broken(path, format!("{problem}; {older}; {what_to_do}")))
    }

    /// Keeps everybody else out, and removes what a process left that was killed while it wrote one. Training is worth more
    /// than a folder that cannot be written to, which is only noted.
    pub(crate) fn take(&mut self) -> Result<Option<String>> {
        match FolderLock::take(self.settings.folder) {
            Ok(lock) => {
                self.lock = Some(lock);
                self.remove_unfinished();
                Ok(None)
            }
            Err(error @ CoreError::InUse { .. }) => Err(hitcast_nn::NnError::from(error).into()),
            Err(error) => Ok(Some(format!(
                "{error}; see that nobody else uses this folder of checkpoints"
            ))),
        }
    }

    fn remove_unfinished(&self) {
        let is_unfinished = |name: &str| name.starts_with(".epoch-") && name.ends_with(".tmp");
        for entry in fs::read_dir(self.settings.folder).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(is_unfinished) {
                // One that cannot be removed is only in the way of disk space.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Writes one, and removes those that are no longer needed.
    pub(crate) fn save(&mut self, checkpoint: &Checkpoint, best_epoch: Option<usize>) -> Result<()> {
        let written = self.write(checkpoint, best_epoch);
        // Where it cannot be written now, it is not tried again with every step.
        self.last = Instant::now();
        written
    }

    fn write(&mut self, checkpoint: &Checkpoint, best_epoch: Option<usize>) -> Result<()> {
        let place = (checkpoint.history.len(), checkpoint.within.batches);
        let path = self.path(place);
        let bytes = self
            .encode(checkpoint)
            .map_err(|problem| self.broken(&path, problem))?;
        write_atomic(&path, &bytes).map_err(hitcast_nn::NnError::from)?;
        self.damaged.retain(|damaged| *damaged != path);
        let mut passed = self.places()?;
        // Newer ones are damaged, and left there until training has come past their places.
        passed.retain(|(other, _)| *other <= place);
        let is_damaged = |(_, path): &(Place, PathBuf)| self.damaged.contains(path);
        let (damaged, mut old): (Vec<_>, Vec<_>) = passed.into_iter().partition(is_damaged);
        old.truncate(old.len().saturating_sub(self.settings.keep.max(1)));
        let best = best_epoch.map(|epoch| (epoch, 0));
        old.retain(|(other, _)| Some(*other) != best);
        for (_, old) in damaged.into_iter().chain(old) {
            // One that cannot be removed is only in the way of disk space.
            let _ = fs::remove_file(old);
        }
        Ok(())
    }

    fn path(&self, (epochs, batches): Place) -> PathBuf {
        let within = match batches {
            0 => String::new(),
            batches => format!("-batch-{batches:06}"),
        };
        self.settings
            .folder
            .join(format!("epoch-{epochs:06}{within}.safetensors"))
    }

    /// All of them by how far the run was, the newest last.
    fn places(&self) -> Result<Vec<(Place, PathBuf)>> {
        let entries = match fs::read_dir(self.settings.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.broken(self.settings.folder, format!("cannot be read: {error}"))),
        };
        let place = |name: &str| -> Option<Place> {
            let name = name.strip_prefix("epoch-")?.strip_suffix(".safetensors")?;
            let (epochs, batches) = name.split_once("-batch-").unwrap_or((name, "0"));
            Some((epochs.parse().ok()?, batches.parse().ok()?))
        };
        let mut found: Vec<(Place, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                Some((place(entry.file_name().to_str()?)?, entry.path()))
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
        let mut tensors = Vec::new();
        for (name, tensor) in &checkpoint.engine.tensors {
            let TensorValues::F32(values) = tensor.values() else {
                return Err(format!("tensor {name:?} is not of 32-bit floats"));
            };
            let shape = tensor.shape();
            tensors.push((name.as_str(), Floats { shape, values }));
        }
        let mut facts = Facts {
            fingerprint: self.fingerprint.clone(),
            sha256: String::new(),
            history: checkpoint.history.clone(),
            within: checkpoint.within.clone(),
            elapsed_seconds: checkpoint.elapsed_seconds,
            stopped: checkpoint.stopped,
            arithmetic: checkpoint.arithmetic.clone(),
            engine: checkpoint.engine.settings.clone(),
        };
        facts.sha256 = checksum(
            &facts,
            tensors.iter().map(|(name, tensor)| (*name, tensor.data())),
        )?;
        let facts = serde_json::to_string(&facts).map_err(|error| error.to_string())?;
        let metadata = HashMap::from([(ENTRY.to_owned(), facts)]);
        serialize(tensors, Some(metadata)).map_err(|error| error.to_string())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Checkpoint, Flaw> {
        let damaged = |error: &dyn std::fmt::Display| Flaw::Damaged(format!("is damaged: {error}"));
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error))?;
        let text = metadata
            .metadata()
            .as_ref()
            .and_then(|entries| entries.get(ENTRY));
        let text = text.ok_or_else(|| Flaw::Damaged("is no checkpoint of hitcast".to_owned()))?;
        let mut facts: Facts = serde_json::from_str(text).map_err(|error| {
            Flaw::Damaged(format!("is damaged, or of another version of hitcast: {error}"))
        })?;
        // A field whose name is damaged would be taken for one that is missing.
        if serde_json::to_string(&facts).ok().as_ref() != Some(text) {
            return Err(damaged(&"it is not as it was written"));
        }
        let expected = std::mem::take(&mut facts.sha256);
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| damaged(&error))?;
        let mut views = tensors.tensors();
        views.sort_by(|a, b| a.0.cmp(&b.0));
        let found = checksum(
            &facts,
            views
                .iter()
                .map(|(name, view)| (name.as_str(), view.data().into())),
        );
        if found.map_err(|error| damaged(&error))? != expected {
            return Err(damaged(&"its checksum is wrong"));
        }
        if facts.fingerprint != self.fingerprint {
            return Err(Flaw::OtherRun);
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
            within: facts.within,
            elapsed_seconds: facts.elapsed_seconds,
            stopped: facts.stopped,
            arithmetic: facts.arithmetic,
            engine: state,
        })
    }
}

/// How many epochs lie between two places, as in "2", or "at most 2" where one of them is within an epoch.
fn trained_again(from: Place, to: Place) -> String {
    let epochs = (to.0 + usize::from(to.1 > 0)).saturating_sub(from.0);
    match (from.1, to.1) {
        (0, 0) => epochs.to_string(),
        _ => format!("at most {epochs}"),
    }
}

/// Of what is no tensor, without a checksum, and of all tensors in the order of their names.
fn checksum<'t>(
    facts: &Facts,
    tensors: impl Iterator<Item = (&'t str, Cow<'t, [u8]>)>,
) -> Result<String, String> {
    let mut digest = Sha256::new();
    digest.update(serde_json::to_vec(facts).map_err(|error| error.to_string())?);
    for (name, bytes) in tensors {
        digest.update((name.len() as u64).to_le_bytes());
        digest.update(name);
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(&*bytes);
    }
    Ok(hexadecimal(&digest.finalize()))
}

/// Two digits a byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One after so many epochs.
    fn checkpoint(epochs: usize) -> Checkpoint {
        let tensor = |values: &[f32]| TensorData::f32_vector(values.to_vec());
        let tensors = [("first", tensor(&[1.5, -2.0])), ("second", tensor(&[0.1]))];
        let record = |epoch| EpochRecord {
            epoch,
            learning_rate: 1e-3,
            train_loss: 0.1 + 0.2,
            validation_loss: None,
            train: BTreeMap::new(),
            validation: BTreeMap::new(),
            elapsed_seconds: 0.5,
        };
        Checkpoint {
            history: (1..=epochs).map(record).collect(),
            within: Progress::default(),
            elapsed_seconds: 0.75,
            stopped: Some(StopReason::EarlyStopping),
            arithmetic: "a slide rule".to_owned(),
            engine: ModelState {
                settings: serde_json::json!({"steps": 7}),
                tensors: tensors.map(|(name, tensor)| (name.to_owned(), tensor)).into(),
            },
        }
    }

    #[test]
    fn a_damaged_one_is_not_counted_among_those_kept_and_goes_once_training_is_past_it() {
        let home = tempfile::tempdir().unwrap();
        let open = || CheckpointFolder::new(Checkpoints::new(home.path()), "this run");
        let path = |epoch| open().path((epoch, 0));
        let left = || {
            let places = open().places().unwrap();
            places.iter().map(|((epoch, _), _)| *epoch).collect::<Vec<_>>()
        };
        let save = |folder: &mut CheckpointFolder<'_>, epoch, best| {
            folder.save(&checkpoint(epoch), best).unwrap();
        };
        let mut folder = open();
        (1..=4).for_each(|epoch| save(&mut folder, epoch, Some(2)));
        assert_eq!(left(), [2, 3, 4]);
        fs::write(path(4), "damaged").unwrap();
        let mut folder = open();
        let (newest, notes) = folder.newest().unwrap().unwrap();
        assert_eq!((newest.history.len(), notes.len()), (3, 1));
        // Where the fourth epoch ends no checkpoint is due this time.
        save(&mut folder, 5, None);
        assert_eq!(left(), [3, 5]);

        fs::write(path(5), "damaged").unwrap();
        let mut folder = open();
        folder.newest().unwrap();
        save(&mut folder, 4, None);
        assert_eq!(left(), [3, 4, 5], "training has not come to its place again");
        save(&mut folder, 5, None);
        assert_eq!(left(), [4, 5], "it is whole again");
        assert!(open().newest().unwrap().unwrap().1.is_empty());
    }

    #[test]
    fn a_byte_that_is_another_or_missing_is_damage() {
        let folder = CheckpointFolder::new(Checkpoints::new(Path::new("nowhere")), "this run");
        let checkpoint = checkpoint(1);
        let bytes = folder.encode(&checkpoint).unwrap();
        let read = folder.decode(&bytes).ok().unwrap();
        assert_eq!(folder.encode(&read).unwrap(), bytes);
        for place in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << (place % 8);
            for wrong in [&flipped, &bytes[..place]] {
                match folder.decode(wrong) {
                    Err(Flaw::Damaged(_)) => {}
                    Err(Flaw::OtherRun) => panic!("byte {place} makes it one of another run"),
                    // A digit beyond those that a number has room for.
                    Ok(read) => assert_eq!(folder.encode(&read).unwrap(), bytes, "byte {place}"),
                }
            }
        }
        let other = CheckpointFolder::new(Checkpoints::new(Path::new("nowhere")), "another run");
        assert!(matches!(other.decode(&bytes), Err(Flaw::OtherRun)));
    }

    #[test]
    fn what_is_trained_again_is_counted_in_epochs() {
        assert_eq!(trained_again((3, 0), (5, 0)), "2");
        assert_eq!(trained_again((3, 7), (5, 0)), "at most 2");
        assert_eq!(trained_again((3, 7), (3, 9)), "at most 1");
        assert_eq!(trained_again((3, 0), (4, 1)), "at most 2");
    }
}
