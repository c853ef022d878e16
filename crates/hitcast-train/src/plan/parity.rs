//! The plan against automatic differentiation by libtorch in `f64` and `f32`, with the masks that the plan drew.

use hitcast_core::{Dataset, Seed};
use hitcast_kernels::Level;
use hitcast_nn::{Activation, Head, LayerSpec, Loss, Network, NetworkSpec};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use tch::{Device, Kind, Tensor};

use super::{BLOCK_ROWS, Plan, Rows};

#[path = "../../tests/networks/mod.rs"]
mod networks;

use networks::{data, losses, specs};

/// What libtorch makes of the same rows.
struct Reference {
    loss: f64,
    /// Of each parameter, in the order of the flat parameters.
    gradients: Vec<Vec<f64>>,
    /// Running means and variances, in their order.
    statistics: Vec<Vec<f64>>,
    /// Whether a number lies so near a kink that rounding decides on which side.
    near_kink: bool,
}

fn doubles(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().reshape([-1]).to_kind(Kind::Double)).unwrap()
}

fn near_zero(values: &Tensor) -> bool {
    doubles(values)
        .iter()
        .any(|value| *value != 0.0 && value.abs() < 2e-5)
}

fn reference(
    network: &Network,
    plan: &Plan,
    loss: Loss,
    data: &Dataset,
    rows: &[u32],
    kind: Kind,
) -> Reference {
    let state = network.state().unwrap();
    let mut leaves: Vec<Tensor> = Vec::new();
    let tensor = |name: &str| {
        let tensor = network
            .parameters()
            .iter()
            .find(|p| p.name() == name)
            .unwrap()
            .tensor();
        tensor.detach().to_kind(kind)
    };
    let mut leaf = |name: String| {
        let leaf = tensor(&name).set_requires_grad(true);
        leaves.push(leaf.shallow_clone());
        leaf
    };
    let index: Vec<usize> = rows.iter().map(|&row| row as usize).collect();
    let x: Vec<f32> = index
        .iter()
        .flat_map(|&row| data.features().matrix().row(row).to_vec())
        .collect();
    let y: Vec<f64> = index.iter().map(|&row| data.target()[row]).collect();
    let shape = [rows.len() as i64, data.n_features() as i64];
    let mut units = Tensor::from_slice(&x).reshape(shape).to_kind(kind);
    let mut masks = plan.stages.iter().filter_map(|stage| stage.mask(rows.len()));
    let mut statistics = Vec::new();
    let mut near_kink = false;
    for (place, layer) in network.spec().layers.iter().enumerate() {
        let name = |what: &str| format!("layers.{place}.{what}");
        units = match *layer {
            LayerSpec::Linear { bias, .. } => {
                let weight = leaf(name("weight"));
                let bias = bias.then(|| leaf(name("bias")));
                units.linear(&weight, bias.as_ref())
            }
            LayerSpec::BatchNorm { momentum, epsilon } => {
                let buffer = |what: &str| {
                    let data = &state.tensors[&name(what)];
                    let n = data.shape().iter().product::<usize>();
                    Tensor::from_slice(state.f32(&name(what), &[n]).unwrap()).to_kind(kind)
                };
                let (mean, variance) = (buffer("running_mean"), buffer("running_var"));
                let (weight, bias) = (leaf(name("weight")), leaf(name("bias")));
                let out = units.batch_norm(
                    Some(&weight),
                    Some(&bias),
                    Some(&mean),
                    Some(&variance),
                    true,
                    momentum,
                    epsilon,
                    false,
                );
                statistics.extend([mean, variance].iter().map(doubles));
                out
            }
            LayerSpec::Activation { function } => {
                near_kink |= near_zero(&units);
                match function {
                    Activation::Relu => units.relu(),
                    Activation::LeakyRelu => units.leaky_relu(),
                    Activation::Elu => units.elu(),
                    Activation::Selu => units.selu(),
                    Activation::Gelu => units.gelu("none"),
                    Activation::Silu => units.silu(),
                    Activation::Tanh => units.tanh(),
                    Activation::Sigmoid => units.sigmoid(),
                    Activation::Softplus => units.softplus(),
                    other => unreachable!("{other:?} is not drawn"),
                }
            }
            LayerSpec::Dropout { rate } if rate > 0.0 => {
                let mask = Tensor::from_slice(&masks.next().unwrap());
                &units * mask.reshape(units.size()).to_kind(kind)
            }
            _ => units,
        };
    }
    let head = network.spec().head;
    let weight = leaf("head.weight".to_owned());
    let units = match head {
        Head::Ordinal { .. } => {
            let learned = leaf("head.thresholds".to_owned());
            let steps = learned.slice(0, 1, None, 1).softplus();
            let thresholds = Tensor::cat(&[learned.slice(0, 0, 1, 1), steps], 0).cumsum(0, kind);
            thresholds.unsqueeze(0) - units.linear(&weight, None::<&Tensor>)
        }
        Head::Softmax { .. } => units.linear(&weight, Some(&leaf("head.bias".to_owned()))),
        _ => units
            .linear(&weight, Some(&leaf("head.bias".to_owned())))
            .squeeze_dim(1),
    };
    let target = Tensor::from_slice(&y).to_kind(kind);
    near_kink |= matches!(loss, Loss::Mae) && near_zero(&(head.predict(&units).unwrap() - &target));
    let weights = data.weights().map(|weights| {
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        Tensor::from_slice(&index.iter().map(|&row| weights[row] / mean).collect::<Vec<_>>()).to_kind(kind)
    });
    let loss = loss.mean(head, &units, &target, weights.as_ref()).unwrap();
    let gradients = Tensor::run_backward(&[&loss], &leaves.iter().collect::<Vec<_>>(), false, false);
    Reference {
        loss: loss.double_value(&[]),
        gradients: gradients.iter().map(doubles).collect(),
        statistics,
        near_kink,
    }
}

/// The larger, which of NaN and a number is NaN.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// The largest difference.
fn distance(found: impl Iterator<Item = f64>, exact: &[f64]) -> f64 {
    let differences = found.zip(exact).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, larger)
}

/// That each of our tensors, one behind the other, is exact to 1e-5 of its largest number, or nearly as exact as the least exact
/// of libtorch's in 32 bits: sums that come to nearly nothing, as over rows or behind batch norm, keep the rounding of what
/// they are over, and which of them do so is chance.
fn are_near(
    what: &str,
    ours: &[f32],
    libtorch: &[Vec<f64>],
    exact: &[Vec<f64>],
    has_norm: bool,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(ours.len(), exact.iter().map(Vec::len).sum::<usize>());
    let rounding = libtorch.iter().zip(exact);
    let rounding = rounding.map(|(libtorch, exact)| distance(libtorch.iter().copied(), exact));
    let rounding = rounding.fold(0.0, larger);
    // Batch norm takes out of a gradient what lies along its output, which may be nearly all of it, and out of units their
    // mean: libtorch's sums over rows are of 64 bits there, ours of 32.
    let worse = if has_norm { 32.0 } else { 8.0 };
    let mut rest = ours;
    for (place, exact) in exact.iter().enumerate() {
        let (own, left) = rest.split_at(exact.len());
        rest = left;
        let found = distance(own.iter().copied().map(f64::from), exact);
        // The terms of what is smaller are of the size of 1, and it keeps their rounding.
        let largest = exact.iter().fold(1e-2, |largest, value| value.abs().max(largest));
        let bound = (1e-5 * largest).max(worse * rounding);
        prop_assert!(
            found <= bound,
            "{what} {place} differ by {found}, more than {bound}"
        );
    }
    Ok(())
}

fn agree(
    spec: &NetworkSpec,
    [of_numbers, of_classes]: [Loss; 2],
    rows: usize,
    inputs: usize,
    seed: u64,
) -> Result<(), TestCaseError> {
    let data = data(rows + 3, inputs, spec.head.task(), seed.is_multiple_of(2), seed);
    let loss = if spec.head.is_of_classes() {
        of_classes
    } else {
        of_numbers
    };
    let order: Vec<u32> = Seed::new(seed).stream("order").permutation(rows + 3)[..rows]
        .iter()
        .map(|&row| u32::try_from(row).unwrap())
        .collect();
    let network = Network::new(spec, inputs, Device::Cpu, Seed::new(seed)).unwrap();
    for level in Level::available() {
        let plan = Plan::new(&network, level, loss, &mut Seed::new(seed).stream("dropout")).unwrap();
        let mut plan = plan.expect("every layer that there is can be planned");
        let our_loss = plan.loss_and_gradient(&Rows::new(&data), &order);
        let [exact, single] =
            [Kind::Double, Kind::Float].map(|kind| reference(&network, &plan, loss, &data, &order, kind));
        prop_assume!(!exact.near_kink);
        let level = level.name();
        let near = |what: &str, ours: &[f32], libtorch: &[Vec<f64>], exact: &[Vec<f64>]| {
            let what = format!("{level}: {what}");
            are_near(&what, ours, libtorch, exact, spec.has_batch_norm())
        };
        near("losses", &[our_loss], &[vec![single.loss]], &[vec![exact.loss]])?;
        near(
            "gradients",
            &plan.gradient_in_order(),
            &single.gradients,
            &exact.gradients,
        )?;
        near(
            "running statistics",
            &plan.statistics,
            &single.statistics,
            &exact.statistics,
        )?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
    ))]

    #[test]
    fn loss_and_gradient_are_those_of_automatic_differentiation(
        spec in specs(true), loss in losses(), rows in 8_usize..80, inputs in 1_usize..20, seed: u64
    ) {
        agree(&spec, loss, rows, inputs, seed)?;
    }

    /// Without dropout, since only the masks of the last block are still there to be given to libtorch.
    #[test]
    fn batches_of_several_blocks_agree_too(
        spec in specs(false), loss in losses(), rows in BLOCK_ROWS + 1..300, inputs in 1_usize..20, seed: u64
    ) {
        agree(&spec, loss, rows, inputs, seed)?;
    }
}

#[test]
fn layers_whose_weights_are_copied_in_panels_agree_too() {
    // So many units that one of them is always near a kink, where there is one.
    let mut spec = NetworkSpec::mlp(&[300, 300]);
    spec.layers
        .retain(|layer| matches!(layer, LayerSpec::Linear { .. }));
    agree(&spec, [Loss::Mse; 2], 150, 10, 1).unwrap();
}

#[test]
fn predictions_are_those_of_the_network() {
    let heads = [
        Head::Linear,
        Head::Binary,
        Head::Softmax { classes: 3 },
        Head::Ordinal { classes: 4 },
    ];
    for head in heads {
        let spec = NetworkSpec::mlp(&[20, 7])
            .with_batch_norm()
            .with_dropout(0.3)
            .with_head(head);
        let data = data(290, 10, head.task(), false, 5);
        let network = Network::new(&spec, 10, Device::Cpu, Seed::new(1)).unwrap();
        let rows = Rows::new(&data);
        let loss = Loss::of_task(head.task());
        for level in Level::available() {
            let plan = Plan::new(&network, level, loss, &mut Seed::new(1).stream("dropout")).unwrap();
            let mut plan = plan.unwrap();
            // One step's statistics, so that they are not those at the start.
            plan.loss_and_gradient(&rows, &(0..290).collect::<Vec<_>>());
            let mut network = Network::new(&spec, 10, Device::Cpu, Seed::new(2)).unwrap();
            let settings = network.state().unwrap().settings;
            network.load_state(&plan.state(settings).unwrap()).unwrap();
            let x = data.features().matrix();
            let x = Tensor::from_slice(x.as_slice().unwrap()).reshape([290, 10]);
            let theirs = tch::no_grad(|| network.forward(&x, hitcast_nn::Mode::Evaluate)).unwrap();
            let theirs = Vec::<f32>::try_from(theirs.reshape([-1])).unwrap();
            let mut ours = Vec::new();
            plan.predict(&rows, usize::MAX, |all| ours = all);
            assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert!(
                    (ours - f64::from(theirs)).abs() < 1e-5,
                    "{head:?} {}: {ours} instead of {theirs}",
                    level.name()
                );
            }
        }
    }
}
