/*
 * The trace events of hw/vfio, made from hw/vfio/trace-events
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "trace-hw_vfio.h"
