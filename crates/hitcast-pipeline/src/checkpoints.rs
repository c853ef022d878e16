//! The folder in which a run keeps what it needs to go on after it was killed.

use std::fs;
use std::path::Path;

use hitcast_core::FolderLock;

use crate::error::{PipelineError, Result};
use crate::experiment::Experiment;
use crate::folder::{Existing, FolderKind, write_file, write_folder};

/// Tells a folder of checkpoints from others, and says whose they are.
const MARKER: &str = "checkpoints-of.toml";

/// How the folder is made: with the marker in it or not at all, so that a run killed then leaves nothing in the way.
const FOLDER: FolderKind = FolderKind {
    what: "folder of checkpoints",
    marker: MARKER,
    entries: &[MARKER],
};

/// What to do with the checkpoints of a run that did not end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unfinished {
    /// Leave them alone and fail.
    #[default]
    Refuse,
    /// Go on with them, if they are of the same experiment; else fail.
    Resume,
    /// Remove them.
    Discard,
}

/// Makes a folder for an experiment's checkpoints, or takes up the one that is there. No other run can have it until the
/// lock is dropped.
///
/// # Errors
/// [`PipelineError::Exists`] if something is there that is not to be touched, or nothing that could be gone on with;
/// [`PipelineError::Core`] with [`CoreError::InUse`](hitcast_core::CoreError::InUse) if another run has it;
/// [`PipelineError::File`] if the folder cannot be made.
pub fn prepare_checkpoints(
    folder: &Path,
    experiment: &Experiment,
    unfinished: Unfinished,
) -> Result<FolderLock> {
    let refuse = |message: &str| {
        Err(PipelineError::Exists {
            path: folder.to_path_buf(),
            message: message.to_owned(),
        })
    };
    let experiment = experiment.to_toml()?;
    let marker = folder.join(MARKER);
    if fs::symlink_metadata(folder).is_ok() {
        if !marker.is_file() {
            return refuse("is in the way of checkpoints and holds none; give the run another place");
        }
        // Before anything that another run may be at work on is looked at.
        let lock = FolderLock::take(folder)?;
        let of = fs::read_to_string(&marker).map_err(PipelineError::file("read", &marker))?;
        match unfinished {
            Unfinished::Refuse => {
                return refuse(
                    "a run that did not end left its checkpoints here; resume it, or overwrite it to begin anew",
                );
            }
            Unfinished::Resume if of == experiment => return Ok(lock),
            Unfinished::Resume => {
                return refuse(
                    "the checkpoints are of another experiment; resume that one, or overwrite it to begin this one",
                );
            }
            Unfinished::Discard => remove_checkpoints(folder)?,
        }
    } else if unfinished == Unfinished::Resume {
        return refuse(
            "is not there, so that there is nothing to go on with; begin the run without resuming it",
        );
    }
    write_folder(folder, Existing::Refuse, &FOLDER, |fresh| {
        write_file(&fresh.join(MARKER), experiment.as_bytes())
    })?;
    Ok(FolderLock::take(folder)?)
}

/// Removes a folder that [`prepare_checkpoints`] made; leaves any other alone.
///
/// # Errors
/// [`PipelineError::File`] if it cannot be removed.
pub fn remove_checkpoints(folder: &Path) -> Result<()> {
    if folder.join(MARKER).is_file() {
        fs::remove_dir_all(folder).map_err(PipelineError::file("remove", folder))?;
    }
    Ok(())
}

/// Removes such a folder if there is no checkpoint in it.
///
/// # Errors
/// As [`remove_checkpoints`].
pub fn remove_empty_checkpoints(folder: &Path) -> Result<()> {
    let is_own = |entry: &fs::DirEntry| {
        [MARKER, FolderLock::FILE]
            .map(Into::into)
            .contains(&entry.file_name())
    };
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    if entries.all(|entry| is_own(&entry)) {
        remove_checkpoints(folder)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_gone_on_with_discarded_or_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("run.checkpoints");
        let experiment = Experiment::preset("code-pudding").unwrap();
        let prepare = |unfinished| prepare_checkpoints(&folder, &experiment, unfinished);
        let message = |result: Result<FolderLock>| result.unwrap_err().to_string();
        assert!(message(prepare(Unfinished::Resume)).contains("nothing to go on with"));
        prepare(Unfinished::Refuse).unwrap();
        let lock = prepare(Unfinished::Discard).unwrap();
        for unfinished in [Unfinished::Refuse, Unfinished::Resume, Unfinished::Discard] {
            let message = message(prepare(unfinished));
            assert!(
                message.contains("run.checkpoints is in use by another run"),
                "{message}"
            );
        }
        drop(lock);
        let checkpoint = folder.join("01-a");
        fs::write(&checkpoint, "x").unwrap();
        remove_empty_checkpoints(&folder).unwrap();
        assert!(message(prepare(Unfinished::Refuse)).contains("did not end"));
        prepare(Unfinished::Resume).unwrap();
        let other = Experiment::preset("popularity-regressor").unwrap();
        assert!(
            message(prepare_checkpoints(&folder, &other, Unfinished::Resume)).contains("another experiment")
        );
        assert!(checkpoint.exists());
        prepare(Unfinished::Discard).unwrap();
        assert!(!checkpoint.exists());
        remove_empty_checkpoints(&folder).unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn a_folder_of_something_else_is_never_touched() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("mine");
        fs::write(&file, "x").unwrap();
        let experiment = Experiment::preset("code-pudding").unwrap();
        for unfinished in [Unfinished::Refuse, Unfinished::Resume, Unfinished::Discard] {
            assert!(prepare_checkpoints(home.path(), &experiment, unfinished).is_err());
        }
        remove_checkpoints(home.path()).unwrap();
        assert!(file.exists());
    }
}
