/* SPDX-License-Identifier: GPL-3.0-or-later */
/* registry - the list of detectors, in the order of results. */
#include "detectors/registry.h"

#include "base/attr.h"

#include <assert.h>
#include <string.h>

static const struct detector *const detectors[] = {
	&detector_psi,
	&detector_ks,
	&detector_js,
	&detector_chi2,
	&detector_linf,
	&detector_missing_share,
	&detector_invalid_share,
	&detector_new_category_share,
	&detector_out_of_range_share,
	&detector_psi_eps1e6,
	&detector_psi_laplace,
	&detector_psi_left,
	&detector_psi_missbin,
	&detector_hellinger,
	&detector_kl,
	&detector_tv,
	&detector_wasserstein,
	&detector_wasserstein_norm,
	&detector_energy_distance,
	&detector_ks_robust,
	&detector_mean_shift,
	&detector_std_shift,
	&detector_quantile_shift,
	&detector_cvm,
	&detector_ad,
	&detector_mwu,
	&detector_welch,
	&detector_chi2_yates,
	&detector_g,
	&detector_cramers_v,
	&detector_n_categories,
	&detector_n_new_categories,
	&detector_n_lost_categories,
};

static_assert(ARRAY_LEN(detectors) <= DETECTORS_MAX,
	      "sets of detectors are bits of an uint64_t");

const struct detector *const *detector_list(size_t *n)
{
	*n = ARRAY_LEN(detectors);
	return detectors;
}

const struct detector *detector_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(detectors); i++) {
		if (strcmp(detectors[i]->name, name) == 0 ||
		    strcmp(detectors[i]->metric, name) == 0)
			return detectors[i];
	}
	return NULL;
}

size_t detector_index(const struct detector *d)
{
	size_t i = 0;

	while (i < ARRAY_LEN(detectors) && detectors[i] != d)
		i++;
	assert(i < ARRAY_LEN(detectors)); /* every detector is listed */
	return i;
}
