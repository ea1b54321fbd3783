/* SPDX-License-Identifier: MIT */
/*
 * A virtio block device with a RAM disk (VirtIO 1.4, 5.2).  It has a volatile
 * write cache as real disks have: what was written and not flushed is lost in
 * fake_blk_power_cut().  Faults are planned per request type.
 */
#ifndef FAKE_BLK_H
#define FAKE_BLK_H

#include "fake_virtio.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FAKE_SECTOR 512u

/* Feature bits. */
#define FAKE_BLK_F_SIZE_MAX     1u
#define FAKE_BLK_F_SEG_MAX      2u
#define FAKE_BLK_F_GEOMETRY     4u
#define FAKE_BLK_F_RO           5u
#define FAKE_BLK_F_BLK_SIZE     6u
#define FAKE_BLK_F_FLUSH        9u
#define FAKE_BLK_F_TOPOLOGY     10u
#define FAKE_BLK_F_CONFIG_WCE   11u
#define FAKE_BLK_F_MQ           12u
#define FAKE_BLK_F_DISCARD      13u
#define FAKE_BLK_F_WRITE_ZEROES 14u
#define FAKE_BLK_F_LIFETIME     15u
#define FAKE_BLK_F_SECURE_ERASE 16u
#define FAKE_BLK_F_ZONED        17u

/* Request types. */
#define FAKE_BLK_IN           0u
#define FAKE_BLK_OUT          1u
#define FAKE_BLK_FLUSH        4u
#define FAKE_BLK_GET_ID       8u
#define FAKE_BLK_GET_LIFETIME 10u
#define FAKE_BLK_DISCARD      11u
#define FAKE_BLK_WRITE_ZEROES 13u
#define FAKE_BLK_SECURE_ERASE 14u
#define FAKE_BLK_APPEND       15u
#define FAKE_BLK_REPORT       16u
/* Commands to zones. */
#define FAKE_BLK_ZONE_OPEN_CMD  18u
#define FAKE_BLK_ZONE_CLOSE     20u
#define FAKE_BLK_ZONE_FINISH    22u
#define FAKE_BLK_ZONE_RESET     24u
#define FAKE_BLK_ZONE_RESET_ALL 26u
#define FAKE_BLK_ANY            UINT32_MAX /* for fake_blk_fault() */

/* Status bytes. */
#define FAKE_BLK_OK             0u
#define FAKE_BLK_IOERR          1u
#define FAKE_BLK_UNSUPP         2u
#define FAKE_BLK_ZONE_INVALID   3u
#define FAKE_BLK_ZONE_UNALIGNED 4u
#define FAKE_BLK_ZONE_OPEN      5u
#define FAKE_BLK_ZONE_ACTIVE    6u

/* Types and states of zones. */
#define FAKE_ZONE_CONV    1u
#define FAKE_ZONE_SWR     2u
#define FAKE_ZONE_SWP     3u
#define FAKE_ZONE_NOT_WP  0u
#define FAKE_ZONE_EMPTY   1u
#define FAKE_ZONE_IOPEN   2u
#define FAKE_ZONE_EOPEN   3u
#define FAKE_ZONE_CLOSED  4u
#define FAKE_ZONE_RDONLY  13u
#define FAKE_ZONE_FULL    14u
#define FAKE_ZONE_OFFLINE 15u

/* Where fields are in configuration space. */
#define FAKE_BLK_CFG_CAPACITY  0u
#define FAKE_BLK_CFG_SIZE_MAX  8u
#define FAKE_BLK_CFG_SEG_MAX   12u
#define FAKE_BLK_CFG_BLK_SIZE  20u
#define FAKE_BLK_CFG_TOPOLOGY  24u
#define FAKE_BLK_CFG_WRITEBACK 32u
#define FAKE_BLK_CFG_QUEUES    34u
#define FAKE_BLK_CFG_DISCARD   36u /* max sectors, max seg, alignment */
#define FAKE_BLK_CFG_ZEROES    48u /* max sectors, max seg, may_unmap */
#define FAKE_BLK_CFG_ERASE     60u /* max sectors, max seg, alignment */

/* What discarded and erased sectors read as. */
#define FAKE_BLK_DISCARDED 0xDCu

struct fake_blk_config {
    uint64_t sectors;   /* of 512 bytes; 0: 2048 (1 MiB) */
    uint64_t features;  /* class bits; 0: FAKE_BLK_FEATURES */
    uint64_t without;   /* class bits to leave out of those */
    uint32_t blk_size;  /* 0: 512 */
    uint32_t seg_max;   /* 0: queue size - 2 */
    uint32_t size_max;  /* not 0: offers SIZE_MAX */
    uint32_t queues;    /* 0: 1; more: offers MQ */
    uint32_t queue_max; /* entries; 0: 128 */
    uint32_t range_max; /* sectors in a discard, zero or erase range; 0: 1024 */
    uint32_t ranges;    /* ranges in such a request; 0: 4 */
    bool read_only;     /* offers RO */
    /* Zones, all in sectors but the granularity. */
    bool zoned;                    /* offers ZONED */
    uint32_t zone_model;           /* 0: none; 1: host-managed; 2: host-aware */
    uint32_t zone_sectors;         /* of a zone */
    uint32_t zone_cap;             /* of them writable; 0: all */
    uint32_t zones_conv;           /* the first ones are conventional */
    uint32_t max_open, max_active; /* 0: no limit */
    uint32_t max_append;
    uint32_t granularity; /* bytes */
    const char *id;       /* up to 20 bytes; NULL: "fake-disk-0123456789" */
};

/* What is offered without a choice. */
#define FAKE_BLK_FEATURES                                                      \
    (1ull << FAKE_BLK_F_SEG_MAX | 1ull << FAKE_BLK_F_BLK_SIZE |                \
     1ull << FAKE_BLK_F_FLUSH | 1ull << FAKE_BLK_F_TOPOLOGY |                  \
     1ull << FAKE_BLK_F_CONFIG_WCE | 1ull << FAKE_BLK_F_DISCARD |              \
     1ull << FAKE_BLK_F_WRITE_ZEROES | 1ull << FAKE_BLK_F_LIFETIME |           \
     1ull << FAKE_BLK_F_SECURE_ERASE)

#define FAKE_BLK_FAULTS 8

struct fake_blk_fault {
    uint32_t type;  /* request type, or FAKE_BLK_ANY */
    uint32_t skip;  /* so many requests of it pass first */
    uint32_t count; /* so many are hit; 0: all */
    int status;     /* the status byte instead of the right one; -1: none */
    bool silent;    /* nothing is written: no data, no status */
    int64_t len;    /* used length; -1: the right one */
};

struct fake_zone {
    uint64_t start, cap, wp;
    uint8_t type, state;
};

struct fake_blk {
    struct fake_dev dev; /* first */
    struct fake_blk_config cfg;
    struct fake_zone *zone;
    uint32_t n_zones;
    uint8_t *disk; /* what reads see */
    uint8_t *safe; /* what survives a power cut */
    uint8_t *dirty;
    uint8_t id[20];
    bool writeback; /* the cache is on */
    /* ---- Counters --------------------------------------------------- */
    uint32_t requests[32];  /* by type */
    uint32_t answered[256]; /* by status byte */
    uint64_t sectors_read, sectors_written;
    /* ---- Faults ----------------------------------------------------- */
    struct fake_blk_fault fault[FAKE_BLK_FAULTS];
    uint32_t n_faults;
    bool cache_stuck;    /* its mode does not change */
    uint64_t append_lie; /* not 0: the sector that appends say they went to */
};

/* `cfg` NULL: all defaults.  Then put it behind a transport. */
void fake_blk_init(struct fake_blk *b, struct fake *f,
                   const struct fake_blk_config *cfg);
void fake_blk_fini(struct fake_blk *b);

/* Plans a fault; see struct fake_blk_fault. */
void fake_blk_plan(struct fake_blk *b, struct fake_blk_fault fault);
/* Requests of `type` answer `status`: after `skip`, `count` times (0: all). */
void fake_blk_fail(struct fake_blk *b, uint32_t type, uint32_t skip,
                   uint32_t count, uint8_t status);
void fake_blk_faults_clear(struct fake_blk *b);

/*
 * The power fails: of the sectors written since the last flush, `percent` in a
 * hundred (chosen at random) have reached the medium, the others have not.
 */
void fake_blk_power_cut(struct fake_blk *b, unsigned percent);
/* Sectors that a power cut could lose. */
uint64_t fake_blk_dirty(const struct fake_blk *b);

/* A new capacity, announced to the driver; at most the one it began with. */
void fake_blk_resize(struct fake_blk *b, uint64_t sectors);

#ifdef __cplusplus
}
#endif

#endif
