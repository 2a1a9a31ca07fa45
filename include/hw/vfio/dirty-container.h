/*
 * A container's dirty tracking: declarations shared by its parts
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
    bool tried;                 /* the kernel was asked to start tracking */
    bool started;               /* and it did */
    Error *start_error;         /* for the next set-up of a migration */
    int start_ret;
    QLIST_HEAD(, VFIODirtyLog) logs;    /* active logs of devices */

    /* Since log start or the last marking, devices may have written to */
    bool owed;                  /* memory whose writes nobody reports */
    bool owed_parts;            /* memory that no log or bitmap covers */
    bool warned_large;

    /* Does the IOMMU report all pages as dirty each time? */
    uint64_t round_pages;       /* pages read in this round of syncs */
    bool round_clean;           /* not all of them were dirty */
    unsigned full_rounds;       /* consecutive rounds in which all were */
    bool holding;               /* bits of this sync may be meaningless */
    GArray *held;               /* VFIODirtyHeld: not applied to RAM yet */
    bool at_end;                /* it does: not read any more, all is owed */

    uint64_t *bitmap;           /* all zero between uses */
    uint64_t bitmap_bytes;

    VFIODirtyMappings *mappings;    /* of guest IOMMUs */
    bool replaying;             /* notifications may repeat earlier ones */
    bool warned_parts;
    uint64_t map_errors_told;   /* bit n: errno n was reported */
} VFIODirtyTracker;

/* Page size of the tracker's bitmaps, in bytes */
static inline uint64_t vfio_dirty_page_bytes(const VFIODirtyTracker *t)
{
    return UINT64_C(1) << t->page_shift;
}

/* ---- dirty-container.c ---- */

/* The tracker of @container, or NULL. */
VFIODirtyTracker *vfio_dirty_tracker_of(VFIOContainer *container);

/* The tracker after @t, or the first if @t is NULL; NULL after the last */
VFIODirtyTracker *vfio_dirty_tracker_next(VFIODirtyTracker *t);

/*
 * vfio_dirty_tracker_new: create the tracker of @container, which has none
 *
 * It lives as long as the container: vfio_dirty_tracker_free() is called when
 * QEMU unregisters the container's memory listener.
 */
VFIODirtyTracker *vfio_dirty_tracker_new(VFIOContainer *container);
void vfio_dirty_tracker_free(VFIODirtyTracker *t);

/* "container of dev0, dev1", for messages; the caller must g_free() it */
char *vfio_dirty_name(const VFIODirtyTracker *t);

/* Store the container's capability in @t; without it nothing is tracked. */
void vfio_dirty_query(VFIODirtyTracker *t);

/* Names of the devices for which @is returns true; g_free() the result */
char *vfio_dirty_names(const VFIODirtyTracker *t,
                       bool (*is)(VFIODevice *vbasedev));

/* Start or stop tracking. Returns 0, or -errno with @errp set. */
int vfio_dirty_start(VFIODirtyTracker *t, Error **errp);
int vfio_dirty_stop(VFIODirtyTracker *t, Error **errp);

/*
 * vfio_dirty_get: read the bits of a range into @t->bitmap and clear them
 *                 in the kernel
 *
 * The range must not begin or end inside a mapping, nor have more than
 * @t->max_pages. On success the caller must take all bits out of the bitmap.
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
 * Returns: 0, also if nothing was mapped, or -errno.
 */
int vfio_dirty_unmap(VFIOContainer *container, uint64_t first_iova,
                     uint64_t last_iova);

/*
 * vfio_dirty_note_read: record that a sync has read @pages, starting at bit
 * @first of @t->bitmap; call it before the bits are taken out
 */
void vfio_dirty_note_read(VFIODirtyTracker *t, uint64_t first,
                          uint64_t pages);

/*
 * vfio_dirty_rounds_begin, vfio_dirty_round_ends: called at log start, and
 * after each round of syncs of all sections
 *
 * @running: a device of the container runs; otherwise this is the last read,
 *           which ends the migration
 *
 * Returns: true once, if the IOMMU reports all pages as dirty each time. Held
 * ranges are dropped then: everything has to be marked at the end.
 */
void vfio_dirty_rounds_begin(VFIODirtyTracker *t);
bool vfio_dirty_round_ends(VFIODirtyTracker *t, bool running);

/*
 * vfio_dirty_hold_begins, vfio_dirty_hold_ends: bracket a sync that may belong
 * to such a round
 *
 * Its bits are not applied to RAM as long as all pages are dirty: auto-converge
 * would count them and throttle the guest for pages that it did not write.
 *
 * @running: as for vfio_dirty_round_ends()
 */
void vfio_dirty_hold_begins(VFIODirtyTracker *t, bool running);
void vfio_dirty_hold_ends(VFIODirtyTracker *t);

/* vfio_dirty_release: apply the held ranges to RAM */
void vfio_dirty_release(VFIODirtyTracker *t);

/* Map memory for DMA by the container's devices. Returns 0 or -errno. */
int vfio_dirty_map(VFIOContainer *container, uint64_t iova,
                   uint64_t size_bytes, void *vaddr, bool read_only);

/*
 * Make room for @pages in @t->bitmap, all zero. Returns false if there is not
 * enough memory.
 */
bool vfio_dirty_room(VFIODirtyTracker *t, uint64_t pages);

/* Clear the bits of @pages in @t->bitmap; it must be zero between uses. */
void vfio_dirty_clean(VFIODirtyTracker *t, uint64_t pages);

/* Apply the bits of @pages, starting at bit @first, to RAM at @ram_addr. */
void vfio_dirty_take(VFIODirtyTracker *t, uint64_t first, uint64_t pages,
                     uint64_t ram_addr);

/* Mark RAM as dirty for the migration. */
void vfio_dirty_mark(uint64_t ram_addr, uint64_t size_bytes);

/* ---- dirty-iommu.c ---- */

/*
 * vfio_dirty_notify: the notifier of a VFIOGuestIOMMU: map and unmap what the
 * guest's IOMMU reports, and record it
 */
void vfio_dirty_notify(IOMMUNotifier *n, IOMMUTLBEntry *iotlb);

/*
 * vfio_dirty_iommu_replay: make @giommu, whose notifier is registered, report
 * again what the guest has mapped
 *
 * Mappings that are on record or known to the kernel are left as they are.
 */
void vfio_dirty_iommu_replay(VFIODirtyTracker *t, VFIOGuestIOMMU *giommu);

/*
 * vfio_dirty_iommu_loaded: the guest's IOMMU was loaded; make the mappings
 * that it has not reported
 */
void vfio_dirty_iommu_loaded(VFIODirtyTracker *t);

/*
 * Read the bits of everything that is mapped from @first_iova to @last_iova.
 * Returns 0, or -errno with @errp set.
 */
int vfio_dirty_iommu_sync(VFIODirtyTracker *t, uint64_t first_iova,
                          uint64_t last_iova, Error **errp);

/* Mark the RAM of all mappings in the range that have more than @pages. */
void vfio_dirty_iommu_mark(VFIODirtyTracker *t, uint64_t first_iova,
                           uint64_t last_iova, uint64_t pages);

/* How much is mapped in the range, in bytes */
uint64_t vfio_dirty_iommu_bytes(VFIODirtyTracker *t, uint64_t first_iova,
                                uint64_t last_iova);

/*
 * vfio_dirty_iommu_unmap: if bits are wanted, read the bits of all mappings
 * that lie entirely in a range while unmapping them; remove their records
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
 * A device without a migration object is taken to run as long as the VM runs.
 * It is unplugged before the end (failover primary), or blocks migration.
 */
bool vfio_dirty_device_running(VFIODevice *vbasedev);

/* Does it migrate by protocol v1? Such devices never log their DMA. */
bool vfio_dirty_device_is_v1(VFIODevice *vbasedev);

/*
 * vfio_dirty_device_pins_all: does it make the IOMMU report all pages as dirty?
 *
 * A device behind a real IOMMU does, as all memory is pinned for it. An mdev
 * does not: its driver pins only what the device uses.
 */
bool vfio_dirty_device_pins_all(VFIODevice *vbasedev);

/* Number of known resets of the device; there may have been more. */
unsigned vfio_dirty_device_resets(VFIODevice *vbasedev);

/* Is it running, with x-pre-copy-dirty-page-tracking=off? */
bool vfio_dirty_device_opted_out(VFIODevice *vbasedev);

/* Is the state of a device being saved? */
bool vfio_dirty_is_saving(void);

/*
 * vfio_dirty_fail: fail the current migration, as pages may be lost
 *
 * @ret: -errno
 * @err: ownership is transferred; printed if no device is being saved
 */
void vfio_dirty_fail(int ret, Error *err);

/*
 * vfio_dirty_map_failed: a mapping of the guest's IOMMU was refused
 *
 * While a device of the container is being loaded, that fails the load: the
 * guest relies on the mapping. Otherwise it is reported, once for each errno.
 *
 * @ret: -errno
 * @err: ownership is transferred
 */
void vfio_dirty_map_failed(VFIODirtyTracker *t, int ret, Error *err);

#endif /* HW_VFIO_DIRTY_CONTAINER_H */
