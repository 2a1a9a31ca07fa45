/*
 * VFIO devices of the stand-alone host
 *
 * Owns: containers, groups and devices: opening them through /dev/vfio and
 * the device's sysfs directory, and closing them; vfio_group_list. There is
 * no guest RAM, so nothing is mapped for DMA.
 *
 * Lock: the BQL.
 *
 * Source: linux/vfio.h; the order of calls is that of QEMU 7.2.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "attach/dirty-listener.h"
#include "hw/vfio/vfio-common.h"
#include "migration/host-device.h"
#include "migration/standalone.h"

VFIOGroupList vfio_group_list = QLIST_HEAD_INITIALIZER(vfio_group_list);

/* ---- container ---- */

static void container_read_info(VFIOContainer *container)
{
    struct vfio_iommu_type1_info head = { .argsz = sizeof(head) };
    g_autofree struct vfio_iommu_type1_info *info = NULL;
    struct vfio_iommu_type1_info_cap_migration *mig;

    if (ioctl(container->fd, VFIO_IOMMU_GET_INFO, &head)) {
        return;
    }
    head.argsz = MAX(head.argsz, sizeof(head));
    info = g_malloc0(head.argsz);
    info->argsz = head.argsz;
    if (ioctl(container->fd, VFIO_IOMMU_GET_INFO, info) ||
        !(info->flags & VFIO_IOMMU_INFO_CAPS)) {
        return;
    }
    container->pgsizes = info->iova_pgsizes;
    mig = (void *)host_info_cap(info, head.argsz, info->cap_offset,
                                VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION,
                                sizeof(*mig));
    if (mig) {
        container->dirty_pages_supported = true;
        container->dirty_pgsizes = mig->pgsize_bitmap;
        container->max_dirty_bitmap_size = mig->max_dirty_bitmap_size;
    }
}

static VFIOContainer *container_open(VFIOGroup *group, Error **errp)
{
    VFIOContainer *container;
    int fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        error_setg_errno(errp, errno, "Could not open /dev/vfio/vfio");
        return NULL;
    }
    if (ioctl(fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
        ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0) {
        error_setg(errp, "/dev/vfio/vfio has no IOMMU of type 1 v2");
        close(fd);
        return NULL;
    }
    if (ioctl(group->fd, VFIO_GROUP_SET_CONTAINER, &fd) ||
        ioctl(fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)) {
        error_setg_errno(errp, errno, "group %d does not join its container",
                         group->groupid);
        close(fd);
        return NULL;
    }
    container = g_new0(VFIOContainer, 1);
    container->fd = fd;
    container->iommu_type = VFIO_TYPE1v2_IOMMU;
    container->initialized = true;
    container_read_info(container);
    return container;
}

/* All groups share one container if the kernel allows it. */
static bool group_join_container(VFIOGroup *group, Error **errp)
{
    VFIOGroup *other;

    QLIST_FOREACH(other, &vfio_group_list, next) {
        if (!ioctl(group->fd, VFIO_GROUP_SET_CONTAINER,
                   &other->container->fd)) {
            group->container = other->container;
            break;
        }
    }
    if (!group->container) {
        group->container = container_open(group, errp);
        if (!group->container) {
            return false;
        }
    }
    QLIST_INSERT_HEAD(&group->container->group_list, group, container_next);
    return true;
}

static void group_leave_container(VFIOGroup *group)
{
    VFIOContainer *container = group->container;

    QLIST_REMOVE(group, container_next);
    if (QLIST_EMPTY(&container->group_list) && container->listener.commit) {
        /* As at the end of QEMU's memory_listener_unregister() */
        container->listener.commit(&container->listener);
    }
    ioctl(group->fd, VFIO_GROUP_UNSET_CONTAINER, &container->fd);
    if (QLIST_EMPTY(&container->group_list)) {
        close(container->fd);
        g_free(container);
    }
}

/* ---- group ---- */

static VFIOGroup *group_open(int groupid, Error **errp)
{
    struct vfio_group_status status = { .argsz = sizeof(status) };
    g_autofree char *path = g_strdup_printf("/dev/vfio/%d", groupid);
    VFIOGroup *group;

    QLIST_FOREACH(group, &vfio_group_list, next) {
        if (group->groupid == groupid) {
            return group;
        }
    }
    group = g_new0(VFIOGroup, 1);
    group->groupid = groupid;
    group->fd = open(path, O_RDWR | O_CLOEXEC);
    if (group->fd < 0) {
        error_setg_errno(errp, errno, "Could not open %s", path);
        g_free(group);
        return NULL;
    }
    if (ioctl(group->fd, VFIO_GROUP_GET_STATUS, &status) ||
        !(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
        error_setg(errp, "group %d is not viable: bind all its devices to a"
                   " VFIO driver", groupid);
    } else if (group_join_container(group, errp)) {
        QLIST_INSERT_HEAD(&vfio_group_list, group, next);
        return group;
    }
    close(group->fd);
    g_free(group);
    return NULL;
}

static void group_put(VFIOGroup *group)
{
    if (!QLIST_EMPTY(&group->device_list)) {
        return;
    }
    QLIST_REMOVE(group, next);
    group_leave_container(group);
    close(group->fd);
    g_free(group);
}

/* ---- device ---- */

static Object *device_get_object(VFIODevice *vbasedev)
{
    return OBJECT(vbasedev->dev);
}

/* Required by the subsystem; there are no interrupts in this host. */
static VFIODeviceOps device_ops = {
    .vfio_get_object = device_get_object,
    .vfio_save_config = host_pci_save,
    .vfio_load_config = host_pci_load,
};

static int find_group(const char *sysfsdev, Error **errp)
{
    g_autofree char *link = g_build_filename(sysfsdev, "iommu_group", NULL);
    g_autofree char *target = g_file_read_link(link, NULL);
    g_autofree char *number = target ? g_path_get_basename(target) : NULL;
    guint64 groupid;

    if (!number || !g_ascii_string_to_unsigned(number, 10, 0, INT_MAX,
                                               &groupid, NULL)) {
        error_setg(errp, "%s does not lead to an IOMMU group: is the path"
                   " right, and the IOMMU enabled?", link);
        return -1;
    }
    return groupid;
}

static bool device_get_info(VFIODevice *vbasedev, Error **errp)
{
    struct vfio_device_info info = { .argsz = sizeof(info) };
    struct vfio_region_info *config;
    PCIDevice *pci_dev = host_device(vbasedev);
    int ret;

    if (ioctl(vbasedev->fd, VFIO_DEVICE_GET_INFO, &info)) {
        error_setg_errno(errp, errno, "%s: no device information",
                         vbasedev->name);
        return false;
    }
    vbasedev->num_irqs = info.num_irqs;
    vbasedev->num_regions = info.num_regions;
    vbasedev->flags = info.flags;
    vbasedev->reset_works = info.flags & VFIO_DEVICE_FLAGS_RESET;

    ret = vfio_get_region_info(vbasedev, VFIO_PCI_CONFIG_REGION_INDEX,
                               &config);
    if (!ret) {
        pci_dev->config_offset = config->offset;
        g_free(config);
        ret = host_pci_read_config(pci_dev);
    }
    if (ret) {
        error_setg_errno(errp, -ret, "%s: no PCI config space",
                         vbasedev->name);
        return false;
    }
    return true;
}

static bool device_attach(VFIODevice *vbasedev, Error **errp)
{
    int groupid = find_group(vbasedev->sysfsdev, errp);
    g_autofree char *kernel_name = g_path_get_basename(vbasedev->sysfsdev);

    if (groupid < 0) {
        return false;
    }
    vbasedev->group = group_open(groupid, errp);
    if (!vbasedev->group) {
        return false;
    }
    vbasedev->fd = ioctl(vbasedev->group->fd, VFIO_GROUP_GET_DEVICE_FD,
                         kernel_name);
    if (vbasedev->fd < 0) {
        error_setg_errno(errp, errno, "%s: group %d does not open it",
                         vbasedev->name, groupid);
        group_put(vbasedev->group);
        vbasedev->group = NULL;
        return false;
    }
    QLIST_INSERT_HEAD(&vbasedev->group->device_list, vbasedev, next);
    return true;
}

static void device_finalize(Object *obj)
{
    PCIDevice *pci_dev = container_of(obj, PCIDevice, qdev.parent);
    VFIODevice *vbasedev = &pci_dev->vbasedev;

    if (vbasedev->group) {
        QLIST_REMOVE(vbasedev, next);
        close(vbasedev->fd);
        group_put(vbasedev->group);
    }
    host_object_destroy(&pci_dev->qdev.parent);
    g_free(pci_dev->qdev.id);
    g_free(vbasedev->sysfsdev);
    g_free(vbasedev->name);
    g_free(pci_dev);
}

VFIODevice *vfio_host_device_open(const VFIOHostDeviceOptions *options,
                                  Error **errp)
{
    PCIDevice *pci_dev = g_new0(PCIDevice, 1);
    VFIODevice *vbasedev = &pci_dev->vbasedev;

    assert(qemu_mutex_iothread_locked());
    host_object_init(&pci_dev->qdev.parent, device_finalize);
    pci_dev->qdev.id = g_strdup(options->id);
    vbasedev->sysfsdev = g_strdup(options->sysfsdev);
    vbasedev->name = options->name ? g_strdup(options->name)
                                   : g_path_get_basename(options->sysfsdev);
    vbasedev->dev = &pci_dev->qdev;
    vbasedev->type = VFIO_DEVICE_TYPE_PCI;
    vbasedev->ops = &device_ops;
    vbasedev->no_mmap = options->no_mmap;
    vbasedev->enable_migration = !options->disable_migration;

    /* A failed probe must clean up: QEMU does not call finalize then. */
    if (!device_attach(vbasedev, errp) || !device_get_info(vbasedev, errp) ||
        vfio_migration_probe(vbasedev, errp)) {
        object_unref(OBJECT(vbasedev->dev));
        return NULL;
    }
    attach_dirty_tracking();
    return vbasedev;
}

void vfio_host_device_close(VFIODevice *vbasedev)
{
    assert(qemu_mutex_iothread_locked());
    vfio_migration_finalize(vbasedev);
    object_unref(OBJECT(vbasedev->dev));
}

void vfio_host_reset_devices(void)
{
    VFIOGroup *group;
    VFIODevice *vbasedev;

    QLIST_FOREACH(group, &vfio_group_list, next) {
        QLIST_FOREACH(vbasedev, &group->device_list, next) {
            if (vbasedev->reset_works &&
                ioctl(vbasedev->fd, VFIO_DEVICE_RESET)) {
                error_report("%s: reset failed: %s", vbasedev->name,
                             strerror(errno));
            }
        }
    }
}
