/*
 * attach: puts the subsystem in the place of QEMU's own VFIO migration code
 *
 * This library is preloaded into a QEMU that was not built with us. It uses
 * libc only, so that preloading it into anything else does no harm.
 *
 * Owns: the order of things: look, load, register for a second look once
 * QEMU's classes exist, and only then redirect; what is said and whether the
 * process may go on. Not here: the checks (checks.c, checks-class.c), the
 * jumps (redirect.c), the environment (environment.c), the subsystem
 * (subsystem.c, hw/vfio).
 * Locks: none. The constructor runs before main(), the rest in qemu_init()
 * under the BQL. The only other thread then is QEMU's RCU thread, which does
 * not run VFIO code. Seccomp (-sandbox) comes later.
 * Source: docs/attach.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "checks.h"
#include "environment.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static AttachMode mode;
static Attach attach;
static char **arguments;        /* of main() */

/*
 * The wrapper turns migration of vfio-pci on before it can know whether we
 * attach. QEMU's own code is not what the user asked for: off again, as it is
 * in a QEMU without the wrapper. Options of the user come later and win.
 */
static void attach_withdraw_default(void)
{
    static char off[] = "vfio-pci.x-enable-migration=off";

    if (arguments[0] && arguments[1] && !strcmp(arguments[1], "-global") &&
        arguments[2] && !strcmp(arguments[2],
                                "vfio-pci.x-enable-migration=on")) {
        arguments[2] = off;
    }
}

/* End the process before there is a VM; QEMU has nothing to clean up yet */
static void attach_exit(int status)
{
    fflush(NULL);
    _exit(status);
}

/* Say that QEMU stays as it was, or end it where that is not wanted */
static void attach_give_up(const char *check, const Refusal *why)
{
    bool fatal = mode.require || mode.check;

    if (attach.handle) {
        dlclose(attach.handle);
        attach.handle = NULL;
    }
    fprintf(stderr, "vfio-migration: not attached: %s: %s; %s\n", check,
            why->text, fatal ? "attaching was required, QEMU does not start"
                             : "QEMU's own VFIO migration code stays in use");
    if (fatal) {
        attach_exit(1);
    }
    attach_withdraw_default();
}

/* Called by QEMU when its classes exist, before it reads its options */
static void attach_late(void)
{
    const char *check;
    Refusal why;

    if (!attach_run_checks(&attach, attach_checks_late, &check, &why)) {
        attach_give_up(check, &why);
        return;
    }
    attach.table->start();
    if (!redirect_all(attach.redirects, ATTACH_ENTRY_COUNT, &why)) {
        /* Its trace events are registered: it has to stay loaded */
        attach.handle = NULL;
        attach_give_up("redirect", &why);
        return;
    }
    if (mode.check || mode.verbose) {
        fprintf(mode.check ? stdout : stderr,
                "vfio-migration: attached: QEMU %s, %u checks\n",
                attach.version, attach.facts);
    }
    if (mode.check) {
        attach_exit(0);
    }
}

/* Ask QEMU to call attach_late() */
static bool attach_register(Refusal *why)
{
    void (*register_init)(void (*fn)(void), int type);
    ImageSymbol symbol;

    if (!image_symbol(&attach.image, "register_module_init", &symbol)) {
        return refuse(why, "this QEMU does not export register_module_init");
    }
    memcpy(&register_init, &symbol.address, sizeof(register_init));
    register_init(attach_late, ABI_MODULE_INIT_MIGRATION);
    return true;
}

/* glibc hands main()'s arguments to constructors too */
__attribute__((constructor))
static void attach_early(int argc, char **argv)
{
    const char *check = "environment";
    Refusal why;
    Dl_info self;

    if (!attach_is_qemu(&attach) || !dladdr(&attach, &self)) {
        return;
    }
    if (!environment_mode(&mode, &why)) {
        mode.require = true;    /* does not return */
        attach_give_up(check, &why);
    }
    if (mode.off) {
        return;
    }
    arguments = argv;
    attach.library = self.dli_fname;
    environment_clean(attach.library);
    if (!attach_run_checks(&attach, attach_checks_early, &check, &why) ||
        !attach_register(&why)) {
        attach_give_up(check, &why);
    }
}
