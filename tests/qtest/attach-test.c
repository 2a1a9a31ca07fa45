/*
 * attach on QEMUs that are not the expected one
 *
 * Owns: for each check, a copy of this machine's QEMU that makes exactly that
 * check fail, and the proof that QEMU then runs with its own code untouched, or
 * with `require` ends before there is a VM.
 * Does not own: attach on the right QEMU, and the wrapper
 * (attach-wrapper-test.c); unit tests of attach's parts
 * (attach/attach-unit-test.c).
 * Locks: none. Each case is a process of its own and may set its environment.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"
#include "attach-helpers.h"
#include "code-patterns.h"

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

/* ---- a QEMU that is not the expected one ---- */

/*
 * Run the modified copy @qemu: @check must fail with a message that has @part.
 * QEMU runs on untouched, or exits if attaching is required.
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

/* The same for a file that has not been written yet */
static void expect_file_refused(const ElfFile *file, const char *check,
                                const char *part)
{
    g_autofree char *path = save_qemu(file);

    expect_not_attached(path, check, part);
}

/* An untested newer release: accepted, with a warning, if all checks pass */
static void test_newer(void)
{
    g_autoptr(ElfFile) file = elf_file_load(paths.qemu);
    g_autofree char *path = NULL;
    QTestState *s;

    set_micro_version(file, ABI_VERSION_MICRO_KNOWN + 1);
    path = save_qemu(file);
    s = start(path, "require", NO_MACHINE);
    expect_runs(s);
    expect_stderr(s, "vfio-migration: warning: QEMU 7.2.23 ");
    expect_stderr(s, " is newer than 7.2.22, the last that was tried; all ");
    g_assert_cmpuint(changed_entries(s, path), ==, ATTACH_ENTRIES);
    qtest_quit(s);
}

/* A newer release in which something has changed */
static void test_newer_changed(void)
{
    g_autoptr(ElfFile) file = elf_file_load(paths.qemu);

    set_micro_version(file, ABI_VERSION_MICRO_KNOWN + 1);
    elf_file_symbol(file, "vfio_prereg_listener")->st_size -= 8;
    expect_file_refused(file, "listener", "184 bytes, 192 were expected");
}

/* Add @change to the addend of the relocation of a pointer */
static void move_pointer(ElfFile *file, uint64_t address, int change)
{
    elf_file_relocation(file, address)->r_addend += change;
}

static void change_version_new(ElfFile *file)
{
    set_micro_version(file, 50);
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

static void change_ram_list(ElfFile *file)
{
    elf_file_symbol(file, "ram_list")->st_value += 8;
}

static void change_run_state_count(ElfFile *file)
{
    *elf_file_at(file, elf_file_symbol(file, "RunState_lookup")->st_value +
                 16) += 1;
}

/* "save-vm" in the table of names becomes "ave-vm" */
static void change_run_state_name(ElfFile *file)
{
    uint64_t lookup = elf_file_symbol(file, "RunState_lookup")->st_value;

    move_pointer(file, elf_file_relocation(file, lookup)->r_addend + 80, 1);
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

/* Address of the offset (or name) in vfio-pci's Property @name */
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
 * In the initialization of the device class, store another register as get_id:
 * at that point it holds a string. Nothing calls it without a device.
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
    { "version/too-new", "version", "this is QEMU 7.2.50",
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
    { "ram-list", "ram-list", "no instruction of memory_region_set_dirty has "
      "the offset 64", change_ram_list },
    { "run-states/count", "run-states",
      "there are 17 run states, 16 were expected", change_run_state_count },
    { "run-states/name", "run-states",
      "run state 10 is 'ave-vm', 'save-vm' was expected",
      change_run_state_name },
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
 * The modified code is run by every QEMU and must keep working: the byte at
 * @index of the pattern gets another encoding of the same instruction (an index
 * bit or scale, which the CPU ignores without an index register).
 */
typedef struct SameCode {
    const char *member;
    size_t index;
    uint8_t bits;
} SameCode;

static const SameCode same_code[] = {
    { "SaveVMHandlers.save_setup", 3, 0x40 },
    { "Notifier.node", 0, 0x02 },
    { "sizeof VFIOMmap", 11, 0x01 },    /* never run here; holds no offset */
};

/* Index of the byte of @pattern to change; @bits: which bits of it */
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

/* Change each occurrence of @pattern */
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
    if (pattern->calls) {
        bytes.callee = elf_file_at(file, elf_file_symbol(
                                       file, pattern->calls)->st_value);
    }
    target = pattern_target(pattern, &bits);
    while ((found = code_find(&bytes, code, size_bytes))) {
        code[found - code + target] ^= bits;
        count++;
    }
    /* More matches would mean that the pattern is not specific */
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

/* ---- faults of the libraries and the process ---- */

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
 * From now on, here and in child processes, mprotect() with exactly @protection
 * fails, on any address or, if not 0, on @address only.
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

/* Like a service manager's MemoryDenyWriteExecute */
static void test_code_pages(void)
{
    forbid_mprotect(PROT_READ | PROT_EXEC, 0);
    expect_not_attached(paths.qemu, "code-pages",
                        "executable in this process: Permission denied");
}

/* The fifth entry cannot be written: the first four are restored */
static void test_redirect_fails(void)
{
    g_autoptr(ElfFile) file = elf_file_load(paths.qemu);
    g_autofree char *real = realpath(paths.qemu, NULL);
    uint64_t page = elf_file_symbol(file, "populate_vfio_info")->st_value &
                    -(uint64_t)sysconf(_SC_PAGESIZE);
    /* Load address of a PIE on x86-64 without randomization */
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

static void add_changes(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autofree char *path = g_strconcat("/attach/refuse/",
                                            changes[i].name, NULL);

        qtest_add_data_case(path, &changes[i], test_change);
    }
    for (size_t i = 0; i < code_patterns_count; i++) {
        g_autofree char *path = g_strconcat("/attach/refuse/code/",
                                            code_patterns[i].member, NULL);

        qtest_add_data_case(path, &code_patterns[i], test_code);
    }
    qtest_add_case("/attach/refuse/subsystem/missing", test_no_subsystem);
    qtest_add_case("/attach/refuse/subsystem/version", test_other_subsystem);
    qtest_add_case("/attach/refuse/code-pages", test_code_pages);
    qtest_add_case("/attach/refuse/redirect", test_redirect_fails);
}

int main(int argc, char **argv)
{
    if (!attach_test_init(&argc, &argv)) {
        return 0;
    }
    add_changes();
    qtest_add_case("/attach/newer/accepted", test_newer);
    qtest_add_case("/attach/newer/changed", test_newer_changed);
    return g_test_run();
}
