/*
 * Migration of VFIO devices: the answer of the destination
 *
 * Owns: making a source with a two-way channel wait for the destination, which
 * accepts or rejects a device's state only after the last byte was sent; and
 * passing the destination's reason for a failure on to the source's user.
 * Does not own: the return path itself, which is QEMU's (capability
 * return-path). The stand-alone host, whose streams are one-way, has its own
 * versions of these functions.
 *
 * The thread that reads the return path is the one in this file, even if the
 * user has enabled QEMU's. The thread of QEMU 7.2 gets in the way of a cancel,
 * which may then be reported as a failure; it waits forever if the source
 * fails first, as does the destination; and it cannot receive a reason.
 *
 * Locks: the BQL, but for the thread, which takes none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "io/channel.h"
#include "migration/migration.h"
#include "migration/qemu-file.h"
#include "qom/object.h"
#include "hw/vfio/migration-answer.h"
#include "hw/vfio/migration-channel.h"
#include "hw/vfio/migration-options.h"
#include "trace.h"

#define VFIO_MIG_ANSWER_PROPERTY    "x-return-path"

/* Messages of a return path that occur without postcopy */
#define VFIO_MIG_ANSWER_SHUT        1
#define VFIO_MIG_ANSWER_PONG        2
/*
 * Sent by QEMU 8.1 and later with the capability switchover-ack: a source that
 * has it, too, may now stop its VM. QEMU 7.2 never waits for it.
 */
#define VFIO_MIG_ANSWER_GO_AHEAD    7

/*
 * A reason is sent in the values of PONG messages, which other versions of
 * QEMU ignore: this tag, plus three characters in each, up to a NUL. The values
 * of QEMU's own PONGs are small numbers.
 */
#define VFIO_MIG_REASON_TAG         0x56
#define VFIO_MIG_REASON_MAX         600

/* Was the thread in s->rp_state started by this file? */
static bool vfio_mig_answer_is_ours;

/* ---- the source ---- */

static QIOChannel *vfio_mig_two_way_channel(QEMUFile *f)
{
    Object *channel = f ? (Object *)qemu_file_get_ioc(f) : NULL;

    if (channel && (object_dynamic_cast(channel, "qio-channel-socket") ||
                    object_dynamic_cast(channel, "qio-channel-tls"))) {
        return (QIOChannel *)channel;
    }
    return NULL;
}

/*
 * Add three characters to @reason, and report it to the user once it is
 * complete. The destination's load has not ended yet then.
 */
static void vfio_mig_take_reason(MigrationState *s, GString *reason,
                                 uint32_t value)
{
    Error *err = NULL;

    if (value >> 24 != VFIO_MIG_REASON_TAG) {
        return;
    }
    for (int shift = 16; shift >= 0; shift -= 8) {
        char c = value >> shift;

        if (!c) {
            error_setg(&err, "the destination says: %s", reason->str);
            migrate_set_error(s, err);
            error_free(err);
            g_string_truncate(reason, 0);
            return;
        }
        if (reason->len < VFIO_MIG_REASON_MAX) {
            g_string_append_c(reason, g_ascii_isprint(c) ? c : '?');
        }
    }
}

/*
 * A thread that blocks in a read of a socket is also woken each time the peer
 * makes room for more to be written, some 30 times per MiB. One that polls is
 * not. With TLS, a poll would miss data that was already read and decrypted.
 */
static void vfio_mig_await_message(QIOChannel *channel)
{
    if (object_dynamic_cast((Object *)channel, "qio-channel-socket")) {
        qio_channel_wait(channel, G_IO_IN);
    }
}

/*
 * @value is 0 for messages without one. Returns false if no message arrived,
 * or one of an unexpected size.
 */
static bool vfio_mig_read_message(QIOChannel *channel, uint16_t *type,
                                  uint32_t *value)
{
    uint16_t head[2];           /* type, length of the value */
    size_t size;
    int ret;

    vfio_mig_await_message(channel);
    ret = qio_channel_read_all(channel, (char *)head, sizeof(head), NULL);
    if (ret < 0) {
        return false;
    }
    *type = be16_to_cpu(head[0]);
    *value = 0;
    size = *type == VFIO_MIG_ANSWER_GO_AHEAD ? 0 : sizeof(*value);
    if (be16_to_cpu(head[1]) != size) {
        return false;
    }
    if (size) {
        ret = qio_channel_read_all(channel, (char *)value, size, NULL);
        *value = be32_to_cpu(*value);
    }
    return ret == 0;
}

/*
 * Returns true if the destination has the VM, false if it refused or sent
 * something unintelligible.
 */
static bool vfio_mig_read_answer(MigrationState *s, QIOChannel *channel,
                                 GString *reason)
{
    uint16_t type;
    uint32_t value;

    while (vfio_mig_read_message(channel, &type, &value)) {
        trace_vfio_migration_answer(type, value);
        if (type == VFIO_MIG_ANSWER_SHUT) {
            return value == 0;
        } else if (type == VFIO_MIG_ANSWER_PONG) {
            vfio_mig_take_reason(s, reason, value);
        } else if (type != VFIO_MIG_ANSWER_GO_AHEAD) {
            return false;
        }
    }
    return false;
}

/* The channel stays open until this ends: vfio_mig_answer_end() waits. */
static void *vfio_mig_answer_thread(void *opaque)
{
    MigrationState *s = opaque;
    g_autoptr(GString) reason = g_string_new(NULL);

    if (!vfio_mig_read_answer(s, vfio_mig_two_way_channel(s->to_dst_file),
                              reason)) {
        s->rp_state.error = true;
    }
    return NULL;
}

static void vfio_mig_answer_asked(void *opaque)
{
    object_property_set_bool(opaque, VFIO_MIG_ANSWER_PROPERTY, true, NULL);
}

void vfio_mig_answer_await(MigrationState *s)
{
    bool asked = migrate_use_return_path();

    if (vfio_mig_answer_is_ours || migrate_postcopy_ram() ||
        migrate_background_snapshot() || migrate_colo_enabled() ||
        !(asked || vfio_mig_answer_wanted()) ||
        !vfio_mig_two_way_channel(s->to_dst_file)) {
        return;
    }
    if (asked) {
        /* QEMU reads this after all notifiers, and users after that. */
        if (!object_property_set_bool(OBJECT(s), VFIO_MIG_ANSWER_PROPERTY,
                                      false, NULL)) {
            return;
        }
        aio_bh_schedule_oneshot(qemu_get_aio_context(),
                                vfio_mig_answer_asked, s);
    }
    vfio_mig_answer_is_ours = true;
    vfio_mig_channel_widen(s->to_dst_file);
    qemu_thread_create(&s->rp_state.rp_thread, "vfio answer",
                       vfio_mig_answer_thread, s, QEMU_THREAD_JOINABLE);
    /* QEMU tells the destination, and waits for the thread at the end. */
    s->rp_state.rp_thread_created = true;
}

void vfio_mig_answer_end(MigrationState *s)
{
    if (vfio_mig_answer_is_ours && s->rp_state.rp_thread_created) {
        qemu_file_shutdown(s->to_dst_file);
        qemu_thread_join(&s->rp_state.rp_thread);
        s->rp_state.rp_thread_created = false;
    }
    vfio_mig_answer_is_ours = false;
}

/* ---- the destination ---- */

void vfio_mig_answer_no(const char *reason)
{
    MigrationIncomingState *mis = migration_incoming_get_current();
    size_t size = MIN(strlen(reason), VFIO_MIG_REASON_MAX);

    for (size_t i = 0; i <= size; i += 3) {
        uint32_t value = VFIO_MIG_REASON_TAG;

        for (size_t j = i; j < i + 3; j++) {
            value = value << 8 | (j < size ? (uint8_t)reason[j] : 0);
        }
        migrate_send_rp_pong(mis, value);
    }
}
