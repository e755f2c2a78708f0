/*
 * benchmark.h - what the programs of `stemma benchmark engine` share.
 *
 * They use no C library and two system calls, write and exit, so that the same file runs in a Linux guest and in emulators
 * that have no operating system. Each does a fixed amount of work: measure() is called REPETITIONS times, and its result,
 * which has to be the same every time, is printed as sixteen hexadecimal digits. Exit status 1 when it was not.
 */
#ifndef STEMMA_BENCHMARK_H
#define STEMMA_BENCHMARK_H

#include <stddef.h>
#include <stdint.h>

/* Once before the first repetition. */
static void prepare(void);
/* One repetition. */
static uint64_t measure(void);

/* The compiler knows nothing of this memory any more: work is neither left out nor done once for all repetitions. */
#define forget(pointer) __asm__ volatile("" : "+r"(pointer) : : "memory")

static inline long system_call(long number, long first, long second, long third)
{
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(second), "d"(third)
                     : "rcx", "r11", "memory");
    return result;
}

enum { write_call = 1, exit_call = 60 };

__attribute__((noreturn)) static void leave(int status)
{
    for (;;)
        system_call(exit_call, status, 0, 0);
}

static void print(uint64_t result)
{
    char line[17];
    int digit;

    for (digit = 0; digit < 16; digit++)
        line[digit] = "0123456789abcdef"[result >> (60 - 4 * digit) & 15];
    line[16] = '\n';
    system_call(write_call, 1, (long)line, sizeof line);
}

/* Pseudo-random numbers: always the same sequence (a linear congruential generator; the upper bits are the good ones). */
static inline uint32_t next_number(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

__attribute__((noreturn, used)) static void run(void)
{
    uint64_t result;
    int repetition;

    prepare();
    result = measure();
    for (repetition = 1; repetition < REPETITIONS; repetition++)
        if (measure() != result)
            leave(1);
    print(result);
    leave(0);
}

/* The stack pointer of a program's start is aligned to 16 bytes, that of a function's start is 8 below. */
__asm__(".globl _start\n"
        "_start:\n"
        "    xor %ebp, %ebp\n"
        "    call run\n");

#endif
