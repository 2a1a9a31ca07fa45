/*
 * Component test: the main thread acts while the migration thread works
 *
 * The stream is a socket whose peer does not read, so that the migration blocks
 * in the middle of a chunk; the main thread then cancels, or stops the VM and
 * continues it. Or a driver's call is slow. Nothing may hang, and the next
 * migration must succeed.
 *
 * Source: docs/architecture.md, Rules; locks of hw/vfio/migration-device.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"
#include "hw/vfio/migration-session.h"
#include "component.h"

#define CONFIG "[device src]\ngroup=1\nwindow-size=4M\nareas=4K+2M\n" \
               "state-size=24M\nprecopy-size=16M\nverify=none\n" \
               "[device dst]\ngroup=2\nwindow-size=4M\nareas=4K+2M\n" \
               "state-size=24M\nprecopy-size=16M\n"

typedef struct Migration {
    GThread *thread;
    int read_fd;
    int write_fd;
    int ret;
    char *error;
} Migration;

static void migration_clear(Migration *m)
{
    g_free(m->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Migration, migration_clear)

static gpointer migration_thread(gpointer data)
{
    Migration *m = data;
    Error *err = NULL;

    qemu_mutex_lock_iothread();
    m->ret = vfio_host_run(vfio_host_file_new_output(m->write_fd),
                           vfio_host_migrate, NULL, &err);
    qemu_mutex_unlock_iothread();
    m->error = err ? g_strdup(error_get_pretty(err)) : NULL;
    error_free(err);
    return NULL;
}

/* Returns without the BQL, with the migration blocked in a chunk. */
static void start_and_block(Migration *m)
{
    int fds[2], queued, before = -1;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                    ==, 0);
    m->read_fd = fds[0];
    m->write_fd = fds[1];
    vfio_host_vm_start();
    qemu_mutex_unlock_iothread();
    m->thread = g_thread_new("migration", migration_thread, m);
    for (;;) {
        g_usleep(20000);
        g_assert_cmpint(ioctl(m->read_fd, FIONREAD, &queued), ==, 0);
        if (queued > 0 && queued == before) {
            return;
        }
        before = queued;
    }
}

static gpointer drain_thread(gpointer data)
{
    Migration *m = data;
    uint8_t buf[65536];

    while (read(m->read_fd, buf, sizeof(buf)) > 0) {
        /* until the peer closes the socket */
    }
    return NULL;
}

/* Read everything until the migration has ended; returns with the BQL. */
static void drain_and_join(Migration *m)
{
    GThread *drain = g_thread_new("drain", drain_thread, m);

    g_thread_join(m->thread);
    g_thread_join(drain);
    close(m->read_fd);
    qemu_mutex_lock_iothread();
}

/* Read @bytes from the stream, and no more. */
static void take(Migration *m, size_t bytes)
{
    g_autofree uint8_t *buf = g_malloc(bytes);

    for (ssize_t n; bytes; bytes -= n) {
        n = read(m->read_fd, buf, bytes);
        g_assert_cmpint(n, >, 0);
    }
}

/* Join the thread without reading; returns with the BQL. */
static void join_unread(Migration *m)
{
    g_thread_join(m->thread);
    if (m->read_fd >= 0) {
        close(m->read_fd);
    }
    qemu_mutex_lock_iothread();
}

static void act_close_reader(Migration *m, VFIODevice **devices)
{
    close(m->read_fd);
    m->read_fd = -1;
}

static void check_retry(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    comp_assert_state("src", "running");
    g_assert_true(runstate_is_running());
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_arrives(bytes);
    comp_sim_end();
}

static void test_cancel(void)
{
    g_auto(Migration) m = { .ret = 1 };
    gint64 start;

    comp_sim(CONFIG);
    comp_open("src");
    start_and_block(&m);
    start = g_get_monotonic_time();
    qemu_mutex_lock_iothread();
    vfio_host_cancel();
    qemu_mutex_unlock_iothread();
    join_unread(&m);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 5 * G_USEC_PER_SEC);
    g_assert_cmpint(m.ret, ==, -ECANCELED);
    g_assert_cmpuint(comp_status("src").resets, ==, 0);
    check_retry();
}

/* The reader exits: the channel's error ends the migration at once. */
static void test_reader_gone(void)
{
    g_auto(Migration) m = { .ret = 1 };

    comp_sim(CONFIG);
    comp_open("src");
    start_and_block(&m);
    act_close_reader(&m, NULL);
    join_unread(&m);
    g_assert_cmpint(m.ret, ==, -EIO);
    comp_assert_has(m.error, strerror(EPIPE));
    check_retry();
}

/*
 * The VM is stopped while a chunk is blocked by the stream. The main thread
 * must not wait much longer than VFIO_MIG_CLAIM_WAIT_MS; the device stops once
 * the chunk was sent, and nothing is lost.
 */
static void test_stop(gconstpointer data)
{
    bool go_on = data != NULL;
    g_auto(Migration) m = { .ret = 1 };
    gint64 start;

    comp_sim(CONFIG);
    comp_open("src");
    start_and_block(&m);
    qemu_mutex_lock_iothread();
    start = g_get_monotonic_time();
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    if (go_on) {
        vfio_host_vm_start();
    }
    g_assert_cmpint(g_get_monotonic_time() - start, <,
                    5 * VFIO_MIG_CLAIM_WAIT_MS * 1000);
    comp_assert_state("src", "pre-copy");
    qemu_mutex_unlock_iothread();
    take(&m, 6 * MiB);
    while (!go_on && strcmp(comp_state("src"), "stop-copy")) {
        g_assert_cmpint(g_get_monotonic_time() - start, <,
                        30 * G_USEC_PER_SEC);
        g_usleep(1000);
    }
    drain_and_join(&m);

    g_assert_cmpint(m.ret, ==, 0);
    g_assert_null(m.error);
    comp_assert_state("src", "stop");
    g_assert_cmpuint(comp_status("src").resets, ==, 0);
    g_assert_cmpint(runstate_check(RUN_STATE_POSTMIGRATE), ==, true);
    vfio_host_vm_start();
    check_retry();
}

/*
 * The VM is stopped, and continued if @data is set, while the sizes of a v2
 * device are read, which takes longer than the usual limit for a claim. No
 * device may stop before all have ended P2P DMA, and none may be left in a P2P
 * state.
 */
static void test_slow_answer(gconstpointer data)
{
    bool go_on = data != NULL;
    g_auto(Migration) m = { .ret = 1 };

    comp_sim("[sim]\np2p-order=always\n"
             "[device src]\ngroup=1\nprofile=virtio\nprotocol=v2\n"
             "[device beside]\ngroup=2\nprofile=virtio\nprotocol=v2\n"
             "[fault slow]\nevent=precopy-info\ndevice=src\n"
             "delay-ms=400\n");
    comp_open("src");
    comp_open("beside");
    m.write_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    vfio_host_vm_start();
    qemu_mutex_unlock_iothread();
    m.thread = g_thread_new("migration", migration_thread, &m);
    while (vfio_sim_fault_fired("slow") < 1) {
        g_usleep(1000);
    }
    qemu_mutex_lock_iothread();
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    comp_assert_state("src", "stop-copy");
    comp_assert_state("beside", "stop-copy");
    if (go_on) {
        vfio_host_vm_start();
        comp_assert_state("src", "pre-copy");
        comp_assert_state("beside", "pre-copy");
    }
    qemu_mutex_unlock_iothread();
    g_thread_join(m.thread);
    qemu_mutex_lock_iothread();
    g_assert_cmpint(m.ret, ==, 0);
    g_assert_null(m.error);
    comp_assert_state("src", "stop");
    comp_sim_end();
}

/*
 * The device is reset while it is being read, which ends the session. The
 * reset is detected during the read: the reader has to close the data fd.
 */
static void test_reset_in_read(void)
{
    g_autofree char *error = NULL;
    Migration m = { .ret = 1 };

    comp_sim("[device src]\ngroup=1\nprofile=virtio\nprotocol=v2\n"
             "[fault slow]\nevent=data-read\ndelay-ms=400\n");
    comp_open("src");
    m.write_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    vfio_host_vm_start();
    qemu_mutex_unlock_iothread();
    m.thread = g_thread_new("migration", migration_thread, &m);
    while (vfio_sim_fault_fired("slow") < 1) {
        g_usleep(1000);
    }
    qemu_mutex_lock_iothread();
    vfio_host_reset_devices();
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    qemu_mutex_unlock_iothread();
    g_thread_join(m.thread);
    qemu_mutex_lock_iothread();
    error = m.error;
    g_assert_cmpuint(comp_status("src").resets, ==, 1);
    g_assert_cmpuint(comp_status("src").data_fds, ==, 0);
    comp_sim_end();
}

/* ---- the claim ---- */

typedef struct Claimer {
    VFIODeviceMigration *mig;
    bool begun, has_it;         /* atomic */
} Claimer;

static gpointer claim_thread(gpointer data)
{
    Claimer *c = data;

    qatomic_set(&c->begun, true);
    vfio_mig_claim(c->mig);
    qatomic_set(&c->has_it, true);
    vfio_mig_release(c->mig);
    return NULL;
}

/* A claim waits for the holder, and for waiters that hold the BQL. */
static void test_claim(gconstpointer data)
{
    bool waited_for = data != NULL;
    Claimer c = { .has_it = false };
    GThread *thread;

    comp_sim(CONFIG);
    c.mig = vfio_mig_of(comp_open("src"));
    c.mig->claimed = !waited_for;
    c.mig->claim_waiters = waited_for;
    thread = g_thread_new("claims", claim_thread, &c);
    while (!qatomic_read(&c.begun)) {
        g_usleep(1000);
    }
    g_usleep(50000);
    g_assert_false(qatomic_read(&c.has_it));
    qemu_mutex_lock(&c.mig->lock);
    c.mig->claimed = false;
    c.mig->claim_waiters = 0;
    qemu_cond_broadcast(&c.mig->claim_changed);
    qemu_mutex_unlock(&c.mig->lock);
    g_thread_join(thread);
    g_assert_true(c.has_it);
    comp_sim_end();
}

/* The user queries the statistics during a migration. */
static void test_figures(void)
{
    g_auto(Migration) m = { .ret = 1 };
    VFIODevice *vbasedev;
    int64_t sent;
    int i;

    comp_sim(CONFIG);
    vbasedev = comp_open("src");
    start_and_block(&m);
    for (i = 0; i < 3; i++) {
        g_autofree char *state = NULL;

        qemu_mutex_lock_iothread();
        state = comp_property_str(vbasedev, "state");
        sent = comp_property_int(vbasedev, "mapped-bytes") +
               comp_property_int(vbasedev, "trapped-bytes");
        g_assert_cmpstr(state, ==, "pre-copy");
        g_assert_cmpint(sent, >=, vfio_mig_bytes_transferred());
        g_assert_cmpint(comp_property_int(vbasedev, "pending-bytes"), >, 0);
        qemu_mutex_unlock_iothread();
    }
    drain_and_join(&m);
    g_assert_cmpint(m.ret, ==, 0);
    g_assert_cmpint(vfio_mig_bytes_transferred(), ==,
                    comp_status("src").saved_bytes);
    comp_sim_end();
}

/* ---- workers ---- */

#define NR_DEVICES  3

/* All states exceed the queue; the chunks of one exceed it, too. */
static const char *const stopped[NR_DEVICES] = {
    "window-size=1M\nstate-size=24M\nverify=none\n",
    "window-size=8M\nstate-size=24M\nverify=none\nareas=4K+4M\n",
    "protocol=v2\nkernel=6.2\np2p=yes\nstate-size=24M\nverify=none\n",
};

/* Called with the BQL; drops it repeatedly until data has been read. */
static void wait_for_worker(VFIODevice *vbasedev)
{
    for (;;) {
        g_autofree char *state = comp_property_str(vbasedev, "state");

        g_assert_cmpstr(state, ==, "stop-copy");
        if (comp_property_int(vbasedev, "transferred-bytes") > 0) {
            return;
        }
        qemu_mutex_unlock_iothread();
        g_usleep(1000);
        qemu_mutex_lock_iothread();
    }
}

/* Returns with the BQL, while the workers read or wait for space. */
static void start_workers(Migration *m, VFIODevice **devices,
                          const char *fault)
{
    unsigned i;

    comp_sim_several(NR_DEVICES, stopped, NR_DEVICES, fault);
    comp_open_several("src", devices, NR_DEVICES);
    start_and_block(m);
    qemu_mutex_lock_iothread();
    g_assert_true(runstate_check(RUN_STATE_FINISH_MIGRATE));
    for (i = 0; i < NR_DEVICES; i++) {
        wait_for_worker(devices[i]);
    }
}

static void check_all_arrive(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    g_assert_true(runstate_is_running());
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_several_arrive(bytes, NR_DEVICES);
    comp_sim_end();
}

static void act_cancel(Migration *m, VFIODevice **devices)
{
    vfio_host_cancel();
}

static void act_unplug(Migration *m, VFIODevice **devices)
{
    comp_close(devices[1]);
}

/* What happens while the workers read or wait for space in their queues */
typedef struct WorkersCase {
    const char *name;
    const char *fault;          /* rule of a device that fails later, or "" */
    void (*act)(Migration *m, VFIODevice **devices);
    bool read_on;               /* the peer continues to read */
    int ret;
    const char *error;
} WorkersCase;

static const WorkersCase workers_cases[] = {
    { "arrive", "", NULL, true, 0 },
    { "cancel", "", act_cancel, false, -ECANCELED },
    { "reader-gone", "", act_close_reader, false, -EIO, "Broken pipe" },
    { "fail", "[fault row]\ndevice=src2\nevent=data-read\nstate=stop-copy\n"
      "count=12\nerrno=EIO\n", NULL, true, -EIO,
      "src2: cannot read migration data" },
    /* One device is removed for good: the others must still run. */
    { "unplug", "", act_unplug, true, -ENODEV,
      "src1: the device was unplugged" },
};

static void test_workers(gconstpointer data)
{
    const WorkersCase *c = data;
    VFIODevice *devices[NR_DEVICES];
    g_auto(Migration) m = { .ret = 1 };

    start_workers(&m, devices, c->fault);
    g_assert_true(!*c->fault || vfio_sim_fault_fired("row") == 0);
    if (c->act) {
        c->act(&m, devices);
    }
    qemu_mutex_unlock_iothread();
    if (c->read_on) {
        drain_and_join(&m);
    } else {
        join_unread(&m);
    }
    g_assert_cmpint(m.ret, ==, c->ret);
    comp_assert_has(m.error ?: "", c->error ?: "");
    for (unsigned i = 0; c->ret == 0 && i < NR_DEVICES; i++) {
        g_autofree char *name = g_strdup_printf("src%u", i);

        comp_assert_state(name, "stop");
        g_assert_cmpint(comp_property_int(devices[i], "transferred-bytes"),
                        ==, comp_status(name).saved_bytes);
    }
    if (c->act == act_unplug) {
        comp_assert_state("src0", "running");
        comp_assert_state("src2", "running");
        comp_sim_end();
        return;
    }
    if (c->ret == 0) {
        vfio_host_vm_start();
    }
    check_all_arrive();
}

int main(int argc, char **argv)
{
    comp_init(&argc, &argv);
    g_test_add_func("/threads/cancel", test_cancel);
    g_test_add_func("/threads/reader-gone", test_reader_gone);
    g_test_add_data_func("/threads/stop", NULL, test_stop);
    g_test_add_data_func("/threads/stop-continue", GINT_TO_POINTER(1),
                         test_stop);
    g_test_add_data_func("/threads/slow-answer", NULL, test_slow_answer);
    g_test_add_data_func("/threads/slow-answer-continue", GINT_TO_POINTER(1),
                         test_slow_answer);
    g_test_add_func("/threads/reset-in-read", test_reset_in_read);
    g_test_add_data_func("/threads/claim/held", NULL, test_claim);
    g_test_add_data_func("/threads/claim/waited-for", GINT_TO_POINTER(1),
                         test_claim);
    g_test_add_func("/threads/figures", test_figures);
    ADD_ROWS("/threads/workers/", workers_cases, test_workers);
    return comp_run();
}
