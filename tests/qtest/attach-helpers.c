/*
 * Helpers shared by the attach tests
 *
 * Owns: see attach-helpers.h. Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "attach-helpers.h"
#include "code-patterns.h"
#include "redirect.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const entries[ATTACH_ENTRIES] = {
    "vfio_migration_probe", "vfio_migration_finalize", "vfio_mig_active",
    "vfio_mig_bytes_transferred", "populate_vfio_info",
};

AttachPaths paths;

static void find_paths(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *directory = g_path_get_dirname(self);
    g_autofree char *parent = g_path_get_dirname(directory);
    g_autofree char *root = g_path_get_dirname(parent);
    const char *qemu = g_getenv("QEMU");

    paths.wrapper = g_build_filename(root, "qemu-system-x86_64", NULL);
    paths.directory = g_build_filename(root, "attach", NULL);
    paths.loader = g_build_filename(paths.directory,
                                  "libvfio-migration-attach.so", NULL);
    paths.qemu = g_find_program_in_path(qemu && *qemu ? qemu :
                                        "qemu-system-x86_64");
    g_unsetenv("VFIO_MIGRATION_ATTACH");
    g_unsetenv("VFIO_MIGRATION_MULTI");
}

bool attach_test_init(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
    find_paths();
    if (!paths.qemu) {
        g_print("1..0 # SKIP no qemu-system-x86_64 in PATH, and no $QEMU\n");
    }
    return paths.qemu;
}

/* ---- starting QEMU, and checking what was started ---- */

QTestState *start_by(const char *wrapper, const char *qemu, const char *mode,
                     const char *args)
{
    static unsigned number;
    g_autofree char *quoted = g_shell_quote(wrapper);
    g_autofree char *output = g_strdup_printf("%s/q%u.stderr", qtest_tmpdir(),
                                              number++);

    g_setenv("QEMU", qemu, true);
    if (mode) {
        g_setenv("VFIO_MIGRATION_ATTACH", mode, true);
    } else {
        g_unsetenv("VFIO_MIGRATION_ATTACH");
    }
    return qtest_launch(quoted, args, output);
}

QTestState *start(const char *qemu, const char *mode, const char *args)
{
    return start_by(paths.wrapper, qemu, mode, args);
}

void expect_runs(QTestState *s)
{
    g_autofree char *text = qtest_stderr(s);

    if (!qtest_probe_child(s)) {
        g_error("QEMU has ended: %s", text);
    }
    qtest_qmp_assert_success(s, "{'execute': 'query-version'}");
}

void expect_stderr(QTestState *s, const char *part)
{
    g_autofree char *text = qtest_stderr(s);

    if (!strstr(text, part)) {
        g_error("'%s' is not in what QEMU wrote: '%s'", part, text);
    }
}

void expect_quiet(QTestState *s)
{
    g_autofree char *text = qtest_stderr(s);

    g_assert_cmpstr(text, ==, "");
}

void expect_refused(QTestState *s)
{
    int status;

    g_assert_true(qtest_wait_exit(s, QTEST_ANSWER_SECONDS * 1000, &status));
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    g_assert_null(qtest_qmp_timeout(s, 10, "{'execute': 'query-version'}"));
}

char *process_file(QTestState *s, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", qtest_pid(s), name);
    char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

bool process_maps(QTestState *s, const char *name)
{
    g_autofree char *maps = process_file(s, "maps");

    return strstr(maps, name);
}

unsigned changed_entries(QTestState *s, const char *qemu)
{
    g_autoptr(ElfFile) file = elf_file_load(qemu);
    /* @qemu may lack some of the names; the addresses are the same */
    g_autoptr(ElfFile) names = elf_file_load(paths.qemu);
    g_autofree char *maps = process_file(s, "maps");
    g_autofree char *path = g_strdup_printf("/proc/%d/mem", qtest_pid(s));
    g_autofree char *real = realpath(qemu, NULL);
    g_auto(GStrv) lines = g_strsplit(maps, "\n", -1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t base = 0;
    unsigned changed = 0;

    for (char **line = lines; *line && !base; line++) {
        if (g_str_has_suffix(*line, real)) {
            base = g_ascii_strtoull(*line, NULL, 16);
        }
    }
    g_assert_cmpuint(base, !=, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(entries); i++) {
        Elf64_Sym *symbol = elf_file_symbol(names, entries[i]);
        uint8_t bytes[REDIRECT_JUMP_BYTES];

        g_assert_cmpint(pread(fd, bytes, sizeof(bytes),
                              base + symbol->st_value), ==, sizeof(bytes));
        changed += memcmp(bytes, elf_file_at(file, symbol->st_value),
                          sizeof(bytes)) != 0;
    }
    close(fd);
    return changed;
}

/* ---- copies ---- */

static void copy_file(const char *from, const char *directory,
                      const char *name)
{
    g_autofree char *to = g_build_filename(directory, name, NULL);
    g_autofree char *data = NULL;
    gsize size;

    g_assert_true(g_file_get_contents(from, &data, &size, NULL));
    g_assert_true(g_file_set_contents_full(to, data, size,
                                           G_FILE_SET_CONTENTS_NONE, 0755,
                                           NULL));
}

char *copy_build(const char *name, bool subsystem)
{
    g_autofree char *directory = g_build_filename(qtest_tmpdir(), name, NULL);
    g_autofree char *library = g_build_filename(paths.directory,
                                                "vfio-migration.so", NULL);

    g_assert_cmpint(g_mkdir(directory, 0700), ==, 0);
    copy_file(paths.wrapper, directory, "qemu-system-x86_64");
    copy_file(paths.loader, directory, "libvfio-migration-attach.so");
    if (subsystem) {
        copy_file(library, directory, "vfio-migration.so");
    }
    return g_build_filename(directory, "qemu-system-x86_64", NULL);
}

char *save_qemu(const ElfFile *file)
{
    static const char *const places[] = { "lib", "share" };
    g_autofree char *real = realpath(paths.qemu, NULL);
    g_autofree char *bin = g_path_get_dirname(real);
    g_autofree char *prefix = g_path_get_dirname(bin);
    g_autofree char *directory = g_build_filename(qtest_tmpdir(), "bin", NULL);
    char *path = g_build_filename(directory, "qemu-system-x86_64", NULL);

    g_assert_cmpint(g_mkdir(directory, 0700), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *from = g_build_filename(prefix, places[i], NULL);
        g_autofree char *to = g_build_filename(qtest_tmpdir(), places[i],
                                               NULL);

        g_assert_cmpint(symlink(from, to), ==, 0);
    }
    elf_file_save(file, path);
    return path;
}

void set_micro_version(ElfFile *file, uint32_t micro)
{
    static const CodePattern store = {
        .offset_bytes = 16, .bytes = "c7 40/f8 @1",
    };
    Elf64_Sym *symbol = elf_file_symbol(file, "qmp_query_version");
    uint8_t *code = elf_file_at(file, symbol->st_value), *found;
    CodeBytes bytes;

    g_assert_true(code_compile(&store, &bytes));
    found = (uint8_t *)code_find(&bytes, code, symbol->st_size);
    g_assert_nonnull(found);
    memcpy(found + 3, &micro, sizeof(micro));
}
