/*
 * password - asks for a password of eight characters; the demo of Stemma's symbolic engine.
 *
 *     password TEXT         checks TEXT, prints "right" or "wrong", exits 0 or 1
 *     password              the same with a line from standard input
 *     password --symbolic   prints READY and waits for the engine (see stemma.h), then checks eight symbolic bytes and
 *                           ends each path with status 0 ("right password") or 1 ("wrong password")
 *
 * The check compares with no stored copy of the password: it constrains the kind of every character, sums, differences
 * and a hash over all of them, and how often the last loop runs depends on the input. Exactly one password passes.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "stemma.h"

enum { password_size = 8 };

static uint32_t rotate_left(uint32_t value, unsigned count)
{
    return value << count | value >> (32 - count);
}

/* Not inlined, so that the demo's branches are found in one place of the disassembly. */
__attribute__((noinline)) static int is_right(const unsigned char password[password_size])
{
    /* The kind of each character: capital, small letter, digit, or itself. */
    static const char shape[password_size] = {'A', 'a', '0', '-', 'A', 'a', '0', 'a'};
    uint32_t hash = 0x5EED;
    unsigned sum = 0;
    unsigned rounds;
    int index;

    for (index = 0; index < password_size; index++) {
        const unsigned character = password[index];
        switch (shape[index]) {
        case 'A':
            if (character < 'A' || character > 'Z')
                return 0;
            break;
        case 'a':
            if (character < 'a' || character > 'z')
                return 0;
            break;
        case '0':
            if (character < '0' || character > '9')
                return 0;
            break;
        default:
            if (character != (unsigned char)shape[index])
                return 0;
        }
        sum += character;
        hash = rotate_left(hash, 5) ^ character;
    }

    if (password[0] + password[7] != 178)
        return 0;
    if ((password[1] ^ password[5]) != 0x1F)
        return 0;
    if (password[2] & 1) {
        /* An odd first digit: the second one is smaller, and the capitals stand in alphabetical order. */
        if (password[6] >= password[2])
            return 0;
        if (password[0] >= password[4])
            return 0;
    } else {
        /* An even one: the digits add up to nine, or the small letters before and after them are equal. */
        if (password[2] + password[6] != '0' + '9' && password[1] != password[7])
            return 0;
    }

    for (rounds = password[6] & 3; rounds != 0; rounds--)
        hash = rotate_left(hash, 7) + sum;
    if (sum != 636)
        return 0;
    return hash == 0xA69DD527;
}

static int answer(const unsigned char password[password_size])
{
    const int right = is_right(password);
    puts(right ? "right" : "wrong");
    return right ? 0 : 1;
}

static int check_symbolic(void)
{
    unsigned char password[password_size] = {0};

    stemma_wait_for_engine("READY\n");
    stemma_make_symbolic(password, sizeof password, "password");
    if (is_right(password))
        stemma_end_path(0, "right password");
    else
        stemma_end_path(1, "wrong password");
    return answer(password);
}

int main(int argc, char **argv)
{
    char line[80] = "";

    if (argc > 2) {
        fputs("usage: password [TEXT | --symbolic]\n", stderr);
        return 2;
    }
    if (argc == 2 && strcmp(argv[1], "--symbolic") == 0)
        return check_symbolic();
    if (argc == 2) {
        if (strlen(argv[1]) < sizeof line)
            strcpy(line, argv[1]);
    } else if (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
    }
    if (strlen(line) != password_size) {
        puts("wrong");
        return 1;
    }
    return answer((const unsigned char *)line);
}
