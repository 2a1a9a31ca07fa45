/*
 * VM events at each status of a migration
 *
 * Owns: the test program: one case for each cell of the table
 * (vm-event-table.c), and the check that the table is complete.
 * Does not own: running a cell (vm-event.h).
 * Locks: none.
 *
 * Usage: vfio-vm-event-test [--part=N/M] [--device=NAME] [--chosen|--others]
 *        [options of GTest]
 *
 * --part: only every M-th case, starting with the N-th, to run several parts
 * in parallel. --device: another one than v1 (vm-event-device.c). --chosen:
 * only the events that depend most on the protocol; --others: all but these.
 * VFIO_VM_EVENT_BUILTIN=1 uses the distribution's own code on both sides.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vm-event.h"

#include <stdio.h>
#include <string.h>

/* Each event and status has exactly one cell; impossible ones say why. */
static void test_complete(void)
{
    const VMCell *table[NUM_EVENTS][NUM_STATUSES] = { 0 };

    for (unsigned i = 0; i < vm_cells_count; i++) {
        const VMCell *cell = &vm_cells[i];

        g_assert_cmpuint(cell->event, <, NUM_EVENTS);
        g_assert_cmpuint(cell->status, <, NUM_STATUSES);
        g_assert_null(table[cell->event][cell->status]);
        g_assert_true(cell->outcome != NEVER || cell->words);
        table[cell->event][cell->status] = cell;
    }
    for (unsigned event = 0; event < NUM_EVENTS; event++) {
        for (unsigned status = 0; status < NUM_STATUSES; status++) {
            if (!table[event][status]) {
                g_error("no cell for %s at %s", vm_event_name(event),
                        vm_status_name(status));
            }
        }
    }
}

/* The cells that depend most on a device's protocol */
static bool is_chosen(const VMCell *cell)
{
    switch (cell->event) {
    case EV_CANCEL:
        return vm_status_is_live(cell->status) ||
               cell->status == AT_SWITCHOVER || cell->status == AT_DEVICE ||
               cell->status == AT_LOADING;
    case EV_FLR:
    case EV_STOP_CONT:
    case EV_IO_ERROR:
    case EV_EJECT:
        return vm_status_is_live(cell->status);
    default:
        return false;
    }
}

typedef enum Choice { ALL, CHOSEN, OTHERS } Choice;

static bool is_played(const VMCell *cell, Choice choice)
{
    return cell->outcome != NEVER && vm_status_exists(cell->status) &&
           (choice == ALL || is_chosen(cell) == (choice == CHOSEN));
}

static void add_cells(unsigned part, unsigned parts, Choice choice)
{
    const char *device = vm_device == &vm_devices[0] ? "" : vm_device->name;
    unsigned n = 0;

    for (unsigned i = 0; i < vm_cells_count; i++) {
        const VMCell *cell = &vm_cells[i];
        g_autofree char *name = NULL;

        if (!is_played(cell, choice) || n++ % parts != part) {
            continue;
        }
        name = g_strdup_printf("vfio/vm-event%s%s/%s/%s", *device ? "-" : "",
                               device, vm_event_name(cell->event),
                               vm_status_name(cell->status));
        qtest_add_data_case(name, cell, vm_cell_play);
    }
}

/* Remove the first argument if it starts with @option, and return its rest. */
static const char *take_option(int *argc, char **argv, const char *option)
{
    const char *value = NULL;

    if (*argc > 1 && g_str_has_prefix(argv[1], option)) {
        value = argv[1] + strlen(option);
        memmove(&argv[1], &argv[2], (*argc - 1) * sizeof(*argv));
        --*argc;
    }
    return value;
}

static const VMDevice *find_device(const char *name)
{
    for (unsigned i = 0; i < vm_devices_count; i++) {
        if (!strcmp(vm_devices[i].name, name)) {
            return &vm_devices[i];
        }
    }
    g_error("there is no device '%s'", name);
}

int main(int argc, char **argv)
{
    unsigned part = 0, parts = 1;
    const char *device;
    Choice choice;

    qtest_take_part(&argc, argv, &part, &parts);
    device = take_option(&argc, argv, "--device=");
    vm_device = find_device(device ? device : "v1");
    choice = take_option(&argc, argv, "--chosen") ? CHOSEN :
             take_option(&argc, argv, "--others") ? OTHERS : ALL;
    g_test_init(&argc, &argv, NULL);
    if (part == 0 && choice == ALL) {
        g_test_add_func("/x86_64/vfio/vm-event-table/complete",
                        test_complete);
    }
    add_cells(part, parts, choice);
    return g_test_run();
}
