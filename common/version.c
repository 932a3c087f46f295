/* common/version.c - see version.h. The one file that is compiled again when the build id changes. */
#include "common/version.h"

const char *ff_version(void)
{
    return "0.1.0";
}

const char *ff_build_id(void)
{
    return FF_BUILD_ID;
}

const char *ff_cpu_class(void)
{
#if defined __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return "x86-64-avx512";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "x86-64-avx2";
    if (__builtin_cpu_supports("avx")) return "x86-64-avx";
    return "x86-64";
#elif defined __aarch64__
    return "aarch64";
#else
    return "other";
#endif
}
