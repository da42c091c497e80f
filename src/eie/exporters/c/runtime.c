/* The types and functions of which `eie export c` puts into a program those that it needs, in this order. A block ends
   where an empty line is followed by a comment. Those of what is included are the engine's own. Of what has `real` in its name there is a version with `fixed`, too,
   in which every float is an int16_t. */

/* Compressed weights: the matrix row by row as one stream of entries, the first in the lowest bits of the first byte.
   An entry is a place in the codebook, `code_bits` wide, and above it the number of zeros before the weight,
   `gap_bits` wide; where there are more zeros, an entry of code 0, which is a zero itself, takes the most that it can. */
typedef struct {
    const uint8_t *stream;
    uint32_t entries, inputs, outputs;
    uint8_t code_bits, gap_bits;
} eie_weights;

/* A layer in the numerics int8: a weight is codebook[code] * unit. No bias: 0. */
typedef struct {
    eie_weights weights;
    const int8_t *codebook; /* (2**code_bits) */
    double unit;
    const float *bias; /* (outputs) */
    int relu;
} eie_int8_layer;

/* A layer in the numerics chip: values of `value_bits` bits, sums of `accumulator_bits`, both two's complement. */
typedef struct {
    eie_weights weights;
    const int16_t *codebook; /* (2**code_bits) */
    const int32_t *bias;     /* (outputs), in the format of the outputs; none: 0 */
    uint8_t value_bits, accumulator_bits;
    int relu;
} eie_chip_layer;

/* A layer whose weights are not compressed. */
typedef struct {
    const float *weights; /* (outputs, inputs) */
    const float *bias;    /* (outputs) */
    uint32_t inputs, outputs;
    int relu;
} eie_dense_layer;

/* Integers that stand for reals: (byte - zero) * unit. */
typedef struct {
    double unit;
    int32_t zero;
} eie_int8_scale;

/* A window that moves over an image of channels, rows and columns; `down` and `across` are its places. */
typedef struct {
    int32_t height, width; /* of the image */
    int32_t kernel_height, kernel_width, stride_down, stride_across, padding_down, padding_across, dilation_down,
        dilation_across;
    int32_t down, across;
} eie_window;

/* Where a stream is: the weight at (row, column). After the last one the row is beyond all rows. */
typedef struct {
    const eie_weights *weights;
    const uint8_t *next;
    uint32_t left, bits, bits_held, row, column_after, column, code;
} eie_cursor;

/* Move to the next weight. */
static void eie_advance(eie_cursor *at)
{
    const eie_weights *weights = at->weights;
    const uint32_t width = (uint32_t)weights->code_bits + weights->gap_bits;
    if (at->left == 0) {
        at->row = UINT32_MAX;
        return;
    }
    at->left--;
    while (at->bits_held < width) {
        at->bits |= (uint32_t)*at->next++ << at->bits_held;
        at->bits_held += 8;
    }
    at->code = at->bits & ((UINT32_C(1) << weights->code_bits) - 1);
    at->column = at->column_after + (at->bits >> weights->code_bits & ((UINT32_C(1) << weights->gap_bits) - 1));
    at->bits >>= width;
    at->bits_held -= width;
    while (at->column >= weights->inputs) {
        at->column -= weights->inputs;
        at->row++;
    }
    at->column_after = at->column + 1;
}

/* Return where the stream begins: its first weight. */
static eie_cursor eie_first(const eie_weights *weights)
{
    eie_cursor at = {0, 0, 0, 0, 0, 0, 0, 0, 0};
    at.weights = weights;
    at.next = weights->stream;
    at.left = weights->entries;
    eie_advance(&at);
    return at;
}

/* Return the value as it is: a product so stored is rounded, and not fused with the sum that it goes into, whatever the
   processor has and the compiler likes. */
static float eie_rounded(float value)
{
    volatile float stored = value;
    return stored;
}

/* The bits of a float. */
static uint32_t eie_bits(float value)
{
    union {
        float value;
        uint32_t bits;
    } both;
    both.value = value;
    return both.bits;
}

/* The float of these bits. */
static float eie_float(uint32_t bits)
{
    union {
        uint32_t bits;
        float value;
    } both;
    both.bits = bits;
    return both.value;
}

/* The square root, correctly rounded, whatever the processor has: bit by bit, in integers. */
static float eie_root(float x)
{
    int32_t exponent, k;
    uint32_t root = 0;
    uint64_t mantissa, rest = 0;
    if (!(x > 0) || !(x <= FLT_MAX)) return x < 0 ? (x - x) / (x - x) : x;
    exponent = (int32_t)(eie_bits(x) >> 23);
    mantissa = eie_bits(x) & 0x7fffff;
    if (exponent > 0) {
        mantissa |= 0x800000;
    } else { /* too small for a first bit of its own */
        for (exponent = 1; !(mantissa & 0x800000); exponent--) mantissa <<= 1;
    }
    /* x is mantissa * 2**(exponent - 150); the root of an even power's mantissa, of 49 or 50 bits, has 25 */
    mantissa <<= exponent & 1 ? 25 : 26;
    for (k = 48; k >= 0; k -= 2) {
        const uint64_t tried = (uint64_t)root * 4 + 1;
        rest = rest * 4 + (mantissa >> k & 3);
        root *= 2;
        if (rest >= tried) {
            rest -= tried;
            root++;
        }
    }
    /* Where the last bit is 1 there is more behind it: no float is half-way between two roots. */
    return eie_float(((uint32_t)(62 + ((exponent + 1) >> 1)) << 23) + (root >> 1) + (root & 1));
}

/* Return whether no number is NaN or infinite; write the largest magnitude and whether any is negative. */
static int eie_range(const float *x, uint32_t count, float *largest, int *negative)
{
    uint32_t k;
    *largest = 0;
    *negative = 0;
    for (k = 0; k < count; k++) {
        const float magnitude = x[k] < 0 ? -x[k] : x[k];
        if (!(magnitude <= FLT_MAX)) return 0;
        if (magnitude > *largest) *largest = magnitude;
        if (x[k] < 0) *negative = 1;
    }
    return 1;
}

/* Return whether no number is NaN or infinite. */
static int eie_finite(const float *x, uint32_t count)
{
    float largest;
    int negative;
    return eie_range(x, count, &largest, &negative);
}

/* Round reals to integers, half to even, of up to 254 where none is negative, else of up to +-127; the largest magnitude
   is the largest integer. Return whether all are finite. */
static int eie_quantise_int8(const float *x, uint32_t count, uint8_t *integers, eie_int8_scale *scale)
{
    const float rounding = 12582912.0f; /* 1.5 * 2**23: a float of this size has no fraction */
    float largest, most, factor = 0, lift = 1;
    int negative;
    uint32_t k;
    if (!eie_range(x, count, &largest, &negative)) return 0;
    scale->zero = negative ? 127 : 0;
    scale->unit = 1;
    most = negative ? 127.0f : 254.0f;
    if (largest > 0) {
        if (largest < 1e-30f) lift = 0x1p96f; /* next to nothing: its factor would not be a float */
        factor = most / (largest * lift);
        scale->unit = (double)largest / (double)most;
    }
    for (k = 0; k < count; k++) {
        const float scaled = eie_rounded(x[k] * lift * factor);
        integers[k] = (uint8_t)((int32_t)(eie_rounded(scaled + rounding) - rounding) + scale->zero);
    }
    return 1;
}

/* Multiply one vector, x (inputs), to y (outputs). */
static void eie_linear_int8(const eie_int8_layer *layer, const uint8_t *x, const eie_int8_scale *scale, float *y)
{
    const float unit = (float)(layer->unit * scale->unit);
    eie_cursor at = eie_first(&layer->weights);
    uint32_t row;
    for (row = 0; row < layer->weights.outputs; row++) {
        int32_t sum = 0;
        for (; at.row == row; eie_advance(&at)) sum += layer->codebook[at.code] * (x[at.column] - scale->zero);
        y[row] = eie_rounded((float)sum * unit);
        if (layer->bias) y[row] += layer->bias[row];
        if (layer->relu && !(y[row] > 0)) y[row] = 0;
    }
}

/* The places of a window at which one of its numbers is within the image: from `first` up to, not including, `end`.
   The number is `offset` into the image at the first place, and `stride` more at each. */
static void eie_places(int32_t offset, int32_t stride, int32_t size, int32_t places, int32_t *first, int32_t *end)
{
    *first = offset < 0 ? (stride - 1 - offset) / stride : 0;
    *end = offset < size ? (size - offset + stride - 1) / stride : 0;
    if (*end > places) *end = places;
}

/* What one weight of a filter reads: number (row * stride_down + top, column * stride_across + left) of a channel,
   whose first number is `channel`, at the places (row, column) from `row` to `row_end`, `column` to `column_end`. */
typedef struct {
    int32_t channel, top, left, row, row_end, column, column_end;
} eie_tap;

/* Return what the weight in `column` of a filter reads. */
static eie_tap eie_tap_of(const eie_window *window, uint32_t column)
{
    const int32_t kernel = window->kernel_height * window->kernel_width, pixel = (int32_t)column % kernel;
    eie_tap tap;
    tap.channel = (int32_t)column / kernel * window->height * window->width;
    tap.top = pixel / window->kernel_width * window->dilation_down - window->padding_down;
    tap.left = pixel % window->kernel_width * window->dilation_across - window->padding_across;
    eie_places(tap.top, window->stride_down, window->height, window->down, &tap.row, &tap.row_end);
    eie_places(tap.left, window->stride_across, window->width, window->across, &tap.column, &tap.column_end);
    return tap;
}

/* Convolve an image, x (channels, height, width), to y (outputs, down, across); sums has room for (down, across). */
static void eie_convolve_int8(const eie_int8_layer *layer, const eie_window *window, const uint8_t *x,
                              const eie_int8_scale *scale, int32_t *sums, float *y)
{
    const float unit = (float)(layer->unit * scale->unit);
    const int32_t places = window->down * window->across;
    eie_cursor at = eie_first(&layer->weights);
    uint32_t filter;
    int32_t k;
    for (filter = 0; filter < layer->weights.outputs; filter++, y += places) {
        const float bias = layer->bias ? layer->bias[filter] : 0;
        for (k = 0; k < places; k++) sums[k] = 0;
        for (; at.row == filter; eie_advance(&at)) {
            const eie_tap tap = eie_tap_of(window, at.column);
            const int32_t weight = layer->codebook[at.code];
            int32_t row, column;
            for (row = tap.row; row < tap.row_end; row++) {
                const uint8_t *line = x + tap.channel + (row * window->stride_down + tap.top) * window->width;
                for (column = tap.column; column < tap.column_end; column++)
                    sums[row * window->across + column] +=
                        weight * (line[column * window->stride_across + tap.left] - scale->zero);
            }
        }
        for (k = 0; k < places; k++) {
            y[k] = eie_rounded((float)sums[k] * unit) + bias;
            if (layer->relu && y[k] < 0) y[k] = 0;
        }
    }
}

/* Shifts of negative numbers must keep the sign, as they do on every compiler that we know. */
typedef char eie_shift_keeps_the_sign[(-1 >> 1) == -1 ? 1 : -1];

/* Return the chip's product of a weight and an activation, rounded to the bits of a value. */
static int32_t eie_product(int32_t weight, int32_t activation, uint32_t value_bits)
{
    return (weight * activation + (INT32_C(1) << (value_bits - 2))) >> (value_bits - 1);
}

/* Return the output that the chip reads out for a sum: wrapped to the accumulator, saturated to a value, ReLU. Where
   the accumulator cannot hold the sum, `overflowed` becomes 1. */
static int16_t eie_read_out(const eie_chip_layer *layer, int32_t sum, int *overflowed)
{
    const int64_t half = INT64_C(1) << (layer->accumulator_bits - 1);
    const int32_t most = (INT32_C(1) << (layer->value_bits - 1)) - 1;
    const int64_t wrapped = (((int64_t)sum + half) & (2 * half - 1)) - half;
    if (wrapped != sum) *overflowed = 1;
    if (wrapped > most) return (int16_t)most;
    if (wrapped < 0 && layer->relu) return 0;
    if (wrapped < -most - 1) return (int16_t)(-most - 1);
    return (int16_t)wrapped;
}

/* Multiply one vector, x (inputs), to y (outputs). */
static void eie_linear_chip(const eie_chip_layer *layer, const int16_t *x, int16_t *y, int *overflowed)
{
    eie_cursor at = eie_first(&layer->weights);
    uint32_t row;
    for (row = 0; row < layer->weights.outputs; row++) {
        int32_t sum = layer->bias ? layer->bias[row] : 0;
        for (; at.row == row; eie_advance(&at))
            sum += eie_product(layer->codebook[at.code], x[at.column], layer->value_bits);
        y[row] = eie_read_out(layer, sum, overflowed);
    }
}

/* Convolve an image, x (channels, height, width), to y (outputs, down, across); sums has room for (down, across). */
static void eie_convolve_chip(const eie_chip_layer *layer, const eie_window *window, const int16_t *x, int32_t *sums,
                              int16_t *y, int *overflowed)
{
    const int32_t places = window->down * window->across;
    eie_cursor at = eie_first(&layer->weights);
    uint32_t filter;
    int32_t k;
    for (filter = 0; filter < layer->weights.outputs; filter++, y += places) {
        for (k = 0; k < places; k++) sums[k] = layer->bias ? layer->bias[filter] : 0;
        for (; at.row == filter; eie_advance(&at)) {
            const eie_tap tap = eie_tap_of(window, at.column);
            const int32_t weight = layer->codebook[at.code];
            int32_t row, column;
            for (row = tap.row; row < tap.row_end; row++) {
                const int16_t *line = x + tap.channel + (row * window->stride_down + tap.top) * window->width;
                for (column = tap.column; column < tap.column_end; column++)
                    sums[row * window->across + column] +=
                        eie_product(weight, line[column * window->stride_across + tap.left], layer->value_bits);
            }
        }
        for (k = 0; k < places; k++) y[k] = eie_read_out(layer, sums[k], overflowed);
    }
}

/* Round reals times `scale`, a power of two, to integers of `value_bits` bits, half to even, saturated. Return whether
   all are finite. */
static int eie_to_fixed(const float *x, uint32_t count, float scale, uint32_t value_bits, int16_t *y)
{
    const float rounding = 12582912.0f; /* 1.5 * 2**23: a float of this size has no fraction */
    const float most = (float)((INT32_C(1) << (value_bits - 1)) - 1);
    uint32_t k;
    if (!eie_finite(x, count)) return 0;
    for (k = 0; k < count; k++) {
        float scaled = eie_rounded(x[k] * scale);
        if (scaled > most) scaled = most;
        if (scaled < -most - 1) scaled = -most - 1;
        y[k] = (int16_t)(int32_t)(eie_rounded(scaled + rounding) - rounding);
    }
    return 1;
}

/* Return integers as reals; `unit`, a power of two, is what 1 stands for. */
static void eie_from_fixed(const int16_t *x, uint32_t count, float unit, float *y)
{
    uint32_t k;
    for (k = 0; k < count; k++) y[k] = (float)x[k] * unit;
}

/* Take integers to `more` more fraction bits, -17 to 16, rounded half to even and saturated to `value_bits` bits. */
static void eie_rescale(const int16_t *x, uint32_t count, int32_t more, uint32_t value_bits, int16_t *y)
{
    const int32_t most = (INT32_C(1) << (value_bits - 1)) - 1;
    uint32_t k;
    for (k = 0; k < count; k++) {
        int32_t value = x[k];
        if (more > 0) {
            value *= INT32_C(1) << more;
        } else if (more < 0) {
            const int32_t step = INT32_C(1) << -more, whole = value >> -more, rest = value - whole * step;
            value = whole + (2 * rest > step || (2 * rest == step && (whole & 1)));
        }
        y[k] = (int16_t)(value > most ? most : value < -most - 1 ? -most - 1 : value);
    }
}

/* Multiply one vector by float32 weights, column by column, zeros left out: x (inputs), y (outputs). */
static void eie_dense(const eie_dense_layer *layer, const float *x, float *y)
{
    uint32_t row, column;
    for (row = 0; row < layer->outputs; row++) {
        const float *weights = layer->weights + (size_t)row * layer->inputs;
        float sum = layer->bias[row];
        for (column = 0; column < layer->inputs; column++)
            if (x[column] < 0 || x[column] > 0) sum += eie_rounded(x[column] * weights[column]);
        y[row] = layer->relu && sum < 0 ? 0 : sum;
    }
}

/* Convolve with float32 weights, (outputs, channels of a group, kernel), x (channels, height, width) to y (outputs,
   down, across). */
static void eie_convolve_dense(const eie_dense_layer *layer, uint32_t groups, const eie_window *window, const float *x,
                               float *y)
{
    const int32_t places = window->down * window->across;
    const uint32_t inputs = layer->inputs / groups;
    uint32_t filter, column;
    int32_t k;
    for (filter = 0; filter < layer->outputs; filter++, y += places) {
        const uint32_t first = filter / (layer->outputs / groups) * inputs;
        const float *weights = layer->weights + (size_t)filter * inputs;
        for (k = 0; k < places; k++) y[k] = 0;
        for (column = 0; column < inputs; column++) {
            const eie_tap tap = eie_tap_of(window, first + column);
            int32_t i, j;
            for (i = tap.row; i < tap.row_end; i++) {
                const float *line = x + tap.channel + (i * window->stride_down + tap.top) * window->width;
                for (j = tap.column; j < tap.column_end; j++)
                    y[i * window->across + j] +=
                        eie_rounded(weights[column] * line[j * window->stride_across + tap.left]);
            }
        }
        for (k = 0; k < places; k++) {
            y[k] += layer->bias[filter];
            if (layer->relu && y[k] < 0) y[k] = 0;
        }
    }
}

/* The largest number of each window: x (channels, height, width), y (channels, down, across). The padding has none. */
static void eie_max_pool_real(const eie_window *window, int32_t channels, const float *x, float *y)
{
    int32_t channel, row, column, i, j;
    for (channel = 0; channel < channels; channel++, x += window->height * window->width)
        for (row = 0; row < window->down; row++)
            for (column = 0; column < window->across; column++) {
                const int32_t top = row * window->stride_down - window->padding_down;
                const int32_t left = column * window->stride_across - window->padding_across;
                float largest = 0;
                int any = 0;
                for (j = left < 0 ? 0 : left; j < left + window->kernel_width && j < window->width; j++)
                    for (i = top < 0 ? 0 : top; i < top + window->kernel_height && i < window->height; i++)
                        if (!any || !(largest > x[i * window->width + j])) {
                            largest = x[i * window->width + j];
                            any = 1;
                        }
                *y++ = largest;
            }
}

/* The mean of each window, padding counted as zeros: x (channels, height, width), y (channels, down, across). */
static void eie_average_pool(const eie_window *window, int32_t channels, const float *x, float *y)
{
    const float share = 1 / (float)(window->kernel_height * window->kernel_width);
    int32_t channel, row, column, i, j;
    for (channel = 0; channel < channels; channel++, x += window->height * window->width)
        for (row = 0; row < window->down; row++)
            for (column = 0; column < window->across; column++) {
                const int32_t top = row * window->stride_down - window->padding_down;
                const int32_t left = column * window->stride_across - window->padding_across;
                float sum = 0;
                for (j = left; j < left + window->kernel_width; j++) { /* each column by itself, then their sums */
                    float part = 0;
                    for (i = top < 0 ? 0 : top; i < top + window->kernel_height && i < window->height; i++)
                        if (j >= 0 && j < window->width) part += x[i * window->width + j];
                    sum = j == left ? part : sum + part;
                }
                *y++ = eie_rounded(sum * share) + 0.0f;
            }
}

/* scale * x + shift for each channel of `pixels` numbers, in each of `rows` parts: x and y (rows, channels, pixels). */
static void eie_affine(uint32_t rows, uint32_t channels, uint32_t pixels, const float *scale, const float *shift,
                       const float *x, float *y)
{
    uint32_t row, channel, pixel;
    for (row = 0; row < rows; row++)
        for (channel = 0; channel < channels; channel++)
            for (pixel = 0; pixel < pixels; pixel++) *y++ = eie_rounded(*x++ * scale[channel]) + shift[channel];
}

/* The sum of `count` numbers and as many others. */
static void eie_add(const float *a, const float *b, uint32_t count, float *y)
{
    uint32_t k;
    for (k = 0; k < count; k++) y[k] = a[k] + b[k];
}

/* The product of `count` numbers and as many others. */
static void eie_multiply(const float *a, const float *b, uint32_t count, float *y)
{
    uint32_t k;
    for (k = 0; k < count; k++) y[k] = eie_rounded(a[k] * b[k]);
}

/* Make `count` numbers 0. */
static void eie_clear(uint32_t count, float *y)
{
    uint32_t k;
    for (k = 0; k < count; k++) y[k] = 0;
}

/* Copy `count` numbers. */
static void eie_copy_real(const float *x, uint32_t count, float *y)
{
    uint32_t k;
    for (k = 0; k < count; k++) y[k] = x[k];
}

/* 0 for what is negative. */
static void eie_relu_real(const float *x, uint32_t count, float *y)
{
    uint32_t k;
    for (k = 0; k < count; k++) y[k] = x[k] < 0 ? 0 : x[k];
}

/* Number index[k] for each k, 0 where the index is -1. */
static void eie_gather_real(const int32_t *index, uint32_t count, const float *x, float *y)
{
    uint32_t k;
    for (k = 0; k < count; k++) y[k] = index[k] < 0 ? 0 : x[index[k]];
}

#include "numbers.h"
#include "rows.h"

/* A function of each number. */
static void eie_apply(float (*function)(float), uint32_t count, const float *x, float *y)
{
    uint32_t k;
    for (k = 0; k < count; k++) y[k] = function(x[k]);
}

/* The softmax of each of `rows` parts of `count` numbers. */
static void eie_softmax(uint32_t rows, uint32_t count, const float *x, float *y)
{
    for (; rows > 0; rows--, x += count, y += count) eie_softmax_row(x, count, y);
}

/* The logarithm of the softmax of each of `rows` parts of `count` numbers. */
static void eie_log_softmax(uint32_t rows, uint32_t count, const float *x, float *y)
{
    for (; rows > 0; rows--, x += count, y += count) {
        const float largest = eie_largest(x, count);
        float less;
        uint32_t k;
        eie_exponentials(x, largest, count, y);
        less = (float)log((double)eie_sum(y, count));
        for (k = 0; k < count; k++) y[k] = x[k] - largest - less;
    }
}

/* Each of `rows` parts of `count` numbers over its standard deviation, or, not `centred`, its root mean square. */
static void eie_normalise(uint32_t rows, uint32_t count, float epsilon, int centred, const float *x, float *y)
{
    for (; rows > 0; rows--, x += count, y += count) eie_normalise_row(x, count, epsilon, centred, y);
}

/* The sum of each of `rows` parts of `count` numbers, over `by`. */
static void eie_sums(uint32_t rows, uint32_t count, float by, const float *x, float *y)
{
    for (; rows > 0; rows--, x += count) *y++ = eie_sum(x, count) / by;
}

/* The largest of each of `rows` parts of `count` numbers. */
static void eie_largest_each(uint32_t rows, uint32_t count, const float *x, float *y)
{
    for (; rows > 0; rows--, x += count) *y++ = eie_largest(x, count);
}

/* `count` products of matrices: a (rows, inner) times b (inner, columns) to y (rows, columns), row by row. */
static void eie_matmul(uint32_t count, uint32_t rows, uint32_t inner, uint32_t columns, const float *a, const float *b,
                       float *y)
{
    uint32_t row, column, k;
    for (; count > 0; count--, b += (size_t)inner * columns)
        for (row = 0; row < rows; row++, a += inner)
            for (column = 0; column < columns; column++) {
                float sum = 0;
                for (k = 0; k < inner; k++) sum += eie_rounded(b[(size_t)k * columns + column] * a[k]);
                *y++ = sum;
            }
}

/* Attention whose keys and values are kept from call to call: for each of `rows` tokens and each head. */
typedef struct {
    uint32_t rows, heads, width, capacity;
    float scale;
} eie_attention;

/* The product of a query and a key: sixteen partial sums, and before them what is left over. */
static float eie_score(const float *query, const float *key, uint32_t width)
{
    float partial[16] = {0}, sum = 0;
    uint32_t k = 0, j;
    for (; k + 16 <= width; k += 16)
        for (j = 0; j < 16; j++) partial[j] += eie_rounded(query[k + j] * key[k + j]);
    for (; k < width; k++) sum += eie_rounded(query[k] * key[k]);
    for (j = 0; j < 16; j++) sum += partial[j];
    return sum;
}

/* Attend to these tokens and those before, and keep these. queries, keys, values and y are (rows, heads, width); cache
   is the number of tokens before, their keys and their values, (capacity, heads, width) each; scores has room for
   capacity numbers. Return whether there is room for these tokens. */
static int eie_attend(const eie_attention *sizes, const float *queries, const float *keys, const float *values,
                      float *cache, float *scores, float *y)
{
    const uint32_t all = sizes->heads * sizes->width, before = (uint32_t)cache[0];
    float *all_keys = cache + 1, *all_values = all_keys + (size_t)sizes->capacity * all;
    uint32_t row, head, token, k;
    if (sizes->capacity - before < sizes->rows) return 0;
    for (k = 0; k < sizes->rows * all; k++) {
        all_keys[(size_t)before * all + k] = keys[k];
        all_values[(size_t)before * all + k] = values[k];
    }
    for (row = 0; row < sizes->rows; row++)
        for (head = 0; head < sizes->heads; head++, queries += sizes->width, y += sizes->width) {
            const uint32_t tokens = before + row + 1, first = head * sizes->width;
            for (token = 0; token < tokens; token++) {
                const float *key = all_keys + (size_t)token * all + first;
                scores[token] = eie_rounded(eie_score(queries, key, sizes->width) * sizes->scale);
            }
            eie_softmax_row(scores, tokens, scores);
            for (k = 0; k < sizes->width; k++) {
                float sum = 0;
                for (token = 0; token < tokens; token++)
                    sum += eie_rounded(all_values[(size_t)token * all + first + k] * scores[token]);
                y[k] = sum;
            }
        }
    cache[0] = (float)(before + sizes->rows);
    return 1;
}

/* A table whose entries are a matrix's rows, compressed; to begin at any of them, of every sixteenth it is known how
   many entries of the stream are before it, and which place of the matrix, row by row, they have come to. */
typedef struct {
    eie_weights weights;   /* (entries, width) */
    const float *codebook; /* (2**code_bits) */
    const uint32_t *marks; /* (entries / 16, rounded up, 2) */
    const float *bias;     /* (width); none: 0 */
} eie_table;

/* A table of numbers as they are. */
typedef struct {
    const float *numbers; /* (entries, width) */
    const float *bias;    /* (width) */
    uint32_t entries, width;
} eie_dense_table;

/* Return which of `count` entries a number stands for, or `count` where it stands for none. */
static uint32_t eie_entry(float number, uint32_t count)
{
    if (!(number >= 0 && number < (float)count)) return count;
    return (float)(uint32_t)number < number ? count : (uint32_t)number;
}

/* Look up `places` entries. Return whether they all are in the table. */
static int eie_look_up(const eie_table *table, uint32_t places, const float *x, float *y)
{
    const eie_weights *weights = &table->weights;
    const uint32_t width = weights->inputs;
    uint32_t k;
    for (; places > 0; places--, y += width) {
        const uint32_t entry = eie_entry(*x++, weights->outputs), *mark = table->marks + entry / 16 * 2;
        eie_cursor at = {0, 0, 0, 0, 0, 0, 0, 0, 0};
        uint64_t bit;
        if (entry == weights->outputs) return 0;
        bit = (uint64_t)mark[0] * ((uint32_t)weights->code_bits + weights->gap_bits);
        at.weights = weights;
        at.next = weights->stream + (size_t)(bit / 8);
        at.left = weights->entries - mark[0];
        at.row = mark[1] / width;
        at.column_after = mark[1] % width;
        if (bit % 8) {
            at.bits = (uint32_t)*at.next++ >> (bit % 8);
            at.bits_held = 8 - (uint32_t)(bit % 8);
        }
        for (k = 0; k < width; k++) y[k] = table->bias ? table->bias[k] : 0;
        for (eie_advance(&at); at.row <= entry; eie_advance(&at))
            if (at.row == entry) y[at.column] += table->codebook[at.code];
    }
    return 1;
}

/* Look up `places` entries. Return whether they all are in the table. */
static int eie_look_up_dense(const eie_dense_table *table, uint32_t places, const float *x, float *y)
{
    uint32_t k;
    for (; places > 0; places--, y += table->width) {
        const uint32_t entry = eie_entry(*x++, table->entries);
        if (entry == table->entries) return 0;
        for (k = 0; k < table->width; k++) y[k] = table->bias[k] + table->numbers[(size_t)entry * table->width + k];
    }
    return 1;
}
