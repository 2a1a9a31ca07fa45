/*
 * Tests of the kernel's test driver, in a kernel that has it
 *
 * Owns: the program, and the life of devices: made and removed, opened and
 * closed under load, taken away from a user. Output is TAP. Without the
 * driver there is nothing to test: the whole program is skipped. The
 * kernel's log is read by who runs this (scripts/vm-testbed).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver-client.h"
#include "driver-files.h"
#include "device-play.h"

#define BUSY_LINES "dma-rate=64M\ndma-size=1M\npinned=0+64K\n" \
                   "precopy-size=1M\n"
#define V2_LINES BUSY_LINES "protocol=v2\np2p=yes\nlog=yes\n"
#define ROUNDS 100
#define OPENS 30
#define WAIT_MS 20000

static void test_rounds(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        driver_free(driver_new("areas=stripes:4K"));
    }
}

static void test_open_under_dma(void)
{
    DriverDevice *dev = driver_new(BUSY_LINES);

    for (int i = 0; i < OPENS; i++) {
        driver_open(dev);
        g_assert_cmpint(client_set_state(dev->client, 3), ==, 0);
        g_usleep(i * 500);
        driver_close(dev);
        g_assert_cmpint(driver_number(dev, "pinned-pages"), ==, 0);
        g_assert_cmpint(driver_number(dev, "open"), ==, 0);
    }
    driver_free(dev);
}

/* A process that is killed may be gone before the last of its files is. */
static void wait_closed(DriverDevice *dev)
{
    for (int i = 0; i < 500 && (driver_number(dev, "open") ||
                                driver_number(dev, "data-fds")); i++) {
        g_usleep(10 * 1000);
    }
    g_assert_cmpint(driver_number(dev, "open"), ==, 0);
    g_assert_cmpint(driver_number(dev, "data-fds"), ==, 0);
}

/* Takes 17 minutes at the rate of this device. */
static void wait_for_data(DriverDevice *dev, bool v2)
{
    uint64_t value;
    char buf[4096];
    int fd;

    if (v2) {
        v2_set(dev->client, V2_STOP_COPY, &fd);
        while (read(fd, buf, sizeof(buf)) > 0) {
            continue;
        }
        return;
    }
    client_set_state(dev->client, 3);
    client_pending(dev->client, &value);
    client_data_offset(dev->client, &value);
}

/* The user is killed, with everything going on. */
static void test_killed(const void *lines)
{
    g_autofree char *all = g_strconcat(lines, "save-rate=1K\n", NULL);
    DriverDevice *dev = driver_new(all);

    for (int i = 0; i < 5; i++) {
        int status;
        pid_t pid = fork();

        g_assert_cmpint(pid, >=, 0);
        if (!pid) {
            driver_open(dev);
            wait_for_data(dev, strstr(lines, "v2"));
            _exit(0);
        }
        g_usleep(100000 + i * 30000);
        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFSIGNALED(status));
        wait_closed(dev);
    }
    driver_free(dev);
}

/* ------------------------------------------------------------------------ */
/* Taken away from its user                                                 */

static gpointer remove_thread(gpointer opaque)
{
    const DriverDevice *dev = opaque;

    /* Returns when the user has closed the device. */
    g_assert_cmpint(driver_remove(dev->name), ==, 0);
    return NULL;
}

static void remove_under_use(DriverDevice *dev)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    uint64_t pending;
    GThread *thread;

    driver_open(dev);
    g_assert_cmpint(driver_set_irq(dev, VFIO_IRQ_SET_DATA_EVENTFD |
                                   VFIO_IRQ_SET_ACTION_TRIGGER,
                                   VFIO_PCI_REQ_IRQ_INDEX, 0, 1, fd), ==, 0);
    g_assert_cmpint(client_set_state(dev->client, 3), ==, 0);
    thread = g_thread_new("remove", remove_thread, dev);
    g_assert_true(driver_wait_eventfd(fd, WAIT_MS));
    /* It still works until it is given back. */
    g_assert_cmpint(client_pending(dev->client, &pending), ==, 0);
    g_assert_cmpint(client_set_state(dev->client, 1), ==, 0);
    driver_close(dev);
    g_thread_join(thread);
    close(fd);
    driver_free(dev);
}

static void test_removed(void)
{
    remove_under_use(driver_new(BUSY_LINES));
}

static void test_edu_removed(void)
{
    DriverDevice *dev = driver_new_edu(0, BUSY_LINES);

    if (dev) {
        remove_under_use(dev);
    }
}

/* ------------------------------------------------------------------------ */
/* The tables' devices                                                      */

static DriverDevice *table_dev[2];

static SimClient *table_open(const DeviceRow *row, unsigned n)
{
    DriverDevice *dev = driver_new(n ? row->keys_b : row->keys);

    driver_open(dev);
    if (!n && row->faults) {
        g_assert_cmpint(driver_write(dev, "faults", row->faults), ==, 0);
    }
    table_dev[n] = dev;
    return dev->client;
}

static SimClient *table_reopen(unsigned n)
{
    driver_close(table_dev[n]);
    driver_open(table_dev[n]);
    return table_dev[n]->client;
}

static void table_close(unsigned count)
{
    while (count) {
        driver_free(table_dev[--count]);
    }
}

static gint64 table_number(unsigned n, const char *path)
{
    return driver_number(table_dev[n], path);
}

static char *table_text(unsigned n, const char *path)
{
    return driver_text(table_dev[n], path);
}

static gint64 table_fired(const char *rule)
{
    return driver_fired(table_dev[0], rule);
}

static char *table_transcript(unsigned n)
{
    char *text = driver_read(table_dev[n], "transcript");

    g_assert_cmpint(driver_write(table_dev[n], "transcript", "clear"), ==, 0);
    return text;
}

static const DeviceHost table_host = {
    .open = table_open, .reopen = table_reopen, .close = table_close,
    .number = table_number, .text = table_text, .fired = table_fired,
    .transcript = table_transcript,
};

static void add_tables(void)
{
    device_play_add("/driver/v1", device_rows_v1, &table_host);
    device_play_add("/driver/v2", device_rows_v2, &table_host);
    device_play_add("/driver/log", device_rows_log, &table_host);
    device_play_add("/driver/memory", device_rows_memory, &table_host);
}

void driver_add_life_tests(void)
{
    g_test_add_func("/driver/life/rounds", test_rounds);
    g_test_add_func("/driver/life/open-under-dma", test_open_under_dma);
    g_test_add_data_func("/driver/life/killed", BUSY_LINES, test_killed);
    g_test_add_data_func("/driver/life/killed-v2", V2_LINES, test_killed);
    g_test_add_func("/driver/life/removed", test_removed);
    g_test_add_func("/driver/life/edu-removed", test_edu_removed);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!driver_loaded()) {
        printf("1..0 # SKIP no test driver in this kernel: run it in "
               "scripts/vm-testbed\n");
        return 0;
    }
    add_tables();
    driver_add_file_tests();
    driver_add_device_tests();
    driver_add_log_tests();
    driver_add_life_tests();
    return g_test_run();
}
