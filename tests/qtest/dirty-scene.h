/*
 * Scenes in which a device writes to guest RAM during migration
 *
 * Owns: the layout of guest RAM, letting a device write for a while, holding a
 * migration in its first round, and what happens meanwhile.
 * Does not own: the expected results (vfio-dirty-test.c,
 * vfio-dirty-fault-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_DIRTY_SCENE_H
#define TESTS_QTEST_DIRTY_SCENE_H

#include "vfio-test.h"
#include "vtd.h"

#define MIB             UINT64_C(0x100000)
#define GIB             UINT64_C(0x40000000)
#define PAGE            4096

/* Layout of guest RAM */
#define RAM_MIB         64
#define TABLES          (16 * MIB)
#define TARGET          (32 * MIB)  /* the device writes here */
#define OTHER_TARGET    (34 * MIB)
#define TARGET_PAGES    64
#define FILL            (40 * MIB)  /* slows the first round down */
#define FILL_BYTES      (24 * MIB)

/* The upper half of RAM may start at 4 GiB: offset and address differ */
#define HIGH_BASE       (4 * GIB - TARGET)

/* Address of the device's DMA behind a guest IOMMU */
#define IOVA            (5 * GIB)

/* What happens to RAM during a migration; NULL steps are skipped. */
typedef struct DirtyScene {
    const char *name;
    void (*prepare)(VFIOPair *pair, VTD *vtd);      /* before QEMU starts */
    void (*begin)(VFIOPair *pair, VTD *vtd);        /* before the migration */
    /* In the first round. NULL: the device writes all the time */
    void (*act)(VFIOPair *pair, VTD *vtd);
    bool builtin_loses;         /* QEMU's own code loses pages */
    bool high;                  /* RAM from TARGET on is above 4 GiB */
} DirtyScene;

extern const DirtyScene dirty_scenes[];
extern const unsigned dirty_nr_scenes;

/* dirty_scene: look up the scene @name, which must exist. */
const DirtyScene *dirty_scene(const char *name);

/*
 * dirty_scene_start: start both sides and begin the scene
 *
 * @vtd: initialized if the scene has a guest IOMMU
 */
void dirty_scene_start(VFIOPair *pair, const DirtyScene *scene, VTD *vtd);

/* dirty_scene_migrate: start the migration and run the scene's step in it. */
void dirty_scene_migrate(VFIOPair *pair, const DirtyScene *scene, VTD *vtd);

/* dirty_new_pair: a pair with RAM_MIB of RAM on both sides */
VFIOPair *dirty_new_pair(VFIOSideKind src, VFIOSideKind dst);

/* dirty_set_dma: set the range of device addresses that is written to */
void dirty_set_dma(VFIOPair *pair, uint64_t start, uint64_t bytes);

/* dirty_device_write: set bus mastering, without which it does not write. */
void dirty_device_write(VFIOSide *side, bool on);

/* dirty_is_written: was the word at @ram_offset written by the device? */
bool dirty_is_written(VFIOSide *side, uint64_t ram_offset);

/*
 * dirty_write_a_while: let the device write to the pages at @ram_offset until
 * all have been written, then stop it.
 */
void dirty_write_a_while(VFIOSide *side, uint64_t ram_offset);

/*
 * dirty_hold: start a migration and hold it in its first round; FILL must be
 * filled. dirty_wait_first_round: wait until the first round has passed
 * everything below FILL. dirty_go_on: remove the bandwidth limit; fails the
 * case if RAM was synchronized in between.
 */
void dirty_hold(VFIOPair *pair);
void dirty_wait_first_round(VFIOPair *pair);
void dirty_go_on(VFIOPair *pair);

/* dirty_ram_info: member @key of query-migrate's "ram", 0 if there is none */
int64_t dirty_ram_info(VFIOSide *side, const char *key);

/* dirty_fill: fill FILL with data that takes time to send. */
void dirty_fill(VFIOPair *pair);

/*
 * dirty_migrate: like vfio_pair_migrate(), but makes sure that RAM is
 * synchronized while the source VM runs, however fast the machine is.
 */
void dirty_migrate(VFIOPair *pair);

/* dirty_wait_stopped: wait until @side has stopped dirty tracking. */
void dirty_wait_stopped(VFIOSide *side);

/* dirty_expect_lost: fail the case unless RAM of the two sides differs. */
void dirty_expect_lost(VFIOPair *pair);

/*
 * dirty_has_builtin: can QEMU's original code be tested? Not in QEMU's tree,
 * where both sides run the same build.
 */
bool dirty_has_builtin(void);

#endif /* TESTS_QTEST_DIRTY_SCENE_H */
