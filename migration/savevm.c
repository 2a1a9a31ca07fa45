/*
 * Sections of a migration stream, and the handlers behind them
 *
 * Owns: the registry of SaveVMHandlers, the framing of their sections, and
 * the order in which they are called within one step. Does not own: the
 * order of the steps, see migrate.c; what a handler writes.
 *
 * The stream is that of a QEMU machine which sends section footers, but no
 * configuration section and no description of the VM's state.
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
#include "migration/host-savevm.h"
#include "migration/misc.h"
#include "migration/qemu-file.h"
#include "migration/register.h"
#include "migration/savevm.h"
#include "migration/standalone.h"

#define STREAM_MAGIC        0x5145564d      /* "QEVM" */
#define STREAM_VERSION      3

enum {
    SECTION_EOF = 0,
    SECTION_START = 1,
    SECTION_PART = 2,
    SECTION_END = 3,
    SECTION_FULL = 4,
    SECTION_FOOTER = 0x7e,
};

typedef struct Section {
    char idstr[256];
    uint32_t instance_id;
    uint32_t section_id;
    int version_id;
    uint32_t load_section_id;   /* as the source numbered it */
    int load_version_id;
    const SaveVMHandlers *ops;
    void *opaque;
} Section;

static GList *sections;             /* of Section; order of registration */
static uint32_t next_section_id;

/* ---- registration ---- */

static Section *section_find(const char *idstr, uint32_t instance_id)
{
    GList *l;

    for (l = sections; l; l = l->next) {
        Section *s = l->data;

        if (!strcmp(s->idstr, idstr) && s->instance_id == instance_id) {
            return s;
        }
    }
    return NULL;
}

int register_savevm_live(const char *idstr, uint32_t instance_id,
                         int version_id, const SaveVMHandlers *ops,
                         void *opaque)
{
    Section *s = g_new0(Section, 1);

    assert(qemu_mutex_iothread_locked());
    g_strlcpy(s->idstr, idstr, sizeof(s->idstr));
    if (instance_id == VMSTATE_INSTANCE_ID_ANY) {
        for (instance_id = 0; section_find(s->idstr, instance_id);) {
            instance_id++;
        }
    }
    s->instance_id = instance_id;
    s->version_id = version_id;
    s->section_id = next_section_id++;
    s->load_section_id = UINT32_MAX;
    s->ops = ops;
    s->opaque = opaque;
    sections = g_list_append(sections, s);
    return 0;
}

void unregister_savevm(VMStateIf *obj, const char *idstr, void *opaque)
{
    g_autofree char *id = obj ? vmstate_if_get_id(obj) : NULL;
    g_autofree char *full = id ? g_strconcat(id, "/", idstr, NULL)
                               : g_strdup(idstr);
    GList *l, *next;

    assert(qemu_mutex_iothread_locked());
    for (l = sections; l; l = next) {
        Section *s = l->data;

        next = l->next;
        if (!strcmp(s->idstr, full) && s->opaque == opaque) {
            sections = g_list_delete_link(sections, l);
            g_free(s);
        }
    }
    if (!sections) {
        next_section_id = 0;    /* so that streams can be compared */
    }
}

unsigned vfio_host_nr_handlers(void)
{
    return g_list_length(sections);
}

static bool section_active(const Section *s)
{
    return !s->ops->is_active || s->ops->is_active(s->opaque);
}

/* ---- writing ---- */

static void put_section_header(QEMUFile *f, const Section *s, int type)
{
    qemu_put_byte(f, type);
    qemu_put_be32(f, s->section_id);
    if (type == SECTION_START || type == SECTION_FULL) {
        size_t len = strlen(s->idstr);

        qemu_put_byte(f, len);
        qemu_put_buffer(f, (const uint8_t *)s->idstr, len);
        qemu_put_be32(f, s->instance_id);
        qemu_put_be32(f, s->version_id);
    }
}

static void put_section_footer(QEMUFile *f, const Section *s)
{
    qemu_put_byte(f, SECTION_FOOTER);
    qemu_put_be32(f, s->section_id);
}

void savevm_header(QEMUFile *f)
{
    qemu_put_be32(f, STREAM_MAGIC);
    qemu_put_be32(f, STREAM_VERSION);
}

void savevm_setup(QEMUFile *f)
{
    GList *l;

    for (l = sections; l; l = l->next) {
        Section *s = l->data;
        int ret;

        if (!s->ops->save_setup || !section_active(s)) {
            continue;
        }
        put_section_header(f, s, SECTION_START);
        ret = s->ops->save_setup(f, s->opaque);
        put_section_footer(f, s);
        if (ret < 0) {
            qemu_file_set_error(f, ret);
            return;
        }
    }
}

uint64_t savevm_pending(QEMUFile *f, uint64_t threshold_bytes)
{
    uint64_t precopy = 0, compatible = 0, postcopy = 0;
    GList *l;

    for (l = sections; l; l = l->next) {
        Section *s = l->data;

        if (s->ops->save_live_pending && section_active(s)) {
            s->ops->save_live_pending(f, s->opaque, threshold_bytes,
                                      &precopy, &compatible, &postcopy);
        }
    }
    return precopy + compatible + postcopy;
}

int qemu_savevm_state_iterate(QEMUFile *f, bool postcopy)
{
    GList *l;
    int ret = 1;

    for (l = sections; l; l = l->next) {
        Section *s = l->data;

        if (!s->ops->save_live_iterate || !section_active(s) ||
            (s->ops->is_active_iterate &&
             !s->ops->is_active_iterate(s->opaque)) ||
            (postcopy && !(s->ops->has_postcopy &&
                           s->ops->has_postcopy(s->opaque)))) {
            continue;
        }
        if (qemu_file_get_error(f)) {
            return 0;
        }
        put_section_header(f, s, SECTION_PART);
        ret = s->ops->save_live_iterate(f, s->opaque);
        put_section_footer(f, s);
        if (ret < 0) {
            error_report("section %s: iteration failed: %d", s->idstr, ret);
            qemu_file_set_error(f, ret);
        }
        if (ret <= 0) {
            break;      /* later handlers wait for this one, as in QEMU */
        }
    }
    return ret;
}

/* ---- who is told before the end ---- */

static GSList *precopy_notifiers;   /* of NotifierWithReturn; last one first */

void precopy_add_notifier(NotifierWithReturn *n)
{
    precopy_notifiers = g_slist_prepend(precopy_notifiers, n);
}

static void precopy_notify(PrecopyNotifyReason reason)
{
    PrecopyNotifyData data = { .reason = reason };
    GSList *l;

    for (l = precopy_notifiers; l; l = l->next) {
        NotifierWithReturn *n = l->data;

        if (n->notify(n, &data)) {
            return;
        }
    }
}

/* ---- the end ---- */

static int complete_live(QEMUFile *f)
{
    GList *l;

    for (l = sections; l; l = l->next) {
        Section *s = l->data;
        int ret;

        if (!s->ops->save_live_complete_precopy || !section_active(s)) {
            continue;
        }
        put_section_header(f, s, SECTION_END);
        ret = s->ops->save_live_complete_precopy(f, s->opaque);
        put_section_footer(f, s);
        if (ret < 0) {
            qemu_file_set_error(f, ret);
            return -1;
        }
    }
    return 0;
}

int savevm_complete(QEMUFile *f)
{
    GList *l;
    int ret;

    assert(qemu_mutex_iothread_locked());
    precopy_notify(PRECOPY_NOTIFY_COMPLETE);
    ret = complete_live(f);
    if (ret) {
        return ret;
    }
    for (l = sections; l; l = l->next) {
        Section *s = l->data;

        if (s->ops->save_state) {
            put_section_header(f, s, SECTION_FULL);
            s->ops->save_state(f, s->opaque);
            put_section_footer(f, s);
        }
    }
    qemu_put_byte(f, SECTION_EOF);
    qemu_fflush(f);
    return 0;
}

void savevm_cleanup(void)
{
    GList *l;

    assert(qemu_mutex_iothread_locked());
    for (l = sections; l; l = l->next) {
        Section *s = l->data;

        if (s->ops->save_cleanup) {
            s->ops->save_cleanup(s->opaque);
        }
    }
}

/* ---- reading ---- */

static bool check_section_footer(QEMUFile *f, const Section *s)
{
    int mark = qemu_get_byte(f);
    uint32_t id = qemu_get_be32(f);

    if (qemu_file_get_error(f)) {
        error_report("section %s: the stream ends in its footer", s->idstr);
        return false;
    }
    if (mark != SECTION_FOOTER) {
        error_report("section %s: no footer where it should end, but 0x%02x",
                     s->idstr, mark);
        return false;
    }
    if (id != s->load_section_id) {
        error_report("section %s: its footer is of section %u, not of %u",
                     s->idstr, id, s->load_section_id);
        return false;
    }
    return true;
}

static int load_section(QEMUFile *f, Section *s)
{
    int ret = s->ops->load_state(f, s->opaque, s->load_version_id);

    if (ret < 0) {
        error_report("section %s (instance %u): loading failed: %s",
                     s->idstr, s->instance_id, strerror(-ret));
        return ret;
    }
    return check_section_footer(f, s) ? 0 : -EINVAL;
}

static int load_start_or_full(QEMUFile *f)
{
    uint32_t section_id = qemu_get_be32(f);
    uint32_t instance_id, version_id;
    char idstr[256] = "";
    uint8_t len = qemu_get_byte(f);
    Section *s;

    qemu_get_buffer(f, (uint8_t *)idstr, len);
    instance_id = qemu_get_be32(f);
    version_id = qemu_get_be32(f);
    if (qemu_file_get_error(f)) {
        error_report("the stream ends in the head of section %u", section_id);
        return qemu_file_get_error(f);
    }

    s = section_find(idstr, instance_id);
    if (!s || !s->ops->load_state) {
        error_report("the stream has a section '%s' (instance %u), but here"
                     " is no such device: use the same devices on both sides",
                     idstr, instance_id);
        return -EINVAL;
    }
    if (version_id > (uint32_t)s->version_id) {
        error_report("section %s: version %u is newer than ours, %d", idstr,
                     version_id, s->version_id);
        return -EINVAL;
    }
    s->load_section_id = section_id;
    s->load_version_id = version_id;
    return load_section(f, s);
}

static int load_part_or_end(QEMUFile *f)
{
    uint32_t section_id = qemu_get_be32(f);
    GList *l;

    if (qemu_file_get_error(f)) {
        return qemu_file_get_error(f);
    }
    for (l = sections; l; l = l->next) {
        Section *s = l->data;

        if (s->load_section_id == section_id) {
            return load_section(f, s);
        }
    }
    error_report("the stream goes on with section %u, which never started",
                 section_id);
    return -EINVAL;
}

static int load_sections(QEMUFile *f)
{
    for (;;) {
        int type = qemu_get_byte(f);
        int ret = qemu_file_get_error(f);

        if (!ret) {
            switch (type) {
            case SECTION_EOF:
                return 0;
            case SECTION_START:
            case SECTION_FULL:
                ret = load_start_or_full(f);
                break;
            case SECTION_PART:
            case SECTION_END:
                ret = load_part_or_end(f);
                break;
            default:
                error_report("the stream has a section of unknown type %d",
                             type);
                ret = -EINVAL;
            }
        }
        if (ret < 0) {
            qemu_file_set_error(f, ret);
            return ret;
        }
    }
}

static int load_header(QEMUFile *f)
{
    if (qemu_get_be32(f) != STREAM_MAGIC) {
        error_report("this is not a migration stream");
        return -EINVAL;
    }
    if (qemu_get_be32(f) != STREAM_VERSION) {
        error_report("the migration stream has an unknown version");
        return -ENOTSUP;
    }
    return 0;
}

static int load_setup(QEMUFile *f)
{
    GList *l;

    for (l = sections; l; l = l->next) {
        Section *s = l->data;
        int ret;

        s->load_section_id = UINT32_MAX;
        if (!s->ops->load_setup || !section_active(s)) {
            continue;
        }
        ret = s->ops->load_setup(f, s->opaque);
        if (ret < 0) {
            qemu_file_set_error(f, ret);
            error_report("section %s: set-up of the load failed", s->idstr);
            return ret;
        }
    }
    return 0;
}

static void load_cleanup(void)
{
    GList *l;

    for (l = sections; l; l = l->next) {
        Section *s = l->data;

        if (s->ops->load_cleanup) {
            s->ops->load_cleanup(s->opaque);
        }
    }
}

int savevm_load(QEMUFile *f)
{
    int ret;

    assert(qemu_mutex_iothread_locked());
    ret = load_header(f);
    if (ret) {
        return ret;
    }
    if (load_setup(f)) {
        return -EINVAL;     /* without clean-up, as in QEMU */
    }
    ret = load_sections(f);
    if (!ret) {
        ret = qemu_file_get_error(f);
    }
    load_cleanup();
    return ret;
}
