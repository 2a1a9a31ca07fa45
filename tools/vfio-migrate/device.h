/*
 * vfio-migrate: one device, and its way to a file and back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_DEVICE_H
#define VFIO_MIGRATE_DEVICE_H

#include "qemu/osdep.h"
#include "hw/vfio/vfio-common.h"
#include "migration/standalone.h"
#include "command.h"

/* How the device is named in a stream; the same on both sides. */
#define TOOL_STREAM_ID  "vfio-migrate"

/* What a migration took; times in microseconds. */
typedef struct ToolSaved {
    uint64_t device_bytes;
    uint64_t precopy_bytes;     /* of them, while the VM ran */
    uint64_t chunks;
    bool has_window;            /* protocol v1, which the next two are of */
    uint64_t mapped_bytes;
    uint64_t trapped_bytes;
    unsigned rounds;
    int64_t setup_us;
    int64_t precopy_us;
    int64_t stopped_us;
} ToolSaved;

typedef struct ToolSave {
    /* Rounds of pre-copy after which the VM stops in any case. */
    unsigned max_rounds;
    /* Cancel in this round of pre-copy (from 1), 0: do not. */
    unsigned cancel_in_round;
    bool cancel_at_switchover;
    /* The stream breaks with ENOSPC after so many bytes, 0: it does not. */
    uint64_t break_after_bytes;
} ToolSave;

/*
 * tool_open: open the device that the user calls @name
 *
 * @name: a PCI address, the UUID of a mediated device, or a directory of
 *        sysfs
 *
 * Returns: the device, to be closed with tool_close(); NULL with @errp set.
 */
VFIODevice *tool_open(const char *name, Error **errp);

/*
 * tool_open_migratable: the same, of a device that can migrate
 *
 * @answer: TOOL_NO where the device opened and cannot migrate, else
 *          TOOL_FAILED; set where NULL is returned
 */
VFIODevice *tool_open_migratable(const char *name, ToolExit *answer,
                                 Error **errp);

/* tool_close: close it; the kernel resets it. The VM is a fresh one then. */
void tool_close(VFIODevice *vbasedev);

/*
 * tool_stream: a stream over @fd, from where it stands
 *
 * @fd: stays open
 *
 * Returns: the stream, closed by who takes it; NULL with @errp set.
 */
QEMUFile *tool_stream(int fd, bool output, Error **errp);

/*
 * tool_save: migrate the VM, with the one device it has, to @fd
 *
 * @fd: written from where it stands, which may be a pipe; stays open
 * @saved: what it took, also after a failure
 *
 * Returns: 0, or -errno with @errp set.
 */
int tool_save(VFIODevice *vbasedev, int fd, const ToolSave *options,
              ToolSaved *saved, Error **errp);

/*
 * tool_load: take the VM in that tool_save() wrote
 *
 * @fd: read from where it stands, which may be a pipe; stays open
 * @cut_after_bytes: the stream ends there, 0: at its end
 *
 * Returns: 0, or -errno with @errp set. The VM is paused then.
 */
int tool_load(int fd, uint64_t cut_after_bytes, Error **errp);

/* tool_error: text of @err, and its hint in lines below; takes it over. */
char *tool_error(Error *err);

/*
 * tool_driver_hint: what is wrong with the driver of the device in @dir
 *
 * Returns: a sentence, to be freed; NULL: nothing that can be seen.
 */
char *tool_driver_hint(const char *dir);

/* tool_no_device: say that there is no device @name; TOOL_FAILED. */
ToolExit tool_no_device(const char *name);

/* tool_complain_error: say @err on stderr, and free it; TOOL_FAILED. */
ToolExit tool_complain_error(Error *err);

#endif /* VFIO_MIGRATE_DEVICE_H */
