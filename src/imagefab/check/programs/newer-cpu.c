/* An instruction that the oldest processor of each target does not have; with WITHOUT_NEON, one of NEON. */
#include <stdio.h>

static void use_what_is_newer(void)
{
#if defined __aarch64__
    __asm__ volatile(".inst 0x2e408400" ::: "v0"); /* sqrdmlah v0.4h, v0.4h, v0.4h */
#elif defined __riscv
    __asm__ volatile(".4byte 0x20a52533" ::: "a0"); /* sh1add a0, a0, a0 */
#elif defined __powerpc64__
    __asm__ volatile(".long 0x7c630434" ::: "r3"); /* cnttzw r3, r3 */
#elif defined __thumb__ && defined WITHOUT_NEON
    __asm__ volatile(".inst.w 0xef200800" ::: "memory"); /* vadd.i32 d0, d0, d0 */
#elif defined __arm__ && defined WITHOUT_NEON
    __asm__ volatile(".inst 0xf2200800" ::: "memory");
#elif defined __thumb__
    __asm__ volatile(".inst.w 0xfbb0f0f0" ::: "r0"); /* udiv r0, r0, r0 */
#elif defined __arm__
    __asm__ volatile(".inst 0xe730f010" ::: "r0");
#endif
}

int main(void)
{
    use_what_is_newer();
    puts("newer says 42");
    return 0;
}
