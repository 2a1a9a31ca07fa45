/*
 * Telling a newer source that a device's initial data has arrived
 *
 * Owns: which devices must have received theirs before the source is told, and
 * the message. Does not own: the mark in the stream (migration-stream.c).
 *
 * QEMU 7.2 does not have this message. It is written to the channel that the
 * stream is read from; a source that asks for it has a two-way channel. While
 * a device is being loaded, nothing else writes to it.
 *
 * Locks: the BQL.
 * Source: QEMU's docs/devel/migration, "return path"; MIG_RP_MSG_SWITCHOVER_ACK
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "io/channel.h"
#include "migration/qemu-file.h"
#include "hw/vfio/migration-ack.h"
#include "hw/vfio/migration-session.h"
#include "trace.h"

/* A message of the return path: its type and its length, 16 bits each */
#define VFIO_MIG_ACK_TYPE   7

static int vfio_mig_send_ack(QEMUFile *f, Error **errp)
{
    static const uint8_t message[] = { 0, VFIO_MIG_ACK_TYPE, 0, 0 };
    QIOChannel *channel = qemu_file_get_ioc(f);

    if (!channel) {
        error_setg(errp, "the stream comes from no channel");
        return -EBADF;
    }
    return qio_channel_write_all(channel, (const char *)message,
                                 sizeof(message), errp);
}

/* Has all initial data arrived, and the source has not been told yet? */
static bool vfio_mig_ack_is_due(void)
{
    VFIODeviceMigration *mig = NULL;

    while ((mig = vfio_mig_device_next(mig))) {
        if (mig->phase != VFIO_MIG_PHASE_LOAD) {
            continue;
        }
        if (mig->session->acked ||
            (mig->traits.precopy && !mig->session->initial_arrived)) {
            return false;
        }
    }
    return true;
}

void vfio_mig_initial_data_arrived(VFIODeviceMigration *mig, QEMUFile *f)
{
    Error *err = NULL;
    bool send;
    int ret = 0;

    mig->session->initial_arrived = true;
    /* Writing to a snapshot's channel would write to its image. */
    send = mig->session->stream == VFIO_MIG_STREAM_LIVE &&
           vfio_mig_ack_is_due();
    if (send) {
        mig->session->acked = true;
        ret = vfio_mig_send_ack(f, &err);
    }
    trace_vfio_migration_initial_data(vfio_mig_dev(mig)->name, send, ret);
    if (ret < 0) {
        warn_report("%s: cannot tell the source that the initial data has "
                    "arrived (%s); where the source does not go on, cancel, "
                    "and switch its capability switchover-ack off",
                    vfio_mig_dev(mig)->name, error_get_pretty(err));
        error_free(err);
    }
}
