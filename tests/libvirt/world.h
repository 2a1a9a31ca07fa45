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

/* A device as a test wants it. */
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

    /* The reason why it cannot be used here, to be freed; NULL: it can. */
    char *(*lacking)(void);
    bool (*prepare)(GError **error);
    void (*finish)(void);       /* undo prepare() and arrange(); or NULL */
    NodeFurnish *furnish;

    /*
     * Set what the node's devices are, before a domain opens them.
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

/* world_builtin: QEMU's own code is run, for comparison. */
bool world_builtin(void);

/**
 * world_write_emulator: a script that libvirt takes for QEMU
 * @lines: end it with an exec; $QEMU is the real QEMU, and $arguments what
 * it needs besides "$@" for the code that is run; $VFIO_ATTACHED_QEMU, if it
 * is set, is what runs our code in the place of the build's wrapper
 *
 * Returns: its path, NULL with @error set. Caller frees.
 */
char *world_write_emulator(const char *lines, GError **error);

#endif /* TESTS_LIBVIRT_WORLD_H */
