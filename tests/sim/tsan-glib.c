/*
 * Make glib's locks visible to ThreadSanitizer
 *
 * Owns: nothing. glib's mutexes and conditions are futexes in a library that
 * is not instrumented: unlike pthread's, they are invisible to the sanitizer,
 * which then reports races on the data that they guard. The linker replaces
 * them by these functions (--wrap), only in our own objects.
 *
 * Only in builds with -Db_sanitize=thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <sanitizer/tsan_interface.h>

/* Shared libraries need these symbols, too. */
#pragma GCC visibility push(default)

void __real_g_mutex_lock(GMutex *mutex);
void __real_g_mutex_unlock(GMutex *mutex);
void __real_g_mutex_clear(GMutex *mutex);
void __real_g_cond_wait(GCond *cond, GMutex *mutex);
gboolean __real_g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_us);

void __wrap_g_mutex_lock(GMutex *mutex);
void __wrap_g_mutex_unlock(GMutex *mutex);
void __wrap_g_mutex_clear(GMutex *mutex);
void __wrap_g_cond_wait(GCond *cond, GMutex *mutex);
gboolean __wrap_g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_us);

#pragma GCC visibility pop

static void say_given_back(GMutex *mutex)
{
    __tsan_mutex_pre_unlock(mutex, 0);
    __tsan_mutex_post_unlock(mutex, 0);
}

static void say_taken(GMutex *mutex)
{
    __tsan_mutex_pre_lock(mutex, 0);
    __tsan_mutex_post_lock(mutex, 0, 0);
}

void __wrap_g_mutex_lock(GMutex *mutex)
{
    __tsan_mutex_pre_lock(mutex, 0);
    __real_g_mutex_lock(mutex);
    __tsan_mutex_post_lock(mutex, 0, 0);
}

void __wrap_g_mutex_unlock(GMutex *mutex)
{
    say_given_back(mutex);
    __real_g_mutex_unlock(mutex);
}

void __wrap_g_mutex_clear(GMutex *mutex)
{
    __tsan_mutex_destroy(mutex, 0);
    __real_g_mutex_clear(mutex);
}

void __wrap_g_cond_wait(GCond *cond, GMutex *mutex)
{
    say_given_back(mutex);
    __real_g_cond_wait(cond, mutex);
    say_taken(mutex);
}

gboolean __wrap_g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_us)
{
    gboolean woken;

    say_given_back(mutex);
    woken = __real_g_cond_wait_until(cond, mutex, end_us);
    say_taken(mutex);
    return woken;
}
