/*
 * memcpy - copies blocks of all sizes up to 4 KiB, now and then one of 64 KiB, as C libraries do it with SSE2: 64 bytes a
 * turn in unaligned vectors, short ones by two overlapping vectors or words. The result is a sum over all that was copied.
 */
#ifndef REPETITIONS
#define REPETITIONS 60
#endif
#include "benchmark.h"

#include <emmintrin.h>

enum { size = 1 << 20, copies = 8192, large = 64 << 10 };

static unsigned char source[size], target[size];

static void prepare(void)
{
    uint64_t state = 1;
    int index;

    for (index = 0; index < size; index++)
        source[index] = next_number(&state);
}

/* Words that may lie anywhere. */
struct word {
    uint64_t value;
} __attribute__((packed, may_alias));
struct half {
    uint32_t value;
} __attribute__((packed, may_alias));

static inline __m128i load(const unsigned char *from)
{
    return _mm_loadu_si128((const __m128i *)from);
}

static inline void store(unsigned char *to, __m128i value)
{
    _mm_storeu_si128((__m128i *)to, value);
}

__attribute__((noinline)) static void copy(unsigned char *to, const unsigned char *from, size_t count)
{
    unsigned char *const end = to + count;
    const unsigned char *const from_end = from + count;

    if (count >= 16) {
        const __m128i last = load(from_end - 16);

        for (; end - to >= 64; to += 64, from += 64) {
            const __m128i a = load(from), b = load(from + 16), c = load(from + 32), d = load(from + 48);

            store(to, a);
            store(to + 16, b);
            store(to + 32, c);
            store(to + 48, d);
        }
        for (; end - to >= 16; to += 16, from += 16)
            store(to, load(from));
        store(end - 16, last);
    } else if (count >= 8) {
        const struct word first = *(const struct word *)from, last = *(const struct word *)(from_end - 8);

        *(struct word *)to = first;
        *(struct word *)(end - 8) = last;
    } else if (count >= 4) {
        const struct half first = *(const struct half *)from, last = *(const struct half *)(from_end - 4);

        *(struct half *)to = first;
        *(struct half *)(end - 4) = last;
    } else {
        while (to < end)
            *to++ = *from++;
    }
}

static uint64_t measure(void)
{
    unsigned char *to = target;
    const unsigned char *from = source;
    uint64_t state = 2, sum = 0;
    int index;

    forget(to);
    forget(from);
    for (index = 0; index < copies; index++) {
        const size_t count = index % 64 ? next_number(&state) % 4097 : large;
        const size_t start = next_number(&state) % (size - count + 1), place = next_number(&state) % (size - count + 1);

        copy(to + place, from + start, count);
    }
    for (index = 0; index < size; index += 8)
        sum = sum * 31 + ((const struct word *)(to + index))->value;
    return sum;
}
