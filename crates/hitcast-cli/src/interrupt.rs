//! Ctrl-C: the first one asks for an orderly end, the second one ends the program.

use std::process;

use hitcast::prelude::StopSignal;

/// A signal that is requested on Ctrl-C.
pub(crate) fn install() -> StopSignal {
    let stop = StopSignal::new();
    let handler = stop.clone();
    // Without a handler Ctrl-C ends the program at once, which is no reason not to run.
    let _ = ctrlc::set_handler(move || {
        if handler.is_requested() {
            process::exit(i32::from(crate::INTERRUPTED));
        }
        eprintln!("\nstopping after this step; the best weights are kept (Ctrl-C again ends at once)");
        handler.request();
    });
    stop
}
