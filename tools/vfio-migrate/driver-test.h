/*
 * vfio-migrate test: the cases
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
    unsigned rounds;            /* of the round trip */
    unsigned max_precopy_rounds;
    bool verbose;
    JsonObject *report;         /* members are added here; NULL: TAP */
} DriverTest;

/*
 * driver_test_run: put a driver through all that a migration asks of it
 *
 * Prints the results as TAP on stdout, or adds them to the report: "passed",
 * "failed", "skipped" and "cases".
 *
 * Returns: how many cases failed.
 */
unsigned driver_test_run(const DriverTest *test);

#endif /* VFIO_MIGRATE_DRIVER_TEST_H */
