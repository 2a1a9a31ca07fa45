/*
 * Snapshots of a VM with a simulated device
 *
 * Owns: the disk that holds a snapshot, savevm and loadvm, and the check that a
 * load restores what the snapshot saved of dev0.
 * Does not own: one side (sim-helpers.h).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_SNAPSHOT_HELPERS_H
#define TESTS_QTEST_SNAPSHOT_HELPERS_H

#include "sim-helpers.h"

/*
 * snapshot_add_disk: give @side a disk, which is created empty by the first
 * call in a case. Call before the start.
 */
void snapshot_add_disk(VFIOSide *side);

/* snapshot_do: run "savevm" or "loadvm", which must succeed. */
void snapshot_do(VFIOSide *side, const char *what);

/*
 * snapshot_save: savevm of a running VM, which keeps running. @device and
 * @memory are set to what a load must restore; caller frees both.
 */
void snapshot_save(VFIOSide *side, char **device, char **memory);

/* snapshot_expect_loaded: the VM runs, and @device and @memory are restored. */
void snapshot_expect_loaded(VFIOSide *side, const char *device,
                            const char *memory);

/*
 * snapshot_start_loaded: start @side, which must be paused, with the snapshot,
 * continue it and check that all was restored.
 */
void snapshot_start_loaded(VFIOSide *side, const char *device,
                           const char *memory);

#endif /* TESTS_QTEST_SNAPSHOT_HELPERS_H */
