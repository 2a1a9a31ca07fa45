/*
 * What tests of VFIO migration need of the program that they are part of
 *
 * The tests are written for a host of a few hundred lines that stands in
 * QEMU's place. Here QEMU itself is the host: the names below are put upon
 * its own QEMUFile by vfio-migration/host.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_VFIO_MIGRATION_STANDALONE_H
#define TESTS_UNIT_VFIO_MIGRATION_STANDALONE_H

#include "qapi/error.h"
#include "migration/qemu-file-types.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Error, error_free)

typedef enum VFIOHostReport {
    VFIO_HOST_ERROR,
} VFIOHostReport;

typedef void VFIOHostReportHook(VFIOHostReport kind, const char *text,
                                void *opaque);

/* Take the lines that error_report() prints. */
void vfio_host_set_report_hook(VFIOHostReportHook *hook, void *opaque);

/* A stream into @bytes, which gets what is flushed; takes a reference. */
QEMUFile *vfio_host_file_new_memory_output(GByteArray *bytes);

/* Read @size bytes at @data, which must outlive the stream. */
QEMUFile *vfio_host_file_new_memory_input(const void *data, size_t size);

/*
 * vfio_host_file_fail_after: break the stream
 *
 * @bytes: this many bytes, counted from the stream's start, still pass
 * @error: errno that the channel then fails with; 0: end of file
 * @fired: set to true when it happens; outlives the stream
 */
void vfio_host_file_fail_after(QEMUFile *f, uint64_t bytes, int error,
                               bool *fired);

#endif /* TESTS_UNIT_VFIO_MIGRATION_STANDALONE_H */
