/*
 * Tests of the simulated device: the program
 *
 * Owns: main(), and the look into the simulation. The tests stand in
 * sim-test-*.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim-test.h"

void sim_test_configure(const char *text)
{
    g_autoptr(GError) err = NULL;

    vfio_sim_configure_data(text, &err);
    g_assert_no_error(err);
}

SimClient *sim_test_open(const char *container, const char *device)
{
    g_autofree char *text = g_strdup_printf("[container]\n%s\n"
                                            "[device dev]\ngroup=1\n%s\n",
                                            container, device);

    sim_test_configure(text);
    return client_open("dev", 1);
}

VFIOSimStatus client_status(const char *name)
{
    VFIOSimStatus status;

    g_assert_true(vfio_sim_device_status(name, &status));
    return status;
}

JsonObject *sim_test_status_device(JsonParser *parser, const char *text,
                                   const char *device)
{
    JsonObject *root;

    g_assert_true(json_parser_load_from_data(parser, text, -1, NULL));
    root = json_node_get_object(json_parser_get_root(parser));
    root = json_object_get_object_member(root, "devices");
    return json_object_get_object_member(root, device);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    sim_test_migration_add();
    sim_test_faults_add();
    sim_test_host_add();
    sim_test_memory_add();
    sim_test_v2_add();
    sim_test_v2_arcs_add();
    sim_test_v2_faults_add();
    sim_test_v2_load_add();
    sim_test_v2_log_add();
    sim_test_v2_order_add();
    ret = g_test_run();
    vfio_sim_shutdown();
    return ret;
}
