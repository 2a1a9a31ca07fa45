/*
 * Model of a migratable VFIO device: names and numbers
 *
 * Owns: the syntax of sizes, states, events, errnos and lists in a
 * configuration, and the names of states and events.
 *
 * Pure; no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim-model.h"

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* Returns the shift, in bits, that a suffix stands for, or -1. */
static int suffix_shift(char c)
{
    static const char suffixes[] = "kmgt";
    const char *at = strchr(suffixes, c | 0x20);

    return at && *at ? (int)(at - suffixes + 1) * 10 : -1;
}

bool sim_parse_size(const char *text, uint64_t *value)
{
    /* Numbers with a leading 0 are not octal. */
    bool hex = text[0] == '0' && text[1] == 'x';
    uint64_t base = hex ? 16 : 10, sum = 0;
    const char *at = hex ? text + 2 : text;
    int shift = 0;

    if (digit_of(*at) >= base) {
        return false;
    }
    for (; digit_of(*at) < base; at++) {
        if (sum > (UINT64_MAX - digit_of(*at)) / base) {
            return false;
        }
        sum = sum * base + digit_of(*at);
    }
    if (*at) {
        shift = suffix_shift(*at);
        if (shift < 0 || at[1] || sum > UINT64_MAX >> shift) {
            return false;
        }
    }
    *value = sum << shift;
    return true;
}

bool sim_parse_bool(const char *text, bool *value)
{
    *value = !strcmp(text, "yes") || !strcmp(text, "true") ||
             !strcmp(text, "1");
    return *value || !strcmp(text, "no") || !strcmp(text, "false") ||
           !strcmp(text, "0");
}

bool sim_next_item(const char **list, char *item, size_t size)
{
    const char *from = *list, *end;
    size_t len;

    while (*from == ' ' || *from == '\t' || *from == ';') {
        from++;
    }
    if (!*from) {
        return false;
    }
    end = from + strcspn(from, ";");
    *list = end;
    while (end > from && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    len = end - from;
    if (len > size - 1) {
        /* Not a valid item of any kind, so its parser rejects it. */
        item[0] = '?';
        item[1] = 0;
        return true;
    }
    memmove(item, from, len);
    item[len] = 0;
    return true;
}

bool sim_split(const char *text, char at, char left[SIM_PART_CHARS],
               char right[SIM_PART_CHARS])
{
    const char *mid = strchr(text, at), *from = left;

    if (!mid || mid - text >= SIM_PART_CHARS) {
        return false;
    }
    memcpy(left, text, mid - text);
    left[mid - text] = 0;
    mid++;
    return sim_next_item(&from, left, SIM_PART_CHARS) &&
           sim_next_item(&mid, right, SIM_PART_CHARS);
}

bool sim_parse_range(const char *text, SimRange *range)
{
    char offset[SIM_PART_CHARS], size[SIM_PART_CHARS];

    return sim_split(text, '+', offset, size) &&
           sim_parse_size(offset, &range->offset) &&
           sim_parse_size(size, &range->size_bytes);
}

/* ------------------------------------------------------------------------ */
/* Names                                                                    */

const char *sim_state_name(uint32_t state)
{
    static const char *const names[SIM_NUM_STATES] = {
        [SIM_STOP] = "stop",
        [SIM_RUNNING] = "running",
        [SIM_STOP_COPY] = "stop-copy",
        [SIM_PRE_COPY] = "pre-copy",
        [SIM_RESUMING] = "resuming",
        [5] = "invalid-101",
        [SIM_ERROR] = "error",
        [7] = "invalid-111",
    };

    return names[state & SIM_STATE_MASK];
}

const char *sim_mig_state_name(const SimMig *m, uint32_t state)
{
    if (m->cfg.protocol_v2 && (state & SIM_STATE_MASK) == SIM_RUNNING_P2P) {
        return "running-p2p";
    }
    if (m->cfg.protocol_v2 && (state & SIM_STATE_MASK) == SIM_PRE_COPY_P2P) {
        return "pre-copy-p2p";
    }
    return sim_state_name(state);
}

/* Names of both protocols; two of the numbers are not a state in v1. */
static bool state_has_name(uint32_t bits, const char *text)
{
    return strcmp(sim_state_name(bits), text) == 0 ||
           (bits == SIM_RUNNING_P2P && strcmp(text, "running-p2p") == 0) ||
           (bits == SIM_PRE_COPY_P2P && strcmp(text, "pre-copy-p2p") == 0);
}

bool sim_parse_state(const char *text, uint32_t *state)
{
    uint32_t bits = 0;
    unsigned i;

    for (i = 0; text[i] == '0' || text[i] == '1'; i++) {
        bits = bits << 1 | (text[i] - '0');
    }
    if (i == 3 && !text[i]) {
        *state = bits;
        return true;
    }
    for (bits = 0; bits < SIM_NUM_STATES; bits++) {
        if (state_has_name(bits, text)) {
            *state = bits;
            return true;
        }
    }
    return false;
}

const char *const sim_event_names[] = {
    [SIM_EV_STATE_WRITE] = "state-write",
    [SIM_EV_STATE_READ] = "state-read",
    [SIM_EV_PENDING_READ] = "pending-read",
    [SIM_EV_DATA_OFFSET_READ] = "data-offset-read",
    [SIM_EV_DATA_SIZE_READ] = "data-size-read",
    [SIM_EV_DATA_SIZE_WRITE] = "data-size-write",
    [SIM_EV_DATA_READ] = "data-read",
    [SIM_EV_DATA_WRITE] = "data-write",
    [SIM_EV_MMAP] = "mmap",
    [SIM_EV_DEVICE_INFO] = "device-info",
    [SIM_EV_REGION_INFO] = "region-info",
    [SIM_EV_IRQ_INFO] = "irq-info",
    [SIM_EV_SET_IRQS] = "set-irqs",
    [SIM_EV_RESET] = "reset",
    [SIM_EV_HOT_RESET_INFO] = "hot-reset-info",
    [SIM_EV_HOT_RESET] = "hot-reset",
    [SIM_EV_CONFIG_READ] = "config-read",
    [SIM_EV_CONFIG_WRITE] = "config-write",
    [SIM_EV_BAR_READ] = "bar-read",
    [SIM_EV_BAR_WRITE] = "bar-write",
    [SIM_EV_MIGRATION_FLAGS] = "migration-flags",
    [SIM_EV_DATA_FD] = "data-fd",
    [SIM_EV_PRECOPY_INFO] = "precopy-info",
    [SIM_EV_DATA_SIZE] = "data-size",
    [SIM_EV_LOG_START] = "log-start",
    [SIM_EV_LOG_STOP] = "log-stop",
    [SIM_EV_LOG_REPORT] = "log-report",
    [SIM_EV_FEATURE] = "feature",
    [SIM_EV_OTHER] = "other",
    [SIM_EV_MAP_DMA] = "map-dma",
    [SIM_EV_UNMAP_DMA] = "unmap-dma",
    [SIM_EV_DIRTY_START] = "dirty-start",
    [SIM_EV_DIRTY_STOP] = "dirty-stop",
    [SIM_EV_DIRTY_GET] = "dirty-get",
    [SIM_EV_IOMMU_INFO] = "iommu-info",
    [SIM_EV_ANY_CALL] = "any-call",
    [SIM_EV_ANY_CONTAINER_CALL] = "any-container-call",
    [SIM_NUM_EVENTS] = NULL
};

static const struct {
    const char *name;
    int value;
} errno_names[] = {
    { "EPERM", EPERM }, { "ENOENT", ENOENT }, { "EINTR", EINTR },
    { "EIO", EIO }, { "ENXIO", ENXIO }, { "EAGAIN", EAGAIN },
    { "ENOMEM", ENOMEM }, { "EACCES", EACCES }, { "EFAULT", EFAULT },
    { "EBUSY", EBUSY }, { "EEXIST", EEXIST }, { "ENODEV", ENODEV },
    { "EINVAL", EINVAL }, { "ENOTTY", ENOTTY }, { "ENOSPC", ENOSPC },
    { "EPIPE", EPIPE }, { "E2BIG", E2BIG }, { "ENOSYS", ENOSYS },
    { "EOPNOTSUPP", EOPNOTSUPP }, { "ETIMEDOUT", ETIMEDOUT },
    { "EOVERFLOW", EOVERFLOW }, { "EMSGSIZE", EMSGSIZE },
    { "EMFILE", EMFILE }, { "ENOMSG", ENOMSG }, { "ENOTCONN", ENOTCONN },
    { "EBADF", EBADF }, { "ESPIPE", ESPIPE },
};

int sim_parse_errno(const char *text)
{
    size_t i;

    for (i = 0; i < SIM_COUNT(errno_names); i++) {
        if (strcmp(errno_names[i].name, text) == 0) {
            return errno_names[i].value;
        }
    }
    return 0;
}
