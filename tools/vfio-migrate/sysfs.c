/*
 * vfio-migrate: facts of a device from sysfs, without opening it
 *
 * Owns: names of devices, their driver, type and IOMMU group.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "json.h"
#include "sysfs.h"
#include "sysroot.h"

char *sysfs_find(const char *name)
{
    static const char *const folders[] = {
        "/sys/bus/pci/devices/", "/sys/bus/pci/devices/0000:",
        "/sys/bus/mdev/devices/",
    };

    if (strchr(name, '/')) {
        return g_file_test(name, G_FILE_TEST_IS_DIR) ? g_strdup(name) : NULL;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *shown = g_strconcat(folders[i], name, NULL);
        g_autofree char *path = sysroot_path(shown);

        if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
            return g_steal_pointer(&path);
        }
    }
    return NULL;
}

/* Linux 6.2 and later have vfio-dev; before, the driver's name has "vfio". */
bool sysfs_is_vfio_driver(const char *dir, const char *driver)
{
    g_autofree char *path = g_build_filename(dir, "vfio-dev", NULL);

    return strstr(driver, "vfio") || g_file_test(path, G_FILE_TEST_IS_DIR);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_member(JsonArray *members, const char *folder,
                       const char *name)
{
    g_autofree char *dir = g_build_filename(folder, name, NULL);
    g_autofree char *driver = file_link(dir, "driver");
    JsonObject *member = json_object_new();

    json_object_set_string_member(member, "name", name);
    json_set_text(member, "driver", driver);
    json_array_add_object_element(members, member);
}

JsonArray *sysfs_group(const char *dir)
{
    g_autofree char *folder = g_build_filename(dir, "iommu_group", "devices",
                                               NULL);
    g_autoptr(GDir) open_dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    JsonArray *members = json_array_new();
    const char *name;

    while (open_dir && (name = g_dir_read_name(open_dir))) {
        g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, compare_names);
    for (unsigned i = 0; i < names->len; i++) {
        add_member(members, folder, names->pdata[i]);
    }
    return members;
}

/* The version of the driver's module; few modules have one. */
static char *driver_version(const char *dir)
{
    g_autofree char *driver = g_build_filename(dir, "driver", NULL);
    g_autofree char *module = file_link(driver, "module");
    g_autofree char *path = module ? g_strdup_printf("/sys/module/%s/version",
                                                     module) : NULL;

    return path ? sysroot_text(path) : NULL;
}

JsonObject *sysfs_facts(const char *dir)
{
    JsonObject *facts = json_object_new();
    g_autofree char *name = g_path_get_basename(dir);
    g_autofree char *driver = file_link(dir, "driver");
    g_autofree char *version = driver_version(dir);
    g_autofree char *type = file_link(dir, "mdev_type");
    g_autofree char *group = file_link(dir, "iommu_group");

    json_object_set_string_member(facts, "name", name);
    json_set_text(facts, "driver", driver);
    json_set_text(facts, "driver-version", version);
    json_set_text(facts, "mdev-type", type);
    json_set_text(facts, "group", group);
    return facts;
}
