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

/* A new VM that was never run, with the device of @script in it. */
VFIODevice *fuzz_host_open(FuzzInput script);

/* Take the device away; nothing of it may be left. */
void fuzz_host_close(VFIODevice *vbasedev);

/* Messages since fuzz_host_open() */
unsigned fuzz_host_nr_reports(void);

/*
 * fuzz_host_check_state: does the subsystem know the state of the device?
 *
 * Not asked where the driver lied, nor where the device failed meanwhile.
 */
void fuzz_host_check_state(VFIODevice *vbasedev);

#endif /* TESTS_FUZZ_HOST_H */
