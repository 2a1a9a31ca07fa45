before

bool vfio_mig_active(void)
{
    gone
}

after
