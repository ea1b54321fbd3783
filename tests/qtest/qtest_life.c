/* SPDX-License-Identifier: MIT */
/*
 * What a driver's life costs and survives on QEMU's disks: register accesses
 * as QEMU's own trace counts them, a device that somebody left running, and a
 * machine that is stopped, or saved and loaded, in the middle of its work.
 *
 * The lines "exits.BUS.WHAT N" are read by the table of measurements.
 */
#include "check.h"
#include "qtest_machine.h"

#include <unistd.h>

#define JOBS     8u
#define JOB      8192u /* bytes */
#define BLOCKS   8192u
#define PATIENCE 20000000u /* us for what takes milliseconds */
#define VECTORS  2u
#define TRACES                                                                 \
    "-trace memory_region_ops_read -trace memory_region_ops_write "            \
    "-trace virtio_queue_notify -global virtio-mmio.ioeventfd=off"

struct life {
    struct qtest_machine m;
    uint32_t board;
    struct vdrv_transport *t;
    struct vdrv_msix msix;
    struct vdrv_msix_message msg[VECTORS];
    volatile uint32_t *door; /* where the messages go */
    struct vdrv_virtio_blk drv;
    struct vdrv_device *dev;
    void *work;
    struct vdrv_block_request req[JOBS];
    struct vdrv_seg seg[JOBS];
    uint8_t *data[JOBS];
    off_t traced; /* of QEMU's trace so far */
};

/* What QEMU's trace tells of the time since it was asked before. */
struct trace {
    uint64_t transport, config, pci_space, notify, isr, isr_ack;
};

/* ---- Up and down -------------------------------------------------------- */

/* A machine with a disk that takes `ns` for a request, and holds zeros. */
static bool machine(struct life *l, uint32_t board, uint32_t ns,
                    const char *more)
{
    char text[512];
    struct qtest_setup setup = {
        .board = board,
        .device = "virtio-blk",
        .props = qtest_board_pci(board) ? "drive=d0,ioeventfd=off" : "drive=d0",
        .more = text};
    int err;

    l->board = board;
    snprintf(text, sizeof(text),
             "-blockdev driver=null-co,node-name=d0,size=%u,latency-ns=%u,"
             "read-zeroes=on %s",
             BLOCKS * 512u, ns, more);
    err = qtest_start(&l->m, &setup);
    if (err == QTEST_NO_QEMU)
        check_skip_why = "no QEMU for this board";
    else
        CHECK_EQ(err, QTEST_OK);
    return err == QTEST_OK;
}

static int attach_vectors(struct life *l)
{
    l->door = qtest_alloc(&l->m, QTEST_PAGE);
    for (uint32_t i = 0; i < VECTORS; i++) {
        l->door[i] = 0;
        l->msg[i].addr =
            (uint64_t)(uintptr_t)&l->door[i] + l->m.hal.direct_offset;
        l->msg[i].data = 0x5a00 + i;
    }
    return vdrv_msix_attach(&l->msix, &l->m.at.pci, l->msg, VECTORS);
}

/* The device is found, and its driver initialised. */
static void init(struct life *l, uint32_t vectors)
{
    struct vdrv_virtio_blk_config cfg = {.queue_size = 64, .vectors = vectors};

    cfg.work_size = vdrv_virtio_blk_work_size(l->t, &cfg);
    cfg.work = l->work = malloc(cfg.work_size);
    CHECK_EQ(vdrv_virtio_blk_init(&l->drv, l->t, &cfg), VDRV_OK);
    l->dev = &l->drv.block.dev;
}

static bool driver(struct life *l, uint32_t vectors)
{
    l->t = qtest_find(&l->m, VDRV_VIRTIO_BLK_ID);
    CHECK(l->t != NULL);
    if (l->t == NULL || (vectors != 0 && attach_vectors(l) != VDRV_OK))
        return false;
    for (uint32_t i = 0; i < JOBS; i++)
        l->data[i] = qtest_alloc(&l->m, JOB);
    init(l, vectors);
    return check_failures == 0;
}

static void end(struct life *l)
{
    if (l->dev != NULL)
        CHECK_EQ(vdrv_virtio_blk_fini(&l->drv), VDRV_OK);
    for (uint32_t i = 0; i < JOBS && l->data[i] != NULL; i++)
        qtest_free(&l->m, l->data[i], JOB);
    if (l->door != NULL)
        qtest_free(&l->m, (void *)(uintptr_t)l->door, QTEST_PAGE);
    if (check_failures == 0)
        CHECK_EQ(l->m.live_pages, 0);
    qtest_end(&l->m);
    free(l->work);
}

/* ---- Work --------------------------------------------------------------- */

static void submit(struct life *l, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n; i++) {
        memset(l->data[i], 0xee, JOB);
        l->seg[i] = vdrv_seg_in(l->data[i], JOB);
        l->req[i] = (struct vdrv_block_request){.op = VDRV_BLOCK_READ,
                                                .block = 16 * i,
                                                .segs = &l->seg[i],
                                                .nsegs = 1};
        CHECK_EQ(vdrv_block_submit(&l->drv.block, &l->req[i]), VDRV_OK);
    }
}

static bool pending(const struct life *l, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (l->req[i].status == VDRV_PENDING)
            return true;
    return false;
}

/* All of them end, well, and with the disk's bytes. */
static void finish(struct life *l, uint32_t n)
{
    const uint64_t until = qtest_now() + PATIENCE;

    for (uint32_t i = 0; pending(l, n) && qtest_now() < until; i++) {
        CHECK(vdrv_poll(l->dev, 0, 0) >= 0);
        qtest_pause(i);
    }
    for (uint32_t i = 0; i < n; i++) {
        CHECK_EQ(l->req[i].status, VDRV_OK);
        CHECK(l->data[i][0] == 0 &&
              memcmp(l->data[i], l->data[i] + 1, JOB - 1) == 0);
    }
}

static void works(struct life *l)
{
    for (uint32_t i = 0; i < 4 && check_failures == 0; i++) {
        submit(l, 0, JOBS);
        CHECK_EQ(vdrv_block_kick(&l->drv.block, 0), 1);
        finish(l, JOBS);
    }
}

/* ---- Register accesses, as QEMU traces them ------------------------------- */

static uint64_t number_after(const char *line, const char *key)
{
    const char *at = strstr(line, key);

    return at != NULL ? strtoull(at + strlen(key), NULL, 0) : 0;
}

/* All slots alike: finding the device looks at others, too. */
static void count_mmio(const char *line, struct trace *n)
{
    const uint64_t off = number_after(line, " addr ") % 0x200;

    n->config += off >= 0x100;
    n->isr += off == 0x60;
    n->isr_ack += off == 0x64;
    n->transport += off < 0x100 && off != 0x50;
}

static void count_line(const char *line, struct trace *n)
{
    if (strstr(line, "virtio_queue_notify ") != NULL)
        n->notify++;
    else if (strstr(line, "memory_region_ops_") == NULL)
        return;
    else if (strstr(line, "'virtio-mmio'") != NULL)
        count_mmio(line, n);
    else if (strstr(line, "'virtio-pci-device") != NULL)
        n->config++;
    else if (strstr(line, "'virtio-pci-common") != NULL ||
             strstr(line, "'msix-table'") != NULL)
        n->transport++;
    else if (strstr(line, "'pci-conf-") != NULL ||
             strstr(line, "'pcie-mmcfg") != NULL)
        n->pci_space++;
    if (strstr(line, "'virtio-pci-isr") != NULL) {
        n->isr++;
        n->transport++;
    }
}

static struct trace look(struct life *l)
{
    static char text[1u << 20];
    struct trace n = {0};
    ssize_t got = pread(l->m.errors, text, sizeof(text) - 1, l->traced);

    CHECK(got >= 0 && (size_t)got < sizeof(text) - 1);
    text[got > 0 ? got : 0] = '\0';
    l->traced += got > 0 ? got : 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        count_line(line, &n);
    return n;
}

/* Both counted the same since the last look. */
static struct trace agreed(struct life *l)
{
    const struct qtest_counts ours = l->m.counts;
    const struct trace n = look(l);

    memset(&l->m.counts, 0, sizeof(l->m.counts));
    CHECK_EQ(n.transport, ours.transport);
    CHECK_EQ(n.config, ours.config);
    CHECK_EQ(n.pci_space, ours.pci_space);
    CHECK_EQ(n.notify, ours.notify);
    return n;
}

static uint64_t all(const struct trace *n)
{
    return n->transport + n->config + n->pci_space + n->notify;
}

static void forget(struct life *l)
{
    (void)look(l);
    memset(&l->m.counts, 0, sizeof(l->m.counts));
}

/* One notification for a batch; polling costs none, and a second kick. */
static uint64_t a_batch(struct life *l)
{
    struct trace n;

    submit(l, 0, JOBS);
    CHECK_EQ(vdrv_block_kick(&l->drv.block, 0), 1);
    CHECK_EQ(vdrv_block_kick(&l->drv.block, 0), 0);
    finish(l, JOBS);
    n = agreed(l);
    CHECK_EQ(n.notify, 1);
    CHECK_EQ(all(&n), 1);
    return all(&n);
}

/* The device says, in its place behind the used ring, that it wants to be told
   only later: then it is not. */
static void not_wanted(struct life *l)
{
    struct vdrv_queue *q = &l->drv.queue[0].vq;
    volatile uint16_t *used = q->device, *avail = q->driver;
    volatile uint16_t *event = used + 2 + 4 * (q->mask + 1u);
    struct trace n;

    REQUIRE(vdrv_feature(l->t->features, 29));
    *event = (uint16_t)(avail[1] + 100);
    submit(l, 0, JOBS - 1);
    CHECK_EQ(vdrv_block_kick(&l->drv.block, 0), 0);
    n = agreed(l);
    CHECK_EQ(all(&n), 0);
    *event = avail[1];
    submit(l, JOBS - 1, 1);
    CHECK_EQ(vdrv_block_kick(&l->drv.block, 0), 1);
    finish(l, JOBS);
    n = agreed(l);
    CHECK_EQ(n.notify, 1);
    CHECK_EQ(all(&n), 1);
}

/* By line the ISR is read once, and on MMIO written once, too; with vectors
   nothing is.  The notification is not counted. */
static uint64_t an_interrupt(struct life *l, uint32_t vectors)
{
    const bool pci = qtest_board_pci(l->board);
    const uint64_t until = qtest_now() + PATIENCE;
    struct trace n;

    CHECK_EQ(vdrv_arm(l->dev, 0, VDRV_ARM_NEXT), 0);
    submit(l, 0, 1);
    CHECK_EQ(vdrv_block_kick(&l->drv.block, 0), 1);
    if (vectors != 0)
        while (l->door[1] == 0 && qtest_now() < until)
            qtest_pause(64);
    else
        usleep(100000); /* it takes one */
    CHECK_EQ(vdrv_irq(l->dev, vectors != 0 ? 1 : 0), VDRV_CAUSE_QUEUE);
    finish(l, 1);
    n = agreed(l);
    CHECK_EQ(n.notify, 1);
    CHECK_EQ(n.isr, vectors != 0 ? 0 : 1);
    CHECK_EQ(n.isr_ack, pci ? 0 : 1);
    CHECK_EQ(all(&n) - 1, vectors != 0 ? 0 : pci ? 1 : 2);
    return all(&n) - 1;
}

static void row(const char *bus, const char *what, uint64_t n)
{
    printf("exits.%s.%s %llu\n", bus, what, (unsigned long long)n);
}

/* Initialisation with one queue: at most 40 on MMIO and 60 on PCI. */
static void exits_of(const char *bus, uint32_t board, uint32_t vectors)
{
    struct life *l = calloc(1, sizeof(*l));
    struct trace n;

    if (!machine(l, board, 1000000, TRACES) || !driver(l, vectors)) {
        end(l);
        free(l);
        return;
    }
    n = agreed(l);
    printf("  finding it and init: %llu transport, %llu configuration, %llu "
           "PCI configuration accesses\n",
           (unsigned long long)n.transport, (unsigned long long)n.config,
           (unsigned long long)n.pci_space);
    CHECK_EQ(vdrv_virtio_blk_fini(&l->drv), VDRV_OK);
    free(l->work);
    forget(l);
    init(l, vectors);
    n = agreed(l);
    CHECK(n.transport > 10);
    CHECK(n.transport <= (qtest_board_pci(board) ? 60u : 40u));
    CHECK_EQ(n.notify, 0);
    row(bus, "init", n.transport);
    row(bus, "request", a_batch(l)); /* of eight */
    not_wanted(l);
    row(bus, "irq", an_interrupt(l, vectors));
    end(l);
    free(l);
}

static void test_exits_pc(void)
{
    exits_of("pci", QTEST_PC, 0);
}

static void test_exits_msix(void)
{
    exits_of("pci-msix", QTEST_PC, VECTORS);
}

static void test_exits_virt_pci(void)
{
    exits_of("pci-ecam", QTEST_VIRT_PCI, 0);
}

static void test_exits_microvm(void)
{
    exits_of("mmio-x86", QTEST_MICROVM, 0);
}

static void test_exits_virt_mmio(void)
{
    exits_of("mmio", QTEST_VIRT_MMIO, 0);
}

/* ---- Left running ------------------------------------------------------- */

/*
 * F77: somebody's driver is gone without a word, three requests are in flight
 * that the disk takes its time for, and its memory is used for something else
 * as soon as the next driver is up: the device writes nothing there any more.
 */
static void taken_over(uint32_t board, uint32_t vectors)
{
    static uint8_t old[QTEST_PAGES];
    struct life *l = calloc(1, sizeof(*l));
    uint32_t pages = 0;

    if (!machine(l, board, 300000000, "") || !driver(l, vectors)) {
        end(l);
        free(l);
        return;
    }
    submit(l, 0, JOBS / 2);
    CHECK_EQ(vdrv_block_kick(&l->drv.block, 0), 1);
    CHECK(pending(l, JOBS / 2));
    memcpy(old, l->m.used, sizeof(old));
    free(l->work);
    memset(&l->drv, 0x5a, sizeof(l->drv));
    memset(&l->m.at, 0x5a, sizeof(l->m.at));
    l->door = NULL;
    CHECK(driver(l, 0));
    pages = qtest_fill(&l->m, old, 0xc3);
    CHECK(pages > 4);
    works(l);
    (void)vdrv_irq(l->dev, 0);
    CHECK_EQ(vdrv_reset(l->dev), VDRV_OK);
    works(l);
    CHECK_EQ(qtest_filled(&l->m, old, 0xc3), pages);
    qtest_drop(&l->m, old);
    end(l);
    free(l);
}

static void fault_F77_pc(void)
{
    taken_over(QTEST_PC, 0);
}

/* Messages of the first driver's vectors would be seen, too. */
static void fault_F77_pc_msix(void)
{
    taken_over(QTEST_PC, VECTORS);
}

static void fault_F77_microvm(void)
{
    taken_over(QTEST_MICROVM, 0);
}

static void fault_F77_virt_pci(void)
{
    taken_over(QTEST_VIRT_PCI, 0);
}

static void fault_F77_virt_mmio(void)
{
    taken_over(QTEST_VIRT_MMIO, 0);
}

/* ---- Stopped, saved and loaded -------------------------------------------- */

/* Runs a job of QEMU's to its end. */
static void job(struct life *l, const char *command, const char *arguments)
{
    const uint64_t until = qtest_now() + PATIENCE;
    const char *told = NULL;

    CHECK(qtest_qmp(&l->m,
                    "{\"execute\":\"%s\",\"arguments\":{\"job-id\":\"job\","
                    "%s}}",
                    command, arguments) != NULL);
    do {
        qtest_pause(64);
        told = qtest_qmp(&l->m, "{\"execute\":\"query-jobs\"}");
    } while (told != NULL && strstr(told, "\"concluded\"") == NULL &&
             qtest_now() < until);
    REQUIRE(told != NULL && strstr(told, "\"concluded\"") != NULL);
    if (strstr(told, "\"error\"") != NULL)
        printf("  %s\n", told);
    CHECK(strstr(told, "\"error\"") == NULL);
    CHECK(qtest_qmp(&l->m, "{\"execute\":\"job-dismiss\",\"arguments\":"
                           "{\"id\":\"job\"}}") != NULL);
}

static void say(struct life *l, const char *command)
{
    CHECK(qtest_qmp(&l->m, "{\"execute\":\"%s\"}", command) != NULL);
}

/* F79: requests in flight when the machine is stopped, and submitted to one
   that is: they end when it goes on, none of them late. */
static void stopped_on(uint32_t board)
{
    struct life *l = calloc(1, sizeof(*l));

    if (machine(l, board, 50000000, "") && driver(l, 0))
        for (uint32_t i = 0; i < 3 && check_failures == 0; i++) {
            submit(l, 0, JOBS / 2);
            CHECK_EQ(vdrv_block_kick(&l->drv.block, 0), 1);
            say(l, "stop");
            submit(l, JOBS / 2, JOBS / 2);
            CHECK(vdrv_block_kick(&l->drv.block, 0) >= 0);
            usleep(200000);
            say(l, "cont");
            finish(l, JOBS);
            works(l);
        }
    end(l);
    free(l);
}

/* F79: saved with requests in flight, and loaded again: rings, registers and
   memory are all that a driver shares with the device, and are as they were. */
static void snapshot_on(uint32_t board)
{
    struct life *l = calloc(1, sizeof(*l));
    const int fd = qtest_file(0);
    char more[128];

    snprintf(more, sizeof(more),
             "-blockdev driver=file,node-name=vmfile,filename=%s",
             qtest_file_name(fd));
    if (machine(l, board, 50000000, more) && driver(l, 0)) {
        job(l, "blockdev-create",
            "\"options\":{\"driver\":\"qcow2\",\"file\":\"vmfile\","
            "\"size\":1048576}");
        CHECK(qtest_qmp(&l->m, "{\"execute\":\"blockdev-add\",\"arguments\":"
                               "{\"driver\":\"qcow2\",\"node-name\":\"vm\","
                               "\"file\":\"vmfile\"}}") != NULL);
        for (uint32_t i = 0; i < 2 && check_failures == 0; i++) {
            char arguments[96];

            snprintf(arguments, sizeof(arguments),
                     "\"tag\":\"s%u\",\"vmstate\":\"vm\",\"devices\":"
                     "[\"vm\"]",
                     i);
            submit(l, 0, JOBS);
            CHECK_EQ(vdrv_block_kick(&l->drv.block, 0), 1);
            job(l, "snapshot-save", arguments);
            memset(l->data[0], 0x77, JOB); /* this is undone */
            job(l, "snapshot-load", arguments);
            say(l, "cont");
            finish(l, JOBS);
            works(l);
        }
    }
    end(l);
    close(fd);
    free(l);
}

static void fault_F79_stopped_pc(void)
{
    stopped_on(QTEST_PC);
}

static void fault_F79_stopped_virt_mmio(void)
{
    stopped_on(QTEST_VIRT_MMIO);
}

static void fault_F79_snapshot_pc(void)
{
    snapshot_on(QTEST_PC);
}

static void fault_F79_snapshot_virt_mmio(void)
{
    snapshot_on(QTEST_VIRT_MMIO);
}

static const struct check_case cases[] = {
    {"exits_pc", test_exits_pc},
    {"exits_msix", test_exits_msix},
    {"exits_virt_pci", test_exits_virt_pci},
    {"exits_microvm", test_exits_microvm},
    {"exits_virt_mmio", test_exits_virt_mmio},
    {"fault_F77_pc", fault_F77_pc},
    {"fault_F77_pc_msix", fault_F77_pc_msix},
    {"fault_F77_microvm", fault_F77_microvm},
    {"fault_F77_virt_pci", fault_F77_virt_pci},
    {"fault_F77_virt_mmio", fault_F77_virt_mmio},
    {"fault_F79_stopped_pc", fault_F79_stopped_pc},
    {"fault_F79_stopped_virt_mmio", fault_F79_stopped_virt_mmio},
    {"fault_F79_snapshot_pc", fault_F79_snapshot_pc},
    {"fault_F79_snapshot_virt_mmio", fault_F79_snapshot_virt_mmio},
};

int main(int argc, char **argv)
{
    (void)qtest_operations(&argc, argv, 0); /* it has no use for more */
    return check_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
