/*
 * vfio-migrate watch: the output of a sample
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_WATCH_OUTPUT_H
#define VFIO_MIGRATE_WATCH_OUTPUT_H

#include "watch-sample.h"

/* watch_line: progress and what delays it, on one line; to be freed */
char *watch_line(const WatchSample *sample);

/* watch_summary: how a migration ended, in several lines; to be freed */
char *watch_summary(const WatchSample *sample);

/* watch_json: the object for --json, schema "watch" version 1 */
JsonObject *watch_json(const WatchSample *sample);

/*
 * watch_metrics: a sample in Prometheus' text format; to be freed
 *
 * @vm: value of the label "vm"
 */
char *watch_metrics(const WatchSample *sample, const char *vm);

#endif /* VFIO_MIGRATE_WATCH_OUTPUT_H */
