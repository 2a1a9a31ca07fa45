/*
 * vfio-migrate watch: querying QEMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_WATCH_SOURCE_H
#define VFIO_MIGRATE_WATCH_SOURCE_H

#include "qmp.h"

typedef struct WatchSource WatchSource;

/*
 * watch_source_open: open a QEMU for queries
 *
 * @name: the path of a QMP socket, or the name of a libvirt domain
 * @connect: libvirt's URI, as for virsh --connect; NULL for its default
 *
 * Only queries are ever sent. Returns: NULL with @error set if there is no
 * QEMU; a domain is only contacted by the first query.
 */
WatchSource *watch_source_open(const char *name, const char *connect,
                               GError **error);
/* watch_source_free: close it, and end a virsh that is still running */
void watch_source_free(WatchSource *source);

/*
 * watch_source_ask: send a query; no other may be open
 *
 * @arguments: as for qmp_execute()
 */
bool watch_source_ask(WatchSource *source, const char *command,
                      GVariant *arguments, GError **error);

/*
 * watch_source_answer: the answer, if it comes within @timeout_ms
 *
 * Returns: what the command returned, to be freed; NULL without @error if the
 * query stays open; NULL with QMP_ERROR_COMMAND if QEMU refused, or with
 * another @error if QEMU is gone.
 */
JsonNode *watch_source_answer(WatchSource *source, int timeout_ms,
                              GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(WatchSource, watch_source_free)

#endif /* VFIO_MIGRATE_WATCH_SOURCE_H */
