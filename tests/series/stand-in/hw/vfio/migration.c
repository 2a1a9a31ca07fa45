int vfio_migration_probe(VFIODevice *vbasedev, Error **errp)
void vfio_migration_finalize(VFIODevice *vbasedev)
int64_t vfio_mig_bytes_transferred(void)
