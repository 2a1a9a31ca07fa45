/*
 * A container's dirty tracking: what the parts of it share
 *
 * Locks: everything needs the BQL, under which QEMU calls memory listeners
 * and IOMMU notifiers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DIRTY_CONTAINER_H
#define HW_VFIO_DIRTY_CONTAINER_H

#include "hw/vfio/vfio-common.h"
#include "hw/vfio/dirty-bitmap.h"
#include "hw/vfio/dirty-mappings.h"

typedef struct VFIODirtyLog VFIODirtyLog;

typedef struct VFIODirtyTracker {
    VFIOContainer *container;
    QLIST_ENTRY(VFIODirtyTracker) next;

    /* What the container can do; fixed */
    bool supported;
    unsigned page_shift;        /* of a bit in its bitmaps */
    uint64_t max_pages;         /* of one bitmap */

    bool wanted;                /* between log start and stop */
    bool tried;                 /* to start the kernel's tracking */
    bool started;               /* and it tracks */
    Error *start_error;         /* for the next set-up of a migration */
    int start_ret;
    QLIST_HEAD(, VFIODirtyLog) logs;    /* of devices, that run */

    /* Since log start, or since it was marked last, devices may have written */
    bool owed;                  /* what nobody tells of, anywhere */
    bool owed_parts;            /* where those that tell do not look */
    bool warned_large;

    /* Does the IOMMU call all pages dirty, whenever it is asked? */
    uint64_t round_pages;       /* read in this round of syncs */
    bool round_clean;           /* and not all of them were dirty */
    unsigned full_rounds;       /* in a row in which they were */
    bool holding;               /* bits of this sync may tell nothing */
    GArray *held;               /* VFIODirtyHeld: not given to RAM yet */
    bool at_end;                /* it does: no more asked, all is owed */

    uint64_t *bitmap;           /* all zero between uses */
    uint64_t bitmap_bytes;

    VFIODirtyMappings *mappings;    /* of guest IOMMUs */
    bool replaying;             /* what is told may have been told before */
    bool warned_parts;
    uint64_t map_errors_told;   /* bit = errno */
} VFIODirtyTracker;

static inline uint64_t vfio_dirty_page_bytes(const VFIODirtyTracker *t)
{
    return UINT64_C(1) << t->page_shift;
}

/* ---- dirty-container.c ---- */

/* The tracker of @container, or NULL. */
VFIODirtyTracker *vfio_dirty_tracker_of(VFIOContainer *container);

/* The one after @t, the first where @t is NULL; NULL behind the last */
VFIODirtyTracker *vfio_dirty_tracker_next(VFIODirtyTracker *t);

/*
 * vfio_dirty_tracker_new: the tracker of @container, which has none
 *
 * It lives as long as the container: vfio_dirty_tracker_free() is for the
 * moment in which QEMU takes the container's memory listener out.
 */
VFIODirtyTracker *vfio_dirty_tracker_new(VFIOContainer *container);
void vfio_dirty_tracker_free(VFIODirtyTracker *t);

/* "container of dev0, dev1", for messages; g_free() it */
char *vfio_dirty_name(const VFIODirtyTracker *t);

/* Read the container's capability into @t; without one nothing is tracked. */
void vfio_dirty_query(VFIODirtyTracker *t);

/* Names of the devices for which @is returns true; g_free() it */
char *vfio_dirty_names(const VFIODirtyTracker *t,
                       bool (*is)(VFIODevice *vbasedev));

/* Start or stop tracking. Returns 0, or -errno with @errp set. */
int vfio_dirty_start(VFIODirtyTracker *t, Error **errp);
int vfio_dirty_stop(VFIODirtyTracker *t, Error **errp);

/*
 * vfio_dirty_get: read and clear the bits of a range, into @t->bitmap
 *
 * The range must not begin or end inside of a mapping, nor have more than
 * @t->max_pages. On success all bits have to be taken out of the bitmap.
 * Returns: 0, or -errno with @errp set and the bitmap all zero.
 */
int vfio_dirty_get(VFIODirtyTracker *t, const VFIODirtyRange *range,
                   Error **errp);

/*
 * vfio_dirty_unmap_get: unmap a range and read its bits in one step
 *
 * Returns: 0, or -errno with the bitmap all zero and nothing unmapped.
 */
int vfio_dirty_unmap_get(VFIODirtyTracker *t, const VFIODirtyRange *range);

/*
 * vfio_dirty_unmap: unmap without looking at bits
 *
 * Works without a tracker.
 * Returns: 0, also where nothing was mapped, or -errno.
 */
int vfio_dirty_unmap(VFIOContainer *container, uint64_t first_iova,
                     uint64_t last_iova);

/*
 * vfio_dirty_note_read: a sync has read @pages, from bit @first of
 * @t->bitmap on; to be called before they are taken out
 */
void vfio_dirty_note_read(VFIODirtyTracker *t, uint64_t first,
                          uint64_t pages);

/*
 * vfio_dirty_rounds_begin, vfio_dirty_round_ends: of syncs of all sections,
 * from log start on
 *
 * @running: a device of the container runs; those that do not are read for
 *           the last time, which ends the migration
 *
 * Returns: true once, where the IOMMU calls all pages dirty whenever it is
 * asked. What was held then is dropped: all has to be marked at the end.
 */
void vfio_dirty_rounds_begin(VFIODirtyTracker *t);
bool vfio_dirty_round_ends(VFIODirtyTracker *t, bool running);

/*
 * vfio_dirty_hold_begins, vfio_dirty_hold_ends: bracket a sync that may be of
 * such a round
 *
 * What it reads is kept from RAM as long as all pages are dirty: who slows a
 * guest down for the pages that it writes (auto-converge) must not count them.
 *
 * @running: as for vfio_dirty_round_ends()
 */
void vfio_dirty_hold_begins(VFIODirtyTracker *t, bool running);
void vfio_dirty_hold_ends(VFIODirtyTracker *t);

/* vfio_dirty_release: give RAM what was held */
void vfio_dirty_release(VFIODirtyTracker *t);

/* Map for the device. Returns 0 or -errno. */
int vfio_dirty_map(VFIOContainer *container, uint64_t iova,
                   uint64_t size_bytes, void *vaddr, bool read_only);

/* Make room for @pages in @t->bitmap, all zero. Returns false: no memory */
bool vfio_dirty_room(VFIODirtyTracker *t, uint64_t pages);

/* Make @pages of @t->bitmap zero, as it has to be between uses. */
void vfio_dirty_clean(VFIODirtyTracker *t, uint64_t pages);

/* Give the bits of @pages, from bit @first on, to RAM from @ram_addr on. */
void vfio_dirty_take(VFIODirtyTracker *t, uint64_t first, uint64_t pages,
                     uint64_t ram_addr);

/* Mark RAM as dirty for the migration. */
void vfio_dirty_mark(uint64_t ram_addr, uint64_t size_bytes);

/* ---- dirty-iommu.c ---- */

/*
 * vfio_dirty_notify: maps and unmaps what a guest's IOMMU tells, and records
 * it: the notify of a VFIOGuestIOMMU
 */
void vfio_dirty_notify(IOMMUNotifier *n, IOMMUTLBEntry *iotlb);

/*
 * vfio_dirty_iommu_replay: have @giommu, whose notifier is registered, tell
 * once more what the guest has mapped
 *
 * What is on record, or known to the kernel, stays as it is.
 */
void vfio_dirty_iommu_replay(VFIODirtyTracker *t, VFIOGuestIOMMU *giommu);

/*
 * vfio_dirty_iommu_loaded: the guest's IOMMU was loaded; map for it what it
 * has mapped and has not told
 */
void vfio_dirty_iommu_loaded(VFIODirtyTracker *t);

/* Read the bits of all that is mapped in @first_iova to @last_iova. */
int vfio_dirty_iommu_sync(VFIODirtyTracker *t, uint64_t first_iova,
                          uint64_t last_iova, Error **errp);

/* Mark what is mapped there by mappings of more than @pages. */
void vfio_dirty_iommu_mark(VFIODirtyTracker *t, uint64_t first_iova,
                           uint64_t last_iova, uint64_t pages);

/* How much is mapped there, in bytes */
uint64_t vfio_dirty_iommu_bytes(VFIODirtyTracker *t, uint64_t first_iova,
                                uint64_t last_iova);

/*
 * vfio_dirty_iommu_unmap: where bits are wanted, unmap what lies wholly in a
 * range together with its bits, and forget it
 *
 * Returns: how many bytes were unmapped; the caller unmaps the rest.
 */
uint64_t vfio_dirty_iommu_unmap(VFIODirtyTracker *t, uint64_t first_iova,
                                uint64_t last_iova);

/* ---- dirty-devices.c ---- */

/* The first device of @container for which @is returns true, or NULL */
VFIODevice *vfio_dirty_find_in(VFIOContainer *container,
                               bool (*is)(VFIODevice *vbasedev));

/*
 * vfio_dirty_device_running: may the device write to RAM?
 *
 * A device without a migration object does not say; as long as the VM runs
 * it does. It leaves before the end (failover primary), or blocks migration.
 */
bool vfio_dirty_device_running(VFIODevice *vbasedev);

/* It migrates by protocol v1: none of these has a log of its DMA. */
bool vfio_dirty_device_is_v1(VFIODevice *vbasedev);

/*
 * vfio_dirty_device_pins_all: does it make the IOMMU call all pages dirty?
 *
 * A device behind a real IOMMU does, as all of the memory is pinned for it.
 * An mdev does not: its driver pins what the device uses.
 */
bool vfio_dirty_device_pins_all(VFIODevice *vbasedev);

/* How often it was reset, as far as we know; it may have been more often. */
unsigned vfio_dirty_device_resets(VFIODevice *vbasedev);

/* It runs, and its pages are wanted at the end only. */
bool vfio_dirty_device_opted_out(VFIODevice *vbasedev);

/* Is the state of a device being saved? */
bool vfio_dirty_is_saving(void);

/*
 * vfio_dirty_fail: fail the migration under way, as pages may be lost
 *
 * @ret: -errno
 * @err: ownership is transferred; printed if no device is being saved
 */
void vfio_dirty_fail(int ret, Error *err);

/*
 * vfio_dirty_map_failed: a mapping of the guest's IOMMU was refused
 *
 * While a device of the container is loaded, that fails the load: the guest
 * took the mapping for made. Else it is told, once for each errno.
 *
 * @ret: -errno
 * @err: ownership is transferred
 */
void vfio_dirty_map_failed(VFIODirtyTracker *t, int ret, Error *err);

#endif /* HW_VFIO_DIRTY_CONTAINER_H */
