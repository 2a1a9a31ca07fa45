/*
 * Two QEMUs with devices of the kernel test driver, and their migrations
 *
 * Owns: a side (QEMU, its devices, what the guest does with their registers),
 * a pair of sides, what must hold after a migration or its failure.
 * Does not own: the devices (kernel-device.h), QEMU (libqtest.h), the machine
 * and its guest's memory (machine-helpers.h). The same
 * for the simulated device is in sim-helpers.h and vfio-test.h.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUNCTIONAL_KERNEL_SIDE_H
#define TESTS_FUNCTIONAL_KERNEL_SIDE_H

#include "kernel-device.h"
#include "machine-helpers.h"
#include "migration-helpers.h"

/*
 * How long a migration may take to end or to say that it failed. The VM is
 * an emulated machine on a host that may be busy.
 */
#define KERNEL_END_MS 90000

/* Of a case: a migration that hangs ends before as one that has no end. */
#define KERNEL_CASE_SECONDS 300

/* Between looks: each costs the VM's one processor some milliseconds. */
#define KERNEL_POLL_MS 50

typedef struct KernelSide {
    char *name;                 /* "source" */
    bool builtin;               /* the distribution's own code */
    char *dir;
    GPtrArray *devices;         /* KernelDevice, owned */
    GString *args;              /* more of QEMU's command line */
    unsigned ram_mib;
    bool multi;                 /* opt in to several devices */
    char *incoming;             /* URI, NULL for a source */
    QTestState *qts;            /* NULL while no QEMU runs */
    uint8_t *ram;               /* the guest's memory, shared with QEMU */
} KernelSide;

typedef struct KernelPair {
    KernelSide *src;
    KernelSide *dst;
    unsigned number;            /* of the destination, counted up */
} KernelPair;

/* kernel_builtin: with QEMU's own code on both sides (--builtin)? */
bool kernel_builtin(void);

/*
 * kernel_attached_qemu: the program that runs a QEMU with our code: that of
 * the build, or the one that VFIO_ATTACHED_QEMU names. Caller frees.
 */
char *kernel_attached_qemu(void);

/*
 * kernel_pair_new: two sides without devices. kernel_pair_new_mdev: with a
 * mediated device each. kernel_pair_new_pci: with a PCI device each.
 * kernel_pair_free ends QEMUs that run, which must be well, and removes the
 * devices.
 */
KernelPair *kernel_pair_new(void);
KernelPair *kernel_pair_new_mdev(void);
KernelPair *kernel_pair_new_pci(void);
void kernel_pair_free(KernelPair *pair);

/* kernel_pair_add_mdev, _pci: one more device on each side. */
void kernel_pair_add_mdev(KernelPair *pair);
void kernel_pair_add_pci(KernelPair *pair);

/* kernel_pair_v2: all devices of both sides, see kernel_device_v2(). */
void kernel_pair_v2(KernelPair *pair);

/* kernel_pair_set: a key of all devices of both sides, before the start. */
void kernel_pair_set(KernelPair *pair, const char *key, const char *value);

/* kernel_pair_much_precopy: the devices always have data to give. */
void kernel_pair_much_precopy(KernelPair *pair);

/* Start one side; it must come up. A source's devices are programmed. */
void kernel_side_start(KernelSide *side);
void kernel_pair_start(KernelPair *pair);

/* kernel_side_quit: QEMU must be well. kernel_side_kill: however it is. */
void kernel_side_quit(KernelSide *side);
void kernel_side_kill(KernelSide *side);

/* Registers of BAR 0 of the @index-th device, through the guest. */
uint32_t kernel_reg(KernelSide *side, unsigned index, unsigned reg);
void kernel_set_reg(KernelSide *side, unsigned index, unsigned reg,
                    uint32_t value);

/* kernel_side_program: what a guest's driver does, and starts the DMA. */
void kernel_side_program(KernelSide *side);

/* kernel_side_eject: the guest lets go of a device it is asked for. */
void kernel_side_eject(KernelSide *side, unsigned index);

/* kernel_pair_begin: start the migration, wait for nothing. */
void kernel_pair_begin(KernelPair *pair);

/*
 * kernel_pair_in_precopy: wait till device data has been sent, or all memory
 * once if the device has no data in pre-copy.
 */
void kernel_pair_in_precopy(KernelPair *pair);

/*
 * kernel_expect_end: wait till the side's migration has ended, which must be
 * as @wanted ("completed", "failed", "cancelled"). kernel_pair_finish: till
 * it has completed on both sides.
 */
void kernel_expect_end(KernelSide *side, const char *wanted);
void kernel_pair_finish(KernelPair *pair);

/*
 * kernel_pair_check: memory equal byte by byte, the devices' states word by
 * word, registers as they were, interrupts armed, no violation. Then lets
 * the destination run, and sees its devices run and write to memory.
 */
void kernel_pair_check(KernelPair *pair);

/*
 * kernel_expect_passes: all devices of @side made the transition @first
 * before any of them made @then.
 */
void kernel_expect_passes(KernelSide *side, const char *first,
                          const char *then);

/* kernel_pair_migrate: begin, finish, check. */
void kernel_pair_migrate(KernelPair *pair);

/* kernel_pair_next: a new destination, without fault rules. */
void kernel_pair_next(KernelPair *pair);

/* kernel_pair_retry: the source is well; a new destination; migrate. */
void kernel_pair_retry(KernelPair *pair);

/* kernel_expect_text: @text holds each of @words (';' between them). */
void kernel_expect_text(KernelSide *side, const char *what, const char *text,
                        const char *words);

/* kernel_expect_state: within 10 s a device of @side is in @state. */
void kernel_expect_state(KernelSide *side, unsigned index,
                         const char *state);

/* kernel_expect_run_state: query-status of @side comes to be @state. */
void kernel_expect_run_state(KernelSide *side, const char *state);

/* kernel_expect_well: VM and devices run, and nothing was violated. */
void kernel_expect_well(KernelSide *side);

/*
 * kernel_expect_failed: the source's migration fails, error-desc has
 * @words. kernel_expect_load_failed: the destination ends with status 1, its
 * stderr has @words.
 */
void kernel_expect_failed(KernelSide *side, const char *words);
void kernel_expect_load_failed(KernelSide *side, const char *words);

/* kernel_expect_fired: the fault rule of the first device has fired. */
void kernel_expect_fired(KernelSide *side, const char *fault);

/* kernel_add_case: a case; the kernel's log is checked after it. */
void kernel_add_case(const char *name, void (*fn)(const void *),
                     const void *data);

#endif /* TESTS_FUNCTIONAL_KERNEL_SIDE_H */
