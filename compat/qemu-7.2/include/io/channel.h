/*
 * Channels
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QIO_CHANNEL_H
#define QIO_CHANNEL_H

/* A call would have to wait, and the channel does not block */
#define QIO_CHANNEL_ERR_BLOCK   (-2)

/*
 * Up to @buflen bytes. Returns how many, 0 at the end, -1 with @errp set, or
 * QIO_CHANNEL_ERR_BLOCK.
 */
ssize_t qio_channel_read(QIOChannel *ioc, char *buf, size_t buflen,
                         Error **errp);
/* Until there is something to read (G_IO_IN): in a coroutine, and elsewhere */
void qio_channel_yield(QIOChannel *ioc, GIOCondition condition);
void qio_channel_wait(QIOChannel *ioc, GIOCondition condition);
/* All of @buf, waiting for it; -1 at an error or the end */
int qio_channel_read_all(QIOChannel *ioc, char *buf, size_t buflen,
                         Error **errp);
/* All of @buf, or -1 with @errp set. In a coroutine it yields to wait. */
int qio_channel_write_all(QIOChannel *ioc, const char *buf, size_t buflen,
                          Error **errp);
/*
 * What a main context polls @ioc by; not attached. G_IO_OUT: that which it
 * writes to
 */
GSource *qio_channel_create_watch(QIOChannel *ioc, GIOCondition condition);

#endif /* QIO_CHANNEL_H */
