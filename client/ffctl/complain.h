/* client/ffctl/complain.h - errors for people and for programs, on stderr. */
#ifndef FF_CLIENT_COMPLAIN_H
#define FF_CLIENT_COMPLAIN_H

#include "client/ffctl/cli.h"

/* What is wrong, where in the job, through which calls it came, and what to do next. exit_code: what the program is
** about to return. `command` may be NULL. */
void ff_complain(const struct ff_cli *cli, int exit_code, const char *command);

#endif
