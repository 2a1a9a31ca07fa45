/*
 * Devices that the table of VM events is run with
 *
 * Owns: see vm-event.h, and where a device differs from the table.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vm-event.h"

#include <string.h>

#define V2 "protocol=v2;p2p=yes;max-read=48K;max-write=48K;"

const VMDevice vm_devices[] = {
    { "v1", "areas=none", "chunk-done", "data-size-write", "resuming", true },
    /* As in Linux 6.2 and later */
    { "v2", V2 "pre-copy=yes", "record-done", "data-write", "stop", true },
    /* As in Linux 6.1 */
    { "v2-6.1", V2 "kernel=6.1", "record-done", "data-write", "stop", false },
};

const unsigned vm_devices_count = G_N_ELEMENTS(vm_devices);

const VMDevice *vm_device = &vm_devices[0];

bool vm_status_exists(VMStatus status)
{
    return vm_device->precopy ||
           (status != AT_SETUP && status != IN_CHUNK && status != AT_CHUNKS &&
            status != AT_CANCELLING);
}

static const VMCell v2_cells[] = {
    /*
     * A read does not delay the stop: the device has stopped and started again.
     */
    { EV_STOP_CONT, IN_CHUNK, FAILS, "dev0;the VM was stopped and continued "
      "after data of the device had been sent;start the migration again",
      NULL, "running/running", NULL },
    /* It has left resuming and can be saved in its state. */
    { EV_SAVEVM, AT_LOADED, COMPLETES, NULL, NULL, "postmigrate/stop",
      "paused/loaded" },
};

static const VMCell plain_cells[] = {
    /* The reset ended its data file, and the VM is stopped. */
    { EV_RESET, AT_SWITCHOVER, FAILS, "dev0;cannot read migration data",
      NULL, "*/*", NULL },
};

static const VMCell *find_cell(const VMCell *cells, unsigned count,
                               const VMCell *cell)
{
    for (unsigned i = 0; i < count; i++) {
        if (cells[i].event == cell->event && cells[i].status == cell->status) {
            return &cells[i];
        }
    }
    return NULL;
}

const VMCell *vm_cell_of_device(const VMCell *cell)
{
    const VMCell *other = NULL;

    if (strstr(vm_device->keys, "protocol=v2")) {
        other = find_cell(v2_cells, G_N_ELEMENTS(v2_cells), cell);
    }
    if (!other && !vm_device->precopy) {
        other = find_cell(plain_cells, G_N_ELEMENTS(plain_cells), cell);
    }
    return other ? other : cell;
}
