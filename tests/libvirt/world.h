/*
 * Where the devices come from: the simulation, or the kernel's test driver
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIBVIRT_WORLD_H
#define TESTS_LIBVIRT_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>

#include "device.h"
#include "node.h"

typedef enum DeviceKind {
    DEVICE_MDEV,
    DEVICE_PCI,
} DeviceKind;

/* A device as required by a test */
typedef struct Device {
    DeviceKind kind;
    unsigned number;            /* among those of its kind on the node */
    const char *config;         /* keys of docs/sim.md, "a=b;c=d"; or NULL */
    const char *fault;          /* a rule, "event=...;errno=..."; or NULL */
} Device;

typedef struct World {
    const char *name;
    const char *emulator;       /* path of <emulator> */
    bool one_kernel;            /* both nodes see the same devices */

    /* Why it cannot be used here, to be freed; NULL: it can */
    char *(*lacking)(void);
    bool (*prepare)(GError **error);
    void (*finish)(void);       /* undo prepare() and arrange(); or NULL */
    NodeFurnish *furnish;

    /*
     * Create and configure the node's devices, before a domain opens them.
     * @emulator: lines of shell for the emulator's script, or NULL
     */
    bool (*arrange)(const Node *node, const Device *devices, unsigned count,
                    const char *emulator, GError **error);
    /* UUID of an mdev, address of a PCI device; to be freed. */
    char *(*device_name)(const Node *node, const Device *device);
    bool (*status)(const Node *node, const Device *device,
                   DeviceStatus *status, GError **error);
} World;

extern World world_sim;
extern World world_kernel;

/* world_builtin: is QEMU's own code run, for comparison? */
bool world_builtin(void);

/**
 * world_write_emulator: write a script that libvirt runs instead of QEMU.
 * @lines: its last lines, ending with an exec; $QEMU is the real QEMU, and
 * $arguments those it needs besides "$@" for the code being tested;
 * $VFIO_ATTACHED_QEMU, if set, runs our code instead of the build's wrapper
 *
 * Returns its path, or NULL with @error set. Caller frees.
 */
char *world_write_emulator(const char *lines, GError **error);

#endif /* TESTS_LIBVIRT_WORLD_H */
