/* SPDX-License-Identifier: MIT */
/* The texts of the result codes. */
#include <virtio_drv/base.h>

const char *vdrv_strerror(int err)
{
    if (err < VDRV_ERR_STUCK)
        err = VDRV_ERR_IO;
    switch (err) {
#define VDRV__ERROR_CASE(name, value, text)                                    \
    case (value):                                                              \
        return text;
        VDRV_ERRORS(VDRV__ERROR_CASE)
#undef VDRV__ERROR_CASE
    default:
        return "ok";
    }
}
