/*
 * attach on the QEMU of this machine, and the wrapper as a program
 *
 * Owns: an attached QEMU is attached, is silent, and leaves nothing to its
 * children; how the wrapper treats arguments, environment and PATH; the default
 * that it sets for vfio-pci.
 * Does not own: QEMUs that are not the expected one (attach-test.c); what the
 * attached subsystem does (vfio-*-test.c).
 * Locks: none. Each case is a process of its own and may set its environment.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "attach-helpers.h"
#include "vfio-test.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tools/run.h"

/* ---- a QEMU that is the expected one ---- */

/* No page of the executable or of ours may be both writable and executable */
static void expect_no_writable_code(QTestState *s)
{
    g_autofree char *maps = process_file(s, "maps");
    g_auto(GStrv) lines = g_strsplit(maps, "\n", -1);

    for (char **line = lines; *line; line++) {
        if (strstr(*line, " rwxp ") && strchr(*line, '/')) {
            g_error("writable code: %s", *line);
        }
    }
}

static void test_attached(void)
{
    QTestState *s = start(paths.qemu, "require,verbose", NO_MACHINE);

    expect_runs(s);
    expect_stderr(s, "vfio-migration: attached: QEMU 7.2.");
    g_assert_cmpuint(changed_entries(s, paths.qemu), ==, ATTACH_ENTRIES);
    g_assert_true(process_maps(s, "/vfio-migration.so"));
    expect_no_writable_code(s);
    qtest_quit(s);
}

/* libvirt treats QEMU's output as an error message */
static void test_attached_is_quiet(void)
{
    QTestState *s = start(paths.qemu, NULL, NO_MACHINE);

    expect_runs(s);
    expect_quiet(s);
    g_assert_cmpuint(changed_entries(s, paths.qemu), ==, ATTACH_ENTRIES);
    qtest_quit(s);
}

static void test_options(const void *opaque)
{
    g_autofree char *args = g_strconcat(MACHINE, (const char *)opaque, NULL);
    QTestState *s = start(paths.qemu, "require", args);

    expect_runs(s);
    expect_quiet(s);
    g_assert_cmpuint(changed_entries(s, paths.qemu), ==, ATTACH_ENTRIES);
    qtest_quit(s);
}

static void test_off(void)
{
    QTestState *s = start(paths.qemu, "off", NO_MACHINE);

    expect_runs(s);
    expect_quiet(s);
    g_assert_false(process_maps(s, "vfio-migration"));
    qtest_quit(s);

    /* preloaded nevertheless, without the wrapper */
    g_setenv("LD_PRELOAD", paths.loader, true);
    s = start_by(paths.qemu, "", "off", NO_MACHINE);
    expect_runs(s);
    expect_quiet(s);
    g_assert_true(process_maps(s, "libvfio-migration-attach.so"));
    g_assert_cmpuint(changed_entries(s, paths.qemu), ==, 0);
    qtest_quit(s);
}

static void test_unknown_word(void)
{
    QTestState *s = start(paths.qemu, "requir", NO_MACHINE);

    expect_refused(s);
    expect_stderr(s, "environment: VFIO_MIGRATION_ATTACH has 'requir'");
    qtest_forget(s);
}

/* Returns @argv's stdout and, if not NULL, its stderr and exit status */
static char *run(const char **argv, char **error_text, int *exit_status)
{
    g_auto(Outcome) o = run_program(NULL, NULL, argv);

    if (error_text) {
        *error_text = g_steal_pointer(&o.errors);
    }
    if (exit_status) {
        *exit_status = o.status;
    } else {
        g_assert_cmpint(o.status, ==, 0);
    }
    return g_steal_pointer(&o.output);
}

static void test_not_a_qemu(void)
{
    const char *argv[] = { "env", NULL };
    g_autofree char *line = g_strdup_printf("LD_PRELOAD=%s\n", paths.loader);
    g_autofree char *text = NULL;
    g_autofree char *errors = NULL;

    g_setenv("LD_PRELOAD", paths.loader, true);
    g_setenv("VFIO_MIGRATION_ATTACH", "require,verbose", true);
    text = run(argv, &errors, NULL);
    g_unsetenv("LD_PRELOAD");
    g_assert_cmpstr(errors, ==, "");
    g_assert_nonnull(strstr(text, line));
}

/* Environment of a child of QEMU, seen through an exec: migration */
static char *child_environment(const char *wrapper, const char *mode)
{
    g_autofree char *path = g_build_filename(qtest_tmpdir(), "child", NULL);
    g_autofree char *uri =
        g_strdup_printf("exec:env >'%s.new'; mv '%s.new' '%s'; cat >/dev/null",
                        path, path, path);
    QTestState *s = start_by(wrapper, paths.qemu, mode, MACHINE);
    char *text = NULL;

    expect_runs(s);
    qtest_qmp_assert_success(s, "{'execute': 'migrate', 'arguments': "
                             "{'uri': %s}}", uri);
    for (unsigned i = 0; i < 500 && !text; i++) {
        if (!g_file_get_contents(path, &text, NULL, NULL)) {
            g_usleep(10000);
        }
    }
    g_assert_nonnull(text);
    g_remove(path);
    qtest_quit(s);
    return text;
}

static void expect_clean(const char *environment)
{
    g_assert_null(strstr(environment, "libvfio-migration-attach"));
    g_assert_null(strstr(environment, "VFIO_MIGRATION_WRAPPER"));
    g_assert_null(strstr(environment, "VFIO_MIGRATION_LIBRARY_PATH"));
}

static void test_children(void)
{
    g_autofree char *none = child_environment(paths.wrapper, "require");
    g_autofree char *libm = NULL;

    expect_clean(none);
    g_assert_null(strstr(none, "\nLD_PRELOAD="));
    g_setenv("LD_PRELOAD", "libm.so.6", true);
    libm = child_environment(paths.wrapper, "require");
    expect_clean(libm);
    g_assert_nonnull(strstr(libm, "\nLD_PRELOAD=libm.so.6\n"));
}

/* A directory whose name LD_PRELOAD cannot represent */
static void test_space_in_path(void)
{
    g_autofree char *wrapper = copy_build("with a space", true);
    g_autofree char *text = NULL;
    QTestState *s;

    g_setenv("LD_LIBRARY_PATH", "/nonexistent", true);
    text = child_environment(wrapper, "require");
    expect_clean(text);
    g_assert_nonnull(strstr(text, "\nLD_LIBRARY_PATH=/nonexistent\n"));
    g_assert_null(strstr(text, "\nLD_PRELOAD="));
    s = start_by(wrapper, paths.qemu, "require", NO_MACHINE);
    expect_runs(s);
    g_assert_cmpuint(changed_entries(s, paths.qemu), ==, ATTACH_ENTRIES);
    qtest_quit(s);
}

/* ---- the wrapper as a program ---- */

static void test_information(const void *opaque)
{
    g_auto(GStrv) words = g_strsplit(opaque, " ", -1);
    const char *argv[4] = { paths.qemu, words[0], words[1], NULL };
    g_autofree char *expected = run(argv, NULL, NULL);
    g_autofree char *found = NULL;
    g_autofree char *errors = NULL;

    g_setenv("QEMU", paths.qemu, true);
    argv[0] = paths.wrapper;
    found = run(argv, &errors, NULL);
    g_assert_cmpstr(errors, ==, "");
    g_assert_cmpstr(found, ==, expected);
}

static void test_check_option(void)
{
    const char *argv[] = { paths.wrapper, "--vfio-migration-check", NULL };
    g_autofree char *path = NULL;
    g_autofree char *good = NULL;
    g_autofree char *bad = NULL;
    g_autofree char *errors = NULL;
    g_autofree char *silent = NULL;
    g_autofree char *silent_errors = NULL;
    g_autoptr(ElfFile) file = elf_file_load(paths.qemu);
    int status;

    g_setenv("QEMU", paths.qemu, true);
    good = run(argv, NULL, NULL);
    g_assert_true(g_str_has_prefix(good, "vfio-migration: attached: QEMU 7."));
    g_assert_true(g_str_has_suffix(good, " checks\n"));

    set_micro_version(file, 99);
    path = save_qemu(file);
    g_setenv("QEMU", path, true);
    bad = run(argv, &errors, &status);
    g_assert_cmpint(status, ==, 1);
    g_assert_cmpstr(bad, ==, "");
    g_assert_nonnull(strstr(errors, "not attached: version: "));

    g_setenv("QEMU", "/bin/true", true);
    silent = run(argv, &silent_errors, &status);
    g_assert_cmpint(status, ==, 1);
    g_assert_nonnull(strstr(silent_errors, "not recognized as a QEMU"));
}

/* The way libvirt probes the capabilities of a new emulator */
static void test_daemonize(void)
{
    g_autofree char *pid_path = g_build_filename(qtest_tmpdir(), "pid", NULL);
    g_autofree char *qmp = g_strdup_printf("unix:%s/m,server=on,wait=off",
                                           qtest_tmpdir());
    const char *argv[] = {
        paths.wrapper, "-S", "-no-user-config", "-nodefaults", "-nographic",
        "-machine", "none,accel=kvm:tcg", "-qmp", qmp, "-pidfile", pid_path,
        "-daemonize", NULL,
    };
    g_autofree char *text = NULL;
    g_autofree char *maps_path = NULL;
    g_autofree char *maps = NULL;
    int pid;

    g_setenv("QEMU", paths.qemu, true);
    g_setenv("VFIO_MIGRATION_ATTACH", "require", true);
    g_free(run(argv, NULL, NULL));
    g_assert_true(g_file_get_contents(pid_path, &text, NULL, NULL));
    pid = atoi(text);
    g_assert_cmpint(pid, >, 1);
    maps_path = g_strdup_printf("/proc/%d/maps", pid);
    g_assert_true(g_file_get_contents(maps_path, &maps, NULL, NULL));
    kill(pid, SIGKILL);
    g_assert_nonnull(strstr(maps, "/vfio-migration.so"));
}

static void expect_wrapper_error(const char *qemu, const char *part)
{
    const char *argv[] = { paths.wrapper, "-version", NULL };
    g_autofree char *errors = NULL;
    int status;

    g_setenv("QEMU", qemu, true);
    g_free(run(argv, &errors, &status));
    g_assert_cmpint(status, ==, 1);
    if (!strstr(errors, part)) {
        g_error("'%s' is not in '%s'", part, errors);
    }
}

static void test_loops(void)
{
    g_autofree char *copy = copy_build("copy", true);
    g_autofree char *script = g_build_filename(qtest_tmpdir(), "qemu", NULL);
    g_autofree char *quoted = g_shell_quote(paths.wrapper);
    g_autofree char *text = g_strdup_printf("#!/bin/sh\nexec %s \"$@\"\n",
                                            quoted);

    expect_wrapper_error(paths.wrapper, "is this wrapper");
    expect_wrapper_error(copy, "is this wrapper");
    expect_wrapper_error("/nonexistent", "no QEMU at '/nonexistent'");
    expect_wrapper_error("no-such-qemu", "no QEMU at 'no-such-qemu'");
    g_assert_true(g_file_set_contents_full(script, text, -1,
                                           G_FILE_SET_CONTENTS_NONE, 0755,
                                           NULL));
    expect_wrapper_error(script, "starts this wrapper again");
}

/* The wrapper and a copy of it come first in PATH as qemu-system-x86_64 */
static void test_path(void)
{
    g_autofree char *copy = copy_build("copy", true);
    g_autofree char *copy_directory = g_path_get_dirname(copy);
    g_autofree char *wrapper_directory = g_path_get_dirname(paths.wrapper);
    g_autofree char *qemu_directory = g_path_get_dirname(paths.qemu);
    g_autofree char *path =
        g_strdup_printf("%s:%s:%s:%s", wrapper_directory, copy_directory,
                        qemu_directory, g_getenv("PATH"));
    const char *argv[] = { "qemu-system-x86_64", "-version", NULL };
    const char *direct[] = { paths.qemu, "-version", NULL };
    g_autofree char *found = NULL;
    g_autofree char *expected = run(direct, NULL, NULL);

    g_unsetenv("QEMU");
    g_setenv("PATH", path, true);
    found = run(argv, NULL, NULL);
    g_assert_cmpstr(found, ==, expected);
}

/* Arguments are passed unchanged, after those that only the library knows */
static void test_arguments(void)
{
    g_autofree char *script = g_build_filename(qtest_tmpdir(), "show", NULL);
    const char *argv[] = { paths.wrapper, "-name", "a  b", "", "*", NULL };
    g_autofree char *found = NULL;

    g_assert_true(g_file_set_contents_full(
        script, "#!/bin/sh\nprintf '[%s]' \"$@\"\n", -1,
        G_FILE_SET_CONTENTS_NONE, 0755, NULL));
    g_setenv("QEMU", script, true);
    found = run(argv, NULL, NULL);
    g_assert_cmpstr(found, ==, "[-name][a  b][][*]");
    g_setenv("VFIO_MIGRATION_ATTACH", "verbose,require", true);
    g_free(found);
    found = run(argv, NULL, NULL);
    g_assert_cmpstr(found, ==, "[-vfio-migration-library-not-loaded][x]"
                    "[-name][a  b][][*]");
    g_setenv("VFIO_MIGRATION_ATTACH", "off", true);
    g_free(found);
    found = run(argv, NULL, NULL);
    g_assert_cmpstr(found, ==, "[-name][a  b][][*]");
}

/* The target is not a QEMU: reported in every mode */
static void test_wrong_program(void)
{
    const char *argv[] = { paths.wrapper, "-version", NULL };
    g_autofree char *script = g_build_filename(qtest_tmpdir(), "env", NULL);
    g_autofree char *text = NULL;

    expect_wrapper_error("/bin/true", "'/bin/true' is no QEMU: set QEMU");
    expect_wrapper_error("true", "is no QEMU: set QEMU");
    /* A script may do as it likes */
    g_assert_true(g_file_set_contents_full(
        script, "#!/bin/sh\nexec env A=1 echo \"$@\"\n", -1,
        G_FILE_SET_CONTENTS_NONE, 0755, NULL));
    g_setenv("QEMU", script, true);
    text = run(argv, NULL, NULL);
    g_assert_cmpstr(text, ==, "-version\n");
}

static void test_version_option(void)
{
    const char *argv[] = { paths.wrapper, "--vfio-migration-version", NULL };
    g_autofree char *text = run(argv, NULL, NULL);

    g_assert_true(g_str_has_prefix(text, "qemu-vfio-migration 0."));
}

/* ---- settings file ---- */

static void write_settings(const char *text)
{
    g_autofree char *path = g_build_filename(qtest_tmpdir(), "conf", NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_setenv("VFIO_MIGRATION_CONF", path, true);
}

/* The host's administrator has the last word, with or without the wrapper */
static void test_settings_forbid(void)
{
    static const char *const modes[] = { NULL, "auto", "verbose" };
    const char *argv[] = { paths.wrapper, "--vfio-migration-check", NULL };
    g_autofree char *errors = NULL;
    QTestState *s;
    int status;

    write_settings("VFIO_MIGRATION_MULTI=allow\n"
                   "VFIO_MIGRATION_ATTACH=forbid\n");
    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        s = start(paths.qemu, modes[i], NO_MACHINE);
        expect_runs(s);
        expect_stderr(s, "vfio-migration: not attached: settings: ");
        expect_stderr(s, "/conf has 'VFIO_MIGRATION_ATTACH=forbid'; QEMU's");
        g_assert_cmpuint(changed_entries(s, paths.qemu), ==, 0);
        qtest_quit(s);
    }
    s = start(paths.qemu, "require", NO_MACHINE);
    expect_refused(s);
    qtest_forget(s);

    g_setenv("LD_PRELOAD", paths.loader, true);
    s = start_by(paths.qemu, "", "auto", NO_MACHINE);
    expect_runs(s);
    g_assert_cmpuint(changed_entries(s, paths.qemu), ==, 0);
    qtest_quit(s);
    g_unsetenv("LD_PRELOAD");

    g_setenv("QEMU", paths.qemu, true);
    g_unsetenv("VFIO_MIGRATION_ATTACH");
    g_free(run(argv, &errors, &status));
    g_assert_cmpint(status, ==, 1);
    g_assert_nonnull(strstr(errors, "=forbid: nothing to check"));
    g_setenv("VFIO_MIGRATION_CONF", "/dev/null", true);
}

/* A script in place of QEMU shows the wrapper's result for the settings */
static void test_settings(void)
{
    g_autofree char *script = g_build_filename(qtest_tmpdir(), "show", NULL);
    g_autofree char *text = g_strdup_printf(
        "# a comment\n\nVFIO_MIGRATION_MULTI=allow\n"
        "VFIO_MIGRATION_STOP_SIZE=9M\nVFIO_MIGRATION_QUEUE_SIZE=16M\n"
        "VFIO_MIGRATION_ATTACH=require,verbose\nQEMU=%s", script);
    const char *argv[] = { paths.wrapper, NULL };
    g_autofree char *found = NULL;

    g_assert_true(g_file_set_contents_full(
        script, "#!/bin/sh\necho \"$VFIO_MIGRATION_MULTI "
        "$VFIO_MIGRATION_STOP_SIZE $VFIO_MIGRATION_QUEUE_SIZE "
        "$VFIO_MIGRATION_ATTACH $*\"\n", -1,
        G_FILE_SET_CONTENTS_NONE, 0755, NULL));
    g_unsetenv("QEMU");
    write_settings(text);
    found = run(argv, NULL, NULL);
    g_assert_cmpstr(found, ==, "allow 9M 16M require,verbose "
                    "-vfio-migration-library-not-loaded x\n");
    g_setenv("VFIO_MIGRATION_ATTACH", "verbose", true);
    g_setenv("VFIO_MIGRATION_MULTI", "", true);
    g_free(found);
    found = run(argv, NULL, NULL);
    g_assert_cmpstr(found, ==, " 9M 16M verbose \n");
    g_unsetenv("VFIO_MIGRATION_ATTACH");
    g_unsetenv("VFIO_MIGRATION_MULTI");
}

/* A line that is not understood might mean 'require': nothing is started */
static void test_settings_refused(void)
{
    static const char *const wrong[] = {
        "VFIO_MIGRATION_MULT=allow", "VFIO_MIGRATION_MULTI = allow",
        " VFIO_MIGRATION_MULTI=allow", "VFIO_MIGRATION_MULTI=allow\r\n",
        "VFIO_MIGRATION_MULTI='allow'", "QEMU=$(touch /tmp/x)",
        "QEMU=`id`", "PATH=/tmp", "LD_PRELOAD=/tmp/x.so", "allow", "=",
        "export VFIO_MIGRATION_MULTI=allow", "\177ELF\002\001\377",
        "VFIO_MIGRATION_ATTACH=require;x", "VFIO_MIGRATION_MULTI=alow",
        "VFIO_MIGRATION_EMPTY_CHUNK=all", "VFIO_MIGRATION_STOP_SIZE=9X",
        "VFIO_MIGRATION_STOP_SIZE=M", "VFIO_MIGRATION_QUEUE_SIZE=9X",
        "VFIO_MIGRATION_EMPTY_CHUNK=all", "VFIO_MIGRATION_RETURN_PATH=on",
        "VFIO_MIGRATION_DEVICE_DIRTY_TRACKING=no",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *text = g_strconcat("# ok\n", wrong[i], NULL);

        write_settings(text);
        expect_wrapper_error(paths.qemu, "conf, line 2: ");
    }
    write_settings("VFIO_MIGRATION_ATTACH=requir\n");
    expect_wrapper_error(paths.qemu, "VFIO_MIGRATION_ATTACH has 'requir'");
    g_setenv("VFIO_MIGRATION_CONF", "/nonexistent", true);
    expect_wrapper_error(paths.qemu, "cannot read /nonexistent");
    g_setenv("VFIO_MIGRATION_CONF", "/dev/null", true);
}

/*
 * In the environment a misspelt value means the default; the check reports it.
 */
static void test_settings_check(void)
{
    static const char *const names[] = {
        "VFIO_MIGRATION_MULTI", "VFIO_MIGRATION_EMPTY_CHUNK",
        "VFIO_MIGRATION_STOP_SIZE", "VFIO_MIGRATION_QUEUE_SIZE",
        "VFIO_MIGRATION_RETURN_PATH",
        "VFIO_MIGRATION_DEVICE_DIRTY_TRACKING",
    };
    const char *argv[] = { paths.wrapper, "--vfio-migration-check", NULL };

    g_setenv("QEMU", paths.qemu, true);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *errors = NULL;
        int status;

        g_setenv(names[i], "alow", true);
        g_free(run(argv, &errors, &status));
        g_unsetenv(names[i]);
        g_assert_cmpint(status, ==, 1);
        g_assert_nonnull(strstr(errors, names[i]));
        g_assert_nonnull(strstr(errors, "'alow'"));
    }
    g_free(run(argv, NULL, NULL));
}

/* ---- a library that the dynamic linker does not load ---- */

typedef struct NotLoaded {
    const char *name;
    const char *content;            /* of the library; NULL: it is missing */
    bool forbidden;                 /* it is visible, but cannot be opened */
} NotLoaded;

static const NotLoaded not_loaded[] = {
    { "missing" },
    { "empty", "" },
    { "no-library", "#!/bin/sh\nexit 0\n" },
    { "forbidden", "", .forbidden = true },
};

/* The wrapper of a build tree contains its path: remove it from this copy */
static void forget_build(const char *wrapper)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *old = NULL;

    g_assert_true(g_file_get_contents(wrapper, &old, NULL, NULL));
    g_string_assign(text, old);
    g_assert_cmpuint(g_string_replace(text, paths.directory, "/nonexistent",
                                      0), ==, 1);
    g_assert_true(g_file_set_contents_full(wrapper, text->str, -1,
                                           G_FILE_SET_CONTENTS_NONE, 0755,
                                           NULL));
}

/*
 * Make a wrapper whose library will not be loaded. A security module that
 * denies opening a file does not deny access(2). Root must drop capabilities
 * for the file mode to have an effect.
 */
static char *spoil_library(const NotLoaded *how)
{
    g_autofree char *wrapper = copy_build(how->name, true);
    g_autofree char *directory = g_path_get_dirname(wrapper);
    g_autofree char *library = g_build_filename(
        directory, "libvfio-migration-attach.so", NULL);
    g_autofree char *script = g_build_filename(directory, "start", NULL);
    g_autofree char *text = g_strdup_printf(
        "#!/bin/sh\nexec %s '%s' \"$@\"\n", how->forbidden && !geteuid() ?
        "setpriv --bounding-set=-dac_override,-dac_read_search" : "",
        wrapper);

    if (how->content) {
        g_assert_true(g_file_set_contents(library, how->content, -1, NULL));
    } else {
        forget_build(wrapper);
        g_assert_cmpint(g_remove(library), ==, 0);
    }
    if (how->forbidden) {
        g_assert_cmpint(g_chmod(library, 0), ==, 0);
    }
    g_assert_true(g_file_set_contents_full(script, text, -1,
                                           G_FILE_SET_CONTENTS_NONE, 0755,
                                           NULL));
    return g_steal_pointer(&script);
}

static void test_not_loaded(const void *opaque)
{
    static const char *const strict[] = { "require", "requir", "check" };
    const NotLoaded *how = opaque;
    g_autofree char *wrapper = spoil_library(how);
    const char *argv[] = { wrapper, "--vfio-migration-check", NULL };
    int status;

    for (size_t i = 0; i < G_N_ELEMENTS(strict); i++) {
        QTestState *s = start_by(wrapper, paths.qemu, strict[i], NO_MACHINE);

        expect_refused(s);
        expect_stderr(s, how->content ?
                      "-vfio-migration-library-not-loaded: invalid option" :
                      "libvfio-migration-attach.so was not found");
        qtest_forget(s);
    }
    g_unsetenv("VFIO_MIGRATION_ATTACH");
    g_free(run(argv, NULL, &status));
    g_assert_cmpint(status, ==, 1);
}

/* ---- with a device ---- */

static bool migration_enabled(VFIOSide *side)
{
    QDict *answer = qtest_qmp(
        side->qts, "{'execute': 'qom-get', 'arguments': {'path': "
        "'/machine/peripheral/dev0', 'property': 'x-enable-migration'}}");
    bool enabled = qdict_get_bool(answer, "return");

    qobject_unref(answer);
    return enabled;
}

/* Value of the property with the user's @args; NULL @attach is the default */
static bool enabled_with(const char *attach, const char *args)
{
    VFIOSide *side = vfio_side_new("side", SIDE_ATTACHED);
    bool enabled;

    side->attach = attach;
    g_string_append(side->args, args);
    vfio_side_start(side);
    enabled = migration_enabled(side);
    vfio_side_free(side);
    return enabled;
}

static void test_property(void)
{
    g_assert_true(enabled_with("require", ""));
    g_assert_false(enabled_with("require", " -global "
                                "vfio-pci.x-enable-migration=off"));
    g_assert_false(enabled_with("require",
                                " -set device.dev0.x-enable-migration=off"));
}

/* Not attached: the wrapper's default is reverted, the user's value is kept */
static void test_property_not_attached(void)
{
    g_autofree char *wrapper = copy_build("half", false);

    g_setenv("VFIO_ATTACHED_QEMU", wrapper, true);
    g_assert_false(enabled_with(NULL, ""));
    g_assert_true(enabled_with(NULL, " -global "
                               "vfio-pci.x-enable-migration=on"));
    g_assert_true(enabled_with(NULL,
                               " -set device.dev0.x-enable-migration=on"));
}

/* Not loaded: QEMU runs, and nothing has enabled its own code */
static void test_property_not_loaded(const void *opaque)
{
    g_autofree char *wrapper = spoil_library(opaque);

    g_setenv("VFIO_ATTACHED_QEMU", wrapper, true);
    g_assert_false(enabled_with(NULL, ""));
    g_assert_true(enabled_with(NULL, " -global "
                               "vfio-pci.x-enable-migration=on"));
}

/* An invalid value of VFIO_MIGRATION_MULTI: treated as deny, reported once */
static void test_multi_word(void)
{
    VFIOSide *side = vfio_side_new("side", SIDE_ATTACHED);
    g_autofree char *script = g_build_filename(qtest_tmpdir(), "multi", NULL);
    g_autofree char *quoted = g_shell_quote(paths.qemu);
    g_autofree char *text = g_strdup_printf(
        "#!/bin/sh\nVFIO_MIGRATION_MULTI=yes exec %s \"$@\"\n", quoted);
    g_autofree char *reasons = NULL;
    g_autofree char *errors = NULL;
    const char *found;

    g_assert_true(g_file_set_contents_full(script, text, -1,
                                           G_FILE_SET_CONTENTS_NONE, 0755,
                                           NULL));
    g_setenv("QEMU", script, true);
    vfio_side_add_device(side);
    vfio_side_add_device(side);
    vfio_side_start(side);
    reasons = migrate_blocked_reasons(side->qts);
    g_assert_nonnull(strstr(reasons, "dev1"));
    errors = qtest_stderr(side->qts);
    found = strstr(errors, "VFIO_MIGRATION_MULTI is 'yes'");
    g_assert_nonnull(found);
    g_assert_null(strstr(found + 1, "VFIO_MIGRATION_MULTI"));
    vfio_side_free(side);
}

/* The subsystem makes no system call that -sandbox forbids */
static void test_sandbox_migration(void)
{
    static const char sandbox[] =
        " -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
        "resourcecontrol=deny";
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    g_string_append(pair->src->args, sandbox);
    g_string_append(pair->dst->args, sandbox);
    vfio_pair_start(pair);
    vfio_pair_migrate(pair);
    vfio_pair_free(pair);
}

/* Our events are in QEMU's list and are enabled like its own */
static void test_trace(void)
{
    VFIOSide *side = vfio_side_new("side", SIDE_ATTACHED);
    g_autofree char *text = NULL;

    g_string_append(side->args, " -trace vfio_migration_fou*");
    vfio_side_start(side);
    text = qtest_stderr(side->qts);
    g_assert_nonnull(strstr(text, "vfio_migration_found  (dev0) region "));
    vfio_side_free(side);
}

/* query-migrate has `vfio`, which QEMU itself never returns in this build */
static void test_query_migrate(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    QDict *info, *vfio;

    vfio_pair_start(pair);
    vfio_pair_migrate(pair);
    info = migrate_query(pair->src->qts);
    vfio = qdict_get_qdict(info, "vfio");
    g_assert_nonnull(vfio);
    g_assert_cmpint(qdict_get_int(vfio, "transferred"), >=, 256 * 1024);
    qobject_unref(info);
    vfio_pair_free(pair);
}

int main(int argc, char **argv)
{
    if (!attach_test_init(&argc, &argv)) {
        return 0;
    }
    qtest_add_case("/attach/attached", test_attached);
    qtest_add_case("/attach/quiet", test_attached_is_quiet);
    qtest_add_data_case("/attach/sandbox",
                        "-sandbox on,obsolete=deny,elevateprivileges=deny,"
                        "spawn=deny,resourcecontrol=deny", test_options);
    qtest_add_data_case("/attach/only-migratable", "-only-migratable",
                        test_options);
    qtest_add_case("/attach/off", test_off);
    qtest_add_case("/attach/unknown-word", test_unknown_word);
    qtest_add_case("/attach/not-a-qemu", test_not_a_qemu);
    qtest_add_case("/attach/children", test_children);
    qtest_add_case("/attach/space-in-path", test_space_in_path);
    qtest_add_data_case("/attach/wrapper/version", "-version",
                        test_information);
    qtest_add_data_case("/attach/wrapper/help", "-help", test_information);
    qtest_add_data_case("/attach/wrapper/device-help", "-device help",
                        test_information);
    qtest_add_case("/attach/wrapper/check", test_check_option);
    qtest_add_case("/attach/wrapper/daemonize", test_daemonize);
    qtest_add_case("/attach/wrapper/loops", test_loops);
    qtest_add_case("/attach/wrapper/path", test_path);
    qtest_add_case("/attach/wrapper/arguments", test_arguments);
    qtest_add_case("/attach/wrapper/wrong-program", test_wrong_program);
    qtest_add_case("/attach/wrapper/version-option", test_version_option);
    qtest_add_case("/attach/settings/good", test_settings);
    qtest_add_case("/attach/settings/refused", test_settings_refused);
    qtest_add_case("/attach/settings/forbid", test_settings_forbid);
    qtest_add_case("/attach/settings/check", test_settings_check);
    for (size_t i = 0; i < G_N_ELEMENTS(not_loaded); i++) {
        g_autofree char *path = g_strconcat("/attach/not-loaded/",
                                            not_loaded[i].name, NULL);
        g_autofree char *device = g_strconcat(
            "/attach/device/property-not-loaded/", not_loaded[i].name, NULL);

        qtest_add_data_case(path, &not_loaded[i], test_not_loaded);
        qtest_add_data_case(device, &not_loaded[i],
                            test_property_not_loaded);
    }
    qtest_add_case("/attach/device/property", test_property);
    qtest_add_case("/attach/device/property-not-attached",
                   test_property_not_attached);
    qtest_add_case("/attach/device/multi-word", test_multi_word);
    qtest_add_case("/attach/device/sandbox", test_sandbox_migration);
    qtest_add_case("/attach/device/trace", test_trace);
    qtest_add_case("/attach/device/query-migrate", test_query_migrate);
    return g_test_run();
}
