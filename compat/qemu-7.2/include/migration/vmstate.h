/*
 * Device state in migration streams; see migration/register.h
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_VMSTATE_H
#define QEMU_VMSTATE_H

#include "migration/register.h"

#endif /* QEMU_VMSTATE_H */
