// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: the module
 *
 * Owns: loading and unloading. A driver that shows a migratable device to
 * VFIO, with the migration region of protocol v1 (Linux 5.8 to 5.17), or by
 * protocol v2 as the kernel itself has it: as an mdev, and as a PCI driver
 * for QEMU's "edu" device. For tests only: it writes into guest memory as it
 * is told to. Reference: docs/test-driver.md.
 *
 * Locks: none.
 */
#include "vmt.h"

static int __init vmt_module_init(void)
{
	int ret;

	vmt_debugfs_init();
	ret = vmt_mdev_init();
	if (ret)
		goto no_mdev;
	ret = vmt_pci_init();
	if (ret)
		goto no_pci;
	return 0;
no_pci:
	vmt_mdev_exit();
no_mdev:
	vmt_debugfs_exit();
	return ret;
}

static void __exit vmt_module_exit(void)
{
	vmt_pci_exit();
	vmt_mdev_exit();
	vmt_debugfs_exit();
}

module_init(vmt_module_init);
module_exit(vmt_module_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("VFIO devices that can migrate, for tests");
