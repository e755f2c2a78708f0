/*
 * text - prints the text that the engine's benchmark sorts and packs: 40,000 lines of three to nine words.
 *
 * The words are made of syllables and chosen with a preference for the first ones, as in a language; the numbers come from
 * next_number() of benchmark.h.
 */
#define REPETITIONS 1
#include "benchmark.h"

enum { lines = 40000, words = 1024 };

static unsigned char output[8 << 20], vocabulary[words][16];
static size_t used;

static void put(const unsigned char *text)
{
    while (*text)
        output[used++] = *text++;
}

/* One to four syllables each. */
static void prepare(void)
{
    uint64_t state = 5;
    int word;

    for (word = 0; word < words; word++) {
        unsigned char *place = vocabulary[word];
        int left = 1 + next_number(&state) % 4;

        for (; left; left--) {
            *place++ = "bcdfghklmnprstvz"[next_number(&state) % 16];
            *place++ = "aeiou"[next_number(&state) % 5];
            if (next_number(&state) % 3 == 0)
                *place++ = "lmnrst"[next_number(&state) % 6];
        }
    }
}

static uint64_t measure(void)
{
    uint64_t state = 6;
    int line, left;
    size_t written = 0;

    for (line = 0; line < lines; line++) {
        for (left = 3 + next_number(&state) % 7; left; left--) {
            /* The product of two numbers is small more often than large. */
            const uint32_t rank = next_number(&state) % words * (next_number(&state) % words) / words;

            put(vocabulary[rank]);
            output[used++] = left > 1 ? ' ' : '\n';
        }
    }
    while (written < used) {
        const long count = system_call(write_call, 1, (long)(output + written), used - written);

        if (count <= 0)
            leave(1);
        written += count;
    }
    leave(0);
}
