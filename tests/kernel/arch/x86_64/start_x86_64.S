/* SPDX-License-Identifier: MIT */
/*
 * x86_64: a 64-bit ELF with a PVH note.  QEMU (pc, q35 and microvm) enters at
 * pvh_start in 32-bit protected mode without paging, start_info in ebx; this
 * maps the first 2 TiB to themselves (4 GiB without 1 GiB pages), enters long
 * mode, and holds the 256 interrupt stubs.
 */
#define PRESENT_RW  0x03
#define LARGE_PAGE  0x83
#define ENTRIES     2048 /* four tables' worth, for either size of page */

    .section .note.Xen, "a", @note
    .balign 4
    .long   4, 4, 18 /* name and descriptor size, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz  "Xen"
    .long   pvh_start

    .section .text.start, "ax"
    .code32
    .globl pvh_start
pvh_start:
    cli
    cld
    mov     %ebx, %ebp
    mov     $__bss_start, %edi
    mov     $__bss_end, %ecx
    sub     %edi, %ecx
    shr     $2, %ecx
    xor     %eax, %eax
    rep stosl
    mov     $stack_top, %esp

    /* pml4[0..3] -> pdpt, four pages in a row */
    mov     $pdpt + PRESENT_RW, %eax
    mov     $pml4, %edi
    call    link_four
    mov     $0x80000000, %eax
    cpuid
    cmp     $0x80000001, %eax
    jb      2f
    mov     $0x80000001, %eax
    cpuid
    test    $1 << 26, %edx
    jz      2f

    /* 1 GiB pages: entry i maps i << 30 */
    xor     %ecx, %ecx
1:  mov     %ecx, %eax
    shl     $30, %eax
    or      $LARGE_PAGE, %eax
    mov     %eax, pdpt(, %ecx, 8)
    mov     %ecx, %eax
    shr     $2, %eax
    mov     %eax, pdpt + 4(, %ecx, 8)
    inc     %ecx
    cmp     $ENTRIES, %ecx
    jb      1b
    movl    $1, x86_64_huge_pages
    jmp     4f

    /* 2 MiB pages: pdpt[0..3] -> pd, entry i maps i << 21 */
2:  mov     $pd + PRESENT_RW, %eax
    mov     $pdpt, %edi
    call    link_four
    xor     %ecx, %ecx
3:  mov     %ecx, %eax
    shl     $21, %eax
    or      $LARGE_PAGE, %eax
    mov     %eax, pd(, %ecx, 8)
    inc     %ecx
    cmp     $ENTRIES, %ecx
    jb      3b

4:  xor     %esi, %esi
long_mode:
    mov     $pml4, %eax
    mov     %eax, %cr3
    mov     %cr4, %eax
    or      $0x20, %eax /* PAE */
    mov     %eax, %cr4
    mov     $0xc0000080, %ecx /* EFER: long mode */
    rdmsr
    or      $0x100, %eax
    wrmsr
    mov     %cr0, %eax
    or      $0x80010001, %eax /* paging, write protect, protected mode */
    mov     %eax, %cr0
    lgdt    gdt_ptr
    ljmp    $8, $start64

link_four:
    mov     $4, %ecx
1:  mov     %eax, (%edi)
    add     $4096, %eax
    add     $8, %edi
    loop    1b
    ret

/* The second CPU, from cpu2_x86.S. */
    .globl x86_cpu2_32
x86_cpu2_32:
    mov     $16, %eax
    mov     %eax, %ds
    mov     $1, %esi
    jmp     long_mode

    .code64
start64:
    mov     $16, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    xor     %eax, %eax
    mov     %eax, %fs
    mov     %eax, %gs
    test    %esi, %esi
    jnz     2f
    mov     %ebp, %edi
    call    x86_main
1:  hlt
    jmp     1b
2:  mov     $stack2_top, %rsp
    call    cpu2_main
3:  cli
    hlt
    jmp     3b

/*
 * 16 bytes a stub: vector n is entered at x86_64_stubs + 16 * n.  Those without
 * an error code push a 0, so that all frames look alike.
 */
    .text
    .balign 16
    .globl x86_64_stubs
x86_64_stubs:
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
    push    %rax
    push    %rbx
    push    %rcx
    push    %rdx
    push    %rsi
    push    %rdi
    push    %rbp
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    cld
    mov     %rsp, %rdi
    call    x86_64_trap
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rbp
    pop     %rdi
    pop     %rsi
    pop     %rdx
    pop     %rcx
    pop     %rbx
    pop     %rax
    add     $16, %rsp
    iretq

    .section .rodata
    .balign 8
gdt:
    .quad   0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_ptr:
    .word   . - gdt - 1
    .long   gdt, 0

    .bss
    .balign 4096
pml4:
    .skip   4096
pdpt:
    .skip   8 * ENTRIES
pd: .skip   8 * ENTRIES
    .skip   65536
stack_top:
    .skip   65536
stack2_top:
    .globl x86_64_huge_pages
x86_64_huge_pages:
    .skip   4

    .section .note.GNU-stack, "", @progbits
