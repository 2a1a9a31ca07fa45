/*
 * Names of QEMU's types that most headers only point at
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_TYPEDEFS_H
#define QEMU_TYPEDEFS_H

typedef uint64_t hwaddr;
typedef uint64_t ram_addr_t;

typedef struct AddressSpace AddressSpace;
typedef struct BusState BusState;
typedef struct DeviceState DeviceState;
typedef struct Error Error;
typedef struct EventNotifier EventNotifier;
typedef struct FlatView FlatView;
typedef struct IOMMUMemoryRegion IOMMUMemoryRegion;
typedef struct MemoryListener MemoryListener;
typedef struct MemoryRegion MemoryRegion;
typedef struct MemoryRegionSection MemoryRegionSection;
typedef struct MigrationIncomingState MigrationIncomingState;
typedef struct MigrationState MigrationState;
typedef struct Notifier Notifier;
typedef struct NotifierWithReturn NotifierWithReturn;
typedef struct Object Object;
typedef struct ObjectClass ObjectClass;
typedef struct ObjectProperty ObjectProperty;
typedef struct PCIBus PCIBus;
typedef struct PCIDevice PCIDevice;
typedef struct QIOChannel QIOChannel;
typedef struct QEMUFile QEMUFile;
typedef struct VMChangeStateEntry VMChangeStateEntry;
typedef struct VMStateIf VMStateIf;
typedef struct Visitor Visitor;

typedef void SaveStateHandler(QEMUFile *f, void *opaque);
typedef int LoadStateHandler(QEMUFile *f, void *opaque, int version_id);

typedef enum OnOffAuto {
    ON_OFF_AUTO_AUTO,
    ON_OFF_AUTO_ON,
    ON_OFF_AUTO_OFF,
    ON_OFF_AUTO__MAX,
} OnOffAuto;

/* Order of qapi/run-state.json */
typedef enum RunState {
    RUN_STATE_DEBUG,
    RUN_STATE_INMIGRATE,
    RUN_STATE_INTERNAL_ERROR,
    RUN_STATE_IO_ERROR,
    RUN_STATE_PAUSED,
    RUN_STATE_POSTMIGRATE,
    RUN_STATE_PRELAUNCH,
    RUN_STATE_FINISH_MIGRATE,
    RUN_STATE_RESTORE_VM,
    RUN_STATE_RUNNING,
    RUN_STATE_SAVE_VM,
    RUN_STATE_SHUTDOWN,
    RUN_STATE_SUSPENDED,
    RUN_STATE_WATCHDOG,
    RUN_STATE_GUEST_PANICKED,
    RUN_STATE_COLO,
    RUN_STATE__MAX,
} RunState;

/* The name of @state, as qapi/run-state.json spells it */
typedef struct QEnumLookup {
    const char *const *const array;
    const unsigned char *const special_features;
    const int size;
} QEnumLookup;
extern const QEnumLookup RunState_lookup;
const char *qapi_enum_lookup(const QEnumLookup *lookup, int val);
#define RunState_str(state) qapi_enum_lookup(&RunState_lookup, (state))

#endif /* QEMU_TYPEDEFS_H */
