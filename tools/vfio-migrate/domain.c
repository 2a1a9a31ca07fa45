/*
 * vfio-migrate why: the part of a libvirt domain that matters to its devices
 *
 * Owns: reading the XML: emulator, machine type, memory, VFIO devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "domain.h"

#define DEPTH_MAX 16

typedef struct Reader {
    Domain *domain;
    char *path[DEPTH_MAX];      /* names of the enclosing elements */
    unsigned depth;
    GString *text;              /* of the innermost element */
    bool is_hostdev;            /* in a VFIO <hostdev> or <interface> */
    bool managed;
    unsigned shift;             /* its unit is 1 << shift bytes */
} Reader;

static const char *attribute(const char **names, const char **values,
                             const char *name)
{
    for (unsigned i = 0; names[i]; i++) {
        if (g_str_equal(names[i], name)) {
            return values[i];
        }
    }
    return NULL;
}

/* Whether the path ends in @elements, for example "os/type" */
static bool is_at(const Reader *reader, const char *elements)
{
    g_auto(GStrv) parts = g_strsplit(elements, "/", -1);
    unsigned length = g_strv_length(parts);

    if (length > reader->depth) {
        return false;
    }
    for (unsigned i = 0; i < length; i++) {
        if (strcmp(reader->path[reader->depth - length + i], parts[i])) {
            return false;
        }
    }
    return true;
}

static void add_device(Reader *reader, char *name)
{
    DomainDevice *device = g_new0(DomainDevice, 1);

    device->name = name;
    device->managed = reader->managed;
    g_ptr_array_add(reader->domain->devices, device);
}

static unsigned number(const char *text)
{
    return text ? g_ascii_strtoull(text, NULL, 0) : 0;
}

static void read_address(Reader *reader, const char **names,
                         const char **values)
{
    const char *uuid = attribute(names, values, "uuid");

    if (uuid) {
        add_device(reader, g_strdup(uuid));
        return;
    }
    add_device(reader, g_strdup_printf(
        "%04x:%02x:%02x.%x", number(attribute(names, values, "domain")),
        number(attribute(names, values, "bus")),
        number(attribute(names, values, "slot")),
        number(attribute(names, values, "function"))));
}

/* Default is KiB; "b", "bytes", "KiB", "M", "MiB", "GiB", ... */
static unsigned unit_shift(const char *unit)
{
    static const char letters[] = "kmgt";
    const char *at = unit && *unit ? strchr(letters, g_ascii_tolower(*unit))
                                   : letters;

    return at ? 10 * (at - letters + 1) : 0;
}

static void start_element(GMarkupParseContext *context, const char *name,
                          const char **names, const char **values,
                          gpointer opaque, GError **error)
{
    Reader *reader = opaque;
    const char *type = attribute(names, values, "type");

    if (reader->depth == DEPTH_MAX) {
        g_set_error(error, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT,
                    "elements are more than %d deep", DEPTH_MAX);
        return;
    }
    reader->path[reader->depth++] = g_strdup(name);
    g_string_truncate(reader->text, 0);
    reader->shift = unit_shift(attribute(names, values, "unit"));
    if (is_at(reader, "devices/hostdev")) {
        reader->is_hostdev = !g_strcmp0(type, "pci") ||
                             !g_strcmp0(type, "mdev");
    } else if (is_at(reader, "devices/interface")) {
        reader->is_hostdev = !g_strcmp0(type, "hostdev");
    } else if (reader->is_hostdev && is_at(reader, "source/address")) {
        read_address(reader, names, values);
    } else if (is_at(reader, "os/type") && !reader->domain->machine) {
        reader->domain->machine = g_strdup(attribute(names, values,
                                                     "machine"));
    }
    if (is_at(reader, "devices/hostdev") ||
        is_at(reader, "devices/interface")) {
        reader->managed = !g_strcmp0(attribute(names, values, "managed"),
                                     "yes");
    }
}

static void end_element(GMarkupParseContext *context, const char *name,
                        gpointer opaque, GError **error)
{
    Reader *reader = opaque;
    Domain *domain = reader->domain;
    const char *text = g_strstrip(reader->text->str);
    uint64_t kib = (g_ascii_strtoull(text, NULL, 10) << reader->shift) >> 10;

    if (is_at(reader, "domain/name") && !domain->name) {
        domain->name = g_strdup(text);
    } else if (is_at(reader, "devices/emulator") && !domain->emulator) {
        domain->emulator = g_strdup(text);
    } else if (is_at(reader, "domain/memory")) {
        domain->memory_kib = kib;
    } else if (is_at(reader, "memtune/hard_limit")) {
        domain->hard_limit_kib = kib;
    } else if (is_at(reader, "devices/hostdev") ||
               is_at(reader, "devices/interface")) {
        reader->is_hostdev = false;
    }
    g_free(reader->path[--reader->depth]);
    g_string_truncate(reader->text, 0);
}

static void element_text(GMarkupParseContext *context, const char *text,
                         gsize length, gpointer opaque, GError **error)
{
    Reader *reader = opaque;

    g_string_append_len(reader->text, text, length);
}

static void free_device(gpointer opaque)
{
    DomainDevice *device = opaque;

    g_free(device->name);
    g_free(device);
}

void domain_free(Domain *domain)
{
    g_ptr_array_unref(domain->devices);
    g_free(domain->name);
    g_free(domain->emulator);
    g_free(domain->machine);
    g_free(domain);
}

Domain *domain_parse(const char *xml, GError **error)
{
    static const GMarkupParser parser = {
        .start_element = start_element,
        .end_element = end_element,
        .text = element_text,
    };
    g_autoptr(Domain) domain = g_new0(Domain, 1);
    Reader reader = { .domain = domain, .text = g_string_new(NULL) };
    g_autoptr(GMarkupParseContext) context =
        g_markup_parse_context_new(&parser, 0, &reader, NULL);
    bool good;

    domain->devices = g_ptr_array_new_with_free_func(free_device);
    good = g_markup_parse_context_parse(context, xml, -1, error) &&
           g_markup_parse_context_end_parse(context, error);
    while (reader.depth) {
        g_free(reader.path[--reader.depth]);
    }
    g_string_free(reader.text, true);
    if (good && !domain->name) {
        g_set_error(error, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT,
                    "no <domain> with a <name>");
        good = false;
    }
    return good ? g_steal_pointer(&domain) : NULL;
}
