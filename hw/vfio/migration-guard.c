/*
 * Copies out of and into a device's mapped data window
 *
 * Owns: the handler of SIGBUS during a migration, and copies that survive a
 * fault thanks to it. Does not own: the mappings, nor what is done if a window
 * went away.
 *
 * Locks: BQL to install and remove the handler. A copy takes no lock: all that
 * the handler accesses belongs to the thread that faulted, except the previous
 * handler, which is constant while ours is installed.
 *
 * Other handlers of SIGBUS: QEMU has one for machine checks, which is the
 * previous handler here, and one during preallocation of memory, which is
 * installed on top of ours and removed with the BQL held, and forwards what is
 * not its own. QEMU's threads have SIGBUS blocked, and if a blocked SIGBUS is
 * raised by a fault, the kernel kills the process without calling a handler.
 * So a thread that copies unblocks it until the end of its session. Two system
 * calls per copy would take more than a tenth of the time of a load.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "qom/object.h"
#include "migration/qemu-file.h"
#include "hw/vfio/migration-guard.h"

typedef struct VFIOMigCopy {
    sigjmp_buf env;
    uintptr_t to, from;
    size_t size;                /* bytes */
} VFIOMigCopy;

typedef struct VFIOMigGuardThread {
    VFIOMigCopy *volatile copy; /* in progress; NULL: none */
    bool ready;                 /* SIGBUS is not blocked */
    volatile bool unblocked;    /* ... because we have unblocked it */
    volatile bool deferred;     /* @info arrived because of that */
    siginfo_t info;
} VFIOMigGuardThread;

/*
 * The TLS model is initial-exec because the handler may be the first to access
 * this in a thread, and must not allocate it.
 */
static __thread VFIOMigGuardThread guard
    __attribute__((tls_model("initial-exec")));

static unsigned guard_sessions;         /* BQL */
static bool guard_installed;            /* BQL */
static struct sigaction guard_before;   /* not changed while installed */

/* ---- the handler ---- */

static bool guard_covers(const VFIOMigCopy *copy, uintptr_t address)
{
    return address - copy->from < copy->size ||
           address - copy->to < copy->size;
}

static bool guard_is_machine_check(const siginfo_t *info)
{
    return info->si_code == BUS_MCEERR_AR || info->si_code == BUS_MCEERR_AO;
}

/*
 * Was it not caused by an instruction, but sent by a process or as a report of
 * a bad page?
 */
static bool guard_is_asynchronous(const siginfo_t *info)
{
    return info->si_code <= 0 || info->si_code == BUS_MCEERR_AO;
}

static void guard_pass_on(int sig, siginfo_t *info, void *context)
{
    struct sigaction fatal = { .sa_handler = SIG_DFL };

    if (guard_before.sa_flags & SA_SIGINFO) {
        guard_before.sa_sigaction(sig, info, context);
    } else if (guard_before.sa_handler == SIG_IGN &&
               guard_is_asynchronous(info)) {
        return;
    } else if (guard_before.sa_handler != SIG_DFL &&
               guard_before.sa_handler != SIG_IGN) {
        guard_before.sa_handler(sig);
    } else {
        /* As without a handler: the fault recurs when this returns. */
        sigaction(sig, &fatal, NULL);
        if (guard_is_asynchronous(info)) {
            raise(sig);
        }
    }
}

static void guard_handler(int sig, siginfo_t *info, void *context)
{
    const ucontext_t *interrupted = context;
    VFIOMigCopy *copy = guard.copy;

    if (guard_is_asynchronous(info)) {
        if (guard.unblocked) {
            /* QEMU's main thread receives it through a signalfd. */
            guard.info = *info;
            guard.deferred = true;
            return;
        }
    } else if (copy && !guard_is_machine_check(info) &&
               guard_covers(copy, (uintptr_t)info->si_addr)) {
        guard.copy = NULL;
        pthread_sigmask(SIG_SETMASK, &interrupted->uc_sigmask, NULL);
        siglongjmp(copy->env, 1);
    }
    guard_pass_on(sig, info, context);
}

/* ---- this thread's mask ---- */

static void guard_change_mask(int how, sigset_t *before)
{
    sigset_t sigbus;

    sigemptyset(&sigbus);
    sigaddset(&sigbus, SIGBUS);
    pthread_sigmask(how, &sigbus, before);
}

/* Raise a deferred signal again, in the thread that it was sent to. */
static void guard_resend(void)
{
    if (guard.deferred) {
        guard.deferred = false;
        syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid),
                SIGBUS, &guard.info);
    }
}

static void guard_let_in(void)
{
    sigset_t before;

    guard.unblocked = true;     /* a pending signal is delivered at once */
    guard_change_mask(SIG_UNBLOCK, &before);
    guard.unblocked = sigismember(&before, SIGBUS);
    guard.ready = true;
    if (!guard.unblocked) {
        guard_resend();
    }
}

static void guard_shut_out(void)
{
    if (guard.unblocked) {
        guard_change_mask(SIG_BLOCK, NULL);
    }
    guard.unblocked = false;
    guard.ready = false;
    guard_resend();
}

/* ---- sessions ---- */

static bool guard_is_on_top(void)
{
    struct sigaction now;

    return sigaction(SIGBUS, NULL, &now) == 0 &&
           (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == guard_handler;
}

void vfio_mig_guard_begin(void)
{
    struct sigaction action = {
        .sa_sigaction = guard_handler,
        .sa_flags = SA_SIGINFO,
    };

    assert(qemu_mutex_iothread_locked());
    if (guard_sessions++ || guard_installed) {
        return;
    }
    sigaction(SIGBUS, NULL, &guard_before);
    action.sa_mask = guard_before.sa_mask;
    action.sa_flags |= guard_before.sa_flags & SA_ONSTACK;
    guard_installed = sigaction(SIGBUS, &action, NULL) == 0;
}

void vfio_mig_guard_end(void)
{
    assert(qemu_mutex_iothread_locked());
    assert(guard_sessions);
    guard_shut_out();
    if (--guard_sessions || !guard_installed) {
        return;
    }
    /* If another one is on top of ours, that one stays, and ours forwards. */
    if (guard_is_on_top()) {
        sigaction(SIGBUS, &guard_before, NULL);
        guard_installed = false;
    }
}

void vfio_mig_guard_leave(void)
{
    guard_shut_out();
}

/* ---- copies ---- */

int vfio_mig_guarded_copy(void *to, const void *from, size_t size)
{
    VFIOMigCopy copy;

    if (!guard.ready) {
        guard_let_in();
    }
    copy.to = (uintptr_t)to;
    copy.from = (uintptr_t)from;
    copy.size = size;
    if (sigsetjmp(copy.env, 0)) {
        return -EFAULT;
    }
    guard.copy = &copy;
    signal_barrier();
    memcpy(to, from, size);
    signal_barrier();
    guard.copy = NULL;
    return 0;
}

int vfio_mig_guarded_probe(const void *from, size_t size)
{
    const uintptr_t page = qemu_real_host_page_size();
    const uint8_t *at = from;
    const uint8_t *end = at + size;
    uint8_t byte;
    int ret = 0;

    while (ret == 0 && at < end) {
        ret = vfio_mig_guarded_copy(&byte, at, 1);
        at += page - ((uintptr_t)at & (page - 1));
    }
    return ret;
}

/* ---- streams and messages ---- */

bool vfio_mig_kernel_copies(QEMUFile *f)
{
    static const char *const known[] = {
        "qio-channel-socket", "qio-channel-file", "qio-channel-command",
    };
    Object *channel = (Object *)qemu_file_get_ioc(f);
    unsigned i;

    /* By exact name: a class derived from one of these may copy. */
    for (i = 0; channel && i < ARRAY_SIZE(known); i++) {
        if (!strcmp(object_get_typename(channel), known[i])) {
            return true;
        }
    }
    return false;
}

void vfio_mig_window_gone(const char *name, uint64_t offset, uint64_t size,
                          Error **errp)
{
    error_setg(errp, "%s: the device's data window went away while 0x%" PRIx64
               " bytes at offset 0x%" PRIx64 " of its migration region were "
               "copied (%s); was the device unplugged from the host, or its "
               "memory switched off?", name, size, offset, strerror(EFAULT));
}
