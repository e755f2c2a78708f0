/* Libraries of the system that are loaded when they are first used. What starts with every command is what a user waits for
   with every command: libvirt, libnbd, libxml2 and Z3 bring some fifty more libraries along, and cost longer than a clone. */
#ifndef STEMMA_LIBRARY_H
#define STEMMA_LIBRARY_H

#include <dlfcn.h>
#include <stddef.h>

#define STEMMA_FIELD(function) __typeof__(&function) _Nonnull function;
#define STEMMA_NAME(function) #function,

/* Defines `struct table` with a pointer to each function of FUNCTIONS(F), which lists them as F(name), under the function's own
   name and type, and `table_load`, which fills one from the library of a file name. That answers NULL when there is no such
   library or it lacks a function; dlerror() has the words. The library is never unloaded. To be called once. */
#define STEMMA_LIBRARY(table, FUNCTIONS)                                                                                       \
    struct table {                                                                                                             \
        FUNCTIONS(STEMMA_FIELD)                                                                                                \
    };                                                                                                                         \
    static inline const struct table *_Nullable table##_load(const char *_Nonnull file) {                                      \
        static const char *const names[] = {FUNCTIONS(STEMMA_NAME)};                                                           \
        static void *addresses[sizeof(names) / sizeof(names[0])];                                                              \
        _Static_assert(sizeof(struct table) == sizeof(addresses), "one pointer for each name");                                \
        void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);                                                   \
        if (!library) return NULL;                                                                                             \
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)                                                          \
            if (!(addresses[i] = dlsym(library, names[i]))) return NULL;                                                       \
        return (const struct table *)addresses;                                                                                \
    }

#endif
