/*
 * A running Linux guest on KVM that uses and checks a device all the time
 *
 * Owns: the QEMU of such a guest with one device of the kernel test driver,
 * its console, the reports of the guest's driver there, moving it to another
 * QEMU, and the memory usage.
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
 * busy: operations that take 1 s here have been seen to take 10 s.
 */
#define GUEST_BOOT_SECONDS 400
#define GUEST_REPORT_SECONDS 60
#define GUEST_END_MS 120000

/* The guest's last report; the names are those on its console. */
typedef struct GuestReport {
    char *text;
    char *mode;                 /* of interrupts: "msix", "msi", "intx" */
    int64_t tick;
    int64_t rounds;
    int64_t rung, irqs;         /* interrupts requested, and received */
    int64_t burst_irqs;         /* one for each burst of DMA; may merge */
    int64_t bursts;             /* of DMA, counted by the device */
    int64_t dma_words;          /* compared */
    int64_t whole;              /* complete comparisons, with DMA stopped */
    int64_t resent;             /* repeated as a move had lost it */
    int64_t free_kib;           /* RAM of the guest */
    int64_t errors;
} GuestReport;

/*
 * Two devices; the guest runs at @here, and moves to @there; then the two are
 * swapped.
 */
typedef struct GuestPair {
    VFIOSide *here;
    VFIOSide *there;
    unsigned moves;
    GuestReport *last;          /* of the guest, on either side */
} GuestPair;

/* KiB; 0: not available */
typedef struct GuestMemory {
    int64_t qemu_kib;           /* anonymous memory of the QEMU */
    int64_t kernel_kib;         /* slabs, vmalloc, page tables, per-CPU */
    int64_t available_kib;      /* of the whole VM */
    int64_t guest_free_kib;
    int64_t module_refs;        /* of the test driver */
} GuestMemory;

/* guest_available: can the guest run here? If not, @why is set. */
bool guest_available(const char **why);

/*
 * guest_pair_new: create two devices, mediated or PCI; @irq: "msix", "msi" or
 * "intx", for the guest's driver.
 * guest_pair_free: stop the QEMUs, remove the devices.
 */
GuestPair *guest_pair_new(bool pci, const char *irq);
void guest_pair_free(GuestPair *pair);

/* guest_pair_set: set a key of both devices, used at their next start. */
void guest_pair_set(GuestPair *pair, const char *key, const char *value);

/* guest_pair_boot: start the guest; it must report within the limit. */
void guest_pair_boot(GuestPair *pair);

/*
 * guest_expect_use: the guest, now at @side, must continue to use the device
 * without an error: wait for @ticks more reports, in which each number has
 * increased since @pair->last, which is set to the newest.
 */
void guest_expect_use(GuestPair *pair, VFIOSide *side, unsigned ticks);

/* guest_pair_ready: start a QEMU at @there that waits for the guest. */
void guest_pair_ready(GuestPair *pair);

/* guest_pair_begin: start the move, without waiting. */
void guest_pair_begin(GuestPair *pair);

/*
 * guest_pair_finish: wait until it has moved; stop the QEMU that it left, and
 * swap here and there. Returns the downtime in ms.
 */
int64_t guest_pair_finish(GuestPair *pair);

/* guest_pair_move: do all of a move, and check it. Returns the downtime. */
int64_t guest_pair_move(GuestPair *pair);

/*
 * guest_expect_notices: change several things without the knowledge of a guest
 * with a mediated device, one after another; it must report each. It cannot be
 * used for anything else after that.
 */
void guest_expect_notices(GuestPair *pair);

/* guest_memory: current memory usage, with one QEMU running */
GuestMemory guest_memory(GuestPair *pair);

/* guest_module_refs: reference count of the test driver */
int64_t guest_module_refs(void);

#endif /* TESTS_FUNCTIONAL_GUEST_H */
