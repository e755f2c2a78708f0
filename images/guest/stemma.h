/*
 * stemma.h - the interface between a guest and the Stemma symbolic engine, version 1.0.
 *
 * Freestanding: needs no library and no other header, compiles as C99, C11 and C++ with gcc and clang, for x86-64,
 * in user programs, kernels and boot code.
 *
 * The ABI
 * -------
 * A hypercall is one instruction of eight bytes, a long NOP whose 32-bit displacement carries the number:
 *
 *     0F 1F 84 00 nn nn 4D 53        nopl 0x534Dnnnn(%rax,%rax,1)        ("SM" and the number, little-endian)
 *
 * A long NOP does not access memory and faults nowhere, at any privilege level: a real CPU, KVM and QEMU's TCG execute
 * it as nothing. Programs with hypercalls therefore run unharmed in every mode.
 *
 *     in    RAX = 0; arguments in RDI, RSI, RDX (unused ones undefined)
 *     out   RAX = result. Outside the engine RAX stays 0, so 0 means "no engine" or "no result".
 *     kept  every other register and the flags. Memory may change (a compiler barrier is part of the call).
 *
 *     number  name             RDI          RSI               RDX           RAX
 *     0       version          -            -                 -             0x00010000 (major << 16 | minor)
 *     1       make_symbolic    buffer       size in bytes     name          1
 *     2       assume           condition    -                 -             1
 *     3       print            text         -                 -             1
 *     4       end_path         status       text or NULL      -             does not return in the engine
 *     5       path_id          -            -                 -             the path's identifier, from 0 upwards
 *
 * Texts are NUL-terminated, at most 4096 bytes of them are read; a buffer has at most 1 MiB. Pointers are virtual
 * addresses of the caller. A page that is missing faults as a load or store by the instruction would, and the instruction
 * is repeated once the guest's kernel has brought the page in; the functions below touch what they pass beforehand, so
 * that this is seldom needed. A number that the engine does not know leaves RAX at 0. Numbers 6 to 0xFFFF are reserved.
 */
#ifndef STEMMA_H
#define STEMMA_H

#if !defined(__x86_64__)
#error "stemma.h: only x86-64 guests are supported"
#endif

#ifdef __cplusplus
#define STEMMA_INLINE_ static inline
#else
#define STEMMA_INLINE_ static __inline__
#endif
#define STEMMA_UNUSED_ __attribute__((__unused__))

#define STEMMA_HYPERCALL_MAGIC 0x534D0000u
#define STEMMA_HYPERCALL_VERSION 0
#define STEMMA_HYPERCALL_MAKE_SYMBOLIC 1
#define STEMMA_HYPERCALL_ASSUME 2
#define STEMMA_HYPERCALL_PRINT 3
#define STEMMA_HYPERCALL_END_PATH 4
#define STEMMA_HYPERCALL_PATH_ID 5

/* What stemma_version() returns in an engine that speaks this version. */
#define STEMMA_VERSION_1_0 0x00010000ul

/* One hypercall. `number` must be a constant expression, hence a macro. The displacement goes out as raw bytes, so that
   no assembler may choose a shorter encoding. */
#define STEMMA_HYPERCALL_(result, number, argument0, argument1, argument2)                                          \
    __asm__ __volatile__(".byte 0x0f, 0x1f, 0x84, 0x00\n\t.long %c4"                                                \
                         : "=a"(result)                                                                             \
                         : "D"(argument0), "S"(argument1), "d"(argument2), "i"(STEMMA_HYPERCALL_MAGIC | (number)),  \
                           "0"(0ul)                                                                                 \
                         : "memory")

/* Reads every page of a text, so that the engine finds it present. */
STEMMA_INLINE_ STEMMA_UNUSED_ void stemma_touch_text_(const char *text)
{
    const volatile char *byte = text;
    unsigned long left = 4096;
    if (byte == 0)
        return;
    while (left-- != 0 && *byte != 0)
        byte++;
}

/* Writes every page of a buffer back to itself, so that the engine finds it present, writable and not shared. */
STEMMA_INLINE_ STEMMA_UNUSED_ void stemma_touch_buffer_(void *buffer, unsigned long size)
{
    volatile unsigned char *byte = (volatile unsigned char *)buffer;
    unsigned long offset = 0;
    while (offset < size) {
        byte[offset] = byte[offset];
        offset += 4096 - (((unsigned long)buffer + offset) & 4095);
    }
}

/* The engine's version (STEMMA_VERSION_1_0), or 0 on a CPU or hypervisor that is not the engine. */
STEMMA_INLINE_ STEMMA_UNUSED_ unsigned long stemma_version(void)
{
    unsigned long result;
    STEMMA_HYPERCALL_(result, STEMMA_HYPERCALL_VERSION, 0ul, 0ul, 0ul);
    return result;
}

/* Replaces `size` bytes at `buffer` by unconstrained symbolic values. Test cases list them under `name`; a name that is
   used again on the same path is told apart by the order of the calls. */
STEMMA_INLINE_ STEMMA_UNUSED_ void stemma_make_symbolic(void *buffer, unsigned long size, const char *name)
{
    unsigned long result;
    stemma_touch_buffer_(buffer, size);
    stemma_touch_text_(name);
    STEMMA_HYPERCALL_(result, STEMMA_HYPERCALL_MAKE_SYMBOLIC, buffer, size, name);
    (void)result;
}

/* Keeps only those inputs for which `condition` is not 0; the path ends when there are none. */
STEMMA_INLINE_ STEMMA_UNUSED_ void stemma_assume(unsigned long condition)
{
    unsigned long result;
    STEMMA_HYPERCALL_(result, STEMMA_HYPERCALL_ASSUME, condition, 0ul, 0ul);
    (void)result;
}

/* Writes a line to the engine's log, marked with the path. */
STEMMA_INLINE_ STEMMA_UNUSED_ void stemma_print(const char *text)
{
    unsigned long result;
    stemma_touch_text_(text);
    STEMMA_HYPERCALL_(result, STEMMA_HYPERCALL_PRINT, text, 0ul, 0ul);
    (void)result;
}

/* Ends this path with a status and a message (may be NULL). Returns outside the engine only. */
STEMMA_INLINE_ STEMMA_UNUSED_ void stemma_end_path(long status, const char *message)
{
    unsigned long result;
    stemma_touch_text_(message);
    STEMMA_HYPERCALL_(result, STEMMA_HYPERCALL_END_PATH, status, message, 0ul);
    (void)result;
}

/* The identifier of the path that executes this; 0 outside the engine. */
STEMMA_INLINE_ STEMMA_UNUSED_ unsigned long stemma_path_id(void)
{
    unsigned long result;
    STEMMA_HYPERCALL_(result, STEMMA_HYPERCALL_PATH_ID, 0ul, 0ul, 0ul);
    return result;
}

#if defined(__linux__) && !defined(__KERNEL__)
/* A Linux system call without a C library. */
STEMMA_INLINE_ STEMMA_UNUSED_ long stemma_system_call_(long number, long argument0, long argument1, long argument2)
{
    long result;
    __asm__ __volatile__("syscall"
                         : "=a"(result)
                         : "0"(number), "D"(argument0), "S"(argument1), "d"(argument2)
                         : "rcx", "r11", "memory");
    return result;
}
#endif

/*
 * Waits until the guest runs in the engine. A snapshot that is taken while this waits continues right behind the call.
 *
 * The wait is a loop in user mode without system calls, because an engine that delivers no interrupts would never leave
 * a sleep. In a Linux program it first
 *   - locks the program's memory, so that all of its pages are present and what follows the wait faults on none of them,
 *   - gives itself the lowest scheduling class, so that the loop takes time from nobody,
 *   - writes `text` (may be NULL) to standard output, which tells whoever watches the console that the snapshot can be
 *     taken.
 * Elsewhere (kernels, boot code) the caller announces the moment itself and `text` is not used.
 */
STEMMA_INLINE_ STEMMA_UNUSED_ void stemma_wait_for_engine(const char *text)
{
#if defined(__linux__) && !defined(__KERNEL__)
    const int priority = 0;
    unsigned long length = 0;
    stemma_system_call_(151 /* mlockall */, 1 /* MCL_CURRENT */, 0, 0);
    stemma_system_call_(144 /* sched_setscheduler */, 0, 5 /* SCHED_IDLE */, (long)&priority);
    if (text != 0) {
        while (text[length] != 0)
            length++;
        while (length != 0) {
            long written = stemma_system_call_(1 /* write */, 1, (long)text, (long)length);
            if (written <= 0)
                break;
            text += written;
            length -= (unsigned long)written;
        }
    }
#else
    (void)text;
#endif
    while (stemma_version() == 0)
        __asm__ __volatile__("pause");
}

#endif
