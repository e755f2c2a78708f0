/* A program whose exploration does not end by itself: for the tests of Ctrl-C. */
#include "../../images/guest/stemma.h"

int main(void)
{
    volatile unsigned char byte = 0;
    unsigned long rounds;

    stemma_wait_for_engine("READY\n");
    stemma_make_symbolic((void *)&byte, sizeof byte, "byte");
    if (byte == 42)
        stemma_end_path(0, "forty-two");
    for (rounds = 1; rounds != 0; rounds++)
        ;
    return 0;
}
