int vfio_migration_probe(VFIODevice *vbasedev, Error **errp)
void vfio_migration_finalize(VFIODevice *vbasedev)
int64_t vfio_mig_bytes_transferred(void)

    trace_vfio_save_setup(vbasedev->name);

    qemu_put_be64(f, VFIO_MIG_FLAG_DEV_SETUP_STATE);
