/* Functions of one number: the engine computes with them, and so do the programs of `eie export c`, to the same bits.
   Whoever includes this says what these are: EIE_INLINE before a function; EIE_ROUNDED(x), x rounded to a float before
   anything else is done with it; EIE_BITS(x) and EIE_FLOAT(bits), the bits of a float and back; EIE_ROOT(x), its
   square root, correctly rounded. */

/* e to the x, within two units of the last place; x is taken to be within -87 and 88. */
EIE_INLINE float eie_exponential(float x)
{
    const float rounding = 12582912.0f; /* 1.5 * 2**23: a float of this size has no fraction */
    float shifted, n, r, p = 1.9875691500e-4f;
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    shifted = EIE_ROUNDED(EIE_ROUNDED(x * 1.44269504f) + rounding);
    n = shifted - rounding;
    r = EIE_ROUNDED(x - EIE_ROUNDED(n * 0.693359375f)) + EIE_ROUNDED(n * 2.12194440e-4f); /* ln 2 in two parts */
    p = EIE_ROUNDED(p * r) + 1.3981999507e-3f;
    p = EIE_ROUNDED(p * r) + 8.3334519073e-3f;
    p = EIE_ROUNDED(p * r) + 4.1665795894e-2f;
    p = EIE_ROUNDED(p * r) + 1.6666665459e-1f;
    p = EIE_ROUNDED(p * r) + 5.0000001201e-1f;
    p = EIE_ROUNDED(EIE_ROUNDED(p * r) * r) + r + 1;
    return EIE_ROUNDED(p * EIE_FLOAT((EIE_BITS(shifted) - EIE_BITS(rounding) + 127u) << 23));
}

/* e to the x, of numbers whose e to the x is none that a float can be, too. */
EIE_INLINE float eie_exp(float x)
{
    const float half = eie_exponential(x * 0.5f);
    return EIE_ROUNDED(half * half);
}

/* 1 / (1 + e to the -x). */
EIE_INLINE float eie_sigmoid(float x)
{
    return x < -87.0f ? 0 : 1 / (1 + eie_exponential(-x));
}

/* The hyperbolic tangent. */
EIE_INLINE float eie_tanh(float x)
{
    const float z = EIE_ROUNDED(x * x), magnitude = x < 0 ? -x : x;
    const float far_off = 1 - 2 / (eie_exponential(2 * magnitude) + 1);
    float p = -5.70498872745e-3f;
    p = EIE_ROUNDED(p * z) + 2.06390887954e-2f;
    p = EIE_ROUNDED(p * z) - 5.37397155531e-2f;
    p = EIE_ROUNDED(p * z) + 1.33314422036e-1f;
    p = EIE_ROUNDED(p * z) - 3.33332819422e-1f;
    p = EIE_ROUNDED(EIE_ROUNDED(p * z) * x) + x;
    return magnitude < 0.625f ? p : x < 0 ? -far_off : far_off;
}

/* The error function, within two units of the last place. */
EIE_INLINE float eie_erf(float x)
{
    const float z = EIE_ROUNDED(x * x), magnitude = x < 0 ? -x : x, t = magnitude < 4 ? magnitude : 4;
    float p = -5.96761703e-4f, q = -1.72853470e-5f, far_off;
    p = EIE_ROUNDED(p * z) + 4.99119423e-3f;
    p = EIE_ROUNDED(p * z) - 2.67681349e-2f;
    p = EIE_ROUNDED(p * z) + 1.12819925e-1f;
    p = EIE_ROUNDED(p * z) - 3.76125336e-1f;
    p = EIE_ROUNDED(p * z) + 1.28379166e-1f;
    p = EIE_ROUNDED(p * x) + x;
    q = EIE_ROUNDED(q * t) + 3.83197126e-4f;
    q = EIE_ROUNDED(q * t) - 3.88396438e-3f;
    q = EIE_ROUNDED(q * t) + 2.42546219e-2f;
    q = EIE_ROUNDED(q * t) - 1.06777877e-1f;
    q = EIE_ROUNDED(q * t) - 6.34846687e-1f;
    q = EIE_ROUNDED(q * t) - 1.28717512e-1f;
    far_off = 1 - eie_exponential(EIE_ROUNDED(q * t) - t);
    return magnitude < 0.927734375f ? p : x < 0 ? -far_off : far_off;
}

/* x times the share of a normal distribution that is below it. */
EIE_INLINE float eie_gelu(float x)
{
    return EIE_ROUNDED(x * (0.5f + EIE_ROUNDED(0.5f * eie_erf(EIE_ROUNDED(x * 0.707106781f)))));
}

/* The same by a hyperbolic tangent, which is near it. */
EIE_INLINE float eie_gelu_tanh(float x)
{
    const float cube = EIE_ROUNDED(EIE_ROUNDED(EIE_ROUNDED(0.044715f * x) * x) * x);
    return EIE_ROUNDED(x * (0.5f + EIE_ROUNDED(0.5f * eie_tanh(EIE_ROUNDED(0.797884561f * (x + cube))))));
}

/* x times its sigmoid. */
EIE_INLINE float eie_silu(float x)
{
    return EIE_ROUNDED(x * eie_sigmoid(x));
}

/* x within 0 and 6. */
EIE_INLINE float eie_relu6(float x)
{
    x = x < 0 ? 0 : x;
    return x > 6 ? 6 : x;
}

/* A sigmoid of straight lines. */
EIE_INLINE float eie_hardsigmoid(float x)
{
    return eie_relu6(x + 3) / 6;
}

/* x times its sigmoid of straight lines. */
EIE_INLINE float eie_hardswish(float x)
{
    return EIE_ROUNDED(x * (eie_relu6(x + 3) / 6));
}

/* x times itself. */
EIE_INLINE float eie_square(float x)
{
    return EIE_ROUNDED(x * x);
}

/* The square root. */
EIE_INLINE float eie_sqrt(float x)
{
    return EIE_ROOT(x);
}

/* 1 over x. */
EIE_INLINE float eie_reciprocal(float x)
{
    return 1 / x;
}

/* x without its sign. */
EIE_INLINE float eie_absolute(float x)
{
    return EIE_FLOAT(EIE_BITS(x) & 0x7fffffffu);
}

/* 1 where x is above 0, else 0. */
EIE_INLINE float eie_positive(float x)
{
    return x > 0 ? 1.0f : 0.0f;
}
