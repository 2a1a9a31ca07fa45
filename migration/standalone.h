/*
 * The stand-alone host: what the VFIO migration code needs of QEMU, for
 * programs that are not QEMU
 *
 * One VM a process. A program calls vfio_host_init() once; it then holds the
 * big lock (BQL), as QEMU's main thread does, and calls the functions below
 * with it unless they say otherwise.
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
 * vfio_host_set_report_hook: take all messages instead of stderr
 *
 * @hook: called in the thread that reports; NULL: stderr again
 */
void vfio_host_set_report_hook(VFIOHostReportHook *hook, void *opaque);

/* ---- errors (error.c) ---- */

/*
 * vfio_host_error_hint: what error_append_hint() has added to @err
 *
 * Returns: lines of text, each with its newline; NULL: nothing. @err owns it.
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
 * @bytes: what is flushed is appended here; the stream holds a reference
 */
QEMUFile *vfio_host_file_new_memory_output(GByteArray *bytes);

/* Read @size bytes at @data, which must outlive the stream. */
QEMUFile *vfio_host_file_new_memory_input(const void *data, size_t size);

/*
 * vfio_host_file_fail_after: break the stream
 *
 * @bytes: this many bytes, counted from the stream's start, still pass
 * @error: errno that the channel then fails with; 0: end of file. As in QEMU
 *         the stream's error is -EIO with a text that holds @error.
 * @fired: set to true when it happens; outlives the stream; may be NULL
 */
void vfio_host_file_fail_after(QEMUFile *f, uint64_t bytes, int error,
                               bool *fired);

/* Bytes given to the stream (written or read), buffered ones included. */
uint64_t vfio_host_file_bytes(QEMUFile *f);

/*
 * vfio_host_file_shutdown: end all traffic, from any thread
 *
 * The stream's error becomes -EIO where it had none (QEMU's cancel). A call
 * that waits for a socket ends; one that waits for a pipe does not.
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
 * A device that cannot migrate opens too, unless only_migratable is set; its
 * blocker says why, see vfio_host_blocker().
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

/* Write @size bytes (1 to 4) of the config space, as the guest does. */
void vfio_host_config_write(VFIODevice *vbasedev, uint32_t address,
                            uint32_t value, int size);

/* Reset every device that can be reset, as a reset of the VM does. */
void vfio_host_reset_devices(void);

/* ---- run state (runstate.c) ---- */

RunState vfio_host_runstate(void);
/* Without telling anybody; to change what the devices see use the others. */
void vfio_host_set_runstate(RunState state);
void vfio_host_vm_start(void);
/* Does nothing where the VM does not run. */
void vfio_host_vm_stop(RunState state);
/* Where the VM does not run only the state changes. */
void vfio_host_vm_stop_force(RunState state);
/*
 * A turn of the main loop: do what was put off, and stop the VM where
 * qemu_system_vmstop_request() asked for it.
 */
void vfio_host_run_requests(void);

/* ---- migration (migrate.c) ---- */

/* What a user of QEMU sets by options and capabilities; all off at first. */
typedef struct VFIOHostSettings {
    bool only_migratable;
    bool postcopy_ram;
    bool background_snapshot;
    bool colo;
    bool empty_chunk_pending;   /* size 0 means: all that is pending */
    bool multi_device;          /* several v1 devices may migrate together */
    uint64_t stop_size_bytes;   /* of a device whose driver does not tell */
    uint64_t downtime_limit_ms; /* 0: QEMU's default */
    bool no_device_log;         /* devices do not log their own DMA */
} VFIOHostSettings;

void vfio_host_set(const VFIOHostSettings *new_settings);

typedef enum VFIOHostStatus {
    VFIO_HOST_STATUS_NONE,
    VFIO_HOST_STATUS_SETUP,
    VFIO_HOST_STATUS_ACTIVE,
    VFIO_HOST_STATUS_PRE_SWITCHOVER,
    VFIO_HOST_STATUS_DEVICE,
    VFIO_HOST_STATUS_CANCELLING,
    VFIO_HOST_STATUS_CANCELLED,
    VFIO_HOST_STATUS_COMPLETED,
    VFIO_HOST_STATUS_FAILED,
} VFIOHostStatus;

/* Of the migration under way, or of the last one; any thread. */
VFIOHostStatus vfio_host_migration_status(void);
const char *vfio_host_status_str(VFIOHostStatus status);

/* Reasons against a migration, the last one first; NULL after the end. */
const char *vfio_host_blocker(unsigned n);
unsigned vfio_host_nr_blockers(void);
/* Handlers that register_savevm_live() has taken. */
unsigned vfio_host_nr_handlers(void);

typedef enum VFIOHostPhase {
    VFIO_HOST_PHASE_SETUP,      /* notifiers told, nothing sent */
    VFIO_HOST_PHASE_ITERATE,    /* before round 0, 1, ... and the switchover */
    VFIO_HOST_PHASE_SWITCHOVER, /* VM stopped, nothing of its state sent */
} VFIOHostPhase;

/* Called with the BQL; may stop or start the VM, cancel, open a device. */
typedef void VFIOHostPhaseHook(VFIOHostPhase phase, unsigned round,
                               void *opaque);

typedef struct VFIOHostSaveOptions {
    /*
     * Switch over where less is pending. 0: where nothing is, or, without a
     * max_rounds, where a round gave nothing: all else takes a stopped VM.
     */
    uint64_t threshold_bytes;
    unsigned min_rounds;        /* iterate so often, whatever is pending */
    unsigned max_rounds;        /* then switch over; 0: no limit */
    VFIOHostPhaseHook *hook;
    void *opaque;
} VFIOHostSaveOptions;

/*
 * vfio_host_save: migrate the VM away
 *
 * @f: where to; closed in any case
 * @options: NULL: iterate until devices give nothing more
 *
 * The BQL is given up during set-up and iteration. Afterwards the VM is in
 * RUN_STATE_POSTMIGRATE; after a failure it runs on, if it ran.
 *
 * Returns: 0, or -errno with @errp set.
 */
int vfio_host_save(QEMUFile *f, const VFIOHostSaveOptions *options,
                   Error **errp);

/* Cancel what vfio_host_save() does; from a hook or, with the BQL, a thread. */
void vfio_host_cancel(void);

/*
 * vfio_host_load: take a VM in
 *
 * @f: where from; closed in any case
 *
 * The VM must not run. Afterwards it is paused: vfio_host_vm_start() lets it
 * go on. Details of a failure are reported as messages. QEMU ends after a
 * failure; here the devices stay, to be looked at and closed.
 *
 * Returns: 0, or -errno with @errp set.
 */
int vfio_host_load(QEMUFile *f, Error **errp);

/* QEMU's savevm and loadvm; @f is closed in any case. */
int vfio_host_savevm(QEMUFile *f, Error **errp);
int vfio_host_loadvm(QEMUFile *f, Error **errp);

/*
 * vfio_host_forget: be as after vfio_host_init()
 *
 * No device may be open. Forgets status, error, settings and run state.
 */
void vfio_host_forget(void);

#endif /* MIGRATION_STANDALONE_H */
