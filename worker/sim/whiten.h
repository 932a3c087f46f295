/* worker/sim/whiten.h - the one constant of the whitening; inside this room only. */
#ifndef FF_WORKER_SIM_WHITEN_H
#define FF_WORKER_SIM_WHITEN_H

/* Response of a log-normal map to its field, in units of shift exp(FF_RESPONSE var): 0 is the mean of d kappa/d f, 1/2 its
** root mean square. In between, response^2 var is the variance shift^2 (exp(var) - 1) of the map itself, so that M is that
** of the field's spectrum and the latent left over depends least on the parameters. */
#define FF_RESPONSE 0.25

#endif
