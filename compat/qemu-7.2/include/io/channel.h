/*
 * Channels
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QIO_CHANNEL_H
#define QIO_CHANNEL_H

/* All of @buf, waiting for it; -1 at an error or the end */
int qio_channel_read_all(QIOChannel *ioc, char *buf, size_t buflen,
                         Error **errp);
/* All of @buf, or -1 with @errp set. In a coroutine it yields to wait. */
int qio_channel_write_all(QIOChannel *ioc, const char *buf, size_t buflen,
                          Error **errp);

#endif /* QIO_CHANNEL_H */
