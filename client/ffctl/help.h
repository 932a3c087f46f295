/* client/ffctl/help.h - help texts, made from the table of commands. */
#ifndef FF_CLIENT_HELP_H
#define FF_CLIENT_HELP_H

#include <stdio.h>

#include "client/ffctl/cli.h"

/* Every command in a line each. */
void ff_help_print_all(FILE *out);
/* One command: examples first, then options; returns the exit code. */
int ff_help_command(struct ff_cli *cli, const struct ff_command *command);

#endif
