/*
 * The course of a migration on the stand-alone host
 *
 * Owns: the order of the steps of a migration, a snapshot and a load, the
 * status, the first error, notifiers, blockers, and what a user may set.
 * Does not own: sections, see savevm.c; the run state, see runstate.c.
 *
 * Locks: the BQL, but for set-up and iteration, which QEMU runs without it;
 * status is read and set by atomic operations; error_lock protects the first
 * error, which the migration may set without the BQL.
 *
 * Source: QEMU 7.2's migration/migration.c and savevm.c, for the order: a VM
 * that ran is started again before the handlers clean up; the notifiers are
 * told last, and the stream is closed by then.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define HOST_HAS_MIGRATION_STATE
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "qemu/notify.h"
#include "qemu/units.h"
#include "hw/vfio/migration-answer.h"
#include "hw/vfio/migration-options.h"
#include "migration/blocker.h"
#include "migration/host-savevm.h"
#include "migration/migration.h"
#include "migration/misc.h"
#include "migration/qemu-file.h"
#include "migration/ram.h"
#include "migration/savevm.h"
#include "migration/standalone.h"
#include "sysemu/runstate.h"
#include "trace.h"

struct MigrationState {
    VFIOHostStatus status;
    Error *error;               /* error_lock; first one */
    QEMUFile *file;             /* outgoing; BQL */
    bool vm_was_running;
};

static MigrationState current;
static GMutex error_lock;
static GSList *blockers;        /* of Error, not owned; last one first */
static QLIST_HEAD(, Notifier) notifiers = QLIST_HEAD_INITIALIZER(notifiers);
static VFIOHostSettings settings;

/* ---- status ---- */

static VFIOHostStatus get_status(void)
{
    return qatomic_read(&current.status);
}

/* Only from @from: a cancel in between wins. */
static void change_status(VFIOHostStatus from, VFIOHostStatus to)
{
    __atomic_compare_exchange_n(&current.status, &from, to, false,
                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static bool is_idle(void)
{
    switch (get_status()) {
    case VFIO_HOST_STATUS_NONE:
    case VFIO_HOST_STATUS_CANCELLED:
    case VFIO_HOST_STATUS_FAILED:
    case VFIO_HOST_STATUS_COMPLETED:
        return true;
    default:
        return false;
    }
}

VFIOHostStatus vfio_host_migration_status(void)
{
    return get_status();
}

const char *vfio_host_status_str(VFIOHostStatus status)
{
    static const char *const names[] = {
        [VFIO_HOST_STATUS_NONE] = "none",
        [VFIO_HOST_STATUS_SETUP] = "setup",
        [VFIO_HOST_STATUS_ACTIVE] = "active",
        [VFIO_HOST_STATUS_PRE_SWITCHOVER] = "pre-switchover",
        [VFIO_HOST_STATUS_DEVICE] = "device",
        [VFIO_HOST_STATUS_CANCELLING] = "cancelling",
        [VFIO_HOST_STATUS_CANCELLED] = "cancelled",
        [VFIO_HOST_STATUS_COMPLETED] = "completed",
        [VFIO_HOST_STATUS_FAILED] = "failed",
    };

    return names[status];
}

MigrationState *migrate_get_current(void)
{
    return &current;
}

bool migration_in_setup(MigrationState *s)
{
    return qatomic_read(&s->status) == VFIO_HOST_STATUS_SETUP;
}

bool migration_in_postcopy(void)
{
    return false;       /* there is none here */
}

bool migration_is_active(MigrationState *s)
{
    return qatomic_read(&s->status) == VFIO_HOST_STATUS_ACTIVE;
}

bool migration_has_finished(MigrationState *s)
{
    return qatomic_read(&s->status) == VFIO_HOST_STATUS_COMPLETED;
}

bool migration_has_failed(MigrationState *s)
{
    VFIOHostStatus status = qatomic_read(&s->status);

    return status == VFIO_HOST_STATUS_CANCELLED ||
           status == VFIO_HOST_STATUS_FAILED;
}

/* ---- first error ---- */

void migrate_set_error(MigrationState *s, const Error *error)
{
    g_mutex_lock(&error_lock);
    if (!s->error) {
        s->error = error_copy(error);
    }
    g_mutex_unlock(&error_lock);
}

/* A copy of it, or NULL. */
static Error *first_error(void)
{
    Error *err;

    g_mutex_lock(&error_lock);
    err = current.error ? error_copy(current.error) : NULL;
    g_mutex_unlock(&error_lock);
    return err;
}

static void clear_error(void)
{
    g_mutex_lock(&error_lock);
    error_free(current.error);
    current.error = NULL;
    g_mutex_unlock(&error_lock);
}

/* ---- what a user may set ---- */

void vfio_host_set(const VFIOHostSettings *new_settings)
{
    settings = *new_settings;
}

bool migrate_dirty_bitmaps(void)
{
    return false;       /* there are no disks here */
}

uint64_t ram_bytes_remaining(void)
{
    return 0;           /* nor is RAM sent */
}

bool migrate_postcopy_ram(void)
{
    return settings.postcopy_ram;
}

bool migrate_background_snapshot(void)
{
    return settings.background_snapshot;
}

bool migrate_colo_enabled(void)
{
    return settings.colo;
}

const char vfio_mig_off_reason[] = "it was opened with disable_migration";

const char vfio_mig_multi_device_option[] = "the setting multi_device";

bool vfio_mig_multi_device_allowed(VFIODevice *vbasedev)
{
    return settings.multi_device;
}

const char vfio_mig_empty_chunk_option[] = "the setting empty_chunk_pending";

bool vfio_mig_empty_chunk_is_pending(VFIODevice *vbasedev)
{
    return settings.empty_chunk_pending;
}

const char vfio_mig_stop_size_option[] = "the setting stop_size_bytes";

uint64_t vfio_mig_stop_size(VFIODevice *vbasedev)
{
    return settings.stop_size_bytes;
}

/* The smallest: to touch it is most of what a small migration takes. */
uint64_t vfio_mig_queue_size(VFIODevice *vbasedev)
{
    return 4 * MiB;
}

uint64_t vfio_mig_downtime_limit_ms(void)
{
    return settings.downtime_limit_ms ?: 300;
}

/* ---- the way back, which the streams of this host do not have ---- */

void vfio_mig_answer_await(MigrationState *s)
{
}

void vfio_mig_answer_end(MigrationState *s)
{
}

void vfio_mig_answer_no(const char *reason)
{
}

bool vfio_mig_device_log_allowed(VFIODevice *vbasedev)
{
    return !settings.no_device_log;
}

/* ---- blockers and notifiers ---- */

static void refuse_blocker(Error *reason, const char *why, Error **errp)
{
    error_setg(errp, "disallowing migration blocker (%s) for: %s", why,
               error_get_pretty(reason));
}

int migrate_add_blocker(Error *reason, Error **errp)
{
    assert(qemu_mutex_iothread_locked());
    if (settings.only_migratable) {
        refuse_blocker(reason, "--only-migratable", errp);
        return -EACCES;
    }
    if (runstate_check(RUN_STATE_SAVE_VM) || !is_idle()) {
        refuse_blocker(reason, "migration/snapshot in progress", errp);
        return -EBUSY;
    }
    blockers = g_slist_prepend(blockers, reason);
    return 0;
}

void migrate_del_blocker(Error *reason)
{
    blockers = g_slist_remove(blockers, reason);
}

unsigned vfio_host_nr_blockers(void)
{
    return g_slist_length(blockers);
}

const char *vfio_host_blocker(unsigned n)
{
    Error *reason = g_slist_nth_data(blockers, n);

    return reason ? error_get_pretty(reason) : NULL;
}

void add_migration_state_change_notifier(Notifier *notify)
{
    QLIST_INSERT_HEAD(&notifiers, notify, node);
}

void remove_migration_state_change_notifier(Notifier *notify)
{
    QLIST_REMOVE(notify, node);
}

static void notify_all(void)
{
    Notifier *n, *next;

    for (n = QLIST_FIRST(&notifiers); n; n = next) {
        next = QLIST_NEXT(n, node);
        n->notify(n, &current);
    }
}

/* ---- outgoing migration ---- */

static void call_hook(const VFIOHostSaveOptions *options, VFIOHostPhase phase,
                      unsigned round)
{
    if (options->hook) {
        options->hook(phase, round, options->opaque);
    }
}

static bool may_start(Error **errp)
{
    if (!is_idle()) {
        error_setg(errp, "a migration is under way already");
        return false;
    }
    if (runstate_check(RUN_STATE_INMIGRATE)) {
        error_setg(errp, "the VM waits for an incoming migration");
        return false;
    }
    if (runstate_check(RUN_STATE_POSTMIGRATE)) {
        error_setg(errp, "the VM was migrated away already; start it first");
        return false;
    }
    if (blockers) {
        error_setg(errp, "%s", error_get_pretty(blockers->data));
        return false;
    }
    return true;
}

static void migration_init(QEMUFile *f)
{
    clear_error();
    current.file = f;
    current.vm_was_running = false;
    qatomic_set(&current.status, VFIO_HOST_STATUS_SETUP);
}

/* false: the migration is over */
static bool detect_error(QEMUFile *f)
{
    VFIOHostStatus status = get_status();
    Error *err = NULL;

    if (status == VFIO_HOST_STATUS_CANCELLING) {
        return false;
    }
    if (!qemu_file_get_error_obj(f, &err)) {
        return true;
    }
    if (err) {
        migrate_set_error(&current, err);
        error_free(err);
    }
    change_status(status, VFIO_HOST_STATUS_FAILED);
    return false;
}

/* The VM is stopped here; a hook may cancel, as at pre-switchover in QEMU. */
static bool pause_before_switchover(const VFIOHostSaveOptions *options)
{
    if (!options->hook) {
        return true;
    }
    change_status(VFIO_HOST_STATUS_ACTIVE, VFIO_HOST_STATUS_PRE_SWITCHOVER);
    call_hook(options, VFIO_HOST_PHASE_SWITCHOVER, 0);
    change_status(VFIO_HOST_STATUS_PRE_SWITCHOVER, VFIO_HOST_STATUS_DEVICE);
    return get_status() == VFIO_HOST_STATUS_DEVICE;
}

static void migration_completion(QEMUFile *f,
                                 const VFIOHostSaveOptions *options)
{
    int ret = -EINVAL;

    qemu_mutex_lock_iothread();
    if (get_status() == VFIO_HOST_STATUS_ACTIVE) {
        current.vm_was_running = runstate_is_running();
        vfio_host_vm_stop_force(RUN_STATE_FINISH_MIGRATE);
        if (pause_before_switchover(options)) {
            ret = savevm_complete(f);
        }
    }
    qemu_mutex_unlock_iothread();

    if (!ret) {
        ret = qemu_file_get_error(f);
    }
    change_status(VFIO_HOST_STATUS_ACTIVE, ret ? VFIO_HOST_STATUS_FAILED
                                               : VFIO_HOST_STATUS_COMPLETED);
    change_status(VFIO_HOST_STATUS_DEVICE, ret ? VFIO_HOST_STATUS_FAILED
                                               : VFIO_HOST_STATUS_COMPLETED);
}

/* @given: has the last round given any data of devices? */
static bool is_time_to_stop(const VFIOHostSaveOptions *options, unsigned round,
                            uint64_t pending, bool given)
{
    if (round < options->min_rounds) {
        return false;
    }
    if (!pending || pending < options->threshold_bytes) {
        return true;
    }
    if (!options->max_rounds) {
        return !options->threshold_bytes && !given;
    }
    return round >= options->max_rounds;
}

static void migration_rounds(QEMUFile *f, const VFIOHostSaveOptions *options)
{
    uint64_t sent = 0, before = 0;
    unsigned round = 0;

    while (get_status() == VFIO_HOST_STATUS_ACTIVE) {
        if (!qemu_file_get_error(f)) {
            uint64_t pending;

            qemu_mutex_lock_iothread();
            call_hook(options, VFIO_HOST_PHASE_ITERATE, round);
            before = sent;
            sent = vfio_mig_bytes_transferred();
            qemu_mutex_unlock_iothread();

            pending = savevm_pending(f, options->threshold_bytes);
            if (is_time_to_stop(options, round, pending,
                                round == 0 || sent != before)) {
                migration_completion(f, options);
                return;
            }
            qemu_savevm_state_iterate(f, false);
            round++;
        }
        if (!detect_error(f)) {
            return;
        }
    }
}

/* Start the VM again where it ran, and say what the migration left. */
static void migration_finish(void)
{
    switch (get_status()) {
    case VFIO_HOST_STATUS_COMPLETED:
        vfio_host_set_runstate(RUN_STATE_POSTMIGRATE);
        break;
    default:
        if (current.vm_was_running) {
            if (!runstate_check(RUN_STATE_SHUTDOWN)) {
                vfio_host_vm_start();
            }
        } else if (runstate_check(RUN_STATE_FINISH_MIGRATE)) {
            vfio_host_set_runstate(RUN_STATE_POSTMIGRATE);
        }
    }
}

static void migration_cleanup(void)
{
    QEMUFile *f = current.file;

    savevm_cleanup();
    current.file = NULL;
    qemu_fclose(f);
    change_status(VFIO_HOST_STATUS_CANCELLING, VFIO_HOST_STATUS_CANCELLED);
    notify_all();
}

int vfio_host_save(QEMUFile *f, const VFIOHostSaveOptions *options,
                   Error **errp)
{
    static const VFIOHostSaveOptions defaults;
    Error *err;

    assert(qemu_mutex_iothread_locked());
    options = options ?: &defaults;
    if (!may_start(errp)) {
        qemu_fclose(f);
        return -EPERM;
    }

    migration_init(f);
    notify_all();
    call_hook(options, VFIO_HOST_PHASE_SETUP, 0);

    qemu_mutex_unlock_iothread();
    savevm_header(f);
    savevm_setup(f);
    change_status(VFIO_HOST_STATUS_SETUP, VFIO_HOST_STATUS_ACTIVE);
    migration_rounds(f, options);
    qemu_mutex_lock_iothread();

    migration_finish();
    migration_cleanup();
    vfio_host_run_requests();
    if (get_status() == VFIO_HOST_STATUS_COMPLETED) {
        return 0;
    }
    err = first_error();
    if (!err) {
        error_setg(&err, "no reason was given");
    }
    error_prepend(&err, "migration %s: ", vfio_host_status_str(get_status()));
    error_propagate(errp, err);
    return get_status() == VFIO_HOST_STATUS_CANCELLED ? -ECANCELED : -EIO;
}

void vfio_host_cancel(void)
{
    VFIOHostStatus status = get_status();

    assert(qemu_mutex_iothread_locked());
    if (is_idle()) {
        return;
    }
    change_status(status, VFIO_HOST_STATUS_CANCELLING);
    if (get_status() == VFIO_HOST_STATUS_CANCELLING && current.file) {
        vfio_host_file_shutdown(current.file);
    }
}

/* ---- snapshots ---- */

static int snapshot_save(QEMUFile *f)
{
    int ret;

    migration_init(f);
    qemu_mutex_unlock_iothread();
    savevm_header(f);
    savevm_setup(f);
    qemu_mutex_lock_iothread();

    while (!qemu_file_get_error(f) && qemu_savevm_state_iterate(f, false) <= 0) {
        /* until every handler has done what it can */
    }
    ret = qemu_file_get_error(f);
    if (!ret) {
        savevm_complete(f);
        ret = qemu_file_get_error(f);
    }
    savevm_cleanup();
    change_status(VFIO_HOST_STATUS_SETUP, ret ? VFIO_HOST_STATUS_FAILED
                                              : VFIO_HOST_STATUS_COMPLETED);
    current.file = NULL;
    return ret;
}

int vfio_host_savevm(QEMUFile *f, Error **errp)
{
    bool was_running = runstate_is_running();
    int ret, close_ret;

    assert(qemu_mutex_iothread_locked());
    if (!is_idle() || blockers) {
        error_setg(errp, "%s", blockers ? error_get_pretty(blockers->data)
                                        : "a migration is under way already");
        qemu_fclose(f);
        return -EPERM;
    }
    vfio_host_vm_stop(RUN_STATE_SAVE_VM);
    ret = snapshot_save(f);
    close_ret = qemu_fclose(f);
    ret = ret ? ret : close_ret;
    if (ret) {
        error_setg_errno(errp, -ret, "Error while writing VM state");
    }
    vfio_host_run_requests();
    if (was_running) {
        vfio_host_vm_start();
    }
    return ret;
}

int vfio_host_loadvm(QEMUFile *f, Error **errp)
{
    bool was_running = runstate_is_running();
    int ret;

    assert(qemu_mutex_iothread_locked());
    vfio_host_vm_stop(RUN_STATE_RESTORE_VM);
    vfio_host_reset_devices();
    ret = savevm_load(f);
    qemu_fclose(f);
    vfio_host_run_requests();
    if (ret < 0) {
        error_setg(errp, "Error %d while loading VM state", ret);
    } else if (was_running) {
        vfio_host_vm_start();
    }
    return ret;
}

/* ---- incoming migration ---- */

static bool incoming_ended;

/* QEMU ends here. A program can still look at the device. */
void vfio_mig_end_incoming(void)
{
    incoming_ended = true;
    qemu_system_vmstop_request(RUN_STATE_INTERNAL_ERROR);
}

int vfio_host_load(QEMUFile *f, Error **errp)
{
    int ret;

    assert(qemu_mutex_iothread_locked());
    assert(!runstate_is_running());
    vfio_host_set_runstate(RUN_STATE_INMIGRATE);
    incoming_ended = false;
    ret = savevm_load(f);
    qemu_fclose(f);
    vfio_host_run_requests();
    if (ret == 0 && incoming_ended) {
        ret = -EIO;
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "load of migration failed");
        return ret;
    }
    vfio_host_set_runstate(RUN_STATE_PAUSED);
    return 0;
}

/* ---- begin and end ---- */

void vfio_host_init(void)
{
    static bool traced;

    if (!qemu_mutex_iothread_locked()) {
        qemu_mutex_lock_iothread();
    }
    if (!traced) {
        traced = true;
        vfio_migration_trace_init();
    }
}

void vfio_host_forget(void)
{
    static const VFIOHostSettings none;

    assert(qemu_mutex_iothread_locked() && is_idle());
    clear_error();
    qatomic_set(&current.status, VFIO_HOST_STATUS_NONE);
    settings = none;
    vfio_host_set_runstate(RUN_STATE_PRELAUNCH);
}
