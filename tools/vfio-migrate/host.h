/*
 * vfio-migrate: what a host, and the QEMU on it, bring to a migration
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_HOST_H
#define VFIO_MIGRATE_HOST_H

#include <stdbool.h>
#include <json-glib/json-glib.h>

/*
 * host_facts: an object of what the host is: "kernel", "page-size",
 * "memlock-bytes" (what this process may lock; null: no limit), "apparmor"
 */
JsonObject *host_facts(void);

/*
 * host_find_qemu: the QEMU that VMs are to run with
 *
 * Our wrapper where it is installed, else the distribution's QEMU.
 *
 * Returns: its path, to be freed; NULL where there is none.
 */
char *host_find_qemu(void);

/*
 * host_qemu_check: does the QEMU at @path have our code attached?
 *
 * @says: set to the line that it answers, or to why there is none; to be
 *        freed
 */
bool host_qemu_check(const char *path, char **says);

/*
 * host_qemu_facts: an object of what the QEMU at @path is: "path",
 * "version" (as it prints it), "attached", "check" (what the check said),
 * "machines" (names); @path may be NULL: all are null then
 */
JsonObject *host_qemu_facts(const char *path);

#endif /* VFIO_MIGRATE_HOST_H */
