/*
 * Drive a QEMU from a test: processes and QMP
 *
 * Owns: QEMU's libqtest names for child.c and qmp.c of tools/; what fails a
 * case; SIGABRT handlers.
 * Does not own: the qtest socket's commands (qtest-io.c), cases (qtest-case.c),
 * JSON (qtest-json.c).
 * Locks: none. One thread; a QEMU dies with the process that started it.
 * Source: names and meanings of QEMU's tests/qtest/libqtest.h, to which the
 * patch series adds what the cases need besides.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qtest-case.h"
#include "qtest-json.h"
#include "qtest-state.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

static GHookList abrt_hooks;

/* ---- abort() ---- */

/*
 * Runs in the thread that called abort(), or that was waiting for QEMU when
 * SIGABRT arrived. At both points printing is safe enough for a process that is
 * about to end. A handler that aborts itself is not called again.
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

int qtest_answer_seconds(void)
{
    const char *seconds = g_getenv("QTEST_ANSWER_SECONDS");

    return seconds ? atoi(seconds) : 20;
}

static int answer_ms(void)
{
    return QTEST_ANSWER_SECONDS * 1000;
}

/* ---- processes ---- */

bool qtest_wait_exit(QTestState *s, int timeout_ms, int *status)
{
    bool ended = child_wait(s->child, timeout_ms);

    if (ended && status) {
        *status = child_status(s->child);
    }
    return ended;
}

bool qtest_probe_child(QTestState *s)
{
    return child_runs(s->child);
}

static char **build_argv(const char *name, const char *binary,
                         const char *extra_args)
{
    g_autofree char *line = g_strdup_printf(
        "%s -chardev socket,id=qtest-io,fd=%d "
        "-object qtest,id=qtest,chardev=qtest-io,log=none "
        "-chardev socket,id=qtest-qmp,fd=%d "
        "-mon chardev=qtest-qmp,mode=control -display none %s",
        binary, CHILD_SOCKET_FD, CHILD_SOCKET_FD + 1, extra_args);
    g_autoptr(GError) err = NULL;
    char **argv;

    if (g_getenv("QTEST_LOG")) {
        g_printerr("[%s] %s\n", name, line);
    }
    if (!g_shell_parse_argv(line, NULL, &argv, &err)) {
        g_error("%s: %s", line, err->message);
    }
    return argv;
}

QTestState *qtest_launch(const char *binary, const char *extra_args,
                         const char *output)
{
    struct timeval limit = { .tv_sec = QTEST_ANSWER_SECONDS };
    g_autofree char *base = g_path_get_basename(output);
    QTestState *s = g_new0(QTestState, 1);
    g_autoptr(GError) err = NULL;
    g_auto(GStrv) argv = NULL;
    ChildConfig config;
    int ends[2];

    s->name = g_strndup(base, strcspn(base, "."));
    argv = build_argv(s->name, binary, extra_args);
    config = (ChildConfig) {
        .name = s->name, .argv = (const char *const *)argv, .output = output,
        .sockets = G_N_ELEMENTS(ends),
    };
    s->child = child_start(&config, ends, &err);
    if (!s->child) {
        qtest_fail("%s", err->message);
    }
    qtest_add_abrt_handler(describe, s);
    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    s->qtest = fdopen(ends[0], "r");
    s->qmp = qmp_new(ends[1], s->name, s->child);
    if (g_getenv("QTEST_LOG")) {
        qmp_log(s->qmp);
    }
    if (!qmp_begin(s->qmp, answer_ms(), &err) && child_runs(s->child)) {
        qtest_fail("%s did not come up: %s", s->name, err->message);
    }
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
    QTestState *s = qtest_launch(default_binary(), extra_args, output);

    if (!qtest_probe_child(s)) {
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
    return child_pid(s->child);
}

void qtest_set_expected_status(QTestState *s, int status)
{
    s->expected_status = status;
}

void qtest_kill9(QTestState *s)
{
    if (!child_kill(s->child)) {
        g_error("%s (pid %d) outlives SIGKILL", s->name, qtest_pid(s));
    }
}

void qtest_kill_qemu(QTestState *s)
{
    child_signal(s->child, SIGTERM);
    if (!child_wait(s->child, 2000)) {
        qtest_kill9(s);
    }
}

static void state_free(QTestState *s)
{
    qtest_remove_abrt_handler(s);
    fclose(s->qtest);
    qmp_free(s->qmp);
    child_free(s->child);
    g_free(s->name);
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
    int status;

    qtest_kill_qemu(s);
    status = child_status(s->child);
    if (alive && WIFSIGNALED(status)) {
        qtest_fail("%s did not end on SIGTERM", s->name);
    }
    if (WIFSIGNALED(status)) {
        qtest_fail("%s died of signal %d", s->name, WTERMSIG(status));
    }
    if (!alive && WEXITSTATUS(status) != s->expected_status) {
        qtest_fail("%s ended with status %d, expected was %d", s->name,
                   WEXITSTATUS(status), s->expected_status);
    }
    state_free(s);
}

/* ---- QMP ---- */

static QDict *take_object(JsonNode *node)
{
    QDict *d = json_node_dup_object(node);

    json_node_unref(node);
    return d;
}

static QDict *vqmp_timeout(QTestState *s, int timeout_ms, const char *fmt,
                           va_list ap, GError **error)
{
    JsonNode *answer = NULL;

    g_free(s->last_command);
    s->last_command = qtest_vjsonf(fmt, ap);
    if (qmp_send(s->qmp, s->last_command, error)) {
        answer = qmp_answer(s->qmp, timeout_ms, "answer", error);
    }
    return answer ? take_object(answer) : NULL;
}

QDict *qtest_qmp_timeout(QTestState *s, int timeout_ms, const char *fmt, ...)
{
    va_list ap;
    QDict *answer;

    va_start(ap, fmt);
    answer = vqmp_timeout(s, timeout_ms, fmt, ap, NULL);
    va_end(ap);
    return answer;
}

QDict *qtest_vqmp(QTestState *s, const char *fmt, va_list ap)
{
    g_autoptr(GError) err = NULL;
    QDict *answer = vqmp_timeout(s, answer_ms(), fmt, ap, &err);

    if (!answer) {
        qtest_fail("%s gave no answer to %s: %s", s->name, s->last_command,
                   err->message);
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

/* Sent with one byte that JSON ignores */
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

    if (!send_fds(qmp_socket(s->qmp), fds, nfds)) {
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
    JsonNode *node = qmp_take_event(s->qmp, event);

    return node ? take_object(node) : NULL;
}

QDict *qtest_qmp_eventwait_ref(QTestState *s, const char *event)
{
    g_autoptr(GError) err = NULL;

    if (!qmp_wait_event(s->qmp, event, NULL, answer_ms(), &err)) {
        qtest_fail("%s sent no event %s: %s", s->name, event, err->message);
    }
    return qtest_qmp_event_ref(s, event);
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

/* ---- what a failure prints ---- */

char *qtest_stderr(QTestState *s)
{
    return child_output(s->child);
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
    g_autofree char *life = child_life(s->child);

    fprintf(stderr, "--- %s: %s\nlast command: %s\nstderr:\n%s\n", s->name,
            life, s->last_command, tail(err, 3000));
}
