/* One vector type, `vec`, of VL numbers of type `real`, for one instruction set.
 *
 * The kernels are written once, in Cython, over these names, and compiled once per
 * instruction set and dtype. Cython is told that `vec` is a plain float, so that
 * `a * b - c` in Cython is that expression in C, which GCC and Clang define on
 * vectors. Where neither is at hand a vec holds one number, and all is plain C.
 *
 * What may be used is limited to operations that IEEE 754 rounds in one way on every
 * machine: + - * /, square root, fused multiply-add, comparison with selection, and integer shifts.
 * No estimates, no libm but fma. The smaller and the larger of two are the comparison with
 * selection that x86 has an instruction for; others differ on NaN, and spell it out.
 */
#ifndef SKRNN_VEC_H
#define SKRNN_VEC_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef SKRNN_DOUBLE
typedef double real;
typedef uint64_t bits;
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
#define SCALAR_FMA fma
#define real_sqrt sqrt
#define REAL_MIN DBL_MIN
#else
typedef float real;
typedef uint32_t bits;
#define MANTISSA_BITS 23
#define EXPONENT_BIAS 127
#define SCALAR_FMA fmaf
#define real_sqrt sqrtf
#define REAL_MIN FLT_MIN
#endif

#if defined(SKRNN_AVX512)
#include <immintrin.h>
#define VEC_BYTES 64
#elif defined(SKRNN_AVX2)
#include <immintrin.h>
#define VEC_BYTES 32
#elif defined(__GNUC__)
#if defined(SKRNN_NEON)
#include <arm_neon.h>
#endif
#define VEC_BYTES 16
#else
#define VEC_BYTES ((int)sizeof(real))
#define SKRNN_SCALAR
#endif

#define VL ((int)(VEC_BYTES / sizeof(real)))

/* Rows of the largest register tile that is 4, 3, 2 or 1 vectors wide: accumulators,
 * one row of weights and a broadcast fill 32 registers, or 16. */
#if defined(SKRNN_AVX512) || defined(SKRNN_NEON)
#define ROWS4 6
#define ROWS3 8
#define ROWS2 12
#define ROWS1 12
#else
#define ROWS4 3
#define ROWS3 4
#define ROWS2 6
#define ROWS1 8
#endif

#ifdef SKRNN_SCALAR
#define INLINE static inline
typedef real vec;
typedef bits ivec;

INLINE vec vload(const real *p) { return *p; }
INLINE void vstore(real *p, vec a) { *p = a; }
INLINE vec vset1(real a) { return a; }
INLINE vec vfma(vec a, vec b, vec c) { return SCALAR_FMA(a, b, c); }
INLINE vec vselect_lt(vec a, vec b, vec x, vec y) { return a < b ? x : y; }
#define VMIN_BY_SELECTION
INLINE ivec as_bits(vec a) { ivec i; memcpy(&i, &a, sizeof(i)); return i; }
INLINE vec from_bits(ivec i) { vec a; memcpy(&a, &i, sizeof(a)); return a; }
INLINE ivec iset1(bits a) { return a; }

#else
#define INLINE static inline __attribute__((always_inline))
typedef real vec __attribute__((vector_size(VEC_BYTES)));
typedef real vec_unaligned __attribute__((vector_size(VEC_BYTES), aligned(sizeof(real)), may_alias));
typedef bits ivec __attribute__((vector_size(VEC_BYTES)));

INLINE vec vload(const real *p) { return *(const vec_unaligned *)p; }
INLINE void vstore(real *p, vec a) { *(vec_unaligned *)p = a; }
/* x - 0 keeps every x, the sign of a zero and NaN, and compiles to one broadcast. */
INLINE vec vset1(real a) { return a - (vec){0}; }
INLINE ivec iset1(bits a) { return a - (ivec){0}; }
INLINE ivec as_bits(vec a) { return (ivec)a; }
INLINE vec from_bits(ivec i) { return (vec)i; }

#if defined(SKRNN_AVX512) && !defined(SKRNN_DOUBLE)
INLINE vec vfma(vec a, vec b, vec c) { return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
INLINE vec vselect_lt(vec a, vec b, vec x, vec y) {
    return (vec)_mm512_mask_blend_ps(
        _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ), (__m512)y, (__m512)x);
}
INLINE vec vmin(vec a, vec b) { return (vec)_mm512_min_ps((__m512)a, (__m512)b); }
INLINE vec vmax(vec a, vec b) { return (vec)_mm512_max_ps((__m512)a, (__m512)b); }
#elif defined(SKRNN_AVX512)
INLINE vec vfma(vec a, vec b, vec c) { return (vec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
INLINE vec vselect_lt(vec a, vec b, vec x, vec y) {
    return (vec)_mm512_mask_blend_pd(
        _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LT_OQ), (__m512d)y, (__m512d)x);
}
INLINE vec vmin(vec a, vec b) { return (vec)_mm512_min_pd((__m512d)a, (__m512d)b); }
INLINE vec vmax(vec a, vec b) { return (vec)_mm512_max_pd((__m512d)a, (__m512d)b); }
#elif defined(SKRNN_AVX2) && !defined(SKRNN_DOUBLE)
INLINE vec vfma(vec a, vec b, vec c) { return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
INLINE vec vselect_lt(vec a, vec b, vec x, vec y) {
    return (vec)_mm256_blendv_ps(
        (__m256)y, (__m256)x, _mm256_cmp_ps((__m256)a, (__m256)b, _CMP_LT_OQ));
}
INLINE vec vmin(vec a, vec b) { return (vec)_mm256_min_ps((__m256)a, (__m256)b); }
INLINE vec vmax(vec a, vec b) { return (vec)_mm256_max_ps((__m256)a, (__m256)b); }
#elif defined(SKRNN_AVX2)
INLINE vec vfma(vec a, vec b, vec c) { return (vec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
INLINE vec vselect_lt(vec a, vec b, vec x, vec y) {
    return (vec)_mm256_blendv_pd(
        (__m256d)y, (__m256d)x, _mm256_cmp_pd((__m256d)a, (__m256d)b, _CMP_LT_OQ));
}
INLINE vec vmin(vec a, vec b) { return (vec)_mm256_min_pd((__m256d)a, (__m256d)b); }
INLINE vec vmax(vec a, vec b) { return (vec)_mm256_max_pd((__m256d)a, (__m256d)b); }
#else
#if defined(SKRNN_NEON) && !defined(SKRNN_DOUBLE)
INLINE vec vfma(vec a, vec b, vec c) { return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
#elif defined(SKRNN_NEON)
INLINE vec vfma(vec a, vec b, vec c) { return (vec)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
#else
/* No FMA instruction is assumed: the C library's is slow, and equal to the last bit. */
INLINE vec vfma(vec a, vec b, vec c) {
    vec r;
    for (int i = 0; i < VL; i++) r[i] = SCALAR_FMA(a[i], b[i], c[i]);
    return r;
}
#endif
INLINE vec vselect_lt(vec a, vec b, vec x, vec y) {
    ivec m = (ivec)(a < b);
    return (vec)((m & (ivec)x) | (~m & (ivec)y));
}
#define VMIN_BY_SELECTION
#endif
#endif /* not SKRNN_SCALAR */

/* a < b ? a : b and a > b ? a : b: where one is NaN, b. */
#ifdef VMIN_BY_SELECTION
INLINE vec vmin(vec a, vec b) { return vselect_lt(a, b, a, b); }
INLINE vec vmax(vec a, vec b) { return vselect_lt(b, a, a, b); }
#endif

#define SIGN_BIT ((bits)((uint64_t)1 << (8 * sizeof(real) - 1)))

INLINE vec vzero(void) { return vset1(0); }
INLINE vec vabs(vec a) { return from_bits(as_bits(a) & ~iset1(SIGN_BIT)); }
/* The size of `a` with the sign of `s`: one instruction with AVX-512 when written so. */
INLINE vec vwith_sign(vec a, vec s) {
    return from_bits(((as_bits(a) ^ as_bits(s)) & ~iset1(SIGN_BIT)) ^ as_bits(s));
}
/* 2**n, where n + EXPONENT_BIAS + 1.5 * 2**MANTISSA_BITS was rounded to t: the exponent
 * stands in its low bits. */
INLINE vec vexp2_rounded(vec t) { return from_bits(as_bits(t) << MANTISSA_BITS); }

/* Loops over arrays that live in registers. GCC must unroll them before it looks for
 * what need not be in memory: else it writes all sums of a tile to the stack as well,
 * for nobody to read. */
#if defined(__GNUC__) && !defined(__clang__)
#define UNROLLED _Pragma("GCC unroll 24")
#else
#define UNROLLED
#endif

INLINE void vfill(vec *a, vec value, int n) {
    UNROLLED
    for (int i = 0; i < n; i++) a[i] = value;
}
INLINE void vcopy(vec *to, const vec *from, int n) {
    UNROLLED
    for (int i = 0; i < n; i++) to[i] = from[i];
}
/* a (n_rows, n): the same n vectors in each row. */
INLINE void vload_repeated(vec *a, const real *p, int n_rows, int n) {
    UNROLLED
    for (int i = 0; i < n; i++) a[i] = vload(p + i * VL);
    UNROLLED
    for (int i = n; i < n_rows * n; i++) a[i] = a[i - n];
}
/* a (n_rows, n): the vectors of row i are `stride` apart from rows[i] on. */
INLINE void vload_rows(vec *a, const real **rows, ptrdiff_t stride, int n_rows, int n) {
    UNROLLED
    for (int i = 0; i < n_rows * n; i++) a[i] = vload(rows[i / n] + i % n * stride);
}

/* Ask for a line that is needed soon, in the first- or in the second-level cache. Any
 * address will do. */
INLINE void prefetch_near(const void* p) { __builtin_prefetch(p, 0, 3); }
INLINE void prefetch_far(const void* p) { __builtin_prefetch(p, 0, 2); }

/* Denormal numbers are taken and given as zero inside the kernels, whatever the thread's
 * setting, and the setting is put back on the way out: slow paths and other people's
 * compiler flags must touch neither the time nor the bits. */
#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
INLINE uint64_t denormals_off(void) {
    unsigned int old = _mm_getcsr();
    _mm_setcsr((old & ~0x6000u) | 0x8040u);   /* flush, denormals are zero, to nearest */
    return old;
}
INLINE void denormals_restore(uint64_t old) { _mm_setcsr((unsigned int)old); }
#elif defined(__aarch64__) && defined(__GNUC__)
INLINE uint64_t denormals_off(void) {
    uint64_t old, new;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old));
    new = (old & ~((uint64_t)3 << 22)) | ((uint64_t)1 << 24);
    __asm__ volatile("msr fpcr, %0" : : "r"(new));
    return old;
}
INLINE void denormals_restore(uint64_t old) { __asm__ volatile("msr fpcr, %0" : : "r"(old)); }
#else
INLINE uint64_t denormals_off(void) { return 0; }
INLINE void denormals_restore(uint64_t old) { (void)old; }
#endif

#endif
