/*
 * Helpers shared by the attach tests
 *
 * Owns: the paths of what was built, starting QEMU through the wrapper, copies
 * of a build and of a QEMU, reading a running QEMU's code.
 * Does not own: what is expected of attach (attach-test.c,
 * attach-wrapper-test.c).
 * Locks: none. The functions set environment variables of the case's process.
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

/* Number of QEMU functions that attach replaces */
#define ATTACH_ENTRIES 5

typedef struct AttachPaths {
    char *wrapper;
    char *directory;            /* where the libraries are */
    char *loader;
    char *qemu;                 /* the real QEMU, NULL if there is none */
} AttachPaths;

extern AttachPaths paths;

/*
 * attach_test_init: find the build's files and the real QEMU. Returns false,
 * after printing a TAP skip, if there is no QEMU to test with.
 */
bool attach_test_init(int *argc, char ***argv);

/*
 * start_by: start @qemu through @wrapper; @mode is the value of
 * VFIO_MIGRATION_ATTACH, NULL to unset it. start: through the wrapper of this
 * build.
 */
QTestState *start_by(const char *wrapper, const char *qemu, const char *mode,
                     const char *args);
QTestState *start(const char *qemu, const char *mode, const char *args);

/*
 * expect_runs: QEMU runs and answers on QMP. expect_stderr: its stderr has
 * @part. expect_quiet: its stderr is empty.
 */
void expect_runs(QTestState *s);
void expect_stderr(QTestState *s, const char *part);
void expect_quiet(QTestState *s);

/* expect_refused: QEMU exits with status 1 and never answers on QMP */
void expect_refused(QTestState *s);

/* process_file: the contents of /proc/PID/@name. Caller frees. */
char *process_file(QTestState *s, const char *name);

/* process_maps: does QEMU's memory map mention @name? */
bool process_maps(QTestState *s, const char *name);

/* changed_entries: number of entry points that differ from the file @qemu */
unsigned changed_entries(QTestState *s, const char *qemu);

/*
 * copy_build: copy the wrapper and the loader, and optionally the subsystem, to
 * the directory @name of the case. Returns the path of the wrapper.
 */
char *copy_build(const char *name, bool subsystem);

/*
 * save_qemu: write @file to a place where QEMU finds its modules and firmware,
 * which it looks for relative to itself. Returns the path.
 */
char *save_qemu(const ElfFile *file);

/* set_micro_version: make the QEMU in @file report version 7.2.@micro */
void set_micro_version(ElfFile *file, uint32_t micro);

#endif /* TESTS_QTEST_ATTACH_HELPERS_H */
