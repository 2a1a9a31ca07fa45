/*
 * VFIO_DEVICE_FEATURE: the ioctl behind protocol v2 and a device's DMA log
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DEVICE_FEATURE_H
#define HW_VFIO_DEVICE_FEATURE_H

#define VFIO_FEATURE_GET        (UINT32_C(1) << 16)
#define VFIO_FEATURE_SET        (UINT32_C(1) << 17)
#define VFIO_FEATURE_PROBE      (UINT32_C(1) << 18)

/*
 * vfio_device_feature: get, set or probe one feature of a device
 *
 * @fd: the VFIO device
 * @flags: number of the feature, and VFIO_FEATURE_*
 * @payload: of the feature; the kernel may write to it, also in a set. NULL
 *           where it has none
 * @size_bytes: of @payload
 *
 * Returns: 0 or -errno, but not -EINTR: an interrupted call is repeated.
 * Source: linux/vfio.h, struct vfio_device_feature
 */
int vfio_device_feature(int fd, uint32_t flags, void *payload,
                        size_t size_bytes);

/*
 * Does the device lack the feature that gave @ret? Kernels before 6.18 say
 * EINVAL where a driver, above all one of an mdev, has no features at all.
 */
static inline bool vfio_feature_is_unknown(int ret)
{
    return ret == -ENOTTY || ret == -EINVAL;
}

#endif /* HW_VFIO_DEVICE_FEATURE_H */
