/*
 * Threads, locks and clocks of the stand-alone host
 *
 * Owns: QEMU's threads, mutexes and conditions, based on pthreads, the big lock
 * (BQL), which records which thread holds it, and the clock. Locking a mutex
 * twice, or unlocking it in another thread, aborts the program.
 *
 * Source: QEMU 7.2's include/qemu/thread.h, qemu/main-loop.h, qemu/timer.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "migration/standalone.h"

static QemuMutex bql;
static __thread bool bql_held;

static void check(int err, const char *what)
{
    if (err) {
        g_error("%s: %s", what, strerror(err));
    }
}

void qemu_mutex_init(QemuMutex *mutex)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    check(pthread_mutex_init(&mutex->lock, &attr), "mutex init");
    pthread_mutexattr_destroy(&attr);
    mutex->initialized = true;
}

void qemu_mutex_destroy(QemuMutex *mutex)
{
    assert(mutex->initialized);
    mutex->initialized = false;
    check(pthread_mutex_destroy(&mutex->lock), "mutex destroy");
}

void qemu_mutex_lock_impl(QemuMutex *mutex, const char *file, const int line)
{
    assert(mutex->initialized);
    check(pthread_mutex_lock(&mutex->lock), "mutex lock");
}

void qemu_mutex_unlock_impl(QemuMutex *mutex, const char *file,
                            const int line)
{
    assert(mutex->initialized);
    check(pthread_mutex_unlock(&mutex->lock), "mutex unlock");
}

void qemu_cond_init(QemuCond *cond)
{
    check(pthread_cond_init(&cond->cond, NULL), "condition init");
    cond->initialized = true;
}

void qemu_cond_destroy(QemuCond *cond)
{
    assert(cond->initialized);
    cond->initialized = false;
    check(pthread_cond_destroy(&cond->cond), "condition destroy");
}

void qemu_cond_broadcast(QemuCond *cond)
{
    assert(cond->initialized);
    pthread_cond_broadcast(&cond->cond);
}

bool qemu_cond_timedwait_impl(QemuCond *cond, QemuMutex *mutex, int ms,
                              const char *file, const int line)
{
    int64_t until_ns = qemu_clock_get_ns(QEMU_CLOCK_HOST) +
                       ms * INT64_C(1000000);
    struct timespec until = {
        .tv_sec = until_ns / 1000000000,
        .tv_nsec = until_ns % 1000000000,
    };
    int err;

    assert(cond->initialized);
    err = pthread_cond_timedwait(&cond->cond, &mutex->lock, &until);
    check(err == ETIMEDOUT ? 0 : err, "condition wait");
    return !err;
}

/* ---- threads ---- */

/* None of these is detached. */
void qemu_thread_create(QemuThread *thread, const char *name,
                        void *(*start_routine)(void *), void *arg, int mode)
{
    assert(mode == QEMU_THREAD_JOINABLE);
    check(pthread_create(&thread->thread, NULL, start_routine, arg), name);
}

void *qemu_thread_join(QemuThread *thread)
{
    void *ret;

    check(pthread_join(thread->thread, &ret), "thread join");
    return ret;
}

/* ---- the big lock ---- */

static void __attribute__((constructor)) bql_init(void)
{
    qemu_mutex_init(&bql);
}

bool qemu_mutex_iothread_locked(void)
{
    return bql_held;
}

void qemu_mutex_lock_iothread_impl(const char *file, int line)
{
    assert(!bql_held);
    qemu_mutex_lock_impl(&bql, file, line);
    bql_held = true;
}

void qemu_mutex_unlock_iothread(void)
{
    assert(bql_held);
    bql_held = false;
    qemu_mutex_unlock(&bql);
}

/* ---- clocks ---- */

int64_t qemu_clock_get_ns(QEMUClockType type)
{
    struct timespec now;

    clock_gettime(type == QEMU_CLOCK_HOST ? CLOCK_REALTIME : CLOCK_MONOTONIC,
                  &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int qemu_get_thread_id(void)
{
    return gettid();
}
