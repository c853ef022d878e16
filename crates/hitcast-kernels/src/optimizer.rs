//! One pass over flat buffers for each step of an optimiser.

use crate::level::{Kernel, Level};
use crate::simd::Vector;

/// One step of Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019), as PyTorch takes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Of this step.
    pub learning_rate: f64,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root.
    pub epsilon: f64,
    /// Weight decay: of Adam, added to the gradient; of AdamW, taken off the parameters.
    pub weight_decay: f64,
    /// Whether the decay is AdamW's.
    pub decoupled: bool,
    /// Number of this step, from 1.
    pub step: i32,
}

impl Adam {
    /// Takes the step. Gradients are multiplied by `gradient_scale` first.
    ///
    /// # Panics
    /// If the buffers differ in length.
    pub fn run(
        self,
        level: Level,
        parameters: &mut [f32],
        gradient: &[f32],
        gradient_scale: f32,
        first: &mut [f32],
        second: &mut [f32],
    ) {
        let n = parameters.len();
        assert!(
            [gradient.len(), first.len(), second.len()] == [n; 3],
            "buffers of different lengths"
        );
        level.run(AdamRun {
            settings: self,
            parameters,
            gradient,
            gradient_scale,
            first,
            second,
        });
    }
}

struct AdamRun<'a, 'g> {
    settings: Adam,
    parameters: &'a mut [f32],
    gradient: &'g [f32],
    gradient_scale: f32,
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl Kernel for AdamRun<'_, '_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)]
    fn run<V: Vector>(self) {
        let s = self.settings;
        let (coupled, kept) = if s.decoupled {
            (0.0, 1.0 - s.learning_rate * s.weight_decay)
        } else {
            (s.weight_decay, 1.0)
        };
        let root_scale = 1.0 / (1.0 - s.beta2.powi(s.step)).sqrt();
        let length = s.learning_rate / (1.0 - s.beta1.powi(s.step));
        let constants = AdamConstants {
            scale: V::splat(self.gradient_scale),
            coupled: V::splat(coupled as f32),
            kept: V::splat(kept as f32),
            toward: V::splat((1.0 - s.beta1) as f32),
            beta2: V::splat(s.beta2 as f32),
            rest2: V::splat((1.0 - s.beta2) as f32),
            root_scale: V::splat(root_scale as f32),
            epsilon: V::splat(s.epsilon as f32),
            length: V::splat(-length as f32),
        };
        let lanes = V::LANES;
        let buffers = self.parameters.chunks_mut(lanes).zip(self.gradient.chunks(lanes));
        let moments = self.first.chunks_mut(lanes).zip(self.second.chunks_mut(lanes));
        for ((p, g), (m, v)) in buffers.zip(moments) {
            if p.len() == lanes {
                let (new_p, new_m, new_v) = constants.step(V::load(p), V::load(g), V::load(m), V::load(v));
                new_p.store(p);
                new_m.store(m);
                new_v.store(v);
            } else {
                let (old_p, old_g) = (V::load_first(p), V::load_first(g));
                let (new_p, new_m, new_v) = constants.step(old_p, old_g, V::load_first(m), V::load_first(v));
                new_p.store_first(p);
                new_m.store_first(m);
                new_v.store_first(v);
            }
        }
    }
}

/// What is the same for all parameters of a step.
struct AdamConstants<V> {
    scale: V,
    coupled: V,
    kept: V,
    toward: V,
    beta2: V,
    rest2: V,
    root_scale: V,
    epsilon: V,
    length: V,
}

impl<V: Vector> AdamConstants<V> {
    /// Parameters and moments after the step. A method and no closure, because closures cannot be told to be inlined, and
    /// what is not inlined is compiled without the level's instructions.
    #[inline(always)]
    fn step(&self, p: V, g: V, m: V, v: V) -> (V, V, V) {
        let g = p.mul_add(self.coupled, g.mul(self.scale));
        let m = g.sub(m).mul_add(self.toward, m);
        let v = v.mul_add(self.beta2, g.mul(g).mul(self.rest2));
        let root = v.max(V::splat(f32::MIN_POSITIVE)).root();
        let below = root.mul_add(self.root_scale, self.epsilon);
        let p = m.mul(below.reciprocal()).mul_add(self.length, p.mul(self.kept));
        (p, m, v)
    }
}

/// One step of stochastic gradient descent, as PyTorch takes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// Of this step.
    pub learning_rate: f64,
    /// Decay of the velocity; 0 for none.
    pub momentum: f64,
    /// Nesterov's variant.
    pub nesterov: bool,
    /// Added to the gradient, times the parameters.
    pub weight_decay: f64,
}

impl Sgd {
    /// Takes the step. Gradients are multiplied by `gradient_scale` first. `velocity` is not looked at without momentum.
    ///
    /// # Panics
    /// If the buffers differ in length.
    pub fn run(
        self,
        level: Level,
        parameters: &mut [f32],
        gradient: &[f32],
        gradient_scale: f32,
        velocity: &mut [f32],
    ) {
        let n = parameters.len();
        assert!(
            gradient.len() == n && (self.momentum == 0.0 || velocity.len() == n),
            "buffers of different lengths"
        );
        level.run(SgdRun {
            settings: self,
            parameters,
            gradient,
            gradient_scale,
            velocity,
        });
    }
}

struct SgdRun<'a, 'g> {
    settings: Sgd,
    parameters: &'a mut [f32],
    gradient: &'g [f32],
    gradient_scale: f32,
    velocity: &'a mut [f32],
}

impl Kernel for SgdRun<'_, '_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)]
    fn run<V: Vector>(self) {
        let s = self.settings;
        let splat = |value: f64| V::splat(value as f32);
        let (scale, decay) = (V::splat(self.gradient_scale), splat(s.weight_decay));
        let (momentum, length) = (splat(s.momentum), splat(-s.learning_rate));
        let lanes = V::LANES;
        let pairs = self.parameters.chunks_mut(lanes).zip(self.gradient.chunks(lanes));
        if s.momentum == 0.0 {
            for (p, g) in pairs {
                let old = V::load_first(p);
                let g = old.mul_add(decay, V::load_first(g).mul(scale));
                g.mul_add(length, old).store_first(p);
            }
            return;
        }
        for ((p, g), u) in pairs.zip(self.velocity.chunks_mut(lanes)) {
            let old = V::load_first(p);
            let g = old.mul_add(decay, V::load_first(g).mul(scale));
            let velocity = V::load_first(u).mul_add(momentum, g);
            velocity.store_first(u);
            let direction = if s.nesterov {
                velocity.mul_add(momentum, g)
            } else {
                velocity
            };
            direction.mul_add(length, old).store_first(p);
        }
    }
}

/// `average = decay · average + (1 − decay) · values`, the exponential moving average of the weights.
///
/// # Panics
/// If the buffers differ in length.
pub fn average(level: Level, average: &mut [f32], values: &[f32], decay: f64) {
    assert_eq!(average.len(), values.len(), "buffers of different lengths");
    level.run(Average {
        average,
        values,
        decay,
    });
}

struct Average<'a> {
    average: &'a mut [f32],
    values: &'a [f32],
    decay: f64,
}

impl Kernel for Average<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)]
    fn run<V: Vector>(self) {
        let toward = V::splat((1.0 - self.decay) as f32);
        for (to, from) in self
            .average
            .chunks_mut(V::LANES)
            .zip(self.values.chunks(V::LANES))
        {
            let old = V::load_first(to);
            V::load_first(from).sub(old).mul_add(toward, old).store_first(to);
        }
    }
}
