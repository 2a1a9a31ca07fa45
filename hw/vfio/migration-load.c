/*
 * Loading a VFIO device: the destination's half of the SaveVMHandlers
 *
 * Owns: the order of packets, passing them to the protocol and to the
 * device's configuration code, the driver's verdict, and messages that name
 * device and reason: the handlers of a load cannot return an Error, so these
 * are printed here. Does not own: how a chunk is written (the protocol).
 *
 * Locks: all three handlers run with the BQL, except a late cleanup;
 * load_state releases it while it waits for the stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"
#include "migration/qemu-file.h"
#include "sysemu/runstate.h"
#include "hw/vfio/dirty-tracking.h"
#include "hw/vfio/migration-ack.h"
#include "hw/vfio/migration-handlers.h"
#include "hw/vfio/migration-options.h"
#include "hw/vfio/migration-pci-config.h"
#include "hw/vfio/migration-pci.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-stream.h"
#include "hw/vfio/migration-switch-over.h"
#include "hw/vfio/migration-transition.h"
#include "hw/vfio/migration-writer.h"
#include "trace.h"

/* Report @err and keep it for the device's property; returns @ret. */
static int vfio_mig_load_failed(VFIODeviceMigration *mig, int ret, Error *err)
{
    vfio_mig_fail(mig, ret, err);
    return ret;
}

/* ---- changes of state ---- */

static int vfio_mig_error_reset_in_load(VFIODeviceMigration *mig,
                                        Error **errp)
{
    error_setg(errp, "%s: the device was reset while its state was loaded; "
               "start the migration again", vfio_mig_dev(mig)->name);
    return -ESTALE;
}

/*
 * The driver cannot distinguish data of the other protocol from damaged data.
 * A source with v1 sends empty packets and large chunks, one with v2 sends
 * sections without a packet; not every stream contains them.
 */
static void vfio_mig_hint_protocol(VFIODeviceMigration *mig, Error **errp)
{
    bool is_v2 = mig->traits.any_segments;

    if (is_v2 ? mig->session->looks_like_v1 : mig->session->looks_like_v2) {
        error_append_hint(errp, "The stream looks like that of a device with "
                          "protocol %s, and this one's driver speaks %s: use "
                          "the same kernel series on both hosts.\n",
                          is_v2 ? "v1" : "v2", mig->protocol->name);
    }
}

/*
 * Make a planned change of state. With several devices their times would add
 * up, so a thread makes it then; vfio_mig_load_settle() joins that.
 */
static void vfio_mig_load_change(VFIODeviceMigration *mig,
                                 VFIOMigLoadStep step)
{
    mig->session->step = step;
    if (vfio_mig_devices_are_several()) {
        vfio_mig_start_beside(mig);
    } else {
        vfio_mig_make(mig);
    }
}

static int vfio_mig_load_enter(VFIODeviceMigration *mig, Error **errp)
{
    if (!vfio_mig_claim_soon(mig)) {
        return vfio_mig_error_busy(mig, errp);
    }
    vfio_mig_plan(mig, VFIO_MIG_STATE_RESUMING);
    vfio_mig_load_change(mig, VFIO_MIG_LOAD_STEP_ENTERS);
    return 0;
}

/* The driver has accepted or rejected the data. */
static int vfio_mig_load_is_judged(VFIODeviceMigration *mig, Error **errp)
{
    int ret = mig->change.ret;

    vfio_mig_release(mig);
    if (ret == -ESTALE) {
        return vfio_mig_error_reset_in_load(mig, errp);
    }
    if (ret < 0 &&
        (ret != -EINVAL || mig->state != VFIO_MIG_STATE_RESUMING ||
         !mig->traits.learns_refusals)) {
        error_setg_errno(errp, -ret, "%s: the driver does not accept the "
                         "state that was loaded; the device is in state %s",
                         vfio_mig_dev(mig)->name,
                         vfio_mig_state_str(mig->state));
        error_append_hint(errp, VFIO_MIG_HINT_SAME_DRIVER);
        vfio_mig_hint_protocol(mig, errp);
        return ret;
    }
    vfio_mig_switch_over_image(mig, mig->stats.transferred_bytes);
    vfio_mig_set_phase(mig, VFIO_MIG_PHASE_LOADED);
    return 0;
}

/*
 * Wait for the end of a change of state that was begun for the device, if any.
 * Returns 0, or -errno with @errp set.
 */
static int vfio_mig_load_settle(VFIODeviceMigration *mig, Error **errp)
{
    ERRP_GUARD();
    VFIOMigLoadStep step = mig->session->step;
    int ret;

    if (step == VFIO_MIG_LOAD_STEP_NONE) {
        return 0;
    }
    mig->session->step = VFIO_MIG_LOAD_STEP_NONE;
    vfio_mig_join(mig);
    if (step == VFIO_MIG_LOAD_STEP_VERDICT) {
        return vfio_mig_load_is_judged(mig, errp);
    }
    ret = vfio_mig_finish(mig, vfio_mig_idle_state(mig), errp);
    vfio_mig_release(mig);
    trace_vfio_migration_load_setup(vfio_mig_dev(mig)->name,
                                    vfio_mig_state_str(mig->state));
    return ret;
}

/* ---- setup ---- */

/*
 * A failure is kept until the device's first packet, which precedes any RAM.
 * QEMU 7.2 cleans up after a failed load, but not after a failed load_setup:
 * the other devices would stay in resuming, and the next loadvm would abort
 * QEMU, as RAM must not be set up twice.
 */
int vfio_mig_load_setup(QEMUFile *f, void *opaque)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    Error *err = NULL;
    int ret;

    mig->arrival = VFIO_MIG_ARRIVAL_NONE;
    vfio_mig_session_begin(mig, VFIO_MIG_PHASE_LOAD,
                           runstate_check(RUN_STATE_INMIGRATE)
                           ? VFIO_MIG_STREAM_LIVE : VFIO_MIG_STREAM_SNAPSHOT);
    vfio_mig_session_open(mig, f);
    vfio_mig_writer_new(mig);
    ret = vfio_mig_load_enter(mig, &err);
    if (ret == 0 && !vfio_mig_devices_are_several()) {
        ret = vfio_mig_load_settle(mig, &err);
    }
    if (ret < 0) {
        vfio_mig_load_failed(mig, ret, err);
    }
    return 0;
}

/* ---- packets ---- */

static void vfio_mig_not_announced(VFIODeviceMigration *mig, Error **errp)
{
    error_setg(errp, "%s: no state arrived for the device (section %s): the "
               "source has no VFIO device that can migrate in its place; use "
               "the same devices with the same addr= on both sides",
               vfio_mig_dev(mig)->name, mig->section_id);
}

/*
 * All devices are announced before the first one sends anything: one that is
 * missing then is not going to appear. Checking it now fails the load while
 * the source is still sending, so that the source notices.
 */
static int vfio_mig_check_announced(Error **errp)
{
    VFIODeviceMigration *mig;

    for (mig = vfio_mig_device_next(NULL); mig;
         mig = vfio_mig_device_next(mig)) {
        if (mig->phase == VFIO_MIG_PHASE_LOAD && !mig->session->announced) {
            vfio_mig_not_announced(mig, errp);
            return -ENODEV;
        }
    }
    return 0;
}

static int vfio_mig_load_config(VFIODeviceMigration *mig, QEMUFile *f,
                                Error **errp)
{
    ERRP_GUARD();
    VFIODevice *vbasedev = vfio_mig_dev(mig);
    int ret = vfio_mig_pci_check(vbasedev, f, errp);

    if (ret < 0) {
        return ret;
    }
    ret = vbasedev->ops->vfio_load_config(vbasedev, f);
    /* If the stream ended in the middle, that is the better reason. */
    ret = qemu_file_get_error(f) ?: ret;
    trace_vfio_migration_load_config(vbasedev->name, ret);
    if (ret) {
        error_setg_errno(errp, abs(ret), "%s: cannot load the device's "
                         "configuration space; is it the same kind of device "
                         "as on the source?", vbasedev->name);
        return -abs(ret);
    }
    ret = vfio_mig_push_pci_command(vbasedev);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "%s: cannot write PCI_COMMAND to the "
                         "device", vbasedev->name);
        return ret;
    }
    ret = vfio_mig_get_end(f, errp);
    if (ret < 0) {
        error_prepend(errp, "%s: ", vbasedev->name);
    }
    return ret;
}

/* A reset of the VM discards what the device was given. */
static int vfio_mig_check_resuming(VFIODeviceMigration *mig, Error **errp)
{
    int ret;

    vfio_mig_claim(mig);
    ret = vfio_mig_look(mig);
    vfio_mig_release(mig);
    if (ret == 0 && mig->state == VFIO_MIG_STATE_RUNNING) {
        return vfio_mig_error_reset_in_load(mig, errp);
    }
    return 0;
}

/* Is a device being loaded whose driver was not asked yet? */
static bool vfio_mig_load_goes_on(void)
{
    VFIODeviceMigration *mig = NULL;

    while ((mig = vfio_mig_device_next(mig))) {
        if (mig->phase == VFIO_MIG_PHASE_LOAD &&
            mig->session->step != VFIO_MIG_LOAD_STEP_VERDICT) {
            return true;
        }
    }
    return false;
}

/*
 * All drivers were asked. Returns 0, or -errno; @errp is set if it is @mig's
 * own failure; another device's failure was reported before.
 */
static int vfio_mig_load_judge_all(VFIODeviceMigration *mig, Error **errp)
{
    VFIODeviceMigration *other = NULL;
    int ret, first_ret = 0;

    while ((other = vfio_mig_device_next(other))) {
        Error *err = NULL;

        ret = other != mig && other->phase == VFIO_MIG_PHASE_LOAD
              ? vfio_mig_load_settle(other, &err) : 0;
        if (ret < 0) {
            vfio_mig_load_failed(other, ret, err);
            first_ret = first_ret ?: ret;
        }
    }
    ret = vfio_mig_load_settle(mig, errp);
    return ret ?: first_ret;
}

/*
 * Ask the driver for its verdict on the data while the load can still fail, by
 * leaving resuming. A stopped device can also be migrated onward before it has
 * ever run. A driver that can leave resuming only to running is asked when the
 * VM runs.
 *
 * With several devices, the drivers check their data while the rest of the
 * stream is read, until the last device was loaded; its section fails the load
 * then.
 */
static int vfio_mig_finish_load(VFIODeviceMigration *mig, Error **errp)
{
    int ret = vfio_mig_check_resuming(mig, errp);

    if (ret < 0) {
        return ret;
    }
    if (!vfio_mig_claim_soon(mig)) {
        return vfio_mig_error_busy(mig, errp);
    }
    vfio_mig_plan_verdict(mig);
    vfio_mig_load_change(mig, VFIO_MIG_LOAD_STEP_VERDICT);
    return vfio_mig_load_goes_on() ? 0 : vfio_mig_load_judge_all(mig, errp);
}

static int vfio_mig_check_order(VFIODeviceMigration *mig, const char *what,
                                Error **errp)
{
    if (mig->phase == VFIO_MIG_PHASE_LOADED) {
        error_setg(errp, "%s: the stream has %s after the end of the device's "
                   "state", vfio_mig_dev(mig)->name, what);
        return -EINVAL;
    }
    return 0;
}

static void vfio_mig_explain_refusal(VFIODeviceMigration *mig, Error **errp)
{
    Error *reset = NULL;

    if (vfio_mig_check_resuming(mig, &reset) < 0) {
        error_free(*errp);
        *errp = NULL;
        error_propagate(errp, reset);
    } else {
        vfio_mig_hint_protocol(mig, errp);
    }
}

static int vfio_mig_load_data(VFIODeviceMigration *mig, QEMUFile *f,
                              uint64_t size_bytes, Error **errp)
{
    ERRP_GUARD();
    int ret = vfio_mig_check_order(mig, "data", errp);

    if (ret < 0) {
        return ret;
    }
    mig->session->section_has_data = true;
    mig->session->looks_like_v1 |= !size_bytes || size_bytes > MiB;
    ret = vfio_mig_writer_receive(mig, f, size_bytes, errp);
    if (ret < 0) {
        vfio_mig_explain_refusal(mig, errp);
    }
    return ret;
}

/* Wait until all that was received is in the device, whoever writes it. */
static int vfio_mig_load_rest(VFIODeviceMigration *mig, Error **errp)
{
    ERRP_GUARD();
    int ret = vfio_mig_writer_finish(mig, errp);

    if (ret < 0) {
        vfio_mig_explain_refusal(mig, errp);
    }
    return ret;
}

static int vfio_mig_load_initial_mark(VFIODeviceMigration *mig, QEMUFile *f,
                                      Error **errp)
{
    int ret = vfio_mig_check_order(mig, "a mark of initial data", errp);

    if (ret == 0 && !mig->traits.any_segments) {
        error_setg(errp, "%s: the source is QEMU 8.1 or later and migrates "
                   "the device with protocol v2, and this one's driver speaks "
                   "%s: use the same kernel series on both hosts",
                   vfio_mig_dev(mig)->name, mig->protocol->name);
        ret = -ENOTSUP;
    }
    if (ret == 0) {
        ret = vfio_mig_load_rest(mig, errp);
    }
    if (ret == 0) {
        vfio_mig_initial_data_arrived(mig, f);
    }
    return ret;
}

/*
 * Load one packet. Returns 1 to continue, 0 at the end of the section, or
 * -errno with @errp set.
 */
static int vfio_mig_load_packet(VFIODeviceMigration *mig, QEMUFile *f,
                                Error **errp)
{
    ERRP_GUARD();
    VFIOMigPacket packet;
    uint64_t size = 0;
    int ret = vfio_mig_get_packet(f, &packet, &size, errp);

    if (ret < 0) {
        error_prepend(errp, "%s: ", vfio_mig_dev(mig)->name);
        return ret;
    }
    trace_vfio_migration_load_packet(vfio_mig_dev(mig)->name, packet, size);
    if (packet != VFIO_MIG_PACKET_SETUP) {
        ret = vfio_mig_check_announced(errp);
        if (ret < 0) {
            return ret;
        }
    }
    switch (packet) {
    case VFIO_MIG_PACKET_SETUP:
        mig->session->announced = true;
        return 0;
    case VFIO_MIG_PACKET_DATA:
        ret = vfio_mig_load_data(mig, f, size, errp);
        return ret < 0 ? ret : 1;
    case VFIO_MIG_PACKET_CONFIG:
        ret = vfio_mig_check_order(mig, "a second configuration", errp);
        if (ret == 0) {
            ret = vfio_mig_load_rest(mig, errp);
        }
        if (ret == 0) {
            ret = vfio_mig_load_config(mig, f, errp);
        }
        if (ret < 0) {
            return ret;
        }
        vfio_dirty_loaded(vfio_mig_dev(mig));
        return vfio_mig_finish_load(mig, errp);
    case VFIO_MIG_PACKET_INIT_DATA_SENT:
        return vfio_mig_load_initial_mark(mig, f, errp);
    case VFIO_MIG_PACKET_END:
        mig->session->looks_like_v2 |= !mig->session->section_has_data;
        mig->session->section_has_data = false;
        return 0;
    }
    g_assert_not_reached();
}

int vfio_mig_load_state(QEMUFile *f, void *opaque, int version_id)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    Error *err = NULL;
    int ret;

    if (mig->phase < VFIO_MIG_PHASE_LOAD) {
        error_setg(&err, "%s: data arrived for a device that is not set up "
                   "to take it (state %s)", vfio_mig_dev(mig)->name,
                   vfio_mig_state_str(mig->state));
        return vfio_mig_load_failed(mig, -EINVAL, err);
    }
    ret = vfio_mig_load_settle(mig, &err);
    if (ret < 0) {
        return vfio_mig_load_failed(mig, ret, err);
    }
    do {
        ret = vfio_mig_session_failed(mig)
              ? mig->session->ret : vfio_mig_load_packet(mig, f, &err);
    } while (ret > 0);
    if (ret < 0 && err) {
        return vfio_mig_load_failed(mig, ret, err);
    }
    /* A mapping of the guest's IOMMU may have been refused and reported */
    return ret == 0 && vfio_mig_session_failed(mig) ? mig->session->ret : ret;
}

/* ---- the end ---- */

static void vfio_mig_fail_missing(VFIODeviceMigration *mig)
{
    Error *err = NULL;

    if (vfio_mig_session_failed(mig)) {
        return;
    }
    if (mig->session->announced) {
        error_setg(&err, "%s: the stream ended without the device's "
                   "configuration; if the source sends devices over channels "
                   "of their own (QEMU 10.0 and later, with multifd), "
                   VFIO_MIG_STREAM_NO_MULTIFD, vfio_mig_dev(mig)->name);
    } else {
        vfio_mig_not_announced(mig, &err);
    }
    vfio_mig_fail(mig, -ENODEV, err);
}

/*
 * QEMU has rejected something before the device's turn. If that was a section,
 * such as that of a device in another slot at the source, the device that is
 * still waiting has to be named; but it may as well have been RAM of another
 * size.
 */
static void vfio_mig_fail_waiting(VFIODeviceMigration *mig)
{
    Error *err = NULL;

    if (!vfio_mig_session_failed(mig)) {
        error_setg(&err, "%s: no state arrived for the device (section %s) "
                   "before the load failed; if that was for an unknown "
                   "section, use the same devices with the same addr= on "
                   "both sides", vfio_mig_dev(mig)->name, mig->section_id);
        vfio_mig_fail(mig, -EINVAL, err);
    }
}

/*
 * All sections of the stream were loaded, and QEMU considers the load a
 * success. This is the last moment to fail it, so that the source continues.
 * The destination has nothing yet that could be lost when it exits.
 */
static void vfio_mig_end_failed_incoming(VFIODeviceMigration *mig)
{
    vfio_mig_fail_missing(mig);
    vfio_mig_end_incoming();
}

/* An incomplete state is worse than none. */
static void vfio_mig_reset_after_load(VFIODeviceMigration *mig)
{
    int ret;

    vfio_mig_claim(mig);
    ret = vfio_mig_reset(mig);
    vfio_mig_release(mig);
    if (ret == 0) {
        ret = vfio_mig_try_state(mig, vfio_mig_idle_state(mig));
        vfio_mig_rearm(mig);
    }
    warn_report("%s: the snapshot had not all of the device's state; the "
                "device %s and is in state %s", vfio_mig_dev(mig)->name,
                ret < 0 ? "could not be reset" : "was reset",
                vfio_mig_state_str(mig->state));
}

void vfio_mig_load_done(VFIODeviceMigration *mig)
{
    bool incoming = mig->session->stream == VFIO_MIG_STREAM_LIVE;

    vfio_mig_writer_free(mig);
    vfio_mig_session_end(mig);
    mig->arrival = incoming ? VFIO_MIG_ARRIVAL_INCOMING
                            : VFIO_MIG_ARRIVAL_SNAPSHOT;
}

/* @error: the stream's error, or 0 */
static void vfio_mig_load_ends(VFIODeviceMigration *mig, int error)
{
    bool incoming = mig->session->stream == VFIO_MIG_STREAM_LIVE;
    Error *err = NULL;
    int ret = vfio_mig_load_settle(mig, &err);

    if (ret < 0) {
        vfio_mig_load_failed(mig, ret, err);
    }
    if (mig->phase == VFIO_MIG_PHASE_LOADED && !vfio_mig_session_failed(mig)) {
        vfio_mig_load_done(mig);
        return;
    }
    vfio_mig_writer_free(mig);
    if (incoming && !error) {
        vfio_mig_end_failed_incoming(mig);
    } else if (error == -EINVAL && !mig->session->announced) {
        /* Not for a broken stream, -EIO: the device may have been next. */
        vfio_mig_fail_waiting(mig);
    }
    vfio_mig_session_end(mig);
    if (!incoming && !mig->gone) {
        vfio_mig_reset_after_load(mig);
    }
}

/*
 * If dirty bitmaps of disks are migrated after the VM, QEMU calls this at their
 * end, without the BQL and without the stream, from a separate thread.
 */
int vfio_mig_load_cleanup(void *opaque)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    bool late = !qemu_mutex_iothread_locked();

    if (late) {
        qemu_mutex_lock_iothread();
    }
    if (mig->phase >= VFIO_MIG_PHASE_LOAD) {
        vfio_mig_load_ends(mig, late ? 0 :
                           qemu_file_get_error(mig->session->file));
        trace_vfio_migration_load_cleanup(vfio_mig_dev(mig)->name,
                                          vfio_mig_state_str(mig->state));
    }
    if (late) {
        qemu_mutex_unlock_iothread();
    }
    return 0;
}
