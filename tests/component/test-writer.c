/*
 * Component test: a slow device is written by a separate thread
 *
 * The destination's devices take 10 ms per MiB. The tests count the threads
 * that were created. The device must receive the source's data in the same
 * chunks, or the load must fail with the reason.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "component.h"

#define CHUNK           "window-size=256K\n"
#define SLOW            "load-rate=100M\n"

/* ---- threads ---- */

static unsigned nr_writers;
static unsigned loaded_before;  /* chunks of "dst0" at the last creation */
static unsigned loaded_at_join; /* most chunks of a device, at the first join */
static bool no_time_passes;

void __real_qemu_thread_create(QemuThread *thread, const char *name,
                               void *(*run)(void *), void *arg, int mode);
void __wrap_qemu_thread_create(QemuThread *thread, const char *name,
                               void *(*run)(void *), void *arg, int mode);

void __wrap_qemu_thread_create(QemuThread *thread, const char *name,
                               void *(*run)(void *), void *arg, int mode)
{
    if (!strcmp(name, "vfio-load")) {
        nr_writers++;
        loaded_before = comp_transcript_count(" dst0 chunk-loaded");
    }
    __real_qemu_thread_create(thread, name, run, arg, mode);
}

void *__real_qemu_thread_join(QemuThread *thread);
void *__wrap_qemu_thread_join(QemuThread *thread);

void *__wrap_qemu_thread_join(QemuThread *thread)
{
    if (!loaded_at_join) {
        /* Either device's thread may be the first. */
        loaded_at_join = MAX(comp_transcript_count(" dst0 chunk-loaded"),
                             comp_transcript_count(" dst1 chunk-loaded"));
    }
    return __real_qemu_thread_join(thread);
}

/* Stop the clock, so that a device keeps up on a busy machine, too. */
int64_t __real_qemu_clock_get_ns(QEMUClockType type);
int64_t __wrap_qemu_clock_get_ns(QEMUClockType type);

int64_t __wrap_qemu_clock_get_ns(QEMUClockType type)
{
    return no_time_passes ? 1 : __real_qemu_clock_get_ns(type);
}

/* ---- pairs ---- */

typedef struct Layout {
    const char *name;
    const char *keys;           /* of both devices */
} Layout;

static const Layout layouts[] = {
    { "v1-mapped", CHUNK "areas=all\nstate-size=8M\n" },
    { "v1-trapped", CHUNK "areas=none\nstate-size=8M\n" },
    { "v1-stripes", CHUNK "areas=stripes:64K\nstate-size=8M\n" },
    { "v1-longer-than-the-queue", CHUNK "areas=all\nstate-size=24M\n" },
    { "v1-one-large-chunk",
      "window-size=32M\nareas=all\nstate-size=40M\n" },
    { "v1-pre-copy", CHUNK "areas=all\nstate-size=8M\nprecopy-size=6M\n" },
    { "v2", "profile=mlx5-6.2\nstate-size=8M\n" },
    { "v2-longer-than-the-queue", "profile=mlx5-6.2\nstate-size=24M\n" },
};

static void begin(const char *keys, const char *fault)
{
    g_autofree char *dst = g_strconcat(keys, SLOW, NULL);
    g_autofree char *rule =
        fault ? g_strconcat("[fault f]\ndevice=dst\n", fault, NULL) : NULL;

    comp_sim_pair(keys, dst, rule);
    nr_writers = 0;
}

static void save(GByteArray *bytes)
{
    comp_save_src(bytes);
    comp_close_all();
    comp_forget_messages();
}

static void check_whole(VFIODevice *vbasedev)
{
    VFIOSimStatus src = comp_status("src"), dst = comp_status("dst");

    g_assert_cmpint(comp_property_int(vbasedev, "transferred-bytes"), ==,
                    src.saved_bytes);
    g_assert_cmpint(comp_property_int(vbasedev, "mapped-bytes") +
                    comp_property_int(vbasedev, "trapped-bytes"), ==,
                    src.saved_bytes);
    g_assert_cmpuint(dst.loaded_bytes, ==, src.saved_bytes);
    /* The same chunks as at the source (v2 has none) */
    g_assert_cmpuint(comp_transcript_count(" dst chunk-loaded"), ==,
                     comp_transcript_count(" src chunk-done"));
    comp_run_same("src", "dst");
    g_assert_cmpstr(comp_messages(), ==, "");
}

static void test_arrives(gconstpointer data)
{
    const Layout *layout = data;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *vbasedev;

    begin(layout->keys, NULL);
    save(bytes);
    vbasedev = comp_load_dst(bytes);
    g_assert_cmpuint(nr_writers, ==, 1);
    check_whole(vbasedev);
    comp_sim_end();
}

/* A MiB is needed to tell whether a device is slow. */
static void test_little(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *vbasedev;

    begin(CHUNK "areas=all\nstate-size=1000K\n", NULL);
    save(bytes);
    vbasedev = comp_load_dst(bytes);
    g_assert_cmpuint(nr_writers, ==, 0);
    check_whole(vbasedev);
    comp_sim_end();
}

/* ---- failures ---- */

typedef struct Failure {
    const char *name;
    const char *keys;
    const char *fault;
    const char *text;
} Failure;

#define V1_ALL  CHUNK "areas=all\nstate-size=8M\n"
#define V1_NONE CHUNK "areas=none\nstate-size=8M\n"
#define V2      "profile=mlx5-6.2\nstate-size=8M\n"

/* The thread writes from the thirteenth chunk on, in v2 from the fourth. */
static const Failure failures[] = {
    { "size", V1_ALL, "event=data-size-write\ncount=20\nerrno=EIO\n",
      "dst: the driver did not accept a chunk of 262144 bytes" },
    { "last-chunk", V1_ALL, "event=data-size-write\ncount=32\nerrno=EIO\n",
      "dst: the driver did not accept a chunk of 262144 bytes" },
    { "offset", V1_ALL, "event=data-offset-read\ncount=20\nvalue=1T\n",
      "offset 0x10000000000 of" },
    { "trapped", V1_NONE, "event=data-write\ncount=25\nerrno=ENOSPC\n",
      "at offset 0x1000: No space left on device" },
    { "window", V1_ALL, "event=data-offset-read\ncount=20\nwindow=gone\n",
      "dst: the device's data window went away" },
    { "v2", V2, "event=data-write\ncount=6\nerrno=EIO\n",
      "dst: the driver did not accept migration data" },
    { "v2-last", V2, "event=data-write\ncount=8\nerrno=EIO\n",
      "dst: the driver did not accept migration data" },
};

static void test_fails(gconstpointer data)
{
    const Failure *failure = data;
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    begin(failure->keys, failure->fault);
    save(bytes);
    comp_open("dst");
    g_assert_cmpint(comp_load(bytes, NULL), <, 0);
    g_assert_cmpuint(nr_writers, ==, 1);
    g_assert_cmpint(vfio_sim_fault_fired("f"), >=, 1);
    comp_assert_message(failure->text);
    g_assert_cmpuint(comp_count_messages(failure->text), ==, 1);
    g_assert_false(comp_status("dst").loaded);
    /* The failure must not affect the next load. */
    comp_arrives(bytes);
    comp_sim_end();
}

/* The stream ends at each sixteenth of its length, or 1 or 2 bytes later. */
static void test_cut(gconstpointer data)
{
    const Layout *layout = data;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    unsigned n;

    begin(layout->keys, NULL);
    comp_allow_violations();
    save(bytes);
    for (n = 1; n < 16; n++) {
        size_t size = (uint64_t)bytes->len * n / 16 + n % 3;

        comp_open("dst");
        g_assert_cmpint(comp_load_data(bytes->data, size, NULL), <, 0);
        /* At the boundary of a section, QEMU reports the error instead. */
        if (!strstr(comp_messages(), "the stream ends too early")) {
            comp_assert_message("dst: cannot read ");
        }
        g_assert_cmpuint(comp_count_messages("given up"), ==, 0);
        g_assert_false(comp_status("dst").loaded);
        comp_close_all();
        comp_forget_messages();
    }
    g_assert_cmpuint(nr_writers, >, 0);
    comp_sim_end();
}

/* ---- two devices ---- */

/* Keys of the two sources, then of the two destinations */
static const char *const two_slow[] = {
    V1_ALL, V1_ALL, V1_ALL "load-rate=16M\n", V1_ALL SLOW,
};

/* Save two devices, open their destinations. @keys: as comp_sim_several() */
static void two_saved(const char *const *keys, unsigned nr_keys,
                      const char *faults, GByteArray *bytes)
{
    VFIODevice *devices[2];

    comp_sim_several(2, keys, nr_keys, faults);
    nr_writers = loaded_at_join = 0;
    comp_open_several("src", devices, 2);
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_close_all();
    comp_forget_messages();
    comp_open_several("dst", devices, 2);
}

/*
 * The first device needs half a second for the data that its thread was given.
 * It must not have finished when the second one has proved slow, after 30 ms.
 */
static void test_two(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    two_saved(two_slow, ARRAY_SIZE(two_slow), "", bytes);
    g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
    g_assert_cmpuint(nr_writers, ==, 2);
    g_assert_cmpuint(loaded_before, <, 32);
    g_assert_cmpuint(comp_transcript_count(" dst0 chunk-loaded"), ==, 32);
    comp_several_run(2);
    comp_sim_end();
}

/*
 * Loading must not wait for a device's slow first chunk. Its whole state fits
 * into the queue, 4 MiB here, whichever device is first in the stream.
 */
static void test_two_first_chunk(void)
{
    static const char *const keys[] = { CHUNK "state-size=3M\n" };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    two_saved(keys, 1, "[fault f]\ndevice=dst0\nevent=data-size-write\n"
              "delay-ms=500\n", bytes);
    g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
    g_assert_cmpint(vfio_sim_fault_fired("f"), ==, 1);
    g_assert_cmpuint(nr_writers, ==, 2);
    g_assert_cmpuint(loaded_before, ==, 0);
    comp_several_run(2);
    comp_sim_end();
}

/* If several devices keep up, their threads end after some chunks. */
static void test_two_fast(void)
{
    static const char *const keys[] = { CHUNK "state-size=24M\n" };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    two_saved(keys, 1, "", bytes);
    no_time_passes = true;
    g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
    no_time_passes = false;
    g_assert_cmpuint(nr_writers, ==, 2);
    g_assert_cmpuint(loaded_at_join, >=, 12);
    g_assert_cmpuint(loaded_at_join, <, 96);
    comp_several_run(2);
    comp_sim_end();
}

/* One device fails: the thread of the other one is stopped, too. */
static void test_two_fails(gconstpointer data)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    const char *device = data;
    g_autofree char *fault =
        g_strdup_printf("[fault f]\ndevice=%s\nevent=data-size-write\n"
                        "count=14\nerrno=EIO\n", device);
    g_autofree char *text =
        g_strdup_printf("%s: the driver did not accept a chunk", device);

    two_saved(two_slow, ARRAY_SIZE(two_slow), fault, bytes);
    g_assert_cmpint(comp_load(bytes, NULL), <, 0);
    g_assert_cmpint(vfio_sim_fault_fired("f"), ==, 1);
    comp_assert_message(text);
    g_assert_false(comp_status("dst0").loaded);
    g_assert_false(comp_status("dst1").loaded);
    comp_sim_end();
}

int main(int argc, char **argv)
{
    comp_init(&argc, &argv);
    ADD_ROWS("/writer/arrives/", layouts, test_arrives);
    g_test_add_func("/writer/little", test_little);
    ADD_ROWS("/writer/fails/", failures, test_fails);
    g_test_add_data_func("/writer/cut/v1", &layouts[0], test_cut);
    g_test_add_data_func("/writer/cut/v2", &layouts[6], test_cut);
    g_test_add_func("/writer/two", test_two);
    g_test_add_func("/writer/two-first-chunk", test_two_first_chunk);
    g_test_add_func("/writer/two-fast", test_two_fast);
    g_test_add_data_func("/writer/two-fails/first", "dst0", test_two_fails);
    g_test_add_data_func("/writer/two-fails/second", "dst1", test_two_fails);
    return comp_run();
}
