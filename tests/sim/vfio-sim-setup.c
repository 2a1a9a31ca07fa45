/*
 * vfio-sim-setup: create the directories for the devices of a configuration
 *
 * Owns: the command line. `vfio-sim-setup CONFIG DIR` makes DIR/NAME for
 * each [device NAME] of CONFIG and prints the -device option of each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfio-sim.h"

static void print_devices(const char *dir)
{
    g_autoptr(GDir) handle = g_dir_open(dir, 0, NULL);
    const char *name;

    while (handle && (name = g_dir_read_name(handle))) {
        g_autofree char *link = g_build_filename(dir, name, "iommu_group",
                                                 NULL);

        if (g_file_test(link, G_FILE_TEST_IS_SYMLINK)) {
            printf("-device vfio-pci,sysfsdev=%s/%s,id=%s\n", dir, name,
                   name);
        }
    }
}

int main(int argc, char **argv)
{
    g_autoptr(GError) err = NULL;

    if (argc != 3 || argv[1][0] == '-') {
        fprintf(stderr, "usage: vfio-sim-setup CONFIG DIR\n"
                "Creates DIR/NAME for each [device NAME] of CONFIG, to be "
                "used with\n-device vfio-pci,sysfsdev=DIR/NAME under "
                "LD_PRELOAD=libvfio-sim.so VFIO_SIM_CONFIG=CONFIG\n");
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    if (!vfio_sim_configure_file(argv[1], &err) ||
        !vfio_sim_make_sysfs_all(argv[2], &err)) {
        fprintf(stderr, "vfio-sim-setup: %s: %s\n", argv[1], err->message);
        return 1;
    }
    vfio_sim_shutdown();
    print_devices(argv[2]);
    return 0;
}
