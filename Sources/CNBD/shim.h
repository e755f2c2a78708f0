#include <libnbd.h>
#include "../CLibraries/library.h"

/* The functions that Stemma uses. */
#define STEMMA_NBD_LIBRARY(F)    \
    F(nbd_add_meta_context)      \
    F(nbd_aio_command_completed) \
    F(nbd_aio_pread)             \
    F(nbd_block_status)          \
    F(nbd_close)                 \
    F(nbd_connect_socket)        \
    F(nbd_connect_uri)           \
    F(nbd_create)                \
    F(nbd_get_block_size)        \
    F(nbd_get_errno)             \
    F(nbd_get_error)             \
    F(nbd_get_size)              \
    F(nbd_get_version)           \
    F(nbd_poll)                  \
    F(nbd_set_pread_initialize)

STEMMA_LIBRARY(nbd_library, STEMMA_NBD_LIBRARY)
