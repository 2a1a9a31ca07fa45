            pci_bus_get_irq_level(pci_get_bus(&piix3->dev), pirq));
    }
    return 0;
