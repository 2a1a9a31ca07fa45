/*
 * Where the devices come from: what both worlds share
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "world.h"

#include <string.h>
#include <glib/gstdio.h>

#include "sandbox.h"

static const char *code(void)
{
    const char *wanted = g_getenv("VFIO_LIBVIRT_CODE");

    if (!g_strcmp0(g_getenv("VM_TESTBED_BUILTIN"), "yes")) {
        return "builtin-on";
    }
    return wanted ? wanted : "";
}

bool world_builtin(void)
{
    return g_str_has_prefix(code(), "builtin");
}

/* Needed as libvirt starts the script with an empty environment. */
static void export_variable(GString *text, const char *name,
                            const char *otherwise)
{
    const char *value = g_getenv(name) ? g_getenv(name) : otherwise;

    if (value) {
        g_autofree char *quoted = g_shell_quote(value);

        g_string_append_printf(text, "export %s=%s\n", name, quoted);
    }
}

char *world_write_emulator(const char *lines, GError **error)
{
    g_autofree char *path = g_build_filename(sandbox_dir(), "emulator", NULL);
    g_autoptr(GString) text = g_string_new("#!/bin/sh\n");

    export_variable(text, "QEMU", "qemu-system-x86_64");
    export_variable(text, "VFIO_ATTACHED_QEMU", NULL);
    export_variable(text, "VFIO_BUILT_QEMU", NULL);
    g_string_append_printf(text, "arguments=%s\n%s",
                           strcmp(code(), "builtin-on") == 0
                           ? "'-global vfio-pci.x-enable-migration=on'" : "",
                           lines);
    if (!sandbox_write(path, text->str, error)) {
        return NULL;
    }
    if (g_chmod(path, 0755) < 0) {
        sandbox_failed(error, "make executable", path);
        return NULL;
    }
    return g_steal_pointer(&path);
}
