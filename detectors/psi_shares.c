/* SPDX-License-Identifier: GPL-3.0-or-later */
/* psi_shares - one term of PSI; see the header. */
#include "detectors/psi_shares.h"

#include <math.h>

double psi_term(double ref, double cur, double zero)
{
	if (ref == 0.0 && cur == 0.0)
		return 0.0;
	ref = ref > 0.0 ? ref : zero;
	cur = cur > 0.0 ? cur : zero;
	return (cur - ref) * log(cur / ref);
}
