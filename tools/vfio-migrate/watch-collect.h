/*
 * vfio-migrate watch: the questions that make a sample
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_WATCH_COLLECT_H
#define VFIO_MIGRATE_WATCH_COLLECT_H

#include "watch-sample.h"
#include "watch-source.h"

typedef struct WatchCollector WatchCollector;

/* watch_collector_new: takes over @source */
WatchCollector *watch_collector_new(WatchSource *source);
void watch_collector_free(WatchCollector *collector);

/*
 * watch_collect: ask for all that a sample has
 *
 * Returns: a sample, not yet finished; NULL without @error if QEMU has not
 * answered within @timeout_ms: the next call goes on where this one was.
 * NULL with @error set if it is gone.
 */
WatchSample *watch_collect(WatchCollector *collector, int timeout_ms,
                           GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(WatchCollector, watch_collector_free)

#endif /* VFIO_MIGRATE_WATCH_COLLECT_H */
