/*
 * vfio-migrate watch: the queries that make up a sample
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_WATCH_COLLECT_H
#define VFIO_MIGRATE_WATCH_COLLECT_H

#include "watch-sample.h"
#include "watch-source.h"

typedef struct WatchCollector WatchCollector;

/* watch_collector_new: create a collector; it becomes the owner of @source */
WatchCollector *watch_collector_new(WatchSource *source);
/* watch_collector_free: free it, and its source */
void watch_collector_free(WatchCollector *collector);

/*
 * watch_collect: query everything that a sample contains
 *
 * Returns: a sample, not yet finished; NULL without @error if QEMU has not
 * answered within @timeout_ms: the next call continues where this one was.
 * NULL with @error set if QEMU is gone.
 */
WatchSample *watch_collect(WatchCollector *collector, int timeout_ms,
                           GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(WatchCollector, watch_collector_free)

#endif /* VFIO_MIGRATE_WATCH_COLLECT_H */
