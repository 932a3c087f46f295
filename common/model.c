/* common/model.c - see model.h. */
#include "common/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *latex;
    double value, low, high;
} globals[FF_NGLOBAL] = {
#define X(place, name_, latex_, value_, low_, high_) [place] = {name_, latex_, value_, low_, high_},
#include "proto/params.def"
#undef X
};

void ff_par_name(int nbins, int par, char *out)
{
    if (par < FF_NGLOBAL) {
        snprintf(out, FF_NAME_SIZE, "%s", globals[par].name);
    } else if (par < ff_par_dz(nbins, 0)) {
        snprintf(out, FF_NAME_SIZE, "m_%d", par - ff_par_m(0) + 1);
    } else {
        snprintf(out, FF_NAME_SIZE, "dz_%d", par - ff_par_dz(nbins, 0) + 1);
    }
}

void ff_par_latex(int nbins, int par, char *out)
{
    if (par < FF_NGLOBAL) {
        snprintf(out, 2 * FF_NAME_SIZE, "%s", globals[par].latex);
    } else if (par < ff_par_dz(nbins, 0)) {
        snprintf(out, 2 * FF_NAME_SIZE, "m_{%d}", par - ff_par_m(0) + 1);
    } else {
        snprintf(out, 2 * FF_NAME_SIZE, "\\Delta z_{%d}", par - ff_par_dz(nbins, 0) + 1);
    }
}

void ff_par_text(int nbins, const double *theta, char out[FF_PAR_TEXT_SIZE])
{
    char name[FF_NAME_SIZE];
    size_t n = 0;
    out[0] = '\0';
    for (int par = 0; par < ff_par_count(nbins) && n < FF_PAR_TEXT_SIZE; par++) {
        if (par >= FF_NGLOBAL && theta[par] == 0) continue;
        ff_par_name(nbins, par, name);
        n += (size_t)snprintf(out + n, FF_PAR_TEXT_SIZE - n, "%s%s %.6g", n ? ", " : "", name, theta[par]);
    }
}

int ff_par_find(int nbins, const char *name)
{
    char here[FF_NAME_SIZE];
    for (int par = 0; par < ff_par_count(nbins); par++) {
        ff_par_name(nbins, par, here);
        if (!strcmp(here, name)) return par;
    }
    return -1;
}

double ff_par_default(int nbins, int par)
{
    (void)nbins;
    return par < FF_NGLOBAL ? globals[par].value : 0;
}

void ff_par_edges(int nbins, int par, double *low, double *high)
{
    bool multiplicative = par >= FF_NGLOBAL && par < ff_par_dz(nbins, 0);
    /* The gain 1 + m stays positive; a shift of n(z) may be anything. */
    *low = par < FF_NGLOBAL ? globals[par].low : multiplicative ? -1 : -INFINITY;
    *high = par < FF_NGLOBAL ? globals[par].high : INFINITY;
}
