/* fib - the 30th Fibonacci number by its recursive definition: calls, returns and the stack. */
#ifndef REPETITIONS
#define REPETITIONS 24
#endif
#include "benchmark.h"

static void prepare(void)
{
}

/* Without a constant argument, and with both calls as calls. */
__attribute__((noipa, optimize("no-optimize-sibling-calls"))) static uint64_t fibonacci(uint64_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint64_t measure(void)
{
    return fibonacci(30);
}
