/*
 * Dirty tracking: memory that is marked because nothing reports writes to it
 *
 * Owns: marking sections as a whole, marking the parts that neither the IOMMU
 * nor a device's log covers, and how much memory that is. Does not own: when
 * to mark (dirty-sources.c, dirty-tracking.c).
 *
 * Locks: the BQL for everything.
 * Source: docs/dirty-tracking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "hw/vfio/dirty-device.h"
#include "hw/vfio/dirty-mark.h"

static int vfio_dirty_mark_range(VFIODirtyWalk *walk,
                                 const VFIODirtyRange *range,
                                 uint64_t ram_addr)
{
    vfio_dirty_mark(ram_addr, range->pages << walk->t->page_shift);
    return 0;
}

void vfio_dirty_mark_section(VFIODirtyTracker *t,
                             MemoryRegionSection *section)
{
    VFIODirtyWalk walk = {
        .t = t,
        .tracked = vfio_dirty_mark_range,
        .max_pages = UINT64_MAX,
    };

    if (memory_region_get_iommu(section->mr)) {
        vfio_dirty_iommu_mark(t, section->offset_within_address_space,
                              vfio_dirty_section_last(section), 0);
    } else {
        vfio_dirty_walk(&walk, section);
    }
}

static void vfio_dirty_mark_one(VFIODirtyTracker *t,
                                MemoryRegionSection *section, void *opaque)
{
    vfio_dirty_mark_section(t, section);
}

void vfio_dirty_mark_all(VFIODirtyTracker *t)
{
    vfio_dirty_each_section(t, vfio_dirty_mark_one, NULL);
}

/* ---- parts ---- */

static int vfio_dirty_leave(VFIODirtyWalk *walk, const VFIODirtyRange *range,
                            uint64_t ram_addr)
{
    return 0;
}

static int vfio_dirty_mark_large(VFIODirtyWalk *walk,
                                 const VFIODirtyRange *range,
                                 uint64_t ram_addr)
{
    VFIODirtyTracker *t = walk->t;

    if (!t->warned_large) {
        g_autofree char *name = vfio_dirty_name(t);

        t->warned_large = true;
        warn_report("%s: the IOMMU cannot tell which pages the device writes "
                    "in the largest mappings; memory that it can write to is "
                    "sent again after the VM was stopped, which takes as "
                    "long as the downtime", name);
    }
    return vfio_dirty_mark_range(walk, range, ram_addr);
}

static int vfio_dirty_mark_outside(VFIODirtyWalk *walk,
                                   const VFIODirtyRange *range,
                                   uint64_t ram_addr)
{
    vfio_dirty_log_mark_outside(walk->t, walk->opaque, range, ram_addr);
    return 0;
}

/* Devices behind a guest's IOMMU do not log. */
static void vfio_dirty_mark_outside_logs(VFIODirtyTracker *t,
                                         MemoryRegionSection *section)
{
    VFIODirtyWalk walk = {
        .t = t,
        .tracked = vfio_dirty_mark_outside,
        .max_pages = UINT64_MAX,
    };
    VFIODirtyLog *log;

    QLIST_FOREACH(log, &t->logs, next) {
        walk.opaque = log;
        vfio_dirty_walk(&walk, section);
    }
}

void vfio_dirty_mark_parts_of(VFIODirtyTracker *t,
                              MemoryRegionSection *section)
{
    VFIODirtyWalk walk = {
        .t = t,
        .tracked = vfio_dirty_leave,
        .untracked = vfio_dirty_mark_large,
        .max_pages = t->max_pages,
    };

    if (memory_region_get_iommu(section->mr)) {
        if (t->started) {
            vfio_dirty_iommu_mark(t, section->offset_within_address_space,
                                  vfio_dirty_section_last(section),
                                  t->max_pages);
        }
        return;
    }
    if (t->started) {
        vfio_dirty_walk(&walk, section);
    }
    vfio_dirty_mark_outside_logs(t, section);
}

static void vfio_dirty_mark_parts_one(VFIODirtyTracker *t,
                                      MemoryRegionSection *section,
                                      void *opaque)
{
    vfio_dirty_mark_parts_of(t, section);
}

void vfio_dirty_mark_parts(VFIODirtyTracker *t)
{
    vfio_dirty_each_section(t, vfio_dirty_mark_parts_one, NULL);
}

/* ---- how much ---- */

static int vfio_dirty_count_range(VFIODirtyWalk *walk,
                                  const VFIODirtyRange *range,
                                  uint64_t ram_addr)
{
    uint64_t *bytes = walk->opaque;

    *bytes += range->pages << walk->t->page_shift;
    return 0;
}

static void vfio_dirty_count_section(VFIODirtyTracker *t,
                                     MemoryRegionSection *section,
                                     void *opaque)
{
    VFIODirtyWalk walk = {
        .t = t,
        .tracked = vfio_dirty_count_range,
        .max_pages = UINT64_MAX,
        .opaque = opaque,
    };
    uint64_t *bytes = opaque;

    if (memory_region_get_iommu(section->mr)) {
        *bytes += vfio_dirty_iommu_bytes(t,
                                         section->offset_within_address_space,
                                         vfio_dirty_section_last(section));
    } else {
        vfio_dirty_walk(&walk, section);
    }
}

uint64_t vfio_dirty_mapped_bytes(VFIODirtyTracker *t)
{
    uint64_t bytes = 0;

    vfio_dirty_each_section(t, vfio_dirty_count_section, &bytes);
    return bytes;
}
