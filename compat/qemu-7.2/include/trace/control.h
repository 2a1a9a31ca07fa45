/*
 * Trace events: one group, one switch for each event
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TRACE__CONTROL_H
#define TRACE__CONTROL_H

#include "qemu/log.h"
#include "qemu/error-report.h"

#define TRACE_VCPU_EVENT_NONE ((uint32_t)-1)

typedef struct TraceEvent {
    uint32_t id;
    uint32_t vcpu_id;
    const char *name;
    const bool sstate;
    uint16_t *dstate;
} TraceEvent;

QEMU_ABI(sizeof(TraceEvent) == 32);

extern int trace_events_enabled_count;

/* @events ends with NULL */
void trace_event_register_group(TraceEvent **events);

#endif /* TRACE__CONTROL_H */
