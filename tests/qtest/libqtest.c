/*
 * Drive a QEMU from a test: processes and QMP
 *
 * Owns: QEMU processes of a case, their QMP socket and stderr, handlers of
 * SIGABRT.
 * Does not own: the qtest socket's commands (qtest-io.c), cases
 * (qtest-case.c), JSON (qtest-json.c).
 * Locks: none. One thread; a QEMU dies with the process that started it.
 * Source: names and meanings of tests/qtest/libqtest.h of QEMU, to which the
 * patch series adds what the cases use besides.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qtest-case.h"
#include "qtest-json.h"
#include "qtest-state.h"

#include <errno.h>
#include <fcntl.h>
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

/* Between looks at a child that may have ended. */
#define POLL_MS 10

static GHookList abrt_hooks;

/* ---- abort() ---- */

/*
 * Runs in the thread that called abort(), or that SIGABRT found waiting for a
 * QEMU: both are points where printing is safe enough for a process that ends
 * now anyway. A handler that aborts itself is not called again.
 */
static void on_abort(int sig)
{
    g_hook_list_invoke(&abrt_hooks, false);
}

void qtest_add_abrt_handler(GHookFunc fn, const void *data)
{
    GHook *hook;

    if (!abrt_hooks.is_setup) {
        g_hook_list_init(&abrt_hooks, sizeof(GHook));
        signal(SIGABRT, on_abort);
    }
    hook = g_hook_alloc(&abrt_hooks);
    hook->func = (gpointer)fn;
    hook->data = (gpointer)data;
    g_hook_prepend(&abrt_hooks, hook);
}

void qtest_remove_abrt_handler(void *data)
{
    GHook *hook = g_hook_find_data(&abrt_hooks, true, data);

    g_assert_nonnull(hook);
    g_hook_destroy_link(&abrt_hooks, hook);
}

static void describe(gpointer opaque);

/* ---- lines on a socket ---- */

int qtest_answer_seconds(void)
{
    const char *seconds = g_getenv("QTEST_ANSWER_SECONDS");

    return seconds ? atoi(seconds) : 20;
}

static int64_t now_ms(void)
{
    return g_get_monotonic_time() / 1000;
}

static char *take_line(GString *in)
{
    char *end = memchr(in->str, '\n', in->len);
    char *line;

    if (!end) {
        return NULL;
    }
    line = g_strndup(in->str, end - in->str);
    g_string_erase(in, 0, end + 1 - in->str);
    return g_strchomp(line);
}

char *qtest_channel_read(QTestChannel *c, int64_t deadline_ms)
{
    char *line;

    while (!(line = take_line(c->in))) {
        struct pollfd p = { .fd = c->fd, .events = POLLIN };
        int64_t left_ms = deadline_ms - now_ms();
        char buf[65536];
        ssize_t len;

        if (c->fd < 0 || left_ms <= 0) {
            return NULL;
        }
        if (poll(&p, 1, left_ms) <= 0) {
            continue;
        }
        len = read(c->fd, buf, sizeof(buf));
        if (len > 0) {
            g_string_append_len(c->in, buf, len);
        } else if (len == 0 || errno != EINTR) {
            close(c->fd);
            c->fd = -1;
        }
    }
    return line;
}

bool qtest_channel_write(QTestChannel *c, const char *text, size_t len)
{
    while (len && c->fd >= 0) {
        ssize_t done = send(c->fd, text, len, MSG_NOSIGNAL);

        if (done > 0) {
            text += done;
            len -= done;
        } else if (done < 0 && errno != EINTR) {
            return false;
        }
    }
    return len == 0;
}

/* ---- processes ---- */

static int listen_at(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpuint(strlen(path), <, sizeof(addr.sun_path));
    strcpy(addr.sun_path, path);
    unlink(path);
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1)) {
        g_error("cannot listen on %s: %s", path, strerror(errno));
    }
    return fd;
}

bool qtest_wait_exit(QTestState *s, int timeout_ms, int *status)
{
    int64_t deadline_ms = now_ms() + timeout_ms;

    while (!s->ended) {
        pid_t pid = waitpid(s->pid, &s->status, WNOHANG);

        if (pid == s->pid) {
            s->ended = true;
        } else if (now_ms() >= deadline_ms) {
            return false;
        } else {
            g_usleep(POLL_MS * 1000);
        }
    }
    if (status) {
        *status = s->status;
    }
    return true;
}

bool qtest_probe_child(QTestState *s)
{
    return !qtest_wait_exit(s, 0, NULL);
}

/* Accepts QEMU's connection, unless it ends or takes too long. */
static int accept_qemu(QTestState *s, int listen_fd, int64_t deadline_ms)
{
    struct pollfd p = { .fd = listen_fd, .events = POLLIN };
    int fd = -1;

    while (fd < 0 && now_ms() < deadline_ms) {
        if (poll(&p, 1, POLL_MS) > 0) {
            fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        } else if (!qtest_probe_child(s)) {
            break;
        }
    }
    close(listen_fd);
    return fd;
}

static void spawn(QTestState *s, char **argv)
{
    pid_t parent = getpid();

    fflush(NULL);
    s->pid = fork();
    if (s->pid == 0) {
        int out = open(s->output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        int in = open("/dev/null", O_RDONLY);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(1);
        }
        signal(SIGABRT, SIG_DFL);
        dup2(in, STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(out, STDERR_FILENO);
        execvp(argv[0], argv);
        fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
        fflush(NULL);
        _exit(127);
    }
    g_assert_cmpint(s->pid, >, 0);
}

static char **build_argv(QTestState *s, const char *binary,
                         const char *extra_args)
{
    g_autofree char *line = g_strdup_printf(
        "%s -qtest unix:%s.qtest -qtest-log /dev/null "
        "-chardev socket,path=%s.qmp,id=qtest-qmp "
        "-mon chardev=qtest-qmp,mode=control -display none %s",
        binary, s->prefix, s->prefix, extra_args);
    g_autoptr(GError) err = NULL;
    char **argv;

    if (g_getenv("QTEST_LOG")) {
        g_printerr("[%s] %s\n", s->name, line);
    }
    if (!g_shell_parse_argv(line, NULL, &argv, &err)) {
        g_error("%s: %s", line, err->message);
    }
    return argv;
}

QTestState *qtest_start(const char *binary, const char *extra_args,
                        const char *output)
{
    static unsigned number;
    QTestState *s = g_new0(QTestState, 1);
    g_autofree char *qtest_path = NULL;
    g_autofree char *qmp_path = NULL;
    g_autofree char *base = NULL;
    g_auto(GStrv) argv = NULL;
    int64_t deadline_ms = now_ms() + QTEST_ANSWER_SECONDS * 1000;
    int qtest_fd, qmp_fd;
    QDict *answer;

    s->prefix = g_strdup_printf("%s/q%u", qtest_tmpdir(), number++);
    base = g_path_get_basename(output);
    s->name = g_strndup(base, strcspn(base, "."));
    s->output = g_strdup(output);
    s->qmp.in = g_string_new(NULL);
    s->qtest.in = g_string_new(NULL);
    g_queue_init(&s->events);
    qtest_path = g_strconcat(s->prefix, ".qtest", NULL);
    qmp_path = g_strconcat(s->prefix, ".qmp", NULL);
    qtest_fd = listen_at(qtest_path);
    qmp_fd = listen_at(qmp_path);
    argv = build_argv(s, binary, extra_args);
    spawn(s, argv);
    qtest_add_abrt_handler(describe, s);

    s->qmp.fd = accept_qemu(s, qmp_fd, deadline_ms);
    s->qtest.fd = accept_qemu(s, qtest_fd, deadline_ms);
    answer = qtest_qmp_timeout(s, QTEST_ANSWER_SECONDS * 1000,
                               "{'execute': 'qmp_capabilities'}");
    if (!answer) {
        qtest_wait_exit(s, 1000, NULL);
    }
    qobject_unref(answer);
    return s;
}

const char *qtest_get_arch(void)
{
    return "x86_64";
}

static const char *default_binary(void)
{
    const char *binary = g_getenv("QTEST_QEMU_BINARY");

    binary = binary ? binary : g_getenv("QEMU");
    return binary ? binary : "qemu-system-x86_64";
}

QTestState *qtest_init(const char *extra_args)
{
    static unsigned number;
    g_autofree char *output = g_strdup_printf("%s/init%u.stderr",
                                              qtest_tmpdir(), number++);
    QTestState *s = qtest_start(default_binary(), extra_args, output);

    if (s->qmp.fd < 0 || !qtest_probe_child(s)) {
        qtest_fail("QEMU did not come up: %s", extra_args);
    }
    return s;
}

QTestState *qtest_vinitf(const char *fmt, va_list ap)
{
    g_autofree char *args = g_strdup_vprintf(fmt, ap);

    return qtest_init(args);
}

QTestState *qtest_initf(const char *fmt, ...)
{
    va_list ap;
    QTestState *s;

    va_start(ap, fmt);
    s = qtest_vinitf(fmt, ap);
    va_end(ap);
    return s;
}

pid_t qtest_pid(QTestState *s)
{
    return s->pid;
}

void qtest_set_expected_status(QTestState *s, int status)
{
    s->expected_status = status;
}

void qtest_kill9(QTestState *s)
{
    if (qtest_probe_child(s)) {
        kill(s->pid, SIGKILL);
    }
    if (!qtest_wait_exit(s, QTEST_ANSWER_SECONDS * 1000, NULL)) {
        g_error("%s (pid %d) outlives SIGKILL", s->name, s->pid);
    }
}

void qtest_kill_qemu(QTestState *s)
{
    if (qtest_probe_child(s)) {
        kill(s->pid, SIGTERM);
    }
    if (!qtest_wait_exit(s, 2000, NULL)) {
        qtest_kill9(s);
    }
}

static void state_free(QTestState *s)
{
    qtest_remove_abrt_handler(s);
    for (int i = 0; i < 2; i++) {
        QTestChannel *c = i ? &s->qmp : &s->qtest;

        if (c->fd >= 0) {
            close(c->fd);
        }
        g_string_free(c->in, true);
    }
    for (QDict *event; (event = g_queue_pop_head(&s->events));) {
        qobject_unref(event);
    }
    g_free(s->prefix);
    g_free(s->name);
    g_free(s->output);
    g_free(s->last_command);
    g_free(s);
}

void qtest_forget(QTestState *s)
{
    qtest_kill9(s);
    state_free(s);
}

void qtest_quit(QTestState *s)
{
    bool alive = qtest_probe_child(s);

    qtest_kill_qemu(s);
    if (alive && WIFSIGNALED(s->status)) {
        qtest_fail("%s did not end on SIGTERM", s->name);
    }
    if (WIFSIGNALED(s->status)) {
        qtest_fail("%s died of signal %d", s->name, WTERMSIG(s->status));
    }
    if (!alive && WEXITSTATUS(s->status) != s->expected_status) {
        qtest_fail("%s ended with status %d, expected was %d", s->name,
                   WEXITSTATUS(s->status), s->expected_status);
    }
    state_free(s);
}

/* ---- QMP ---- */

static QDict *receive(QTestState *s, int64_t deadline_ms)
{
    g_autofree char *line = qtest_channel_read(&s->qmp, deadline_ms);
    QDict *answer;

    if (!line) {
        return NULL;
    }
    if (g_getenv("QTEST_LOG")) {
        g_printerr("[%s] <- %s\n", s->name, line);
    }
    answer = qdict_from_text(line);
    if (!answer) {
        g_error("%s: not a QMP message: %s", s->name, line);
    }
    return answer;
}

/* The next message that is no event; events wait in their queue. */
static QDict *receive_answer(QTestState *s, int64_t deadline_ms)
{
    QDict *answer;

    while ((answer = receive(s, deadline_ms))) {
        if (qdict_haskey(answer, "event")) {
            g_queue_push_tail(&s->events, answer);
        } else if (qdict_haskey(answer, "QMP")) {
            qobject_unref(answer);
        } else {
            return answer;
        }
    }
    return NULL;
}

static bool vsend(QTestState *s, const char *fmt, va_list ap)
{
    g_autofree char *text = qtest_vjsonf(fmt, ap);
    g_autofree char *line = g_strconcat(text, "\n", NULL);

    if (g_getenv("QTEST_LOG")) {
        g_printerr("[%s] -> %s", s->name, line);
    }
    g_free(s->last_command);
    s->last_command = g_steal_pointer(&text);
    return qtest_channel_write(&s->qmp, line, strlen(line));
}

static QDict *vqmp_timeout(QTestState *s, int timeout_ms, const char *fmt,
                           va_list ap)
{
    int64_t deadline_ms = now_ms() + timeout_ms;

    return vsend(s, fmt, ap) ? receive_answer(s, deadline_ms) : NULL;
}

QDict *qtest_qmp_timeout(QTestState *s, int timeout_ms, const char *fmt, ...)
{
    va_list ap;
    QDict *answer;

    va_start(ap, fmt);
    answer = vqmp_timeout(s, timeout_ms, fmt, ap);
    va_end(ap);
    return answer;
}

QDict *qtest_vqmp(QTestState *s, const char *fmt, va_list ap)
{
    QDict *answer = vqmp_timeout(s, QTEST_ANSWER_SECONDS * 1000, fmt, ap);

    if (!answer) {
        qtest_fail("%s gave no answer to %s", s->name, s->last_command);
    }
    return answer;
}

QDict *qtest_qmp(QTestState *s, const char *fmt, ...)
{
    va_list ap;
    QDict *answer;

    va_start(ap, fmt);
    answer = qtest_vqmp(s, fmt, ap);
    va_end(ap);
    return answer;
}

static QDict *must_have(QTestState *s, const char *key, const char *fmt,
                        va_list ap)
{
    QDict *answer = qtest_vqmp(s, fmt, ap);

    if (!qdict_haskey(answer, key)) {
        g_autofree char *text = qdict_to_text(answer);

        qtest_fail("%s: %s was answered with %s, not with '%s'", s->name,
                   s->last_command, text, key);
    }
    return answer;
}

static QDict *take_member(QDict *answer, const char *key)
{
    QDict *member = qobject_ref(qdict_get_qdict(answer, key));

    qobject_unref(answer);
    return member;
}

void qtest_qmp_assert_success(QTestState *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    qobject_unref(must_have(s, "return", fmt, ap));
    va_end(ap);
}

/* With a byte that JSON takes no notice of */
static bool send_fds(int to, int *fds, size_t nfds)
{
    size_t size = nfds * sizeof(int);
    g_autofree struct cmsghdr *control = g_malloc0(CMSG_SPACE(size));
    struct iovec iov = { .iov_base = (char *)" ", .iov_len = 1 };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = CMSG_SPACE(size),
    };

    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(control), fds, size);
    return sendmsg(to, &msg, MSG_NOSIGNAL) == 1;
}

void qtest_qmp_fds_assert_success(QTestState *s, int *fds, size_t nfds,
                                  const char *fmt, ...)
{
    va_list ap;

    if (!send_fds(s->qmp.fd, fds, nfds)) {
        qtest_fail("%s takes no file descriptors", s->name);
    }
    va_start(ap, fmt);
    qobject_unref(must_have(s, "return", fmt, ap));
    va_end(ap);
}

QDict *qtest_qmp_assert_success_ref(QTestState *s, const char *fmt, ...)
{
    va_list ap;
    QDict *answer;

    va_start(ap, fmt);
    answer = must_have(s, "return", fmt, ap);
    va_end(ap);
    return take_member(answer, "return");
}

QDict *qtest_qmp_assert_failure_ref(QTestState *s, const char *fmt, ...)
{
    va_list ap;
    QDict *answer;

    va_start(ap, fmt);
    answer = must_have(s, "error", fmt, ap);
    va_end(ap);
    return take_member(answer, "error");
}

/* ---- events ---- */

QDict *qtest_qmp_event_ref(QTestState *s, const char *event)
{
    for (GList *l = s->events.head; l; l = l->next) {
        QDict *d = l->data;

        if (!strcmp(qdict_get_str(d, "event"), event)) {
            g_queue_delete_link(&s->events, l);
            return d;
        }
    }
    return NULL;
}

QDict *qtest_qmp_eventwait_ref(QTestState *s, const char *event)
{
    int64_t deadline_ms = now_ms() + QTEST_ANSWER_SECONDS * 1000;
    QDict *d, *message;

    while (!(d = qtest_qmp_event_ref(s, event))) {
        message = receive(s, deadline_ms);
        if (!message) {
            qtest_fail("%s sent no event %s", s->name, event);
        }
        if (qdict_haskey(message, "event")) {
            g_queue_push_tail(&s->events, message);
        } else {
            qobject_unref(message);
        }
    }
    return d;
}

void qtest_qmp_eventwait(QTestState *s, const char *event)
{
    qobject_unref(qtest_qmp_eventwait_ref(s, event));
}

char *qtest_hmp(QTestState *s, const char *fmt, ...)
{
    g_autofree char *command = NULL;
    QDict *answer;
    va_list ap;
    char *text;

    va_start(ap, fmt);
    command = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    answer = qtest_qmp(s, "{'execute': 'human-monitor-command', 'arguments': "
                       "{'command-line': %s}}", command);
    text = g_strdup(qdict_get_str(answer, "return"));
    qobject_unref(answer);
    return text;
}

void qtest_qmp_device_del_send(QTestState *s, const char *id)
{
    qtest_qmp_assert_success(s, "{'execute': 'device_del', 'arguments': "
                             "{'id': %s}}", id);
}

/* ---- what a failure shows ---- */

char *qtest_stderr(QTestState *s)
{
    char *text = NULL;

    if (!g_file_get_contents(s->output, &text, NULL, NULL)) {
        return g_strdup("");
    }
    return text;
}

static const char *tail(const char *text, size_t len)
{
    size_t all = strlen(text);

    return all > len ? text + all - len : text;
}

static void describe(gpointer opaque)
{
    QTestState *s = opaque;
    g_autofree char *err = qtest_stderr(s);
    g_autofree char *life = NULL;

    if (qtest_probe_child(s)) {
        life = g_strdup_printf("runs, pid %d", s->pid);
    } else if (WIFSIGNALED(s->status)) {
        life = g_strdup_printf("died of signal %d", WTERMSIG(s->status));
    } else {
        life = g_strdup_printf("ended, status %d", WEXITSTATUS(s->status));
    }
    fprintf(stderr, "--- %s: %s\nlast command: %s\nstderr:\n%s\n", s->name,
            life, s->last_command, tail(err, 3000));
}
