/*
 * vfio-migrate: facts of a host and of its QEMU
 *
 * Owns: finding both out. QEMU is started, but never with a VM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <unistd.h>
#include "host.h"
#include "json.h"
#include "sysroot.h"

/* ---- host ---- */

/* Returns false if there is no limit. The soft limit counts, even if the hard
 * limit is higher: QEMU does not raise it. */
static bool memlock_limit(int64_t *bytes)
{
    g_autofree char *text = sysroot_text("/proc/self/limits");
    const char *line = text ? strstr(text, "Max locked memory") : NULL;

    if (!line) {
        return false;
    }
    line += strlen("Max locked memory");
    line += strspn(line, " ");
    if (!g_ascii_isdigit(*line)) {
        return false;
    }
    *bytes = g_ascii_strtoll(line, NULL, 10);
    return true;
}

JsonObject *host_facts(void)
{
    JsonObject *facts = json_object_new();
    g_autofree char *kernel = sysroot_text("/proc/sys/kernel/osrelease");
    g_autofree char *apparmor =
        sysroot_text("/sys/module/apparmor/parameters/enabled");
    int64_t bytes;

    json_set_text(facts, "kernel", kernel);
    json_object_set_int_member(facts, "page-size", sysconf(_SC_PAGESIZE));
    if (memlock_limit(&bytes)) {
        json_object_set_int_member(facts, "memlock-bytes", bytes);
    } else {
        json_object_set_null_member(facts, "memlock-bytes");
    }
    json_object_set_boolean_member(facts, "apparmor",
                                   !g_strcmp0(apparmor, "Y"));
    return facts;
}

/* ---- QEMU ---- */

char *host_find_qemu(void)
{
    static const char *const names[] = {
        "qemu-system-x86_64-vfio", "qemu-system-x86_64",
    };
    static const char *const folders[] = { "/usr/local/bin", "/usr/bin" };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        char *path = sysroot_is_set() ? NULL
                                      : g_find_program_in_path(names[i]);

        for (unsigned n = 0; !path && n < G_N_ELEMENTS(folders); n++) {
            g_autofree char *shown = g_build_filename(folders[n], names[i],
                                                      NULL);
            g_autofree char *real = sysroot_path(shown);

            if (g_file_test(real, G_FILE_TEST_IS_EXECUTABLE)) {
                path = g_steal_pointer(&real);
            }
        }
        if (path) {
            return path;
        }
    }
    return NULL;
}

/* Output of @path if it succeeds; else NULL with *@why set, to be freed */
static char *ask_qemu(const char *path, const char *option,
                      const char *value, char **why)
{
    const char *argv[] = { path, option, value, NULL };
    g_autoptr(GError) error = NULL;
    g_autofree char *output = NULL, *errors = NULL;
    int status;

    if (!g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, &output,
                      &errors, &status, &error)) {
        *why = g_strdup(error->message);
        return NULL;
    }
    if (!g_spawn_check_wait_status(status, NULL)) {
        *why = *errors ? g_strchomp(g_steal_pointer(&errors))
                       : g_strdup_printf("%s failed and said nothing", path);
        return NULL;
    }
    return g_strchomp(g_steal_pointer(&output));
}

bool host_qemu_check(const char *path, char **says)
{
    char *answer = ask_qemu(path, "--vfio-migration-check", NULL, says);

    if (!answer) {
        return false;
    }
    *says = answer;
    return g_str_has_prefix(answer, "vfio-migration: attached");
}

/* Parses "QEMU emulator version X", which more lines follow. */
static char *qemu_version(const char *path)
{
    g_autofree char *why = NULL;
    g_autofree char *text = ask_qemu(path, "-version", NULL, &why);
    const char *version = text ? strstr(text, "version ") : NULL;

    if (!version) {
        return NULL;
    }
    version += strlen("version ");
    return g_strndup(version, strcspn(version, "\n"));
}

static JsonArray *qemu_machines(const char *path)
{
    g_autofree char *why = NULL;
    g_autofree char *text = ask_qemu(path, "-machine", "help", &why);
    g_auto(GStrv) lines = g_strsplit(text ?: "", "\n", -1);
    JsonArray *machines = json_array_new();

    /* The first line is a title. */
    for (unsigned i = 1; lines[0] && lines[i]; i++) {
        size_t length = strcspn(lines[i], " ");

        if (length) {
            lines[i][length] = 0;
            json_array_add_string_element(machines, lines[i]);
        }
    }
    return machines;
}

JsonObject *host_qemu_facts(const char *path)
{
    JsonObject *facts = json_object_new();
    g_autofree char *version = path ? qemu_version(path) : NULL;
    g_autofree char *says = NULL;

    json_set_text(facts, "path", path);
    json_set_text(facts, "version", version);
    json_object_set_boolean_member(facts, "attached",
                                   path && host_qemu_check(path, &says));
    json_set_text(facts, "check", says);
    json_object_set_array_member(facts, "machines", path
                                 ? qemu_machines(path) : json_array_new());
    return facts;
}
