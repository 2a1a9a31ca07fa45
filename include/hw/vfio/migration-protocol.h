/*
 * The operations of a migration protocol of the kernel
 *
 * A protocol moves the state of one device. It knows neither streams nor
 * policy: what it reads goes into a sink, what it writes comes from a source.
 *
 * Locks: step(), probe() and release() need the BQL. The caller of all others
 * has claimed the device, so that one operation runs at a time. No operation
 * takes a lock, and read_chunk() and write_chunk() may block.
 * read_chunk() may release the claim while it waits, if a change of the
 * device's state does no harm then; it holds the claim when it returns.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_PROTOCOL_H
#define HW_VFIO_MIGRATION_PROTOCOL_H

#include "hw/vfio/migration-estimate.h"
#include "hw/vfio/migration-state.h"

typedef struct VFIODeviceMigration VFIODeviceMigration;

/* Hint for the user if a driver has rejected its data */
#define VFIO_MIG_HINT_SAME_DRIVER \
    "Both hosts need the same kernel series, driver and firmware.\n"

/*
 * Where the bytes of a chunk go. Functions return 0 or -errno; a sink that
 * reports its error elsewhere leaves @errp unset.
 */
typedef struct VFIOMigSink VFIOMigSink;
struct VFIOMigSink {
    /* Announce a chunk of @size_bytes, never 0. Does not block. */
    int (*begin)(VFIOMigSink *sink, uint64_t size_bytes, Error **errp);
    /*
     * The next bytes of the chunk.
     *
     * @window: they are in memory of the device. They do not change until
     *          end() has returned, but reading them may fault; then the
     *          function returns -EFAULT with @errp unset.
     */
    int (*put)(VFIOMigSink *sink, const void *data, size_t size_bytes,
               bool window, Error **errp);
    /*
     * The chunk is complete, and none of its bytes are needed any more.
     * -EFAULT with @errp unset is as for put().
     */
    int (*end)(VFIOMigSink *sink, Error **errp);
    /*
     * Memory of the sink for the next @size_bytes: of the current chunk or, if
     * none was begun, of the next one. If they are read into that memory and
     * passed to put() next, they are not copied. May block. NULL: the sink
     * accepts no more, and has reported its error elsewhere.
     */
    void *(*room)(VFIOMigSink *sink, size_t size_bytes);
};

/* Where the bytes of a chunk come from */
typedef struct VFIOMigSource VFIOMigSource;
struct VFIOMigSource {
    /*
     * The next @size_bytes of the chunk, all of them.
     *
     * @window: @to is memory of the device, and writing it may fault; then
     *          the function returns -EFAULT with @errp unset.
     */
    int (*get)(VFIOMigSource *source, void *to, size_t size_bytes,
               bool window, Error **errp);
};

/* What read_chunk() has found */
typedef enum VFIOMigRead {
    VFIO_MIG_READ_END,          /* there is no more in this phase */
    VFIO_MIG_READ_NOTHING_NOW,  /* a running device has nothing to give yet */
    VFIO_MIG_READ_CHUNK,        /* one chunk went into the sink */
} VFIOMigRead;

/* What one device can do; set by probe() */
typedef struct VFIOMigTraits {
    const VFIOMigArcTable *arcs;
    bool learns_refusals;   /* EINVAL: the driver lacks this arc, avoid it */
    bool p2p;               /* it can stop only its DMA to other devices */
    bool precopy;           /* it can be read while it runs */
    bool any_segments;      /* chunk boundaries carry no meaning */
    bool cheap_sizes;       /* sizes may be queried at any rate */
    bool brief_claims;      /* saving claims it for one call at a time */
} VFIOMigTraits;

/*
 * Functions return 0 or -errno with @errp set, unless they say otherwise.
 */
typedef struct VFIOMigProtocol {
    const char *name;

    /*
     * Does the device support this protocol? Sets up what is needed for it, and
     * mig->traits.
     *
     * Returns: 0; -ENODEV if it does not, and another protocol may be tried:
     * @errp then says what its driver does not offer ("no ..."); another -errno
     * if it does, but incorrectly.
     */
    int (*probe)(VFIODeviceMigration *mig, Object *obj, Error **errp);
    /* Undo probe(), and open() if close() was not called. */
    void (*release)(VFIODeviceMigration *mig);

    /* The state that the device is in. Returns 0 or -errno. */
    int (*read_state)(VFIODeviceMigration *mig, VFIOMigState *state);
    /* Perform one arc of the table: a single write. Returns 0 or -errno. */
    int (*step)(VFIODeviceMigration *mig, VFIOMigState to);

    /* Allocate or free what is needed to move data. BQL */
    void (*open)(VFIODeviceMigration *mig);
    void (*close)(VFIODeviceMigration *mig);

    /*
     * How much data the device still has, as far as it can report that. A
     * running device may have more to give only after this query.
     *
     * @sizes: must be all zero
     */
    int (*estimate)(VFIODeviceMigration *mig, VFIOMigSizes *sizes,
                    Error **errp);
    /*
     * Move one chunk into @sink, and tell the driver that it was taken.
     *
     * Returns: a VFIOMigRead, or -errno; @errp is unset if the sink has failed
     * without setting it. After a failure the chunk counts as not taken.
     */
    int (*read_chunk)(VFIODeviceMigration *mig, VFIOMigSink *sink,
                      Error **errp);
    /* Move a chunk of @size_bytes from @source to the device. */
    int (*write_chunk)(VFIODeviceMigration *mig, VFIOMigSource *source,
                       uint64_t size_bytes, Error **errp);
} VFIOMigProtocol;

extern const VFIOMigProtocol vfio_mig_protocol_v1;
extern const VFIOMigProtocol vfio_mig_protocol_v2;

#endif /* HW_VFIO_MIGRATION_PROTOCOL_H */
