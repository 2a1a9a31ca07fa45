/*
 * A QMP connection: commands, possibly delayed answers, events
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_QMP_H
#define TOOLS_QMP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <json-glib/json-glib.h>

#include "child.h"

typedef struct Qmp Qmp;

/* Domain of errors with a code of QmpError */
#define QMP_ERROR qmp_error_quark()
GQuark qmp_error_quark(void);

typedef enum QmpError {
    QMP_ERROR_ENDED,          /* the other end is gone */
    QMP_ERROR_COMMAND,        /* QEMU refused a command, with its message; or
                                 its answer is not valid QMP */
    QMP_ERROR_TIMEOUT,
    QMP_ERROR_INTERRUPTED,
} QmpError;

/* Nonzero after Ctrl-C or SIGTERM: all waits end soon. */
extern volatile sig_atomic_t qmp_interrupted;

/**
 * qmp_catch_signals: make Ctrl-C and SIGTERM set qmp_interrupted, so that
 * processes and files are cleaned up. Repeated signals end the program at once.
 */
void qmp_catch_signals(void);

/**
 * qmp_new: create a connection over a socket.
 * @fd: closed with the connection
 * @name: for messages: "the source QEMU"
 * @child: the QEMU, which must outlive the connection: if it ends, @error says
 *         so and contains its output; NULL: not started by us
 *
 * Nothing has been exchanged yet: call qmp_begin() next.
 */
Qmp *qmp_new(int fd, const char *name, Child *child);

/**
 * qmp_connect: connect to a monitor's Unix socket.
 * @path: it is an error if it is too long for a socket address
 *
 * Returns NULL with @error set if nobody listens there.
 */
Qmp *qmp_connect(const char *path, GError **error);

/** qmp_free: close the connection. */
void qmp_free(Qmp *qmp);

/** qmp_log: from now on, print all messages on stderr. */
void qmp_log(Qmp *qmp);

/** qmp_socket: the socket, for passing descriptors; -1 if it is closed. */
int qmp_socket(const Qmp *qmp);

/** qmp_begin: wait for QEMU's greeting, and leave negotiation mode. */
bool qmp_begin(Qmp *qmp, int timeout_ms, GError **error);

/**
 * qmp_execute: run a command and wait for its answer.
 * @arguments: a dictionary, for example from g_variant_new_parsed(); a
 *             floating reference is consumed; NULL for none
 *
 * Returns the command's return value, to be freed by the caller, or NULL with
 * @error set.
 */
JsonNode *qmp_execute(Qmp *qmp, const char *command, GVariant *arguments,
                      GError **error);

/** qmp_run: qmp_execute() for a command whose return value is not needed. */
bool qmp_run(Qmp *qmp, const char *command, GVariant *arguments,
             GError **error);

/**
 * qmp_send: send a command in QMP syntax, without a line feed. A previous
 * answer that was not fetched is dropped.
 */
bool qmp_send(Qmp *qmp, const char *text, GError **error);

/**
 * qmp_answer: wait for the answer to qmp_send(), with "return" or "error".
 * @what: what is awaited, for messages
 *
 * Returns NULL with @error set if none comes in time; else the caller owns it.
 */
JsonNode *qmp_answer(Qmp *qmp, int timeout_ms, const char *what,
                     GError **error);

/**
 * qmp_query: send a command without waiting; get the answer with
 * qmp_take_reply().
 *
 * QEMU does not answer while it copies the state of a stopped device. Only
 * one command may be pending at a time.
 */
bool qmp_query(Qmp *qmp, const char *command, GVariant *arguments,
               GError **error);

/**
 * qmp_take_reply: get the answer to qmp_query().
 *
 * Returns NULL if it has not arrived yet (qmp_query_is_open()), or with @error
 * set if QEMU refused.
 */
JsonNode *qmp_take_reply(Qmp *qmp, GError **error);
/** qmp_query_is_open: is a command pending? */
bool qmp_query_is_open(const Qmp *qmp);

/**
 * qmp_pump: process QEMU's messages, waiting up to @timeout_ms for some.
 *
 * Returns false with @error set if the other end is gone.
 */
bool qmp_pump(Qmp *qmp, int timeout_ms, GError **error);

/**
 * qmp_event_us: time of the first such event, by QEMU's clock, in microseconds
 * since the epoch; 0 if there was none.
 * @status: its member "status", for MIGRATION; NULL for any
 */
int64_t qmp_event_us(const Qmp *qmp, const char *event, const char *status);

/** qmp_take_event: remove and return the first such event, or NULL; free it. */
JsonNode *qmp_take_event(Qmp *qmp, const char *event);

/** qmp_wait_event: wait until such an event has been received. */
bool qmp_wait_event(Qmp *qmp, const char *event, const char *status,
                    int timeout_ms, GError **error);

/**
 * qmp_command_text: a command in QMP syntax, without a line feed; to be
 * freed. @arguments as for qmp_execute().
 */
char *qmp_command_text(const char *command, GVariant *arguments);

/**
 * qmp_unwrap: the "return" member of an answer, to be freed; NULL with
 * QEMU's message in @error.
 */
JsonNode *qmp_unwrap(JsonNode *answer, GError **error);

/** Members of a JSON object by path ("ram.total"); 0 or NULL if absent. */
int64_t qmp_json_int(JsonNode *node, const char *path);
const char *qmp_json_string(JsonNode *node, const char *path);
bool qmp_json_is_int(JsonNode *node, const char *path);
/** The boolean at @path; @fallback if there is none. */
int qmp_json_flag(JsonNode *node, const char *path, int fallback);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Qmp, qmp_free)

#endif /* TOOLS_QMP_H */
