/*
 * Fuzzers without libFuzzer: run one over files, and over all files of
 * directories
 *
 * With a number N as first argument each file is also run with each of its
 * bits flipped, and cut at every byte, if it is not larger than N bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "fuzz.h"

static unsigned long nr_inputs;

/* Each input in memory of exactly its size: the sanitizer sees its end. */
static void run(const char *data, size_t size)
{
    g_autofree uint8_t *copy = g_malloc(size + 1);

    memcpy(copy + 1, data, size);
    LLVMFuzzerTestOneInput(copy + 1, size);
    nr_inputs++;
}

static void run_neighbours(char *data, size_t size)
{
    size_t i;

    for (i = 0; i < size * 8; i++) {
        data[i / 8] ^= 1 << i % 8;
        run(data, size);
        data[i / 8] ^= 1 << i % 8;
    }
    for (i = 0; i < size; i++) {
        run(data, i);
    }
}

static bool run_file(const char *path, size_t max_neighbour_bytes)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *data = NULL;
    gsize size;

    if (!g_file_get_contents(path, &data, &size, &err)) {
        fprintf(stderr, "%s\n", err->message);
        return false;
    }
    run(data, size);
    if (size <= max_neighbour_bytes) {
        run_neighbours(data, size);
    }
    return true;
}

static bool run_path(const char *path, size_t max_neighbour_bytes)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;
    bool ok = true;

    if (!dir) {
        return run_file(path, max_neighbour_bytes);
    }
    while (ok && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        ok = run_file(file, max_neighbour_bytes);
    }
    g_dir_close(dir);
    return ok;
}

int main(int argc, char **argv)
{
    guint64 max_neighbour_bytes = 0;
    int i = 1;

    if (argc > 1 && g_ascii_string_to_unsigned(argv[1], 10, 0, G_MAXUINT32,
                                               &max_neighbour_bytes, NULL)) {
        i++;
    }
    if (i >= argc) {
        fprintf(stderr, "usage: %s [MAX-BYTES] FILE-OR-DIRECTORY...\n",
                argv[0]);
        return 2;
    }
    for (; i < argc; i++) {
        if (!run_path(argv[i], max_neighbour_bytes)) {
            return 1;
        }
    }
    printf("%lu inputs\n", nr_inputs);
    /* a corpus that got lost must not look like a success */
    return nr_inputs ? 0 : 1;
}
