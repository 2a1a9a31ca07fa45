// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmt.h"
int vmt_pci_init(void)
{
	return 0;
}

void vmt_pci_exit(void)
{
}
