/*
 * Tests of hw/vfio/migration-stream.c
 *
 * Each packet is given as bytes, written by hand from the wire format. A second
 * reader, which uses a byte array instead of QEMUFile, determines the meaning
 * of a stream. The reader under test must agree on a small migration, on each
 * of its single-bit corruptions, and if it is cut at any byte.
 *
 * Source: docs/contract.md, The stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "migration/qemu-file.h"
#include "migration/standalone.h"
#include "hw/vfio/migration-receive.h"
#include "hw/vfio/migration-stream.h"
#include "wrap.h"

#define TAG(last)       "\xff\xff\xff\xff\xef\x10\0" last
#define END             TAG("\1")
#define CONFIG          TAG("\2")
#define SETUP           TAG("\3")
#define DATA            TAG("\4")
#define INIT_DATA_SENT  TAG("\5")
#define SIZE(last)      "\0\0\0\0\0\0\0" last

/* Size of such an array, without the terminator */
#define BYTES(array)    (sizeof(array) - 1)

#define BLOB_BYTES      6       /* placeholder for the config blob */
#define NR_SECTIONS     5

/* A whole small migration; section headers and footers are QEMU's. */
static const uint8_t golden[] =
    SETUP END
    DATA SIZE("\5") "hello" END
    DATA SIZE("\0") END
    DATA SIZE("\3") "abc" DATA SIZE("\1") "\xff" DATA SIZE("\0") END
    CONFIG "\1\2\3\4\5\6" END;

/* The same from QEMU 8.1 or later, with protocol v2 and switchover-ack */
static const uint8_t golden_v2[] =
    SETUP END
    DATA SIZE("\5") "hello" INIT_DATA_SENT
    END
    DATA SIZE("\3") "abc" DATA SIZE("\1") "\xff" END
    CONFIG "\1\2\3\4\5\6" END;

/* What a reader saw. */
typedef struct Outcome {
    bool ok;
    unsigned packets;       /* headers read successfully */
    GByteArray *data;       /* everything read as data or blob */
} Outcome;

static void outcome_clear(Outcome *outcome)
{
    g_byte_array_unref(outcome->data);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Outcome, outcome_clear)

/* Messages besides the Error; QEMUFile prints one if a field is cut. */
static unsigned nr_reports;

static void count_report(VFIOHostReport kind, const char *text, void *opaque)
{
    nr_reports++;
}

/*
 * A stream that another thread shuts down returns less than requested before
 * its error is set. The linker redirects qemu_get_buffer() to this function.
 */
static bool cut_silently;

size_t __wrap_qemu_get_buffer(QEMUFile *f, uint8_t *buf, size_t size)
{
    return __real_qemu_get_buffer(f, buf, cut_silently ? size / 2 : size);
}

/* ---- the second reader ---- */

typedef struct Bytes {
    const uint8_t *data;
    size_t size, used;
} Bytes;

static bool model_u64(Bytes *bytes, uint64_t *value)
{
    unsigned i;

    if (bytes->size - bytes->used < 8) {
        return false;
    }
    *value = 0;
    for (i = 0; i < 8; i++) {
        *value = *value * 256 + bytes->data[bytes->used++];
    }
    return true;
}

static bool model_is_end(Bytes *bytes)
{
    uint64_t tag;

    return model_u64(bytes, &tag) && tag == 0xffffffffef100001;
}

static bool model_take(Bytes *bytes, uint64_t size, Outcome *outcome)
{
    if (size > bytes->size - bytes->used) {
        return false;
    }
    g_byte_array_append(outcome->data, bytes->data + bytes->used, size);
    bytes->used += size;
    return true;
}

static bool model_section(Bytes *bytes, Outcome *outcome)
{
    uint64_t tag, size;

    for (;;) {
        if (!model_u64(bytes, &tag)) {
            return false;
        }
        if (tag == 0xffffffffef100001 || tag == 0xffffffffef100005) {
            outcome->packets++;
            return true;
        } else if (tag == 0xffffffffef100002) {
            outcome->packets++;
            return model_take(bytes, BLOB_BYTES, outcome) &&
                   model_is_end(bytes);
        } else if (tag == 0xffffffffef100003) {
            if (!model_is_end(bytes)) {
                return false;
            }
            outcome->packets++;
            return true;
        } else if (tag == 0xffffffffef100004) {
            if (!model_u64(bytes, &size) || size > UINT64_C(1) << 40) {
                return false;
            }
            outcome->packets++;
            if (!model_take(bytes, size, outcome)) {
                return false;
            }
        } else {
            return false;
        }
    }
}

static Outcome model_read(const uint8_t *data, size_t size)
{
    Outcome outcome = { .ok = true, .data = g_byte_array_new() };
    Bytes bytes = { .data = data, .size = size };
    unsigned i;

    for (i = 0; outcome.ok && i < NR_SECTIONS; i++) {
        outcome.ok = model_section(&bytes, &outcome);
    }
    return outcome;
}

/* ---- the same with the reader under test ---- */

/* Read @size bytes of data through a small buffer, as a load does. */
static bool take(QEMUFile *f, uint64_t size, Outcome *outcome, Error **errp)
{
    uint8_t buf[4];

    while (size) {
        size_t part = MIN(size, sizeof(buf));

        if (vfio_mig_get_data(f, buf, part, errp)) {
            return false;
        }
        g_byte_array_append(outcome->data, buf, part);
        size -= part;
    }
    return true;
}

static bool read_section(QEMUFile *f, Outcome *outcome, Error **errp)
{
    for (;;) {
        VFIOMigPacket packet;
        uint64_t size = 0xdead;

        if (vfio_mig_get_packet(f, &packet, &size, errp)) {
            return false;
        }
        outcome->packets++;
        switch (packet) {
        case VFIO_MIG_PACKET_SETUP:
        case VFIO_MIG_PACKET_END:
        case VFIO_MIG_PACKET_INIT_DATA_SENT:
            g_assert_cmpuint(size, ==, 0xdead);
            return true;
        case VFIO_MIG_PACKET_CONFIG:
            g_assert_cmpuint(size, ==, 0xdead);
            return take(f, BLOB_BYTES, outcome, errp) &&
                   !vfio_mig_get_end(f, errp);
        case VFIO_MIG_PACKET_DATA:
            g_assert_cmpuint(size, <=, VFIO_MIG_CHUNK_MAX_BYTES);
            if (!take(f, size, outcome, errp)) {
                return false;
            }
            break;
        default:
            g_assert_not_reached();
        }
    }
}

static Outcome read_stream(QEMUFile *f, Error **errp)
{
    Outcome outcome = { .ok = true, .data = g_byte_array_new() };
    unsigned i;

    for (i = 0; outcome.ok && i < NR_SECTIONS; i++) {
        outcome.ok = read_section(f, &outcome, errp);
    }
    return outcome;
}

/* Both readers must agree on the same bytes. */
static bool check_bytes(const uint8_t *data, size_t size)
{
    QEMUFile *f = vfio_host_file_new_memory_input(data, size);
    g_autoptr(Error) err = NULL;
    g_auto(Outcome) expected = model_read(data, size);
    g_auto(Outcome) seen = read_stream(f, &err);

    g_assert_cmpint(seen.ok, ==, expected.ok);
    g_assert_cmpint(err == NULL, ==, seen.ok);
    g_assert_cmpuint(seen.packets, ==, expected.packets);
    if (seen.ok) {
        g_assert_cmpmem(seen.data->data, seen.data->len,
                        expected.data->data, expected.data->len);
    } else {
        /* whole buffers of a cut chunk may have arrived */
        g_assert_cmpuint(seen.data->len, >=, expected.data->len);
        g_assert_cmpuint(seen.data->len, <=, size);
        g_assert_cmpuint(strlen(error_get_pretty(err)), >, 20);
    }
    qemu_fclose(f);
    return seen.ok;
}

/* ---- golden bytes ---- */

static void check_written(void (*write)(QEMUFile *f), const uint8_t *expected,
                          size_t size)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    QEMUFile *f = vfio_host_file_new_memory_output(bytes);

    write(f);
    qemu_fflush(f);
    g_assert_cmpint(qemu_file_get_error(f), ==, 0);
    g_assert_cmpmem(bytes->data, bytes->len, expected, size);
    qemu_fclose(f);
}

static void write_zero_data(QEMUFile *f)
{
    vfio_mig_put_data_header(f, 0);
}

static void write_all_bytes_of_a_size(QEMUFile *f)
{
    vfio_mig_put_data_header(f, 0x0123456789abcdef);
}

static void write_golden(QEMUFile *f)
{
    vfio_mig_put_setup(f);

    vfio_mig_put_data_header(f, 5);
    qemu_put_buffer(f, (const uint8_t *)"hello", 5);
    vfio_mig_put_end(f);

    vfio_mig_put_data_header(f, 0);
    vfio_mig_put_end(f);

    vfio_mig_put_data_header(f, 3);
    qemu_put_buffer(f, (const uint8_t *)"abc", 3);
    vfio_mig_put_data_header(f, 1);
    qemu_put_byte(f, 0xff);
    vfio_mig_put_data_header(f, 0);
    vfio_mig_put_end(f);

    vfio_mig_put_config_header(f);
    qemu_put_buffer(f, (const uint8_t *)"\1\2\3\4\5\6", BLOB_BYTES);
    vfio_mig_put_end(f);
}

static void test_golden_bytes(void)
{
    static const uint8_t setup[] = SETUP END;
    static const uint8_t zero[] = DATA SIZE("\0");
    static const uint8_t sized[] = DATA "\x01\x23\x45\x67\x89\xab\xcd\xef";
    static const uint8_t config[] = CONFIG;
    static const uint8_t end[] = END;

    check_written(vfio_mig_put_setup, setup, BYTES(setup));
    check_written(write_zero_data, zero, BYTES(zero));
    check_written(write_all_bytes_of_a_size, sized, BYTES(sized));
    check_written(vfio_mig_put_config_header, config, BYTES(config));
    check_written(vfio_mig_put_end, end, BYTES(end));
    check_written(write_golden, golden, BYTES(golden));
}

/* ---- damage ---- */

static void test_every_single_bit(void)
{
    g_autofree uint8_t *bytes = g_malloc(BYTES(golden));
    unsigned bit, accepted = 0;

    for (bit = 0; bit < BYTES(golden) * 8; bit++) {
        memcpy(bytes, golden, BYTES(golden));
        bytes[bit / 8] ^= 1 << bit % 8;
        accepted += check_bytes(bytes, BYTES(golden));
    }
    /*
     * Flips in the 9 bytes of data and 6 of the blob cannot be noticed. All
     * others must be, except an END that becomes a SETUP before an END, and the
     * three ENDs after data that become INIT_DATA_SENT.
     */
    g_assert_cmpuint(accepted, >=, 15 * 8 + 3);
    g_assert_cmpuint(accepted, <=, 15 * 8 + 7);
}

static void test_cut_at_every_byte(void)
{
    static const struct {
        const uint8_t *bytes;
        size_t size;
    } streams[] = {
        { golden, BYTES(golden) }, { golden_v2, BYTES(golden_v2) },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(streams); i++) {
        for (size_t size = 0; size < streams[i].size; size++) {
            /* a separate copy, so that the address sanitizer sees the end */
            g_autofree uint8_t *bytes = g_malloc(size + 1);

            memcpy(bytes + 1, streams[i].bytes, size);
            g_assert_false(check_bytes(bytes + 1, size));
        }
        g_assert_true(check_bytes(streams[i].bytes, streams[i].size));
    }
}

/* The channel itself fails at every byte, with its own errno. */
static void test_channel_fails_at_every_byte(void)
{
    static const int errors[] = { 0, ECONNRESET, EIO };
    size_t size, i;

    nr_reports = 0;
    for (i = 0; i < ARRAY_SIZE(errors); i++) {
        for (size = 0; size < BYTES(golden); size++) {
            QEMUFile *f = vfio_host_file_new_memory_input(golden,
                                                          BYTES(golden));
            g_autoptr(Error) err = NULL;
            g_auto(Outcome) seen = { 0 };
            bool fired = false;

            vfio_host_file_fail_after(f, size, errors[i], &fired);
            seen = read_stream(f, &err);
            g_assert_false(seen.ok);
            g_assert_nonnull(err);
            g_assert_true(fired);
            g_assert_nonnull(strstr(error_get_pretty(err), "cannot read "));
            if (errors[i]) {
                g_assert_nonnull(strstr(error_get_pretty(err),
                                        g_strerror(errors[i])));
            }
            qemu_fclose(f);
        }
    }
    g_assert_cmpuint(nr_reports, <=, ARRAY_SIZE(errors) * BYTES(golden));
}

/* After an error nothing more is accepted, though bytes may be buffered. */
static void test_first_error_stays(void)
{
    QEMUFile *f = vfio_host_file_new_memory_input(golden, BYTES(golden));
    VFIOMigPacket packet;
    uint64_t size = 77;
    uint8_t byte;

    g_assert_cmpint(vfio_mig_get_packet(f, &packet, &size, NULL), ==, 0);
    qemu_file_set_error(f, -ENOSPC);
    g_assert_cmpint(vfio_mig_get_packet(f, &packet, &size, NULL), ==,
                    -ENOSPC);
    g_assert_cmpint(vfio_mig_get_data(f, &byte, 1, NULL), ==, -ENOSPC);
    g_assert_cmpint(vfio_mig_get_end(f, NULL), ==, -ENOSPC);
    g_assert_cmpuint(size, ==, 77);
    qemu_fclose(f);
}

/* ---- limits and texts ---- */

static int get_packet(const uint8_t *data, size_t size, uint64_t *size_bytes,
                      Error **errp)
{
    QEMUFile *f = vfio_host_file_new_memory_input(data, size);
    VFIOMigPacket packet;
    int ret = vfio_mig_get_packet(f, &packet, size_bytes, errp);

    qemu_fclose(f);
    return ret;
}

static void test_data_sizes(void)
{
    static const uint64_t limit = UINT64_C(1) << 40;
    const struct {
        uint64_t size;
        bool ok;
    } cases[] = {
        { 0, true }, { 1, true }, { 2, true },
        { (UINT64_C(1) << 31) - 1, true }, { UINT64_C(1) << 31, true },
        { UINT64_C(1) << 32, true },
        { limit - 1, true }, { limit, true }, { limit + 1, false },
        { (UINT64_C(1) << 63) - 1, false }, { UINT64_C(1) << 63, false },
        { UINT64_MAX - 1, false }, { UINT64_MAX, false },
    };
    unsigned i, k;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t bytes[] = DATA SIZE("\0");
        g_autoptr(Error) err = NULL;
        uint64_t size = 77;
        int ret;

        for (k = 0; k < 8; k++) {
            bytes[8 + k] = cases[i].size >> (56 - 8 * k);
        }
        ret = get_packet(bytes, BYTES(bytes), &size, &err);
        if (cases[i].ok) {
            g_assert_cmpint(ret, ==, 0);
            g_assert_cmpuint(size, ==, cases[i].size);
        } else {
            g_autofree char *number = g_strdup_printf("%" PRIu64 " bytes",
                                                      cases[i].size);
            g_assert_cmpint(ret, ==, -EINVAL);
            g_assert_cmpuint(size, ==, 77);
            g_assert_nonnull(strstr(error_get_pretty(err), number));
            g_assert_nonnull(strstr(error_get_pretty(err),
                                    "1099511627776"));
        }
        /* the result does not depend on @errp */
        g_assert_cmpint(get_packet(bytes, BYTES(bytes), &size, NULL), ==,
                        ret);
    }
}

/* Read what follows the device's configuration */
static int get_end(const uint8_t *data, size_t size, Error **errp)
{
    QEMUFile *f = vfio_host_file_new_memory_input(data, size);
    int ret = vfio_mig_get_end(f, errp);

    qemu_fclose(f);
    return ret;
}

static void check_text(const uint8_t *data, size_t size, int expected,
                       const char *text)
{
    g_autoptr(Error) err = NULL;
    uint64_t size_bytes = 0;

    g_assert_cmpint(get_packet(data, size, &size_bytes, &err), ==, expected);
    g_test_message("%s", error_get_pretty(err));
    g_assert_nonnull(strstr(error_get_pretty(err), text));
}

static void test_error_texts(void)
{
    static const uint8_t unknown[] = TAG("\7");
    static const uint8_t zero[] = { 0, 0, 0, 0, 0, 0, 0, 0 };
    static const uint8_t multifd[] = TAG("\6");
    static const uint8_t open[] = SETUP DATA SIZE("\0") END;
    static const uint8_t half[] = DATA "\0\0\0";
    static const uint8_t cut_setup[] = SETUP "\xff";
    g_autoptr(Error) err = NULL;

    check_text(unknown, 8, -EINVAL, "unknown tag 0xffffffffef100007");
    check_text(zero, 8, -EINVAL, "unknown tag 0x0 ");
    check_text(multifd, 8, -ENOTSUP, "x-migration-multifd-transfer");
    check_text(open, BYTES(open), -EINVAL,
               "0xffffffffef100004 follows the setup packet");
    check_text(half, BYTES(half), -EIO,
               "cannot read the size of a data packet");
    check_text(cut_setup, BYTES(cut_setup), -EIO,
               "cannot read an end mark");
    check_text(zero, 7, -EIO, "cannot read a tag");
    check_text(zero, 0, -EIO, "cannot read a tag");

    g_assert_cmpint(get_end(unknown, 8, &err), ==, -EINVAL);
    g_assert_nonnull(strstr(error_get_pretty(err),
                            "0xffffffffef100007 follows the device's "
                            "configuration"));
}

static void test_less_without_an_error(void)
{
    QEMUFile *f = vfio_host_file_new_memory_input(golden, BYTES(golden));
    g_autoptr(Error) err = NULL;
    VFIOMigPacket packet;
    uint64_t size = 77;
    uint8_t buf[8];

    cut_silently = true;
    g_assert_cmpint(vfio_mig_get_packet(f, &packet, &size, NULL), ==, -EIO);
    g_assert_cmpint(vfio_mig_get_end(f, NULL), ==, -EIO);
    g_assert_cmpint(vfio_mig_get_data(f, buf, 8, &err), ==, -EIO);
    cut_silently = false;
    g_assert_cmpint(qemu_file_get_error(f), ==, 0);
    g_assert_nonnull(strstr(error_get_pretty(err),
                            "ended after 4 of 8 bytes of device data"));
    qemu_fclose(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    vfio_host_set_report_hook(count_report, NULL);
    g_test_add_func("/stream/golden-bytes", test_golden_bytes);
    g_test_add_func("/stream/every-single-bit", test_every_single_bit);
    g_test_add_func("/stream/cut-at-every-byte", test_cut_at_every_byte);
    g_test_add_func("/stream/channel-fails-at-every-byte",
                    test_channel_fails_at_every_byte);
    g_test_add_func("/stream/first-error-stays", test_first_error_stays);
    g_test_add_func("/stream/data-sizes", test_data_sizes);
    g_test_add_func("/stream/error-texts", test_error_texts);
    g_test_add_func("/stream/less-without-an-error",
                    test_less_without_an_error);
    return g_test_run();
}
