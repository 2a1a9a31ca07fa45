/*
 * Doubly linked lists with a head of one pointer
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_QUEUE_H
#define QEMU_QUEUE_H

#define QLIST_HEAD(name, type)          struct name { struct type *lh_first; }
#define QLIST_HEAD_INITIALIZER(head)    { NULL }
#define QLIST_ENTRY(type) \
    struct { struct type *le_next; struct type **le_prev; }

#define QLIST_INIT(head)                ((head)->lh_first = NULL)
#define QLIST_EMPTY(head)               ((head)->lh_first == NULL)
#define QLIST_FIRST(head)               ((head)->lh_first)
#define QLIST_NEXT(elm, field)          ((elm)->field.le_next)

#define QLIST_FOREACH(var, head, field) \
    for ((var) = (head)->lh_first; (var); (var) = (var)->field.le_next)

/* @var may be removed meanwhile */
#define QLIST_FOREACH_SAFE(var, head, field, next_var) \
    for ((var) = (head)->lh_first; \
         (var) && ((next_var) = (var)->field.le_next, 1); \
         (var) = (next_var))

#define QLIST_INSERT_HEAD(head, elm, field) do { \
    (elm)->field.le_next = (head)->lh_first; \
    if ((elm)->field.le_next) { \
        (elm)->field.le_next->field.le_prev = &(elm)->field.le_next; \
    } \
    (head)->lh_first = (elm); \
    (elm)->field.le_prev = &(head)->lh_first; \
} while (0)

#define QLIST_REMOVE(elm, field) do { \
    if ((elm)->field.le_next) { \
        (elm)->field.le_next->field.le_prev = (elm)->field.le_prev; \
    } \
    *(elm)->field.le_prev = (elm)->field.le_next; \
    (elm)->field.le_next = NULL; \
    (elm)->field.le_prev = NULL; \
} while (0)

#endif /* QEMU_QUEUE_H */
