/*
 * Test: virsh migrate, save and managedsave of a VM with VFIO devices
 *
 * Owns: the set of cases (*-cases.c). There are two libvirtd, each in an
 * environment that looks like a separate host (node.c), one domain with
 * <hostdev> devices and our wrapper as <emulator> (domain.c), and devices of
 * the simulation or of the kernel (world-*.c).
 * Everything is done by virsh; its output is in the test's log.
 *
 * `--kernel` uses the kernel's devices, with fewer cases. `--shipped` does so,
 * too, and uses libvirt as installed by Debian's package, with our package. For
 * comparison, VFIO_LIBVIRT_CODE=builtin runs QEMU's own code unchanged,
 * `builtin-on` with x-enable-migration=on, like vm-testbed's --builtin; some
 * cases fail then.
 * VFIO_LIBVIRT_KEEP=DIR copies logs, XML and status files there at the end.
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>

#include "libvirt-test.h"
#include "sandbox.h"

static char *programs_missing(void)
{
    static const char *const programs[] = {
        "virsh", "timeout", "qemu-system-x86_64"
    };

    for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *path = g_find_program_in_path(programs[i]);

        if (!path) {
            return g_strdup_printf("%s is not installed (scripts/deps "
                                   "libvirt)", programs[i]);
        }
    }
    if (!g_file_test("/usr/sbin/libvirtd", G_FILE_TEST_IS_EXECUTABLE)) {
        return g_strdup("libvirtd is not installed (scripts/deps libvirt)");
    }
    return world->lacking();
}

/* Copy files out of the sandbox, which is removed when the test ends. */
static void keep_files(void)
{
    const char *to = g_getenv("VFIO_LIBVIRT_KEEP");
    const char *argv[] = { "cp", "-r", src->dir, dst->dir, to, NULL };

    if (to) {
        g_mkdir_with_parents(to, 0755);
        g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL,
                     NULL, NULL, NULL, NULL, NULL);
    }
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    node_shipped = argc > 1 && strcmp(argv[1], "--shipped") == 0;
    world = node_shipped || (argc > 1 && strcmp(argv[1], "--kernel") == 0)
        ? &world_kernel : &world_sim;
    missing = programs_missing();
    if (!missing) {
        sandbox_enter(&missing);
    }
    add_move_cases();
    add_fail_cases();
    if (world == &world_sim) {
        add_kill_cases();
    }
    if (node_shipped) {
        add_shipped_cases();
    }
    status = g_test_run();
    if (dst) {
        keep_files();
        node_stop(src);
        node_stop(dst);
    }
    if (src && world->finish) {
        world->finish();
    }
    fflush(stdout);
    return status;
}
