/*
 * What a device still has to give, and what QEMU is told of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_ESTIMATE_H
#define HW_VFIO_MIGRATION_ESTIMATE_H

/* What a device says of its data. What it does not tell is not known. */
typedef struct VFIOMigSizes {
    bool precopy_known;
    uint64_t initial_bytes;     /* before the VM is stopped, if possible */
    uint64_t dirty_bytes;       /* changed since */
    bool stop_known;
    uint64_t stop_bytes;        /* all that is left if it is stopped now */
} VFIOMigSizes;

#endif /* HW_VFIO_MIGRATION_ESTIMATE_H */
