/*
 * Simulated VFIO devices: containers and groups
 *
 * Owns: /dev/vfio/vfio and /dev/vfio/N, and the order in which they must be
 * used: add the group to a container, set the IOMMU type, then open devices.
 * Errors are those of the kernel.
 *
 * Locks: sim_world.lock for the links between groups and containers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "sim-internal.h"

#define API_VERSION 0

static int new_fd(const char *name, SimFileKind kind, void *object)
{
    return sim_file_publish(memfd_create(name, MFD_CLOEXEC), kind, object);
}

/* ------------------------------------------------------------------------ */
/* Containers                                                               */

int sim_container_open(void)
{
    SimContainer *c = g_new0(SimContainer, 1);
    int fd;

    sim_transcript_open();
    g_mutex_init(&c->lock);
    c->mappings = g_ptr_array_new();
    c->open = true;
    g_mutex_lock(&sim_world.lock);
    c->id = sim_world.containers->len;
    g_ptr_array_add(sim_world.containers, c);
    g_mutex_unlock(&sim_world.lock);
    fd = new_fd("vfio-sim-container", SIM_FILE_CONTAINER, c);
    sim_log("container", "open id=%u", c->id);
    return fd;
}

void sim_container_close(SimContainer *c)
{
    sim_log("container", "close id=%u", c->id);
    c->open = false;
    sim_iommu_clear(c);
}

void sim_container_free(SimContainer *c)
{
    sim_iommu_clear(c);
    g_ptr_array_unref(c->mappings);
    g_mutex_clear(&c->lock);
    g_free(c);
}

static int check_extension(SimContainer *c, unsigned long extension)
{
    bool spapr = sim_world.container_cfg.spapr;

    switch (extension) {
    case VFIO_TYPE1_IOMMU:
    case VFIO_TYPE1v2_IOMMU:
        return !spapr;
    case VFIO_SPAPR_TCE_IOMMU:
        return spapr;
    default:
        return 0;
    }
}

static int set_iommu(SimContainer *c, unsigned long type)
{
    if (!c->groups || c->iommu_set) {
        return -EINVAL;
    }
    if (type != (sim_world.container_cfg.spapr ? VFIO_SPAPR_TCE_IOMMU
                                               : VFIO_TYPE1v2_IOMMU)) {
        return -ENODEV;
    }
    c->iommu_set = true;
    return 0;
}

/* One window of 4 GiB at 0, as far as the 32-bit size can express it */
static int spapr_get_info(struct vfio_iommu_spapr_tce_info *info)
{
    if (info->argsz < offsetof(struct vfio_iommu_spapr_tce_info, ddw)) {
        return -EINVAL;
    }
    info->flags = 0;
    info->dma32_window_start = 0;
    info->dma32_window_size = 0;
    return 0;
}

/* Requests that differ from type1; -ENOTTY for the others */
static int spapr_ioctl(unsigned long request, void *arg)
{
    switch (request) {
    case VFIO_IOMMU_ENABLE:
        return 0;
    case VFIO_IOMMU_SPAPR_TCE_GET_INFO:
        return spapr_get_info(arg);
    case VFIO_IOMMU_DIRTY_PAGES:
        return -EINVAL;
    }
    return -ENOTTY;
}

int sim_container_ioctl(SimContainer *c, unsigned long request, void *arg)
{
    int ret;

    switch (request) {
    case VFIO_GET_API_VERSION:
        return API_VERSION;
    case VFIO_CHECK_EXTENSION:
        return check_extension(c, (unsigned long)arg);
    case VFIO_SET_IOMMU:
        return set_iommu(c, (unsigned long)arg);
    }
    /* Without an IOMMU driver, the kernel rejects all other requests. */
    if (!c->iommu_set) {
        return -EINVAL;
    }
    if (sim_world.container_cfg.spapr) {
        ret = spapr_ioctl(request, arg);
        if (ret != -ENOTTY) {
            return ret;
        }
    }
    switch (request) {
    case VFIO_IOMMU_GET_INFO:
        return sim_iommu_get_info(c, arg);
    case VFIO_IOMMU_MAP_DMA:
        return sim_iommu_map(c, arg);
    case VFIO_IOMMU_UNMAP_DMA:
        return sim_iommu_unmap(c, arg);
    case VFIO_IOMMU_DIRTY_PAGES:
        return sim_iommu_dirty(c, arg);
    }
    return -ENOTTY;
}

/* ------------------------------------------------------------------------ */
/* Groups                                                                   */

static SimGroup *find_group(unsigned number)
{
    for (unsigned i = 0; i < sim_world.groups->len; i++) {
        SimGroup *g = g_ptr_array_index(sim_world.groups, i);

        if (g->number == number) {
            return g;
        }
    }
    return NULL;
}

/* The configuration of one of its devices: all agree about the IOMMU. */
static const SimDeviceConfig *group_config(unsigned number)
{
    for (unsigned i = 0; i < sim_world.devices->len; i++) {
        SimDevice *d = g_ptr_array_index(sim_world.devices, i);

        if (d->cfg.group == number) {
            return &d->cfg;
        }
    }
    return NULL;
}

static SimGroup *take_group(unsigned number)
{
    SimGroup *g;

    if (!group_config(number)) {
        errno = ENOENT;
        return NULL;
    }
    g_mutex_lock(&sim_world.lock);
    g = find_group(number);
    if (!g) {
        g = g_new0(SimGroup, 1);
        g->number = number;
        g_ptr_array_add(sim_world.groups, g);
    }
    if (g->open) {
        errno = EBUSY;
        g = NULL;
    } else {
        g->open = true;
    }
    g_mutex_unlock(&sim_world.lock);
    return g;
}

int sim_group_open(unsigned number)
{
    SimGroup *g;

    sim_transcript_open();
    g = take_group(number);
    return g ? new_fd("vfio-sim-group", SIM_FILE_GROUP, g) : -1;
}

static void leave_container(SimGroup *g)
{
    SimContainer *c = g->container;

    if (!c) {
        return;
    }
    g->container = NULL;
    if (--c->groups == 0) {
        c->iommu_set = false;
        sim_iommu_clear(c);
    }
}

void sim_group_close(SimGroup *g)
{
    leave_container(g);
    g->open = false;
}

static int group_status(SimGroup *g, struct vfio_group_status *status)
{
    if (status->argsz < sizeof(*status)) {
        return -EINVAL;
    }
    status->flags = VFIO_GROUP_FLAGS_VIABLE;
    if (g->container) {
        status->flags |= VFIO_GROUP_FLAGS_CONTAINER_SET;
    }
    return 0;
}

/* Groups behind different IOMMUs cannot share a container. */
static int set_container(SimGroup *g, const int *fd)
{
    SimContainer *c = sim_container_of(*fd);
    const SimDeviceConfig *cfg = group_config(g->number);

    if (g->container || !c || !cfg) {
        return -EINVAL;
    }
    if (c->groups && (c->untracked == cfg->dirty_tracking ||
                      c->iommu != cfg->iommu)) {
        return -EINVAL;
    }
    c->untracked = !cfg->dirty_tracking;
    c->iommu = cfg->iommu;
    g->container = c;
    c->groups++;
    return 0;
}

static bool group_in_use(SimGroup *g)
{
    for (unsigned i = 0; i < sim_world.devices->len; i++) {
        SimDevice *d = g_ptr_array_index(sim_world.devices, i);

        if (d->cfg.group == g->number && d->open_count) {
            return true;
        }
    }
    return false;
}

static int unset_container(SimGroup *g)
{
    if (!g->container) {
        return -EINVAL;
    }
    if (group_in_use(g)) {
        return -EBUSY;
    }
    leave_container(g);
    return 0;
}

static int get_device_fd(SimGroup *g, const char *name)
{
    SimDevice *d = sim_find_device(name);

    if (!g->container || !g->container->iommu_set) {
        return -EINVAL;
    }
    if (!d || d->cfg.group != g->number) {
        return -ENODEV;
    }
    return sim_device_open(d, g->container);
}

int sim_group_ioctl(SimGroup *g, unsigned long request, void *arg)
{
    switch (request) {
    case VFIO_GROUP_GET_STATUS:
        return group_status(g, arg);
    case VFIO_GROUP_SET_CONTAINER:
        return set_container(g, arg);
    case VFIO_GROUP_UNSET_CONTAINER:
        return unset_container(g);
    case VFIO_GROUP_GET_DEVICE_FD:
        return get_device_fd(g, arg);
    }
    return -ENOTTY;
}
