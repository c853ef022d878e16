//! Networks, losses and rows drawn at random, on which engines are compared.

use hitcast_core::dataset::FeatureColumn;
use hitcast_core::{Dataset, Features, Seed, Task};
use hitcast_nn::{Activation, Head, LayerSpec, Loss, NetworkSpec};
use ndarray::Array2;
use proptest::prelude::*;

const ACTIVATIONS: [Activation; 9] = [
    Activation::Relu,
    Activation::LeakyRelu,
    Activation::Elu,
    Activation::Selu,
    Activation::Gelu,
    Activation::Silu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Softplus,
];

/// Layers in any order, and any head; dropout where engines are given the same masks.
pub(crate) fn specs(drops: bool) -> impl Strategy<Value = NetworkSpec> {
    let layers = prop_oneof![
        3 => (1_usize..40, any::<bool>()).prop_map(|(units, bias)| LayerSpec::Linear { units, bias }),
        3 => prop::sample::select(ACTIVATIONS.to_vec()).prop_map(LayerSpec::activation),
        1 => Just(LayerSpec::activation(Activation::Relu)),
        1 => Just(LayerSpec::batch_norm()),
        2 => (0.0..0.7).prop_map(move |rate| LayerSpec::dropout(if drops { rate } else { 0.0 })),
    ];
    let heads = prop_oneof![
        Just(Head::Linear),
        Just(Head::Bounded { min: -1.0, max: 2.0 }),
        Just(Head::Positive),
        Just(Head::Binary),
        (2_usize..20).prop_map(|classes| Head::Softmax { classes }),
        (2_usize..6).prop_map(|classes| Head::Ordinal { classes }),
    ];
    (prop::collection::vec(layers, 0..9), heads).prop_map(|(layers, head)| NetworkSpec {
        layers,
        head,
        ..NetworkSpec::default()
    })
}

/// One for numbers, and one for classes.
pub(crate) fn losses() -> impl Strategy<Value = [Loss; 2]> {
    let numbers = prop_oneof![Just(Loss::Mse), Just(Loss::Mae), Just(Loss::Huber { delta: 0.6 })];
    let classes = prop_oneof![
        Just(Loss::CrossEntropy { label_smoothing: 0.0 }),
        Just(Loss::CrossEntropy { label_smoothing: 0.2 }),
        (0.0..3.0).prop_map(|gamma| Loss::Focal { gamma })
    ];
    (numbers, classes).prop_map(|(numbers, classes)| [numbers, classes])
}

/// Normal features, and targets of a task.
pub(crate) fn data(rows: usize, inputs: usize, task: Task, weighted: bool, seed: u64) -> Dataset {
    let mut stream = Seed::new(seed).stream("data");
    #[allow(clippy::cast_possible_truncation)]
    let x = Array2::from_shape_simple_fn((rows, inputs), || stream.normal() as f32);
    let columns = (0..inputs)
        .map(|n| FeatureColumn::plain(format!("x{n}")))
        .collect();
    let features = Features::new(x, columns).unwrap();
    let data = match task {
        Task::Classification { n_classes } => {
            let classes: Vec<usize> = (0..rows).map(|_| stream.below(n_classes)).collect();
            Dataset::of_classes(features, &classes, n_classes).unwrap()
        }
        _ => Dataset::new(features, (0..rows).map(|_| stream.normal()).collect()).unwrap(),
    };
    if !weighted {
        return data;
    }
    // Some rows do not count, but not all.
    let weight = |row| match stream.below(4) {
        0 if row > 0 => 0.0,
        _ => 0.1 + 3.0 * stream.uniform(),
    };
    let weights = (0..rows).map(weight).collect();
    data.with_weights(weights).unwrap()
}
