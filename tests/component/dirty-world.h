/*
 * A small migration of RAM, with a device that writes to it
 *
 * Owns: RAM that is added, removed and moved, a guest's IOMMU, what QEMU's
 * common.c does with sections, and the migration of RAM alongside the device's:
 * everything is copied first, then what is dirty after each sync.
 * Does not own: the expected results (test-dirty-tracking.c).
 * Locks: none; one thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_COMPONENT_DIRTY_WORLD_H
#define TESTS_COMPONENT_DIRTY_WORLD_H

#include "attach/dirty-listener.h"
#include "hw/vfio/dirty-container.h"
#include "hw/vfio/dirty-tracking.h"
#include "hw/vfio/vfio-common.h"
#include "component.h"
#include "dirty-memory.h"

#define UNIT            UINT64_C(0x10000)   /* of all mappings, in bytes */
#define PAGE            UINT64_C(4096)
#define RAM_UNITS       48
#define PARTS_UNITS     32
#define PARTS_GRANULE   (4 * UNIT)
#define GIOVA_UNITS     64              /* addresses behind the IOMMU */
#define GIOVA           UINT64_C(0xffff000000000)
#define STEPS           60

/* RAM, and the destination's copy of it */
typedef struct Ram {
    MemoryRegion *mr;
    uint64_t units;
    uint8_t *copy;
    uint64_t iova;              /* of its section, if there is one */
    bool present;
} Ram;

typedef struct World {
    VFIODevice *vbasedev;
    VFIOContainer *container;
    MemoryListener *listener;
    VFIOHostDMAWindow window;
    Ram ram, parts;
    MemoryRegion *iommu;
    bool translated;            /* there are sections of the IOMMU, not RAM */
    bool no_iommu;              /* the guest never uses it */
    bool mapped[GIOVA_UNITS];   /* a guest's mapping starts there */
    uint64_t length[GIOVA_UNITS];
    bool populated[PARTS_UNITS]; /* per unit */
    GRand *rand;
    const char *other;          /* another device that writes, or NULL */
    bool running;               /* devices may write */
    unsigned writes;
} World;

extern World *world;

/*
 * world_begin: create a running device "src" with RAM and no translation
 *
 * @config: configuration of the simulation
 * @seed: for all random numbers
 */
void world_begin(const char *config, uint32_t seed);
/* Also stops tracking, if it is on */
void world_end(void);

/* Random steps, and a migration with more of them. Returns 0 or -errno. */
int world_migrate(char **error);
/* Only the device's migration, with a step before and one after its setup */
int world_migrate_with(VFIOHostStep *at_begin, VFIOHostStep *in_round,
                       char **error);

/* The same, which must succeed and lose nothing; @seed is for the error. */
void world_migrate_whole(uint32_t seed);
/* Assert that the copies are identical to RAM. */
void world_expect_same(uint32_t seed);

/* Assert that exactly @bytes at @from are dirty in @ram, and clear the bits. */
void world_expect_dirty(Ram *ram, uint64_t from, uint64_t bytes);

/* Pages mapped for the devices; of RAM in parts, only the plugged ones */
uint64_t world_mapped_pages(void);

/* Plug or unplug the part of world->parts at @at; it must have no section. */
void world_populate(uint64_t at, bool populated);
/* Create and free a test's own RAM, initially without a section. */
void world_ram_init(Ram *ram, uint64_t units);
void world_ram_destroy(Ram *ram);

/* Add and remove sections, calling the memory listener as QEMU does. */
MemoryRegionSection world_ram_section(Ram *ram);
void world_ram_appears(Ram *ram);
void world_ram_comes_back(Ram *ram);    /* at the same address */
void world_ram_goes(Ram *ram);
void world_iommu_goes(void);
/* Switch between sections of RAM and of the guest's IOMMU. */
void world_switch_translation(void);

/* The guest maps something, or unmaps one or all of its mappings. */
void world_guest_map(void);
void world_guest_unmap(void);
/* Assert that there is one record per mapping, while there is an IOMMU. */
void world_check_records(void);

void world_log_start(void);
/* The same, with no page dirty, as after a first copy of everything */
void world_log_start_clean(void);
/* The same, as a step */
void world_log_starts(VFIOHostRun *run);
void world_log_stop(void);
/* Sync all sections and copy what is dirty. */
void world_sync(void);
/* Sync one section. */
void world_sync_ram(Ram *ram);
/* Sync the section of world->ram, clear its bits; returns the dirty pages. */
uint64_t world_synced_pages(void);

#endif /* TESTS_COMPONENT_DIRTY_WORLD_H */
