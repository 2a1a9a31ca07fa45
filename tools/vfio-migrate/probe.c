/*
 * vfio-migrate: capabilities of an open device and of its IOMMU
 *
 * Owns: querying VFIO for the facts by which two hosts are compared. A device
 * of protocol v2 is stopped for that, by way of pre-copy if it has that state;
 * nothing else is written. Numbers from the device are bounded before use.
 *
 * Lock: the BQL, like everything in the stand-alone host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <linux/pci_regs.h>
#include "hw/vfio/dirty-device.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-transition.h"
#include "json.h"
#include "probe.h"

#define CONFIG_BYTES_MAX 4096u
#define INFO_BYTES_MAX (64 * 1024u)
#define AREAS_MAX 1024u

/* ---- the device ---- */

static void add_config(VFIODevice *vbasedev, JsonObject *facts)
{
    struct vfio_region_info *info;
    uint8_t bytes[CONFIG_BYTES_MAX];
    GString *text;
    ssize_t got;

    json_set_text(facts, "config", NULL);
    if (vfio_get_region_info(vbasedev, VFIO_PCI_CONFIG_REGION_INDEX, &info)) {
        return;
    }
    got = pread(vbasedev->fd, bytes, MIN(info->size, sizeof(bytes)),
                info->offset);
    g_free(info);
    if (got <= 0) {
        return;
    }
    text = g_string_new(NULL);
    for (ssize_t i = 0; i < got; i++) {
        g_string_append_printf(text, "%02x", bytes[i]);
    }
    json_set_text(facts, "config", text->str);
    g_string_free(text, true);
}

static void add_regions(VFIODevice *vbasedev, JsonObject *facts)
{
    JsonArray *regions = json_array_new();

    for (int i = VFIO_PCI_BAR0_REGION_INDEX; i <= VFIO_PCI_ROM_REGION_INDEX;
         i++) {
        struct vfio_region_info *info;
        JsonObject *region;

        if (vfio_get_region_info(vbasedev, i, &info)) {
            continue;
        }
        if (info->size) {
            region = json_object_new();
            json_object_set_int_member(region, "index", i);
            json_set_hex(region, "bytes", info->size);
            json_array_add_object_element(regions, region);
        }
        g_free(info);
    }
    json_object_set_array_member(facts, "regions", regions);
}

static void add_interrupts(VFIODevice *vbasedev, JsonObject *facts)
{
    static const char *const names[] = {
        [VFIO_PCI_INTX_IRQ_INDEX] = "intx",
        [VFIO_PCI_MSI_IRQ_INDEX] = "msi",
        [VFIO_PCI_MSIX_IRQ_INDEX] = "msix",
    };
    JsonObject *interrupts = json_object_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        struct vfio_irq_info info = { .argsz = sizeof(info), .index = i };
        int ret = ioctl(vbasedev->fd, VFIO_DEVICE_GET_IRQ_INFO, &info);

        json_object_set_int_member(interrupts, names[i],
                                   ret ? 0 : info.count);
    }
    json_object_set_object_member(facts, "interrupts", interrupts);
}

void probe_device(VFIODevice *vbasedev, JsonObject *facts)
{
    json_object_set_boolean_member(facts, "reset", vbasedev->reset_works);
    add_config(vbasedev, facts);
    add_regions(vbasedev, facts);
    add_interrupts(vbasedev, facts);
}

/* ---- migration ---- */

static void add_flags(JsonObject *migration, const VFIOMigTraits *traits)
{
    JsonArray *flags = json_array_new();

    json_array_add_string_element(flags, "stop-copy");
    if (traits->p2p) {
        json_array_add_string_element(flags, "p2p");
    }
    if (traits->precopy) {
        json_array_add_string_element(flags, "pre-copy");
    }
    json_object_set_array_member(migration, "flags", flags);
}

static void set_size(JsonObject *migration, const char *name, bool known,
                     uint64_t bytes)
{
    if (known) {
        json_set_hex(migration, name, bytes);
    } else {
        json_object_set_null_member(migration, name);
    }
}

/* The pre-copy sizes are only reported in pre-copy. */
static void add_sizes(JsonObject *migration, VFIODeviceMigration *mig)
{
    VFIOMigSizes sizes = { 0 };

    if (mig->traits.precopy) {
        vfio_mig_try_state(mig, VFIO_MIG_STATE_PRE_COPY);
    }
    if (vfio_mig_claim_soon(mig)) {
        mig->protocol->estimate(mig, &sizes, NULL);
        vfio_mig_release(mig);
    }
    vfio_mig_try_state(mig, VFIO_MIG_STATE_STOP);
    set_size(migration, "state-bytes", sizes.stop_known, sizes.stop_bytes);
    set_size(migration, "initial-bytes", sizes.precopy_known,
             sizes.initial_bytes);
    set_size(migration, "dirty-bytes", sizes.precopy_known,
             sizes.dirty_bytes);
}

static void add_v2(JsonObject *migration, VFIODeviceMigration *mig)
{
    add_flags(migration, &mig->traits);
    json_object_set_boolean_member(migration, "dma-log",
                                   vfio_dirty_log_probe(vfio_mig_dev(mig)));
    add_sizes(migration, mig);
}

char *probe_v2_words(JsonObject *migration)
{
    JsonArray *flags = json_list(migration, "flags");
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; json_list_text(flags, i); i++) {
        g_string_append_printf(text, "%s%s", i ? ", " : "",
                               json_list_text(flags, i));
    }
    return g_string_free(text, false);
}

static void add_v1(JsonObject *migration, VFIODeviceMigration *mig)
{
    VFIORegion *region = &mig->base.region;
    JsonArray *areas = json_array_new();

    json_object_set_int_member(migration, "region", region->nr);
    json_set_hex(migration, "region-bytes", region->size);
    json_object_set_boolean_member(migration, "mappable", region->flags &
                                   VFIO_REGION_INFO_FLAG_MMAP);
    for (unsigned i = 0; i < MIN(region->nr_mmaps, AREAS_MAX); i++) {
        JsonObject *area = json_object_new();

        json_set_hex(area, "offset", region->mmaps[i].offset);
        json_set_hex(area, "bytes", region->mmaps[i].size);
        json_array_add_object_element(areas, area);
    }
    json_object_set_array_member(migration, "areas", areas);
}

JsonObject *probe_migration(VFIODevice *vbasedev, const char *blocker)
{
    JsonObject *migration = json_object_new();
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);

    json_object_set_string_member(migration, "protocol",
                                  mig ? mig->protocol->name : "none");
    json_set_text(migration, "blocker", blocker);
    if (mig) {
        json_object_set_string_member(migration, "state",
                                      vfio_mig_state_str(mig->state));
    }
    if (mig && mig->protocol == &vfio_mig_protocol_v2) {
        add_v2(migration, mig);
    } else if (mig) {
        add_v1(migration, mig);
    }
    return migration;
}

/* ---- the IOMMU ---- */

static struct vfio_iommu_type1_info *read_info(int fd)
{
    uint32_t argsz = sizeof(struct vfio_iommu_type1_info);
    struct vfio_iommu_type1_info *info = g_malloc0(argsz);

    info->argsz = argsz;
    if (!ioctl(fd, VFIO_IOMMU_GET_INFO, info) && info->argsz > argsz &&
        info->argsz <= INFO_BYTES_MAX) {
        argsz = info->argsz;
        g_free(info);
        info = g_malloc0(argsz);
        info->argsz = argsz;
        if (ioctl(fd, VFIO_IOMMU_GET_INFO, info)) {
            info->cap_offset = 0;
        }
    }
    /* At most the size of the buffer, whatever the kernel says. */
    info->argsz = MIN(info->argsz, argsz);
    if (info->argsz <= offsetof(struct vfio_iommu_type1_info, cap_offset) ||
        !(info->flags & VFIO_IOMMU_INFO_CAPS)) {
        info->argsz = 0;
    }
    return info;
}

/* The capability @id, if it has @size bytes; @room: bytes up to the end */
static void *find_cap(struct vfio_iommu_type1_info *info, uint16_t id,
                      size_t size, size_t *room)
{
    uint32_t at = info->argsz ? info->cap_offset : 0;

    while (at && at + (uint64_t)sizeof(struct vfio_info_cap_header) <=
                 info->argsz) {
        struct vfio_info_cap_header *cap = (void *)((char *)info + at);

        *room = info->argsz - at;
        if (cap->id == id) {
            return *room >= size ? cap : NULL;
        }
        if (cap->next <= at) {
            break;
        }
        at = cap->next;
    }
    return NULL;
}

static JsonArray *iova_ranges(struct vfio_iommu_type1_info *info)
{
    struct vfio_iommu_type1_info_cap_iova_range *cap;
    JsonArray *ranges = json_array_new();
    size_t room;
    uint32_t nr;

    cap = find_cap(info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, sizeof(*cap),
                   &room);
    nr = cap ? MIN(cap->nr_iovas, (room - sizeof(*cap)) /
                   sizeof(cap->iova_ranges[0])) : 0;
    for (uint32_t i = 0; i < nr; i++) {
        JsonObject *range = json_object_new();

        json_set_hex(range, "start", cap->iova_ranges[i].start);
        json_set_hex(range, "end", cap->iova_ranges[i].end);
        json_array_add_object_element(ranges, range);
    }
    return ranges;
}

JsonObject *probe_iommu(VFIODevice *vbasedev)
{
    VFIOContainer *container = vbasedev->group->container;
    g_autofree struct vfio_iommu_type1_info *info = read_info(container->fd);
    JsonObject *iommu = json_object_new();
    struct vfio_iommu_type1_info_dma_avail *avail;
    size_t room;

    avail = find_cap(info, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, sizeof(*avail),
                     &room);
    json_set_hex(iommu, "page-sizes", container->pgsizes);
    json_object_set_boolean_member(iommu, "dirty-tracking",
                                   container->dirty_pages_supported);
    json_set_hex(iommu, "dirty-page-sizes", container->dirty_pgsizes);
    json_set_hex(iommu, "max-bitmap-bytes", container->max_dirty_bitmap_size);
    if (avail) {
        json_object_set_int_member(iommu, "mappings", avail->avail);
    } else {
        json_object_set_null_member(iommu, "mappings");
    }
    json_object_set_array_member(iommu, "ranges", iova_ranges(info));
    return iommu;
}
