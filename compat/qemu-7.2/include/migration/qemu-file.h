/*
 * Migration streams
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_QEMU_FILE_H
#define MIGRATION_QEMU_FILE_H

void qemu_put_byte(QEMUFile *f, int v);
void qemu_put_be32(QEMUFile *f, unsigned int v);
void qemu_put_be64(QEMUFile *f, uint64_t v);
void qemu_put_buffer(QEMUFile *f, const uint8_t *buf, size_t size);
/* Without a copy: @buf must stay as it is until qemu_fflush() */
void qemu_put_buffer_async(QEMUFile *f, const uint8_t *buf, size_t size,
                           bool may_free);
void qemu_fflush(QEMUFile *f);

int qemu_get_byte(QEMUFile *f);
unsigned int qemu_get_be32(QEMUFile *f);
uint64_t qemu_get_be64(QEMUFile *f);
/* Returns the number of bytes read; fewer than @size after an error */
size_t qemu_get_buffer(QEMUFile *f, uint8_t *buf, size_t size);
int qemu_peek_byte(QEMUFile *f, int offset);
/*
 * Point @buf at bytes from @offset on that are read ahead, without taking
 * them: up to @size, which may be 32 KiB less @offset. Fewer come after an
 * error or at the end only. They stay till the next call on @f. With @size 0
 * nothing is read, and @buf is set where the byte at @offset was read ahead.
 */
size_t qemu_peek_buffer(QEMUFile *f, uint8_t **buf, size_t size,
                        size_t offset);
/* Take @size bytes that are read ahead */
void qemu_file_skip(QEMUFile *f, int size);

/* 0, or the first error as -errno */
int qemu_file_get_error(QEMUFile *f);
int qemu_file_get_error_obj(QEMUFile *f, Error **errp);
/* Keeps the first error; takes @err over */
void qemu_file_set_error_obj(QEMUFile *f, int ret, Error *err);
void qemu_file_set_error(QEMUFile *f, int ret);
int qemu_file_shutdown(QEMUFile *f);
int qemu_fclose(QEMUFile *f);
/* What it reads or writes; NULL: (here only) output to memory */
QIOChannel *qemu_file_get_ioc(QEMUFile *f);
/* Count @size bytes that were read from the channel itself */
void qemu_file_credit_transfer(QEMUFile *f, size_t size);
/* 1: nothing more is to be written in this interval, or at all */
int qemu_file_rate_limit(QEMUFile *f);
/* Bytes in an interval, from now on; and a new interval begins */
void qemu_file_set_rate_limit(QEMUFile *f, int64_t new_rate);
void qemu_file_reset_rate_limit(QEMUFile *f);
/* Of an interval; 0: there is no limit */
int64_t qemu_file_get_rate_limit(QEMUFile *f);
/* Count @len bytes more, or less, as sent in this interval */
void qemu_file_acct_rate_limit(QEMUFile *f, int64_t len);

#endif /* MIGRATION_QEMU_FILE_H */
