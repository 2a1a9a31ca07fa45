/*
 * Test: the demonstration reports whether a migration succeeded, in its output
 * and by its exit status
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>
#include <string.h>
#include <glib.h>
#include <glib/gstdio.h>

#include "../tools/run.h"

/* Text that must, and must not, be in the output; each list ends with NULL */
typedef struct Demo {
    const char *name;
    const char *option, *value;
    int status;
    const char *says[8], *never[3], *page[3];
} Demo;

#define MOVES \
    " MiB taken, and each word of it checked", \
    "64 MiB compared byte by byte", "runs on", \
    "The VM has moved, and nothing was lost.", "protocol v1", \
    "/a%20page.html"

static const Demo demos[] = {
    /* There are no colours if the output is not a terminal. */
    { "moves/mixed", "--layout", "mixed", 0, { MOVES },
      { "DIFFERENT", "\033" },
      { "downtime: the VM stood still", "dev0 is loaded" } },
    { "moves/trapped", "--layout", "trapped", 0, { MOVES },
      { "DIFFERENT", "\033" },
      { "downtime: the VM stood still", "dev0 is loaded" } },
    { "source-fails",
      "--fault", "source:event=data-size-read,state=stop-copy,errno=EIO", 1,
      { "FAILED: at the source: dev0: cannot read data_size of the migration "
        "region: Input/output error",
        "At the source the VM is running: its guest counts on" },
      { "The VM has moved" }, { "dev0: cannot read data_size" } },
    { "destination-fails",
      "--fault", "destination:event=data-size-write,count=2,errno=ENOSPC", 1,
      { "FAILED: at the destination: dev0: the driver did not accept a chunk "
        "of", "No space left on device" }, { "The VM has moved" } },
    /* The whole state was loaded, but the device does not start. */
    { "destination-stands",
      "--fault", "destination:event=state-write,to=running,errno=EIO", 1,
      { "FAILED: at the destination: dev0: cannot change the device's state "
        "from resuming to running" } },
    /* There is no 1000th mapping: the requested fault did not happen. */
    { "idle-fault",
      "--fault", "destination:event=mmap,count=1000,errno=EIO", 1,
      { "FAILED: the VM has moved, but the fault of the destination's device "
        "never fired: event=mmap,count=1000" }, { "nothing was lost" } },
    /* A fault that fires without any harm is not a failure. */
    { "harmless-fault", "--fault", "source:event=data-size-read,delay-ms=20",
      0, { "nothing was lost" } },
};

/* @page: set to the timeline, NULL if there is none; or NULL */
static Outcome run_demo(const char *first, const char *second, char **page)
{
    g_autofree char *directory = g_dir_make_tmp("vfio-demo-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "a page.html", NULL);
    const char *argv[] = { DEMO_PROGRAM, "--state-size", "2M",
                           "--precopy-size", "1M", "--timeline", path, first,
                           second, NULL };
    Outcome o = run_program(NULL, NULL, argv);

    g_test_message("%s%s", o.output, o.errors);
    if (page) {
        g_file_get_contents(path, page, NULL, NULL);
    }
    g_unlink(path);
    g_rmdir(directory);
    return o;
}

static void expect_words(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (!strstr(text, *words)) {
            g_error("'%s' is not in:\n%s", *words, text);
        }
    }
}

static void test_demo(const void *opaque)
{
    const Demo *d = opaque;
    g_autofree char *qemu = g_find_program_in_path("qemu-system-x86_64");
    g_autofree char *page = NULL, *all = NULL;
    g_auto(Outcome) o = { 0 };

    if (!qemu) {
        g_test_skip("qemu-system-x86_64 is not installed");
        return;
    }
    o = run_demo(d->option, d->value, &page);
    all = g_strconcat(o.output, o.errors, NULL);
    g_assert_cmpint(o.status, ==, d->status);
    expect_words(all, d->says);
    for (const char *const *never = d->never; *never; never++) {
        g_assert_null(strstr(all, *never));
    }
    expect_words(page ? page : "", d->page);
}

static void test_usage(void)
{
    static const char *const wrong[][2] = {
        { "--layout", "nonsense" }, { "--rate", "fast" },
        { "--fault", "nobody:errno=EIO" }, { "--nonsense", NULL },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_auto(Outcome) o = run_demo(wrong[i][0], wrong[i][1], NULL);

        g_assert_cmpint(o.status, ==, 2);
        g_assert_nonnull(strstr(o.errors, "vfio-demo: "));
    }
}

static void test_version(void)
{
    g_auto(Outcome) o = run_demo("--version", NULL, NULL);

    g_assert_cmpint(o.status, ==, 0);
    g_assert_true(g_str_has_prefix(o.output, "vfio-demo "));
}

/* An invalid rule is reported before anything runs, with the rule's words. */
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
        g_auto(Outcome) o = run_demo("--fault", wrong[i][0], NULL);

        g_assert_cmpint(o.status, ==, 2);
        g_assert_cmpstr(o.output, ==, "");
        g_assert_true(g_str_has_prefix(o.errors, wrong[i][1]));
        g_assert_null(strstr(o.errors, ".conf"));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(demos); i++) {
        g_autofree char *path = g_strconcat("/demo/", demos[i].name, NULL);

        g_test_add_data_func(path, &demos[i], test_demo);
    }
    g_test_add_func("/demo/usage", test_usage);
    g_test_add_func("/demo/version", test_version);
    g_test_add_func("/demo/wrong-rule", test_wrong_rule);
    return g_test_run();
}
