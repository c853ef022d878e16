//! Tensors to bytes and back, in the format safetensors.

use std::collections::BTreeMap;
use std::fmt;

use hitcast_core::{ModelState, TensorData, TensorValues};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::error::BundleProblem;

/// The largest header of the weights that is read, in bytes.
pub const MAX_HEADER_BYTES: u64 = 4 << 20;
/// The largest number of tensors that is read.
pub const MAX_TENSORS: usize = 10_000;
/// The largest number of axes of a tensor.
pub const MAX_AXES: usize = 8;

/// Type and shape of a tensor, as the manifest declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorInfo {
    /// Type of the numbers.
    pub dtype: TensorType,
    /// Length of each axis.
    pub shape: Vec<usize>,
}

/// Type of the numbers of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TensorType {
    /// 32-bit floats.
    F32,
    /// 64-bit floats.
    F64,
}

impl TensorType {
    const fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    const fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F64 => Dtype::F64,
        }
    }
}

impl TensorInfo {
    /// Type and shape of a tensor.
    pub(crate) fn of(tensor: &TensorData) -> Option<Self> {
        let dtype = match tensor.values() {
            TensorValues::F32(_) => TensorType::F32,
            TensorValues::F64(_) => TensorType::F64,
            _ => return None,
        };
        Some(Self {
            dtype,
            shape: tensor.shape().to_vec(),
        })
    }

    /// Bytes of the tensor's numbers, `None` if that is no number of 64 bits.
    pub(crate) fn byte_len(&self) -> Option<u64> {
        self.shape.iter().try_fold(self.dtype.bytes(), |product, &axis| {
            product.checked_mul(u64::try_from(axis).ok()?)
        })
    }
}

/// The bytes of these tensors, and their types and shapes.
pub(crate) fn encode(state: &ModelState) -> Result<(Vec<u8>, BTreeMap<String, TensorInfo>), BundleProblem> {
    let wrong = |message: String| BundleProblem::Weights(message);
    let mut infos = BTreeMap::new();
    let mut raw = Vec::new();
    for (name, tensor) in &state.tensors {
        let info = TensorInfo::of(tensor)
            .ok_or_else(|| wrong(format!("tensor {name:?} has a type that cannot be saved")))?;
        check_finite(name, tensor)?;
        let bytes: Vec<u8> = match tensor.values() {
            TensorValues::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            TensorValues::F64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            _ => Vec::new(),
        };
        raw.push((name, info.clone(), bytes));
        infos.insert(name.clone(), info);
    }
    let views = raw
        .iter()
        .map(|(name, info, bytes)| {
            let view = TensorView::new(info.dtype.dtype(), info.shape.clone(), bytes);
            view.map(|view| (*name, view))
                .map_err(|e| wrong(format!("tensor {name:?}: {e}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let bytes = serialize(views, None).map_err(|e| wrong(e.to_string()))?;
    Ok((bytes, infos))
}

/// The tensors in these bytes, which have to be exactly the declared ones, with finite numbers.
pub(crate) fn decode(
    bytes: &[u8],
    declared: &BTreeMap<String, TensorInfo>,
) -> Result<BTreeMap<String, TensorData>, BundleProblem> {
    let wrong = |message: String| BundleProblem::Weights(message);
    check_header(bytes)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| wrong(e.to_string()))?;
    if let Some(name) = tensors
        .names()
        .into_iter()
        .find(|name| !declared.contains_key(*name))
    {
        return Err(wrong(format!(
            "has a tensor {name:?} that the manifest does not name"
        )));
    }
    let mut decoded = BTreeMap::new();
    for (name, info) in declared {
        let view = tensors
            .tensor(name)
            .map_err(|_| wrong(format!("lacks the tensor {name:?}")))?;
        if view.dtype() != info.dtype.dtype() || view.shape() != info.shape {
            let (dtype, shape) = (view.dtype(), view.shape());
            let TensorInfo {
                dtype: wanted_dtype,
                shape: wanted_shape,
            } = info;
            return Err(wrong(format!(
                "tensor {name:?} is {dtype:?} of shape {shape:?}, the manifest says {wanted_dtype:?} of {wanted_shape:?}"
            )));
        }
        let values = match info.dtype {
            TensorType::F32 => TensorValues::F32(
                view.data()
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| f32::from_le_bytes(*b))
                    .collect(),
            ),
            TensorType::F64 => TensorValues::F64(
                view.data()
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| f64::from_le_bytes(*b))
                    .collect(),
            ),
        };
        let tensor = TensorData::new(info.shape.clone(), values)
            .map_err(|e| wrong(format!("tensor {name:?}: {e}")))?;
        check_finite(name, &tensor)?;
        decoded.insert(name.clone(), tensor);
    }
    Ok(decoded)
}

fn check_finite(name: &str, tensor: &TensorData) -> Result<(), BundleProblem> {
    let place = match tensor.values() {
        TensorValues::F32(values) => values.iter().position(|v| !v.is_finite()),
        TensorValues::F64(values) => values.iter().position(|v| !v.is_finite()),
        _ => None,
    };
    match place {
        Some(place) => Err(BundleProblem::Weights(format!(
            "number {place} of tensor {name:?} is not finite"
        ))),
        None => Ok(()),
    }
}

/// Looks at the header before the library does: its length, the number of tensors, and that no name stands twice (of which
/// the library would keep the last).
fn check_header(bytes: &[u8]) -> Result<(), BundleProblem> {
    let cut = || BundleProblem::Weights("shorter than its header".to_owned());
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(cut)?;
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES {
        let what = "the header of weights.safetensors in bytes";
        return Err(BundleProblem::TooLarge {
            what,
            got: length,
            limit: MAX_HEADER_BYTES,
        });
    }
    let header = usize::try_from(length)
        .ok()
        .and_then(|length| rest.get(..length))
        .ok_or_else(cut)?;
    let Names(mut names) =
        serde_json::from_slice(header).map_err(|e| BundleProblem::Weights(format!("header: {e}")))?;
    if names.len() > MAX_TENSORS {
        let (got, limit) = (names.len() as u64, MAX_TENSORS as u64);
        return Err(BundleProblem::TooLarge {
            what: "the number of tensors",
            got,
            limit,
        });
    }
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(BundleProblem::Weights(format!("has two tensors {:?}", pair[0])));
    }
    Ok(())
}

/// The keys of a JSON object, each as often as it stands there.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn state(a: Vec<f32>, b: Vec<f64>) -> ModelState {
        let matrix = TensorData::new(vec![a.len(), 1], TensorValues::F32(a)).unwrap();
        let tensors = BTreeMap::from([
            ("a".to_owned(), matrix),
            ("b.c".to_owned(), TensorData::f64_vector(b)),
        ]);
        ModelState {
            settings: serde_json::Value::Null,
            tensors,
        }
    }

    proptest! {
        #[test]
        fn tensors_come_back_bit_for_bit(
            a in proptest::collection::vec(proptest::num::f32::NORMAL | proptest::num::f32::ZERO, 0..20),
            b in proptest::collection::vec(proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL, 0..20),
        ) {
            let state = state(a, b);
            let (bytes, infos) = encode(&state).unwrap();
            prop_assert_eq!(decode(&bytes, &infos).unwrap(), state.tensors);
        }

        #[test]
        fn any_bytes_are_answered_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (_, infos) = encode(&state(vec![1.0], vec![2.0])).unwrap();
            prop_assert!(decode(&bytes, &infos).is_err());
        }
    }

    #[test]
    fn an_infinite_number_is_not_saved() {
        let error = encode(&state(vec![1.0, f32::INFINITY], vec![])).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("number 1 of tensor \"a\" is not finite"),
            "{error}"
        );
    }

    #[test]
    fn a_name_that_stands_twice_is_refused() {
        let header = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header);
        bytes.extend_from_slice(&1.0_f32.to_le_bytes());
        let info = TensorInfo {
            dtype: TensorType::F32,
            shape: vec![1],
        };
        let error = decode(&bytes, &BTreeMap::from([("a".to_owned(), info)])).unwrap_err();
        assert!(error.to_string().contains("two tensors"), "{error}");
    }
}
