/* client/lib/client.h - what a client is made of. Private to client/lib. */
#ifndef FF_CLIENT_LIB_CLIENT_H
#define FF_CLIENT_LIB_CLIENT_H

#include <curl/curl.h>

#include "client/lib/http.h"

struct ff_client {
    CURL *easy; /* one connection at a time, kept open between requests */
    CURLM *multi;
    char *server;        /* as configured, without a slash at the end */
    char *base;          /* "http://host:port", what a path is appended to */
    char *socket;        /* path of the unix socket, or NULL */
    bool direct;         /* this machine: never through a proxy */
    char *authorization; /* header line, or NULL */
    char *ca_file;
    double connect_timeout_s, timeout_s, silence_s;
    int stop_fd; /* -1: none */
    bool (*interrupted)(void *self);
    void *self;
};

ff_err ff_client_interrupted(ff_ctx *ctx);

#endif
