/*
 * Packets of the VFIO migration stream
 *
 * Owns: the tags, the order of fields, and the limits on what a peer may
 * claim. Does not own: the data, the config blob, nor the QEMUFile.
 *
 * No lock: the caller is the only user of its QEMUFile.
 *
 * Source: docs/contract.md, The stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "migration/qemu-file.h"
#include "hw/vfio/migration-stream.h"

void vfio_mig_put_setup(QEMUFile *f)
{
    qemu_put_be64(f, VFIO_MIG_TAG_SETUP);
    qemu_put_be64(f, VFIO_MIG_TAG_END_OF_STATE);
}

void vfio_mig_put_data_header(QEMUFile *f, uint64_t size_bytes)
{
    uint8_t header[VFIO_MIG_DATA_HEADER_BYTES];

    vfio_mig_format_data_header(header, size_bytes);
    qemu_put_buffer(f, header, sizeof(header));
}

void vfio_mig_format_data_header(uint8_t *to, uint64_t size_bytes)
{
    uint64_t header[] = { GUINT64_TO_BE(VFIO_MIG_TAG_DATA),
                          GUINT64_TO_BE(size_bytes) };

    QEMU_BUILD_BUG_ON(sizeof(header) != VFIO_MIG_DATA_HEADER_BYTES);
    memcpy(to, header, sizeof(header));
}

void vfio_mig_put_config_header(QEMUFile *f)
{
    qemu_put_be64(f, VFIO_MIG_TAG_CONFIG);
}

void vfio_mig_put_end(QEMUFile *f)
{
    qemu_put_be64(f, VFIO_MIG_TAG_END_OF_STATE);
}

/*
 * Check for an error of the file while @what was read: 0, or -errno with @errp
 * set. The file has a text only for some errors; for others it is strerror().
 */
static int check_file(QEMUFile *f, const char *what, Error **errp)
{
    Error *cause = NULL;
    int ret = qemu_file_get_error_obj(f, &cause);

    if (!ret) {
        return 0;
    }
    if (ret > 0) {
        ret = -EIO;
    }
    if (cause) {
        error_prepend(&cause, "cannot read %s from the migration stream: ",
                      what);
        error_propagate(errp, cause);
    } else {
        error_setg_errno(errp, -ret, "cannot read %s from the migration "
                         "stream: it was cut or failed", what);
    }
    return ret;
}

int vfio_mig_check_read(QEMUFile *f, const char *what, size_t done,
                        size_t size, Error **errp)
{
    int ret = check_file(f, what, errp);

    if (!ret && done != size) {
        error_setg(errp, "the migration stream ended after %zu of %zu bytes "
                   "of %s", done, size, what);
        ret = -EIO;
    }
    return ret;
}

static int get_bytes(QEMUFile *f, const char *what, void *buf, size_t size,
                     Error **errp)
{
    return vfio_mig_check_read(f, what, qemu_get_buffer(f, buf, size), size,
                               errp);
}

/*
 * Read one number; @value is set only if that succeeds. All its bytes are
 * requested at once: qemu_get_be64() continues after an error, and QEMU would
 * report a broken channel once for each byte.
 */
static int get_u64(QEMUFile *f, const char *what, uint64_t *value,
                   Error **errp)
{
    uint64_t big_endian;
    int ret = get_bytes(f, what, &big_endian, sizeof(big_endian), errp);

    if (!ret) {
        *value = GUINT64_FROM_BE(big_endian);
    }
    return ret;
}

static int get_data_size(QEMUFile *f, uint64_t *size_bytes, Error **errp)
{
    uint64_t size = 0;
    int ret = get_u64(f, "the size of a data packet", &size, errp);

    if (ret) {
        return ret;
    }
    if (size > VFIO_MIG_CHUNK_MAX_BYTES) {
        error_setg(errp, "data packet of %" PRIu64 " bytes in the migration "
                   "stream is larger than the limit of %" PRIu64 " bytes: the "
                   "stream is damaged", size,
                   (uint64_t)VFIO_MIG_CHUNK_MAX_BYTES);
        return -EINVAL;
    }
    *size_bytes = size;
    return 0;
}

static int get_end_after(QEMUFile *f, const char *what, Error **errp)
{
    uint64_t tag = 0;
    int ret = get_u64(f, "an end mark", &tag, errp);

    if (ret) {
        return ret;
    }
    if (tag != VFIO_MIG_TAG_END_OF_STATE) {
        error_setg(errp, "0x%" PRIx64 " follows %s in the migration stream "
                   "where it must end: the source sends what this version "
                   "does not know, or the stream is damaged", tag, what);
        return -EINVAL;
    }
    return 0;
}

int vfio_mig_get_end(QEMUFile *f, Error **errp)
{
    return get_end_after(f, "the device's configuration", errp);
}

int vfio_mig_get_packet(QEMUFile *f, VFIOMigPacket *packet,
                        uint64_t *size_bytes, Error **errp)
{
    uint64_t tag = 0;
    int ret = get_u64(f, "a tag", &tag, errp);

    if (ret) {
        return ret;
    }

    switch (tag) {
    case VFIO_MIG_TAG_SETUP:
        *packet = VFIO_MIG_PACKET_SETUP;
        return get_end_after(f, "the setup packet", errp);
    case VFIO_MIG_TAG_DATA:
        *packet = VFIO_MIG_PACKET_DATA;
        return get_data_size(f, size_bytes, errp);
    case VFIO_MIG_TAG_CONFIG:
        *packet = VFIO_MIG_PACKET_CONFIG;
        return 0;
    case VFIO_MIG_TAG_END_OF_STATE:
        *packet = VFIO_MIG_PACKET_END;
        return 0;
    case VFIO_MIG_TAG_INIT_DATA_SENT:
        *packet = VFIO_MIG_PACKET_INIT_DATA_SENT;
        return 0;
    case VFIO_MIG_TAG_CONFIG_LOAD_READY:
        error_setg(errp, "the source sends the device over channels of its "
                   "own; " VFIO_MIG_STREAM_NO_MULTIFD);
        return -ENOTSUP;
    default:
        error_setg(errp, "unknown tag 0x%" PRIx64 " in the migration stream: "
                   "the source sends what this version does not know, or the "
                   "stream is damaged", tag);
        return -EINVAL;
    }
}
