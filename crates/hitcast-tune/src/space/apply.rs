//! A trial's values put into a pipeline.

use hitcast_core::suggest::did_you_mean;
use hitcast_pipeline::Pipeline;
use serde_json::{Map, Value};

use super::{Assignment, SearchSpace};
use crate::error::{Result, TuneError};

/// What a path may begin with, and where that stands in a pipeline.
const ROOTS: [(&str, &[&str]); 6] = [
    ("settings", &["model", "settings"]),
    ("kind", &["model", "kind"]),
    ("class_weights", &["model", "class_weights"]),
    ("sampler", &["model", "sampler"]),
    ("recipe", &["recipe"]),
    ("outliers", &["outliers"]),
];

impl SearchSpace {
    /// The pipeline with these values; one that is null is left out.
    ///
    /// # Errors
    /// [`TuneError::Space`] if the pipeline has no place for a value, or if a value cannot stand there.
    pub fn apply(&self, pipeline: &Pipeline, values: &Assignment) -> Result<Pipeline> {
        let names = || values.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let mut whole =
            serde_json::to_value(pipeline).map_err(|error| TuneError::space(&names(), error.to_string()))?;
        for (path, value) in values {
            set(&mut whole, path, value).map_err(|message| TuneError::space(path, message))?;
        }
        serde_json::from_value(whole).map_err(|error| TuneError::space(&names(), error.to_string()))
    }
}

fn set(whole: &mut Value, path: &str, value: &Value) -> Result<(), String> {
    let mut segments = path.split('.');
    let root = segments.next().unwrap_or_default();
    let Some((_, place)) = ROOTS.iter().find(|(name, _)| *name == root) else {
        let names = ROOTS.map(|(name, _)| name);
        let suggestion = did_you_mean(root, names);
        return Err(format!(
            "a path begins with one of {}{suggestion}",
            names.join(", ")
        ));
    };
    let mut segments: Vec<&str> = place.iter().copied().chain(segments).collect();
    let last = segments.pop().unwrap_or_default();
    let mut at = whole;
    for segment in segments {
        at = inside(at, segment)?;
    }
    match at {
        Value::Object(map) if value.is_null() => {
            map.remove(last);
        }
        at @ Value::Null if value.is_null() => *at = Value::Object(Map::new()),
        Value::Array(_) if value.is_null() => return Err("an item of a list cannot be left out".to_owned()),
        at => *inside(at, last)? = value.clone(),
    }
    Ok(())
}

/// What stands under a name or a number, made if there is room for it.
fn inside<'a>(at: &'a mut Value, segment: &str) -> Result<&'a mut Value, String> {
    if at.is_null() {
        *at = Value::Object(Map::new());
    }
    match at {
        Value::Object(map) => Ok(map.entry(segment).or_insert(Value::Null)),
        Value::Array(items) => {
            let n = items.len();
            (segment.parse().ok())
                .and_then(|place: usize| items.get_mut(place))
                .ok_or_else(|| format!("{segment:?} is no item of a list of {n}, numbered from 0"))
        }
        other => Err(format!(
            "there is nothing inside of {other} to set {segment:?} of"
        )),
    }
}
