/*
 * Component test: a slow device is written by a thread of its own
 *
 * The destination's devices take a hundredth of a second for a MiB. That the
 * thread was there is counted; what it gave to the device must be what the
 * source's had, in the same chunks, or the load fails with the reason.
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
#define OTHER_ID        "0000:00:05.0"

/* ---- threads ---- */

static unsigned nr_writers;
static unsigned loaded_before;  /* chunks of "dst", when the last one began */
static unsigned loaded_at_join; /* of the one with more, at the first join */
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
        loaded_before = comp_transcript_count(" dst chunk-loaded");
    }
    __real_qemu_thread_create(thread, name, run, arg, mode);
}

void *__real_qemu_thread_join(QemuThread *thread);
void *__wrap_qemu_thread_join(QemuThread *thread);

void *__wrap_qemu_thread_join(QemuThread *thread)
{
    if (!loaded_at_join) {
        /* That of either device may be the first. */
        loaded_at_join = MAX(comp_transcript_count(" dst chunk-loaded"),
                             comp_transcript_count(" dst2 chunk-loaded"));
    }
    return __real_qemu_thread_join(thread);
}

/* So that a device keeps up, however busy the machine is */
int64_t __real_qemu_clock_get_ns(QEMUClockType type);
int64_t __wrap_qemu_clock_get_ns(QEMUClockType type);

int64_t __wrap_qemu_clock_get_ns(QEMUClockType type)
{
    return no_time_passes ? 1 : __real_qemu_clock_get_ns(type);
}

/* ---- pairs ---- */

typedef struct Layout {
    const char *name;
    const char *keys;           /* of both sides */
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

static void begin(const char *keys, const char *slow, const char *fault)
{
    g_autofree char *config =
        g_strdup_printf("[device src]\ngroup=1\n%s"
                        "[device dst]\ngroup=2\nseed=99\n%s%s"
                        "%s%s", keys, keys, slow,
                        fault ? "[fault f]\ndevice=dst\n" : "",
                        fault ? fault : "");

    comp_sim(config);
    nr_writers = 0;
}

static void save(GByteArray *bytes)
{
    comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
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
    /* Each chunk as the source's device gave it (in v2 none is one) */
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

    begin(layout->keys, SLOW, NULL);
    save(bytes);
    vbasedev = comp_open("dst");
    g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
    g_assert_cmpuint(nr_writers, ==, 1);
    check_whole(vbasedev);
    comp_sim_end();
}

/* Less than a MiB says nothing of a device. */
static void test_little(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *vbasedev;

    begin(CHUNK "areas=all\nstate-size=1000K\n", SLOW, NULL);
    save(bytes);
    vbasedev = comp_open("dst");
    g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
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

static unsigned count_text(const char *text, const char *part)
{
    unsigned n = 0;

    for (; (text = strstr(text, part)); text++) {
        n++;
    }
    return n;
}

static void test_fails(gconstpointer data)
{
    const Failure *failure = data;
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    begin(failure->keys, SLOW, failure->fault);
    save(bytes);
    comp_open("dst");
    g_assert_cmpint(comp_load(bytes, NULL), <, 0);
    g_assert_cmpuint(nr_writers, ==, 1);
    g_assert_cmpint(vfio_sim_fault_fired("f"), >=, 1);
    comp_assert_message(failure->text);
    g_assert_cmpuint(count_text(comp_messages(), failure->text), ==, 1);
    g_assert_false(comp_status("dst").loaded);
    /* Nothing of it is left for the next one. */
    comp_arrives(bytes);
    comp_sim_end();
}

/* The stream ends in each sixteenth of it, and one byte beside. */
static void test_cut(gconstpointer data)
{
    const Layout *layout = data;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    unsigned n;

    begin(layout->keys, SLOW, NULL);
    comp_allow_violations();
    save(bytes);
    for (n = 1; n < 16; n++) {
        size_t size = (uint64_t)bytes->len * n / 16 + n % 3;

        comp_open("dst");
        g_assert_cmpint(comp_load_data(bytes->data, size, NULL), <, 0);
        /* Where a section begins or ends, QEMU says it of that. */
        if (!strstr(comp_messages(), "the stream ends too early")) {
            comp_assert_message("dst: cannot read ");
        }
        g_assert_cmpuint(count_text(comp_messages(), "given up"), ==, 0);
        g_assert_false(comp_status("dst").loaded);
        comp_close_all();
        comp_forget_messages();
    }
    g_assert_cmpuint(nr_writers, >, 0);
    comp_sim_end();
}

/* ---- two devices ---- */

#define TWO(fault) \
    "[device src]\ngroup=1\nseed=1\n" V1_ALL \
    "[device other]\ngroup=2\nseed=2\n" V1_ALL \
    "[device dst]\ngroup=3\nseed=3\n" V1_ALL "load-rate=16M\n" \
    "[device dst2]\ngroup=4\nseed=4\n" V1_ALL SLOW fault

#define TWO_FAST(more) \
    "[device src]\ngroup=1\nseed=1\n" more \
    "[device other]\ngroup=2\nseed=2\n" more \
    "[device dst]\ngroup=3\nseed=3\n" more \
    "[device dst2]\ngroup=4\nseed=4\n" more

static void two_saved(const char *config, GByteArray *bytes)
{
    VFIOHostSettings settings = { .multi_device = true };
    VFIOHostDeviceOptions options = { .id = OTHER_ID };

    comp_sim(config);
    vfio_host_settings = settings;
    nr_writers = loaded_at_join = 0;
    comp_open("src");
    g_assert_nonnull(comp_try_open("other", options, NULL));
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_close_all();
    comp_forget_messages();
    comp_open("dst");
    g_assert_nonnull(comp_try_open("dst2", options, NULL));
}

static void check_two(void)
{
    vfio_host_vm_start();
    g_assert_cmpstr(comp_status("dst").loaded_digest, ==,
                    comp_status("src").saved_digest);
    g_assert_cmpstr(comp_status("dst2").loaded_digest, ==,
                    comp_status("other").saved_digest);
    comp_sim_end();
}

/*
 * The first one, which needs half a second for what its thread was given, is
 * not done with it when the second one has shown in 30 ms that it is slow.
 */
static void test_two(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    two_saved(TWO(""), bytes);
    g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
    g_assert_cmpuint(nr_writers, ==, 2);
    g_assert_cmpuint(loaded_before, <, 32);
    g_assert_cmpuint(comp_transcript_count(" dst chunk-loaded"), ==, 32);
    check_two();
}

/*
 * Nobody waits for what a device does at its first chunk. All of its state has
 * room in the queue, of 4 MiB here, whatever comes first in the stream.
 */
static void test_two_first_chunk(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    two_saved(TWO_FAST(CHUNK "state-size=3M\n")
              "[fault f]\ndevice=dst\nevent=data-size-write\n"
              "delay-ms=500\n", bytes);
    g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
    g_assert_cmpint(vfio_sim_fault_fired("f"), ==, 1);
    g_assert_cmpuint(nr_writers, ==, 2);
    g_assert_cmpuint(loaded_before, ==, 0);
    check_two();
}

/* Several that keep up have their threads for some chunks only. */
static void test_two_fast(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    two_saved(TWO_FAST(CHUNK "state-size=24M\n"), bytes);
    no_time_passes = true;
    g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
    no_time_passes = false;
    g_assert_cmpuint(nr_writers, ==, 2);
    g_assert_cmpuint(loaded_at_join, >=, 12);
    g_assert_cmpuint(loaded_at_join, <, 96);
    check_two();
}

/* Of one device: the other one's thread ends with it, in mid-air. */
static void test_two_fails(gconstpointer data)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    const char *device = data;
    g_autofree char *config =
        g_strdup_printf(TWO("[fault f]\ndevice=%s\nevent=data-size-write\n"
                            "count=14\nerrno=EIO\n"), device);
    g_autofree char *text =
        g_strdup_printf("%s: the driver did not accept a chunk", device);

    two_saved(config, bytes);
    g_assert_cmpint(comp_load(bytes, NULL), <, 0);
    g_assert_cmpint(vfio_sim_fault_fired("f"), ==, 1);
    comp_assert_message(text);
    g_assert_false(comp_status("dst").loaded);
    g_assert_false(comp_status("dst2").loaded);
    comp_sim_end();
}

int main(int argc, char **argv)
{
    size_t i;

    comp_init(&argc, &argv);
    for (i = 0; i < ARRAY_SIZE(layouts); i++) {
        g_autofree char *arrives = g_strconcat("/writer/arrives/",
                                               layouts[i].name, NULL);

        g_test_add_data_func(arrives, &layouts[i], test_arrives);
    }
    g_test_add_func("/writer/little", test_little);
    for (i = 0; i < ARRAY_SIZE(failures); i++) {
        g_autofree char *fails = g_strconcat("/writer/fails/",
                                             failures[i].name, NULL);

        g_test_add_data_func(fails, &failures[i], test_fails);
    }
    g_test_add_data_func("/writer/cut/v1", &layouts[0], test_cut);
    g_test_add_data_func("/writer/cut/v2", &layouts[6], test_cut);
    g_test_add_func("/writer/two", test_two);
    g_test_add_func("/writer/two-first-chunk", test_two_first_chunk);
    g_test_add_func("/writer/two-fast", test_two_fast);
    g_test_add_data_func("/writer/two-fails/first", "dst", test_two_fails);
    g_test_add_data_func("/writer/two-fails/second", "dst2", test_two_fails);
    return comp_run();
}
