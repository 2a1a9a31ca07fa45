/*
 * Fuzzers of the whole subsystem: a VM with one device of fuzz-kernel.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUZZ_HOST_H
#define TESTS_FUZZ_HOST_H

#include "hw/vfio/migration-device.h"
#include "hw/vfio/migration-handlers.h"
#include "migration/standalone.h"
#include "fuzz-kernel.h"

/* fuzz_host_open: a new VM that has never run, with the device of @script. */
VFIODevice *fuzz_host_open(FuzzInput script);

/* fuzz_host_close: remove the device and check that nothing of it is left. */
void fuzz_host_close(VFIODevice *vbasedev);

/* fuzz_host_nr_reports: number of errors since fuzz_host_open(). */
unsigned fuzz_host_nr_reports(void);

/*
 * fuzz_host_check_state: does the subsystem know the state of the device?
 *
 * Not checked if the driver lied, or the device has failed meanwhile.
 */
void fuzz_host_check_state(VFIODevice *vbasedev);

#endif /* TESTS_FUZZ_HOST_H */
