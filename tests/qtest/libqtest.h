/*
 * Drive a QEMU from a test
 *
 * Owns: starting and ending QEMU processes, their QMP and qtest sockets.
 * Does not own: what a test asks of them; see migration-helpers.h and
 * vfio-test.h.
 *
 * Names and meanings are those of tests/qtest/libqtest.h in QEMU's tree, so
 * that a test builds in both; what only this harness has is below, apart.
 * Differences that a test may notice: the machine runs on TCG (no
 * distribution builds the qtest accelerator), each case runs in a process of
 * its own with a time limit, and a call that gets no answer in
 * QTEST_ANSWER_SECONDS fails the case.
 *
 * Locks: none. A case has one thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_LIBQTEST_H
#define TESTS_QTEST_LIBQTEST_H

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

#include "qdict-compat.h"

typedef struct QTestState QTestState;

/*
 * How long a QMP or qtest command may take: 20 s, or what the environment
 * variable QTEST_ANSWER_SECONDS says (in an emulated machine all is slow).
 */
#define QTEST_ANSWER_SECONDS qtest_answer_seconds()
int qtest_answer_seconds(void);

/*
 * qtest_init, qtest_initf, qtest_vinitf: start the QEMU that QTEST_QEMU_BINARY
 * names (default: $QEMU, else qemu-system-x86_64) with @extra_args in shell
 * syntax. Returns when QMP has answered. A QEMU that does not come up fails
 * the case with what it wrote to stderr.
 */
QTestState *qtest_init(const char *extra_args);
QTestState *qtest_initf(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
QTestState *qtest_vinitf(const char *fmt, va_list ap) G_GNUC_PRINTF(1, 0);

/*
 * qtest_quit: end QEMU and forget it. A QEMU that ended before, other than
 * with the expected status, fails the case.
 */
void qtest_quit(QTestState *s);

/* qtest_kill_qemu: SIGTERM, after two seconds SIGKILL; reaps. */
void qtest_kill_qemu(QTestState *s);

/* qtest_set_expected_status: exit status that qtest_quit() accepts. */
void qtest_set_expected_status(QTestState *s, int status);

/* qtest_probe_child: whether QEMU still runs. */
bool qtest_probe_child(QTestState *s);

const char *qtest_get_arch(void);

/*
 * qtest_qmp: send a command, built as QEMU's parser does it ('' or "" for
 * strings, %s %d %u %i(bool) %PRId64... %f outside of strings), and return
 * its answer, with 'return' or 'error'. Events on the way are kept for
 * qtest_qmp_eventwait(). Caller owns the answer.
 */
QDict *qtest_qmp(QTestState *s, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
QDict *qtest_vqmp(QTestState *s, const char *fmt, va_list ap)
    G_GNUC_PRINTF(2, 0);

/* The answer must have 'return' (or 'error'): else the case fails. */
void qtest_qmp_assert_success(QTestState *s, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);
void qtest_qmp_fds_assert_success(QTestState *s, int *fds, size_t nfds,
                                  const char *fmt, ...) G_GNUC_PRINTF(4, 5);
QDict *qtest_qmp_assert_success_ref(QTestState *s, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);
QDict *qtest_qmp_assert_failure_ref(QTestState *s, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

void qtest_qmp_eventwait(QTestState *s, const char *event);
QDict *qtest_qmp_eventwait_ref(QTestState *s, const char *event);
QDict *qtest_qmp_event_ref(QTestState *s, const char *event);

/* Human monitor command; returns its text. */
char *qtest_hmp(QTestState *s, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* device_del; the guest may take its time until DEVICE_DELETED. */
void qtest_qmp_device_del_send(QTestState *s, const char *id);

void qtest_outb(QTestState *s, uint16_t addr, uint8_t value);
void qtest_outw(QTestState *s, uint16_t addr, uint16_t value);
void qtest_outl(QTestState *s, uint16_t addr, uint32_t value);
uint8_t qtest_inb(QTestState *s, uint16_t addr);
uint16_t qtest_inw(QTestState *s, uint16_t addr);
uint32_t qtest_inl(QTestState *s, uint16_t addr);
void qtest_writeb(QTestState *s, uint64_t addr, uint8_t value);
void qtest_writew(QTestState *s, uint64_t addr, uint16_t value);
void qtest_writel(QTestState *s, uint64_t addr, uint32_t value);
void qtest_writeq(QTestState *s, uint64_t addr, uint64_t value);
uint8_t qtest_readb(QTestState *s, uint64_t addr);
uint16_t qtest_readw(QTestState *s, uint64_t addr);
uint32_t qtest_readl(QTestState *s, uint64_t addr);
uint64_t qtest_readq(QTestState *s, uint64_t addr);
void qtest_memread(QTestState *s, uint64_t addr, void *data, size_t size);
void qtest_bufread(QTestState *s, uint64_t addr, void *data, size_t size);
void qtest_memwrite(QTestState *s, uint64_t addr, const void *data,
                    size_t size);
void qtest_bufwrite(QTestState *s, uint64_t addr, const void *data,
                    size_t size);
void qtest_memset(QTestState *s, uint64_t addr, uint8_t patt, size_t size);

/* Cases; their names get the architecture before them. See qtest-case.c. */
void qtest_add_func(const char *str, void (*fn)(void));
void qtest_add_data_func(const char *str, const void *data,
                         void (*fn)(const void *));
void qtest_add_data_func_full(const char *str, void *data,
                              void (*fn)(const void *),
                              GDestroyNotify data_free_func);

void qtest_add_abrt_handler(GHookFunc fn, const void *data);
void qtest_remove_abrt_handler(void *data);

/* ---- what QEMU's libqtest does not have ---- */

/* qtest_skip: the case does not apply here, and why. Then return. */
void qtest_skip(const char *why);

/*
 * qtest_start: start a QEMU without asserting anything about it. Returns
 * after QMP has answered, or after the process ended (qtest_probe_child()
 * tells), or after QTEST_ANSWER_SECONDS.
 */
QTestState *qtest_start(const char *binary, const char *extra_args);

/* qtest_tmpdir: the case's own directory, gone when the case is over. */
const char *qtest_tmpdir(void);

/* qtest_case_name: name of the case that runs, "" outside of one. */
const char *qtest_case_name(void);

/*
 * qtest_set_case_seconds: time limit of the case that runs, from now on.
 * The default is QTEST_CASE_SECONDS.
 */
#define QTEST_CASE_SECONDS 60
void qtest_set_case_seconds(unsigned seconds);

/* qtest_name: give the QEMU a name for messages, "source". */
void qtest_name(QTestState *s, const char *name);

pid_t qtest_pid(QTestState *s);

/*
 * qtest_wait_exit: wait until QEMU has ended; @status as of waitpid().
 * Returns false if it still runs after @timeout_ms.
 */
bool qtest_wait_exit(QTestState *s, int timeout_ms, int *status);

/* qtest_kill9: SIGKILL and reap. */
void qtest_kill9(QTestState *s);

/* qtest_forget: as qtest_quit(), with SIGKILL, whatever the status. */
void qtest_forget(QTestState *s);

/* qtest_stderr: what QEMU wrote to stderr till now. Caller frees. */
char *qtest_stderr(QTestState *s);

/*
 * qtest_qmp_timeout: as qtest_qmp(), but NULL if there is no answer in
 * @timeout_ms or QEMU is gone.
 */
QDict *qtest_qmp_timeout(QTestState *s, int timeout_ms, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/* qdict_to_text: an answer as JSON text, "(none)" for NULL. Caller frees. */
char *qdict_to_text(const QDict *d);

/* qdict_from_text: the reverse; NULL if @text is not a JSON object. */
QDict *qdict_from_text(const char *text);

/*
 * qtest_jsonf: the text of a QMP command as qtest_qmp() builds it.
 * Caller frees.
 */
char *qtest_vjsonf(const char *fmt, va_list ap) G_GNUC_PRINTF(1, 0);

/*
 * qtest_fail: end the case as failed, with a message and with what is known
 * of every QEMU of the case (stderr, query-migrate).
 */
G_NORETURN void qtest_fail(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/*
 * qtest_expect_words: fail the case unless @text, which is @what of @who,
 * holds each of @words (';' between them).
 */
void qtest_expect_words(const char *who, const char *what, const char *text,
                        const char *words);

/* qtest_describe: stderr's tail and query-migrate of @s, for a message. */
char *qtest_describe(QTestState *s);

/*
 * qtest_take_part: which part of a table a program is to run
 *
 * Takes "--part=N/M" (N from 1), where it is the first argument, out of
 * @argv. Sets @part to N - 1 and @parts to M; leaves both alone without it.
 */
void qtest_take_part(int *argc, char **argv, unsigned *part,
                     unsigned *parts);

#endif /* TESTS_QTEST_LIBQTEST_H */
