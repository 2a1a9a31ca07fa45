/*
 * Tests of the test devices: tables that both the simulated device and the
 * kernel's test driver must pass
 *
 * A row has the device's keys, fault rules and a script: calls with their
 * expected results. The program that plays it defines how a device is created
 * and where its status is (DeviceHost): tests/sim/sim-test.c,
 * tests/kernel/test-driver.c.
 *
 * One thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_SIM_DEVICE_PLAY_H
#define TESTS_SIM_DEVICE_PLAY_H

#include "sim-client-v2.h"

typedef struct DeviceRow {
    const char *name;
    const char *keys;       /* of device a, one per line */
    const char *keys_b;     /* of device b; NULL: there is none */
    const char *faults;     /* "NAME event=E errno=N", one per line, or NULL */
    const char *script;     /* see device-play.c for its language */
} DeviceRow;

typedef struct DeviceHost {
    /* Make device @n (0 or 1) of @row and open it. */
    SimClient *(*open)(const DeviceRow *row, unsigned n);
    /* Close device @n and open it again. */
    SimClient *(*reopen)(unsigned n);
    /* Close and remove the first @count devices. */
    void (*close)(unsigned count);
    /* A member of a device's status, "key" or "object.key" */
    gint64 (*number)(unsigned n, const char *path);
    char *(*text)(unsigned n, const char *path);
    /* Number of times that the fault rule has fired */
    gint64 (*fired)(const char *rule);
    /* What the device has logged since the last call */
    char *(*transcript)(unsigned n);
    /* Make the device write to memory; NULL if a test cannot do that. */
    bool (*dma)(unsigned n, uint64_t iova, uint64_t bytes);
} DeviceHost;

/*
 * device_play_add: add the cases @prefix/NAME of @rows, the last of which has
 * no name. @host and @rows must stay valid.
 */
void device_play_add(const char *prefix, const DeviceRow *rows,
                     const DeviceHost *host);

/* Rows for every test device (device-table.c) */
extern const DeviceRow device_rows_v1[], device_rows_v2[], device_rows_log[],
                       device_rows_memory[];

#endif /* TESTS_SIM_DEVICE_PLAY_H */
