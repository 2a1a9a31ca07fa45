/*
 * vfio-migrate: the facts by which two hosts are compared
 *
 * Owns: collecting the facts from sysfs, the open device, its IOMMU, the host
 * and its QEMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "device.h"
#include "facts.h"
#include "host.h"
#include "json.h"
#include "probe.h"
#include "sysfs.h"

bool facts_add_device(JsonObject *facts, const char *dir)
{
    JsonObject *device = sysfs_facts(dir);
    Error *err = NULL;
    VFIODevice *vbasedev = tool_open(dir, &err);
    bool can = false;

    json_object_set_object_member(facts, "device", device);
    if (vbasedev) {
        json_object_set_null_member(device, "error");
        probe_device(vbasedev, device);
        json_object_set_object_member(
            facts, "migration",
            probe_migration(vbasedev, vfio_host_blocker()));
        json_object_set_object_member(facts, "iommu", probe_iommu(vbasedev));
        can = !vfio_host_blocker();
        tool_close(vbasedev);
    } else {
        g_autofree char *hint = tool_driver_hint(dir);

        json_object_set_string_member(device, "error", error_get_pretty(err));
        json_set_text(device, "hint", hint);
        error_free(err);
        json_object_set_null_member(facts, "migration");
        json_object_set_null_member(facts, "iommu");
    }
    return can;
}

JsonObject *facts_collect(const char *name, const char *qemu)
{
    g_autofree char *dir = sysfs_find(name);
    g_autofree char *found = qemu ? g_strdup(qemu) : host_find_qemu();
    JsonObject *facts;

    if (!dir) {
        return NULL;
    }
    facts = json_report_new("facts", FACTS_VERSION);
    facts_add_device(facts, dir);
    json_object_set_object_member(facts, "host", host_facts());
    json_object_set_object_member(facts, "qemu", host_qemu_facts(found));
    return facts;
}
