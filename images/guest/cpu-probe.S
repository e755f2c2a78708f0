/*
 * cpu-probe - a guest that asks its CPU everything that CPUID and the feature MSRs tell, and prints it on COM1.
 *
 * A Multiboot 1 kernel with load addresses (Multiboot 0.6.96, section 3.1): 32-bit protected mode, no paging.
 *
 *     c LEAF SUBLEAF EAX EBX ECX EDX     an answer of CPUID, all in 8 hexadecimal digits
 *     m INDEX HIGH LOW                   an MSR that can be read
 *     end
 *
 * A leaf whose subleaf 1 answers like subleaf 0 has no subleaves; of others, subleaves 1 to 63 are printed unless they are
 * all zero. The assembled bytes are in Sources/Hypervisor/Probe/ProbeGuest.swift; a test compares them with this file:
 *
 *     gcc -m32 -nostdlib -static -Wl,-Ttext=0x100000,--oformat=binary,--build-id=none -o cpu-probe cpu-probe.S
 */
    .code32
    .text
    .global _start
start:
    .long 0x1badb002, 0x00010000, -(0x1badb002 + 0x00010000)
    .long start, start, 0, 0, _start

_start:
    cli
    cld
    mov $0x8000, %esp
    lgdt gdt_register
    ljmp $0x08, $1f
1:  mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    lidt idt_register

    xor %ebp, %ebp
    call range
    mov $1, %eax
    cpuid
    test %ecx, %ecx                     /* bit 31: a hypervisor is there */
    jns 2f
    mov $0x40000000, %ebp
    call range
    mov $0x40000100, %ebp
    call range
2:  mov $0x80000000, %ebp
    call range
    mov $0xc0000000, %ebp
    call range

    mov $msrs, %esi
3:  lodsl
    test %eax, %eax
    jz 5f
    mov %eax, %ecx
    clc
    rdmsr                               /* the handler skips it and sets the carry flag */
    jc 3b
    push %eax
    push %edx
    mov $'m', %al
    call put
    mov %ecx, %eax
    call word
    pop %eax
    call word
    pop %eax
    call word
    call line
    jmp 3b
5:  mov $'e', %al
    call put
    mov $'n', %al
    call put
    mov $'d', %al
    call put
    call line
6:  hlt
    jmp 6b

/* Leaves from EBP to the highest one that leaf EBP names. */
range:
    mov %ebp, %eax
    xor %ecx, %ecx
    cpuid
    mov %eax, %edi                      /* the highest leaf */
    sub %ebp, %eax
    cmp $0xff, %eax
    ja 9f
7:  xor %ecx, %ecx
    call ask
    call print
    mov $1, %ecx
    call ask
    push %esi
    push %edi
    mov $answer, %esi
    mov $first, %edi
    mov $4, %ecx
    repe cmpsl
    pop %edi
    pop %esi
    je 4f
    mov $1, %ecx
1:  call ask
    mov answer, %eax
    or answer + 4, %eax
    or answer + 8, %eax
    or answer + 12, %eax
    jz 2f
    call print
2:  mov subleaf, %ecx
    inc %ecx
    cmp $64, %ecx
    jb 1b
4:  inc %ebp
    cmp %edi, %ebp
    jbe 7b
9:  ret

/* Asks leaf EBP, subleaf ECX; subleaf 0 is kept in `first` as well. */
ask:
    mov %ecx, subleaf
    mov %ebp, %eax
    cpuid
    mov %eax, answer
    mov %ebx, answer + 4
    mov %ecx, answer + 8
    mov %edx, answer + 12
    cmpl $0, subleaf
    jne 1f
    mov %eax, first
    mov %ebx, first + 4
    mov %ecx, first + 8
    mov %edx, first + 12
1:  ret

print:
    mov $'c', %al
    call put
    mov %ebp, %eax
    call word
    mov subleaf, %eax
    call word
    mov answer, %eax
    call word
    mov answer + 4, %eax
    call word
    mov answer + 8, %eax
    call word
    mov answer + 12, %eax
    call word
line:
    mov $'\n', %al
    jmp put

/* A space and the 8 digits of EAX. */
word:
    mov %eax, %ebx
    mov $' ', %al
    call put
    mov $8, %ah
1:  rol $4, %ebx
    mov %bl, %al
    and $15, %al
    cmp $10, %al
    sbb $0x69, %al                      /* the old trick: 0-9 A-F */
    das
    call put
    dec %ah
    jnz 1b
    ret

put:
    mov $0x3f8, %edx
    out %al, %dx
    ret

/*
 * General protection: skip the two bytes of RDMSR and set the carry flag. Not by IRET, which hypervisors that interpret their
 * guests may lack.
 */
fault:
    add $4, %esp                        /* the error code */
    pop %eax
    add $8, %esp                        /* CS, EFLAGS */
    add $2, %eax
    stc
    jmp *%eax

    .balign 8
gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
idt:
    .fill 13, 8, 0
    .word fault - start, 0x08, 0x8e00, 0x10
gdt_register:
    .word 23
    .long gdt
idt_register:
    .word 14 * 8 - 1
    .long idt
    .balign 4
msrs:
    .long 0x8b, 0xce, 0xcf, 0xfe, 0x10a, 0x179, 0x1a0, 0x345
    .long 0x480, 0x481, 0x482, 0x483, 0x484, 0x485, 0x486, 0x487, 0x488, 0x489, 0x48a, 0x48b, 0x48c, 0x48d, 0x48e, 0x48f
    .long 0x490, 0x491, 0x492, 0x493, 0xc0011029, 0
subleaf:
    .long 0
first:
    .long 0, 0, 0, 0
answer:
    .long 0, 0, 0, 0
