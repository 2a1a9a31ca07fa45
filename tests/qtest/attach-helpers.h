/*
 * What the tests of attach share
 *
 * Owns: where what was built lies, starting a QEMU by the wrapper, copies of
 * a build and of a QEMU, the look at a QEMU's code.
 * Does not own: what is expected of attach (attach-test.c,
 * attach-wrapper-test.c).
 * Locks: none. The functions set the environment of the case's process.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_ATTACH_HELPERS_H
#define TESTS_QTEST_ATTACH_HELPERS_H

#include "libqtest.h"
#include "elf-file.h"
#include "qtest-case.h"

#define NO_MACHINE "-machine none -accel tcg -nodefaults -vga none -S "
#define MACHINE "-machine pc -accel tcg -m 16 -nodefaults -vga none -S "

/* How many functions of QEMU attach replaces */
#define ATTACH_ENTRIES 5

typedef struct AttachPaths {
    char *wrapper;
    char *directory;            /* of the libraries */
    char *loader;
    char *qemu;                 /* the real one, NULL where there is none */
} AttachPaths;

extern AttachPaths paths;

/*
 * attach_test_init: find what was built and the real QEMU. Returns false
 * after saying so where there is no QEMU to test with.
 */
bool attach_test_init(int *argc, char ***argv);

/*
 * start_by: start @qemu by the wrapper @wrapper; @mode is the value of
 * VFIO_MIGRATION_ATTACH, NULL for none. start: by the wrapper that was built.
 */
QTestState *start_by(const char *wrapper, const char *qemu, const char *mode,
                     const char *args);
QTestState *start(const char *qemu, const char *mode, const char *args);

/* expect_runs: it runs and answers; expect_stderr: it wrote @part */
void expect_runs(QTestState *s);
void expect_stderr(QTestState *s, const char *part);
void expect_quiet(QTestState *s);

/* expect_refused: ends with status 1 and never answers on QMP */
void expect_refused(QTestState *s);

/* process_file: a text from /proc/PID. Caller frees. */
char *process_file(QTestState *s, const char *name);

/* process_maps: does a line of its memory map hold @name? */
bool process_maps(QTestState *s, const char *name);

/* changed_entries: how many entry points differ from @qemu's file */
unsigned changed_entries(QTestState *s, const char *qemu);

/*
 * copy_build: a copy of wrapper and loader, and of the subsystem if wanted, in
 * the directory @name of the case. Returns the wrapper's path.
 */
char *copy_build(const char *name, bool subsystem);

/*
 * save_qemu: write @file where QEMU finds its modules and firmware, which it
 * looks for relative to itself. Returns the path.
 */
char *save_qemu(const ElfFile *file);

/* set_micro_version: let the QEMU in @file say that it is 7.2.@micro */
void set_micro_version(ElfFile *file, uint32_t micro);

#endif /* TESTS_QTEST_ATTACH_HELPERS_H */
