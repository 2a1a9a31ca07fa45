/*
 * Fuzzer: packets of a hostile migration stream
 *
 * The input is the stream. What the reader accepts is compared with the bytes
 * at that place.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "migration/qemu-file.h"
#include "migration/standalone.h"
#include "hw/vfio/migration-receive.h"
#include "hw/vfio/migration-stream.h"
#include "fuzz.h"

#define BLOB_BYTES      16

static void ignore_report(VFIOHostReport kind, const char *text, void *opaque)
{
}

/* The big-endian number at @offset of the input. */
static uint64_t number_at(const uint8_t *data, size_t size, uint64_t offset)
{
    uint64_t value;

    g_assert_cmpuint(offset + sizeof(value), <=, size);
    memcpy(&value, data + offset, sizeof(value));
    return GUINT64_FROM_BE(value);
}

/* Read @bytes of data through a buffer; returns 0 or -errno. */
static int take(QEMUFile *f, uint64_t bytes, Error **errp)
{
    uint8_t buf[256];
    int ret = 0;

    while (!ret && bytes) {
        size_t part = MIN(bytes, sizeof(buf));

        ret = vfio_mig_get_data(f, buf, part, errp);
        bytes -= part;
    }
    return ret;
}

/* Check a packet at @at that was accepted; returns 0 or -errno. */
static int check_packet(QEMUFile *f, const uint8_t *data, size_t size,
                        uint64_t at, VFIOMigPacket packet,
                        uint64_t size_bytes, Error **errp)
{
    uint64_t tag = number_at(data, size, at);
    int ret;

    switch (packet) {
    case VFIO_MIG_PACKET_SETUP:
        g_assert_cmphex(tag, ==, VFIO_MIG_TAG_SETUP);
        g_assert_cmphex(number_at(data, size, at + 8), ==,
                        VFIO_MIG_TAG_END_OF_STATE);
        return 0;
    case VFIO_MIG_PACKET_DATA:
        g_assert_cmphex(tag, ==, VFIO_MIG_TAG_DATA);
        g_assert_cmpuint(number_at(data, size, at + 8), ==, size_bytes);
        g_assert_cmpuint(size_bytes, <=, VFIO_MIG_CHUNK_MAX_BYTES);
        ret = take(f, size_bytes, errp);
        g_assert_cmpint(ret == 0, ==, size_bytes <= size - (at + 16));
        return ret;
    case VFIO_MIG_PACKET_CONFIG:
        g_assert_cmphex(tag, ==, VFIO_MIG_TAG_CONFIG);
        return take(f, BLOB_BYTES, errp) ?: vfio_mig_get_end(f, errp);
    case VFIO_MIG_PACKET_INIT_DATA_SENT:
        g_assert_cmphex(tag, ==, VFIO_MIG_TAG_INIT_DATA_SENT);
        return 0;
    case VFIO_MIG_PACKET_END:
        g_assert_cmphex(tag, ==, VFIO_MIG_TAG_END_OF_STATE);
        return 0;
    }
    g_assert_not_reached();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    QEMUFile *f = vfio_host_file_new_memory_input(data, size);
    uint64_t at = 0, size_bytes = 0;
    VFIOMigPacket packet;
    Error *err = NULL;
    int ret = 0;

    vfio_host_set_report_hook(ignore_report, NULL);
    while (!ret && at < size) {
        ret = vfio_mig_get_packet(f, &packet, &size_bytes, &err);
        if (!ret) {
            ret = check_packet(f, data, size, at, packet, size_bytes, &err);
        }
        if (!ret) {
            /* each packet has at least a tag, so the loop ends */
            g_assert_cmpuint(vfio_host_file_bytes(f), >=, at + 8);
            at = vfio_host_file_bytes(f);
        }
    }
    g_assert_cmpint(ret, <=, 0);
    g_assert_cmpint(err != NULL, ==, ret < 0);
    error_free(err);
    qemu_fclose(f);
    return 0;
}
