// Sums over the predictions of all rows, a set of them a block, in 64 bits. The program's constants stand before this:
// CLASSES (0: numbers), LOSS_OF_ROW (an expression of `error`, or of `p` and `logs`).

#define SUMS 5

__device__ __forceinline__ double log_of(double p) { return log(fmax(p, 1.17549435082228751e-38)); }

extern "C" __global__ void __launch_bounds__(THREADS)
    measure(const Network* networks, const Step* steps, u32 slot, u32 slots) {
    __shared__ double room[THREADS];
    const Network network = networks[blockIdx.y];
    const Step step = steps[blockIdx.y * slots + slot];
    double losses = 0.0, weights = 0.0, squares = 0.0, absolutes = 0.0, broken = 0.0;
    for (u32 row = blockIdx.x * THREADS + threadIdx.x; row < step.rows; row += gridDim.x * THREADS) {
        const double weight = network.weights ? network.weights[row] : 1.0f;
#if CLASSES
        const float* const own = network.predictions + u64(row) * CLASSES;
        const int actual = int(network.target[row]);
        double sum = 0.0;
        int likeliest = 0;
        for (int k = 0; k < CLASSES; k++) {
            sum += own[k];
            if (own[k] > own[likeliest]) likeliest = k;
        }
        const double p = own[actual] / sum;
        double logs = 0.0;
        if (NEEDS_LOGS)
            for (int k = 0; k < CLASSES; k++) logs += log_of(own[k] / sum);
        if (!isfinite(sum)) broken += 1.0;
        atomicAdd(network.confusion + actual * CLASSES + likeliest, 1u);
#else
        const double error = fabs(double(network.predictions[row]) - network.target[row]);
        squares += error * error;
        absolutes += error;
        if (!isfinite(error)) broken += 1.0;
#endif
        losses += weight * (LOSS_OF_ROW);
        weights += weight;
    }
    double* const to = network.sums + blockIdx.x * SUMS;
    const double all[SUMS] = {losses, weights, squares, absolutes, broken};
    for (int n = 0; n < SUMS; n++) {
        const double sum = sum_over_block(all[n], room);
        if (threadIdx.x == 0) to[n] = sum;
    }
}
