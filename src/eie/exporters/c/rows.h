/* What runs over a row of numbers, for the engine and for the programs of `eie export c`, to the same bits. What
   numbers.h needs is needed here, and EIE_ROW: what stands before a function with a loop over whole vectors. */

/* The sum of sixteen partial sums, number k being in partial sum k % 16: half of them onto the other half, and so on. */
EIE_ROW float eie_sum(const float *x, size_t count)
{
    float partial[16] = {0};
    size_t k = 0, j, half;
    for (; k + 16 <= count; k += 16)
        for (j = 0; j < 16; j++) partial[j] += x[k + j];
    for (j = 0; k + j < count; j++) partial[j] += x[k + j];
    for (half = 8; half > 0; half /= 2)
        for (j = 0; j < half; j++) partial[j] += partial[j + half];
    return partial[0];
}

/* The sum of the squares, in the same order. */
EIE_ROW float eie_sum_of_squares(const float *x, size_t count)
{
    float partial[16] = {0};
    size_t k = 0, j, half;
    for (; k + 16 <= count; k += 16)
        for (j = 0; j < 16; j++) partial[j] += EIE_ROUNDED(x[k + j] * x[k + j]);
    for (j = 0; k + j < count; j++) partial[j] += EIE_ROUNDED(x[k + j] * x[k + j]);
    for (half = 8; half > 0; half /= 2)
        for (j = 0; j < half; j++) partial[j] += partial[j + half];
    return partial[0];
}

/* The largest of one number or more. */
EIE_ROW float eie_largest(const float *x, size_t count)
{
    float most[16], largest;
    size_t k = 0, j;
    for (j = 0; j < 16; j++) most[j] = x[0];
    for (; k + 16 <= count; k += 16)
        for (j = 0; j < 16; j++) most[j] = most[j] < x[k + j] ? x[k + j] : most[j];
    for (j = 0; k + j < count; j++) most[j] = most[j] < x[k + j] ? x[k + j] : most[j];
    largest = most[0];
    for (j = 1; j < 16; j++) largest = largest < most[j] ? most[j] : largest;
    return largest;
}

/* Each number less one. */
EIE_ROW void eie_subtract(const float *x, float less, size_t count, float *y)
{
    size_t k;
    for (k = 0; k < count; k++) y[k] = x[k] - less;
}

/* e to the power of each number less one. */
EIE_ROW void eie_exponentials(const float *x, float less, size_t count, float *y)
{
    size_t k;
    for (k = 0; k < count; k++) y[k] = eie_exponential(x[k] - less);
}

/* Each number times one. */
EIE_ROW void eie_scale(float by, size_t count, float *y)
{
    size_t k;
    for (k = 0; k < count; k++) y[k] = EIE_ROUNDED(y[k] * by);
}

/* Each number over one. */
EIE_ROW void eie_divide(float by, size_t count, float *y)
{
    size_t k;
    for (k = 0; k < count; k++) y[k] /= by;
}

/* The softmax of a row. */
EIE_INLINE void eie_softmax_row(const float *x, size_t count, float *y)
{
    eie_exponentials(x, eie_largest(x, count), count, y);
    eie_scale(1 / eie_sum(y, count), count, y);
}

/* A row, less its mean where `centred`, over the root of its mean square and `epsilon`. */
EIE_INLINE void eie_normalise_row(const float *x, size_t count, float epsilon, int centred, float *y)
{
    const float numbers = (float)count;
    eie_subtract(x, centred ? eie_sum(x, count) / numbers : 0, count, y);
    eie_divide(EIE_ROOT(eie_sum_of_squares(y, count) / numbers + epsilon), count, y);
}

/* One time step of an LSTM: the gates' sums (4, hidden) to the new memory and state, (hidden) each. */
EIE_ROW void eie_lstm(const float *sums, size_t hidden, float *memory, float *state)
{
    size_t k;
    for (k = 0; k < hidden; k++) {
        const float in = eie_sigmoid(sums[k]), forget = eie_sigmoid(sums[hidden + k]);
        const float out = eie_sigmoid(sums[3 * hidden + k]);
        memory[k] = EIE_ROUNDED(forget * memory[k]) + EIE_ROUNDED(in * eie_tanh(sums[2 * hidden + k]));
        state[k] = EIE_ROUNDED(out * eie_tanh(memory[k]));
    }
}

/* One time step of a GRU: the gates' sums (4, hidden) to the new state, (hidden). */
EIE_ROW void eie_gru(const float *sums, size_t hidden, float *state)
{
    size_t k;
    for (k = 0; k < hidden; k++) {
        const float reset = eie_sigmoid(sums[k]), update = eie_sigmoid(sums[hidden + k]);
        const float candidate = eie_tanh(sums[2 * hidden + k] + EIE_ROUNDED(reset * sums[3 * hidden + k]));
        state[k] = EIE_ROUNDED((1 - update) * candidate) + EIE_ROUNDED(update * state[k]);
    }
}
