/*
 * Tests of the test devices: the player of their tables
 *
 * A script is a sequence of calls, separated by line ends or ";":
 *
 *     CALL ARGUMENT... [= RESULT]
 *
 * A result is a number or an errno, "-EINVAL"; the default is 0, or for "r" and
 * "w" the number of bytes. Numbers may end in K, M or P (pages). States are
 * given by name; in v1 also by number. A data fd is named by a letter, which
 * "set" assigns: "set stop-copy f". The table at the end lists the calls.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/pci_regs.h>

#include "device-play.h"
#include "sim-model.h"

#define MAX_ARGS 8
#define MAX_RANGES 300
#define RAM_BYTES (16u << 20)
#define IOC_PRECOPY_INFO _IO(VFIO_TYPE, VFIO_BASE + 21)

static struct {
    const DeviceHost *host;
    SimClient *dev[2];
    unsigned now;                   /* index of the current one */
    int fds[26];
    GByteArray *image;              /* what was read from data files */
    GPtrArray *chunks;              /* what was read by v1 */
    char *digest;                   /* of the device, last time it was read */
    uint8_t *ram;                   /* RAM_BYTES for the device to write to */
    gint64 clock_us;
    unsigned count;                 /* of arguments */
    uint64_t n[MAX_ARGS];           /* arguments as numbers */
    char **args;                    /* arguments as text */
} play;

static SimClient *dev(void)
{
    return play.dev[play.now];
}

static bool is_v1(void)
{
    return dev()->region != 0;
}

/* ---- parsing ---- */

static uint64_t number_of(const char *text)
{
    char *end;
    uint64_t n = g_ascii_strtoull(text, &end, 0);

    return *end == 'K' ? n << 10 : *end == 'M' ? n << 20 :
           *end == 'P' ? n * 4096 : n;
}

static gint64 result_of(const char *text)
{
    int err = *text == '-' ? sim_parse_errno(text + 1) : 0;

    g_assert_true(err || *text != '-');
    return err ? -err : (gint64)number_of(text);
}

static uint32_t state_of(const char *text)
{
    uint32_t state;

    if (g_ascii_isdigit(*text)) {
        return number_of(text);
    }
    return is_v1() && sim_parse_state(text, &state) ? state : v2_state(text);
}

static int *file(const char *letter)
{
    return &play.fds[*letter - 'a'];
}

/* ---- the device, and its status ---- */

static gint64 do_use(void)
{
    play.now = *play.args[1] - 'a';
    return 0;
}

static gint64 do_set(void)
{
    int fd, ret;

    if (is_v1()) {
        return client_set_state(dev(), state_of(play.args[1]));
    }
    ret = v2_set(dev(), state_of(play.args[1]), &fd);
    if (play.count > 2 && ret == 0) {
        g_assert_cmpint(fd, >=, 0);
        *file(play.args[2]) = fd;
    } else {
        g_assert_cmpint(fd, ==, -1);
    }
    return ret;
}

static gint64 do_is(void)
{
    uint32_t state;
    int ret;

    if (is_v1()) {
        ret = client_read_state(dev(), &state);
    } else {
        ret = v2_get(dev());
        state = ret;
    }
    if (ret < 0) {
        return ret;
    }
    g_assert_cmpuint(state, ==, state_of(play.args[1]));
    return 0;
}

static gint64 do_reset(void)
{
    return result(ioctl(dev()->device, VFIO_DEVICE_RESET));
}

static gint64 do_reopen(void)
{
    play.dev[play.now] = play.host->reopen(play.now);
    return 0;
}

static gint64 do_num(void)
{
    return play.host->number(play.now, play.args[1]);
}

static gint64 do_fired(void)
{
    return play.host->fired(play.args[1]);
}

static gint64 do_clean(void)
{
    static const char *const none[] = {
        "violation-count", "corrupt", "incomplete", "unfinished-saves",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(none); i++) {
        g_assert_cmpint(play.host->number(play.now, none[i]), ==, 0);
    }
    return 0;
}

static gint64 moved_bytes(const char *one, const char *other)
{
    return play.host->number(play.now, one) +
           play.host->number(play.now, other);
}

/* Device b must have exactly the state that a has saved. */
static gint64 do_moved(void)
{
    g_autofree char *saved = play.host->text(0, "saved-digest");
    g_autofree char *loaded = play.host->text(1, "loaded-digest");
    g_autofree char *present = play.host->text(1, "digest");

    g_assert_cmpint(strlen(saved), ==, 16);
    g_assert_cmpstr(saved, ==, loaded);
    g_assert_cmpstr(saved, ==, present);
    g_assert_cmpint(play.host->number(0, "saved-bytes"), ==,
                    play.host->number(1, "loaded-bytes"));
    for (play.now = 0; play.now < 2; play.now++) {
        g_assert_true(!is_v1() || moved_bytes("mapped-bytes", "trapped-bytes")
                      == moved_bytes("saved-bytes", "loaded-bytes"));
        do_clean();
    }
    play.now = 1;
    return 0;
}

/* The device has run since the last call, so its state must differ. */
static gint64 do_changed(void)
{
    g_autofree char *before = play.digest;

    play.digest = play.host->text(play.now, "digest");
    g_assert_cmpstr(before, !=, play.digest);
    return 0;
}

static gint64 do_sleep(void)
{
    g_usleep(play.n[1] * 1000);
    return 0;
}

static gint64 do_clock(void)
{
    play.clock_us = g_get_monotonic_time();
    return 0;
}

static gint64 do_took(void)
{
    g_assert_cmpint(g_get_monotonic_time() - play.clock_us, >=,
                    play.n[1] * 1000);
    return 0;
}

/* For each state, whether it is accepted from this one: "y", or "." if not */
static gint64 do_arcs(void)
{
    uint32_t from = state_of(play.args[1]);

    for (uint32_t to = 0; to < 5; to++) {
        bool taken = play.args[2][to] == 'y';
        uint32_t now;

        g_assert_cmpint(do_reset(), ==, 0);
        g_assert_true(from == 1 || client_set_state(dev(), from) == 0);
        g_assert_cmpint(client_set_state(dev(), to), ==, taken ? 0 : -EINVAL);
        g_assert_cmpint(client_read_state(dev(), &now), ==, 0);
        g_assert_cmpuint(now, ==, taken ? to : from);
    }
    return 0;
}

/* The queries of a user that opens a device */
static gint64 do_ask(void)
{
    static const struct {
        const char *name;
        unsigned long request;
        uint32_t words[5];          /* argsz, flags, index ... */
    } requests[] = {
        { "device-info", VFIO_DEVICE_GET_INFO, { 16 } },
        { "region-info", VFIO_DEVICE_GET_REGION_INFO, { 32, 0, 9 } },
        { "irq-info", VFIO_DEVICE_GET_IRQ_INFO, { 16, 0, 2 } },
        { "iommu-info", VFIO_IOMMU_GET_INFO, { 16 } },
        { "set-irqs", VFIO_DEVICE_SET_IRQS,
          { 20, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 2 } },
    };
    uint32_t room[16] = { 0 };
    size_t i = 0;

    while (strcmp(play.args[1], requests[i].name) != 0) {
        i++;
        g_assert_cmpuint(i, <, G_N_ELEMENTS(requests));
    }
    memcpy(room, requests[i].words, sizeof(requests[i].words));
    return result(ioctl(requests[i].request == VFIO_IOMMU_GET_INFO
                        ? dev()->container : dev()->device,
                        requests[i].request, room));
}

/* region, offset, bytes, "w" */
static gint64 do_region(void)
{
    uint64_t keep = dev()->region;
    ssize_t n;
    uint8_t room[16] = { 0 };

    dev()->region = play.n[1] << 40;
    n = client_raw(dev(), play.count > 4, play.n[2], room, play.n[3]);
    dev()->region = keep;
    return n;
}

/* ---- v1: registers and the window ---- */

static gint64 value(int ret, uint64_t n)
{
    return ret ? ret : (gint64)n;
}

static gint64 asked(int (*ask)(SimClient *device, uint64_t *n))
{
    uint64_t n = 0;
    int ret = ask(dev(), &n);

    return value(ret, n);
}

static gint64 do_tell(void)
{
    return client_set_data_size(dev(), play.n[1]);
}

static gint64 do_access(void)
{
    g_autofree uint8_t *room = g_malloc0(MAX(play.n[2], 8));

    return client_raw(dev(), *play.args[0] == 'w', play.n[1], room,
                      play.n[2]);
}

static gint64 do_mmap(void)
{
    int flags = play.count > 3 ? MAP_PRIVATE : MAP_SHARED;
    void *ptr = mmap(NULL, play.n[2], PROT_READ | PROT_WRITE, flags,
                     dev()->device, dev()->region + play.n[1]);

    if (ptr == MAP_FAILED) {
        return -errno;
    }
    munmap(ptr, play.n[2]);
    return 0;
}

static gint64 do_save(void)
{
    return client_save(dev(), play.chunks, play.count > 1, play.n[1]);
}

static gint64 do_save_chunk(void)
{
    return client_save_chunk(dev(), play.chunks, play.count > 1);
}

static gint64 do_save_rest(void)
{
    int ret;

    do {
        ret = client_save_chunk(dev(), play.chunks, true);
    } while (ret == 0);
    return ret == 1 ? 0 : ret;
}

static gint64 do_load(void)
{
    return client_load(dev(), play.chunks, play.count > 1);
}

/* ---- changes of saved chunks: number, then offset and length in it ---- */
static GByteArray *chunk(uint64_t n)
{
    SimClientChunk *c = g_ptr_array_index(play.chunks, n);

    return c->bytes;
}

static gint64 do_flip(void)
{
    chunk(play.n[1])->data[play.n[2]] ^= 4;
    return 0;
}

static gint64 do_zero(void)
{
    memset(chunk(play.n[1])->data + play.n[2], 0, play.n[3]);
    return 0;
}

static gint64 do_drop(void)
{
    uint64_t n = play.count > 1 ? play.n[1] : play.chunks->len - 1;

    g_ptr_array_remove_index(play.chunks, n);
    return 0;
}

static gint64 do_keep(void)
{
    g_ptr_array_set_size(play.chunks, play.n[1]);
    return 0;
}

static gint64 do_again(void)
{
    GByteArray *b = chunk(play.n[1]);

    client_chunk_add(play.chunks, b->data, b->len, true);
    return 0;
}

static gint64 do_swap(void)
{
    void **all = play.chunks->pdata, *first = all[play.n[1]];

    all[play.n[1]] = all[play.n[2]];
    all[play.n[2]] = first;
    return 0;
}

static gint64 do_shorten(void)
{
    g_byte_array_set_size(chunk(play.n[1]), play.n[2]);
    return 0;
}

/* Split the last chunk in two. */
static gint64 do_split(void)
{
    GByteArray *b = chunk(play.chunks->len - 1);

    client_chunk_add(play.chunks, b->data + play.n[1], b->len - play.n[1],
                     true);
    g_byte_array_set_size(b, play.n[1]);
    return 0;
}

/* Merge a chunk with the next one. */
static gint64 do_merge(void)
{
    GByteArray *next = chunk(play.n[1] + 1);

    g_byte_array_append(chunk(play.n[1]), next->data, next->len);
    g_ptr_array_remove_index(play.chunks, play.n[1] + 1);
    return 0;
}

/* ---- v2: features and data fds ---- */

static bool begins_session(unsigned from, unsigned to)
{
    const unsigned saves = 1u << V2_STOP_COPY | 1u << V2_PRE_COPY |
                           1u << V2_PRE_COPY_P2P;

    return from != to && (to == V2_RESUMING ||
                          (saves >> to & 1 && !(saves >> from & 1)));
}

/* The arcs since the last call: the target of each */
static char *arcs_done(void)
{
    g_autofree char *text = play.host->transcript(play.now);
    GString *arcs = g_string_new(NULL);
    char to[32];
    int ret;

    for (const char *at = text; (at = strstr(at, "state-write ")); at++) {
        if (sscanf(strstr(at, " to="), " to=%31s ret=%d", to, &ret) == 2 &&
            ret == 0) {
            g_string_append_c(arcs, '0' + v2_state(to));
        }
    }
    return g_string_free(arcs, FALSE);
}

static void try_way(unsigned flags, unsigned from, unsigned to)
{
    g_autofree char *want = to < V2_NUM_STATES ? v2_way(flags, from, to)
                                               : NULL;
    g_autofree char *before = NULL, *done = NULL;
    bool exists = want;
    int old, fd;

    g_assert_cmpint(do_reset(), ==, 0);
    g_assert_cmpint(v2_set(dev(), from, &old), ==, 0);
    before = arcs_done();
    g_assert_cmpint(v2_set(dev(), to, &fd), ==, exists ? 0 : -EINVAL);
    g_assert_cmpint(v2_get(dev()), ==, exists ? to : from);
    g_assert_cmpint(fd >= 0, ==, exists && begins_session(from, to));
    done = arcs_done();
    g_assert_cmpstr(done, ==, exists ? want : "");
    close(old);
    close(fd);
}

/* Try each pair of states, including targets that do not exist. */
static gint64 do_ways(void)
{
    for (unsigned from = V2_STOP; from < V2_NUM_STATES; from++) {
        for (unsigned to = 0; v2_has_state(play.n[1], from) &&
             to <= V2_NUM_STATES; to++) {
            try_way(play.n[1], from, to);
        }
    }
    return 0;
}

/* argsz, flags (number and operation) */
static gint64 do_feature(void)
{
    uint64_t data[4] = { 0 };

    return v2_feature_argsz(dev(), play.n[1], play.n[2], data, sizeof(data));
}

/* Append the data of one read to the image. */
static gint64 do_read(void)
{
    g_autofree uint8_t *room = g_malloc(play.n[2] + 1);
    ssize_t n = v2_read(*file(play.args[1]), room, play.n[2]);

    if (n > 0) {
        g_byte_array_append(play.image, room, n);
    }
    return n;
}

/* The same until the end, in pieces */
static gint64 do_drain(void)
{
    return v2_read_all(*file(play.args[1]), play.image,
                       play.count > 2 ? play.n[2] : 4096);
}

static gint64 do_image(void)
{
    return play.image->len;
}

static gint64 do_image_cut(void)
{
    g_byte_array_set_size(play.image, play.n[1]);
    return 0;
}

static gint64 do_image_flip(void)
{
    play.image->data[play.n[1]] ^= 0x10;
    return 0;
}

/* data fd, offset in the image, bytes; one write */
static gint64 do_write(void)
{
    static uint8_t none[1 << 16];
    bool inside = play.n[2] + play.n[3] <= play.image->len;

    return v2_write(*file(play.args[1]),
                    inside ? play.image->data + play.n[2] : none, play.n[3]);
}

/* The same with all of the bytes, in pieces */
static gint64 do_put(void)
{
    g_assert_cmpuint(play.n[2] + play.n[3], <=, play.image->len);
    return v2_write_all(*file(play.args[1]), play.image->data + play.n[2],
                        play.n[3], play.count > 4 ? play.n[4] : 4096);
}

/* All of the image */
static gint64 do_put_all(void)
{
    return v2_write_all(*file(play.args[1]), play.image->data,
                        play.image->len, play.count > 2 ? play.n[2] : 4096);
}

/* data fd, initial bytes, dirty bytes, flags returned for 0xabc0 */
static gint64 do_info(void)
{
    V2PrecopyInfo info = { .flags = 0xabc0 };
    int ret = v2_info(*file(play.args[1]), &info);

    if (ret == 0 && play.count > 2) {
        g_assert_cmpuint(info.initial_bytes, ==, play.n[2]);
        g_assert_true(*play.args[3] == '?' || info.dirty_bytes == play.n[3]);
        g_assert_cmphex(info.flags, ==, play.count > 4 ? play.n[4] : 0xabc0);
    }
    return ret;
}

static gint64 do_short_info(void)
{
    V2PrecopyInfo info = { .argsz = 8 };

    return result(ioctl(*file(play.args[1]), IOC_PRECOPY_INFO, &info));
}

/* data fd, "r" or "w": check its mode and the calls that must fail */
static gint64 do_fd_is(void)
{
    bool reads = *play.args[2] == 'r';
    int fd = *file(play.args[1]);
    uint8_t byte = 0;

    g_assert_cmpint(fcntl(fd, F_GETFL) & O_ACCMODE, ==,
                    reads ? O_RDONLY : O_WRONLY);
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
    g_assert_cmpint(result(lseek(fd, 0, SEEK_SET)), ==, -ESPIPE);
    g_assert_cmpint(result(pread(fd, &byte, 1, 0)), ==, -ESPIPE);
    g_assert_cmpint(result(ioctl(fd, VFIO_DEVICE_RESET)), ==, -ENOTTY);
    g_assert_true(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) ==
                  MAP_FAILED);
    return reads ? v2_write(fd, &byte, 1) : v2_read(fd, &byte, 1);
}

static gint64 do_close(void)
{
    return result(close(*file(play.args[1])));
}

/* ---- memory ---- */

/* iova, size, address in the test's memory, flags */
static gint64 do_map(void)
{
    return client_map(dev(), play.n[1], play.count > 3 ? play.n[3]
                                                       : (uintptr_t)play.ram,
                      play.n[2], play.count > 4 ? play.n[4] : 3);
}

/* iova, size, flags; returns bytes or, with flags, dirty bits, or an errno */
static gint64 do_unmap(void)
{
    uint64_t bits = 0, size = play.n[2];
    int ret = client_unmap(dev(), play.n[1], &size, play.n[3], &bits);

    return value(ret, play.n[3] ? bits : size);
}

static gint64 do_dirty(void)
{
    return client_dirty(dev(), play.n[1]);
}

/* iova, size, bytes of the bitmap, page size; returns the first 64 bits */
static gint64 do_bits(void)
{
    uint64_t bits[8] = { 0 };
    int ret = client_dirty_bits(dev(), play.n[1], play.n[2],
                                play.count > 4 ? play.n[4] : 4096, bits,
                                play.count > 3 ? play.n[3] : 8);

    return value(ret, bits[0]);
}

static gint64 do_command(void)
{
    uint16_t command = play.n[1];

    return client_config(dev(), true, PCI_COMMAND, &command, 2) == 2 ? 0
                                                                     : -errno;
}

/* ---- v2: the device's log of its DMA ---- */

/* page size, then IOVA+LENGTH..., or "many" and the number of ranges */
static gint64 do_log(void)
{
    struct vfio_device_feature_dma_logging_range ranges[MAX_RANGES] = { 0 };
    struct vfio_device_feature_dma_logging_control control = {
        .page_size = play.n[1], .ranges = (uintptr_t)ranges,
    };

    for (unsigned i = 2; i < play.count; i++) {
        const char *plus = strchr(play.args[i], '+');

        if (plus) {
            ranges[control.num_ranges].iova = number_of(play.args[i]);
            ranges[control.num_ranges++].length = number_of(plus + 1);
        }
    }
    for (unsigned i = 0; play.count == 4 && *play.args[2] == 'm' &&
         i < play.n[3]; i++) {
        ranges[i].iova = 2 * 4096 * i;
        ranges[i].length = 4096;
        control.num_ranges++;
    }
    return v2_feature(dev(), VFIO_DEVICE_FEATURE_SET |
                      VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &control,
                      sizeof(control));
}

static gint64 do_log_off(void)
{
    return v2_feature(dev(), VFIO_DEVICE_FEATURE_SET |
                      VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, NULL, 0);
}

/* iova, length, page size, bits set before; returns the first 64 bits */
static gint64 do_report(void)
{
    g_autofree uint64_t *bits = g_new0(uint64_t, 64);
    struct vfio_device_feature_dma_logging_report rep = {
        .iova = play.n[1], .length = play.n[2],
        .page_size = play.count > 3 ? play.n[3] : 4096,
        .bitmap = (uintptr_t)bits,
    };
    int ret;

    *bits = GUINT64_TO_LE(play.n[4]);
    ret = v2_feature(dev(), VFIO_DEVICE_FEATURE_GET |
                     VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, &rep,
                     sizeof(rep));
    return value(ret, GUINT64_FROM_LE(bits[0]));
}

static gint64 do_dma(void)
{
    g_assert_true(play.host->dma(play.now, play.n[1], play.n[2]));
    return 0;
}

/* ---- the player ---- */

static const struct {
    const char *name;
    gint64 (*call)(void);
    int (*ask)(SimClient *device, uint64_t *n);
} words[] = {
    { "use", do_use }, { "set", do_set }, { "is", do_is },
    { "reset", do_reset }, { "reopen", do_reopen }, { "num", do_num },
    { "fired", do_fired }, { "clean", do_clean }, { "moved", do_moved },
    { "changed", do_changed }, { "sleep", do_sleep }, { "clock", do_clock },
    { "took", do_took },
    { "arcs", do_arcs }, { "ask", do_ask }, { "region", do_region },
    { "pending", NULL, client_pending }, { "offset", NULL, client_data_offset },
    { "size", NULL, client_data_size }, { "tell", do_tell },
    { "r", do_access }, { "w", do_access }, { "mmap", do_mmap },
    { "save", do_save }, { "save-chunk", do_save_chunk }, { "load", do_load },
    { "save-rest", do_save_rest }, { "fd-is", do_fd_is },
    { "flip", do_flip }, { "zero", do_zero }, { "drop", do_drop },
    { "keep", do_keep }, { "again", do_again }, { "swap", do_swap },
    { "shorten", do_shorten }, { "split", do_split }, { "merge", do_merge },
    { "flags", NULL, v2_flags }, { "told", NULL, v2_data_size },
    { "ways", do_ways },
    { "feature", do_feature },
    { "read", do_read }, { "drain", do_drain }, { "image", do_image },
    { "image-flip", do_image_flip }, { "image-cut", do_image_cut },
    { "write", do_write }, { "put", do_put },
    { "put-all", do_put_all }, { "info", do_info },
    { "short-info", do_short_info }, { "close", do_close }, { "map", do_map },
    { "unmap", do_unmap }, { "dirty", do_dirty }, { "bits", do_bits },
    { "command", do_command }, { "log", do_log }, { "log-off", do_log_off },
    { "report", do_report }, { "dma", do_dma },
};

static void play_step(const char *step)
{
    g_auto(GStrv) halves = g_strsplit(step, " = ", 2);
    g_auto(GStrv) args = g_strsplit(g_strstrip(halves[0]), " ", -1);
    gint64 got, want = 0;
    size_t i = 0;

    g_assert_cmpuint(g_strv_length(args), <=, MAX_ARGS);
    memset(play.n, 0, sizeof(play.n));
    play.args = args;
    play.count = g_strv_length(args);
    for (unsigned a = 1; a < play.count; a++) {
        play.n[a] = number_of(args[a]);
    }
    while (i < G_N_ELEMENTS(words) && strcmp(words[i].name, args[0]) != 0) {
        i++;
    }
    g_assert_cmpuint(i, <, G_N_ELEMENTS(words));
    if (g_test_verbose()) {
        g_test_message("%s", step);
    }
    got = words[i].ask ? asked(words[i].ask) : words[i].call();
    if (halves[1]) {
        want = result_of(g_strstrip(halves[1]));
    } else if (args[0][1] == 0) {
        want = play.n[2];
    }
    if (got != want) {
        g_error("%s: it is %" G_GINT64_FORMAT, step, got);
    }
}

static void play_script(const char *script)
{
    g_auto(GStrv) steps = g_strsplit_set(script, ";\n", -1);

    for (unsigned i = 0; steps[i]; i++) {
        if (*g_strstrip(steps[i])) {
            play_step(steps[i]);
        }
    }
}

typedef struct Case {
    const DeviceRow *row;
    const DeviceHost *host;
} Case;

static void play_row(gconstpointer opaque)
{
    const Case *c = opaque;
    unsigned count = c->row->keys_b ? 2 : 1;

    memset(&play, 0, sizeof(play));
    play.host = c->host;
    play.image = g_byte_array_new();
    play.chunks = client_chunks_new();
    play.ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(play.ram != MAP_FAILED);
    for (unsigned i = 0; i < count; i++) {
        play.dev[i] = c->host->open(c->row, i);
    }
    play_script(c->row->script);
    c->host->close(count);
    munmap(play.ram, RAM_BYTES);
    g_free(play.digest);
    g_byte_array_free(play.image, TRUE);
    g_ptr_array_free(play.chunks, TRUE);
}

void device_play_add(const char *prefix, const DeviceRow *rows,
                     const DeviceHost *host)
{
    for (; rows->name; rows++) {
        g_autofree char *path = g_strdup_printf("%s/%s", prefix, rows->name);
        Case *c = g_new(Case, 1);

        *c = (Case) { rows, host };
        g_test_add_data_func_full(path, c, play_row, g_free);
    }
}
