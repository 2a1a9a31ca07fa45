/*
 * vfio-migrate: output of a saved device
 *
 * Owns: a file of device state is accessible to its owner only, and its path
 * has either the complete file or what was there before: a temporary file in
 * the same directory replaces it once it is complete. Pipes, and other things
 * that cannot be replaced, are written in place.
 *
 * One output at a time, no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <signal.h>
#include "qapi/error.h"
#include "output.h"

/* For the signal handler; NULL while there is no unfinished file */
static char *volatile unfinished;

static const int ending_signals[] = { SIGHUP, SIGINT, SIGTERM };

static void remove_unfinished(int signum)
{
    if (unfinished) {
        unlink(unfinished);
    }
    signal(signum, SIG_DFL);
    raise(signum);
}

static void handle_signals(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(ending_signals); i++) {
        /* Keep ignoring a signal that is ignored, as under nohup. */
        if (signal(ending_signals[i], remove_unfinished) == SIG_IGN) {
            signal(ending_signals[i], SIG_IGN);
        }
    }
}

static bool open_standard_output(ToolOutput *out, Error **errp)
{
    if (isatty(STDOUT_FILENO)) {
        error_setg(errp, "the state is not written to a terminal: name a "
                   "file, or redirect standard output");
        return false;
    }
    out->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    /* Keep messages for people out of the state. */
    if (out->fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        error_setg_errno(errp, errno, "standard output cannot be used");
        return false;
    }
    return true;
}

/* The target of @path if it is a symbolic link; else @path */
static char *resolve(const char *path)
{
    char *real = realpath(path, NULL);
    char *copy = g_strdup(real ?: path);

    free(real);
    return copy;
}

static bool open_beside(ToolOutput *out, const char *path, Error **errp)
{
    g_autofree char *dir = NULL;
    g_autofree char *base = NULL;

    out->path = resolve(path);
    dir = g_path_get_dirname(out->path);
    base = g_path_get_basename(out->path);
    out->temporary = g_strdup_printf("%s/.%s.XXXXXX", dir, base);
    /* Set before the file exists, as a signal may come at any time. */
    unfinished = out->temporary;
    handle_signals();
    out->fd = g_mkstemp_full(out->temporary, O_RDWR | O_CLOEXEC, 0600);
    if (out->fd < 0) {
        error_setg_errno(errp, errno, "%s: no file can be made in %s", path,
                         dir);
        unfinished = NULL;
        g_clear_pointer(&out->temporary, g_free);
    }
    return out->fd >= 0;
}

bool tool_output_open(ToolOutput *out, const char *path, Error **errp)
{
    bool standard = g_str_equal(path, "-");
    struct stat st;

    *out = (ToolOutput) { .fd = -1, .name = standard ? "standard output"
                                                     : path };
    /* A reader that goes away is an error like any other. */
    signal(SIGPIPE, SIG_IGN);
    if (standard) {
        return open_standard_output(out, errp);
    }
    if (stat(path, &st) < 0 || S_ISREG(st.st_mode)) {
        return open_beside(out, path, errp);
    }
    out->fd = open(path, O_WRONLY | O_CLOEXEC);
    if (out->fd < 0) {
        error_setg_errno(errp, errno, "%s cannot be opened", path);
    }
    return out->fd >= 0;
}

static bool put_in_place(ToolOutput *out)
{
    return fsync(out->fd) == 0 && rename(out->temporary, out->path) == 0;
}

bool tool_output_close(ToolOutput *out, bool complete, Error **errp)
{
    bool good = complete;

    if (good && out->temporary && !put_in_place(out)) {
        error_setg_errno(errp, errno, "%s cannot be written", out->name);
        good = false;
    }
    if (!good && out->temporary) {
        unlink(out->temporary);
    }
    unfinished = NULL;
    if (out->fd >= 0 && close(out->fd) < 0 && good) {
        error_setg_errno(errp, errno, "%s cannot be written", out->name);
        good = false;
    }
    g_free(out->path);
    g_free(out->temporary);
    return good;
}
