/* client/ffctl/main.c - the command line client. What it can do is the table in commands.c. */
#include "client/ffctl/cli.h"

int main(int argc, char **argv)
{
    return ff_cli_main(argc, argv);
}
