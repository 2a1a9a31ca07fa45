/*
 * vfio-migrate why: the part of a libvirt domain that matters to its devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_DOMAIN_H
#define VFIO_MIGRATE_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>

typedef struct DomainDevice {
    char *name;                 /* PCI address or UUID */
    bool managed;               /* libvirt binds it to a driver */
} DomainDevice;

typedef struct Domain {
    char *name;
    char *emulator;
    char *machine;
    uint64_t memory_kib;
    uint64_t hard_limit_kib;    /* 0: none */
    GPtrArray *devices;         /* DomainDevice */
} Domain;

/*
 * domain_parse: read a domain's XML, as virsh dumpxml prints it
 *
 * Returns: to be freed with domain_free(); NULL with @error set if it is not
 * XML, or not a domain's.
 */
Domain *domain_parse(const char *xml, GError **error);
/* domain_free: free it, with its devices */
void domain_free(Domain *domain);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Domain, domain_free)

#endif /* VFIO_MIGRATE_DOMAIN_H */
