/*
 * Events of a VM's life, at each status of its migration
 *
 * Owns: the test program: one case a cell of the table (vm-event-table.c),
 * and that the table has no hole.
 * Does not own: how a cell is played (vm-event.h).
 * Locks: none.
 *
 * Usage: vfio-vm-event-test [--part=N/M] [options of GTest]; with it only
 * each M-th case is there, from the N-th on, so that several run at once.
 * VFIO_VM_EVENT_BUILTIN=1 plays the cells with the distribution's own code on
 * both sides.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vm-event.h"

#include <stdio.h>
#include <string.h>

/* Each event meets each status once; what cannot be says why. */
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

static void add_cells(unsigned part, unsigned parts)
{
    unsigned n = 0;

    for (unsigned i = 0; i < vm_cells_count; i++) {
        const VMCell *cell = &vm_cells[i];
        g_autofree char *name = NULL;

        if (cell->outcome == NEVER || n++ % parts != part) {
            continue;
        }
        name = g_strdup_printf("vfio/vm-event/%s/%s",
                               vm_event_name(cell->event),
                               vm_status_name(cell->status));
        qtest_add_data_func(name, cell, vm_cell_play);
    }
}

int main(int argc, char **argv)
{
    unsigned part = 0, parts = 1;

    qtest_take_part(&argc, argv, &part, &parts);
    g_test_init(&argc, &argv, NULL);
    if (part == 0) {
        g_test_add_func("/x86_64/vfio/vm-event-table/complete",
                        test_complete);
    }
    add_cells(part, parts);
    return g_test_run();
}
