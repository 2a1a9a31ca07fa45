/*
 * Sections of a migration stream, and the handlers behind them
 *
 * Owns: the registry of SaveVMHandlers, which are those of VFIO devices, and
 * the framing of their sections. The stream is that of a QEMU machine which
 * sends section footers, but no configuration section and no vmdesc.
 *
 * Lock: the BQL for registration; the registry does not change during a
 * migration, which reads it without the BQL.
 *
 * Source: QEMU 7.2's migration/savevm.c, for the framing and the order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "migration/host-sections.h"
#include "migration/qemu-file.h"
#include "migration/register.h"
#include "migration/savevm.h"
#include "migration/standalone.h"

#define STREAM_HEAD     UINT64_C(0x5145564d00000003)    /* "QEVM", version 3 */

enum {
    SECTION_EOF = 0,
    SECTION_START = 1,
    SECTION_PART = 2,
    SECTION_END = 3,
    SECTION_FULL = 4,
    SECTION_FOOTER = 0x7e,
};

typedef struct Section {
    struct Section *next;
    char *idstr;
    uint32_t instance_id, section_id, version_id;
    uint32_t load_section_id;   /* as numbered by the source */
    const SaveVMHandlers *ops;
    void *opaque;
} Section;

static Section *sections;       /* in order of registration */

/* ---- registration ---- */

static Section *section_find(const char *idstr, uint32_t instance_id)
{
    Section *s = sections;

    while (s && (strcmp(s->idstr, idstr) || s->instance_id != instance_id)) {
        s = s->next;
    }
    return s;
}

int register_savevm_live(const char *idstr, uint32_t instance_id,
                         int version_id, const SaveVMHandlers *ops,
                         void *opaque)
{
    Section *s = g_new0(Section, 1), **link;

    assert(qemu_mutex_iothread_locked());
    while (section_find(idstr, s->instance_id)) {
        s->instance_id++;
    }
    for (link = &sections; *link; link = &(*link)->next) {
        s->section_id = (*link)->section_id + 1;
    }
    *link = s;
    s->idstr = g_strdup(idstr);
    s->version_id = version_id;
    s->ops = ops;
    s->opaque = opaque;
    return 0;
}

void unregister_savevm(VMStateIf *obj, const char *idstr, void *opaque)
{
    Section **link = &sections, *s;

    assert(qemu_mutex_iothread_locked());
    while (*link && (*link)->opaque != opaque) {
        link = &(*link)->next;
    }
    s = *link;
    if (s) {
        *link = s->next;
        g_free(s->idstr);
        g_free(s);
    }
}

unsigned vfio_host_nr_handlers(void)
{
    unsigned n = 0;

    for (Section *s = sections; s; s = s->next) {
        n++;
    }
    return n;
}

/* ---- writing ---- */

static void put_head(QEMUFile *f, const Section *s, int type)
{
    size_t len = strlen(s->idstr);

    qemu_put_byte(f, type);
    qemu_put_be32(f, s->section_id);
    if (type == SECTION_START || type == SECTION_FULL) {
        qemu_put_byte(f, len);
        qemu_put_buffer(f, (const uint8_t *)s->idstr, len);
        qemu_put_be32(f, s->instance_id);
        qemu_put_be32(f, s->version_id);
    }
}

/* @ret: what the handler returned; an error is set in the stream */
static int put_foot(QEMUFile *f, const Section *s, int ret)
{
    qemu_put_byte(f, SECTION_FOOTER);
    qemu_put_be32(f, s->section_id);
    if (ret < 0) {
        qemu_file_set_error(f, ret);
    }
    return ret;
}

void host_sections_setup(QEMUFile *f)
{
    int ret = 0;

    qemu_put_be64(f, STREAM_HEAD);
    for (Section *s = sections; s && ret >= 0; s = s->next) {
        put_head(f, s, SECTION_START);
        ret = put_foot(f, s, s->ops->save_setup(f, s->opaque));
    }
}

uint64_t host_sections_pending(QEMUFile *f, uint64_t threshold_bytes)
{
    uint64_t precopy = 0, compatible = 0, postcopy = 0;

    for (Section *s = sections; s; s = s->next) {
        s->ops->save_live_pending(f, s->opaque, threshold_bytes, &precopy,
                                  &compatible, &postcopy);
    }
    return precopy + compatible + postcopy;
}

/* As in QEMU, later handlers wait for one that is not done. */
int qemu_savevm_state_iterate(QEMUFile *f, bool postcopy)
{
    int ret = 1;

    for (Section *s = sections; s && ret > 0; s = s->next) {
        if (!s->ops->is_active_iterate(s->opaque) ||
            (postcopy && !s->ops->has_postcopy(s->opaque))) {
            continue;
        }
        if (qemu_file_get_error(f)) {
            return 0;
        }
        put_head(f, s, SECTION_PART);
        ret = put_foot(f, s, s->ops->save_live_iterate(f, s->opaque));
    }
    return ret;
}

void host_sections_complete(QEMUFile *f)
{
    for (Section *s = sections; s; s = s->next) {
        put_head(f, s, SECTION_END);
        if (put_foot(f, s, s->ops->save_live_complete_precopy(f,
                                                              s->opaque))) {
            return;
        }
    }
    for (Section *s = sections; s; s = s->next) {
        put_head(f, s, SECTION_FULL);
        s->ops->save_state(f, s->opaque);
        put_foot(f, s, 0);
    }
    qemu_put_byte(f, SECTION_EOF);
    qemu_fflush(f);
}

void host_sections_cleanup(void)
{
    for (Section *s = sections; s; s = s->next) {
        s->ops->save_cleanup(s->opaque);
    }
}

/* ---- reading ---- */

static int bad_frame(QEMUFile *f, const char *what)
{
    error_report("%s", qemu_file_get_error(f) ? "the stream ends too early"
                                              : what);
    return -EINVAL;
}

static int load_section(QEMUFile *f, Section *s)
{
    int ret = s->ops->load_state(f, s->opaque, s->version_id);

    if (ret < 0) {
        error_report("section %s (instance %u): loading failed: %s", s->idstr,
                     s->instance_id, strerror(-ret));
        return ret;
    }
    if (qemu_get_byte(f) != SECTION_FOOTER ||
        qemu_get_be32(f) != s->load_section_id) {
        return bad_frame(f, "the stream has no footer where a section ends");
    }
    return 0;
}

static int load_start_or_full(QEMUFile *f)
{
    uint32_t section_id = qemu_get_be32(f);
    g_autofree char *unknown = NULL;
    char idstr[256] = "";
    Section *s;

    qemu_get_buffer(f, (uint8_t *)idstr, (uint8_t)qemu_get_byte(f));
    s = section_find(idstr, qemu_get_be32(f));
    if (!s || qemu_get_be32(f) != s->version_id) {
        unknown = g_strdup_printf("the stream has a section '%s', but here is "
                                  "no such device: use the same devices on "
                                  "both sides", idstr);
        return bad_frame(f, unknown);
    }
    s->load_section_id = section_id;
    return load_section(f, s);
}

static int load_part_or_end(QEMUFile *f)
{
    uint32_t section_id = qemu_get_be32(f);
    Section *s = sections;

    while (s && s->load_section_id != section_id) {
        s = s->next;
    }
    return s ? load_section(f, s)
             : bad_frame(f, "the stream goes on with a section that it has "
                         "not started");
}

static int load_sections(QEMUFile *f)
{
    int ret = 0, type;

    while (!ret && (type = qemu_get_byte(f)) != SECTION_EOF) {
        ret = type == SECTION_START || type == SECTION_FULL
              ? load_start_or_full(f) : load_part_or_end(f);
    }
    return ret || !qemu_file_get_error(f) ? ret : bad_frame(f, NULL);
}

void host_sections_load(QEMUFile *f)
{
    int ret = 0;

    if (qemu_get_be64(f) != STREAM_HEAD) {
        ret = bad_frame(f, "this is not a migration stream");
    }
    for (Section *s = sections; s && ret >= 0; s = s->next) {
        s->load_section_id = UINT32_MAX;
        ret = s->ops->load_setup(f, s->opaque);
    }
    if (ret < 0) {
        qemu_file_set_error(f, ret);
        return;                 /* without cleanup, as in QEMU */
    }
    qemu_file_set_error(f, load_sections(f));
    for (Section *s = sections; s; s = s->next) {
        s->ops->load_cleanup(s->opaque);
    }
}
