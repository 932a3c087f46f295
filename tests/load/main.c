/* tests/load/main.c - the load client: `load requests ..` or `load watch ..` (requests.h, watch.h); tests/load/load.py
** starts it. One thread and few system calls, since it shares two cores with the server and its gangs. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/load/requests.h"
#include "tests/load/watch.h"

static const char HELP[] =
    "load requests --server URL --token-file FILE --method GET|POST --path PATH [--body JSON] [--keys]\n"
    "              --connections N --total N [--rate R] [--ids FILE] [--patience S]\n"
    "load watch    --server URL --token-file FILE --path PATH --watchers N [--stalled N] [--patience S]\n";

struct options {
    const char *server, *token_file, *ids;
    struct requests requests;
    struct watch watch;
};

enum { SERVER, TOKEN, METHOD, PATH, BODY, KEYS, CONNECTIONS, TOTAL, RATE, IDS, PATIENCE, WATCHERS, STALLED };
static const struct option known[] = {{"server", required_argument, NULL, SERVER},
                                      {"token-file", required_argument, NULL, TOKEN},
                                      {"method", required_argument, NULL, METHOD},
                                      {"path", required_argument, NULL, PATH},
                                      {"body", required_argument, NULL, BODY},
                                      {"keys", no_argument, NULL, KEYS},
                                      {"connections", required_argument, NULL, CONNECTIONS},
                                      {"total", required_argument, NULL, TOTAL},
                                      {"rate", required_argument, NULL, RATE},
                                      {"ids", required_argument, NULL, IDS},
                                      {"patience", required_argument, NULL, PATIENCE},
                                      {"watchers", required_argument, NULL, WATCHERS},
                                      {"stalled", required_argument, NULL, STALLED},
                                      {NULL, 0, NULL, 0}};

static bool take(struct options *o, int option)
{
    switch (option) {
    case SERVER:
        o->server = optarg;
        return true;
    case TOKEN:
        o->token_file = optarg;
        return true;
    case METHOD:
        o->requests.method = optarg;
        return true;
    case PATH:
        o->requests.path = o->watch.path = optarg;
        return true;
    case BODY:
        o->requests.body = optarg;
        return true;
    case KEYS:
        return o->requests.keys = true;
    case CONNECTIONS:
        return (o->requests.connections = atoi(optarg)) > 0;
    case TOTAL:
        return (o->requests.total = atoi(optarg)) > 0;
    case RATE:
        return (o->requests.rate = atof(optarg)) > 0;
    case IDS:
        o->ids = optarg;
        return true;
    case PATIENCE:
        return (o->requests.patience_s = o->watch.patience_s = atof(optarg)) > 0;
    case WATCHERS:
        return (o->watch.watchers = atoi(optarg)) > 0;
    case STALLED:
        return (o->watch.stalled = atoi(optarg)) >= 0;
    default:
        return false;
    }
}

static bool read_token(const char *path, char *token, size_t size)
{
    FILE *file = path ? fopen(path, "re") : NULL;
    const bool read = file && fgets(token, (int)size, file);
    if (file) fclose(file);
    if (read) token[strcspn(token, "\r\n")] = '\0';
    return read && *token;
}

static int run_requests(struct options *o)
{
    if (o->ids && !(o->requests.ids = fopen(o->ids, "we"))) return 2;
    const int code = requests_run(&o->requests);
    if (o->requests.ids && fclose(o->requests.ids)) return 2;
    return code;
}

int main(int argc, char **argv)
{
    struct options o = {.requests = {.method = "GET", .connections = 1, .total = 1, .patience_s = 30},
                        .watch = {.watchers = 1, .patience_s = 30}};
    struct net_address address;
    struct rlimit files;
    char token[256];
    int option;
    bool good = argc > 1 && (strcmp(argv[1], "requests") == 0 || strcmp(argv[1], "watch") == 0);
    while (good && (option = getopt_long(argc - 1, argv + 1, "", known, NULL)) != -1) good = take(&o, option);
    if (!good || !o.server || !o.requests.path || !net_parse(&address, o.server) ||
        !read_token(o.token_file, token, sizeof token)) {
        fputs(HELP, stderr);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) { /* a connection each */
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    o.requests.address = o.watch.address = &address;
    o.requests.token = o.watch.token = token;
    return strcmp(argv[1], "watch") == 0 ? watch_run(&o.watch) : run_requests(&o);
}
