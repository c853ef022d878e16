//! Training of networks: optimisers, schedules, early stopping, callbacks, learning-rate finder.
