/*
 * attach: replaces QEMU's own VFIO migration code with the subsystem
 *
 * This library is preloaded into a QEMU that was not built with us. It uses
 * libc only, so that preloading it into any other program does no harm.
 *
 * Owns: the sequence: check, load the subsystem, register for a second check
 * once QEMU's classes exist, and only then redirect; messages, and whether the
 * process may continue. Not here: the checks (checks.c, checks-class.c), the
 * jumps (redirect.c), the environment (environment.c), the subsystem
 * (subsystem.c, hw/vfio).
 * Locks: none. The constructor runs before main(), the rest in qemu_init()
 * under the BQL. The only other thread then is QEMU's RCU thread, which does
 * not run VFIO code. Seccomp (-sandbox) is enabled later.
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
static char switched_on[] = "vfio-pci.x-enable-migration=on";

/*
 * Migration is only enabled when attached: if the wrapper did it, QEMU's own
 * code would be enabled if this library cannot be loaded. This is the first of
 * QEMU's -global options: the user's come later and take precedence.
 */
static void attach_switch_on(void)
{
    int (*global_option)(const char *text);
    ImageSymbol symbol;

    if (image_symbol(&attach.image, "qemu_global_option", &symbol)) {
        memcpy(&global_option, &symbol.address, sizeof(global_option));
        global_option(switched_on);
    }
}

/*
 * If QEMU must not start without us, the wrapper inserts an option that no
 * QEMU knows before the others. As we are loaded, replace it by an option
 * that only repeats what attach_switch_on() does.
 */
static void attach_accept_option(char **argv)
{
    static char global[] = "-global";

    if (argv[0] && argv[1] && argv[2] && !strcmp(argv[1], ATTACH_NOT_LOADED)) {
        argv[1] = global;
        argv[2] = switched_on;
    }
}

/* End the process before a VM exists; QEMU has nothing to clean up yet */
static void attach_exit(int status)
{
    fflush(NULL);
    _exit(status);
}

/* Report that QEMU is unchanged, or end it if attaching is required */
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
}

/* Called by QEMU when its classes exist, before it parses its options */
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
        /* Its trace events are registered: it must stay loaded. */
        attach.handle = NULL;
        attach_give_up("redirect", &why);
        return;
    }
    attach_switch_on();
    if (attach.newer) {
        fprintf(stderr, "vfio-migration: warning: QEMU %s is newer than "
                "%d.%d.%d, the last that was tried; all %u checks pass\n",
                attach.version, ABI_VERSION_MAJOR, ABI_VERSION_MINOR,
                ABI_VERSION_MICRO_KNOWN, attach.facts);
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

/* The program that the wrapper was told to use, and executed, is not a QEMU */
static void attach_other_program(void)
{
    const char *path = environment_wrapped_program();

    if (path) {
        fprintf(stderr, "vfio-migration: '%s' is no QEMU: set QEMU to the "
                "path of the real one\n", path);
        attach_exit(1);
    }
}

/* glibc passes main()'s arguments to constructors as well. */
__attribute__((constructor))
static void attach_early(int argc, char **argv)
{
    const char *check = "environment";
    Refusal why;
    Dl_info self;

    if (!attach_is_qemu(&attach) || !dladdr(&attach, &self)) {
        attach_other_program();
        return;
    }
    if (!environment_mode(&mode, &why)) {
        mode.require = true;    /* does not return */
        attach_give_up(check, &why);
    }
    if (mode.off) {
        return;
    }
    attach_accept_option(argv);
    attach.library = self.dli_fname;
    environment_clean(attach.library);
    if (!environment_allowed(ATTACH_SETTINGS, &why)) {
        attach_give_up("settings", &why);
        return;
    }
    if (!attach_run_checks(&attach, attach_checks_early, &check, &why) ||
        !attach_register(&why)) {
        attach_give_up(check, &why);
    }
}
