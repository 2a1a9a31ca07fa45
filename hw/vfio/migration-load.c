/*
 * Loading a VFIO device: the destination's half of the SaveVMHandlers
 *
 * Owns: the order of packets, the hand-over to the protocol and to the
 * device's configuration code, and messages that name device and reason: a
 * load has no way to return an Error, so they are printed here.
 *
 * Locks: all three run with the BQL.
 * Source: requirements 1.6, 2.10, 3.3 (U-9, U-18, R-08d, R-10, L-15).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "migration/qemu-file.h"
#include "sysemu/runstate.h"
#include "hw/vfio/migration-device.h"
#include "hw/vfio/migration-stream.h"
#include "trace.h"

/* Report @err, keep it for the device's property; returns @ret. */
static int vfio_mig_load_failed(VFIODeviceMigration *mig, int ret, Error *err)
{
    vfio_mig_fail(mig, ret, err);
    return ret;
}

int vfio_mig_load_setup(QEMUFile *f, void *opaque)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    Error *err = NULL;
    int ret;

    mig->loaded = false;
    vfio_mig_stream_begin(mig, f);
    ret = vfio_mig_set_state(mig, VFIO_MIG_STATE_RESUMING,
                             vfio_mig_idle_state(), &err);
    trace_vfio_migration_load_setup(vfio_mig_dev(mig)->name,
                                    vfio_mig_state_str(mig->state));
    if (ret < 0) {
        /* The core does not clean up after a failed setup (R-08d). */
        vfio_mig_stream_finish(mig);
        return vfio_mig_load_failed(mig, ret, err);
    }
    mig->loading = true;
    return 0;
}

static int vfio_mig_load_config(VFIODeviceMigration *mig, QEMUFile *f,
                                Error **errp)
{
    VFIODevice *vbasedev = vfio_mig_dev(mig);
    int ret = vbasedev->ops->vfio_load_config(vbasedev, f);

    /* A stream that ended inside is the better reason of the two. */
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

/*
 * One packet. Returns 1 to go on, 0 at the end of the section, or -errno
 * with @errp set.
 */
static int vfio_mig_load_packet(VFIODeviceMigration *mig, QEMUFile *f,
                                Error **errp)
{
    VFIOMigPacket packet;
    uint64_t size = 0;
    int ret = vfio_mig_get_packet(f, &packet, &size, errp);

    if (ret < 0) {
        error_prepend(errp, "%s: ", vfio_mig_dev(mig)->name);
        return ret;
    }
    trace_vfio_migration_load_packet(vfio_mig_dev(mig)->name, packet, size);
    switch (packet) {
    case VFIO_MIG_PACKET_SETUP:
        return 0;
    case VFIO_MIG_PACKET_DATA:
        mig->loaded = true;
        ret = mig->protocol->load_chunk(mig, f, size, errp);
        return ret < 0 ? ret : 1;
    case VFIO_MIG_PACKET_CONFIG:
        mig->loaded = true;
        return vfio_mig_load_config(mig, f, errp);
    case VFIO_MIG_PACKET_END:
        return 0;
    }
    g_assert_not_reached();
}

int vfio_mig_load_state(QEMUFile *f, void *opaque, int version_id)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    Error *err = NULL;
    int ret;

    if (!mig->loading) {
        error_setg(&err, "%s: data arrived for a device that is not set up "
                   "to take it (state %s)", vfio_mig_dev(mig)->name,
                   vfio_mig_state_str(mig->state));
        return vfio_mig_load_failed(mig, -EINVAL, err);
    }
    do {
        ret = vfio_mig_load_packet(mig, f, &err);
    } while (ret > 0);
    return ret < 0 ? vfio_mig_load_failed(mig, ret, err) : 0;
}

int vfio_mig_load_cleanup(void *opaque)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    const char *name = vfio_mig_dev(mig)->name;
    int ret = 0;

    if (!mig->loading) {
        return 0;
    }
    mig->loading = false;
    vfio_mig_stream_finish(mig);
    /*
     * A device that is stopped can be migrated onward before it ever ran.
     * Where its driver refuses that, it stays in resuming (U-9).
     */
    if (!mig->failed) {
        ret = vfio_mig_try_state(mig, VFIO_MIG_STATE_STOP);
    }
    if (ret < 0 && mig->state != VFIO_MIG_STATE_RESUMING) {
        Error *err = NULL;

        error_setg_errno(&err, -ret, "%s: the device is in state %s after "
                         "its data was loaded; the VM cannot run with it",
                         name, vfio_mig_state_str(mig->state));
        vfio_mig_load_failed(mig, ret, err);
    }
    trace_vfio_migration_load_cleanup(name, vfio_mig_state_str(mig->state));
    return 0;
}
