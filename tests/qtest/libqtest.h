/*
 * Drive a QEMU from a test
 *
 * Owns: starting and ending QEMU processes, their QMP and qtest sockets.
 * Does not own: the operations of a test; see migration-helpers.h and
 * vfio-test.h.
 *
 * Names and meanings are those of tests/qtest/libqtest.h in QEMU's tree, so
 * that a test builds in both: first what QEMU 7.2 has, then what the patch
 * series adds, and last what only this harness has.
 * Differences that a test may notice: there is no qtest accelerator (no
 * distribution builds it), a call that is not answered within
 * QTEST_ANSWER_SECONDS fails the case, and unsolicited events are kept.
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
 * syntax. Returns once QMP has answered. If QEMU does not come up, the case
 * fails.
 */
QTestState *qtest_init(const char *extra_args);
QTestState *qtest_initf(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
QTestState *qtest_vinitf(const char *fmt, va_list ap) G_GNUC_PRINTF(1, 0);

/*
 * qtest_quit: end QEMU and free @s. The case fails if QEMU has crashed, or has
 * exited with an unexpected status.
 */
void qtest_quit(QTestState *s);

/* qtest_kill_qemu: send SIGTERM, then SIGKILL after two seconds, and reap. */
void qtest_kill_qemu(QTestState *s);

/* qtest_set_expected_status: set the exit status that qtest_quit() accepts. */
void qtest_set_expected_status(QTestState *s, int status);

/* qtest_probe_child: is QEMU still running? */
bool qtest_probe_child(QTestState *s);

/* qtest_get_arch: the architecture in the paths of test cases. */
const char *qtest_get_arch(void);

/*
 * qtest_qmp: send a command, formatted as QEMU's parser does it ('' or "" for
 * strings, %s %d %u %i(bool) %PRId64... %f outside of strings), and return the
 * answer, which has 'return' or 'error'. Events received meanwhile are kept for
 * qtest_qmp_eventwait(). Caller owns the answer.
 */
QDict *qtest_qmp(QTestState *s, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
QDict *qtest_vqmp(QTestState *s, const char *fmt, va_list ap)
    G_GNUC_PRINTF(2, 0);

/* Fail the case unless the answer has 'return'. */
void qtest_qmp_assert_success(QTestState *s, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

/*
 * qtest_qmp_eventwait: wait for an event. qtest_qmp_eventwait_ref: the same,
 * and return it. qtest_qmp_event_ref: return it if it has already arrived,
 * else NULL. Caller owns the event.
 */
void qtest_qmp_eventwait(QTestState *s, const char *event);
QDict *qtest_qmp_eventwait_ref(QTestState *s, const char *event);
QDict *qtest_qmp_event_ref(QTestState *s, const char *event);

/* Run a human monitor command and return its output. */
char *qtest_hmp(QTestState *s, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* Send device_del; DEVICE_DELETED comes when the guest has released it. */
void qtest_qmp_device_del_send(QTestState *s, const char *id);

/* Access I/O ports and guest memory, as the guest's CPU would. */
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

/* Handlers to call on SIGABRT, in reverse order of their addition. */
void qtest_add_abrt_handler(GHookFunc fn, const void *data);
void qtest_remove_abrt_handler(void *data);

/* ---- additions of the patch series ---- */

/*
 * qtest_launch: start a QEMU that may fail to come up
 *
 * @binary, @extra_args: in shell syntax
 * @output: file for QEMU's stdout and stderr; printed if the case fails
 *
 * Returns once QMP has answered, or the process has ended (see
 * qtest_probe_child()).
 */
QTestState *qtest_launch(const char *binary, const char *extra_args,
                         const char *output);

/* qtest_stderr: output so far of a QEMU from qtest_launch(). Caller frees. */
char *qtest_stderr(QTestState *s);

/*
 * qtest_wait_exit: wait until QEMU has ended; @status is as for waitpid() and
 * may be NULL. Returns false if QEMU still runs after @timeout_ms.
 */
bool qtest_wait_exit(QTestState *s, int timeout_ms, int *status);

/* qtest_forget: like qtest_quit(), but with SIGKILL and any exit status. */
void qtest_forget(QTestState *s);

/*
 * qtest_qmp_timeout: like qtest_qmp(), but returns NULL if there is no answer
 * within @timeout_ms or QEMU is gone. If QEMU still runs, it can only be ended
 * then, as the answer may still arrive.
 */
QDict *qtest_qmp_timeout(QTestState *s, int timeout_ms, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/* The answer's 'return' (or 'error'), which must exist. Caller owns it. */
QDict *qtest_qmp_assert_success_ref(QTestState *s, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);
QDict *qtest_qmp_assert_failure_ref(QTestState *s, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

/* ---- only in this harness ---- */

/*
 * Time limit of a QMP or qtest command: 20 s, or the value of the environment
 * variable QTEST_ANSWER_SECONDS, for slow (emulated) machines.
 */
#define QTEST_ANSWER_SECONDS qtest_answer_seconds()
int qtest_answer_seconds(void);

/* Send file descriptors with the command, as getfd needs. */
void qtest_qmp_fds_assert_success(QTestState *s, int *fds, size_t nfds,
                                  const char *fmt, ...) G_GNUC_PRINTF(4, 5);

/* qtest_pid: QEMU's process id. */
pid_t qtest_pid(QTestState *s);

/* qtest_kill9: send SIGKILL and reap. */
void qtest_kill9(QTestState *s);

#endif /* TESTS_QTEST_LIBQTEST_H */
