//! What the boosters reach on the public file, against what their Python packages do.
