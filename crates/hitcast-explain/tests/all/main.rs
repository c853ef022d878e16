//! The tests of `hitcast-explain` in one program, which takes a fraction of the time of many to link.

mod agreement;
mod counterfactual;
mod dependence;
mod gradients;
mod permutation;
mod shapley;
mod support;
