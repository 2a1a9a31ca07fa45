/*
 * Simulated VFIO devices: the DMA engine
 *
 * Owns: a thread for each device with a DMA rate, which writes words that
 * never repeat to guest RAM while the device runs, and marks the pages dirty;
 * and the digest of the range, used to compare the two sides of a migration.
 *
 * Locks: SimDma.lock is held for one burst at a time, so that
 * sim_dma_set_running(false) returns only when no burst is in progress. Inside
 * it SimContainer.lock, so that no mapping is removed during a burst, and
 * SimDevice.pci_lock for the bus master bit.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <linux/pci_regs.h>

#include "sim-internal.h"

#define DMA_TAG UINT64_C(0xd3a0000000000000)
#define TICK_US 1000
#define MAX_BEHIND_US 20000

void sim_dma_init(SimDevice *d)
{
    g_mutex_init(&d->dma.lock);
    g_cond_init(&d->dma.wake);
}

static void write_words(uint8_t *to, uint64_t bytes, uint64_t step)
{
    uint64_t words = bytes / 8;

    for (uint64_t i = 0; i < words; i++) {
        uint64_t word = GUINT64_TO_LE(DMA_TAG | (step * words + i));

        memcpy(to + i * 8, &word, sizeof(word));
    }
}

static uint64_t burst_iova(SimDevice *d)
{
    uint64_t slots = d->cfg.dma_size / d->cfg.dma_burst;
    uint64_t n = d->dma.steps;

    return d->cfg.dma_start +
           (d->cfg.dma_random ? sim_mix(n) : n) % slots * d->cfg.dma_burst;
}

/* Called with dma.lock held. */
static bool write_burst(SimDevice *d, uint64_t iova, uint64_t size)
{
    SimContainer *c = d->container;
    SimMapping *m;
    bool hit;

    g_mutex_lock(&c->lock);
    m = sim_iommu_find(c, iova);
    hit = m && (m->flags & VFIO_DMA_MAP_FLAG_WRITE) &&
          size <= m->size_bytes - (iova - m->iova);
    if (hit) {
        write_words(m->vaddr + (iova - m->iova), size, d->dma.steps);
        sim_iommu_mark_dirty(c, m, iova, size);
        sim_dma_log_mark(d, iova, size);
        d->dma.bytes += size;
    } else {
        d->dma.misses++;
    }
    d->dma.steps++;
    g_mutex_unlock(&c->lock);
    return hit;
}

/* Do the DMA due since @since_us. Returns the time up to which it is done. */
static int64_t catch_up(SimDevice *d, int64_t since_us)
{
    int64_t now_us = g_get_monotonic_time();
    double us_each = (double)d->cfg.dma_burst * 1e6 / d->cfg.dma_rate;
    uint64_t bursts;

    if (now_us - since_us > MAX_BEHIND_US) {
        since_us = now_us - MAX_BEHIND_US;
    }
    bursts = (now_us - since_us) / us_each;
    for (uint64_t i = 0; i < bursts; i++) {
        bool may;

        g_mutex_lock(&d->dma.lock);
        may = d->dma.running &&
              (!d->cfg.dma_bus_master ||
               sim_pci_command_has(d, PCI_COMMAND_MASTER));
        if (may) {
            write_burst(d, burst_iova(d), d->cfg.dma_burst);
        }
        g_mutex_unlock(&d->dma.lock);
        if (!may) {
            return now_us;
        }
    }
    return since_us + bursts * us_each;
}

static void *dma_thread(void *opaque)
{
    SimDevice *d = opaque;
    int64_t done_us = g_get_monotonic_time();

    g_mutex_lock(&d->dma.lock);
    while (!d->dma.quit) {
        if (!d->dma.running) {
            g_cond_wait(&d->dma.wake, &d->dma.lock);
            done_us = g_get_monotonic_time();
            continue;
        }
        g_cond_wait_until(&d->dma.wake, &d->dma.lock,
                          g_get_monotonic_time() + TICK_US);
        g_mutex_unlock(&d->dma.lock);
        done_us = catch_up(d, done_us);
        g_mutex_lock(&d->dma.lock);
    }
    g_mutex_unlock(&d->dma.lock);
    return NULL;
}

/* ------------------------------------------------------------------------ */
/* Start, stop and life                                                     */

void sim_dma_set_running(SimDevice *d, bool running)
{
    unsigned long long steps, bytes;
    bool was;

    g_mutex_lock(&d->dma.lock);
    was = d->dma.running;
    d->dma.running = running;
    steps = d->dma.steps;
    bytes = d->dma.bytes;
    g_cond_signal(&d->dma.wake);
    g_mutex_unlock(&d->dma.lock);
    if (d->cfg.dma_rate && was != running) {
        sim_log(d->cfg.name, "dma-%s bursts=%llu bytes=%llu",
                running ? "start" : "stop", steps, bytes);
    }
}

void sim_dma_open(SimDevice *d)
{
    d->dma.quit = false;
    d->dma.steps = d->dma.bytes = d->dma.misses = 0;
    d->dma.at_stop.valid = d->dma.at_start.valid = false;
    if (d->cfg.dma_rate) {
        d->dma.thread = g_thread_new("vfio-sim-dma", dma_thread, d);
    }
    sim_dma_set_running(d, true);
}

void sim_dma_close(SimDevice *d)
{
    sim_dma_set_running(d, false);
    if (d->dma.thread) {
        g_mutex_lock(&d->dma.lock);
        d->dma.quit = true;
        g_cond_signal(&d->dma.wake);
        g_mutex_unlock(&d->dma.lock);
        g_thread_join(d->dma.thread);
        d->dma.thread = NULL;
    }
}

void sim_dma_drain(SimDevice *d)
{
    g_mutex_lock(&d->dma.lock);
    g_mutex_unlock(&d->dma.lock);
}

bool vfio_sim_dma_write(const char *name, uint64_t iova, uint64_t size_bytes)
{
    SimDevice *d = sim_find_device(name);
    bool hit;

    if (!d || !d->container) {
        return false;
    }
    g_mutex_lock(&d->dma.lock);
    hit = write_burst(d, iova, size_bytes);
    g_mutex_unlock(&d->dma.lock);
    return hit;
}

bool vfio_sim_dma_lock(const char *name)
{
    SimDevice *d = sim_find_device(name);

    if (d) {
        g_mutex_lock(&d->dma.lock);
    }
    return d != NULL;
}

void vfio_sim_dma_unlock(const char *name)
{
    SimDevice *d = sim_find_device(name);

    if (d) {
        g_mutex_unlock(&d->dma.lock);
    }
}

/* ------------------------------------------------------------------------ */
/* Digest of the range                                                      */

static uint64_t range_digest(SimDevice *d)
{
    SimContainer *c = d->container;
    uint64_t at = d->cfg.dma_start, end = at + d->cfg.dma_size;
    uint64_t hash = SIM_DIGEST_START;

    g_mutex_lock(&c->lock);
    while (at < end) {
        SimMapping *m = sim_iommu_find(c, at);
        uint64_t n;

        if (!m) {
            hash = sim_mix(hash + 1);
            at += 4096;
            continue;
        }
        n = MIN(end - at, m->size_bytes - (at - m->iova));
        hash = sim_words_digest(hash, m->vaddr + (at - m->iova), n);
        at += n;
    }
    g_mutex_unlock(&c->lock);
    return hash;
}

void sim_dma_take_digest(SimDevice *d, SimDigest *digest)
{
    if (d->cfg.dma_size) {
        digest->value = range_digest(d);
        digest->valid = true;
    }
}
