//! The rising curve of the smallest squared error, by pooling neighbours that fall (Ayer et al. 1955).

use super::calibration::RisingCurve;

/// Probabilities that are nearer to each other count as one, as in scikit-learn.
const RESOLUTION: f64 = 1e-15;

/// Some neighbouring rows that share a value, the share of them that came true.
struct Pool {
    hits: f64,
    rows: f64,
    /// How many distinct probabilities they have.
    points: usize,
}

impl Pool {
    fn value(&self) -> f64 {
        self.hits / self.rows
    }
}

/// At least one row.
pub(super) fn fit(predicted: &[f64], happened: &[bool]) -> RisingCurve {
    let mut order: Vec<usize> = (0..predicted.len()).collect();
    order.sort_by(|&a, &b| predicted[a].total_cmp(&predicted[b]));
    // Rows of each distinct probability, and how many of them came true.
    let mut points: Vec<(f64, f64, f64)> = Vec::new();
    for row in order {
        let (p, yes) = (predicted[row], f64::from(u8::from(happened[row])));
        match points.last_mut() {
            Some((x, hits, rows)) if p - *x < RESOLUTION => {
                *hits += yes;
                *rows += 1.0;
            }
            _ => points.push((p, yes, 1.0)),
        }
    }
    let mut pools: Vec<Pool> = Vec::new();
    for &(_, hits, rows) in &points {
        let mut pool = Pool {
            hits,
            rows,
            points: 1,
        };
        while let Some(before) = pools.pop_if(|before| before.value() >= pool.value()) {
            pool.hits += before.hits;
            pool.rows += before.rows;
            pool.points += before.points;
        }
        pools.push(pool);
    }
    // Of a level stretch only its ends are needed.
    let mut curve = RisingCurve {
        predicted: Vec::new(),
        calibrated: Vec::new(),
    };
    let mut from = 0;
    for pool in &pools {
        let ends = [from, from + pool.points - 1];
        from += pool.points;
        for &end in &ends[..ends.len().min(pool.points)] {
            curve.predicted.push(points[end].0);
            curve.calibrated.push(pool.value());
        }
    }
    curve
}
