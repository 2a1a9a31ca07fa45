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

/* 0, or the first error as -errno */
int qemu_file_get_error(QEMUFile *f);
int qemu_file_get_error_obj(QEMUFile *f, Error **errp);
/* Keeps the first error; takes @err over */
void qemu_file_set_error_obj(QEMUFile *f, int ret, Error *err);
void qemu_file_set_error(QEMUFile *f, int ret);
int qemu_fclose(QEMUFile *f);

#endif /* MIGRATION_QEMU_FILE_H */
