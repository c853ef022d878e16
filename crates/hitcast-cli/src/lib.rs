//! The program hitcast: train, evaluate, predict, describe and doctor from the command line.
