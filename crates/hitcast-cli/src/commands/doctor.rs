//! `hitcast doctor`

use hitcast::boosters::Booster;
use hitcast::cuda::Gpu;
use hitcast::torch;
use serde_json::{Value, json};

use super::Output;
use crate::args::DoctorArgs;
use crate::error::Result;

pub(crate) fn run(_args: &DoctorArgs) -> Result<Output> {
    let folder = hitcast::data::data_folder();
    let cuda = match torch::load_cuda() {
        Err(error) => format!("broken: {error}"),
        Ok(false) => "not in this libtorch; cargo xtask setup --cuda brings it".to_owned(),
        Ok(true) => match torch::cuda_device_count() {
            0 => "libtorch has it, but there is no device or driver".to_owned(),
            devices => format!("{devices} devices"),
        },
    };
    let gpu = match Gpu::open(0, &[torch::library_dir()]) {
        Ok(gpu) => gpu.name(),
        Err(error) => format!("none for the kernels of our own: {error}"),
    };
    let environment = hitcast::environment();
    let [xgboost, lightgbm, catboost] = Booster::ALL.map(found);
    let facts = [
        ("hitcast", json!(env!("CARGO_PKG_VERSION"))),
        ("libtorch", json!(torch::libtorch_version())),
        ("libtorch_folder", json!(torch::library_dir())),
        ("gpu", json!(gpu)),
        ("cuda_of_libtorch", json!(cuda)),
        ("xgboost", json!(xgboost)),
        ("lightgbm", json!(lightgbm)),
        ("catboost", json!(catboost)),
        ("os", json!(environment.os)),
        ("processor", json!(environment.cpu)),
        ("simd", json!(simd())),
        ("threads", json!(environment.threads)),
        (
            "kinds_of_model",
            json!(hitcast::registry().names().collect::<Vec<_>>()),
        ),
        (
            "presets",
            json!(hitcast::pipeline::Experiment::presets().collect::<Vec<_>>()),
        ),
        ("data_folder", json!(folder)),
        ("data_folder_is_there", json!(folder.is_dir())),
    ];
    let text = facts
        .iter()
        .map(|(name, value)| format!("{:<22}{}\n", name.replace('_', " "), plain(value)))
        .collect();
    let json = facts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect::<serde_json::Map<_, _>>();
    Ok(Output {
        text,
        json: Value::Object(json),
    })
}

/// Where a booster is and its version, or why it is not here and how to get it.
fn found(booster: Booster) -> String {
    match booster.find() {
        Ok(found) => {
            let version = found.version.unwrap_or_else(|| "of unknown version".to_owned());
            format!("{version}, {}", found.path.display())
        }
        Err(error) => error.to_string(),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Null => "unknown".to_owned(),
        other => other.to_string(),
    }
}

/// The vector instructions of this processor that matter to libtorch.
fn simd() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        [
            ("avx2", std::arch::is_x86_feature_detected!("avx2")),
            ("fma", std::arch::is_x86_feature_detected!("fma")),
            ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ]
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect()
    }
    #[cfg(target_arch = "aarch64")]
    {
        vec!["neon"]
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        Vec::new()
    }
}
