int pci;
