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

/* snapshot_disk: make an empty disk; its path. Caller frees. */
char *snapshot_disk(void);

/* snapshot_add_disk: the side has the disk at @path; before its start. */
void snapshot_add_disk(VFIOSide *side, const char *path);

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

#endif /* TESTS_QTEST_SNAPSHOT_HELPERS_H */
