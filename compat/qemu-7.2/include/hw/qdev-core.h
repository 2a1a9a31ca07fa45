/*
 * Devices
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QDEV_CORE_H
#define QDEV_CORE_H

#include "qom/object.h"
#include "hw/vmstate-if.h"

#define DEVICE(obj) ((DeviceState *)(obj))

/* The bus that the device is plugged into */
BusState *qdev_get_parent_bus(const DeviceState *dev);

#endif /* QDEV_CORE_H */
