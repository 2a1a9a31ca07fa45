/*
 * Drive a QEMU from a test
 *
 * Owns: starting and ending QEMU processes, their QMP and qtest sockets.
 * Does not own: what a test asks of them; see migration-helpers.h and
 * vfio-test.h.
 *
 * Names and meanings are those of tests/qtest/libqtest.h in QEMU's tree, so
 * that a test builds in both: first what QEMU 7.2 has, then what the patch
 * series adds to it, and last what only this harness has.
 * Differences that a test may notice: there is no qtest accelerator (no
 * distribution builds it), a call that gets no answer in QTEST_ANSWER_SECONDS
 * fails the case, and events that were not asked for are kept.
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

/* The answer must have 'return': else the case fails. */
void qtest_qmp_assert_success(QTestState *s, const char *fmt, ...)
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

/* Called on SIGABRT, the last one first. */
void qtest_add_abrt_handler(GHookFunc fn, const void *data);
void qtest_remove_abrt_handler(void *data);

/* ---- what the series adds to QEMU's ---- */

/*
 * qtest_launch: start a QEMU that may fail
 * @binary, @extra_args: in shell syntax
 * @output: the file that takes what it writes to stdout and stderr; shown
 *     where the case fails
 *
 * Returns after QMP has answered, or after the process has ended
 * (qtest_probe_child() tells).
 */
QTestState *qtest_launch(const char *binary, const char *extra_args,
                         const char *output);

/* qtest_stderr: what a QEMU of qtest_launch() wrote till now. Caller frees. */
char *qtest_stderr(QTestState *s);

/*
 * qtest_wait_exit: wait until QEMU has ended; @status, unless NULL, as of
 * waitpid(). Returns false if it still runs after @timeout_ms.
 */
bool qtest_wait_exit(QTestState *s, int timeout_ms, int *status);

/* qtest_forget: as qtest_quit(), with SIGKILL, whatever the status. */
void qtest_forget(QTestState *s);

/*
 * qtest_qmp_timeout: as qtest_qmp(), but NULL if there is no answer in
 * @timeout_ms or QEMU is gone. A QEMU that is not gone can only be ended
 * then: its answer may come yet.
 */
QDict *qtest_qmp_timeout(QTestState *s, int timeout_ms, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/* The answer's 'return' (or 'error'), which it must have. Caller owns it. */
QDict *qtest_qmp_assert_success_ref(QTestState *s, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);
QDict *qtest_qmp_assert_failure_ref(QTestState *s, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

/* ---- what only this harness has ---- */

/*
 * How long a QMP or qtest command may take: 20 s, or what the environment
 * variable QTEST_ANSWER_SECONDS says (in an emulated machine all is slow).
 */
#define QTEST_ANSWER_SECONDS qtest_answer_seconds()
int qtest_answer_seconds(void);

/* With file descriptors, as for getfd. */
void qtest_qmp_fds_assert_success(QTestState *s, int *fds, size_t nfds,
                                  const char *fmt, ...) G_GNUC_PRINTF(4, 5);

pid_t qtest_pid(QTestState *s);

/* qtest_kill9: SIGKILL and reap. */
void qtest_kill9(QTestState *s);

#endif /* TESTS_QTEST_LIBQTEST_H */
