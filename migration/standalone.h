/*
 * The stand-alone host: what the VFIO migration code needs from QEMU, for
 * programs that are not QEMU
 *
 * One VM per process. A program calls vfio_host_init() once; it then holds the
 * big lock (BQL), like QEMU's main thread, and calls the functions below with
 * it unless they say otherwise. When the VM stops, whether it may migrate and
 * what happens to it is up to the program.
 *
 * Functions that can fail take Error **errp last, as in QEMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_STANDALONE_H
#define MIGRATION_STANDALONE_H

#include "qemu/osdep.h"
#include "hw/vfio/vfio-common.h"
#include "sysemu/runstate.h"

/* Make this thread hold the BQL and read VFIO_TRACE; may be called again. */
void vfio_host_init(void);

/* ---- messages (report.c) ---- */

typedef enum VFIOHostReport {
    VFIO_HOST_ERROR,
    VFIO_HOST_WARNING,
    VFIO_HOST_INFO,
    VFIO_HOST_LOG,      /* a line of the trace, with its newline */
} VFIOHostReport;

typedef void VFIOHostReportHook(VFIOHostReport kind, const char *text,
                                void *opaque);

/*
 * vfio_host_set_report_hook: pass all messages to @hook instead of stderr
 *
 * @hook: called in the thread that reports; NULL: stderr again
 */
void vfio_host_set_report_hook(VFIOHostReportHook *hook, void *opaque);

/* ---- errors (error.c) ---- */

/*
 * vfio_host_error_hint: get what error_append_hint() has added to @err
 *
 * Returns: lines of text, each with its newline; NULL if there are none. It
 * belongs to @err.
 */
const char *vfio_host_error_hint(const Error *err);

/* ---- streams (qemu-file.c) ---- */

/*
 * vfio_host_file_new_output, vfio_host_file_new_input: a stream over @fd
 *
 * The file descriptor belongs to the stream, qemu_fclose() closes it.
 */
QEMUFile *vfio_host_file_new_output(int fd);
QEMUFile *vfio_host_file_new_input(int fd);

/*
 * vfio_host_file_new_memory_output: a stream into a buffer
 *
 * @bytes: flushed data is appended here; the stream holds a reference
 */
QEMUFile *vfio_host_file_new_memory_output(GByteArray *bytes);

/* A stream that reads @size bytes at @data, which must outlive it. */
QEMUFile *vfio_host_file_new_memory_input(const void *data, size_t size);

/*
 * vfio_host_file_fail_after: make the stream fail
 *
 * @bytes: how many bytes still pass, counted from the stream's start
 * @error: errno with which the channel fails then; 0: end of file. As in QEMU
 *         the stream's error is -EIO with a text that contains @error.
 * @fired: set to true when it happens; outlives the stream; may be NULL
 */
void vfio_host_file_fail_after(QEMUFile *f, uint64_t bytes, int error,
                               bool *fired);

/* Bytes written to or read from the stream, including buffered ones. */
uint64_t vfio_host_file_bytes(QEMUFile *f);

/*
 * vfio_host_file_shutdown: end all traffic, from any thread
 *
 * The stream's error becomes -EIO unless it already had one (like a cancel in
 * QEMU). A call that waits for a socket returns; one that waits for a pipe does
 * not.
 */
void vfio_host_file_shutdown(QEMUFile *f);

/* ---- devices (device.c) ---- */

typedef struct VFIOHostDeviceOptions {
    const char *sysfsdev;       /* directory with the link iommu_group */
    const char *name;           /* in messages; NULL: @sysfsdev's last part */
    const char *id;             /* in streams; NULL: none */
    bool disable_migration;     /* as if x-enable-migration were off */
    bool no_mmap;
} VFIOHostDeviceOptions;

/*
 * vfio_host_device_open: open a device through /dev/vfio and probe it
 *
 * A device that cannot migrate is opened, too, unless only_migratable is set;
 * its blocker has the reason, see vfio_host_blocker().
 *
 * Returns: the device, to be closed with vfio_host_device_close(); NULL with
 * @errp set.
 */
VFIODevice *vfio_host_device_open(const VFIOHostDeviceOptions *options,
                                  Error **errp);
void vfio_host_device_close(VFIODevice *vbasedev);

/*
 * vfio_host_property_get: read a property of the device
 *
 * Returns: its value as JSON, to be freed with g_free(); NULL with @errp set.
 */
char *vfio_host_property_get(VFIODevice *vbasedev, const char *name,
                             Error **errp);

/* Write @size bytes (1 to 4) of the config space, like a guest. */
void vfio_host_config_write(VFIODevice *vbasedev, uint32_t address,
                            uint32_t value, int size);

/* Reset every device that can be reset, like a reset of the VM. */
void vfio_host_reset_devices(void);

/* ---- the VM (vm.c) ---- */

RunState vfio_host_runstate(void);
/* Without calling handlers; use the functions below to notify the devices. */
void vfio_host_set_runstate(RunState state);
void vfio_host_vm_start(void);
/* Does nothing if the VM does not run. */
void vfio_host_vm_stop(RunState state);
/*
 * An iteration of the main loop: run bottom halves, and stop the VM if
 * qemu_system_vmstop_request() has requested it.
 */
void vfio_host_run_requests(void);

/* ---- settings (settings.c) ---- */

/* What are options and capabilities in QEMU; initially all are off. */
typedef struct VFIOHostSettings {
    bool only_migratable;
    bool postcopy_ram;
    bool background_snapshot;
    bool colo;
    bool empty_chunk_pending;   /* size 0 means: all that is pending */
    bool multi_device;          /* several v1 devices may migrate together */
    uint64_t stop_size_bytes;   /* if a driver does not report it */
    uint64_t downtime_limit_ms; /* 0: QEMU's default */
    bool no_device_log;         /* devices do not log their own DMA */
} VFIOHostSettings;

extern VFIOHostSettings vfio_host_settings;

/* The last blocker; NULL: none. The host itself ignores blockers. */
const char *vfio_host_blocker(void);
unsigned vfio_host_nr_blockers(void);

/* ---- migrations (sequence.c, sections.c) ---- */

typedef struct VFIOHostRun {
    QEMUFile *f;                /* NULL: closed */
    void *opaque;               /* the program's */
} VFIOHostRun;

/*
 * A step of a migration: calls handlers, or is one of the program's own, which
 * may stop or start the VM, cancel, reset or open a device. Called with the
 * BQL, which steps that save release for a while.
 */
typedef void VFIOHostStep(VFIOHostRun *run);

/*
 * vfio_host_run: do @steps, one after the other
 *
 * @f: the stream; closed in any case
 * @steps: a list that ends with NULL. If the stream has an error after one of
 *         them, or vfio_host_cancel() was called, the following ones are
 *         skipped, up to vfio_host_always.
 * @opaque: for the program's own steps
 *
 * Returns: 0; -ECANCELED, or another -errno, with @errp set. Errors of an
 * incoming stream are reported.
 */
int vfio_host_run(QEMUFile *f, VFIOHostStep *const *steps, void *opaque,
                  Error **errp);

/* Result of the steps so far: 0 or -errno */
int vfio_host_run_error(VFIOHostRun *run);

/* Cancel the current steps; called by a step or, with the BQL, a thread. */
void vfio_host_cancel(void);

/* The usual orders: those of a migration, savevm and loadvm in QEMU */
extern VFIOHostStep *const vfio_host_migrate[], *const vfio_host_incoming[],
                    *const vfio_host_savevm[], *const vfio_host_loadvm[];

/* The steps of a migration before its rounds, and after them */
#define VFIO_HOST_BEGIN \
    vfio_host_begin, vfio_host_notify, vfio_host_setup, vfio_host_activate
#define VFIO_HOST_STOPPED \
    vfio_host_complete, vfio_host_always, vfio_host_go_on, \
    vfio_host_cleanup, vfio_host_notify, NULL
#define VFIO_HOST_END vfio_host_stop, VFIO_HOST_STOPPED

VFIOHostStep
    vfio_host_begin,        /* the status is "setup" */
    vfio_host_notify,       /* call the notifiers of the status */
    vfio_host_setup,
    vfio_host_activate,     /* the status is "active" */
    vfio_host_round,        /* pending, iterate */
    vfio_host_rounds,       /* until nothing is pending or sent; at most 20 */
    vfio_host_iterate_all,  /* until each handler is done */
    vfio_host_stop,         /* the VM; FINISH_MIGRATE */
    vfio_host_stop_to_save,
    vfio_host_stop_to_load, /* and reset its devices, as loadvm does */
    vfio_host_complete,     /* END and FULL of all */
    vfio_host_always,       /* from here on, also after a failure */
    vfio_host_go_on,        /* start a VM that ran and was not migrated */
    vfio_host_cleanup,      /* and close the stream */
    vfio_host_expect,       /* INMIGRATE */
    vfio_host_load,         /* setup, the whole stream, cleanup */
    vfio_host_loaded;       /* PAUSED */

/* For a program's own rounds: bytes that are pending; was anything sent? */
uint64_t vfio_host_pending(VFIOHostRun *run, uint64_t threshold_bytes);
bool vfio_host_iterate(VFIOHostRun *run);

/* Number of handlers registered with register_savevm_live() */
unsigned vfio_host_nr_handlers(void);

/*
 * vfio_host_forget: return to the state after vfio_host_init()
 *
 * No device may be open. Resets status, error, settings and run state.
 */
void vfio_host_forget(void);

#endif /* MIGRATION_STANDALONE_H */
