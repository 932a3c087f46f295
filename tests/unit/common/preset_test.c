/* tests/unit/common/preset_test.c - the source distribution of the cosmos preset is the least-squares fit to the
** catalogue's own n(z) (FF_SHARED/data/cosmos), so that whoever doubts its numbers can see where they come from. */
#include <math.h>

#include "tests/unit/common/help.h"

enum { ROWS = 500, FINE = 10000 };

/* Columns z, N of the catalogue's file; N scaled to integral 1. */
static bool read_distribution(double z[ROWS], double n[ROWS])
{
    char path[1024];
    const char *shared = getenv("FF_SHARED");
    double sum = 0;
    snprintf(path, sizeof path, "%s/data/cosmos/cosmos_zdist_faint_w0.asc", shared ? shared : "../shared");
    FILE *file = fopen(path, "r");
    if (!file) {
        print_message("# %s is not there: skipped\n", path);
        return false;
    }
    for (int i = 0; i < ROWS; i++) {
        assert_int_equal(fscanf(file, "%lf %lf", &z[i], &n[i]), 2);
        sum += n[i];
    }
    fclose(file);
    for (int i = 0; i < ROWS; i++) n[i] /= sum * (z[1] - z[0]);
    return true;
}

static double smail(const double p[3], double z)
{
    return pow(z, p[0]) * exp(-pow(z / p[2], p[1]));
}

/* Sum of squared residuals of the normalised curve; *mean its mean redshift. */
static double misfit(const double p[3], const double z[ROWS], const double n[ROWS], double *mean)
{
    double norm = 0, first = 0, sum = 0;
    for (int i = 1; i < FINE; i++) {
        double x = 10. * i / FINE;
        norm += smail(p, x) * 10 / FINE;
        first += x * smail(p, x) * 10 / FINE;
    }
    for (int i = 0; i < ROWS; i++) {
        double r = smail(p, z[i]) / norm - n[i];
        sum += r * r;
    }
    *mean = first / norm;
    return sum;
}

static void cosmos_sources_fit_the_catalogues_redshifts(void **state)
{
    double z[ROWS], n[ROWS], mean, other, data_mean = 0;
    (void)state;
    if (!read_distribution(z, n)) skip();
    for (int i = 0; i < ROWS; i++) data_mean += z[i] * n[i] * (z[1] - z[0]);
    struct ff_job *job = job_of("{\"kind\":\"spectrum\",\"model\":{\"preset\":\"cosmos\"}}");
    const struct ff_sources *s = &job->model.sources;
    const double fit[3] = {s->a, s->b, s->z0};
    double best = misfit(fit, z, n, &mean);
    expect_number("mean redshift", data_mean, mean, 0.01 * data_mean);
    for (int k = 0; k < 6; k++) {
        double moved[3] = {fit[0], fit[1], fit[2]};
        moved[k / 2] += k % 2 ? 0.002 : -0.002;
        double worse = misfit(moved, z, n, &other);
        if (!(worse > best))
            fail_msg("parameter %d moved by 0.002: expected a misfit above %g, got %g", k / 2, best, worse);
    }
    ff_job_free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(cosmos_sources_fit_the_catalogues_redshifts)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
