/*
 * Settings of attach in the environment
 *
 * Owns: the words of VFIO_MIGRATION_ATTACH; the line in a settings file that
 * forbids attaching; the wrapper's variables; removing our traces from the
 * environment of child processes. Not here: acting on them (loader.c), the
 * other settings (the wrapper).
 * Locks: none; runs before main().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "environment.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

static bool word_is(const char *word, size_t length, const char *expected)
{
    return strlen(expected) == length && !memcmp(word, expected, length);
}

bool environment_mode(AttachMode *mode, Refusal *why)
{
    const char *word = getenv("VFIO_MIGRATION_ATTACH");

    *mode = (AttachMode) { 0 };
    while (word && *word) {
        size_t length = strcspn(word, ",");

        if (word_is(word, length, "off")) {
            mode->off = true;
        } else if (word_is(word, length, "require")) {
            mode->require = true;
        } else if (word_is(word, length, "verbose")) {
            mode->verbose = true;
        } else if (word_is(word, length, "check")) {
            mode->check = true;
        } else if (!word_is(word, length, "auto")) {
            return refuse(why, "VFIO_MIGRATION_ATTACH has '%.*s', which is "
                          "none of auto, require, off, verbose, check",
                          (int)length, word);
        }
        word += length + (word[length] == ',');
    }
    return true;
}

static bool file_allows(const char *path, Refusal *why)
{
    FILE *file = fopen(path, "re");
    char line[256];
    bool allowed = true;

    if (!file) {
        /* It may be hidden from a confined VM, as by Debian's AppArmor. */
        return errno == ENOENT || errno == EACCES ||
               refuse(why, "%s might forbid it, and cannot be read: %s", path,
                      strerror(errno));
    }
    while (allowed && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (!strcmp(line, "VFIO_MIGRATION_ATTACH=forbid")) {
            allowed = refuse(why, "%s has '%s'", path, line);
        }
    }
    if (allowed && ferror(file)) {
        allowed = refuse(why, "%s might forbid it, and reading it failed",
                         path);
    }
    fclose(file);
    return allowed;
}

bool environment_allowed(const char *settings, Refusal *why)
{
    const char *other = getenv("VFIO_MIGRATION_CONF");

    return file_allows(settings, why) &&
           (!other || !*other || file_allows(other, why));
}

static bool same_file(const char *a, const char *b)
{
    struct stat stat_a, stat_b;

    return stat(a, &stat_a) == 0 && stat(b, &stat_b) == 0 &&
           stat_a.st_dev == stat_b.st_dev && stat_a.st_ino == stat_b.st_ino;
}

const char *environment_wrapped_program(void)
{
    const char *started = (const char *)getauxval(AT_EXECFN);
    const char *wrapper = getenv("VFIO_MIGRATION_WRAPPER");
    char *path;

    /* "PID:PATH": exec(3) keeps the process id. */
    if (!started || !wrapper || strtol(wrapper, &path, 10) != getpid() ||
        *path != ':' || strcmp(path + 1, started) ||
        !same_file(started, "/proc/self/exe")) {
        return NULL;
    }
    return started;
}

typedef bool EntryTest(const char *entry, const char *self);

/* Is this entry of LD_PRELOAD the library at @self? */
static bool entry_is_library(const char *entry, const char *self)
{
    const char *base = strrchr(self, '/');

    if (!strchr(entry, '/')) {
        return base && !strcmp(entry, base + 1);
    }
    return !strcmp(entry, self) || same_file(entry, self);
}

/* Is this entry of LD_LIBRARY_PATH the directory of the library at @self? */
static bool entry_is_directory(const char *entry, const char *self)
{
    size_t length = strlen(entry);
    const char *base = strrchr(self, '/');

    return base && length == (size_t)(base - self) &&
           !memcmp(entry, self, length);
}

/*
 * Drop the entries of variable @name that @is_ours selects; keep the others
 * and their separators. A variable left empty is unset.
 */
static bool drop_entries(const char *name, const char *separators,
                         EntryTest *is_ours, const char *self)
{
    const char *value = getenv(name);
    char entry[PATH_MAX];
    bool found = false;
    char *kept, *out;

    if (!value || !(out = kept = malloc(strlen(value) + 1))) {
        return false;
    }
    while (*value) {
        size_t length = strcspn(value, separators);
        size_t taken = length + (value[length] != '\0');

        entry[0] = '\0';
        if (length < sizeof(entry)) {
            memcpy(entry, value, length);
            entry[length] = '\0';
        }
        if (*entry && is_ours(entry, self)) {
            found = true;
        } else {
            memcpy(out, value, taken);
            out += taken;
        }
        value += taken;
    }
    *out = '\0';
    if (found && out > kept && strchr(separators, out[-1])) {
        out[-1] = '\0';
    }
    if (found && !*kept) {
        unsetenv(name);
    } else if (found) {
        setenv(name, kept, 1);
    }
    free(kept);
    return found;
}

void environment_clean(const char *self)
{
    drop_entries("LD_PRELOAD", ": ", entry_is_library, self);
    /*
     * LD_PRELOAD cannot contain a path with a space: for such a path the
     * wrapper puts only the file's name there, and its directory into
     * LD_LIBRARY_PATH.
     */
    if (getenv("VFIO_MIGRATION_LIBRARY_PATH")) {
        drop_entries("LD_LIBRARY_PATH", ":;", entry_is_directory, self);
        unsetenv("VFIO_MIGRATION_LIBRARY_PATH");
    }
    unsetenv("VFIO_MIGRATION_WRAPPER");
}
