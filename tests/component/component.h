/*
 * Component tests: the subsystem on the stand-alone host and a simulated
 * device, in one process
 *
 * Owns: what the tests share: one simulation at a time, devices by name,
 * migrations from and to memory, the messages that were reported, and the
 * transcript of the device. One VM exists at a time: the source's devices
 * are closed before the destination's are opened.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_COMPONENT_H
#define TESTS_COMPONENT_H

#include "migration/standalone.h"
#include "tests/sim/vfio-sim.h"
#include "tests/tools/rows.h"

/* The id of every device opened by comp_open(), so that streams match */
#define COMP_ID "0000:00:04.0"

void comp_init(int *argc, char ***argv);
/* Run the tests. Returns the exit status for main(). */
int comp_run(void);

/*
 * comp_sim: start a simulation from @text, the groups of a configuration
 *
 * A previous one is ended first. The VM is paused and has never run.
 */
void comp_sim(const char *text);

/*
 * comp_sim_pair: two devices that may follow each other, "src" with the keys
 * @src, and "dst" with @dst, and another seed unless they have one
 *
 * @more: further groups, or NULL
 */
void comp_sim_pair(const char *src, const char *dst, const char *more);

/*
 * comp_sim_end: close what is open, and check that nothing is left: no
 * handler, no blocker; and no contract violation, unless they are allowed
 */
void comp_sim_end(void);
void comp_allow_violations(void);

/* Open device @name of the simulation; must succeed. */
VFIODevice *comp_open(const char *name);
/* The same with @options; sysfsdev in them is set from @name. May fail. */
VFIODevice *comp_try_open(const char *name, VFIOHostDeviceOptions options,
                          Error **errp);
/*
 * Simulate @count devices src0, src1, ... and as many dst0, dst1, ... that may
 * migrate together, using @keys in turn, and @faults
 */
void comp_sim_several(unsigned count, const char *const *keys,
                      unsigned nr_keys, const char *faults);
/* Open @side0, @side1, ... with consecutive ids into @devices; must succeed. */
void comp_open_several(const char *side, VFIODevice **devices, unsigned count);
/* Run dst0, dst1, ..., which have loaded the state of src0, src1, ... */
void comp_several_run(unsigned count);
/* Open them and load @bytes first, then do the same. */
void comp_several_arrive(const GByteArray *bytes, unsigned count);
void comp_close(VFIODevice *vbasedev);
/* Close all devices: the VM is gone, the simulation remains. */
void comp_close_all(void);

/*
 * Migrate to @bytes, which is cleared first. @steps: NULL for the usual ones.
 * @error: set to the error's text, to be freed with g_free()
 */
int comp_save(GByteArray *bytes, VFIOHostStep *const *steps, char **error);
/* Load @bytes, without letting the VM run. */
int comp_load(const GByteArray *bytes, char **error);
int comp_load_data(const void *data, size_t size, char **error);
/* Open "src", let it run, and migrate it to @bytes; must succeed. */
VFIODevice *comp_save_src(GByteArray *bytes);
/* Close all devices, open "dst", and load @bytes into it; must succeed. */
VFIODevice *comp_load_dst(const GByteArray *bytes);
/* Like QEMU's loadvm: into the existing VM */
int comp_loadvm(const void *data, size_t size);

/* Error and warning messages since comp_sim() or comp_forget_messages() */
const char *comp_messages(void);
void comp_forget_messages(void);
void comp_assert_message(const char *part);
/* Number of occurrences of @part in them */
unsigned comp_count_messages(const char *part);

/* Name of the state in the simulated device's register */
const char *comp_state(const char *name);
void comp_assert_state(const char *name, const char *state);
VFIOSimStatus comp_status(const char *name);
/*
 * comp_run_same: let the VM run, with the state saved from @source
 *
 * Asserts that nothing is corrupt or missing, and that no byte was sent twice:
 * @source has saved once, @destination has loaded once.
 */
void comp_run_same(const char *source, const char *destination);

/* Open "dst", load @bytes, which "src" has saved, and run it. */
void comp_arrives(const GByteArray *bytes);
/* Open "dst", load @bytes, and call comp_run_same(). */
void comp_arrives_same(const GByteArray *bytes);

/*
 * comp_path: the states that were written to device @name since comp_sim()
 * or comp_path_forget(), "running>pre-copy>stop-copy"; "!" follows one that
 * failed, "reset" stands for a reset
 */
char *comp_path(const char *name);
void comp_path_forget(void);
void comp_assert_path(const char *name, const char *path);
/* Number of lines with @part in the transcript since comp_path_forget() */
unsigned comp_transcript_count(const char *part);

/* Members of the property "vfio-migration" */
char *comp_property_str(VFIODevice *vbasedev, const char *member);
int64_t comp_property_int(VFIODevice *vbasedev, const char *member);

/* Fail the test, and show both, unless @text contains @part. */
void comp_assert_has(const char *text, const char *part);

#endif /* TESTS_COMPONENT_H */
