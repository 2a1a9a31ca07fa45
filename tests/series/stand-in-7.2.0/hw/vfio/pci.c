        ret = vfio_migration_probe(vbasedev, errp);
        if (ret) {
            error_report("%s: Migration disabled", vbasedev->name);
        }

out_deregister:
    pci_device_set_intx_routing_notifier(&vdev->pdev, NULL);
    kvm_irqchip_remove_change_notifier(&vdev->irqchip_change_notifier);
out_teardown:

    DEFINE_PROP_BOOL("x-enable-migration", VFIOPCIDevice,
                     vbasedev.enable_migration, false),

static void vfio_pci_dev_class_init(ObjectClass *klass, void *data)
    device_class_set_props(dc, vfio_pci_dev_properties);
    dc->desc = "VFIO-based PCI device assignment";
