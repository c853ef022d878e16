use hitcast_kernels::Level;
use hitcast_kernels::optimizer::{Adam, Sgd, average};
use proptest::prelude::*;

use super::{assert_close, numbers};

fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

proptest! {
    #[test]
    fn adam_takes_the_step_of_its_paper(
        n in 1_usize..70,
        values in numbers(280),
        decay in prop_oneof![Just(0.0), Just(0.1)],
        decoupled: bool,
        step in 1_i32..2000,
        zero_moments: bool,
    ) {
        let [p, mut g, m, v] = [0, 70, 140, 210].map(|start| values[start..start + n].to_vec());
        // Where decay takes the gradient away, what is left is rounding.
        for (g, p) in g.iter_mut().zip(&p) {
            let (scaled, decayed) = (f64::from(*g) * 0.5, decay * f64::from(*p));
            if !decoupled && (scaled + decayed).abs() < 0.01 * scaled.abs() {
                *g = 0.0;
            }
        }
        // As in training, where no mean square is below the square of the mean.
        let m: Vec<f32> = m.iter().map(|m| if zero_moments { 0.0 } else { *m }).collect();
        let v: Vec<f32> = v.iter().zip(&m).map(|(v, m)| if zero_moments { 0.0 } else { v * v + m * m }).collect();
        let adam = Adam { learning_rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: decay, decoupled, step };
        let mut expected = [doubles(&p), doubles(&m), doubles(&v)];
        for i in 0..n {
            let (old, scaled) = (f64::from(p[i]), f64::from(g[i]) * 0.5);
            let gradient = if decoupled { scaled } else { scaled + decay * old };
            let first = 0.9 * f64::from(m[i]) + 0.1 * gradient;
            let second = 0.999 * f64::from(v[i]) + 0.001 * gradient * gradient;
            let (hat1, hat2) = (first / (1.0 - 0.9_f64.powi(step)), second / (1.0 - 0.999_f64.powi(step)));
            let kept = if decoupled { 1.0 - 0.01 * decay } else { 1.0 };
            expected[0][i] = old * kept - 0.01 * hat1 / (hat2.sqrt() + 1e-8);
            expected[1][i] = first;
            expected[2][i] = second;
        }
        for level in Level::available() {
            let (mut p, mut m, mut v) = (p.clone(), m.clone(), v.clone());
            adam.run(level, &mut p, &g, 0.5, &mut m, &mut v);
            for (got, expected) in [&p, &m, &v].into_iter().zip(&expected) {
                assert_close(got, expected, 3e-6, level.name());
            }
        }
    }

    #[test]
    fn sgd_takes_the_step_of_pytorch(
        n in 1_usize..70,
        values in numbers(210),
        momentum in prop_oneof![Just(0.0), Just(0.9)],
        nesterov: bool,
        decay in prop_oneof![Just(0.0), Just(0.1)],
    ) {
        let [p, g, u] = [0, 70, 140].map(|start| values[start..start + n].to_vec());
        let sgd = Sgd { learning_rate: 0.1, momentum, nesterov, weight_decay: decay };
        let (mut expected, mut expected_u) = (doubles(&p), doubles(&u));
        for i in 0..n {
            let gradient = 2.0 * f64::from(g[i]) + decay * expected[i];
            let velocity = momentum * expected_u[i] + gradient;
            let direction = match () {
                () if momentum == 0.0 => gradient,
                () if nesterov => gradient + momentum * velocity,
                () => velocity,
            };
            if momentum != 0.0 {
                expected_u[i] = velocity;
            }
            expected[i] -= 0.1 * direction;
        }
        for level in Level::available() {
            let (mut p, mut u) = (p.clone(), u.clone());
            sgd.run(level, &mut p, &g, 2.0, &mut u);
            assert_close(&p, &expected, 3e-6, level.name());
            assert_close(&u, &expected_u, 3e-6, level.name());
        }
    }
}

#[test]
fn an_average_follows_what_it_averages() {
    for level in Level::available() {
        let mut of = vec![1.0_f32; 21];
        average(level, &mut of, &[3.0; 21], 0.75);
        assert_eq!(of, [1.5; 21]);
    }
}
