//! Networks as data: layers, bounded heads and the initialisations of PyTorch and Keras, on libtorch.
