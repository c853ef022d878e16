//! Where weights start.

use hitcast_core::Stream;
use serde::{Deserialize, Serialize};

/// How the weights of linear layers are drawn. Batch norm starts at scale 1 and shift 0 in each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Initialization {
    /// As `torch.nn.Linear`: weights and biases uniform in ±1/√(units in).
    #[default]
    Pytorch,
    /// As Keras' `Dense`: weights uniform in ±√(6 / (units in + units out)) (Glorot and Bengio 2010), biases 0.
    Keras,
}

impl Initialization {
    /// Weights of a linear layer, row-major `fan_out × fan_in`.
    pub fn weights(self, fan_in: usize, fan_out: usize, stream: &mut Stream) -> Vec<f32> {
        uniform(fan_in * fan_out, self.weight_bound(fan_in, fan_out), stream)
    }

    /// Biases of a linear layer, length `fan_out`.
    pub fn biases(self, fan_in: usize, fan_out: usize, stream: &mut Stream) -> Vec<f32> {
        match self {
            Self::Pytorch => uniform(fan_out, self.weight_bound(fan_in, fan_out), stream),
            Self::Keras => vec![0.0; fan_out],
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn weight_bound(self, fan_in: usize, fan_out: usize) -> f64 {
        match self {
            Self::Pytorch => 1.0 / (fan_in.max(1) as f64).sqrt(),
            Self::Keras => (6.0 / (fan_in + fan_out).max(1) as f64).sqrt(),
        }
    }
}

#[allow(clippy::cast_possible_truncation)]
fn uniform(n: usize, bound: f64, stream: &mut Stream) -> Vec<f32> {
    (0..n)
        .map(|_| ((2.0 * stream.uniform() - 1.0) * bound) as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hitcast_core::Seed;

    fn spread(values: &[f32]) -> (f32, f32) {
        let largest = values.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        let variance = values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32;
        (largest, variance)
    }

    #[test]
    fn pytorch_and_keras_weights_have_the_bounds_and_variances_of_their_definitions() {
        let mut stream = Seed::new(3).stream("initialization");
        let (largest, variance) = spread(&Initialization::Pytorch.weights(100, 200, &mut stream));
        assert!(
            largest <= 0.1 && (variance - 0.01 / 3.0).abs() < 1e-4,
            "{largest} {variance}"
        );
        let (largest, variance) = spread(&Initialization::Keras.weights(100, 200, &mut stream));
        assert!(
            largest <= 0.02_f32.sqrt() && (variance - 0.02 / 3.0).abs() < 2e-4,
            "{largest} {variance}"
        );
        assert!(
            Initialization::Keras
                .biases(100, 5, &mut stream)
                .iter()
                .all(|&b| b == 0.0)
        );
        assert!(
            Initialization::Pytorch
                .biases(100, 5, &mut stream)
                .iter()
                .all(|&b| b != 0.0 && b.abs() <= 0.1)
        );
    }
}
