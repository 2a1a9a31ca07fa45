/*
 * vfio-migrate watch: how a sample is shown
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_WATCH_OUTPUT_H
#define VFIO_MIGRATE_WATCH_OUTPUT_H

#include "watch-sample.h"

/* watch_line: figures and what holds it up, for one line; to be freed */
char *watch_line(const WatchSample *sample);

/* watch_summary: how a migration ended, in lines; to be freed */
char *watch_summary(const WatchSample *sample);

/* watch_json: the object that --json prints, schema "watch" version 1 */
JsonObject *watch_json(const WatchSample *sample);

/*
 * watch_metrics: figures in Prometheus' text format; to be freed
 *
 * @vm: value of the label "vm"
 */
char *watch_metrics(const WatchSample *sample, const char *vm);

#endif /* VFIO_MIGRATE_WATCH_OUTPUT_H */
