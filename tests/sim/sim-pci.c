/*
 * Simulated VFIO devices: PCI config space, BARs and interrupts
 *
 * Owns: the config space of a plausible small NIC (power management, MSI-X
 * and, if configured, function level reset; one register BAR, one BAR with the
 * MSI-X table), the eventfds passed by SET_IRQS, and the effect of a reset on
 * both.
 *
 * Locks: SimDevice.pci_lock around everything here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <linux/pci_regs.h>

#include "sim-internal.h"

#define PM_CAP 0x40
#define MSIX_CAP 0x50
#define AF_CAP 0x60
#define MSIX_BAR 2
#define MSIX_BAR_SIZE (16 * 1024)
#define MSIX_PBA_OFFSET (8 * 1024)
#define CLASS_ETHERNET 0x0200

/* ------------------------------------------------------------------------ */
/* Config space                                                             */

static void put(SimPci *pci, unsigned at, uint32_t value, unsigned size,
                uint32_t writable)
{
    for (unsigned i = 0; i < size; i++) {
        pci->config[at + i] = value >> 8 * i;
        pci->writable[at + i] = writable >> 8 * i;
    }
}

/* Function level reset without PCI Express: Advanced Features */
static void fill_af(SimPci *pci, uint8_t *link)
{
    *link = AF_CAP;
    put(pci, AF_CAP, PCI_CAP_ID_AF, 1, 0);
    put(pci, AF_CAP + PCI_AF_LENGTH, PCI_CAP_AF_SIZEOF, 1, 0);
    put(pci, AF_CAP + PCI_AF_CAP, PCI_AF_CAP_TP | PCI_AF_CAP_FLR, 1, 0);
}

static void fill_capabilities(SimDevice *d)
{
    SimPci *pci = &d->pci;
    uint8_t *link = &pci->config[PM_CAP + PCI_CAP_LIST_NEXT];

    put(pci, PCI_STATUS, PCI_STATUS_CAP_LIST, 2, 0);
    put(pci, PCI_CAPABILITY_LIST, PM_CAP, 1, 0);
    put(pci, PM_CAP, PCI_CAP_ID_PM, 1, 0);
    put(pci, PM_CAP + 2, 3, 2, 0);
    put(pci, PM_CAP + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET, 2,
        PCI_PM_CTRL_STATE_MASK);
    if (d->cfg.msix_vectors) {
        *link = MSIX_CAP;
        link = &pci->config[MSIX_CAP + PCI_CAP_LIST_NEXT];
        put(pci, MSIX_CAP, PCI_CAP_ID_MSIX, 1, 0);
        put(pci, MSIX_CAP + PCI_MSIX_FLAGS, d->cfg.msix_vectors - 1, 2,
            PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
        put(pci, MSIX_CAP + PCI_MSIX_TABLE, MSIX_BAR, 4, 0);
        put(pci, MSIX_CAP + PCI_MSIX_PBA, MSIX_PBA_OFFSET | MSIX_BAR, 4, 0);
    }
    if (d->cfg.flr) {
        fill_af(pci, link);
    }
}

static void fill_config(SimDevice *d)
{
    SimPci *pci = &d->pci;

    memset(pci->config, 0, sizeof(pci->config));
    memset(pci->writable, 0, sizeof(pci->writable));
    put(pci, PCI_VENDOR_ID, d->cfg.vendor_id, 2, 0);
    put(pci, PCI_DEVICE_ID, d->cfg.device_id, 2, 0);
    put(pci, PCI_COMMAND, 0, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
        PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
    put(pci, PCI_REVISION_ID, 1, 1, 0);
    put(pci, PCI_CLASS_DEVICE, CLASS_ETHERNET, 2, 0);
    put(pci, PCI_CACHE_LINE_SIZE, 0, 1, 0xff);
    put(pci, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_MEM_TYPE_64, 4,
        ~(d->cfg.bar0_size - 1));
    put(pci, PCI_BASE_ADDRESS_1, 0, 4, UINT32_MAX);
    if (d->cfg.msix_vectors) {
        put(pci, PCI_BASE_ADDRESS_2, 0, 4, ~(MSIX_BAR_SIZE - 1));
    }
    put(pci, PCI_SUBSYSTEM_VENDOR_ID, d->cfg.vendor_id, 2, 0);
    put(pci, PCI_SUBSYSTEM_ID, 1, 2, 0);
    put(pci, PCI_INTERRUPT_LINE, 0, 1, 0xff);
    put(pci, PCI_INTERRUPT_PIN, d->cfg.intx ? 1 : 0, 1, 0);
    fill_capabilities(d);
    for (unsigned i = 0; i < d->cfg.config_size; i++) {
        if (d->cfg.config_given[i]) {
            pci->config[i] = d->cfg.config[i];
        }
    }
}

uint64_t sim_pci_bar_size(SimDevice *d, unsigned index)
{
    switch (index) {
    case VFIO_PCI_BAR0_REGION_INDEX:
        return d->cfg.bar0_size;
    case MSIX_BAR:
        return d->cfg.msix_vectors ? MSIX_BAR_SIZE : 0;
    default:
        return 0;
    }
}

static uint16_t command_of(SimPci *pci)
{
    return pci->config[PCI_COMMAND] | pci->config[PCI_COMMAND + 1] << 8;
}

bool sim_pci_command_has(SimDevice *d, uint16_t bits)
{
    bool has;

    g_mutex_lock(&d->pci_lock);
    has = command_of(&d->pci) & bits;
    g_mutex_unlock(&d->pci_lock);
    return has;
}

/* Returns true if PCI_COMMAND has changed. */
static bool write_config(SimDevice *d, const uint8_t *buf, size_t len,
                         uint64_t offset)
{
    SimPci *pci = &d->pci;
    uint16_t old = command_of(pci);

    for (size_t i = 0; i < len; i++) {
        uint8_t mask = pci->writable[offset + i];

        pci->config[offset + i] =
            (pci->config[offset + i] & ~mask) | (buf[i] & mask);
    }
    if (command_of(pci) == old) {
        return false;
    }
    sim_log(d->cfg.name, "config-write command=0x%04x", command_of(pci));
    return true;
}

static bool asks_for_flr(SimDevice *d, const uint8_t *buf, size_t len,
                         uint64_t offset)
{
    unsigned at = AF_CAP + PCI_AF_CTRL;

    return d->cfg.flr && offset <= at && at < offset + len &&
           (buf[at - offset] & PCI_AF_CTRL_FLR);
}

ssize_t sim_pci_config_rw(SimDevice *d, bool write, void *buf, size_t len,
                          uint64_t offset)
{
    bool changed = false;

    if (offset >= d->cfg.config_size) {
        return -EFAULT;
    }
    len = MIN(len, d->cfg.config_size - offset);
    g_mutex_lock(&d->pci_lock);
    if (write) {
        changed = write_config(d, buf, len, offset);
    } else {
        memcpy(buf, d->pci.config + offset, len);
    }
    g_mutex_unlock(&d->pci_lock);
    if (changed) {
        sim_dma_drain(d);       /* bus mastering may have been disabled */
        sim_status_write();
    }
    if (write && asks_for_flr(d, buf, len, offset)) {
        sim_log(d->cfg.name, "flr");
        sim_migration_reset(d);
    }
    return len;
}

/* ------------------------------------------------------------------------ */
/* Interrupts                                                               */

static void drop_fd(int *fd)
{
    if (*fd >= 0) {
        sim_real_close(*fd);
    }
    *fd = -1;
}

static void drop_msix(SimPci *pci)
{
    for (unsigned i = 0; i < SIM_MAX_VECTORS; i++) {
        drop_fd(&pci->msix_fd[i]);
    }
    pci->msix_enabled = 0;
    pci->msix_armed = 0;
}

static unsigned irq_count(SimDevice *d, unsigned index)
{
    switch (index) {
    case VFIO_PCI_INTX_IRQ_INDEX:
        return d->cfg.intx;
    case VFIO_PCI_MSIX_IRQ_INDEX:
        return d->cfg.msix_vectors;
    case VFIO_PCI_ERR_IRQ_INDEX:
    case VFIO_PCI_REQ_IRQ_INDEX:
        return 1;
    default:
        return 0;
    }
}

int sim_pci_irq_info(SimDevice *d, void *arg)
{
    struct vfio_irq_info *info = arg;

    if (info->argsz < sizeof(*info) || info->index >= VFIO_PCI_NUM_IRQS) {
        return -EINVAL;
    }
    info->count = irq_count(d, info->index);
    info->flags = VFIO_IRQ_INFO_EVENTFD;
    if (info->index == VFIO_PCI_INTX_IRQ_INDEX) {
        info->flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
    } else {
        info->flags |= VFIO_IRQ_INFO_NORESIZE;
    }
    return 0;
}

/* Keep our own reference, as the kernel does. */
static int set_fd(int *slot, int32_t fd)
{
    int own = -1;

    if (fd >= 0) {
        own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (own < 0) {
            return -errno;
        }
    }
    drop_fd(slot);
    *slot = own;
    return 0;
}

static int *slot_of(SimPci *pci, unsigned index, unsigned vector)
{
    switch (index) {
    case VFIO_PCI_INTX_IRQ_INDEX:
        return &pci->intx_fd;
    case VFIO_PCI_MSIX_IRQ_INDEX:
        return &pci->msix_fd[vector];
    case VFIO_PCI_ERR_IRQ_INDEX:
        return &pci->err_fd;
    default:
        return &pci->req_fd;
    }
}

static int set_eventfds(SimPci *pci, const struct vfio_irq_set *set)
{
    for (unsigned i = 0; i < set->count; i++) {
        int32_t fd;
        int ret;

        memcpy(&fd, set->data + i * sizeof(fd), sizeof(fd));
        ret = set_fd(slot_of(pci, set->index, set->start + i), fd);
        if (ret) {
            return ret;
        }
    }
    if (set->index == VFIO_PCI_MSIX_IRQ_INDEX) {
        pci->msix_enabled = MAX(pci->msix_enabled, set->start + set->count);
    }
    return 0;
}

static void disable_index(SimPci *pci, unsigned index)
{
    if (index == VFIO_PCI_MSIX_IRQ_INDEX) {
        drop_msix(pci);
    } else {
        drop_fd(slot_of(pci, index, 0));
    }
}

static void count_armed(SimPci *pci)
{
    pci->msix_armed = 0;
    for (unsigned i = 0; i < pci->msix_enabled; i++) {
        pci->msix_armed += pci->msix_fd[i] >= 0;
    }
}

static int check_irq_set(SimDevice *d, const struct vfio_irq_set *set)
{
    uint32_t data = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
    uint32_t action = set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
    size_t minsz = offsetof(struct vfio_irq_set, data), each = 0;
    unsigned max;

    if (set->argsz < minsz || set->index >= VFIO_PCI_NUM_IRQS ||
        (set->flags & ~(VFIO_IRQ_SET_DATA_TYPE_MASK |
                        VFIO_IRQ_SET_ACTION_TYPE_MASK)) ||
        !data || (data & (data - 1)) || !action ||
        (action & (action - 1))) {
        return -EINVAL;
    }
    max = irq_count(d, set->index);
    if (set->start >= MAX(max, 1) || set->count > max - set->start) {
        return -EINVAL;
    }
    if (data == VFIO_IRQ_SET_DATA_EVENTFD) {
        each = sizeof(int32_t);
    } else if (data == VFIO_IRQ_SET_DATA_BOOL) {
        each = sizeof(uint8_t);
    }
    return each * set->count > set->argsz - minsz ? -EINVAL : 0;
}

static int apply_irq_set(SimDevice *d, const struct vfio_irq_set *set)
{
    uint32_t data = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
    uint32_t action = set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
    int ret = 0;

    if (action != VFIO_IRQ_SET_ACTION_TRIGGER) {
        return set->index == VFIO_PCI_INTX_IRQ_INDEX ? 0 : -ENOTTY;
    }
    if (data == VFIO_IRQ_SET_DATA_EVENTFD) {
        ret = set_eventfds(&d->pci, set);
    } else if (data == VFIO_IRQ_SET_DATA_NONE && !set->count) {
        disable_index(&d->pci, set->index);
    }
    count_armed(&d->pci);
    return ret;
}

int sim_pci_set_irqs(SimDevice *d, void *arg)
{
    struct vfio_irq_set *set = arg;
    unsigned armed = d->pci.msix_armed;
    int ret = check_irq_set(d, set);

    if (!ret) {
        g_mutex_lock(&d->pci_lock);
        ret = apply_irq_set(d, set);
        g_mutex_unlock(&d->pci_lock);
    }
    sim_log(d->cfg.name, "set-irqs index=%u start=%u count=%u flags=0x%x "
            "armed=%u", set->index, set->start, set->count, set->flags,
            d->pci.msix_armed);
    if (d->pci.msix_armed != armed) {
        sim_status_write();
    }
    return ret;
}

void sim_pci_raise_intx(SimDevice *d)
{
    uint64_t one = 1;
    bool raised;

    g_mutex_lock(&d->pci_lock);
    raised = d->pci.intx_fd >= 0 &&
             write(d->pci.intx_fd, &one, sizeof(one)) == sizeof(one);
    g_mutex_unlock(&d->pci_lock);
    sim_log(d->cfg.name, "intx raised=%d", raised);
}

/* ------------------------------------------------------------------------ */
/* Life                                                                     */

void sim_pci_init(SimDevice *d)
{
    d->pci.intx_fd = d->pci.err_fd = d->pci.req_fd = -1;
    for (unsigned i = 0; i < SIM_MAX_VECTORS; i++) {
        d->pci.msix_fd[i] = -1;
    }
    fill_config(d);
}

void sim_pci_reset(SimDevice *d)
{
    g_mutex_lock(&d->pci_lock);
    fill_config(d);
    drop_msix(&d->pci);
    g_mutex_unlock(&d->pci_lock);
}

void sim_pci_release(SimDevice *d)
{
    g_mutex_lock(&d->pci_lock);
    drop_msix(&d->pci);
    drop_fd(&d->pci.intx_fd);
    drop_fd(&d->pci.err_fd);
    drop_fd(&d->pci.req_fd);
    g_mutex_unlock(&d->pci_lock);
}
