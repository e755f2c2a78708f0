/*
 * stemma-guest - the hypercalls of stemma.h for scripts, and a clock to watch.
 *
 *     stemma-guest version                   prints the engine's version and exits 0; "none" and 1 outside the engine
 *     stemma-guest wait [TEXT]               prints TEXT, then waits until the guest runs in the engine
 *     stemma-guest print TEXT                writes TEXT to the engine's log
 *     stemma-guest end-path STATUS [TEXT]    ends the path; exits 0 outside the engine
 *     stemma-guest path-id                   prints the path's identifier, 0 outside the engine
 *     stemma-guest tick [SECONDS]            prints "tick 0", "tick 1", ... for ever, one in SECONDS (default 1)
 *
 * Exit status 2 means that it was called in another way.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stemma.h"

enum { usage_error = 2 };

static int usage(void)
{
    fputs("usage: stemma-guest version | wait [TEXT] | print TEXT | end-path STATUS [TEXT] | path-id | tick [SECONDS]\n",
          stderr);
    return usage_error;
}

/* Reads a whole number; 0 when `text` is none. */
static int parse_number(const char *text, long *number)
{
    char *end;
    errno = 0;
    *number = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == 0;
}

static int version(void)
{
    const unsigned long version = stemma_version();
    if (version == 0) {
        puts("none");
        return 1;
    }
    printf("%lu.%lu\n", version >> 16, version & 0xFFFF);
    return 0;
}

static int wait_for_engine(const char *text)
{
    static char line[4096];
    if (text != NULL)
        snprintf(line, sizeof line, "%s\n", text);
    stemma_wait_for_engine(text == NULL ? NULL : line);
    return 0;
}

static int tick(long seconds)
{
    unsigned long count;
    /* A closed console ends the clock. */
    for (count = 0; printf("tick %lu\n", count) > 0 && fflush(stdout) == 0; count++)
        sleep((unsigned)seconds);
    return 1;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    const char *first = argc > 2 ? argv[2] : NULL;
    const char *second = argc > 3 ? argv[3] : NULL;
    long number = 0;

    if (strcmp(verb, "version") == 0 && argc == 2)
        return version();
    if (strcmp(verb, "wait") == 0 && argc <= 3)
        return wait_for_engine(first);
    if (strcmp(verb, "print") == 0 && argc == 3) {
        stemma_print(first);
        return 0;
    }
    if (strcmp(verb, "end-path") == 0 && (argc == 3 || argc == 4) && parse_number(first, &number)) {
        stemma_end_path(number, second);
        return 0;
    }
    if (strcmp(verb, "path-id") == 0 && argc == 2) {
        printf("%lu\n", stemma_path_id());
        return 0;
    }
    if (strcmp(verb, "tick") == 0 && argc == 2)
        return tick(1);
    if (strcmp(verb, "tick") == 0 && argc == 3 && parse_number(first, &number) && number > 0 && number < 86400)
        return tick(number);
    return usage();
}
