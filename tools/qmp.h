/*
 * A QMP connection: commands, answers that may wait, events
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

#define QMP_ERROR qmp_error_quark()
GQuark qmp_error_quark(void);

typedef enum QmpError {
    QMP_ERROR_ENDED,          /* the other end is gone */
    QMP_ERROR_COMMAND,        /* QEMU refused a command; message is QEMU's; or
                                 what it said is not QMP */
    QMP_ERROR_TIMEOUT,
    QMP_ERROR_INTERRUPTED,
} QmpError;

/* Not 0 after Ctrl-C or SIGTERM: whatever waits gives up soon. */
extern volatile sig_atomic_t qmp_interrupted;

/**
 * qmp_catch_signals: let Ctrl-C and SIGTERM set qmp_interrupted, so that
 * processes and files are cleaned up. Who insists ends the program at once.
 */
void qmp_catch_signals(void);

/**
 * qmp_new: a connection over a socket.
 * @fd: closed with the connection
 * @name: for messages: "the source QEMU"
 * @child: the QEMU, which outlives the connection: that it has ended, and its
 *         last words, are in @error then; NULL: it is not ours
 *
 * Nothing has been said yet: qmp_begin() comes next.
 */
Qmp *qmp_new(int fd, const char *name, Child *child);

/**
 * qmp_connect: the same to a monitor's Unix socket.
 * @path: longer than a socket's address may be: an error
 *
 * Returns NULL with @error set if nobody listens there.
 */
Qmp *qmp_connect(const char *path, GError **error);

void qmp_free(Qmp *qmp);

/** qmp_log: show on stderr all that is said from now on. */
void qmp_log(Qmp *qmp);

/** qmp_socket: for who wants to pass descriptors; -1: it is closed. */
int qmp_socket(const Qmp *qmp);

/** qmp_begin: wait for QEMU's greeting, and leave negotiation. */
bool qmp_begin(Qmp *qmp, int timeout_ms, GError **error);

/**
 * qmp_execute: run a command and wait for its answer.
 * @arguments: a dictionary such as from g_variant_new_parsed(), floating
 *             references are taken; NULL for none
 *
 * Returns what the command returned, to be freed by the caller, or NULL with
 * @error set.
 */
JsonNode *qmp_execute(Qmp *qmp, const char *command, GVariant *arguments,
                      GError **error);

/** qmp_run: qmp_execute() for a command whose answer is of no interest. */
bool qmp_run(Qmp *qmp, const char *command, GVariant *arguments,
             GError **error);

/**
 * qmp_send: send a command as QMP has it, without a line feed. An answer that
 * has not been taken is dropped.
 */
bool qmp_send(Qmp *qmp, const char *text, GError **error);

/**
 * qmp_answer: wait for the answer to qmp_send(): with "return" or "error".
 * @what: for messages: what it is the answer to
 *
 * Returns NULL with @error set if none comes in time; else the caller owns it.
 */
JsonNode *qmp_answer(Qmp *qmp, int timeout_ms, const char *what,
                     GError **error);

/**
 * qmp_query: ask without waiting; the answer comes with qmp_take_reply().
 *
 * QEMU does not answer while it copies the state of a stopped device. Only
 * one question may be open at a time.
 */
bool qmp_query(Qmp *qmp, const char *command, GVariant *arguments,
               GError **error);

/**
 * qmp_take_reply: the answer to qmp_query().
 *
 * Returns NULL if it has not come yet (qmp_query_is_open()), or with @error
 * set if QEMU refused.
 */
JsonNode *qmp_take_reply(Qmp *qmp, GError **error);
bool qmp_query_is_open(const Qmp *qmp);

/**
 * qmp_pump: take in what QEMU has said, waiting at most @timeout_ms for it.
 *
 * Returns false with @error set if the other end is gone.
 */
bool qmp_pump(Qmp *qmp, int timeout_ms, GError **error);

/**
 * qmp_event_us: when an event came first, by QEMU's clock, in microseconds
 * since the epoch; 0 if it did not come.
 * @status: its member "status", for MIGRATION; NULL if any will do
 */
int64_t qmp_event_us(const Qmp *qmp, const char *event, const char *status);

/** qmp_take_event: the first of its name, no longer kept; NULL; freed. */
JsonNode *qmp_take_event(Qmp *qmp, const char *event);

/** qmp_wait_event: wait until an event came. */
bool qmp_wait_event(Qmp *qmp, const char *event, const char *status,
                    int timeout_ms, GError **error);

/**
 * qmp_command_text: a command as QMP has it, without a line feed; to be
 * freed. @arguments as for qmp_execute().
 */
char *qmp_command_text(const char *command, GVariant *arguments);

/**
 * qmp_unwrap: the "return" member of an answer, to be freed; NULL with
 * QEMU's own words in @error.
 */
JsonNode *qmp_unwrap(JsonNode *answer, GError **error);

/** Members of a JSON object by path "ram.total"; 0 or NULL where absent. */
int64_t qmp_json_int(JsonNode *node, const char *path);
const char *qmp_json_string(JsonNode *node, const char *path);
bool qmp_json_is_int(JsonNode *node, const char *path);
/* The truth value at @path; @fallback where there is none. */
int qmp_json_flag(JsonNode *node, const char *path, int fallback);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Qmp, qmp_free)

#endif /* TOOLS_QMP_H */
