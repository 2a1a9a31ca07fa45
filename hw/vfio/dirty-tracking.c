/*
 * Dirty tracking of device DMA: what is read, and when
 *
 * Owns: what a container's memory listener asks for, what is done if nothing
 * can be tracked, and how errors reach the migration. Does not own:
 * the ioctls (dirty-container.c), RAM of a section (dirty-sections.c),
 * sections of a guest's IOMMU (dirty-iommu.c), the listener and mapping RAM
 * for devices (QEMU's common.c).
 *
 * Locks: the BQL for everything; memory listeners are called with it.
 * Source: docs/dirty-tracking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/host-utils.h"
#include "qemu/main-loop.h"
#include "migration/misc.h"
#include "migration/migration.h"
#include "hw/vfio/dirty-container.h"
#include "hw/vfio/dirty-mark.h"
#include "hw/vfio/dirty-sections.h"
#include "hw/vfio/dirty-sources.h"
#include "hw/vfio/dirty-tracking.h"
#include "hw/vfio/migration-device.h"
#include "trace.h"

/* ---- sync ---- */

static int vfio_dirty_leave(VFIODirtyWalk *walk, const VFIODirtyRange *range,
                            uint64_t ram_addr)
{
    return 0;
}

static int vfio_dirty_sync_range(VFIODirtyWalk *walk,
                                 const VFIODirtyRange *range,
                                 uint64_t ram_addr)
{
    VFIODirtyTracker *t = walk->t;
    int ret = vfio_dirty_get(t, range, walk->errp);

    if (ret == 0) {
        vfio_dirty_note_read(t, 0, range->pages);
        vfio_dirty_take(t, 0, range->pages, ram_addr);
    }
    return ret;
}

/* Read what the IOMMU has tracked for @section. */
static int vfio_dirty_sync_section(VFIODirtyTracker *t,
                                   MemoryRegionSection *section, Error **errp)
{
    VFIODirtyWalk walk = {
        .t = t,
        .tracked = vfio_dirty_sync_range,
        .untracked = vfio_dirty_leave,
        .max_pages = t->max_pages,
        .errp = errp,
    };

    if (memory_region_get_iommu(section->mr)) {
        return vfio_dirty_iommu_sync(t, section->offset_within_address_space,
                                     vfio_dirty_section_last(section), errp);
    }
    return vfio_dirty_walk(&walk, section);
}

/*
 * Memory whose writes nobody reports is marked after the devices that may have
 * written it have stopped. This is done only once until a device runs again:
 * otherwise the migration of a paused VM would never converge.
 */
static void vfio_dirty_pay(VFIODirtyTracker *t)
{
    if (t->owed && !vfio_dirty_sources_untold_running(t)) {
        t->owed = false;
        trace_vfio_dirty_mark_all(t->container->fd);
        vfio_dirty_mark_all(t);
    }
    if (t->owed_parts &&
        !vfio_dirty_find_in(t->container, vfio_dirty_device_running)) {
        t->owed_parts = false;
        vfio_dirty_mark_parts(t);
    }
}

/* The VM starts to run, or has been running since log start. */
static void vfio_dirty_owe(VFIODirtyTracker *t)
{
    t->owed = t->owed || vfio_dirty_sources_untold(t);
    t->owed_parts = true;
}

void vfio_dirty_vm_goes_on(void)
{
    VFIODirtyTracker *t = NULL;

    assert(qemu_mutex_iothread_locked());
    while ((t = vfio_dirty_tracker_next(t))) {
        vfio_dirty_owe(t);
    }
}

/* ---- what the memory listener asks for ---- */

void vfio_dirty_sync(VFIOContainer *container, MemoryRegionSection *section)
{
    VFIODirtyTracker *t = vfio_dirty_tracker_of(container);
    Error *err = NULL;
    int ret;

    assert(qemu_mutex_iothread_locked());
    /*
     * During setup nothing has been sent yet, and all RAM will be. A display
     * may ask for its own RAM at any time.
     */
    if (!t || !t->wanted || migration_in_setup(migrate_get_current()) ||
        !vfio_dirty_is_section(section)) {
        return;
    }
    if (vfio_dirty_find_in(container, vfio_dirty_device_opted_out)) {
        return;
    }
    if (t->started) {
        vfio_dirty_hold_begins(t, vfio_dirty_find_in(
                                      container, vfio_dirty_device_running));
        ret = vfio_dirty_sync_section(t, section, &err);
        vfio_dirty_hold_ends(t);
        if (ret < 0) {
            /* For the case that no device is there to fail the migration */
            t->owed = t->owed || !vfio_dirty_is_saving();
            vfio_dirty_fail(ret, err);
        }
    }
    vfio_dirty_sources_look(t);
    vfio_dirty_sources_read(t, section);
    vfio_dirty_pay(t);
}

void vfio_dirty_synced(VFIOContainer *container)
{
    VFIODirtyTracker *t = vfio_dirty_tracker_of(container);

    if (t && vfio_dirty_round_ends(t, vfio_dirty_find_in(
                                          container,
                                          vfio_dirty_device_running))) {
        vfio_dirty_sources_give_up_iommu(t);
        t->owed = true;
    }
}

static void vfio_dirty_forget_error(VFIODirtyTracker *t)
{
    error_free(t->start_error);
    t->start_error = NULL;
    t->start_ret = 0;
}

/* From now on, whatever devices write is either tracked or owed. */
static void vfio_dirty_track(VFIODirtyTracker *t)
{
    vfio_dirty_forget_error(t);
    t->start_ret = vfio_dirty_sources_start(t, &t->start_error);
    if (vfio_mig_vm_runs()) {
        vfio_dirty_owe(t);
    }
}

void vfio_dirty_tracking_start(VFIOContainer *container)
{
    VFIODirtyTracker *t = vfio_dirty_tracker_of(container);

    assert(qemu_mutex_iothread_locked());
    if (!t) {
        return;
    }
    t->wanted = true;
    t->owed = t->owed_parts = false;
    vfio_dirty_rounds_begin(t);
    vfio_dirty_track(t);
    if (!migration_in_setup(migrate_get_current()) ||
        !vfio_mig_device_next(NULL)) {
        /* No device's setup will report this; untracked memory is owed */
        if (t->start_error) {
            warn_report_err(g_steal_pointer(&t->start_error));
        }
    } else if (!t->start_error && vfio_mig_vm_runs()) {
        /* In a stopped VM nothing is written, and nothing sent again. */
        vfio_dirty_sources_warn(t);
    }
}

void vfio_dirty_tracking_stop(VFIOContainer *container)
{
    VFIODirtyTracker *t = vfio_dirty_tracker_of(container);

    assert(qemu_mutex_iothread_locked());
    if (t) {
        t->wanted = false;
        vfio_dirty_rounds_begin(t);
        vfio_dirty_forget_error(t);
        vfio_dirty_sources_stop(t);
    }
}

int vfio_dirty_check(Error **errp)
{
    VFIODirtyTracker *t = NULL;
    int ret = 0;

    assert(qemu_mutex_iothread_locked());
    while ((t = vfio_dirty_tracker_next(t))) {
        if (!t->wanted) {
            continue;
        }
        if (t->start_error) {
            ret = t->start_ret;
            error_propagate(errp, t->start_error);
            t->start_error = NULL;
        } else {
            /*
             * Tracking was started earlier, not by this migration, and a
             * failure was reported then. A failover primary may have been
             * plugged since.
             */
            ret = vfio_dirty_sources_check(t, errp);
            if (vfio_mig_vm_runs()) {
                vfio_dirty_owe(t);
            }
        }
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/* ---- sections are removed and added ---- */

static int vfio_dirty_unmap_range(VFIODirtyWalk *walk,
                                  const VFIODirtyRange *range,
                                  uint64_t ram_addr)
{
    VFIODirtyTracker *t = walk->t;

    if (vfio_dirty_unmap_get(t, range) == 0) {
        vfio_dirty_take(t, 0, range->pages, ram_addr);
    } else {
        /* The mapping itself is removed right after this */
        vfio_dirty_mark(ram_addr, range->pages << t->page_shift);
    }
    return 0;
}

static int vfio_dirty_mark_quietly(VFIODirtyWalk *walk,
                                   const VFIODirtyRange *range,
                                   uint64_t ram_addr)
{
    vfio_dirty_mark(ram_addr, range->pages << walk->t->page_shift);
    return 0;
}

/* The IOMMU's bits must be read before a plain unmap discards them. */
static void vfio_dirty_section_read(VFIODirtyTracker *t,
                                    MemoryRegionSection *section)
{
    uint64_t start = section->offset_within_address_space;
    VFIODirtyWalk walk = {
        .t = t,
        .tracked = vfio_dirty_unmap_range,
        .untracked = vfio_dirty_mark_quietly,
        .max_pages = t->max_pages,
    };

    if (memory_region_get_iommu(section->mr)) {
        vfio_dirty_iommu_unmap(t, start, vfio_dirty_section_last(section));
        vfio_dirty_mappings_remove(t->mappings, start,
                                   vfio_dirty_section_last(section));
    } else if (t->started) {
        vfio_dirty_walk(&walk, section);
    }
}

/*
 * A device's log does not depend on mappings: it is read once the section is
 * no longer mapped. Memory whose writes nobody reports is marked then, too.
 */
static void vfio_dirty_section_gone(VFIODirtyTracker *t,
                                    MemoryRegionSection *section, int unmapped)
{
    vfio_dirty_sources_look(t);
    vfio_dirty_sources_read(t, section);
    if (t->owed || unmapped < 0) {
        vfio_dirty_mark_section(t, section);
    } else {
        vfio_dirty_mark_parts_of(t, section);
    }
}

/*
 * The listener's own unmap follows, and if that fails, QEMU exits as soon as
 * something else is mapped there. So either of the two may fail.
 */
static int vfio_dirty_unmap_section(VFIODirtyTracker *t,
                                    MemoryRegionSection *section)
{
    unsigned shift = ctz64(qemu_real_host_page_size());
    VFIODirtyRange range;

    if (!vfio_dirty_range(section->offset_within_address_space,
                          vfio_dirty_section_last(section), shift, &range)) {
        return 0;
    }
    return vfio_dirty_unmap(t->container, range.iova,
                            range.iova + ((range.pages << shift) - 1));
}

void vfio_dirty_section_goes(VFIOContainer *container,
                             MemoryRegionSection *section)
{
    VFIODirtyTracker *t = vfio_dirty_tracker_of(container);
    bool translated = memory_region_get_iommu(section->mr);
    bool counts = vfio_dirty_is_section(section);
    int unmapped = 0;

    assert(qemu_mutex_iothread_locked());
    if (!t) {
        return;
    }
    vfio_dirty_release(t);      /* held pages may be part of this RAM */
    if (counts) {
        vfio_dirty_section_read(t, section);
    }
    if (memory_region_is_ram(section->mr) || translated) {
        unmapped = vfio_dirty_unmap_section(t, section);
    }
    if (counts && t->wanted && !translated) {
        vfio_dirty_section_gone(t, section, unmapped);
    }
}

IOMMUNotify vfio_dirty_iommu_comes(VFIOContainer *container)
{
    VFIODirtyTracker *t = vfio_dirty_tracker_of(container);

    assert(qemu_mutex_iothread_locked());
    if (!t) {
        return NULL;
    }
    vfio_dirty_sources_translate(t);
    return vfio_dirty_notify;
}

/* ---- containers are added and removed ---- */

/* Other types (sPAPR) have windows, no dirty tracking, and are untested */
static bool vfio_dirty_is_type1(VFIOContainer *container)
{
    return container->iommu_type == VFIO_TYPE1_IOMMU ||
           container->iommu_type == VFIO_TYPE1v2_IOMMU;
}

bool vfio_dirty_can_track(VFIODevice *vbasedev)
{
    return vfio_dirty_is_type1(vbasedev->group->container);
}

void vfio_dirty_container_comes(VFIOContainer *container)
{
    assert(qemu_mutex_iothread_locked());
    if (vfio_dirty_is_type1(container)) {
        vfio_dirty_query(vfio_dirty_tracker_new(container));
    }
}

void vfio_dirty_container_goes(VFIOContainer *container)
{
    VFIODirtyTracker *t = vfio_dirty_tracker_of(container);

    assert(qemu_mutex_iothread_locked());
    if (t) {
        vfio_dirty_forget_error(t);
        vfio_dirty_sources_forget(t);
        vfio_dirty_tracker_free(t);
    }
}

void vfio_dirty_device_comes(VFIODevice *vbasedev)
{
    VFIODirtyTracker *t = vfio_dirty_tracker_of(vbasedev->group->container);

    assert(qemu_mutex_iothread_locked());
    if (!t || !t->wanted) {
        return;
    }
    vfio_dirty_track(t);
    if (t->start_error) {
        /* The next migration tries again */
        warn_report_err(g_steal_pointer(&t->start_error));
    }
}

void vfio_dirty_loaded(VFIODevice *vbasedev)
{
    VFIODirtyTracker *t = vfio_dirty_tracker_of(vbasedev->group->container);

    assert(qemu_mutex_iothread_locked());
    if (t) {
        vfio_dirty_iommu_loaded(t);
    }
}

const char *vfio_dirty_describe(VFIODevice *vbasedev)
{
    VFIODirtyTracker *t = vfio_dirty_tracker_of(vbasedev->group->container);
    VFIODirtySource source;

    assert(qemu_mutex_iothread_locked());
    if (!t) {
        return "none";
    }
    source = vfio_dirty_source(t, vbasedev);
    if (source == VFIO_DIRTY_SOURCE_NONE) {
        return "final-pass-all";
    }
    if (vbasedev->pre_copy_dirty_page_tracking == ON_OFF_AUTO_OFF) {
        return "final-pass";
    }
    return source == VFIO_DIRTY_SOURCE_DEVICE ? "device-log" : "pre-copy";
}

uint64_t vfio_dirty_untold_bytes(VFIODevice *vbasedev)
{
    VFIODirtyTracker *t = vfio_dirty_tracker_of(vbasedev->group->container);

    assert(qemu_mutex_iothread_locked());
    return t && vfio_dirty_source(t, vbasedev) == VFIO_DIRTY_SOURCE_NONE
           ? vfio_dirty_mapped_bytes(t) : 0;
}
