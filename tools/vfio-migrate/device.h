/*
 * vfio-migrate: one device, and saving and loading it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_DEVICE_H
#define VFIO_MIGRATE_DEVICE_H

#include "qemu/osdep.h"
#include "hw/vfio/vfio-common.h"
#include "migration/standalone.h"
#include "command.h"

/* The device's name in a stream; the same on both sides */
#define TOOL_STREAM_ID  "vfio-migrate"

/* Statistics of a save; times in microseconds */
typedef struct ToolSaved {
    uint64_t device_bytes;
    uint64_t precopy_bytes;     /* of these, while the VM ran */
    uint64_t chunks;
    bool has_window;            /* protocol v1; the next two apply to it */
    uint64_t mapped_bytes;
    uint64_t trapped_bytes;
    unsigned rounds;
    int64_t setup_us;
    int64_t precopy_us;
    int64_t stopped_us;
} ToolSaved;

typedef struct ToolSave {
    /* The VM stops after this many rounds of pre-copy in any case. */
    unsigned max_rounds;
    /* Cancel in this round of pre-copy (from 1); 0: do not */
    unsigned cancel_in_round;
    bool cancel_at_switchover;
    /* The stream fails with ENOSPC after this many bytes; 0: it does not */
    uint64_t break_after_bytes;
} ToolSave;

/*
 * tool_open: open the device that the user calls @name
 *
 * @name: a PCI address, the UUID of a mediated device, or a sysfs directory
 *
 * Returns: the device, to be closed with tool_close(); NULL with @errp set.
 */
VFIODevice *tool_open(const char *name, Error **errp);

/*
 * tool_open_migratable: the same, for a device that can migrate
 *
 * @answer: set if NULL is returned: TOOL_NO if the device could be opened but
 *          cannot migrate, else TOOL_FAILED
 */
VFIODevice *tool_open_migratable(const char *name, ToolExit *answer,
                                 Error **errp);

/* tool_close: close it, which resets it. The VM is back to its first state. */
void tool_close(VFIODevice *vbasedev);

/*
 * tool_stream: create a stream over @fd, starting at its current position
 *
 * @fd: stays open
 *
 * Returns: the stream, to be closed by its user; NULL with @errp set.
 */
QEMUFile *tool_stream(int fd, bool output, Error **errp);

/*
 * tool_save: migrate the VM, with its only device, to @fd
 *
 * @fd: written from its current position, may be a pipe; stays open
 * @saved: set to the statistics, also after a failure
 *
 * Returns: 0, or -errno with @errp set.
 */
int tool_save(VFIODevice *vbasedev, int fd, const ToolSave *options,
              ToolSaved *saved, Error **errp);

/*
 * tool_load: load the VM that tool_save() wrote
 *
 * @fd: read from its current position, may be a pipe; stays open
 * @cut_after_bytes: where the stream is cut off; 0: it is not
 *
 * Returns: 0, or -errno with @errp set. The VM is paused then.
 */
int tool_load(int fd, uint64_t cut_after_bytes, Error **errp);

/* tool_error: text of @err, its hint in lines below; frees @err */
char *tool_error(Error *err);

/*
 * tool_driver_hint: what is wrong with the driver of the device in @dir?
 *
 * Returns: a sentence, to be freed; NULL if nothing is found.
 */
char *tool_driver_hint(const char *dir);

/* tool_no_device: complain that there is no device @name; TOOL_FAILED */
ToolExit tool_no_device(const char *name);

/* tool_complain_error: print @err on stderr, and free it; TOOL_FAILED */
ToolExit tool_complain_error(Error *err);

#endif /* VFIO_MIGRATE_DEVICE_H */
