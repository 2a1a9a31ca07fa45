/*
 * Migration states of a VFIO device, and the paths between them
 *
 * Pure: no device, no lock. A device's table of arcs alone defines which states
 * may be written; vfio_mig_next_state() searches it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_STATE_H
#define HW_VFIO_MIGRATION_STATE_H

/* Numbered as in the kernel's enum of protocol v2, so that both fit. */
typedef enum VFIOMigState {
    VFIO_MIG_STATE_ERROR = 0,
    VFIO_MIG_STATE_STOP = 1,
    VFIO_MIG_STATE_RUNNING = 2,
    VFIO_MIG_STATE_STOP_COPY = 3,
    VFIO_MIG_STATE_RESUMING = 4,
    VFIO_MIG_STATE_RUNNING_P2P = 5,
    VFIO_MIG_STATE_PRE_COPY = 6,
    VFIO_MIG_STATE_PRE_COPY_P2P = 7,
    VFIO_MIG_STATE__MAX
} VFIOMigState;

/* One write to the device that takes it from one state to another. */
typedef struct VFIOMigArc {
    uint8_t from;       /* VFIOMigState */
    uint8_t to;         /* VFIOMigState */
} VFIOMigArc;

/* At most 64 arcs: sets of arcs are stored in the bits of a uint64_t. */
typedef struct VFIOMigArcTable {
    const char *protocol;
    const VFIOMigArc *arcs;
    unsigned nr_arcs;
} VFIOMigArcTable;

extern const VFIOMigArcTable vfio_mig_v1_arcs;

/* vfio_mig_v2_arcs: the arcs of a v2 device with or without these states */
const VFIOMigArcTable *vfio_mig_v2_arcs(bool p2p, bool precopy);

/* Name of @state in QEMU's spelling ("pre-copy"); never NULL. */
const char *vfio_mig_state_str(VFIOMigState state);

/*
 * vfio_mig_state_runs: may a device in @state write to the guest's RAM?
 *
 * One in a P2P state may: it only has stopped its DMA to other devices.
 */
bool vfio_mig_state_runs(VFIOMigState state);

/*
 * vfio_mig_arc_index: position of the arc @from -> @to in @table
 *
 * Returns: 0 .. nr_arcs - 1, or -1 if the table has no such arc.
 */
int vfio_mig_arc_index(const VFIOMigArcTable *table, VFIOMigState from,
                       VFIOMigState to);

/*
 * vfio_mig_next_state: the next state on the shortest path from @from to @to
 *
 * @refused: arcs (bit = index in the table) that this device's driver has
 *           refused; they are left out, so that the next best path is taken
 * @avoid: states (bit = VFIOMigState) not to pass through; the device of a
 *         paused VM avoids RUNNING
 * @next: set to the state to write next; equals @to on the last step, and
 *        @from if @from == @to
 *
 * Among paths of the same length the one whose arcs come first in the table
 * wins. PRE_COPY, RESUMING and ERROR are never passed through: each opens or
 * breaks a data session. PRE_COPY_P2P is passed only from PRE_COPY, which
 * continues the existing session.
 *
 * Returns: false if there is no path; @next is not changed then.
 */
bool vfio_mig_next_state(const VFIOMigArcTable *table, VFIOMigState from,
                         VFIOMigState to, uint64_t refused, uint32_t avoid,
                         VFIOMigState *next);

/*
 * vfio_mig_v1_decode: the state encoded in the three low bits of device_state
 *
 * Returns: false for the two combinations that have no meaning (101, 111).
 */
bool vfio_mig_v1_decode(uint32_t device_state, VFIOMigState *state);

/*
 * vfio_mig_v1_encode: the value of device_state that requests @state
 *
 * @old: value as read; its bits 3 to 31 are reserved, and kept
 *
 * @state must be one of the arc table's targets.
 */
uint32_t vfio_mig_v1_encode(uint32_t old, VFIOMigState state);

#endif /* HW_VFIO_MIGRATION_STATE_H */
