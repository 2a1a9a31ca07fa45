/*
 * The tool vfio-migrate on simulated devices, run as a user would
 *
 * Owns: its output and exit status when a device is saved to a file and loaded
 * again; and for each possible fault of a driver, that 'vfio-migrate test'
 * reports it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#include "../tools/rows.h"
#include "../tools/run.h"

typedef struct Run {
    char *dir;
    char *config;               /* path */
    char *status;               /* path */
    char *output;               /* stdout and stderr of the last program */
    int exit_status;
} Run;

static void run_clear(Run *run)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", run->dir);

    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    g_free(run->dir);
    g_free(run->config);
    g_free(run->status);
    g_free(run->output);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

static void start(Run *run, const char *const *argv, bool simulated)
{
    g_auto(GStrv) env = g_get_environ();
    g_auto(Outcome) o = { 0 };

    if (simulated) {
        env = g_environ_setenv(env, "LD_PRELOAD", SIM_LIBRARY, TRUE);
        env = g_environ_setenv(env, "VFIO_SIM_CONFIG", run->config, TRUE);
    }
    env = g_environ_setenv(env, "NO_COLOR", "1", TRUE);
    o = run_program(NULL, env, argv);
    g_free(run->output);
    run->output = g_strconcat(o.output, o.errors, NULL);
    g_test_message("%s", run->output);
    run->exit_status = o.status;
}

/* Create the simulated devices of @text, with their files in run->dir. */
static void setup(Run *run, const char *text)
{
    g_autofree char *full = NULL;

    run->dir = g_dir_make_tmp("vfio-migrate-test-XXXXXX", NULL);
    run->config = g_build_filename(run->dir, "sim.conf", NULL);
    run->status = g_build_filename(run->dir, "status", NULL);
    full = g_strdup_printf("[sim]\nstatus=%s\n%s", run->status, text);
    g_assert_true(g_file_set_contents(run->config, full, -1, NULL));
    start(run, (const char *[]) { SIM_SETUP, run->config, run->dir, NULL },
          false);
    g_assert_cmpint(run->exit_status, ==, 0);
}

/* Run vfio-migrate --yes @command on dev0; @third: a file in the directory,
 * as second argument. */
static void tool(Run *run, const char *command, const char *third)
{
    g_autofree char *device = g_build_filename(run->dir, "dev0", NULL);
    g_autofree char *path = third ? g_build_filename(run->dir, third, NULL)
                                  : NULL;

    start(run, (const char *[]) { TOOL_PROGRAM, "--yes", command, device,
                                   path, NULL },
          true);
}

static void assert_says(const Run *run, const char *text)
{
    if (!strstr(run->output, text)) {
        g_error("'%s' is not in:\n%s", text, run->output);
    }
}

static void assert_does_not_say(const Run *run, const char *text)
{
    if (strstr(run->output, text)) {
        g_error("'%s' is in:\n%s", text, run->output);
    }
}

static void assert_says_once(const Run *run, const char *text)
{
    assert_says(run, text);
    if (strstr(strstr(run->output, text) + 1, text)) {
        g_error("'%s' is twice in:\n%s", text, run->output);
    }
}

static char *device_word(const Run *run, const char *device, const char *key)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) error = NULL;
    JsonObject *object;

    json_parser_load_from_file(parser, run->status, &error);
    g_assert_no_error(error);
    object = json_node_get_object(json_parser_get_root(parser));
    object = json_object_get_object_member(object, "devices");
    object = json_object_get_object_member(object, device);
    return g_strdup(json_object_get_string_member(object, key));
}

#define DEVICE  "[device dev0]\ngroup=7\nstate-size=256K\nwindow-size=64K\n" \
                "precopy-size=64K\nareas=stripes:8K\n"
#define CLEAN_CASES 12

/* Devices of protocol v2, with the required and with all features */
#define V2      "[device dev0]\ngroup=7\nprotocol=v2\nstate-size=256K\n"
#define V2_ALL  V2 "p2p=yes\npre-copy=yes\nprecopy-size=64K\n"

/* ---- the file that is written ---- */

/* Run @script in run->dir; in it, 'tool COMMAND FILE' runs the tool on dev0. */
static void shell(Run *run, const char *script)
{
    g_autofree char *text = g_strdup_printf(
        "cd '%s' || exit\ntool() {\n"
        "    LD_PRELOAD='%s' VFIO_SIM_CONFIG='%s' '%s' $1 \"$PWD/dev0\" $2\n"
        "}\n%s", run->dir, SIM_LIBRARY, run->config, TOOL_PROGRAM, script);

    start(run, (const char *[]) { "/bin/sh", "-c", text, NULL }, false);
}

/* Run the scripts @save and @load; the saved state must be loaded. */
static void move_state(Run *run, const char *save, const char *load)
{
    g_autofree char *saved = NULL, *loaded = NULL;

    shell(run, save);
    g_assert_cmpint(run->exit_status, ==, 0);
    saved = device_word(run, "dev0", "saved-digest");
    g_assert_cmpstr(saved, !=, "");
    shell(run, load);
    g_assert_cmpint(run->exit_status, ==, 0);
    loaded = device_word(run, "dev0", "loaded-digest");
    g_assert_cmpstr(saved, ==, loaded);
}

static void assert_mode(const Run *run, const char *name, mode_t mode)
{
    g_autofree char *path = g_build_filename(run->dir, name, NULL);
    struct stat st;

    g_assert_cmpint(lstat(path, &st), ==, 0);
    g_assert_cmphex(st.st_mode, ==, mode);
}

/* Name of a temporary file of @run, by mkstemp(); NULL: none */
static char *find_unfinished(const Run *run)
{
    g_autoptr(GDir) dir = g_dir_open(run->dir, 0, NULL);
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        if (g_str_has_prefix(name, ".file.")) {
            return g_strdup(name);
        }
    }
    return NULL;
}

static void assert_content(const Run *run, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(run->dir, name, NULL);
    g_autofree char *content = NULL;

    g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, text);
}

/* A new file is private, as is one that others could read; links are kept. */
static void test_file_private(void)
{
    g_auto(Run) run = { 0 };

    setup(&run, DEVICE);
    move_state(&run, "umask 022 && tool save file", "tool load file");
    assert_mode(&run, "file", S_IFREG | 0600);
    move_state(&run, "umask 0 && echo old >file2 && ln -s file2 link && "
               "tool save link", "tool load file2");
    assert_mode(&run, "file2", S_IFREG | 0600);
    assert_mode(&run, "link", S_IFLNK | 0777);
}

static void test_file_failed(void)
{
    g_auto(Run) run = { 0 };
    g_autofree char *path = NULL, *unfinished = NULL;

    setup(&run, DEVICE "[fault f]\nevent=data-size-read\nstate=stop-copy\n"
          "errno=EIO\n");
    path = g_build_filename(run.dir, "file", NULL);
    tool(&run, "save", "file");
    g_assert_cmpint(run.exit_status, ==, 3);
    assert_says(&run, "cannot read data_size");
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));

    shell(&run, "echo old >file && tool save file");
    g_assert_cmpint(run.exit_status, ==, 3);
    assert_content(&run, "file", "old\n");
    unfinished = find_unfinished(&run);
    g_assert_null(unfinished);

    shell(&run, "tool save nowhere/file");
    g_assert_cmpint(run.exit_status, ==, 3);
    assert_says(&run, "nowhere/file: no file can be made in nowhere: No such "
                "file or directory");
}

static GPid start_save(Run *run)
{
    g_auto(GStrv) env = g_get_environ();
    g_autofree char *device = g_build_filename(run->dir, "dev0", NULL);
    g_autofree char *path = g_build_filename(run->dir, "file", NULL);
    const char *argv[] = { TOOL_PROGRAM, "save", device, path, NULL };
    g_autoptr(GError) error = NULL;
    GPid pid;

    env = g_environ_setenv(env, "LD_PRELOAD", SIM_LIBRARY, TRUE);
    env = g_environ_setenv(env, "VFIO_SIM_CONFIG", run->config, TRUE);
    g_spawn_async(NULL, (char **)argv, env, G_SPAWN_DO_NOT_REAP_CHILD, NULL,
                  NULL, &pid, &error);
    g_assert_no_error(error);
    return pid;
}

/* A user's Ctrl-C in the middle of a save leaves nothing behind. */
static void test_file_interrupted(void)
{
    g_auto(Run) run = { 0 };
    g_autofree char *path = NULL, *unfinished = NULL;
    int64_t end_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
    int status;
    GPid pid;

    setup(&run, DEVICE "[fault f]\nevent=data-size-read\nonce=no\n"
          "delay-ms=20000\n");
    path = g_build_filename(run.dir, "file", NULL);
    pid = start_save(&run);
    while (!unfinished && g_get_monotonic_time() < end_us) {
        g_usleep(1000);
        unfinished = find_unfinished(&run);
    }
    g_assert_cmpint(kill(pid, SIGINT), ==, 0);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_nonnull(unfinished);
    g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    g_clear_pointer(&unfinished, g_free);
    unfinished = find_unfinished(&run);
    g_assert_null(unfinished);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_file_standard_output(void)
{
    g_auto(Run) run = { 0 };

    setup(&run, DEVICE);
    shell(&run, "tool save - >/dev/null");
    assert_says(&run, "saved         320 KiB in 5 chunks");
    move_state(&run, "tool save - | cat >piped && test ! -e -",
               "tool load - <piped");
    move_state(&run, "echo first >more && tool save - >>more",
               "tail -c +7 more | tool load -");
}

/* Only regular files are replaced. */
static void test_file_special(void)
{
    g_auto(Run) run = { 0 };

    setup(&run, DEVICE);
    move_state(&run, "mkfifo fifo && { timeout 60 cat fifo >copy & } && "
               "tool save fifo && wait && test -p fifo", "tool load copy");
    shell(&run, "mkdir sub && tool save sub");
    g_assert_cmpint(run.exit_status, ==, 3);
    assert_says(&run, "sub cannot be opened: Is a directory");
}

static void test_file_terminal(void)
{
    g_auto(Run) run = { 0 };
    g_autofree char *script = NULL;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (terminal < 0 || grantpt(terminal) < 0 || unlockpt(terminal) < 0) {
        g_test_skip("no pseudo terminal can be had");
        return;
    }
    setup(&run, DEVICE);
    script = g_strdup_printf("tool save - >%s", ptsname(terminal));
    shell(&run, script);
    g_assert_cmpint(run.exit_status, ==, 3);
    assert_says(&run, "the state is not written to a terminal: name a file, "
                "or redirect standard output");
    close(terminal);
}

static void test_file_reader_gone(void)
{
    g_auto(Run) run = { 0 };

    setup(&run, DEVICE);
    shell(&run, "{ tool save -; echo \"status $?\" >&2; } | true");
    assert_says(&run, "Unable to write to the stream: Broken pipe");
    assert_says(&run, "status 3");
}

/* A driver that can save only a device that was running just before */
static void test_save_paused(void)
{
    g_auto(Run) run = { 0 };
    g_autofree char *device = NULL, *path = NULL;

    setup(&run, DEVICE "[fault f]\nevent=state-write\nfrom=stop\n"
          "to=stop-copy\nonce=no\nerrno=EINVAL\n");
    device = g_build_filename(run.dir, "dev0", NULL);
    path = g_build_filename(run.dir, "file", NULL);
    start(&run, (const char *[]) { TOOL_PROGRAM, "--paused", "save", device,
                                   path, NULL }, true);
    g_assert_cmpint(run.exit_status, ==, 3);
    assert_says(&run, "vfio-migrate: dev0: cannot change the "
                "device's state from stop to stop-copy: Invalid argument; the "
                "device is in state stop\nA driver may refuse to save a device "
                "whose VM is paused: continue the VM, then migrate.\n");
    assert_says_once(&run, "cannot change the device's state");
}

/* A host with an old driver, and one with a new one */
static void test_load_other_protocol(void)
{
    g_auto(Run) run = { 0 };
    g_autofree char *device = NULL, *path = NULL;

    setup(&run, "[device dev0]\ngroup=7\nstate-size=4M\nwindow-size=2M\n"
          "[device dev1]\ngroup=8\nprotocol=v2\nstate-size=4M\n");
    tool(&run, "save", "file");
    g_assert_cmpint(run.exit_status, ==, 0);
    device = g_build_filename(run.dir, "dev1", NULL);
    path = g_build_filename(run.dir, "file", NULL);
    start(&run, (const char *[]) { TOOL_PROGRAM, "load", device, path, NULL },
          true);
    g_assert_cmpint(run.exit_status, ==, 3);
    assert_says(&run, "dev1: the driver did not accept migration data at byte "
                "0 of the device's state: Invalid argument\nBoth hosts need "
                "the same kernel series, driver and firmware.\nThe stream "
                "looks like that of a device with protocol v1, and this one's "
                "driver speaks v2: use the same kernel series on both "
                "hosts.\n");
}

typedef struct Good {
    const char *name;
    const char *keys;
    const char *says;
    bool logs;                  /* has a DMA log: four more cases */
} Good;

static const Good good_drivers[] = {
    { "one-device", "", "# 11 passed, 0 failed, 1 skipped" },
    { "two-devices", "[device dev1]\ngroup=8\nseed=9\nwindow-size=32K\n"
      "split=allow\n", "# 11 passed, 0 failed, 1 skipped" },
    { "libvfio-user", "strictness=libvfio-user\n",
      "# 10 passed, 0 failed, 2 skipped" },
};

/* Devices of protocol v2, by profile or key by key */
static const Good good_drivers_v2[] = {
    { "v2-least", V2 "kernel=6.1\nunknown-feature=EINVAL\n",
      "# 18 passed, 0 failed, 1 skipped" },
    { "v2-all", V2_ALL, "# 19 passed, 0 failed, 0 skipped" },
    { "v2-p2p", V2 "p2p=yes\n", "ok 13 - changes its state as its flags say\n"
      "#   7 arcs\n" },
    { "v2-short", V2_ALL "max-read=4093\nmax-write=1021\n",
      "# 19 passed, 0 failed, 0 skipped" },
    { "v2-unchecked", V2_ALL "completeness=ignore\ndata-check=never\n",
      "ok 16 - survives a state that ends too early\n#   taken without an "
      "error: nothing in the device notices it\n" },
    { "v2-bounded", V2_ALL "load-max=320K\n", "ok 17 - survives a "
      "state with more behind its end\n#   refused: dev0: the driver did not "
      "accept migration data at byte 0 of the device's state: Cannot allocate "
      "memory\n#   Both hosts need the same kernel series" },
    { "mlx5-6.1", "[device dev0]\ngroup=7\nprofile=mlx5-6.1\n"
      "state-size=1M\n", "#   the stopped device told nothing, and gave 1 "
      "MiB\n", true },
    { "qat", "[device dev0]\ngroup=7\nprofile=qat\n",
      "# 19 passed, 0 failed, 0 skipped" },
    { "pds", "[device dev0]\ngroup=7\nprofile=pds\n",
      "# 22 passed, 0 failed, 1 skipped", true },
    { "v2-log", V2_ALL "log=yes\n", "ok 20 - logs its DMA, and reports it\n"
      "#   0 pages reported of a device that nobody uses\n"
      "ok 21 - refuses a second log, and reports of none\n"
      "ok 22 - reports when it has stopped\n"
      "ok 23 - logs its DMA after a reset\n"
      "# 23 passed, 0 failed, 0 skipped", true },
    { "v2-log-goes-off", V2_ALL "log=yes\nlog-lost-on-stop=yes\n"
      "log-lost-on-reset=yes\nlog-max-ranges=1\n",
      "# 23 passed, 0 failed, 0 skipped", true },
    { "hisi", "[device dev0]\ngroup=7\nprofile=hisi\n",
      "#   8 arcs\n" },
    { "virtio-to-another", "[device dev0]\ngroup=7\nprofile=virtio\n"
      "[device dev1]\ngroup=8\nprofile=virtio\nseed=9\n",
      "# 19 passed, 0 failed, 0 skipped" },
};

static void test_passes_v2(const void *data)
{
    const Good *good = data;
    g_auto(Run) run = { 0 };

    setup(&run, good->keys);
    tool(&run, "test", strstr(good->keys, "[device dev1]") ? "dev1" : NULL);
    assert_does_not_say(&run, "not ok");
    assert_says(&run, good->logs ? "1..23\n" : "1..19\n");
    assert_says(&run, good->says);
    g_assert_cmpint(run.exit_status, ==, 0);
}

static void test_passes(const void *data)
{
    const Good *good = data;
    g_auto(Run) run = { 0 };
    g_autofree char *config = g_strconcat(DEVICE, good->keys, NULL);
    unsigned n;

    setup(&run, config);
    tool(&run, "test", strstr(good->keys, "[device dev1]") ? "dev1" : NULL);
    g_assert_cmpint(run.exit_status, ==, 0);
    for (n = 1; n <= CLEAN_CASES; n++) {
        g_autofree char *line = g_strdup_printf("\nok %u - ", n);

        assert_says(&run, line);
    }
    assert_says(&run, good->says);
}

typedef struct Bad {
    const char *name;
    const char *keys;
    const char *says;           /* must name the fault */
    bool v2;
} Bad;

static void test_finds(const void *data)
{
    const Bad *bad = data;
    g_auto(Run) run = { 0 };
    g_autofree char *config = g_strconcat(bad->v2 ? V2_ALL : DEVICE,
                                          bad->keys, NULL);

    setup(&run, config);
    tool(&run, "test", NULL);
    g_assert_cmpint(run.exit_status, ==, 1);
    assert_says(&run, bad->says);
}

static const Bad bad_drivers[] = {
    { "no-reset", "reset=no\n",
      "not ok 2 - runs after a reset\n# no VFIO_DEVICE_RESET" },
    { "save-fails", "[fault f]\nevent=data-size-read\nerrno=EIO\nonce=no\n",
      "not ok 3 - saves a running VM\n# dev0: cannot read "
      "data_size of the migration region: Input/output error" },
    { "window-outside", "[fault f]\nevent=data-offset-read\nonce=no\n"
      "value=0x100000000\n", "not ok 3 - saves a running VM\n# "
      "dev0: the driver put its data at offset 0x100000000 of" },
    { "does-not-run-on", "[fault f]\nevent=state-write\nfrom=stop\n"
      "to=running\nonce=no\nerrno=EIO\n",
      "not ok 4 - runs on at the source after its migration\n" },
    { "cancel", "[fault f]\nevent=state-write\nfrom=pre-copy\nto=running\n"
      "once=no\nerrno=EIO\ndevice-state=error\n",
      "not ok 5 - runs on after a cancel in pre-copy" },
    { "no-way-back", "strictness=kernel\n",
      "not ok 5 - runs on after a cancel in pre-copy, and migrates\n# after a "
      "cancel in pre-copy: dev0: cannot change the device's state from "
      "pre-copy to running: Invalid argument; the device was reset" },
    { "load-fails", "[fault f]\nevent=data-size-write\nerrno=ENOSPC\n"
      "once=no\n", "not ok 9 - loads, and runs on\n" },
    { "does-not-run-loaded", "[fault f]\nevent=state-write\nfrom=resuming\n"
      "to=running\nonce=no\nerrno=EIO\n", "not ok 9 - loads, and runs on\n" },
    { "v2-verdict", "[fault f]\nevent=state-write\nfrom=resuming\nto=stop\n"
      "once=no\nerrno=EIO\n", "not ok 9 - loads, and runs on\n", true },
    { "v2-arc", "[fault f]\nevent=state-write\nfrom=pre-copy-p2p\n"
      "to=pre-copy\nonce=no\nerrno=EIO\n", "not ok 13 - changes its state as "
      "its flags say\n# pre-copy-p2p to pre-copy, which the device's flags "
      "promise: Input/output error\n", true },
    /* Only the sizes are wrong. */
    { "v2-sizes-alone", "told-size=0\n[fault f]\nevent=precopy-info\n"
      "once=no\nvalue=0xffffffffffffffff\n",
      "# 18 passed, 1 failed, 0 skipped\n", true },
    { "v2-initial-bytes", "[fault f]\nevent=precopy-info\nonce=no\n"
      "value=4096\n", "not ok 14 - tells how much it has to give\n# 4096 "
      "initial bytes are left when all was read", true },
    { "v2-precopy-info", "[fault f]\nevent=precopy-info\nonce=no\n"
      "errno=EIO\n", "not ok 14 - tells how much it has to give\n# "
      "VFIO_MIG_GET_PRECOPY_INFO fails in pre-copy\n", true },
    { "v2-size", "told-size=0\n", "not ok 14 - tells how much it has to give\n"
      "# the stopped device told that nothing is left, and gave 256 KiB\n",
      true },
    { "v2-pieces", "[fault f]\nevent=data-write\ncount=400\nerrno=EINVAL\n",
      "not ok 15 - takes its state in pieces of any size\n# in small pieces: "
      "dev0: the driver did not accept migration data at byte ",
      true },
    { "v2-reset", "[fault f]\nevent=reset\nstate=resuming\nonce=no\n"
      "errno=EIO\n", "not ok 16 - survives a state that ends too early\n",
      true },
};

#define LOG_FAULT(name, event, more, n, says) \
    { name, "log=yes\n[fault f]\nevent=" event "\n" more "\n", \
      "not ok " n " - " says, true }

/* Only the log is at fault: all other cases pass. */
static const Bad bad_logs[] = {
    LOG_FAULT("no-start", "log-start", "errno=EIO", "20", "logs its DMA, and "
              "reports it\n# one range: VFIO_DEVICE_FEATURE_DMA_LOGGING_START "
              "of 3 GiB in 1 ranges: Input/output error\n"),
    LOG_FAULT("no-report", "log-report", "errno=EIO", "20", "logs its DMA, "
              "and reports it\n# all of it: "
              "VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT of 0xc0000000 bytes "
              "from 0x0 on: Input/output error\n"),
    LOG_FAULT("no-piece", "log-report", "count=2\nerrno=EINVAL", "20", "logs "
              "its DMA, and reports it\n# a piece of it: "),
    LOG_FAULT("no-stop", "log-stop", "errno=EIO", "20", "logs its DMA, and "
              "reports it\n# one range: VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP: "
              "Input/output error\n"),
    LOG_FAULT("one-range", "log-start", "count=2\nerrno=EOPNOTSUPP", "20",
              "logs its DMA, and reports it\n# two ranges: "
              "VFIO_DEVICE_FEATURE_DMA_LOGGING_START of 5 GiB in 2 ranges: "
              "Operation not supported\n"),
    LOG_FAULT("not-when-stopped", "log-report", "state=stop-copy\n"
              "errno=EIO", "22", "reports when it has stopped\n# in "
              "stop-copy: "),
    LOG_FAULT("once-only", "log-start", "state=stop\nonce=no\nerrno=EBUSY",
              "22", "reports when it has stopped\n# after a migration: "),
    LOG_FAULT("not-after-reset", "log-start", "count=8\nerrno=EIO", "23",
              "logs its DMA after a reset\n# after a reset with a log: "),
    { "report-of-none-taken", "log=yes\nlog-misuse=take\n", "not ok 21 - "
      "refuses a second log, and reports of none\n# "
      "VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT is taken while there is no log: "
      "what was written would be lost without a word\n", true },
    /* The fifth report, without a log, is rejected as it should be. */
    { "second-taken", "log=yes\nlog-misuse=take\n[fault f]\n"
      "event=log-report\ncount=5\nerrno=EINVAL\n", "not ok 21 - refuses a "
      "second log, and reports of none\n# "
      "VFIO_DEVICE_FEATURE_DMA_LOGGING_START is taken while there is a log\n",
      true },
};

typedef struct Wrong {
    const char *const argv[5];
    const char *says;
} Wrong;

static const Wrong wrong_lines[] = {
    { { TOOL_PROGRAM }, "Usage: vfio-migrate COMMAND" },
    { { TOOL_PROGRAM, "eat" }, "no command eat; see vfio-migrate --help" },
    { { TOOL_PROGRAM, "eat", "info" }, "no command eat" },
    { { TOOL_PROGRAM, "save" }, "save takes DEVICE FILE; see vfio-migrate "
                                "save --help" },
    { { TOOL_PROGRAM, "--rounds=0", "test", "x" }, "are at least 1" },
    { { TOOL_PROGRAM, "--eat" }, "Unknown option --eat" },
    { { TOOL_PROGRAM, "--rounds=1", "info", "x" }, "Unknown option --rounds" },
};

static void test_usage(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong_lines); i++) {
        g_auto(Run) run = { 0 };

        setup(&run, DEVICE);
        start(&run, wrong_lines[i].argv, true);
        g_assert_cmpint(run.exit_status, ==, 2);
        assert_says(&run, wrong_lines[i].says);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vfio-migrate/save-paused", test_save_paused);
    g_test_add_func("/vfio-migrate/file/private", test_file_private);
    g_test_add_func("/vfio-migrate/file/failed", test_file_failed);
    g_test_add_func("/vfio-migrate/file/interrupted", test_file_interrupted);
    g_test_add_func("/vfio-migrate/file/standard-output",
                    test_file_standard_output);
    g_test_add_func("/vfio-migrate/file/special", test_file_special);
    g_test_add_func("/vfio-migrate/file/terminal", test_file_terminal);
    g_test_add_func("/vfio-migrate/file/reader-gone", test_file_reader_gone);
    g_test_add_func("/vfio-migrate/load-other-protocol",
                    test_load_other_protocol);
    g_test_add_func("/vfio-migrate/usage", test_usage);
    ADD_ROWS("/vfio-migrate/passes/", good_drivers, test_passes);
    ADD_ROWS("/vfio-migrate/passes/", good_drivers_v2, test_passes_v2);
    ADD_ROWS("/vfio-migrate/finds/", bad_drivers, test_finds);
    ADD_ROWS("/vfio-migrate/finds/log-", bad_logs, test_finds);
    return g_test_run();
}
