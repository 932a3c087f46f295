/* common/version.h - which build of the product this is, and what of the machine its bits depend on. Pure functions that
** return static text. */
#ifndef FF_COMMON_VERSION_H
#define FF_COMMON_VERSION_H

const char *ff_version(void);  /* "0.1.0" */
const char *ff_build_id(void); /* git describe of the sources, "unknown" outside a checkout */

/* The instruction sets by which libraries choose code at run time ("x86-64-avx512", "x86-64-avx2", ..): two machines of
** one class give the same bits from the same binary; another class may differ in the last digit. */
const char *ff_cpu_class(void);

#endif
