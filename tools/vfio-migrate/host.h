/*
 * vfio-migrate: facts of a host and of its QEMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_HOST_H
#define VFIO_MIGRATE_HOST_H

#include <stdbool.h>
#include <json-glib/json-glib.h>

/*
 * host_facts: an object with the host's facts: "kernel", "page-size",
 * "memlock-bytes" (limit of this process; null: no limit), "apparmor"
 */
JsonObject *host_facts(void);

/*
 * host_find_qemu: find the QEMU to run VMs with
 *
 * That is our wrapper if it is installed, else the distribution's QEMU.
 *
 * Returns: its path, to be freed; NULL if there is none.
 */
char *host_find_qemu(void);

/*
 * host_qemu_check: does the QEMU at @path have our code attached?
 *
 * @says: set to the line that it prints, or to the reason why there is none;
 *        to be freed
 */
bool host_qemu_check(const char *path, char **says);

/*
 * host_qemu_facts: an object with facts of the QEMU at @path: "path",
 * "version" (as it prints it), "attached", "check" (output of the check),
 * "machines" (names); if @path is NULL, all are null
 */
JsonObject *host_qemu_facts(const char *path);

#endif /* VFIO_MIGRATE_HOST_H */
