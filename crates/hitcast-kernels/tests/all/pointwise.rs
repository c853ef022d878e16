use hitcast_kernels::Level;
use hitcast_kernels::pointwise::{Dropout, Function, apply};

use super::assert_close;

/// The error function by its series, or by its continued fraction where that converges faster.
fn erf(x: f64) -> f64 {
    if x < 0.0 {
        return -erf(-x);
    }
    if x < 3.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return sum * 2.0 / std::f64::consts::PI.sqrt();
    }
    let fraction = (1..60)
        .rev()
        .fold(0.0, |below, n| f64::from(n) / 2.0 / (x + below));
    1.0 - (-x * x).exp() / std::f64::consts::PI.sqrt() / (x + fraction)
}

fn value_and_slope(function: Function, x: f64) -> (f64, f64) {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    match function {
        Function::Identity => (x, 1.0),
        Function::Relu => (x.max(0.0), if x > 0.0 { 1.0 } else { 0.0 }),
        Function::LeakyRelu => (
            if x > 0.0 { x } else { 0.01 * x },
            if x > 0.0 { 1.0 } else { 0.01 },
        ),
        Function::Elu => (
            if x > 0.0 { x } else { x.exp_m1() },
            if x > 0.0 { 1.0 } else { x.exp() },
        ),
        Function::Selu => {
            let (scale, alpha) = (1.050_700_987_355_480_5, 1.673_263_242_354_377_2);
            if x > 0.0 {
                (scale * x, scale)
            } else {
                (scale * alpha * x.exp_m1(), scale * alpha * x.exp())
            }
        }
        Function::Gelu => {
            let distribution = 0.5 * (1.0 + erf(x / 2.0_f64.sqrt()));
            let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
            (x * distribution, distribution + x * density)
        }
        Function::Silu => (x * sigmoid, sigmoid + x * sigmoid * (1.0 - sigmoid)),
        Function::Tanh => (x.tanh(), 1.0 - x.tanh().powi(2)),
        Function::Sigmoid => (sigmoid, sigmoid * (1.0 - sigmoid)),
        Function::Softplus => (x.max(0.0) + (-x.abs()).exp().ln_1p(), sigmoid),
    }
}

const ALL: [Function; 10] = [
    Function::Identity,
    Function::Relu,
    Function::LeakyRelu,
    Function::Elu,
    Function::Selu,
    Function::Gelu,
    Function::Silu,
    Function::Tanh,
    Function::Sigmoid,
    Function::Softplus,
];

#[test]
fn values_and_slopes_are_those_of_the_functions() {
    let mut inputs: Vec<f32> = (-4000..=4000).map(|n| n as f32 * 0.005).collect();
    inputs.extend([1e-6, -1e-6, 1e-3, -1e-3, 60.0, -60.0, 1000.0, -1000.0, 0.0]);
    for (function, level) in ALL
        .into_iter()
        .flat_map(|f| Level::available().into_iter().map(move |l| (f, l)))
    {
        let (values, slopes): (Vec<f64>, Vec<f64>) = inputs
            .iter()
            .map(|&x| value_and_slope(function, f64::from(x)))
            .unzip();
        let (mut got, mut got_slopes) = (inputs.clone(), vec![9.0; inputs.len()]);
        apply(level, function, None, &mut got, Some(&mut got_slopes));
        let name = format!("{function:?} on {}", level.name());
        assert_close(&got, &values, 1.5e-6, &name);
        assert_close(&got_slopes, &slopes, 2e-6, &name);
        let mut alone = inputs.clone();
        apply(level, function, None, &mut alone, None);
        assert_eq!(alone, got);
    }
}

#[test]
fn not_a_number_stays_one() {
    for (function, level) in ALL
        .into_iter()
        .flat_map(|f| Level::available().into_iter().map(move |l| (f, l)))
    {
        let mut values = [f32::NAN; 19];
        apply(level, function, None, &mut values, None);
        assert!(
            values.iter().all(|v| v.is_nan()),
            "{function:?} on {}",
            level.name()
        );
    }
}

#[test]
fn small_arguments_keep_their_digits() {
    for (function, level) in [Function::Tanh, Function::Elu]
        .into_iter()
        .flat_map(|f| Level::available().into_iter().map(move |l| (f, l)))
    {
        for x in [-1e-4_f32, -3e-3, -0.02, -0.3, -0.69, -0.71] {
            let mut got = [x];
            apply(level, function, None, &mut got, None);
            let (expected, _) = value_and_slope(function, f64::from(x));
            assert!(
                (f64::from(got[0]) / expected - 1.0).abs() < 4e-7,
                "{function:?}({x}) on {}",
                level.name()
            );
        }
    }
}

#[test]
fn dropout_keeps_what_its_bits_say() {
    let bits = [0b1010_0110_u8, 0xff, 0, 0b1];
    for level in Level::available() {
        let (mut values, mut slopes) = (vec![2.0_f32; 29], vec![0.0; 29]);
        apply(
            level,
            Function::Relu,
            Some(Dropout {
                bits: &bits,
                scale: 1.5,
            }),
            &mut values,
            Some(&mut slopes),
        );
        for (n, (value, slope)) in values.iter().zip(&slopes).enumerate() {
            let kept = bits[n / 8] >> (n % 8) & 1 == 1;
            assert_eq!(
                (*value, *slope),
                if kept { (3.0, 1.5) } else { (0.0, 0.0) },
                "{n} on {}",
                level.name()
            );
        }
    }
}
