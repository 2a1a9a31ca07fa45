            pci_bus_get_irq_level(pci_get_bus(&s->dev), pirq));
    }
    return 0;
