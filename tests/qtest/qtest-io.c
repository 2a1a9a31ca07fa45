/*
 * Drive a QEMU from a test: ports and memory over the qtest socket
 *
 * Owns: the commands of QEMU's qtest protocol (softmmu/qtest.c documents
 * them). Does not own: the socket (libqtest.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qtest-state.h"

#include <string.h>
#include <sys/socket.h>

/* Bytes per command; keeps lines short enough to read in a log. */
#define PIECE_BYTES 65536

static char *command(QTestState *s, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* Sends a line; returns what follows "OK" in the answer. */
static char *command(QTestState *s, const char *fmt, ...)
{
    g_autofree char *line = NULL;
    char *answer = NULL;
    size_t room = 0, len;
    ssize_t got;
    va_list ap;

    va_start(ap, fmt);
    line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    len = strlen(line);
    if (send(fileno(s->qtest), line, len, MSG_NOSIGNAL) != len) {
        qtest_fail("%s takes no qtest command: %.60s", s->name, line);
    }
    do {
        got = getline(&answer, &room, s->qtest);
    } while (got >= 0 && g_str_has_prefix(answer, "IRQ "));
    if (got < 0 || !g_str_has_prefix(answer, "OK")) {
        qtest_fail("%s answered '%s' to qtest command: %.60s", s->name,
                   got < 0 ? "(nothing)" : answer, line);
    }
    memmove(answer, answer + 2, strlen(answer + 2) + 1);
    return g_strstrip(answer);
}

static void write_value(QTestState *s, const char *op, uint64_t addr,
                        uint64_t value)
{
    g_free(command(s, "%s 0x%" G_GINT64_MODIFIER "x 0x%"
                   G_GINT64_MODIFIER "x\n", op, addr, value));
}

static uint64_t read_value(QTestState *s, const char *op, uint64_t addr)
{
    g_autofree char *answer = command(s, "%s 0x%" G_GINT64_MODIFIER "x\n", op,
                                      addr);

    return g_ascii_strtoull(answer, NULL, 0);
}

#define WRITE(op, AddressType, ValueType)                                    \
    void qtest_ ## op(QTestState *s, AddressType addr, ValueType value)      \
    {                                                                        \
        write_value(s, #op, addr, value);                                    \
    }

#define READ(op, AddressType, ValueType)                                     \
    ValueType qtest_ ## op(QTestState *s, AddressType addr)                  \
    {                                                                        \
        return read_value(s, #op, addr);                                     \
    }

WRITE(outb, uint16_t, uint8_t)
WRITE(outw, uint16_t, uint16_t)
WRITE(outl, uint16_t, uint32_t)
READ(inb, uint16_t, uint8_t)
READ(inw, uint16_t, uint16_t)
READ(inl, uint16_t, uint32_t)
WRITE(writeb, uint64_t, uint8_t)
WRITE(writew, uint64_t, uint16_t)
WRITE(writel, uint64_t, uint32_t)
WRITE(writeq, uint64_t, uint64_t)
READ(readb, uint64_t, uint8_t)
READ(readw, uint64_t, uint16_t)
READ(readl, uint64_t, uint32_t)
READ(readq, uint64_t, uint64_t)

void qtest_bufread(QTestState *s, uint64_t addr, void *data, size_t size)
{
    char *to = data;

    while (size) {
        size_t piece = MIN(size, PIECE_BYTES);
        g_autofree char *answer = command(s, "b64read 0x%" G_GINT64_MODIFIER
                                          "x 0x%zx\n", addr, piece);
        size_t got;
        g_autofree guchar *bytes = g_base64_decode(answer, &got);

        g_assert_cmpuint(got, ==, piece);
        memcpy(to, bytes, piece);
        to += piece;
        addr += piece;
        size -= piece;
    }
}

void qtest_bufwrite(QTestState *s, uint64_t addr, const void *data,
                    size_t size)
{
    const char *from = data;

    while (size) {
        size_t piece = MIN(size, PIECE_BYTES);
        g_autofree char *text = g_base64_encode((const guchar *)from, piece);

        g_free(command(s, "b64write 0x%" G_GINT64_MODIFIER "x 0x%zx %s\n",
                       addr, piece, text));
        from += piece;
        addr += piece;
        size -= piece;
    }
}

void qtest_memread(QTestState *s, uint64_t addr, void *data, size_t size)
{
    qtest_bufread(s, addr, data, size);
}

void qtest_memwrite(QTestState *s, uint64_t addr, const void *data,
                    size_t size)
{
    qtest_bufwrite(s, addr, data, size);
}

void qtest_memset(QTestState *s, uint64_t addr, uint8_t patt, size_t size)
{
    g_free(command(s, "memset 0x%" G_GINT64_MODIFIER "x 0x%zx 0x%02x\n", addr,
                   size, patt));
}
