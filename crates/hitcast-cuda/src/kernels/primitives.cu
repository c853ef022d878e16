// What the passes of a step are made of. A tile holds R rows of a batch (R a multiple of 4); the numbers of a unit stand
// one behind the other, unit by unit, so that one load brings four rows. All threads of a block work on one tile; a
// number does not depend on how many threads there are, and nothing is summed in an order that depends on time.

typedef unsigned int u32;
typedef unsigned long long u64;

enum Flags : u32 {
    ACCUMULATES = 1,      // the gradient is kept for a later step
    HAS_ACCUMULATED = 2,  // there is a gradient of the batches before
    BEGINS_AVERAGE = 4,   // the average of the weights begins with those after this step
    SKIPS = 8,            // this network has nothing to do
    OF_AVERAGE = 16,      // predicts by the average of the weights
};

// One of the networks side by side. Only 64-bit members: the host writes it as such.
struct Network {
    const float* features;  // rows × N_INPUTS
    const float* target;
    const float* weights;  // of mean 1, or null
    const u32* order;      // places of the rows in the order of this epoch
    float* parameters;
    float* statistics;  // running means and variances
    float* gradient;
    float* first;
    float* second;
    float* average;  // of the parameters, then of the statistics
    float* accumulated;
    float* partials;        // of each block: its part of the gradient
    float* partial_losses;  // of each tile
    float* partial_squares; // of each block of `collect`
    float* losses;
    float* tiles;    // activations of each tile, where they must outlive a pass
    float* moments;  // of each tile: mean and summed squared deviations of each normalised unit
    float* norms;    // of the batch: mean and inverse deviation of each normalised unit
    float* predictions;
    double* sums;    // of each block of `measure`
    u32* confusion;  // rows of each actual and likeliest class
    u64 seed;
};

// One step of one network.
struct Step {
    u32 start;  // in the order
    u32 rows;
    u32 flags;
    u32 draw;  // number of this batch among all, for random masks
    u32 loss_place;
    float rate;
    float root_scale;  // 1 / sqrt(1 - beta2^t)
    float length;      // rate / (1 - beta1^t)
    float kept;        // 1 - rate * weight decay, where decay is decoupled
    float share;       // of this batch in the mean of the gradients since the last step
};

enum Function { IDENTITY, RELU, LEAKY_RELU, ELU, SELU, GELU, SILU, TANH, SIGMOID, SOFTPLUS };

__device__ __forceinline__ float4 load4(const float* from) { return *reinterpret_cast<const float4*>(from); }

__device__ __forceinline__ void store4(float* to, float4 values) { *reinterpret_cast<float4*>(to) = values; }

__device__ __forceinline__ float4 splat4(float value) { return make_float4(value, value, value, value); }

__device__ __forceinline__ void add_product(float4& sum, float factor, float4 values) {
    sum.x = fmaf(factor, values.x, sum.x);
    sum.y = fmaf(factor, values.y, sum.y);
    sum.z = fmaf(factor, values.z, sum.z);
    sum.w = fmaf(factor, values.w, sum.w);
}

__device__ __forceinline__ void put(float* to, float value, bool adds) { *to = adds ? *to + value : value; }

__device__ __forceinline__ float logistic(float x) { return 1.0f / (1.0f + expf(-x)); }

__device__ __forceinline__ float softplus(float x) { return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))); }

// The function of x and its derivative.
template <Function F>
__device__ __forceinline__ void function_of(float x, float& value, float& slope) {
    if (F == IDENTITY) {
        value = x;
        slope = 1.0f;
    } else if (F == RELU) {
        value = fmaxf(x, 0.0f);
        slope = x > 0.0f ? 1.0f : 0.0f;
    } else if (F == LEAKY_RELU) {
        slope = x > 0.0f ? 1.0f : 0.01f;
        value = x * slope;
    } else if (F == ELU || F == SELU) {
        const float scale = F == ELU ? 1.0f : 1.0507009873554805f;
        const float below = F == ELU ? 1.0f : 1.0507009873554805f * 1.6732632423543772f;
        const float curve = below * expm1f(fminf(x, 0.0f));
        value = x > 0.0f ? scale * x : curve;
        slope = x > 0.0f ? scale : curve + below;
    } else if (F == GELU) {
        const float distribution = 0.5f + 0.5f * erff(x * 0.70710678118654752f);
        value = x * distribution;
        slope = distribution + x * 0.3989422804014327f * expf(-0.5f * x * x);
    } else if (F == SILU) {
        const float s = logistic(x);
        value = x * s;
        slope = s + value * (1.0f - s);
    } else if (F == TANH) {
        value = tanhf(x);
        slope = 1.0f - value * value;
    } else if (F == SIGMOID) {
        value = logistic(x);
        slope = value * (1.0f - value);
    } else {
        value = softplus(x);
        slope = logistic(x);
    }
}

// Four random words by ten rounds of Philox 4×32 (Salmon et al. 2011).
__device__ __forceinline__ uint4 philox(uint4 counter, u32 key_0, u32 key_1) {
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const u64 a = u64(0xD2511F53u) * counter.x;
        const u64 b = u64(0xCD9E8D57u) * counter.z;
        counter = make_uint4(u32(b >> 32) ^ counter.y ^ key_0, u32(b), u32(a >> 32) ^ counter.w ^ key_1, u32(a));
        key_0 += 0x9E3779B9u;
        key_1 += 0xBB67AE85u;
    }
    return counter;
}

// A matrix of UNITS rows to rows that stand STRIDE numbers apart: an odd stride, so that neither a row nor a column lies in
// one bank of the shared memory.
template <int INPUTS, int UNITS, int STRIDE>
__device__ void stage(const float* from, float* to) {
#pragma unroll 8
    for (int place = threadIdx.x; place < INPUTS * UNITS; place += THREADS)
        to[place / INPUTS * STRIDE + place % INPUTS] = from[place];
}

// Rows of a batch to a tile; rows behind the batch's end are zero.
template <int R, int INPUTS>
__device__ void gather(const Network& network, const u32* order, u32 first, u32 end, float* to) {
#pragma unroll 8
    for (int place = threadIdx.x; place < R * INPUTS; place += THREADS) {
        const u32 row = first + place / INPUTS, input = place % INPUTS;
        float value = 0.0f;
        if (row < end) value = network.features[u64(order ? order[row] : row) * INPUTS + input];
        to[input * R + place / INPUTS] = value;
    }
}

// output = W · input + bias, W with UNITS rows.
template <int R, int INPUTS, int UNITS, int STRIDE>
__device__ void linear(const float* weights, const float* bias, const float* input, float* output) {
    for (int item = threadIdx.x; item < UNITS * (R / 4); item += THREADS) {
        const int unit = item % UNITS, row = item / UNITS * 4;
        float4 sum = splat4(bias ? bias[unit] : 0.0f);
        const float* own = weights + unit * STRIDE;
#pragma unroll 8
        for (int i = 0; i < INPUTS; i++) add_product(sum, own[i], load4(input + i * R + row));
        store4(output + unit * R + row, sum);
    }
}

// Multiplies what stands in `before` (derivatives of the stage before) by Wᵀ · delta.
template <int R, int INPUTS, int UNITS, int STRIDE>
__device__ void linear_back(const float* weights, const float* delta, float* before) {
    for (int item = threadIdx.x; item < INPUTS * (R / 4); item += THREADS) {
        const int input = item % INPUTS, row = item / INPUTS * 4;
        float4 sum = splat4(0.0f);
#pragma unroll 8
        for (int unit = 0; unit < UNITS; unit++)
            add_product(sum, weights[unit * STRIDE + input], load4(delta + unit * R + row));
        float* to = before + input * R + row;
        const float4 slope = load4(to);
        store4(to, make_float4(slope.x * sum.x, slope.y * sum.y, slope.z * sum.z, slope.w * sum.w));
    }
}

template <int R>
__device__ __forceinline__ float dot(const float* a, const float* b) {
    float sum = 0.0f;
#pragma unroll
    for (int row = 0; row < R; row += 4) {
        const float4 x = load4(a + row), y = load4(b + row);
        sum = fmaf(x.x, y.x, fmaf(x.y, y.y, fmaf(x.z, y.z, fmaf(x.w, y.w, sum))));
    }
    return sum;
}

template <int R>
__device__ __forceinline__ float sum_of(const float* values) {
    float sum = 0.0f;
#pragma unroll
    for (int row = 0; row < R; row += 4) {
        const float4 x = load4(values + row);
        sum += (x.x + x.y) + (x.z + x.w);
    }
    return sum;
}

// This tile's part of the gradient of weights and bias (if `of_bias`).
template <int R, int INPUTS, int UNITS>
__device__ void linear_gradient(const float* delta, const float* input, float* of_weights, float* of_bias, bool adds) {
    // More at once than the registers hold would be worse than fewer.
#pragma unroll(R > 8 ? 2 : 8)
    for (int place = threadIdx.x; place < INPUTS * UNITS; place += THREADS)
        put(of_weights + place, dot<R>(delta + place / INPUTS * R, input + place % INPUTS * R), adds);
    if (of_bias)
        for (int unit = threadIdx.x; unit < UNITS; unit += THREADS)
            put(of_bias + unit, sum_of<R>(delta + unit * R), adds);
}

// Function and dropout of a stage, in place; their derivatives to `slopes`. Dropout keeps a number whose random word lies
// below `threshold` (0: there is none) and multiplies it by `scale`.
template <int R, int UNITS, Function F>
__device__ void apply(
    float* values, float* slopes, u32 threshold, float scale, u64 seed, u32 draw, u32 stage, u32 first_of_batch) {
    for (int item = threadIdx.x; item < UNITS * (R / 4); item += THREADS) {
        const int unit = item % UNITS, row = item / UNITS * 4;
        const float4 x = load4(values + unit * R + row);
        float4 y, slope;
        function_of<F>(x.x, y.x, slope.x);
        function_of<F>(x.y, y.y, slope.y);
        function_of<F>(x.z, y.z, slope.z);
        function_of<F>(x.w, y.w, slope.w);
        if (threshold) {
            const uint4 counter = make_uint4(draw, stage, (first_of_batch + row) / 4, unit);
            const uint4 random = philox(counter, u32(seed), u32(seed >> 32));
            const float4 factor = make_float4(
                random.x < threshold ? scale : 0.0f, random.y < threshold ? scale : 0.0f,
                random.z < threshold ? scale : 0.0f, random.w < threshold ? scale : 0.0f);
            y = make_float4(y.x * factor.x, y.y * factor.y, y.z * factor.z, y.w * factor.w);
            slope = make_float4(slope.x * factor.x, slope.y * factor.y, slope.z * factor.z, slope.w * factor.w);
        }
        store4(values + unit * R + row, y);
        store4(slopes + unit * R + row, slope);
    }
}

// The same for prediction, without dropout and derivatives.
template <int R, int UNITS, Function F>
__device__ void apply_function(float* values) {
    for (int place = threadIdx.x; place < UNITS * R; place += THREADS) {
        float slope;
        function_of<F>(values[place], values[place], slope);
    }
}

template <int R, int UNITS>
__device__ void copy(const float* from, float* to) {
    for (int place = threadIdx.x; place < UNITS * R; place += THREADS) to[place] = from[place];
}

// Where a stage has no weights, its derivatives go on to the stage before.
template <int R, int UNITS>
__device__ void multiply(const float* delta, float* before) {
    for (int place = threadIdx.x; place < UNITS * R; place += THREADS) before[place] *= delta[place];
}

// Mean and summed squared deviations of each unit over the `rows` rows of a tile.
template <int R, int UNITS>
__device__ void norm_moments(const float* values, u32 rows, float* to) {
    for (int unit = threadIdx.x; unit < UNITS; unit += THREADS) {
        float mean = 0.0f, squares = 0.0f;
        for (u32 row = 0; row < rows; row++) mean += values[unit * R + row];
        mean /= rows;
        for (u32 row = 0; row < rows; row++) {
            const float gap = values[unit * R + row] - mean;
            squares = fmaf(gap, gap, squares);
        }
        to[2 * unit] = mean;
        to[2 * unit + 1] = squares;
    }
}

// Mean and inverse deviation of each unit over a batch, from its tiles (Chan, Golub and LeVeque 1979). One block of the grid
// keeps them for the way back and moves the running statistics towards them, with the unbiased variance.
template <int R, int UNITS>
__device__ void norm_batch(
    const float* moments, u32 tile_stride, u32 rows, float epsilon, float momentum, float* to, float* kept,
    float* running_mean, float* running_variance) {
    const u32 tiles = (rows + R - 1) / R;
    for (int unit = threadIdx.x; unit < UNITS; unit += THREADS) {
        float mean = 0.0f, squares = 0.0f;
        for (u32 tile = 0; tile < tiles; tile++) {
            const float own = tile + 1 == tiles ? rows - tile * R : R;
            mean = fmaf(own, moments[tile * tile_stride + 2 * unit], mean);
        }
        mean /= rows;
        for (u32 tile = 0; tile < tiles; tile++) {
            const float own = tile + 1 == tiles ? rows - tile * R : R;
            const float gap = moments[tile * tile_stride + 2 * unit] - mean;
            squares += fmaf(own * gap, gap, moments[tile * tile_stride + 2 * unit + 1]);
        }
        const float inverse = 1.0f / sqrtf(squares / rows + epsilon);
        to[2 * unit] = mean;
        to[2 * unit + 1] = inverse;
        if (blockIdx.x == 0) {
            kept[2 * unit] = mean;
            kept[2 * unit + 1] = inverse;
            running_mean[unit] += momentum * (mean - running_mean[unit]);
            running_variance[unit] += momentum * (squares / (rows - 1.0f) - running_variance[unit]);
        }
    }
}

template <int R, int UNITS>
__device__ void norm_apply(
    const float* batch, const float* weight, const float* bias, float* values, float* normalised) {
    for (int place = threadIdx.x; place < UNITS * R; place += THREADS) {
        const int unit = place / R;
        const float z = (values[place] - batch[2 * unit]) * batch[2 * unit + 1];
        normalised[place] = z;
        values[place] = fmaf(z, weight[unit], bias[unit]);
    }
}

template <int R, int UNITS>
__device__ void norm_evaluate(
    const float* mean, const float* variance, const float* weight, const float* bias, float epsilon, float* values) {
    for (int place = threadIdx.x; place < UNITS * R; place += THREADS) {
        const int unit = place / R;
        const float scale = weight[unit] / sqrtf(variance[unit] + epsilon);
        values[place] = fmaf(values[place] - mean[unit], scale, bias[unit]);
    }
}

// This tile's part of the gradient of a norm's weight and bias.
template <int R, int UNITS>
__device__ void norm_gradient(const float* delta, const float* normalised, float* of_weight, float* of_bias, bool adds) {
    for (int unit = threadIdx.x; unit < UNITS; unit += THREADS) {
        put(of_weight + unit, dot<R>(delta + unit * R, normalised + unit * R), adds);
        put(of_bias + unit, sum_of<R>(delta + unit * R), adds);
    }
}

// The gradient of a norm's weight and bias over the batch, from its blocks.
template <int UNITS>
__device__ void norm_sums(const float* of_weight, const float* of_bias, u32 blocks, u32 stride, float* to) {
    for (int unit = threadIdx.x; unit < UNITS; unit += THREADS) {
        float weight = 0.0f, bias = 0.0f;
        for (u32 block = 0; block < blocks; block++) {
            weight += of_weight[u64(block) * stride + unit];
            bias += of_bias[u64(block) * stride + unit];
        }
        to[2 * unit] = weight;
        to[2 * unit + 1] = bias;
    }
}

// From derivatives behind a norm to those before it, in place; rows behind the batch's end stay zero.
template <int R, int UNITS>
__device__ void norm_back(
    const float* sums, const float* kept, const float* weight, const float* normalised, u32 rows, u32 rows_here,
    float* delta) {
    for (int place = threadIdx.x; place < UNITS * R; place += THREADS) {
        const int unit = place / R;
        const float gap = delta[place] - (sums[2 * unit + 1] + normalised[place] * sums[2 * unit]) / rows;
        delta[place] = place % R < rows_here ? weight[unit] * kept[2 * unit + 1] * gap : 0.0f;
    }
}

// The number that a head makes of its unit, and the derivative.
enum Head { LINEAR, BOUNDED, POSITIVE };

template <Head H>
__device__ __forceinline__ void head_of(float unit, float min, float range, float& value, float& slope) {
    if (H == LINEAR) {
        value = unit;
        slope = 1.0f;
    } else if (H == BOUNDED) {
        const float s = logistic(unit);
        value = fmaf(s, range, min);
        slope = range * s * (1.0f - s);
    } else {
        value = softplus(unit);
        slope = logistic(unit);
    }
}

enum Loss { SQUARED, ABSOLUTE, HUBER };

// Losses of a tile's rows to `losses`, and the derivatives of `share` times their weighted sum to `delta`.
template <int R, Head H, Loss L>
__device__ void number_loss(
    const Network& network, const u32* order, u32 first, u32 end, float share, float min, float range, float huber,
    const float* units, float* delta, float* losses) {
    for (int r = threadIdx.x; r < R; r += THREADS) {
        float loss = 0.0f, of_unit = 0.0f;
        if (first + r < end) {
            const u32 row = order[first + r];
            const float weight = network.weights ? network.weights[row] : 1.0f;
            float value, slope, of_value;
            head_of<H>(units[r], min, range, value, slope);
            const float gap = value - network.target[row];
            if (L == SQUARED) {
                loss = gap * gap;
                of_value = 2.0f * gap;
            } else if (L == ABSOLUTE) {
                loss = fabsf(gap);
                of_value = gap > 0.0f ? 1.0f : gap < 0.0f ? -1.0f : 0.0f;
            } else {
                const bool near = fabsf(gap) <= huber;
                loss = near ? 0.5f * gap * gap : huber * (fabsf(gap) - 0.5f * huber);
                of_value = near ? gap : copysignf(huber, gap);
            }
            loss *= weight;
            of_unit = of_value * slope * share * weight;
        }
        losses[r] = loss;
        delta[r] = of_unit;
    }
}

enum Classes { LOGISTIC, SOFTMAX, CUMULATIVE };

#define LEAST_STEP 1e-6f

// The logarithms of a row's class probabilities, R numbers apart, as are its logits. Of cumulative logits there is only the
// unit, which is taken off the thresholds.
template <int R, Classes C, int K>
__device__ void log_probabilities(const float* logits, const float* thresholds, float* logs) {
    if (C == LOGISTIC) {
        logs[0] = -softplus(logits[0]);
        logs[R] = logits[0] + logs[0];
    } else if (C == SOFTMAX) {
        float largest = logits[0], sum = 0.0f;
        for (int k = 1; k < K; k++) largest = fmaxf(largest, logits[k * R]);
        for (int k = 0; k < K; k++) sum += expf(logits[k * R] - largest);
        const float shift = largest + logf(sum);
        for (int k = 0; k < K; k++) logs[k * R] = logits[k * R] - shift;
    } else {
        float above = 0.0f, before = 0.0f;
        for (int k = 0; k < K - 1; k++) {
            const float logit = thresholds[k] - logits[0];
            float log = above - softplus(-logit);
            if (k > 0) log += logf(-expm1f(-fmaxf(logit - before, LEAST_STEP)));
            logs[k * R] = log;
            above = -softplus(logit);
            before = logit;
        }
        logs[(K - 1) * R] = above;
    }
}

// Losses of a tile's rows as above; the derivatives with respect to thresholds to `of_thresholds`, K - 1 rows of R. `logs`
// has room for K × R numbers. Of focal loss `smoothing` is gamma.
template <int R, Classes C, int K, bool FOCAL>
__device__ void class_loss(
    const Network& network, const u32* order, u32 first, u32 end, float share, float smoothing, const float* thresholds,
    const float* units, float* delta, float* logs, float* of_thresholds, float* losses) {
    for (int r = threadIdx.x; r < R; r += THREADS) {
        constexpr int LOGITS = C == SOFTMAX ? K : 1;
        if (first + r >= end) {
            losses[r] = 0.0f;
            for (int k = 0; k < LOGITS; k++) delta[k * R + r] = 0.0f;
            if (C == CUMULATIVE)
                for (int k = 0; k < K - 1; k++) of_thresholds[k * R + r] = 0.0f;
            continue;
        }
        const u32 row = order[first + r];
        const float weight = network.weights ? network.weights[row] : 1.0f;
        const int actual = int(network.target[row]);
        float* own = logs + r;
        log_probabilities<R, C, K>(units + r, thresholds, own);
        const float log = own[actual * R];
        // Derivatives with respect to the logarithms: `each` of all classes, `of_actual` more of the actual one.
        float loss, each, of_actual;
        if (FOCAL) {
            const float missing = fmaxf(-expm1f(log), 1.17549435e-38f);
            const float factor = powf(missing, smoothing);
            loss = -factor * log;
            each = 0.0f;
            of_actual = smoothing * expf(log) * log * (factor / missing) - factor;
        } else {
            each = -smoothing / K;
            of_actual = smoothing - 1.0f;
            loss = of_actual * log;
            if (smoothing > 0.0f)
                for (int k = 0; k < K; k++) loss = fmaf(each, own[k * R], loss);
        }
        losses[r] = loss * weight;
        const float factor = share * weight;
        if (C == LOGISTIC) {
            const float of_no = each + (actual == 0 ? of_actual : 0.0f);
            const float of_yes = each + (actual == 1 ? of_actual : 0.0f);
            delta[r] = (of_yes * expf(own[0]) - of_no * expf(own[R])) * factor;
        } else if (C == SOFTMAX) {
            const float sum = K * each + of_actual;
            for (int k = 0; k < K; k++) {
                const float slope = each + (actual == k ? of_actual : 0.0f);
                delta[k * R + r] = (slope - expf(own[k * R]) * sum) * factor;
            }
        } else {
            float sum = 0.0f, push = 0.0f;
            for (int k = 0; k < K - 1; k++) {
                const float logit = thresholds[k] - units[r];
                const float slope = each + (actual == k ? of_actual : 0.0f);
                const float above = each + (actual == k + 1 ? of_actual : 0.0f);
                // `push` is what the step from the logit below gave this one.
                float of_logit = slope * logistic(-logit) - above * logistic(logit) + push;
                push = 0.0f;
                if (k + 2 < K) {
                    const float step = thresholds[k + 1] - thresholds[k];
                    if (step > LEAST_STEP) push = above / expm1f(step);
                    of_logit -= push;
                }
                sum += of_logit;
                of_thresholds[k * R + r] = of_logit * factor;
            }
            delta[r] = -sum * factor;
        }
    }
}

// Rising thresholds from their learned numbers.
template <int K>
__device__ void rise(const float* learned, float* thresholds) {
    if (threadIdx.x == 0) {
        float sum = 0.0f;
        for (int k = 0; k < K - 1; k++) {
            sum += k == 0 ? learned[0] : softplus(learned[k]);
            thresholds[k] = sum;
        }
    }
}

// This tile's part of the gradient of the learned numbers of thresholds.
template <int R, int K>
__device__ void threshold_gradient(const float* learned, const float* of_thresholds, float* to, bool adds) {
    if (threadIdx.x == 0) {
        float sum = 0.0f;
        for (int k = K - 2; k >= 0; k--) {
            sum += sum_of<R>(of_thresholds + k * R);
            put(to + k, sum * (k == 0 ? 1.0f : logistic(learned[k])), adds);
        }
    }
}

template <int R>
__device__ void sum_losses(const float* losses, float* to) {
    if (threadIdx.x == 0) {
        float sum = 0.0f;
        for (int r = 0; r < R; r++) sum += losses[r];
        *to = sum;
    }
}

// The sum of a number of each thread, to all threads, in the order of the threads. `room` has one number for each.
template <typename T>
__device__ T sum_over_block(T own, T* room) {
    room[threadIdx.x] = own;
    __syncthreads();
    for (u32 width = THREADS / 2; width > 0; width /= 2) {
        if (threadIdx.x < width) room[threadIdx.x] += room[threadIdx.x + width];
        __syncthreads();
    }
    const T sum = room[0];
    __syncthreads();
    return sum;
}

template <int R, Head H>
__device__ void predict_numbers(const float* units, float min, float range, u32 rows, float* to) {
    for (int r = threadIdx.x; r < rows; r += THREADS) {
        float slope;
        head_of<H>(units[r], min, range, to[r], slope);
    }
}

// The probabilities of a tile's rows, K for each; `logs` has room for K × R numbers.
template <int R, Classes C, int K>
__device__ void predict_classes(const float* units, const float* thresholds, u32 rows, float* logs, float* to) {
    for (int r = threadIdx.x; r < rows; r += THREADS) {
        log_probabilities<R, C, K>(units + r, thresholds, logs + r);
        for (int k = 0; k < K; k++) to[r * K + k] = expf(logs[k * R + r]);
    }
}
