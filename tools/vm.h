/*
 * A QEMU process of ours: start, talk to over QMP, end
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_VM_H
#define TOOLS_VM_H

#include "qmp.h"

typedef struct Vm Vm;

typedef struct VmConfig {
    const char *name;         /* for messages: "source" */
    const char *program;      /* absolute path of QEMU or of the wrapper */
    const char *directory;    /* working directory; RAM and log go there */
    const char *bios;         /* 64 KiB image, from vm_write_bios() */
    uint64_t ram_bytes;
    bool incoming;            /* waits for a migration */
    bool paused;              /* and stays paused then */
    const char *const *devices;     /* values of -device, NULL at the end */
    const char *const *traces;      /* of -trace into NAME.trace; NULL: none */
    const char *const *environment; /* NAME=VALUE, NULL at the end */
    const char *const *more;        /* other arguments; NULL: none */
} VmConfig;

/**
 * vm_write_bios: write the whole guest: a boot image without an OS.
 * @path: file to write, 64 KiB
 * @busy: the guest counts in RAM for ever; otherwise it sleeps
 *
 * A busy guest changes a word in each 256 bytes of 512 KiB of RAM, and once a
 * round the 32-bit counter at VM_GUEST_COUNTER.
 */
bool vm_write_bios(const char *path, bool busy, GError **error);

#define VM_GUEST_COUNTER 0x500

/**
 * vm_start: start a QEMU and wait until it answers on QMP.
 *
 * The process is killed when this one dies, whatever the reason.
 * Returns NULL with @error set, which quotes QEMU's last words, if it fails.
 */
Vm *vm_start(const VmConfig *config, GError **error);

/** vm_end: kill the process, wait for it, and free everything of it. */
void vm_end(Vm *vm);

/**
 * vm_execute: run a QMP command and wait for its answer.
 * @arguments: a dictionary such as from g_variant_new_parsed(), floating
 *             references are taken; NULL for none
 *
 * Returns what the command returned, to be freed by the caller, or NULL with
 * @error set.
 */
JsonNode *vm_execute(Vm *vm, const char *command, GVariant *arguments,
                     GError **error);

/** vm_run: vm_execute() for a command whose answer is of no interest. */
bool vm_run(Vm *vm, const char *command, GVariant *arguments, GError **error);

/**
 * vm_query: ask without waiting; the answer comes with vm_take_reply().
 *
 * QEMU does not answer while it copies the state of a stopped device. Only
 * one question may be open at a time.
 */
bool vm_query(Vm *vm, const char *command, GError **error);
JsonNode *vm_take_reply(Vm *vm);
bool vm_query_is_open(const Vm *vm);

/**
 * vm_pump: take in what QEMU has said, waiting at most @timeout_ms for it.
 *
 * Returns false with @error set if the process has ended.
 */
bool vm_pump(Vm *vm, int timeout_ms, GError **error);

/**
 * vm_event_us: when an event came, by QEMU's clock, in microseconds since the
 * epoch; 0 if it did not come.
 * @status: its member "status", for MIGRATION; NULL if any will do
 */
int64_t vm_event_us(const Vm *vm, const char *event, const char *status);

/** vm_wait_event: wait until an event came. */
bool vm_wait_event(Vm *vm, const char *event, const char *status,
                   int timeout_ms, GError **error);

/** vm_ram: the guest's RAM, mapped read-only; the file is shared with QEMU. */
const uint8_t *vm_ram(Vm *vm, GError **error);

/** vm_log: what QEMU has written to stderr so far; to be freed. */
char *vm_log(const Vm *vm);

/** vm_pid: process id, for /proc. */
GPid vm_pid(const Vm *vm);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Vm, vm_end)

#endif /* TOOLS_VM_H */
