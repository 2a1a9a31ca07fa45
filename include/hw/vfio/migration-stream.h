/*
 * Packets of the VFIO migration stream
 *
 * Owns: the tags, the order of fields and the limits on what a peer may
 * claim. Wire format: byte for byte that of QEMU 6.0 to 7.2, and for devices
 * with protocol v2 that of 8.0 and later, big-endian. INIT_DATA_SENT is read
 * and never written. Does not own: the data itself, nor the config blob, which
 * the device's code reads and writes in between.
 *
 * No lock; the QEMUFile belongs to the caller.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_STREAM_H
#define HW_VFIO_MIGRATION_STREAM_H

/* Since QEMU 5.2; INIT_DATA_SENT since 8.1, the last one since 10.1 */
#define VFIO_MIG_TAG_END_OF_STATE     UINT64_C(0xffffffffef100001)
#define VFIO_MIG_TAG_CONFIG           UINT64_C(0xffffffffef100002)
#define VFIO_MIG_TAG_SETUP            UINT64_C(0xffffffffef100003)
#define VFIO_MIG_TAG_DATA             UINT64_C(0xffffffffef100004)
#define VFIO_MIG_TAG_INIT_DATA_SENT   UINT64_C(0xffffffffef100005)
#define VFIO_MIG_TAG_CONFIG_LOAD_READY  UINT64_C(0xffffffffef100006)

/* Hint for the user if a source does not send everything in this stream */
#define VFIO_MIG_STREAM_NO_MULTIFD \
    "switch its x-migration-multifd-transfer off, or use a machine type of " \
    "QEMU 9.2 or before on both sides"

/*
 * Largest chunk that is accepted, in bytes. A vfio driver of the kernel cannot
 * have a larger region: the region's index is encoded in the bits of the file
 * offset from 40 upwards.
 */
#define VFIO_MIG_CHUNK_MAX_BYTES      (1 * TiB)

/* Size of what precedes the bytes of a data packet: its tag and its size */
#define VFIO_MIG_DATA_HEADER_BYTES    16

typedef enum VFIOMigPacket {
    VFIO_MIG_PACKET_SETUP,      /* its END_OF_STATE was read too */
    VFIO_MIG_PACKET_DATA,       /* @size bytes follow */
    VFIO_MIG_PACKET_CONFIG,     /* blob and END_OF_STATE follow */
    VFIO_MIG_PACKET_END,        /* end of the section */
    VFIO_MIG_PACKET_INIT_DATA_SENT,     /* the section ends with it */
} VFIOMigPacket;

/* Write packets. Errors are kept in the file: qemu_file_get_error(). */
void vfio_mig_put_setup(QEMUFile *f);               /* SETUP, END */
void vfio_mig_put_data_header(QEMUFile *f, uint64_t size_bytes);
void vfio_mig_put_config_header(QEMUFile *f);
void vfio_mig_put_end(QEMUFile *f);

/* Write the VFIO_MIG_DATA_HEADER_BYTES of a data packet's header to @to. */
void vfio_mig_format_data_header(uint8_t *to, uint64_t size_bytes);

/*
 * vfio_mig_get_packet: read the next packet's head
 *
 * @packet: what it is
 * @size_bytes: set for DATA only: 0 .. VFIO_MIG_CHUNK_MAX_BYTES
 *
 * Each field is checked for a stream error before its value is used. Errors
 * are: an unknown tag, a size above the limit, SETUP not followed by its end,
 * and a tag for data outside this stream (QEMU 10.1 and later).
 *
 * Returns: 0, or -errno with @errp set (without the device's name: the
 * caller prepends it). Nothing else of the stream is consumed.
 */
int vfio_mig_get_packet(QEMUFile *f, VFIOMigPacket *packet,
                        uint64_t *size_bytes, Error **errp);

/*
 * vfio_mig_get_end: read the END_OF_STATE that must follow a config blob
 *
 * Returns: 0, or -errno with @errp set.
 */
int vfio_mig_get_end(QEMUFile *f, Error **errp);

/*
 * vfio_mig_check_read: did @f return all of @size bytes, without an error?
 *
 * @what: what was read, for the message
 * @done: bytes that were returned
 *
 * Returns: 0, or -errno with @errp set: the file's error, or -EIO if the
 * stream ended early.
 */
int vfio_mig_check_read(QEMUFile *f, const char *what, size_t done,
                        size_t size, Error **errp);

#endif /* HW_VFIO_MIGRATION_STREAM_H */
