/*
 * strlen - the lengths of strings of 0 to 400 bytes, one after the other, as C libraries do it with SSE2: whole aligned
 * vectors, compared with zero, the mask of the bytes searched for its first bit. The result is the sum of the lengths,
 * each weighted by its number.
 */
#ifndef REPETITIONS
#define REPETITIONS 800
#endif
#include "benchmark.h"

#include <emmintrin.h>

enum { strings = 8192, longest = 400 };

static unsigned char text[strings * (longest + 1)] __attribute__((aligned(16)));

static void prepare(void)
{
    unsigned char *place = text;
    uint64_t state = 3;
    int string;

    for (string = 0; string < strings; string++) {
        const unsigned length = next_number(&state) % (longest + 1);
        unsigned index;

        for (index = 0; index < length; index++)
            *place++ = 'a' + index % 26;
        *place++ = 0;
    }
}

__attribute__((noinline)) static size_t length_of(const unsigned char *string)
{
    const unsigned char *place = (const unsigned char *)((uintptr_t)string & ~(uintptr_t)15);
    const __m128i zero = _mm_setzero_si128();
    unsigned mask = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_load_si128((const __m128i *)place), zero));

    /* The bytes before the string do not count. */
    mask &= ~0u << (string - place);
    while (!mask) {
        place += 16;
        mask = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_load_si128((const __m128i *)place), zero));
    }
    return place + __builtin_ctz(mask) - string;
}

static uint64_t measure(void)
{
    const unsigned char *place = text;
    uint64_t sum = 0;
    int string;

    forget(place);
    for (string = 0; string < strings; string++) {
        const size_t length = length_of(place);

        sum += length * (string + 1);
        place += length + 1;
    }
    return sum;
}
