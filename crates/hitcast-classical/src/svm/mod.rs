//! Support vector machines (Cortes and Vapnik 1995) for numbers ([`Svr`]) and for classes ([`Svc`]).

mod cache;
mod duration;
mod kernel;
mod platt;
mod points;
mod solver;
mod svc;
mod svr;
mod vectors;

use hitcast_core::{Dataset, Event, FitContext, StopReason};
use ndarray::ArrayView2;

pub use self::kernel::{Gamma, SvmKernel};
pub use self::svc::{Svc, SvcModel};
pub use self::svr::{Svr, SvrModel};

use self::kernel::KernelFunction;
use self::solver::{Ended, Rules, Solution};
use crate::checks::{at_least, numbered};
use crate::error::ClassicalError;
use crate::saved::Size;

/// Steps that are allowed where no number is given, at least; as in libsvm.
const STEPS: usize = 10_000_000;

/// The settings that both machines have.
#[derive(Debug, Clone, Copy)]
struct Common {
    kernel: SvmKernel,
    gamma: Gamma,
    degree: usize,
    coef0: f64,
    c: f64,
    tol: f64,
    shrinking: bool,
    cache_size: f64,
    max_iter: Option<usize>,
    threads: usize,
}

/// The settings that a machine has in common with the other.
macro_rules! common {
    ($machine:expr) => {
        $crate::svm::Common {
            kernel: $machine.kernel,
            gamma: $machine.gamma,
            degree: $machine.degree,
            coef0: $machine.coef0,
            c: $machine.c,
            tol: $machine.tol,
            shrinking: $machine.shrinking,
            cache_size: $machine.cache_size,
            max_iter: $machine.max_iter,
            threads: $machine.threads,
        }
    };
}
use common;

impl Common {
    /// Checks the settings, and what the kernel comes to for these rows.
    fn check(&self, rows: ArrayView2<'_, f32>) -> Result<KernelFunction, ClassicalError> {
        numbered(rows.nrows())?;
        for (setting, value) in [("c", self.c), ("tol", self.tol), ("cache_size", self.cache_size)] {
            if !value.is_finite() || value <= 0.0 {
                return Err(ClassicalError::Setting {
                    setting,
                    value,
                    allowed: "finite and above 0",
                });
            }
        }
        at_least("max_iter", self.max_iter.unwrap_or(1), 1, "at least 1")?;
        KernelFunction::new(self.kernel, self.gamma, self.degree, self.coef0, rows)
    }

    /// Bytes of rows of the kernel that are kept.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn cache_bytes(&self) -> usize {
        (self.cache_size * f64::from(1 << 20)) as usize
    }

    /// For problems of so many rows, of which so many are solved at a time.
    fn rules(&self, rows: usize, at_a_time: usize) -> Rules {
        Rules {
            tol: self.tol,
            shrinking: self.shrinking,
            cache_bytes: self.cache_bytes() / at_a_time.max(1),
            max_iter: self.max_iter.unwrap_or(rows.saturating_mul(100).max(STEPS)),
            threads: if at_a_time > 1 { 1 } else { self.threads },
        }
    }

    /// What a fit takes, whose coefficients are so many for each row.
    fn size(&self, train: &Dataset, width: usize, at_a_time: usize) -> Size {
        let (rows, d) = (train.n_rows(), train.n_features());
        let kernel = rows.saturating_mul(rows).saturating_mul(size_of::<f32>());
        // The rows as they came, by columns, those not set aside, and the support vectors; residuals and bounds.
        let problem = rows.saturating_mul(16 * d + 64);
        Size {
            rows,
            parameters: rows.saturating_mul(d + width),
            bytes: problem
                .saturating_mul(at_a_time)
                .saturating_add(self.cache_bytes().min(kernel.saturating_mul(at_a_time))),
        }
    }
}

/// Tells of a solution that is not as good as was asked for; why the fit ended.
fn told<'a>(context: &FitContext<'_>, tol: f64, solutions: impl Iterator<Item = &'a Solution>) -> StopReason {
    let mut stopped = StopReason::Completed;
    let (mut early, mut steps, mut gap) = (0, 0, 0.0_f64);
    for solution in solutions {
        match solution.ended {
            Ended::Converged => {}
            Ended::Requested => stopped = StopReason::Requested,
            Ended::Early => {
                early += 1;
                steps = steps.max(solution.steps);
                gap = gap.max(solution.gap);
            }
        }
    }
    if early > 0 {
        let name = context.name;
        let note = format!(
            "{name}: not converged after {steps} steps: two rows are {gap:.1e} from the optimum, where tol allows {tol:.1e}; \
             scale the features, allow more (max_iter), lower c, or raise tol"
        );
        context.progress.report(&Event::Note(&note));
    }
    stopped
}
