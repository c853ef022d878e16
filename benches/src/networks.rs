//! The four networks of `code_pudding`, and rows for them like those that the peers make.

use hitcast::core::dataset::FeatureColumn;
use hitcast::core::{Dataset, DeviceChoice, Features, FitContext, Seed, StopSignal};
use hitcast::nn::{Network, NetworkModel, NetworkSpec};
use hitcast::train::{EngineChoice, NetworkEngine, NetworkEstimator, OptimizerSettings, TrainingSettings};
use ndarray::Array2;

use crate::peers::Result;

/// Their names.
pub const NETS: [&str; 4] = ["mlp1", "mlp2", "mlp2_batchnorm", "mlp3_dropout"];

/// Features of a row.
pub const N_FEATURES: usize = 10;

fn hidden(net: &str) -> &'static [usize] {
    match net {
        "mlp1" => &[64],
        "mlp3_dropout" => &[128, 64, 32],
        _ => &[64, 32],
    }
}

/// What a network is.
pub fn spec(net: &str) -> NetworkSpec {
    let spec = NetworkSpec::mlp(hidden(net));
    match net {
        "mlp2_batchnorm" => spec.with_batch_norm(),
        "mlp3_dropout" => spec.with_dropout(0.2),
        _ => spec,
    }
}

/// Floating-point operations of a step's matrix products: forward, and back to weights and, but for the first layer, to
/// what went in.
#[allow(clippy::cast_precision_loss)]
pub fn operations(net: &str, batch: usize) -> f64 {
    let widths: Vec<usize> = [&[N_FEATURES], hidden(net), &[1]].concat();
    let products = widths.windows(2).map(|pair| pair[0] * pair[1]).sum::<usize>();
    (2 * batch * (3 * products - widths[0] * widths[1])) as f64
}

/// Rows of ten normal features and a target that follows them, with noise; another file of the same kind as the peers'.
///
/// # Errors
/// None with at least one row.
#[allow(clippy::cast_possible_truncation)]
pub fn data(rows: usize) -> Result<Dataset> {
    let mut stream = Seed::new(0).stream("rows");
    let slopes: Vec<f64> = (0..N_FEATURES).map(|_| stream.normal()).collect();
    let mut target = Vec::with_capacity(rows);
    let mut values = Vec::with_capacity(rows * N_FEATURES);
    for _ in 0..rows {
        let row: Vec<f64> = slopes.iter().map(|_| stream.normal()).collect();
        let sum: f64 = row.iter().zip(&slopes).map(|(x, slope)| x * slope).sum();
        target.push(sum.tanh() * 15.0 + 41.0 + stream.normal() * 14.0);
        values.extend(row.iter().map(|&x| x as f32));
    }
    let columns = (0..N_FEATURES)
        .map(|n| FeatureColumn::plain(format!("x{n}")))
        .collect();
    let matrix = Array2::from_shape_vec((rows, N_FEATURES), values)?;
    Ok(Dataset::new(Features::new(matrix, columns)?, target)?)
}

/// One of the networks as it is before its training, ready to predict on a device.
///
/// # Errors
/// If the device is not there.
pub fn model(net: &str, device: DeviceChoice) -> Result<NetworkModel> {
    let device = hitcast::torch::device(device)?;
    Ok(NetworkModel::new(Network::new(
        &spec(net),
        N_FEATURES,
        device,
        Seed::new(1),
    )?)?)
}

/// One of the networks to be trained by Adam.
pub fn estimator(net: &str, batch: usize) -> NetworkEstimator {
    NetworkEstimator {
        network: spec(net),
        training: TrainingSettings {
            optimizer: OptimizerSettings::adam(1e-3),
            batch_size: batch,
            // libtorch's kernels must not be timed in the name of ours.
            engine: EngineChoice::Plan,
            ..TrainingSettings::default()
        },
    }
}

/// The engine that hitcast chooses for one of the networks on a device, with so many rows.
///
/// # Errors
/// If the device is not there, or there are fewer rows than a batch.
pub fn engine(net: &str, rows: usize, batch: usize, device: DeviceChoice) -> Result<NetworkEngine> {
    let stop = StopSignal::new();
    let context = FitContext {
        device,
        ..FitContext::quiet(net, Seed::new(1), &stop)
    };
    Ok(estimator(net, batch).engine_for(&data(rows)?, None, &context)?)
}

/// Where benches run.
pub const DEVICES: [DeviceChoice; 2] = [DeviceChoice::Cpu, DeviceChoice::Cuda(0)];

/// What was made, or nothing where it cannot be, which is said: there is no GPU, for the most part.
pub fn or_skip<T>(what: &str, made: Result<T>) -> Option<T> {
    made.map_err(|error| eprintln!("{what}: skipped: {error}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hitcast::train::Engine as _;

    #[test]
    fn training_takes_less_than_64_mb_besides_the_rows_and_no_more_than_foretold() -> Result<()> {
        const ROWS: usize = 4096;
        for (net, batch) in NETS.into_iter().flat_map(|net| [(net, 64), (net, 4096)]) {
            let NetworkEngine::Plan(mut engine, _) = engine(net, ROWS, batch, DeviceChoice::Cpu)? else {
                return Err(format!("no plan for {net}").into());
            };
            engine.step(0..batch, 1e-3)?;
            engine.remember()?;
            let taken = engine.bytes();
            let foretold = estimator(net, batch).memory(ROWS, 0, N_FEATURES);
            assert!(taken < 64 << 20, "{net} at {batch}: {taken} bytes");
            assert!(
                taken < foretold,
                "{net} at {batch}: {taken} bytes, {foretold} foretold"
            );
        }
        Ok(())
    }
}
