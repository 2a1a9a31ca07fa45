/*
 * VFIO_DEVICE_FEATURE: the ioctl behind protocol v2 and a device's DMA log
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DEVICE_FEATURE_H
#define HW_VFIO_DEVICE_FEATURE_H

/* Operations, combined with the number of a feature; from linux/vfio.h */
#define VFIO_FEATURE_GET        (UINT32_C(1) << 16)
#define VFIO_FEATURE_SET        (UINT32_C(1) << 17)
#define VFIO_FEATURE_PROBE      (UINT32_C(1) << 18)

/*
 * vfio_device_feature: get, set or probe one feature of a device
 *
 * @fd: the VFIO device
 * @flags: number of the feature, and VFIO_FEATURE_*
 * @payload: of the feature; the kernel may write to it, even for a set. NULL
 *           if the feature has none
 * @size_bytes: of @payload
 *
 * Returns: 0 or -errno, but not -EINTR: an interrupted call is repeated.
 * Source: linux/vfio.h, struct vfio_device_feature
 */
int vfio_device_feature(int fd, uint32_t flags, void *payload,
                        size_t size_bytes);

/*
 * Does @ret mean that the device lacks the feature? Kernels before 6.18 return
 * EINVAL for drivers without any features, in particular those of mdevs.
 */
static inline bool vfio_feature_is_unknown(int ret)
{
    return ret == -ENOTTY || ret == -EINVAL;
}

#endif /* HW_VFIO_DEVICE_FEATURE_H */
