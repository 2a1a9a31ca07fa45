/*
 * Snapshots of a VM with a simulated device
 *
 * Owns: the disk that a snapshot lies in, savevm and loadvm, and that what a
 * snapshot holds of dev0 is what comes back.
 * Does not own: one side (sim-helpers.h).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_SNAPSHOT_HELPERS_H
#define TESTS_QTEST_SNAPSHOT_HELPERS_H

#include "sim-helpers.h"

/*
 * snapshot_add_disk: before its start: the side has a disk, which is empty if
 * it is the first one in the case to have it.
 */
void snapshot_add_disk(VFIOSide *side);

/* snapshot_do: "savevm" or "loadvm", which must succeed. */
void snapshot_do(VFIOSide *side, const char *what);

/*
 * snapshot_save: savevm of a VM that runs, and goes on. @device and @memory
 * are set to what a load has to bring back; caller frees both.
 */
void snapshot_save(VFIOSide *side, char **device, char **memory);

/* snapshot_expect_loaded: the VM runs, and that has come back. */
void snapshot_expect_loaded(VFIOSide *side, const char *device,
                            const char *memory);

/*
 * snapshot_start_loaded: the side, which must be paused, starts with what was
 * saved, and goes on; all has come back.
 */
void snapshot_start_loaded(VFIOSide *side, const char *device,
                           const char *memory);

#endif /* TESTS_QTEST_SNAPSHOT_HELPERS_H */
