/* sha256 - SHA-256 (FIPS 180-4) of 1 MiB in plain C: 32-bit arithmetic, rotations, long blocks without branches. */
#ifndef REPETITIONS
#define REPETITIONS 18
#endif
#include "benchmark.h"

enum { size = 1 << 20, rounds = 64 };

static unsigned char message[size + 64];

/* FIPS 180-4, 4.2.2 and 5.3.3. */
static const uint32_t constants[rounds] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
static const uint32_t beginning[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

/* The message and its padding (5.1.1): a bit, zeros, the number of bits. */
static void prepare(void)
{
    const uint64_t bits = (uint64_t)size * 8;
    uint64_t state = 4;
    int index;

    for (index = 0; index < size; index++)
        message[index] = next_number(&state);
    message[size] = 0x80;
    for (index = 0; index < 8; index++)
        message[size + 56 + index] = bits >> (56 - 8 * index);
}

static inline uint32_t rotate(uint32_t word, int count)
{
    return word >> count | word << (32 - count);
}

/* 6.2.2. */
__attribute__((noinline)) static void compress(uint32_t hash[8], const unsigned char *block)
{
    uint32_t schedule[rounds], v[8];
    int t;

    for (t = 0; t < 16; t++, block += 4)
        schedule[t] = (uint32_t)block[0] << 24 | block[1] << 16 | block[2] << 8 | block[3];
    for (; t < rounds; t++) {
        const uint32_t far = schedule[t - 15], near = schedule[t - 2];

        schedule[t] = schedule[t - 16] + (rotate(far, 7) ^ rotate(far, 18) ^ far >> 3) + schedule[t - 7]
            + (rotate(near, 17) ^ rotate(near, 19) ^ near >> 10);
    }
    for (t = 0; t < 8; t++)
        v[t] = hash[t];
    for (t = 0; t < rounds; t++) {
        const uint32_t e = v[4], a = v[0];
        const uint32_t first = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & v[5]) ^ (~e & v[6]))
            + constants[t] + schedule[t];
        const uint32_t second =
            (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

        v[7] = v[6];
        v[6] = v[5];
        v[5] = e;
        v[4] = v[3] + first;
        v[3] = v[2];
        v[2] = v[1];
        v[1] = a;
        v[0] = first + second;
    }
    for (t = 0; t < 8; t++)
        hash[t] += v[t];
}

/* The first sixteen digits of the digest. */
static uint64_t measure(void)
{
    const unsigned char *block = message;
    uint32_t hash[8];
    int index;

    forget(block);
    for (index = 0; index < 8; index++)
        hash[index] = beginning[index];
    for (index = 0; index < size + 64; index += 64)
        compress(hash, block + index);
    return (uint64_t)hash[0] << 32 | hash[1];
}
