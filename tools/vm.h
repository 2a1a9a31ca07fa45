/*
 * A QEMU process: starting it, connecting to its monitor, ending it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_VM_H
#define TOOLS_VM_H

#include "qmp.h"

typedef struct Vm {
    Child *child;
    Qmp *qmp;
    char *ram_path;           /* for vm_ram() */
    uint64_t ram_bytes;
    uint8_t *ram;
} Vm;

typedef struct VmConfig {
    const char *name;         /* for messages: "source" */
    const char *program;      /* absolute path of QEMU or of the wrapper */
    const char *directory;    /* working directory; contains RAM and log */
    const char *bios;         /* 64 KiB image, from vm_write_bios() */
    uint64_t ram_bytes;
    bool incoming;            /* it waits for an incoming migration */
    bool paused;              /* and stays paused afterwards */
    const char *const *devices;     /* values of -device, NULL-terminated */
    const char *const *traces;      /* for -trace, to NAME.trace; NULL: none */
    const char *const *environment; /* all of it; NULL: inherited */
    const char *const *more;        /* other arguments; NULL: none */
} VmConfig;

/**
 * vm_write_bios: write the whole guest: a boot image without an OS.
 * @path: file to write, 64 KiB
 * @busy: the guest counts in RAM for ever; otherwise it sleeps
 *
 * A busy guest changes one word in each 256 bytes of 512 KiB of RAM, and once
 * per round the 32-bit counter at VM_GUEST_COUNTER.
 */
bool vm_write_bios(const char *path, bool busy, GError **error);

#define VM_GUEST_COUNTER 0x500

/**
 * vm_start: start a QEMU and wait until it answers on QMP.
 *
 * Returns NULL with @error set, which quotes QEMU's output, if it fails.
 */
Vm *vm_start(const VmConfig *config, GError **error);

/** vm_end: kill the process, wait for it, and free @vm. */
void vm_end(Vm *vm);

/** vm_ram: the guest's RAM, mapped read-only; the file is shared with QEMU. */
const uint8_t *vm_ram(Vm *vm, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Vm, vm_end)

#endif /* TOOLS_VM_H */
