/*
 * Mutexes and conditions
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_THREAD_H
#define QEMU_THREAD_H

#include <pthread.h>

/*
 * Storage for QEMU's structs, as large as its builds with mutex debugging
 * make them; only QEMU's functions look inside.
 */
typedef struct QemuMutex {
    pthread_mutex_t lock;
    const char *file;
    int line;
    bool initialized;
} QemuMutex;

typedef struct QemuCond {
    pthread_cond_t cond;
    bool initialized;
} QemuCond;

typedef struct QemuThread {
    pthread_t thread;
} QemuThread;

#define QEMU_THREAD_JOINABLE 0

void qemu_thread_create(QemuThread *thread, const char *name,
                        void *(*start_routine)(void *), void *arg, int mode);
void *qemu_thread_join(QemuThread *thread);

void qemu_mutex_init(QemuMutex *mutex);
void qemu_mutex_destroy(QemuMutex *mutex);
void qemu_mutex_lock_impl(QemuMutex *mutex, const char *file, const int line);
void qemu_mutex_unlock_impl(QemuMutex *mutex, const char *file,
                            const int line);

void qemu_cond_init(QemuCond *cond);
void qemu_cond_destroy(QemuCond *cond);
void qemu_cond_broadcast(QemuCond *cond);
/* false: @ms milliseconds passed */
bool qemu_cond_timedwait_impl(QemuCond *cond, QemuMutex *mutex, int ms,
                              const char *file, const int line);

#define qemu_mutex_lock(m)      qemu_mutex_lock_impl((m), __FILE__, __LINE__)
#define qemu_mutex_unlock(m)    qemu_mutex_unlock_impl((m), __FILE__, __LINE__)
#define qemu_cond_timedwait(c, m, ms) \
    qemu_cond_timedwait_impl((c), (m), (ms), __FILE__, __LINE__)

#endif /* QEMU_THREAD_H */
