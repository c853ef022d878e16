//! Ctrl-C: the first one asks for an orderly end, the second one ends the program and takes half-written files along.

use std::io::Write;

use hitcast::core::file::abandon_unfinished;
use hitcast::prelude::StopSignal;
use signal_hook::low_level;

/// A signal that is requested on Ctrl-C.
pub(crate) fn install() -> StopSignal {
    let stop = StopSignal::new();
    let handler = stop.clone();
    // Without a handler Ctrl-C ends the program at once, which is no reason not to run.
    let _ = ctrlc::set_handler(move || {
        if handler.is_requested() {
            abandon_unfinished();
            // Not `std::process::exit`: it runs libtorch's destructors under the hands of the threads that train.
            low_level::exit(i32::from(crate::INTERRUPTED));
        }
        // Before what it tells of, which may be over at once; where nobody listens any more, the stop counts all the same.
        let message = "\nstopping after this step; the best weights are kept (Ctrl-C again ends at once)";
        let _ = writeln!(std::io::stderr(), "{message}");
        handler.request();
    });
    stop
}
