/*
 * Tests of the simulated device: declarations shared by the parts of sim-test
 *
 * Owns: common helpers; access to the simulation, which runs in the test's own
 * process. Does not own: the client (sim-client.h).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_SIM_SIM_TEST_H
#define TESTS_SIM_SIM_TEST_H

#include <errno.h>
#include <json-glib/json-glib.h>

#include "device-play.h"

#define PAGE 4096ull

/* device_state */
#define STOP 0u
#define RUNNING 1u
#define STOP_COPY 2u
#define PRE_COPY 3u
#define RESUMING 4u
#define ERROR_STATE 6u

/* sim_test_configure: configure the simulation by @text; must succeed. */
void sim_test_configure(const char *text);

/* sim_test_open: open device "dev", with the keys @container and @device. */
SimClient *sim_test_open(const char *container, const char *device);

/* client_status: the simulation's status of device @name */
VFIOSimStatus client_status(const char *name);

/*
 * sim_test_status_device: parse a status file's @text with @parser. Returns
 * the object of @device, which @parser owns.
 */
JsonObject *sim_test_status_device(JsonParser *parser, const char *text,
                                   const char *device);

/* Add the tests of each part. */
void sim_test_faults_add(void);
void sim_test_host_add(void);
void sim_test_memory_add(void);
void sim_test_table_add(const DeviceHost *host);

#endif /* TESTS_SIM_SIM_TEST_H */
