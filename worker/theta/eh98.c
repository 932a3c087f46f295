/* worker/theta/eh98.c - see eh98.h; "eq." below are those of astro-ph/9709112. */
#include "worker/theta/eh98.h"

#include <stdbool.h>

typedef struct ff_dual dual;

/* Drag epoch and sound horizon, eq. 2-7. */
static void set_scales(struct ff_eh98 *e, dual wm, dual wb, double t27)
{
    double t4 = t27 * t27 * t27 * t27;
    e->z_eq = ff_dual_affine(2.5e4 / t4, wm, 0);
    e->k_eq = ff_dual_affine(7.46e-2 / (t27 * t27), wm, 0);
    dual b1 = ff_dual_mul(ff_dual_affine(0.313, ff_dual_power(1, wm, -0.419), 0),
                          ff_dual_affine(0.607, ff_dual_power(1, wm, 0.674), 1));
    dual b2 = ff_dual_affine(0.238, ff_dual_power(1, wm, 0.223), 0);
    dual top = ff_dual_affine(1291, ff_dual_power(1, wm, 0.251), 0);
    dual zd = ff_dual_div(top, ff_dual_affine(0.659, ff_dual_power(1, wm, 0.828), 1));
    e->z_d = ff_dual_mul(zd, ff_dual_affine(1, ff_dual_mul(b1, ff_dual_pow(wb, b2)), 1));
    dual r = ff_dual_affine(31.5e3 / t4, wb, 0);
    e->r_d = ff_dual_div(r, e->z_d);
    e->r_eq = ff_dual_div(r, e->z_eq);
    dual num = ff_dual_add(ff_dual_sqrt(ff_dual_affine(1, e->r_d, 1)), ff_dual_sqrt(ff_dual_add(e->r_d, e->r_eq)));
    dual den = ff_dual_affine(1, ff_dual_sqrt(e->r_eq), 1);
    dual s = ff_dual_mul(ff_dual_power(1. / 6, e->r_eq, -0.5), ff_dual_log(ff_dual_div(num, den)));
    e->s = ff_dual_div(ff_dual_affine(2. / 3, s, 0), e->k_eq);
    e->k_silk = ff_dual_mul(ff_dual_mul(ff_dual_affine(1.6, ff_dual_power(1, wb, 0.52), 0), ff_dual_power(1, wm, 0.73)),
                            ff_dual_affine(1, ff_dual_power(10.4, wm, -0.95), 1));
}

/* Suppression of cold matter, eq. 11, 12. */
static void set_cold(struct ff_eh98 *e, dual wm)
{
    dual fb = e->fb, fc = ff_dual_affine(-1, fb, 1);
    dual a1 = ff_dual_mul(ff_dual_power(46.9, wm, 0.670), ff_dual_affine(1, ff_dual_power(32.1, wm, -0.532), 1));
    dual a2 = ff_dual_mul(ff_dual_power(12.0, wm, 0.424), ff_dual_affine(1, ff_dual_power(45.0, wm, -0.582), 1));
    dual fb3 = ff_dual_power(1, fb, 3);
    e->alpha_c = ff_dual_mul(ff_dual_pow(a1, ff_dual_affine(-1, fb, 0)), ff_dual_pow(a2, ff_dual_affine(-1, fb3, 0)));
    dual one = ff_dual_const(1);
    dual b1 = ff_dual_div(ff_dual_const(0.944), ff_dual_affine(1, ff_dual_power(458, wm, -0.708), 1));
    dual b2 = ff_dual_power(0.395, wm, -0.0266);
    dual inverse = ff_dual_add(one, ff_dual_mul(b1, ff_dual_affine(1, ff_dual_pow(fc, b2), -1)));
    e->beta_c = ff_dual_div(one, inverse);
}

/* Amplitude and shift of the oscillations, eq. 14, 15, 23, 24. */
static void set_baryons(struct ff_eh98 *e, dual wm)
{
    dual y = ff_dual_div(ff_dual_affine(1, e->z_eq, 1), ff_dual_affine(1, e->z_d, 1));
    dual root = ff_dual_sqrt(ff_dual_affine(1, y, 1));
    dual ratio = ff_dual_div(ff_dual_affine(1, root, 1), ff_dual_affine(1, root, -1));
    dual bracket = ff_dual_add(ff_dual_affine(-6, root, 0), ff_dual_mul(ff_dual_affine(3, y, 2), ff_dual_log(ratio)));
    dual drag = ff_dual_power(1, ff_dual_affine(1, e->r_d, 1), -0.75);
    dual keq_s = ff_dual_mul(e->k_eq, e->s);
    e->alpha_b = ff_dual_mul(ff_dual_mul(ff_dual_affine(2.07, keq_s, 0), drag), ff_dual_mul(y, bracket));
    dual wide = ff_dual_sqrt(ff_dual_affine(1, ff_dual_power(17.2, wm, 2), 1));
    e->beta_b = ff_dual_add(ff_dual_affine(1, e->fb, 0.5), ff_dual_mul(ff_dual_affine(-2, e->fb, 3), wide));
    e->node = ff_dual_affine(8.41, ff_dual_power(1, wm, 0.435), 0);
}

void ff_eh98_set(struct ff_eh98 *e, dual omega_c, dual omega_b, dual h, double t_cmb)
{
    dual om = ff_dual_add(omega_c, omega_b), h2 = ff_dual_mul(h, h);
    dual wm = ff_dual_mul(om, h2), wb = ff_dual_mul(omega_b, h2);
    e->h = h;
    e->fb = ff_dual_div(omega_b, om);
    set_scales(e, wm, wb, t_cmb / 2.7);
    set_cold(e, wm);
    set_baryons(e, wm);
}

/* Places of the logarithms (fb: the value itself) that T is differentiated by. */
enum { QEQ, SOUND, SILK, ALPHA_C, BETA_C, ALPHA_B, BETA_B, NODE, BARYONS, NSCALES };

struct partials {
    double by[NSCALES][FF_EH98_BLOCK];
};

/* eq. 16-24 for n <= FF_EH98_BLOCK wavenumbers, with partial derivatives. */
static void transfer(const struct ff_eh98 *e, int n, const double *k, const double *lnk, double *t, struct partials *p)
{
    const double h = e->h.v, lnh = log(h), s = e->s.v, fb = e->fb.v, fc = 1 - fb, bc = e->beta_c.v, node = e->node.v;
    const double q0 = h / (13.41 * e->k_eq.v), lnq0 = log(q0), lnsilk = lnh - log(e->k_silk.v), ab = e->alpha_b.v;
    const double ca = 14.2 / e->alpha_c.v, bb = e->beta_b.v;
#pragma omp simd
    for (int i = 0; i < n; i++) {
        double q = k[i] * q0, x = k[i] * h * s, power = 69.9 * exp(1.08 * (lnk[i] + lnq0));
        double c0 = 386 / (1 + power), c0q = -c0 * 1.08 * power / (1 + power), q2 = q * q;
        double l0 = log(M_E + 1.8 * q), l1 = log(M_E + 1.8 * bc * q);
        double l0q = 1.8 * q / (M_E + 1.8 * q), l1q = 1.8 * bc * q / (M_E + 1.8 * bc * q);
        double c1 = 14.2 + c0, c2 = ca + c0;
        /* T~0(1,1), (1,beta_c), (alpha_c,beta_c) = L/(L + C q^2) */
        double n11 = l0 + c1 * q2, n1b = l1 + c1 * q2, nab = l1 + c2 * q2;
        double t11 = l0 / n11, t1b = l1 / n1b, tab = l1 / nab;
        double u11 = q2 / (n11 * n11), u1b = q2 / (n1b * n1b), uab = q2 / (nab * nab);
        double x54 = x / 5.4, x54_4 = x54 * x54 * x54 * x54, f = 1 / (1 + x54_4);
        double tc = f * t1b + (1 - f) * tab;

        double u = node / x, u3 = u * u * u, phase = x * exp(-log(1 + u3) / 3);
        double j0 = sin(phase) / phase, j0p = cos(phase) - j0; /* dj0/dlnphase */
        double e14 = exp(1.4 * (lnk[i] + lnsilk)), v = bb / x, v3 = v * v * v;
        double bump = ab * exp(-e14) / (1 + v3), x52 = (x / 5.2) * (x / 5.2), m = t11 / (1 + x52);
        double tb = (m + bump) * j0;
        t[i] = fb * tb + fc * tc;

        double t11q = u11 * (c1 * l0q - l0 * (c0q + 2 * c1));
        double t1bq = u1b * (c1 * l1q - l1 * (c0q + 2 * c1)), tabq = uab * (c2 * l1q - l1 * (c0q + 2 * c2));
        double tail = 3 * v3 / (1 + v3), lag = u3 / (1 + u3), swing = fb * (m + bump) * j0p;
        p->by[QEQ][i] = fb * j0 / (1 + x52) * t11q + fc * (f * t1bq + (1 - f) * tabq);
        p->by[SOUND][i] = -4 * fc * f * (1 - f) * (t1b - tab) + fb * j0 * (-2 * m * x52 / (1 + x52) + bump * tail) +
                          swing * (1 + lag);
        p->by[SILK][i] = -fb * j0 * bump * 1.4 * e14;
        p->by[ALPHA_C][i] = fc * (1 - f) * l1 * uab * ca;
        p->by[BETA_C][i] = fc * (f * c1 * u1b + (1 - f) * c2 * uab) * l1q;
        p->by[ALPHA_B][i] = fb * j0 * bump;
        p->by[BETA_B][i] = -fb * j0 * bump * tail;
        p->by[NODE][i] = -swing * lag;
        p->by[BARYONS][i] = tb - tc;
    }
}

/* Derivative of the logarithms above with respect to parameter j. */
static void tangent(const struct ff_eh98 *e, int j, double out[NSCALES])
{
    double lnh = e->h.d[j] / e->h.v;
    out[QEQ] = lnh - e->k_eq.d[j] / e->k_eq.v;
    out[SOUND] = lnh + e->s.d[j] / e->s.v;
    out[SILK] = lnh - e->k_silk.d[j] / e->k_silk.v;
    out[ALPHA_C] = e->alpha_c.d[j] / e->alpha_c.v;
    out[BETA_C] = e->beta_c.d[j] / e->beta_c.v;
    out[ALPHA_B] = e->alpha_b.d[j] / e->alpha_b.v;
    out[BETA_B] = e->beta_b.d[j] / e->beta_b.v;
    out[NODE] = e->node.d[j] / e->node.v;
    out[BARYONS] = e->fb.d[j];
}

void ff_eh98_transfer(const struct ff_eh98 *e, int n, const double *k, const double *lnk, double *t, double *const *dt)
{
    double by[FF_NTRANSFER][NSCALES];
    for (int j = 0; j < FF_NTRANSFER; j++) tangent(e, j, by[j]);
    struct partials p;
    for (int first = 0; first < n; first += FF_EH98_BLOCK) {
        int count = n - first < FF_EH98_BLOCK ? n - first : FF_EH98_BLOCK;
        transfer(e, count, k + first, lnk + first, t + first, &p);
        for (int j = 0; dt && j < FF_NTRANSFER; j++)
            for (int i = 0; i < count; i++) {
                double sum = 0;
                for (int m = 0; m < NSCALES; m++) sum += by[j][m] * p.by[m][i];
                dt[j][first + i] = sum;
            }
    }
}
