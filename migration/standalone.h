/*
 * The stand-alone host: what the VFIO migration code needs of QEMU, for
 * programs that are not QEMU
 *
 * One VM a process. A program calls vfio_host_init() once; it then holds the
 * big lock (BQL), as QEMU's main thread does, and calls the functions below
 * with it unless they say otherwise.
 *
 * Functions that can fail take Error **errp last, as in QEMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_STANDALONE_H
#define MIGRATION_STANDALONE_H

#include "qemu/osdep.h"

/* ---- messages (report.c) ---- */

typedef enum VFIOHostReport {
    VFIO_HOST_ERROR,
    VFIO_HOST_WARNING,
    VFIO_HOST_INFO,
    VFIO_HOST_LOG,      /* a line of the trace, with its newline */
} VFIOHostReport;

typedef void VFIOHostReportHook(VFIOHostReport kind, const char *text,
                                void *opaque);

/*
 * vfio_host_set_report_hook: take all messages instead of stderr
 *
 * @hook: called in the thread that reports; NULL: stderr again
 */
void vfio_host_set_report_hook(VFIOHostReportHook *hook, void *opaque);

/* ---- streams (qemu-file.c) ---- */

/*
 * vfio_host_file_new_output, vfio_host_file_new_input: a stream over @fd
 *
 * The file descriptor belongs to the stream, qemu_fclose() closes it.
 */
QEMUFile *vfio_host_file_new_output(int fd);
QEMUFile *vfio_host_file_new_input(int fd);

/*
 * vfio_host_file_new_memory_output: a stream into a buffer
 *
 * @bytes: what is flushed is appended here; the stream holds a reference
 */
QEMUFile *vfio_host_file_new_memory_output(GByteArray *bytes);

/* Read @size bytes at @data, which must outlive the stream. */
QEMUFile *vfio_host_file_new_memory_input(const void *data, size_t size);

/*
 * vfio_host_file_fail_after: break the stream
 *
 * @bytes: this many bytes, counted from the stream's start, still pass
 * @error: errno that the channel then fails with; 0: end of file. As in QEMU
 *         the stream's error is -EIO with a text that holds @error.
 */
void vfio_host_file_fail_after(QEMUFile *f, uint64_t bytes, int error);

/* Did the fault of vfio_host_file_fail_after() fire? */
bool vfio_host_file_fault_fired(QEMUFile *f);

/* Bytes given to the stream (written or read), buffered ones included. */
uint64_t vfio_host_file_bytes(QEMUFile *f);

/*
 * vfio_host_file_shutdown: end all traffic, from any thread
 *
 * The stream's error becomes -EIO where it had none (QEMU's cancel).
 */
void vfio_host_file_shutdown(QEMUFile *f);

#endif /* MIGRATION_STANDALONE_H */
