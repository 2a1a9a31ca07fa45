/*
 * The subsystem as loaded by attach: what the sources of hw/vfio lack
 *
 * Owns: the table of entry points for the loader, the answer to query-migrate,
 * the settings: environment variables here, device properties in a QEMU built
 * with the subsystem.
 * Not here: when and whether any of this is used (loader.c).
 * Locks: BQL for everything that QEMU calls.
 * Source: docs/attach.md; abi.h for the constants that are checked below.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "exec/ram_addr.h"
#include "hw/vfio/migration-options.h"
#include "migration/migration.h"
#include "migration/register.h"
#include "qapi/qapi-types-migration.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qom/object.h"
#include "trace/control.h"
#include "abi.h"
#include "dirty-listener.h"
#include "subsystem.h"

#define ABI_SAME(type, member, number) \
    QEMU_BUILD_BUG_ON(offsetof(type, member) != (number))

/* The loader verifies abi.h in QEMU; these types must agree with it. */
ABI_SAME(VFIODevice, group, ABI_DEVICE_GROUP);
ABI_SAME(VFIODevice, name, ABI_DEVICE_NAME);
ABI_SAME(VFIODevice, sysfsdev, ABI_DEVICE_SYSFSDEV);
ABI_SAME(VFIODevice, dev, ABI_DEVICE_DEV);
ABI_SAME(VFIODevice, fd, ABI_DEVICE_FD);
ABI_SAME(VFIODevice, needs_reset, ABI_DEVICE_NEEDS_RESET);
ABI_SAME(VFIODevice, no_mmap, ABI_DEVICE_NO_MMAP);
ABI_SAME(VFIODevice, ram_block_discard_allowed, ABI_DEVICE_RAM_BLOCK_DISCARD);
ABI_SAME(VFIODevice, enable_migration, ABI_DEVICE_ENABLE_MIGRATION);
ABI_SAME(VFIODevice, ops, ABI_DEVICE_OPS);
ABI_SAME(VFIODevice, num_regions, ABI_DEVICE_NUM_REGIONS);
ABI_SAME(VFIODevice, migration, ABI_DEVICE_MIGRATION);
ABI_SAME(VFIODevice, migration_blocker, ABI_DEVICE_MIGRATION_BLOCKER);
ABI_SAME(VFIODevice, pre_copy_dirty_page_tracking, ABI_DEVICE_PRE_COPY_DIRTY);
ABI_SAME(VFIODeviceOps, vfio_hot_reset_multi, ABI_DEVICE_OPS_HOT_RESET_MULTI);
ABI_SAME(VFIODeviceOps, vfio_eoi, ABI_DEVICE_OPS_EOI);
ABI_SAME(VFIODeviceOps, vfio_get_object, ABI_DEVICE_OPS_GET_OBJECT);
ABI_SAME(VFIODeviceOps, vfio_save_config, ABI_DEVICE_OPS_SAVE_CONFIG);
ABI_SAME(VFIODeviceOps, vfio_load_config, ABI_DEVICE_OPS_LOAD_CONFIG);
ABI_SAME(VFIORegion, fd_offset, ABI_REGION_FD_OFFSET);
ABI_SAME(VFIORegion, mem, ABI_REGION_MEM);
ABI_SAME(VFIORegion, size, ABI_REGION_SIZE);
ABI_SAME(VFIORegion, flags, ABI_REGION_FLAGS);
ABI_SAME(VFIORegion, nr_mmaps, ABI_REGION_NR_MMAPS);
ABI_SAME(VFIORegion, mmaps, ABI_REGION_MMAPS);
ABI_SAME(VFIORegion, nr, ABI_REGION_NR);
ABI_SAME(VFIOMmap, mmap, ABI_MMAP_MMAP);
ABI_SAME(VFIOMmap, offset, ABI_MMAP_OFFSET);
ABI_SAME(VFIOMmap, size, ABI_MMAP_SIZE);
QEMU_BUILD_BUG_ON(sizeof(VFIOMmap) != ABI_MMAP_SIZEOF);
ABI_SAME(VFIOMigration, vm_state, ABI_MIGRATION_VM_STATE);
ABI_SAME(VFIOMigration, migration_state, ABI_MIGRATION_NOTIFIER);
ABI_SAME(VFIOMigration, region, ABI_MIGRATION_REGION);
ABI_SAME(VFIOMigration, device_state, ABI_MIGRATION_DEVICE_STATE);
ABI_SAME(VFIOGroup, container, ABI_GROUP_CONTAINER);
ABI_SAME(VFIOGroup, device_list, ABI_GROUP_DEVICE_LIST);
ABI_SAME(VFIOGroup, next, ABI_GROUP_NEXT);
ABI_SAME(VFIOContainer, listener, ABI_CONTAINER_LISTENER);
ABI_SAME(VFIOContainer, dirty_pages_supported,
         ABI_CONTAINER_DIRTY_PAGES_SUPPORTED);
ABI_SAME(SaveVMHandlers, save_cleanup, ABI_SAVEVM_SAVE_CLEANUP);
ABI_SAME(SaveVMHandlers, save_live_pending, ABI_SAVEVM_LIVE_PENDING);
ABI_SAME(SaveVMHandlers, load_setup, ABI_SAVEVM_LOAD_SETUP);
ABI_SAME(SaveVMHandlers, load_cleanup, ABI_SAVEVM_LOAD_CLEANUP);
ABI_SAME(SaveVMHandlers, save_live_complete_precopy,
         ABI_SAVEVM_COMPLETE_PRECOPY);
ABI_SAME(SaveVMHandlers, save_live_iterate, ABI_SAVEVM_LIVE_ITERATE);
ABI_SAME(SaveVMHandlers, save_setup, ABI_SAVEVM_SAVE_SETUP);
ABI_SAME(VMStateIfClass, get_id, ABI_VMSTATE_IF_GET_ID);
ABI_SAME(Notifier, node, ABI_NOTIFIER_NODE);
ABI_SAME(VFIOGroup, container_next, ABI_GROUP_CONTAINER_NEXT);
ABI_SAME(VFIOContainer, iommu_type, ABI_CONTAINER_IOMMU_TYPE);
ABI_SAME(VFIOContainer, pgsizes, ABI_CONTAINER_PGSIZES);
ABI_SAME(VFIOContainer, giommu_list, ABI_CONTAINER_GIOMMU_LIST);
ABI_SAME(VFIOContainer, hostwin_list, ABI_CONTAINER_HOSTWIN_LIST);
ABI_SAME(VFIOContainer, group_list, ABI_CONTAINER_GROUP_LIST);
ABI_SAME(VFIOGuestIOMMU, n, ABI_GUEST_IOMMU_N);
ABI_SAME(VFIOGuestIOMMU, giommu_next, ABI_GUEST_IOMMU_NEXT);
ABI_SAME(VFIOHostDMAWindow, hostwin_next, ABI_HOST_WINDOW_NEXT);
ABI_SAME(IOMMUNotifier, notifier_flags, ABI_IOMMU_NOTIFIER_FLAGS);
ABI_SAME(IOMMUNotifier, start, ABI_IOMMU_NOTIFIER_START);
ABI_SAME(IOMMUNotifier, end, ABI_IOMMU_NOTIFIER_END);
ABI_SAME(IOMMUNotifier, iommu_idx, ABI_IOMMU_NOTIFIER_INDEX);
ABI_SAME(IOMMUNotifier, node, ABI_IOMMU_NOTIFIER_NODE);
ABI_SAME(IOMMUTLBEntry, translated_addr, ABI_IOTLB_TRANSLATED_ADDR);
ABI_SAME(IOMMUTLBEntry, addr_mask, ABI_IOTLB_ADDR_MASK);
ABI_SAME(IOMMUTLBEntry, perm, ABI_IOTLB_PERM);
ABI_SAME(MemoryRegionSection, mr, ABI_SECTION_MR);
ABI_SAME(MemoryRegionSection, fv, ABI_SECTION_FV);
QEMU_BUILD_BUG_ON(MEMORY_REGION_RAM_OFFSET != ABI_MEMORY_REGION_RAM);
QEMU_BUILD_BUG_ON(MEMORY_REGION_IS_IOMMU_OFFSET != ABI_MEMORY_REGION_IS_IOMMU);
ABI_SAME(DirtyMemoryBlocks, blocks, ABI_DIRTY_BLOCKS);
QEMU_BUILD_BUG_ON(DIRTY_MEMORY_BLOCK_SIZE - 1 != ABI_DIRTY_BLOCK_MASK);
ABI_SAME(RAMList, dirty_memory, ABI_RAM_LIST_DIRTY_MEMORY);
ABI_SAME(MemoryListener, region_add, ABI_LISTENER_REGION_ADD);
ABI_SAME(MemoryListener, region_del, ABI_LISTENER_REGION_DEL);
ABI_SAME(MemoryListener, log_sync, ABI_LISTENER_LOG_SYNC);
ABI_SAME(MemoryListener, log_global_start, ABI_LISTENER_LOG_GLOBAL_START);
ABI_SAME(MemoryListener, name, ABI_LISTENER_NAME);
QEMU_BUILD_BUG_ON(sizeof(MemoryListener) != ABI_LISTENER_SIZEOF);
ABI_SAME(TraceEvent, name, ABI_TRACE_EVENT_NAME);
ABI_SAME(TraceEvent, sstate, ABI_TRACE_EVENT_SSTATE);
ABI_SAME(TraceEvent, dstate, ABI_TRACE_EVENT_DSTATE);
QEMU_BUILD_BUG_ON(sizeof(TraceEvent) != ABI_TRACE_EVENT_SIZEOF);
ABI_SAME(MigrationInfo, has_vfio, ABI_MIGRATION_INFO_HAS_VFIO);
ABI_SAME(MigrationInfo, vfio, ABI_MIGRATION_INFO_VFIO);
QEMU_BUILD_BUG_ON(LOG_TRACE != ABI_LOG_TRACE);
ABI_SAME(QEnumLookup, array, ABI_ENUM_ARRAY);
ABI_SAME(QEnumLookup, size, ABI_ENUM_SIZE);
QEMU_BUILD_BUG_ON((int)RUN_STATE_INTERNAL_ERROR !=
                  (int)ABI_RUN_STATE_INTERNAL_ERROR);
QEMU_BUILD_BUG_ON((int)RUN_STATE_SAVE_VM != (int)ABI_RUN_STATE_SAVE_VM);
QEMU_BUILD_BUG_ON((int)RUN_STATE__MAX != (int)ABI_RUN_STATE_COUNT);
QEMU_BUILD_BUG_ON((int)MODULE_INIT_MIGRATION !=
                  (int)ABI_MODULE_INIT_MIGRATION);

ABI_SAME(MigrationState, to_dst_file, ABI_MIGRATION_STATE_TO_DST_FILE);
ABI_SAME(MigrationState, rp_state.rp_thread, ABI_MIGRATION_STATE_RP_THREAD);
ABI_SAME(MigrationState, rp_state.error, ABI_MIGRATION_STATE_RP_ERROR);
ABI_SAME(MigrationState, rp_state.rp_thread_created,
         ABI_MIGRATION_STATE_RP_THREAD_CREATED);

/* An environment variable with two values, of which @off is the default */
typedef struct Setting {
    const char *name;
    const char *off;
    const char *on;
    bool warned;
} Setting;

static bool setting_is_on(Setting *setting)
{
    const char *value = g_getenv(setting->name);

    if (!value || g_str_equal(value, setting->off)) {
        return false;
    }
    if (g_str_equal(value, setting->on)) {
        return true;
    }
    if (!setting->warned) {
        warn_report("%s is '%s', '%s' or '%s' was expected: %s",
                    setting->name, value, setting->on, setting->off,
                    setting->off);
        setting->warned = true;
    }
    return false;
}

const char vfio_mig_off_reason[] = "its property x-enable-migration is off";

const char vfio_mig_multi_device_option[] =
    "VFIO_MIGRATION_MULTI=allow in QEMU's environment";

bool vfio_mig_multi_device_allowed(VFIODevice *vbasedev)
{
    static Setting setting = { "VFIO_MIGRATION_MULTI", "deny", "allow" };

    return setting_is_on(&setting);
}

const char vfio_mig_empty_chunk_option[] =
    "VFIO_MIGRATION_EMPTY_CHUNK=pending in QEMU's environment";

bool vfio_mig_empty_chunk_is_pending(VFIODevice *vbasedev)
{
    static Setting setting = { "VFIO_MIGRATION_EMPTY_CHUNK", "none",
                               "pending" };

    return setting_is_on(&setting);
}

const char vfio_mig_stop_size_option[] =
    "VFIO_MIGRATION_STOP_SIZE=SIZE in QEMU's environment";

/* An environment variable that is a size; 0: not set, or invalid */
static uint64_t size_setting(const char *name, bool *warned)
{
    const char *text = g_getenv(name);
    uint64_t size_bytes = 0;

    if (text && *text && qemu_strtosz(text, NULL, &size_bytes) < 0 &&
        !*warned) {
        warn_report("%s is '%s', a size (9437184, 9M) was expected: 0", name,
                    text);
        *warned = true;
    }
    return size_bytes;
}

uint64_t vfio_mig_stop_size(VFIODevice *vbasedev)
{
    static bool warned;

    return size_setting("VFIO_MIGRATION_STOP_SIZE", &warned);
}

uint64_t vfio_mig_queue_size(VFIODevice *vbasedev)
{
    static bool warned;

    return size_setting("VFIO_MIGRATION_QUEUE_SIZE", &warned);
}

/* The migration's parameters are properties as well. */
uint64_t vfio_mig_downtime_limit_ms(void)
{
    return object_property_get_uint(OBJECT(migrate_get_current()),
                                    "x-downtime-limit", NULL);
}

bool vfio_mig_answer_wanted(void)
{
    static Setting setting = { "VFIO_MIGRATION_RETURN_PATH", "auto", "off" };

    return !setting_is_on(&setting);
}

bool vfio_mig_device_log_allowed(VFIODevice *vbasedev)
{
    static Setting setting = { "VFIO_MIGRATION_DEVICE_DIRTY_TRACKING", "on",
                               "off" };

    return !setting_is_on(&setting);
}

void vfio_mig_end_incoming(void)
{
    exit(EXIT_FAILURE);
}

/* Listeners are registered before the probe, without our callbacks. */
static int attach_migration_probe(VFIODevice *vbasedev, Error **errp)
{
    int ret = vfio_migration_probe(vbasedev, errp);

    if (ret == 0) {
        attach_dirty_tracking();
    }
    return ret;
}

/* For query-migrate: QEMU frees @info->vfio */
static void attach_populate_vfio_info(MigrationInfo *info)
{
    if (vfio_mig_active()) {
        info->has_vfio = true;
        info->vfio = g_new0(VfioStats, 1);
        info->vfio->transferred = vfio_mig_bytes_transferred();
    }
}

/*
 * The names are QEMU's, but here they refer to our functions: the version
 * script makes all of them local to this object.
 */
__attribute__((visibility("default")))
const AttachTable vfio_migration_attach_table = {
    .version = ATTACH_TABLE_VERSION,
    .start = vfio_migration_trace_init,
    .entries = {
        { "vfio_migration_probe", attach_migration_probe },
        { "vfio_migration_finalize", vfio_migration_finalize },
        { "vfio_mig_active", vfio_mig_active },
        { "vfio_mig_bytes_transferred", vfio_mig_bytes_transferred },
        { "populate_vfio_info", attach_populate_vfio_info },
    },
};
