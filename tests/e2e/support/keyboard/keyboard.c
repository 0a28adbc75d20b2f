#include <asm/ioctl.h>
#include <asm-generic/ioctls.h>
#include <linux/input.h>
#include <linux/usbdevice_fs.h>
#include <mtd/mtd-user.h>
#include <sound/asound.h>

unsigned key_event_size(void) { return sizeof(struct input_event); }
unsigned long get_version(void) { return EVIOCGVERSION; }
