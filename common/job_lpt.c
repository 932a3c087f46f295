/* common/job_lpt.c - "lpt" of a model: the box of matter and how it is moved and painted (docs/job.md). A light-cone wider
** than the box is no error: the box is periodic. */
#include <math.h>

#include "common/job_parts.h"

/* Stencils of the second order reach four cells to either side. */
enum { MIN_SIDE = 8, MAX_SIDE = 4096 };
static const struct ff_range box = {0, 1e6, true, false};

static const struct ff_choice gradients[] = {{"stencil", false, false}, {"spectral", true, false}, {NULL, 0, false}};
static const struct ff_choice paints[] = {{"cic", FF_PAINT_CIC, false}, {"tsc", FF_PAINT_TSC, false}, {NULL, 0, false}};

static void read_mesh(struct ff_scope *scope, struct ff_lpt *lpt)
{
    static const char *const index[] = {"0", "1", "2"};
    struct ff_scope list;
    const int n = ff_scope_list(&list, scope, "mesh", 3, 3);
    for (int i = 0; i < n; i++) {
        lpt->mesh[i] = (int)ff_read_integer_element(&list, i, MIN_SIDE, MAX_SIDE);
        ff_job_check_fast(&list, index[i], lpt->mesh[i], MIN_SIDE, MAX_SIDE);
    }
}

void ff_job_read_lpt(struct ff_scope *scope, struct ff_lpt *lpt)
{
    struct ff_scope members, list;
    ff_scope_object(&members, scope, "lpt");
    read_mesh(&members, lpt);
    const int n = ff_scope_list(&list, &members, "box_mpch", 3, 3);
    for (int i = 0; i < n; i++) lpt->box_mpch[i] = ff_read_element(&list, i, box);
    lpt->order = (int)ff_read_integer(&members, "order", 1, 2, 1);
    lpt->offset = ff_read_real(&members, "offset", (struct ff_range){0, 1, false, true}, 0.5);
    lpt->spectral = ff_read_choice(&members, "gradient", gradients, "stencil");
    lpt->paint = (enum ff_paint_kernel)ff_read_choice(&members, "paint", paints, "cic");
    lpt->decic = ff_read_bool(&members, "decic", false);
    ff_scope_close(&members);
}
