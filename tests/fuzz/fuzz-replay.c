/*
 * Fuzzers without libFuzzer: run one with files, and with all files in
 * directories
 *
 * If the first argument is a number N, about N neighbours of each file are run,
 * too: with one bit flipped, or cut, at evenly distributed places.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "fuzz.h"

static unsigned long nr_inputs;

/* The input is at the end of its allocation: the sanitizer sees overruns. */
static void run(const char *data, size_t size)
{
    g_autofree uint8_t *copy = g_malloc(size + 1);

    memcpy(copy + 1, data, size);
    LLVMFuzzerTestOneInput(copy + 1, size);
    nr_inputs++;
}

static void run_neighbours(char *data, size_t size, size_t count)
{
    /*
     * There are eight flips and a cut per byte. With an odd step the bit
     * varies.
     */
    size_t step = MAX(size * 9 / MAX(count, 1), 1) | 1;

    for (size_t i = 0; i < size * 9; i += step) {
        if (i % 9 == 8) {
            run(data, i / 9);
        } else {
            data[i / 9] ^= 1 << i % 9;
            run(data, size);
            data[i / 9] ^= 1 << i % 9;
        }
    }
}

static bool run_file(const char *path, size_t neighbours)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *data = NULL;
    gsize size;

    if (!g_file_get_contents(path, &data, &size, &err)) {
        fprintf(stderr, "%s\n", err->message);
        return false;
    }
    run(data, size);
    if (neighbours) {
        run_neighbours(data, size, neighbours);
    }
    return true;
}

static bool run_path(const char *path, size_t neighbours)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;
    bool ok = true;

    if (!dir) {
        return run_file(path, neighbours);
    }
    while (ok && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        ok = run_file(file, neighbours);
    }
    g_dir_close(dir);
    return ok;
}

int main(int argc, char **argv)
{
    guint64 neighbours = 0;
    int i = 1;

    if (argc > 1 && g_ascii_string_to_unsigned(argv[1], 10, 0, G_MAXUINT32,
                                               &neighbours, NULL)) {
        i++;
    }
    if (i >= argc) {
        fprintf(stderr, "usage: %s [NEIGHBOURS] FILE-OR-DIRECTORY...\n",
                argv[0]);
        return 2;
    }
    for (; i < argc; i++) {
        if (!run_path(argv[i], neighbours)) {
            return 1;
        }
    }
    printf("%lu inputs\n", nr_inputs);
    /* a lost corpus must not look like a success */
    return nr_inputs ? 0 : 1;
}
