/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_BASE_ATTR_H
#define DRIFTD_BASE_ATTR_H

/* attr - compiler attributes under short names, the same for gcc and clang. */

#define ATTR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define ATTR_NORETURN	       __attribute__((noreturn))
#define ATTR_UNUSED	       __attribute__((unused))
#define ATTR_CHECK	       __attribute__((warn_unused_result))
#define ATTR_CLEANUP(f)	       __attribute__((cleanup(f)))

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
