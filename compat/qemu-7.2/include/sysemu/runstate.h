/*
 * Run state of the VM
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSEMU_RUNSTATE_H
#define SYSEMU_RUNSTATE_H

typedef void VMChangeStateHandler(void *opaque, bool running, RunState state);

bool runstate_check(RunState state);
bool runstate_is_running(void);
VMChangeStateEntry *qdev_add_vm_change_state_handler(DeviceState *dev,
                                                     VMChangeStateHandler *cb,
                                                     void *opaque);
/* Ascending priority when the VM starts, descending when it stops */
VMChangeStateEntry *qemu_add_vm_change_state_handler_prio(
    VMChangeStateHandler *cb, void *opaque, int priority);
void qemu_del_vm_change_state_handler(VMChangeStateEntry *e);
/* Ask the main loop to stop the VM; prepare first */
void qemu_system_vmstop_request_prepare(void);
void qemu_system_vmstop_request(RunState reason);

#endif /* SYSEMU_RUNSTATE_H */
