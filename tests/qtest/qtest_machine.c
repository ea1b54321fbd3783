/* SPDX-License-Identifier: MIT */
/*
 * Starts QEMU, speaks qtest and QMP with it, and finds the device on its bus.
 */
#include "qtest_machine.h"
#include "qtest_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 64u
#define X86      "-cpu qemu64 -bios %s "
#define ARM                                                                    \
    "-cpu cortex-a57 -device "                                                 \
    "loader,file=%s,addr=0x43000000,force-raw=on,cpu-num=0 "

struct qtest_board {
    const char *name;
    const char *qemu;
    const char *machine;
    const char *cpu; /* with a place for the program's file */
    const char *suffix;
    uint64_t ram;
    uint64_t ecam; /* 0: ports */
    uint64_t io;   /* I/O space is memory here; 0: it is ports */
    struct vdrv_pci_windows windows;
    struct vdrv_mmio_window slots; /* 0 of them: PCI */
};

static const struct qtest_board boards[QTEST_BOARDS] = {
    {.name = "pc",
     .qemu = "qemu-system-x86_64",
     .machine = "pc",
     .cpu = X86,
     .suffix = "pci",
     .windows = {.mem32 = {0xe0000000, 0x10000000, 0},
                 .io = {0xc000, 0x1000, 0}}},
    {.name = "microvm",
     .qemu = "qemu-system-x86_64",
     .machine = "microvm,x-option-roms=off",
     .cpu = X86,
     .suffix = "device",
     .slots = {0xfeb00000, 0x200, 24}},
    {.name = "virt-pci",
     .qemu = "qemu-system-aarch64",
     .machine = "virt",
     .cpu = ARM,
     .suffix = "pci",
     .ram = 0x40000000,
     .ecam = 0x4010000000,
     .io = 0x3eff0000,
     .windows = {.mem32 = {0x10000000, 0x2eff0000, 0},
                 .io = {0x1000, 0xf000, 0}}},
    {.name = "virt-mmio",
     .qemu = "qemu-system-aarch64",
     .machine = "virt",
     .cpu = ARM,
     .suffix = "device",
     .ram = 0x40000000,
     .slots = {0x0a000000, 0x200, 32}},
};

const char *qtest_board_name(uint32_t board)
{
    return boards[board].name;
}

int qtest_board_pci(uint32_t board)
{
    return boards[board].slots.count == 0;
}

/* ---- Files -------------------------------------------------------------- */

int qtest_file(size_t size)
{
    int fd = memfd_create("qtest", 0);

    if (fd < 0 || ftruncate(fd, (off_t)size) != 0) {
        perror("qtest: memfd");
        abort();
    }
    return fd;
}

const char *qtest_file_name(int fd)
{
    static char name[32];

    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    return name;
}

static void put(int fd, const void *data, size_t len, off_t at)
{
    if (pwrite(fd, data, len, at) != (ssize_t)len) {
        perror("qtest: pwrite");
        abort();
    }
}

/* A program that puts the CPU to sleep: at the reset vector, or a loop. */
static int sleeper(const struct qtest_board *b)
{
    static const uint8_t x86[] = {0xfa, 0xf4, 0xeb, 0xfd}; /* cli; hlt; jmp */
    static const uint8_t arm[] = {0x7f, 0x20, 0x03, 0xd5,  /* wfi */
                                  0xff, 0xff, 0xff, 0x17}; /* b .-4 */
    int fd;

    if (b->ram != 0) {
        fd = qtest_file(sizeof(arm));
        put(fd, arm, sizeof(arm), 0);
    } else {
        fd = qtest_file(0x10000);
        put(fd, x86, sizeof(x86), 0xfff0);
    }
    return fd;
}

/* ---- Lines -------------------------------------------------------------- */

static void say(struct qtest_machine *m, int fd, const char *text)
{
    size_t len = strlen(text);

    while (len > 0 && !m->dead) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

        if (n > 0) {
            text += n;
            len -= (size_t)n;
        } else if (errno != EINTR) {
            m->dead = 1;
        }
    }
}

/* The next line of a socket, without its end; longer ones are cut. */
static int hear(struct qtest_machine *m, int fd, char *out, size_t size)
{
    size_t n = 0;
    char c = 0;

    while (!m->dead && c != '\n') {
        ssize_t r = recv(fd, &c, 1, 0);

        if (r == 0 || (r < 0 && errno != EINTR))
            m->dead = 1;
        else if (r == 1 && c != '\n' && c != '\r' && n + 1 < size)
            out[n++] = c;
    }
    out[n] = '\0';
    return !m->dead;
}

/* Takes the first line out of what was read; NULL: it is not complete. */
static const char *first_line(struct qtest_machine *m)
{
    static char line[256];
    const char *end = memchr(m->text, '\n', m->have);
    size_t n;

    if (end == NULL)
        return NULL;
    n = (size_t)(end - m->text);
    snprintf(line, sizeof(line), "%.*s", (int)n, m->text);
    m->have -= n + 1;
    memmove(m->text, end + 1, m->have);
    return line;
}

/* Notes a message that QEMU sends unasked; false: it is an answer. */
static int is_irq(struct qtest_machine *m, const char *line)
{
    if (strncmp(line, "IRQ ", 4) != 0)
        return 0;
    if (strncmp(line + 4, "raise ", 6) == 0)
        m->raised++;
    return 1;
}

/* The next answer; one is mostly one read. */
static const char *answer(struct qtest_machine *m)
{
    for (;;) {
        const char *line = first_line(m);
        ssize_t r;

        if (line != NULL && !is_irq(m, line))
            return line;
        if (line != NULL)
            continue;
        r = recv(m->qtest, m->text + m->have, sizeof(m->text) - m->have, 0);
        if (r == 0 || (r < 0 && errno != EINTR)) {
            m->dead = 1;
            return "";
        }
        m->have += r > 0 ? (size_t)r : 0;
    }
}

/* Sends a command of qtest's; the number it answers, all ones for none. */
static uint64_t ask(struct qtest_machine *m, const char *fmt, ...)
{
    char text[96];
    const char *got;
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    say(m, m->qtest, text);
    if (m->dead)
        return UINT64_MAX;
    got = answer(m);
    if (strncmp(got, "OK", 2) != 0) {
        printf("  qtest: %s answered by %s\n", text, got);
        m->dead = 1;
        return UINT64_MAX;
    }
    return strtoull(got + 2, NULL, 0);
}

/* ---- Registers ---------------------------------------------------------- */

static int within(const struct qtest_range *r, uint32_t space, uintptr_t addr)
{
    return space == r->space && addr >= r->addr && addr - r->addr < r->size;
}

static void count(struct qtest_machine *m, uint32_t space, uintptr_t addr)
{
    if (within(&m->pci_range, space, addr))
        m->counts.pci_space++;
    else if (within(&m->notify_range, space, addr))
        m->counts.notify++;
    else if (within(&m->config_range, space, addr))
        m->counts.config++;
    else
        m->counts.transport++;
}

static char letter(uint32_t width)
{
    return width == 1 ? 'b' : width == 2 ? 'w' : 'l';
}

static uint32_t reg_read(void *ctx, uint32_t space, uintptr_t addr,
                         uint32_t width)
{
    struct qtest_machine *m = ctx;
    const uint32_t mask = width == 4 ? UINT32_MAX : (1u << 8 * width) - 1;
    uint32_t value = mask;

    pthread_mutex_lock(&m->wire);
    count(m, space, addr);
    if (!m->all_ones || space != VDRV_SPACE_MEMORY)
        value = (uint32_t)ask(m, "%s%c %#llx\n",
                              space == VDRV_SPACE_PORT ? "in" : "read",
                              letter(width), (unsigned long long)addr);
    pthread_mutex_unlock(&m->wire);
    return value & mask;
}

static void reg_write(void *ctx, uint32_t space, uintptr_t addr, uint32_t width,
                      uint32_t value)
{
    struct qtest_machine *m = ctx;

    pthread_mutex_lock(&m->wire);
    count(m, space, addr);
    (void)ask(m, "%s%c %#llx %#x\n", space == VDRV_SPACE_PORT ? "out" : "write",
              letter(width), (unsigned long long)addr, value);
    pthread_mutex_unlock(&m->wire);
}

int qtest_intercept(struct qtest_machine *m, const char *path)
{
    m->raised = 0;
    return !m->dead && ask(m, "irq_intercept_in %s\n", path) != UINT64_MAX;
}

uint32_t qtest_raised(struct qtest_machine *m)
{
    (void)ask(m, "endianness\n");
    return m->raised;
}

/* ---- The monitor -------------------------------------------------------- */

#define QMP_MAX 65536u

const char *qtest_qmp(struct qtest_machine *m, const char *fmt, ...)
{
    static char text[QMP_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text) - 1, fmt, args);
    va_end(args);
    strcat(text, "\n");
    say(m, m->qmp, text);
    while (hear(m, m->qmp, text, sizeof(text))) {
        if (strstr(text, "\"DEVICE_DELETED\"") != NULL)
            m->deleted++;
        else if (strncmp(text, "{\"return\"", 9) == 0)
            return text;
        else if (strncmp(text, "{\"error\"", 8) == 0)
            break;
    }
    printf("  QMP: %s\n", text);
    return NULL;
}

long long qtest_number(const char *answer_text, const char *name)
{
    char key[64];
    const char *at;

    snprintf(key, sizeof(key), "\"%s\": ", name);
    at = answer_text != NULL ? strstr(answer_text, key) : NULL;
    return at != NULL ? strtoll(at + strlen(key), NULL, 10) : -1;
}

/* ---- The process -------------------------------------------------------- */

/* How a device is told to be modern, both, or legacy. */
static const char *const pci_modes[] = {
    ",disable-legacy=on", ",disable-legacy=off",
    ",disable-legacy=off,disable-modern=on"};
static const char *const mmio_modes[] = {"false", "false", "true"};

struct command {
    char text[4096];
    char *argv[ARGS_MAX];
};

/* QEMU's command line, which has no blanks inside an argument. */
static void command_line(struct command *c, const struct qtest_setup *s,
                         const struct qtest_board *b, int ram, int program,
                         int qtest, int qmp)
{
    size_t n;
    uint32_t i = 0;

    n = (size_t)snprintf(
        c->text, sizeof(c->text),
        "%s -M %s,memory-backend=ram -m 64M -accel tcg -nodefaults "
        "-display none -object memory-backend-file,id=ram,size=64M,share=on,"
        "mem-path=/proc/self/fd/%d -chardev socket,id=qtest,fd=%d "
        "-qtest chardev:qtest -qtest-log none -chardev socket,id=qmp,fd=%d "
        "-mon chardev=qmp,mode=control ",
        b->qemu, b->machine, ram, qtest, qmp);
    n += (size_t)snprintf(c->text + n, sizeof(c->text) - n, b->cpu,
                          qtest_file_name(program));
    n += (size_t)snprintf(c->text + n, sizeof(c->text) - n, "%s ",
                          s->more != NULL ? s->more : "");
    if (s->bridge != NULL)
        n += (size_t)snprintf(c->text + n, sizeof(c->text) - n,
                              "-device %s,id=bridge ", s->bridge);
    snprintf(c->text + n, sizeof(c->text) - n,
             "-global virtio-mmio.force-legacy=%s "
             "-device %s-%s%s,id=dev%s%s%s%s",
             mmio_modes[s->mode], s->device, b->suffix,
             b->slots.count == 0 ? pci_modes[s->mode] : "",
             s->bridge != NULL ? ",bus=bridge" : "",
             s->packed ? ",packed=on" : "", s->props != NULL ? "," : "",
             s->props != NULL ? s->props : "");
    for (char *p = strtok(c->text, " "); p != NULL && i + 1 < ARGS_MAX;
         p = strtok(NULL, " "))
        c->argv[i++] = p;
    c->argv[i] = NULL;
}

static int on_path(const char *program)
{
    char dirs[4096], path[4352];
    const char *from = getenv("PATH");

    snprintf(dirs, sizeof(dirs), "%s", from != NULL ? from : "");
    for (char *d = strtok(dirs, ":"); d != NULL; d = strtok(NULL, ":")) {
        snprintf(path, sizeof(path), "%s/%s", d, program);
        if (access(path, X_OK) == 0)
            return 1;
    }
    return 0;
}

/* A pair of sockets, of which only the second survives an exec. */
static void pair(int fd[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0) {
        perror("qtest: socketpair");
        abort();
    }
    fcntl(fd[0], F_SETFD, FD_CLOEXEC);
}

static pid_t spawn(char *const argv[], int errors)
{
    const pid_t us = getpid();
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != us)
        _exit(127);
    dup2(errors, STDERR_FILENO);
    execvp(argv[0], argv);
    _exit(127);
}

/* Both ends greet; a QEMU that did not come up hangs up instead. */
static int greet(struct qtest_machine *m)
{
    char line[1024];

    return hear(m, m->qmp, line, sizeof(line)) &&
                   qtest_qmp(m, "{\"execute\": \"qmp_capabilities\"}") != NULL
               ? QTEST_OK
               : QTEST_BROKEN;
}

int qtest_start(struct qtest_machine *m, const struct qtest_setup *setup)
{
    const struct qtest_board *b = &boards[setup->board];
    struct command c;
    int qtest[2], qmp[2], ram, program;

    memset(m, 0, sizeof(*m));
    pthread_mutex_init(&m->wire, NULL);
    m->board = b;
    m->mode = setup->mode;
    m->bridge = setup->bridge != NULL;
    m->window = setup->window;
    m->qtest = m->qmp = m->errors = -1;
    if (!on_path(b->qemu))
        return QTEST_NO_QEMU;
    ram = qtest_file(QTEST_RAM);
    program = sleeper(b);
    pair(qtest);
    pair(qmp);
    command_line(&c, setup, b, ram, program, qtest[1], qmp[1]);
    m->errors = qtest_file(0);
    m->pid = spawn(c.argv, m->errors);
    m->qtest = qtest[0];
    m->qmp = qmp[0];
    m->hal.ctx = m;
    m->hal.reg_read = reg_read;
    m->hal.reg_write = reg_write;
    qtest_memory_init(m, ram, b->ram);
    close(qtest[1]);
    close(qmp[1]);
    close(ram);
    close(program);
    return greet(m);
}

/* What QEMU complained of matters when it died of it. */
static void tell_errors(struct qtest_machine *m)
{
    char text[2000];
    ssize_t n = m->dead ? pread(m->errors, text, sizeof(text) - 1, 0) : 0;

    text[n > 0 ? n : 0] = '\0';
    fputs(text, stdout);
    close(m->errors);
}

void qtest_end(struct qtest_machine *m)
{
    if (m->pid > 0) {
        kill(m->pid, SIGKILL);
        waitpid(m->pid, NULL, 0);
    }
    m->pid = 0;
    if (m->qtest >= 0)
        close(m->qtest);
    if (m->qmp >= 0)
        close(m->qmp);
    if (m->errors >= 0)
        tell_errors(m);
    m->qtest = m->qmp = m->errors = -1;
    pthread_mutex_destroy(&m->wire);
    qtest_memory_fini(m);
}

/* ---- Finding the device ------------------------------------------------- */

static struct qtest_range region(const struct vdrv_pci_region *r)
{
    return (struct qtest_range){r->addr, r->space, r->size};
}

static void *map_refused(void *ctx, uint32_t fn, uint32_t bar, uint64_t phys,
                         uint64_t len)
{
    (void)ctx;
    (void)fn;
    (void)bar;
    (void)phys;
    (void)len;
    return NULL;
}

/* Configuration space as the board has it. */
static int open_pci(struct qtest_machine *m)
{
    int err;

    if (m->board->ecam != 0) {
        m->pci_range = (struct qtest_range){(uintptr_t)m->board->ecam,
                                            VDRV_SPACE_MEMORY, 1u << 28};
        err = vdrv_pci_ecam_init(&m->ecam, &m->hal, m->board->ecam, 0, 255,
                                 &m->pci_ops);
    } else {
        m->pci_range = (struct qtest_range){0xcf8, VDRV_SPACE_PORT, 8};
        err = vdrv_pci_ports_init(&m->hal, &m->pci_ops);
    }
    m->pci_ops.io_phys = m->board->io;
    if (m->window)
        m->pci_ops.map_bar = map_refused;
    return err;
}

static struct vdrv_transport *find_pci(struct qtest_machine *m, uint32_t type)
{
    const struct vdrv_pci_options options = {
        .legacy = m->mode == QTEST_MODERN ? NULL : &vdrv_pci_legacy,
        .access = m->window ? &vdrv_pci_config_access : NULL,
    };
    struct vdrv_pci_windows windows = m->board->windows;
    struct vdrv_pci_walk walk;
    int err = open_pci(m);

    if (err == VDRV_OK && m->bridge)
        err = vdrv_pci_bridges(&m->pci_ops, 0, 255, &windows);
    if (err == VDRV_OK)
        err = vdrv_pci_walk_init(&walk, &m->pci_ops, 0, m->bridge ? 255 : 0);
    if (err == VDRV_OK)
        err = vdrv_pci_find_any(&m->at.pci, &m->hal, &walk, &windows, type,
                                &options);
    if (err != VDRV_OK)
        return NULL;
    m->notify_range = region(&m->at.pci.notify);
    m->config_range = region(&m->at.pci.config);
    return &m->at.pci.transport;
}

struct vdrv_transport *qtest_find(struct qtest_machine *m, uint32_t type)
{
    struct vdrv_mmio *mmio = &m->at.mmio;
    uint32_t slot = 0;

    if (m->board->slots.count == 0)
        return find_pci(m, type);
    if (vdrv_mmio_scan_any(mmio, &m->hal, &m->board->slots, type,
                           m->mode == QTEST_LEGACY ? &vdrv_mmio_legacy : NULL,
                           &slot) != VDRV_OK)
        return NULL;
    m->notify_range = (struct qtest_range){(uintptr_t)mmio->phys + 0x50,
                                           VDRV_SPACE_MEMORY, 4};
    m->config_range = (struct qtest_range){(uintptr_t)mmio->phys + 0x100,
                                           VDRV_SPACE_MEMORY, 0x100};
    return &mmio->transport;
}

/* ---- Faults ------------------------------------------------------------- */

static void notify(struct qtest_machine *m, const struct vdrv_queue *q)
{
    const struct vdrv_notify *n = &q->notify;

    __sync_synchronize();
    reg_write(m, n->space, n->addr, n->width, n->value);
}

/*
 * After `good` entries that the driver has not yet told of, one that names no
 * descriptor.  (An index that runs too far ahead would do too, but QEMU first
 * repeats what old entries say, writes among them.)
 */
static void spoil_split(struct qtest_machine *m, struct vdrv_queue *q,
                        uint32_t good)
{
    volatile uint16_t *avail = q->driver;
    const uint16_t at = (uint16_t)(avail[1] + good);

    avail[2 + (at & q->mask)] = 0xffff;
    __sync_synchronize();
    avail[1] = (uint16_t)(at + 1u);
    notify(m, q);
}

static off_t complaints(const struct qtest_machine *m)
{
    struct stat st;

    return fstat(m->errors, &st) == 0 ? st.st_size : 0;
}

/*
 * A descriptor without a length, in front.  QEMU 7.2 then looks at it forever,
 * and answers nobody, until it is taken away.
 */
static void spoil_packed(struct qtest_machine *m, struct vdrv_queue *q)
{
    static const uint8_t bad[16] = {[14] = 0x80}; /* available */
    const uint64_t until = qtest_now() + 5000000;
    const off_t before = complaints(m);

    memcpy(q->desc, bad, sizeof(bad));
    notify(m, q);
    for (uint32_t i = 0; complaints(m) == before && qtest_now() < until; i++)
        qtest_pause(i);
    ((volatile uint8_t *)q->desc)[14] = 0;
}

void qtest_spoil(struct qtest_machine *m, struct vdrv_queue *q, uint32_t good)
{
    if (q->kind == &vdrv_queue_split)
        spoil_split(m, q, good);
    else
        spoil_packed(m, q);
}

int qtest_ask_reset(struct vdrv_transport *t)
{
    const uint64_t until = qtest_now() + 5000000;

    for (uint32_t i = 0; qtest_now() < until; i++) {
        if (vdrv_transport_health(t) == VDRV_ERR_BAD_STATE)
            return 1;
        qtest_pause(i);
    }
    return 0;
}
