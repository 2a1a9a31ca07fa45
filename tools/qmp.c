/*
 * A QMP connection: commands, possibly delayed answers, events
 *
 * Owns: the socket, framing by lines, the one pending command, and the
 * received events. Independent of what is at the other end. One thread, no
 * locks.
 *
 * Source: QEMU's docs/interop/qmp-spec.txt for the framing and the events.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "qmp.h"

/* A command may wait for a whole stop-and-copy phase. */
#define QMP_COMMAND_TIMEOUT_MS 120000
/* A socket is closed shortly before its process has exited. */
#define QMP_END_MS             1000

struct Qmp {
    char *name;
    Child *child;             /* NULL: not started by us */
    int fd;                   /* -1 once the other end is closed */
    GString *input;
    GPtrArray *events;        /* JsonNode */
    bool greeted;
    bool asked;
    bool logs;
    JsonNode *reply;          /* the whole answer, with "return" or "error" */
};

volatile sig_atomic_t qmp_interrupted;

G_DEFINE_QUARK(qmp-error-quark, qmp_error)

static void qmp_on_signal(int number)
{
    /* Ctrl-C may arrive twice: at the process and at its group. */
    if (++qmp_interrupted > 2) {
        signal(number, SIG_DFL);
    }
}

void qmp_catch_signals(void)
{
    struct sigaction on_signal = { .sa_handler = qmp_on_signal };

    sigaction(SIGINT, &on_signal, NULL);
    sigaction(SIGTERM, &on_signal, NULL);
}

/* --- JSON --------------------------------------------------------------- */

static JsonNode *qmp_json_member(JsonNode *node, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, ".", -1);

    for (int i = 0; node && names[i]; i++) {
        node = JSON_NODE_HOLDS_OBJECT(node)
            ? json_object_get_member(json_node_get_object(node), names[i])
            : NULL;
    }
    return node && JSON_NODE_HOLDS_VALUE(node) ? node : NULL;
}

int64_t qmp_json_int(JsonNode *node, const char *path)
{
    JsonNode *member = qmp_json_member(node, path);

    return member ? json_node_get_int(member) : 0;
}

const char *qmp_json_string(JsonNode *node, const char *path)
{
    JsonNode *member = qmp_json_member(node, path);

    return member ? json_node_get_string(member) : NULL;
}

bool qmp_json_is_int(JsonNode *node, const char *path)
{
    JsonNode *member = qmp_json_member(node, path);

    return member && json_node_get_value_type(member) == G_TYPE_INT64;
}

int qmp_json_flag(JsonNode *node, const char *path, int fallback)
{
    JsonNode *member = qmp_json_member(node, path);

    return member && json_node_get_value_type(member) == G_TYPE_BOOLEAN
        ? json_node_get_boolean(member) : fallback;
}

char *qmp_command_text(const char *command, GVariant *arguments)
{
    g_autoptr(GVariant) owned = arguments ? g_variant_ref_sink(arguments)
                                          : NULL;
    g_autoptr(JsonNode) node = owned ? json_gvariant_serialize(owned) : NULL;
    g_autofree char *json = node ? json_to_string(node, false)
                                 : g_strdup("{}");

    return g_strdup_printf("{\"execute\": \"%s\", \"arguments\": %s}",
                           command, json);
}

JsonNode *qmp_unwrap(JsonNode *answer, GError **error)
{
    const char *message = qmp_json_string(answer, "error.desc");
    JsonNode *value = JSON_NODE_HOLDS_OBJECT(answer)
        ? json_object_get_member(json_node_get_object(answer), "return")
        : NULL;

    if (!value) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_COMMAND, "%s",
                    message ? message : "QEMU answered without a result");
        return NULL;
    }
    return json_node_copy(value);
}

/* --- the connection ----------------------------------------------------- */

Qmp *qmp_new(int fd, const char *name, Child *child)
{
    Qmp *qmp = g_new0(Qmp, 1);

    qmp->fd = fd;
    qmp->input = g_string_new(NULL);
    qmp->name = g_strdup(name);
    qmp->child = child;
    qmp->events = g_ptr_array_new_with_free_func(
        (GDestroyNotify)json_node_unref);
    return qmp;
}

Qmp *qmp_connect(const char *path, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_autofree char *name = g_strdup_printf("the QEMU at %s", path);
    int fd, number;

    if (g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) >=
        sizeof(address.sun_path)) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_ENDED,
                    "%s: longer than the %zu characters that a socket's path "
                    "may have", path, sizeof(address.sun_path) - 1);
        return NULL;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        number = errno;
        g_set_error(error, QMP_ERROR, QMP_ERROR_ENDED, "%s: %s", path,
                    g_strerror(number));
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    return qmp_new(fd, name, NULL);
}

void qmp_log(Qmp *qmp)
{
    qmp->logs = true;
}

int qmp_socket(const Qmp *qmp)
{
    return qmp->fd;
}

static void qmp_close(Qmp *qmp)
{
    if (qmp->fd >= 0) {
        close(qmp->fd);
        qmp->fd = -1;
    }
}

void qmp_free(Qmp *qmp)
{
    if (!qmp) {
        return;
    }
    qmp_close(qmp);
    g_string_free(qmp->input, true);
    g_clear_pointer(&qmp->reply, json_node_unref);
    g_ptr_array_unref(qmp->events);
    g_free(qmp->name);
    g_free(qmp);
}

/* If the other end closes the connection, the process has usually exited. */
static bool qmp_set_ended(Qmp *qmp, GError **error)
{
    bool ended = qmp->child && child_wait(qmp->child, QMP_END_MS);
    g_autofree char *how = ended ? child_life(qmp->child)
                                 : g_strdup("closed its QMP connection");
    g_autofree char *said = qmp->child ? g_strstrip(child_output(qmp->child))
                                      : NULL;

    g_set_error(error, QMP_ERROR, QMP_ERROR_ENDED, "%s %s%s%s", qmp->name,
                how, !said ? "" : *said ? ". It said:\n" : " without a word",
                said ? said : "");
    return false;
}

static bool qmp_take_line(Qmp *qmp, const char *line, GError **error)
{
    g_autoptr(JsonNode) node = json_from_string(line, NULL);
    JsonObject *object;

    if (qmp->logs) {
        g_printerr("[%s] <- %s\n", qmp->name, line);
    }
    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_COMMAND,
                    "%s sent what is not QMP: %.200s", qmp->name, line);
        return false;
    }
    object = json_node_get_object(node);
    if (json_object_has_member(object, "QMP")) {
        qmp->greeted = true;
    } else if (json_object_has_member(object, "event")) {
        g_ptr_array_add(qmp->events, g_steal_pointer(&node));
    } else {
        g_clear_pointer(&qmp->reply, json_node_unref);
        qmp->reply = g_steal_pointer(&node);
        qmp->asked = false;
    }
    return true;
}

/* Read what has arrived. False: the other end is closed. */
static bool qmp_fill(Qmp *qmp, int timeout_ms)
{
    GPollFD poll_fd = { .fd = qmp->fd, .events = G_IO_IN };
    char buffer[4096];
    ssize_t got;

    if (qmp->fd >= 0 && g_poll(&poll_fd, 1, timeout_ms) > 0) {
        got = recv(qmp->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
        if (got > 0) {
            g_string_append_len(qmp->input, buffer, got);
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            qmp_close(qmp);
        }
    }
    return qmp->fd >= 0;
}

bool qmp_pump(Qmp *qmp, int timeout_ms, GError **error)
{
    char *end;

    if (!qmp_fill(qmp, timeout_ms)) {
        return qmp_set_ended(qmp, error);
    }
    while ((end = strchr(qmp->input->str, '\n'))) {
        g_autofree char *line = g_strndup(qmp->input->str,
                                          end - qmp->input->str);

        g_string_erase(qmp->input, 0, end - qmp->input->str + 1);
        if (!qmp_take_line(qmp, line, error)) {
            return false;
        }
    }
    return true;
}

bool qmp_send(Qmp *qmp, const char *text, GError **error)
{
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    size_t length = strlen(line), done = 0;

    if (qmp->logs) {
        g_printerr("[%s] -> %s", qmp->name, line);
    }
    g_clear_pointer(&qmp->reply, json_node_unref);
    while (done < length) {
        ssize_t sent = send(qmp->fd, line + done, length - done,
                            MSG_NOSIGNAL);

        if (sent < 0 && errno != EINTR) {
            return qmp_set_ended(qmp, error);
        }
        done += MAX(sent, 0);
    }
    qmp->asked = true;
    return true;
}

/* Pump until @done returns true. @what is awaited, for the error message. */
static bool qmp_wait(Qmp *qmp, bool (*done)(Qmp *qmp, const void *opaque),
                     const void *opaque, int timeout_ms, const char *what,
                     GError **error)
{
    int64_t end_us = g_get_monotonic_time() + timeout_ms * 1000ll;

    while (!done(qmp, opaque)) {
        int64_t left_ms = (end_us - g_get_monotonic_time()) / 1000;

        if (qmp_interrupted) {
            g_set_error(error, QMP_ERROR, QMP_ERROR_INTERRUPTED,
                        "interrupted");
            return false;
        }
        if (left_ms <= 0) {
            g_set_error(error, QMP_ERROR, QMP_ERROR_TIMEOUT,
                        "%s: no %s within %d seconds", qmp->name,
                        what, timeout_ms / 1000);
            return false;
        }
        if (!qmp_pump(qmp, MIN(left_ms, 1000), error)) {
            return false;
        }
    }
    return true;
}

static bool qmp_is_answered(Qmp *qmp, const void *opaque)
{
    return !qmp->asked;
}

static bool qmp_is_greeted(Qmp *qmp, const void *opaque)
{
    return qmp->greeted;
}

JsonNode *qmp_take_reply(Qmp *qmp, GError **error)
{
    g_autoptr(JsonNode) reply = qmp->asked ? NULL
                                           : g_steal_pointer(&qmp->reply);

    return reply ? qmp_unwrap(reply, error) : NULL;
}

JsonNode *qmp_answer(Qmp *qmp, int timeout_ms, const char *what,
                     GError **error)
{
    return qmp_wait(qmp, qmp_is_answered, NULL, timeout_ms, what, error)
        ? g_steal_pointer(&qmp->reply) : NULL;
}

static JsonNode *qmp_execute_within(Qmp *qmp, const char *command,
                                    GVariant *arguments, int timeout_ms,
                                    GError **error)
{
    g_autofree char *text = qmp_command_text(command, arguments);
    g_autoptr(JsonNode) answer = NULL;

    /* The answer to a pending command comes first. */
    if (qmp_wait(qmp, qmp_is_answered, NULL, timeout_ms, "answer", error) &&
        qmp_send(qmp, text, error)) {
        answer = qmp_answer(qmp, timeout_ms, command, error);
    }
    return answer ? qmp_unwrap(answer, error) : NULL;
}

JsonNode *qmp_execute(Qmp *qmp, const char *command, GVariant *arguments,
                      GError **error)
{
    return qmp_execute_within(qmp, command, arguments, QMP_COMMAND_TIMEOUT_MS,
                              error);
}

bool qmp_run(Qmp *qmp, const char *command, GVariant *arguments,
             GError **error)
{
    g_autoptr(JsonNode) reply = qmp_execute(qmp, command, arguments, error);

    return reply != NULL;
}

bool qmp_query(Qmp *qmp, const char *command, GVariant *arguments,
               GError **error)
{
    g_autofree char *text = qmp_command_text(command, arguments);

    g_return_val_if_fail(!qmp->asked, false);
    return qmp_send(qmp, text, error);
}

bool qmp_query_is_open(const Qmp *qmp)
{
    return qmp->asked;
}

bool qmp_begin(Qmp *qmp, int timeout_ms, GError **error)
{
    g_autoptr(JsonNode) reply = NULL;

    if (!qmp_wait(qmp, qmp_is_greeted, NULL, timeout_ms, "greeting", error)) {
        return false;
    }
    reply = qmp_execute_within(qmp, "qmp_capabilities", NULL, timeout_ms,
                               error);
    return reply != NULL;
}

/* --- events ------------------------------------------------------------- */

static int qmp_find_event(const Qmp *qmp, const char *name,
                          const char *status)
{
    for (unsigned i = 0; i < qmp->events->len; i++) {
        JsonNode *event = qmp->events->pdata[i];

        if (!g_strcmp0(qmp_json_string(event, "event"), name) &&
            (!status ||
             !g_strcmp0(qmp_json_string(event, "data.status"), status))) {
            return i;
        }
    }
    return -1;
}

int64_t qmp_event_us(const Qmp *qmp, const char *name, const char *status)
{
    int at = qmp_find_event(qmp, name, status);
    JsonNode *event = at < 0 ? NULL : qmp->events->pdata[at];

    return qmp_json_int(event, "timestamp.seconds") * 1000000 +
           qmp_json_int(event, "timestamp.microseconds");
}

JsonNode *qmp_take_event(Qmp *qmp, const char *name)
{
    int at = qmp_find_event(qmp, name, NULL);

    return at < 0 ? NULL : g_ptr_array_steal_index(qmp->events, at);
}

typedef struct QmpWanted {
    const char *event;
    const char *status;
} QmpWanted;

static bool qmp_has_event(Qmp *qmp, const void *opaque)
{
    const QmpWanted *wanted = opaque;

    return qmp_find_event(qmp, wanted->event, wanted->status) >= 0;
}

bool qmp_wait_event(Qmp *qmp, const char *event, const char *status,
                    int timeout_ms, GError **error)
{
    QmpWanted wanted = { event, status };

    return qmp_wait(qmp, qmp_has_event, &wanted, timeout_ms,
                    status ? status : event, error);
}
