/*
 * Simulated VFIO devices: the device's file descriptor
 *
 * Owns: open and close of a device, its ioctls, and which part of the
 * simulation a read, write or mmap at some file offset belongs to. The
 * descriptor is a sparse memfd whose file offset is region index <<
 * SIM_REGION_SHIFT, so the kernel itself serves the mappings.
 *
 * Locks: sim_world.lock for the open count; the parts take their own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sim-internal.h"
#include "sim-uapi.h"

SimDevice *sim_device_new(void)
{
    SimDevice *d = g_new0(SimDevice, 1);

    g_mutex_init(&d->mig_lock);
    g_mutex_init(&d->pci_lock);
    d->memfd = -1;
    d->violations = g_ptr_array_new_with_free_func(g_free);
    sim_dma_init(d);
    return d;
}

void sim_device_free(SimDevice *d)
{
    sim_device_config_clear(&d->cfg);
    sim_mig_config_clear(&d->mig.cfg);
    g_ptr_array_unref(d->violations);
    g_mutex_clear(&d->mig_lock);
    g_mutex_clear(&d->pci_lock);
    g_mutex_clear(&d->dma.lock);
    g_cond_clear(&d->dma.wake);
    g_free(d);
}

bool sim_call(SimDevice *d, SimEvent ev, uint32_t to, SimOutcome *out)
{
    uint32_t from = sim_mig_state(&d->mig);
    bool migrating = sim_mig_migrating(ev, from, to);

    __atomic_fetch_add(&d->mig.count.calls, 1, __ATOMIC_RELAXED);
    if (migrating) {
        __atomic_fetch_add(&d->mig.count.migration_calls, 1, __ATOMIC_RELAXED);
    }
    if (ev == SIM_EV_STATE_WRITE && (to & SIM_STATE_MASK) == SIM_RUNNING) {
        sim_window_restore(d);
    }
    if (!sim_fault_hit(d, ev, from, to, migrating, out)) {
        return false;
    }
    if (out->window_gone) {
        sim_window_drop(d);
    }
    if (out->raise_intx) {
        sim_pci_raise_intx(d);
    }
    if (out->flr) {
        __atomic_store_n(&d->flr_due, true, __ATOMIC_RELAXED);
    }
    if (out->set_error) {
        out->err = out->err ? out->err : EIO;
        sim_dma_set_running(d, false);
        sim_mig_set_state(&d->mig, (from & ~SIM_STATE_MASK) | SIM_ERROR);
        sim_log(d->cfg.name, "state from=%s to=error by=fault",
                sim_mig_state_name(&d->mig, from));
        sim_status_write();
    }
    return true;
}

/* A reset by the guest during a driver's call takes effect after it. */
void sim_flr_if_due(SimDevice *d)
{
    if (__atomic_exchange_n(&d->flr_due, false, __ATOMIC_RELAXED)) {
        sim_log(d->cfg.name, "flr");
        sim_migration_reset(d);
    }
}

/* ------------------------------------------------------------------------ */
/* Open and close                                                           */

/* Offset of the migration region in the memfd, and the memfd's size */
static const off_t region_at = (off_t)SIM_MIGRATION_REGION <<
                               SIM_REGION_SHIFT;
static const off_t memory_end = (off_t)(SIM_MIGRATION_REGION + 1) <<
                                SIM_REGION_SHIFT;

static bool make_memory(SimDevice *d)
{
    const SimMigConfig *c = &d->mig.cfg;
    /* A window larger than the state is not fully used; v2 has no window. */
    int populate = c->protocol_v2 || c->state_size < c->window_size
                   ? 0 : SIM_MAP_POPULATE(c->region_size);

    d->memfd = memfd_create("vfio-sim-device", MFD_CLOEXEC);
    if (d->memfd < 0 || ftruncate(d->memfd, memory_end) < 0) {
        return false;
    }
    d->mig.window = sim_real_mmap(NULL, c->region_size,
                                  PROT_READ | PROT_WRITE,
                                  MAP_SHARED | populate, d->memfd, region_at);
    if (d->mig.window == MAP_FAILED) {
        d->mig.window = NULL;
        return false;
    }
    return true;
}

/* Map the device's own view of its migration region. */
static void move_window(SimDevice *d, int flags, int fd, off_t offset)
{
    void *p = sim_real_mmap(d->mig.window, d->mig.cfg.region_size,
                            PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd,
                            offset);

    g_assert_true(p == d->mig.window);
}

static void resize_memory(SimDevice *d, off_t size)
{
    int ret = ftruncate(d->memfd, size);

    g_assert_cmpint(ret, ==, 0);
}

void sim_window_drop(SimDevice *d)
{
    if (d->window_gone) {
        return;
    }
    move_window(d, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    resize_memory(d, region_at);
    d->window_gone = true;
    sim_log(d->cfg.name, "window gone");
}

void sim_window_restore(SimDevice *d)
{
    if (!d->window_gone) {
        return;
    }
    resize_memory(d, memory_end);
    move_window(d, MAP_SHARED, d->memfd, region_at);
    d->window_gone = false;
    sim_log(d->cfg.name, "window back");
}

static void drop_memory(SimDevice *d)
{
    if (d->mig.window) {
        munmap(d->mig.window, d->mig.cfg.region_size);
        d->mig.window = NULL;
    }
    if (d->memfd >= 0) {
        sim_real_close(d->memfd);
        d->memfd = -1;
    }
    d->window_gone = false;
}

int sim_device_open(SimDevice *d, SimContainer *c)
{
    int fd = -1, err;

    g_mutex_lock(&sim_world.lock);
    if (d->open_count || make_memory(d)) {
        fd = fcntl(d->memfd, F_DUPFD_CLOEXEC, 0);
    }
    if (fd < 0) {
        err = errno;
        if (!d->open_count) {
            drop_memory(d);
        }
        g_mutex_unlock(&sim_world.lock);
        return -err;
    }
    d->container = c;
    if (d->open_count++ == 0) {
        sim_mig_init(&d->mig);
        sim_pci_init(d);
        sim_dma_open(d);
    }
    g_mutex_unlock(&sim_world.lock);
    sim_log(d->cfg.name, "open group=%u", (unsigned)d->cfg.group);
    sim_status_write();
    sim_status_timer_start();
    fd = sim_file_publish(fd, SIM_FILE_DEVICE, d);
    return fd < 0 ? -errno : fd;
}

static void end_migration(SimDevice *d)
{
    unsigned files = __atomic_load_n(&d->data_files, __ATOMIC_RELAXED);

    g_mutex_lock(&d->mig_lock);
    sim_v2_end_session(&d->mig);
    if (files) {
        sim_host_violation(&d->mig, "closed with %u data fds open", files);
    }
    g_mutex_unlock(&d->mig_lock);
}

void sim_device_close(SimDevice *d)
{
    bool last;

    g_mutex_lock(&sim_world.lock);
    last = --d->open_count == 0;
    g_mutex_unlock(&sim_world.lock);
    sim_log(d->cfg.name, "close");
    if (!last) {
        return;
    }
    end_migration(d);
    sim_dma_close(d);
    sim_dma_log_close(d);
    sim_status_write();
    sim_pci_release(d);
    drop_memory(d);
    d->container = NULL;
}

/* ------------------------------------------------------------------------ */
/* Information                                                              */

static bool has_migration_region(SimDevice *d)
{
    return d->mig.cfg.migration != SIM_MIGRATION_NO;
}

static int device_info(SimDevice *d, void *arg)
{
    struct vfio_device_info *info = arg;

    if (info->argsz < offsetof(struct vfio_device_info, cap_offset)) {
        return -EINVAL;
    }
    info->flags = VFIO_DEVICE_FLAGS_PCI;
    if (d->cfg.has_reset) {
        info->flags |= VFIO_DEVICE_FLAGS_RESET;
    }
    info->num_regions = VFIO_PCI_NUM_REGIONS + has_migration_region(d);
    info->num_irqs = VFIO_PCI_NUM_IRQS;
    return 0;
}

static int pci_region_info(SimDevice *d, struct vfio_region_info *info)
{
    const uint32_t rw = VFIO_REGION_INFO_FLAG_READ |
                        VFIO_REGION_INFO_FLAG_WRITE;

    info->flags = 0;
    info->cap_offset = 0;
    info->offset = (uint64_t)info->index << SIM_REGION_SHIFT;
    info->size = info->index == VFIO_PCI_CONFIG_REGION_INDEX ?
                 d->cfg.config_size : sim_pci_bar_size(d, info->index);
    if (info->index == VFIO_PCI_VGA_REGION_INDEX) {
        return -EINVAL;
    }
    if (info->size) {
        info->flags = rw;
    }
    if (info->index == VFIO_PCI_BAR0_REGION_INDEX) {
        info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
    }
    return 0;
}

static int region_info(SimDevice *d, void *arg)
{
    struct vfio_region_info *info = arg;

    if (info->argsz < sizeof(*info)) {
        return -EINVAL;
    }
    if (info->index < VFIO_PCI_NUM_REGIONS) {
        return pci_region_info(d, info);
    }
    if (info->index == SIM_MIGRATION_REGION && has_migration_region(d)) {
        return sim_migration_region_info(d, info);
    }
    return -EINVAL;
}

/* ------------------------------------------------------------------------ */
/* ioctl                                                                    */

static int reset(SimDevice *d, void *arg)
{
    return d->cfg.has_reset ? sim_migration_reset(d) : -EINVAL;
}

static int no_such(SimDevice *d, void *arg)
{
    return -ENOTTY;
}

typedef struct Request {
    unsigned long number;           /* 0: all others */
    SimEvent event;
    int (*serve)(SimDevice *d, void *arg);
} Request;

static const Request requests[] = {
    { VFIO_DEVICE_GET_INFO, SIM_EV_DEVICE_INFO, device_info },
    { VFIO_DEVICE_GET_REGION_INFO, SIM_EV_REGION_INFO, region_info },
    { VFIO_DEVICE_GET_IRQ_INFO, SIM_EV_IRQ_INFO, sim_pci_irq_info },
    { VFIO_DEVICE_SET_IRQS, SIM_EV_SET_IRQS, sim_pci_set_irqs },
    { VFIO_DEVICE_RESET, SIM_EV_RESET, reset },
    { VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, SIM_EV_HOT_RESET_INFO,
      sim_hot_reset_info },
    { VFIO_DEVICE_PCI_HOT_RESET, SIM_EV_HOT_RESET, sim_hot_reset },
    { 0, SIM_EV_OTHER, no_such },
};

static int plain_ioctl(SimDevice *d, unsigned long request, void *arg)
{
    const Request *r = requests;
    SimOutcome out;
    int ret;

    while (r->number && r->number != request) {
        r++;
    }
    sim_call(d, r->event, sim_mig_state(&d->mig), &out);
    ret = out.err ? -out.err : r->serve(d, arg);
    if (!out.err && request == SIM_IOC_FEATURE) {
        ret = -(int)d->mig.cfg.v2.unknown_errno;
    }
    if (r->event == SIM_EV_REGION_INFO) {
        sim_log(d->cfg.name, "region-info index=%u ret=%d",
                ((struct vfio_region_info *)arg)->index, ret);
    } else {
        sim_log(d->cfg.name, "%s request=%lu ret=%d",
                sim_event_names[r->event], request & 0xff, ret);
    }
    return ret;
}

int sim_device_ioctl(SimDevice *d, unsigned long request, void *arg)
{
    bool v2 = request == SIM_IOC_FEATURE && d->mig.cfg.protocol_v2;
    int ret = v2 ? sim_feature_ioctl(d, arg) : plain_ioctl(d, request, arg);

    sim_flr_if_due(d);
    return ret;
}

/* ------------------------------------------------------------------------ */
/* Reads, writes and mappings                                               */

static ssize_t bar_rw(SimDevice *d, bool write, void *buf, size_t len,
                      unsigned index, uint64_t offset)
{
    uint64_t size = sim_pci_bar_size(d, index);
    off_t at = ((off_t)index << SIM_REGION_SHIFT) + offset;
    SimOutcome out;
    ssize_t ret;

    sim_call(d, write ? SIM_EV_BAR_WRITE : SIM_EV_BAR_READ,
             sim_mig_state(&d->mig), &out);
    if (out.err) {
        return -out.err;
    }
    if (offset >= size) {
        return -EINVAL;
    }
    len = MIN(len, size - offset);
    ret = write ? sim_real_pwrite(d->memfd, buf, len, at)
                : sim_real_pread(d->memfd, buf, len, at);
    return ret < 0 ? -errno : ret;
}

static ssize_t config_rw(SimDevice *d, bool write, void *buf, size_t len,
                         uint64_t offset)
{
    SimOutcome out;

    sim_call(d, write ? SIM_EV_CONFIG_WRITE : SIM_EV_CONFIG_READ,
             sim_mig_state(&d->mig), &out);
    if (out.err) {
        return -out.err;
    }
    if (out.has_short) {
        len = MIN(len, out.short_len);
    }
    return sim_pci_config_rw(d, write, buf, len, offset);
}

static ssize_t region_rw(SimDevice *d, bool write, void *buf, size_t len,
                         uint64_t offset)
{
    uint64_t index = offset >> SIM_REGION_SHIFT;

    offset &= SIM_REGION_OFFSET_MASK;
    if (index <= VFIO_PCI_ROM_REGION_INDEX) {
        return bar_rw(d, write, buf, len, index, offset);
    }
    if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
        return config_rw(d, write, buf, len, offset);
    }
    if (index == SIM_MIGRATION_REGION && has_migration_region(d)) {
        return sim_migration_rw(d, write, buf, len, offset);
    }
    return -EINVAL;
}

ssize_t sim_device_rw(SimDevice *d, bool write, void *buf, size_t len,
                      uint64_t offset)
{
    ssize_t ret = region_rw(d, write, buf, len, offset);

    sim_flr_if_due(d);
    return ret;
}

/* A mapping must lie in one area; it must not span two adjacent ones. */
static bool mappable(SimDevice *d, uint64_t index, uint64_t offset,
                     uint64_t length)
{
    uint64_t page = getauxval(AT_PAGESZ);
    uint64_t size = (length + page - 1) & ~(page - 1);

    if (index == VFIO_PCI_BAR0_REGION_INDEX) {
        return offset < d->cfg.bar0_size &&
               size <= d->cfg.bar0_size - offset;
    }
    return index == SIM_MIGRATION_REGION &&
           sim_mig_mappable(&d->mig, offset, length);
}

void *sim_device_mmap(SimDevice *d, void *addr, size_t length, int prot,
                      int flags, int fd, uint64_t offset)
{
    uint64_t index = offset >> SIM_REGION_SHIFT;
    uint64_t at = offset & SIM_REGION_OFFSET_MASK;
    SimOutcome out;
    void *ptr = MAP_FAILED;

    sim_call(d, SIM_EV_MMAP, sim_mig_state(&d->mig), &out);
    if (out.err) {
        errno = out.err;
    } else if (!(flags & MAP_SHARED) || !mappable(d, index, at, length)) {
        errno = EINVAL;
    } else {
        ptr = sim_real_mmap(addr, length, prot, flags, fd, offset);
    }
    if (ptr != MAP_FAILED && index == SIM_MIGRATION_REGION) {
        d->mig.count.mmaps++;
    }
    sim_log(d->cfg.name, "mmap region=%u offset=0x%llx size=0x%zx ret=%d",
            (unsigned)index, (unsigned long long)at, length,
            ptr == MAP_FAILED ? -errno : 0);
    sim_flr_if_due(d);
    return ptr;
}
