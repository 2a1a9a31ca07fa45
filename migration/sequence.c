/*
 * Migrations of the stand-alone host, step by step
 *
 * Owns: what is called in a step, SaveVMHandlers and notifiers, and the status
 * of a migration. Does not own: which steps there are and in which order, which
 * is up to the program (the lists at the end are the usual orders); the layout
 * of a section (sections.c).
 *
 * Locks: the BQL, which steps release if QEMU calls the handlers without it;
 * the status is atomic, as another thread may cancel; error_lock protects the
 * first error.
 *
 * Source: QEMU 7.2's migration/migration.c and savevm.c, for what a handler
 * can observe in each step.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define HOST_HAS_MIGRATION_STATE
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "hw/vfio/migration-options.h"
#include "migration/host-sections.h"
#include "migration/migration.h"
#include "migration/misc.h"
#include "migration/qemu-file.h"
#include "migration/savevm.h"
#include "migration/standalone.h"
#include "sysemu/runstate.h"
#include "trace.h"

#define ROUNDS_MAX  20      /* a device may have new data all the time */

typedef enum Status {
    STATUS_NONE,
    STATUS_SETUP,
    STATUS_ACTIVE,
    STATUS_CANCELLING,
    STATUS_CANCELLED,
    STATUS_COMPLETED,
    STATUS_FAILED,
} Status;

struct MigrationState {
    VFIOHostRun run;
    Status status;
    Error *error;               /* error_lock; first one */
    bool vm_was_running;
    bool incoming_ended;
};

static MigrationState current;
static GMutex error_lock;
static QLIST_HEAD(, Notifier) notifiers = QLIST_HEAD_INITIALIZER(notifiers);
static NotifierWithReturn *precopy_notifier;    /* there is only one */

/* ---- status ---- */

MigrationState *migrate_get_current(void)
{
    return &current;
}

/* Set the status, unless the migration was cancelled in the meantime. */
static void settle(Status to)
{
    qatomic_cmpxchg(&current.status, STATUS_SETUP, to);
    qatomic_cmpxchg(&current.status, STATUS_ACTIVE, to);
}

bool migration_in_setup(MigrationState *s)
{
    return qatomic_read(&s->status) == STATUS_SETUP;
}

bool migration_has_finished(MigrationState *s)
{
    return qatomic_read(&s->status) == STATUS_COMPLETED;
}

bool migration_has_failed(MigrationState *s)
{
    Status status = qatomic_read(&s->status);

    return status == STATUS_CANCELLED || status == STATUS_FAILED;
}

void migrate_set_error(MigrationState *s, const Error *error)
{
    g_mutex_lock(&error_lock);
    if (!s->error) {
        s->error = error_copy(error);
    }
    g_mutex_unlock(&error_lock);
}

/* QEMU takes over the stream's error while the VM runs, not in completion. */
static void take_stream_error(QEMUFile *f)
{
    Error *err = NULL;

    qemu_file_get_error_obj(f, &err);
    if (err) {
        migrate_set_error(&current, err);
        error_free(err);
    }
}

void vfio_host_cancel(void)
{
    assert(qemu_mutex_iothread_locked());
    settle(STATUS_CANCELLING);
    if (current.run.f &&
        qatomic_read(&current.status) == STATUS_CANCELLING) {
        vfio_host_file_shutdown(current.run.f);
    }
}

/* QEMU would exit here. A program can still inspect the device. */
void vfio_mig_end_incoming(void)
{
    current.incoming_ended = true;
    qemu_system_vmstop_request(RUN_STATE_INTERNAL_ERROR);
}

/* ---- notifiers ---- */

void add_migration_state_change_notifier(Notifier *notify)
{
    QLIST_INSERT_HEAD(&notifiers, notify, node);
}

void remove_migration_state_change_notifier(Notifier *notify)
{
    QLIST_REMOVE(notify, node);
}

void precopy_add_notifier(NotifierWithReturn *n)
{
    assert(!precopy_notifier);
    precopy_notifier = n;
}

void vfio_host_notify(VFIOHostRun *run)
{
    Notifier *n, *next;

    QLIST_FOREACH_SAFE(n, &notifiers, node, next) {
        n->notify(n, &current);
    }
}

/* ---- steps that save ---- */

void vfio_host_begin(VFIOHostRun *run)
{
    qatomic_set(&current.status, STATUS_SETUP);
}

void vfio_host_setup(VFIOHostRun *run)
{
    qemu_mutex_unlock_iothread();
    host_sections_setup(run->f);
    take_stream_error(run->f);
    qemu_mutex_lock_iothread();
}

void vfio_host_activate(VFIOHostRun *run)
{
    qatomic_cmpxchg(&current.status, STATUS_SETUP, STATUS_ACTIVE);
}

uint64_t vfio_host_pending(VFIOHostRun *run, uint64_t threshold_bytes)
{
    uint64_t bytes;

    qemu_mutex_unlock_iothread();
    bytes = host_sections_pending(run->f, threshold_bytes);
    qemu_mutex_lock_iothread();
    return bytes;
}

bool vfio_host_iterate(VFIOHostRun *run)
{
    uint64_t before = vfio_mig_bytes_transferred();

    qemu_mutex_unlock_iothread();
    qemu_savevm_state_iterate(run->f, false);
    take_stream_error(run->f);
    qemu_mutex_lock_iothread();
    return !vfio_host_run_error(run) && vfio_mig_bytes_transferred() != before;
}

void vfio_host_round(VFIOHostRun *run)
{
    vfio_host_pending(run, 0);
    vfio_host_iterate(run);
}

void vfio_host_rounds(VFIOHostRun *run)
{
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        if (!vfio_host_pending(run, 0) || !vfio_host_iterate(run)) {
            break;
        }
    }
}

/* As in savevm, where QEMU does not ask how much is pending */
void vfio_host_iterate_all(VFIOHostRun *run)
{
    qemu_mutex_unlock_iothread();
    while (!qemu_file_get_error(run->f) &&
           qemu_savevm_state_iterate(run->f, false) <= 0) {
        /* until every handler is done */
    }
    qemu_mutex_lock_iothread();
}

void vfio_host_complete(VFIOHostRun *run)
{
    PrecopyNotifyData data = { .reason = PRECOPY_NOTIFY_COMPLETE };

    if (precopy_notifier) {
        precopy_notifier->notify(precopy_notifier, &data);
    }
    host_sections_complete(run->f);
    if (!qemu_file_get_error(run->f)) {
        settle(STATUS_COMPLETED);
    }
}

void vfio_host_always(VFIOHostRun *run)
{
    settle(STATUS_FAILED);
}

void vfio_host_cleanup(VFIOHostRun *run)
{
    host_sections_cleanup();
    qemu_fclose(g_steal_pointer(&run->f));
    qatomic_cmpxchg(&current.status, STATUS_CANCELLING, STATUS_CANCELLED);
}

/* ---- steps of the VM ---- */

static void stop_vm(RunState state)
{
    current.vm_was_running = runstate_is_running();
    vfio_host_vm_stop(state);
    vfio_host_set_runstate(state);
}

void vfio_host_stop(VFIOHostRun *run)
{
    stop_vm(RUN_STATE_FINISH_MIGRATE);
}

void vfio_host_stop_to_save(VFIOHostRun *run)
{
    stop_vm(RUN_STATE_SAVE_VM);
}

void vfio_host_stop_to_load(VFIOHostRun *run)
{
    stop_vm(RUN_STATE_RESTORE_VM);
    vfio_host_reset_devices();
}

void vfio_host_go_on(VFIOHostRun *run)
{
    bool moved = runstate_check(RUN_STATE_FINISH_MIGRATE) &&
                 migration_has_finished(&current);

    if (current.vm_was_running && !moved) {
        vfio_host_vm_start();
    } else if (runstate_check(RUN_STATE_FINISH_MIGRATE)) {
        vfio_host_set_runstate(RUN_STATE_POSTMIGRATE);
    }
}

/* ---- steps that load ---- */

void vfio_host_expect(VFIOHostRun *run)
{
    assert(!runstate_is_running());
    vfio_host_set_runstate(RUN_STATE_INMIGRATE);
}

void vfio_host_load(VFIOHostRun *run)
{
    host_sections_load(run->f);
    vfio_host_run_requests();
}

void vfio_host_loaded(VFIOHostRun *run)
{
    vfio_host_set_runstate(RUN_STATE_PAUSED);
}

/* ---- lists of steps ---- */

VFIOHostStep *const vfio_host_migrate[] = {
    VFIO_HOST_BEGIN, vfio_host_rounds, VFIO_HOST_END
};

VFIOHostStep *const vfio_host_incoming[] = {
    vfio_host_expect, vfio_host_load, vfio_host_loaded, NULL
};

VFIOHostStep *const vfio_host_savevm[] = {
    vfio_host_stop_to_save, vfio_host_begin, vfio_host_setup,
    vfio_host_iterate_all, vfio_host_complete, vfio_host_always,
    vfio_host_cleanup, vfio_host_go_on, NULL
};

VFIOHostStep *const vfio_host_loadvm[] = {
    vfio_host_stop_to_load, vfio_host_load, vfio_host_go_on, NULL
};

int vfio_host_run_error(VFIOHostRun *run)
{
    if (qatomic_read(&current.status) == STATUS_CANCELLING) {
        return -ECANCELED;
    }
    return current.incoming_ended ? -EIO : qemu_file_get_error(run->f);
}

int vfio_host_run(QEMUFile *f, VFIOHostStep *const *steps, void *opaque,
                  Error **errp)
{
    VFIOHostRun *run = &current.run;
    bool always = false;
    int ret = 0;

    assert(qemu_mutex_iothread_locked());
    g_clear_pointer(&current.error, error_free);
    current.vm_was_running = current.incoming_ended = false;
    *run = (VFIOHostRun) { .f = f, .opaque = opaque };
    for (; *steps; steps++) {
        always |= *steps == vfio_host_always;
        if (!ret || always) {
            (*steps)(run);
        }
        ret = ret || always ? ret : vfio_host_run_error(run);
    }
    if (run->f) {
        qemu_fclose(g_steal_pointer(&run->f));
    }
    vfio_host_run_requests();
    if (ret && current.error) {
        error_propagate(errp, error_copy(current.error));
    } else if (ret) {
        error_setg_errno(errp, -ret, "migration failed");
    }
    return ret;
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
    assert(qemu_mutex_iothread_locked());
    g_clear_pointer(&current.error, error_free);
    current.status = STATUS_NONE;
    vfio_host_settings = (VFIOHostSettings) { .only_migratable = false };
    vfio_host_set_runstate(RUN_STATE_PRELAUNCH);
}
