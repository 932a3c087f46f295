/* client/ffctl/completion.c - `ffctl completion bash|zsh|fish`: scripts made from the table of commands. */
#include <stdio.h>
#include <string.h>

#include "client/ffctl/cli.h"

/* Calls fn for the options of a command, its own and the common ones. */
static void each_option(const struct ff_command *c, void (*fn)(const struct ff_command *c, const struct ff_option *o))
{
    for (const struct ff_option *o = c->options; o && o->name; o++) fn(c, o);
    for (const struct ff_option *o = ff_common_options(c->remote); o->name; o++) fn(c, o);
}

static void print_spaced(const char *choices)
{
    for (; *choices; choices++) putchar(*choices == '|' ? ' ' : *choices);
}

/* Words that may stand first after a command, NULL: files. */
static const char *first_words(const char *command)
{
    static const struct {
        const char *command, *words;
    } known[] = {{"workers", "drain"}, {"users", "add rm"}, {"tokens", "add rm"}, {"completion", "bash zsh fish"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].command, command) == 0) return known[i].words;
    }
    return NULL;
}

/* ---- bash ---- */

static void bash_name(const struct ff_command *c, const struct ff_option *o)
{
    (void)c;
    printf(" --%s", o->name);
    if (o->letter) printf(" -%c", o->letter);
}

static void bash_choices(const struct ff_command *c, const struct ff_option *o)
{
    if (!o->choices) return;
    printf("        %s:--%s) words='", c->name, o->name);
    print_spaced(o->choices);
    puts("' ;;");
}

static void bash_value(const struct ff_command *c, const struct ff_option *o)
{
    if (o->kind == FF_OPTION_FLAG || o->choices) return;
    printf("        %s:--%s", c->name, o->name);
    if (o->letter) printf("|%s:-%c", c->name, o->letter);
    puts(o->kind == FF_OPTION_TEXT ? ") files=yes ;;" : ") return ;;");
}

static void print_bash(void)
{
    puts("# bash completion of ffctl: source <(ffctl completion bash)\n"
         "_ffctl() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command='' words='' files='' i\n"
         "    COMPREPLY=()\n"
         "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "        case ${COMP_WORDS[i]} in\n"
         "        -*) ;;\n"
         "        *) command=${COMP_WORDS[i]}; break ;;\n"
         "        esac\n"
         "    done\n"
         "    if [[ -z $command ]]; then");
    fputs("        words='", stdout);
    for (const struct ff_command *const *c = ff_commands(); *c; c++) printf("%s ", (*c)->name);
    puts("--json --no-color --help --version'\n"
         "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
         "        return\n"
         "    fi\n"
         "    case $command:$before in");
    for (const struct ff_command *const *c = ff_commands(); *c; c++) each_option(*c, bash_choices);
    for (const struct ff_command *const *c = ff_commands(); *c; c++) each_option(*c, bash_value);
    puts("    esac\n"
         "    if [[ -z $words$files && $word == -* ]]; then\n"
         "        case $command in");
    for (const struct ff_command *const *c = ff_commands(); *c; c++) {
        printf("        %s) words='", (*c)->name);
        each_option(*c, bash_name);
        puts("' ;;");
    }
    puts("        esac\n"
         "    elif [[ -z $words$files && $COMP_CWORD -eq $((i + 1)) ]]; then\n"
         "        case $command in");
    for (const struct ff_command *const *c = ff_commands(); *c; c++) {
        if (first_words((*c)->name)) printf("        %s) words='%s' ;;\n", (*c)->name, first_words((*c)->name));
    }
    fputs("        help) words='exit-codes", stdout);
    for (const struct ff_command *const *c = ff_commands(); *c; c++) printf(" %s", (*c)->name);
    puts("' ;;\n"
         "        esac\n"
         "    fi\n"
         "    if [[ -n $words ]]; then\n"
         "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
         "    else\n"
         "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
         "    fi\n"
         "}\n"
         "complete -o filenames -F _ffctl ffctl");
}

/* ---- zsh ---- */

/* In a description of zsh's _arguments these would end it. */
static void zsh_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'') {
            fputs("'\\''", stdout);
        } else {
            if (strchr("[]:\\", *text)) putchar('\\');
            putchar(*text);
        }
    }
}

static void zsh_option(const struct ff_command *c, const struct ff_option *o)
{
    (void)c;
    if (o->letter) {
        printf(" \\\n            '(-%c --%s)'{-%c,--%s}'[", o->letter, o->name, o->letter, o->name);
    } else {
        printf(" \\\n            '--%s[", o->name);
    }
    zsh_text(o->help);
    putchar(']');
    if (o->kind != FF_OPTION_FLAG) {
        putchar(':');
        zsh_text(o->value);
        putchar(':');
        if (o->choices) {
            putchar('(');
            print_spaced(o->choices);
            putchar(')');
        } else {
            fputs("_files", stdout);
        }
    }
    putchar('\'');
}

static void print_zsh(void)
{
    puts("#compdef ffctl\n"
         "# zsh completion of ffctl: ffctl completion zsh > \"${fpath[1]}/_ffctl\"\n"
         "_ffctl() {\n"
         "    local -a commands\n"
         "    commands=(");
    for (const struct ff_command *const *c = ff_commands(); *c; c++) {
        printf("        '%s:", (*c)->name);
        zsh_text((*c)->summary);
        puts("'");
    }
    puts("    )\n"
         "    if (( CURRENT == 2 )); then\n"
         "        _describe command commands\n"
         "        return\n"
         "    fi\n"
         "    local command=$words[2]\n"
         "    shift words\n"
         "    (( CURRENT-- ))\n"
         "    case $command in");
    for (const struct ff_command *const *c = ff_commands(); *c; c++) {
        const char *words = first_words((*c)->name);
        printf("    %s)\n        _arguments", (*c)->name);
        each_option(*c, zsh_option);
        if (words) printf(" \\\n            '1:what:(%s)'", words);
        puts(" \\\n            '*:file:_files'");
        puts("        ;;");
    }
    puts("    esac\n"
         "}\n"
         "_ffctl \"$@\"");
}

/* ---- fish ---- */

static void fish_text(const char *text)
{
    putchar('\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') putchar('\\');
        putchar(*text);
    }
    putchar('\'');
}

static void fish_option(const struct ff_command *c, const struct ff_option *o)
{
    printf("complete -c ffctl -n '__fish_seen_subcommand_from %s' -l %s", c->name, o->name);
    if (o->letter) printf(" -s %c", o->letter);
    if (o->choices) {
        fputs(" -x -a '", stdout);
        print_spaced(o->choices);
        putchar('\'');
    } else if (o->kind != FF_OPTION_FLAG) {
        fputs(" -r", stdout);
    }
    fputs(" -d ", stdout);
    fish_text(o->help);
    putchar('\n');
}

static void print_fish(void)
{
    puts("# fish completion of ffctl: ffctl completion fish > ~/.config/fish/completions/ffctl.fish");
    for (const struct ff_command *const *c = ff_commands(); *c; c++) {
        printf("complete -c ffctl -f -n __fish_use_subcommand -a %s -d ", (*c)->name);
        fish_text((*c)->summary);
        putchar('\n');
        each_option(*c, fish_option);
        if (first_words((*c)->name)) {
            printf("complete -c ffctl -f -n '__fish_seen_subcommand_from %s' -a '%s'\n", (*c)->name,
                   first_words((*c)->name));
        }
    }
}

static int completion(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)values;
    (void)nargs;
    if (strcmp(args[0], "bash") == 0) {
        print_bash();
    } else if (strcmp(args[0], "zsh") == 0) {
        print_zsh();
    } else if (strcmp(args[0], "fish") == 0) {
        print_fish();
    } else {
        ff_fail(&cli->ctx, FF_EUSAGE, FF_HERE, "no completion for '%s'; allowed: bash, zsh, fish", args[0]);
        return ff_cli_failed(cli);
    }
    return 0;
}

const struct ff_command ff_command_completion = {
    .name = "completion",
    .summary = "print a script that completes ffctl's command lines",
    .usage = "bash|zsh|fish",
    .examples = "  source <(ffctl completion bash)\n"
                "  ffctl completion fish > ~/.config/fish/completions/ffctl.fish\n",
    .least = 1,
    .most = 1,
    .run = completion,
};
