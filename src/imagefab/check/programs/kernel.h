#include <asm/types.h>
#include <linux/if_packet.h>
#include <linux/input.h>
#include <linux/usbdevice_fs.h>
#include <mtd/mtd-user.h>
#include <sound/asound.h>
