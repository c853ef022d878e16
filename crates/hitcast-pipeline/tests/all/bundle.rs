//! Bundles that lie: each is answered with an error, never with a panic or a wrong prediction.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_possible_truncation)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::common::{experiment, registry, run, tracks, tracks_file};
use hitcast_core::DeviceChoice;
use hitcast_data::CsvReader;
use hitcast_pipeline::{Bundle, BundleProblem, Existing, PipelineError, RowValue};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

struct Files {
    manifest: String,
    weights: Vec<u8>,
}

/// The two files of an honest bundle.
static HONEST: LazyLock<Files> = LazyLock::new(|| {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("bundle");
    run(&experiment(tracks_file(home.path(), 200)))
        .bundle()
        .save(&path, Existing::Refuse)
        .unwrap();
    Files {
        manifest: fs::read_to_string(path.join("manifest.json")).unwrap(),
        weights: fs::read(path.join("weights.safetensors")).unwrap(),
    }
});

fn load(path: &Path) -> Result<Bundle, BundleProblem> {
    match Bundle::load(path, &registry(), DeviceChoice::Cpu) {
        Ok(bundle) => Ok(bundle),
        Err(PipelineError::Bundle(error)) => Err(error.problem),
        Err(other) => panic!("not an error of the bundle: {other}"),
    }
}

/// What loading says to these two files.
fn load_files(manifest: &[u8], weights: &[u8]) -> Result<Bundle, BundleProblem> {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("manifest.json"), manifest).unwrap();
    fs::write(home.path().join("weights.safetensors"), weights).unwrap();
    load(home.path())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A manifest changed by someone who knows how to make its checksum right.
fn forge(change: impl FnOnce(&mut Value)) -> String {
    let mut manifest: Value = serde_json::from_str(&HONEST.manifest).unwrap();
    change(&mut manifest);
    let blank = "0".repeat(64);
    manifest["checksum"] = json!(blank);
    let text = serde_json::to_string_pretty(&manifest).unwrap();
    text.replacen(
        &format!("\"checksum\": \"{blank}\""),
        &format!("\"checksum\": \"{}\"", sha256(text.as_bytes())),
        1,
    )
}

/// Weights changed by someone who knows how to make every checksum right.
fn forge_weights(weights: &[u8], change: impl FnOnce(&mut Value)) -> Result<Bundle, BundleProblem> {
    let manifest = forge(|manifest| {
        manifest["weights"]["bytes"] = json!(weights.len());
        manifest["weights"]["sha256"] = json!(sha256(weights));
        change(manifest);
    });
    load_files(manifest.as_bytes(), weights)
}

/// A file of weights with this header and these numbers.
fn safetensors(header: &Value, numbers: &[f64]) -> Vec<u8> {
    let header = header.to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    numbers
        .iter()
        .for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    bytes
}

fn entry(shape: &[usize], from: usize, to: usize) -> Value {
    json!({ "dtype": "F64", "shape": shape, "data_offsets": [from, to] })
}

/// The honest weights with other numbers.
fn with_numbers(change: impl FnOnce(&mut Vec<f64>)) -> Vec<u8> {
    let bytes = &HONEST.weights;
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize + 8;
    let mut numbers: Vec<f64> = bytes[header..]
        .chunks_exact(8)
        .map(|chunk| f64::from_le_bytes(chunk.try_into().unwrap()))
        .collect();
    change(&mut numbers);
    [
        &bytes[..header],
        &numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect::<Vec<u8>>(),
    ]
    .concat()
}

#[test]
fn the_honest_bundle_loads_and_so_does_one_forged_without_a_change() {
    load_files(HONEST.manifest.as_bytes(), &HONEST.weights).unwrap();
    load_files(forge(|_| {}).as_bytes(), &HONEST.weights).unwrap();
    forge_weights(&with_numbers(|_| {}), |_| {}).unwrap();
}

#[test]
fn every_flipped_byte_is_found() {
    for (file, bytes) in [
        ("manifest", HONEST.manifest.as_bytes()),
        ("weights", HONEST.weights.as_slice()),
    ] {
        // Every byte of the weights, and enough of the manifest.
        for place in (0..bytes.len()).step_by(if file == "weights" { 1 } else { 7 }) {
            let mut damaged = bytes.to_vec();
            damaged[place] ^= 1 << (place % 8);
            let loaded = if file == "manifest" {
                load_files(&damaged, &HONEST.weights)
            } else {
                load_files(HONEST.manifest.as_bytes(), &damaged)
            };
            assert!(loaded.is_err(), "byte {place} of the {file}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_damage_is_found(place in any::<prop::sample::Index>(), bits in 1_u8.., length in 1_usize..20, in_manifest: bool) {
        let mut files = [HONEST.manifest.clone().into_bytes(), HONEST.weights.clone()];
        let bytes = &mut files[usize::from(!in_manifest)];
        let start = place.index(bytes.len());
        bytes.iter_mut().skip(start).take(length).for_each(|byte| *byte ^= bits);
        prop_assert!(load_files(&files[0], &files[1]).is_err());
    }

    #[test]
    fn any_truncation_is_found(place in any::<prop::sample::Index>(), in_manifest: bool) {
        let mut files = [HONEST.manifest.clone().into_bytes(), HONEST.weights.clone()];
        let bytes = &mut files[usize::from(!in_manifest)];
        let end = place.index(bytes.len());
        bytes.truncate(end);
        prop_assert!(load_files(&files[0], &files[1]).is_err());
    }

    #[test]
    fn any_forged_weights_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let answer = forge_weights(&bytes, |_| {});
        prop_assert!(answer.is_err());
    }

    /// Whatever value stands in whatever place of the manifest: an error, or a bundle that still predicts what it did.
    #[test]
    fn any_forged_value_is_answered(place in any::<prop::sample::Index>(), with in 0_usize..8) {
        let values = [json!(null), json!(-1), json!(1e308), json!("x"), json!([]), json!({}), json!(true), json!(0)];
        let mut pointers = Vec::new();
        collect(&serde_json::from_str(&HONEST.manifest).unwrap(), String::new(), &mut pointers);
        let pointer = &pointers[place.index(pointers.len())];
        let forged = forge(|manifest| *manifest.pointer_mut(pointer).unwrap() = values[with].clone());
        if let Ok(bundle) = load_files(forged.as_bytes(), &HONEST.weights) {
            let row = |name: &str, value: f64| (name.to_owned(), RowValue::from(value));
            let _ = bundle.predict_row(&BTreeMap::from([row("energy", 0.5), row("tempo", 100.0)]));
        }
    }
}

/// Where every value of a JSON document stands.
fn collect(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            collect(value, format!("{pointer}/{name}"), pointers);
        }),
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(place, value)| collect(value, format!("{pointer}/{place}"), pointers));
        }
        _ => {}
    }
    if !pointer.is_empty() {
        pointers.push(pointer);
    }
}

#[test]
fn missing_files_and_folders_are_named() {
    let home = tempfile::tempdir().unwrap();
    assert!(matches!(
        load(&home.path().join("nowhere")),
        Err(BundleProblem::NoFolder)
    ));
    assert!(matches!(
        load(home.path()),
        Err(BundleProblem::Missing {
            file: "manifest.json"
        })
    ));
    fs::write(home.path().join("manifest.json"), &HONEST.manifest).unwrap();
    assert!(matches!(
        load(home.path()),
        Err(BundleProblem::Missing {
            file: "weights.safetensors"
        })
    ));
    fs::create_dir(home.path().join("weights.safetensors")).unwrap();
    assert!(matches!(load(home.path()), Err(BundleProblem::NotAFile { .. })));
    assert!(matches!(
        load(&home.path().join("manifest.json")),
        Err(BundleProblem::NoFolder)
    ));
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    let home = tempfile::tempdir().unwrap();
    let outside: PathBuf = home.path().join("outside");
    fs::write(&outside, &HONEST.weights).unwrap();
    let bundle = home.path().join("bundle");
    fs::create_dir(&bundle).unwrap();
    fs::write(bundle.join("manifest.json"), &HONEST.manifest).unwrap();
    std::os::unix::fs::symlink(&outside, bundle.join("weights.safetensors")).unwrap();
    assert!(matches!(
        load(&bundle),
        Err(BundleProblem::NotAFile {
            file: "weights.safetensors"
        })
    ));
}

#[test]
fn a_manifest_that_is_none_is_refused() {
    for text in ["", "null", "[]", "{", "hello", "{\"format\": 3}", "\u{feff}{}"] {
        assert!(
            matches!(
                load_files(text.as_bytes(), &HONEST.weights),
                Err(BundleProblem::Manifest(_))
            ),
            "{text:?}"
        );
    }
    assert!(matches!(
        load_files(&[0xff, 0xfe, 0x00], &HONEST.weights),
        Err(BundleProblem::Manifest(_))
    ));
    let deep = "[".repeat(100_000);
    assert!(matches!(
        load_files(deep.as_bytes(), &HONEST.weights),
        Err(BundleProblem::Manifest(_))
    ));
    let other = forge(|manifest| manifest["format"] = json!("pickle"));
    assert!(matches!(
        load_files(other.as_bytes(), &HONEST.weights),
        Err(BundleProblem::Manifest(_))
    ));
}

#[test]
fn another_version_of_the_format_is_named() {
    for version in [0_u64, 2, u64::MAX] {
        let forged = forge(|manifest| manifest["format_version"] = json!(version));
        let error = load_files(forged.as_bytes(), &HONEST.weights).err().unwrap();
        assert!(
            matches!(error, BundleProblem::Version { got, readable: 1, .. } if got == version),
            "{error}"
        );
    }
}

#[test]
fn a_manifest_that_is_too_large_is_not_read() {
    let home = tempfile::tempdir().unwrap();
    let file = fs::File::create(home.path().join("manifest.json")).unwrap();
    file.set_len(1 << 40).unwrap();
    assert!(matches!(load(home.path()), Err(BundleProblem::TooLarge { .. })));
}

#[test]
fn weights_that_are_too_large_are_not_read() {
    let home = tempfile::tempdir().unwrap();
    let forged = forge(|manifest| manifest["weights"]["bytes"] = json!(1_u64 << 40));
    fs::write(home.path().join("manifest.json"), forged).unwrap();
    let file = fs::File::create(home.path().join("weights.safetensors")).unwrap();
    file.set_len(1 << 40).unwrap();
    assert!(matches!(load(home.path()), Err(BundleProblem::TooLarge { .. })));
    fs::write(home.path().join("manifest.json"), &HONEST.manifest).unwrap();
    assert!(matches!(load(home.path()), Err(BundleProblem::Size { .. })));
}

#[test]
fn a_header_that_is_too_large_is_not_parsed() {
    for length in [5_u64 << 20, u64::MAX, u64::MAX - 8] {
        let weights = [&length.to_le_bytes()[..], &[b' '; 1000]].concat();
        assert!(matches!(
            forge_weights(&weights, |_| {}),
            Err(BundleProblem::Inconsistent(_) | BundleProblem::TooLarge { .. })
        ));
    }
}

#[test]
fn tensors_that_do_not_fit_their_declaration_are_refused() {
    // A shape whose product overflows, one that needs more memory than there is, and one with too many axes.
    for shape in [
        json!([u64::MAX, u64::MAX]),
        json!([1_u64 << 40]),
        json!([1, 1, 1, 1, 1, 1, 1, 1, 1, 10]),
    ] {
        let forged = forge(|manifest| manifest["weights"]["tensors"]["weights"]["shape"] = shape.clone());
        assert!(load_files(forged.as_bytes(), &HONEST.weights).is_err(), "{shape}");
    }
    let transposed = forge(|manifest| manifest["weights"]["tensors"]["weights"]["shape"] = json!([2, 5]));
    assert!(matches!(
        load_files(transposed.as_bytes(), &HONEST.weights),
        Err(BundleProblem::Weights(_))
    ));
    let renamed = forge(|manifest| {
        let tensors = manifest["weights"]["tensors"].as_object_mut().unwrap();
        let bias = tensors.remove("bias").unwrap();
        tensors.insert("../../bias".to_owned(), bias);
    });
    assert!(matches!(
        load_files(renamed.as_bytes(), &HONEST.weights),
        Err(BundleProblem::Weights(_))
    ));
}

#[test]
fn extra_and_missing_and_doubled_tensors_are_refused() {
    let ten = vec![0.5; 12];
    let extra =
        json!({ "weights": entry(&[10], 0, 80), "bias": entry(&[1], 80, 88), "more": entry(&[1], 88, 96) });
    let error = forge_weights(&safetensors(&extra, &ten), |_| {}).err().unwrap();
    assert!(error.to_string().contains("\"more\""), "{error}");
    let missing = json!({ "weights": entry(&[10], 0, 80), "bios": entry(&[1], 80, 88) });
    assert!(matches!(
        forge_weights(&safetensors(&missing, &ten[..11]), |_| {}),
        Err(BundleProblem::Weights(_))
    ));
    let overlapping = json!({ "weights": entry(&[10], 0, 80), "bias": entry(&[1], 72, 80) });
    assert!(forge_weights(&safetensors(&overlapping, &ten[..10]), |_| {}).is_err());
    let hole = json!({ "weights": entry(&[10], 0, 80), "bias": entry(&[1], 88, 96) });
    assert!(forge_weights(&safetensors(&hole, &ten), |_| {}).is_err());
    // The manifest agrees with the weights, but the model has no such tensor shape.
    let short = json!({ "weights": entry(&[9], 0, 72), "bias": entry(&[1], 72, 80) });
    let error = forge_weights(&safetensors(&short, &ten[..10]), |manifest| {
        manifest["weights"]["tensors"]["weights"]["shape"] = json!([9]);
    });
    assert!(matches!(error, Err(BundleProblem::Model { .. })));
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = forge_weights(&with_numbers(|numbers| numbers[3] = number), |_| {})
            .err()
            .unwrap();
        assert!(error.to_string().contains("not finite"), "{error}");
    }
}

#[test]
fn other_weights_with_the_right_checksums_predict_other_numbers_and_are_refused() {
    let error = forge_weights(&with_numbers(|numbers| numbers[3] += 1.0), |_| {})
        .err()
        .unwrap();
    assert!(matches!(error, BundleProblem::Drift { .. }), "{error}");
}

#[test]
fn parts_that_contradict_each_other_are_refused() {
    let refused = |change: fn(&mut Value)| {
        let error = load_files(forge(change).as_bytes(), &HONEST.weights).expect_err("an error");
        (error.to_string(), error)
    };
    assert!(
        refused(|m| m["file"] = json!("../../etc/passwd"))
            .0
            .contains("unknown field")
    );
    assert!(
        refused(|m| m["weights"]["path"] = json!("/etc/passwd"))
            .0
            .contains("unknown field")
    );
    assert!(
        refused(|m| m["model"]["kind"] = json!("toi"))
            .0
            .contains("did you mean \"toy\"?")
    );
    assert!(matches!(
        refused(|m| m["model"]["settings"] = json!({})).1,
        BundleProblem::Model { .. }
    ));
    assert!(matches!(
        refused(|m| m["model"]["n_parameters"] = json!(3)).1,
        BundleProblem::Inconsistent(_)
    ));
    assert!(matches!(
        refused(|m| m["inputs"][0]["column"] = json!("enerjy")).1,
        BundleProblem::Inconsistent(_)
    ));
    assert!(matches!(
        refused(|m| m["inputs"][1] = m["inputs"][0].clone()).1,
        BundleProblem::Inconsistent(_)
    ));
    assert!(matches!(
        refused(|m| m["inputs"] = json!([])).1,
        BundleProblem::Inconsistent(_)
    ));
    assert!(
        refused(|m| m["inputs"][0]["training"] = json!({"min": 2.0, "max": 1.0}))
            .0
            .contains("range")
    );
    assert!(matches!(
        refused(|m| m["outliers"][0]["bounds"][0]["column"] = json!("x")).1,
        BundleProblem::Inconsistent(_)
    ));
    assert!(matches!(
        refused(|m| m["outliers"][0]["bounds"][0]["lower"] = json!(1e9)).1,
        BundleProblem::Inconsistent(_)
    ));
    assert!(matches!(
        refused(|m| m["check"] = json!([1.0])).1,
        BundleProblem::Inconsistent(_)
    ));
    assert!(matches!(
        refused(|m| m["check"][0] = json!(1e6)).1,
        BundleProblem::Drift { .. }
    ));
    assert!(matches!(
        refused(|m| m["preprocessor"]["steps"][0]["scaler"]["scale"] = json!([1.0])).1,
        BundleProblem::Manifest(_)
    ));
    assert!(
        refused(|m| {
            m["preprocessor"]["steps"][0]["scaler"]["scale"][0] = json!(1e-320);
        })
        .0
        .len()
            > 10
    );
    let drops = |m: &mut Value| {
        m["cleaning"]["steps"] = json!([{"step": "drop_columns", "columns": ["energy"]}]);
    };
    // Such a step is found at the latest when it does something.
    if let Ok(bundle) = load_files(forge(drops).as_bytes(), &HONEST.weights) {
        let table = CsvReader::default()
            .read_from(tracks(5, 2).as_bytes(), "tracks")
            .unwrap()
            .table;
        assert!(bundle.predict_table(&table).is_err());
    }
}
