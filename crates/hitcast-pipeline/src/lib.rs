//! The spine: an Experiment becomes a Run and a Bundle that predicts again anywhere.
