// From the blocks' parts of the gradient to new weights. The program's constants stand before this: ROWS, N_BLOCKS,
// N_PARAMETERS, N_STATISTICS, SGD or ADAM, the optimiser's settings, `decays`, CLIPS, AVERAGES.

#define GROUPS (THREADS / 32)

// The gradient of one parameter: each group of 32 threads sums every so many-th block, then the groups are summed in order.
// Known to the first group only.
__device__ float summed_gradient(const Network& network, const Step& step, u32 place, float* room) {
    const u32 lane = threadIdx.x % 32, group = threadIdx.x / 32;
    const u32 tiles = (step.rows + ROWS - 1) / ROWS;
    const u32 blocks = tiles < N_BLOCKS ? tiles : N_BLOCKS;
    float sum = 0.0f;
    if (place < N_PARAMETERS)
        for (u32 block = group; block < blocks; block += GROUPS)
            sum += network.partials[u64(block) * N_PARAMETERS + place];
    room[group * 32 + lane] = sum;
    __syncthreads();
    float total = 0.0f;
    if (group == 0)
        for (u32 other = 0; other < GROUPS; other++) total += room[other * 32 + lane];
    __syncthreads();
    return total;
}

// The mean gradient over this batch and those that were accumulated before.
__device__ __forceinline__ float with_accumulated(const Network& network, const Step& step, u32 place, float gradient) {
    if (!(step.flags & HAS_ACCUMULATED)) return gradient;
    const float before = network.accumulated[place];
    return fmaf(gradient - before, step.share, before);
}

// What a step changes of one parameter, read before its gradient is known.
struct Held {
    float parameter, first, second;
};

__device__ __forceinline__ Held hold(const Network& network, u32 place) {
    Held held = {network.parameters[place], 0.0f, 0.0f};
    if (ADAM || MOMENTUM != 0.0f) held.first = network.first[place];
    if (ADAM) held.second = network.second[place];
    return held;
}

__device__ __forceinline__ void optimize(
    const Network& network, const Step& step, u32 place, Held held, float gradient) {
#if ADAM
    const float coupled = DECOUPLED ? 0.0f : decays(place) ? WEIGHT_DECAY : 0.0f;
    const float kept = DECOUPLED && decays(place) ? step.kept : 1.0f;
    gradient = fmaf(held.parameter, coupled, gradient);
    const float first = fmaf(gradient - held.first, REST_1, held.first);
    const float second = fmaf(held.second, BETA_2, gradient * gradient * REST_2);
    network.first[place] = first;
    network.second[place] = second;
    held.parameter = fmaf(-step.length, first / fmaf(sqrtf(second), step.root_scale, EPSILON), held.parameter * kept);
#else
    gradient = fmaf(held.parameter, decays(place) ? WEIGHT_DECAY : 0.0f, gradient);
    if (MOMENTUM != 0.0f) {
        const float velocity = fmaf(held.first, MOMENTUM, gradient);
        network.first[place] = velocity;
        gradient = NESTEROV ? fmaf(velocity, MOMENTUM, gradient) : velocity;
    }
    held.parameter = fmaf(-step.rate, gradient, held.parameter);
#endif
    network.parameters[place] = held.parameter;
}

__device__ __forceinline__ void follow(const Network& network, const Step& step, u32 place, float value) {
    float* to = network.average + place;
    *to = step.flags & BEGINS_AVERAGE ? value : fmaf(value - *to, AVERAGE_REST, *to);
}

// The mean loss of the batch, by one block.
__device__ void sum_batch_loss(const Network& network, const Step& step, float* room) {
    const u32 tiles = (step.rows + ROWS - 1) / ROWS;
    float own = 0.0f;
    for (u32 tile = threadIdx.x; tile < tiles; tile += THREADS) own += network.partial_losses[tile];
    const float sum = sum_over_block(own, room);
    if (threadIdx.x == 0) network.losses[step.loss_place] = sum / step.rows;
}

// Clipping needs the whole gradient before any weight moves: it is collected first, with each block's sum of squares.
extern "C" __global__ void __launch_bounds__(THREADS)
    collect(const Network* networks, const Step* steps, u32 slot, u32 slots) {
    __shared__ float room[THREADS];
    const Network network = networks[blockIdx.y];
    const Step step = steps[blockIdx.y * slots + slot];
    if (step.flags & SKIPS) return;
    const u32 place = blockIdx.x * 32 + threadIdx.x % 32;
    float gradient = summed_gradient(network, step, place, room);
    const bool own = threadIdx.x < 32 && place < N_PARAMETERS;
    if (own) {
        gradient = with_accumulated(network, step, place, gradient);
        network.gradient[place] = gradient;
    }
    const float squares = sum_over_block(own ? gradient * gradient : 0.0f, room);
    if (threadIdx.x == 0) network.partial_squares[blockIdx.x] = squares;
}

extern "C" __global__ void __launch_bounds__(THREADS)
    update(const Network* networks, const Step* steps, u32 slot, u32 slots) {
    __shared__ float room[THREADS];
    const Network network = networks[blockIdx.y];
    const Step step = steps[blockIdx.y * slots + slot];
    if (step.flags & SKIPS) return;
    // One block more than the parameters need, so that none of theirs waits for it.
    if (blockIdx.x + 1 == gridDim.x) return sum_batch_loss(network, step, room);
    const u32 place = blockIdx.x * 32 + threadIdx.x % 32;
    const bool own = threadIdx.x < 32 && place < N_PARAMETERS;
    Held held = {};
    if (own) held = hold(network, place);
#if CLIPS
    float squares = 0.0f;
    for (u32 block = threadIdx.x; block < gridDim.x; block += THREADS) squares += network.partial_squares[block];
    const float norm = sqrtf(sum_over_block(squares, room));
    if (threadIdx.x >= 32) return;
    float gradient = own ? network.gradient[place] : 0.0f;
    const float scale = step.flags & ACCUMULATES ? 1.0f : fminf(LARGEST_NORM / (norm + 1e-6f), 1.0f);
    gradient *= scale;
#else
    float gradient = summed_gradient(network, step, place, room);
    if (threadIdx.x >= 32) return;
    if (own) gradient = with_accumulated(network, step, place, gradient);
#endif
    if (step.flags & ACCUMULATES) {
        if (own) network.accumulated[place] = gradient;
        return;
    }
    if (own) optimize(network, step, place, held, gradient);
#if AVERAGES
    if (own)
        follow(network, step, place, network.parameters[place]);
    else if (place < N_PARAMETERS + N_STATISTICS)
        follow(network, step, place, network.statistics[place - N_PARAMETERS]);
#endif
}
