/*
 * Test cases, each in a process of its own
 *
 * Owns: running a case in a child with a time limit and a directory, so that a
 * failed, hung or crashed case leaves nothing behind and the next one still
 * runs; an environment without settings of ours; how a case fails.
 * Does not own: QEMU processes, and printing their state when a case fails
 * (libqtest.c). They die with the case's process however it ends, because they
 * ask the kernel for that signal.
 * Locks: none. QTEST_KEEP=1 keeps the directories; QTEST_NO_FORK=1 runs the
 * cases in the program itself, for a debugger; QTEST_ROWS=quick:LIST skips what
 * slow:LIST runs (slow-rows).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qtest-case.h"

#include "libqtest.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Seconds that a case has to print its state after its time is up. */
#define DESCRIBE_SECONDS 10

typedef struct QTestCase {
    char *name;
    void (*fn)(void);
    void (*data_fn)(const void *);
    void *data;
    GDestroyNotify data_free;
} QTestCase;

static struct {
    const QTestCase *running;
    char *dir;
    int report_fd;              /* to the parent, -1 if there is none */
} self = { .report_fd = -1 };

/* Sent to the program: the running case is ended and cleaned up first. */
static volatile sig_atomic_t stop_signal;

static void on_stop(int sig)
{
    stop_signal = sig;
}

static void watch_stop_signals(void)
{
    struct sigaction sa = { .sa_handler = on_stop };

    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
}

const char *qtest_tmpdir(void)
{
    g_assert_nonnull(self.dir);
    return self.dir;
}

/* Send a line to the parent: "seconds N", "skip WHY". */
static void report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static void report(const char *fmt, ...)
{
    g_autofree char *line = NULL;
    va_list ap;

    if (self.report_fd < 0) {
        return;
    }
    va_start(ap, fmt);
    line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (write(self.report_fd, line, strlen(line)) < 0) {
        perror("report to the test program");
    }
}

void qtest_set_case_seconds(unsigned seconds)
{
    report("seconds %u\n", seconds);
}

void qtest_skip(const char *why)
{
    if (self.report_fd < 0) {
        g_test_skip(why);
    }
    report("skip %s\n", why);
}

void qtest_fail(const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    fprintf(stderr, "FAILED %s: %s\n", self.running ? self.running->name : "",
            text);
    abort();
}

void qtest_expect_words(const char *who, const char *what, const char *text,
                        const char *words)
{
    g_auto(GStrv) all = g_strsplit(words, ";", -1);

    for (char **word = all; *word; word++) {
        if (!strstr(text, *word)) {
            qtest_fail("%s: %s lacks '%s': %s", who, what, *word, text);
        }
    }
}

int qtest_connect(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpuint(g_strlcpy(address.sun_path, path,
                               sizeof(address.sun_path)), <,
                     sizeof(address.sun_path));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        qtest_fail("cannot connect to %s: %s", path, strerror(errno));
    }
    return fd;
}

static int remove_entry(const char *path, const struct stat *info, int type,
                        struct FTW *place)
{
    return remove(path);
}

/* It also holds guest memory, so it is in memory if possible. */
static char *make_dir(void)
{
    char *dir = g_strdup("/dev/shm/vfio-qtest-XXXXXX");
    g_autoptr(GError) err = NULL;

    if (g_mkdtemp(dir)) {
        return dir;
    }
    g_free(dir);
    dir = g_dir_make_tmp("vfio-qtest-XXXXXX", &err);
    if (!dir) {
        g_error("no directory for a test: %s", err->message);
    }
    return dir;
}

static void call(const QTestCase *c)
{
    self.running = c;
    if (c->fn) {
        c->fn();
    } else {
        c->data_fn(c->data);
    }
    self.running = NULL;
}

/* Added first, and so called last */
static void end_on_abort(gpointer data)
{
    fflush(NULL);
    _exit(1);
}

/* QEMUs are the only children of a case that are not waited for at once. */
static bool qemu_is_left(void)
{
    return waitpid(-1, NULL, WNOHANG) >= 0;
}

static G_NORETURN void child(const QTestCase *c, int report_fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* glib's output on failure must not be mixed with the program's TAP. */
    dup2(STDERR_FILENO, STDOUT_FILENO);
    qtest_add_abrt_handler(end_on_abort, NULL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    self.report_fd = report_fd;
    call(c);
    if (qemu_is_left()) {
        fprintf(stderr, "%s: the case left a QEMU running\n", c->name);
        fflush(NULL);
        _exit(1);
    }
    fflush(NULL);
    _exit(g_test_failed() ? 1 : 0);
}

/* Reads the child's reports; returns false once it has closed its end. */
static bool take_reports(int fd, int64_t start_us, int64_t *deadline_us)
{
    char text[1024];
    ssize_t len = read(fd, text, sizeof(text) - 1);
    g_auto(GStrv) lines = NULL;

    if (len <= 0) {
        return len < 0 && errno == EINTR;
    }
    text[len] = '\0';
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (g_str_has_prefix(*line, "seconds ")) {
            *deadline_us = start_us
                + g_ascii_strtoll(*line + 8, NULL, 10) * G_USEC_PER_SEC;
        } else if (g_str_has_prefix(*line, "skip ")) {
            g_test_skip(*line + 5);
        }
    }
    return true;
}

/* Waits until @fd is at its end; returns false on reaching @deadline_us. */
static bool wait_reports(int fd, int64_t *deadline_us)
{
    int64_t start_us = g_get_monotonic_time();

    while (true) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int64_t left_us = *deadline_us - g_get_monotonic_time();

        if (left_us <= 0 || stop_signal) {
            return false;
        }
        if (poll(&p, 1, left_us / 1000 + 1) > 0
            && !take_reports(fd, start_us, deadline_us)) {
            return true;
        }
    }
}

static void supervise(const QTestCase *c, pid_t pid, int fd)
{
    int64_t deadline_us = g_get_monotonic_time()
        + QTEST_CASE_SECONDS * G_USEC_PER_SEC;
    int status;
    pid_t done;

    if (!wait_reports(fd, &deadline_us)) {
        g_test_message("%s: %s", c->name,
                       stop_signal ? "told to end" : "out of time");
        kill(pid, stop_signal ? SIGKILL : SIGABRT);
        deadline_us = g_get_monotonic_time()
            + DESCRIBE_SECONDS * G_USEC_PER_SEC;
        if (!wait_reports(fd, &deadline_us)) {
            kill(pid, SIGKILL);
        }
    }
    do {
        done = waitpid(pid, &status, 0);
    } while (done < 0 && errno == EINTR);
    if (WIFSIGNALED(status)) {
        g_test_message("%s: killed by signal %d", c->name, WTERMSIG(status));
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        g_test_fail();
    }
}

/* Settings of the user or the host must not affect the VMs of a test. */
static void clear_settings(void)
{
    g_auto(GStrv) names = g_listenv();

    for (char **name = names; *name; name++) {
        if (g_str_has_prefix(*name, "VFIO_MIGRATION_")) {
            g_unsetenv(*name);
        }
    }
    g_unsetenv("VFIO_SIM_CONFIG");
    g_setenv("VFIO_MIGRATION_CONF", "/dev/null", true);
}

static void run_case(gconstpointer opaque)
{
    const QTestCase *c = opaque;
    int fds[2];
    pid_t pid;

    clear_settings();
    self.dir = make_dir();
    watch_stop_signals();
    if (g_getenv("QTEST_NO_FORK")) {
        call(c);
        g_assert_false(qemu_is_left());
    } else {
        if (pipe2(fds, O_CLOEXEC) < 0) {
            g_error("pipe: %s", strerror(errno));
        }
        fflush(NULL);
        pid = fork();
        if (pid == 0) {
            close(fds[0]);
            child(c, fds[1]);
        }
        g_assert_cmpint(pid, >, 0);
        close(fds[1]);
        supervise(c, pid, fds[0]);
        close(fds[0]);
    }
    if (g_getenv("QTEST_KEEP")) {
        g_test_message("%s: kept %s", c->name, self.dir);
    } else {
        nftw(self.dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    }
    g_clear_pointer(&self.dir, g_free);
    if (stop_signal) {
        signal(stop_signal, SIG_DFL);
        raise(stop_signal);
    }
}

static void free_case(gpointer opaque)
{
    QTestCase *c = opaque;

    if (c->data_free) {
        c->data_free(c->data);
    }
    g_free(c->name);
    g_free(c);
}

/* Is @name in the list of slow cases? The last matching line counts. */
static bool is_slow(const char *list, const char *name)
{
    static char **lines;
    bool slow = false;

    if (!lines) {
        g_autofree char *text = NULL;
        g_autoptr(GError) err = NULL;

        if (!g_file_get_contents(list, &text, NULL, &err)) {
            g_error("QTEST_ROWS: %s", err->message);
        }
        lines = g_strsplit(text, "\n", -1);
    }
    for (char **line = lines; *line; line++) {
        bool not_slow = **line == '!';

        if (g_pattern_match_simple(*line + not_slow, name)) {
            slow = !not_slow;
        }
    }
    return slow;
}

/* Without QTEST_ROWS all are; quick:LIST and slow:LIST split them. */
static bool is_wanted(const char *name)
{
    const char *rows = g_getenv("QTEST_ROWS");

    if (!rows || !*rows) {
        return true;
    }
    if (g_str_has_prefix(rows, "quick:")) {
        return !is_slow(rows + strlen("quick:"), name);
    }
    if (g_str_has_prefix(rows, "slow:")) {
        return is_slow(rows + strlen("slow:"), name);
    }
    g_error("QTEST_ROWS is '%s', want quick:LIST or slow:LIST", rows);
}

static void add_case(const char *str, QTestCase values)
{
    QTestCase *c;

    if (!is_wanted(str + (*str == '/'))) {
        if (values.data_free) {
            values.data_free(values.data);
        }
        return;
    }
    c = g_memdup2(&values, sizeof(values));
    c->name = g_strdup_printf("/%s/%s", qtest_get_arch(), str);
    g_test_add_data_func_full(c->name, c, run_case, free_case);
}

void qtest_add_case(const char *str, void (*fn)(void))
{
    add_case(str, (QTestCase) { .fn = fn });
}

void qtest_add_data_case(const char *str, const void *data,
                         void (*fn)(const void *))
{
    add_case(str, (QTestCase) { .data_fn = fn, .data = (void *)data });
}

void qtest_add_data_case_full(const char *str, void *data,
                              void (*fn)(const void *),
                              GDestroyNotify data_free_func)
{
    add_case(str, (QTestCase) { .data_fn = fn, .data = data,
                                .data_free = data_free_func });
}

void qtest_take_part(int *argc, char **argv, unsigned *part, unsigned *parts)
{
    if (*argc > 1 && g_str_has_prefix(argv[1], "--part=")) {
        if (sscanf(argv[1], "--part=%u/%u", part, parts) != 2 || !*parts ||
            !*part || *part > *parts) {
            g_error("want --part=N/M, not %s", argv[1]);
        }
        --*part;
        memmove(&argv[1], &argv[2], (*argc - 1) * sizeof(*argv));
        --*argc;
    }
}
