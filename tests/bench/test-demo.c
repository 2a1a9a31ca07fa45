/*
 * Test: the demonstration tells a migration that went well from one that did
 * not, by its words and by its exit status
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>
#include <string.h>
#include <glib.h>
#include <glib/gstdio.h>

#include "../tools/run.h"

typedef struct Run {
    char *output;             /* stdout and stderr */
    char *page;               /* the timeline; NULL if there is none */
    int status;               /* of the exit */
} Run;

static void run_clear(Run *run)
{
    g_free(run->output);
    g_free(run->page);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

static bool no_qemu(void)
{
    g_autofree char *qemu = g_find_program_in_path("qemu-system-x86_64");

    if (!qemu) {
        g_test_skip("qemu-system-x86_64 is not installed");
    }
    return !qemu;
}

static void run_demo(Run *run, const char *first, const char *second)
{
    g_autofree char *directory = g_dir_make_tmp("vfio-demo-XXXXXX", NULL);
    g_autofree char *page = g_build_filename(directory, "a page.html", NULL);
    const char *argv[] = { DEMO_PROGRAM, "--state-size", "2M",
                           "--precopy-size", "1M", "--timeline", page, first,
                           second, NULL };
    g_auto(Outcome) o = run_program(NULL, NULL, argv);

    run->output = g_strconcat(o.output, o.errors, NULL);
    run->status = o.status;
    g_test_message("%s", run->output);
    g_file_get_contents(page, &run->page, NULL, NULL);
    g_unlink(page);
    g_rmdir(directory);
}

static void assert_says(const Run *run, const char *text)
{
    if (!strstr(run->output, text)) {
        g_error("'%s' is not in:\n%s", text, run->output);
    }
}

static void test_moves(const void *layout)
{
    g_auto(Run) run = { 0 };

    if (no_qemu()) {
        return;
    }
    run_demo(&run, "--layout", layout);
    g_assert_cmpint(run.status, ==, 0);
    assert_says(&run, " MiB taken, and each word of it checked");
    assert_says(&run, "64 MiB compared byte by byte");
    assert_says(&run, "runs on");
    assert_says(&run, "The VM has moved, and nothing was lost.");
    assert_says(&run, "protocol v1");
    g_assert_null(strstr(run.output, "DIFFERENT"));
    assert_says(&run, "/a%20page.html");
    g_assert_nonnull(run.page);
    g_assert_nonnull(strstr(run.page, "downtime: the VM stood still"));
    g_assert_nonnull(strstr(run.page, "dev0 is loaded"));
    /* No colours where it is not a terminal. */
    g_assert_null(strchr(run.output, '\033'));
}

/* All was loaded, and then the device does not start. */
static void test_destination_stands(void)
{
    g_auto(Run) run = { 0 };

    if (no_qemu()) {
        return;
    }
    run_demo(&run, "--fault",
             "destination:event=state-write,to=running,errno=EIO");
    g_assert_cmpint(run.status, ==, 1);
    assert_says(&run, "FAILED: at the destination: dev0: cannot change the "
                      "device's state from resuming to running");
}

static void test_source_fails(void)
{
    g_auto(Run) run = { 0 };

    if (no_qemu()) {
        return;
    }
    run_demo(&run, "--fault",
             "source:event=data-size-read,state=stop-copy,errno=EIO");
    g_assert_cmpint(run.status, ==, 1);
    assert_says(&run, "FAILED: at the source: dev0: cannot read data_size of "
                      "the migration region: Input/output error");
    assert_says(&run, "At the source the VM is running: its guest counts on");
    g_assert_nonnull(run.page);
    g_assert_nonnull(strstr(run.page, "dev0: cannot read data_size"));
    g_assert_null(strstr(run.output, "The VM has moved"));
}

static void test_destination_fails(void)
{
    g_auto(Run) run = { 0 };

    if (no_qemu()) {
        return;
    }
    run_demo(&run, "--fault",
             "destination:event=data-size-write,count=2,errno=ENOSPC");
    g_assert_cmpint(run.status, ==, 1);
    assert_says(&run, "FAILED: at the destination: dev0: the driver did not "
                      "accept a chunk of");
    assert_says(&run, "No space left on device");
    g_assert_null(strstr(run.output, "The VM has moved"));
}

/* A thousandth mapping never comes: what was asked for was not shown. */
static void test_idle_fault(void)
{
    g_auto(Run) run = { 0 };

    if (no_qemu()) {
        return;
    }
    run_demo(&run, "--fault", "destination:event=mmap,count=1000,errno=EIO");
    g_assert_cmpint(run.status, ==, 1);
    assert_says(&run, "FAILED: the VM has moved, but the fault of the "
                "destination's device never fired: event=mmap,count=1000");
    g_assert_null(strstr(run.output, "nothing was lost"));
}

/* One that fires and does no harm is no failure. */
static void test_harmless_fault(void)
{
    g_auto(Run) run = { 0 };

    if (no_qemu()) {
        return;
    }
    run_demo(&run, "--fault", "source:event=data-size-read,delay-ms=20");
    g_assert_cmpint(run.status, ==, 0);
    assert_says(&run, "nothing was lost");
}

static void test_usage(void)
{
    static const char *const wrong[][2] = {
        { "--layout", "nonsense" }, { "--rate", "fast" },
        { "--fault", "nobody:errno=EIO" }, { "--nonsense", NULL },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_auto(Run) run = { 0 };

        run_demo(&run, wrong[i][0], wrong[i][1]);
        g_assert_cmpint(run.status, ==, 2);
        assert_says(&run, "vfio-demo: ");
    }
}

static void test_version(void)
{
    g_auto(Run) run = { 0 };

    run_demo(&run, "--version", NULL);
    g_assert_cmpint(run.status, ==, 0);
    g_assert_true(g_str_has_prefix(run.output, "vfio-demo "));
}

/* Said before anything runs, in the words of who wrote the rule. */
static void test_wrong_rule(void)
{
    static const char *const wrong[][2] = {
        { "source:event=data-size-read,errno=OOPS",
          "vfio-demo: --fault=source: errno: " },
        { "source:foo=1", "vfio-demo: --fault=source: foo: no such key" },
        { "destination:event=nonsense", "vfio-demo: --fault=destination: "
          "event: 'nonsense' is none of the events in docs/sim.md" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_auto(Run) run = { 0 };

        run_demo(&run, "--fault", wrong[i][0]);
        g_assert_cmpint(run.status, ==, 2);
        g_assert_true(g_str_has_prefix(run.output, wrong[i][1]));
        g_assert_null(strstr(run.output, ".conf"));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/demo/moves/mixed", "mixed", test_moves);
    g_test_add_data_func("/demo/moves/trapped", "trapped", test_moves);
    g_test_add_func("/demo/source-fails", test_source_fails);
    g_test_add_func("/demo/destination-fails", test_destination_fails);
    g_test_add_func("/demo/destination-stands", test_destination_stands);
    g_test_add_func("/demo/idle-fault", test_idle_fault);
    g_test_add_func("/demo/harmless-fault", test_harmless_fault);
    g_test_add_func("/demo/usage", test_usage);
    g_test_add_func("/demo/version", test_version);
    g_test_add_func("/demo/wrong-rule", test_wrong_rule);
    return g_test_run();
}
