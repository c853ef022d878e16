//! Gaps.
use hitcast::core::Seed;
use hitcast::explain::{Encoded, ExpectedGradients, IntegratedGradients, Explained, Output};
use hitcast_benches::networks::{data, model};
fn main() {
    let model = model("mlp3_dropout").unwrap();
    let data = data(1000).unwrap();
    let explained = Explained::new(&model, Output::Number);
    let values = explained.values(data.features()).unwrap();
    let range = values.iter().copied().fold(f64::MIN, f64::max) - values.iter().copied().fold(f64::MAX, f64::min);
    println!("range {range}");
    for steps in [3, 5, 8, 10, 20] {
        for tolerance in [None, Some(5e-4), Some(1e-3)] {
            let settings = ExpectedGradients { steps, tolerance, ..ExpectedGradients::default() };
            let clock = std::time::Instant::now();
            let all = settings.explain(&explained, data.features(), data.features(), &Encoded, Seed::new(1)).unwrap();
            let mut gaps: Vec<f64> = all.iter().map(|e| e.gap.abs() / range).collect();
            gaps.sort_by(f64::total_cmp);
            println!("{steps} {tolerance:?}: {:.2} s, median gap {:.1e}, 99 % {:.1e}, max {:.1e}", clock.elapsed().as_secs_f64(), gaps[500], gaps[990], gaps[999]);
        }
    }
    for (steps, tolerance) in [(30, None), (100, None), (100, Some(5e-4)), (300, None)] {
        let clock = std::time::Instant::now();
        let all = IntegratedGradients { steps, tolerance }.explain(&explained, data.features(), data.features(), &Encoded).unwrap();
        let mut gaps: Vec<f64> = all.iter().map(|e| e.gap.abs() / range).collect();
        gaps.sort_by(f64::total_cmp);
        println!("integrated {steps} {tolerance:?}: {:.2} s, median gap {:.1e}, 99 % {:.1e}, max {:.1e}", clock.elapsed().as_secs_f64(), gaps[500], gaps[990], gaps[999]);
    }
}
