//! Finds libtorch, links it without environment variables, and loads its CUDA half when there is one.
