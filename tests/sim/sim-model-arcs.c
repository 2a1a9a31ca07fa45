/*
 * Model of a migratable VFIO device: which arcs a driver accepts
 *
 * Owns: one table of arcs for each strictness (docs/contract.md, States), and
 * the lists FROM>TO that change it.
 *
 * Pure; no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim-model.h"

enum { DRAWN, KERNEL, LENIENT, LIBVFIO_USER };

const char *const sim_strictness_names[] = {
    [DRAWN] = "drawn",
    [KERNEL] = "kernel",
    [LENIENT] = "lenient",
    [LIBVFIO_USER] = "libvfio-user",
    NULL
};

/* Arcs in the diagram of the kernel's header, and others of QEMU 5.2-7.2 */
static const char kernel_arcs[] = "001>000;001>010;010>000;001>011;"
                                  "011>010;001>100;100>001";
static const char qemu_arcs[] = "011>001;010>001;000>001;000>010;000>100";
/* Arcs accepted by libvfio-user's server for protocol v1 */
static const char libvfio_user_arcs[] =
    "000>001;001>000;001>010;001>011;001>100;010>000;010>001;011>000;"
    "011>010;100>001";

static bool parse_arc(const char *text, uint32_t *from, uint32_t *to)
{
    char left[SIM_PART_CHARS], right[SIM_PART_CHARS];

    return sim_split(text, '>', left, right) &&
           sim_parse_state(left, from) && sim_parse_state(right, to);
}

static bool set_list(bool arcs[SIM_NUM_STATES][SIM_NUM_STATES],
                     const char *list, bool accept)
{
    uint32_t from, to;
    char arc[64];

    while (sim_next_item(&list, arc, sizeof(arc))) {
        if (!parse_arc(arc, &from, &to)) {
            return false;
        }
        arcs[from][to] = accept;
    }
    return true;
}

bool sim_arcs_set(bool arcs[SIM_NUM_STATES][SIM_NUM_STATES],
                  unsigned strictness, const char *accept,
                  const char *refuse, const char **key)
{
    static const uint32_t valid[] = {
        SIM_STOP, SIM_RUNNING, SIM_STOP_COPY, SIM_PRE_COPY, SIM_RESUMING
    };
    size_t i, j;

    memset(arcs, 0, sizeof(bool) * SIM_NUM_STATES * SIM_NUM_STATES);
    for (i = 0; i < SIM_COUNT(valid); i++) {
        for (j = 0; j < SIM_COUNT(valid); j++) {
            arcs[valid[i]][valid[j]] = strictness == LENIENT || i == j;
        }
    }
    if (strictness == DRAWN || strictness == KERNEL) {
        set_list(arcs, kernel_arcs, true);
    }
    if (strictness == DRAWN) {
        set_list(arcs, qemu_arcs, true);
    }
    if (strictness == LIBVFIO_USER) {
        set_list(arcs, libvfio_user_arcs, true);
    }
    *key = "accept";
    if (!set_list(arcs, accept, true)) {
        return false;
    }
    *key = "refuse";
    return set_list(arcs, refuse, false);
}
