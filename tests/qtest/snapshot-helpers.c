/*
 * Snapshots of a VM with a simulated device
 *
 * Owns: see snapshot-helpers.h.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "snapshot-helpers.h"

#include "vfio-test.h"

void snapshot_add_disk(VFIOSide *side)
{
    g_autofree char *path = g_build_filename(qtest_tmpdir(), "disk.qcow2",
                                             NULL);
    g_autofree char *command = g_strdup_printf(
        "qemu-img create -q -f qcow2 %s 1M", path);
    int status = 0;

    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, &status,
                                                NULL));
        g_assert_cmpint(status, ==, 0);
    }
    g_string_append_printf(side->args, " -drive if=none,id=disk,format=qcow2,"
                           "file=%s", path);
}

void snapshot_do(VFIOSide *side, const char *what)
{
    g_autofree char *answer = qtest_hmp(side->qts, "%s one", what);

    if (*answer) {
        vfio_side_fail(side, "%s: %s", what, answer);
    }
}

static char *dma_digest(VFIOSide *side, const char *key)
{
    QDict *status = vfio_side_status(side, "dev0");
    char *digest = g_strdup(qdict_get_str(qdict_get_qdict(status, "dma"),
                                          key));

    qobject_unref(status);
    return digest;
}

void snapshot_save(VFIOSide *side, char **device, char **memory)
{
    snapshot_do(side, "savevm");
    migrate_wait_run_state(side->qts, "running");
    vfio_side_expect_state(side, "dev0", "running");
    *device = vfio_side_status_str(side, "dev0", "saved-digest");
    *memory = dma_digest(side, "digest-at-stop");
    g_assert_cmpstr(*device, !=, "");
    g_assert_cmpstr(*memory, !=, "");
}

void snapshot_expect_loaded(VFIOSide *side, const char *device,
                            const char *memory)
{
    g_autofree char *loaded = NULL;
    g_autofree char *found = NULL;

    migrate_wait_run_state(side->qts, "running");
    vfio_side_expect_state(side, "dev0", "running");
    loaded = vfio_side_status_str(side, "dev0", "loaded-digest");
    found = dma_digest(side, "digest-at-start");
    g_assert_cmpstr(loaded, ==, device);
    g_assert_cmpstr(found, ==, memory);
    vfio_expect_clean(side);
}

void snapshot_start_loaded(VFIOSide *side, const char *device,
                           const char *memory)
{
    g_string_append(side->args, " -loadvm one");
    vfio_side_try_start(side);
    g_assert_true(qtest_probe_child(side->qts));
    qtest_qmp_assert_success(side->qts, "{'execute': 'cont'}");
    snapshot_expect_loaded(side, device, memory);
}
