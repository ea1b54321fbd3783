/* SPDX-License-Identifier: MIT */
/* See disk_stories.h. */
#include "disk_stories.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ext2_io.h"
#include "sqlite_disk.h"

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void fill(uint8_t *p, size_t n, uint64_t tag)
{
    uint64_t state = tag * 2654435761u + 88172645463325252u;

    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(next(&state) >> 32);
}

/* ---- ext4 ------------------------------------------------------------------- */

#define FILES    60u
#define FILE_MAX 200000u

#define TRY(call)                                                              \
    do {                                                                       \
        const errcode_t err_ = (call);                                         \
        if (err_ != 0) {                                                       \
            printf("  ext2fs: %s: error %ld\n", #call, err_);                  \
            return __LINE__;                                                   \
        }                                                                      \
    } while (0)

static uint32_t file_size(uint64_t seed, uint32_t i)
{
    uint64_t state = seed + i * 977u + 1;

    next(&state);
    return (uint32_t)(next(&state) % FILE_MAX);
}

/* The inodes below the first ordinary one are taken. */
static int reserve_inodes(ext2_filsys fs)
{
    for (ext2_ino_t i = EXT2_ROOT_INO + 1; i < EXT2_FIRST_INODE(fs->super); i++)
        ext2fs_inode_alloc_stats2(fs, i, +1, 0);
    ext2fs_inode_alloc_stats2(fs, EXT2_BAD_INO, +1, 0);
    TRY(ext2fs_update_bb_inode(fs, NULL));
    ext2fs_mark_ib_dirty(fs);
    return 0;
}

static int make_fs(struct vdrv_block *blk, ext2_filsys *out)
{
    struct ext2_super_block param = {0};
    const uint64_t bytes =
        vdrv_block_num_blocks(blk) * vdrv_block_block_size(blk);
    ext2_filsys fs;
    ext2_ino_t lost;
    int line;

    param.s_log_block_size = 2; /* 4096 */
    ext2fs_blocks_count_set(&param, bytes / 4096);
    param.s_rev_level = EXT2_DYNAMIC_REV;
    param.s_inodes_count = 1024;
    param.s_inode_size = 256;
    param.s_feature_incompat =
        EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS;
    param.s_feature_ro_compat =
        EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE;
    TRY(ext2fs_initialize("disk", EXT2_FLAG_EXCLUSIVE | EXT2_FLAG_64BITS,
                          &param, &ext2_io_manager, &fs));
    *out = fs;
    TRY(ext2fs_allocate_tables(fs));
    for (dgrp_t g = 0; g < fs->group_desc_count; g++)
        TRY(ext2fs_zero_blocks2(fs, ext2fs_inode_table_loc(fs, g),
                                (int)fs->inode_blocks_per_group, NULL, NULL));
    TRY(ext2fs_mkdir(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, NULL));
    TRY(ext2fs_mkdir(fs, EXT2_ROOT_INO, 0, "lost+found"));
    TRY(ext2fs_lookup(fs, EXT2_ROOT_INO, "lost+found", 10, NULL, &lost));
    line = reserve_inodes(fs);
    if (line != 0)
        return line;
    TRY(ext2fs_add_journal_inode(fs, 1024, 0));
    return 0;
}

static int write_all(ext2_file_t file, const uint8_t *data, uint32_t size)
{
    unsigned int done;

    for (uint32_t at = 0; at < size; at += done) {
        const uint32_t n = size - at < 33333 ? size - at : 33333;

        TRY(ext2fs_file_write(file, data + at, n, &done));
        if (done == 0)
            return __LINE__;
    }
    return 0;
}

static int add_file(ext2_filsys fs, ext2_ino_t dir, const char *name,
                    const uint8_t *data, uint32_t size)
{
    struct ext2_inode inode = {.i_mode = LINUX_S_IFREG | 0644,
                               .i_links_count = 1};
    ext2_extent_handle_t extents;
    ext2_ino_t ino;
    ext2_file_t file;
    int line;

    TRY(ext2fs_new_inode(fs, dir, LINUX_S_IFREG | 0644, NULL, &ino));
    TRY(ext2fs_link(fs, dir, name, ino, EXT2_FT_REG_FILE));
    ext2fs_inode_alloc_stats2(fs, ino, +1, 0);
    inode.i_flags |= EXT4_EXTENTS_FL;
    TRY(ext2fs_write_new_inode(fs, ino, &inode));
    TRY(ext2fs_extent_open2(fs, ino, &inode, &extents));
    ext2fs_extent_free(extents);
    TRY(ext2fs_write_inode(fs, ino, &inode));
    TRY(ext2fs_file_open(fs, ino, EXT2_FILE_WRITE, &file));
    line = write_all(file, data, size);
    TRY(ext2fs_file_close(file));
    return line;
}

static int fill_fs(ext2_filsys fs, uint8_t *data, uint64_t seed)
{
    ext2_ino_t dir = EXT2_ROOT_INO;
    char name[16];

    for (uint32_t i = 0; i < FILES; i++) {
        const uint32_t size = file_size(seed, i);
        int line;

        if (i % 20 == 0) {
            snprintf(name, sizeof(name), "dir%u", i);
            TRY(ext2fs_mkdir(fs, EXT2_ROOT_INO, 0, name));
            TRY(ext2fs_lookup(fs, EXT2_ROOT_INO, name, (int)strlen(name), NULL,
                              &dir));
        }
        snprintf(name, sizeof(name), "file%u", i);
        fill(data, size, seed + i);
        line = add_file(fs, dir, name, data, size);
        if (line != 0)
            return line;
    }
    return 0;
}

static int compare_file(ext2_filsys fs, const char *path, uint8_t *data,
                        uint32_t size, uint64_t tag)
{
    uint8_t *found = data + FILE_MAX;
    ext2_ino_t ino;
    ext2_file_t file;
    unsigned int got = 0, part;
    __u64 have;

    TRY(ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino));
    TRY(ext2fs_file_open(fs, ino, 0, &file));
    TRY(ext2fs_file_get_lsize(file, &have));
    if (have != size)
        return __LINE__;
    for (; got < size; got += part) {
        TRY(ext2fs_file_read(file, found + got, size - got, &part));
        if (part == 0)
            return __LINE__;
    }
    TRY(ext2fs_file_close(file));
    fill(data, size, tag);
    return memcmp(data, found, size) == 0 ? 0 : __LINE__;
}

static int compare_fs(uint8_t *data, uint64_t seed)
{
    ext2_filsys fs;
    char path[40];
    int line = 0;

    TRY(ext2fs_open("disk", EXT2_FLAG_RW, 0, 0, &ext2_io_manager, &fs));
    TRY(ext2fs_read_bitmaps(fs));
    for (uint32_t i = 0; i < FILES && line == 0; i++) {
        snprintf(path, sizeof(path), "dir%u/file%u", i / 20 * 20, i);
        line = compare_file(fs, path, data, file_size(seed, i), seed + i);
    }
    TRY(ext2fs_close_free(&fs));
    return line;
}

int story_ext4(struct vdrv_block *blk, uint64_t seed)
{
    uint8_t *data = malloc(2 * FILE_MAX);
    ext2_filsys fs = NULL;
    int line;

    ext2_io_disk = blk;
    line = make_fs(blk, &fs);
    if (line == 0)
        line = fill_fs(fs, data, seed);
    if (fs != NULL && ext2fs_close_free(&fs) != 0 && line == 0)
        line = __LINE__;
    if (line == 0)
        line = compare_fs(data, seed);
    free(data);
    return line;
}

/* ---- Images ------------------------------------------------------------------ */

/* An anonymous file with these bytes, and the name it has for everybody. */
static int make_file(const uint8_t *data, size_t size, char name[64])
{
    const int fd = memfd_create("image", 0);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        perror("image");
        exit(1);
    }
    snprintf(name, 64, "/proc/%d/fd/%d", (int)getpid(), fd);
    return fd;
}

int story_fsck(const uint8_t *image, size_t size)
{
    char name[64], command[160];
    const int fd = make_file(image, size, name);
    int code;

    snprintf(command, sizeof(command),
             "PATH=$PATH:/sbin:/usr/sbin; e2fsck -fn %s", name);
    fflush(stdout);
    code = system(command);
    close(fd);
    code = WIFEXITED(code) ? WEXITSTATUS(code) : 1;
    return code == 127 ? -1 : code;
}

/* ---- SQLite ------------------------------------------------------------------ */

#define ROWS    5
#define ROW_MAX 3000

static bool run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool number(sqlite3 *db, const char *sql, int *out)
{
    sqlite3_stmt *s = NULL;
    bool ok = sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK &&
              sqlite3_step(s) == SQLITE_ROW;

    if (ok)
        *out = sqlite3_column_int(s, 0);
    return sqlite3_finalize(s) == SQLITE_OK && ok;
}

/* What row `i` of transaction `k` holds. */
static int row(int k, int i, uint8_t *data)
{
    const uint64_t tag = (uint64_t)k * ROWS + (uint64_t)i;
    const int n = (int)((tag * 2654435761u >> 7) % ROW_MAX);

    fill(data, (size_t)n, tag);
    return n;
}

static bool insert(sqlite3 *db, int k, int i)
{
    uint8_t data[ROW_MAX];
    const int n = row(k, i, data);
    sqlite3_stmt *s = NULL;
    bool ok = sqlite3_prepare_v2(db, "INSERT INTO r VALUES(?,?,?)", -1, &s,
                                 NULL) == SQLITE_OK;

    ok = ok && sqlite3_bind_int(s, 1, k) == SQLITE_OK &&
         sqlite3_bind_int(s, 2, i) == SQLITE_OK &&
         sqlite3_bind_blob(s, 3, data, n, SQLITE_TRANSIENT) == SQLITE_OK &&
         sqlite3_step(s) == SQLITE_DONE;
    return sqlite3_finalize(s) == SQLITE_OK && ok;
}

static bool transaction(sqlite3 *db, int k)
{
    char sql[40];
    bool ok = run(db, "BEGIN IMMEDIATE");

    for (int i = 0; ok && i < ROWS; i++)
        ok = insert(db, k, i);
    snprintf(sql, sizeof(sql), "UPDATE c SET n=%d", k);
    return ok && run(db, sql) && run(db, "COMMIT");
}

int story_transactions(struct vdrv_block *blk, int count, void (*acked)(int k))
{
    void *scratch = malloc(vdrv_block_block_size(blk));
    sqlite3 *db = NULL;
    int k = 0;

    if (sqlite_disk_register(blk, scratch) == SQLITE_OK &&
        sqlite3_open_v2("db", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                        "vdrv") == SQLITE_OK &&
        run(db, "PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL;"
                "PRAGMA temp_store=MEMORY; PRAGMA cache_size=20;"
                "CREATE TABLE r(k INT, i INT, v BLOB);"
                "CREATE INDEX rk ON r(k, i);"
                "CREATE TABLE c(n INT); INSERT INTO c VALUES(0)")) {
        while (k < count && transaction(db, k + 1)) {
            k++;
            if (acked != NULL)
                acked(k);
        }
    }
    sqlite3_close(db);
    sqlite_disk_unregister();
    free(scratch);
    return k;
}

static int answer_ok(void *out, int n, char **text, char **names)
{
    (void)names;
    *(bool *)out = n == 1 && strcmp(text[0], "ok") == 0;
    return 0;
}

/* Exactly the rows of the transactions 1 to `n`, through the index. */
static bool rows_of(sqlite3 *db, int n)
{
    uint8_t data[ROW_MAX];
    sqlite3_stmt *s = NULL;
    bool ok = sqlite3_prepare_v2(db, "SELECT k, i, v FROM r ORDER BY k, i", -1,
                                 &s, NULL) == SQLITE_OK;

    for (int at = 0; ok && at < n * ROWS; at++) {
        const int k = at / ROWS + 1, i = at % ROWS, size = row(k, i, data);

        ok = sqlite3_step(s) == SQLITE_ROW && sqlite3_column_int(s, 0) == k &&
             sqlite3_column_int(s, 1) == i &&
             sqlite3_column_bytes(s, 2) == size &&
             (size == 0 ||
              memcmp(sqlite3_column_blob(s, 2), data, (size_t)size) == 0);
    }
    ok = ok && sqlite3_step(s) == SQLITE_DONE;
    return sqlite3_finalize(s) == SQLITE_OK && ok;
}

/* A database that was cut off before its tables were there holds 0. */
static int verify(sqlite3 *db)
{
    bool ok = false;
    int there, n = 0;

    if (sqlite3_exec(db, "PRAGMA integrity_check", answer_ok, &ok, NULL) !=
            SQLITE_OK ||
        !ok ||
        !number(db, "SELECT count(*) FROM sqlite_master WHERE name='c'",
                &there) ||
        (there && !number(db, "SELECT coalesce(max(n),0) FROM c", &n)))
        return -1;
    return !there || rows_of(db, n) ? n : -1;
}

static int open_and_verify(const char *name, const char *vfs)
{
    sqlite3 *db = NULL;
    int n = -1;

    if (sqlite3_open_v2(name, &db, SQLITE_OPEN_READWRITE, vfs) == SQLITE_OK)
        n = verify(db);
    if (n < 0)
        printf("  sqlite: %s\n", sqlite3_errmsg(db));
    sqlite3_close(db);
    return n;
}

int story_verify(struct vdrv_block *blk)
{
    void *scratch = malloc(vdrv_block_block_size(blk));
    int n = -1;

    if (sqlite_disk_register(blk, scratch) == SQLITE_OK)
        n = open_and_verify("db", "vdrv");
    sqlite_disk_unregister();
    free(scratch);
    return n;
}

/* One of the two files out of an image; false: it is not there. */
static bool take_out(const uint8_t *image, size_t size, uint32_t block_size,
                     uint32_t index, const char *path)
{
    const size_t half = size / block_size / SQLITE_DISK_FILES * block_size;
    struct sqlite_disk_head h;
    FILE *f;

    memcpy(&h, image + index * half, sizeof(h));
    if (memcmp(h.magic, "vdrvfile", 8) != 0 || h.bytes > half - block_size)
        return false;
    f = fopen(path, "wb");
    if (f == NULL ||
        fwrite(image + index * half + block_size, 1, h.bytes, f) != h.bytes ||
        fclose(f) != 0) {
        perror(path);
        exit(1);
    }
    return true;
}

int story_verify_image(const uint8_t *image, size_t size, uint32_t block_size)
{
    char folder[] = "/tmp/vdrv-story-XXXXXX", db[64], journal[64];
    int n = 0;

    if (mkdtemp(folder) == NULL) {
        perror("mkdtemp");
        exit(1);
    }
    snprintf(db, sizeof(db), "%s/db", folder);
    snprintf(journal, sizeof(journal), "%s/db-journal", folder);
    if (take_out(image, size, block_size, 0, db)) {
        (void)take_out(image, size, block_size, 1, journal);
        n = open_and_verify(db, NULL);
    }
    unlink(journal);
    unlink(db);
    rmdir(folder);
    return n;
}

/* ---- The fuse ---------------------------------------------------------------- */

static struct story_fuse *of(const struct vdrv_block *blk)
{
    return (struct story_fuse *)(uintptr_t)blk;
}

static uint64_t fuse_num_blocks(const struct vdrv_block *blk)
{
    return vdrv_block_num_blocks(of(blk)->under);
}

static uint32_t fuse_block_size(const struct vdrv_block *blk)
{
    return vdrv_block_block_size(of(blk)->under);
}

static int fuse_read(struct vdrv_block *blk, uint64_t block, void *buf,
                     size_t len)
{
    if (of(blk)->fuse == 0)
        return VDRV_ERR_IO;
    return vdrv_block_read_block(of(blk)->under, block, buf, len);
}

static int fuse_write(struct vdrv_block *blk, uint64_t block, const void *buf,
                      size_t len)
{
    struct story_fuse *f = of(blk);

    if (f->fuse == 0)
        return VDRV_ERR_IO;
    f->fuse--;
    f->writes++;
    return vdrv_block_write_block(f->under, block, buf, len);
}

static int fuse_flush(struct vdrv_block *blk)
{
    struct story_fuse *f = of(blk);

    if (f->fuse == 0)
        return VDRV_ERR_IO;
    f->fuse--;
    f->flushes++;
    return f->lie ? VDRV_OK : vdrv_block_flush(f->under);
}

static const struct vdrv_block_ops fuse_ops = {
    .num_blocks = fuse_num_blocks,
    .block_size = fuse_block_size,
    .read_block = fuse_read,
    .write_block = fuse_write,
    .flush = fuse_flush,
};

void story_fuse_init(struct story_fuse *f, struct vdrv_block *under,
                     uint64_t fuse)
{
    memset(f, 0, sizeof(*f));
    f->under = under;
    f->fuse = fuse;
    vdrv_block_setup(&f->block, &fuse_ops);
}
