/*
 * vfio-migrate info: can this device migrate, and what does it offer?
 *
 * Owns: what is printed of an open device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/vfio/migration-device.h"
#include "screen.h"
#include "command.h"
#include "device.h"

#define MAX_AREAS_SHOWN 8u

static void print_window(VFIORegion *region)
{
    for (unsigned i = 0; i < MIN(region->nr_mmaps, MAX_AREAS_SHOWN); i++) {
        g_autofree char *size = screen_size(region->mmaps[i].size);

        screen_field(i ? "" : "mappable", "0x%" PRIx64 " + 0x%zx (%s)",
                     (uint64_t)region->mmaps[i].offset, region->mmaps[i].size,
                     size);
    }
    if (region->nr_mmaps > MAX_AREAS_SHOWN) {
        screen_field("", "and %u more", region->nr_mmaps - MAX_AREAS_SHOWN);
    } else if (!region->nr_mmaps) {
        screen_field("mappable", "nothing: all data is read and written");
    }
}

static void print_region(VFIODeviceMigration *mig)
{
    VFIORegion *region = &mig->base.region;
    g_autofree char *size = screen_size(region->size);

    screen_field("protocol", "%s", mig->protocol->name);
    screen_field("state", "%s", vfio_mig_state_str(mig->state));
    screen_field("region", "index %u, %s, %s", region->nr, size,
                 region->flags & VFIO_REGION_INFO_FLAG_MMAP ? "mappable"
                                                            : "trapped");
    print_window(region);
}

static void print_container(VFIOContainer *container)
{
    g_autofree char *most = screen_size(container->max_dirty_bitmap_size);

    if (container->dirty_pages_supported) {
        screen_field("dirty pages", "told by the IOMMU in pages of 0x%" PRIx64
                     ", bitmaps of at most %s",
                     container->dirty_pgsizes & -container->dirty_pgsizes,
                     most);
    } else {
        screen_field("dirty pages", "not told by the IOMMU: all memory is "
                     "sent again when the VM stands still");
    }
}

static void print_device(VFIODevice *vbasedev, const char *blocker)
{
    screen_field("device", "%s, IOMMU group %d", vbasedev->name,
                 vbasedev->group->groupid);
    screen_field("migration", "%s", blocker ?: "possible");
    screen_field("reset", "%s", vbasedev->reset_works ? "yes" :
                 "no: a device that failed stays failed");
    if (vbasedev->migration) {
        print_region(vfio_mig_of(vbasedev));
    }
    print_container(vbasedev->group->container);
}

static ToolExit run(const Tool *tool)
{
    const char *name = tool->arguments[0];
    Error *err = NULL;
    VFIODevice *vbasedev;
    ToolExit answer;

    if (!tool_may_reset(tool, name)) {
        return TOOL_USAGE;
    }
    vbasedev = tool_open(name, &err);
    if (!vbasedev) {
        return tool_complain_error(err);
    }
    answer = vfio_host_blocker(0) ? TOOL_NO : TOOL_YES;
    print_device(vbasedev, vfio_host_blocker(0));
    tool_close(vbasedev);
    return answer;
}

const Command command_info = {
    .name = "info",
    .arguments = "DEVICE",
    .summary = "Can it migrate? What does it offer?",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
