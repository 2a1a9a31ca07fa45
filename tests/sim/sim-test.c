/*
 * Tests of the simulated device: the program
 *
 * Owns: main(), and the look into the simulation. The tests stand in
 * sim-test-*.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>

#include "sim-client.h"

void sim_test_migration_add(void);
void sim_test_faults_add(void);
void sim_test_host_add(void);

VFIOSimStatus client_status(const char *name)
{
    VFIOSimStatus status;

    g_assert_true(vfio_sim_device_status(name, &status));
    return status;
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    sim_test_migration_add();
    sim_test_faults_add();
    sim_test_host_add();
    ret = g_test_run();
    vfio_sim_shutdown();
    return ret;
}
