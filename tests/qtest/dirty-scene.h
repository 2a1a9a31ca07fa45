/*
 * Guest RAM that a device writes to while it is migrated: the scenes
 *
 * Owns: where things lie in guest RAM, a device that writes for a while, a
 * migration that is held in its first round, and what happens meanwhile.
 * Does not own: what must come of it (vfio-dirty-test.c,
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

/* Where things lie in guest RAM */
#define RAM_MIB         64
#define TABLES          (16 * MIB)
#define TARGET          (32 * MIB)  /* the device writes here */
#define OTHER_TARGET    (34 * MIB)
#define TARGET_PAGES    64
#define FILL            (40 * MIB)  /* what holds the first round up */
#define FILL_BYTES      (24 * MIB)

/* The upper half of RAM may begin at 4 GiB: no offset is an address */
#define HIGH_BASE       (4 * GIB - TARGET)

/* Behind a guest's IOMMU */
#define IOVA            (5 * GIB)

/* What happens to RAM in a migration; a step that is NULL is left out. */
typedef struct DirtyScene {
    const char *name;
    void (*prepare)(VFIOPair *pair, VTD *vtd);      /* before the start */
    void (*begin)(VFIOPair *pair, VTD *vtd);        /* before the migration */
    /* In its first round. NULL: the device writes all the time */
    void (*act)(VFIOPair *pair, VTD *vtd);
    bool builtin_loses;         /* pages, with the distribution's code */
    bool high;                  /* RAM from TARGET on is above 4 GiB */
} DirtyScene;

extern const DirtyScene dirty_scenes[];
extern const unsigned dirty_nr_scenes;

/* dirty_scene: the one of that name; there must be one. */
const DirtyScene *dirty_scene(const char *name);

/*
 * dirty_scene_start: start both sides and begin the scene
 *
 * @vtd: made where the scene has a guest's IOMMU
 */
void dirty_scene_start(VFIOPair *pair, const DirtyScene *scene, VTD *vtd);

/* dirty_scene_migrate: begin the migration, with what happens in it. */
void dirty_scene_migrate(VFIOPair *pair, const DirtyScene *scene, VTD *vtd);

/* dirty_new_pair: with RAM_MIB of RAM on both sides */
VFIOPair *dirty_new_pair(VFIOSideKind src, VFIOSideKind dst);

/* dirty_set_dma: where the device writes, in its addresses */
void dirty_set_dma(VFIOPair *pair, uint64_t start, uint64_t bytes);

/* dirty_device_write: its bus master; without it, it does not write. */
void dirty_device_write(VFIOSide *side, bool on);

/* dirty_is_written: is the word at @ram_offset one of the device's? */
bool dirty_is_written(VFIOSide *side, uint64_t ram_offset);

/* dirty_write_a_while: let it write to all pages at @ram_offset, and stop. */
void dirty_write_a_while(VFIOSide *side, uint64_t ram_offset);

/*
 * dirty_hold: begin a migration and hold it in its first round; FILL must
 * have been filled. dirty_wait_first_round: the second half of it.
 * dirty_go_on: let it go; RAM must not have been synchronised meanwhile.
 */
void dirty_hold(VFIOPair *pair);
void dirty_wait_first_round(VFIOPair *pair);
void dirty_go_on(VFIOPair *pair);

/* dirty_ram_info: a number of query-migrate's "ram", 0 before there is one */
int64_t dirty_ram_info(VFIOSide *side, const char *key);

/* dirty_fill: fill FILL with what takes its time to send. */
void dirty_fill(VFIOPair *pair);

/*
 * dirty_migrate: as vfio_pair_migrate(), and RAM is synchronised while the
 * source's VM runs, however fast the machine is.
 */
void dirty_migrate(VFIOPair *pair);

/* dirty_wait_stopped: till tracking was stopped at @side. */
void dirty_wait_stopped(VFIOSide *side);

/* dirty_expect_lost: the migration has completed, and RAM differs. */
void dirty_expect_lost(VFIOPair *pair);

/*
 * dirty_has_builtin: is there other code than ours? In QEMU's tree both
 * sides are one build.
 */
bool dirty_has_builtin(void);

#endif /* TESTS_QTEST_DIRTY_SCENE_H */
