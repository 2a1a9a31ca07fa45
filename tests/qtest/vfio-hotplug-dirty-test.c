/*
 * Memory and devices that come and go while RAM is migrated
 *
 * Owns: devices that write to virtio-mem memory: nothing is lost, and nothing
 * unpopulated is touched. A failover primary next to a device that migrates.
 * Does not own: RAM that is always present (vfio-dirty-test.c), a DIMM that is
 * ejected (vm-event-table.c).
 * Locks: none.
 *
 * Source: docs/contract.md, Dirty pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"
#include "failover-helpers.h"
#include "virtio-pci.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB             UINT64_C(0x100000)
#define GIB             UINT64_C(0x40000000)
#define PAGE            UINT64_C(4096)

#define FILL            (40 * MIB)
#define FILL_BYTES      (24 * MIB)

/* Plugged memory: from 4 GiB on, in blocks of 2 MiB */
#define PLUG_BASE       (4 * GIB)
#define PLUG_BYTES      (256 * MIB)
#define BLOCK           (2 * MIB)
#define PLUGGED_BLOCKS  16
#define SECOND_PART     (64 * MIB)  /* two more blocks, after a gap */
#define TARGET          (8 * MIB)   /* the device writes here */
#define TARGET_PAGES    64

#define VIRTIO_SLOT     10
#define VIRTIO_BAR      0xe9000000u
#define VIRTIO_RING     (20 * MIB)

/* ---- memory besides the guest's RAM ---- */

static char *plug_path(VFIOSide *side)
{
    return g_build_filename(side->dir, "plug", NULL);
}

/* Options for both sides; the file is shared so that it can be compared. */
static void add_memory(VFIOPair *pair, const char *device)
{
    VFIOSide *sides[] = { pair->src, pair->dst };

    for (unsigned i = 0; i < G_N_ELEMENTS(sides); i++) {
        g_autofree char *path = plug_path(sides[i]);

        sides[i]->ram_mib = 64;
        g_string_append_printf(
            sides[i]->args, "-m 64M,slots=2,maxmem=1G "
            "-object memory-backend-file,id=plug,size=256M,share=on,"
            "mem-path=%s %s ", path, device);
    }
    vfio_pair_set(pair, "dma-rate", "64M");
    vfio_pair_set(pair, "dma-pattern", "sequential");
    vfio_pair_set(pair, "dma-start", "0x%" G_GINT64_MODIFIER "x",
                  PLUG_BASE + TARGET);
    vfio_pair_set(pair, "dma-size", "%d", (int)(TARGET_PAGES * PAGE));
}

static uint8_t *map_memory(VFIOSide *side)
{
    g_autofree char *path = plug_path(side);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *memory;

    g_assert_cmpint(fd, >=, 0);
    memory = mmap(NULL, PLUG_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    g_assert_true(memory != MAP_FAILED);
    return memory;
}

/* First offset below @bytes at which they differ, or -1 */
static int64_t memory_differs(VFIOPair *pair, uint64_t bytes)
{
    uint8_t *src = map_memory(pair->src), *dst = map_memory(pair->dst);
    int64_t at = -1;

    for (uint64_t i = 0; i < bytes && at < 0; i++) {
        if (src[i] != dst[i]) {
            at = i;
        }
    }
    munmap(src, PLUG_BYTES);
    munmap(dst, PLUG_BYTES);
    return at;
}

/* Offset of the first data at or after @from in the file, or -1 */
static int64_t first_data(VFIOSide *side, uint64_t from)
{
    g_autofree char *path = plug_path(side);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int64_t at = lseek(fd, from, SEEK_DATA);

    g_assert_true(at >= 0 || errno == ENXIO);
    close(fd);
    return at;
}

static bool is_written(VFIOSide *side)
{
    uint8_t *memory = map_memory(side);
    bool all = true;

    for (unsigned i = 0; i < TARGET_PAGES; i++) {
        uint64_t word;

        memcpy(&word, memory + TARGET + i * PAGE, sizeof(word));
        all &= GUINT64_FROM_LE(word) >> 52 == 0xd3a;
    }
    munmap(memory, PLUG_BYTES);
    return all;
}

static void write_all(VFIOSide *side)
{
    int64_t end_us = g_get_monotonic_time() + QTEST_WAIT_US;

    machine_bus_master(side->qts, MACHINE_FIRST_SLOT, true);
    while (!is_written(side)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(1000);
    }
    machine_bus_master(side->qts, MACHINE_FIRST_SLOT, false);
}

/* ---- holding a migration ---- */

static int64_t normal_bytes(VFIOSide *side)
{
    QDict *info = migrate_query(side->qts);
    QDict *ram = qdict_get_qdict(info, "ram");
    int64_t bytes = ram ? qdict_get_int(ram, "normal-bytes") : 0;

    qobject_unref(info);
    return bytes;
}

/*
 * The largest RAM block, the plugged one, is sent first. Once some of FILL is
 * sent, all of it was, and no sync comes before the end of FILL.
 */
static void hold(VFIOPair *pair)
{
    int64_t end_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    qtest_memset(pair->src->qts, FILL, 0x5a, FILL_BYTES);
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", 4 * MIB);
    vfio_pair_begin(pair);
    while (normal_bytes(pair->src) < 3 * (int64_t)MIB) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(5000);
    }
}

static void go_on(VFIOPair *pair)
{
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", MIGRATE_FAST);
}

/* ---- virtio-mem ---- */

static VFIOPair *start_virtio_mem(VFIOSideKind kind, VirtioPCI *vm)
{
    VFIOPair *pair = vfio_pair_new(kind, SIDE_ATTACHED);
    g_autofree char *device = g_strdup_printf(
        "-device virtio-mem-pci,id=vm0,memdev=plug,requested-size=128M,"
        "block-size=2M,addr=%x.0", VIRTIO_SLOT);

    add_memory(pair, device);
    vfio_pair_start(pair);
    machine_bus_master(pair->src->qts, MACHINE_FIRST_SLOT, false);
    virtio_pci_start(vm, pair->src->qts, VIRTIO_SLOT, VIRTIO_BAR, VIRTIO_RING);
    /* Two parts with a gap in between */
    g_assert_cmpint(virtio_mem_plug(vm, true, PLUG_BASE, PLUGGED_BLOCKS), ==,
                    VIRTIO_MEM_ACK);
    g_assert_cmpint(virtio_mem_plug(vm, true, PLUG_BASE + SECOND_PART, 2), ==,
                    VIRTIO_MEM_ACK);
    return pair;
}

/* No page that is not plugged was ever read or written. */
static void expect_holes(VFIOSide *side)
{
    int64_t at = first_data(side, PLUGGED_BLOCKS * BLOCK);

    g_assert_true(at < 0 || at >= (int64_t)SECOND_PART);
    g_assert_cmpint(first_data(side, SECOND_PART + 2 * BLOCK), ==, -1);
}

/* Plugging and unplugging is refused meanwhile; everything plugged moves. */
static void test_virtio_mem(void)
{
    VirtioPCI vm;
    VFIOPair *pair = start_virtio_mem(SIDE_ATTACHED, &vm);
    uint64_t hole = PLUGGED_BLOCKS * BLOCK;

    hold(pair);
    write_all(pair->src);
    g_assert_cmpint(virtio_mem_plug(&vm, true, PLUG_BASE + hole, 1), ==,
                    VIRTIO_MEM_BUSY);
    g_assert_cmpint(virtio_mem_plug(&vm, false, PLUG_BASE, 1), ==,
                    VIRTIO_MEM_BUSY);
    go_on(pair);
    vfio_pair_finish(pair);
    g_assert_cmpint(memory_differs(pair, hole), ==, -1);
    expect_holes(pair->src);
    expect_holes(pair->dst);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/* Unplug and replug before the migration: the device's mappings change. */
static void test_virtio_mem_before(void)
{
    VirtioPCI vm;
    VFIOPair *pair = start_virtio_mem(SIDE_ATTACHED, &vm);

    for (unsigned i = 0; i < 3; i++) {
        write_all(pair->src);
        g_assert_cmpint(virtio_mem_plug(&vm, false, PLUG_BASE,
                                        PLUGGED_BLOCKS), ==, VIRTIO_MEM_ACK);
        g_assert_cmpint(virtio_mem_plug(&vm, true, PLUG_BASE,
                                        PLUGGED_BLOCKS), ==, VIRTIO_MEM_ACK);
    }
    hold(pair);
    write_all(pair->src);
    go_on(pair);
    vfio_pair_finish(pair);
    g_assert_cmpint(memory_differs(pair, PLUGGED_BLOCKS * BLOCK), ==, -1);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/* The distribution's code looks for the parts at the wrong address. */
static void test_virtio_mem_builtin(void)
{
    VirtioPCI vm;
    VFIOPair *pair = start_virtio_mem(SIDE_BUILTIN, &vm);

    hold(pair);
    write_all(pair->src);
    go_on(pair);
    vfio_pair_finish(pair);
    g_assert_cmpint(memory_differs(pair, PLUGGED_BLOCKS * BLOCK), >=, 0);
    vfio_pair_free(pair);
}

/* ---- a failover primary ---- */

/*
 * The primary is unplugged for the migration, but kept so that it can be
 * plugged again on failure: it stays in the container and cannot migrate.
 */
static void test_primary(const void *opaque)
{
    VFIOSideKind kind = GPOINTER_TO_INT(opaque);
    VFIOPair *pair = vfio_pair_new(kind, SIDE_ATTACHED);

    failover_add(pair->src);
    failover_add(pair->dst);
    vfio_pair_start(pair);
    failover_guest_up(pair->src);
    vfio_pair_begin(pair);
    wait_for_migration_status(pair->src->qts, "wait-unplug", NULL);
    failover_let_go(pair->src);
    vfio_pair_finish(pair);
    if (kind == SIDE_BUILTIN) {
        g_assert_cmpint(vfio_ram_differs(pair), >=, 0);
    } else {
        vfio_pair_check(pair);
    }
    vfio_pair_free(pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_case("vfio/dirty/virtio-mem/attached", test_virtio_mem);
    qtest_add_case("vfio/dirty/virtio-mem/before", test_virtio_mem_before);
    qtest_add_data_case("vfio/dirty/primary/attached",
                        GINT_TO_POINTER(SIDE_ATTACHED), test_primary);
    if (!g_getenv("VFIO_BUILT_QEMU")) {
        qtest_add_case("vfio/dirty/virtio-mem/builtin",
                       test_virtio_mem_builtin);
        qtest_add_data_case("vfio/dirty/primary/builtin",
                            GINT_TO_POINTER(SIDE_BUILTIN), test_primary);
    }
    return g_test_run();
}
