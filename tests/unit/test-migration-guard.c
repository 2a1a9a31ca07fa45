/*
 * Tests of hw/vfio/migration-guard.c
 *
 * Memory that disappears is a mapped file that is truncated. Tests that end a
 * process run in a child.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include "qemu/units.h"
#include "qapi/error.h"
#include "migration/qemu-file.h"
#include "migration/standalone.h"
#include "hw/vfio/migration-guard.h"
#include "hw/vfio/migration-receive.h"
#include "hw/vfio/migration-stream.h"

#define PAGES       64
#define NR_THREADS  4
#define ROUNDS      200

static size_t page;             /* bytes */

/* A mapping whose first pages stay when the others disappear. */
typedef struct Window {
    int fd;
    uint8_t *host;
    size_t size;
} Window;

static Window *window_new(void)
{
    Window *w = g_new0(Window, 1);
    unsigned i;

    w->size = PAGES * page;
    w->fd = memfd_create("window", MFD_CLOEXEC);
    g_assert_cmpint(w->fd, >=, 0);
    g_assert_cmpint(ftruncate(w->fd, w->size), ==, 0);
    w->host = mmap(NULL, w->size, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd,
                   0);
    g_assert_true(w->host != MAP_FAILED);
    for (i = 0; i < w->size; i++) {
        w->host[i] = i * 7 + i / page;
    }
    return w;
}

static void window_keep(Window *w, unsigned pages)
{
    g_assert_cmpint(ftruncate(w->fd, pages * page), ==, 0);
}

static void window_free(Window *w)
{
    munmap(w->host, w->size);
    close(w->fd);
    g_free(w);
}

static void block_sigbus(bool block)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGBUS);
    pthread_sigmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static bool sigbus_is_blocked(void)
{
    sigset_t set;

    pthread_sigmask(SIG_SETMASK, NULL, &set);
    return sigismember(&set, SIGBUS);
}

/* ---- one thread ---- */

/*
 * All functions, with a fault at each page, and SIGBUS blocked as in QEMU or
 * not.
 */
static void test_faults(void)
{
    Window *w = window_new();
    g_autofree uint8_t *buf = g_malloc0(w->size);
    unsigned keep, blocked;

    for (blocked = 0; blocked < 2; blocked++) {
        block_sigbus(blocked);
        vfio_mig_guard_begin();
        for (keep = PAGES; keep-- > 0; ) {
            window_keep(w, keep);
            g_assert_cmpint(vfio_mig_guarded_copy(buf, w->host, w->size), ==,
                            -EFAULT);
            g_assert_false(sigbus_is_blocked());
            g_assert_cmpint(vfio_mig_guarded_copy(w->host, buf, w->size), ==,
                            -EFAULT);
            g_assert_cmpint(vfio_mig_guarded_copy(buf, w->host, keep * page),
                            ==, 0);
            g_assert_cmpint(vfio_mig_guarded_probe(w->host, keep * page), ==,
                            0);
            g_assert_cmpint(vfio_mig_guarded_probe(w->host, w->size), ==,
                            -EFAULT);
            g_assert_cmpint(vfio_mig_guarded_probe(w->host + (keep + 1) * page
                                                   - 1, 1),
                            ==, -EFAULT);
            g_assert_cmpint(vfio_mig_guarded_probe(w->host + (keep + 1) * page
                                                   - 1, 2),
                            ==, -EFAULT);
            g_assert_true(!keep ||
                          vfio_mig_guarded_probe(w->host + keep * page - 1,
                                                 2) == -EFAULT);
        }
        window_keep(w, PAGES);
        vfio_mig_guard_end();
        g_assert_cmpint(sigbus_is_blocked(), ==, blocked);
    }
    block_sigbus(false);
    window_free(w);
}

/* ---- others that handle the signal ---- */

static volatile sig_atomic_t other_code;
static volatile sig_atomic_t other_calls;

static void other_handler(int sig, siginfo_t *info, void *context)
{
    other_code = info->si_code;
    other_calls++;
}

static void set_handler(void (*handler)(int, siginfo_t *, void *),
                        struct sigaction *before)
{
    struct sigaction action = {
        .sa_sigaction = handler,
        .sa_flags = SA_SIGINFO,
    };

    other_calls = 0;
    g_assert_cmpint(sigaction(SIGBUS, &action, before), ==, 0);
}

static bool handler_is(void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction now;

    sigaction(SIGBUS, NULL, &now);
    return (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == handler;
}

static void reset_handler(void)
{
    signal(SIGBUS, SIG_DFL);
}

/* A signal sent to a thread that does not block it, before and after a copy. */
static void test_sent(void)
{
    uint8_t from = 1, to = 0;

    set_handler(other_handler, NULL);
    vfio_mig_guard_begin();
    pthread_kill(pthread_self(), SIGBUS);
    g_assert_cmpint(other_calls, ==, 1);
    g_assert_cmpint(other_code, ==, SI_TKILL);
    g_assert_cmpint(vfio_mig_guarded_copy(&to, &from, 1), ==, 0);
    pthread_kill(pthread_self(), SIGBUS);
    g_assert_cmpint(other_calls, ==, 2);
    vfio_mig_guard_end();
    reset_handler();
}

/*
 * QEMU's main thread blocks SIGBUS and reads it from a descriptor. It must
 * arrive there, though a copy unblocks it, whether it is pending or comes
 * later.
 */
static void test_sent_while_blocked(void)
{
    uint8_t from = 1, to = 0;
    struct signalfd_siginfo info;
    sigset_t set;
    unsigned later;
    int fd;

    set_handler(other_handler, NULL);
    block_sigbus(true);
    sigemptyset(&set);
    sigaddset(&set, SIGBUS);
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    for (later = 0; later < 2; later++) {
        vfio_mig_guard_begin();
        if (!later) {
            pthread_kill(pthread_self(), SIGBUS);
        }
        g_assert_cmpint(vfio_mig_guarded_copy(&to, &from, 1), ==, 0);
        g_assert_cmpint(to, ==, 1);
        if (later) {
            pthread_kill(pthread_self(), SIGBUS);
        }
        vfio_mig_guard_end();
        g_assert_cmpint(other_calls, ==, 0);
        g_assert_cmpint(read(fd, &info, sizeof(info)), ==, sizeof(info));
        g_assert_cmpint(info.ssi_signo, ==, SIGBUS);
        g_assert_cmpint(info.ssi_code, ==, SI_TKILL);
    }
    close(fd);
    block_sigbus(false);
    reset_handler();
}

static uint8_t bad_memory[4 * MiB];

static void report_bad_memory(int sig)
{
    siginfo_t info = {
        .si_signo = SIGBUS,
        .si_code = BUS_MCEERR_AR,
        .si_addr = bad_memory,
    };

    syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid),
            SIGBUS, &info);
}

/* That memory is broken is QEMU's affair, also in the middle of a copy. */
static void test_machine_check(void)
{
    struct itimerval each_ms = { { 0, 1000 }, { 0, 1000 } }, never = { 0 };
    g_autofree uint8_t *to = g_malloc(sizeof(bad_memory));

#ifndef __x86_64__
    g_test_skip("an emulated processor takes it for a fault of its own");
    return;
#endif
    set_handler(other_handler, NULL);
    signal(SIGALRM, report_bad_memory);
    vfio_mig_guard_begin();
    setitimer(ITIMER_REAL, &each_ms, NULL);
    while (other_calls < 20) {
        g_assert_cmpint(vfio_mig_guarded_copy(to, bad_memory,
                                              sizeof(bad_memory)), ==, 0);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    g_assert_cmpint(other_code, ==, BUS_MCEERR_AR);
    vfio_mig_guard_end();
    signal(SIGALRM, SIG_DFL);
    reset_handler();
}

/* Without another handler it ends the process, as it would without us. */
static void test_default(void)
{
    static const struct rlimit no_core;
    Window *w = window_new();
    volatile uint8_t *gone = w->host;
    unsigned sent;
    pid_t child;
    int status;

    window_keep(w, 0);
    for (sent = 0; sent < 2; sent++) {
        child = fork();
        g_assert_cmpint(child, >=, 0);
        if (child == 0) {
            setrlimit(RLIMIT_CORE, &no_core);
            vfio_mig_guard_begin();
            if (sent) {
                raise(SIGBUS);
            } else {
                (void)*gone;
            }
            _exit(0);
        }
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_true(WIFSIGNALED(status));
        g_assert_cmpint(WTERMSIG(status), ==, SIGBUS);
    }
    window_free(w);
}

/* ---- sessions ---- */

static struct sigaction below;

/* Like QEMU's handler for preallocation, it passes on what is not its own. */
static void upper_handler(int sig, siginfo_t *info, void *context)
{
    other_calls++;
    below.sa_sigaction(sig, info, context);
}

static void expect_guarded(Window *w)
{
    uint8_t byte;

    g_assert_cmpint(vfio_mig_guarded_copy(&byte, w->host, 1), ==, -EFAULT);
}

/* Another handler is set over ours, and removed: in a session, and after it. */
static void test_upper_handler(void)
{
    Window *w = window_new();

    window_keep(w, 0);
    set_handler(other_handler, NULL);
    vfio_mig_guard_begin();
    set_handler(upper_handler, &below);
    expect_guarded(w);
    g_assert_cmpint(other_calls, ==, 1);
    vfio_mig_guard_end();
    g_assert_true(handler_is(upper_handler));

    vfio_mig_guard_begin();
    expect_guarded(w);
    g_assert_cmpint(sigaction(SIGBUS, &below, NULL), ==, 0);
    expect_guarded(w);
    vfio_mig_guard_end();
    g_assert_true(handler_is(other_handler));
    reset_handler();
    window_free(w);
}

/* ---- threads ---- */

typedef struct Worker {
    Window *window;
    unsigned faults;
} Worker;

/* The window disappears in every other round. */
static void *work(void *opaque)
{
    Worker *worker = opaque;
    Window *w = worker->window;
    g_autofree uint8_t *buf = g_malloc(w->size);
    unsigned i;

    block_sigbus(true);
    for (i = 0; i < ROUNDS; i++) {
        int ret;

        window_keep(w, i % 2 ? i % PAGES : PAGES);
        ret = vfio_mig_guarded_copy(buf, w->host, w->size);
        worker->faults += ret == -EFAULT;
        g_assert_cmpint(ret, ==, i % 2 ? -EFAULT : 0);
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[NR_THREADS];
    Worker workers[NR_THREADS];
    unsigned i;

    vfio_mig_guard_begin();
    for (i = 0; i < NR_THREADS; i++) {
        workers[i] = (Worker) { .window = window_new() };
        g_assert_cmpint(pthread_create(&threads[i], NULL, work, &workers[i]),
                        ==, 0);
    }
    for (i = 0; i < NR_THREADS; i++) {
        pthread_join(threads[i], NULL);
        g_assert_cmpint(workers[i].faults, ==, ROUNDS / 2);
        window_free(workers[i].window);
    }
    vfio_mig_guard_end();
}

/* ---- streams ---- */

static void test_who_copies(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    QEMUFile *memory = vfio_host_file_new_memory_output(bytes);
    QEMUFile *file = vfio_host_file_new_output(open("/dev/null", O_WRONLY));

    g_assert_false(vfio_mig_kernel_copies(memory));
    g_assert_true(vfio_mig_kernel_copies(file));
    qemu_fclose(memory);
    qemu_fclose(file);
}

static void test_words(void)
{
    Error *err = NULL;

    vfio_mig_window_gone("dev0", 0x1000, 0x200, &err);
    g_assert_nonnull(strstr(error_get_pretty(err), "dev0: "));
    g_assert_nonnull(strstr(error_get_pretty(err), "went away"));
    g_assert_nonnull(strstr(error_get_pretty(err), "0x200 bytes"));
    g_assert_nonnull(strstr(error_get_pretty(err), "offset 0x1000 "));
    error_free(err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    vfio_host_init();
    page = getpagesize();
    g_test_add_func("/migration-guard/faults", test_faults);
    g_test_add_func("/migration-guard/sent", test_sent);
    g_test_add_func("/migration-guard/sent-while-blocked",
                    test_sent_while_blocked);
    g_test_add_func("/migration-guard/machine-check", test_machine_check);
    g_test_add_func("/migration-guard/default", test_default);
    g_test_add_func("/migration-guard/upper-handler", test_upper_handler);
    g_test_add_func("/migration-guard/threads", test_threads);
    g_test_add_func("/migration-guard/who-copies", test_who_copies);
    g_test_add_func("/migration-guard/words", test_words);
    return g_test_run();
}
