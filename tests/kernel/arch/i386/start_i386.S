/* SPDX-License-Identifier: MIT */
/*
 * i386: a 32-bit ELF with a PVH note.  QEMU (pc, q35 and microvm) enters at
 * pvh_start in protected mode without paging, start_info in ebx, and so it
 * stays; only the descriptors are our own.  Holds the 256 interrupt stubs.
 */
    .section .note.Xen, "a", @note
    .balign 4
    .long   4, 4, 18 /* name and descriptor size, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz  "Xen"
    .long   pvh_start

    .section .text.start, "ax"
    .globl pvh_start
pvh_start:
    cli
    cld
    mov     $__bss_start, %edi
    mov     $__bss_end, %ecx
    sub     %edi, %ecx
    shr     $2, %ecx
    xor     %eax, %eax
    rep stosl
    mov     $stack_top, %esp
    lgdt    gdt_ptr
    ljmp    $8, $1f
1:  mov     $16, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    mov     %eax, %fs
    mov     %eax, %gs
    sub     $12, %esp /* the argument stands on a multiple of 16 */
    push    %ebx
    call    x86_main
2:  hlt
    jmp     2b

/* The second CPU, from cpu2_x86.S. */
    .globl x86_cpu2_32
x86_cpu2_32:
    lgdt    gdt_ptr
    mov     $16, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    mov     %eax, %fs
    mov     %eax, %gs
    mov     $stack2_top, %esp
    call    cpu2_main
1:  cli
    hlt
    jmp     1b

/*
 * 16 bytes a stub: vector n is entered at i386_stubs + 16 * n.  Those without
 * an error code push a 0, so that all frames look alike.
 */
    .text
    .balign 16
    .globl i386_stubs
i386_stubs:
    .set    vec, 0
    .rept   256
    .balign 16
    .if     !(vec == 8 || (vec >= 10 && vec <= 14) || vec == 17 || vec == 21 \
              || vec == 29 || vec == 30)
    push    $0
    .endif
    push    $vec
    jmp     trap_common
    .set    vec, vec + 1
    .endr

trap_common:
    pusha
    cld
    mov     %esp, %eax
    mov     %esp, %ebp /* a callee keeps it */
    and     $~15, %esp
    sub     $12, %esp
    push    %eax
    call    i386_trap
    mov     %ebp, %esp
    popa
    add     $8, %esp
    iret

    .section .rodata
    .balign 8
gdt:
    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_ptr:
    .word   . - gdt - 1
    .long   gdt

    .bss
    .balign 16
    .skip   65536
stack_top:
    .skip   65536
stack2_top:

    .section .note.GNU-stack, "", @progbits
