/*
 * vfio-migrate watch: how a QEMU is asked
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_WATCH_SOURCE_H
#define VFIO_MIGRATE_WATCH_SOURCE_H

#include "qmp.h"

typedef struct WatchSource WatchSource;

/*
 * watch_source_open: find a QEMU
 *
 * @name: the path of a QMP socket, or the name of a libvirt domain
 * @connect: libvirt's URI, as virsh --connect takes it; NULL for its default
 *
 * Only questions are ever sent. Returns: NULL with @error set if nobody is
 * there; a domain is first asked when it is first needed.
 */
WatchSource *watch_source_open(const char *name, const char *connect,
                               GError **error);
void watch_source_free(WatchSource *source);

/*
 * watch_source_ask: ask one question; no other may be open
 *
 * @arguments: as for qmp_execute()
 */
bool watch_source_ask(WatchSource *source, const char *command,
                      GVariant *arguments, GError **error);

/*
 * watch_source_answer: the answer, if it comes within @timeout_ms
 *
 * Returns: what the command returned, to be freed; NULL without @error if the
 * question stays open; NULL with QMP_ERROR_COMMAND if QEMU refused, with
 * another @error if it is gone.
 */
JsonNode *watch_source_answer(WatchSource *source, int timeout_ms,
                              GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(WatchSource, watch_source_free)

#endif /* VFIO_MIGRATE_WATCH_SOURCE_H */
