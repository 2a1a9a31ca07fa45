/*
 * Access to a VFIO region through pread and pwrite
 *
 * A register requires exactly one access of its width: drivers refuse any
 * other. Data is moved in large accesses; only if the driver has refused one
 * (EINVAL), the rest and all later data of this device is moved in naturally
 * aligned accesses of 8, 4, 2 or 1 bytes. A short transfer is continued where
 * it stopped; EINTR is retried.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_V1_ACCESS_H
#define HW_VFIO_MIGRATION_V1_ACCESS_H

/* Largest single pread or pwrite of data; callers size buffers by it. */
#define VFIO_MIG_BOUNCE_BYTES   (1 * MiB)

typedef struct VFIOMigAccess {
    int fd;                 /* the VFIO device */
    uint64_t fd_offset;     /* bytes; start of the region in @fd */
    bool small_only;        /* the driver refuses more than 8 bytes at once */
} VFIOMigAccess;

/*
 * Read or write one register of @width bytes (4 or 8), host byte order.
 *
 * @offset: bytes from the start of the region
 *
 * Returns: 0, or -errno; a transfer of another length is -EIO.
 */
int vfio_mig_register_read(const VFIOMigAccess *access, uint64_t offset,
                           unsigned width, uint64_t *value);
int vfio_mig_register_write(const VFIOMigAccess *access, uint64_t offset,
                            unsigned width, uint64_t value);

/*
 * Read or write @size bytes of data at @offset of the region.
 *
 * Returns: 0, or -errno of the access that failed; an end of file in the
 * middle is -EIO. Sets @access->small_only if the driver has refused a large
 * access.
 */
int vfio_mig_data_read(VFIOMigAccess *access, uint64_t offset, void *buf,
                       size_t size);
int vfio_mig_data_write(VFIOMigAccess *access, uint64_t offset,
                        const void *buf, size_t size);

#endif /* HW_VFIO_MIGRATION_V1_ACCESS_H */
