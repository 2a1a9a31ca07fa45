/*
 * Tests of the parts of attach that need no QEMU: patterns, redirection,
 * environment
 *
 * Owns: each part by itself, with code and variables made for the test.
 * Does not own: attach with a real QEMU (tests/qtest/attach-test.c).
 * Locks: none; one thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "code-patterns.h"
#include "environment.h"
#include "redirect.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- patterns ---- */

static void test_pattern_language(void)
{
    static const char *const wrong[] = {
        "", " ", "8g", "100", "48/1ff", "44/fa", "@2", "@", "8b@1", "??",
    };
    static const uint8_t code[] = { 0x90, 0x48, 0x8b, 0x45, 0x58, 0xc3 };
    CodePattern pattern = { .offset_bytes = 0x58,
                            .bytes = "48/fa 8b 40/c0 @1 ?" };
    CodeBytes bytes;

    g_assert_true(code_compile(&pattern, &bytes));
    g_assert_cmpuint(bytes.length, ==, 5);
    g_assert_true(code_find(&bytes, code, sizeof(code)) == code + 1);
    g_assert_null(code_find(&bytes, code, sizeof(code) - 1));
    g_assert_null(code_find(&bytes, code, 0));
    pattern.offset_bytes = 0x50;
    g_assert_true(code_compile(&pattern, &bytes));
    g_assert_null(code_find(&bytes, code, sizeof(code)));
    pattern.offset_bytes = 0x12345678;
    pattern.bytes = "@4";
    g_assert_true(code_compile(&pattern, &bytes));
    g_assert_cmphex(bytes.value[0], ==, 0x78);
    g_assert_cmphex(bytes.value[3], ==, 0x12);
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        pattern.bytes = wrong[i];
        g_assert_false(code_compile(&pattern, &bytes));
    }
}

/* A pattern with a call does not match a call of another function. */
static void test_pattern_calls(void)
{
    /* mov 0x58(%rbp),%rax; call 0x10 bytes on */
    static const uint8_t code[32] = { 0x48, 0x8b, 0x45, 0x58,
                                      0xe8, 0x10, 0x00, 0x00, 0x00 };
    const size_t length = 9;
    CodePattern pattern = { .offset_bytes = 0x58, .calls = "callee",
                            .bytes = "48 8b 40/c0 @1 e8 =" };
    CodeBytes bytes;

    g_assert_true(code_compile(&pattern, &bytes));
    g_assert_cmpuint(bytes.length, ==, length);
    bytes.callee = code + length + 0x10;
    g_assert_true(code_find(&bytes, code, length) == code);
    g_assert_null(code_find(&bytes, code, length - 1));
    bytes.callee++;
    g_assert_null(code_find(&bytes, code, length));
    pattern.bytes = "e8 = e8 =";
    g_assert_false(code_compile(&pattern, &bytes));
    pattern.bytes = "e8 =";
    pattern.calls = NULL;
    g_assert_false(code_compile(&pattern, &bytes));
}

/* A pattern can match any offset; the offset found is then available. */
static void test_pattern_offset(void)
{
    static const uint8_t code[] = {
        0x48, 0x8b, 0x45, 0x58, 0x48, 0x8b, 0x85, 0x78, 0x56, 0x34, 0x12,
    };
    CodePattern pattern = { .offset_bytes = 8, .bytes = "8b 40/c0 @1" };
    const uint8_t *found;
    CodeBytes bytes;

    g_assert_true(code_compile(&pattern, &bytes));
    g_assert_null(code_find(&bytes, code, sizeof(code)));
    code_take_any_offset(&bytes);
    found = code_find(&bytes, code, sizeof(code));
    g_assert_true(found == code + 1);
    g_assert_cmphex(code_offset_at(&bytes, found), ==, 0x58);

    pattern.bytes = "8b 80/c0 @4";
    g_assert_true(code_compile(&pattern, &bytes));
    code_take_any_offset(&bytes);
    found = code_find(&bytes, code, sizeof(code));
    g_assert_true(found == code + 5);
    g_assert_cmphex(code_offset_at(&bytes, found), ==, 0x12345678);

    pattern.bytes = "8b";       /* without an offset the expected one counts */
    g_assert_true(code_compile(&pattern, &bytes));
    code_take_any_offset(&bytes);
    g_assert_cmpuint(code_offset_at(&bytes, code), ==, 8);
}

/* ---- redirection ---- */

typedef int Function(void);

/* mov $1, %eax; ret; filled up to 16 bytes */
static const uint8_t one[] = {
    0xb8, 0x01, 0x00, 0x00, 0x00, 0xc3,
    0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00, 0x90,
};

static int two(void)
{
    return 2;
}

/* A page of code; if @locked, shared with a file that is open read-only */
static uint8_t *code_page(const uint8_t *code, size_t size_bytes, bool locked)
{
    size_t page_bytes = sysconf(_SC_PAGESIZE);
    int fd = memfd_create("code", MFD_CLOEXEC), read_fd;
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    uint8_t *page;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, code, size_bytes, 0), ==, size_bytes);
    g_assert_cmpint(ftruncate(fd, page_bytes), ==, 0);
    read_fd = open(path, O_RDONLY | O_CLOEXEC);
    page = mmap(NULL, page_bytes, PROT_READ | PROT_EXEC,
                locked ? MAP_SHARED : MAP_PRIVATE, read_fd, 0);
    g_assert_true(page != MAP_FAILED);
    close(read_fd);
    close(fd);
    return page;
}

static Redirect redirect_of(uint8_t *page)
{
    Redirect redirect = {
        .name = "one", .entry = page, .size_bytes = 6, .target = two,
    };
    Refusal why;

    g_assert_true(redirect_check(&redirect, page + 64, &why));
    return redirect;
}

static int call(const uint8_t *page)
{
    Function *function;

    memcpy(&function, &page, sizeof(function));
    return function();
}

static void test_redirect(void)
{
    uint8_t *page = code_page(one, sizeof(one), false);
    Redirect redirect = redirect_of(page);
    Refusal why;

    g_assert_cmpint(call(page), ==, 1);
    g_assert_true(redirect_all(&redirect, 1, &why));
    g_assert_cmpint(call(page), ==, 2);
    g_assert_false(redirect_check(&redirect, page + 64, &why));
    g_assert_nonnull(strstr(why.text, "starts with 48 b8"));
    redirect_undo(&redirect, 1);
    g_assert_cmpint(call(page), ==, 1);
    g_assert_cmpmem(page, sizeof(one), one, sizeof(one));
    munmap(page, sysconf(_SC_PAGESIZE));
}

/* The third of five cannot be written: the first two are restored */
static void test_redirect_all_or_none(void)
{
    uint8_t *pages[5];
    Redirect redirects[5];
    Refusal why;

    for (size_t i = 0; i < 5; i++) {
        pages[i] = code_page(one, sizeof(one), i == 2);
        redirects[i] = redirect_of(pages[i]);
    }
    g_assert_false(redirect_all(redirects, 5, &why));
    g_assert_nonnull(strstr(why.text, "cannot be made writable"));
    for (size_t i = 0; i < 5; i++) {
        g_assert_cmpint(call(pages[i]), ==, 1);
        g_assert_cmpmem(pages[i], sizeof(one), one, sizeof(one));
        g_assert_false(redirects[i].done);
        munmap(pages[i], sysconf(_SC_PAGESIZE));
    }
}

/* A jump that crosses a page boundary */
static void test_redirect_page_end(void)
{
    size_t page_bytes = sysconf(_SC_PAGESIZE);
    uint8_t *pages = mmap(NULL, 2 * page_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *entry = pages + page_bytes - 7;
    Redirect redirect;
    Refusal why;

    memcpy(entry, one, sizeof(one));
    g_assert_cmpint(mprotect(pages, 2 * page_bytes, PROT_READ | PROT_EXEC),
                    ==, 0);
    redirect = redirect_of(entry);
    g_assert_true(redirect_all(&redirect, 1, &why));
    g_assert_cmpint(call(entry), ==, 2);
    redirect_undo(&redirect, 1);
    g_assert_cmpint(call(entry), ==, 1);
    munmap(pages, 2 * page_bytes);
}

typedef struct Entry {
    const char *name;
    uint8_t code[64];
    size_t size_bytes;
    int jump;               /* offset of the jump, -1: refused */
} Entry;

static const Entry entries[] = {
    { "long", { 0x41, 0x56, 0x41, 0x55 }, 40, 0 },
    { "endbr64", { 0xf3, 0x0f, 0x1e, 0xfa, 0x53 }, 40, 4 },
    { "exact", { 0x53 }, 12, 0 },
    { "return", { 0xc3, 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0,
                  0x0f, 0x1f, 0x40, 0 }, 1, 0 },
    { "int3 fill", { 0xc3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
                     0xcc, 0xcc, 0xcc }, 1, 0 },
    { "nop fill", { 0xc3, 0x90, 0x66, 0x90, 0x0f, 0x1f, 0, 0x0f, 0x1f, 0x44,
                    0, 0, 0x90 }, 1, 0 },
    { "nop with address", { 0xc3, 0x0f, 0x1f, 0x05, 1, 2, 3, 4, 0x66, 0x0f,
                            0x1f, 0x44, 0, 0 }, 1, 0 },
    { "next function", { 0xc3, 0x90, 0x90, 0x53 }, 1, -1 },
    { "endbr64, one byte short", { 0xf3, 0x0f, 0x1e, 0xfa, 0x53 }, 15, -1 },
    { "zeros behind", { 0xc3 }, 1, -1 },
    { "no size", { 0x53 }, 0, -1 },
    { "beyond the code", { 0x53 }, 65, -1 },
    { "relative jump", { 0xe9, 1, 2, 3, 4 }, 40, -1 },
    { "short jump", { 0xeb, 1 }, 40, -1 },
    { "indirect jump", { 0xff, 0x25, 0, 0, 0, 0 }, 40, -1 },
    { "absolute jump", { 0x48, 0xb8 }, 40, -1 },
    { "trap", { 0xcc }, 40, -1 },
    { "undefined", { 0x0f, 0x0b }, 40, -1 },
    { "jump behind endbr64", { 0xf3, 0x0f, 0x1e, 0xfa, 0xe9 }, 40, -1 },
};

static void test_entries(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(entries); i++) {
        Entry entry = entries[i];
        Redirect redirect = {
            .name = entry.name, .entry = entry.code,
            .size_bytes = entry.size_bytes,
        };
        Refusal why = { "" };
        bool ok = redirect_check(&redirect, entry.code + sizeof(entry.code),
                                 &why);

        g_test_message("%s: %s", entry.name, why.text);
        g_assert_cmpint(ok, ==, entry.jump >= 0);
        if (ok) {
            g_assert_true(redirect.jump == entry.code + entry.jump);
        } else {
            g_assert_true(g_str_has_prefix(why.text, entry.name));
        }
    }
}

/* ---- environment ---- */

static void test_mode(void)
{
    AttachMode mode;
    Refusal why;

    g_unsetenv("VFIO_MIGRATION_ATTACH");
    g_assert_true(environment_mode(&mode, &why));
    g_assert_false(mode.off || mode.require || mode.verbose || mode.check);
    g_setenv("VFIO_MIGRATION_ATTACH", "auto", true);
    g_assert_true(environment_mode(&mode, &why));
    g_assert_false(mode.off || mode.require || mode.verbose || mode.check);
    g_setenv("VFIO_MIGRATION_ATTACH", "require,verbose", true);
    g_assert_true(environment_mode(&mode, &why));
    g_assert_true(mode.require && mode.verbose && !mode.off && !mode.check);
    g_setenv("VFIO_MIGRATION_ATTACH", "require,offf", true);
    g_assert_false(environment_mode(&mode, &why));
    g_assert_nonnull(strstr(why.text, "'offf'"));
    g_unsetenv("VFIO_MIGRATION_ATTACH");
}

static bool allowed_by(const char *dir, const char *text, Refusal *why)
{
    g_autofree char *path = g_build_filename(dir, "conf", NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return environment_allowed(path, why);
}

static void test_forbidden(void)
{
    static const char line[] = "VFIO_MIGRATION_ATTACH=forbid";
    g_autofree char *dir = g_dir_make_tmp("attach-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "conf", NULL);
    Refusal why;

    g_unsetenv("VFIO_MIGRATION_CONF");
    g_assert_true(environment_allowed("/nonexistent/conf", &why));
    g_assert_true(allowed_by(dir, "", &why));
    g_assert_true(allowed_by(dir, "#VFIO_MIGRATION_ATTACH=forbid\n"
                             "VFIO_MIGRATION_ATTACH=forbidden\n"
                             "VFIO_MIGRATION_ATTACH=require\n", &why));
    g_assert_false(allowed_by(dir, "# no\nVFIO_MIGRATION_ATTACH=forbid\n",
                              &why));
    g_assert_nonnull(strstr(why.text, path));
    g_assert_nonnull(strstr(why.text, line));
    g_assert_false(allowed_by(dir, "VFIO_MIGRATION_ATTACH=require\n"
                              "VFIO_MIGRATION_ATTACH=forbid", &why));

    /* Another file adds to the host's, and does not replace it. */
    g_setenv("VFIO_MIGRATION_CONF", "/dev/null", true);
    g_assert_false(environment_allowed(path, &why));
    g_setenv("VFIO_MIGRATION_CONF", path, true);
    g_assert_false(environment_allowed("/nonexistent/conf", &why));
    g_unsetenv("VFIO_MIGRATION_CONF");

    /* A file that cannot be read might forbid it. */
    g_assert_false(environment_allowed(dir, &why));
    g_assert_nonnull(strstr(why.text, "reading it failed"));
    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_cmpint(symlink("conf", path), ==, 0);
    g_assert_false(environment_allowed(path, &why));
    g_assert_nonnull(strstr(why.text, "cannot be read: "));
    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_cmpint(rmdir(dir), ==, 0);
}

/* Whether this thread, if root's, may bypass file permissions on reads */
static void read_as_root(bool on)
{
    const uint32_t bits = 1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH;
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    g_assert_cmpint(syscall(SYS_capget, &header, data), ==, 0);
    data[0].effective &= ~bits;
    data[0].effective |= on ? data[0].permitted & bits : 0;
    g_assert_cmpint(syscall(SYS_capset, &header, data), ==, 0);
}

/* As in a VM whose profile hides the file: open(2) returns EACCES there, too */
static void test_hidden(void)
{
    g_autofree char *dir = g_dir_make_tmp("attach-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "conf", NULL);
    Refusal why;

    g_unsetenv("VFIO_MIGRATION_CONF");
    g_assert_false(allowed_by(dir, "VFIO_MIGRATION_ATTACH=forbid\n", &why));
    g_assert_cmpint(g_chmod(path, 0), ==, 0);
    read_as_root(false);
    g_assert_cmpint(open(path, O_RDONLY), ==, -1);
    g_assert_cmpint(errno, ==, EACCES);
    g_assert_true(environment_allowed(path, &why));
    g_setenv("VFIO_MIGRATION_CONF", path, true);
    g_assert_true(environment_allowed("/nonexistent/conf", &why));
    g_unsetenv("VFIO_MIGRATION_CONF");
    read_as_root(true);
    g_assert_cmpint(g_chmod(path, 0600), ==, 0);
    g_assert_false(environment_allowed(path, &why));
    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_cmpint(rmdir(dir), ==, 0);
}

static void expect_cleaned(const char *before, const char *after)
{
    g_setenv("LD_PRELOAD", before, true);
    environment_clean("/opt/us/libvfio-migration-attach.so");
    g_assert_cmpstr(g_getenv("LD_PRELOAD"), ==, after);
    g_unsetenv("LD_PRELOAD");
}

static void test_clean(void)
{
#define US "/opt/us/libvfio-migration-attach.so"
    expect_cleaned(US, NULL);
    expect_cleaned(US ":" US, NULL);
    expect_cleaned("/a.so:" US, "/a.so");
    expect_cleaned(US ":/a.so", "/a.so");
    expect_cleaned("/a.so " US " /b.so", "/a.so /b.so");
    expect_cleaned("/a.so:/b.so", "/a.so:/b.so");
    expect_cleaned("/a.so:", "/a.so:");
    expect_cleaned("libvfio-migration-attach.so:liba.so", "liba.so");
    expect_cleaned("/other/libvfio-migration-attach.so",
                   "/other/libvfio-migration-attach.so");

    /* LD_LIBRARY_PATH may only be changed if the wrapper has set it. */
    g_setenv("LD_LIBRARY_PATH", "/opt/us:/lib", true);
    expect_cleaned("libvfio-migration-attach.so", NULL);
    g_assert_cmpstr(g_getenv("LD_LIBRARY_PATH"), ==, "/opt/us:/lib");
    g_setenv("VFIO_MIGRATION_LIBRARY_PATH", "1", true);
    expect_cleaned("libvfio-migration-attach.so", NULL);
    g_assert_cmpstr(g_getenv("LD_LIBRARY_PATH"), ==, "/lib");
    g_assert_null(g_getenv("VFIO_MIGRATION_LIBRARY_PATH"));
#undef US
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attach/pattern-language", test_pattern_language);
    g_test_add_func("/attach/pattern-calls", test_pattern_calls);
    g_test_add_func("/attach/pattern-offset", test_pattern_offset);
    g_test_add_func("/attach/redirect", test_redirect);
    g_test_add_func("/attach/redirect/all-or-none", test_redirect_all_or_none);
    g_test_add_func("/attach/redirect/page-end", test_redirect_page_end);
    g_test_add_func("/attach/redirect/entries", test_entries);
    g_test_add_func("/attach/mode", test_mode);
    g_test_add_func("/attach/forbidden", test_forbidden);
    g_test_add_func("/attach/forbidden/hidden", test_hidden);
    g_test_add_func("/attach/clean", test_clean);
    return g_test_run();
}
