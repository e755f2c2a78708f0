/* The functions of one algorithm are called deprecated, for those that look an algorithm up by name. They stay. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>
