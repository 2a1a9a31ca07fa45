/*
 * Dirty tracking in an unmodified QEMU: its memory listeners
 *
 * Owns: the callbacks that replace QEMU's in a container's memory listener,
 * when they do so, and the guest IOMMUs whose notifiers have to be ours.
 * Does not own: what is tracked, and how (dirty-tracking.c, which the listener
 * of a patched QEMU calls itself).
 *
 * Locks: the BQL for everything; memory listeners and notifiers are called
 * with it.
 * Source: docs/dirty-tracking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "exec/memory.h"
#include "hw/vfio/dirty-container.h"
#include "hw/vfio/dirty-tracking.h"
#include "hw/vfio/migration-device.h"
#include "migration/misc.h"
#include "dirty-listener.h"

/* ---- listeners that have our callbacks ---- */

static QLIST_HEAD(, AttachListener) attach_listeners =
    QLIST_HEAD_INITIALIZER(attach_listeners);

AttachListener *attach_listener_of(VFIOContainer *container)
{
    AttachListener *attached;

    QLIST_FOREACH(attached, &attach_listeners, next) {
        if (attached->container == container) {
            return attached;
        }
    }
    return NULL;
}

static VFIOContainer *attach_container(MemoryListener *listener)
{
    return container_of(listener, VFIOContainer, listener);
}

static const MemoryListener *attach_original(MemoryListener *listener)
{
    return &attach_listener_of(attach_container(listener))->original;
}

/* ---- sections of a guest's IOMMU ---- */

static bool attach_in_host_window(VFIOContainer *container,
                                  uint64_t first_iova, uint64_t last_iova)
{
    VFIOHostDMAWindow *window;

    QLIST_FOREACH(window, &container->hostwin_list, hostwin_next) {
        if (window->min_iova <= first_iova && last_iova <= window->max_iova) {
            return true;
        }
    }
    return false;
}

static bool attach_register(VFIOGuestIOMMU *giommu, MemoryRegion *mr)
{
    if (memory_region_iommu_set_page_size_mask(giommu->iommu_mr,
                                               giommu->container->pgsizes,
                                               NULL) ||
        memory_region_register_iommu_notifier(mr, &giommu->n, NULL)) {
        return false;
    }
    memory_region_ref(mr);
    QLIST_INSERT_HEAD(&giommu->container->giommu_list, giommu, giommu_next);
    return true;
}

/*
 * The notifier has to be ours from the first event on: a second replay would
 * not report what the first one did (docs/dirty-tracking.md).
 */
static bool attach_iommu_add(VFIOContainer *container,
                             MemoryRegionSection *section,
                             IOMMUNotify notify)
{
    uint64_t size = int128_get64(int128_sub(section->size, int128_one()));
    uint64_t first_iova = section->offset_within_address_space;
    VFIOGuestIOMMU *giommu;

    if (!attach_in_host_window(container, first_iova, first_iova + size)) {
        return false;
    }
    giommu = g_new0(VFIOGuestIOMMU, 1);
    giommu->container = container;
    giommu->iommu_mr = memory_region_get_iommu(section->mr);
    giommu->iommu_offset = first_iova - section->offset_within_region;
    iommu_notifier_init(&giommu->n, notify,
                        IOMMU_NOTIFIER_IOTLB_EVENTS,
                        section->offset_within_region,
                        section->offset_within_region + size,
                        memory_region_iommu_attrs_to_index(
                            giommu->iommu_mr, MEMTXATTRS_UNSPECIFIED));
    if (!attach_register(giommu, section->mr)) {
        g_free(giommu);
        return false;
    }
    memory_region_iommu_replay(giommu->iommu_mr, &giommu->n);
    return true;
}

/*
 * On a replay intel_iommu forgets what it has notified before: a page that the
 * guest has removed from its tables, but not invalidated yet, would stay
 * mapped for ever. So only replayed mappings are kept.
 */
static void attach_unmap_others(VFIODirtyTracker *t, VFIOGuestIOMMU *giommu)
{
    uint64_t from = giommu->n.start + giommu->iommu_offset;
    uint64_t last = giommu->n.end + giommu->iommu_offset;
    VFIODirtyPosition *at = vfio_dirty_mappings_from(t->mappings, from);

    for (; at; at = vfio_dirty_mapping_next(at)) {
        const VFIODirtyMapping *m = vfio_dirty_mapping_at(at);

        if (m->iova > last) {
            break;
        }
        if (m->iova > from) {
            vfio_dirty_unmap(t->container, from, m->iova - 1);
        }
        from = m->iova + m->size_bytes;
        if (from == 0) {
            return;         /* the very last address is mapped */
        }
    }
    if (from <= last) {
        vfio_dirty_unmap(t->container, from, last);
    }
}

static void attach_adopt(VFIODirtyTracker *t, VFIOGuestIOMMU *giommu)
{
    giommu->n.notify = vfio_dirty_notify;
    vfio_dirty_iommu_replay(t, giommu);
    attach_unmap_others(t, giommu);
}

static void attach_adopt_all(VFIODirtyTracker *t)
{
    VFIOGuestIOMMU *giommu;

    QLIST_FOREACH(giommu, &t->container->giommu_list, giommu_next) {
        if (giommu->n.notify != vfio_dirty_notify) {
            attach_adopt(t, giommu);
        }
    }
}

/* ---- callbacks ---- */

static void attach_log_sync(MemoryListener *listener,
                            MemoryRegionSection *section)
{
    vfio_dirty_sync(attach_container(listener), section);
}

static void attach_log_global_after_sync(MemoryListener *listener)
{
    const MemoryListener *original = attach_original(listener);

    if (original->log_global_after_sync) {
        original->log_global_after_sync(listener);
    }
    vfio_dirty_synced(attach_container(listener));
}

static void attach_log_global_start(MemoryListener *listener)
{
    vfio_dirty_tracking_start(attach_container(listener));
}

static void attach_log_global_stop(MemoryListener *listener)
{
    vfio_dirty_tracking_stop(attach_container(listener));
}

static void attach_region_del(MemoryListener *listener,
                              MemoryRegionSection *section)
{
    vfio_dirty_section_goes(attach_container(listener), section);
    attach_original(listener)->region_del(listener, section);
}

static void attach_region_add(MemoryListener *listener,
                              MemoryRegionSection *section)
{
    VFIOContainer *container = attach_container(listener);

    if (memory_region_get_iommu(section->mr) &&
        attach_iommu_add(container, section,
                         vfio_dirty_iommu_comes(container))) {
        return;
    }
    attach_original(listener)->region_add(listener, section);
    attach_adopt_all(vfio_dirty_tracker_of(container));
}

/* ---- taking over a container, and its end ---- */

static void attach_status_change(Notifier *notifier, void *data)
{
    /* A failover primary is plugged without a probe. */
    if (migration_in_setup(data)) {
        attach_dirty_tracking();
    }
}

/* Registered while at least one listener is ours */
static Notifier attach_status_notifier = { .notify = attach_status_change };

static void attach_uninstall(AttachListener *attached)
{
    MemoryListener *listener = &attached->container->listener;

    listener->commit = attached->original.commit;
    listener->region_add = attached->original.region_add;
    listener->region_del = attached->original.region_del;
    listener->log_sync = attached->original.log_sync;
    listener->log_global_after_sync = attached->original.log_global_after_sync;
    listener->log_global_start = attached->original.log_global_start;
    listener->log_global_stop = attached->original.log_global_stop;
    QLIST_REMOVE(attached, next);
    g_free(attached);
    if (QLIST_EMPTY(&attach_listeners)) {
        remove_migration_state_change_notifier(&attach_status_notifier);
    }
}

/*
 * Called at the end of every change of memory, and so at the end of the
 * container: QEMU unregisters the listener after the last group has left, when
 * the list of groups is empty. Its sections, with their dirty bits, have been
 * removed before. Waiting for the last device to leave instead would be too
 * early, as it may still write, or too late: vfio-pci removes devices from a
 * container in an order of its own.
 */
static void attach_commit(MemoryListener *listener)
{
    VFIOContainer *container = attach_container(listener);
    const MemoryListener *original = attach_original(listener);

    if (original->commit) {
        original->commit(listener);
    }
    if (QLIST_EMPTY(&container->group_list)) {
        attach_uninstall(attach_listener_of(container));
        vfio_dirty_container_goes(container);
    }
}

static void attach_install(VFIOContainer *container)
{
    AttachListener *attached = g_new0(AttachListener, 1);
    MemoryListener *listener = &container->listener;

    if (QLIST_EMPTY(&attach_listeners)) {
        add_migration_state_change_notifier(&attach_status_notifier);
    }
    attached->container = container;
    attached->original = *listener;
    QLIST_INSERT_HEAD(&attach_listeners, attached, next);
    listener->commit = attach_commit;
    listener->region_add = attach_region_add;
    listener->region_del = attach_region_del;
    listener->log_sync = attach_log_sync;
    listener->log_global_after_sync = attach_log_global_after_sync;
    listener->log_global_start = attach_log_global_start;
    listener->log_global_stop = attach_log_global_stop;
}

static void attach_take_over(VFIOContainer *container)
{
    vfio_dirty_container_comes(container);
    if (!vfio_dirty_tracker_of(container)) {
        return;         /* its type is not supported */
    }
    attach_install(container);
    attach_adopt_all(vfio_dirty_tracker_of(container));
    if (global_dirty_tracking) {
        /* common.c was told when the container was added. */
        vfio_dirty_tracking_start(container);
    }
}

void attach_dirty_tracking(void)
{
    VFIOGroup *group;

    assert(qemu_mutex_iothread_locked());
    if (!vfio_mig_device_next(NULL)) {
        return;
    }
    QLIST_FOREACH(group, &vfio_group_list, next) {
        if (!vfio_dirty_tracker_of(group->container)) {
            attach_take_over(group->container);
        }
    }
}
