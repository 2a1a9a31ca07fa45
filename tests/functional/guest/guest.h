/*
 * A running Linux guest on KVM that uses and checks a device all the time
 *
 * Owns: the QEMU of such a guest with one device of the kernel test driver,
 * its console, what the guest's driver reports there, moving it to another
 * QEMU, how much memory all that takes.
 * Does not own: the guest's driver (vmg-main.c ...), the device
 * (kernel-device.h), QEMU (sim-helpers.h).
 * Locks: none. Runs as root, in the testbed's VM (scripts/vm-testbed).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUNCTIONAL_GUEST_H
#define TESTS_FUNCTIONAL_GUEST_H

#include "kernel-pair.h"

/*
 * The VM is an emulated machine with an emulated KVM, on a host that may be
 * busy: what takes 1 s here has been seen to take 10 s.
 */
#define GUEST_BOOT_SECONDS 400
#define GUEST_REPORT_SECONDS 60
#define GUEST_END_MS 120000

/* The guest's last report; the names are those on its console. */
typedef struct GuestReport {
    char *text;
    char *mode;                 /* of its interrupts: "msix", "msi", "intx" */
    int64_t tick;
    int64_t rounds;
    int64_t rung, irqs;         /* interrupts asked for, and that came */
    int64_t burst_irqs;         /* one for each burst of DMA, may merge */
    int64_t bursts;             /* of DMA, as the device counts */
    int64_t dma_words;          /* compared */
    int64_t whole;              /* complete comparisons, DMA at rest */
    int64_t resent;             /* what moves left in the device */
    int64_t free_kib;           /* RAM of the guest */
    int64_t errors;
} GuestReport;

/*
 * Two devices; the guest runs at @here, and moves to @there. Then the names
 * change.
 */
typedef struct GuestPair {
    VFIOSide *here;
    VFIOSide *there;
    unsigned moves;
    GuestReport *last;          /* of the guest, wherever it was */
} GuestPair;

/* KiB; what is not at hand is 0 */
typedef struct GuestMemory {
    int64_t qemu_kib;           /* anonymous memory of the QEMU */
    int64_t kernel_kib;         /* slabs, vmalloc, page tables, per-CPU */
    int64_t available_kib;      /* of the whole VM */
    int64_t guest_free_kib;
    int64_t module_refs;        /* of the test driver */
} GuestMemory;

/* guest_available: can it run here? If not, the reason to skip. */
bool guest_available(const char **why);

/*
 * guest_pair_new: two devices, mediated or PCI; @irq: of the guest's driver:
 * "msix", "msi", "intx".
 * guest_pair_free: ends the QEMUs, removes the devices.
 */
GuestPair *guest_pair_new(bool pci, const char *irq);
void guest_pair_free(GuestPair *pair);

/* guest_pair_set: a key of both devices, from their next start on. */
void guest_pair_set(GuestPair *pair, const char *key, const char *value);

/* guest_pair_boot: start the guest; it must report within the limit. */
void guest_pair_boot(GuestPair *pair);

/*
 * guest_expect_use: the guest, now at @side, must go on and use the device
 * without an error: @ticks more reports, each number of which has grown
 * since @pair->last, which becomes the newest.
 */
void guest_expect_use(GuestPair *pair, VFIOSide *side, unsigned ticks);

/* guest_pair_ready: start a QEMU at @there that waits for the guest. */
void guest_pair_ready(GuestPair *pair);

/* guest_pair_begin: start the move, wait for nothing. */
void guest_pair_begin(GuestPair *pair);

/*
 * guest_pair_finish: wait till it has moved; ends the QEMU that it left;
 * here and there change places. Returns the downtime in ms.
 */
int64_t guest_pair_finish(GuestPair *pair);

/* guest_pair_move: ready, begin, finish, and use. Returns the downtime. */
int64_t guest_pair_move(GuestPair *pair);

/*
 * guest_expect_notices: change something behind the back of a guest with a
 * mediated device, one thing after another; it must report each. It is of
 * no use for anything else afterwards.
 */
void guest_expect_notices(GuestPair *pair);

/* guest_memory: how much is in use now, with one QEMU running. */
GuestMemory guest_memory(GuestPair *pair);

/* guest_module_refs: how often the test driver is in use. */
int64_t guest_module_refs(void);

#endif /* TESTS_FUNCTIONAL_GUEST_H */
