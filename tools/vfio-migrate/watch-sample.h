/*
 * vfio-migrate watch: the state of a migration at one moment
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_WATCH_SAMPLE_H
#define VFIO_MIGRATE_WATCH_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>
#include <json-glib/json-glib.h>

/* An unknown figure; "unknown" never reads as zero */
#define WATCH_UNKNOWN (-1)

typedef struct WatchDevice {
    char *name;             /* the user's id, or QEMU's name for it */
    bool ours;              /* it has the property vfio-migration; else all
                               below is empty */
    char *protocol, *state, *phase, *dirty_tracking;
    char *blocked_reason, *last_error, *last_warning;
    int64_t transferred_bytes, pending_bytes, chunks;
    int64_t mapped_bytes, trapped_bytes;
    int p2p, precopy;       /* does it have them? May be WATCH_UNKNOWN */
    /* As reported by the driver: to be read before the VM stops; the rest
       that can be read by then; all, if the VM stopped now */
    int64_t initial_bytes, dirty_bytes, stop_copy_bytes;
    double rate;            /* bytes per second since the last sample */
} WatchDevice;

/* What prevents the VM from being stopped, or from being resumed */
typedef enum WatchHold {
    WATCH_HOLD_NONE,
    WATCH_HOLD_BLOCKED,     /* a device cannot migrate */
    WATCH_HOLD_DIRTY_RATE,  /* RAM is dirtied as fast as it is sent */
    WATCH_HOLD_RAM,         /* more RAM is left than the downtime allows */
    WATCH_HOLD_DEVICE,      /* more device data is left than it allows */
    WATCH_HOLD_DOWNTIME,    /* the expected downtime is above the limit */
    WATCH_HOLD_STOPPED,     /* the VM is stopped for a device's state */
    WATCH_HOLD_SILENT,      /* QEMU does not answer */
} WatchHold;

typedef struct WatchSample {
    int64_t time_us;        /* since the epoch */
    char *run_state;        /* "running", "finish-migrate", ... */
    char *status;           /* of the migration; "none" if there was none */
    char *error_desc;
    /* Milliseconds, or WATCH_UNKNOWN */
    int64_t total_ms, setup_ms, downtime_ms, expected_downtime_ms;
    int64_t downtime_limit_ms;
    int64_t max_bandwidth;  /* bytes per second */
    /* Bytes; WATCH_UNKNOWN before RAM is sent, and at the destination */
    int64_t ram_total, ram_transferred, ram_remaining;
    int64_t ram_dirty_rate; /* bytes per second */
    int64_t ram_passes;
    GPtrArray *devices;     /* WatchDevice */
    /* Downtime for devices and RAM if the VM stopped now, as predicted by
       our code; after the migration, its last prediction. Milliseconds */
    int64_t predicted_ms;
    int predicted_is_least; /* part of it is not known */

    /* From this sample and the previous one: watch_sample_finish() */
    double rate;            /* bytes per second, RAM and devices */
    int64_t least_downtime_ms;  /* for the data known to be left */
    WatchHold hold;
    char *hold_text;
} WatchSample;

/* Create a sample without any data; free a sample */
WatchSample *watch_sample_new(int64_t time_us);
void watch_sample_free(WatchSample *sample);

/* Store the answer to a QMP command; members that it lacks stay unknown. */
void watch_sample_take_migrate(WatchSample *sample, JsonNode *info);
void watch_sample_take_parameters(WatchSample *sample, JsonNode *info);
void watch_sample_take_status(WatchSample *sample, JsonNode *info);

/*
 * watch_sample_take_device: add a device
 *
 * @property: its "vfio-migration"; NULL: it has none, so that QEMU's own code
 *            migrates it
 */
void watch_sample_take_device(WatchSample *sample, const char *name,
                              JsonNode *property);

/*
 * watch_sample_finish: compute rates, and find what delays the migration
 *
 * @before: the previous sample, or NULL: rates are unknown then
 */
void watch_sample_finish(WatchSample *sample, const WatchSample *before);

/*
 * watch_sample_silence: QEMU has not answered for @silent_us
 *
 * Changes only what delays @sample; its figures are kept.
 */
void watch_sample_silence(WatchSample *sample, int64_t silent_us);

/* "setup", "pre-copy", "stop-copy", "completed", ...: for people */
const char *watch_sample_phase(const WatchSample *sample);

/* Is a migration in progress? Has it ended? */
bool watch_sample_is_active(const WatchSample *sample);
bool watch_sample_is_over(const WatchSample *sample);

/* Is @sample of another migration than @before, or has it progressed? */
bool watch_sample_has_moved(const WatchSample *sample,
                            const WatchSample *before);

/* "device-pending" and the like, for JSON and metrics */
const char *watch_hold_name(WatchHold hold);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(WatchSample, watch_sample_free)

#endif /* VFIO_MIGRATE_WATCH_SAMPLE_H */
