/* sieve - counts the primes up to 2,000,000 by Eratosthenes' sieve: loads, stores and short branches over 2 MB. */
#ifndef REPETITIONS
#define REPETITIONS 24
#endif
#include "benchmark.h"

enum { limit = 2000000 };

static unsigned char is_composite[limit + 1];

static void prepare(void)
{
}

static uint64_t measure(void)
{
    unsigned char *table = is_composite;
    uint64_t count = 0;
    unsigned number, multiple;

    forget(table);
    for (number = 0; number <= limit; number++)
        table[number] = 0;
    for (number = 2; number * number <= limit; number++)
        if (!table[number])
            for (multiple = number * number; multiple <= limit; multiple += number)
                table[multiple] = 1;
    for (number = 2; number <= limit; number++)
        count += !table[number];
    return count;
}
