/*
 * The kernel's log of a case
 *
 * Owns: reading what the kernel logged while a case ran, and failing the
 * case for what may not be there.
 * Does not own: the patterns; tests/functional/vm/log-bad and log-allowed
 * have them, for scripts/vm-testbed as well.
 * Locks: none.
 * Source: Documentation/ABI/testing/dev-kmsg of Linux.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kernel-device.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PATTERNS_VARIABLE "VM_TESTBED_SHARE"

static int log_fd = -1;

void kernel_log_begin(void)
{
    log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (log_fd < 0 || lseek(log_fd, 0, SEEK_END) < 0) {
        qtest_fail("cannot read /dev/kmsg: %s", strerror(errno));
    }
}

/* One pattern of all the lines of a file; NULL where it has none. */
static GRegex *patterns(const char *name)
{
    const char *dir = g_getenv(PATTERNS_VARIABLE);
    g_autofree char *path = g_build_filename(dir ? dir : ".", name, NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) err = NULL;
    g_autofree char *all = NULL;
    GRegex *regex;

    if (!g_file_get_contents(path, &text, NULL, &err)) {
        qtest_fail("%s", err->message);
    }
    all = g_strdelimit(g_strdup(g_strchomp(text)), "\n", '|');
    regex = g_regex_new(all, 0, 0, &err);
    if (!regex) {
        qtest_fail("%s: %s", path, err->message);
    }
    return regex;
}

/* The next line since the case began, NULL at the end. Caller frees. */
static char *next_line(void)
{
    char record[8192];
    ssize_t len;
    const char *text;

    do {
        len = read(log_fd, record, sizeof(record) - 1);
    } while (len < 0 && (errno == EINTR || errno == EPIPE));
    if (len <= 0) {
        return NULL;
    }
    record[len] = '\0';
    text = strchr(record, ';');
    text = text ? text + 1 : record;
    return g_strndup(text, strcspn(text, "\n"));
}

void kernel_log_check(void)
{
    g_autoptr(GRegex) bad = patterns("log-bad");
    g_autoptr(GRegex) allowed = patterns("log-allowed");
    g_autoptr(GString) found = g_string_new(NULL);
    char *line;

    while ((line = next_line())) {
        if (g_regex_match(bad, line, 0, NULL)
            && !g_regex_match(allowed, line, 0, NULL)) {
            g_string_append_printf(found, "\n    %s", line);
        }
        g_free(line);
    }
    close(log_fd);
    log_fd = -1;
    if (found->len) {
        qtest_fail("the kernel's log has:%s", found->str);
    }
}
