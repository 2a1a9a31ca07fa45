/*
 * Component test: devices with protocol v2
 *
 * Every profile of the simulated device with a running and a paused VM, and the
 * path of states that each one takes; streams of the other protocol; drivers
 * that fail or report wrong values.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/vfio/vfio-common.h"
#include "component.h"

typedef struct Profile {
    const char *name;
    bool p2p, precopy;
    bool tells_no_size;         /* does not report its stop-copy size */
} Profile;

static const Profile profiles[] = {
    { "mlx5-6.1", true, false, .tells_no_size = true },
    { "mlx5-6.2", true, true },
    { "qat", true, true },
    { "pds", true, false },
    { "virtio", true, true },
    { "mtty", true, true },
    { "hisi", false, true },
    { "xe", true, false },
    { "vgpu", false, false },
};

static void begin(const Profile *profile)
{
    g_autofree char *keys = g_strdup_printf("protocol=v2\nprofile=%s\n",
                                            profile->name);

    comp_sim_pair(keys, keys, NULL);
}

/* The whole state was read, and no data fd is open. */
static void check_source(VFIODevice *vbasedev)
{
    VFIOSimStatus src = comp_status("src");
    g_autofree char *error = comp_property_str(vbasedev, "last-error");

    comp_assert_state("src", "stop");
    g_assert_cmpuint(src.unfinished_saves, ==, 0);
    g_assert_cmpuint(src.data_fds, ==, 0);
    g_assert_cmpint(comp_property_int(vbasedev, "transferred-bytes"), ==,
                    src.saved_bytes);
    g_assert_cmpstr(error, ==, "");
}

/* Sizes that the driver has reported are shown, others are absent. */
static void check_sizes(const Profile *profile, VFIODevice *vbasedev)
{
    g_autofree char *text = vfio_host_property_get(vbasedev, "vfio-migration",
                                                   NULL);

    g_assert_cmpint(strstr(text, "\"initial-bytes\"") != NULL, ==,
                    profile->precopy);
    g_assert_cmpint(strstr(text, "\"dirty-bytes\"") != NULL, ==,
                    profile->precopy);
    g_assert_cmpint(strstr(text, "\"stop-copy-bytes\"") != NULL, ==,
                    !profile->tells_no_size);
    if (!profile->precopy && !profile->tells_no_size) {
        g_assert_cmpint(comp_property_int(vbasedev, "stop-copy-bytes"), ==,
                        comp_status("src").saved_bytes);
    }
}

/* ---- the stream, checked against its description ---- */

#define TAG(number) (UINT64_C(0xffffffffef100000) + (number))

typedef struct Reader {
    const GByteArray *bytes;
    size_t at;
} Reader;

static uint64_t take(Reader *reader, unsigned width)
{
    uint64_t value = 0;

    g_assert_cmpuint(reader->at + width, <=, reader->bytes->len);
    while (width--) {
        value = value << 8 | reader->bytes->data[reader->at++];
    }
    return value;
}

/* Any number of DATA of 1 byte to 1 MiB, then END. Returns their bytes. */
static uint64_t take_data(Reader *reader)
{
    uint64_t sum = 0, size, tag;

    while ((tag = take(reader, 8)) != TAG(1)) {
        g_assert_cmphex(tag, ==, TAG(4));
        size = take(reader, 8);
        g_assert_cmpuint(size, >=, 1);
        g_assert_cmpuint(size, <=, 1024 * 1024);
        sum += size;
        reader->at += size;
    }
    return sum;
}

/* START with SETUP, PARTs and the END with data, FULL with the configuration */
static void check_stream(const GByteArray *bytes, bool running)
{
    Reader reader = { .bytes = bytes };
    uint64_t sum = 0, part;
    uint8_t type;

    g_assert_cmphex(take(&reader, 8), ==, UINT64_C(0x5145564d00000003));
    g_assert_cmpuint(take(&reader, 1), ==, 1);
    take(&reader, 4);
    g_assert_cmpuint(take(&reader, 1), ==, strlen(COMP_ID "/vfio"));
    reader.at += strlen(COMP_ID "/vfio") + 8;
    g_assert_cmphex(take(&reader, 8), ==, TAG(3));
    g_assert_cmphex(take(&reader, 8), ==, TAG(1));
    g_assert_cmphex(take(&reader, 5) >> 32, ==, 0x7e);
    while ((type = take(&reader, 1)) == 2 || type == 3) {
        take(&reader, 4);
        part = take_data(&reader);
        sum += part;
        g_assert_cmphex(take(&reader, 5) >> 32, ==, 0x7e);
        if (type == 3) {
            /* With a running VM all data was sent before. */
            g_assert_cmpint(part == 0, ==, running);
            break;
        }
    }
    g_assert_cmpuint(type, ==, 3);
    g_assert_cmpuint(sum, ==, comp_status("src").saved_bytes);
    g_assert_cmpuint(take(&reader, 1), ==, 4);
    reader.at += 4 + 1 + strlen(COMP_ID "/vfio") + 8;
    g_assert_cmphex(take(&reader, 8), ==, TAG(2));
    /* END of the configuration, footer, and the end of the stream */
    reader.at = bytes->len - 8 - 5 - 1;
    g_assert_cmphex(take(&reader, 8), ==, TAG(1));
}

static void migrate_over(const Profile *profile, bool running)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *vbasedev = comp_open("src");

    if (running) {
        vfio_host_vm_start();
    }
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    check_source(vbasedev);
    check_stream(bytes, running);
    if (running) {
        check_sizes(profile, vbasedev);
    }
    if (running && profile->tells_no_size) {
        comp_assert_message("warning: src: its driver does not tell");
        comp_forget_messages();
    }
    comp_load_dst(bytes);
    comp_assert_state("dst", "stop");
    g_assert_cmpuint(comp_status("dst").data_fds, ==, 0);
    comp_run_same("src", "dst");
    g_assert_cmpstr(comp_messages(), ==, "");
}

static void test_running(gconstpointer data)
{
    const Profile *profile = data;

    begin(profile);
    migrate_over(profile, true);
    comp_assert_path("src", profile->precopy && profile->p2p
                     ? "running>pre-copy>pre-copy-p2p>stop-copy>stop"
                     : profile->precopy ? "running>pre-copy>stop-copy>stop"
                     : profile->p2p ? "running>running-p2p>stop>stop-copy>stop"
                     : "running>stop>stop-copy>stop");
    comp_assert_path("dst", profile->p2p
                     ? "running>running-p2p>stop>resuming>stop>running-p2p>"
                       "running"
                     : "running>stop>resuming>stop>running");
    comp_sim_end();
}

static void fall_asleep(VFIOHostRun *run)
{
    vfio_host_set_runstate(RUN_STATE_SUSPENDED);
}

static void wake_up(VFIOHostRun *run)
{
    vfio_host_set_runstate(RUN_STATE_RUNNING);
}

/*
 * A suspended guest that wakes up during the migration resets its devices:
 * while they are being read, no other thread may have the BQL.
 */
static void test_slept(void)
{
    static VFIOHostStep *const steps[] = {
        VFIO_HOST_BEGIN, fall_asleep, vfio_host_round, wake_up, VFIO_HOST_END
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    comp_sim("[device src]\ngroup=1\nprofile=virtio\n"
             "[device dst]\ngroup=2\nprofile=virtio\nseed=7\n");
    comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, steps, NULL), ==, 0);
    check_stream(bytes, false);
    comp_arrives(bytes);
    comp_sim_end();
}

/* Insert "initial data sent", as a section after the device's first one. */
static void insert_mark(GByteArray *bytes)
{
    size_t first = 8 + 1 + 4 + 1 + strlen(COMP_ID "/vfio") + 8 + 8 + 8 + 5;
    const uint8_t *id = bytes->data + first - 4;
    const uint8_t mark[] = {
        2, id[0], id[1], id[2], id[3],
        0xff, 0xff, 0xff, 0xff, 0xef, 0x10, 0x00, 0x05,
        0x7e, id[0], id[1], id[2], id[3],
    };
    g_autofree uint8_t *rest = g_memdup2(bytes->data + first,
                                         bytes->len - first);
    size_t rest_bytes = bytes->len - first;

    g_byte_array_set_size(bytes, first);
    g_byte_array_append(bytes, mark, sizeof(mark));
    g_byte_array_append(bytes, rest, rest_bytes);
}

/* A section with an empty DATA after the end of the device's state */
static void test_data_after_end(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    size_t at = 8 + 1 + 4 + 1 + strlen(COMP_ID "/vfio") + 8 + 8 + 8 + 5 - 4;
    const uint8_t *id;

    comp_sim_pair("profile=virtio\n", "profile=virtio\n", NULL);
    comp_save_src(bytes);
    comp_close_all();
    id = bytes->data + at;
    {
        const uint8_t section[] = {
            2, id[0], id[1], id[2], id[3],
            0xff, 0xff, 0xff, 0xff, 0xef, 0x10, 0x00, 0x04,
            0, 0, 0, 0, 0, 0, 0, 0,
            0xff, 0xff, 0xff, 0xff, 0xef, 0x10, 0x00, 0x01,
            0x7e, id[0], id[1], id[2], id[3], 0,
        };

        g_byte_array_set_size(bytes, bytes->len - 1);
        g_byte_array_append(bytes, section, sizeof(section));
    }
    comp_open("dst");
    g_assert_cmpint(comp_load(bytes, NULL), <, 0);
    comp_assert_message("dst: the stream has data after the end of the "
                        "device's state");
    comp_sim_end();
}

/* A snapshot has no source to acknowledge to: nothing may be written. */
static void test_mark_in_snapshot(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    comp_sim_pair("profile=virtio\n", "profile=virtio\n", NULL);
    comp_save_src(bytes);
    insert_mark(bytes);
    comp_close_all();
    comp_forget_messages();     /* of the source */
    comp_open("dst");
    vfio_host_vm_start();
    g_assert_cmpint(comp_loadvm(bytes->data, bytes->len), ==, 0);
    g_assert_cmpstr(comp_messages(), ==, "");
    comp_sim_end();
}

static void test_property(gconstpointer data)
{
    static const char *const told_later[] = {
        "initial-bytes", "dirty-bytes", "stop-copy-bytes",
        "expected-downtime",
    };
    const Profile *profile = data;
    g_autofree char *protocol = NULL;
    g_autofree char *text = NULL;
    VFIODevice *vbasedev;

    begin(profile);
    vbasedev = comp_open("src");
    text = vfio_host_property_get(vbasedev, "vfio-migration", NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(told_later); i++) {
        g_assert_null(strstr(text, told_later[i]));
    }
    protocol = comp_property_str(vbasedev, "protocol");
    g_assert_cmpstr(protocol, ==, "v2");
    g_assert_cmpint(comp_property_int(vbasedev, "p2p"), ==, profile->p2p);
    g_assert_cmpint(comp_property_int(vbasedev, "pre-copy"), ==,
                    profile->precopy);
    comp_sim_end();
}

static void test_paused(gconstpointer data)
{
    const Profile *profile = data;

    begin(profile);
    migrate_over(profile, false);
    comp_assert_path("src", profile->p2p
                     ? "running>running-p2p>stop>stop-copy>stop"
                     : "running>stop>stop-copy>stop");
    comp_sim_end();
}

/* ---- the other protocol's stream ---- */

#define V1_KEYS "state-size=4M\nwindow-size="
#define V2_KEYS "state-size=4M\nprotocol=v2\npre-copy=yes\n"
#define HINT    "The stream looks like that of a device with protocol "

typedef struct Protocols {
    const char *name;
    const char *src, *dst;      /* keys */
    const char *says;           /* NULL: protocols are not mentioned */
} Protocols;

static const Protocols protocols[] = {
    { "v1-to-v2/large-chunks", V1_KEYS "2M\n", V2_KEYS,
      HINT "v1, and this one's driver speaks v2" },
    { "v1-to-v2/empty-chunks", V1_KEYS "64K\n", V2_KEYS,
      HINT "v1, and this one's driver speaks v2" },
    { "v2-to-v1", V2_KEYS, V1_KEYS "64K\n",
      HINT "v2, and this one's driver speaks v1" },
    { "v2-to-v2", V2_KEYS, V2_KEYS
      "[fault f]\nevent=data-write\ncount=3\nerrno=EINVAL\n", NULL },
};

/* The driver's own error would not explain a mismatch of protocols. */
static void test_protocols(gconstpointer data)
{
    static VFIOHostStep *const steps[] = {
        VFIO_HOST_BEGIN, vfio_host_rounds, vfio_host_round, VFIO_HOST_END
    };
    const Protocols *p = data;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *config = g_strdup_printf(
        "[device src]\ngroup=1\n%s[device dst]\ngroup=2\n%s", p->src, p->dst);

    comp_sim(config);
    comp_allow_violations();
    comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, steps, NULL), ==, 0);
    comp_close_all();
    comp_open("dst");
    g_assert_cmpint(comp_load(bytes, NULL), <, 0);
    comp_assert_message(p->says ?: "dst: ");
    g_assert_true(p->says || !strstr(comp_messages(), HINT));
    comp_sim_end();
}

/* ---- wrong values from a driver ---- */

typedef struct Lie {
    const char *name;
    const char *fault;          /* keys of the source's rule */
    const char *blocked;        /* part of the blocker's text, or NULL */
    const char *error;          /* of the migration; NULL: it succeeds */
} Lie;

#define VALUE(event, value) "event=" event "\nonce=no\nvalue=" value "\n"

static const Lie lies[] = {
    { "no-flags", VALUE("migration-flags", "0"), "lack stop-copy", NULL },
    { "p2p-only", VALUE("migration-flags", "2"), "lack stop-copy", NULL },
    { "all-flags", VALUE("migration-flags", "0xffffffffffffffff"), NULL,
      "cannot change the device's state from running to pre-copy: Invalid" },
    { "state-8", VALUE("state-read", "8"), "reading its state failed", NULL },
    { "state-max", VALUE("state-read", "0xffffffff"),
      "reading its state failed", NULL },
    { "size-max", VALUE("data-size", "0xffffffffffffffff"), NULL, NULL },
    { "size-half", VALUE("data-size", "0x8000000000000000"), NULL, NULL },
    { "size-0", VALUE("data-size", "0"), NULL, NULL },
    { "info-max", VALUE("precopy-info", "0xffffffffffffffff"), NULL, NULL },
    { "info-half", VALUE("precopy-info", "0x8000000000000000"), NULL, NULL },
    { "no-file", VALUE("data-fd", "0xffffffff"), NULL,
      "cannot change the device's state from running to pre-copy: Bad file "
      "descriptor" },
    { "no-such-file", VALUE("data-fd", "1000000"), NULL,
      "cannot read migration data of the device at byte 0 of its state: Bad "
      "file descriptor" },
    { "sizes-fail", "event=data-size\nonce=no\nerrno=EIO\n", NULL, NULL },
    { "info-fails", "event=precopy-info\nonce=no\nerrno=EIO\n", NULL, NULL },
};

static void test_lie(gconstpointer data)
{
    const Lie *lie = data;
    const char *keys = !strcmp(lie->name, "all-flags")
                       ? "protocol=v2\nstate-size=64K\n"
                       : "protocol=v2\nstate-size=64K\npre-copy=yes\n"
                         "precopy-size=8K\n";
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *error = NULL;
    g_autofree char *rule = g_strconcat("[fault lie]\ndevice=src\n",
                                        lie->fault, NULL);
    VFIODevice *vbasedev;

    comp_sim_pair(keys, keys, rule);
    comp_allow_violations();
    vbasedev = comp_open("src");
    vfio_host_vm_start();
    if (lie->blocked) {
        g_autofree char *reason = comp_property_str(vbasedev,
                                                    "blocked-reason");

        comp_assert_has(reason, lie->blocked);
        comp_sim_end();
        return;
    }
    if (lie->error) {
        g_assert_cmpint(comp_save(bytes, NULL, &error), <, 0);
        comp_assert_has(error, lie->error);
        g_assert_cmpint(vfio_host_runstate(), ==, RUN_STATE_RUNNING);
        comp_assert_state("src", "running");
    } else {
        g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
        comp_arrives_same(bytes);
    }
    g_assert_cmpint(vfio_sim_fault_fired("lie"), >, 0);
    comp_sim_end();
}

/* ---- failures with the data fd ---- */

static VFIOHostStep *const three_rounds[] = {
    VFIO_HOST_BEGIN, vfio_host_round, vfio_host_round, vfio_host_round,
    VFIO_HOST_END
};

/*
 * The guest resets the device after data was sent, without our knowledge. The
 * session and its data fd are invalid then. No call follows on the device, so
 * the check that detects the reset must close the fd.
 */
static void test_reset_closes_file(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *error = NULL;

    comp_sim_pair("protocol=v2\npre-copy=yes\nprecopy-size=8K\n", "",
                  "[fault flr]\ndevice=src\nevent=data-read\n"
                  "state=pre-copy\nflr=now\n");
    comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, three_rounds, &error), <, 0);
    comp_assert_has(error, "src: the device was reset after data of it had");
    g_assert_cmpint(vfio_sim_fault_fired("flr"), ==, 1);
    comp_assert_path("src", "running>pre-copy");
    g_assert_cmpuint(comp_status("src").data_fds, ==, 0);
    comp_sim_end();
}

/* A write that returns 0, without an error, must fail the load. */
static void test_write_takes_nothing(void)
{
    static const char keys[] = "protocol=v2\nstate-size=64K\n"
                               "max-write=20K\n";
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    comp_sim_pair(keys, keys, "[fault nothing]\ndevice=dst\n"
                  "event=data-write\ncount=2\nshort=0\n");
    comp_save_src(bytes);
    comp_close_all();
    comp_open("dst");
    g_assert_cmpint(comp_load(bytes, NULL), <, 0);
    comp_assert_message("dst: the driver did not accept migration data at "
                        "byte 20480 of the device's state: Input/output "
                        "error");
    g_assert_cmpint(vfio_sim_fault_fired("nothing"), ==, 1);

    comp_arrives(bytes);
    comp_sim_end();
}

/* ---- a call with an unusual result ---- */

typedef struct Call {
    const char *name;
    const char *fault;          /* keys of the rule */
    const char *text;           /* of the error; NULL: it succeeds */
} Call;

#define RESET_SAVING  "src: the device was reset after data of it had been sent"
#define RESET_LOADING "dst: the device was reset while its state was loaded"

static const Call calls[] = {
    { "interrupted/set", "device=src\nevent=state-write\nto=pre-copy\n"
      "errno=EINTR\n" },
    { "interrupted/read", "device=src\nevent=data-read\ncount=2\nerrno=EINTR\n" },
    { "interrupted/write", "device=dst\nevent=data-write\ncount=2\n"
      "errno=EINTR\n" },
    { "nothing-yet/error", "device=src\nevent=data-read\nstate=pre-copy\n"
      "count=2\nerrno=ENOMSG\n" },
    { "nothing-yet/no-bytes", "device=src\nevent=data-read\nstate=pre-copy\n"
      "count=2\nshort=0\n" },
    /* Only a running device may return this. */
    { "nothing-yet/stopped", "device=src\nevent=data-read\nstate=stop-copy\n"
      "count=2\nerrno=ENOMSG\n", "src: cannot read migration data" },
    /* A reset by the guest, without our knowledge */
    { "reset/stop", "device=src\nevent=state-write\nto=stop-copy\nflr=now\n",
      RESET_SAVING },
    { "reset/read", "device=src\nevent=data-read\nstate=stop-copy\nflr=now\n",
      RESET_SAVING },
    { "reset/write", "device=dst\nevent=data-write\ncount=2\nflr=now\n",
      RESET_LOADING },
    { "reset/verdict", "device=dst\nevent=state-read\nstate=resuming\n"
      "flr=now\n", RESET_LOADING },
};

static void load_after_call(const Call *call, const GByteArray *bytes)
{
    if (call->text) {
        comp_close_all();
        comp_open("dst");
        g_assert_cmpint(comp_load(bytes, NULL), <, 0);
        comp_assert_message(call->text);
    } else {
        comp_arrives_same(bytes);
    }
}

static void test_call(gconstpointer data)
{
    const Call *call = data;
    static const char keys[] =
        "protocol=v2\np2p=yes\npre-copy=yes\nstate-size=150K\n"
        "precopy-size=100K\nmax-read=48K\nmax-write=20K\n";
    g_autofree char *rule = g_strconcat("[fault call]\n", call->fault, NULL);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *error = NULL;

    comp_sim_pair(keys, keys, rule);
    comp_open("src");
    vfio_host_vm_start();
    if (comp_save(bytes, three_rounds, &error) == 0) {
        load_after_call(call, bytes);
    } else {
        comp_assert_has(error, call->text ?: "no error");
        comp_assert_state("src", "running");
    }
    g_assert_cmpint(vfio_sim_fault_fired("call"), ==, 1);
    comp_sim_end();
}

/* ---- reads ---- */

static const char small[] = "protocol=v2\npre-copy=yes\nstate-size=1M\n"
                            "precopy-size=512K\n";

/* If a driver returns 4 KiB per read, several reads share a packet. */
static void test_small_reads(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *vbasedev;

    comp_sim_pair(small, small, "[fault small]\nevent=data-read\n"
                  "once=no\nshort=4096\n");
    vbasedev = comp_save_src(bytes);
    check_source(vbasedev);
    g_assert_cmpint(vfio_sim_fault_fired("small"), >, 1536 / 4);
    g_assert_cmpint(comp_property_int(vbasedev, "chunks"), <, 1536 / 4 / 3);
    comp_arrives_same(bytes);
    comp_sim_end();
}

/* An error after successful small reads must not be ignored. */
static void test_small_reads_fail(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *error = NULL;

    comp_sim_pair(small, small, "[fault late]\nevent=data-read\n"
                  "state=stop-copy\ncount=20\nerrno=EIO\n[fault small]\n"
                  "event=data-read\nonce=no\nshort=4096\n");
    comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, NULL, &error), <, 0);
    g_assert_cmpint(vfio_sim_fault_fired("late"), ==, 1);
    comp_assert_has(error, "src: cannot read migration data of the device");
    comp_assert_state("src", "running");
    comp_sim_end();
}

int main(int argc, char **argv)
{
    comp_init(&argc, &argv);
    ADD_ROWS("/v2/running/", profiles, test_running);
    ADD_ROWS("/v2/paused/", profiles, test_paused);
    ADD_ROWS("/v2/property/", profiles, test_property);
    g_test_add_func("/v2/slept", test_slept);
    g_test_add_func("/v2/data-after-end", test_data_after_end);
    g_test_add_func("/v2/mark-in-snapshot", test_mark_in_snapshot);
    g_test_add_func("/v2/reset-closes-file", test_reset_closes_file);
    g_test_add_func("/v2/write-takes-nothing", test_write_takes_nothing);
    g_test_add_func("/v2/small-reads/arrive", test_small_reads);
    g_test_add_func("/v2/small-reads/fail", test_small_reads_fail);
    ADD_ROWS("/v2/call/", calls, test_call);
    ADD_ROWS("/v2/lie/", lies, test_lie);
    ADD_ROWS("/v2/protocols/", protocols, test_protocols);
    return comp_run();
}
