/*
 * attach and its wrapper on the real QEMU, and on QEMUs that are not right
 *
 * Owns: for each check a copy of the QEMU on this machine that makes exactly
 * that check fail, and the proof that QEMU then runs on with its own code
 * untouched, or with `require` ends before there is a VM; what the wrapper
 * does to arguments and environment.
 * Does not own: what the attached subsystem does (vfio-migration-*.c); the
 * parts of attach by themselves (attach/attach-unit-test.c).
 * Locks: none. Each case is a process of its own: it may set its environment.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "libqtest.h"
#include "code-patterns.h"
#include "elf-file.h"
#include "redirect.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO_MACHINE "-machine none -accel tcg -nodefaults -vga none -S "
#define MACHINE "-machine pc -accel tcg -m 16 -nodefaults -vga none -S "
#define GLOBAL_ON "vfio-pci.x-enable-migration=on"

static const char *const entries[] = {
    "vfio_migration_probe", "vfio_migration_finalize", "vfio_mig_active",
    "vfio_mig_bytes_transferred", "populate_vfio_info",
};

static struct {
    char *wrapper;
    char *directory;            /* of the libraries */
    char *stub;
    char *qemu;                 /* the real one */
} paths;

static void find_paths(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *directory = g_path_get_dirname(self);
    g_autofree char *parent = g_path_get_dirname(directory);
    g_autofree char *root = g_path_get_dirname(parent);
    const char *qemu = g_getenv("QEMU");

    paths.wrapper = g_build_filename(root, "qemu-system-x86_64", NULL);
    paths.directory = g_build_filename(root, "attach", NULL);
    paths.stub = g_build_filename(paths.directory,
                                  "libvfio-migration-attach.so", NULL);
    paths.qemu = g_find_program_in_path(qemu && *qemu ? qemu :
                                        "qemu-system-x86_64");
    g_unsetenv("VFIO_MIGRATION_ATTACH");
    g_unsetenv("VFIO_MIGRATION_MULTI");
}

/* ---- starting, and looking at what was started ---- */

/* Start @qemu by the wrapper @wrapper; @mode may be NULL for the default */
static QTestState *start_by(const char *wrapper, const char *qemu,
                            const char *mode, const char *args)
{
    g_autofree char *quoted = g_shell_quote(wrapper);

    g_setenv("QEMU", qemu, true);
    if (mode) {
        g_setenv("VFIO_MIGRATION_ATTACH", mode, true);
    } else {
        g_unsetenv("VFIO_MIGRATION_ATTACH");
    }
    return qtest_start(quoted, args);
}

static QTestState *start(const char *qemu, const char *mode, const char *args)
{
    return start_by(paths.wrapper, qemu, mode, args);
}

static void expect_runs(QTestState *s)
{
    g_autofree char *text = qtest_stderr(s);

    if (!qtest_probe_child(s)) {
        g_error("QEMU has ended: %s", text);
    }
    qtest_qmp_assert_success(s, "{'execute': 'query-version'}");
}

static void expect_stderr(QTestState *s, const char *part)
{
    g_autofree char *text = qtest_stderr(s);

    if (!strstr(text, part)) {
        g_error("'%s' is not in what QEMU wrote: '%s'", part, text);
    }
}

static void expect_quiet(QTestState *s)
{
    g_autofree char *text = qtest_stderr(s);

    g_assert_cmpstr(text, ==, "");
}

/* Ends with status 1 and never answers on QMP */
static void expect_refused(QTestState *s)
{
    int status;

    g_assert_true(qtest_wait_exit(s, QTEST_ANSWER_SECONDS * 1000, &status));
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    g_assert_null(qtest_qmp_timeout(s, 10, "{'execute': 'query-version'}"));
}

static char *process_file(QTestState *s, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", qtest_pid(s), name);
    char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

static bool process_maps(QTestState *s, const char *name)
{
    g_autofree char *maps = process_file(s, "maps");

    return strstr(maps, name);
}

/* How many of the five entry points differ from @qemu's file */
static unsigned changed_entries(QTestState *s, const char *qemu)
{
    g_autoptr(ElfFile) file = elf_file_load(qemu);
    /* The names may not all be there in @qemu; nothing lies elsewhere */
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

/* ---- a QEMU that is not the expected one ---- */

/*
 * Run the changed copy @qemu: its check @check has to fail and to name
 * @part; QEMU runs on untouched, or ends where attaching is required.
 */
static void expect_not_attached(const char *qemu, const char *check,
                                const char *part)
{
    g_autofree char *head =
        g_strdup_printf("vfio-migration: not attached: %s: ", check);
    QTestState *s = start(qemu, NULL, NO_MACHINE);
    g_autofree char *text = NULL;

    expect_runs(s);
    expect_stderr(s, head);
    expect_stderr(s, part);
    text = qtest_stderr(s);
    g_assert_true(g_str_has_prefix(text, head));
    g_assert_true(g_str_has_suffix(text, "; QEMU's own VFIO migration code "
                                   "stays in use\n"));
    g_assert_null(strchr(strchr(text, '\n') + 1, '\n'));
    g_assert_cmpuint(changed_entries(s, qemu), ==, 0);
    g_assert_false(process_maps(s, "/vfio-migration.so"));
    qtest_quit(s);

    s = start(qemu, "require", NO_MACHINE);
    expect_refused(s);
    expect_stderr(s, head);
    expect_stderr(s, "attaching was required, QEMU does not start");
    qtest_forget(s);
}

/*
 * Write @file where QEMU finds its modules and firmware, which it looks for
 * relative to itself. Returns the path.
 */
static char *save_qemu(const ElfFile *file)
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

/* The same for a file that is not yet written */
static void expect_file_refused(const ElfFile *file, const char *check,
                                const char *part)
{
    g_autofree char *path = save_qemu(file);

    expect_not_attached(path, check, part);
}

/* Add @change to the addend of the relocation of a pointer */
static void move_pointer(ElfFile *file, uint64_t address, int change)
{
    elf_file_relocation(file, address)->r_addend += change;
}

static void set_micro_version(ElfFile *file, uint32_t micro)
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

static void change_version_new(ElfFile *file)
{
    set_micro_version(file, 99);
}

static void change_version_old(ElfFile *file)
{
    set_micro_version(file, 2);
}

static void change_no_version(ElfFile *file)
{
    *elf_file_name(file, elf_file_symbol(file, "qmp_query_version")) = 'X';
}

static void change_no_entry(ElfFile *file)
{
    *elf_file_name(file, elf_file_symbol(file, "vfio_mig_active")) = 'X';
}

static void change_no_function(ElfFile *file)
{
    *elf_file_name(file, elf_file_symbol(file, "migrate_set_error")) = 'X';
}

static void change_listener_size(ElfFile *file)
{
    elf_file_symbol(file, "vfio_prereg_listener")->st_size -= 8;
}

static void change_listener_name(ElfFile *file)
{
    move_pointer(file, elf_file_symbol(file, "vfio_prereg_listener")->st_value
                 + 144, 1);
}

static void change_event_size(ElfFile *file)
{
    elf_file_symbol(file, "_TRACE_VFIO_MIGRATION_PROBE_EVENT")->st_size += 8;
}

static void change_event_name(ElfFile *file)
{
    move_pointer(file, elf_file_symbol(
                     file, "_TRACE_VFIO_MIGRATION_PROBE_EVENT")->st_value + 8,
                 1);
}

static uint8_t *entry_code(ElfFile *file, const char *name)
{
    return elf_file_at(file, elf_file_symbol(file, name)->st_value);
}

static void change_entry_jump(ElfFile *file)
{
    entry_code(file, "vfio_migration_finalize")[0] = 0xe9;
}

static void change_entry_trap(ElfFile *file)
{
    entry_code(file, "vfio_migration_probe")[0] = 0xcc;
}

static void change_entry_room(ElfFile *file)
{
    entry_code(file, "populate_vfio_info")[1] = 0x55;   /* push %rbp */
}

static void change_entry_size(ElfFile *file)
{
    elf_file_symbol(file, "vfio_mig_bytes_transferred")->st_size = 0;
}

/* The Property of vfio-pci's @name: the place of its offset, or of its name */
static uint64_t property_of(ElfFile *file, const char *name)
{
    char *text = elf_file_text(file, name);
    uint64_t address;

    g_assert_nonnull(text);
    address = elf_file_pointer_to(file, elf_file_address(file, text), 0);
    g_assert_cmpuint(address, !=, 0);
    return address;
}

static void change_property_offset(ElfFile *file)
{
    *elf_file_at(file, property_of(file, "x-enable-migration") + 16) += 1;
}

static void change_property_far(ElfFile *file)
{
    *elf_file_at(file, property_of(file, "x-pre-copy-dirty-page-tracking")
                 + 16) += 8;
}

static void change_property_name(ElfFile *file)
{
    move_pointer(file, property_of(file, "x-no-mmap"), 2);
}

/*
 * Where QEMU fills in the class of devices, it stores another register as
 * get_id: one that holds a string then. Nothing calls it without a device.
 */
static void change_get_id(ElfFile *file)
{
    static const CodePattern store = {
        .offset_bytes = 112, .bytes = "49 89 7c 24 @1",
    };
    uint64_t from = elf_file_symbol(file,
                                    "qdev_alias_all_properties")->st_value;
    uint64_t until = elf_file_symbol(file, "qdev_get_vmsd")->st_value;
    uint8_t *code = elf_file_at(file, from);
    const uint8_t *found;
    CodeBytes bytes;

    g_assert_true(code_compile(&store, &bytes));
    found = code_find(&bytes, code, until - from);
    g_assert_nonnull(found);
    code[found - code + 2] ^= 0x08;
}

typedef struct Change {
    const char *name;
    const char *check;
    const char *part;           /* of the message */
    void (*change)(ElfFile *file);
} Change;

static const Change changes[] = {
    { "version/too-new", "version", "this is QEMU 7.2.99",
      change_version_new },
    { "version/too-old", "version", "this is QEMU 7.2.2 ",
      change_version_old },
    { "version/unknown", "version", "qmp_query_version", change_no_version },
    { "symbols/entry", "symbols", "vfio_mig_active", change_no_entry },
    { "subsystem/function", "subsystem", "migrate_set_error",
      change_no_function },
    { "listener/size", "listener", "184 bytes, 192 were expected",
      change_listener_size },
    { "listener/name", "listener", "'fio-pre-reg', 'vfio-pre-reg' was",
      change_listener_name },
    { "trace-events/size", "trace-events", "40 bytes, 32 were expected",
      change_event_size },
    { "trace-events/name", "trace-events", "'fio_migration_probe'",
      change_event_name },
    { "entries/jump", "entries", "vfio_migration_finalize: starts with e9",
      change_entry_jump },
    { "entries/trap", "entries", "vfio_migration_probe: starts with cc",
      change_entry_trap },
    { "entries/room", "entries", "populate_vfio_info: room for 1 bytes",
      change_entry_room },
    { "entries/size", "entries", "vfio_mig_bytes_transferred: 0 bytes long",
      change_entry_size },
    { "properties/offset", "properties",
      "x-enable-migration of vfio-pci is 61 bytes behind",
      change_property_offset },
    { "properties/far", "properties",
      "x-pre-copy-dirty-page-tracking of vfio-pci is 112 bytes behind",
      change_property_far },
    { "properties/name", "properties", "no property x-no-mmap",
      change_property_name },
    { "device-id", "device-id", "get_id of vfio-pci is not a function",
      change_get_id },
};

static void test_change(const void *opaque)
{
    const Change *change = opaque;
    g_autoptr(ElfFile) file = elf_file_load(paths.qemu);

    change->change(file);
    expect_file_refused(file, change->check, change->part);
}

/* ---- machine code that is not the expected one ---- */

/*
 * Code that runs in each QEMU must go on working: the byte at @index of the
 * pattern gets another encoding of the same instruction (an index bit, a
 * scale of an index, that the CPU does not use without an index register).
 */
typedef struct SameCode {
    const char *member;
    size_t index;
    uint8_t bits;
} SameCode;

static const SameCode same_code[] = {
    { "SaveVMHandlers.save_setup", 3, 0x40 },
    { "Notifier.node", 0, 0x02 },
    { "sizeof VFIOMmap", 11, 0x01 },    /* never runs here; has no offset */
};

/* Which byte of @pattern to change, and which of its bits */
static size_t pattern_target(const CodePattern *pattern, uint8_t *bits)
{
    CodePattern other = *pattern;
    CodeBytes bytes, other_bytes;

    for (size_t i = 0; i < G_N_ELEMENTS(same_code); i++) {
        if (!strcmp(pattern->member, same_code[i].member)) {
            *bits = same_code[i].bits;
            return same_code[i].index;
        }
    }
    other.offset_bytes ^= 1;
    g_assert_true(code_compile(pattern, &bytes));
    g_assert_true(code_compile(&other, &other_bytes));
    for (size_t i = 0; i < bytes.length; i++) {
        if (bytes.value[i] != other_bytes.value[i]) {
            *bits = 1;
            return i;
        }
    }
    g_error("%s: the pattern holds no offset", pattern->member);
}

/* Change each place where @pattern stands */
static void change_code(ElfFile *file, const CodePattern *pattern)
{
    Elf64_Sym *symbol = elf_file_symbol(file, pattern->function);
    uint8_t *code = elf_file_at(file, symbol->st_value);
    size_t size_bytes = symbol->st_size, target;
    unsigned count = 0;
    const uint8_t *found;
    CodeBytes bytes;
    uint8_t bits;

    if (pattern->until) {
        size_bytes = elf_file_symbol(file, pattern->until)->st_value -
                     symbol->st_value;
    }
    g_assert_true(code_compile(pattern, &bytes));
    target = pattern_target(pattern, &bits);
    while ((found = code_find(&bytes, code, size_bytes))) {
        code[found - code + target] ^= bits;
        count++;
    }
    /* More would mean that the pattern says little */
    g_assert_cmpuint(count, >=, 1);
    g_assert_cmpuint(count, <=, 3);
}

static void test_code(const void *opaque)
{
    const CodePattern *pattern = opaque;
    g_autoptr(ElfFile) file = elf_file_load(paths.qemu);
    g_autofree char *part = g_strconcat("code: ", pattern->member, ": ", NULL);

    change_code(file, pattern);
    expect_file_refused(file, "code", part);
}

/* ---- what may go wrong with the libraries and the process ---- */

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

/* A place with a copy of what is built; the wrapper's path is returned */
static char *copy_build(const char *name, bool subsystem)
{
    g_autofree char *directory = g_build_filename(qtest_tmpdir(), name, NULL);
    g_autofree char *library = g_build_filename(paths.directory,
                                                "vfio-migration.so", NULL);

    g_assert_cmpint(g_mkdir(directory, 0700), ==, 0);
    copy_file(paths.wrapper, directory, "qemu-system-x86_64");
    copy_file(paths.stub, directory, "libvfio-migration-attach.so");
    if (subsystem) {
        copy_file(library, directory, "vfio-migration.so");
    }
    return g_build_filename(directory, "qemu-system-x86_64", NULL);
}

static void test_no_subsystem(void)
{
    g_autofree char *wrapper = copy_build("half", false);

    g_free(paths.wrapper);
    paths.wrapper = g_steal_pointer(&wrapper);
    expect_not_attached(paths.qemu, "subsystem", "vfio-migration.so: cannot "
                        "open shared object file");
}

static void test_other_subsystem(void)
{
    g_autofree char *wrapper = copy_build("other", true);
    g_autofree char *directory = g_path_get_dirname(wrapper);
    g_autofree char *library = g_build_filename(directory,
                                                "vfio-migration.so", NULL);
    g_autoptr(ElfFile) file = elf_file_load(library);

    *elf_file_at(file, elf_file_symbol(file, "vfio_migration_attach_table")
                 ->st_value) += 1;
    elf_file_save(file, library);
    g_free(paths.wrapper);
    paths.wrapper = g_steal_pointer(&wrapper);
    expect_not_attached(paths.qemu, "subsystem", "another version");
}

/*
 * From now on, here and in children, mprotect() to exactly @protection
 * fails, of any address or of @address only.
 */
static void forbid_mprotect(int protection, uint64_t address)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 7),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, protection, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)address, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[0]) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, address >> 32, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { G_N_ELEMENTS(filter), filter };

    if (!address) {
        filter[4] = filter[8];
    }
    g_assert_cmpint(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), ==, 0);
    g_assert_cmpint(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), ==,
                    0);
}

/* As a service manager's MemoryDenyWriteExecute does */
static void test_code_pages(void)
{
    forbid_mprotect(PROT_READ | PROT_EXEC, 0);
    expect_not_attached(paths.qemu, "code-pages",
                        "executable in this process: Permission denied");
}

/* The fifth entry cannot be written: the four before it are put back */
static void test_redirect_fails(void)
{
    g_autoptr(ElfFile) file = elf_file_load(paths.qemu);
    g_autofree char *real = realpath(paths.qemu, NULL);
    uint64_t page = elf_file_symbol(file, "populate_vfio_info")->st_value &
                    -(uint64_t)sysconf(_SC_PAGESIZE);
    /* Where Linux puts a PIE on x86-64 without randomization */
    uint64_t base = UINT64_C(0x555555554000);
    QTestState *s;

    g_assert_cmpint(personality(ADDR_NO_RANDOMIZE), !=, -1);
    forbid_mprotect(PROT_READ | PROT_WRITE, base + page);
    s = start(real, NULL, NO_MACHINE);
    expect_runs(s);
    expect_stderr(s, "not attached: redirect: populate_vfio_info: its code "
                  "cannot be made writable: Permission denied");
    g_assert_cmpuint(changed_entries(s, real), ==, 0);
    qtest_quit(s);
    s = start(real, "require", NO_MACHINE);
    expect_refused(s);
    qtest_forget(s);
}

/* ---- a QEMU that is the expected one ---- */

/* No page of the executable or of ours may be written and executed at once */
static void expect_no_writable_code(QTestState *s)
{
    g_autofree char *maps = process_file(s, "maps");
    g_auto(GStrv) lines = g_strsplit(maps, "\n", -1);

    for (char **line = lines; *line; line++) {
        if (strstr(*line, " rwxp ") && strchr(*line, '/')) {
            g_error("writable code: %s", *line);
        }
    }
}

static void test_attached(void)
{
    QTestState *s = start(paths.qemu, "require,verbose", NO_MACHINE);

    expect_runs(s);
    expect_stderr(s, "vfio-migration: attached: QEMU 7.2.");
    g_assert_cmpuint(changed_entries(s, paths.qemu), ==,
                     G_N_ELEMENTS(entries));
    g_assert_true(process_maps(s, "/vfio-migration.so"));
    expect_no_writable_code(s);
    qtest_quit(s);
}

/* libvirt takes what a QEMU writes for an error message */
static void test_attached_is_quiet(void)
{
    QTestState *s = start(paths.qemu, NULL, NO_MACHINE);

    expect_runs(s);
    expect_quiet(s);
    g_assert_cmpuint(changed_entries(s, paths.qemu), ==,
                     G_N_ELEMENTS(entries));
    qtest_quit(s);
}

static void test_options(const void *opaque)
{
    g_autofree char *args = g_strconcat(MACHINE, (const char *)opaque, NULL);
    QTestState *s = start(paths.qemu, "require", args);

    expect_runs(s);
    expect_quiet(s);
    g_assert_cmpuint(changed_entries(s, paths.qemu), ==,
                     G_N_ELEMENTS(entries));
    qtest_quit(s);
}

static void test_off(void)
{
    QTestState *s = start(paths.qemu, "off", NO_MACHINE);

    expect_runs(s);
    expect_quiet(s);
    g_assert_false(process_maps(s, "vfio-migration"));
    qtest_quit(s);

    /* preloaded all the same, without the wrapper */
    g_setenv("LD_PRELOAD", paths.stub, true);
    s = start_by(paths.qemu, "", "off", NO_MACHINE);
    expect_runs(s);
    expect_quiet(s);
    g_assert_true(process_maps(s, "libvfio-migration-attach.so"));
    g_assert_cmpuint(changed_entries(s, paths.qemu), ==, 0);
    qtest_quit(s);
}

static void test_unknown_word(void)
{
    QTestState *s = start(paths.qemu, "requir", NO_MACHINE);

    expect_refused(s);
    expect_stderr(s, "environment: VFIO_MIGRATION_ATTACH has 'requir'");
    qtest_forget(s);
}

/* Returns what @argv wrote to stdout; stderr, and the exit status, if asked */
static char *run(const char **argv, char **error_text, int *exit_status)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;
    int status;

    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
                 &text, error_text, &status, &error);
    g_assert_no_error(error);
    g_assert_true(WIFEXITED(status));
    if (exit_status) {
        *exit_status = WEXITSTATUS(status);
    } else {
        g_assert_cmpint(WEXITSTATUS(status), ==, 0);
    }
    return text;
}

static void test_not_a_qemu(void)
{
    const char *argv[] = { "env", NULL };
    g_autofree char *line = g_strdup_printf("LD_PRELOAD=%s\n", paths.stub);
    g_autofree char *text = NULL;
    g_autofree char *errors = NULL;

    g_setenv("LD_PRELOAD", paths.stub, true);
    g_setenv("VFIO_MIGRATION_ATTACH", "require,verbose", true);
    text = run(argv, &errors, NULL);
    g_unsetenv("LD_PRELOAD");
    g_assert_cmpstr(errors, ==, "");
    g_assert_nonnull(strstr(text, line));
}

/* What a child of QEMU has in its environment, by an exec: migration */
static char *child_environment(const char *wrapper, const char *mode)
{
    g_autofree char *path = g_build_filename(qtest_tmpdir(), "child", NULL);
    g_autofree char *uri =
        g_strdup_printf("exec:env >'%s.new'; mv '%s.new' '%s'; cat >/dev/null",
                        path, path, path);
    QTestState *s = start_by(wrapper, paths.qemu, mode, MACHINE);
    char *text = NULL;

    expect_runs(s);
    qtest_qmp_assert_success(s, "{'execute': 'migrate', 'arguments': "
                             "{'uri': %s}}", uri);
    for (unsigned i = 0; i < 500 && !text; i++) {
        if (!g_file_get_contents(path, &text, NULL, NULL)) {
            g_usleep(10000);
        }
    }
    g_assert_nonnull(text);
    g_remove(path);
    qtest_quit(s);
    return text;
}

static void expect_clean(const char *environment)
{
    g_assert_null(strstr(environment, "libvfio-migration-attach"));
    g_assert_null(strstr(environment, "VFIO_MIGRATION_WRAPPER"));
    g_assert_null(strstr(environment, "VFIO_MIGRATION_LIBRARY_PATH"));
}

static void test_children(void)
{
    g_autofree char *none = child_environment(paths.wrapper, "require");
    g_autofree char *libm = NULL;

    expect_clean(none);
    g_assert_null(strstr(none, "\nLD_PRELOAD="));
    g_setenv("LD_PRELOAD", "libm.so.6", true);
    libm = child_environment(paths.wrapper, "require");
    expect_clean(libm);
    g_assert_nonnull(strstr(libm, "\nLD_PRELOAD=libm.so.6\n"));
}

/* A directory whose name LD_PRELOAD cannot hold */
static void test_space_in_path(void)
{
    g_autofree char *wrapper = copy_build("with a space", true);
    g_autofree char *text = NULL;
    QTestState *s;

    g_setenv("LD_LIBRARY_PATH", "/nonexistent", true);
    text = child_environment(wrapper, "require");
    expect_clean(text);
    g_assert_nonnull(strstr(text, "\nLD_LIBRARY_PATH=/nonexistent\n"));
    g_assert_null(strstr(text, "\nLD_PRELOAD="));
    s = start_by(wrapper, paths.qemu, "require", NO_MACHINE);
    expect_runs(s);
    g_assert_cmpuint(changed_entries(s, paths.qemu), ==,
                     G_N_ELEMENTS(entries));
    qtest_quit(s);
}

/* ---- the wrapper as a program ---- */

static void test_information(const void *opaque)
{
    g_auto(GStrv) words = g_strsplit(opaque, " ", -1);
    const char *argv[4] = { paths.qemu, words[0], words[1], NULL };
    g_autofree char *expected = run(argv, NULL, NULL);
    g_autofree char *found = NULL;
    g_autofree char *errors = NULL;

    g_setenv("QEMU", paths.qemu, true);
    argv[0] = paths.wrapper;
    found = run(argv, &errors, NULL);
    g_assert_cmpstr(errors, ==, "");
    g_assert_cmpstr(found, ==, expected);
}

static void test_check_option(void)
{
    const char *argv[] = { paths.wrapper, "--vfio-migration-check", NULL };
    g_autofree char *path = NULL;
    g_autofree char *good = NULL;
    g_autofree char *bad = NULL;
    g_autofree char *errors = NULL;
    g_autofree char *silent = NULL;
    g_autofree char *silent_errors = NULL;
    g_autoptr(ElfFile) file = elf_file_load(paths.qemu);
    int status;

    g_setenv("QEMU", paths.qemu, true);
    good = run(argv, NULL, NULL);
    g_assert_true(g_str_has_prefix(good, "vfio-migration: attached: QEMU 7."));
    g_assert_true(g_str_has_suffix(good, " checks\n"));

    change_version_new(file);
    path = save_qemu(file);
    g_setenv("QEMU", path, true);
    bad = run(argv, &errors, &status);
    g_assert_cmpint(status, ==, 1);
    g_assert_cmpstr(bad, ==, "");
    g_assert_nonnull(strstr(errors, "not attached: version: "));

    g_setenv("QEMU", "/bin/true", true);
    silent = run(argv, &silent_errors, &status);
    g_assert_cmpint(status, ==, 1);
    g_assert_nonnull(strstr(silent_errors, "not recognized as a QEMU"));
}

/* As libvirt asks a new emulator what it can do */
static void test_daemonize(void)
{
    g_autofree char *pid_path = g_build_filename(qtest_tmpdir(), "pid", NULL);
    g_autofree char *qmp = g_strdup_printf("unix:%s/m,server=on,wait=off",
                                           qtest_tmpdir());
    const char *argv[] = {
        paths.wrapper, "-S", "-no-user-config", "-nodefaults", "-nographic",
        "-machine", "none,accel=kvm:tcg", "-qmp", qmp, "-pidfile", pid_path,
        "-daemonize", NULL,
    };
    g_autofree char *text = NULL;
    g_autofree char *maps_path = NULL;
    g_autofree char *maps = NULL;
    int pid;

    g_setenv("QEMU", paths.qemu, true);
    g_setenv("VFIO_MIGRATION_ATTACH", "require", true);
    g_free(run(argv, NULL, NULL));
    g_assert_true(g_file_get_contents(pid_path, &text, NULL, NULL));
    pid = atoi(text);
    g_assert_cmpint(pid, >, 1);
    maps_path = g_strdup_printf("/proc/%d/maps", pid);
    g_assert_true(g_file_get_contents(maps_path, &maps, NULL, NULL));
    kill(pid, SIGKILL);
    g_assert_nonnull(strstr(maps, "/vfio-migration.so"));
}

static void expect_wrapper_error(const char *qemu, const char *part)
{
    const char *argv[] = { paths.wrapper, "-version", NULL };
    g_autofree char *errors = NULL;
    int status;

    g_setenv("QEMU", qemu, true);
    g_free(run(argv, &errors, &status));
    g_assert_cmpint(status, ==, 1);
    if (!strstr(errors, part)) {
        g_error("'%s' is not in '%s'", part, errors);
    }
}

static void test_loops(void)
{
    g_autofree char *copy = copy_build("copy", true);
    g_autofree char *script = g_build_filename(qtest_tmpdir(), "qemu", NULL);
    g_autofree char *quoted = g_shell_quote(paths.wrapper);
    g_autofree char *text = g_strdup_printf("#!/bin/sh\nexec %s \"$@\"\n",
                                            quoted);

    expect_wrapper_error(paths.wrapper, "is this wrapper");
    expect_wrapper_error(copy, "is this wrapper");
    expect_wrapper_error("/nonexistent", "no QEMU at '/nonexistent'");
    expect_wrapper_error("no-such-qemu", "no QEMU at 'no-such-qemu'");
    g_assert_true(g_file_set_contents_full(script, text, -1,
                                           G_FILE_SET_CONTENTS_NONE, 0755,
                                           NULL));
    expect_wrapper_error(script, "starts this wrapper again");
}

/* The wrapper comes first in PATH, as qemu-system-x86_64, and so does a copy */
static void test_path(void)
{
    g_autofree char *copy = copy_build("copy", true);
    g_autofree char *copy_directory = g_path_get_dirname(copy);
    g_autofree char *wrapper_directory = g_path_get_dirname(paths.wrapper);
    g_autofree char *qemu_directory = g_path_get_dirname(paths.qemu);
    g_autofree char *path =
        g_strdup_printf("%s:%s:%s:%s", wrapper_directory, copy_directory,
                        qemu_directory, g_getenv("PATH"));
    const char *argv[] = { "qemu-system-x86_64", "-version", NULL };
    const char *direct[] = { paths.qemu, "-version", NULL };
    g_autofree char *found = NULL;
    g_autofree char *expected = run(direct, NULL, NULL);

    g_unsetenv("QEMU");
    g_setenv("PATH", path, true);
    found = run(argv, NULL, NULL);
    g_assert_cmpstr(found, ==, expected);
}

/* Arguments arrive as they were, after one default of ours */
static void test_arguments(void)
{
    g_autofree char *script = g_build_filename(qtest_tmpdir(), "show", NULL);
    const char *argv[] = { paths.wrapper, "-name", "a  b", "", "*", NULL };
    g_autofree char *found = NULL;

    g_assert_true(g_file_set_contents_full(
        script, "#!/bin/sh\nprintf '[%s]' \"$@\"\n", -1,
        G_FILE_SET_CONTENTS_NONE, 0755, NULL));
    g_setenv("QEMU", script, true);
    found = run(argv, NULL, NULL);
    g_assert_cmpstr(found, ==,
                    "[-global][" GLOBAL_ON "][-name][a  b][][*]");
    g_setenv("VFIO_MIGRATION_ATTACH", "off", true);
    g_free(found);
    found = run(argv, NULL, NULL);
    g_assert_cmpstr(found, ==, "[-name][a  b][][*]");
}

static void add_changes(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autofree char *path = g_strconcat("/attach/refuse/",
                                            changes[i].name, NULL);

        qtest_add_data_func(path, &changes[i], test_change);
    }
    for (size_t i = 0; i < code_patterns_count; i++) {
        g_autofree char *path = g_strconcat("/attach/refuse/code/",
                                            code_patterns[i].member, NULL);

        qtest_add_data_func(path, &code_patterns[i], test_code);
    }
    qtest_add_func("/attach/refuse/subsystem/missing", test_no_subsystem);
    qtest_add_func("/attach/refuse/subsystem/version", test_other_subsystem);
    qtest_add_func("/attach/refuse/code-pages", test_code_pages);
    qtest_add_func("/attach/refuse/redirect", test_redirect_fails);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    find_paths();
    if (!paths.qemu) {
        g_print("1..0 # SKIP no qemu-system-x86_64 in PATH, and no $QEMU\n");
        return 0;
    }
    qtest_add_func("/attach/attached", test_attached);
    qtest_add_func("/attach/quiet", test_attached_is_quiet);
    qtest_add_data_func("/attach/sandbox",
                        "-sandbox on,obsolete=deny,elevateprivileges=deny,"
                        "spawn=deny,resourcecontrol=deny", test_options);
    qtest_add_data_func("/attach/only-migratable", "-only-migratable",
                        test_options);
    qtest_add_func("/attach/off", test_off);
    qtest_add_func("/attach/unknown-word", test_unknown_word);
    qtest_add_func("/attach/not-a-qemu", test_not_a_qemu);
    qtest_add_func("/attach/children", test_children);
    qtest_add_func("/attach/space-in-path", test_space_in_path);
    qtest_add_data_func("/attach/wrapper/version", "-version",
                        test_information);
    qtest_add_data_func("/attach/wrapper/help", "-help", test_information);
    qtest_add_data_func("/attach/wrapper/device-help", "-device help",
                        test_information);
    qtest_add_func("/attach/wrapper/check", test_check_option);
    qtest_add_func("/attach/wrapper/daemonize", test_daemonize);
    qtest_add_func("/attach/wrapper/loops", test_loops);
    qtest_add_func("/attach/wrapper/path", test_path);
    qtest_add_func("/attach/wrapper/arguments", test_arguments);
    add_changes();
    return g_test_run();
}
