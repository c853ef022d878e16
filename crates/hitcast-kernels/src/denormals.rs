//! Numbers too small to be worth their time.

/// While it lives, this thread's arithmetic takes denormal numbers (below `f32::MIN_POSITIVE`) for zero, on x86-64.
///
/// Moments of optimisers and gradients behind saturated units become denormal, and each operation on one may take over a
/// hundred cycles. What was set before comes back when it is dropped.
#[derive(Debug)]
pub struct FlushDenormals {
    #[cfg(target_arch = "x86_64")]
    before: u32,
    /// The register is the thread's.
    _not_send: std::marker::PhantomData<*const ()>,
}

/// Flush to zero, and denormals are zero.
#[cfg(target_arch = "x86_64")]
const BITS: u32 = 0x8040;

#[cfg(target_arch = "x86_64")]
fn control_register() -> u32 {
    let mut value = 0_u32;
    // SAFETY: SSE is part of x86-64; the instruction stores the register to the four bytes that it is given.
    unsafe {
        std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack, preserves_flags));
    }
    value
}

#[cfg(target_arch = "x86_64")]
fn set_control_register(value: u32) {
    // SAFETY: SSE is part of x86-64; the value is what the register held but for the two bits above, which only say how
    // denormal numbers are treated.
    unsafe {
        std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, preserves_flags, readonly));
    }
}

impl FlushDenormals {
    /// From now on.
    #[must_use]
    pub fn begin() -> Self {
        #[cfg(target_arch = "x86_64")]
        let before = {
            let before = control_register();
            set_control_register(before | BITS);
            before
        };
        Self {
            #[cfg(target_arch = "x86_64")]
            before,
            _not_send: std::marker::PhantomData,
        }
    }
}

impl Drop for FlushDenormals {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        set_control_register(self.before & BITS | control_register() & !BITS);
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn denormal_numbers_are_zero_only_meanwhile() {
        let half = || black_box(f32::MIN_POSITIVE) * black_box(0.5);
        assert!(half() > 0.0);
        {
            let _flush = FlushDenormals::begin();
            assert_eq!(half(), 0.0);
        }
        assert!(half() > 0.0);
    }
}
