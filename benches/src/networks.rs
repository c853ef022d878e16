//! The four networks of `code_pudding`, and rows for them like those that the peers make.

use hitcast::core::dataset::FeatureColumn;
use hitcast::core::{Dataset, DeviceChoice, Features, Seed};
use hitcast::nn::{Network, NetworkModel, NetworkSpec};
use hitcast::train::{OptimizerSettings, PlanEngine, TrainingSettings};
use ndarray::Array2;

use crate::peers::Result;

/// Their names.
pub const NETS: [&str; 4] = ["mlp1", "mlp2", "mlp2_batchnorm", "mlp3_dropout"];

/// Features of a row.
const N_FEATURES: usize = 10;

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

/// One of the networks as it is before its training, ready to predict.
///
/// # Errors
/// None on a machine with a processor.
pub fn model(net: &str) -> Result<NetworkModel> {
    let cpu = hitcast::torch::device(DeviceChoice::Cpu)?;
    Ok(NetworkModel::new(Network::new(
        &spec(net),
        N_FEATURES,
        cpu,
        Seed::new(1),
    )?)?)
}

/// An engine of one of the networks on so many rows.
///
/// # Errors
/// On bad settings.
pub fn engine(net: &str, rows: usize, optimizer: OptimizerSettings) -> Result<PlanEngine> {
    let cpu = hitcast::torch::device(DeviceChoice::Cpu)?;
    let network = Network::new(&spec(net), N_FEATURES, cpu, Seed::new(1))?;
    let data = data(rows)?;
    let settings = TrainingSettings {
        optimizer,
        ..TrainingSettings::default()
    };
    let engine = PlanEngine::compile(&network, &settings, &data, None, Seed::new(1))?;
    Ok(engine.ok_or("there is no plan for the network")?)
}
