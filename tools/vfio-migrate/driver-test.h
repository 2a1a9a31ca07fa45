/*
 * vfio-migrate test: running the cases
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_DRIVER_TEST_H
#define VFIO_MIGRATE_DRIVER_TEST_H

#include <stdbool.h>
#include <json-glib/json-glib.h>

typedef struct DriverTest {
    const char *source;         /* names, for tool_open() */
    const char *destination;
    unsigned rounds;            /* of the round-trip case */
    unsigned max_precopy_rounds;
    bool verbose;
    JsonObject *report;         /* results are added here; NULL: print TAP */
} DriverTest;

/*
 * driver_test_run: test everything that a migration requires of a driver
 *
 * Prints the results as TAP on stdout, or adds them to the report: "passed",
 * "failed", "skipped" and "cases".
 *
 * Returns: number of failed cases.
 */
unsigned driver_test_run(const DriverTest *test);

#endif /* VFIO_MIGRATE_DRIVER_TEST_H */
